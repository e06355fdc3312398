# SPDX-License-Identifier: Apache-2.0
"""docs/sql.md is true: its queries run as they stand, its columns are those of the views, in that order."""
import json
import pathlib
import re
import sqlite3
import subprocess

import pytest

from conftest import guid
from misbehave import FarEnd, Listener, Request

PAGE = (pathlib.Path(__file__).resolve().parents[2] / "docs" / "sql.md").read_text()
QUERIES = re.findall(r"```sql\n(.*?)```", PAGE, re.S)
COLUMNS = {row[0]: re.findall(r"`(\w+)`", re.sub(r"\([^)]*\)", "", row[1]))
           for row in re.findall(r"^\| `(\w+)` \| [^|]* \| (.*) \|$", PAGE, re.M)}


@pytest.fixture
def followed(tm, store):
    calendars, recordings = FarEnd(), FarEnd(
        f"/v1.0/users/{guid(1)}/onlineMeetings/getAllRecordings(meetingOrganizerUserId='{guid(1)}')/delta")
    try:
        for number in range(4):
            calendars.put(f"cal-{number}", name=("Work", "Home", "work", "Trips")[number], color="auto",
                          isDefaultCalendar=number == 1, canEdit=True, defaultOnlineMeetingProvider="teamsForBusiness",
                          owner={"name": "Bob" if number > 1 else "Ann", "address": f"{'bob' if number > 1 else 'ann'}@contoso.com"})
            recordings.put(f"rec-{number}", meetingId="m", createdDateTime=f"2025-01-0{number + 1}T10:00:00Z",
                           endDateTime=f"2025-01-0{number + 1}T10:30:00Z", recordingContentUrl="https://x",
                           meetingOrganizer={"user": {"id": guid(1), "displayName": "Ann"}})
        tm("sync", calendars.url, store=store)
        calendars.remove("cal-3")
        tm("sync", calendars.url, store=store)
        tm("sync", recordings.url, store=store)
        yield store[7:]
    finally:
        calendars.close()
        recordings.close()


def ask(path, query):
    done = subprocess.run(["sqlite3", "-readonly", "-json", path, query], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return json.loads(done.stdout or "[]")


def follow_page(tm, store, path, items):
    """A scope of one round."""
    listener = Listener()
    try:
        base = f"http://127.0.0.1:{listener.port}{path}"
        page = {"value": items, "@odata.deltaLink": f"{base}?$deltatoken=1"}
        listener.answer = lambda handler: Request(listener, handler, "").send(200, page)
        tm("sync", base, store=store)
    finally:
        listener.close()


@pytest.fixture
def followed_families(followed, tm, store):
    people = [{"id": id, "displayName": name} for id, name in (("u1", "Ann"), ("u2", "Bob"))]
    follow_page(tm, store, "/v1.0/users/delta", people)
    follow_page(tm, store, "/v1.0/groups/delta", [
        {"id": "g1", "displayName": "Crew", "members@delta": people, "owners@delta": people[:1]},
        {"id": "g2", "displayName": "Alone", "members@delta": people[:1]}])
    root = {"driveId": "b", "id": "R"}
    follow_page(tm, store, "/v1.0/me/drive/root/delta", [
        {"id": "R", "name": "root", "root": {}, "folder": {}}, {"id": "D", "name": "docs", "folder": {}, "parentReference": root},
        {"id": "F", "name": "a.txt", "size": 7, "file": {"mimeType": "text/plain"}, "parentReference": {"driveId": "b", "id": "D"}},
        {"id": "G", "name": "b.txt", "size": 9, "file": {"mimeType": "text/plain"}, "parentReference": root}])
    follow_page(tm, store, "/v1.0/me/mailFolders/inbox/messages/delta", [
        {"id": f"m{n}", "subject": f"s{n}", "isRead": n == 1, "receivedDateTime": f"2025-01-0{n}T10:00:00Z",
         "from": {"emailAddress": {"address": "bob@contoso.com", "name": "Bob"}},
         "toRecipients": [{"emailAddress": {"address": "ann@contoso.com"}}, {"emailAddress": {"address": "eve@contoso.com"}}]}
        for n in (1, 2, 3)])
    follow_page(tm, store, "/v1.0/me/chats/getAllMessages/delta", [
        {"id": str(n), "chatId": chat, "createdDateTime": f"2025-01-0{n}T10:00:00Z", "body": {"content": f"{chat}{n}"}}
        for chat in ("a", "b") for n in (1, 2)])
    return followed


def test_sql__the_queries_about_families_run_and_answer(followed_families):
    answers = [[tuple(row.values()) for row in ask(followed_families, query)] for query in QUERIES[10:]]
    assert answers[0] == [("Alone", "u1", "Ann"), ("Crew", "u1", "Ann"), ("Crew", "u2", "Bob")]
    assert answers[1] == [("Alone",), ("Crew",)] and answers[2] == [("g1", 2), ("g2", 1)] and answers[3] == [("Alone",)]
    assert answers[4] == [("/b.txt", 9), ("/docs/a.txt", 7)]
    assert answers[5] == [("a.txt", 0, 7)] and answers[6] == [("text/plain", 2, 16)]
    assert answers[7] == [("2025-01-03T10:00:00Z", "bob@contoso.com", "s3"), ("2025-01-02T10:00:00Z", "bob@contoso.com", "s2")]
    assert answers[8] == [("bob@contoso.com", 3)]
    assert sorted(answers[9]) == [("a", "2025-01-02T10:00:00Z", "a2"), ("b", "2025-01-02T10:00:00Z", "b2")]
    assert ask(followed_families, "SELECT DISTINCT toAddresses AS t FROM messages") == [{"t": "ann@contoso.com, eve@contoso.com"}]


def test_sql__the_first_ten_queries_run_and_answer(followed):
    answers = [ask(followed, query) for query in QUERIES[:10]]
    assert len(QUERIES) == 20
    assert [row["scope"] for row in answers[0]] == ["calendars", "recordings"] and answers[0][0]["items"] == 3
    assert answers[1] == []
    assert [row["name"] for row in answers[2]] == ["Home", "Work", "work"]
    assert answers[3] == [{"ownerName": "Bob", "name": "work"}]
    assert answers[4] == [{"folded": "work", "calendars": 2}]
    assert {row["provider"] for row in answers[5]} == {"teamsForBusiness"}
    assert json.loads(answers[6][0]["value"])["name"] == "Home"
    assert len(answers[7]) == 3 + 1 + 4 and answers[7][0]["scope"] == "recordings"
    assert [row["id"] for row in answers[8]] == ["cal-3"]
    assert answers[9] == [{"organizerId": guid(1), "month": "2025-01", "recordings": 4, "hours": 2.0}]


def test_sql__the_columns_are_those_of_the_page(followed):
    with sqlite3.connect(f"file:{followed}?mode=ro", uri=True) as db:
        assert set(COLUMNS) == {row[0] for row in db.execute("SELECT name FROM sqlite_schema WHERE type = 'view'")}
        for name, columns in COLUMNS.items():
            assert [row[1] for row in db.execute(f"PRAGMA table_info({name})")] == columns, name


def test_sql__created_rows_of_items_that_are_gone(followed, tm, store):
    """As the page says: those of the first listing go, later ones stay without a value."""
    far = FarEnd()
    try:
        far.put("first", name="a")
        far.put("kept", name="b")
        tm("sync", far.url, "--scope", "other", store=store)
        far.put("later", name="c")
        far.put("kept", name="d")
        tm("sync", far.url, store=store)
        far.remove("first")
        far.remove("later")
        tm("sync", far.url, store=store)
        rows = ask(followed, "SELECT n, change, id, value FROM changes WHERE scope = 'other' ORDER BY n")
        assert {(row["change"], row["id"], row["value"] is None) for row in rows} == {
            ("created", "kept", False), ("updated", "kept", False), ("created", "later", True), ("removed", "first", True),
            ("removed", "later", True)}
        assert len({row["n"] for row in rows}) == len(rows)
    finally:
        far.close()


def test_sql__an_item_is_found_by_its_id_without_a_search(followed):
    with sqlite3.connect(f"file:{followed}?mode=ro", uri=True) as db:
        plan = "\n".join(row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {QUERIES[6]}"))
    assert "PRIMARY KEY (gen=? AND id=?)" in plan and "SCAN" not in plan, plan
