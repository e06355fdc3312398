# SPDX-License-Identifier: Apache-2.0
"""How serve ends: within its time whatever runs, with all it acknowledged; and work for clients that left is not begun."""
import concurrent.futures
import contextlib
import json
import os
import re
import signal
import socket
import sqlite3
import ssl
import subprocess
import threading
import time
import urllib.parse

import pytest

from conftest import BIN, base_env, check_sanitizers, guid, put, to_lines, user

pytest.importorskip("h2", reason="Debian's python3-h2 is not installed")
from test_http2 import Client  # noqa: E402
from test_recordings_content import APP, READ, WRITE, raw, upload_head, read_status  # noqa: E402
from test_sign_in import FORM, Client as App  # noqa: E402

ANN, ANN_ID = "ann@contoso.com", guid(1)
CALENDARS = "/v1.0/me/calendars"
DRAIN_SECONDS = 10
HUGE = 1 << 26
LINES = [user(ANN, ANN_ID), {"op": "policy", "value": {"app": APP, "global": True}},
         *[put(ANN_ID, {"id": f"rec-{n}", "meetingId": "M-0", "createdDateTime": "2024-01-15T00:00:00Z"}, "recordings")
           for n in range(4)]]


def content_path(number):
    return f"/v1.0/users/{ANN_ID}/onlineMeetings/M-0/recordings/rec-{number}/content"


@contextlib.contextmanager
def write_lock(server):
    """Nothing can be written to the store: whoever writes waits, for 5 seconds at most."""
    db = sqlite3.connect(server.path, isolation_level=None)
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        db.execute("ROLLBACK")
        db.close()


def batch(name, count=20):
    return json.dumps({"requests": [{"id": str(n), "method": "POST", "url": "/me/calendars", "body": {"name": f"{name} {n}"},
                                     "headers": {"Content-Type": "application/json"}} for n in range(count)]}).encode()


def workers_busy(server):
    return int(re.search(rb"^tidemark_workers_busy (\d+)$", server.control("GET", "/-/metrics").body, re.M)[1])


def await_workers(server, count):
    end = time.monotonic() + 60
    while workers_busy(server) != count:
        assert time.monotonic() < end, f"{workers_busy(server)} workers are busy, not {count}"
        time.sleep(0.01)


def send_http1(server, method, path, body, token):
    sock = raw(server)
    sock.sendall(f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nAuthorization: Bearer {token}\r\n"
                 f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
    return sock


def names(tm, store, word):
    values = [json.loads(line)["value"] for line in tm("export", store=store).stdout.splitlines()]
    return [value["name"] for value in values if "name" in value and value["name"].startswith(word)]


def await_end(server):
    """It was told to end: it does, in good order."""
    server.process.wait(3 * DRAIN_SECONDS)
    server.stop()


def has_ended(sock):
    try:
        return sock.recv(65536) == b""
    except OSError:
        return True


# ---- clients that left ---------------------------------------------------------------------------------------


def test_work_of_a_stream_that_was_reset_is_not_begun(tm, server, store):
    """A batch stops at the request it is at; writes that wait for the group's thread, and for a worker, are not made."""
    one = server(lines=LINES)
    client = Client(one, one.token(ANN))
    with write_lock(one):
        kept = client.send("POST", CALENDARS, b'{"name":"kept"}')
        batches = [client.send("POST", "/v1.0/$batch", batch(f"left {n}")) for n in range(3)]
        await_workers(one, len(batches))
        writes = [client.send("POST", CALENDARS, json.dumps({"name": f"queued {n}"}).encode()) for n in range(20)]
        for stream in batches + writes:
            client.conn.reset_stream(stream)
        client.flush()
        # The loop answers this behind the resets.
        assert client.ask("GET", "/v1.0")[0] == 200
    assert client.wait(kept)[0][0][":status"] in ("201", "503")
    await_workers(one, 0)
    assert client.ask("POST", CALENDARS, b'{"name":"still served"}')[0] == 201
    client.close()
    one.stop()
    assert len(names(tm, store, "left")) <= len(batches)
    # The first may have been taken together with the one that is kept.
    assert len(names(tm, store, "queued")) <= 1


def test_batches_whose_clients_have_left_do_not_hold_the_end_up(tm, server, store):
    """Over HTTP/1.1 whoever sends no more may still read; but not from a server that ends."""
    one = server("--tls", "off", lines=LINES)
    token = one.token(ANN)
    with write_lock(one):
        left = [send_http1(one, "POST", "/v1.0/$batch", batch(f"left {n}"), token) for n in range(6)]
        await_workers(one, len(left))
        for sock in left:
            sock.close()
        idle = [raw(one) for _ in range(16)]
        one.process.send_signal(signal.SIGTERM)
        # A loop drains its connections in the order in which they came.
        assert all(has_ended(sock) for sock in idle)
    await_end(one)
    assert len(names(tm, store, "left")) <= len(left)


# ---- signals --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sign, code", [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_second_signal_ends_it_at_once_and_nothing_acknowledged_is_lost(tm, server, store, sign, code):
    # It ends without waiting for its threads, which the thread sanitizer takes for a leak.
    one = server("--tls", "off", lines=LINES, env={"TSAN_OPTIONS": "report_thread_leaks=0"})
    assert one.request("POST", CALENDARS, {"name": "acknowledged"}, one.token(ANN)).status == 201
    sock = raw(one)
    sock.sendall(upload_head(one, one.app_token(READ, WRITE), 1000, "Expect: 100-continue"))
    assert read_status(sock) == 100
    idle = raw(one)
    one.process.send_signal(signal.SIGTERM)
    assert has_ended(idle)
    one.process.send_signal(sign)
    one.stop(code=code)
    assert names(tm, store, "ack") == ["acknowledged"] and tm("store", "check", store=store).stdout == "ok\n"


# ---- everything at once -----------------------------------------------------------------------------------------


class Busy:
    """Clients that keep a server from ending as long as they can."""

    def __init__(self, server):
        self.server, self.over = server, threading.Event()
        self.ann, self.writer = server.token(ANN), server.app_token(READ, WRITE)
        self.acknowledged = []
        self.kept = []                       # sockets and processes, so that they stay open
        self.app = App(server)

    def note(self, name):
        if self.server.request("POST", CALENDARS, {"name": name}, self.ann).status == 201:
            self.acknowledged.append(name)

    def uploads_that_wait(self):
        sock = raw(self.server)
        sock.sendall(upload_head(self.server, self.writer, HUGE, "Expect: 100-continue"))
        assert read_status(sock) == 100
        client = Client(self.server, self.writer)
        client.send("PUT", content_path(1), headers=[("content-length", str(HUGE))], end=False)
        self.kept += [sock, client]

    def upload_that_never_ends(self):
        """Its bytes come faster than they are asked for, so there is always one more to read."""
        sock = raw(self.server)
        sock.sendall(upload_head(self.server, self.writer, None))
        piece = b"10000\r\n" + bytes(0x10000) + b"\r\n"

        def send():
            with contextlib.suppress(OSError):
                while not self.over.is_set():
                    sock.sendall(piece)
                    time.sleep(0.001)
        thread = threading.Thread(target=send, daemon=True)
        thread.start()
        self.kept += [sock, thread]

    def slow_readers(self):
        sock = send_http1(self.server, "GET", content_path(2), b"", self.writer)
        client = Client(self.server, self.writer)
        client.send("GET", content_path(2))
        self.kept += [sock, client]

    def open_streams(self):
        client = Client(self.server, self.ann)
        for _ in range(10):
            client.send("POST", CALENDARS, headers=[("content-type", "application/json")], end=False)
        self.kept.append(client)

    def half_requests(self):
        head = raw(self.server)
        head.sendall(b"GET /v1.0 HTTP/1.1\r\nHost: x\r\n")
        body = send_http1(self.server, "POST", CALENDARS, b"{", self.ann)
        handshake = socket.create_connection(("127.0.0.1", self.server.port))
        control = socket.socket(socket.AF_UNIX)
        control.connect(f"{self.server.path}.sock")
        control.sendall(b"POST /-/apply HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n{")
        self.kept += [head, body, handshake, control]

    def batches(self):
        for n in range(4):
            self.kept.append(send_http1(self.server, "POST", "/v1.0/$batch", batch(f"batch {n}"), self.ann))

    def sign_ins(self):
        form = urllib.parse.urlencode(self.app.form()).encode()
        client = Client(self.server)
        for _ in range(30):
            stream = client.send("POST", f"/{self.app.tenant}/oauth2/v2.0/token",
                                 headers=[("content-type", FORM["Content-Type"])], end=False)
            client.conn.send_data(stream, form, end_stream=True)
        client.flush()
        self.kept.append(client)

    def writer_of_groups(self):
        def write():
            with contextlib.suppress(OSError, ssl.SSLError, ConnectionError, AssertionError):
                for n in range(10000):
                    self.note(f"group {n}")
        thread = threading.Thread(target=write, daemon=True)
        thread.start()
        self.kept.append(thread)

    def commands(self):
        home, store = self.server.runner.home, self.server.store
        (home / "lines").write_text(to_lines(put(ANN_ID, {"name": f"import {n}", "id": f"AAMk{n}"}) for n in range(5000)))
        for command in (["store", "backup", str(home / "copy.db")], ["import", str(home / "lines")]):
            self.kept.append(subprocess.Popen([BIN, *command, "--store", store], env=base_env(home), cwd=home,
                                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True))


@pytest.mark.slow
def test_it_ends_within_its_time_whatever_runs(tm, server, store):
    one = server("--max-content", "1G", lines=LINES)
    busy = Busy(one)
    assert one.request("PUT", content_path(2), bytes(HUGE >> 2), busy.writer).status == 204
    busy.note("before")
    for work in (busy.uploads_that_wait, busy.upload_that_never_ends, busy.slow_readers, busy.open_streams, busy.half_requests,
                 busy.writer_of_groups, busy.batches, busy.sign_ins, busy.commands):
        work()
    while len(busy.acknowledged) < 5:
        time.sleep(0.01)
    one.process.send_signal(signal.SIGTERM)
    try:
        await_end(one)
    finally:
        busy.over.set()
    for process in (kept for kept in busy.kept if isinstance(kept, subprocess.Popen)):
        errors = process.communicate(timeout=60)[1]
        check_sanitizers(errors)
        assert process.returncode in (0, 5, 12), errors
    assert set(busy.acknowledged) <= set(names(tm, store, ""))
    assert tm("store", "check", store=store).stdout.startswith("ok")


@pytest.mark.skipif(not os.environ.get("TIDEMARK_LONG"), reason="takes 20 seconds")
def test_what_cannot_be_cancelled_is_given_up(tm, server, store):
    """Writers wait in line for a lock that somebody else holds for ever, 5 seconds each."""
    one = server("--tls", "off", lines=LINES, env={"TSAN_OPTIONS": "report_thread_leaks=0"})
    token = one.token(ANN)
    assert one.request("POST", CALENDARS, {"name": "acknowledged"}, token).status == 201
    with write_lock(one):
        waiting = [send_http1(one, "POST", "/v1.0/$batch", batch(f"line {n}", 1), token) for n in range(12)]
        await_workers(one, len(waiting))
        one.process.send_signal(signal.SIGTERM)
        one.process.wait(3 * DRAIN_SECONDS)
    one.stop(gives_up=True)
    assert names(tm, store, "ack") == ["acknowledged"] and tm("store", "check", store=store).stdout == "ok\n"
