// SPDX-License-Identifier: Apache-2.0

import java.util.List;
import java.util.stream.Stream;

/** What the jobs in Java share: the server's side of the environment, and a line for each step. */
class Job {
    static final String BASE = env("BASE"), USER = env("USER"), MEETING = env("MEETING"), TOKEN = env("TOKEN"), LATE = env("LATE");
    static final List<String> NAMES = List.of(env("NAMES").replaceAll("^\\[\"|\"]$", "").split("\",\""));
    static final List<String> SPECIAL = List.of("Summer plans", "C++ club", "O'Brien & Söhne");
    static final List<String> RECORDINGS = List.of("rec-0", "rec-1", "rec-2", "rec-3", "rec-4");
    static final String CALENDARS = BASE + "/v1.0/users/" + USER + "/calendars";
    static final String ALL_RECORDINGS = BASE + "/v1.0/users/" + USER + "/onlineMeetings/getAllRecordings(meetingOrganizerUserId='" + USER + "')";

    interface Work {
        void run() throws Exception;
    }

    static String env(String name) {
        return System.getenv(name);
    }

    static void step(String name, Work work) {
        try {
            work.run();
            System.out.println("ok " + name);
        } catch (Exception | Error why) {
            System.out.println("FAIL " + name + ": " + why.toString().replaceAll("\\s+", " "));
        }
    }

    static void same(Object value, Object expected) {
        if (!value.equals(expected))
            throw new IllegalStateException(value + " is not " + expected);
    }

    static List<String> sorted(Stream<String> names) {
        return names.sorted().toList();
    }

    static String named(String name) {
        return "name eq '" + name.replace("'", "''") + "'";
    }
}
