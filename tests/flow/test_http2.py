# SPDX-License-Identifier: Apache-2.0
"""HTTP/2: the same answers as over HTTP/1.1, and peers that waste our time are sent away while others are served."""
import re
import shutil
import socket
import ssl
import statistics
import struct
import subprocess
import time

import pytest
from conftest import base_env, guid, put, user

h2 = pytest.importorskip("h2", reason="Debian's python3-h2 is not installed")
import h2.config  # noqa: E402
import h2.connection  # noqa: E402
import h2.errors  # noqa: E402
import h2.events  # noqa: E402
import hpack  # noqa: E402

ANN = "ann@contoso.com"
DELTA = "/beta/me/calendars/delta"
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
CALM = int(h2.errors.ErrorCodes.ENHANCE_YOUR_CALM)
PROTOCOL = int(h2.errors.ErrorCodes.PROTOCOL_ERROR)
DATA, HEADERS, PRIORITY, RST, SETTINGS, PING, GOAWAY, WINDOW, CONTINUATION = 0, 1, 2, 3, 4, 6, 7, 8, 9
END_STREAM, END_HEADERS = 1, 4


def connect(server, protocols=("h2",)):
    sock = socket.create_connection(("127.0.0.1", server.port), timeout=60)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if server.base.startswith("http://"):
        return sock
    context = ssl.create_default_context(cafile=server.ca)
    context.set_alpn_protocols(list(protocols))
    return context.wrap_socket(sock, server_hostname="127.0.0.1")


class Client:
    """A well-behaved one, on python3-h2."""

    def __init__(self, server, token=None):
        self.sock = connect(server)
        self.authority = f"127.0.0.1:{server.port}"
        self.token = token
        self.conn = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="utf-8"))
        self.conn.initiate_connection()
        self.flush()
        self.replies = {}
        self.resets = {}
        self.goaway = None

    def flush(self):
        self.sock.sendall(self.conn.data_to_send())

    def send(self, method, path, body=None, headers=(), end=True):
        stream = self.conn.get_next_available_stream_id()
        fields = [(":method", method), (":scheme", "https"), (":authority", self.authority), (":path", path)]
        if self.token:
            fields.append(("authorization", f"Bearer {self.token}"))
        if body is not None:
            fields.append(("content-type", "application/json"))
        self.conn.send_headers(stream, fields + list(headers), end_stream=end and body is None)
        if body is not None:
            self.conn.send_data(stream, body, end_stream=end)
        self.replies[stream] = [{}, b"", False]
        self.flush()
        return stream

    def read(self):
        got = self.sock.recv(65536)
        if not got:
            raise EOFError
        for event in self.conn.receive_data(got):
            self.take(event)
        self.flush()

    def take(self, event):
        if isinstance(event, h2.events.ResponseReceived):
            self.replies[event.stream_id][0] = dict(event.headers)
        elif isinstance(event, h2.events.DataReceived):
            self.replies[event.stream_id][1] += event.data
            self.conn.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.StreamEnded):
            self.replies[event.stream_id][2] = True
        elif isinstance(event, h2.events.StreamReset):
            self.resets[event.stream_id] = event.error_code
        elif isinstance(event, h2.events.ConnectionTerminated):
            self.goaway = event.error_code

    def wait(self, *streams):
        while not all(self.replies[stream][2] or stream in self.resets for stream in streams):
            self.read()
        return [self.replies[stream] for stream in streams]

    def ask(self, *args, **options):
        fields, body, _ = self.wait(self.send(*args, **options))[0]
        return int(fields[":status"]), fields, body

    def close(self):
        self.sock.close()


class Raw:
    """One that writes whatever frames it likes."""

    def __init__(self, server):
        self.sock = connect(server)
        self.encoder = hpack.Encoder()
        self.stream = 1
        self.port = server.port
        self.send(PREFACE + frame(SETTINGS))

    def send(self, data):
        self.sock.sendall(data)

    def request(self, token=None, method="GET", path=DELTA, end=True):
        fields = [(":method", method), (":scheme", "https"), (":authority", f"127.0.0.1:{self.port}"), (":path", path)]
        if token:
            fields.append(("authorization", f"Bearer {token}"))
        stream = self.stream
        self.stream += 2
        flags = END_HEADERS | (END_STREAM if end else 0)
        return stream, frame(HEADERS, flags, stream, self.encoder.encode(fields))

    def goaway(self, seconds=60, at_once=False):
        """The error code of the GOAWAY that must come; unless at_once, the connection must end after it."""
        data, code = b"", None
        self.sock.settimeout(seconds)
        while True:
            try:
                got = self.sock.recv(65536)
            except TimeoutError:
                return None
            except OSError:
                return code
            if not got:
                return code
            data += got
            while len(data) >= 9 and len(data) >= 9 + int.from_bytes(data[:3], "big"):
                length, kind = int.from_bytes(data[:3], "big"), data[3]
                if kind == GOAWAY:
                    code = int.from_bytes(data[13:17], "big")
                    if at_once:
                        return code
                data = data[9 + length:]


def frame(kind, flags=0, stream=0, payload=b""):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


@pytest.fixture
def tls(server):
    return server(lines=[user(ANN)])


@pytest.fixture
def plain(server):
    return server("--tls", "off", lines=[user(ANN)])


# ---- the same server ------------------------------------------------------------------------------------------


def test_alpn_chooses_http2_and_http1_is_still_there(tls):
    assert connect(tls, ("h2", "http/1.1")).selected_alpn_protocol() == "h2"
    assert connect(tls, ("http/1.1",)).selected_alpn_protocol() == "http/1.1"
    assert tls.get(DELTA, tls.token(ANN)).status == 200


@pytest.mark.parametrize("kind", ["tls", "plain"])
def test_a_delta_round_over_http2(kind, request):
    server = request.getfixturevalue(kind)
    client = Client(server, server.token(ANN))
    status, fields, body = client.ask("GET", DELTA)
    assert status == 200 and fields["odata-version"] == "4.0" and int(fields["content-length"]) == len(body)
    assert b"@odata.deltaLink" in body
    status, fields, body = client.ask("POST", "/v1.0/me/calendars", b'{"name":"over two"}')
    assert status == 201 and b"over two" in body
    status, _, body = client.ask("HEAD", DELTA)
    assert status == 200 and body == b""


def test_prior_knowledge_in_pieces(plain):
    raw = Raw.__new__(Raw)
    raw.sock, raw.encoder, raw.stream, raw.port = connect(plain), hpack.Encoder(), 1, plain.port
    for byte in PREFACE + frame(SETTINGS):
        raw.send(bytes([byte]))
        time.sleep(0.001)
    raw.send(raw.request()[1])
    got = b""
    while b"InvalidAuthenticationToken" not in got:
        piece = raw.sock.recv(65536)
        assert piece
        got += piece


def test_no_upgrade_from_http1(plain):
    reply = plain.get("/v1.0", headers={"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AAMAAABk"})
    assert reply.status == 200 and "Upgrade" not in reply.headers


def test_many_streams_at_once_each_get_their_own_answer(tls):
    client = Client(tls, tls.token(ANN))
    client.ask("GET", DELTA)
    bodies = [f'{{"name":"calendar {n}"}}'.encode() for n in range(40)]
    streams = [client.send("POST", "/v1.0/me/calendars", body) for body in bodies]
    reads = [client.send("GET", "/v1.0/me/calendars?$select=name&$top=1") for _ in range(40)]
    for n, (fields, body, _) in enumerate(client.wait(*streams)):
        assert fields[":status"] == "201" and f'"calendar {n}"'.encode() in body
    assert all(fields[":status"] == "200" for fields, _, _ in client.wait(*reads))


def test_what_http1_refuses_http2_refuses(tls):
    client = Client(tls, tls.token(ANN))
    assert client.ask("GET", "/" + "a" * 9000)[0] == 414
    assert client.ask("GET", DELTA, headers=[(f"x-{n}", "1") for n in range(80)])[0] == 431
    assert client.ask("GET", DELTA, headers=[("x-long", "a" * 12000), ("x-more", "b" * 6000)])[0] == 431
    assert client.ask("DELETE", DELTA)[0] == 405
    assert client.ask("GET", DELTA)[0] == 200


def test_two_bearers_are_refused(tls):
    client = Client(tls, tls.token(ANN))
    assert client.ask("GET", DELTA, headers=[("authorization", f"Bearer {client.token}")])[0] == 400


IDS_AND_TIMES = re.compile(rb"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.Z]+")


def test_blanks_around_a_value_and_empty_values_mean_what_they_mean_over_http1(plain):
    """RFC 9110 section 5.5: blanks around a value are no part of it. RFC 9113 allows to refuse them; some clients send them."""
    token = plain.token(ANN)
    target, bearer = "/v1.0/me/calendars?$select=name", ("authorization", f"Bearer {token}")
    values = {"authorization": ["Bearer", f"Bearer {token}", "Basic", "x"], "accept": ["application/json", "text/html", "*/*"],
              "content-type": ["application/json", "text/plain"], "prefer": ["odata.maxpagesize=1", ","],
              "client-request-id": [guid(7)], "if-match": ["*", '"x"'], "expect": ["x"], "accept-encoding": ["gzip"], "x-any": ["y"],
              "access-control-request-method": ["GET"], "cookie": ["a=b"], "range": ["bytes=0-1"]}
    client = Client(plain)
    client.conn.config.normalize_outbound_headers = client.conn.config.validate_outbound_headers = False
    for name, some in values.items():
        for value in dict.fromkeys(["", *(text for one in some for text in (one, f"{one} ", f" {one}", f"\t{one} \t", " "))]):
            field = [(name, value)] if name == "authorization" else [bearer, (name, value)]
            one = plain.request("GET", target, headers=dict(field))
            status, fields, body = client.ask("GET", target, headers=field)
            assert (status, IDS_AND_TIMES.sub(b"", body)) == (one.status, IDS_AND_TIMES.sub(b"", one.body)), field
            assert name != "client-request-id" or fields[name] == one.headers[name] == value.strip() or not value.strip()
            assert fields.get("preference-applied") == one.headers["Preference-Applied"]
            if name == "authorization":
                assert status == (200 if value.strip() == f"Bearer {token}" else 401)
            client.replies.clear()
    assert not client.resets
    # The library's own fields: it refuses them, and no other stream suffers.
    for name, value in [("content-length", " 0"), ("te", "trailers "), ("host", f"{client.authority} ")]:
        stream = client.send("GET", target, headers=[bearer, (name, value)])
        client.wait(stream)
        assert client.resets[stream] == PROTOCOL and client.ask("GET", target, headers=[bearer])[0] == 200
    assert client.goaway is None


def test_body_of_a_get_and_a_body_too_large(tls):
    client = Client(tls, tls.token(ANN))
    stream = client.send("GET", DELTA, b"x")
    assert client.wait(stream)[0][0][":status"] == "400"
    stream = client.send("POST", "/v1.0/me/calendars", headers=[("content-length", str(2 << 20)),
                                                               ("content-type", "application/json")], end=False)
    client.replies[stream] = [{}, b"", False]
    assert client.wait(stream)[0][0][":status"] == "413"


def test_an_unknown_caller_sends_no_body(tls):
    client = Client(tls)
    stream = client.send("POST", "/v1.0/me/calendars", headers=[("content-type", "application/json")], end=False)
    assert client.wait(stream)[0][0][":status"] == "401"


def test_drains_with_goaway(tls):
    client = Client(tls, tls.token(ANN))
    client.ask("GET", DELTA)
    tls.process.terminate()
    with pytest.raises((EOFError, OSError)):
        while True:
            client.read()
    assert client.goaway == 0
    assert tls.process.wait(60) == 0


# ---- floods: the attacker is sent away, a good client is served throughout ------------------------------------


class Good:
    """Polls all the while; says what the slowest answers took."""

    def __init__(self, server, token):
        self.client = Client(server, token)
        self.took = []

    def poll(self, times=20):
        for _ in range(times):
            begin = time.monotonic()
            assert self.client.ask("GET", DELTA)[0] == 200
            self.took.append(time.monotonic() - begin)

    def slowest(self):
        return statistics.quantiles(self.took, n=100)[98] if len(self.took) > 1 else self.took[0]


def flood(server, attack, pieces=4000):
    """attack(raw, token) gives bytes to write; they are written until the server ends it."""
    token = server.token(ANN)
    good, raw = Good(server, token), Raw(server)
    good.poll()
    code = None
    try:
        for n in range(pieces):
            raw.send(attack(raw, token))
            if n % 200 == 0:
                good.poll(2)
    except OSError:
        pass                             # what was sent after the end
    begin = time.monotonic()
    code = raw.goaway()
    assert time.monotonic() - begin < 30
    good.poll()
    assert good.slowest() < 10
    return code


def rapid_reset(raw, token):
    stream, request = raw.request(token)
    return request + frame(RST, 0, stream, struct.pack(">I", 8))


def made_you_reset_zero(raw, token):
    stream, request = raw.request(token, "POST", "/v1.0/me/calendars", end=False)
    return request + frame(WINDOW, 0, stream, bytes(4))


def made_you_reset_overflow(raw, token):
    stream, request = raw.request(token, "POST", "/v1.0/me/calendars", end=False)
    return request + frame(WINDOW, 0, stream, b"\x7f\xff\xff\xff") * 2


def made_you_reset_half_closed(raw, token):
    stream, request = raw.request(token)
    return request + frame(DATA, 0, stream, b"x")


def settings_flood(raw, token):
    return frame(SETTINGS, 0, 0, struct.pack(">HI", 3, 100))


def ping_flood(raw, token):
    return frame(PING, 0, 0, bytes(8)) * 4


def empty_data(raw, token):
    if raw.stream == 1:
        stream, request = raw.request(token, "POST", "/v1.0/me/calendars", end=False)
        return request + frame(DATA, 0, stream)
    return frame(DATA, 0, 1)


def priority_flood(raw, token):
    return frame(PRIORITY, 0, 3, bytes(4) + b"\x10") * 4


def window_flood(raw, token):
    return frame(WINDOW, 0, 0, b"\0\0\0\1") * 4


@pytest.mark.parametrize("attack", [rapid_reset, made_you_reset_zero, made_you_reset_overflow, settings_flood, ping_flood,
                                    empty_data, priority_flood, window_flood])
def test_flood_ends_with_enhance_your_calm(tls, attack):
    # An update by nothing is an error of the connection to libnghttp2, so that attack ends with its first frame.
    assert flood(tls, attack) == (PROTOCOL if attack is made_you_reset_zero else CALM)


def test_data_after_the_end_of_a_stream_ends_the_connection(tls):
    raw = Raw(tls)
    token = tls.token(ANN)
    for _ in range(3):
        raw.send(made_you_reset_half_closed(raw, token))
    assert raw.goaway() is not None


def test_continuation_flood(tls):
    token = tls.token(ANN)
    good, raw = Good(tls, token), Raw(tls)
    good.poll()
    raw.send(frame(HEADERS, 0, 1, raw.encoder.encode([(":method", "GET"), (":scheme", "https"), (":path", "/"),
                                                      (":authority", "x")])))
    try:
        for n in range(5000):
            raw.send(frame(CONTINUATION, 0, 1, raw.encoder.encode([(f"x{n}", "y" * 50)])))
    except OSError:
        pass
    assert raw.goaway() in (CALM, PROTOCOL)
    good.poll()


def test_hpack_bomb(tls):
    """One table entry of 4 KiB, named ten thousand times: 40 MB of fields out of 10 KB."""
    token = tls.token(ANN)
    good, raw = Good(tls, token), Raw(tls)
    raw.send(frame(HEADERS, END_HEADERS | END_STREAM, 1,
                   raw.encoder.encode([(":method", "GET"), (":scheme", "https"), (":path", "/v1.0"), (":authority", "x"),
                                       ("x", "y" * 4000)])))
    # GET, https and / stand in the static table; 0xbe is the newest entry of the dynamic one.
    raw.send(frame(HEADERS, END_HEADERS | END_STREAM, 3, b"\x82\x87\x84\x01\x01x" + b"\xbe" * 10000))
    assert raw.goaway() == CALM
    good.poll()


def test_a_window_of_one_byte_does_not_hold_others_up(tls):
    token = tls.token(ANN)
    good, raw = Good(tls, token), Raw(tls)
    raw.send(frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 1)))
    raw.send(b"".join(raw.request(token)[1] for _ in range(100)))
    good.poll(40)
    assert good.slowest() < 1


def test_more_streams_than_are_allowed_are_refused(tls):
    raw = Raw(tls)
    token = tls.token(ANN)
    raw.send(b"".join(raw.request(token, "POST", "/v1.0/me/calendars", end=False)[1] for _ in range(120)))
    data = b""
    raw.sock.settimeout(30)
    try:
        while data.count(struct.pack(">I", 7)) < 20:
            data += raw.sock.recv(65536)
    except TimeoutError:
        pass
    assert frame(RST)[3:4] in data and data.count(b"\x00\x00\x04\x03\x00") >= 20


def test_half_a_head_beside_an_upload_holds_nobody_up(server):
    """Its time is over while a worker still waits for the upload: the loop must not judge that head for ever."""
    one = server("--tls", "off", lines=[user(ANN, guid(1)), put(guid(1), {"id": "r", "meetingId": "m", "createdDateTime": "2024-01-15T00:00:00Z"},
                                                                "recordings")])
    raw = Raw(one)
    stream, head = raw.request(one.app_token("OnlineMeetingRecording.ReadWrite.All"), "PUT",
                               f"/v1.0/users/{guid(1)}/onlineMeetings/m/recordings/r/content", end=False)
    raw.send(head + frame(DATA, 0, stream, b"x" * 1000))
    raw.send(frame(HEADERS, 0, raw.stream, raw.encoder.encode([(":method", "GET")])))
    time.sleep(6)                        # limits.head_ms and a little
    goods = [one.connection() for _ in range(8)]
    assert [one.ask(good, "GET", "/v1.0").status for good in goods] == [200] * 8
    assert raw.goaway() == CALM


def test_half_a_preface_and_half_a_head_time_out(plain):
    sockets = [connect(plain), connect(plain)]
    sockets[0].sendall(PREFACE[:10])
    sockets[1].sendall(PREFACE + frame(SETTINGS) + frame(HEADERS, 0, 1, hpack.Encoder().encode([(":method", "GET")])))
    for sock in sockets:
        sock.settimeout(40)              # limits.head_ms is 5 s; an idle connection would live for 60
        while sock.recv(65536):
            pass


# ---- the tools that come with nghttp2 -------------------------------------------------------------------------


@pytest.mark.skipif(not shutil.which("h2load"), reason="Debian's nghttp2-client is not installed")
def test_h2load_and_nghttp_talk_to_it(tls):
    token = tls.token(ANN)
    assert tls.get(DELTA, token).status == 200
    url = f"{tls.base}{DELTA}?$deltatoken=latest"
    done = subprocess.run(["h2load", "-n", "5000", "-c", "10", "-m", "50", "-H", f"Authorization: Bearer {token}", url],
                          capture_output=True, text=True, timeout=120, env=base_env(tls.runner.home), check=True)
    assert re.search(r"status codes: 5000 2xx, 0 3xx, 0 4xx, 0 5xx", done.stdout), done.stdout
    done = subprocess.run(["nghttp", "-v", "--no-verify-peer", "-H", f"Authorization: Bearer {token}", url],
                          capture_output=True, text=True, timeout=60, env=base_env(tls.runner.home), check=False)
    assert ":status: 200" in done.stdout and "@odata.deltaLink" in done.stdout


def test_an_answer_before_the_body_ends_reaches_curl(server, home):
    """Debian 12's curl loses the status when the reset comes with the answer; it gets a moment to read it."""
    one = server(lines=[user("ann@contoso.com")])
    body = home / "big"
    body.write_bytes(b"x" * 3_000_000)
    for token, status in ((one.token("ann@contoso.com"), "413"), ("nonsense", "401")):
        done = subprocess.run(["curl", "-sS", "--http2", "--cacert", one.ca, "-H", f"Authorization: Bearer {token}",
                               "-H", "Content-Type: application/json", "--data-binary", f"@{body}", "-o", "/dev/null",
                               "-w", "%{http_code} %{http_version}", f"{one.base}/v1.0/me/calendars"],
                              capture_output=True, text=True, timeout=60)
        assert done.stdout == f"{status} 2", done
