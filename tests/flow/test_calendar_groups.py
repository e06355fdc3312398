# SPDX-License-Identifier: Apache-2.0
"""Calendar groups as stored items: made, renamed, deleted, filled; the same calendars under every path; colours and nulls."""
import json
import sqlite3
import urllib.parse

import pytest

from conftest import guid, put, remove, user

ANN, BEN = guid(1), guid(2)
MY = "0006f0b7-0000-0000-c000-000000000046"
OTHER = "0006f0b8-0000-0000-c000-000000000046"


@pytest.fixture
def one(server):
    running = server(lines=[user("ann@contoso.com", ANN), user("ben@contoso.com", BEN)])
    running.bearer = running.token("ann@contoso.com")
    return running


def ask(one, method, path, body=None, status=200, **headers):
    reply = one.request(method, path, body, one.bearer, headers=headers)
    assert reply.status == status, (method, path, reply.body)
    return reply.json if reply.body else {}


def fails(one, method, path, body, status, code, bearer=None):
    reply = one.request(method, path, body, bearer or one.bearer)
    assert (reply.status, reply.json["error"]["code"]) == (status, code), reply.body
    return reply.json["error"]["message"]


def names(one, path):
    return [item["name"] for item in ask(one, "GET", path)["value"]]


def key(text):
    return urllib.parse.quote(text, safe="")


def test_a_group_lives(one):
    for version in ("v1.0", "beta"):
        for owner in ("me", f"users/{ANN}", "users/ann@contoso.com"):
            live(one, f"/{version}/{owner}/calendarGroups")


def live(one, base):
    made = ask(one, "POST", base, {"name": "Travel"}, 201)
    assert made["@odata.context"].endswith(f"#users('{ANN}')/calendarGroups/$entity")
    assert len(made["id"]) == 152 and made["changeKey"] and made["classId"] != MY
    assert names(one, base) == ["My Calendars", "Travel"]
    here = f"{base}/{key(made['id'])}"
    assert ask(one, "GET", here)["name"] == "Travel"
    reply = one.get(here, one.bearer)
    assert reply.headers["ETag"] == f'W/"{made["changeKey"]}"' and reply.json["@odata.id"].endswith(f"/calendarGroups('{made['id']}')")
    renamed = ask(one, "PATCH", here, {"name": "Trips"})
    assert renamed["name"] == "Trips" and renamed["changeKey"] != made["changeKey"] and renamed["classId"] == made["classId"]
    assert one.request("PATCH", here, {"name": "x"}, one.bearer, headers={"If-Match": made["changeKey"]}).status == 412
    ask(one, "DELETE", here, status=204)
    assert names(one, base) == ["My Calendars"]
    fails(one, "GET", here, None, 404, "ErrorItemNotFound")
    fails(one, "DELETE", here, None, 404, "ErrorItemNotFound")


def test_what_a_group_refuses(one):
    ask(one, "POST", "/v1.0/me/calendarGroups", {"name": "Travel"}, 201)
    fails(one, "POST", "/v1.0/me/calendarGroups", {"name": "travel"}, 409, "ErrorFolderExists")
    fails(one, "POST", "/v1.0/me/calendarGroups", {}, 400, "BadRequest")
    fails(one, "POST", "/v1.0/me/calendarGroups", {"name": None}, 400, "BadRequest")
    fails(one, "POST", "/v1.0/me/calendarGroups", {"name": "  "}, 400, "BadRequest")
    fails(one, "POST", "/v1.0/me/calendarGroups", {"name": "x", "colour": "red"}, 400, "BadRequest")
    mine, travel = ask(one, "GET", "/v1.0/me/calendarGroups")["value"]
    fails(one, "PATCH", f"/v1.0/me/calendarGroups/{travel['id']}", {"name": "my calendars"}, 409, "ErrorFolderExists")
    fails(one, "PATCH", f"/v1.0/me/calendarGroups/{travel['id']}", {"name": None}, 400, "BadRequest")
    fails(one, "DELETE", f"/v1.0/me/calendarGroups/{mine['id']}", None, 400, "ErrorDeleteDistinguishedFolder")
    made = ask(one, "POST", f"/v1.0/me/calendarGroups/{travel['id']}/calendars", {"name": "Norway"}, 201)
    assert "holds calendars" in fails(one, "DELETE", f"/v1.0/me/calendarGroups/{travel['id']}", None, 400, "BadRequest")
    ask(one, "DELETE", f"/v1.0/me/calendars/{made['id']}", status=204)
    ask(one, "DELETE", f"/v1.0/me/calendarGroups/{travel['id']}", status=204)
    fails(one, "POST", "/v1.0/me/calendarGroups", {"name": "x"}, 403, "ErrorAccessDenied", one.token("ann@contoso.com", "Calendars.Read"))
    fails(one, "POST", f"/v1.0/users/{BEN}/calendarGroups", {"name": "x"}, 403, "ErrorAccessDenied")
    fails(one, "GET", "/v1.0/me/calendarGroups/nonsense", None, 400, "ErrorInvalidIdMalformed")


def test_a_calendar_answers_alike_under_its_group(one):
    for version in ("v1.0", "beta"):
        answer_alike(one, version)


def answer_alike(one, version):
    travel = ask(one, "POST", f"/{version}/me/calendarGroups", {"name": f"Travel {version}"}, 201)
    mine = ask(one, "GET", f"/{version}/me/calendarGroups")["value"][0]["id"]
    group = f"/{version}/me/calendarGroups/{travel['id']}/calendars"
    made = ask(one, "POST", group, {"name": "Norway"}, 201)
    plain = f"/{version}/me/calendars/{made['id']}"
    assert made["@odata.id"].endswith(f"/calendars('{made['id']}')")
    assert ask(one, "GET", f"{group}/{made['id']}") == ask(one, "GET", plain)
    assert ask(one, "GET", f"{group}('{made['id']}')?$select=name")["name"] == "Norway"
    beta = ask(one, "GET", f"/beta/me/calendars/{made['id']}")
    assert (beta["calendarGroupId"], beta["groupClassId"]) == (travel["id"], travel["classId"])
    assert ask(one, "PATCH", f"{group}/{made['id']}", {"color": "lightBlue"})["color"] == "lightBlue"
    assert names(one, group) == ["Norway"] and names(one, f"{group}?$filter=name%20eq%20'x'") == []
    assert names(one, f"/{version}/me/calendarGroups/{mine}/calendars") == ["Calendar"]
    # Under another group it is not there, and stays as it is.
    away = f"/{version}/me/calendarGroups/{mine}/calendars/{made['id']}"
    for method, body in (("GET", None), ("PATCH", {"name": "Sweden"}), ("DELETE", None)):
        fails(one, method, away, body, 404, "ErrorItemNotFound")
    fails(one, "POST", f"{away}/permanentDelete", None, 404, "ErrorItemNotFound")
    assert ask(one, "GET", plain)["name"] == "Norway"
    ask(one, "POST", f"{group}/{made['id']}/permanentDelete", status=204)
    fails(one, "GET", plain, None, 404, "ErrorItemNotFound")
    ask(one, "DELETE", f"{group}/{ask(one, 'POST', group, {'name': 'Norway'}, 201)['id']}", status=204)
    assert names(one, group) == []


def test_a_calendar_names_its_group(one):
    group = ask(one, "POST", "/beta/me/calendarGroups", {"name": "Travel"}, 201)["id"]
    theirs = one.request("POST", f"/beta/users/{BEN}/calendarGroups", {"name": "x"}, one.token("ben@contoso.com")).json["id"]
    assert ask(one, "POST", "/beta/me/calendars", {"name": "a", "calendarGroupId": group}, 201)["calendarGroupId"] == group
    assert ask(one, "POST", "/beta/me/calendars", {"name": "b", "calendarGroupId": None}, 201)["calendarGroupId"] is None
    for unknown in ("nonsense", "", theirs):
        message = fails(one, "POST", "/beta/me/calendars", {"name": "c", "calendarGroupId": unknown}, 400, "BadRequest")
        assert "calendarGroupId" in message
    mine = ask(one, "GET", "/beta/me/calendarGroups")["value"][0]["id"]
    fails(one, "POST", f"/beta/me/calendarGroups/{mine}/calendars", {"name": "c", "calendarGroupId": group}, 400, "BadRequest")
    fails(one, "POST", f"/beta/me/calendarGroups/{theirs}/calendars", {"name": "c"}, 404, "ErrorItemNotFound")
    fails(one, "POST", "/beta/me/calendarGroups/nonsense/calendars", {"name": "c"}, 400, "ErrorInvalidIdMalformed")
    assert names(one, "/beta/me/calendars") == ["Calendar", "a", "b"]


def test_groups_are_state(tm, store, tmp_path, server):
    lines = [user("ann@contoso.com", ANN), put(ANN, {"id": "A", "name": "a"}), put(ANN, {"id": "B", "name": "b", "calendarGroupId": "G 1"}),
             put(ANN, {"id": "C", "name": "c", "groupClassId": OTHER}), put(ANN, {"id": "G 1", "name": "Garden"}, "calendarGroups"),
             put(ANN, {"id": "G 2", "name": "Empty"}, "calendarGroups")]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    tm("import", "-", store=store, input=text)
    tm("import", "-", store=store, input=text)
    exported = [json.loads(line) for line in tm("export", store=store).stdout.splitlines()]
    groups = [line["value"] for line in exported if line.get("feed", "").endswith("/calendarGroups")]
    assert {group["name"] for group in groups} == {"My Calendars", "Garden", "Other Calendars", "Empty"}
    tm("store", "check", store=store)
    tm("store", "gc", store=store)
    tm("store", "backup", str(tmp_path / "copy.db"), store=store)
    copy = f"sqlite:{tmp_path}/other.db"
    tm("import", "-", store=copy, input="".join(json.dumps(line) + "\n" for line in exported))
    again = [json.loads(line)["value"] for line in tm("export", store=copy).stdout.splitlines() if "/calendarGroups" in line]
    assert sorted(again, key=lambda group: group["id"]) == sorted(groups, key=lambda group: group["id"])
    running = server(store=copy)
    running.bearer = running.token("ann@contoso.com")
    listed = {group["name"]: group["id"] for group in ask(running, "GET", "/v1.0/me/calendarGroups")["value"]}
    assert [names(running, f"/v1.0/me/calendarGroups/{key(listed[name])}/calendars") for name in ("Garden", "Other Calendars")] == [["b"], ["c"]]
    path = f"/v1.0/me/calendarGroups/{key(listed['Empty'])}"
    tm("explain-access", "--as", running.bearer, "DELETE", path, store=copy)
    tm("explain-access", "--as", running.token("ann@contoso.com", "Calendars.Read"), "DELETE", path, store=copy, code=4)
    running.stop()
    assert tm("export", "--feed", f"users/{ANN}/calendarGroups", store=copy).stdout.count('"op":"put"') == 4
    tm("import", "-", store=copy, input=json.dumps(remove(ANN, "G 2", "calendarGroups")) + "\n")
    assert "Empty" not in tm("export", store=copy).stdout
    # As over HTTP, a group that holds calendars stays, and so does the group of the default calendar.
    before = tm("export", store=copy).stdout
    for name, says in (("Garden", "holds calendars; delete them first"), ("My Calendars", "cannot be deleted")):
        line = json.dumps(remove(ANN, listed[name], "calendarGroups")) + "\n"
        tm("import", "-", store=copy, input=line, code=6, error=says)
        assert tm("export", store=copy).stdout == before
    inside = next(one["value"]["id"] for one in map(json.loads, before.splitlines()) if one.get("value", {}).get("name") == "b")
    tm("import", "-", store=copy, input="".join(json.dumps(line) + "\n" for line in (
        remove(ANN, inside), remove(ANN, listed["Garden"], "calendarGroups"), remove(ANN, "none", "calendarGroups"))))
    assert "Garden" not in tm("export", store=copy).stdout


def test_a_store_from_before_groups_gets_them_when_they_are_asked_for(tm, store, server):
    tm("import", "-", store=store, input="".join(json.dumps(line) + "\n" for line in [
        user("ann@contoso.com", ANN), *[put(ANN, {"name": name}) for name in "abc"], put(ANN, {"name": "d", "groupClassId": OTHER}),
        put(ANN, {"name": "e", "groupClassId": OTHER}), put(ANN, {"name": "f", "calendarGroupId": "G 1"})]))
    with sqlite3.connect(store.removeprefix("sqlite:")) as file:
        fid = file.execute("SELECT fid FROM feed WHERE collection = 3").fetchone()
        file.execute("DELETE FROM item WHERE fid = ?", fid)
        file.execute("DELETE FROM feed WHERE fid = ?", fid)
    assert "calendarGroups" not in tm("export", store=store).stdout
    one = server(store=store)
    one.bearer = one.token("ann@contoso.com")
    groups = ask(one, "GET", "/v1.0/me/calendarGroups")["value"]
    assert [(group["name"], group["classId"]) for group in groups] == [("My Calendars", MY), ("Other Calendars", OTHER), (None, MY)]
    assert [names(one, f"/v1.0/me/calendarGroups/{key(group['id'])}/calendars") for group in groups] == [["a", "b", "c"], ["d", "e"], ["f"]]


def test_colours_follow_each_other(one):
    made = ask(one, "POST", "/beta/me/calendars", {"name": "a", "hexColor": "#fda"}, 400)
    made = ask(one, "POST", "/beta/me/calendars", {"name": "a", "hexColor": "#A6D1F0"}, 201)
    assert (made["color"], made["hexColor"]) == ("lightBlue", "#A6D1F0")
    here = f"me/calendars/{made['id']}"
    for version, body, color, hexed in [
            ("v1.0", {"hexColor": "#ff0000"}, "lightBlue", "#A6D1F0"),
            ("beta", {"hexColor": "#ff7070"}, "lightRed", "#ff7070"),
            ("beta", {"hexColor": "#ff7070", "color": "lightRed", "name": "b"}, "lightRed", "#ff7070"),
            ("v1.0", {"color": "LIGHTGREEN"}, "lightGreen", "#87d28e"),
            ("beta", {"color": "lightPink", "hexColor": "#87d28e"}, "lightPink", ""),
            ("beta", {"color": "lightPink", "hexColor": "#fcab70"}, "lightOrange", "#fcab70"),
            ("beta", {"hexColor": None}, "auto", ""),
            ("v1.0", {"color": "LightGray"}, "lightGray", ""),
            ("v1.0", {"color": None}, "auto", "")]:
        after = ask(one, "PATCH", f"/{version}/{here}", body)
        assert (after["color"], after["hexColor"]) == (color, hexed), body
    for bad in ("red", "#12345", "#12345g", "0078d4", 5):
        fails(one, "PATCH", f"/beta/{here}", {"hexColor": bad}, 400, "BadRequest")
    assert ask(one, "PATCH", f"/v1.0/{here}", {"defaultOnlineMeetingProvider": "TEAMSforbusiness"})["defaultOnlineMeetingProvider"] == \
        "teamsForBusiness"
    fails(one, "PATCH", f"/v1.0/{here}", {"color": "purple"}, 400, "BadRequest")


def test_null_is_nothing_or_the_default(one):
    entity = ask(one, "GET", "/beta/me/calendar")
    every = {name: None for name in entity if not name.startswith("@")}
    made = ask(one, "POST", "/beta/me/calendars", {**every, "name": "Nulls"}, 201)
    assert (made["color"], made["hexColor"], made["isDefaultCalendar"], made["defaultOnlineMeetingProvider"]) == \
        ("auto", "", False, "teamsForBusiness")
    assert made["owner"] and made["changeKey"] and made["canEdit"] is True
    changed = ask(one, "PATCH", "/beta/me/calendar", {**every, "name": "Main"})
    assert (changed["name"], changed["id"], changed["isDefaultCalendar"]) == ("Main", entity["id"], True)
    fails(one, "PATCH", "/beta/me/calendar", {"name": None}, 400, "BadRequest")
    fails(one, "POST", "/beta/me/calendars", every, 400, "BadRequest")


def test_null_as_the_id_of_a_new_recording_is_made_by_the_server(one):
    path = f"/v1.0/users/{ANN}/onlineMeetings/M-0/recordings"
    body = {name: None for name in ("id", "callId", "contentCorrelationId", "endDateTime", "meetingOrganizer")}
    reply = one.request("POST", path, body, one.app_token("OnlineMeetingRecording.ReadWrite.All"))
    assert reply.status == 201, reply.body
    assert reply.json["id"] and reply.json["createdDateTime"] and (reply.json["meetingId"], reply.json["callId"]) == ("M-0", None)


def test_names_of_properties_in_any_letter_case(one):
    assert ask(one, "POST", "/beta/me/calendars", {"NAME": "Loud", "Color": "lightRed"}, 201)["color"] == "lightRed"
    assert "twice" in fails(one, "POST", "/beta/me/calendars", {"name": "x", "Name": "y"}, 400, "BadRequest")


SEASON = "String {5c1a0d3e-7b6f-4a52-9d1c-20b6f0e4a711} Name Season"
NUMBER = "Integer {5c1a0d3e-7b6f-4a52-9d1c-20b6f0e4a711} Id 0x8009"


def expand(*ids):
    wanted = " or ".join(f"id eq '{id}'" for id in ids)
    return "$expand=" + urllib.parse.quote(f"singleValueExtendedProperties($filter={wanted})", safe="$()=")


def extended(item):
    return {one["id"]: one["value"] for one in item.get("singleValueExtendedProperties", [])}


def test_extended_properties_are_kept_and_come_on_expand_only(one, tm, tmp_path):
    both = [{"id": SEASON, "value": "winter \u2744 'x'"}, {"id": NUMBER, "value": "7"}]
    made = ask(one, "POST", "/v1.0/me/calendars", {"name": "a", "singleValueExtendedProperties": both}, 201)
    here = f"/v1.0/me/calendars/{made['id']}"
    assert "singleValueExtendedProperties" not in made and extended(ask(one, "GET", here)) == {}
    assert extended(ask(one, "GET", f"{here}?{expand(SEASON)}")) == {SEASON: "winter \u2744 'x'"}
    assert extended(ask(one, "GET", f"{here}?{expand(SEASON.upper(), NUMBER)}&$select=id")) == {SEASON: "winter \u2744 'x'", NUMBER: "7"}
    assert "singleValueExtendedProperties" not in ask(one, "GET", f"{here}?{expand('String 0x1')}")
    ask(one, "POST", "/v1.0/me/calendars", {"name": "b"}, 201)
    first = ask(one, "GET", f"/beta/me/calendars?$top=2&{expand(NUMBER)}")
    assert [extended(item) for item in first["value"]] == [{}, {NUMBER: "7"}]
    assert "$expand=" in first["@odata.nextLink"]
    assert [item["name"] for item in one.get(first["@odata.nextLink"], one.bearer).json["value"]] == ["b"]
    # They are merged by id; null takes one away.  The plain answer stays the calendar alone, also in delta.
    ask(one, "PATCH", here, {"singleValueExtendedProperties": [{"id": SEASON, "value": "spring"}]})
    ask(one, "PATCH", here, {"singleValueExtendedProperties": [{"id": NUMBER, "value": None}], "color": "lightBlue"})
    assert extended(ask(one, "GET", f"{here}?{expand(SEASON, NUMBER)}")) == {SEASON: "spring"}
    delta = [item for item in ask(one, "GET", "/v1.0/me/calendars/delta")["value"] if item["name"] == "a"]
    assert "singleValueExtendedProperties" not in delta[0] and "calendarGroupId" not in delta[0]
    assert delta[0].items() <= {**ask(one, "GET", here), **delta[0]}.items() and delta[0]["color"] == "lightBlue"
    exported = tm("export", store=one.store).stdout
    assert exported.count("spring") == 1
    copy = f"sqlite:{tmp_path}/other.db"
    tm("import", "-", store=copy, input=exported)
    assert sorted(tm("export", store=copy).stdout.splitlines()) == sorted(exported.splitlines())
    assert tm("store", "check", store=copy).returncode == 0


def test_what_extended_properties_refuse(one):
    def post(value):
        return fails(one, "POST", "/v1.0/me/calendars", {"name": "a", "singleValueExtendedProperties": value}, 400, "BadRequest")
    for bad in (5, {}, [5], [{"id": SEASON}], [{"value": "x"}], [{"id": "Season", "value": "x"}], [{"id": SEASON, "value": 5}],
                [{"id": SEASON, "value": "x"}, {"id": SEASON.lower(), "value": "y"}], [{"id": SEASON, "value": "x" * 4097}],
                [{"id": f"String 0x{n}", "value": "x"} for n in range(33)]):
        assert "singleValueExtendedProperties" in post(bad)
    many = [{"id": f"String 0x{n}", "value": "x"} for n in range(32)]
    made = ask(one, "POST", "/v1.0/me/calendars", {"name": "a", "singleValueExtendedProperties": many}, 201)
    fails(one, "PATCH", f"/v1.0/me/calendars/{made['id']}", {"singleValueExtendedProperties": [{"id": SEASON, "value": "x"}]}, 400, "BadRequest")
    fails(one, "POST", "/v1.0/me/calendars", {"name": "b", "multiValueExtendedProperties": []}, 400, "BadRequest")
    for option in ("events", "singleValueExtendedProperties", "singleValueExtendedProperties($filter=id)",
                   "singleValueExtendedProperties($filter=id%20eq%20'x')y", "multiValueExtendedProperties($filter=id%20eq%20'x')", ""):
        for path in ("calendar", "calendars"):
            fails(one, "GET", f"/v1.0/me/{path}?$expand={option}", None, 400, "ErrorInvalidUrlQuery")
    fails(one, "GET", f"/v1.0/me/calendarGroups?{expand(SEASON)}", None, 400, "ErrorInvalidUrlQuery")
    fails(one, "GET", f"/v1.0/me/calendars/delta?{expand(SEASON)}", None, 400, "ErrorInvalidUrlQuery")
