# SPDX-License-Identifier: Apache-2.0
"""Scopes a user can manage, rounds whose pages are forgotten under way, and what is said when something is wrong."""
import json
import os
import signal
import socket
import sqlite3
import subprocess

import pytest

from conftest import BIN, base_env, check_sanitizers, guid, put, user
from misbehave import FarEnd, cut_after, gone, slow, status
from test_follow_commands import changes, running, reported, wait_for          # noqa: F401 (running is a fixture)
from test_follow_misbehave import far, fill, view                           # noqa: F401 (far is a fixture)


def scopes(tm, store):
    return {scope["scope"]: scope for scope in json.loads(tm("status", "--json", store=store).stdout)["scopes"]}


def rows(store):
    """How many rows each table of what is followed has, but for the one row of counters."""
    with sqlite3.connect(f"file:{store[7:]}?mode=ro", uri=True) as db:
        tables = [name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name LIKE 'follow_%'")]
        return {table: db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables if table != "follow_meta"}


@pytest.fixture
def other():
    other = FarEnd("/v1.0/me/contacts/delta")
    yield other
    other.close()


# ---- a name that a mistyped URL took -------------------------------------------------------------------------

@pytest.mark.parametrize("wrong", ["calendarz/delta", "calendars/deltaa"])
def test_scope__of_a_url_refused_at_its_first_page_is_not_kept(tm, store, far, wrong):
    fill(far)
    tm("sync", f"{far.base}/v1.0/me/{wrong}", "--scope", "mine", store=store, code=6, error="404")
    assert scopes(tm, store) == {}
    tm("sync", far.url, "--scope", "mine", store=store)
    assert list(scopes(tm, store)) == ["mine"] and view(store) == far.model()


def test_scope__without_a_right_at_its_first_page_is_not_kept(tm, store, far):
    far.always(status(403, "ErrorAccessDenied"))
    tm("sync", far.url, store=store, code=4)
    tm("changes", far.url, store=store, code=4)
    assert scopes(tm, store) == {}


@pytest.mark.parametrize("token", [[], ["--bearer-command", "echo token"]])
@pytest.mark.parametrize("wait", ["1s", "1h"])
def test_scope__whose_host_gives_no_answer_is_not_kept(tm, store, far, running, wait, token):
    """The host or the port is mistyped; the run ends, or somebody stops it while it waits."""
    fill(far)
    silent = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{silent.getsockname()[1]}/v1.0/me/calendars/delta"
    silent.close()
    if wait == "1s":
        tm("sync", url, "--max-wait", wait, *token, store=store, code=5, error="ould")
    else:
        run = running("sync", url, "--max-wait", wait, *token, "--store", store)
        wait_for(lambda: "waiting" in open(run.err.name).read())
        assert run.stop()[0] == 128 + signal.SIGTERM
    assert scopes(tm, store) == {}
    # What has come once stays.
    tm("sync", far.url, store=store)
    far.close()
    tm("sync", far.url, "--max-wait", "1s", store=store, code=5)
    assert list(scopes(tm, store)) == ["calendars"] and view(store) == far.model()


def test_scope__refused_without_a_credential_is_told_where_one_is_given(tm, store, far, home):
    far.always(status(401, "InvalidAuthenticationToken"))
    tm("sync", far.url, store=store, code=4, error="no credential is given, see --bearer-file")
    (home / "token").write_text("a-token")
    done = tm("sync", far.url, "--bearer-file", home / "token", store=store, code=4, error="401")
    assert "see --bearer-file" not in done.stderr


def test_scope__that_was_never_told_anything_gives_its_name_to_another_url(tm, store, far, other):
    fill(far)
    other.always(status(503))
    tm("sync", other.url, "--scope", "mine", "--max-wait", "1s", store=store, code=5)
    assert scopes(tm, store)["mine"]["fault"]
    tm("sync", far.url, "--scope", "mine", store=store)
    assert scopes(tm, store)["mine"]["url"] == far.url and scopes(tm, store)["mine"]["fault"] == ""
    assert view(store) == far.model() and len(scopes(tm, store)) == 1
    tm("sync", other.url, "--scope", "mine", store=store, code=2, error="follows another URL")


def test_scope__that_was_never_told_anything_may_be_asked_for_otherwise(tm, store, far):
    fill(far)
    far.always(status(503))
    tm("sync", far.url, "--from-now", "--max-wait", "1s", store=store, code=5)
    far.always(None)
    tm("sync", far.url, "--scope", "mine", store=store)
    assert list(scopes(tm, store)) == ["mine"] and view(store) == far.model()
    tm("sync", far.url, "--scope", "other", store=store, code=2, error="scope rename")


def test_scope__keeps_what_has_come_when_a_later_page_is_refused(tm, store, far):
    fill(far)
    far.do(None, status(403))
    tm("sync", far.url, "--scope", "mine", store=store, code=4)
    assert scopes(tm, store)["mine"]["roundPages"] == 1 and "403" in scopes(tm, store)["mine"]["fault"]
    tm("sync", far.url, store=store)
    assert [path for path, _ in far.requests].count("/v1.0/me/calendars/delta") == 1, "the first page is not asked for again"
    assert view(store) == far.model()


# ---- forgetting and renaming ---------------------------------------------------------------------------------

def fill_both(tm, store, far, other):
    """Two scopes with a round behind them, dead letters, removals, content states, and a round under way in the first."""
    fill(far)
    fill(other, 4)
    for one in (far, other):
        one.do(lambda request, page: {**page, "value": page["value"] + [{"name": "no id"}]})
        tm("sync", one.url, store=store, code=8)
        one.remove("item-1")
        one.put("item-2", name="new", color="auto")
        tm("sync", one.url, store=store, code=8)
    with sqlite3.connect(store[7:]) as db:
        db.execute("INSERT INTO follow_content SELECT sid, 'item-2', 0, '' FROM follow_scope")
    for number in range(8):
        far.put(f"item-{number}", name="again", color="auto")
    far.do(None, status(403))
    tm("sync", far.url, store=store, code=4)


def test_scope__that_is_forgotten_leaves_nothing_and_the_others_as_they_were(tm, store, far, other):
    fill_both(tm, store, far, other)
    kept, head = scopes(tm, store)["contacts"], json.loads(tm("status", "--json", store=store).stdout)["head"]
    items = {id: value for id, value in view(store).items() if id in other.model()}
    mine = changes(tm, store, "--scope", "contacts")
    tm("scope", "forget", "calendars", store=store, error="calendars is forgotten: 7 items")
    assert {name: {**scope, "cursorAgeSeconds": 0} for name, scope in scopes(tm, store).items()} == \
        {"contacts": {**kept, "cursorAgeSeconds": 0}}
    assert set(view(store)) == set(items) and view(store) == other.model()
    assert changes(tm, store) == mine
    left = rows(store)
    with sqlite3.connect(store[7:]) as db:
        for table in ("follow_range", "follow_content", "follow_letter"):
            assert db.execute(f"SELECT count(*) FROM {table} WHERE sid NOT IN (SELECT sid FROM follow_scope)").fetchone() == (0,)
            assert left[table] > 0, "nothing is proved by an empty table"
    assert left["follow_item"] == len(other.model()) and left["follow_old"] == left["follow_dead"] == 0
    # The removed item keeps its entry, its tombstone, and the rows of its two changes.
    assert left["follow_entry"] == len(other.model()) + 1 and left["follow_tomb"] == 1
    tm("store", "check", store=store)
    tm("scope", "forget", "calendars", store=store, code=6, error="no scope")
    tm("sync", far.url, store=store)
    assert reported(changes(tm, store, "--scope", "calendars")) == [("created", f"item-{n}") for n in range(8)]
    assert changes(tm, store, "--scope", "calendars")[0]["n"] > head, "no number is given again"


@pytest.mark.slow
def test_scope__killed_while_it_is_forgotten_is_listed_or_gone(tm, store, far, home):
    for number in range(6000):
        far.put(f"item-{number:05}", name="x" * 200)
    far.page_size = 2000
    tm("sync", far.url, store=store)
    for number in range(6000):
        far.put(f"item-{number:05}", name="y" * 200)
    tm("sync", far.url, store=store)
    listed = 0
    for attempt in range(12):
        running = subprocess.Popen([BIN, "scope", "forget", "calendars", "--store", store], stderr=subprocess.PIPE,
                                   env=base_env(home))
        try:
            running.wait(0.03 + attempt * 0.03)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()
        running.stderr.close()
        now = scopes(tm, store)
        if not now:
            break
        listed += 1
        # Whole or empty, never a part of it.
        assert len(view(store)) in (0, 6000) and now["calendars"]["items"] == len(view(store))
    if scopes(tm, store):
        tm("scope", "forget", "calendars", store=store)
    assert set(rows(store).values()) == {0}
    assert listed > 0


def test_scope__is_renamed_everywhere(tm, store, far, other):
    fill(far, 2)
    fill(other, 1)
    tm("sync", far.url, store=store)
    tm("sync", other.url, store=store)
    tm("scope", "rename", "calendars", "ann", store=store, error="calendars is now called ann")
    assert set(scopes(tm, store)) == {"ann", "contacts"}
    assert {line["scope"] for line in changes(tm, store)} == {"ann", "contacts"}
    assert len(tm("export", "--feed", "scope/ann", store=store).stdout.splitlines()) == 2
    far.put("item-0", name="new")
    tm("sync", far.url, store=store)
    tm("sync", far.url, "--scope", "ann", store=store)
    assert scopes(tm, store)["ann"]["rounds"] == 3
    tm("scope", "rename", "ann", "ann", store=store)
    tm("scope", "rename", "ann", "contacts", store=store, code=6, error="already a scope")
    tm("scope", "rename", "nobody", "x", store=store, code=6, error="no scope")
    for bad in ("", "a b", "a/b", "x" * 129):
        tm("scope", "rename", "ann", bad, store=store, code=2, error="name")


def test_scope__cannot_be_changed_while_somebody_follows(tm, store, far, running):
    fill(far)
    watch = running("sync", far.url, "--watch", "--every", "1s", "--store", store)
    wait_for(lambda: os.path.exists(store[7:]) and len(far.requests) >= 3)
    tm("scope", "forget", "calendars", store=store, code=12, error=f"pid {watch.process.pid}")
    tm("scope", "rename", "calendars", "x", store=store, code=12, error="tidemark sync)")
    watch.stop()
    tm("scope", "forget", "calendars", store="sqlite:/nowhere/none.db", code=6)
    tm("scope", "forget", store=store, code=2)
    tm("scope", "list", store=store, code=2, error="status")


# ---- a page that is forgotten under way ------------------------------------------------------------------------

def dead_pages(number, code, message="?"):
    """Every nextLink is refused, every other link is answered."""
    def fault(request, page):
        if not request.query.startswith("$skip"):
            return page
        request.error(number, code, message)
    return fault


DEAD = {"410": (410, "SyncStateNotFound"), "400_resyncRequired": (400, "resyncRequired"),
        "400_badly_formed": (400, "x", "Badly formed token.")}


@pytest.mark.parametrize("case", DEAD)
def test_follow__a_server_that_always_forgets_the_second_page_ends_the_run(tm, store, far, case):
    fill(far)
    far.always(dead_pages(*DEAD[case]))
    tm("sync", far.url, store=store, code=5, error="twice in one run")
    assert len(far.requests) == 4
    tm("sync", far.url, store=store, code=5, error="twice in one run")
    assert len(far.requests) == 8
    far.always(None)
    tm("sync", far.url, store=store)
    assert view(store) == far.model()
    old = view(store)
    for number in range(8):
        far.put(f"item-{number}", name="later", color="auto")
    far.always(dead_pages(*DEAD[case]))
    far.requests.clear()
    done = tm("sync", far.url, store=store, code=5, error="twice in one run")
    # The round, the round once more, and everything anew: two pages each.
    assert len(far.requests) == 6 and "the round begins anew" in done.stderr
    assert view(store) == old
    far.always(None)
    tm("sync", far.url, store=store)
    assert view(store) == far.model()


def test_follow__a_round_begun_anew_uses_nothing_that_was_staged(tm, store, far):
    fill(far, 3)
    far.page_size = 1
    tm("sync", far.url, store=store)
    far.put("ghost", name="told on a page that was forgotten")
    far.put("item-1", name="new", color="auto")

    def forget(request, page):
        del far.items["ghost"], far.order["ghost"]         # as if it had never been
        gone()(request, page)
    far.do(None, forget)
    far.requests.clear()
    done = tm("sync", far.url, "--json", store=store)
    assert view(store) == far.model() and "ghost" not in view(store)
    assert "?$deltatoken" in far.requests[2][0], "the round's own first link is asked again, not everything"
    tally = json.loads(done.stdout)
    assert (tally["created"], tally["updated"], tally["removed"]) == (0, 1, 0)


def test_follow__a_page_refused_for_another_reason_begins_the_first_round_again(tm, store, far):
    fill(far)
    far.do(None, status(400, "BadRequest", "Invalid skip token."))
    tm("sync", far.url, store=store, error="400: BadRequest: Invalid skip token.")
    assert view(store) == far.model()


@pytest.mark.parametrize("rounds", [0, 1])
def test_follow__a_lasting_run_gets_over_a_server_that_forgot_for_a_while(tm, store, far, running, rounds):
    fill(far)
    if rounds:
        tm("sync", far.url, store=store)
    old = [f"{far.path}?$deltatoken=8-8-0-{far.issued}"]       # what the store holds; it is never known again
    far.put("item-0", name="later", color="auto")
    far.always(gone())
    far.requests.clear()
    watch = running("sync", far.url, "--watch", "--every", "1s", "--store", store)
    wait_for(lambda: len(far.requests) >= 6)

    def forgets_the_old(request, page):
        if request.handler.path not in old:
            return page
        request.error(410, "SyncStateNotFound")
    far.always(forgets_the_old)
    wait_for(lambda: os.path.exists(store[7:]) and view(store) == far.model())
    assert not rounds or old[0] in [path for path, _ in far.requests]
    assert watch.stop()[0] == 143


# ---- texts ---------------------------------------------------------------------------------------------------

def test_sync__names_the_option_when_nobody_trusts_the_certificate(tm, server, home):
    far = server(lines=[user("ann@contoso.com", id=guid(7))])
    url, store = f"{far.base}/v1.0/me/calendars/delta", f"sqlite:{home}/f.db"
    done = tm("sync", url, store=store, code=6, error="--ca FILE")
    assert done.stderr.count("--ca") == 1 and len(done.stderr.splitlines()) == 1
    (home / "other.pem").write_text(open(far.ca).read())
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=x",
                    "-keyout", home / "k", "-out", home / "other.pem"], check=True, capture_output=True)
    tm("sync", url, "--ca", home / "other.pem", store=store, code=6, error="other.pem has signed it")
    tm("sync", url, "--ca", home / "none.pem", store=store, code=6, error="see --ca")
    wrong_name = url.replace("127.0.0.1", "127.0.0.2")
    assert "--ca FILE" not in tm("sync", wrong_name, "--ca", far.ca, "--max-wait", "2s", store=store, code=None).stderr


def test_sync__tells_a_refusal_once(tm, store, far):
    far.always(status(403, "ErrorAccessDenied", "Access is denied."))
    reported_once = tm("sync", far.url, store=store, code=4).stderr
    assert reported_once.count("403") == 1 and reported_once.count("ErrorAccessDenied") == 1 and len(reported_once.splitlines()) == 1
    far.always(status(404, "ResourceNotFound", "ResourceNotFound: not there"))
    reported_once = tm("sync", far.url, store=store, code=6).stderr
    assert reported_once.count("ResourceNotFound") == 1 and len(reported_once.splitlines()) == 1


@pytest.mark.parametrize("command", ["sync", "changes", "verify", "scope forget"])
def test_help__of_what_a_signal_may_stop_says_so(tm, command):
    text = tm("help", *command.split()).stdout
    page = tm("help", "--man", f"tidemark-{command.split()[0]}.1").stdout
    for code in ("130", "143"):
        assert f"\n  {code}  " in text and f".It {code}\n" in page


class Headed:
    """A command whose reader reads one line and goes."""

    def __init__(self, home, *args):
        process = subprocess.Popen([BIN, *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=base_env(home))
        self.line = process.stdout.readline()
        process.stdout.close()
        self.stderr = process.stderr.read().decode()
        process.stderr.close()
        self.code = process.wait(60)
        check_sanitizers(self.stderr)


def test_changes__whose_reader_goes_end_quietly_and_are_told_again(tm, store, far, home):
    far.page_size = 2000
    for number in range(2000):
        far.put(f"item-{number}", name="x" * 100)
    headed = Headed(home, "changes", far.url, "--store", store)
    assert json.loads(headed.line)["change"] == "created"
    assert (headed.code, headed.stderr) == (1, "")
    assert len(changes(tm, store, far.url)) == 2000, "what nobody read is told again"
    headed = Headed(home, "changes", "--store", store)
    assert (headed.code, headed.stderr) == (1, "")
    headed = Headed(home, "export", "--feed", "scope/calendars", "--store", store)
    assert (headed.code, headed.stderr) == (1, "")


def test_sync__with_watch_ends_when_nobody_reads_its_lines(tm, store, far, home):
    fill(far)
    headed = Headed(home, "sync", far.url, "--json", "--watch", "--every", "1s", "--store", store)
    assert json.loads(headed.line)["caughtUp"]
    assert headed.code == 1
    assert "standard output" not in headed.stderr
