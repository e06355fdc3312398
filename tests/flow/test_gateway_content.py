# SPDX-License-Identifier: Apache-2.0
"""The content of recordings that followers of a server fetch, and that the server serves: of which scope, when, from where."""
import signal
import sqlite3

from test_follow_commands import wait_for
from test_gateway import ANN, BOB, MAIL, far, gateway, served      # noqa: F401 (two are fixtures)
from test_sync_all import section

READ = "OnlineMeetingRecording.Read.All"


def recordings(owner):
    return f"/v1.0/users/{owner}/onlineMeetings/getAllRecordings(meetingOrganizerUserId='{owner}')"


def record(far, owner, *ids):
    for id in ids:
        far.feed(recordings(owner) + "/delta").put(id, recordingContentUrl=f"{far.base}/content/{owner}/{id}")


def answers(far, answer):
    """Content is what `answer(path)` says: bytes, or a status.  The paths that are asked for come into a list."""
    asked = []

    def fault(request, path):
        if not path.startswith("/content/"):
            return False
        asked.append(path)
        what = answer(path)
        if isinstance(what, bytes):
            request.send(200, what)
        else:
            request.error(what, "x")
        return True
    far.fault = fault
    return asked


def content(one, scope, id="x"):
    return one.get(f"/v1.0/scopes/{scope}/{id}/content", token=one.app_token(READ))


def test_gateway__one_folder_of_two_scopes_never_mixes_them(far, gateway, home):
    record(far, ANN, "x", "y")
    record(far, BOB, "x", "y")
    asked = answers(far, lambda path: 403 if path == f"/content/{BOB}/x" else path.encode())
    one = gateway("".join(section(name, far.base + recordings(owner) + "/delta", content=home / "files", every="1s") + served(name)
                          for name, owner in (("a", ANN), ("b", BOB))))
    wait_for(lambda: all(content(one, name, "y").status == 200 for name in "ab"))
    wait_for(lambda: content(one, "a").status == 200 and f"/content/{BOB}/x" in asked)
    assert content(one, "b").json["error"]["code"] == "RecordingContentNotAvailable"
    for name, owner, id in (("a", ANN, "x"), ("a", ANN, "y"), ("b", BOB, "y")):
        assert content(one, name, id).body == f"/content/{owner}/{id}".encode()


def test_gateway__one_folder_of_all_values_never_mixes_them(far, gateway, home):
    (home / "users").write_text(f"{ANN}\n{BOB}\n")
    for owner in (ANN, BOB):
        record(far, owner, "x")
    answers(far, str.encode)
    one = gateway(section("rec", far.base + recordings("{user}") + "/delta", for_each=f"file:{home}/users", content=home / "files", every="1s") + served("rec"))
    for owner in (ANN, BOB):
        wait_for(lambda: content(one, f"rec:{owner}").status == 200)
    for owner in (ANN, BOB):
        assert content(one, f"rec:{owner}").body == f"/content/{owner}/x".encode()


def test_gateway__another_folder_is_filled_and_so_is_an_emptied_one(far, gateway, home):
    record(far, ANN, "x")
    asked = answers(far, str.encode)
    for times, folder in enumerate(("files", "others", "others"), 1):
        one = gateway(section("a", far.base + recordings(ANN) + "/delta", content=home / folder, every="1s") + served("a"),
                      **({} if times == 1 else {"lines": None}))
        wait_for(lambda: content(one, "a").status == 200)
        assert len(asked) == times
        one.stop()
        for path in (home / folder).iterdir():
            path.unlink()


def test_gateway__a_file_counts_as_the_store_says(far, server, home, tm, store):
    """Also one of an older version, whose name has no scope and stands in no record."""
    record(far, ANN, "x", "y")
    answers(far, str.encode)
    tm("sync", far.base + recordings(ANN) + "/delta", "--scope", "a", "--content", home / "files", store=store)
    file = next(path for path in (home / "files").iterdir() if path.name.startswith("r-x-"))
    file.rename(home / "files" / "r-x-af63f54c86021707")
    with sqlite3.connect(store[7:]) as db:
        db.execute("UPDATE follow_content SET etag = '' WHERE id = 'x'")
        db.execute("UPDATE follow_content SET state = 2 WHERE id = 'y'")
    (home / "t.conf").write_text(served("a", content=home / "files"))
    one = server("--config", home / "t.conf")
    assert content(one, "a").body == f"/content/{ANN}/x".encode() and content(one, "a", "y").status == 404
    one.stop()
    asked = answers(far, str.encode)
    tm("sync", far.base + recordings(ANN) + "/delta", "--content", home / "files", store=store)
    assert asked == [f"/content/{ANN}/y"]


def test_gateway__sighup_names_what_is_served_only_after_a_restart(far, gateway, home):
    def config(mail, **more):
        return (section("a", far.base + recordings(ANN) + "/delta", every="1h", **more) + section("mail", far.base + mail, every="1h") +
                section("other", far.base + mail + "?more", every="1h") + served("a"))
    one = gateway(config(MAIL), "--serve-scope", "mail a")
    (home / "t.conf").write_text(config(MAIL + "/delta", content=home / "files"))
    one.process.send_signal(signal.SIGHUP)
    wait_for(lambda: "begin again" in one.stderr())
    said = [line for line in one.stderr().splitlines() if "needs a restart" in line]
    assert len(said) == 2 and 'content of [scope "a"]' in said[0] and 'url of [scope "mail"]' in said[1]
