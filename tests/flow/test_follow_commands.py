# SPDX-License-Identifier: Apache-2.0
"""The commands of a follower: what they print, how they end, how they live beside each other."""
import json
import os
import pathlib
import signal
import sqlite3
import subprocess
import threading
import time

import pytest

import misbehave as m
from conftest import BIN, base_env, check_sanitizers
from misbehave import FarEnd, gone, slow, status
from test_follow_misbehave import far, fill, view     # noqa: F401 (far is a fixture)


def changes(tm, store, *args, **wanted):
    return [json.loads(line) for line in tm("changes", *args, store=store, **wanted).stdout.splitlines()]


def reported(lines):
    return [(line["change"], line["id"]) for line in lines]


class Running:
    """A command that goes on until it is stopped; its lines come one at a time."""

    def __init__(self, home, *args):
        self.err = open(home / f"err-{time.monotonic_ns()}", "w+")
        self.process = subprocess.Popen([BIN, *map(str, args)], stdout=subprocess.PIPE, stderr=self.err, text=True,
                                        env=base_env(home), cwd=home)

    def line(self):
        return json.loads(self.process.stdout.readline())

    def stop(self, sign=signal.SIGTERM):
        self.process.send_signal(sign)
        code = self.process.wait(120)
        self.process.stdout.close()
        self.err.seek(0)
        text = self.err.read()
        self.err.close()
        check_sanitizers(text)
        return code, text


@pytest.fixture
def running(home):
    made = []

    def start(*args):
        made.append(Running(home, *args))
        return made[-1]
    yield start
    for one in made:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()


def wait_for(condition, seconds=120):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.02)


def rounds(store):
    try:
        with sqlite3.connect(f"file:{store[7:]}?mode=ro", uri=True) as db:
            return sum(row[0] for row in db.execute("SELECT rounds FROM scopes"))
    except sqlite3.Error:                          # it is being made
        return 0


# ---- changes ------------------------------------------------------------------------------------------------

def test_changes__prints_each_change_with_its_number_and_what_is_different(tm, store, far):
    fill(far, 2)
    first = changes(tm, store, far.url)
    assert reported(first) == [("created", "item-0"), ("created", "item-1")]
    assert first[0] == {"n": first[0]["n"], "change": "created", "scope": "calendars", "id": "item-0",
                        "fields": ["id", "name", "color"], "value": far.items["item-0"], "at": first[0]["at"]}
    far.put("item-0", name="new", color="auto", more=[1, {"x": None}])
    far.remove("item-1")
    far.put("item-2", name="two")
    second = changes(tm, store, far.url)
    assert reported(second) == [("updated", "item-0"), ("removed", "item-1"), ("created", "item-2")]
    assert second[0]["fields"] == ["name", "more"] and second[0]["value"] == far.items["item-0"]
    assert second[1]["fields"] == [] and second[1]["value"] is None
    far.put("item-1", name="back")
    assert reported(changes(tm, store, far.url)) == [("returned", "item-1")]
    numbers = [line["n"] for line in first + second]
    assert numbers == sorted(set(numbers))


def test_changes__of_a_url_are_printed_once_and_of_the_store_as_often_as_asked(tm, store, far):
    fill(far, 5)
    assert len(changes(tm, store, far.url)) == 5
    assert changes(tm, store, far.url) == []
    assert len(changes(tm, store)) == 5
    assert len(changes(tm, store, far.url, "--since", "0")) == 5


def test_changes__since_and_ack_tell_exactly_the_rest(tm, store, far):
    fill(far, 5)
    tm("sync", far.url, store=store)
    lines = changes(tm, store)
    assert changes(tm, store, "--since", lines[1]["n"]) == lines[2:]
    assert changes(tm, store, "--since", lines[-1]["n"]) == []
    assert changes(tm, store, "--ack", lines[2]["n"]) == lines[3:]
    assert changes(tm, store) == lines[3:]
    assert changes(tm, store, "--ack", lines[0]["n"]) == lines[3:], "a mark never goes back"
    assert changes(tm, store, "--since", "0") == lines
    tm("changes", "--ack", lines[-1]["n"] + 1, store=store, code=2, error="newest")
    tm("changes", "--since", "x", store=store, code=2)


def test_changes__that_could_not_be_written_are_printed_again(tm, store, far, home):
    fill(far, 5)
    done = subprocess.run([BIN, "changes", far.url, "--store", store], stdout=open("/dev/full", "w"), stderr=subprocess.PIPE,
                          env=base_env(home), check=False)
    assert done.returncode == 1 and b"standard output" in done.stderr
    assert len(changes(tm, store, far.url)) == 5


def test_changes__unchanged_items_are_not_told_again_after_a_resync(tm, store, far):
    fill(far, 30)
    changes(tm, store, far.url)
    far.put("item-3", name="other", color="auto")
    far.do(gone())
    assert reported(changes(tm, store, far.url)) == [("updated", "item-3")]
    far.do(gone())
    assert changes(tm, store, far.url) == []


def test_changes__exit_code_9_says_that_nothing_has_changed(tm, store, far):
    fill(far, 2)
    tm("changes", far.url, "--exit-code", store=store)
    tm("changes", far.url, "--exit-code", store=store, code=9)
    tm("sync", far.url, "--exit-code", store=store, code=9)
    tm("sync", far.url, store=store)
    far.put("item-1", name="x")
    tm("sync", far.url, "--exit-code", store=store)
    head = changes(tm, store)[-1]["n"]
    tm("changes", "--exit-code", "--since", head, store=store, code=9)


def age(store, days):
    """What the log of changes holds is older than it was."""
    with sqlite3.connect(store[7:]) as db:
        for table in ("follow_change", "follow_range"):
            db.execute(f"UPDATE {table} SET at_ms = at_ms - {days * 86400000}")
    db.close()


def test_changes__that_are_no_longer_kept_are_not_passed_over(tm, store, far):
    fill(far, 3)
    tm("sync", far.url, store=store)
    far.put("item-0", name="new", color="auto")
    tm("sync", far.url, store=store)
    assert [line["n"] for line in changes(tm, store, "--ack", 2)] == [3, 4]
    tm("sync", far.url, store=store)
    assert [line["n"] for line in changes(tm, store, "--since", 0)] == [1, 2, 3, 4], "there is a day for second thoughts"
    age(store, 2)
    tm("sync", far.url, store=store)
    # Whoever has got that far goes on; whoever has not is told so, with or without a URL.
    assert [line["n"] for line in changes(tm, store)] == [line["n"] for line in changes(tm, store, "--since", 2)] == [3, 4]
    for args in (("--since", 0), ("--since", 1), (far.url, "--since", 1)):
        end = tm("changes", *args, store=store, code=6, error="no longer kept")
        assert end.stdout == "" and "--since 4" in end.stderr
    # What is not acknowledged stays, however old.
    age(store, 900)
    far.remove("item-1")
    assert [line["n"] for line in changes(tm, store, far.url)] == [3, 4, 5]
    assert view(store) == far.model()


def test_changes__that_nobody_acknowledges_are_kept_for_a_time(tm, store, far):
    fill(far, 3)
    assert [line["n"] for line in changes(tm, store, far.url)] == [1, 2, 3]
    far.put("item-0", name="new")
    age(store, 31)
    tm("sync", far.url, "--keep-changes", "32d", store=store)
    assert [line["n"] for line in changes(tm, store)] == [1, 2, 3, 4]
    tm("sync", far.url, store=store)
    assert [line["n"] for line in changes(tm, store, far.url)] == [4], "what was printed for the URL is no loss"
    tm("changes", store=store, code=6, error="no longer kept")
    assert changes(tm, store, "--ack", 4) == []
    assert changes(tm, store) == []
    tm("sync", far.url, "--keep-changes", "soon", store=store, code=2, error="--keep-changes")


def test_changes__follow_prints_what_a_running_follower_finds(tm, store, far, running):
    fill(far, 2)
    tm("sync", far.url, store=store)
    watch = running("sync", far.url, "--watch", "--every", "1s", "--store", store)
    reader = running("changes", "--follow", "--store", store)
    assert reported([reader.line(), reader.line()]) == [("created", "item-0"), ("created", "item-1")]
    far.put("item-1", name="changed", color="auto")
    assert reported([reader.line()]) == [("updated", "item-1")]
    far.remove("item-0")
    assert reported([reader.line()]) == [("removed", "item-0")]
    assert reader.stop()[0] == 143
    assert watch.stop(signal.SIGINT)[0] == 130
    assert view(store) == far.model()


def test_changes__follow_with_a_url_follows_by_itself(tm, store, far, running):
    fill(far, 2)
    reader = running("changes", far.url, "--follow", "--every", "1s", "--store", store)
    assert reported([reader.line(), reader.line()]) == [("created", "item-0"), ("created", "item-1")]
    far.put("item-2", name="two")
    assert reported([reader.line()]) == [("created", "item-2")]
    assert reader.stop()[0] == 143
    assert changes(tm, store, far.url) == []


# ---- beside each other --------------------------------------------------------------------------------------

def test_sync__a_second_one_is_told_who_holds_the_store(tm, store, far, running):
    fill(far)
    watch = running("sync", far.url, "--watch", "--every", "1s", "--store", store)
    wait_for(lambda: os.path.exists(store[7:]) and len(far.requests) >= 3)
    tm("sync", far.url, store=store, code=12, error=f"pid {watch.process.pid}")
    tm("changes", far.url, store=store, code=12, error="tidemark sync")
    tm("changes", "--ack", "1", store=store, code=12)
    tm("store", "gc", store=store, code=12)
    watch.stop()


def test_status__reads_beside_a_running_follower_and_never_half_a_round(tm, store, far, running):
    far.page_size = 1
    fill(far, 4)
    tm("sync", far.url, store=store)
    for number in range(4):
        far.put(f"item-{number}", name="new", color="auto")
    old = view(store)
    far.always(slow(0.3))
    watch = running("sync", far.url, "--watch", "--every", "1s", "--store", store)
    seen = set()
    while "idle" not in seen or "round" not in seen:
        reported = json.loads(tm("status", "--json", store=store).stdout)["scopes"][0]
        seen.add(reported["phase"])
        assert reported["items"] == 4
        now = view(store)
        assert now == old or now == far.model()
        if now == far.model():
            break
    assert "round" in seen
    wait_for(lambda: view(store) == far.model())
    assert watch.stop()[0] == 143


def test_status__tells_scopes_ages_throttling_and_faults(tm, store, far):
    fill(far)
    far.do(status(429, Retry_After="0.4"))
    tm("sync", far.url, "--scope", "mine", store=store)
    far.always(status(403, "ErrorAccessDenied"))
    tm("sync", far.url, store=store, code=4)
    scope = json.loads(tm("status", "--json", store=store).stdout)["scopes"][0]
    assert scope["scope"] == "mine" and scope["resource"] == "calendars" and scope["items"] == 8
    assert 0.4 <= scope["throttledSeconds"] < 1 and scope["rounds"] == 1
    assert 0 <= scope["cursorAgeSeconds"] < 60 and "ErrorAccessDenied" in scope["fault"]
    text = tm("status", store=store).stdout
    assert "mine" in text and "ErrorAccessDenied" in text
    far.always(None)
    tm("sync", far.url, store=store)
    assert json.loads(tm("status", "--json", store=store).stdout)["scopes"][0]["fault"] == ""
    tm("status", "--scope", "other", store=store, code=6, error="no scope")


def test_sync__many_scopes_live_in_one_store(tm, store, home):
    ends = [FarEnd(f"/v1.0/{path}/delta") for path in ("me/calendars", "users/1/calendars", "me/messages")]
    try:
        for number, end in enumerate(ends):
            end.put(f"only-{number}", name=f"n{number}")
            tm("sync", end.url, store=store)
        tm("sync", ends[0].url, "--scope", "other", store=store, code=2, error="already followed")
        tm("sync", ends[0].base + "/x/delta", "--scope", "messages", store=store, code=2, error="follows another URL")
        names = [scope["scope"] for scope in json.loads(tm("status", "--json", store=store).stdout)["scopes"]]
        assert names == ["calendars", "calendars-2", "messages"]
        assert reported(changes(tm, store, "--scope", "calendars-2")) == [("created", "only-1")]
        assert [line["n"] for line in changes(tm, store)] == [1, 2, 3]
    finally:
        for end in ends:
            end.close()


@pytest.mark.parametrize("sign,code", [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_sync__a_signal_ends_it_cleanly_and_it_goes_on_where_it_was(tm, store, far, running, sign, code):
    stopped = threading.Event()

    def stall(_request, page):           # from the fourth request on nothing more comes
        if len(far.requests) >= 4:
            stopped.wait(60)
        return page

    far.page_size = 1
    fill(far)
    far.always(stall)
    run = running("sync", far.url, "--store", store)
    wait_for(lambda: len(far.requests) >= 4)
    ended, text = run.stop(sign)
    stopped.set()
    assert ended == code and "goes on from here" in text
    asked = len(far.requests)
    far.always(None)
    tm("sync", far.url, store=store)
    assert view(store) == far.model()
    assert len(far.requests) <= 9 and asked < 8


def test_sync__a_signal_ends_a_long_pause_at_once(store, far, running, home):
    far.always(status(429, Retry_After="200"))
    run = running("sync", far.url, "--store", store)
    wait_for(lambda: far.requests)
    began = time.monotonic()
    assert run.stop()[0] == 143 and time.monotonic() - began < 100


def test_sync__a_round_is_asked_for_when_it_begins(tm, store, far, running):
    """What a page seems to lead to may be sent for early; where it turns out to end the round, the answer is nobody's."""
    def lure(_request, page):
        return {"more": {"@odata.nextLink": page.get("@odata.deltaLink", "")}, **page}

    fill(far, 2)
    far.always(lure)
    watch = running("sync", far.url, "--watch", "--every", "1s", "--store", store)
    wait_for(lambda: rounds(store) == 1)
    far.put("late", name="Late")
    wait_for(lambda: rounds(store) == 2)
    assert "late" in view(store)
    assert watch.stop()[0] == 143


def test_sync__is_stopped_at_once_where_no_page_can_be_kept(home, store, far, running):
    (home / "t.db.ahead").mkdir()
    far.always(slow(60))
    sync = running("sync", far.url, "--store", store)
    wait_for(lambda: far.requests)
    began = time.monotonic()
    assert sync.stop()[0] == 143 and time.monotonic() - began < 30


def test_sync__watch_outlives_trouble(tm, store, far, running):
    fill(far)
    far.always(status(500))
    watch = running("sync", far.url, "--watch", "--every", "1s", "--max-wait", "1s", "--store", store)
    wait_for(lambda: len(far.requests) > 6)
    far.always(None)
    wait_for(lambda: os.path.exists(store[7:]) and view(store) == far.model())
    assert watch.stop()[0] == 143


@pytest.mark.parametrize("fault, code", [(status(401), 4), (status(403), 4), (status(500), 5), (m.no_links, 6), (status(302), 6)])
def test_sync__watch_notes_a_failed_round_and_tries_again(tm, store, far, running, fault, code):
    fill(far)
    far.always(fault)
    watch = running("sync", far.url, "--watch", "--every", "1s", "--max-wait", "0s", "--json", "--store", store)
    wait_for(lambda: len(far.requests) > 1)
    far.always(None)
    wait_for(lambda: os.path.exists(store[7:]) and view(store) == far.model())
    assert watch.line()["exitCode"] == code
    ended, said = watch.stop()
    assert ended == 143 and "the next try is in" in said


def test_sync__json_tells_the_result(tm, store, far):
    fill(far)
    good = json.loads(tm("sync", far.url, "--json", store=store).stdout)
    assert good["event"] == "result" and good["caughtUp"] and good["created"] == 8 and good["exitCode"] == 0
    far.always(status(403))
    bad = json.loads(tm("sync", far.url, "--json", store=store, code=4).stdout)
    assert not bad["caughtUp"] and bad["exitCode"] == 4 and "403" in bad["message"]


@pytest.mark.parametrize("args,words", [
    ((), "URL"), (("x",), "the URL"), (("http://127.0.0.1:1/d", "--page-size", "0"), "page-size"),
    (("http://127.0.0.1:1/d", "--max-delete", "101%"), "max-delete"), (("http://127.0.0.1:1/d", "--every", "x"), "every"),
    (("http://127.0.0.1:1/d", "--bearer-file", "a", "--bearer-command", "b"), "exclude"),
    (("http://127.0.0.1:1/d", "--scope", "a b"), "name"),
])
def test_sync__usage_errors_are_2(tm, store, args, words):
    tm("sync", *args, store=store, code=2, error=words)


def test_sync__a_store_that_is_not_a_file_is_refused(tm, far):
    tm("sync", far.url, store="memory:", code=2, error="sqlite:PATH")


def test_follow__commands_that_only_read_say_when_there_is_no_store(tm, home):
    for command in ("changes", "status"):
        tm(command, store=f"sqlite:{home}/none.db", code=6, error="no store")


# ---- dead letters and the doctor ----------------------------------------------------------------------------

def test_retry__stores_what_can_be_stored_now_and_keeps_the_rest(tm, store, far):
    fill(far, 2)
    far.do(m.with_items({"name": "no id"}, {"id": 5}))
    tm("sync", far.url, store=store, code=8)
    tm("retry", store=store, code=8, error="0 stored, 2 left")
    letters = json.loads(tm("status", "--json", store=store).stdout)["deadLetters"]
    assert [letter["attempts"] for letter in letters] == [1, 1]
    # As after an update of the program that can do more: here the letter is what has changed.
    with sqlite3.connect(store[7:]) as db:
        db.execute("UPDATE follow_letter SET raw = ? WHERE lid = ?", ('{"id": "mended", "name": "m"}', letters[0]["letter"]))
    assert json.loads(tm("retry", "--json", store=store, code=8).stdout) == {"mended": 1, "left": 1, "forgotten": 0}
    assert view(store)["mended"] == {"id": "mended", "name": "m"}
    assert reported(changes(tm, store))[-1] == ("created", "mended")
    tm("retry", "--forget", store=store, error="1 forgotten")
    tm("sync", far.url, store=store)
    tm("retry", store=store)


def test_doctor__says_what_is_well_and_what_is_to_be_mended(tm, store, far, home):
    def checks(*args, **wanted):
        lines = tm("doctor", *args, "--json", store=store, **wanted).stdout.splitlines()
        return {line["check"]: line for line in map(json.loads, lines)}
    fill(far)
    assert checks()["store"]["good"]
    seen = checks(far.url)
    assert all(line["good"] for line in seen.values()) and set(seen) >= {"store", "url", "token", "reach", "answer"}
    assert not checks("http://example.com/x", code=10)["url"]["good"]
    far.always(status(401, "InvalidAuthenticationToken"))
    assert "401" in checks(far.url, code=10)["answer"]["text"]
    far.always(m.no_links)
    assert "neither" in checks(far.url, code=10)["answer"]["text"]
    far.always(lambda request, page: request.send(200, page, {"Date": "Sun, 06 Nov 1994 08:49:37 GMT"}))
    assert not checks(far.url, code=10)["clock"]["good"]
    far.always(None)
    # {"exp": 1000, "aud": "x"} unsigned: the doctor reads, it does not verify
    (home / "token").write_text("eyJhbGciOiJub25lIn0.eyJleHAiOjEwMDAsImF1ZCI6IngifQ.")
    assert "expired" in checks(far.url, "--bearer-file", home / "token", code=10)["token"]["text"]
    far.close()
    assert not checks(far.url, code=10)["reach"]["good"]


def test_export__prints_a_followed_scope_and_nothing_before_its_first_whole_round(tm, store, far):
    fill(far, 5)
    far.do(None, status(403))
    tm("sync", far.url, "--scope", "mine", store=store, code=4)
    assert tm("export", "--feed", "scope/mine", store=store).stdout == ""
    tm("sync", far.url, store=store)
    lines = [json.loads(line) for line in tm("export", "--feed", "scope/mine", store=store).stdout.splitlines()]
    assert lines == [{"op": "put", "feed": "scope/mine", "value": item} for _, item in sorted(far.model().items())]
    tm("export", "--feed", "scope/other", store=store, code=6, error="no scope")
