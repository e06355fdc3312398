# SPDX-License-Identifier: Apache-2.0
"""`serve --follow`: the followers of the [scope "name"] sections inside the server, and the commands that speak with them."""
import json
import os
import re
import signal
import subprocess
import threading
import time

import pytest

from conftest import BIN, base_env, check_sanitizers, guid, put, user
from many import Many
from test_follow_commands import wait_for
from test_sync_all import USERS, calendars, each_user, fill, names, query, section, view

ANN = guid(1)
LINES = [user("ann@contoso.com", ANN)]
A, B, C = "/v1.0/a/delta", "/v1.0/b/delta", "/v1.0/c/delta"


@pytest.fixture
def far():
    far = Many()
    yield far
    far.close()


@pytest.fixture
def follow(server, home):
    """follow(config, ...): a server that follows the sections of that text."""
    def start(config, *args, **more):
        (home / "t.conf").write_text(config)
        return server("--follow", "--config", home / "t.conf", *args, **more)
    return start


def caught_up(far, store, scope, path):
    return lambda: scope in names(store) and view(store, scope) == far.model(path)


def status(tm, store, *args):
    return {line["scope"]: line for line in map(json.loads, tm("follow", "status", "--json", *args, store=store).stdout.splitlines())}


def metric(one, name):
    return int(re.search(rf"^tidemark_follow_{name} (\d+)$", one.control("GET", "/-/metrics").body.decode(), re.M)[1])


# ---- one process --------------------------------------------------------------------------------------------------


def test_follow__a_server_follows_while_it_serves_and_both_write(tm, store, far, follow):
    fill(far, "/v1.0/groups/delta", 300)
    far.feeds["/v1.0/groups/delta"].page_size = 20
    one = follow(each_user(far, ["ann", "bob"], every="1s") + section("groups", far.base + "/v1.0/groups/delta", every="1s"), lines=LINES)
    token = one.token("ann@contoso.com")
    for number in range(40):                       # requests that write while pages are staged and rounds are settled
        assert one.request("POST", "/v1.0/me/calendars", {"name": f"{number}"}, token=token).status == 201
    for scope, path in (("users", USERS), ("calendars:ann", calendars("ann")), ("groups", "/v1.0/groups/delta")):
        wait_for(caught_up(far, store, scope, path))
    far.feed(calendars("bob")).put("new", name="new")
    wait_for(caught_up(far, store, "calendars:bob", calendars("bob")))
    changes = [json.loads(line) for line in tm("changes", "--since", "0", store=store).stdout.splitlines()]
    assert changes[-1]["id"] == "new" and len({line["n"] for line in changes}) == len(changes) == 2 + 7 + 7 + 300 + 1
    assert len(one.get("/v1.0/me/calendars?$top=100", token=token).json["value"]) == 41
    assert metric(one, "scopes") == 4 and metric(one, "rounds_total") >= 4 and metric(one, "scopes_failing") == 0
    assert metric(one, "changes_total") == len(changes)
    one.stop()
    tm("store", "check", store=store)
    tm("sync", far.base + USERS, store=store)      # the store is free again, and its scopes are those of `sync`
    assert len(query(store, "SELECT scope FROM scopes")) == 4


def test_follow__two_servers_and_a_follower_do_not_share_a_store(tm, home, store, far, follow):
    fill(far, A, 3)
    one = follow(section("a", far.base + A))
    wait_for(caught_up(far, store, "a", A))
    tm("serve", "--follow", "--config", home / "t.conf", "--listen", "127.0.0.1:0", store=store, code=12)
    tm("sync", "--all", "--config", home / "t.conf", store=store, code=12)
    tm("sync", far.base + B, store=store, code=12)
    tm("sync", far.base + A, "--resync", store=store, code=12)
    assert one.get("/v1.0/$metadata").status == 200


@pytest.mark.parametrize("config, words", [("", 'has no [scope "name"] section'), ('[scope "a"]\nevery = 5s\n', "it has no url")])
def test_follow__without_a_good_section_no_server_starts(tm, home, store, config, words):
    (home / "t.conf").write_text(config)
    tm("serve", "--follow", "--config", home / "t.conf", "--listen", "127.0.0.1:0", store=store, code=3, error=words)


def test_follow__a_fault_is_logged_and_tried_again_and_ends_nothing(tm, store, far, follow):
    for path in (A, B, C):
        fill(far, path, 3)
    far.feed(USERS).put("c")                        # c and twin:c are one URL: the second one fails for good in `sync --all` (3)
    far.fault = lambda request, path: path == A and not request.error(403, "Forbidden")
    one = follow(section("a", far.base + A, every="1s") + section("b", far.base + B) + section("c", far.base + C, every="1s")
                 + section("ids", far.base + USERS) + section("twin", far.base + "/v1.0/{x}/delta", for_each="scope:ids", every="1s"))

    def failing():
        return {scope: line["exitCode"] for scope, line in status(tm, store).items() if line["failures"] > 1}

    wait_for(lambda: sorted(failing().values()) == [3, 4])
    wait_for(caught_up(far, store, "b", B))
    assert failing()["a"] == 4 and metric(one, "scopes_failing") == 2 and metric(one, "failures_total") > 3
    events = [json.loads(line) for line in one.stderr().splitlines() if line.startswith("{")]
    assert any(event["event"] == "follow" and event["scope"] == "a" and event["level"] == "warn" for event in events)
    far.fault = None
    tm("follow", "now", "a", store=store)
    assert view(store, "a") == far.model(A) and "a" not in failing()


# ---- orders -------------------------------------------------------------------------------------------------------


def test_follow__now_does_not_end_with_a_round_that_began_before_it(tm, store, far, follow):
    """A run that failed has left half a round; the next one ends that first."""
    fill(far, A, 7)
    far.fault = lambda request, path: "skiptoken" in request.query and not request.error(403, "Forbidden")
    follow(section("a", far.base + A, every="1h"))
    tm("follow", "now", "a", store=store, code=4)
    far.fault = None
    far.feed(A).put("new")
    tm("follow", "now", "a", store=store)
    assert view(store, "a") == far.model(A)


def test_follow__now_is_a_round_that_begins_after_the_order(tm, store, far, follow):
    each_user(far, ["ann", "bob"])
    follow(each_user(far, ["ann", "bob"], every="1h") + section("a", far.base + A, every="1h"))
    wait_for(lambda: {"calendars:ann", "calendars:bob"} <= names(store))
    fill(far, A, 2)
    tm("follow", "now", store=store)
    for name in ("a", "calendars", "calendars:bob"):
        tm("follow", "now", name, "--exit-code", store=store, code=9)
    far.feed(calendars("ann")).put("x")
    far.feed(calendars("bob")).put("y")
    assert [json.loads(line)["changes"] for line in tm("sync", "calendars:ann", "--json", store=store).stdout.splitlines()] == [1]
    assert "x" in view(store, "calendars:ann") and "y" not in view(store, "calendars:bob")
    tm("sync", far.base + calendars("bob"), "--exit-code", store=store)
    assert "y" in view(store, "calendars:bob")
    tm("follow", "now", "calendars:nobody", store=store, code=6)
    tm("sync", "nobody", store=store, code=12)

    # A round that is under way has read its page before the item came: another one follows it.
    asked, go = threading.Event(), threading.Event()

    def hold(request, path):
        if path == A and not asked.is_set():
            page = json.dumps(far.feed(A).page(far.base + A, request.query)).encode()
            asked.set()
            go.wait(60)
            return not request.send(200, page)
        return None

    far.fault = hold
    first = subprocess.Popen([BIN, "follow", "now", "a", "--store", store], stdout=subprocess.DEVNULL)
    asked.wait(60)
    far.feed(A).put("late")
    second = subprocess.Popen([BIN, "sync", "a", "--store", store], stdout=subprocess.DEVNULL)
    wait_for(lambda: status(tm, store)["a"]["state"] == "running")
    time.sleep(0.3)
    assert first.poll() is None and second.poll() is None
    go.set()
    assert first.wait(60) == 0 and second.wait(60) == 0 and "late" in view(store, "a")


def test_follow__the_exit_code_is_that_of_the_worst_round(tm, store, far, follow):
    fill(far, A, 1)
    far.fault = lambda request, path: path == B and not request.error(404, "ResourceNotFound")
    follow(section("a", far.base + A, every="1h") + section("b", far.base + B, every="1h"))
    tm("follow", "now", store=store, code=6)
    tm("sync", "b", store=store, code=6)
    tm("sync", "a", store=store)


def test_follow__a_pause_holds_until_resume_also_after_a_kill(tm, home, store, far, follow):
    config = section("a", far.base + A, every="1s") + section("b", far.base + B, every="1s")
    for path in (A, B):
        fill(far, path, 2)
    one = follow(config)
    wait_for(lambda: {"a", "b"} <= names(store))
    tm("follow", "pause", "a", store=store)
    tm("follow", "now", "a", store=store, code=6, error="paused")
    tm("follow", "pause", "a:x", store=store, code=6)
    wait_for(lambda: status(tm, store)["a"]["state"] == "paused")
    one.process.send_signal(signal.SIGHUP)
    wait_for(lambda: "begin again" in one.stderr())
    one.kill()
    one = follow(config)
    seen, asked = far.paths().count(A), far.paths().count(B)
    wait_for(lambda: far.paths().count(B) > asked + 2)
    assert far.paths().count(A) == seen and status(tm, store)["a"]["state"] == "paused"
    far.feed(A).put("new")
    tm("follow", "now", store=store)                # of all: what is paused stays out
    assert "new" not in view(store, "a")
    tm("follow", "resume", store=store)
    wait_for(caught_up(far, store, "a", A))


def test_follow__without_such_a_server_the_commands_say_so(tm, store, server):
    for verb in ("now", "pause", "resume", "status"):
        tm("follow", verb, store=store, code=6, error="serve --follow" if verb != "now" else "no server")
    server(lines=LINES)
    tm("follow", "status", store=store, code=6, error="follows nothing")
    tm("sync", "http://127.0.0.1:1/v1.0/x/delta", store=store, code=12)


def takes_sigint(process):
    """By a descriptor, so it is blocked. Before that it ends the process as it ends any."""
    with open(f"/proc/{process.pid}/status") as file:
        blocked = next(line.split()[1] for line in file if line.startswith("SigBlk"))
    return int(blocked, 16) >> signal.SIGINT - 1 & 1


def test_follow__a_signal_ends_the_waiting_and_not_the_round(tm, home, store, far, follow):
    go = threading.Event()
    far.fault = lambda request, path: go.wait(60) and None
    fill(far, A, 1)
    follow(section("a", far.base + A))
    waiting = subprocess.Popen([BIN, "sync", "a", "--store", store], stderr=subprocess.PIPE, text=True, env=base_env(home))
    wait_for(lambda: far.requests and status(tm, store)["a"]["state"] == "running" and takes_sigint(waiting))
    waiting.send_signal(signal.SIGINT)
    assert "the server goes on" in waiting.communicate(timeout=30)[1] and waiting.returncode == 130
    go.set()
    wait_for(caught_up(far, store, "a", A))


def test_follow__a_host_that_asks_for_an_hour_is_left_alone(tm, store, far, follow):
    far.fault = lambda request, path: not request.error(429, "TooManyRequests", headers={"Retry-After": "3600"})
    one = follow(section("a", far.base + A, max_wait="2h"))
    wait_for(lambda: far.requests)
    wait_for(lambda: status(tm, store)["a"]["state"] == "running")
    time.sleep(0.2)
    began = time.monotonic()
    one.stop()                                     # during the pause
    assert time.monotonic() - began < 5 and len(far.requests) == 1


# ---- start, end, reload -------------------------------------------------------------------------------------------


def test_follow__it_ends_in_the_midst_of_a_transfer_and_goes_on_after_it_and_after_a_kill(store, far, follow):
    fill(far, A, 30)
    config, gate = section("a", far.base + A, every="1h"), threading.Event()

    def slow(request, _path):
        if len(far.requests) % 4 == 0:              # each fourth page never comes
            gate.wait(60)

    far.fault = slow
    for end in ("stop", "kill", "stop"):
        seen = len(far.requests)
        one = follow(config)
        wait_for(lambda: len(far.requests) % 4 == 0 and len(far.requests) > seen)
        time.sleep(0.1)
        began = time.monotonic()
        getattr(one, end)()
        assert time.monotonic() - began < 5
        far.requests.append(far.requests[-1])
    gate.set()
    far.fault = None
    follow(config)
    wait_for(caught_up(far, store, "a", A))
    first = [path for _, path, _ in far.requests if path == A]
    assert len(first) == 1, "the round goes on from its staged pages"


def test_follow__content_comes_while_other_scopes_go_on_and_the_server_ends_in_its_midst(tm, home, store, far, follow):
    recordings = "/v1.0/users/ann/onlineMeetings/getAllRecordings(meetingOrganizerUserId='ann')/delta"
    gates = {f"/content/{id}": threading.Event() for id in "ab"}
    asked = []
    for id in "ab":
        far.feed(recordings).put(id, recordingContentUrl=f"{far.base}/content/{id}")
    far.feed(A).put("t")

    def content(request, path):
        if path in gates:
            asked.append(path)
            gates[path].wait(60)
            request.send(200, b"clip")
        return path in gates
    far.fault = content
    one = follow(section("rec", far.base + recordings, content=home / "files") + section("a", far.base + A) + '[serve "rec"]\n')
    wait_for(lambda: asked)
    far.feed(A).put("t", name="new")
    tm("follow", "now", "a", store=store)
    there = lambda: one.get("/v1.0/scopes/rec/a/content", token=one.app_token("OnlineMeetingRecording.Read.All"))       # noqa: E731
    assert caught_up(far, store, "a", A)() and there().status == 404 and asked == ["/content/a"]
    gates["/content/a"].set()
    wait_for(lambda: there().status == 200)
    assert there().body == b"clip"
    wait_for(lambda: "/content/b" in asked)
    one.stop()
    gates["/content/b"].set()
    assert view(store, "rec") == far.model(recordings)


def test_follow__sighup_reads_the_sections_again(tm, home, store, far, follow):
    for path in (A, B):
        fill(far, path, 2)
    one = follow(section("a", far.base + A, every="1h"))
    wait_for(caught_up(far, store, "a", A))
    (home / "t.conf").write_text(section("a", far.base + A) + "url = x\n")
    one.process.send_signal(signal.SIGHUP)
    wait_for(lambda: "the followers go on as before" in one.stderr())
    (home / "t.conf").write_text(section("b", far.base + B, every="1h"))
    one.process.send_signal(signal.SIGHUP)
    wait_for(lambda: "begin again" in one.stderr())
    wait_for(caught_up(far, store, "b", B))
    assert set(status(tm, store)) == {"b"} and view(store, "a") == far.model(A)


def test_follow__a_damaged_store_ends_the_server(home, store, far, follow):
    fill(far, A, 2)
    one = follow(section("a", far.base + A, every="1s"))
    wait_for(caught_up(far, store, "a", A))
    subprocess.run(["sqlite3", store[7:], "UPDATE follow_scope SET phase = 9"], check=True, capture_output=True)
    assert one.process.wait(30) == 7
    assert "the store is damaged" in one.stderr()


# ---- credential commands ------------------------------------------------------------------------------------------


def test_follow__a_bearer_command_inherits_nothing_of_the_server(home, store, far, follow):
    fill(far, A, 2)
    (home / "list").write_text(f"#!/bin/sh\nls -l /proc/$$/fd > {home}/fds\necho token\n")
    (home / "list").chmod(0o755)
    one = follow(section("b", far.base + B, every="1s") + section("a", far.base + A, bearer_command=home / "list", every="1h"), lines=LINES)
    connection = one.connection()
    connection.connect()                           # so that there is one, beside the store, the log and the ports
    wait_for(caught_up(far, store, "a", A))
    connection.close()
    leads_to = [line.split(" -> ")[1] for line in (home / "fds").read_text().splitlines() if " -> " in line]
    assert "/dev/null" in leads_to and not [target for target in leads_to if re.search("socket:|anon_inode|t[.]db|eventpoll", target)], leads_to


def left(mark):
    """The processes that have the mark in their command line."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                line = file.read()
        except OSError:
            continue
        if mark.encode() in line and b"sleep" in line and BIN.encode() not in line:
            found.append((int(pid), line))
    return found


@pytest.mark.parametrize("caller", ["serve", "sync"])
def test_follow__a_run_that_is_stopped_leaves_no_process_of_a_bearer_command(home, store, far, caller):
    seconds = 100000 + os.getpid()                  # nobody else's sleep
    command = f"(sleep {seconds} & wait) | cat"
    (home / "t.conf").write_text(section("a", far.base + A, bearer_command=command))
    args = ["serve", "--follow", "--listen", "127.0.0.1:0"] if caller == "serve" else ["sync", "--all"]
    run = subprocess.Popen([BIN, *args, "--config", str(home / "t.conf"), "--store", store], stdout=subprocess.DEVNULL,
                           stderr=subprocess.PIPE, text=True, env=base_env(home), cwd=home, start_new_session=True)
    wait_for(lambda: left(f"sleep\0{seconds}"))
    began = time.monotonic()
    run.send_signal(signal.SIGTERM)
    check_sanitizers(run.communicate(timeout=30)[1])
    assert run.returncode == (0 if caller == "serve" else 143) and time.monotonic() - began < 5
    wait_for(lambda: not left(f"sleep\0{seconds}"))
