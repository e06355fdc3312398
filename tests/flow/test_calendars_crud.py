# SPDX-License-Identifier: Apache-2.0
"""The calendars themselves over HTTP: create, read, update, delete, and what is refused with nothing lost."""
import json
import socket
import ssl
import subprocess

import pytest

from conftest import guid, put, user

ANN = guid(1)


def ann():
    return user("ann@contoso.com", ANN, displayName="Ann", mail="ann@contoso.com")


@pytest.fixture
def one(server):
    running = server(lines=[ann()])
    running.bearer = running.token("ann@contoso.com")
    return running


def make(one, name, **more):
    reply = one.request("POST", "/beta/me/calendars", {"name": name, **more}, one.bearer)
    assert reply.status == 201, reply.body
    return reply


def refused(reply, status, code):
    assert reply.status == status, reply.body
    assert reply.json["error"]["code"] == code, reply.body
    return reply.json["error"]["message"]


def names(one):
    return [item["name"] for item in one.get("/beta/me/calendars?$top=1000", one.bearer).json["value"]]


def test_create_answers_201_with_the_whole_entity(one):
    reply = make(one, "Tides", color="lightTeal")
    value = reply.json
    assert value["@odata.context"].endswith(f"/beta/$metadata#users('{ANN}')/calendars/$entity")
    assert value["color"] == "lightTeal" and value["owner"] == {"name": "Ann", "address": "ann@contoso.com"}
    assert value["isDefaultCalendar"] is False and value["isRemovable"] is True and value["canEdit"] is True
    assert len(value["id"]) == 152 and len(value["changeKey"]) == 32
    assert reply.headers["ETag"] == f'W/"{value["changeKey"]}"'
    again = one.get(reply.headers["Location"], one.bearer)
    assert {k: v for k, v in again.json.items()} == value
    assert names(one) == ["Calendar", "Tides"]


@pytest.mark.parametrize("path", ["calendars('')", "calendars()", "calendars('')/permanentDelete", "calendars//permanentDelete",
                                  "calendarGroups('')", "calendarGroups('')/calendars", "onlineMeetings", "onlineMeetings('')",
                                  "onlineMeetings('')/recordings", "calendar/calendar", "/".join("abcdefghijklmn"),
                                  "/".join(["calendars", "x"] * 7)])
def test_a_path_that_ends_too_soon_names_nothing(one, path):
    for method in ("GET", "PATCH", "DELETE", "POST"):
        reply = one.request(method, f"/v1.0/me/{path}", {"name": "x"} if method in ("PATCH", "POST") else None, one.bearer)
        assert reply.status in (400, 404, 405), (method, path, reply.body)
    assert names(one) == ["Calendar"]


@pytest.mark.parametrize("path", ["/v1.0/me/calendars", "/V1.0/me/calendars", "/%761.0/me/calendars", "/bEtA/me/calendars", "/other"])
def test_nobody_unknown_sends_a_body_however_the_path_is_spelt(one, path):
    # The head alone: who has no bearer is told so at once, and the body is not waited for.
    trust = ssl.create_default_context(cafile=one.ca)
    with trust.wrap_socket(socket.create_connection(("127.0.0.1", one.port), timeout=60), server_hostname="127.0.0.1") as link:
        link.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n".encode())
        assert link.recv(65536).startswith(b"HTTP/1.1 401 ")


def test_ids_with_any_bytes_are_found_again(server):
    odd = "a/b'c (d) é%2F+=?#"
    one = server(lines=[ann(), put(ANN, {"id": odd, "name": "odd"})])
    one.bearer = one.token("ann@contoso.com")
    from urllib.parse import quote
    for path in (f"/v1.0/me/calendars/{quote(odd, safe='')}", f"/v1.0/me/calendars('{quote(odd.replace(chr(39), chr(39) * 2), safe='')}')"):
        assert one.get(path, one.bearer).json["id"] == odd, path
    [item] = one.get("/v1.0/me/calendars", one.bearer).json["value"]
    assert one.get(item["@odata.id"], one.bearer).json["id"] == odd


def test_change_keys_are_never_the_same(one):
    value = make(one, "x").json
    seen = {value["changeKey"]}
    for n in range(5):
        reply = one.request("PATCH", f"/v1.0/me/calendars/{value['id']}", {"name": f"x{n % 2}"}, one.bearer)
        assert reply.status == 200 and reply.json["name"] == f"x{n % 2}"
        seen.add(reply.json["changeKey"])
    assert len(seen) == 6


def test_a_taken_name_is_409_and_nothing_is_stored(one):
    make(one, "Tides")
    other = make(one, "Other").json
    refused(one.request("POST", "/v1.0/me/calendars", {"name": "tides"}, one.bearer), 409, "ErrorFolderExists")
    refused(one.request("PATCH", f"/v1.0/me/calendars/{other['id']}", {"name": "TIDES"}, one.bearer), 409,
            "ErrorFolderExists")
    assert names(one) == ["Calendar", "Tides", "Other"]
    assert one.request("PATCH", f"/v1.0/me/calendars/{other['id']}", {"name": "OTHER"}, one.bearer).status == 200


@pytest.mark.parametrize("body, status", [
    ("", 400), ("{", 400), ("[]", 400), ('"x"', 400), ("{}", 400), ('{"name":""}', 400), ('{"name":"  "}', 400),
    ('{"name":null}', 400), ('{"name":5}', 400), ('{"name":"x","name":"y"}', 400), ('{"name":"a\\u0000b"}', 400),
    ('{"name":"\\ud800"}', 400), ('{"name":"a\\nb"}', 400), ('{"name":"x","color":"pink"}', 400),
    ('{"name":"x","colour":"auto"}', 400), ('{"n\\u0061me":"x"}', 400), ('{"name":"x"} ', 201), ('{"name":"x"}x', 400),
    ('\ufeff{"name":"x"}', 400), ('{"name":"' + "n" * 255 + '"}', 201), ('{"name":"' + "n" * 256 + '"}', 400),
    ('{"name":"' + "é" * 255 + '"}', 201), ('{"name":"x","x":' + "[" * 40 + "]" * 40 + "}", 400),
    ('{"name":"x","id":"mine","canEdit":false,"@odata.type":"#microsoft.graph.calendar"}', 201),
])
def test_bodies(one, body, status):
    reply = one.request("POST", "/v1.0/me/calendars", body.encode(), one.bearer, {"Content-Type": "application/json"})
    assert reply.status == status, reply.body
    if status == 400:
        refused(reply, 400, "BadRequest")
        assert names(one) == ["Calendar"]
    else:
        assert reply.json["id"] != "mine" and reply.json["canEdit"] is True


def test_sizes_and_types(one):
    big = json.dumps({"name": "x", "pad": "p" * (1 << 20)})
    reply = one.request("POST", "/v1.0/me/calendars", big, one.bearer, {"Content-Type": "application/json"})
    assert reply.status == 413
    for kind in (None, "text/plain", "application/x-www-form-urlencoded", "application/jsonx"):
        reply = one.request("POST", "/v1.0/me/calendars", '{"name":"x"}', one.bearer, {"Content-Type": kind} if kind else {})
        assert reply.status == 415, kind
    assert one.request("POST", "/v1.0/me/calendars", '{"name":"x"}', one.bearer,
                       {"Content-Type": "Application/JSON; charset=utf-8"}).status == 201


def test_the_default_calendar_moves_but_never_goes(one):
    tides = make(one, "Tides").json
    default = one.get("/beta/me/calendar", one.bearer).json
    refused(one.request("DELETE", "/beta/me/calendar", token=one.bearer), 400, "ErrorDeleteDistinguishedFolder")
    refused(one.request("PATCH", "/beta/me/calendar", {"isDefaultCalendar": False}, one.bearer), 400, "BadRequest")
    assert one.request("PATCH", f"/beta/me/calendars/{tides['id']}", {"isDefaultCalendar": True}, one.bearer).status == 200
    assert one.get("/beta/me/calendar", one.bearer).json["id"] == tides["id"]
    assert one.get(f"/beta/me/calendars/{default['id']}", one.bearer).json["isDefaultCalendar"] is False
    assert one.request("DELETE", f"/beta/me/calendars/{default['id']}", token=one.bearer).status == 204
    refused(one.request("DELETE", f"/beta/me/calendars/{tides['id']}", token=one.bearer), 400,
            "ErrorDeleteDistinguishedFolder")


def test_an_imported_default_takes_over(server):
    one = server(lines=[ann(), put(ANN, {"id": "one", "name": "One", "isDefaultCalendar": True}),
                        put(ANN, {"id": "two", "name": "Two", "isDefaultCalendar": True, "changeKey": "mine"})])
    bearer = one.token("ann@contoso.com")
    value = {item["id"]: item for item in one.get("/beta/me/calendars", bearer).json["value"]}
    assert value["one"]["isDefaultCalendar"] is False and value["two"]["isDefaultCalendar"] is True
    assert value["two"]["changeKey"] == "mine"
    changed = one.request("PATCH", "/beta/me/calendars/two", {"name": "Zwei"}, bearer).json
    assert changed["changeKey"] != "mine"


def test_a_calendar_that_may_not_be_edited_stays(server):
    one = server(lines=[ann(), put(ANN, {"id": "b", "name": "Birthdays", "canEdit": False})])
    bearer = one.token("ann@contoso.com")
    refused(one.request("PATCH", "/v1.0/me/calendars/b", {"name": "x"}, bearer), 403, "ErrorAccessDenied")
    refused(one.request("DELETE", "/v1.0/me/calendars/b", token=bearer), 403, "ErrorAccessDenied")


def test_unknown_and_malformed_ids(one):
    shaped = one.get("/v1.0/me/calendar", one.bearer).json["id"]
    unknown = shaped[:-12] + "AAAAAAAAAA=="
    for method, body in (("GET", None), ("PATCH", {"name": "x"}), ("DELETE", None)):
        refused(one.request(method, f"/v1.0/me/calendars/{unknown}", body, one.bearer), 404, "ErrorItemNotFound")
        refused(one.request(method, "/v1.0/me/calendars/nonsense", body, one.bearer), 400, "ErrorInvalidIdMalformed")


def test_if_match(one):
    made = make(one, "Tides")
    path = f"/v1.0/me/calendars/{made.json['id']}"
    stale = made.headers["ETag"]
    initial = one.request("PATCH", path, {"name": "A"}, one.bearer, {"If-Match": stale}).headers["ETag"]
    refused(one.request("PATCH", path, {"name": "B"}, one.bearer, {"If-Match": stale}), 412, "ErrorIrresolvableConflict")
    refused(one.request("DELETE", path, token=one.bearer, headers={"If-Match": stale}), 412, "ErrorIrresolvableConflict")
    assert one.request("PATCH", path, {"name": "C"}, one.bearer, {"If-Match": f"{stale}, {initial}"}).status == 200
    assert one.request("DELETE", path, token=one.bearer, headers={"If-Match": "*"}).status == 204


def test_lists_page_by_skip_and_select(one):
    for n in range(12):
        make(one, f"c{n:02d}")
    first = one.get("/v1.0/me/calendars?$select=name", one.bearer).json
    assert len(first["value"]) == 10 and set(first["value"][0]) == {"@odata.id", "id", "name"}
    second = one.get(first["@odata.nextLink"], one.bearer).json
    assert [item["name"] for item in first["value"] + second["value"]] == names(one) and "@odata.nextLink" not in second
    assert set(second["value"][0]) == {"@odata.id", "id", "name"}
    for bad in ("$top=0", "$top=1001", "$top=x", "$skip=-1", "$top=1&top=2"):
        refused(one.get(f"/v1.0/me/calendars?{bad}", one.bearer), 400, "ErrorInvalidUrlQuery")


def test_memory_store_serves_alike(server):
    one = server("--tls", "off", store="memory:")
    assert one.get("/v1.0/$metadata").status == 200
    assert one.get("/v1.0/me/calendars").status == 401


@pytest.fixture
def small_disk(home):
    path = home / "disk"
    path.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(path)], capture_output=True).returncode:
        pytest.skip("a small file system cannot be mounted here")
    yield path
    subprocess.run(["umount", "-l", str(path)], check=True)


def test_a_full_disk_refuses_writes_and_goes_on_reading(server, small_disk):
    store = f"sqlite:{small_disk}/t.db"
    one = server(store=store, lines=[ann(), put(ANN, {"id": "kept", "name": "Kept"})])
    one.bearer = one.token("ann@contoso.com")
    filler = small_disk / "filler"
    with open(filler, "wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            pass
    codes = {one.request("POST", "/v1.0/me/calendars", {"name": f"n{n}"}, one.bearer).status for n in range(60)}
    assert codes & {507, 503} and codes <= {201, 503, 507}, codes
    refused(one.request("POST", "/v1.0/me/calendars", {"name": "late"}, one.bearer), 507, "ErrorQuotaExceeded")
    assert one.get("/v1.0/me/calendars/kept", one.bearer).status == 200
    filler.unlink()
    assert one.request("POST", "/v1.0/me/calendars", {"name": "again"}, one.bearer).status == 201


# ---- what a reviewer broke once ------------------------------------------------------------------------------


def test_long_texts_are_refused_and_a_selection_over_large_items_is_bounded(server):
    pad = {f"pad{n}": "x" * 60000 for n in range(12)}
    one = server(lines=[ann()] + [put(ANN, {"id": f"c{n}", "name": f"C{n}", **pad}) for n in range(40)])
    bearer = one.token("ann@contoso.com")
    refused(one.request("POST", "/beta/me/calendars", {"name": "x", "calendarGroupId": "g" * 1025}, bearer), 400,
            "BadRequest")
    link, count = "/beta/me/calendars/delta?$select=id", 0
    while link:
        reply = one.get(link, bearer)
        assert reply.status == 200
        assert len(reply.json["value"]) <= 12, "what is read counts toward a page, not what is left of it"
        count += len(reply.json["value"])
        link = reply.json.get("@odata.nextLink")
    assert count == 40
    assert one.get("/beta/me/calendars?$top=1000&$select=id", bearer).status == 200


def test_a_damaged_body_is_an_error_and_the_rest_is_served(server, home):
    import sqlite3
    one = server(lines=[ann(), put(ANN, {"id": "good", "name": "Good"}), put(ANN, {"id": "bad", "name": "Bad"})])
    bearer = one.token("ann@contoso.com")
    one.stop()
    for body in (b'C\x00{"id":1}', b"C\x00", b"", b"junk", b'C\x03{"id":"bad"}'):
        db = sqlite3.connect(home / "t.db")
        assert db.execute("UPDATE item SET body = ? WHERE id = ?", (body, b"bad")).rowcount == 1
        db.commit()
        db.close()
        assert "item 'bad' is damaged" in one.runner("store", "check", store=one.store, code=7).stdout
        two = server()
        for path in ("/beta/me/calendars/bad?$select=name", "/beta/me/calendars/delta?$select=name"):
            assert two.get(path, bearer).status == 500, (path, body)
        assert two.request("PATCH", "/beta/me/calendars/bad", {"color": "auto"}, bearer).status == 500
        assert two.get("/beta/me/calendars/good", bearer).status == 200
        two.stop()


def test_a_mailbox_without_a_default_gets_one_when_asked(server):
    one = server(lines=[ann(), put(ANN, {"id": "a", "name": "A"})])
    bearer = one.token("ann@contoso.com")
    assert len(one.get("/v1.0/me/calendars", bearer).json["value"]) == 1
    default = one.get("/v1.0/me/calendar", bearer).json
    assert default["name"] == "Calendar" and default["isDefaultCalendar"] is True
    two = server(store=f"{one.store}2", lines=[user("ann@contoso.com", ANN), put(ANN, {"id": "c", "name": "calendar"})])
    assert two.get("/v1.0/me/calendar", two.token("ann@contoso.com")).json["id"] == "c"


def test_importing_the_default_again_keeps_flag_and_default_together(server, tm, store):
    tm("import", "-", store=store, input="".join(json.dumps(line) + "\n" for line in [
        ann(), put(ANN, {"id": "d", "name": "D", "isDefaultCalendar": True}), put(ANN, {"id": "d", "name": "D2"})]))
    one = server()
    bearer = one.token("ann@contoso.com")
    assert one.get("/v1.0/me/calendar", bearer).json["id"] == "d"
    assert one.get("/v1.0/me/calendar", bearer).json["isDefaultCalendar"] is True
    one.runner("import", "-", store=store, input=json.dumps(put(ANN, {"id": "d", "name": "D", "isDefaultCalendar": False})) + "\n")
    assert one.get("/v1.0/me/calendars/d", bearer).json["isDefaultCalendar"] is False
    assert one.get("/v1.0/me/calendar", bearer).json["id"] != "d"


def test_an_escaped_change_key_is_one_etag(server):
    one = server(lines=[ann()])
    one.runner("import", "-", store=one.store,
               input='{"op":"put","feed":"users/%s/calendars","value":{"id":"k","name":"K","changeKey":"a\\/b=="}}\n' % ANN)
    bearer = one.token("ann@contoso.com")
    etag = one.get("/v1.0/me/calendars/k", bearer).headers["ETag"]
    assert etag == 'W/"a/b=="'
    assert one.request("PATCH", "/v1.0/me/calendars/k", {"name": "L"}, bearer, {"If-Match": etag}).status == 200


def test_refusals_of_the_server_itself_and_requests_without_a_host(server):
    import socket
    one = server("--tls", "off", lines=[ann()])

    def raw(text):
        with socket.create_connection(("127.0.0.1", one.port)) as sock:
            sock.sendall(text)
            data = b""
            while chunk := sock.recv(65536):
                data += chunk
            return data.decode()

    reply = raw(b"GET / HTTP/3.0\r\nHost: x\r\n\r\n")
    assert reply.startswith("HTTP/1.1 505 ") and '"code":"BadRequest"' in reply and "Retry-After:" not in reply
    assert raw(b"GET /v1.0 HTTP/1.0\r\n\r\n").startswith("HTTP/1.1 400 ")
    assert raw(b"GET /v1.0 HTTP/1.0\r\nHost: x\r\n\r\n").startswith("HTTP/1.1 200 ")
    early = raw(b"POST /v1.0/me/calendars HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 5\r\n"
                b"Expect: 100-continue\r\n\r\n")
    assert early.startswith("HTTP/1.1 401 ") and "100 Continue" not in early


def test_a_file_given_again_changes_nothing_and_tells_nobody(server):
    lines = [ann(), put(ANN, {"id": "d", "name": "D", "isDefaultCalendar": True}), put(ANN, {"id": "e", "name": "E"}),
             put(ANN, {"id": "f", "name": "F", "changeKey": "mine", "color": "lightBlue"})]
    one = server(lines=lines)
    bearer = one.token("ann@contoso.com")
    delta = one.get("/beta/me/calendars/delta", bearer).json["@odata.deltaLink"]
    keys = [item["changeKey"] for item in one.get("/beta/me/calendars", bearer).json["value"]]
    one.runner("import", "-", store=one.store, input="".join(json.dumps(line) + "\n" for line in lines))
    assert one.get(delta, bearer).json["value"] == []
    assert [item["changeKey"] for item in one.get("/beta/me/calendars", bearer).json["value"]] == keys
    one.runner("import", "-", store=one.store, input=json.dumps(put(ANN, {"id": "e", "name": "E2"})) + "\n")
    assert [item["name"] for item in one.get(delta, bearer).json["value"]] == ["E2"]
