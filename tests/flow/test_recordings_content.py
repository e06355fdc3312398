# SPDX-License-Identifier: Apache-2.0
"""Content of recordings: how it arrives, how it is read, and that it is never torn."""
import hashlib
import json
import os
import pathlib
import random
import shutil
import socket
import ssl
import subprocess
import threading
import time
import urllib.parse

import pytest

from conftest import guid, put, remove, to_lines, user

ANN = guid(1)
APP = guid(0xa99)
READ = "OnlineMeetingRecording.Read.All"
WRITE = "OnlineMeetingRecording.ReadWrite.All"
MEETING = f"/v1.0/users/{ANN}/onlineMeetings/M-0/recordings"
CONTENT = f"{MEETING}/rec-0/content"


def lines(count=1):
    made = [{"op": "put", "feed": f"users/{ANN}/recordings",
             "value": {"id": f"rec-{n}", "meetingId": "M-0", "createdDateTime": "2024-01-15T00:00:00Z"}} for n in range(count)]
    return [user("ann@contoso.com", ANN), {"op": "policy", "value": {"app": APP, "global": True}}, *made]


def tokens(one):
    return one.app_token(READ), one.app_token(WRITE)


def etag(content):
    return f'"{hashlib.sha256(content).hexdigest()}"'


def code_of(reply):
    return reply.json["error"]["code"]


def blobs(one):
    folder = pathlib.Path(one.path + ".content")
    return sorted(file.name for file in folder.iterdir()) if folder.exists() else []


def settle(one, count):
    """A worker may still be taking leave of an upload that was cut."""
    end = time.monotonic() + 60
    while len(blobs(one)) != count and time.monotonic() < end:
        time.sleep(0.02)
    assert len(blobs(one)) == count, blobs(one)


def raw(one):
    sock = socket.create_connection(("127.0.0.1", one.port), timeout=60)
    if one.base.startswith("https:"):
        sock = ssl.create_default_context(cafile=one.ca).wrap_socket(sock, server_hostname="127.0.0.1")
    return sock


def upload_head(one, token, length, *more):
    fields = [f"PUT {CONTENT} HTTP/1.1", f"Host: 127.0.0.1:{one.port}", f"Authorization: Bearer {token}",
              f"Content-Length: {length}" if length is not None else "Transfer-Encoding: chunked", *more]
    return ("\r\n".join(fields) + "\r\n\r\n").encode()


def read_status(sock):
    head = b""
    while b"\r\n\r\n" not in head:
        part = sock.recv(65536)
        if not part:
            break
        head += part
    return int(head.split()[1]) if head else 0


# ---- arrival -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tls", ["auto", "off"])
def test_content_arrives_and_is_read_back(server, tls):
    one = server("--tls", tls, lines=lines())
    reader, writer = tokens(one)
    reported = one.get(f"/v1.0/users/{ANN}/onlineMeetings/getAllRecordings(meetingOrganizerUserId='{ANN}')/delta", reader)
    url = reported.json["value"][0]["recordingContentUrl"]
    assert url == one.base + CONTENT
    early = one.get(url, reader)
    assert early.status == 404 and code_of(early) == "RecordingContentNotAvailable"

    for size in (0, 1, 70_000, 5_000_000):
        content = random.Random(size).randbytes(size)
        reply = one.request("PUT", CONTENT, content, writer)
        assert reply.status == 204 and reply.headers["ETag"] == etag(content), reply.body
        reply = one.get(url, reader)
        assert reply.status == 200 and reply.body == content
        assert reply.headers.get_all("Content-Type") == ["video/mp4"] and reply.headers["ETag"] == etag(content)
        assert reply.headers["Accept-Ranges"] == "bytes" and reply.headers["Content-Length"] == str(size)
        head = one.request("HEAD", CONTENT, token=reader)
        assert head.status == 200 and head.body == b"" and head.headers["Content-Length"] == str(size)
        assert len(blobs(one)) == 1, "what was replaced is gone"


def test_a_chunked_upload_is_taken(server):
    one = server(lines=lines())
    reader, writer = tokens(one)
    content = random.Random(1).randbytes(300_000)
    sock = raw(one)
    sock.sendall(upload_head(one, writer, None))
    for at in range(0, len(content), 77_777):
        part = content[at:at + 77_777]
        sock.sendall(f"{len(part):x}\r\n".encode() + part + b"\r\n")
    sock.sendall(b"0\r\n\r\n")
    assert read_status(sock) == 204
    sock.close()
    assert one.get(CONTENT, reader).body == content


def test_a_new_recording_is_made_over_http_and_told_at_once(server):
    one = server(lines=lines(0))
    reader, writer = tokens(one)
    delta = f"/v1.0/users/{ANN}/onlineMeetings/getAllRecordings(meetingOrganizerUserId='{ANN}')/delta"
    link = one.get(delta, reader).json["@odata.deltaLink"]
    made = one.request("POST", f"/v1.0/users/{ANN}/onlineMeetings/M%2F1/recordings", {"callId": "c"}, writer)
    assert made.status == 201, made.body
    body = made.json
    assert body["meetingId"] == "M/1" and body["callId"] == "c" and body["endDateTime"] is None
    assert body["meetingOrganizer"]["user"]["id"] == ANN
    assert body["meetingOrganizer"]["user"]["@odata.type"] == "#microsoft.graph.teamworkUserIdentity"
    assert made.headers["Location"] + "/content" == body["recordingContentUrl"]
    page = one.get(link, reader).json
    assert [item["id"] for item in page["value"]] == [body["id"]]
    assert one.get(body["recordingContentUrl"], reader).status == 404
    assert one.request("PUT", body["recordingContentUrl"], b"video", writer).status == 204
    assert one.get(body["recordingContentUrl"], reader).body == b"video"
    assert one.get(page["@odata.deltaLink"], reader).json["value"] == []
    initial = one.get(made.headers["Location"], reader).json
    assert {name: value for name, value in initial.items() if name != "@odata.context"} == \
           {name: value for name, value in body.items() if name != "@odata.context"}


BAD_POSTS = [
    ({"meetingId": "other"}, 400, "meetingId"),
    ({"createdDateTime": "yesterday"}, 400, "createdDateTime"),
    ({"createdDateTime": None}, 400, "createdDateTime"),
    ({"colour": "red"}, 400, "colour"),
    ({"content": "QUJD"}, 400, "content"),
    ({"callId": 7}, 400, "callId"),
    ({"meetingOrganizer": []}, 400, "meetingOrganizer"),
    ({"id": ""}, 400, "id"),
    ({"id": "x" * 1025}, 400, "id"),
    ({"id": "rec-0"}, 409, "already"),
    ([], 400, "object"),
    ("{", 400, ""),
]


def test_a_bad_recording_is_refused(server):
    one = server(lines=lines())
    reader, writer = tokens(one)
    for body, status, why in BAD_POSTS:
        reply = one.request("POST", MEETING, body, writer, {"Content-Type": "application/json"})
        assert reply.status == status and why in reply.json["error"]["message"], (body, reply.body)
    assert one.request("POST", MEETING, {}, writer, {"Content-Type": "video/mp4"}).status == 415
    assert one.request("POST", f"{MEETING}?$top=1", {}, writer).status == 400
    assert one.get(MEETING, reader).json["@odata.count"] == 1


def test_import_brings_files_along(server, tm, home):
    (home / "sub").mkdir()
    clip = random.Random(5).randbytes(200_000)
    (home / "sub" / "clip.mp4").write_bytes(clip)
    ops = lines()
    ops[-1]["contentFile"] = "clip.mp4"
    (home / "sub" / "in.jsonl").write_text(to_lines(ops))
    tm("import", "sub/in.jsonl", store=f"sqlite:{home}/t.db")
    one = server()
    reader, _ = tokens(one)
    assert one.get(CONTENT, reader).body == clip
    first = blobs(one)
    # Given again, to a serving process now, nothing is copied; with other bytes, those come.
    tm("import", "sub/in.jsonl", store=one.store)
    assert blobs(one) == first
    (home / "sub" / "clip.mp4").write_bytes(b"shorter")
    tm("import", "-", store=one.store, input=to_lines(ops), cwd=home / "sub")
    assert one.get(CONTENT, reader).body == b"shorter"
    # A line without a file leaves the content alone.
    tm("import", "-", store=one.store, input=to_lines(lines()))
    assert one.get(CONTENT, reader).body == b"shorter"


def test_import_checks_files_before_anything_is_stored(tm, store, home):
    def line(name):
        made = lines()[-1]
        return to_lines([{**made, "contentFile": name}])

    (home / "big.mp4").write_bytes(b"x" * 2000)
    (home / "folder").mkdir()
    for name, why in (("none.mp4", "No such file"), ("folder", "not a regular file"), ("", "empty"), ("big.mp4", "max-content")):
        (home / "in.jsonl").write_text(to_lines(lines()[:2]) + line(name))
        tm("import", "in.jsonl", "--max-content", "1K", store=store, code=6, error=why)
        assert tm("export", store=store, code=None).stdout == ""
    (home / "in.jsonl").write_text(to_lines(lines()[:2]) + line("big.mp4"))
    tm("import", "in.jsonl", store=store)
    assert json.loads(tm("store", "check", "--content", "--json", store=store).stdout)["ok"]


# ---- reading a part ---------------------------------------------------------------------------------------


RANGES = [
    ("bytes=0-9", 206, 0, 10), ("bytes=0-0", 206, 0, 1), ("bytes=990-", 206, 990, 10), ("bytes=-5", 206, 995, 5),
    ("bytes=-5000", 206, 0, 1000), ("bytes=0-", 206, 0, 1000), ("bytes=10-99999", 206, 10, 990),
    ("bytes=999-999", 206, 999, 1), ("bytes=5-99999999999999999999", 206, 5, 995),
    ("bytes=1000-", 416, 0, 0), ("bytes=-0", 416, 0, 0), ("bytes=9223372036854775807-", 416, 0, 0),
    ("bytes=18446744073709551616-", 416, 0, 0),
    ("bytes=5-2", 200, 0, 1000), ("bytes=a-b", 200, 0, 1000), ("bytes=", 200, 0, 1000), ("items=0-5", 200, 0, 1000),
    ("bytes=0-5,10-15", 200, 0, 1000), ("bytes=" + ",".join(["0-1"] * 1500), 200, 0, 1000),
]


@pytest.mark.parametrize("tls", ["auto", "off"])
def test_ranges(server, tls):
    one = server("--tls", tls, lines=lines())
    reader, writer = tokens(one)
    content = random.Random(9).randbytes(1000)
    assert one.request("PUT", CONTENT, content, writer).status == 204
    for field, status, start, length in RANGES:
        reply = one.get(CONTENT, reader, {"Range": field})
        assert reply.status == status, field
        if status == 416:
            assert reply.headers["Content-Range"] == "bytes */1000" and code_of(reply) == "invalidRange"
            continue
        assert reply.body == content[start:start + length], field
        wanted = f"bytes {start}-{start + length - 1}/1000" if status == 206 else None
        assert reply.headers["Content-Range"] == wanted


def test_conditions(server):
    one = server(lines=lines())
    reader, writer = tokens(one)
    assert one.request("PUT", CONTENT, b"0123456789", writer, {"If-Match": "*"}).status == 412
    assert one.request("PUT", CONTENT, b"0123456789", writer, {"If-None-Match": "*"}).status == 204
    assert one.request("PUT", CONTENT, b"other", writer, {"If-None-Match": "*"}).status == 412
    assert one.request("PUT", CONTENT, b"part", writer, {"Content-Range": "bytes 0-3/10"}).status == 400
    assert one.request("PUT", CONTENT, b"packed", writer, {"Content-Encoding": "gzip"}).status == 415
    tag = etag(b"0123456789")

    def get(**fields):
        reply = one.get(CONTENT, reader, {name.replace("_", "-"): value for name, value in fields.items()})
        return reply.status, reply.body if reply.status < 300 else None

    assert get(Range="bytes=2-3", If_Range=tag) == (206, b"23")
    assert get(Range="bytes=2-3", If_Range='"other"') == (200, b"0123456789")
    assert get(Range="bytes=2-3", If_Range=f"W/{tag}") == (200, b"0123456789")
    assert get(Range="bytes=2-3", If_Range="Sun, 06 Nov 1994 08:49:37 GMT") == (200, b"0123456789")
    assert get(If_None_Match=tag) == (304, None)
    assert get(If_None_Match=f'"x", W/{tag}') == (304, None)
    assert get(If_None_Match='"x"') == (200, b"0123456789")
    assert get(If_Match=tag) == (200, b"0123456789")
    assert get(If_Match='"x"') == (412, None)
    assert one.request("PUT", CONTENT, b"next", writer, {"If-Match": '"x"'}).status == 412
    assert one.request("PUT", CONTENT, b"next", writer, {"If-Match": tag}).status == 204
    assert one.get(CONTENT, reader).body == b"next"
    settle(one, 1)


# ---- what must not be --------------------------------------------------------------------------------------


def test_nobody_sends_a_body_who_may_not(server):
    """The refusal comes before the body, and before "100 Continue"."""
    one = server(lines=lines())
    reader, writer = tokens(one)
    for token, path, status in (("nonsense", CONTENT, 401), (reader, CONTENT, 403), (writer, f"{MEETING}/none/content", 404),
                                (writer, f"{CONTENT}?$top=1", 400)):
        sock = raw(one)
        head = upload_head(one, token, 1 << 30, "Expect: 100-continue").replace(CONTENT.encode(), path.encode(), 1)
        sock.sendall(head)
        assert read_status(sock) == status, (path, status)
        sock.close()
    sock = raw(one)
    sock.sendall(upload_head(one, writer, 5, "Expect: 100-continue"))
    assert read_status(sock) == 100
    sock.sendall(b"12345")
    assert read_status(sock) == 204
    sock.close()
    assert one.get(CONTENT, reader).body == b"12345"


def test_too_much_is_refused_and_nothing_is_kept(server):
    one = server("--max-content", "100K", lines=lines())
    reader, writer = tokens(one)
    assert one.request("PUT", CONTENT, b"old", writer).status == 204
    reply = one.request("PUT", CONTENT, b"x" * 102_401, writer)
    assert reply.status == 413
    sock = raw(one)
    sock.sendall(upload_head(one, writer, None))
    try:
        for _ in range(10):
            sock.sendall(b"4000\r\n" + b"x" * 0x4000 + b"\r\n")
    except (ConnectionError, ssl.SSLError):
        pass
    assert read_status(sock) == 413
    sock.close()
    settle(one, 1)
    assert one.get(CONTENT, reader).body == b"old"
    assert one.request("PUT", CONTENT, b"x" * 102_400, writer).status == 204


def test_less_than_announced_is_refused_and_nothing_is_kept(server):
    one = server("--tls", "off", lines=lines())
    reader, writer = tokens(one)
    assert one.request("PUT", CONTENT, b"old", writer).status == 204
    for length, sent in ((10, b"short"), (None, b"5\r\nshort\r\n"), (None, b"5\r\nsho"), (None, b"zz\r\n")):
        sock = raw(one)
        sock.sendall(upload_head(one, writer, length) + sent)
        sock.shutdown(socket.SHUT_WR)
        assert read_status(sock) == 400
        sock.close()
    settle(one, 1)
    # More than was announced is the next request, and not a good one.
    sock = raw(one)
    sock.sendall(upload_head(one, writer, 3) + b"new and more\r\n\r\n")
    assert read_status(sock) == 204
    sock.close()
    assert one.get(CONTENT, reader).body == b"new"
    settle(one, 1)


def test_a_full_disk_is_507_and_reading_goes_on(server, home):
    """A file may not grow over a limit of the process's own: the same error as a disk that is full."""
    one = server("--tls", "off", lines=lines())
    reader, writer = tokens(one)
    assert one.request("PUT", CONTENT, b"old", writer).status == 204
    import resource
    soft, hard = resource.prlimit(one.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(one.pid, resource.RLIMIT_FSIZE, (8 << 20, hard))
    try:
        reply = one.request("PUT", CONTENT, b"x" * (9 << 20), writer)
        assert reply.status == 507 and code_of(reply) == "quotaLimitReached"
    except (ConnectionError, BrokenPipeError):
        pass        # the answer came before all was sent, and the connection ended
    settle(one, 1)
    assert one.get(CONTENT, reader).body == b"old"
    resource.prlimit(one.pid, resource.RLIMIT_FSIZE, (soft, hard))
    assert one.request("PUT", CONTENT, b"x" * (9 << 20), writer).status == 204


def test_paths_never_become_file_names(server, home):
    one = server(lines=lines())
    reader, writer = tokens(one)
    (home / "secret").write_text("secret")
    assert one.request("PUT", CONTENT, b"mine", writer).status == 204
    os.symlink(home / "secret", pathlib.Path(one.path + ".content") / ("a" * 32))
    for id in ("..", "../..", "..%2F..%2Fsecret", "%2e%2e%2f%2e%2e%2fsecret", "%252e%252e%252fsecret", "a" * 32, "a" * 255, "a" * 256,
               blobs(one)[0], f"{home}/secret".replace("/", "%2F"), "rec-0%00", "."):
        for path in (f"{MEETING}/{id}/content", f"{MEETING}('{id}')/content", f"/v1.0/users/{ANN}/onlineMeetings/{id}/recordings/rec-0/content"):
            for method, body in (("GET", None), ("PUT", b"x")):
                reply = one.request(method, path, body, reader if method == "GET" else writer)
                assert reply.status in (400, 404), (path, reply.status)
                assert b"secret" not in reply.body.replace(id.encode(), b"")
    assert (home / "secret").read_text() == "secret"
    # A file that somebody exchanged for a link is not followed.
    blob = pathlib.Path(one.path + ".content") / [name for name in blobs(one) if name != "a" * 32][0]
    blob.unlink()
    os.symlink(home / "secret", blob)
    assert one.get(CONTENT, reader).status == 500


# ---- never torn ------------------------------------------------------------------------------------------------


def pattern(n, size):
    return hashlib.sha256(str(n).encode()).digest() * (size // 32)


def test_uploads_cut_two_hundred_times_never_show_torn_content(server):
    """Half of them by the client, at any byte; what is read meanwhile is always one whole content, old or new."""
    one = server("--tls", "off", lines=lines())
    reader, writer = tokens(one)
    rng = random.Random(20)
    size = 192 << 10
    good = {etag(pattern(0, size))}
    assert one.request("PUT", CONTENT, pattern(0, size), writer).status == 204
    torn, stop = [], threading.Event()

    def watch():
        while not stop.is_set():
            reply = one.get(CONTENT, reader)
            if reply.status != 200 or len(reply.body) != size or etag(reply.body) != reply.headers["ETag"]:
                torn.append((reply.status, len(reply.body)))

    watcher = threading.Thread(target=watch)
    watcher.start()
    for n in range(1, 201):
        content = pattern(n, size)
        sock = raw(one)
        message = upload_head(one, writer, size) + content
        whole = n % 10 == 0
        sock.sendall(message if whole else message[:rng.randrange(len(message))])
        if whole:
            assert read_status(sock) == 204
            good.add(etag(content))
            latest = content
        elif rng.random() < 0.5:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        sock.close()
    stop.set()
    watcher.join()
    assert not torn
    assert one.get(CONTENT, reader).body == latest
    settle(one, 1)


@pytest.mark.slow
def test_a_server_killed_in_the_middle_of_uploads_has_old_or_new_content(server, tm, store):
    """kill -9 at any moment: an acknowledged content is there, any other is the one before; gc clears what is left."""
    rng = random.Random(7)
    size = 96 << 10
    acknowledged, sent = None, {}
    tm("import", "-", store=store, input=to_lines(lines()))
    for attempt in range(20):
        one = server("--tls", "off")
        reader, writer = tokens(one)
        reply = one.get(CONTENT, reader)
        if acknowledged is None and reply.status == 404:
            assert code_of(reply) == "RecordingContentNotAvailable"
        else:
            assert reply.status == 200 and sent[etag(reply.body)] >= (acknowledged or 0)
        killer = threading.Timer(rng.uniform(0.0, 0.12), one.kill)
        killer.start()
        for n in range(1000):
            number = attempt * 1000 + n
            content = pattern(number, size)
            sent[etag(content)] = number
            try:
                if one.request("PUT", CONTENT, content, writer).status == 204:
                    acknowledged = number
            except OSError:
                break
            except Exception as error:
                assert "Remote end closed" in str(error) or "IncompleteRead" in str(error), error
                break
        killer.join()
        one.process.wait()
    one = server("--tls", "off")
    reply = one.get(CONTENT, one.app_token(READ))
    assert reply.status == 200 and sent[etag(reply.body)] >= acknowledged
    one.stop()
    assert json.loads(tm("store", "check", "--content", "--json", store=store).stdout)["ok"]
    tm("store", "gc", store=store)
    assert len(blobs(one)) == 1
    assert json.loads(tm("store", "check", "--content", "--json", store=store).stdout) == {"faults": [], "ok": True, "orphans": 0}


def test_a_reader_of_what_is_replaced_reads_it_to_its_end(server):
    one = server("--tls", "off", lines=lines())
    reader, writer = tokens(one)
    old = random.Random(3).randbytes(30 << 20)
    assert one.request("PUT", CONTENT, old, writer).status == 204
    connection = one.connection()
    connection.request("GET", CONTENT, headers={"Authorization": f"Bearer {reader}"})
    reply = connection.getresponse()
    first = reply.read(1000)
    assert one.request("PUT", CONTENT, b"new", writer).status == 204
    assert first + reply.read() == old
    connection.close()
    assert one.get(CONTENT, reader).body == b"new"


# ---- check and gc -------------------------------------------------------------------------------------------------


def test_check_finds_damage_and_orphans_and_gc_removes_orphans(server, tm):
    one = server(lines=lines(4))
    reader, writer = tokens(one)
    for n in range(4):
        assert one.request("PUT", f"{MEETING}/rec-{n}/content", f"content {n}".encode(), writer).status == 204
    folder = pathlib.Path(one.path + ".content")
    by_text = {file.read_text(): file for file in folder.iterdir()}
    (folder / ("b" * 32)).write_text("nobody's")
    (folder / ("c" * 32 + ".part")).write_text("half")
    (folder / "README").write_text("not ours")

    def check(*more):
        done = tm("store", "check", "--json", *more, store=one.store, code=None)
        return done.returncode, json.loads(done.stdout)

    assert check() == (0, {"faults": [], "ok": True, "orphans": 2})
    tm("store", "gc", store=one.store)
    assert len(blobs(one)) == 7, "beside a server what is young stays"
    one.stop()
    dry = json.loads(tm("store", "gc", "--dry-run", "--json", store=one.store).stdout)
    assert dry["orphans"] == 2 and dry["orphanBytes"] == 12 and len(blobs(one)) == 7
    assert json.loads(tm("store", "gc", "--json", store=one.store).stdout)["orphans"] == 2
    assert blobs(one) == sorted([file.name for file in by_text.values()] + ["README"])
    tm("import", "-", store=one.store, input=to_lines([remove(ANN, "rec-3", "recordings")]))
    assert json.loads(tm("store", "gc", "--json", store=one.store).stdout)["orphans"] == 1

    by_text["content 0"].write_text("CONTENT 0")
    assert check()[0] == 0
    code, found = check("--content")
    assert code == 7 and len(found["faults"]) == 1 and "rec-0" in found["faults"][0] and "damaged" in found["faults"][0]
    by_text["content 1"].unlink()
    by_text["content 2"].write_text("longer than before")
    code, found = check()
    assert code == 7 and len(found["faults"]) == 2
    assert any("rec-1" in fault and "missing" in fault for fault in found["faults"])
    assert any("rec-2" in fault and "damaged" in fault for fault in found["faults"])


@pytest.mark.slow
def test_a_large_file_passes_in_fixed_memory(server):
    one = server("--tls", "off", lines=lines())
    reader, writer = tokens(one)
    status = pathlib.Path(f"/proc/{one.pid}/status")

    def peak():
        return int([line for line in status.read_text().splitlines() if line.startswith("VmHWM")][0].split()[1])

    block = random.Random(1).randbytes(1 << 20)
    assert one.request("PUT", CONTENT, block, writer).status == 204
    assert one.get(CONTENT, reader).body == block
    before, count = peak(), 512
    sock = raw(one)
    sock.sendall(upload_head(one, writer, count << 20))
    for _ in range(count):
        sock.sendall(block)
    assert read_status(sock) == 204
    sock.close()
    connection = one.connection()
    connection.request("GET", CONTENT, headers={"Authorization": f"Bearer {reader}"})
    reply, got = connection.getresponse(), 0
    while part := reply.read(1 << 20):
        assert part == block
        got += 1
    connection.close()
    assert got == count
    assert peak() - before < 32 * 1024, "kibibytes more than before"


# ---- over HTTP/2 --------------------------------------------------------------------------------------------------


def curl(one, token, *args):
    if not shutil.which("curl") or "HTTP2" not in subprocess.run(["curl", "--version"], capture_output=True, text=True).stdout:
        pytest.skip("curl with HTTP/2 is not installed")
    return subprocess.Popen(["curl", "-g", "-sS", "--http2", "--cacert", one.ca, "-H", f"Authorization: Bearer {token}",
                             "-w", "%{http_code} %{http_version}", *args, one.base + CONTENT], stdout=subprocess.PIPE, text=True)


def test_content_passes_over_http_2_too(server, home):
    one = server(lines=lines())
    reader, writer = tokens(one)
    for size in (1, 65_536, 20_000_000):
        content = random.Random(size).randbytes(size)
        (home / "up").write_bytes(content)
        assert curl(one, writer, "-T", str(home / "up"), "-o", "/dev/null").communicate()[0] == "204 2"
        assert curl(one, reader, "-o", str(home / "down")).communicate()[0] == "200 2"
        assert (home / "down").read_bytes() == content
    assert curl(one, reader, "-o", str(home / "down"), "-r", "5-9").communicate()[0] == "206 2"
    assert (home / "down").read_bytes() == content[5:10]
    settle(one, 1)


def test_an_upload_over_http_2_that_is_cut_leaves_nothing(server, home):
    one = server(lines=lines())
    reader, writer = tokens(one)
    assert one.request("PUT", CONTENT, b"old", writer).status == 204
    (home / "up").write_bytes(random.Random(1).randbytes(20_000_000))
    for wait in (0.1, 0.3, 0.6):
        upload = curl(one, writer, "-T", str(home / "up"), "--limit-rate", "1M", "-o", "/dev/null")
        time.sleep(wait)
        upload.kill()
        upload.communicate()
    settle(one, 1)
    assert one.get(CONTENT, reader).body == b"old"
