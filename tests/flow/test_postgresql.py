# SPDX-License-Identifier: Apache-2.0
"""Servers on a PostgreSQL of the tests' own: what one commits the others see, and nothing that was acknowledged is lost,
whoever is killed.  TIDEMARK_KILLS says how often (3 of each kind)."""
import http.client
import itertools
import json
import os
import pathlib
import random
import socket
import sys
import threading
import time

import pytest

from conftest import guid, issued, put, usual, user

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import postgresql                                                                        # noqa: E402

ANN, BOB = "ann@contoso.com", "bob@contoso.com"
ME = "/v1.0/me/calendars"
KILLS = int(os.environ.get("TIDEMARK_KILLS") or usual(3, 20, 200))
WRITERS = 3
LOST = (OSError, http.client.HTTPException)

pytestmark = pytest.mark.skipif(not postgresql.is_installed(), reason="postgresql-15 is not installed")


@pytest.fixture(scope="module")
def cluster():
    cluster = postgresql.Cluster()
    cluster.names = itertools.count(1)
    yield cluster.start()
    cluster.close()


@pytest.fixture
def store(cluster):
    """A database of the test's own; its URL has a password, which must not be in any log."""
    name = f"test{next(cluster.names)}"
    cluster.sql(f"CREATE DATABASE {name}")
    return f"postgresql://tidemark:{issued('hush-hush-secret')}@/{name}?host={cluster.folder}"


@pytest.fixture
def serve(server):
    return lambda **more: server("--tls", "off", **more)


def names(page):
    return sorted(item["name"] for item in page["value"] if "name" in item)


def path_of(link, server):
    return link.removeprefix(server.base)


def test_two_servers_see_each_others_writes_at_once(serve, tm, store):
    one, two = serve(lines=[user(ANN), user(BOB)]), serve()
    token, bob = one.token(ANN), one.token(BOB)
    link = one.get(f"{ME}/delta", token).json["@odata.deltaLink"]
    for number in range(10):
        writer, reader = (one, two) if number % 2 else (two, one)
        made = writer.request("POST", ME, {"name": f"calendar {number}"}, token)
        assert made.status == 201, made.body
        page = reader.get(path_of(link, one if number == 0 else writer), token).json
        assert names(page) == [f"calendar {number}"] or number == 0 and f"calendar {number}" in names(page)
        link = page["@odata.deltaLink"]
        assert reader.get(f"{ME}/{made.json['id']}", token).status == 200
    page = two.get(path_of(link, one), token).json
    assert page["value"] == []
    assert one.request("DELETE", f"{ME}/{made.json['id']}", token=token).status == 204
    assert two.get(f"{ME}/{made.json['id']}", token).status == 404
    # A right that is taken away is gone everywhere.
    assert [server.get(ME, bob).status for server in (one, two)] == [200, 200]
    tm("user", "remove", BOB, store=store)
    assert [server.get(ME, bob).status for server in (one, two)] == [401, 401]


def test_a_held_poll_is_woken_by_a_change_of_its_own_server(serve):
    """And by no other one: the poll of a feed that nobody changes is answered at the end of its time, which comes sooner."""
    one, replies = serve(lines=[user(ANN), user(BOB)]), []

    def hold(token, seconds):
        link = one.get(f"{ME}/delta", token).json["@odata.deltaLink"]
        held = threading.Thread(target=lambda: replies.append(names(one.get(link, token, {"Prefer": f"wait={seconds}"}).json)))
        held.start()
        return held

    token = one.token(ANN)
    held = [hold(token, 60), hold(one.token(BOB), 3)]
    time.sleep(0.3)
    assert one.request("POST", ME, {"name": "news"}, token).status == 201
    for thread in held:
        thread.join()
    assert replies == [["news"], []]


# ---- kills ------------------------------------------------------------------------------------------------


class Writer(threading.Thread):
    """Makes calendars until it is told to end, or the server is gone; remembers what it was told of each."""

    def __init__(self, server, token, prefix):
        super().__init__()
        self.server, self.token, self.prefix = server, token, prefix
        self.stored, self.refused, self.fault, self.ends = set(), set(), None, False

    def run(self):
        connection = self.server.connection()
        for number in itertools.count():
            name = f"{self.prefix}-{number}"
            try:
                connection.request("POST", ME, json.dumps({"name": name}), {"Authorization": f"Bearer {self.token}",
                                                                             "Content-Type": "application/json"})
                reply = connection.getresponse()
                body = reply.read()
            except LOST:
                break
            if reply.status == 201:
                self.stored.add(name)
            elif reply.status == 503:
                self.refused.add(name)
                time.sleep(0.01)
            elif reply.status != 500 or b"InternalServerError" not in body:
                self.fault = (reply.status, body)
            if self.ends:
                break
        connection.close()


def read_all(server, token):
    found, link = [], f"{ME}/delta"
    while True:
        page = server.get(link, token, headers={"Prefer": "odata.maxpagesize=500"})
        assert page.status == 200, page.body
        found += names(page.json)
        link = page.json.get("@odata.nextLink")
        if not link:
            return found


def check(server, token, writers):
    found = read_all(server, token)
    assert len(found) == len(set(found)), "a calendar was stored twice"
    for writer in writers:
        assert writer.fault is None, writer.fault
        assert writer.stored <= set(found), "an acknowledged calendar is lost"
        assert not writer.refused & set(found), "a calendar was stored although it was refused"


def start_writers(servers, token, prefix):
    writers = [Writer(server, token, f"{prefix}-{number}-{at}") for at, server in enumerate(servers)
               for number in range(WRITERS)]
    for writer in writers:
        writer.start()
    return writers


def end_writers(writers):
    for writer in writers:
        writer.ends = True
    for writer in writers:
        writer.join()


def test_kill_9_of_a_server_loses_nothing_acknowledged(serve, tm, store):
    rng = random.Random(os.environ.get("TIDEMARK_SEED", "18"))
    one, two = serve(lines=[user(ANN)]), serve()
    token = one.token(ANN)
    for kill in range(KILLS):
        writers = start_writers((one, two), token, f"s{kill}")
        time.sleep(rng.uniform(0.05, 0.3))
        two.kill()
        time.sleep(0.1)
        end_writers(writers)
        two = serve()
        check(two, token, writers)
    assert sum(len(writer.stored) for writer in writers) > 0
    tm("store", "check", store=store)


def test_kill_9_of_the_database_loses_nothing_acknowledged(serve, tm, store, cluster):
    rng = random.Random(os.environ.get("TIDEMARK_SEED", "18"))
    one, two = serve(lines=[user(ANN)]), serve()
    token = one.token(ANN)
    for kill in range(KILLS):
        writers = start_writers((one, two), token, f"d{kill}")
        time.sleep(rng.uniform(0.05, 0.3))
        cluster.kill()
        while (reply := one.get(ME, token)).status == 200:
            continue                                     # its processes end a moment after it
        assert reply.status == 503 and int(reply.headers["Retry-After"]) > 0
        cluster.start()
        while any(server.get(ME, token).status != 200 for server in (one, two)):
            time.sleep(0.05)
        end_writers(writers)
        check(one, token, writers)
        assert all(writer.stored for writer in writers)
    tm("store", "check", store=store)


# ---- a lost answer ----------------------------------------------------------------------------------------


class Proxy(threading.Thread):
    """Stands between a server and the database, and cuts the connection at its next COMMIT, before or after its answer."""

    def __init__(self, folder, home):
        super().__init__(daemon=True)
        self.folder, self.when, self.cuts = folder, None, 0
        self.home = home
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(f"{home}/.s.PGSQL.5432")
        self.listener.listen()
        self.start()

    def run(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.pass_on, args=(client,), daemon=True).start()

    def pass_on(self, client):
        server = socket.socket(socket.AF_UNIX)
        server.connect(f"{self.folder}/.s.PGSQL.5432")
        back = threading.Thread(target=self.pass_back, args=(server, client), daemon=True)
        back.start()
        while data := client.recv(65536):
            if self.when and data.endswith(b"COMMIT\0"):
                when, self.when = self.when, None
                self.cuts += 1
                if when == "after":
                    client.shutdown(socket.SHUT_WR)      # the answer comes and goes nowhere
                    server.sendall(data)
                    time.sleep(0.3)
                break
            server.sendall(data)
        for end in (server, client):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        back.join()
        server.close()
        client.close()

    @staticmethod
    def pass_back(server, client):
        try:
            while data := server.recv(65536):
                client.sendall(data)
        except OSError:
            pass


def test_an_answer_to_commit_that_is_lost_is_settled(serve, store, cluster, home):
    proxy = Proxy(cluster.folder, home)
    direct = serve(lines=[user(ANN)])
    server = serve(store=store.replace(str(cluster.folder), str(home)))
    token, wanted = direct.token(ANN), set()
    for number in range(6):
        name, when = f"calendar {number}", ("after", "before")[number % 2]
        assert server.get(ME, token).status == 200
        proxy.when = when
        reply = server.request("POST", ME, {"name": name}, token)
        assert reply.status == (201 if when == "after" else 503), reply.body
        if when == "after":
            wanted.add(name)
    assert proxy.cuts == 6
    assert set(read_all(direct, token)) - {"Calendar"} == wanted
    proxy.listener.close()


# ---- commands ---------------------------------------------------------------------------------------------


def test_the_commands_work_on_the_database(serve, tm, store, cluster):
    lines = [user(ANN, id=guid(1)), *(put(guid(1), {"id": f"c{number}", "name": f"calendar {number}"}) for number in range(300))]
    tm("store", "info", store=store, code=6, error="there is no such store")
    server = serve(lines=lines)
    exported = tm("export", store=store).stdout
    assert exported.count('"op":"put"') == 300
    info = json.loads(tm("store", "info", "--json", store=store).stdout)
    assert (info["engine"], info["items"], info["feeds"]) == ("postgresql", 300, 1)
    assert tm("store", "check", store=store).stdout == "ok\n"
    tm("import", "-", store=store, input=json.dumps({"op": "remove", "feed": f"users/{guid(1)}/calendars", "id": "c7"}) + "\n")
    assert json.loads(tm("store", "gc", "--retention", "0s", "--json", store=store).stdout)["purged"] == 1
    tm("store", "backup", "/nowhere", store=store, code=4, error="pg_dump")
    tm("store", "restore", "/nowhere", store=store, code=4, error="pg_restore")
    tm("sync", "http://127.0.0.1:1/x", store=store, code=2, error="must be sqlite:PATH")
    assert len(read_all(server, server.token(ANN))) == 299
    cluster.sql("SELECT 1")


def test_no_message_has_the_password(tm, store, home):
    for url in (store, f"postgresql:///x?host={home}&user=ann&password=hush-hush-secret",
                "postgresql://ann:hush-hush-secret@127.0.0.1:1,[::1]:1/x?sslmode=disable"):
        shown = tm("config", "show", store=url).stdout + tm("config", "show", "--json", store=url).stdout
        assert "hush-hush" not in shown and "***" in shown
        for command in (["store", "info"], ["user", "list"], ["doctor"], ["token", "--user", "nobody"], ["status"]):
            done = tm(*command, store=url, code=None)
            assert done.returncode != 0 and "hush-hush" not in done.stdout + done.stderr, done
    for url in ("postgresql://ann:hush-hush@secret@h/d", "postgresql://ann:hush-hush-secret", "postgres:/ann:hush-hush-secret@h",
                "postgresql://h/d?pass%77ord=hush-hush-secret", "posgresql://ann:hush-hush-secret@h/d"):
        done = tm("store", "info", store=url, code=2)
        assert "hush-hush" not in done.stderr
        (home / "tidemark.conf").write_text(f"[server]\nstore = {url}\n")
        done = tm("config", "show", "--config", home / "tidemark.conf", code=3)
        assert "hush-hush" not in done.stdout + done.stderr


def test_the_content_of_recordings_is_refused(serve, tm, store, home):
    made = put(guid(1), {"id": "r1", "meetingId": "M", "createdDateTime": "2024-01-15T00:00:00Z"}, "recordings")
    server = serve(lines=[user(ANN, id=guid(1)), {"op": "policy", "value": {"app": guid(0xa99), "global": True}}, made])
    path = f"/v1.0/users/{guid(1)}/onlineMeetings/M/recordings/r1/content"
    reply = server.request("PUT", path, b"bytes", server.app_token("OnlineMeetingRecording.ReadWrite.All"))
    assert reply.status == 405 and b"no place" in reply.body
    assert server.get(path, server.app_token("OnlineMeetingRecording.Read.All")).status == 404
    (home / "r1.mp4").write_bytes(b"bytes")
    (home / "lines").write_text(json.dumps({**made, "contentFile": "r1.mp4"}) + "\n")
    tm("import", home / "lines", store=store, code=6, error="no place")
