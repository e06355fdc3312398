# SPDX-License-Identifier: Apache-2.0
"""Stores that earlier versions made: brought up at the first opening for writing, with every link still good."""
import json
import pathlib
import re
import sqlite3

import pytest

from conftest import ROOT
from misbehave import FarEnd

STORES = sorted((ROOT / "tests" / "corpus" / "stores").glob("*.sql"))


@pytest.mark.parametrize("dump", STORES, ids=lambda path: path.stem)
def test_a_store_of_an_earlier_version_goes_on_with_its_readers(server, tm, store, home, dump, sources):
    text = pathlib.Path(dump).read_text()
    for name, source in sources.items():
        text = text.replace(f"http://{name}", source.base)
    token = re.search(r"^-- token: (\S+)$", text, re.M).group(1)
    db = sqlite3.connect(home / "t.db")
    db.executescript(text)
    db.close()
    tm("store", "info", store=store, code=6, error="older version")
    order, scopes = in_order_of_change(home / "t.db"), all_of_scopes(home / "t.db")
    one = server()
    bearer = one.token("samanthab@contoso.com")
    # What was there before gets its numbers of creation in the order it has now.
    listed = one.get("/v1.0/me/calendars?$select=id&$top=1000", bearer).json["value"]
    assert [item["id"] for item in listed] == order
    # There is no witness beside a dump: the epoch rises, and a reader that has seen no more than the store has goes on.
    page = one.get(f"/beta/me/calendars/delta?$deltatoken={token}", bearer)
    assert [item["name"] for item in page.json["value"]] == ["Later"]
    assert len(one.get("/beta/me/calendars/delta", bearer).json["value"]) == 3
    assert one.request("PATCH", f"/beta/me/calendars/{page.json['value'][0]['id']}", {"name": "Now"}, bearer).status == 200
    assert [item["name"] for item in one.get(page.json["@odata.deltaLink"], bearer).json["value"]] == ["Now"]
    one.stop()
    tm("store", "check", store=store)
    if "follow_scope" in text:
        for before, now in zip(scopes, all_of_scopes(home / "t.db"), strict=True):
            if before["gen"] != 0 and before["phase"] != 0:
                before = {name: value for name, value in before.items() if name != "phase" and not name.startswith("round_")}
            # The members of relations are rows of the feed now, behind the head.
            assert now["ord"] >= before.pop("ord")
            assert now == {**now, **before}, "nothing of a scope is lost or mixed up"
        if dump.stem == "v8":
            many_followed_go_on(tm, store, home, sources, re.findall(r"^-- printed: (.*)$", text, re.M))
        else:
            followed_goes_on(tm, store, home)
    one = f"sqlite:{home}/new.db"
    tm("import", "-", store=one, input="")
    assert views_of(home / "t.db") == views_of(home / "new.db"), "views are those of a new store"


def views_of(path):
    with sqlite3.connect(path) as db:
        views = dict(db.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'view'"))
    db.close()
    assert {"items", "scopes", "relations", "changes", "calendars"} <= views.keys()
    return views


def in_order_of_change(path):
    with sqlite3.connect(path) as db:
        ids = [row[0].decode() for row in db.execute("SELECT id FROM item WHERE fid = 1 ORDER BY place")]
    db.close()
    return ids


def all_of_scopes(path):
    with sqlite3.connect(path) as db:
        if not db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'follow_scope'").fetchone():
            return []
        db.row_factory = sqlite3.Row
        rows = [dict(row) for row in db.execute("SELECT * FROM follow_scope ORDER BY sid")]
    db.close()
    return rows


@pytest.fixture
def sources():
    """What the scopes of v8.sql follow, as it was then."""
    people, later = FarEnd("/v1.0/me/contacts/delta"), FarEnd("/v1.0/me/contacts/delta")
    groups = FarEnd("/v1.0/groups/delta")
    for id in [*"abcdef", ""]:
        people.put(id, displayName=id.upper())
    people.put("a", displayName="A2")
    people.remove("b", "changed")
    people.remove("c")
    people.put("g", displayName="G")
    people.put("b", displayName="B2")
    people.put("a", displayName="A3")
    people.remove("g")
    for id in "pq":
        later.put(id, displayName=id.upper())
    later.put("x", displayName="X")
    later.remove("q")
    later.put("p", displayName="P2")
    later.put("y", displayName="Y")
    later.remove("x")
    later.remove("y")
    later.put("y", displayName="Y2")
    for id in "klmnopz":
        later.put(id, displayName=id)
    later.remove("x")
    groups.put("g1", displayName="All", **{"members@delta": [member("u1"), member("u2")]})
    groups.put("g2", displayName="None")
    groups.put("g1", displayName="All", **{"members@delta": [member("u3"), member("u2", **LEFT)]})
    all_of_them = {"people": people, "later": later, "groups": groups}
    yield all_of_them
    for source in all_of_them.values():
        source.close()


LEFT = {"@removed": {"reason": "deleted"}}


def member(id, **more):
    return {"@odata.type": "#microsoft.graph.user", "id": id, **more}


def many_followed_go_on(tm, store, home, sources, printed):
    """v8.sql: what was printed is printed again; the half round is read again; later changes have later numbers."""
    assert tm("changes", "--since", 0, store=store).stdout.splitlines() == printed
    assert in_sql(home, "SELECT n FROM changes ORDER BY n") == [(json.loads(line)["n"],) for line in printed]
    assert in_sql(home, "SELECT scope, items, roundPages, acked, deadLetters FROM scopes ORDER BY scope") == [
        ("calendars", 2, 0, 0, 0), ("groups", 2, 0, 0, 0), ("later", 2, 0, 0, 0), ("people", 5, 0, 17, 1)]
    assert in_sql(home, "SELECT id, member FROM relations") == [("g1", "u1"), ("g1", "u3")]
    sources["people"].put("c", displayName="C3")
    sources["people"].remove("a")
    sources["groups"].put("g1", displayName="All", **{"members@delta": [member("u1", **LEFT)]})
    for name, source in sources.items():
        tm("sync", source.url, "--scope", name, store=store, code=None)
        tm("store", "check", store=store)
        items = {id: json.loads(value) for id, value in in_sql(home, f"SELECT id, value FROM items WHERE scope = '{name}'")}
        if name != "groups":
            assert items == {id: item for id, item in source.model().items() if id}
    assert in_sql(home, "SELECT id, member FROM relations") == [("g1", "u3")]
    last = json.loads(printed[-1])["n"]
    lines = [json.loads(line) for line in tm("changes", "--since", last, store=store).stdout.splitlines()]
    assert {(line["scope"], line["change"], line["id"]) for line in lines} == {
        ("people", "returned", "c"), ("people", "removed", "a"), ("groups", "updated", "g1"), ("later", "updated", "p"),
        *[("later", "created", id) for id in "klmnoz"]}
    numbers = [line["n"] for line in lines]
    assert numbers == sorted(set(numbers)) and numbers[0] > last
    # Creations of the first listing go with their items; the item that is back has its return.
    assert [json.loads(line)["n"] for line in tm("changes", "--since", 0, store=store).stdout.splitlines()] == [
        *[json.loads(line)["n"] for line in printed if json.loads(line)["n"] != 6], *numbers]
    assert in_sql(home, "SELECT n FROM changes ORDER BY n") == [(json.loads(line)["n"],)
                                                               for line in tm("changes", "--since", 0, store=store).stdout.splitlines()]


def in_sql(home, query):
    with sqlite3.connect(home / "t.db") as db:
        rows = db.execute(query).fetchall()
    db.close()
    return rows


def followed_goes_on(tm, store, home):
    """What was followed is still there, with its changes and their numbers."""
    lines = [json.loads(line) for line in tm("changes", store=store).stdout.splitlines()]
    assert [(line["n"], line["change"], line["id"]) for line in lines] == [
        (1, "created", "cal-1"), (3, "updated", "cal-1"), (4, "removed", "cal-2"), (5, "created", "cal-3")]
    tm("changes", "--ack", 4, store=store)
    with sqlite3.connect(home / "t.db") as db:
        assert db.execute("SELECT scope, items, acked, changesLost FROM scopes").fetchall() == [("calendars", 2, 4, 0)]
        assert db.execute("SELECT id, name FROM calendars ORDER BY id").fetchall() == [("cal-1", "Team now"), ("cal-3", "New")]
        assert [row[0] for row in db.execute("SELECT n FROM changes ORDER BY n")] == [1, 3, 4, 5]
    db.close()
