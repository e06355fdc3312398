// SPDX-License-Identifier: Apache-2.0

import com.azure.core.credential.AccessToken;
import com.azure.core.credential.TokenCredential;
import com.azure.identity.ClientCertificateCredentialBuilder;
import com.azure.identity.ClientSecretCredentialBuilder;
import com.microsoft.graph.core.authentication.AzureIdentityAuthenticationProvider;
import com.microsoft.graph.core.content.BatchRequestContent;
import com.microsoft.graph.core.requests.BaseGraphRequestAdapter;
import com.microsoft.graph.core.tasks.PageIterator;
import com.microsoft.graph.models.Calendar;
import com.microsoft.graph.models.CalendarCollectionResponse;
import com.microsoft.graph.models.CallRecording;
import com.microsoft.graph.models.odataerrors.ODataError;
import com.microsoft.graph.serviceclient.GraphServiceClient;
import com.microsoft.graph.users.item.calendars.CalendarsRequestBuilder;
import com.microsoft.graph.users.item.onlinemeetings.OnlineMeetingsRequestBuilder;
import java.net.URI;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import reactor.core.publisher.Mono;

/** The whole job with microsoft-graph and azure-identity. Of delta it can build the one of a meeting's recordings; the others by URL. */
class GraphJob extends Job {
    static final String[] SCOPES = {"https://graph.microsoft.com/.default"};

    static final GraphServiceClient graph = connect(fixed(TOKEN));
    static final CalendarsRequestBuilder calendars = graph.users().byUserId(USER).calendars();
    static Calendar made;
    static String link;

    static TokenCredential fixed(String token) {
        return context -> Mono.just(new AccessToken(token, OffsetDateTime.now().plusHours(1)));
    }

    static GraphServiceClient connect(TokenCredential credential) {
        var provider = new AzureIdentityAuthenticationProvider(credential, new String[] {URI.create(BASE).getHost()}, SCOPES);
        return new GraphServiceClient(new BaseGraphRequestAdapter(provider, BASE + "/v1.0"));
    }

    static TokenCredential bySecret(String secret) {
        return new ClientSecretCredentialBuilder().authorityHost(BASE).disableInstanceDiscovery().maxRetry(0)
            .tenantId(env("TENANT")).clientId(env("CLIENT_ID")).clientSecret(secret).build();
    }

    static TokenCredential byCertificate(boolean chain) {
        return new ClientCertificateCredentialBuilder().authorityHost(BASE).disableInstanceDiscovery().maxRetry(0)
            .tenantId(env("TENANT")).clientId(env("CERTIFICATE_CLIENT_ID")).pemCertificate(env("CERTIFICATE")).sendCertificateChain(chain).build();
    }

    static void signIn(TokenCredential credential) {
        same(names(connect(credential).users().byUserId(USER).calendars().get()), sorted(NAMES.stream()));
    }

    static List<String> names(CalendarCollectionResponse page) {
        return sorted(page.getValue().stream().map(Calendar::getName));
    }

    static List<String> ids(List<CallRecording> page) {
        return page.stream().map(CallRecording::getId).toList();
    }

    static Calendar calendar(String name) {
        var made = new Calendar();
        made.setName(name);
        return made;
    }

    static void refused(int status, String code, Work work) throws Exception {
        try {
            work.run();
        } catch (ODataError refusal) {
            same(refusal.getResponseStatusCode() + " " + refusal.getError().getCode(), status + " " + code);
            return;
        }
        throw new IllegalStateException("it was not refused");
    }

    static CalendarCollectionResponse delta() {
        var page = calendars.withUrl(link).get();
        link = page.getAdditionalData().get("@odata.deltaLink").toString();
        return page;
    }

    static void signInSteps() {
        step("sign in with a secret", () -> signIn(bySecret(env("CLIENT_SECRET"))));
        step("sign in with a certificate", () -> signIn(byCertificate(false)));
        step("sign in with a certificate that is sent along", () -> signIn(byCertificate(true)));
        step("a wrong secret is refused", () -> {
            try {
                signIn(bySecret("not-the-secret-at-all"));
            } catch (RuntimeException why) {
                if (why.toString().contains("AADSTS7000215"))
                    return;
                throw why;
            }
            throw new IllegalStateException("it was not refused");
        });
    }

    static void listSteps() {
        step("list as /me", () -> same(names(connect(fixed(env("ME_TOKEN"))).me().calendars().get()), sorted(NAMES.stream())));
        step("list by pages with a count", () -> {
            var first = calendars.get(options -> {
                options.queryParameters.select = new String[] {"name"};
                options.queryParameters.orderby = new String[] {"name asc"};
                options.queryParameters.top = 4;
                options.queryParameters.count = true;
            });
            same(List.of(first.getValue().size(), first.getOdataCount().intValue()), List.of(4, NAMES.size()));
            var told = new ArrayList<String>();
            new PageIterator.Builder<Calendar, CalendarCollectionResponse>().client(graph).collectionPage(first)
                .collectionPageFactory(CalendarCollectionResponse::createFromDiscriminatorValue)
                .processPageItemCallback(one -> told.add(one.getName())).build().iterate();
            same(sorted(told.stream()), sorted(NAMES.stream()));
        });
        step("count by builder", () -> same(calendars.count().get(), NAMES.size()));
        for (var name : SPECIAL)
            step("filter for " + name, () -> same(names(calendars.get(options -> options.queryParameters.filter = named(name))), List.of(name)));
    }

    static void calendarSteps() {
        step("delta by pages", () -> {
            var told = new ArrayList<Integer>();
            for (var url = CALENDARS + "/delta"; url != null;) {
                var page = calendars.withUrl(url).get(options -> options.headers.add("Prefer", "odata.maxpagesize=4"));
                told.add(page.getValue().size());
                url = page.getOdataNextLink();
                if (url == null)
                    link = page.getAdditionalData().get("@odata.deltaLink").toString();
            }
            same(told, List.of(4, 2));
        });
        step("create", () -> {
            made = calendars.post(calendar("Made by Java"));
            same(made.getName(), "Made by Java");
        });
        step("update", () -> {
            calendars.byCalendarId(made.getId()).patch(calendar("Renamed by Java"));
            same(calendars.byCalendarId(made.getId()).get().getName(), "Renamed by Java");
        });
        step("delta with a change", () -> same(names(delta()), List.of("Renamed by Java")));
        step("delete", () -> {
            calendars.byCalendarId(made.getId()).delete();
            refused(404, "ErrorItemNotFound", () -> calendars.byCalendarId(made.getId()).get());
        });
        step("delta with a removal", () -> {
            var told = delta().getValue();
            same(List.of(told.size(), told.get(0).getId(), told.get(0).getAdditionalData().containsKey("@removed")), List.of(1, made.getId(), true));
        });
        step("delta too late", () -> refused(410, "SyncStateNotFound", () -> calendars.withUrl(LATE).get()));
    }

    static void recordingSteps(OnlineMeetingsRequestBuilder meetings) {
        var meeting = meetings.byOnlineMeetingId(MEETING).recordings();

        step("recordings by URL", () -> {
            var told = new ArrayList<String>();
            for (var url = ALL_RECORDINGS + "/delta?$top=2"; url != null;) {
                var page = meeting.delta().withUrl(url).get();
                told.addAll(ids(page.getValue()));
                url = page.getOdataNextLink();
            }
            same(told, RECORDINGS);
        });
        step("recordings by builder", () -> {
            var every = meetings.getAllRecordingsmeetingOrganizerUserIdMeetingOrganizerUserIdWithStartDateTimeWithEndDateTime();
            var first = every.get(options -> {
                options.queryParameters.meetingOrganizerUserId = USER;
                options.queryParameters.startDateTime = OffsetDateTime.parse("2024-01-15T01:00:00Z");
                options.queryParameters.top = 2;
            });
            same(ids(first.getValue()), RECORDINGS.subList(1, 3));
            same(ids(every.withUrl(first.getOdataNextLink()).get().getValue()), RECORDINGS.subList(3, 5));
        });
        step("recordings of a meeting by builder", () -> {
            var first = meeting.delta().get(options -> options.queryParameters.top = 3);
            same(ids(first.getValue()), RECORDINGS.subList(0, 3));
            same(ids(meeting.delta().withUrl(first.getOdataNextLink()).get().getValue()), RECORDINGS.subList(3, 5));
            var one = meeting.byCallRecordingId("rec-1").get();
            same(List.of(one.getId(), one.getMeetingOrganizer().getUser().getId()), List.of("rec-1", USER));
        });
        step("content", () -> {
            same(new String(meeting.byCallRecordingId("rec-0").content().get().readAllBytes()), "the bytes of a video");
        });
    }

    static void lastSteps() {
        step("batch", () -> {
            var batch = new BatchRequestContent(graph);
            var make = batch.addBatchRequestStep(calendars.toPostRequestInformation(calendar("Batched")));
            var find = batch.addBatchRequestStep(calendars.toGetRequestInformation(options ->
                options.queryParameters.filter = named("Summer plans")));
            batch.getBatchRequestSteps().get(find).addDependsOnId(make);
            var answers = graph.getBatchRequestBuilder().post(batch, Map.of());
            same(answers.getResponsesStatusCode(), Map.of(make, 201, find, 200));
            same(names(answers.getResponseById(find, CalendarCollectionResponse::createFromDiscriminatorValue)), List.of("Summer plans"));
            calendars.byCalendarId(answers.getResponseById(make, Calendar::createFromDiscriminatorValue).getId()).delete();
        });
        step("errors", () -> {
            refused(409, "ErrorFolderExists", () -> calendars.post(calendar("cinema")));
            refused(400, "ErrorInvalidIdMalformed", () -> calendars.byCalendarId("nonsense").get());
            refused(400, "ErrorInvalidUrlQuery", () -> calendars.get(options -> options.queryParameters.filter = "nonsense eq 1"));
            refused(401, "InvalidAuthenticationToken", () -> connect(fixed("nonsense")).users().byUserId(USER).calendars().get());
        });
    }

    public static void main(String[] args) {
        signInSteps();
        listSteps();
        calendarSteps();
        recordingSteps(graph.users().byUserId(USER).onlineMeetings());
        lastSteps();
        System.out.println("done");
        System.exit(0);
    }
}
