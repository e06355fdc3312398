# SPDX-License-Identifier: Apache-2.0
"""Readers that wait: `Prefer: wait` on a deltaLink, and streams of pages, over HTTP/1.1 and HTTP/2.

What ends the wait (a change by any way in, the time, the token, its revocation, the server's end, the client's leaving) and
what does not (a change of another feed).  The bounds of docs/operating.md, and the memory of one that waits.
"""
import contextlib
import json
import re
import socket
import struct
import threading
import time

import pytest
from conftest import guid, put, remove, to_lines, user

pytest.importorskip("h2", reason="Debian's python3-h2 is not installed")
from hyperframe.frame import GoAwayFrame  # noqa: E402
from test_http2 import Client, connect  # noqa: E402

ANN, ANN_ID, BOB, BOB_ID = "ann@contoso.com", guid(1), "bob@contoso.com", guid(2)
CALENDARS = "/v1.0/me/calendars"
LATEST = CALENDARS + "/delta?$deltatoken=latest"
LINES = [user(ANN, ANN_ID), user(BOB, BOB_ID), put(ANN_ID, {"id": "cal-0", "name": "first"}), put(BOB_ID, {"id": "b", "name": "b"})]
LONG_S = 50                              # a wait that something else must end
SOON_S = 20                              # … by then, on a busy machine
EVENTS = "text/event-stream"
KINDS = ("HTTP/1.1", "HTTP/2")


class Http1:
    """One request after the other; the answer's body as it comes."""

    def __init__(self, server, token):
        self.server, self.token = server, token
        self.sock = connect(server, protocols=("http/1.1",))
        self.sock.settimeout(SOON_S)
        self.data, self.fields = b"", {}

    def begin(self, path, **headers):
        path = path.removeprefix(self.server.base)
        lines = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{self.server.port}", f"Authorization: Bearer {self.token}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.sock.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        return self

    def more(self):
        got = self.sock.recv(65536)
        if not got:
            raise EOFError
        self.data += got

    def take(self, count):
        while len(self.data) < count:
            self.more()
        taken, self.data = self.data[:count], self.data[count:]
        return taken

    def line(self, end=b"\r\n"):
        while end not in self.data:
            self.more()
        line, _, self.data = self.data.partition(end)
        return line

    def head(self):
        status = int(self.line().split()[1])
        self.fields = {}
        while line := self.line():
            name, _, value = line.decode().partition(":")
            self.fields[name.lower()] = value.strip()
        return self.head() if status == 100 else status

    def piece(self):
        """The next bytes of a stream; b"" is its end."""
        size = int(self.line(), 16)
        piece = self.take(size)
        assert self.take(2) == b"\r\n"
        return piece

    def whole(self):
        status = self.head()
        return status, self.fields, self.take(int(self.fields["content-length"]))

    def close(self):
        self.sock.close()


class Http2:
    """The same on a stream of HTTP/2."""

    def __init__(self, server, token):
        self.server, self.client = server, Client(server, token)
        self.client.sock.settimeout(SOON_S)
        self.seen = 0
        # python3-h2 takes no frame after a GOAWAY, though streams that were begun go on (RFC 9113, 6.8).
        self.client.conn._frame_dispatch_table[GoAwayFrame] = lambda frame: ([], [])

    def begin(self, path, **headers):
        fields = [(name.replace("_", "-").lower(), value) for name, value in headers.items()]
        self.stream = self.client.send("GET", path.removeprefix(self.server.base), headers=fields)
        return self

    def head(self):
        while not self.client.replies[self.stream][0]:
            self.client.read()
        self.fields = self.client.replies[self.stream][0]
        return int(self.fields[":status"])

    def piece(self):
        reply = self.client.replies[self.stream]
        while len(reply[1]) == self.seen and not reply[2]:
            assert self.stream not in self.client.resets
            self.client.read()
        piece, self.seen = reply[1][self.seen:], len(reply[1])
        return piece

    def whole(self):
        fields, body, _ = self.client.wait(self.stream)[0]
        return int(fields[":status"]), fields, body

    def close(self):
        self.client.close()


def opened(kind, server, token):
    return contextlib.closing((Http1 if kind == KINDS[0] else Http2)(server, token))


class Events:
    """What an EventSource makes of the bytes (WHATWG, 9.2.6): (event, data, last id), and the comments apart."""

    def __init__(self, reader):
        self.reader, self.text, self.id, self.comments = reader, "", "", 0
        assert reader.head() == 200

    def next(self):
        """None: the stream has ended."""
        while True:
            while "\n\n" not in self.text:
                piece = self.reader.piece()
                if not piece:
                    assert self.text == "", "the stream ended inside an event"
                    return None
                self.text += piece.decode()
            block, _, self.text = self.text.partition("\n\n")
            name, data = "message", []
            for line in block.split("\n"):
                field, _, value = line.partition(": ")
                if line.startswith(":"):
                    self.comments += 1
                elif field == "id":
                    self.id = value
                elif field == "event":
                    name = value
                else:
                    assert field == "data", line
                    data.append(value)
            if data:
                return name, json.loads("\n".join(data)), self.id


def latest(server, token):
    return server.get(LATEST, token).json["@odata.deltaLink"]


def metric(server, name):
    return int(re.search(rf"^tidemark_{name} (\d+)$".encode(), server.control("GET", "/-/metrics").body, re.M)[1])


def await_waiting(server, count):
    end = time.monotonic() + SOON_S
    while metric(server, "answers_waiting") != count:
        assert time.monotonic() < end, f"{metric(server, 'answers_waiting')} wait, not {count}"
        time.sleep(0.01)


def change(server, token, name):
    assert server.request("POST", CALENDARS, {"name": name}, token).status == 201


def names(page):
    return [item.get("name") for item in page["value"]]


@pytest.fixture
def served(server):
    return server(lines=LINES)


# ---- Prefer: wait ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_held_poll_is_answered_by_a_change_and_by_the_end_of_its_time(served, kind):
    token = served.token(ANN)
    link = latest(served, token)
    with opened(kind, served, token) as reader:
        began = time.monotonic()
        status, fields, body = reader.begin(link, Prefer="wait=1").whole()
        page = json.loads(body)
        assert status == 200 and page["value"] == [] and page["@odata.deltaLink"] != link
        assert fields["preference-applied"] == "wait" and 1 <= time.monotonic() - began < 1 + SOON_S
    with opened(kind, served, token) as reader:
        began = time.monotonic()
        reader.begin(page["@odata.deltaLink"], Prefer="wait=99999999999999999999")      # it counts as the longest
        await_waiting(served, 1)
        change(served, token, "second")
        status, fields, body = reader.whole()
        assert status == 200 and names(json.loads(body)) == ["second"] and fields["preference-applied"] == "wait"
        assert time.monotonic() - began < SOON_S
    await_waiting(served, 0)


def test_only_a_delta_link_with_nothing_new_is_held_and_a_malformed_wait_is_ignored(served):
    token = served.token(ANN)
    link = latest(served, token)
    began = time.monotonic()
    for wait in ("wait", "wait=", "wait=x", "wait=-5", "wait=1.5", "wait=0", "wait=5s"):
        reply = served.get(link, token, {"Prefer": wait})
        assert reply.status == 200 and reply.json["value"] == [] and "Preference-Applied" not in reply.headers, wait
    for path in (LATEST, CALENDARS + "/delta", CALENDARS):
        reply = served.get(path, token, {"Prefer": f"wait={LONG_S}"})
        assert reply.status == 200 and "Preference-Applied" not in reply.headers, path
    inner = {"id": "1", "method": "GET", "url": link.split("/v1.0", 1)[1], "headers": {"Prefer": f"wait={LONG_S}", "Accept": EVENTS}}
    assert served.request("POST", "/v1.0/$batch", {"requests": [inner]}, token).json["responses"][0]["status"] == 406
    del inner["headers"]["Accept"]
    assert served.request("POST", "/v1.0/$batch", {"requests": [inner]}, token).json["responses"][0]["body"]["value"] == []
    change(served, token, "second")
    assert names(served.get(link, token, {"Prefer": f"wait={LONG_S}"}).json) == ["second"]
    assert time.monotonic() - began < LONG_S


def test_a_change_wakes_the_readers_of_its_own_feed_alone_by_whatever_way_it_comes(tm, served):
    ann, bob = served.token(ANN), served.token(BOB)
    recordings = f"/v1.0/users/{ANN_ID}/onlineMeetings/getAllRecordings(meetingOrganizerUserId='{ANN_ID}')/delta"
    app = served.app_token("OnlineMeetingRecording.Read.All")
    with opened(KINDS[0], served, ann) as hers, opened(KINDS[1], served, bob) as his, opened(KINDS[1], served, app) as its:
        hers.begin(latest(served, ann), Prefer=f"wait={LONG_S}")
        his.begin(latest(served, bob), Prefer=f"wait={LONG_S}")
        its.begin(served.get(recordings + "?$deltatoken=latest", app).json["@odata.deltaLink"], Prefer=f"wait={LONG_S}")
        await_waiting(served, 3)
        change(served, ann, "hers")
        assert names(json.loads(hers.whole()[2])) == ["hers"]
        assert metric(served, "answers_waiting") == 2
        tm("import", "-", store=served.store, input=to_lines([remove(BOB_ID, "b")]))
        assert json.loads(his.whole()[2])["value"][0]["@removed"] == {"reason": "deleted"}
        assert metric(served, "answers_waiting") == 1
        tm("import", "-", store=served.store, input=to_lines([put(ANN_ID, {
            "id": "r", "meetingId": "M", "createdDateTime": "2024-01-15T00:00:00Z"}, "recordings")]))
        assert [item["id"] for item in json.loads(its.whole()[2])["value"]] == ["r"]


# ---- streams -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_stream_brings_every_page_once_and_resumes_by_its_last_id(served, kind):
    token = served.token(ANN)
    for number in range(1, 4):
        change(served, token, f"n{number}")
    url = CALENDARS + "/delta?$select=id,name"
    with opened(kind, served, token) as reader:
        events = Events(reader.begin(url, Accept=EVENTS, Prefer="odata.maxpagesize=3", Accept_Encoding="gzip"))
        assert reader.fields["content-type"] == EVENTS and "content-length" not in reader.fields
        first, second = events.next(), events.next()
        assert names(first[1]) + names(second[1]) == ["first", "n1", "n2", "n3"]
        assert first[2] == first[1]["@odata.nextLink"] and second[2] == second[1]["@odata.deltaLink"]
        change(served, token, "later")
        later = events.next()
        assert later[0] == "message" and names(later[1]) == ["later"] and later[2] == later[1]["@odata.deltaLink"]
        assert "color" not in later[1]["value"][0], "the selection of the first request"
    await_waiting(served, 0)
    # From the first page on, by the link or by its token alone, whatever the URL says; and the link is good by itself.
    for id in (first[2], first[2].rpartition("=")[2]):
        with opened(kind, served, token) as reader:
            events = Events(reader.begin(url, Accept=EVENTS + ";odata.metadata=none", Last_Event_ID=id))
            assert names(events.next()[1]) == ["n3"] and names(events.next()[1]) == ["later"]
            assert events.comments == 0, "no time passed: the round that began before is at its end, and there is more"
    assert names(served.get(first[2], token).json) == ["n3"]


def test_a_stream_is_for_who_asks_for_one(served):
    token = served.token(ANN)
    for path, accept, status in ((CALENDARS, EVENTS, 406), (CALENDARS + "/delta", "*/*", 200), (CALENDARS + "/delta", "text/*", 406),
                                 (CALENDARS + "/delta", f"application/json, {EVENTS};q=0.5", 200)):
        reply = served.get(path, token, {"Accept": accept})
        assert reply.status == status and reply.headers["Content-Type"].startswith("application/json"), (path, accept)
    assert served.get(CALENDARS + "/delta", None, {"Accept": EVENTS}).status == 401
    assert served.request("HEAD", CALENDARS + "/delta", None, token, {"Accept": EVENTS}).status == 406
    assert served.get(CALENDARS + "/delta", token, {"Accept": EVENTS, "Last-Event-ID": "nonsense"}).status == 400
    # HTTP/1.0 has no chunks: the end of the connection is that of the stream.
    sock = connect(served, protocols=("http/1.1",))
    sock.sendall(f"GET {LATEST} HTTP/1.0\r\nHost: x\r\nAccept: {EVENTS}\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
    seen = b""
    while b"\n\n" not in seen.partition(b"\r\n\r\n")[2]:
        seen += sock.recv(65536)
    assert b"Transfer-Encoding" not in seen and seen.partition(b"\r\n\r\n")[2].startswith(b"id: ")
    sock.close()


@pytest.mark.parametrize("kind", KINDS)
def test_a_reader_that_is_slow_holds_one_page_and_gets_the_rest_when_it_reads(server, kind):
    big = "x" * 60000
    one = server(lines=[*LINES, *[put(ANN_ID, {"id": f"big-{n:03}", "name": f"{n}", "x": big}) for n in range(130)]])
    token = one.token(ANN)
    with opened(kind, one, token) as reader:
        events = Events(reader.begin(CALENDARS + "/delta", Accept=EVENTS))
        time.sleep(0.5)
        assert metric(one, "held_bytes") <= 2 << 20, "more than a page, which has at most 1 MiB of bodies"
        seen = []
        while len(seen) < 131:
            seen += names(events.next()[1])
        assert len(set(seen)) == 131


# ---- ends --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_streams_and_held_polls_end_when_their_token_expires(served, kind):
    life_s = 4
    made = time.monotonic()
    token = served.token(ANN, expires=f"{life_s}s")
    link = latest(served, served.token(ANN))
    with opened(kind, served, token) as streams, opened(kind, served, token) as holds:
        events = Events(streams.begin(link, Accept=EVENTS))
        holds.begin(link, Prefer=f"wait={LONG_S}")
        name, data, _ = events.next()
        assert name == "end" and data["status"] == 401 and data["error"]["code"] == "InvalidAuthenticationToken"
        assert "expired" in data["error"]["message"] and events.next() is None
        assert holds.whole()[0] == 401
        assert life_s - 1.5 < time.monotonic() - made < life_s + SOON_S
        # The skew of a minute is for polls.
        assert served.get(link, token).status == 200 and served.get(link, token, {"Accept": EVENTS}).status == 401


@pytest.mark.parametrize("kind", KINDS)
def test_streams_and_held_polls_end_when_their_token_is_revoked(tm, served, kind):
    token = served.token(BOB)
    link = latest(served, token)
    with opened(kind, served, token) as streams, opened(kind, served, token) as holds, opened(kind, served, served.token(ANN)) as hers:
        others = Events(hers.begin(LATEST, Accept=EVENTS))
        assert names(others.next()[1]) == []
        events = Events(streams.begin(link, Accept=EVENTS))
        holds.begin(link, Prefer=f"wait={LONG_S}")
        await_waiting(served, 3)
        tm("user", "remove", BOB, store=served.store)
        began = time.monotonic()
        name, data, _ = events.next()
        assert name == "end" and data["status"] == 401 and events.next() is None
        assert holds.whole()[0] == 401
        assert time.monotonic() - began < LONG_S / 2
        await_waiting(served, 1)
        change(served, served.token(ANN), "goes on")
        assert names(others.next()[1]) == ["goes on"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_stream_whose_state_is_gone_says_so_and_where_to_start(served, kind):
    token = served.app_token("Calendars.ReadWrite")
    url = f"/v1.0/users/{BOB_ID}/calendars/delta"
    with opened(kind, served, token) as reader:
        events = Events(reader.begin(url + "?$select=name", Accept=EVENTS))
        assert names(events.next()[1]) == ["b"]
        # One commit: no reader sees that the user was away, but the feed is another one.
        lines = [{"op": "remove-user", "id": BOB_ID}, user(BOB, BOB_ID), put(BOB_ID, {"id": "b", "name": "again"})]
        assert served.control("POST", "/-/apply", to_lines(lines)).status == 200
        name, data, _ = events.next()
        assert name == "end" and data["status"] == 410 and data["error"]["code"] == "SyncStateNotFound"
        assert "Start a new round" in data["error"]["message"] and events.next() is None
        assert names(served.get(data["location"], token).json) == ["again"] and "$select=id,name" in data["location"]
        assert served.get(url, token, {"Accept": EVENTS, "Last-Event-ID": events.id}).status == 410


@pytest.mark.parametrize("kind", KINDS)
def test_the_end_of_the_server_ends_what_waits_at_once_and_in_good_order(served, kind):
    token = served.token(ANN)
    link = latest(served, token)
    with opened(kind, served, token) as streams, opened(kind, served, token) as holds:
        events = Events(streams.begin(link, Accept=EVENTS))
        holds.begin(link, Prefer=f"wait={LONG_S}")
        await_waiting(served, 2)
        began = time.monotonic()
        ender = threading.Thread(target=served.stop)
        ender.start()
        status, _, body = holds.whole()
        assert status == 200 and json.loads(body)["value"] == [] and events.next() is None
        ender.join()
        assert time.monotonic() - began < 8, "less than the ten seconds of a drain"


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_kept_for_a_client_that_has_left(served, kind):
    token = served.token(ANN)
    link = latest(served, token)
    for headers in ({"Accept": EVENTS}, {"Prefer": f"wait={LONG_S}"}):
        for reset in (False, True):
            with opened(kind, served, token) as reader:
                reader.begin(link, **headers)
                await_waiting(served, 1)
                if reset:
                    sock = reader.sock if kind == KINDS[0] else reader.client.sock
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            await_waiting(served, 0)
    if kind == KINDS[1]:
        with opened(kind, served, token) as reader:
            reader.begin(link, Accept=EVENTS)
            await_waiting(served, 1)
            reader.client.conn.reset_stream(reader.stream)
            reader.client.flush()
            await_waiting(served, 0)
            assert reader.client.ask("GET", CALENDARS)[0] == 200


# ---- many --------------------------------------------------------------------------------------------------------


def whole_pages(text):
    """An event ends with an empty line: before that its page may be there in part."""
    return sum(b"\ndata: " in event for event in text.split(b"\n\n")[:-1])


def test_many_streams_and_polls_live_beside_each_other_on_one_connection(served):
    token = served.token(ANN)
    link = latest(served, token)
    client = Client(served, token)
    path = link.removeprefix(served.base)
    streams = [client.send("GET", path, headers=[("accept", EVENTS)]) for _ in range(60)]
    holds = [client.send("GET", path, headers=[("prefer", f"wait={LONG_S}")]) for _ in range(30)]
    await_waiting(served, 90)
    assert client.ask("GET", CALENDARS)[0] == 200
    for number in range(3):
        change(served, token, f"n{number}")
        for stream in streams:
            while whole_pages(client.replies[stream][1]) < number + 1:
                client.read()
    for fields, body, _ in client.wait(*holds):
        assert fields[":status"] == "200" and names(json.loads(body))[0] == "n0"
    for stream in streams:
        seen = [json.loads(line[6:]) for line in client.replies[stream][1].decode().split("\n") if line.startswith("data: ")]
        assert [name for page in seen for name in names(page)] == ["n0", "n1", "n2"]
    await_waiting(served, 60)
    client.close()
    await_waiting(served, 0)
