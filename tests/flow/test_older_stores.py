# SPDX-License-Identifier: Apache-2.0
"""Stores that earlier versions made: brought up at the first opening for writing, with every link still good."""
import json
import pathlib
import re
import sqlite3

import pytest

from conftest import ROOT

STORES = sorted((ROOT / "tests" / "corpus" / "stores").glob("*.sql"))


@pytest.mark.parametrize("dump", STORES, ids=lambda path: path.stem)
def test_a_store_of_an_earlier_version_goes_on_with_its_readers(server, tm, store, home, dump):
    text = pathlib.Path(dump).read_text()
    token = re.search(r"^-- token: (\S+)$", text, re.M).group(1)
    db = sqlite3.connect(home / "t.db")
    db.executescript(text)
    db.close()
    tm("store", "info", store=store, code=6, error="older version")
    order = in_order_of_change(home / "t.db")
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
        followed_goes_on(tm, store, home)


def in_order_of_change(path):
    with sqlite3.connect(path) as db:
        ids = [row[0].decode() for row in db.execute("SELECT id FROM item WHERE fid = 1 ORDER BY place")]
    db.close()
    return ids


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
