# SPDX-License-Identifier: Apache-2.0
"""One caller cannot slow the others down: floods of one caller, and what good clients of others get meanwhile.

Mallory asks for long lists, sends bodies that drip, leaves batches, writes and sends wrong secrets as fast as it can.  Ann
polls, writes, lists, uploads, sends batches and signs in: none of that fails.  The bounds of docs/operating.md hold, as the metrics of the control socket
show.  bench/floods runs the same attacks and measures.  Nothing here asserts a time.
"""
import contextlib
import json
import os
import pathlib
import re
import socket
import threading
import time
import urllib.parse

import pytest
from conftest import guid, issued, put, user, usual
from test_sign_in import FORM, Client, ask

ANN, ANN_ID = "ann@contoso.com", guid(0xa22)
MALLORY, MALLORY_ID = "mallory@contoso.com", guid(0xbad)
GOOD_APP, BAD_APP = guid(0x900d), guid(0xbada)
READ, WRITE = "OnlineMeetingRecording.Read.All", "OnlineMeetingRecording.ReadWrite.All"
CALENDARS = "/v1.0/me/calendars"
POLL = CALENDARS + "/delta?$deltatoken=latest"
LONG_LISTS = [CALENDARS + "?$count=true&$filter=not%20startswith(name,'x')", CALENDARS + "?$orderby=name%20desc&$top=1000",
              CALENDARS + "/$count?$filter=startswith(name,'c')", CALENDARS + "?$filter=startswith(name,'none')"]
ITEMS = 3000
BUSY = 429, 503
HUGE = 1 << 26


def mailboxes(items=ITEMS):
    recordings = [put(owner, {"id": f"rec-{n}", "meetingId": "M-0", "createdDateTime": "2024-01-15T00:00:00Z"}, "recordings")
                  for owner in (ANN_ID, MALLORY_ID) for n in range(4)]
    return [user(ANN, ANN_ID), user(MALLORY, MALLORY_ID), *recordings,
            *[{"op": "policy", "value": {"app": app, "global": True}} for app in (GOOD_APP, BAD_APP)],
            *[put(MALLORY_ID, {"id": f"cal-{n:05}", "name": f"calendar {n:05}", "x": "x" * 100}) for n in range(items)]]


def content_path(owner, number):
    return f"/v1.0/users/{owner}/onlineMeetings/M-0/recordings/rec-{number}/content"


def head(one, method, path, token, length=None):
    fields = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{one.port}", f"Authorization: Bearer {token}"]
    fields += ["Content-Type: application/json", f"Content-Length: {length}"] if length is not None else []
    return ("\r\n".join(fields) + "\r\n\r\n").encode()


def read_reply(sock):
    """The status, and the body; nothing of the next reply is read.  A connection that ends before is an OSError."""
    data = b""
    while b"\r\n\r\n" not in data:
        seen = data + sock.recv(65536, socket.MSG_PEEK)
        if seen == data:
            raise ConnectionResetError
        end = seen.find(b"\r\n\r\n")
        data += sock.recv((end + 4 if end >= 0 else len(seen)) - len(data))
    fields, _, body = data.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\ncontent-length: (\d+)", fields)
    while length and len(body) < int(length[1]):
        more = sock.recv(int(length[1]) - len(body))
        if not more:
            raise ConnectionResetError
        body += more
    return int(fields.split()[1]), body


def batch(name, count=20, reads=False):
    parts = [{"id": str(n), "method": "GET", "url": LONG_LISTS[0][5:]} if reads and n % 2 else
             {"id": str(n), "method": "POST", "url": "/me/calendars", "body": {"name": f"{name} {n}"},
              "headers": {"Content-Type": "application/json"}} for n in range(count)]
    return json.dumps({"requests": parts}).encode()


def metric(one, name):
    return int(re.search(rf"^tidemark_{name} (\d+)$".encode(), one.control("GET", "/-/metrics").body, re.M)[1])


class Flood:
    """Attackers in threads of their own, until stop(); `seen` has the statuses they got."""

    def __init__(self, one):
        self.one, self.over = one, threading.Event()
        self.token, self.writer = one.token(MALLORY), one.app_token(READ, WRITE, app=BAD_APP)
        self.seen, self.refused, self.threads, self.kept, self.faults = [], [], [], [], []

    def run(self, act, count):
        def go(number):
            while not self.over.is_set():
                try:
                    act(number)
                except OSError:
                    time.sleep(0.01)         # what an attacker feels does not count
                except Exception as fault:   # noqa: BLE001
                    self.faults.append(repr(fault))
                    return
        self.threads += [threading.Thread(target=go, args=(n,), daemon=True) for n in range(count)]
        for thread in self.threads[-count:]:
            thread.start()

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.one.port), timeout=60, source_address=("127.0.0.2", 0))

    def note(self, status):
        self.seen.append(status)
        if status in BUSY:
            time.sleep(0.01)

    def stop(self):
        self.over.set()
        for sock in self.kept:
            sock.close()
        for thread in self.threads:
            thread.join(60)
        assert not self.faults, self.faults


def long_lists(flood, connections=4):
    """Pipelined, so that each connection always has the next one waiting."""
    def act(number):
        with flood.connect() as sock:
            request = head(flood.one, "GET", LONG_LISTS[number % len(LONG_LISTS)], flood.token)
            sock.sendall(request * 2)
            while not flood.over.is_set():
                flood.note(read_reply(sock)[0])
                sock.sendall(request)
    flood.run(act, connections)


def slow_uploads(flood, connections=70):
    """As many as a caller may have, and some more; each sends a KiB a second."""
    def begin():
        sock = flood.connect()
        flood.kept.append(sock)
        sock.sendall(head(flood.one, "PUT", content_path(MALLORY_ID, 0), flood.writer, HUGE) + b"x" * 100)

    def drip(_):
        for sock in flood.kept[:]:
            with contextlib.suppress(OSError):
                sock.sendall(b"x" * 1024)
        flood.over.wait(1)
    for _ in range(connections):
        begin()
    flood.run(drip, 1)


def batches_left(flood, connections=6):
    """Batches of long lists and writes, whose clients leave at once or after a moment."""
    def act(number):
        body = batch(f"left {number}", reads=True)
        with flood.connect() as sock:
            sock.sendall(head(flood.one, "POST", "/v1.0/$batch", flood.token, len(body)) + body)
            flood.over.wait(0.05 * number)
    flood.run(act, connections)


def many_writes(flood, connections=8):
    def act(number):
        body = b'{"color":"auto"}'
        with flood.connect() as sock:
            while not flood.over.is_set():
                sock.sendall(head(flood.one, "PATCH", f"{CALENDARS}/cal-{number:05}", flood.token, len(body)) + body)
                flood.note(read_reply(sock)[0])
    flood.run(act, connections)


def chosen(one):
    """A client whose secret somebody chose: argon2id checks it."""
    file = pathlib.Path(one.runner.home, "secret")
    file.write_text(issued("a long and secret sentence") + "\n")
    return Client(one, "Calendars.Read", **{"secret-file": file})


def sign_in(one, tenant, form):
    body = urllib.parse.urlencode(form).encode()
    fields = [f"POST /{tenant}/oauth2/v2.0/token HTTP/1.1", f"Host: 127.0.0.1:{one.port}", f"Content-Type: {FORM['Content-Type']}",
              f"Content-Length: {len(body)}"]
    return ("\r\n".join(fields) + "\r\n\r\n").encode() + body


def wrong_secrets(flood, connections=4, pause=0.1):
    """For a client with a chosen secret, and for nobody.  Without pauses they take a core or two, which only a bench wants."""
    app = chosen(flood.one)
    requests = [sign_in(flood.one, app.tenant, app.form(**wrong)) for wrong in ({"client_secret": "wrong"}, {"client_id": guid(77)})]

    def act(number):
        with flood.connect() as sock:
            while not flood.over.is_set():
                sock.sendall(requests[number % 2])
                flood.refused.append(read_reply(sock)[0])
                flood.over.wait(pause)
    flood.run(act, connections)


ATTACKS = [long_lists, slow_uploads, batches_left, many_writes]


class Good:
    """A client of each kind; any answer but the right one fails the test."""

    def __init__(self, one):
        self.one, self.token, self.writer = one, one.token(ANN), one.app_token(READ, WRITE, app=GOOD_APP)
        self.app, self.count = Client(one), 0

    def use(self):
        self.count += 1
        name, one = f"good {self.count}", self.one
        assert one.get(POLL, self.token).status == 200
        assert one.request("POST", CALENDARS, {"name": name}, self.token).status == 201
        listed = one.get(f"{CALENDARS}?$count=true&$filter=startswith(name,'good')&$top=1000", self.token)
        assert listed.status == 200 and name in {item["name"] for item in listed.json["value"]}
        ordered = one.get(f"{CALENDARS}?$orderby=name&$top=1000", self.token).json["value"]
        assert [item["name"] for item in ordered] == sorted((item["name"] for item in ordered), key=str.casefold)
        parts = one.request("POST", "/v1.0/$batch", batch(f"good batch {self.count}", 4, True), self.token,
                            {"Content-Type": "application/json"}).json["responses"]
        assert sorted(part["status"] for part in parts) == [200, 200, 201, 201]
        body = os.urandom(200_000)
        stored = one.request("PUT", content_path(ANN_ID, 1), body, self.writer)
        assert stored.status == 204, (stored.body, metric(one, "held_bytes"))
        assert one.get(content_path(ANN_ID, 1), self.writer).body == body
        assert [ask(one, self.app.tenant, self.app.form()).status for _ in range(4)] == [200] * 4


def await_metric(one, name, right):
    end = time.monotonic() + 60
    while not right(metric(one, name)):
        assert time.monotonic() < end, f"{name} is {metric(one, name)}"
        time.sleep(0.02)


def check_bounds(one):
    assert metric(one, "uploads") <= 64 and metric(one, "workers_busy") <= 16 + 4 + 2
    assert metric(one, "requests_waiting") <= 2 * 272 + 64 and metric(one, "held_bytes") <= 64 << 20
    assert metric(one, "secret_checks") <= 4


def flooded(one, attacks, rounds):
    flood, good = Flood(one), Good(one)
    try:
        for attack in attacks:
            attack(flood)
        for _ in range(rounds):
            good.use()
            check_bounds(one)
        if slow_uploads in attacks:
            assert metric(one, "requests_throttled_total") > 0
    finally:
        flood.stop()
    # What was done for those that left comes to an end.
    for name in ("uploads", "workers_busy", "requests_waiting", "held_bytes", "secret_checks"):
        await_metric(one, name, lambda value: value == 0)
    good.use()
    assert set(flood.seen) <= {200, *BUSY}
    assert set(flood.refused) <= {401, 503} and 401 in flood.refused
    assert metric(one, "sign_ins_refused_total") >= flood.refused.count(401)
    one.stop()


def test_good_clients_get_everything_while_one_caller_floods(server):
    flooded(server("--tls", "off", lines=mailboxes()), [*ATTACKS, wrong_secrets], usual(1, 3, 3))


def test_bodies_that_drip_leave_all_workers_to_others(server):
    one = server("--tls", "off", lines=mailboxes(10))
    flood, good = Flood(one), Good(one)
    slow_uploads(flood)
    await_metric(one, "uploads", lambda value: value == 64)
    await_metric(one, "requests_throttled_total", lambda value: value == 6)
    await_metric(one, "workers_busy", lambda value: value == 0)
    good.use()
    statuses = sorted(read_reply(sock)[0] for sock in flood.kept if ready(sock))
    assert statuses == [429] * 6
    flood.stop()
    await_metric(one, "uploads", lambda value: value == 0)
    one.stop()


def ready(sock):
    sock.settimeout(0.05)
    try:
        return bool(sock.recv(1, socket.MSG_PEEK))
    except TimeoutError:
        return False


@pytest.mark.parametrize("query", ["$orderby=name", "$orderby=name%20desc&$skip=700", "$count=true&$filter=startswith(name,'calendar%20027')",
                                   "$skip=1500", "$filter=not%20startswith(name,'x')&$skip=1200&$top=50"])
def test_a_list_that_is_made_in_slices_is_the_same_list(server, query):
    """Its slices hold 256 items; the order of creation is that of the names."""
    one = server("--tls", "off", lines=mailboxes())
    token, link, came = one.token(MALLORY), f"{CALENDARS}?{query}{'' if '$top' in query else '&$top=1000'}", []
    total = None
    while link:
        page = one.get(link, token).json
        total = page.get("@odata.count", total)
        came += [item["name"] for item in page["value"]]
        link = page.get("@odata.nextLink")
    names = [f"calendar {n:05}" for n in range(ITEMS)]
    if "027" in query:
        names = [name for name in names if name.startswith("calendar 027")]
        assert total == len(names)
    skip = re.search(r"\$skip=(\d+)", query)
    assert came == sorted(names, reverse="desc" in query)[int(skip[1]) if skip else 0:]
