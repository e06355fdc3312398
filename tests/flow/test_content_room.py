# SPDX-License-Identifier: Apache-2.0
"""Recordings and the room they take: the store keeps its own, what is unfinished is bounded, what is under way is not swept."""
import json
import os
import pathlib
import random
import signal
import socket
import subprocess
import threading
import time

import pytest

from conftest import base_env, guid, to_lines
from test_recordings_content import ANN, CONTENT, MEETING, READ, WRITE, blobs, lines, raw, read_status, settle, tokens, upload_head

CALENDARS = f"/v1.0/users/{ANN}/calendars"


def head_of(number, one, token, length, *more):
    return upload_head(one, token, length, *more).replace(b"rec-0", f"rec-{number}".encode(), 1)


def wait_for(what, seconds=60):
    end = time.monotonic() + seconds
    while not what() and time.monotonic() < end:
        time.sleep(0.02)
    assert what()


def parts(one):
    return [name for name in blobs(one) if name.endswith(".part")]


# ---- the disk's reserve ----------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(home):
    """A file system of 64 MiB."""
    path = home / "disk"
    path.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", path], capture_output=True).returncode != 0:
        pytest.skip("a file system cannot be mounted here")
    yield path
    subprocess.run(["umount", "-l", path], check=True)


def free_of(path):
    disk = os.statvfs(path)
    return disk.f_bavail * disk.f_frsize


def create_calendar(one, token, name):
    return one.request("POST", CALENDARS, {"name": name}, token).status


@pytest.mark.parametrize("args, reserve", [((), 8 << 20), (("--min-free", "20M"), 20 << 20)])
def test_calendars_are_written_whatever_is_uploaded_or_announced(server, small_disk, args, reserve):
    one = server("--tls", "off", *args, store=f"sqlite:{small_disk}/t.db", lines=lines(40))
    _, writer = tokens(one)
    calendars = one.app_token("Calendars.ReadWrite")
    # Announced, and never sent: as long as there is room each is taken, and none of them takes any.
    before, socks = free_of(small_disk), []
    for n in range(8):
        socks.append(raw(one))
        socks[-1].sendall(head_of(n, one, writer, 30 << 20) + b"x" * 1000)
    wait_for(lambda: len(parts(one)) == 8)
    assert before - free_of(small_disk) < 4 << 20
    assert create_calendar(one, calendars, "announced") == 201
    # What could never fit is refused before the first byte.
    sock = raw(one)
    sock.sendall(head_of(9, one, writer, 60 << 20, "Expect: 100-continue"))
    assert read_status(sock) == 507
    sock.close()
    # Sent: content goes on until the reserve is reached, and calendars after it.
    statuses = []
    for n in range(10, 40):
        try:
            statuses.append(one.request("PUT", f"{MEETING}/rec-{n}/content", b"y" * (2 << 20), writer).status)
        except OSError:
            statuses.append(507)                 # the answer came before all was sent
    assert statuses[0] == 204 and statuses[-1] == 507
    assert free_of(small_disk) >= reserve - (1 << 20)
    for n in range(20):
        assert create_calendar(one, calendars, f"after-{n}") == 201
    for sock in socks:
        sock.close()
    wait_for(lambda: not parts(one))


def test_an_import_leaves_the_reserve_too(tm, small_disk, home):
    (home / "big.mp4").write_bytes(b"x" * (50 << 20))
    ops = lines()
    ops[-1]["contentFile"] = "big.mp4"
    tm("import", "-", "--min-free", "20M", store=f"sqlite:{small_disk}/t.db", input=to_lines(ops), code=5, error="no space")
    assert os.listdir(small_disk / "t.db.content") == []
    tm("import", "-", store=f"sqlite:{small_disk}/t.db", input=to_lines(ops))


# ---- what is unfinished ----------------------------------------------------------------------------------------


def test_unfinished_uploads_are_bounded_for_each_caller_and_in_all(server):
    one = server("--tls", "off", "--max-content", "512K", lines=lines(8))
    writers = [one.app_token(WRITE, app=guid(0xb00 + n)) for n in range(3)]
    size, socks = 450 << 10, []

    def begin(n, token):
        """All but the last byte."""
        sock = raw(one)
        try:
            sock.sendall(head_of(n, one, token, size) + b"x" * (size - 1))
        except OSError:
            pass                                 # refused, and closed
        return sock

    def sizes():
        folder = pathlib.Path(one.path + ".content")
        return sorted((folder / name).stat().st_size for name in parts(one))

    for n in range(4):
        socks.append(begin(n, writers[n // 2]))
        # The last piece, of less than 64 KiB, waits for its end.
        wait_for(lambda: len(sizes()) == len(socks) and min(sizes()) >= size - (64 << 10))
    for token in (writers[0], writers[2]):
        with begin(5, token) as sock:            # over its own share; over everybody's
            head = sock.recv(65536)
            assert b" 503 " in head and b"Retry-After: 1" in head
    for sock in socks:
        sock.sendall(b"x")
        assert read_status(sock) == 204
        sock.close()
    assert one.request("PUT", CONTENT, b"x" * size, writers[2]).status == 204
    settle(one, 4)


def test_what_is_unfinished_goes_with_its_client_and_with_its_server(server, tm):
    one = server("--tls", "off", lines=lines(4))
    _, writer = tokens(one)
    socks = [raw(one) for _ in range(3)]
    for n, sock in enumerate(socks):
        sock.sendall(head_of(n, one, writer, 1 << 20) + b"half")
    wait_for(lambda: len(parts(one)) == 3)
    socks.pop().close()
    settle(one, 2)
    one.kill()
    assert len(blobs(one)) == 2
    two = server("--tls", "off")
    assert blobs(two) == []


# ---- gc beside everything --------------------------------------------------------------------------------------


def grow_old(one):
    for file in pathlib.Path(one.path + ".content").iterdir():
        os.utime(file, (time.time() - 7200,) * 2)


def gc(tm, one, code=0):
    return tm("store", "gc", "--json", "--retention", "0s", store=one.store, code=code)


class Import:
    """An import that is fed line by line, so that it can be looked at between any two of them."""

    def __init__(self, tm, one, home):
        self.process = subprocess.Popen(tm.command(["import", "-"], one.store), stdin=subprocess.PIPE, stderr=subprocess.PIPE,
                                        env=base_env(home), cwd=home, text=True)

    def give(self, op):
        self.process.stdin.write(to_lines([op]))
        self.process.stdin.flush()

    def end(self):
        _, reported = self.process.communicate(timeout=120)
        assert self.process.returncode == 0, reported


def test_gc_takes_nothing_from_an_import_however_long_it_takes(server, tm, home):
    """Its files are two hours old, the server is another one by then, and gc runs at every step."""
    one = server("--tls", "off", lines=lines(70))
    ops = [{**op, "contentFile": "clip.mp4"} for op in lines(70)[2:]]
    (home / "clip.mp4").write_text("clip")
    importing = Import(tm, one, home)
    for n, op in enumerate(ops[:3]):
        importing.give(op)
        wait_for(lambda: len(blobs(one)) == n + 1 and not parts(one))
        grow_old(one)
        gc(tm, one)
        assert len(blobs(one)) == n + 1
    one.stop()
    gc(tm, one)
    one = server("--tls", "off")
    assert len(blobs(one)) == 3
    for op in ops[3:]:
        importing.give(op)                       # more than the importer holds back
    importing.end()
    grow_old(one)
    gc(tm, one)
    reader, _ = tokens(one)
    assert {one.get(f"{MEETING}/rec-{n}/content", reader).body for n in range(70)} == {b"clip"}
    assert json.loads(tm("store", "check", "--content", "--json", store=one.store).stdout) == {"faults": [], "ok": True, "orphans": 0}


def test_gc_takes_nothing_from_an_upload_however_long_it_takes(server, tm):
    """Its part is two hours old when gc looks; so is what it replaces, which is still linked."""
    one = server("--tls", "off", lines=lines(1))
    reader, writer = tokens(one)
    assert one.request("PUT", CONTENT, b"old", writer).status == 204
    with raw(one) as sock:
        sock.sendall(upload_head(one, writer, 8) + b"half")
        wait_for(lambda: len(parts(one)) == 1)
        grow_old(one)
        assert json.loads(gc(tm, one).stdout)["orphans"] == 0
        assert len(blobs(one)) == 2 and one.get(CONTENT, reader).body == b"old"
        sock.sendall(b"half")
        assert read_status(sock) == 204
    assert one.get(CONTENT, reader).body == b"halfhalf"


def test_what_a_killed_import_leaves_is_an_orphan_at_once(server, tm, home):
    one = server("--tls", "off", lines=lines(2))
    (home / "clip.mp4").write_text("clip")
    importing = Import(tm, one, home)
    importing.give({**lines(1)[-1], "contentFile": "clip.mp4"})
    wait_for(lambda: len(blobs(one)) == 1 and not parts(one))
    importing.process.send_signal(signal.SIGKILL)
    importing.process.communicate()
    grow_old(one)
    assert json.loads(gc(tm, one).stdout)["orphans"] == 1
    assert blobs(one) == []


def test_a_line_whose_content_is_gone_is_refused(server):
    """Over the control socket: a reference to nothing never gets into the store."""
    one = server("--tls", "off", lines=lines(1))
    op = {**lines(1)[-1], "content": {"id": "a" * 32, "sha256": "b" * 64, "size": 4}}
    reply = one.control("POST", "/-/apply", to_lines([op]))
    assert reply.status == 400 and "content is not in the folder" in reply.json["error"]["message"]
    (pathlib.Path(one.path + ".content")).mkdir(exist_ok=True)
    (pathlib.Path(one.path + ".content") / ("a" * 32)).write_text("four")
    assert one.control("POST", "/-/apply", to_lines([op])).status == 200


def replace_all_the_time(one, writer, recordings, stop):
    number = 0
    while not stop.is_set():
        number += 1
        reply = one.request("PUT", f"{MEETING}/rec-{recordings[number % len(recordings)]}/content", f"content {number}".encode(), writer)
        assert reply.status == 204


def test_a_copy_made_while_the_folder_is_held_is_whole(server, tm, home, store):
    """docs/recordings.md: flock --shared around backup and copy; contents are replaced and gc runs meanwhile."""
    one = server("--tls", "off", lines=lines(5))
    _, writer = tokens(one)
    for n in range(5):
        assert one.request("PUT", f"{MEETING}/rec-{n}/content", b"first", writer).status == 204
    stop = threading.Event()
    thread = threading.Thread(target=replace_all_the_time, args=(one, writer, range(5), stop))
    thread.start()
    backup = f"{home}/b.db"
    holding = subprocess.Popen(["flock", "--shared", one.path + ".content", "sh", "-c", "echo held; read line; cp -a $0 $1; read line",
                                one.path + ".content", f"{home}/b.content"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holding.stdout.readline() == "held\n"
    tm("store", "backup", backup, store=store)
    was = len(blobs(one))
    wait_for(lambda: len(blobs(one)) > was + 5)  # all that the backup refers to is replaced by now, and still there
    tm("store", "gc", store=store, code=12, error="another run holds it")
    holding.stdin.write("\n")
    holding.stdin.flush()
    wait_for(lambda: os.path.exists(f"{home}/b.content"))
    holding.communicate("\n")
    stop.set()
    thread.join()
    one.stop()
    tm("store", "restore", backup, store=store)
    os.rename(f"{home}/t.db.content", f"{home}/old.content")
    os.rename(f"{home}/b.content", f"{home}/t.db.content")
    assert json.loads(tm("store", "check", "--content", "--json", store=store).stdout)["ok"]
    tm("store", "gc", store=store)
    assert len(blobs(one)) == 5


def test_a_check_beside_uploads_finds_no_damage(server, tm):
    """It reads ten large contents first; the small ones after them have been replaced by then."""
    one = server("--tls", "off", lines=lines(14))
    _, writer = tokens(one)
    for n in range(14):
        assert one.request("PUT", f"{MEETING}/rec-{n}/content", b"first" * (800_000 if n < 10 else 1), writer).status == 204
    stop = threading.Event()
    thread = threading.Thread(target=replace_all_the_time, args=(one, writer, range(10, 14), stop))
    thread.start()
    try:
        assert json.loads(tm("store", "check", "--content", "--json", store=one.store).stdout)["ok"]
    finally:
        stop.set()
        thread.join()
