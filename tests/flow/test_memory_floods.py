# SPDX-License-Identifier: Apache-2.0
"""Peers that make the server hold memory: bodies that stop, answers that are not taken, batches that answer much.

What all peers and each of them hold has limits (docs/operating.md): 503 beyond.  Attackers come from 127.0.0.2; a good
client beside them does not fail, and the release build stays under 128 MB.  bench/floods runs the same attacks.
"""
import json
import pathlib
import random
import socket
import struct
import threading
import time

import pytest
from conftest import BIN, guid, put, user, usual

h2 = pytest.importorskip("h2", reason="Debian's python3-h2 is not installed")
import test_http2 as flows  # noqa: E402

ANN, ANN_ID = "ann@contoso.com", guid(0xa22)
BEN, BEN_ID = "ben@contoso.com", guid(0xbe2)
DELTA = "/v1.0/me/calendars/delta"
POLL = DELTA + "?$deltatoken=latest"
FORM = f"/{guid(1)}/oauth2/v2.0/token"
FULL = {"Prefer": "odata.maxpagesize=1000"}
BAD = "127.0.0.2"
MEMORY_MAX_KB = 125_000                  # 128 MB
ITEMS = 1000                             # a full page of some 600 KB
SANITIZED = b"__asan_init" in pathlib.Path(BIN).read_bytes()


def mailbox():
    recordings = [put(ANN_ID, {"id": f"rec-{n}", "meetingId": "meet-1", "createdDateTime": "2024-01-15T00:00:00Z"}, "recordings") for n in range(4)]
    big = [user(BEN, id=BEN_ID), *[put(BEN_ID, {"id": id, "name": id, "x": "x" * 900_000}) for id in ("big", "large")]]
    return [user(ANN, id=ANN_ID), *recordings, *big] + [put(ANN_ID, {"id": f"cal-{n:04}", "name": f"calendar {n:04}", "x": "x" * 300})
                                     for n in range(ITEMS)]


def peak_kb(one):
    lines = pathlib.Path(f"/proc/{one.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def connect(one, small=False):
    sock = socket.socket()
    if small:                            # the server's kernel takes little for it: what is not read stays in the server
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
    sock.bind((BAD, 0))
    sock.settimeout(20)
    sock.connect(("127.0.0.1", one.port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def head(one, method, path, token=None, **fields):
    lines = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{one.port}"]
    lines += [f"Authorization: Bearer {token}"] if token else []
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def batch_of(path, count=20, method="GET", headers=FULL):
    return json.dumps({"requests": [{"id": str(n), "method": method, "url": path, "headers": headers} for n in range(count)]})


class Taker(flows.Raw):
    """A peer of HTTP/2 that keeps to the windows it is given, and gives one of its own: zero."""

    def __init__(self, one, token):
        self.sock, self.port, self.token, self.stream = connect(one), one.port, token, 1
        self.encoder, self.decoder = flows.hpack.Encoder(), flows.hpack.Decoder()
        self.statuses, self.over, self.windows, self.data = {}, set(), {0: 65535}, b""
        self.send(flows.PREFACE + flows.frame(flows.SETTINGS, 0, 0, struct.pack(">HI", 4, 0)))

    def ask(self, method, path, body=None, **fields):
        """The body, if there is one, has no end."""
        stream, self.stream = self.stream, self.stream + 2
        named = [(":method", method), (":scheme", "http"), (":authority", f"127.0.0.1:{self.port}"), (":path", path)]
        named += [("authorization", f"Bearer {self.token}")] if self.token else []
        named += [(name.lower().replace("_", "-"), value) for name, value in fields.items()]
        flags = flows.END_HEADERS | (0 if body else flows.END_STREAM)
        self.send(flows.frame(flows.HEADERS, flags, stream, self.encoder.encode(named)))
        self.windows[stream] = 65535
        while body and stream not in self.over and stream not in self.statuses:
            size = min(16384, len(body), self.windows[0], self.windows[stream])
            if size == 0:
                self.read()
                continue
            self.send(flows.frame(flows.DATA, 0, stream, body[:size]))
            self.windows[0] -= size
            self.windows[stream] -= size
            body = body[size:]

    def read(self):
        got = self.sock.recv(65536)
        if not got:
            raise EOFError
        self.data += got
        while len(self.data) >= 9 and len(self.data) >= 9 + int.from_bytes(self.data[:3], "big"):
            length, kind, flags = int.from_bytes(self.data[:3], "big"), self.data[3], self.data[4]
            stream, payload = int.from_bytes(self.data[5:9], "big"), self.data[9:9 + length]
            self.data = self.data[9 + length:]
            if kind == flows.HEADERS:
                self.statuses[stream] = int(dict(self.decoder.decode(payload))[":status"])
            elif kind == flows.RST:
                self.over.add(stream)
            elif kind == flows.WINDOW:
                self.windows[stream] = self.windows.get(stream, 0) + int.from_bytes(payload, "big")

    def look(self, seconds):
        """Sends a PING, reads what comes, and says what was answered."""
        self.sock.settimeout(seconds)
        try:
            self.send(flows.frame(flows.PING, 0, 0, bytes(8)))
            while True:
                self.read()
        except (TimeoutError, EOFError, OSError):
            pass
        return list(self.statuses.values())


# ---- the attacks: each gives what keeps the memory held, and the statuses it has seen ---------------------------------


def forms_over_http2(one, token, connections=4, streams=40, size=(1 << 20) - 1):
    takers, seen = [Taker(one, None) for _ in range(connections)], []
    for taker in takers:
        try:
            for _ in range(streams):
                taker.ask("POST", FORM, bytes(size), Content_Type="application/x-www-form-urlencoded")
        except (OSError, EOFError):
            pass
    until = time.monotonic() + 60
    while not {413, 503} & set(seen) and time.monotonic() < until:
        seen = [status for taker in takers for status in taker.look(0.02)]
    return takers, seen


def small_forms_over_http2(one, token):
    """Each within the limit of a form, and together too much for one who is not known."""
    return forms_over_http2(one, token, 10, 100, 16384)


def status_of(sock, seconds=0.5):
    sock.settimeout(seconds)
    try:
        return int(sock.recv(12, socket.MSG_PEEK).split()[1])
    except (TimeoutError, OSError, IndexError):
        return 0


def forms_over_http1(one, token, connections=140):
    """In chunks, so that their length is not announced."""
    socks = []
    for _ in range(connections):
        sock = connect(one)
        socks.append(sock)
        try:
            sock.sendall(head(one, "POST", FORM, Content_Type="application/x-www-form-urlencoded", Transfer_Encoding="chunked"))
            for _ in range(15):
                sock.sendall(b"10000\r\n" + bytes(65536) + b"\r\n")
        except OSError:
            pass
    return socks, [status_of(sock, 5) for sock in socks]


def zero_window(one, token, connections=24):
    takers = [Taker(one, token) for _ in range(connections)]
    for taker in takers:
        for _ in range(12):
            taker.ask("GET", DELTA, **FULL)
    until, seen = time.monotonic() + 60, []
    while 503 not in seen and time.monotonic() < until:
        seen = [status for taker in takers for status in taker.look(0.02)]
    return takers, seen


def pages_not_read(one, token, connections=80):
    socks = [connect(one, small=True) for _ in range(connections)]
    for sock in socks:
        sock.sendall(head(one, "GET", DELTA, token, **FULL))
    return socks, [status_of(sock, 20) for sock in socks]


def batches_of_large_items(one, token):
    """How much memory an answer takes is known when it is made; so few are made at a time."""
    return batches(one, one.token(BEN), 64, batch_of("/me/calendars", headers={"Accept": "application/json;odata.metadata=full"}))


def batches(one, token, connections=5 if SANITIZED else 12, body=batch_of(DELTA[5:])):
    """23 KB of requests, 180 MB of answers."""
    body = body.encode()
    socks = [connect(one, small=True) for _ in range(connections)]
    for sock in socks:
        sock.sendall(head(one, "POST", "/v1.0/$batch", token, Content_Type="application/json", Content_Length=len(body)) + body)
    return socks, [status_of(sock, 60) for sock in socks]


ATTACKS = [forms_over_http2, small_forms_over_http2, forms_over_http1, zero_window, pages_not_read, batches, batches_of_large_items]


def close_all(held):
    for one in held:
        (one.sock if isinstance(one, Taker) else one).close()


# ---- what a good client feels --------------------------------------------------------------------------------------------


class Good(threading.Thread):
    """Polls over both protocols all the while, on one connection from the attackers' own address."""

    def __init__(self, one, token):
        super().__init__()
        self.one, self.token = one, token
        self.over, self.took, self.failed = threading.Event(), [], []

    def poll_all(self, client, neighbour):
        begin = time.monotonic()
        statuses = [client.ask("GET", POLL)[0], self.one.get(POLL, self.token).status]
        neighbour.sendall(head(self.one, "GET", POLL, self.token))
        statuses.append(int(neighbour.recv(65536).split()[1]))
        self.took.append((time.monotonic() - begin) / 3)
        self.failed += [status for status in statuses if status != 200]

    def run(self):
        client, neighbour = flows.Client(self.one, self.token), connect(self.one)
        try:
            while not self.over.is_set():
                self.poll_all(client, neighbour)
                time.sleep(0.01)
            self.poll_all(client, neighbour)
        except Exception as fault:       # noqa: BLE001: whatever it is, a poll failed
            self.failed.append(repr(fault))
        client.close()
        neighbour.close()

    def stop(self):
        self.over.set()
        self.join()
        return self.failed


def use_well(one, token):
    """What a good client may do: many streams of polls and of full pages, a batch of full pages, large uploads at once."""
    client = flows.Client(one, token)
    streams = [client.send("GET", POLL) for _ in range(100)]
    streams += [client.send("GET", DELTA, headers=[("prefer", FULL["Prefer"])]) for _ in range(12)] if not SANITIZED else []
    assert {fields[":status"] for fields, _, _ in client.wait(*streams)} == {"200"}
    batch = one.request("POST", "/v1.0/$batch", batch_of(DELTA[5:]), token, {"Content-Type": "application/json"})
    parts = batch.json["responses"]
    assert batch.status == 200 and {part["status"] for part in parts} == {200}
    assert {len(part["body"]["value"]) for part in parts} == {ITEMS}
    content = random.Random(1).randbytes(1 << 20)
    writer = one.app_token("OnlineMeetingRecording.ReadWrite.All")
    client.token = writer
    uploads = [client.send("PUT", f"/v1.0/users/{ANN_ID}/onlineMeetings/meet-1/recordings/rec-{n}/content", end=False)
               for n in range(4)]
    for at in range(0, len(content), 16384):
        for stream in uploads:
            while client.conn.local_flow_control_window(stream) < 16384:
                client.read()
            client.conn.send_data(stream, content[at:at + 16384], end_stream=at + 16384 == len(content))
            client.flush()
    assert {fields[":status"] for fields, _, _ in client.wait(*uploads)} == {"204"}
    client.close()


def rename(one, name):
    """Of a calendar with 900 KB, by one from the attackers' own address."""
    sock, body = connect(one), json.dumps({"name": name}).encode()
    sock.sendall(head(one, "PATCH", "/v1.0/me/calendars/big", one.token(BEN), Content_Type="application/json",
                      Content_Length=len(body)) + body)
    status = status_of(sock, 20)
    sock.close()
    return status


def name_of_big(one):
    return one.get("/v1.0/me/calendars/big?$select=name", one.token(BEN)).json["name"]


# Sanitizers make all of it several times slower: there one attack of each kind will do.
@pytest.mark.parametrize("attack", ATTACKS if not SANITIZED else [small_forms_over_http2, zero_window, batches])
def test_a_flood_of_memory_is_refused_and_good_clients_do_not_feel_it(server, attack):
    one = server("--tls", "off", lines=mailbox())
    token = one.token(ANN)
    good = Good(one, token)
    good.start()
    held, seen = attack(one, token)
    try:
        counts, peak = {status: seen.count(status) for status in sorted(set(seen))}, peak_kb(one)
        print(attack.__name__, counts, peak, "kB")
        if attack in (forms_over_http2, forms_over_http1):
            assert set(seen) == {413}
        elif attack not in (batches, batches_of_large_items):
            assert 503 in seen, "nothing was refused"
        if attack is batches:
            use_well(one, token)
        if attack is pages_not_read:     # what could not be answered is not done
            assert (rename(one, "other"), name_of_big(one)) == (503, "big")
            close_all(held)
            assert (rename(one, "other"), name_of_big(one)) == (200, "other")
        assert good.stop() == []
        assert SANITIZED or peak < MEMORY_MAX_KB
    finally:
        good.stop()
        close_all(held)


@pytest.mark.skipif(SANITIZED, reason="memory is measured on the release build")
def test_recordings_of_a_meeting_that_are_large_come_in_more_pages_and_little_memory(server):
    pad = "x" * 600_000
    many = [put(ANN_ID, {"id": f"rec-{n}", "meetingId": "M", "createdDateTime": "2024-01-15T00:00:00Z", "pad": pad}, "recordings")
            for n in range(20)]
    one = server("--tls", "off", lines=[user(ANN, id=ANN_ID), {"op": "policy", "value": {"app": guid(0xa99), "global": True}}, *many])
    token = one.app_token("OnlineMeetingRecording.Read.All")
    before, reported = peak_kb(one), []
    link = f"/v1.0/users/{ANN_ID}/onlineMeetings/M/recordings"
    while link:
        page = one.get(link, token, FULL).json
        reported += [item["id"] for item in page["value"]]
        link = page.get("@odata.nextLink")
    assert reported == [f"rec-{n}" for n in range(20)]
    assert peak_kb(one) - before < 10_000


@pytest.mark.skipif(SANITIZED, reason="memory is measured on the release build")
def test_an_ordered_list_needs_memory_for_its_page_not_for_the_list(server):
    """A page of 10 of very many calendars, in the worst order for it: the last one that is read is the first of the page."""
    count, top = usual(30_000, 100_000, 100_000), "$top=10"
    one = server("--tls", "off", lines=[user(ANN, id=ANN_ID), *[put(ANN_ID, {"id": f"{n}", "name": f"{count - n:0200}"}) for n in range(count)]])
    token = one.token(ANN)
    assert one.get(f"/v1.0/me/calendars?{top}", token).status == 200
    before = peak_kb(one)
    for query in (f"$orderby=name&$count=true&{top}", f"$orderby=name%20desc&$skip=100&{top}"):
        page = one.get(f"/v1.0/me/calendars?{query}", token)
        assert page.status == 200 and len(page.json["value"]) == 10 and "@odata.nextLink" in page.json
        follows = one.get(page.json["@odata.nextLink"], token).json["value"]
        names = [item["name"] for item in page.json["value"] + follows]
        assert names == [f"{n:0200}" for n in (range(count - 100, count - 120, -1) if "skip" in query else range(1, 21))]
    assert peak_kb(one) - before < 4_000
