# SPDX-License-Identifier: Apache-2.0
"""What a Graph client meets, row by row: URL forms, envelope, headers, errors, batches, lists.  A test is named after its row."""
import base64
import email.utils
import gzip
import random
import re
import time
import urllib.parse
import uuid

import pytest
from conftest import guid, put, remove, user

ANN, BOB = guid(1), guid(2)
DELTA = "/beta/me/calendars/delta"
LIST = "/v1.0/me/calendars"
MINIMAL = "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8"
ERROR_KEYS = {"code", "message", "innerError"}


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """One server for all rows that only read."""
    import pathlib
    import shutil
    import tempfile

    from conftest import Runner, Server, to_lines
    home = pathlib.Path(tempfile.mkdtemp(prefix="tm-"))
    runner, store = Runner(home), f"sqlite:{home}/t.db"
    runner("import", "-", store=store, input=to_lines([
        user("ann@contoso.com", ANN, displayName="Ann"), user("bob@contoso.com", BOB),
        put(ANN, {"id": "cal-0", "name": "Calendar", "isDefaultCalendar": True}),
        *[put(ANN, {"id": f"cal-{n}", "name": name}) for n, name in enumerate(["Zoo", "alpha", "Beta", "it's", "Birthdays"], 1)],
        put(ANN, {"id": "cal/6=", "name": "With a slash", "canEdit": False}),
        put(ANN, {"id": "gone", "name": "Gone"}), remove(ANN, "gone"),
    ]))
    server = Server(runner, store)
    server.ann = server.token("ann@contoso.com")
    server.app = server.app_token("Calendars.ReadWrite")
    yield server
    server.stop()
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def one(server):
    started = server(lines=[user("ann@contoso.com", ANN), user("bob@contoso.com", BOB)])
    started.ann = started.token("ann@contoso.com")
    return started


def code(reply):
    error = reply.json["error"]
    assert set(error) == ERROR_KEYS and error["message"]
    assert set(error["innerError"]) >= {"date", "request-id", "client-request-id"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", error["innerError"]["date"])
    assert reply.headers["Content-Type"] == "application/json"
    return reply.status, error["code"]


def names(reply):
    assert reply.status == 200, reply.body
    return [item["name"] for item in reply.json["value"]]


# ---- URL forms --------------------------------------------------------------------------------------------

FORMS = {
    "me": "/beta/me/calendars/delta",
    "users id": f"/beta/users/{ANN}/calendars/delta",
    "users UPN": "/beta/users/ann@contoso.com/calendars/delta",
    "users UPN in another case, encoded": "/beta/users/ANN%40Contoso.com/calendars/delta",
    "delta()": "/beta/me/calendars/delta()",
    "delta() encoded": "/beta/me/calendars/delta%28%29",
    "microsoft.graph.delta()": "/beta/me/calendars/microsoft.graph.delta()",
    "microsoft.graph.delta": "/beta/me/calendars/microsoft.graph.delta",
    "users('{id}')": f"/beta/users('{ANN}')/calendars/delta",
    "users(%27{id}%27)": f"/beta/users(%27{ANN}%27)/calendars/delta",
    "users('{UPN}')": "/beta/users('ann@contoso.com')/calendars/delta",
    "trailing slash": "/beta/me/calendars/delta/",
    "trailing slash and a question mark": "/beta/me/calendars/delta/?",
    "letters in any case": "/BETA/Me/CALENDARS/Delta()",
    "v1.0": "/v1.0/me/calendars/delta",
    "percent-encoded letters": "/beta/%6De/c%61lendars/delt%61",
}


@pytest.mark.parametrize("form", FORMS)
def test_url_form_of_delta(shared, form):
    reply = shared.get(FORMS[form], shared.ann)
    assert names(reply) == ["Calendar", "Zoo", "alpha", "Beta", "it's", "Birthdays", "With a slash"]
    assert reply.json["@odata.deltaLink"].startswith(f"{shared.base}/")


OPTIONS = ["$select", "select", "%24select", "$SELECT", "%24Select", "Select", "$%73elect"]


@pytest.mark.parametrize("name", OPTIONS)
def test_url_form_of_an_option_name(shared, name):
    reply = shared.get(f"{DELTA}?{name}=name", shared.ann)
    assert set(reply.json["value"][0]) == {"@odata.type", "id", "name"}


@pytest.mark.parametrize("name", ["$deltatoken", "$deltaToken", "deltatoken", "$skiptoken", "$skipToken", "skipToken",
                                  "%24deltatoken", "%24SKIPTOKEN"])
def test_url_form_of_a_token_option(shared, name):
    link = shared.get(DELTA, shared.ann).json["@odata.deltaLink"]
    assert shared.get(f"{DELTA}?{name}={link.split('=', 1)[1]}", shared.ann).json["value"] == []


@pytest.mark.parametrize("path, form", [
    ("/v1.0/me/calendars/cal%2F6%3D", "key as a segment"),
    ("/v1.0/me/calendars('cal%2F6=')", "key in brackets"),
    ("/v1.0/me/calendars(%27cal%2F6%3D%27)/", "key in encoded brackets"),
    (f"/v1.0/users/{ANN}/calendars/cal%2f6=", "lower-case hex"),
])
def test_url_form_of_a_calendar(shared, path, form):
    assert shared.get(path, shared.ann).json["name"] == "With a slash", form


def test_url_form_app_only_token_on_me(shared):
    assert code(shared.get(DELTA, shared.app)) == (400, "BadRequest")
    assert shared.get(f"/beta/users/{ANN}/calendars/delta", shared.app).status == 200


def test_url_form_calendar_groups(shared):
    groups = shared.get("/beta/me/calendarGroups", shared.ann).json["value"]
    assert [(group["name"], group["classId"]) for group in groups] == [("My Calendars", "0006f0b7-0000-0000-c000-000000000046")]
    key = urllib.parse.quote(groups[0]["id"], safe="")
    for path in (f"/beta/me/calendarGroups/{key}", f"/v1.0/users/{ANN}/calendarGroups('{key}')", groups[0]["@odata.id"]):
        assert shared.get(path, shared.ann).json["id"] == groups[0]["id"]
    assert len(shared.get(f"/v1.0/me/calendarGroups('{key}')/calendars?$top=50", shared.ann).json["value"]) == 7
    assert code(shared.get("/v1.0/me/calendarGroups/nonsense/calendars", shared.ann)) == (400, "ErrorInvalidIdMalformed")
    assert code(shared.request("PUT", f"/v1.0/me/calendarGroups/{key}/calendars", {"name": "x"}, shared.ann)) == \
        (405, "Request_BadRequest")


def test_url_form_calendar_groups_that_calendars_tell_of(server):
    one = server(lines=[user("ann@contoso.com", ANN), put(ANN, {"name": "a"}), put(ANN, {"name": "b", "calendarGroupId": "G 1"}),
                        put(ANN, {"name": "c", "groupClassId": "0006f0b8-0000-0000-c000-000000000046"})])
    token = one.token("ann@contoso.com")
    groups = one.get("/beta/me/calendarGroups", token).json["value"]
    assert [group["name"] for group in groups] == ["My Calendars", None, "Other Calendars"] and groups[1]["id"] == "G 1"
    for group, name in zip(groups, "abc"):
        key = urllib.parse.quote(group["id"], safe="")
        assert names(one.get(f"/v1.0/me/calendarGroups/{key}/calendars", token)) == [name]


def random_spelling(rng):
    """A request for the names of Ann's calendars, written in one of the ways the grammar allows."""
    def letters(text):
        return "".join(rng.choice((char.lower(), char.upper())) if char.isascii() else char for char in text)

    def encoded(text, chance):
        return "".join(f"%{ord(char):02{rng.choice('xX')}}" if rng.random() < chance else char for char in text)

    def keyed(name, key):
        key = encoded(key, 0.2)
        quote = rng.choice(("'", "%27"))
        return rng.choice((f"{name}/{key}", f"{name}({quote}{key}{quote})", f"{name}%28{quote}{key}{quote}%29"))

    owner = rng.choice((letters("me"), keyed(letters("users"), ANN), keyed("users", ANN.upper()),
                        keyed(letters("users"), letters("ann@contoso.com"))))
    function = letters(rng.choice(("delta", "delta()", "microsoft.graph.delta", "microsoft.graph.delta()")))
    calendars = encoded(letters("calendars"), 0.2)
    options = [f"{encoded(rng.choice(('$', '')), 0.5)}{encoded(letters('select'), 0.2)}={encoded('name', 0.3)}"]
    if rng.random() < 0.5:
        options.append(f"{rng.choice(('$', '%24', ''))}format={rng.choice(('json', 'application/json'))}")
    if rng.random() < 0.3:
        options.append(rng.choice(("", "foo=bar", "x", "$deltatoken=", "skipToken")))
    rng.shuffle(options)
    return f"/{letters('beta')}/{owner}/{calendars}/{encoded(function, 0.1)}{rng.choice(('', '/'))}?{'&'.join(options)}"


def test_100_random_spellings_answer_identically(shared):
    want = shared.get(f"{DELTA}?$select=name", shared.ann).json["value"]
    connection = shared.connection()
    for seed in range(100):
        target = random_spelling(random.Random(seed))
        connection.request("GET", target, headers={"Authorization": f"Bearer {shared.ann}"})
        response = connection.getresponse()
        body = response.read()
        assert response.status == 200, (seed, target, body)
        import json
        assert json.loads(body)["value"] == want, (seed, target)
    connection.close()


# ---- envelope ---------------------------------------------------------------------------------------------


def test_envelope_of_delta(shared):
    page = shared.get(DELTA, shared.ann).json
    assert list(page) == ["@odata.context", "value", "@odata.deltaLink"]
    assert page["@odata.context"] == f"{shared.base}/beta/$metadata#Collection(calendar)"
    assert all(item["@odata.type"] == "#microsoft.graph.calendar" for item in page["value"])
    assert not any("@odata.etag" in item or "@odata.id" in item for item in page["value"])


def test_envelope_of_a_list_and_an_entity(shared):
    page = shared.get(LIST, shared.ann).json
    assert page["@odata.context"] == f"{shared.base}/v1.0/$metadata#users('{ANN}')/calendars"
    for item in page["value"]:
        assert "@odata.type" not in item
        assert shared.get(item["@odata.id"], shared.ann).json["id"] == item["id"]
    entity = shared.get(f"{LIST}/cal-1", shared.ann).json
    assert entity["@odata.context"] == f"{shared.base}/v1.0/$metadata#users('{ANN}')/calendars/$entity"


@pytest.mark.parametrize("accept, level", [
    ("application/json;odata.metadata=none", "none"), ("application/json; ODATA.Metadata=NONE", "none"),
    ("application/json;odata.metadata=minimal", "minimal"), ("application/json;odata.metadata=full", "full"),
    ("text/html, application/json;odata.metadata=full;q=0.5", "full"),
    ("application/json;odata.metadata=none;q=0.1, application/json;q=0.9", "minimal"),
    ("*/*", "minimal"), ("application/*;q=0.3", "minimal"), ("", "minimal"), ("application/json;charset=utf-8", "minimal"),
    ("application/json;odata.metadata=sometimes, */*;q=0.1", "minimal"),
])
def test_envelope_metadata_level(shared, accept, level):
    reply = shared.get(f"{DELTA}?$select=name,color", shared.ann, {"Accept": accept})
    assert f"odata.metadata={level};" in reply.headers["Content-Type"]
    page, item = reply.json, reply.json["value"][0]
    assert ("@odata.context" in page) == (level != "none") and "@odata.deltaLink" in page
    assert ("@odata.type" in item) == (level != "none") and ("@odata.editLink" in item) == (level == "full")
    assert ("color@odata.type" in item) == (level == "full")
    assert (item["id"], item["name"], item["color"]) == ("cal-0", "Calendar", "auto")


def test_envelope_none_keeps_removed_links_and_count(one):
    made = one.request("POST", LIST, {"name": "x"}, one.ann).json
    link = one.get(DELTA, one.ann).json["@odata.deltaLink"]
    one.request("DELETE", f"{LIST}/{made['id']}", token=one.ann)
    none = {"Accept": "application/json;odata.metadata=none"}
    page = one.get(link, one.ann, none).json
    assert page["value"] == [{"id": made["id"], "@removed": {"reason": "deleted"}}] and "@odata.deltaLink" in page
    page = one.get(f"{LIST}?$count=true", one.ann, none).json
    assert page["@odata.count"] == 1 and "@odata.id" not in page["value"][0]


@pytest.mark.parametrize("accept", ["text/html", "application/xml", "application/json;q=0", "application/json;q=0, */*",
                                    "application/json;odata.metadata=sometimes", "application/json;odata=verbose", "nonsense"])
def test_envelope_406_when_impossible(shared, accept):
    assert code(shared.get(DELTA, shared.ann, {"Accept": accept})) == (406, "BadRequest")


def test_envelope_format_counts_more_than_accept(shared):
    reply = shared.get(f"{DELTA}?$format=application/json;odata.metadata=none", shared.ann, {"Accept": "text/html"})
    assert reply.status == 200 and "@odata.context" not in reply.json
    assert code(shared.get(f"{DELTA}?$format=atom", shared.ann)) == (406, "BadRequest")
    assert shared.get("/v1.0/$metadata?$format=xml").status == 200
    assert shared.get("/v1.0/$metadata", headers={"Accept": "application/json"}).status == 406


def test_envelope_ieee754_is_echoed(shared):
    reply = shared.get(DELTA, shared.ann, {"Accept": "application/json;IEEE754Compatible=true"})
    assert "IEEE754Compatible=true" in reply.headers["Content-Type"]


def test_envelope_full_of_an_entity_and_a_list(shared):
    full = {"Accept": "application/json;odata.metadata=full"}
    entity = shared.get("/beta/me/calendars/cal-1", shared.ann, full).json
    assert entity["@odata.type"] == "#microsoft.graph.calendar" and entity["@odata.editLink"] == entity["@odata.id"]
    assert entity["owner"]["@odata.type"] == "#microsoft.graph.emailAddress" and entity["groupClassId@odata.type"] == "#Guid"
    plain = shared.get("/beta/me/calendars/cal-1", shared.ann).json
    assert {name for name in entity if "@" not in name} == {name for name in plain if "@" not in name}


# ---- headers ----------------------------------------------------------------------------------------------


def test_header_content_type_odata_version_and_ids(shared):
    reply = shared.get(DELTA, shared.ann)
    assert reply.headers["Content-Type"] == MINIMAL
    assert reply.headers["OData-Version"] == "4.0"
    assert str(uuid.UUID(reply.headers["request-id"])) == reply.headers["client-request-id"]
    assert abs(email.utils.parsedate_to_datetime(reply.headers["Date"]).timestamp() - time.time()) < 60
    assert reply.headers["Cache-Control"] == "private"
    assert shared.get(LIST, shared.ann).headers["Cache-Control"] == "no-cache"


def test_header_client_request_id_is_echoed_also_in_errors(shared):
    mine = str(uuid.uuid4())
    for target, token in ((DELTA, shared.ann), (f"{DELTA}?$top=1", shared.ann), (DELTA, None)):
        reply = shared.get(target, token, {"client-request-id": mine, "return-client-request-id": "true"})
        assert reply.headers["client-request-id"] == mine != reply.headers["request-id"]
        if reply.status != 200:
            inner = reply.json["error"]["innerError"]
            assert inner["client-request-id"] == mine and inner["request-id"] == reply.headers["request-id"]


def test_header_accept_encoding_gzip(shared):
    plain = shared.get(DELTA, shared.ann)
    assert plain.headers["Vary"] == "Accept-Encoding" and "Content-Encoding" not in plain.headers
    for wish, packed in (("gzip", True), ("deflate, gzip;q=0.5", True), ("*", True), ("gzip;q=0", False), ("gzip;q=0, *", False),
                         ("br", False), ("identity", False), ("GZIP;q=1.000", True), ("gzip;q=2", False)):
        reply = shared.get(DELTA, shared.ann, {"Accept-Encoding": wish})
        assert (reply.headers.get("Content-Encoding") == "gzip") == packed, wish
        body = gzip.decompress(reply.body) if packed else reply.body
        assert b"@odata.deltaLink" in body and len(body) > 1024
        assert not packed or len(reply.body) < len(plain.body) / 2
    small = shared.get(f"{LIST}?$top=1&$select=name&$format=application/json;odata.metadata=none", shared.ann,
                       {"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in small.headers


def test_header_head_has_the_fields_of_get(shared):
    for wish in ({}, {"Accept-Encoding": "gzip"}):
        get = shared.get(f"{LIST}/cal-1", shared.ann, wish)
        head = shared.request("HEAD", f"{LIST}/cal-1", None, shared.ann, wish)
        assert head.body == b"" and set(head.headers) == set(get.headers)
        assert head.headers["Content-Length"] == get.headers["Content-Length"]


def test_header_prefer_in_one_and_in_several_fields(shared):
    import http.client
    for fields in (['odata.maxpagesize=2, odata.track-changes, IdType="ImmutableId", respond-async'],
                   ["respond-async", "odata.track-changes", "odata.maxpagesize=2", 'IdType="ImmutableId"']):
        connection: http.client.HTTPSConnection = shared.connection()
        connection.putrequest("GET", DELTA)
        connection.putheader("Authorization", f"Bearer {shared.ann}")
        for field in fields:
            connection.putheader("Prefer", field)
        connection.endheaders()
        response = connection.getresponse()
        response.read()
        assert response.headers.get_all("Preference-Applied") == \
            ['odata.maxpagesize=2, odata.track-changes, IdType="ImmutableId"']
        connection.close()


def test_header_prefer_return_minimal_and_representation(one):
    made = one.request("POST", LIST, {"name": "a"}, one.ann, {"Prefer": "return=minimal"})
    assert (made.status, made.body, made.headers["Preference-Applied"]) == (204, b"", "return=minimal")
    url = made.headers["Location"]
    assert url == made.headers["OData-EntityId"] and one.get(url, one.ann).json["name"] == "a"
    patched = one.request("PATCH", url, {"name": "b"}, one.ann, {"Prefer": "return=minimal"})
    assert patched.status == 204 and patched.headers["ETag"] == one.get(url, one.ann).headers["ETag"]
    whole = one.request("PATCH", url, {"name": "c"}, one.ann, {"Prefer": "return=representation"})
    assert whole.json["name"] == "c" and whole.headers["Preference-Applied"] == "return=representation"


def test_header_hsts_only_for_other_hosts(shared, server):
    assert "Strict-Transport-Security" not in shared.get("/v1.0").headers
    assert shared.get("/v1.0", headers={"Host": "graph.example.org"}).headers["Strict-Transport-Security"] == "max-age=31536000"
    plain = server("--tls", "off", lines=[user("ann@contoso.com")])
    assert "Strict-Transport-Security" not in plain.get("/v1.0", headers={"Host": "graph.example.org"}).headers


def test_header_www_authenticate(shared):
    assert shared.get(DELTA).headers["WWW-Authenticate"].startswith('Bearer realm="", authorization_uri="https://')
    assert "WWW-Authenticate" not in shared.get(DELTA, shared.ann).headers


def test_header_etag_and_if_match(one):
    made = one.request("POST", LIST, {"name": "a"}, one.ann)
    etag, url = made.headers["ETag"], f"{LIST}/{made.json['id']}"
    assert re.fullmatch(r'W/"[^"]+"', etag) and one.get(url, one.ann).headers["ETag"] == etag
    known = one.get(url, one.ann, {"If-None-Match": f'"other", {etag}'})
    assert (known.status, known.body, known.headers["ETag"]) == (304, b"", etag) and "Content-Type" not in known.headers
    assert one.request("PATCH", url, {"name": "b"}, one.ann, {"If-Match": etag}).status == 200
    assert one.get(url, one.ann, {"If-None-Match": etag}).status == 200
    assert code(one.request("PATCH", url, {"name": "c"}, one.ann, {"If-Match": etag})) == (412, "ErrorIrresolvableConflict")
    assert code(one.request("DELETE", url, None, one.ann, {"If-Match": etag})) == (412, "ErrorIrresolvableConflict")
    assert one.request("DELETE", url, None, one.ann, {"If-Match": "*"}).status == 204


def test_header_cors_with_preflight(shared):
    reply = shared.get(DELTA, shared.ann, {"Origin": "https://app.example"})
    assert reply.headers["Access-Control-Allow-Origin"] == "*"
    exposed = reply.headers["Access-Control-Expose-Headers"].split(", ")
    assert {"ETag", "Location", "Preference-Applied", "Content-Range", "request-id", "client-request-id"} <= set(exposed)
    asked = {"Origin": "https://app.example", "Access-Control-Request-Method": "PATCH",
             "Access-Control-Request-Headers": "authorization,content-type,sdkversion"}
    preflight = shared.request("OPTIONS", f"{LIST}/cal-1", None, None, asked)
    assert preflight.status == 204 and "PATCH" in preflight.headers["Access-Control-Allow-Methods"].split(", ")
    assert preflight.headers["Access-Control-Allow-Headers"] == asked["Access-Control-Request-Headers"]
    assert preflight.headers["Access-Control-Allow-Origin"] == "*" and int(preflight.headers["Access-Control-Max-Age"]) > 0
    plain = shared.request("OPTIONS", DELTA)
    assert plain.status == 204 and plain.headers["Allow"] == "GET, HEAD, OPTIONS"
    assert "Access-Control-Allow-Methods" not in plain.headers
    assert shared.get(DELTA, headers={"Origin": "https://app.example"}).headers["Access-Control-Allow-Origin"] == "*"


# ---- errors -----------------------------------------------------------------------------------------------

ERRORS = {
    "no token": (("GET", DELTA, None, None), (401, "InvalidAuthenticationToken")),
    "token unreadable": (("GET", DELTA, None, "nonsense"), (401, "InvalidAuthenticationToken")),
    "no right on that mailbox": (("GET", f"/v1.0/users/{BOB}/calendars", None, "ann"), (403, "ErrorAccessDenied")),
    "no such mailbox, as if it were another's": (("GET", f"/v1.0/users/{guid(9)}/calendars", None, "ann"), (403, "ErrorAccessDenied")),
    "app-only token on /me": (("GET", LIST, None, "app"), (400, "BadRequest")),
    "unknown user in path": (("GET", f"/v1.0/users/{guid(9)}/calendars", None, "app"), (404, "ErrorInvalidUser")),
    "unknown UPN in path": (("GET", "/v1.0/users/nobody@contoso.com/calendars", None, "app"), (404, "ErrorInvalidUser")),
    "id not an Exchange id": (("GET", f"{LIST}/nonsense", None, "ann"), (400, "ErrorInvalidIdMalformed")),
    "duplicate calendar name": (("POST", LIST, {"name": "ZOO"}, "ann"), (409, "ErrorFolderExists")),
    "delete default calendar": (("DELETE", "/v1.0/me/calendar", None, "ann"), (400, "ErrorDeleteDistinguishedFolder")),
    "delete default calendar by id": (("DELETE", f"{LIST}/cal-0", None, "ann"), (400, "ErrorDeleteDistinguishedFolder")),
    "permanently delete default calendar": (("POST", "/v1.0/me/calendar/permanentDelete", None, "ann"),
                                            (400, "ErrorDeleteDistinguishedFolder")),
    "write without right (canEdit false)": (("PATCH", f"{LIST}/cal%2F6=", {"name": "x"}, "ann"), (403, "ErrorAccessDenied")),
    "unsupported query option on delta": (("GET", f"{DELTA}?$top=5", None, "ann"), (400, "ErrorInvalidUrlQuery")),
    "unsupported query option $filter": (("GET", f"{DELTA}?$filter=name%20eq%20'x'", None, "ann"), (400, "ErrorInvalidUrlQuery")),
    "unsupported query option on a list": (("GET", f"{LIST}?$search=x", None, "ann"), (400, "ErrorInvalidUrlQuery")),
    "unknown query option": (("GET", f"{LIST}?$nonsense=x", None, "ann"), (400, "ErrorInvalidUrlQuery")),
    "query option given twice": (("GET", f"{LIST}?$top=5&top=6", None, "ann"), (400, "ErrorInvalidUrlQuery")),
    "malformed token": (("GET", f"{DELTA}?$deltatoken=abc", None, "ann"), (400, "ErrorInvalidUrlQuery")),
    "unknown segment": (("GET", "/v1.0/me/nonsense", None, "ann"), (400, "BadRequest")),
    "unknown segment below a calendar": (("GET", f"{LIST}/cal-1/events", None, "ann"), (400, "BadRequest")),
    "wrong method": (("DELETE", LIST, None, "ann"), (405, "Request_BadRequest")),
    "bad JSON body": (("POST", LIST, "{", "ann"), (400, "BadRequest")),
    "missing name": (("POST", LIST, {}, "ann"), (400, "BadRequest")),
    "unknown property in a body": (("POST", LIST, {"name": "n", "colour": "red"}, "ann"), (400, "BadRequest")),
    "name with a control character": (("POST", LIST, {"name": "a\u0001b"}, "ann"), (400, "BadRequest")),
    "name too long": (("POST", LIST, {"name": "x" * 256}, "ann"), (400, "BadRequest")),
    "body not sent as JSON": (("POST", LIST, "name=x", "ann"), (415, "BadRequest")),
}


@pytest.mark.parametrize("row", ERRORS)
def test_error(shared, row):
    (method, target, body, caller), want = ERRORS[row]
    token = {"ann": shared.ann, "app": shared.app}.get(caller, caller)
    headers = {"Content-Type": "text/plain" if row == "body not sent as JSON" else "application/json"} if body else {}
    assert code(shared.request(method, target, body, token, headers)) == want


def test_error_messages_name_the_option_and_the_alternative(shared):
    message = shared.get(f"{DELTA}?$top=5", shared.ann).json["error"]["message"]
    assert "$top" in message and "odata.maxpagesize" in message
    message = shared.get(f"{LIST}?$expand=events", shared.ann).json["error"]["message"]
    assert "$expand" in message and "$filter" in message
    message = shared.get(f"{LIST}?$filter=contains(name,'x')", shared.ann).json["error"]["message"]
    assert "position 0" in message and "startswith" in message


def test_error_well_formed_unknown_id(one):
    made = one.request("POST", LIST, {"name": "a"}, one.ann).json
    assert one.request("DELETE", f"{LIST}/{made['id']}", token=one.ann).status == 204
    assert code(one.get(f"{LIST}/{made['id']}", one.ann)) == (404, "ErrorItemNotFound")


def test_error_token_too_old_is_410_with_location(one):
    link = one.get(DELTA, one.ann).json["@odata.deltaLink"]
    for n in range(2):
        made = one.request("POST", LIST, {"name": f"a{n}"}, one.ann).json
        one.request("DELETE", f"{LIST}/{made['id']}", token=one.ann)
    time.sleep(1.1)
    one.runner("store", "gc", "--retention", "1s", store=one.store)
    reply = one.get(link, one.ann)
    assert code(reply) == (410, "SyncStateNotFound")
    assert reply.headers["Location"] == f"{one.base}{DELTA}?$deltatoken="
    assert names(one.get(reply.headers["Location"], one.ann)) == ["Calendar"]


def test_permanent_delete(one):
    for form in ("permanentDelete", "microsoft.graph.permanentDelete", "permanentDelete()"):
        made = one.request("POST", LIST, {"name": "a"}, one.ann).json
        assert one.request("POST", f"{LIST}/{made['id']}/{form}", None, one.ann).status == 204
        assert one.get(f"{LIST}/{made['id']}", one.ann).status == 404


# ---- lists ------------------------------------------------------------------------------------------------

FILTERS = {
    "name eq 'zoo'": ["Zoo"],
    "name ne 'Zoo' and startswith(name,'b')": ["Beta", "Birthdays"],
    "startswith(name, 'B') eq false and not startswith(name,'C')": ["Zoo", "alpha", "it's", "With a slash"],
    "name eq 'it''s'": ["it's"],
    "isDefaultCalendar eq true": ["Calendar"],
    "isDefaultCalendar": ["Calendar"],
    "canEdit eq false or name eq 'alpha'": ["alpha", "With a slash"],
    "not (canEdit or isDefaultCalendar)": ["With a slash"],
    "canEdit ne false and (name eq 'Zoo' or name eq 'Beta')": ["Zoo", "Beta"],
    "name eq 'a' or name eq 'Zoo' and canEdit eq false": [],
    "((((name eq 'Zoo'))))": ["Zoo"],
    "name eq ''": [],
}


@pytest.mark.parametrize("text", FILTERS)
def test_list_filter(shared, text):
    reply = shared.get(f"{LIST}?$filter={urllib.parse.quote(text)}&$select=name&$count=true", shared.ann)
    assert names(reply) == FILTERS[text] and reply.json["@odata.count"] == len(FILTERS[text])


@pytest.mark.parametrize("text", ["", "name", "name eq", "name eq x", "name eq 'x", "name gt 'x'", "color eq 'auto'", "id eq 'x'",
                                  "canEdit eq 'true'", "canEdit eq maybe", "startswith('x',name)", "(name eq 'x'",
                                  "name eq 'x')", "name eq 'x' and", "not", "isShared eq true", "name eq 'x' name", "(" * 17 +
                                  "canEdit" + ")" * 17, "contains(name,'x')", "owner/name eq 'x'", "name eq 'x' xor canEdit"])
def test_list_filter_refused(shared, text):
    assert code(shared.get(f"{LIST}?$filter={urllib.parse.quote(text)}", shared.ann)) == (400, "ErrorInvalidUrlQuery")


def test_list_orderby_top_skip_count(shared):
    assert names(shared.get(f"{LIST}?$orderby=name&$top=50", shared.ann)) == \
        ["alpha", "Beta", "Birthdays", "Calendar", "it's", "With a slash", "Zoo"]
    pages, link = [], f"{LIST}?$orderby=name%20desc&$top=3&$select=name&$count=true&$filter=canEdit%20eq%20true"
    while link:
        page = shared.get(link, shared.ann).json
        assert page["@odata.count"] == 6 and set(page["value"][0]) == {"@odata.id", "id", "name"}
        pages.append([item["name"] for item in page["value"]])
        link = page.get("@odata.nextLink")
    assert pages == [["Zoo", "it's", "Calendar"], ["Birthdays", "Beta", "alpha"]]
    assert names(shared.get(f"{LIST}?$skip=6", shared.ann)) == ["With a slash"]
    assert names(shared.get(f"{LIST}?$skip=7&$orderby=name", shared.ann)) == []
    for bad in ("$orderby=color", "$orderby=name%20up", "$orderby=name,id", "$count=maybe", "$top=0", "$top=1001", "$skip=-1",
                "$select=nonsense"):
        assert code(shared.get(f"{LIST}?{bad}", shared.ann)) == (400, "ErrorInvalidUrlQuery"), bad


def test_list_honours_maxpagesize(shared):
    reply = shared.get(LIST, shared.ann, {"Prefer": "odata.maxpagesize=2"})
    assert len(reply.json["value"]) == 2 and reply.headers["Preference-Applied"] == "odata.maxpagesize=2"


# ---- from now, and since (extensions) ---------------------------------------------------------------------


def moment(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(int(seconds))) + f".{int(seconds * 1000) % 1000:03d}Z"


def test_from_now_tells_only_what_comes(one):
    one.request("POST", LIST, {"name": "before"}, one.ann)
    page = one.get(f"{DELTA}?$deltatoken=latest&$select=name", one.ann).json
    assert list(page) == ["@odata.context", "value", "@odata.deltaLink"] and page["value"] == []
    one.request("POST", LIST, {"name": "after"}, one.ann)
    after = one.get(page["@odata.deltaLink"], one.ann).json["value"]
    assert [set(item) for item in after] == [{"@odata.type", "id", "name"}] and after[0]["name"] == "after"


def test_from_now_of_an_untouched_mailbox(one):
    page = one.get(f"{DELTA}?$deltatoken=Latest", one.ann).json
    assert page["value"] == [] and names(one.get(page["@odata.deltaLink"], one.ann)) == ["Calendar"]


def test_since_a_moment_is_exact(one):
    for n in range(5):
        one.request("POST", LIST, {"name": f"c{n}"}, one.ann)
        if n == 2:
            time.sleep(0.05)
            middle = time.time()
            time.sleep(0.05)
    reply = one.get(f"{DELTA}?$deltatoken={moment(middle)}", one.ann, {"Prefer": "odata.maxpagesize=1"})
    assert names(reply) == ["c3"] and names(one.get(reply.json["@odata.nextLink"], one.ann)) == ["c4"]
    assert names(one.get(f"{DELTA}?$deltatoken=2001-01-01T00:00:00%2B02:00", one.ann)) == ["Calendar", "c0", "c1", "c2", "c3", "c4"]


def test_since_reports_removals_and_is_410_behind_the_purge(one):
    made = one.request("POST", LIST, {"name": "a"}, one.ann).json
    begin = time.time() - 0.01
    one.request("DELETE", f"{LIST}/{made['id']}", token=one.ann)
    assert "@removed" in one.get(f"{DELTA}?$deltatoken={moment(begin)}", one.ann).json["value"][-1]
    time.sleep(1.1)
    one.runner("store", "gc", "--retention", "1s", store=one.store)
    assert code(one.get(f"{DELTA}?$deltatoken={moment(begin - 60)}", one.ann)) == (410, "SyncStateNotFound")
    assert one.get(f"{DELTA}?$deltatoken={moment(time.time() - 0.01)}", one.ann).json["value"] == []


def test_since_the_future_is_refused(shared):
    assert code(shared.get(f"{DELTA}?$deltatoken={moment(time.time() + 3600)}", shared.ann)) == (400, "ErrorInvalidUrlQuery")
    for bad in ("yesterday", "2024-01-01", "2024-13-01T00:00:00Z"):
        assert code(shared.get(f"{DELTA}?$deltatoken={bad}", shared.ann)) == (400, "ErrorInvalidUrlQuery")


# ---- $batch -----------------------------------------------------------------------------------------------


def batch(server, requests, token=None, headers=None, version="v1.0"):
    reply = server.request("POST", f"/{version}/$batch", {"requests": requests}, token, headers)
    return {one["id"]: one for one in reply.json["responses"]} if reply.status == 200 else reply


def get(id, url, **more):
    return {"id": id, "method": "GET", "url": url, **more}


def test_batch_each_request_is_answered_as_if_by_itself(shared):
    answers = batch(shared, [
        get("list", "/me/calendars?$select=name&$top=2"), get("no slash", "me/calendar"), get("unknown", "/me/nonsense"),
        get("theirs", f"/users/{BOB}/calendars"), get("delta", "/me/calendars/delta"), get("xml", "$metadata"),
        get("versioned", "/v1.0/me/calendar"), get("level", "/me/calendar", headers={"Accept": "application/json;odata.metadata=none"}),
        get("spaces", "/me/calendars?$filter=name eq 'Zoo'&$select=name"), get("nested", "/$batch"),
        {"id": "post", "method": "post", "url": "/$batch"},
    ], shared.ann)
    assert {id: one["status"] for id, one in answers.items()} == {
        "list": 200, "no slash": 200, "unknown": 400, "theirs": 403, "delta": 200, "xml": 200, "versioned": 200, "level": 200,
        "spaces": 200, "nested": 405, "post": 400}
    assert answers["list"]["headers"]["Content-Type"] == MINIMAL and "Vary" not in answers["list"]["headers"]
    assert [item["name"] for item in answers["list"]["body"]["value"]] == ["Calendar", "Zoo"]
    assert "$top=2&$skiptoken=" in answers["list"]["body"]["@odata.nextLink"]
    assert answers["theirs"]["body"]["error"]["code"] == "ErrorAccessDenied"
    assert b"<edmx:Edmx" in base64.b64decode(answers["xml"]["body"])
    assert "@odata.context" not in answers["level"]["body"]
    assert shared.get(answers["delta"]["body"]["@odata.deltaLink"], shared.ann).json["value"] == []


def test_batch_writes_and_depends_on(one):
    body = {"headers": {"Content-Type": "application/json"}}
    answers = batch(one, [
        {"id": "3", "method": "POST", "url": "/me/calendars", "body": {"name": "a"}, "dependsOn": ["2"], **body},
        {"id": "1", "method": "POST", "url": "/me/calendars", "body": {"name": "a"}, **body},
        {"id": "2", "method": "GET", "url": "/me/calendars?$filter=name eq 'a'", "dependsOn": ["1"]},
        {"id": "4", "method": "GET", "url": "/me/calendar", "dependsOn": ["3"]},
        {"id": "5", "method": "GET", "url": "/me/calendar", "dependsOn": ["1", "4"]},
        {"id": "6", "method": "GET", "url": "/me/calendar"},
    ], one.ann)
    assert {id: one["status"] for id, one in answers.items()} == {"1": 201, "2": 200, "3": 409, "4": 424, "5": 424, "6": 200}
    assert len(answers["2"]["body"]["value"]) == 1 and answers["4"]["body"]["error"]["code"]
    gone = batch(one, [{"id": "x", "method": "DELETE", "url": f"/me/calendars/{answers['1']['body']['id']}"}], one.ann)
    assert gone["x"]["status"] == 204 and "body" not in gone["x"]


def test_batch_authorisation(shared):
    bob = shared.token("bob@contoso.com")
    answers = batch(shared, [get("mine", "/me/calendar"), get("his", "/me/calendars", headers={"Authorization": f"Bearer {bob}"}),
                             get("none", "/me/calendar", headers={"authorization": "Bearer nonsense"})], shared.ann)
    assert [answers[id]["status"] for id in ("mine", "his", "none")] == [200, 200, 401]
    assert answers["his"]["body"]["value"][0]["owner"]["address"] == "bob@contoso.com"
    assert code(batch(shared, [get("1", "/me/calendar")])) == (401, "InvalidAuthenticationToken")


def test_batch_headers_of_the_requests(shared):
    answers = batch(shared, [get("1", "/me/calendars/delta", headers={"Prefer": "odata.maxpagesize=2", "client-request-id": "mine"}),
                             get("2", "/me/calendar")], shared.ann, {"client-request-id": "outer"})
    assert len(answers["1"]["body"]["value"]) == 2 and answers["1"]["headers"]["Preference-Applied"] == "odata.maxpagesize=2"
    assert [answers[id]["headers"]["client-request-id"] for id in "12"] == ["mine", "outer"]


JSON_TYPE = {"Content-Type": "application/json"}
BAD_BATCHES = {
    "no requests": [], "21 requests": [get(str(n), "/me/calendar") for n in range(21)],
    "ids that differ only in case": [get("a", "/me/calendar"), get("A", "/me/calendar")],
    "a number and a text as the same id": [get("1", "/me/calendar"), get(1, "/me/calendar")],
    "no id": [{"method": "GET", "url": "/me"}], "an empty id": [get("", "/me")], "a fraction as id": [get(1.5, "/me")],
    "a list as id": [get([], "/me")],
    "a body without its type": [{"id": "1", "method": "POST", "url": "/me/calendars", "body": {"name": "x"}}],
    "dependsOn an unknown id": [get("1", "/me/calendar", dependsOn=["2"])],
    "dependsOn that is a text": [get("1", "/me/calendar", dependsOn="1")],
    "dependsOn itself": [get("1", "/me/calendar", dependsOn=["1"])],
    "dependsOn in a circle": [get("1", "/me", dependsOn=["2"]), get("2", "/me", dependsOn=["1"])],
    "a request that is no object": ["x"], "an atomicity group": [get("1", "/me/calendar", atomicityGroup="g")],
}


@pytest.mark.parametrize("row", BAD_BATCHES)
def test_batch_refused_whole(shared, row):
    assert code(batch(shared, BAD_BATCHES[row], shared.ann)) == (400, "BadRequest")


# What is wrong with one request, and its status.
BAD_REQUESTS = {
    "no method": ({"url": "/me/calendar"}, 400), "a method that is no word": ({"method": "GET /", "url": "/me/calendar"}, 400),
    "a method of HTTP that a batch has not": ({"method": "HEAD", "url": "/me/calendar"}, 405),
    "an unknown method with a body": ({"method": "MERGE", "url": "/me/calendar", "body": {}, "headers": JSON_TYPE}, 405),
    "no url": ({"method": "GET"}, 400), "a number as url": ({"method": "GET", "url": 1}, 400),
    "an empty url": ({"method": "GET", "url": ""}, 400), "a url that is too long": ({"method": "GET", "url": "/" * 9000}, 400),
    "a url of another host": ({"method": "GET", "url": "https://graph.microsoft.com/v1.0/me/calendar"}, 400),
    "a url without a host": ({"method": "GET", "url": "https:///v1.0/me/calendar"}, 400),
    "a url with a name in it": ({"method": "GET", "url": "https://{u}@127.0.0.1:{port}/v1.0/me/calendar"}, 400),
    "a body that is not base64": ({"method": "POST", "url": "/me/calendars", "body": "?",
                                   "headers": {"Content-Type": "text/plain"}}, 400),
    "a packed body": ({"method": "POST", "url": "/me/calendars", "body": {"name": "x"},
                       "headers": {**JSON_TYPE, "Content-Encoding": "gzip"}}, 415),
    "a GET with a body": ({"method": "GET", "url": "/me/calendar", "body": {}, "headers": JSON_TYPE}, 400),
    "headers that are a list": ({"method": "GET", "url": "/me/calendar", "headers": []}, 400),
    "a header twice": ({"method": "GET", "url": "/me/calendar", "headers": {"Prefer": "a", "prefer": "b"}}, 400),
    "Content-Type twice": ({"method": "POST", "url": "/me/calendars", "body": {"name": "x"},
                            "headers": {"content-type": "application/json", "Content-Type": "text/plain"}}, 400),
    "a header with a line end": ({"method": "GET", "url": "/me/calendar", "headers": {"Prefer": "a\r\nX: y"}}, 400),
    "a header that is no text": ({"method": "GET", "url": "/me/calendar", "headers": {"Prefer": 1}}, 400),
    "too many headers": ({"method": "GET", "url": "/me/calendar", "headers": {f"h{n}": "" for n in range(70)}}, 400),
    "too long headers": ({"method": "GET", "url": "/me/calendar", "headers": {"h": "x" * 20000}}, 400),
    "a member twice, in two spellings": ({"method": "GET", "url": "/me/calendar", "URL": "/me/calendar"}, 400),
}


@pytest.mark.parametrize("row", BAD_REQUESTS)
def test_batch_a_fault_of_one_request_is_answered_for_it_alone(shared, row):
    request, status = BAD_REQUESTS[row]
    request = {name: value.replace("{port}", str(shared.port)) if name == "url" and isinstance(value, str) else value
               for name, value in request.items()}
    answers = batch(shared, [{"id": "bad", **request}, get("good", "/me/calendar?$select=name"),
                             get("behind", "/me/calendar", dependsOn=["bad"])], shared.ann)
    assert {id: one["status"] for id, one in answers.items()} == {"bad": status, "good": 200, "behind": 424}
    assert answers["good"]["body"]["name"] == "Calendar"
    error = answers["bad"]["body"]["error"]
    assert set(error) == ERROR_KEYS and error["message"]
    assert (status == 405) == ("Allow" in answers["bad"]["headers"])
    assert "x" not in names(shared.get(LIST + "?$top=1000", shared.ann))


def test_batch_with_20_requests(shared):
    answers = batch(shared, [get(str(n), "/me/calendars?$top=1") for n in range(20)], shared.ann, version="beta")
    assert len(answers) == 20 and all("/beta/" in one["body"]["@odata.context"] for one in answers.values())
