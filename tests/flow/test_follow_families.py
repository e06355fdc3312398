# SPDX-License-Identifier: Apache-2.0
"""Resources that have rules of their own: groups with members in parts, drives, chats, planner, feeds that list nothing."""
import json
import re
import sqlite3

import pytest

from conftest import ROOT
from misbehave import Listener, Request

DELTA = "#microsoft.graph."


class Script(Listener):
    """Answers each target with the page that was last written for it; what is not written is 404."""

    def __init__(self, path):
        super().__init__()
        self.base = f"http://127.0.0.1:{self.port}"
        self.path, self.url, self.pages = path, self.base + path, {}

    def page(self, query, items, then, kind="delta"):
        """Behind `query` ("" for the first one) are these items and the link that ends with `then`."""
        link = f"{self.base}{self.path.partition('?')[0]}?{then}"
        self.pages[query] = (200, {"value": items, f"@odata.{kind}Link": link})

    def gone(self, query):
        self.pages[query] = (410, {"error": {"code": "syncStateNotFound", "message": "?"}})

    def answer(self, handler):
        self.requests.append((handler.path, dict(handler.headers)))
        query = "" if handler.path == self.path else handler.path.partition("?")[2]
        Request(self, handler, "").send(*self.pages.get(query, (404, {"error": {"code": "itemNotFound", "message": "?"}})))


@pytest.fixture
def script():
    made = []

    def make(path):
        made.append(Script(path))
        return made[-1]

    yield make
    for one in made:
        one.close()


def ask(store, query):
    with sqlite3.connect(f"file:{store[7:]}?mode=ro", uri=True) as db:
        return db.execute(query).fetchall()


def members(store):
    return [" ".join(row) for row in ask(store, "SELECT id, relation, member FROM relations ORDER BY 1, 2, 3")]


def user(id, **more):
    return {"@odata.type": DELTA + "user", "id": id, **more}


LEFT = {"@removed": {"reason": "deleted"}}


def changes(tm, store, since=0):
    return [json.loads(line) for line in tm("changes", "--since", str(since), store=store).stdout.splitlines()]


# ---- relations -----------------------------------------------------------------------------------------------

@pytest.fixture
def group(tm, store, script):
    far = script("/v1.0/groups/delta")
    far.page("", [{"id": "g1", "displayName": "All", "members@delta": [user("u1"), user("u2")]}], "$skiptoken=2", "next")
    far.page("$skiptoken=2", [{"id": "g1", "members@delta": [user("u3")], "owners@delta": [user("u1")]}, {"id": "g2"}], "$deltatoken=1")
    tm("sync", far.url, store=store)
    return far


def test_relations__parts_of_pages_and_rounds_add_up(tm, store, group):
    assert members(store) == ["g1 members u1", "g1 members u2", "g1 members u3", "g1 owners u1"]
    assert ask(store, "SELECT DISTINCT scope, type, json_extract(value, '$.id') = member FROM relations") == [("groups", "user", 1)]
    assert not ask(store, "SELECT 1 FROM items WHERE value LIKE '%@delta%'")
    before = changes(tm, store)
    assert [line.get("relations") for line in before] == [
        {"members": {"added": ["u1", "u2", "u3"]}, "owners": {"added": ["u1"]}}, None]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", line["at"]) for line in before)
    # A member that comes and goes in one round is no change of it; nor is one that is told again.
    group.page("$deltatoken=1", [{"id": "g1", "members@delta": [user("u4"), user("u2", **LEFT), user("u1")]},
                                 {"id": "g1", "members@delta": [user("u4", **LEFT), user("u5")]}], "$deltatoken=2")
    tm("sync", group.url, store=store)
    assert members(store) == ["g1 members u1", "g1 members u3", "g1 members u5", "g1 owners u1"]
    last, = changes(tm, store, before[-1]["n"])
    assert (last["change"], last["fields"], last["relations"]) == ("updated", [], {"members": {"added": ["u5"], "removed": ["u2"]}})


def test_relations__a_resync_and_verify_know_them(tm, store, group):
    group.gone("$deltatoken=1")
    group.page("", [{"id": "g1", "displayName": "All", "members@delta": [user("u2"), user("u9")]}, {"id": "g2"}], "$deltatoken=3")
    found = tm("verify", group.url, store=store, code=10).stdout.splitlines()
    assert sorted(found) == ["extra g1 members u1", "extra g1 members u3", "extra g1 owners u1", "missing g1 members u9"]
    head = max(line["n"] for line in changes(tm, store))
    tm("sync", group.url, store=store)
    assert members(store) == ["g1 members u2", "g1 members u9"]
    last, = changes(tm, store, head)
    assert last["relations"] == {"members": {"added": ["u9"], "removed": ["u1", "u3"]}, "owners": {"removed": ["u1"]}}
    tm("verify", group.url, store=store)


def test_relations__a_removed_group_keeps_no_members_and_export_names_them(tm, store, group):
    lines = [json.loads(line) for line in tm("export", "--feed", "scope/groups", store=store).stdout.splitlines()]
    assert [line["op"] for line in lines] == ["put", "put", "relate", "relate", "relate", "relate"]
    assert lines[2] == {"op": "relate", "feed": "scope/groups", "id": "g1", "relation": "members", "value": user("u1")}
    for line in (lines[0], lines[2]):
        tm("import", "-", store=store, code=None, input=json.dumps(line) + "\n", error="`tidemark sync`")
    group.page("$deltatoken=1", [{"id": "g1", **LEFT}], "$deltatoken=2")
    tm("sync", group.url, store=store)
    assert members(store) == [] and [row[0] for row in ask(store, "SELECT id FROM items")] == ["g2"]
    tm("scope", "forget", "groups", store=store)
    assert ask(store, "SELECT (SELECT count(*) FROM follow_member) + (SELECT count(*) FROM follow_detail_member)") == [(0,)]


def test_relations__members_of_a_store_of_schema_7_come_behind_its_items_in_the_feed(tm, store, home):
    with sqlite3.connect(home / "t.db") as db:
        db.executescript((ROOT / "tests" / "corpus" / "stores" / "v7.sql").read_text())
        db.executemany("INSERT INTO follow_relation VALUES(1, ?, 'members', ?, 0, '', '{}')", [("cal-3", "u1"), ("cal-1", "u2"), ("cal-1", "u1")])
        # A first round of another scope that is under way.
        db.execute("INSERT INTO follow_scope(sid, name, url, resource, from_now, phase, round_gen, round_ord, round_link)"
                   " VALUES(2, 'b', 'http://b/', 'groups', 0, 1, 2, 7, 'http://b/2')")
        db.execute("INSERT INTO follow_relation VALUES(2, 'g', 'members', 'u', 0, '', '{}')")
    db.close()
    tm("store", "gc", store=store)
    tm("store", "check", store=store)
    assert ask(store, "SELECT ord, top, items FROM follow_scope WHERE sid = 1") == [(6, 6, 2)]
    assert ask(store, "SELECT head, relates FROM feed WHERE collection = 255") == [(6, 1)]
    assert ask(store, "SELECT id, member, place - (1 << 36) FROM follow_member WHERE gen = 1 ORDER BY place") == [
        ("cal-1", "u1", 4), ("cal-1", "u2", 5), ("cal-3", "u1", 6)]
    assert ask(store, "SELECT place - (2 << 36), round_ord FROM follow_member m, follow_scope s WHERE s.sid = 2 AND m.gen = 2") == [(8, 8)]
    assert len(members(store)) == 3


def test_relations__a_group_of_many_parts_stays_many_small_rows(tm, store, script):
    far = script("/v1.0/groups/delta")
    for page in range(20):
        far.page("" if page == 0 else f"$skiptoken={page}",
                 [{"id": "g1", "displayName": "All", "members@delta": [user(f"u{page}-{n}") for n in range(1000)]}],
                 f"$skiptoken={page + 1}" if page < 19 else "$deltatoken=1", "next" if page < 19 else "delta")
    tm("sync", far.url, store=store)
    assert ask(store, "SELECT count(*), max(length(value)) < 200 FROM relations") == [(20000, 1)]
    assert ask(store, "SELECT length(value) < 100 FROM items") == [(1,)]
    assert len(changes(tm, store)[0]["relations"]["members"]["added"]) == 20000


def test_relations__a_member_without_an_id_makes_a_dead_letter_of_its_item(tm, store, script):
    far = script("/v1.0/groups/delta")
    far.page("", [{"id": "g1", "members@delta": [{"displayName": "?"}]}, {"id": "g2", "manager@delta": user("u1")}], "$deltatoken=1")
    tm("sync", far.url, store=store, code=8)
    assert members(store) == ["g2 manager u1"]
    far.page("$deltatoken=1", [{"id": "g1", "members@delta": [user("u1")]}], "$deltatoken=2")
    tm("sync", far.url, store=store)
    assert members(store) == ["g1 members u1", "g2 manager u1"]


# ---- drives --------------------------------------------------------------------------------------------------

def entry(id, name, parent=None, **more):
    return {"@odata.type": DELTA + "driveItem", "id": id, "name": name,
            **({"parentReference": {"driveId": "b!1", "id": parent}} if parent else {"root": {}}), **more}


@pytest.fixture
def drive(tm, store, script):
    far = script("/v1.0/me/drive/root/delta")
    far.page("", [entry("R", "root", folder={}), entry("D", "docs", "R", folder={}),
                  entry("F", "a.txt", "D", file={"mimeType": "text/plain"}, shared={"scope": "users"}, size=1.0,
                        **{"@microsoft.graph.downloadUrl": "https://x/1"}), {"id": "gone", "deleted": {}}], "token=1")
    tm("sync", far.url, store=store)
    return far


def test_drive__is_a_scope_of_its_name_with_paths(store, drive):
    assert ask(store, "SELECT scope, id, path, parentId, isFolder, size FROM driveItems ORDER BY id") == [
        ("drive", "D", "/docs", "R", 1, None), ("drive", "F", "/docs/a.txt", "D", 0, 1.0), ("drive", "R", "/", None, 1, None)]
    assert ask(store, "SELECT resource FROM scopes") == [("driveItems",)]


def test_drive__an_item_is_what_was_reported_last(tm, store, drive):
    drive.page("token=1", [{"size": 1, **entry("F", "\u0061.txt", "D", file={"mimeType": "text/plain"}, shared={"scope": "users"})},
                           entry("D", "docs", "R", folder={}, **{"@microsoft.graph.sharedChanged": "True"})], "token=2")
    tm("sync", drive.url, store=store)
    assert len(changes(tm, store)) == 3, "another order, another spelling and annotations are no change"
    drive.page("token=2", [entry("F", "a.txt", "D", file={"mimeType": "text/plain"}, size=1)], "token=3")
    tm("sync", drive.url, store=store)
    assert changes(tm, store)[-1]["fields"] == ["shared"]
    drive.page("token=3", [{"id": "F", "deleted": {"state": "deleted"}}, {**entry("D", "docs", "R"), "deleted": None}], "token=4")
    tm("sync", drive.url, store=store)
    assert [row[0] for row in ask(store, "SELECT id FROM items ORDER BY id")] == ["D", "R"]


def test_drive__a_select_that_hides_removals_is_warned_of(tm, store, script):
    far = script("/v1.0/me/drive/root/delta?$select=id,name")
    far.page("", [entry("R", "root")], "token=1")
    assert "removals are not seen" in tm("sync", far.url, store=store).stderr


def test_updates__a_rule_of_the_scope_stays_with_it(tm, store, drive):
    drive.page("token=1", [entry("F", "a.txt", "D")], "token=2")
    tm("sync", drive.url, "--merge", store=store)
    assert ask(store, "SELECT json_extract(value, '$.shared.scope') FROM items WHERE id = 'F'") == [("users",)]
    assert json.loads(tm("status", "--json", store=store).stdout)["scopes"][0]["updates"] == "partial"
    assert "--merge" in tm("status", store=store).stdout
    drive.page("token=2", [entry("F", "b.txt", "D")], "token=3")
    tm("sync", drive.url, store=store)
    assert ask(store, "SELECT json_extract(value, '$.shared.scope') FROM items WHERE id = 'F'") == [("users",)]
    drive.page("token=3", [entry("F", "b.txt", "D")], "token=4")
    tm("sync", drive.url, "--replace", store=store)
    assert ask(store, "SELECT json_extract(value, '$.shared.scope') FROM items WHERE id = 'F'") == [(None,)]
    assert "exclude each other" in tm("sync", drive.url, "--replace", "--merge", store=store, code=2).stderr


# ---- identities ----------------------------------------------------------------------------------------------

def test_identity__has_as_many_parts_as_the_resource_needs(tm, store, script):
    chats = script("/v1.0/users/u/chats/getAllMessages/delta")
    chats.page("", [{"id": "1", "chatId": chat, "replyToId": None} for chat in ("a", "b")], "$deltatoken=1")
    tm("sync", chats.url, store=store)
    team = script("/v1.0/teams/t/channels/c/messages/delta")
    team.page("", [{"id": "1", "channelIdentity": {"teamId": "t", "channelId": "c"}, "replyToId": reply} for reply in (None, "7")], "$deltatoken=1")
    tm("sync", team.url, store=store)
    planner = script("/v1.0/me/planner/all/delta")
    planner.page("", [{"@odata.type": DELTA + kind, "id": "1"} for kind in ("plannerTask", "plannerBucket")], "$deltatoken=1")
    tm("sync", planner.url, "--scope", "plan", store=store)
    assert [row[0] for row in ask(store, "SELECT id FROM items ORDER BY id")] == [
        "a/1", "b/1", "plannerBucket/1", "plannerTask/1", "t/c/1", "t/c/7/1"]
    assert [row[0] for row in ask(store, "SELECT scope FROM scopes ORDER BY 1")] == ["getAllMessages", "messages", "plan"]
    assert len(ask(store, "SELECT id FROM chatMessages")) == 4


# ---- strings -------------------------------------------------------------------------------------------------

def test_strings__what_stands_for_no_character_is_kept_and_shown_as_a_mark(tm, store, script):
    far = script("/v1.0/things/delta")
    far.page("", [{"id": "1", "name": "a\0b"}, {"id": "2", "name": "\ud83d"}, {"id": "3", "name": "\\u0000 \U0001f600"}], "$deltatoken=1")
    tm("sync", far.url, store=store)
    assert ask(store, "SELECT name FROM items ORDER BY id") == [("a\ufffdb",), ("\ufffd",), ("\\u0000 \U0001f600",)]
    assert [value for value, in ask(store, "SELECT value FROM items WHERE id < '3' ORDER BY id")] == [
        '{"id": "1", "name": "a\\u0000b"}', '{"id": "2", "name": "\\ud83d"}']
    far.page("$deltatoken=1", [{"id": "1", "x": 1}, {"id": "2", "name": "b"}], "$deltatoken=2")
    tm("sync", far.url, store=store)
    assert ask(store, "SELECT name FROM items WHERE id < '3' ORDER BY id") == [("a\ufffdb",), ("b",)]


# ---- dead letters --------------------------------------------------------------------------------------------

def letters(tm, store):
    return [(letter["id"], letter["attempts"]) for letter in json.loads(tm("status", "--json", store=store).stdout)["deadLetters"]]


def test_letters__name_their_item_and_are_replaced_by_a_later_report(tm, store, script):
    far = script("/v1.0/things/delta")
    too_many = {f"p{n}": n for n in range(1100)}
    far.page("", [{"id": "1", "name": "a"}, {"id": "2", **too_many}, {"id": "3", **too_many}], "$deltatoken=1")
    tm("sync", far.url, store=store, code=8)
    assert letters(tm, store) == [("2", 0), ("3", 0)]
    far.page("$deltatoken=1", [{"id": "2", "name": "b"}, {"id": "3", **LEFT}, {"id": "1", **too_many}], "$deltatoken=2")
    tm("sync", far.url, store=store, code=8)
    assert letters(tm, store) == [("1", 0)]
    # Another one about the same item replaces it; within a round the last word counts.
    far.page("$deltatoken=2", [{"id": "1", "x": 0, **too_many}, {"id": "2", **too_many}, {"id": "2", "name": "c"}], "$deltatoken=3")
    tm("sync", far.url, store=store, code=8)
    assert letters(tm, store) == [("1", 0)]
    assert ask(store, "SELECT id, name FROM items ORDER BY id") == [("1", "a"), ("2", "c")]


# ---- feeds that list nothing ---------------------------------------------------------------------------------

@pytest.mark.parametrize("path,options", [("/v1.0/me/planner/all/delta", ()), ("/v1.0/users/delta", ("--from-now",)),
                                          ("/v1.0/users/delta?$deltatoken=latest", ())])
def test_gap__after_a_lost_place_a_feed_that_lists_nothing_goes_on_from_now(tm, store, script, path, options):
    far = script(path)
    far.page("", [], "$deltatoken=1")
    far.page("$deltatoken=1", [{"id": "1", "title": "a"}], "$deltatoken=2")
    tm("sync", far.url, *options, store=store)
    tm("sync", far.url, store=store)
    far.gone("$deltatoken=2")
    far.pages["$deltatoken=2"] += ({"Location": far.url + "&listing"},)
    far.page("", [{"id": "never", "title": "b"}] if options else [], "$deltatoken=3")
    far.page("$deltatoken=3", [{"id": "1", "title": "c"}], "$deltatoken=4")
    lost = tm("sync", far.url, store=store, code=8)
    assert "changes since then are lost" in lost.stderr
    assert not [path for path, _ in far.requests if "listing" in path]
    assert [line["change"] for line in changes(tm, store)] == ["created"]
    status = json.loads(tm("status", "--json", store=store).stdout)["scopes"][0]
    assert status["gapAt"] and status["items"] == 1 and "are lost" in tm("status", store=store).stdout
    tm("sync", far.url, store=store)
    assert [line["change"] for line in changes(tm, store)] == ["created", "updated"]


def test_gap__a_delta_link_that_says_latest_is_warned_of(tm, store, script):
    far = script("/v1.0/users/delta")
    far.page("", [{"id": "1"}], "$deltatoken=latest")
    assert 'says "latest"' in tm("sync", far.url, store=store).stderr


# ---- an upgrade ----------------------------------------------------------------------------------------------

def test_upgrade__a_scope_whose_rule_has_changed_is_read_in_full_once(tm, store, script):
    far = script("/v1.0/users/u/chats/getAllMessages/delta")
    messages = [{"id": str(n), "chatId": chat, "text": "x"} for n in range(30) for chat in ("a", "b")]
    far.page("", messages, "$deltatoken=1")
    far.page("$deltatoken=1", [], "$deltatoken=1")
    tm("sync", far.url, store=store)
    # As an older version has read them: by the id alone, so of two messages with one id the last is there.
    with sqlite3.connect(store[7:]) as db:
        db.executescript("""UPDATE follow_scope SET rule = '', round_rule = '', resource = 'getAllMessages', items = 30;
            DELETE FROM follow_entry WHERE id LIKE 'a/%'; UPDATE follow_entry SET id = substr(id, 3);
            DELETE FROM follow_item WHERE id LIKE 'a/%'; UPDATE follow_item SET id = substr(id, 3);""")
    before = len(far.requests)
    assert "by another rule" in tm("sync", far.url, store=store).stderr
    assert [path for path, _ in far.requests[before:]] == [far.path]
    assert len(ask(store, "SELECT 1 FROM items")) == 60 and ask(store, "SELECT resource FROM scopes") == [("chatMessages",)]
    assert "by another rule" not in tm("sync", far.url, store=store).stderr
    tm("verify", far.url, store=store)


def test_upgrade__a_dead_letter_that_names_no_item_overwrites_nothing(tm, store, script):
    far = script("/v1.0/things/delta")
    far.page("", [{"id": "1", "name": "new"}], "$deltatoken=1")
    tm("sync", far.url, store=store)
    with sqlite3.connect(store[7:]) as db:
        for number, raw in enumerate(('{"id":"1","name":"old"}', '{"id":"2","name":"a\\u0000b"}')):
            db.execute("INSERT INTO follow_letter(sid, round_gen, digest, at_ms, attempts, reason, raw) VALUES(1, 0, ?, 1, 0, 'x', ?)",
                       (number, raw))
    tm("retry", store=store, code=8)
    assert ask(store, "SELECT id, name FROM items ORDER BY id") == [("1", "new"), ("2", "a\ufffdb")]
    assert "newer state" in tm("status", store=store).stdout
