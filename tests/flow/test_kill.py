# SPDX-License-Identifier: Apache-2.0
"""Eight writers, and kill -9 at a random moment, again and again.

What was acknowledged must be there after the restart, a link from before must still work and tell it, and the store must
be sound.  TIDEMARK_KILLS says how often (20; `script/test --full` asks for 900, `--long` for 10,000).
"""
import http.client
import json
import os
import random
import threading
import time

from conftest import user, usual

KILLS = int(os.environ.get("TIDEMARK_KILLS") or usual(20, 900, 10000))
WRITERS = 8
CHECK_EVERY = 20


class Writer(threading.Thread):
    """Creates and deletes calendars on one connection until it breaks; remembers what was acknowledged."""

    def __init__(self, port, token, name):
        super().__init__()
        self.port, self.token, self.prefix = port, token, name
        self.created, self.deleted, self.unsure = {}, set(), set()
        self.fault = None

    def ask(self, connection, method, path, body=None):
        connection.request(method, path, body=body and json.dumps(body),
                           headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"})
        reply = connection.getresponse()
        return reply.status, reply.read()

    def write(self, connection, number):
        status, body = self.ask(connection, "POST", "/v1.0/me/calendars", {"name": f"{self.prefix}-{number}"})
        assert status == 201, body
        id = json.loads(body)["id"]
        self.created[id] = f"{self.prefix}-{number}"
        if number % 3 == 0:
            return
        self.unsure.add(id)
        status, body = self.ask(connection, "DELETE", f"/v1.0/me/calendars/{id}")
        assert status == 204, body
        self.unsure.discard(id)
        self.deleted.add(id)

    def run(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        number = 0
        try:
            while True:
                self.write(connection, number)
                number += 1
        except (OSError, http.client.HTTPException):
            pass
        except AssertionError as fault:
            self.fault = fault
        finally:
            connection.close()


class Mirror:
    """A reader that keeps its link over every crash."""

    def __init__(self):
        self.link, self.items = "/v1.0/me/calendars/delta", {}

    def catch_up(self, server, token):
        connection = server.connection()
        while True:
            connection.request("GET", self.link, headers={"Authorization": f"Bearer {token}"})
            reply = connection.getresponse()
            page = json.loads(reply.read())
            assert reply.status == 200, page
            for item in page["value"]:
                if "@removed" in item:
                    self.items.pop(item["id"], None)
                else:
                    self.items[item["id"]] = item["name"]
            link = page.get("@odata.nextLink") or page["@odata.deltaLink"]
            self.link = link.split(f":{server.port}", 1)[1]
            if "@odata.deltaLink" in page:
                break
        connection.close()


def check(mirror, writers, gone):
    for writer in writers:
        assert writer.fault is None, f"a write was refused: {writer.fault}"
        gone |= writer.deleted
        for id, name in writer.created.items():
            if id not in writer.deleted and id not in writer.unsure:
                assert mirror.items.get(id) == name, f"acknowledged calendar {name} is lost"
    assert not gone & mirror.items.keys(), "an acknowledged deletion is undone"


def test_what_was_acknowledged_survives_kill_9(server, store, tm):
    rng = random.Random(os.environ.get("TIDEMARK_SEED", "20"))
    running = server("--tls", "off", lines=[user("ann@contoso.com")])
    token = running.token("ann@contoso.com", expires="24h")
    mirror, gone, acknowledged = Mirror(), set(), 0
    mirror.catch_up(running, token)
    for kill in range(KILLS):
        writers = [Writer(running.port, token, f"{kill}-{n}") for n in range(WRITERS)]
        for writer in writers:
            writer.start()
        time.sleep(rng.uniform(0.01, 0.09))
        running.kill()
        for writer in writers:
            writer.join()
        acknowledged += sum(len(writer.created) + len(writer.deleted) for writer in writers)
        if kill % CHECK_EVERY == 0:
            tm("store", "check", store=store)
        running = server("--tls", "off")
        mirror.catch_up(running, token)
        check(mirror, writers, gone)
    running.stop()
    tm("store", "check", store=store)
    print(f"{KILLS} kills, {acknowledged} acknowledged writes, none lost")
    assert acknowledged > KILLS
