# SPDX-License-Identifier: Apache-2.0
"""`sync --all`: many scopes in one process, from the [scope "name"] sections of the configuration file."""
import json
import os
import pathlib
import random
import resource
import signal
import sqlite3
import subprocess
import threading
import time

import pytest

from conftest import BIN, base_env, check_sanitizers, guid, issued, put, user, usual
from cred_kit import CLIENT, Issuer, code, error, make_cert, tokens
from many import Many
from test_follow_commands import wait_for
from test_follow_owner import ANN, BOB, KINDS, Mailboxes, PEOPLE, TENANT, items, owners, caller, whole

SANITIZED = b"__asan_init" in pathlib.Path(BIN).read_bytes() or b"__tsan_init" in pathlib.Path(BIN).read_bytes()
USERS = "/v1.0/users/delta"


@pytest.fixture
def far():
    far = Many()
    yield far
    far.close()


def calendars(user):
    return f"/v1.0/users/{user}/calendars/delta"


def fill(far, path, count, **more):
    for number in range(count):
        far.feed(path).put(f"{path}#{number}", name=f"{number}", **more)


def section(name, url, **keys):
    lines = [f'[scope "{name}"]', f"url = {url}"] + [f"{key.replace('_', '-')} = {value}" for key, value in keys.items()]
    return "\n".join(lines) + "\n"


@pytest.fixture
def sync_all(tm, home, store):
    """sync_all(config, options...): a run of `sync --all` with that text as its configuration."""
    def run(config, *options, **wanted):
        file = home / "t.conf"
        file.write_text(config)
        return tm("sync", "--all", "--config", file, *options, store=store, **wanted)
    return run


STARTED = []


def start(home, store, config, *options, env=None, conf="t.conf"):
    (home / conf).write_text(config)
    STARTED.append(subprocess.Popen([BIN, "sync", "--all", "--config", str(home / conf), "--store", store, *options], text=True, cwd=home,
                                    stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**base_env(home), **(env or {})}))
    return STARTED[-1]


@pytest.fixture(autouse=True)
def ended():
    """A run that a failed test has left is ended."""
    yield
    while STARTED:
        run = STARTED.pop()
        if run.poll() is None:
            run.kill()
            run.communicate()


def end(run, code=143):
    run.send_signal(signal.SIGTERM)
    out, err = run.communicate(timeout=60)
    check_sanitizers(err)
    assert run.returncode == code, err
    return out, err


def query(store, sql, *values):
    with sqlite3.connect(f"file:{store[7:]}?mode=ro", uri=True, timeout=20) as db:
        return db.execute(sql, values).fetchall()


def view(store, scope):
    return {id: json.loads(value) for id, value in query(store, "SELECT id, value FROM items WHERE scope = ?", scope)}


def names(store):
    try:
        return {name for name, in query(store, "SELECT scope FROM scopes")}
    except sqlite3.Error:                          # it is being made
        return set()


def statuses(tm, home, store):
    reported = json.loads(tm("status", "--json", "--config", home / "t.conf", store=store).stdout)
    return {scope["scope"]: scope for scope in reported["scopes"]}


def meet(count):
    """A fault: no first page is answered before so many are asked for at the same time."""
    barrier = threading.Barrier(count)

    def fault(request, _path):
        if not request.query:
            barrier.wait(60)
    return fault


def each_user(far, users, **keys):
    for user in users:
        far.feed(USERS).put(user)
        fill(far, calendars(user), 7)
    return section("users", far.base + USERS, **keys) + section("calendars", far.base + calendars("{user}"), for_each="scope:users", **keys)


# ---- what is followed ---------------------------------------------------------------------------------------------


def test_all__every_section_is_followed_and_every_user_of_a_scope(tm, home, store, far, sync_all):
    config = each_user(far, ["ann", "bob", "cy dee", "50%"])
    far.feeds[calendars("cy%20dee")] = far.feeds[calendars("cy dee")]
    far.feeds[calendars("50%25")] = far.feeds[calendars("50%")]
    fill(far, "/v1.0/groups/delta", 5)
    sync_all(config + section("groups", far.base + "/v1.0/groups/delta"))
    assert names(store) == {"users", "groups", "calendars:ann", "calendars:bob", "calendars:cy%20dee", "calendars:50%25"}
    for name in ("ann", "bob", "cy dee", "50%"):
        assert view(store, "calendars:" + name.replace("%", "%25").replace(" ", "%20")) == far.model(calendars(name))
    assert view(store, "groups") == far.model("/v1.0/groups/delta")
    reported = statuses(tm, home, store)
    assert {name: scope["section"] for name, scope in reported.items()} == {name: name.partition(":")[0] for name in names(store)}
    assert "[calendars]" in tm("status", "--config", home / "t.conf", store=store).stdout


def test_all__a_user_who_leaves_is_no_longer_followed_and_keeps_the_data(tm, home, store, far, sync_all):
    config = each_user(far, ["ann", "bob", "cyd"])
    sync_all(config)
    far.feed(USERS).remove("bob")
    each_user(far, ["aaa", "dan"])                 # the order of the others changes
    fill(far, calendars("bob"), 9)
    before = len(far.requests)
    assert "calendars:bob: no longer listed" in sync_all(config).stderr
    asked = set(far.paths()[before:])
    assert calendars("bob") not in asked and calendars("dan") in asked and calendars("aaa") in asked
    assert len(view(store, "calendars:bob")) == 7 and view(store, "calendars:ann") == far.model(calendars("ann"))
    reported = statuses(tm, home, store)
    assert "no longer listed by scope:users" in reported["calendars:bob"]["fault"]
    assert not any(scope["fault"] for name, scope in reported.items() if name != "calendars:bob")
    assert "no longer listed" not in sync_all(config).stderr, "it is said once"
    far.feed(USERS).put("bob")
    sync_all(config)
    assert view(store, "calendars:bob") == far.model(calendars("bob")) and not statuses(tm, home, store)["calendars:bob"]["fault"]


def test_all__nobody_leaves_a_list_that_was_never_read(tm, home, store, far, sync_all):
    config = each_user(far, ["ann", "bob"])
    sync_all(config)
    far.fault = lambda request, path: path == USERS and not request.error(403, "Forbidden")
    people = config.replace('[scope "users"]', '[scope "people"]').replace("scope:users", "scope:people")
    tm("scope", "forget", "users", store=store)
    for _ in range(2):
        assert "no longer listed" not in sync_all(people, code=4).stderr
    assert not any("no longer" in (scope["fault"] or "") for scope in statuses(tm, home, store).values())
    far.fault = None
    far.feed(USERS).remove("bob")
    assert "calendars:bob: no longer listed" in sync_all(people).stderr


def test_all__users_come_and_leave_while_it_watches(home, store, far):
    config = each_user(far, ["ann", "bob"])
    run = start(home, store, config, "--watch", "--every", "1s")
    wait_for(lambda: {"calendars:ann", "calendars:bob"} <= names(store))
    each_user(far, ["cyd"])
    far.feed(USERS).remove("ann")
    wait_for(lambda: "calendars:cyd" in names(store))
    count = far.paths().count(calendars("ann"))
    seen = far.paths().count(calendars("bob"))
    wait_for(lambda: far.paths().count(calendars("bob")) > seen + 2)
    assert far.paths().count(calendars("ann")) <= count + 1
    far.feed(USERS).put("ann")
    fill(far, calendars("ann"), 12)
    wait_for(lambda: view(store, "calendars:ann") == far.model(calendars("ann")))
    _, err = end(run)
    # Once; again after a run that was under way meanwhile.
    assert 1 <= err.count("calendars:ann: no longer listed") <= 2


def test_all__the_lines_of_a_file_are_values_and_are_read_again(home, store, far):
    each_user(far, ["ann", "bob", "o''neil"])
    far.feeds["/v1.0/get(user='o%27%27neil')/calendars/delta"] = far.feeds["/v1.0/get(user='ann')/calendars/delta"] = far.feed(calendars("ann"))
    lines = home / "users.txt"
    lines.write_text("# who\nann\r\n\n ann \n../me\no'neil\na\0b\n\0\n")
    run = start(home, store, section("cal", far.base + "/v1.0/get(user='{id}')/calendars/delta", for_each=f"file:{lines}"), "--watch",
                "--every", "1s")
    wait_for(lambda: {"cal:ann", "cal:o'neil"} == names(store))
    lines.write_text("ann\n")
    wait_for(lambda: "no longer listed" in (query(store, "SELECT fault FROM scopes WHERE scope = 'cal:o''neil'")[0][0] or ""))
    lines.unlink()
    seen = len(far.requests)
    wait_for(lambda: len(far.requests) > seen + 2)
    _, err = end(run)
    assert 'the value "../me" holds a slash' in err and err.count("holds a control byte") == 2 and "No such file" in err
    assert set(far.paths()) == {"/v1.0/get(user='ann')/calendars/delta", "/v1.0/get(user='o%27%27neil')/calendars/delta"}


@pytest.mark.parametrize("bad", ["..", ".", "a/b", "a\\b", "../../me", "x" * 600, "a\x01b", "a\x9b31mb"])
def test_all__a_value_that_could_leave_its_segment_is_reported_and_skipped(store, far, sync_all, bad):
    config = each_user(far, ["ann"])
    far.feed(USERS).put(bad)
    done = sync_all(config, "--json", code=8)
    assert "skipped" in done.stderr and "\x9b" not in done.stderr and [json.loads(line) for line in done.stdout.splitlines()
                                         if json.loads(line)["event"] == "skipped" and json.loads(line)["scope"] == "calendars"]
    assert set(far.paths()) == {USERS, calendars("ann")} and names(store) == {"users", "calendars:ann"}


def test_all__what_a_remote_says_does_not_control_a_terminal(tm, home, store, far, sync_all):
    far.fault = lambda request, _path: request.error(404, "a\x1b[31m", "b\x9b1m\x07\nuser\u00e9") or True
    reported = sync_all(section("a", far.base + USERS), code=6).stderr + tm("status", store=store).stdout
    assert reported.count("a?[31m: b??1m??user\u00e9") == 2


@pytest.mark.parametrize("odd", ["a?b", "a#b", "a%2fb", "a;b", "é", "a&b=c", "%2e%2e", "$count", "a:b", "x" * 300])
def test_all__any_other_value_is_one_encoded_segment(store, far, sync_all, odd):
    config = each_user(far, [])
    far.feed(USERS).put(odd)
    sync_all(config, code=6)                       # there is no such feed
    asked, = {path for path in far.paths() if path != USERS}
    front, segment, back = asked.rpartition("/calendars/delta")[0].rpartition("/")[0], asked.split("/")[3], asked.split("/")[4:]
    assert front == "/v1.0/users" and back == ["calendars", "delta"]
    assert set(segment) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~%")
    assert max(len(name) for name in names(store)) <= 128 and len(names(store)) == 2


def test_all__our_own_server_is_followed_for_every_user(tm, home, server):
    people = [guid(number) for number in range(1, 9)]
    lines = [user(f"u{number}@contoso.com", id=id) for number, id in enumerate(people)]
    one = server(lines=lines + [put(id, {"id": f"{id}-{number}", "name": "x"}) for id in people for number in range(30)])
    (home / "ids").write_text("\n".join(people))
    (home / "token").write_text(one.app_token("Calendars.ReadWrite"))
    (home / "t.conf").write_text(section("cal", one.base + "/v1.0/users/{id}/calendars/delta", for_each=f"file:{home}/ids", ca=one.ca,
                                         bearer_file=home / "token", page_size=7))
    followed = f"sqlite:{home}/f.db"
    tm("sync", "--all", "--config", home / "t.conf", store=followed)
    for id in people:
        assert view(followed, f"cal:{id}").keys() == {f"{id}-{number}" for number in range(30)}
    one.request("PATCH", f"/v1.0/users/{people[2]}/calendars/{people[2]}-4", {"name": "new"}, token=one.app_token("Calendars.ReadWrite"))
    tm("sync", "--all", "--config", home / "t.conf", store=followed)
    assert view(followed, f"cal:{people[2]}")[f"{people[2]}-4"]["name"] == "new"


# ---- hosts --------------------------------------------------------------------------------------------------------


def test_all__four_runs_at_a_time_ask_one_host(store, far, sync_all):
    other = Many()
    config = ""
    for side, host in (("a", far), ("b", other)):
        host.delay = 0.05
        host.fault = meet(4)
        for number in range(12):
            fill(host, f"/v1.0/{number}/delta", 4)
            config += section(f"{side}{number}", f"{host.base}/v1.0/{number}/delta")
    sync_all(config)
    other.close()
    assert far.most_at_once == 4 and other.most_at_once == 4
    assert all(view(store, f"a{number}") == far.model(f"/v1.0/{number}/delta") for number in range(12))


def test_all__threads_that_have_nothing_to_do_rest(home, far, sync_all):
    far.delay = 2.5
    fill(far, calendars("ann"), 1)
    (home / "users.txt").write_text("ann\n")
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_nvcsw
    sync_all(section("cal", far.base + calendars("{user}"), for_each=f"file:{home / 'users.txt'}"))
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_nvcsw - before < 1000


@pytest.mark.parametrize("status", [429, 503])
def test_all__a_wait_that_a_host_asks_for_is_for_all_its_scopes(store, far, sync_all, status):
    other = Many()
    other.delay = 0.05
    fill(other, "/v1.0/x/delta", 90)
    config = "".join(section(f"s{number}", f"{far.base}/v1.0/{number}/delta") for number in range(8))
    config += section("other", f"{other.base}/v1.0/x/delta")
    for number in range(8):
        fill(far, f"/v1.0/{number}/delta", 9)
    far.delay = 0.05
    asked = []

    def throttle(request, _path):
        if len(far.requests) < 6 or asked:
            return None
        asked.append(time.monotonic())
        request.error(status, "TooManyRequests", headers={"Retry-After": "2"})
        return True

    far.fault = throttle
    sync_all(config)
    other.close()
    during = [when for when, _, _ in far.requests if asked[0] < when < asked[0] + 2]
    assert len(during) <= 8, "somebody asked during the pause"    # four runs were under way, each with the next page perhaps
    assert [when for when, _, _ in other.requests if asked[0] < when < asked[0] + 2], "the pause is of one host"
    assert all(view(store, f"s{number}") == far.model(f"/v1.0/{number}/delta") for number in range(8))


def test_all__a_pause_that_begins_while_a_credential_is_got_is_kept_and_ends_with_a_signal(home, store, far):
    for wait in (3, 60):
        asked = []

        def throttle(request, path):
            if path.startswith("/v1.0/a/"):
                asked.append(time.monotonic())
                request.error(429, "TooManyRequests", headers={"Retry-After": str(wait)})
            return path.startswith("/v1.0/a/")

        far.fault = throttle
        far.feed("/v1.0/b/delta").put("x")
        seen = len(far.requests)
        run = start(home, store, "".join(section(f"a{number}", f"{far.base}/v1.0/a/{number}/delta") for number in range(3))
                    + section("b", far.base + "/v1.0/b/delta", bearer_command="sleep 1.5; cut -d ' ' -f 1 /proc/uptime > got; echo token-of-b"),
                    "--max-wait", "2h")
        if wait == 3:
            wait_for(lambda: any("/b/" in path for _, path, _ in far.requests[seen:]), 60)
            first = [when for when, path, _ in far.requests[seen:] if "/b/" in path][0]
            got = float((home / "got").read_text())
            between = [when for when in asked if got + 0.1 < when < first]
            assert first > asked[0] + 2.9 and len(between) <= 3, "those that were throttled ask again after the others"
        else:
            wait_for(lambda: asked)
            time.sleep(2.5)
            assert not any("/b/" in path for _, path, _ in far.requests[seen:])
        began = time.monotonic()
        end(run)
        assert time.monotonic() - began < 5


def test_all__a_pause_of_hours_that_begins_while_a_credential_is_got_ends_the_run(store, far, sync_all):
    def throttle(request, path):
        request.error(429, "TooManyRequests", headers={"Retry-After": "7200"})
        return True

    far.fault = throttle
    began = time.monotonic()
    done = sync_all(section("a", far.base + "/v1.0/a/delta")
                    + section("b", far.base + "/v1.0/b/delta", bearer_command="sleep 1.5; echo token-of-b"), code=5)
    assert time.monotonic() - began < 15 and far.paths() == ["/v1.0/a/delta"] and done.stderr.count("would be too long") == 2


def test_all__a_scope_that_fails_pauses_and_stops_no_other(tm, home, store, far, sync_all):
    """Five of eight scopes fail in ways that make a run wait and try again."""
    config = "".join(section(f"s{number}", f"{far.base}/v1.0/{number}/delta") for number in range(8))
    for number in range(8):
        fill(far, f"/v1.0/{number}/delta", 30)
    status = {0: 500, 1: 500, 2: 503, 3: 403, 4: 404}

    def fail(request, path):
        number = int(path.split("/")[2])
        if number in status:
            request.error(status[number], "Fault")
        return number in status

    far.fault = fail
    sync_all(config, "--max-wait", "6s", code=4)
    assert all(view(store, f"s{number}") == far.model(f"/v1.0/{number}/delta") for number in (5, 6, 7))
    tries = [at for at, path in enumerate(far.paths()) if path == "/v1.0/0/delta"]
    good = [at for at, path in enumerate(far.paths()) if int(path.split("/")[2]) > 4]
    assert len(good) == 30 and good[-1] < tries[4], "what fails makes the others wait"
    assert all(scope["fault"] for name, scope in statuses(tm, home, store).items() if int(name[1:]) < 5)


def test_all__a_host_that_asks_for_hours_ends_all_its_scopes_at_once(store, far, sync_all):
    config = "".join(section(f"s{number}", f"{far.base}/v1.0/{number}/delta") for number in range(40))

    def throttle(request, _path):
        request.error(429, "TooManyRequests", headers={"Retry-After": "7200"})
        return True

    far.fault = throttle
    done = sync_all(config, code=5)
    assert len(far.requests) <= 4 and done.stderr.count("asks") == 40


# ---- how it ends --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("statuses_, code", [((200, 200), 0), ((200, 500), 5), ((500, 404), 6), ((404, 403, 500), 4)])
def test_all__the_worst_end_of_a_scope_is_the_exit_code(far, sync_all, statuses_, code):
    config = "".join(section(f"s{number}", f"{far.base}/v1.0/{number}/delta") for number in range(len(statuses_)))
    for number in range(len(statuses_)):
        fill(far, f"/v1.0/{number}/delta", 1)

    def answer(request, path):
        status = statuses_[int(path.split("/")[2])]
        if status != 200:
            request.error(status, "Fault")
        return status != 200

    far.fault = answer
    done = sync_all(config, "--max-wait", "1s", "--json", code=code)
    assert {line["scope"]: line["caughtUp"] for line in map(json.loads, done.stdout.splitlines())} == {
        f"s{number}": status == 200 for number, status in enumerate(statuses_)}


def test_all__nothing_new_is_9_if_that_is_asked_for(far, sync_all):
    config = each_user(far, ["ann", "bob"])
    sync_all(config, "--exit-code")
    sync_all(config, "--exit-code", code=9)
    far.feed(calendars("bob")).put("new")
    sync_all(config, "--exit-code")


def test_all__a_signal_ends_it_in_the_midst_of_waits(home, store, far):
    config = "".join(section(f"s{number}", f"{far.base}/v1.0/{number}/delta") for number in range(6))

    def throttle(request, _path):
        request.error(429, "TooManyRequests", headers={"Retry-After": "120"})
        return True

    far.fault = throttle
    for sign, code in ((signal.SIGTERM, 143), (signal.SIGINT, 130)):
        run = start(home, store, config, "--watch")
        seen = len(far.requests)
        wait_for(lambda: len(far.requests) > seen)
        time.sleep(0.3)
        began = time.monotonic()
        run.send_signal(sign)
        _, err = run.communicate(timeout=100)
        assert run.returncode == code and time.monotonic() - began < 60, err
        check_sanitizers(err)


def test_all__each_section_has_its_own_pause(home, store, far):
    for name in ("often", "rarely"):
        fill(far, f"/v1.0/{name}/delta", 1)
    run = start(home, store, section("often", far.base + "/v1.0/often/delta", every="1s")
                + section("rarely", far.base + "/v1.0/rarely/delta"), "--watch", "--every", "1h")
    wait_for(lambda: far.paths().count("/v1.0/often/delta") >= 4)
    end(run)
    assert far.paths().count("/v1.0/rarely/delta") == 1


@pytest.mark.parametrize("part", range(2))
def test_all__killed_at_any_moment_every_mirror_is_right_in_the_end(home, store, far, part):
    chance = random.Random(part)
    users = [f"u{number}" for number in range(12)]
    config = each_user(far, users)
    far.delay = 0.005
    duration, killed = 0.6, 0
    while killed < usual(8, 60, 400):
        for _ in range(chance.randrange(1, 4)):
            run = start(home, store, config)
            time.sleep(chance.random() * duration)
            run.kill()
            check_sanitizers(run.communicate()[1])
            killed += 1
        began = time.monotonic()
        run = start(home, store, config)
        _, err = run.communicate(timeout=120)
        assert run.returncode == 0, err
        duration = max(0.2, time.monotonic() - began)
        for user in users:
            assert view(store, f"calendars:{user}") == far.model(calendars(user))
        for user in users:
            for _ in range(chance.randrange(6)):
                id = f"{calendars(user)}#{chance.randrange(12)}"
                far.feed(calendars(user)).remove(id) if chance.random() < 0.3 else far.feed(calendars(user)).put(id, name=chance.random())


@pytest.mark.slow
def test_all__memory_of_twenty_runs_at_a_time_is_bounded(home, store):
    """64 MB, and 20 MB for each further run: pages of some 8 MB on five hosts, all under way at the same time."""
    hosts = [Many() for _ in range(5)]
    config = ""
    together = meet(20)
    for host in hosts:
        host.fault = together
        for number in range(4):
            path = f"/v1.0/{number}/delta"
            host.feed(path).page_size = 1000
            fill(host, path, 1100, text="x" * 8000)
            config += section(f"s{host.port}-{number}", host.base + path)
    run = start(home, store, config)
    peak = 0
    while run.poll() is None:
        try:
            lines = pathlib.Path(f"/proc/{run.pid}/status").read_text().splitlines()
            peak = max([peak] + [int(line.split()[1]) for line in lines if line.startswith("VmHWM")])
        except ProcessLookupError:
            pass
        time.sleep(0.02)
    _, err = run.communicate()
    assert run.returncode == 0, err
    print(f"peak {peak // 1024} MB")
    assert SANITIZED or peak < (64 + 19 * 20) * 1000
    for host in hosts:
        host.close()
    assert query(store, "SELECT count(*) FROM items") == [(22000,)]


# ---- credentials --------------------------------------------------------------------------------------------------


def test_all__sections_of_one_host_share_a_credential_that_is_renewed_once(home, store, far, sync_all):
    config = each_user(far, [f"u{number}" for number in range(12)])
    counter = home / "count"
    good = ["token-000001"]

    def check(request, _path):
        if len(far.requests) == 15:
            good[0] = "token-000002"
        if request.handler.headers.get("Authorization") != f"Bearer {good[0]}":
            request.error(401, "InvalidAuthenticationToken")
            return True
        return None

    far.fault = check
    sync_all(config, "--bearer-command", f"echo x >> {counter}; printf 'token-%06d' $(wc -l < {counter})")
    assert counter.read_text() == "x\n" * 2
    assert all(view(store, f"calendars:u{number}") == far.model(calendars(f"u{number}")) for number in range(12))


def test_all__a_token_goes_to_its_own_host_only(home, far, sync_all):
    other = Many()
    fill(far, "/v1.0/a/delta", 1)
    fill(other, "/v1.0/b/delta", 1)
    a, b = far.base + "/v1.0/a/delta", other.base + "/v1.0/b/delta"
    env = {"TIDEMARK_BEARER": "token-of-the-environment"}
    sync_all(section("a", a) + section("b", b), env=env, code=3, error='[scope "b"]')
    assert not far.requests and not other.requests
    sync_all(section("a", a) + section("b", b, client_credentials="off"), env=env)
    token = home / "token"
    token.write_text("token-of-a-file")
    sync_all(section("a", a) + section("b", b, bearer_file=token), env=env)
    other.close()
    assert {headers.get("Authorization") for _, _, headers in far.requests} == {"Bearer token-of-the-environment"}
    assert {headers.get("Authorization") for _, _, headers in other.requests} == {None, "Bearer token-of-a-file"}


def test_all__a_section_whose_credential_cannot_be_had_stops_no_other(store, far, sync_all):
    fill(far, "/v1.0/a/delta", 1)
    sync_all(section("a", far.base + "/v1.0/a/delta") + section("b", far.base + "/v1.0/b/delta", client_credentials="on")
             + section("c", far.base + "/v1.0/c/delta", bearer_file="/none"), code=3, error="AZURE_TENANT_ID")
    assert view(store, "a") == far.model("/v1.0/a/delta")


def test_all__a_sign_in_that_fails_at_first_is_tried_again_while_it_watches(home, far):
    """A secret is refused, no device code is given, a certificate is not there yet.  Each is mended, and no run starts anew."""
    fill(far, "/v1.0/a/delta", 3)
    far.fault = lambda request, _path: "Authorization" not in request.handler.headers and (request.error(401, "None") or True)
    issuers = {"secret": Issuer(), "device": Issuer(), "certificate": Issuer()}
    keys = {name: "device_code" if name == "device" else "client_credentials" for name in issuers}
    more = {"secret": {"AZURE_CLIENT_SECRET": issued("a secret of the client")}, "device": {},
            "certificate": {"AZURE_CLIENT_CERTIFICATE_PATH": str(home / "later.pem")}}
    runs, ready = {}, make_cert(home)
    for name, issuer in issuers.items():
        issuer.usual = error("invalid_client", "AADSTS7000215: wrong", 401) if name != "certificate" else tokens(refresh=None)
        env = {"AZURE_AUTHORITY_HOST": issuer.base, "AZURE_TENANT_ID": TENANT, "AZURE_CLIENT_ID": CLIENT, **more[name]}
        config = section("a", far.base + "/v1.0/a/delta", every="1s", **{keys[name]: "on"})
        runs[name] = start(home, f"sqlite:{home}/{name}.db", config, "--watch", env=env, conf=f"{name}.conf")
    for run in runs.values():
        assert run.stderr.readline()                     # it says why
    assert not far.requests and all(run.poll() is None for run in runs.values())
    issuers["secret"].usual = tokens(refresh=None)
    issuers["device"].do(code(), tokens())
    ready.rename(home / "later.pem")
    for name, run in runs.items():
        wait_for(lambda: names(f"sqlite:{home}/{name}.db") and len(view(f"sqlite:{home}/{name}.db", "a")) == 3, 60)
        end(run)
        issuers[name].close()


def test_all__options_of_a_section_win_over_the_command_line(far, sync_all):
    for name in "ab":
        fill(far, f"/v1.0/{name}/delta", 1)
    sync_all(section("a", far.base + "/v1.0/a/delta", page_size=7, prefer='IdType="ImmutableId"') + section("b", far.base + "/v1.0/b/delta"),
             "--page-size", "9")
    assert {(path, headers["Prefer"]) for _, path, headers in far.requests} == {
        ("/v1.0/a/delta", 'IdType="ImmutableId", odata.maxpagesize=7'), ("/v1.0/b/delta", "odata.maxpagesize=9")}


# ---- what is wrong ------------------------------------------------------------------------------------------------

A = section("a", "http://127.0.0.1:1/v1.0/a/delta")


@pytest.mark.parametrize("config, line, words", [
    (A + "evry = 5s\n", 3, 'unknown key "evry" in [scope]; did you mean "every"'),
    (A + "every = often\n", 3, 'every: "often" is not a length of time'),
    (A + "page-size = 0\n", 3, "page-size"),
    (A + "prefer = odata.maxpagesize=3\n", 1, "--page-size"),
    (A + "prefer = \xe9\n", 1, "no header field"),
    (A + "client-credentials = yes\n", 3, "is not on or off"),
    (A + "url = http://127.0.0.1:1/x\n", 3, "url is set twice"),
    (A + "for-each = users\n", 3, "is not scope:NAME or file:PATH"),
    (A + "for-each = file:x\n", 2, "the URL must hold a word in braces"),
    (A + section("b", "http://127.0.0.1:1/v1.0/a/delta"), 4, '[scope "a"] ('),
    (section("b", "http://127.0.0.1:1/{u}/delta", for_each="scope:b"), 3, "has a for-each itself"),
    (A.replace("a", "users", 1) + section("b", "http://127.0.0.1:1/{u}/delta", for_each="scope:user"), 5, "there is no [scope"),
    (section("users", "http://127.0.0.1:1/a") + section("b", "http://127.0.0.1:1/{u}/delta", for_each="scope:user"), 5, 'did you mean "users"'),
    (section("b", "http://127.0.0.1:1/{u}/delta"), 2, "there is no for-each"),
    (section("b", "http://127.0.0.1:1/{u}/{v}/delta", for_each="file:x"), 2, "one word in braces"),
    (section("b", "http://127.0.0.1:1/delta?x={v}", for_each="file:x"), 2, "one word in braces"),
    (section("b", "http://{h}.example.com/delta", for_each="file:x"), 2, "one word in braces"),
    (section("b", "http://127.0.0.1:1/{u}/d", for_each="file:x") + section("c", "http://127.0.0.1:1/{v}/d", for_each="file:y"), 5, "the same URL"),
    (section("b", "http://graph.microsoft.com/v1.0/users/delta"), 2, "http"),
    (section("b", "ftp://x/y"), 2, "the URL"),
    (section("a/b", "http://127.0.0.1:1/x"), 2, "no blank, slash or colon"),
    (section("a:b", "http://127.0.0.1:1/x"), 2, "no blank, slash or colon"),
    ('[scope "a"]\nevery = 5s\n', 1, "it has no url"),
    (A + '[scope "b"]\n# url = x\n', 3, "it has no url"),
    (section("n" * 129, "http://127.0.0.1:1/x"), 2, "the name has 1 to 128 bytes"),
    (A + "bearer-file = x\nclient-credentials = off\nbearer-command = y\n", 5, "exclude each other"),
    (A + "replace = on\nmerge = on\n", 4, "exclude each other"),
    ("[server]\naudit = on\n", None, "has no [scope"),
], ids=range(28))
def test_all__a_fault_of_the_configuration_is_named_before_anything_starts(home, store, sync_all, config, line, words):
    done = sync_all(config, code=3, error=words)
    assert line is None or f"t.conf:{line}: " in done.stderr, done.stderr
    assert not os.path.exists(store[7:])


def test_all__a_name_has_up_to_128_bytes_behind_a_byte_order_mark_too(store, far, sync_all):
    fill(far, "/v1.0/x/delta", 1)
    sync_all("\ufeff" + section("n" * 128, far.base + "/v1.0/x/delta"))
    assert names(store) == {"n" * 128}


@pytest.mark.parametrize("path", ["/v1.0/me/calendars/delta", "/V1.0/ME/calendars/delta"])
def test_all__two_people_may_follow_their_own_me(home, sync_all, path):
    me, other = "http://127.0.0.1:1" + path, "http://127.0.0.1:1/v1.0/x/me/delta"
    sync_all(section("a", me, bearer_file="a") + section("b", me, bearer_file="a"), code=3, error="the same URL")
    sync_all(section("a", other, bearer_file="a") + section("b", other, bearer_file="b"), code=3, error="the same URL")
    sync_all(section("a", me, bearer_file="a") + section("b", me, bearer_file="b"), "--max-wait", "1s", code=None, error="a: ")


@pytest.mark.parametrize("kind", KINDS)
def test_all__each_of_two_people_gets_an_own_scope_and_keeps_it(tm, home, store, sync_all, kind):
    me = Mailboxes()
    caller(me)
    for number in range(8):
        me.put(f"item-{number}", name="x", owner=PEOPLE[number % 2])
    tokens = {person: KINDS[kind](me, person)["TIDEMARK_BEARER"] for person in PEOPLE}
    config = section("a", me.url, bearer_file=home / "a") + section("b", me.url, bearer_file=home / "b")

    def follow(a, b, code):
        (home / "a").write_text(tokens[a])
        (home / "b").write_text(tokens[b])
        return sync_all(config, code=code).stderr

    for _ in range(2):
        follow("ann", "bob", 0)
        assert items(store, "a") == me.model_of("ann") and items(store, "b") == me.model_of("bob")
        assert owners(tm, store) == ({"a": f"{TENANT}/{ANN}", "b": f"{TENANT}/{BOB}"} if kind == "jwt" else {"a": ANN, "b": BOB})
        for person in PEOPLE:
            me.put(f"new-{person}", name="y", owner=person)
    before, seen = whole(store), len(me.requests)
    said = follow("bob", "ann", 4)
    assert "a: " in said and whole(store) == before and len(me.requests) == seen
    assert "in a section of another name, that one's data gets a scope of its own" in said and "--scope" not in said
    follow("bob", "bob", 4)
    me.close()
    assert items(store, "b") == me.model_of("bob") and len(items(store, "a")) == 5


def test_all__two_ways_to_one_url_follow_it_once(store, far, sync_all):
    config = each_user(far, ["ann", "bob"])
    done = sync_all(config + section("mine", far.base + calendars("ann")), code=3)
    assert "is already followed as the scope" in done.stderr
    assert names(store) in ({"users", "calendars:bob", "mine"}, {"users", "calendars:bob", "calendars:ann"})


@pytest.mark.parametrize("args, words", [((), "needs a URL or --all"), (("--all", "http://127.0.0.1:1/x"), "needs a URL or --all"),
                                         (("--all", "--scope", "x"), "--scope"), (("--all", "--resync"), "--resync"),
                                         (("--all", "--content", "x"), "--content")])
def test_all__options_of_one_scope_are_refused(tm, store, args, words):
    tm("sync", *args, store=store, code=2, error=words)


def test_all__config_show_lists_the_sections(tm, home):
    (home / "t.conf").write_text(A + "every = 5s\n")
    shown = json.loads(tm("config", "show", "--json", "--config", home / "t.conf").stdout)["scopes"]
    assert shown == [{"name": "a", "url": "http://127.0.0.1:1/v1.0/a/delta", "every": "5s", "from": f"{home}/t.conf:1"}]
    assert 'scope "a"' in tm("config", "show", "--config", home / "t.conf").stdout
