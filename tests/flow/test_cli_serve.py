# SPDX-License-Identifier: Apache-2.0
"""The serving process: start and end, the control socket, and other commands beside it."""
import http.client
import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import threading
import time

import pytest

from conftest import BIN, base_env, guid, put, remove, to_lines, user
from test_follow_commands import wait_for

ANN = guid(1)
OPS = [user("ann@contoso.com", id=ANN)] + [put(ANN, {"name": f"C{i}", "id": f"AAMk{i}"}) for i in range(5)]


def delta_names(s):
    reply = s.get("/v1.0/me/calendars/delta", token=s.token(ANN))
    assert reply.status == 200, reply.body
    return [item["name"] for item in reply.json["value"]]


def test_the_line_when_ready_and_exit_0_on_sigterm(server):
    s = server(lines=OPS)
    assert s.stderr().startswith(f"listening on {s.base}\n") and s.stderr().count("listening on") == 1
    assert s.base.startswith("https://127.0.0.1:") and delta_names(s) == ["C0", "C1", "C2", "C3", "C4"]
    s.stop(signal.SIGTERM, code=0)


def test_sigint_drains_too(server):
    server().stop(signal.SIGINT, code=130)


def test_the_tls_files_stand_beside_the_store_and_stay(server, home):
    s = server()
    folder = home / "t.db.tls"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755 and stat.S_IMODE((folder / "ca.pem").stat().st_mode) == 0o644
    assert stat.S_IMODE((folder / "server.key").stat().st_mode) == 0o600
    authority = (folder / "ca.pem").read_text()
    s.stop()
    server()
    assert (folder / "ca.pem").read_text() == authority


def test_plain_http(server):
    s = server("--tls", "off", lines=OPS)
    assert s.base.startswith("http://127.0.0.1:") and len(delta_names(s)) == 5
    link = s.get("/v1.0/me/calendars/delta", token=s.token(ANN)).json["@odata.deltaLink"]
    assert link.startswith(s.base)


def test_plain_http_for_a_network_is_warned_of(tm, store, home):
    process = subprocess.Popen([BIN, "serve", "--tls", "off", "--listen", "0.0.0.0:0", "--store", store],
                               stderr=subprocess.PIPE, text=True, env=base_env(home))
    lines = [process.stderr.readline(), process.stderr.readline()]
    process.terminate()
    assert process.wait(60) == 0
    process.stderr.close()
    assert "warning: access tokens travel unprotected" in lines[0] and lines[1].startswith("listening on http://0.0.0.0:")


def test_a_memory_store_has_a_folder_of_the_run(server, home):
    s = server(store="memory:")
    first = s.stderr().splitlines()[0]
    ca = first.split()[-1]
    assert first.startswith("the file to trust is ") and os.path.exists(ca)
    s.ca = ca
    assert s.get("/v1.0/$metadata").status in (200, 404)
    s.stop()
    assert not os.path.exists(os.path.dirname(ca))


def scratch_folders(pid):
    """What the process holds open: the folders themselves, and files in them."""
    links = [os.readlink(entry.path) for entry in os.scandir(f"/proc/{pid}/fd") if os.path.islink(entry.path)]
    return {re.sub(r"(/tidemark-scratch-\w+)/.*", r"\1", link) for link in links if "/tidemark-scratch-" in link}


def test_what_a_killed_memory_store_left_goes_with_the_next_start(server):
    first = server("--tls", "off", store="memory:")
    left = scratch_folders(first.pid)
    assert len(left) == 2 and all(os.stat(path).st_mode & 0o777 == 0o700 for path in left), "the store and the recordings"
    if os.path.isdir("/dev/shm") and shutil.disk_usage("/dev/shm").free > 2 << 28:
        assert any(path.startswith("/dev/shm/") and os.path.exists(f"{path}/store.db") for path in left)
    first.kill()
    second = server("--tls", "off", store="memory:")
    assert not any(os.path.exists(path) for path in left)
    own = scratch_folders(second.pid)
    assert len(own) == 2 and all(os.path.exists(path) for path in own)
    second.stop()
    assert not any(os.path.exists(path) for path in own)


def test_public_url_and_link_style(server):
    s = server("--public-url", "https://graph.example.org/", "--link-style", "seed", lines=OPS)
    link = s.get("/v1.0/me/calendars/delta", token=s.token(ANN)).json["@odata.deltaLink"]
    assert link.startswith("https://graph.example.org/v1.0/") and "?skipToken=" in link


def test_issuer_off_refuses_its_tokens(server):
    s = server("--issuer", "off", lines=OPS)
    assert s.get("/v1.0/me/calendars", token=s.token(ANN)).status == 401


@pytest.mark.parametrize("args, code, says", [
    (["--tls-cert", "x.pem"], 2, "go together"),
    (["--tls", "off", "--tls-cert", "x.pem", "--tls-key", "y.pem"], 2, "no use for a certificate"),
    (["--tls-cert", "x.pem", "--tls-key", "y.pem"], None, "x.pem: No such file or directory; see --tls-cert"),
])
def test_tls_options_that_do_not_fit(tm, store, args, code, says):
    assert tm("serve", "--listen", "127.0.0.1:0", *args, store=store, code=code, error=says).returncode != 0


def test_an_address_in_use_is_reported(tm, server, home):
    s = server()
    done = tm("serve", "--listen", f"127.0.0.1:{s.port}", store=f"sqlite:{home}/other.db", code=1)
    assert f"cannot listen on 127.0.0.1:{s.port}: Address already in use; choose another address with --listen\n" in done.stderr
    # Nothing is left behind, so the next try with --sample does not find users.
    tm("serve", "--sample", "--listen", f"127.0.0.1:{s.port}", store=f"sqlite:{home}/other.db", code=1, error="already in use")
    tm("serve", "--listen", "127.0.0.1:what", store=f"sqlite:{home}/other.db", code=2)
    assert not list(home.glob("other.db*"))


def test_a_second_server_on_the_store_is_exit_12(tm, server, store):
    s = server()
    done = tm("serve", "--listen", "127.0.0.1:0", store=store, code=12)
    assert str(s.pid) in done.stderr


def test_a_store_with_a_second_name_is_not_served_under_either(tm, server, store, home):
    """The lock and the log lie beside one name: a second server under the other name would lose what the first wrote."""
    other = home / "other.db"
    s = server(lines=OPS)
    os.link(home / "t.db", other)
    for args in (["serve", "--listen", "127.0.0.1:0"], ["import"]):
        done = tm(*args, store=f"sqlite:{other}", code=6, input="")
        assert f"{other} has another name (a hard link); remove that name" in done.stderr
    assert not os.path.exists(f"{other}.lock")

    # The server that was first goes on, and takes what is written through it.
    tm("import", store=store, input=to_lines([put(ANN, {"name": "C5", "id": "AAMk5"})]))
    assert len(delta_names(s)) == 6
    copy = home / "copy.db"
    tm("store", "backup", copy, store=store)
    s.stop()

    # The other order: the link is there before any server.
    for name in (home / "t.db", other):
        assert "a hard link" in tm("serve", "--listen", "127.0.0.1:0", store=f"sqlite:{name}", code=6).stderr
        assert "a hard link" in tm("store", "restore", copy, store=f"sqlite:{name}", code=6).stderr
        assert "AAMk5" in tm("export", store=f"sqlite:{name}").stdout
    other.unlink()
    assert len(delta_names(server())) == 6


def test_a_store_that_was_renamed_while_it_is_served_is_not_served_twice(tm, server, store, home):
    """The lock beside the name does not say it: the file itself is locked.  The log lies at the old name."""
    s, old, new = server(lines=OPS), home / "t.db", home / "new.db"
    token = s.token(ANN)
    copy = home / "copy.db"
    tm("store", "backup", copy, store=store)
    assert len(delta_names(s)) == 5
    old.rename(new)
    for args in (["serve", "--listen", "127.0.0.1:0"], ["import"], ["store", "restore", copy]):
        done = tm(*args, store=f"sqlite:{new}", code=6, input="")
        assert f"{new} is held by another run, under another name" in done.stderr
    assert not os.path.exists(f"{new}.lock")
    assert s.request("POST", "/v1.0/me/calendars", {"name": "C5"}, token).status == 201
    assert s.control("GET", "/-/ready").status == 503

    # Back again, all is as before.
    new.rename(old)
    assert s.control("GET", "/-/ready").status == 200
    assert len(delta_names(s)) == 6
    tm("import", store=store, input=to_lines([put(ANN, {"name": "C6", "id": "AAMk6"})]))

    # What was answered is in the file when its server has ended, whatever its name is then.
    old.rename(new)
    assert s.request("POST", "/v1.0/me/calendars", {"name": "C7"}, token).status == 201
    s.stop()
    assert os.path.getsize(f"{old}-wal") == 0
    assert tm("store", "check", store=f"sqlite:{new}").stdout == "ok\n"
    assert len(delta_names(server(store=f"sqlite:{new}"))) == 8


@pytest.mark.parametrize("replaced", [False, True])
def test_a_store_that_was_deleted_while_it_is_served_takes_no_writes_and_says_so(tm, server, store, home, replaced):
    """Whatever is written now would end with the process."""
    s, copy = server(lines=OPS), home / "copy.db"
    token = s.token(ANN)

    def write(name):
        return s.request("POST", "/v1.0/me/calendars", {"name": name}, token).status

    def printed():
        return s.control("GET", "/-/ready").status, b"\ntidemark_store_file_moved 1\n" in s.control("GET", "/-/metrics").body
    tm("store", "backup", copy, store=store)
    assert (write("C5"), printed()) == (201, (200, False))
    copy.rename(home / "t.db") if replaced else os.unlink(home / "t.db")
    batch = {"requests": [{"id": "1", "method": "POST", "url": "/me/calendars", "body": {"name": "C6"}, "headers": {"Content-Type": "application/json"}}]}
    parts = s.request("POST", "/v1.0/$batch", batch, token).json["responses"]
    assert (write("C7"), parts[0]["status"], printed()) == (500, 500, (503, True))
    tm("import", store=store, input=to_lines([put(ANN, {"name": "C8", "id": "AAMk8"})]), code=12)
    assert len(s.get("/v1.0/me/calendars/delta", token).json["value"]) == 6
    wait_for(lambda: '"event":"the store\'s file was renamed, replaced or deleted"' in s.stderr())
    assert "the store's file was deleted or replaced: no write would last" in s.stderr()


def test_a_mount_of_one_file_is_not_served(tm, server, store, home):
    """The log lies beside one of the two names: a run by the other name, also a later one, would not find it."""
    other = home / "other.db"
    other.touch()
    alone = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--mount"]
    line = 'mount --bind "$1" "$2" && exec "$3" "$4" --store "sqlite:$2"'
    if subprocess.run([*alone, "mount", "--bind", home, home], capture_output=True).returncode != 0:
        pytest.skip("nothing can be mounted here")
    s = server(lines=OPS)
    for is_served in (True, False):
        if not is_served:
            s.stop()
        done = subprocess.run([*alone, "sh", "-c", line, "-", home / "t.db", other, BIN, "serve"],
                              capture_output=True, text=True, env=base_env(home), timeout=60)
        assert done.returncode == 6 and f"{other} is a mount of one file; mount its folder" in done.stderr
    # A mount of the whole folder has the lock in it.
    line = 'mount --bind "$1" "$1" && exec "$3" "$4" --store "sqlite:$1/t.db"'
    server()
    done = subprocess.run([*alone, "sh", "-c", line, "-", home, other, BIN, "serve"],
                          capture_output=True, text=True, env=base_env(home), timeout=60)
    assert done.returncode == 12


def test_readers_work_beside_it(tm, server, store, home):
    server(lines=OPS)
    assert len(tm("export", store=store).stdout.splitlines()) == 6
    assert "ann@contoso.com" in tm("user", "list", store=store).stdout
    assert tm("store", "check", store=store).stdout == "ok\n"
    tm("store", "info", store=store)
    tm("store", "backup", home / "copy.db", store=store)
    assert len(tm("export", store=f"sqlite:{home}/copy.db").stdout.splitlines()) == 6
    tm("store", "restore", home / "copy.db", store=store, code=12)


@pytest.mark.slow
def test_writers_hand_their_lines_to_it(tm, server, store, home):
    s = server(lines=OPS)
    more = [user("bob@contoso.com", id=guid(2))] + [put(guid(2), {"name": f"B{i}", "id": f"B{i}"}) for i in range(12000)]
    path = home / "more.jsonl"
    path.write_text(to_lines(more + [remove(ANN, "AAMk0")]))
    reported = json.loads(tm("import", "--json", path, store=store).stdout)
    assert reported == {"lines": 12002, "users": 1, "stored": 12000, "removed": 1, "absent": 0, "bad": 0}
    assert delta_names(s) == ["C1", "C2", "C3", "C4"]
    id = tm("user", "add", "--upn", "eve@contoso.com", store=store).stdout.strip()
    assert s.get("/v1.0/me/calendars", token=s.token(id)).status == 200
    tm("user", "remove", "eve@contoso.com", store=store)
    assert "eve@" not in tm("user", "list", store=store).stdout
    tm("user", "add", "--upn", "bob@contoso.com", store=store, code=6, error="another user's")
    assert json.loads(tm("store", "gc", "--retention", "0", "--json", store=store).stdout)["purged"] == 1
    assert json.loads(tm("store", "info", "--json", store=store).stdout)["tombstones"] == 0


def test_bad_lines_beside_it(tm, server, store, home):
    s = server(lines=OPS)
    path = home / "bad.jsonl"
    path.write_text(to_lines([put(ANN, {"name": "X"})]) + "bad\n")
    tm("import", path, store=store, code=6, error=f"{path}:2: ")
    assert len(delta_names(s)) == 5
    tm("import", "--skip-bad", path, store=store, code=8)
    assert len(delta_names(s)) == 6


def test_locked_without_an_answer_is_exit_12(tm, server, store, home):
    s = server(lines=OPS)
    os.unlink(home / "t.db.sock")
    tm("import", store=store, input=to_lines(OPS), code=12, error="does not answer")
    s.stop()


def test_the_socket_is_private_and_a_dead_one_is_replaced(server, home):
    s = server(lines=OPS)
    assert stat.S_IMODE((home / "t.db.sock").stat().st_mode) == 0o600
    s.kill()
    assert (home / "t.db.sock").exists()
    assert server().control("GET", "/-/ready").status == 200


def test_a_long_path_to_the_socket(tm, server, home):
    folder = home / ("d" * 100)
    folder.mkdir()
    store = f"sqlite:{folder}/t.db"
    s = server(store=store, lines=OPS)
    assert (folder / "t.db.sock").exists()
    tm("user", "add", "--upn", "bob@contoso.com", store=store)
    s.stop()


def test_health_ready_and_metrics(server):
    s = server(lines=OPS)
    delta_names(s)
    assert s.control("GET", "/-/health").json == {"status": "alive"}
    assert s.control("GET", "/-/ready").json == {"status": "ready"}
    reply = s.control("GET", "/-/metrics")
    lines = dict(line.rsplit(" ", 1) for line in reply.body.decode().splitlines() if not line.startswith("#"))
    assert reply.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert int(lines["tidemark_requests_total"]) >= 1
    assert int(lines['tidemark_responses_total{class="2xx"}']) >= 1
    assert int(lines["tidemark_store_items"]) == 5
    assert {"tidemark_store_commits_total", "tidemark_store_syncs_total", "tidemark_store_epoch"} <= set(lines)


def test_apply_twice_with_one_key_changes_nothing(server):
    s = server(lines=OPS)
    key = {"Idempotency-Key": guid(77)}
    body = to_lines([put(ANN, {"name": "No id"})])
    assert s.control("POST", "/-/apply", body, key).json["again"] is False
    assert s.control("POST", "/-/apply", body, key).json == {
        "lines": 1, "users": 0, "stored": 1, "removed": 0, "absent": 0, "again": True}
    assert delta_names(s).count("No id") == 1


@pytest.mark.parametrize("method, path, body, headers, status, says", [
    ("POST", "/-/apply", to_lines(OPS[:1]) + "bad\n", {}, 400, '"line":2'),
    ("POST", "/-/apply", to_lines([put(guid(9), {"name": "x"})]), {}, 400, "there is no user"),
    ("POST", "/-/apply", "\n" * 10001, {}, 400, "more lines"),
    ("POST", "/-/apply", "x" * (4 << 20), {}, 413, ""),
    ("POST", "/-/apply", to_lines(OPS[:1]), {"Idempotency-Key": "x"}, 400, "not a GUID"),
    ("GET", "/-/apply", None, {}, 405, "method"),
    ("POST", "/-/health", None, {}, 405, "method"),
    ("GET", "/v1.0/me", None, {}, 404, "no such path"),
    ("POST", "/-/gc", None, {}, 400, "retention"),
    ("POST", "/-/gc?retention=x", None, {}, 400, "bad value"),
    ("POST", "/-/gc?retention=1&after=x", None, {}, 400, "bad value"),
    ("POST", "/-/gc?retention=1&more=2", None, {}, 400, "unknown option"),
], ids=range(12))
def test_what_the_control_socket_refuses(server, method, path, body, headers, status, says):
    s = server(lines=OPS)
    try:
        reply = s.control(method, path, body, headers)
    except (BrokenPipeError, ConnectionResetError):
        assert status == 413
        return
    assert reply.status == status and says in reply.body.decode(), reply.body
    assert delta_names(s) == ["C0", "C1", "C2", "C3", "C4"]


def test_gc_in_steps_over_the_socket(server):
    s = server(lines=OPS + [remove(ANN, "AAMk0"), remove(ANN, "AAMk1")])
    dry = s.control("POST", "/-/gc?retention=0&dry-run=1").json
    assert (dry["purged"], dry["done"]) == (2, True)
    assert s.control("POST", f"/-/gc?retention=0&after={dry['after']}").json["purged"] == 0
    assert s.control("POST", "/-/gc?retention=0").json["purged"] == 2


def test_the_service_manager_is_notified(server, home):
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(str(home / "notify"))
    manager.settimeout(60)
    s = server(env={"NOTIFY_SOCKET": str(home / "notify")})
    assert manager.recv(100) == b"READY=1"
    s.stop()
    assert manager.recv(100) == b"STOPPING=1"
    manager.close()


def test_everything_acknowledged_survives_a_kill(tm, server, store):
    s = server(lines=OPS)
    done = []

    def write():
        for i in range(1000):
            try:
                if s.control("POST", "/-/apply", to_lines([put(ANN, {"name": f"K{i}", "id": f"K{i}"})])).status == 200:
                    done.append(f"K{i}")
            except OSError:
                return

    thread = threading.Thread(target=write)
    thread.start()
    while len(done) < 20 and thread.is_alive():
        time.sleep(0.01)
    s.kill()
    thread.join()
    assert tm("store", "check", store=store).stdout == "ok\n"
    assert set(done) <= {json.loads(line)["value"].get("id") for line in tm("export", store=store).stdout.splitlines()}
    assert set(done) <= set(delta_names(server()))


def test_nobody_reading_the_log_stops_nothing(tm, store, home):
    """Audit lines go into a pipe that nobody empties: the server answers on, and SIGTERM ends it."""
    tm("import", "-", store=store, input=to_lines([user("ann@contoso.com")]))
    process = subprocess.Popen(tm.command(["serve", "--listen", "127.0.0.1:0", "--tls", "off"], store), stderr=subprocess.PIPE,
                               env=base_env(home), cwd=home)
    try:
        port = int(process.stderr.readline().decode().rsplit(":", 1)[1])
        for _ in range(600):                     # each refusal is a line of some 300 bytes; a pipe holds 64 KiB
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            connection.request("GET", "/v1.0/me/calendars/delta")
            assert connection.getresponse().status == 401
            connection.close()
        process.terminate()
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.stderr.close()
