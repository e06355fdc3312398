# SPDX-License-Identifier: Apache-2.0
"""How requests are spelled by real clients: '+', packed bodies, methods, batches, dates, and what Accept may hold."""
import base64
import gzip
import json
import random
import sqlite3
import threading
import time
import urllib.parse
import zlib

import pytest

from conftest import guid, put, user

ANN, BOB, APP = guid(1), guid(2), guid(0xa99)
LIST = "/v1.0/me/calendars"
DELTA = "/beta/me/calendars/delta"
READ = "OnlineMeetingRecording.Read.All"
WRITE = "OnlineMeetingRecording.ReadWrite.All"
NAMES = ["Calendar", "Night shift", "A+B", "it's"]
GZIP = {"Content-Type": "application/json", "Content-Encoding": "gzip"}


def recording(n, meeting="M-1", **more):
    return put(ANN, {"id": f"rec-{n}", "meetingId": meeting, "createdDateTime": f"2024-03-0{n}T10:00:30Z",
                     "contentCorrelationId": f"corr-{n % 3}", **more}, "recordings")


def lines():
    return [user("ann@contoso.com", ANN, displayName="Ann"), user("bob@contoso.com", BOB),
            {"op": "policy", "value": {"app": APP, "global": True}},
            *[put(ANN, {"name": name, "isDefaultCalendar": n == 0}) for n, name in enumerate(NAMES)],
            *[recording(n) for n in range(1, 8)], recording(8, "M-2")]


@pytest.fixture
def one(server):
    started = server(lines=lines())
    started.ann = started.token("ann@contoso.com")
    return started


def names(reply):
    assert reply.status == 200, reply.body
    return sorted(item["name"] for item in reply.json["value"])


def code(reply):
    return reply.status, reply.json["error"]["code"]


def message(reply):
    return reply.json["error"]["message"]


def ids(reply):
    assert reply.status == 200, reply.body
    return [item["id"] for item in reply.json["value"]]


def batch(one, requests, token=None, **root):
    reply = one.request("POST", "/v1.0/$batch", {"requests": requests, **root}, token or one.ann)
    assert reply.status == 200, reply.body
    return {part["id"]: part for part in reply.json["responses"]}


# ---- '+' -------------------------------------------------------------------------------------------------------


PLUSES = {
    "$filter=name+eq+'Night+shift'": ["Night shift"],
    "%24filter=name+eq+%27Night%20shift%27": ["Night shift"],
    "$filter=name+eq+'A%2BB'": ["A+B"],
    "$filter=name%20eq%20'A+B'": [],
    "$filter=startswith(name,'Night+')": ["Night shift"],
    "$filter=+name+++eq++'it''s'+": ["it's"],
    "$filter=not+(name+eq+'A%2BB')+and+canEdit": ["Calendar", "Night shift", "it's"],
    "$select=id,+name&$filter=name+eq+'A%2bB'": ["A+B"],
    "$orderby=name+desc&$top=1000": sorted(NAMES),
    "$orderby=+name++asc+": sorted(NAMES),
    "$FILTER=NAME+EQ+'night+SHIFT'&$Select=NAME": ["Night shift"],
}


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """One server for all rows that only read."""
    import pathlib
    import shutil
    import tempfile

    from conftest import Runner, Server, to_lines
    home = pathlib.Path(tempfile.mkdtemp(prefix="tm-"))
    runner, store = Runner(home), f"sqlite:{home}/t.db"
    runner("import", "-", store=store, input=to_lines(lines()))
    server = Server(runner, store)
    server.ann = server.token("ann@contoso.com")
    server.app = server.app_token(READ)
    yield server
    server.stop()
    shutil.rmtree(home, ignore_errors=True)


@pytest.mark.parametrize("query", PLUSES)
def test_a_plus_in_a_query_is_a_blank_also_inside_a_batch(shared, query):
    assert names(shared.get(f"{LIST}?{query}", shared.ann)) == PLUSES[query]
    inner = batch(shared, [{"id": "1", "method": "GET", "url": f"/me/calendars?{query}"}])["1"]
    assert sorted(item["name"] for item in inner["body"]["value"]) == PLUSES[query]


def test_links_of_a_query_with_pluses_lead_to_its_end(shared):
    for query in ("$filter=name+ne+'A%2BB'&$top=1&$orderby=name+desc", "$filter=name%20ne%20'A%2BB'&$top=1&$select=id,+name"):
        link, reported = f"{LIST}?{query}", []
        while link:
            assert "+" not in link or not reported
            page = shared.get(link, shared.ann)
            reported += names(page)
            link = page.json.get("@odata.nextLink")
        assert sorted(reported) == ["Calendar", "Night shift", "it's"]
    link = shared.get(f"{DELTA}?$select=id,+name", shared.ann, {"Prefer": "odata.maxpagesize=2"}).json["@odata.nextLink"]
    assert "+" not in link and names(shared.get(link, shared.ann))


def test_a_path_keeps_its_plus(server):
    one = server(lines=[user("a+b@contoso.com", ANN), put(ANN, {"id": "i+d", "name": "x"})])
    token = one.token("a+b@contoso.com")
    for caller in ("a+b@contoso.com", "a%2Bb@contoso.com", "A%2BB@contoso.com"):
        assert one.get(f"/v1.0/users/{caller}/calendars/i+d", token).json["name"] == "x"
    assert one.get("/v1.0/users/a%20b@contoso.com/calendars", token).status == 403
    assert one.get("/v1.0/users/a+b@contoso.com/calendars/i%20d", token).status == 400
    inner = one.request("POST", "/v1.0/$batch", {"requests": [{"id": "1", "method": "GET", "url": "/me/calendars/i+d"}]}, token)
    assert inner.json["responses"][0]["body"]["name"] == "x"


@pytest.mark.parametrize("sign", ["+", "%2B", "%20", " "])
def test_a_blank_where_the_sign_of_a_zone_stands_is_a_plus(shared, sign):
    query = f"$deltatoken=2001-01-01T00:00:00{sign}02:00"
    alias = f"@p='{ANN}'&@s=2024-03-07T12:00:00{sign}02:00"
    recordings = f"/users/{ANN}/onlineMeetings/getAllRecordings(meetingOrganizerUserId=@p,startDateTime=@s)"
    if sign != " ":
        assert names(shared.get(f"{DELTA}?{query}", shared.ann)) == sorted(NAMES)
        assert ids(shared.get(f"/v1.0{recordings}?{alias}", shared.app)) == ["rec-7", "rec-8"]
    assert len(batch(shared, [{"id": "1", "method": "GET", "url": f"/beta/me/calendars/delta?{query}"}])["1"]["body"]["value"]) == 4
    inner = batch(shared, [{"id": "1", "method": "GET", "url": f"{recordings}?{alias}&$top=1"}], shared.app)["1"]["body"]
    assert inner["value"][0]["id"] == "rec-7" and "startDateTime=2024-03-07T12:00:00%2B02:00" in inner["@odata.nextLink"]
    assert ids(shared.get(inner["@odata.nextLink"], shared.app)) == ["rec-8"]


# ---- packed bodies ------------------------------------------------------------------------------------------------


def packed(value):
    return gzip.compress(value if isinstance(value, bytes) else json.dumps(value).encode())


def test_a_packed_body_is_read_wherever_a_body_of_json_is(one):
    made = one.request("POST", LIST, packed({"name": "Packed"}), one.ann, GZIP)
    assert made.status == 201
    path = f"{LIST}/{made.json['id']}"
    assert one.request("PATCH", path, packed({"name": "Packed again"}), one.ann, GZIP).json["name"] == "Packed again"
    inner = {"requests": [{"id": "1", "method": "POST", "url": "/me/calendars", "body": {"name": "In a batch"},
                           "headers": {"Content-Type": "application/json"}}]}
    answer = one.request("POST", "/v1.0/$batch", packed(inner), one.ann, GZIP)
    assert answer.json["responses"][0]["status"] == 201
    assert one.request("POST", f"{path}/permanentDelete", packed({}), one.ann, GZIP).status == 204
    assert one.request("POST", f"/v1.0/users/{ANN}/onlineMeetings/M-1/recordings", packed({"id": "packed"}),
                       one.app_token(WRITE), GZIP).status == 201
    spellings = [{"Content-Encoding": "GZIP"}, {"Content-Encoding": "x-gzip"}, {"Content-Encoding": "identity, gzip"}]
    for n, spelling in enumerate(spellings):
        assert one.request("POST", LIST, packed({"name": f"n{n}"}), one.ann, {**GZIP, **spelling}).status == 201, spelling
    for n, plain in enumerate(("identity", "")):
        assert one.request("POST", LIST, json.dumps({"name": f"p{n}"}), one.ann, {**GZIP, "Content-Encoding": plain}).status == 201
    members = packed(b'{"name":') + packed(b'"In two members"}')
    assert one.request("POST", LIST, members, one.ann, GZIP).json["name"] == "In two members"
    large = packed({"name": "Large", **{f"unknown {n}": n for n in range(20000)}})
    assert code(one.request("POST", LIST, large, one.ann, GZIP)) == (400, "BadRequest")
    assert {"Packed", "Large"}.isdisjoint(names(one.get(LIST + "?$top=100", one.ann)))


def test_a_packed_body_comes_in_chunks_and_over_http2(one):
    connection = one.connection()
    body = packed({"name": "In chunks"})
    connection.request("POST", LIST, iter([body[:7], body[7:]]), {**GZIP, "Authorization": f"Bearer {one.ann}"}, encode_chunked=True)
    assert connection.getresponse().status == 201
    connection.close()
    flows = pytest.importorskip("test_http2")
    client = flows.Client(one, one.ann)
    status, _, body = client.ask("POST", LIST, packed({"name": "Over HTTP/2"}), headers=[("content-encoding", "gzip")])
    assert status == 201 and json.loads(body)["name"] == "Over HTTP/2"
    status, fields, body = client.ask("POST", LIST, b"{}", headers=[("content-encoding", "br")])
    assert status == 415 and fields["accept-encoding"] == "gzip"
    status, _, body = client.ask("POST", LIST, packed(b" " * (8 << 20)), headers=[("content-encoding", "gzip")])
    assert status == 413
    status, fields, body = client.ask("MERGE", "/v1.0/me/calendar", b'{"name":"x"}')
    assert status == 405 and "PATCH" in fields["allow"]
    status, fields, _ = client.ask("PUT", LIST, b"x" * 10000)
    assert status == 405 and "POST" in fields["allow"]
    client.close()
    client = flows.Client(one, one.app_token(WRITE))
    path = f"/v1.0/users/{ANN}/onlineMeetings/M-1/recordings/rec-1/content"
    status, fields, _ = client.ask("PUT", path, gzip.compress(b"film"), headers=[("content-encoding", "gzip")])
    assert status == 415 and fields["accept-encoding"] == "identity"
    assert client.ask("PUT", path, b"film")[0] == 204
    client.close()


@pytest.mark.parametrize("coding", ["br", "deflate", "compress", "zstd", "gzip, gzip", "gzip, br", "aes128gcm", "gzip;q=1", "*"])
def test_another_coding_is_415_and_the_answer_names_gzip(shared, coding):
    for method, path in (("POST", LIST), ("POST", "/v1.0/$batch"), ("PATCH", "/v1.0/me/calendar")):
        reply = shared.request(method, path, packed({"name": "x"}), shared.ann, {**GZIP, "Content-Encoding": coding})
        assert code(reply) == (415, "BadRequest") and reply.headers["Accept-Encoding"] == "gzip"


def test_a_coding_without_a_body_means_nothing(shared):
    assert shared.get(LIST, shared.ann, {"Content-Encoding": "br"}).status == 200


DAMAGED = {
    "no gzip at all": b'{"name":"x"}', "cut short": packed({"name": "x"})[:-9], "cut in the trailer": packed({"name": "x"})[:-1],
    "a wrong checksum": packed({"name": "x"})[:-8] + bytes(4) + packed({"name": "x"})[-4:],
    "something behind it": packed({"name": "x"}) + b"x", "a zlib stream": zlib.compress(b'{"name":"x"}'),
    "a lie about its length": packed(b" " * 1000)[:-4] + b"\0\0\0\1", "packed nonsense": packed(b"nonsense"),
    "packed bytes that are not UTF-8": packed(b'{"name":"\xff"}'), "packed twice": packed(packed({"name": "x"})),
}


@pytest.mark.parametrize("row", DAMAGED)
def test_a_damaged_packed_body_is_400(shared, row):
    assert code(shared.request("POST", LIST, DAMAGED[row], shared.ann, GZIP)) == (400, "BadRequest")


BOMBS = {
    "of 100 MB": packed(b" " * (100 << 20)), "of one byte too many": packed(b" " * ((1 << 20) + 1)),
    "of many members": packed(b" " * 100000) * 20, "that is small and swells": packed(b" " * 200000),
    "whose trailer lies": packed(b" " * (8 << 20))[:-8] + bytes(8), "of noise": gzip.compress(bytes(range(256)) * 4097, 0),
}


@pytest.mark.parametrize("row", BOMBS)
def test_a_bomb_is_413(shared, row):
    assert code(shared.request("POST", LIST, BOMBS[row], shared.ann, GZIP)) == (413, "BadRequest")


def peak_kb(one):
    with open(f"/proc/{one.pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM:"))


def test_many_bombs_at_once_take_little_memory(one):
    assert one.request("POST", LIST, BOMBS["of 100 MB"], one.ann, GZIP).status == 413
    before, seen = peak_kb(one), []

    def throw():
        for _ in range(2):
            seen.append(one.request("POST", LIST, BOMBS["of 100 MB"], one.ann, GZIP).status)

    throwers = [threading.Thread(target=throw) for _ in range(16)]
    for thrower in throwers:
        thrower.start()
    for thrower in throwers:
        thrower.join()
    assert len(seen) == 32 and set(seen) <= {413, 503}
    assert peak_kb(one) - before < 200 << 10
    assert one.get(LIST, one.ann).status == 200


def test_the_room_that_a_packed_body_may_take_is_counted_while_its_request_waits(one):
    """Another program writes to the store for less than the five seconds that the server waits for it.  Each request may
    have unpacked a mebibyte, so not all of them may wait."""
    other, early, late = sqlite3.connect(one.path, isolation_level=None), [], []
    # Of one caller no more than 16 are begun at once.
    callers = [one.app_token("Calendars.ReadWrite", app=guid(0xa00 + n)) for n in range(4)]
    bodies = [packed({"name": f"n{n}", "noise": base64.b64encode(random.Random(n).randbytes(11000)).decode()}) for n in range(44)]
    links = [one.connection() for _ in bodies]
    for link in links:                   # what takes long is done before the five seconds begin
        link.connect()
    other.execute("BEGIN IMMEDIATE")

    def write(n):
        status = one.ask(links[n], "POST", f"/v1.0/users/{ANN}/calendars", bodies[n], callers[n % 4], GZIP).status
        (early if other.in_transaction else late).append(status)

    writers = [threading.Thread(target=write, args=(n,)) for n in range(44)]
    for writer in writers:
        writer.start()
    end = time.monotonic() + 4
    while not early and time.monotonic() < end:
        time.sleep(0.05)
    other.execute("ROLLBACK")
    for writer in writers:
        writer.join()
    assert early and set(early) == {503} and len(early) <= 20, (early, late)
    assert set(late) <= {400, 503} and 400 in late


def test_packed_content_is_415_and_nothing_is_stored(one):
    path = f"/v1.0/users/{ANN}/onlineMeetings/M-1/recordings/rec-1/content"
    writer, reader = one.app_token(WRITE), one.app_token(READ)
    video = {"Content-Type": "video/mp4"}
    reply = one.request("PUT", path, gzip.compress(b"film"), writer, {**video, "Content-Encoding": "gzip"})
    assert reply.status == 415 and reply.headers["Accept-Encoding"] == "identity"
    assert one.get(path, reader).status == 404
    assert one.request("PUT", path, gzip.compress(b"film"), reader, {**video, "Content-Encoding": "gzip"}).status == 403
    assert one.request("PUT", path, b"film", writer, {**video, "Content-Encoding": "identity"}).status == 204
    assert one.get(path, reader, {"Content-Encoding": "gzip"}).body == b"film"


def test_who_is_not_known_sends_no_packed_body(one):
    assert one.request("POST", LIST, packed({"name": "x"}), None, GZIP).status == 401
    assert one.request("POST", "/v1.0/$batch", BOMBS["of 100 MB"], "nonsense", GZIP).status == 401


# ---- batches -------------------------------------------------------------------------------------------------------


def test_members_and_ids_of_a_batch_as_powershell_and_java_write_them(one):
    java = {"content-type": "application/json", "Content-Type": "application/json", "accept": "application/json",
            "Accept": " application/json "}
    reply = one.request("POST", "/v1.0/$batch", {"Requests": [
        {"ID": 1738492011, "Method": "get", "URL": "/me/calendar"},
        {"iD": "made", "METHOD": "Post", "Url": "/me/calendars", "BODY": {"name": "From Java"}, "HEADERS": java,
         "DEPENDSON": [1738492011]},
        {"id": -7, "method": "GET", "url": "/me/calendars?$filter=name eq 'From Java'", "dependsOn": ["1738492011", "MADE"]},
    ]}, one.ann)
    answers = {part["id"]: part for part in reply.json["responses"]}
    assert {id: part["status"] for id, part in answers.items()} == {"1738492011": 200, "made": 201, "-7": 200}
    assert len(answers["-7"]["body"]["value"]) == 1
    twice = one.request("POST", "/v1.0/$batch", {"requests": [], "Requests": []}, one.ann)
    assert code(twice) == (400, "BadRequest")


def test_a_whole_url_in_a_batch_is_of_this_host(shared, server, tm, home):
    host = shared.base.removeprefix("https://")
    urls = [f"{shared.base}/v1.0/me/calendar", f"http://{host}/v1.0/me/calendar", f"HTTPS://{host}/v1.0/me/calendar",
            f"{shared.base}/beta/me/calendar", f"{shared.base}/v1.0/me/calendars?$filter=name eq 'A%2BB'",
            f"{shared.base}/v1.0/me/calendars?$filter=name+eq+'it''s'&$select=name"]
    answers = batch(shared, [{"id": str(n), "method": "GET", "url": url} for n, url in enumerate(urls)])
    assert [answers[str(n)]["status"] for n in range(len(urls))] == [200, 200, 400, 200, 200, 200]
    assert "/beta/" in answers["3"]["body"]["@odata.context"]
    assert [len(answers[n]["body"]["value"]) for n in "45"] == [1, 1]
    others = [f"https://127.0.0.1:1/v1.0/me/calendar", "https://127.0.0.1/v1.0/me/calendar", f"https://localhost:{shared.port}/v1.0/me/calendar",
              "https://graph.microsoft.com/v1.0/me/calendar", f"ftp://{host}/v1.0/me/calendar", f"//{host}/v1.0/me/calendar"]
    answers = batch(shared, [{"id": str(n), "method": "GET", "url": url} for n, url in enumerate(others)])
    assert [answers[str(n)]["status"] for n in range(len(others))] == [400] * len(others)


def test_a_whole_url_in_a_batch_may_be_of_the_public_url(server):
    one = server("--public-url", "https://Graph.Example.org", lines=lines())
    urls = ["https://graph.example.org/v1.0/me/calendar", "https://GRAPH.example.org:443/v1.0/me/calendar",
            f"{one.base}/v1.0/me/calendar", "http://graph.example.org/v1.0/me/calendar", "https://graph.example.org.evil.example/me"]
    answers = batch(one, [{"id": str(n), "method": "GET", "url": url} for n, url in enumerate(urls)], one.token("ann@contoso.com"))
    assert [answers[str(n)]["status"] for n in range(len(urls))] == [200, 200, 200, 400, 400]


# ---- methods, Accept --------------------------------------------------------------------------------------------------


OTHERS = [("MERGE", "/v1.0/me/calendar", "PATCH"), ("PUT", "/v1.0/me/calendar", "PATCH"), ("PUT", LIST, "POST"),
          ("DELETE", LIST, "POST"), ("PATCH", LIST, "POST"), ("POST", "/v1.0/me/calendar", "PATCH"), ("QUERY", DELTA, "GET"),
          ("PROPFIND", LIST, "GET"), ("get", LIST, "GET"), ("X" * 32, LIST, "GET"), ("POST", DELTA, "GET"),
          ("DELETE", "/v1.0/$batch", "POST"), ("POST", "/v1.0/$metadata", "GET"), ("PATCH", "/v1.0", "GET")]


@pytest.mark.parametrize("body", [None, b'{"name":"x"}', b"x" * 100000])
def test_a_method_that_a_path_does_not_have_is_405_with_and_without_a_body(shared, body):
    for method, path, allowed in OTHERS:
        for headers in ({}, {"Content-Type": "application/json"}):
            reply = shared.request(method, path, body, shared.ann, headers)
            assert code(reply) == (405, "Request_BadRequest"), (method, path)
            assert allowed in reply.headers["Allow"].split(", "), (method, path)
            assert method not in reply.headers["Allow"].split(", ")


def test_a_method_that_nobody_has_needs_a_bearer_first(shared):
    assert shared.request("MERGE", LIST, b"{}", None).status == 401


def test_a_small_body_of_delete_is_ignored(one):
    made = one.request("POST", LIST, {"name": "Doomed"}, one.ann).json["id"]
    assert one.request("DELETE", f"{LIST}/{made}", {"why": "not"}, one.ann).status == 204
    assert one.request("DELETE", f"{LIST}/{made}", b"x" * 20000, one.ann).status == 413
    assert one.get(f"{LIST}/{made}", one.ann).status == 404


@pytest.mark.parametrize("accept", ["text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2", "*", "*/*;q=.1", "text/html;q=x, */*",
                                    "image/*, ;, application/json;q=.5"])
def test_a_malformed_member_of_accept_drops_that_member_only(shared, accept):
    for path in (LIST, "/v1.0/me/calendar", DELTA):
        reply = shared.get(path, shared.ann, {"Accept": accept})
        assert reply.status == 200 and reply.headers["Content-Type"].startswith("application/json")
    assert shared.get(LIST, shared.ann, {"Accept": accept.replace("*/*", "").replace("application/json", "").replace("*", "")
                                         or "text/html"}).status in (200, 406)


# ---- recordings ---------------------------------------------------------------------------------------------------------


MOMENTS = ["2024-03-07T10:00Z", "2024-03-07t10:00z", "2024-03-07T12:00%2B02:00", "2024-03-07T12:00+02:00", "2024-03-07T08:00-02:00",
           "2024-03-07T10:00:00Z", "2024-03-07T10:00:00.0000000%2B00:00", "2024-03-07T10:00:00.000000000000Z",
           "2024-03-07T10:00:00%2B00:00Z", "2024-03-07T12:00:00%2002:00", "'2024-03-07T10:00Z'"]


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_moment_is_read_as_clients_write_it(shared, moment):
    call = f"/v1.0/users/{ANN}/onlineMeetings/getAllRecordings"
    link = shared.get(f"{call}(meetingOrganizerUserId='{ANN}',startDateTime={moment})?$top=1", shared.app)
    assert ids(link) == ["rec-7"] and ids(shared.get(link.json["@odata.nextLink"], shared.app)) == ["rec-8"]
    assert ids(shared.get(f"{call}(meetingOrganizerUserId='{ANN}',startDateTime={moment})/delta", shared.app)) == ["rec-7", "rec-8"]
    kiota = "meetingOrganizerUserId='@meetingOrganizerUserId',startDateTime=@startDateTime,endDateTime=@endDateTime"
    given = urllib.parse.quote(urllib.parse.unquote(moment), safe="+")
    reply = shared.get(f"{call}({kiota})?STARTDATETIME={given}&MeetingOrganizerUserId={ANN}", shared.app)
    assert ids(reply) == ["rec-7", "rec-8"]


def test_a_moment_that_is_none_is_400_with_an_example(shared):
    for moment in ("2024-03-07", "2024-03-07T10:00:00", "2024-03-07%2010:00:00Z", "2024-03-07T10Z", "yesterday"):
        reply = shared.get(f"/v1.0/users/{ANN}/onlineMeetings/getAllRecordings(meetingOrganizerUserId='{ANN}',startDateTime={moment})",
                           shared.app)
        assert reply.status == 400 and "2024-01-15T00:00:00Z" in message(reply), moment


def test_the_same_upn_in_path_and_argument_matches(shared):
    call = "/v1.0/users/{}/onlineMeetings/getAllRecordings(meetingOrganizerUserId={}){}"
    for tail in ("", "/delta"):
        for path, argument in (("ann@contoso.com", "'ann@contoso.com'"), ("Ann@Contoso.com", "'ANN%40CONTOSO.COM'"),
                               ("ann%40contoso.com", f"'{ANN.upper()}'"), (ANN, f"'{ANN}'"), ("ann@contoso.com", "@p")):
            reply = shared.get(call.format(path, argument, tail) + "?@p='ANN@contoso.com'", shared.app)
            assert len(ids(reply)) == 8, (path, argument)
        for path, argument in (("ann@contoso.com", "'bob@contoso.com'"), ("ann@contoso.com", f"'{BOB}'"), (ANN, "'bob@contoso.com'"),
                               ("ann@contoso.com", "'ann@contoso.com%20'"), ("ann@contoso.com", "'ann'")):
            reply = shared.get(call.format(path, argument, tail), shared.app)
            assert reply.status == 400 and "must match organizerId" in message(reply), (path, argument)


def test_the_recordings_of_a_meeting_are_filtered_by_their_correlation(shared):
    path = f"/v1.0/users/{ANN}/onlineMeetings/M-1/recordings"
    for name in ("contentCorrelationId", "contentcorrelationId", "CONTENTCORRELATIONID"):
        for blank in ("%20", "+"):
            assert ids(shared.get(f"{path}?$filter={name}{blank}eq{blank}'corr-1'", shared.app)) == ["rec-1", "rec-4", "rec-7"]
    assert ids(shared.get(f"{path}?$filter=contentCorrelationId+eq+'none'", shared.app)) == []
    assert ids(shared.get(f"{path}?$filter=not+startswith(contentCorrelationId,'corr-1')", shared.app)) == ["rec-2", "rec-3", "rec-5", "rec-6"]
    reported, link, pages = [], f"{path}?$filter=contentCorrelationId+ne+'corr-1'&$top=1", 0
    while link:
        page = shared.get(link, shared.app)
        reported, link, pages = reported + ids(page), page.json.get("@odata.nextLink"), pages + 1
        assert page.json["@odata.count"] == len(page.json["value"]) <= 1
    assert reported == ["rec-2", "rec-3", "rec-5", "rec-6"] and pages <= 5
    for bad in ("", "id+eq+'rec-1'", "meetingId+eq+'M-1'", "contentCorrelationId+gt+'x'"):
        reply = shared.get(f"{path}?$filter={bad}", shared.app)
        assert reply.status == 400 and "contentCorrelationId" in message(reply), bad
    first = shared.get(f"{path}/delta?$top=1", shared.app).json["@odata.nextLink"]
    beside = shared.get(first + "&$filter=contentCorrelationId+eq+'y'", shared.app)
    assert beside.status == 400 and beside.json["error"]["innerError"]["code"] == "DeltaFilterNotAllowed"
    assert shared.get(f"{path}/delta?$filter=contentCorrelationId+eq+'x'", shared.app).status == 400


def test_one_recording_takes_select(shared):
    path = f"/v1.0/users/{ANN}/onlineMeetings/M-1/recordings/rec-2"
    plain = {name for name in shared.get(f"{path}?$select=ContentCorrelationId,+createdDateTime", shared.app).json if "@" not in name}
    assert plain == {"id", "contentCorrelationId", "createdDateTime"}
    assert shared.get(f"{path}?select=recordingContentUrl", shared.app).json["recordingContentUrl"].endswith("/rec-2/content")
    unknown = shared.get(f"{path}?$select=name", shared.app)
    assert unknown.status == 400 and "callRecording" in message(unknown)


def test_a_refusal_names_the_missing_kind_of_permission_and_does_not_contradict_itself(shared):
    meeting = f"/v1.0/users/{ANN}/onlineMeetings/M-1/recordings"
    every = f"/v1.0/users/{ANN}/onlineMeetings/getAllRecordings(meetingOrganizerUserId='{ANN}')"
    human, program = shared.token("ann@contoso.com", READ), shared.app_token("Calendars.Read")
    for path in (meeting, every, f"{every}/delta", f"{meeting}/rec-1"):
        person = shared.get(path, human)
        assert code(person) == (403, "Forbidden")
        assert "application permission" in message(person) and "Roles on the request ''" in message(person)
        app = shared.get(path, program)
        assert "application permission" in message(app) and "Roles on the request 'Calendars.Read'" in message(app)


def test_names_may_have_any_letter_case(shared):
    for path in ("/V1.0/ME/CALENDARS?$TOP=1", "/v1.0/Me/Calendars/?TOP=1", "/BETA/me/calendars/MICROSOFT.GRAPH.DELTA()",
                 f"/v1.0/USERS('{ANN}')/CALENDAR", "/v1.0/me/CALENDARGROUPS", "/v1.0/$METADATA"):
        assert shared.get(path, shared.ann).status == 200, path
    call = f"/v1.0/users/{ANN}/ONLINEMEETINGS/GETALLRECORDINGS(MEETINGORGANIZERUSERID='{ANN}',STARTDATETIME=2024-03-07T10:00Z)"
    for tail in ("", "/DELTA", "/Microsoft.Graph.Delta"):
        assert ids(shared.get(call + tail, shared.app)) == ["rec-7", "rec-8"]
    reply = shared.get(f"{LIST}?$FILTER=STARTSWITH(NAME,'a')+AND+NOT+ISDEFAULTCALENDAR+EQ+TRUE&$ORDERBY=NAME+DESC&$COUNT=TRUE"
                       "&$SELECT=ID,NAME&$FORMAT=JSON", shared.ann)
    assert names(reply) == ["A+B"] and reply.json["@odata.count"] == 1
    assert shared.request("POST", "/v1.0/$BATCH", {"requests": [{"id": "1", "method": "GET", "url": "/ME/CALENDAR"}]},
                          shared.ann).json["responses"][0]["status"] == 200
