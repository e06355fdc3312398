# SPDX-License-Identifier: Apache-2.0
"""Everything the server does, at the same time.

In every build this asserts that clients of both protocols and the commands beside them get the right answers while
others reset, cut and wait.  Under the thread sanitizer (build/tsan) it also finds two threads that use the same
memory at once: the server's standard error is looked at when it has ended.
"""
import concurrent.futures
import hashlib
import itertools
import json
import os
import socket
import urllib.parse

import pytest

from conftest import guid, issued, put, to_lines, user

pytest.importorskip("h2", reason="Debian's python3-h2 is not installed")
import h2.events  # noqa: E402
from test_http2 import Client  # noqa: E402
from test_recordings_content import APP, READ, WRITE, raw, read_status  # noqa: E402
from test_sign_in import FORM, Client as App  # noqa: E402

ANN, ANN_ID, BOB_ID = "ann@contoso.com", guid(1), guid(2)
RECORDINGS = f"/v1.0/users/{ANN_ID}/onlineMeetings/M-0/recordings"
DELTA = "/beta/me/calendars/delta"
CALENDARS = "/v1.0/me/calendars"
ROUNDS = 20 if os.environ.get("TIDEMARK_LONG") else 2
BODY = b"0123456789abcdef" * 4096
KINDS = ("waits", "hurries", "resets", "leaves")
STREAMS = 4                              # of a kind: a MiB each, and one peer's requests may hold 32


def content_path(number):
    return f"{RECORDINGS}/rec-{number}/content"


class Uploader(Client):
    """Sends `expect: 100-continue`, and waits for the 100, or does not."""

    def __init__(self, server, token):
        super().__init__(server, token)
        self.continued = set()

    def begin(self, number, length, at_once=None):
        """Sends the head, and with it the whole body, or nothing of it."""
        return self.send("PUT", content_path(number), at_once, end=at_once is not None,
                         headers=[("expect", "100-continue"), ("content-length", str(length))])

    def put(self, stream, data, end=False):
        """In pieces as large as the windows allow."""
        while data:
            size = min(len(data), self.conn.local_flow_control_window(stream), self.conn.max_outbound_frame_size)
            if size == 0:
                self.read()
                continue
            self.conn.send_data(stream, data[:size], end_stream=end and size == len(data))
            self.flush()
            data = data[size:]

    def reset(self, stream):
        self.conn.reset_stream(stream)
        self.flush()

    def take(self, event):
        if isinstance(event, h2.events.InformationalResponseReceived):
            self.continued.add(event.stream_id)
        super().take(event)

    def await_continue(self, streams):
        while not self.continued.issuperset(streams):
            self.read()


# ---- the actors: each runs in a thread of its own, ROUNDS times --------------------------------------------------


def uploads_over_http2(stage, kind, number):
    client = Uploader(stage.server, stage.writer)
    body = BODY[:1000] if kind == "hurries" else BODY
    streams = [client.begin(number, len(body), at_once=body if kind == "hurries" else None) for _ in range(STREAMS)]
    if kind == "waits":
        client.await_continue(streams)
    if kind != "hurries":
        for stream in streams:
            client.put(stream, body[:20000])
    if kind == "resets":
        for stream in streams:
            client.reset(stream)
        assert client.ask("GET", content_path(9))[0] == 404
    elif kind != "leaves":
        for stream in streams if kind == "waits" else ():
            client.put(stream, body[20000:], end=True)
        assert {reply[0][":status"] for reply in client.wait(*streams)} == {"204"}
        assert client.ask("GET", content_path(number))[2] == body
    client.close()


def uploads_over_http1(stage, kind, number):
    number += len(KINDS)                 # recordings of its own
    sock = raw(stage.server)
    fields = (f"PUT {content_path(number)} HTTP/1.1\r\nHost: 127.0.0.1:{stage.server.port}\r\n"
              f"Authorization: Bearer {stage.writer}\r\nContent-Length: {len(BODY)}\r\nExpect: 100-continue\r\n\r\n").encode()
    sock.sendall(fields)
    if kind == "waits":
        assert read_status(sock) == 100
    sock.sendall(BODY[:30000])
    if kind == "resets":
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    elif kind != "leaves":
        sock.sendall(BODY[30000:])
        status = read_status(sock)
        assert (read_status(sock) if status == 100 else status) == 204
        reply = stage.server.get(content_path(number), stage.reader)
        assert reply.status == 200 and reply.headers["ETag"] == f'"{hashlib.sha256(BODY).hexdigest()}"'
    sock.close()


def writes_over_http2(stage, kind, number):
    """Writes of a group and of a batch, reads, and those nobody waits for."""
    client = Client(stage.server, stage.ann)
    names = [f"two {next(stage.count)}" for n in range(10)]
    writes = [client.send("POST", CALENDARS, json.dumps({"name": name}).encode()) for name in names]
    polls = [client.send("GET", DELTA) for _ in range(10)]
    parts = [{"id": str(n), "method": "GET" if n % 2 else "POST", "url": "/me/calendars", "body": None if n % 2 else
              {"name": f"{names[n]} batch"}, "headers": {} if n % 2 else {"Content-Type": "application/json"}} for n in range(6)]
    batch = client.send("POST", "/v1.0/$batch", json.dumps({"requests": parts}).encode())
    if kind == "resets":
        for stream in writes + [batch]:
            client.conn.reset_stream(stream)
        client.flush()
        assert client.ask("GET", DELTA)[0] == 200
    elif kind != "leaves":
        assert {reply[0][":status"] for reply in client.wait(*writes)} == {"201"}
        assert {reply[0][":status"] for reply in client.wait(*polls)} == {"200"}
        answers = json.loads(client.wait(batch)[0][1])["responses"]
        assert [answer["status"] for answer in answers] == [201, 200] * 3
        stage.made.update(names + [f"{names[n]} batch" for n in (0, 2, 4)])
    client.close()


def calls_over_http1(stage, kind, number):
    connection = stage.server.connection()
    headers = {"Authorization": f"Bearer {stage.ann}", "Content-Type": "application/json"}
    for n in range(5):
        name = f"one {next(stage.count)}"
        connection.request("POST", CALENDARS, json.dumps({"name": name}), headers)
        if kind == "leaves":
            break
        made = connection.getresponse()
        assert made.status == 201
        id = json.loads(made.read())["id"]
        connection.request("PATCH", f"{CALENDARS}/{id}", json.dumps({"color": "auto"}), headers)
        assert connection.getresponse().read() and connection.sock is not None
        connection.request("GET", DELTA, headers=headers)
        assert b"@odata" in connection.getresponse().read()
        stage.made.add(name)
    connection.close()


def sign_ins(stage, kind, number):
    form = urllib.parse.urlencode(stage.app.form()).encode()
    path = f"/{stage.app.tenant}/oauth2/v2.0/token"
    client = Client(stage.server)
    fields = [("content-type", FORM["Content-Type"])]
    streams = [client.send("POST", path, headers=fields, end=False) for _ in range(3)]
    for stream in streams:
        client.conn.send_data(stream, form, end_stream=True)
    client.flush()
    if kind == "resets":
        client.conn.reset_stream(streams[0])
        client.flush()
    elif kind != "leaves":
        for reply in client.wait(*streams):
            # Secrets that are being checked are few at a time; the others are to come again.
            assert reply[0][":status"] in ("200", "503")
            if reply[0][":status"] == "200":
                token = issued(json.loads(reply[1])["access_token"])
                assert stage.server.get(f"/v1.0/users/{ANN_ID}/calendars", token).status == 200
    client.close()


def commands(stage, kind, number):
    tm, store, home = stage.server.runner, stage.server.store, stage.server.runner.home
    if kind == "waits":
        tm("import", "-", store=store, input=to_lines([user("bob@contoso.com", BOB_ID)] + [
            put(BOB_ID, {"name": f"bob {n}", "id": f"AAMkBob{n}"}) for n in range(100)]))
        tm("user", "add", "--upn", f"user{next(stage.count)}@contoso.com", store=store)
        tm("token", "--user", ANN, "--scope", "Calendars.Read", store=store)
    elif kind == "hurries":
        made = json.loads(tm("client", "add", "--json", "--role", "Calendars.Read", store=store).stdout)
        tm("client", "remove", made["clientId"], store=store)
        tm("store", "gc", "--retention", "1d", store=store)
    elif kind == "resets":
        tm("store", "backup", home / f"copy-{next(stage.count)}.db", store=store)
        tm("export", store=store)
    else:
        (home / "bearer").write_text(stage.ann)
        tm("sync", f"{stage.server.base}{DELTA}", "--ca", stage.server.ca, "--bearer-file", home / "bearer",
           store=f"sqlite:{home}/follow.db")
        for path in ("ready", "health", "metrics"):
            assert stage.server.control("GET", f"/-/{path}").status == 200


ACTORS = (uploads_over_http2, uploads_over_http1, writes_over_http2, calls_over_http1, sign_ins, commands)


class Stage:
    def __init__(self, server):
        self.server = server
        self.reader, self.writer = server.app_token(READ), server.app_token(READ, WRITE)
        self.ann = server.token(ANN)
        self.app = App(server)
        self.made = set()
        self.count = itertools.count()


def perform(stage, actor, kind, number):
    for _ in range(ROUNDS if actor is not commands else (ROUNDS + 2) // 3):
        actor(stage, kind, number)


def test_clients_of_both_protocols_and_commands_at_once(server):
    recordings = [put(ANN_ID, {"id": f"rec-{n}", "meetingId": "M-0", "createdDateTime": "2024-01-15T00:00:00Z"}, "recordings")
                  for n in range(10)]
    stage = Stage(server(lines=[user(ANN, ANN_ID), {"op": "policy", "value": {"app": APP, "global": True}}, *recordings]))
    with concurrent.futures.ThreadPoolExecutor(len(ACTORS) * len(KINDS)) as pool:
        runs = [pool.submit(perform, stage, actor, kind, number) for actor in ACTORS for number, kind in enumerate(KINDS)]
        for run in concurrent.futures.as_completed(runs):
            run.result()
    listed = {item["name"] for item in items(stage)}
    assert stage.made and stage.made <= listed, "an acknowledged write is missing"
    stage.server.stop()


def items(stage):
    path = f"{CALENDARS}?$top=1000"
    while path:
        page = stage.server.get(path, stage.ann).json
        yield from page["value"]
        path = page.get("@odata.nextLink")
