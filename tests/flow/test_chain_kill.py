# SPDX-License-Identifier: Apache-2.0
"""
Chains source -> gateway -> follower, and kill -9 of all three at random moments.

The source is a server of a calendars feed of its own, or it follows groups with members of `Groups` and serves those;
either way it is a process that is killed.  The gateway is `serve --follow --serve-scope NAME`, the follower `tidemark sync`.
Items are created, changed, removed, and come back; members move; source and gateway forget removals, so links get 410.

While there is nothing new at the source, whoever looks at the gateway sees the view before the round or the one after it;
with nothing new at the gateway that holds for the follower.  In the end all three are the same, and so are what a reader
with a link of the gateway has and what readers of `changes` add up; `store check` finds nothing.

A chain is named by its number: TIDEMARK_SEED=17 runs that one alone.  TIDEMARK_CHAINS says how many there are (5;
`script/test --full` asks for 30, `--long` for 100).
"""
import json
import os
import random
import sqlite3
import subprocess
import time

import pytest

from conftest import BIN, Server, Template, base_env, check_sanitizers, check_secrets, guid, put, remove, to_lines, user, usual
from many import Feed, Many
from test_follow_commands import wait_for
from test_sync_all import query, section

SEED = os.environ.get("TIDEMARK_SEED")
CHAINS = [int(SEED)] if SEED else range(int(os.environ.get("TIDEMARK_CHAINS") or usual(5, 30, 100)))
STEPS = 5
ANN, GROUPS = guid(1), "/v1.0/groups"
LINES = [user("ann@contoso.com", ANN)]
MEMBER = "#microsoft.graph.user"


class Groups(Feed):
    """A feed of groups.  Each membership is an entry of its own, so that a page ends inside a group and a round has parts of one."""

    def __init__(self):
        super().__init__()
        self.moved = {}                   # (group, member): is he in it?

    def move(self, group, member, inside):
        self.head += 1
        self.moved[group, member] = inside
        self.order[group, member] = self.head

    def remove(self, id):
        super().remove(id)
        for group, member in [pair for pair, inside in self.moved.items() if inside and pair[0] == id]:
            self.move(group, member, False)

    def members(self):
        return {pair for pair, inside in self.moved.items() if inside}

    def report(self, entry, initial):
        if entry in self.items:
            return super().report(entry, initial)
        group, member = entry
        if "@removed" in self.items[group] or initial and not self.moved[entry]:
            return None
        gone = {} if self.moved[entry] else {"@removed": {"reason": "deleted"}}
        return {"id": group, "members@delta": [{"@odata.type": MEMBER, "id": member, **gone}]}


class Reader:
    """Applies what `changes` prints to a copy of its own; all it keeps besides is n."""

    def __init__(self):
        self.n, self.items, self.members = 0, {}, set()

    def read(self, tm, store):
        for line in tm("changes", "--since", self.n, store=store).stdout.splitlines():
            change = json.loads(line)
            assert change["n"] > self.n
            self.n = change["n"]
            self.apply(change)

    def apply(self, change):
        id = change["id"]
        if change["change"] == "removed":
            self.items.pop(id, None)
            self.members = {pair for pair in self.members if pair[0] != id}
            return
        if change["value"] is not None:
            self.items[id] = change["value"]
        moved = change.get("relations", {}).get("members", {})
        self.members |= {(id, member) for member in moved.get("added", ())}
        self.members -= {(id, member) for member in moved.get("removed", ())}


class Link:
    """A reader of the gateway who keeps a deltaLink over every kill, and begins again when it is gone."""

    def __init__(self, path):
        self.path = path
        self.restart()

    def restart(self):
        self.link, self.items, self.members = self.path, {}, set()

    def read(self, gateway, token):
        """One page holds all, so it shows one moment.  False: there is nothing to see yet."""
        answer = gateway.get(self.link, token=token, headers={"Prefer": "odata.maxpagesize=1000"})
        if answer.status == 410:
            self.restart()
            answer = gateway.get(self.link, token=token, headers={"Prefer": "odata.maxpagesize=1000"})
        if answer.status == 503:
            return False
        assert answer.status == 200, answer.body
        self.link = answer.json["@odata.deltaLink"]
        for item in answer.json["value"]:
            self.apply(item["id"], item)
        return True

    def apply(self, id, item):
        if "@removed" in item:
            self.items.pop(id, None)
            self.members = {pair for pair in self.members if pair[0] != id}
            return
        parts = item.pop("members@delta", [])
        if len(item) > 1:                 # else it is one more part of a group
            self.items[id] = item
        for member in parts:
            (self.members.discard if "@removed" in member else self.members.add)((id, member["id"]))

    def seen(self):
        return self.items, self.members


class Calendars:
    """The source is a server with a feed of its own."""

    path, role, name = f"/v1.0/users/{ANN}/calendars/delta", "Calendars.Read", "calendars"

    def __init__(self, chain):
        self.chain = chain
        self.ids = [f"c{number}" for number in range(25)]

    def start(self, start):
        first = [put(ANN, {"id": "first", "name": "Calendar", "isDefaultCalendar": True})]
        return start("source", LINES + first)

    def write(self, chance):
        """Some changes in one commit."""
        ops = []
        for id in chance.sample(self.ids, chance.randrange(1, 6)):
            name = f"n{chance.randrange(1000)}"
            ops.append(remove(ANN, id) if chance.random() < 0.4 else put(ANN, {"id": id, "name": name}))
        reply = self.chain.source.control("POST", "/-/apply", to_lines(ops))
        assert reply.status == 200, reply.body

    def seen(self):
        reader = Link(self.path)
        reader.read(self.chain.source, self.chain.token["source"])
        return reader.seen()

    def catch_up(self):
        pass

    def forget(self):
        pass

    def close(self):
        pass


class FollowedGroups:
    """The source is a server that follows groups and serves them."""

    path, role, name = GROUPS + "/delta", "Group.Read.All", "groups"

    def __init__(self, chain):
        self.chain = chain
        self.far = Many()
        self.feed = self.far.feeds[self.path] = Groups()

    def start(self, start):
        return start("source", LINES, self.far.base)

    def write(self, chance):
        with self.far.lock:
            for _ in range(chance.randrange(1, 8)):
                group, model = f"g{chance.randrange(6)}", self.feed.model()
                if group not in model or chance.random() < 0.3:
                    self.feed.put(group, displayName=f"n{chance.randrange(1000)}")
                elif chance.random() < 0.2:
                    self.feed.remove(group)
                else:
                    pair = group, f"u{chance.randrange(8)}"
                    self.feed.move(*pair, pair not in self.feed.members())

    def seen(self):
        return self.feed.model(), self.feed.members()

    def catch_up(self):
        self.chain.catch_up(self.chain.source)

    def forget(self):
        """The next link that is not of a first page is one that the remote no longer knows."""
        def fault(request, _path):
            if not request.query:
                return None
            self.far.fault = None
            request.error(410, "SyncStateNotFound")
            return True
        self.far.fault = fault

    def close(self):
        self.far.close()


def view(store):
    """Items and members, as SQL shows them; None: there is no whole round yet."""
    try:
        if not query(store, "SELECT 1 FROM scopes WHERE rounds > 0"):
            return None
        rows = query(store, "SELECT id, NULL, value FROM items UNION ALL SELECT id, member, NULL FROM relations")
    except sqlite3.OperationalError as error:
        assert "no such table" in str(error) or "unable to open" in str(error), error
        return None
    return {id: json.loads(value) for id, _, value in rows if value}, {(id, member) for id, member, _ in rows if member}


def status_of(server, ticket):
    return server.control("GET", f"/-/follow?name=s&ticket={ticket}").json


class Chain:
    def __init__(self, tm, home, seed):
        self.tm, self.home = tm, home
        self.chance = random.Random(seed)
        self.kind = (Calendars, FollowedGroups)[seed % 2](self)
        self.follower, self.stores, self.token = None, {}, {}
        self.kills, self.logs, self.up = 0, [], set()
        self.source = self.kind.start(self.start)
        for _ in range(3):
            self.kind.write(self.chance)
        self.kind.catch_up()
        self.gateway = self.start("gateway", LINES + [user("bob@contoso.com")], self.source.base, self.token["source"])
        self.end_store = f"sqlite:{home}/end/end.db"
        (home / "bearer-end").write_text(self.token["gateway"])
        self.link = Link(self.kind.path)
        self.readers = {store: Reader() for store in (self.gateway.store, self.end_store)}

    def start(self, name, lines, far=None, bearer=None):
        """A server; it follows `far` and serves that."""
        (self.home / name).mkdir()
        store, args = f"sqlite:{self.home}/{name}/{name}.db", []
        template = Template.bring(self.tm, store, lines)
        if far:
            keys = {"bearer_file": self.home / "bearer"} if bearer else {}
            (self.home / "bearer").write_text(bearer or "")
            (self.home / f"{name}.conf").write_text(
                section("s", far + self.kind.path, every="1h", page_size=1, max_delete="100%", **keys))
            args = ["--follow", "--config", self.home / f"{name}.conf", "--serve-scope", "s"]
        server = Server(self.tm, store, ("--tls", "off", *args), None, template)
        self.token[name] = server.app_token(self.kind.role)
        return server

    # ---- what may happen

    def kill(self):
        """One that runs."""
        running = [server for server in (self.source, self.gateway) if server.process.poll() is None]
        victim = self.chance.choice(running + [None] * 2 * (self.follower is not None) or [None])
        if victim:
            victim.kill()
        else:
            self.end_follower(kill=True)
        self.kills += 1

    def revive(self):
        for name in ("source", "gateway"):
            server = getattr(self, name)
            if server.process.poll() is not None:
                self.logs.append(server)
                setattr(self, name, server.again())

    def start_follower(self):
        if self.follower is None:
            self.follower = subprocess.Popen(
                [BIN, "sync", self.gateway.base + self.kind.path, "--bearer-file", self.home / "bearer-end", "--page-size", "1",
                 "--max-delete", "100%", "--store", self.end_store], stderr=subprocess.PIPE, env=base_env(self.home), cwd=self.home)

    def end_follower(self, kill=False):
        if self.follower is None:
            return
        if kill:
            self.follower.kill()
        _, err = self.follower.communicate(timeout=120)
        check_sanitizers(err.decode())
        assert kill or self.follower.returncode == 0, err
        self.follower = None

    def catch_up(self, server):
        """A whole round of that server that begins now; one may fail because its source was killed."""
        code = 5
        while code == 5:
            ticket = server.control("POST", "/-/follow/now?name=s").json["ticket"]
            wait_for(lambda: status_of(server, ticket)["left"] == 0)
            code = status_of(server, ticket)["exitCode"]
        assert code == 0, server.stderr()

    def purge(self, server):
        reply = server.control("POST", "/-/gc?retention=0")
        assert reply.status == 200 and reply.json["done"], reply.body

    # ---- a history

    def catch_up_all(self, end):
        self.kind.catch_up()
        self.catch_up(self.gateway)
        if end:
            self.end_follower(kill=True)
            for _ in range(2):            # the first run ends the round that the killed one began
                self.start_follower()
                self.end_follower()

    def step(self, first=False):
        """How far what is new has come before the kills: not to the source, not to the gateway, to both of them."""
        chance, far = self.chance, self.chance.choice(("written", "source", "gateway"))
        if far != "written" and not first:
            self.catch_up_all(far == "gateway")
        for _ in range(0 if first else chance.randrange(8)):      # the first round has begun already
            self.kind.write(chance)
        if chance.random() < 0.2:
            self.purge(chance.choice((self.source, self.gateway)))
        if chance.random() < 0.15:
            self.kind.forget()
        if far != "written":
            self.kind.catch_up()
        self.allowed = far != "written" and (view(self.gateway.store), self.kind.seen())
        if far == "gateway":
            self.catch_up(self.gateway)
        self.allowed_end = far == "gateway" and (view(self.end_store), self.kind.seen())
        for _ in range(chance.randrange(1, 3)):
            self.hurt(busy=far == "written")
        self.revive()

    def hurt(self, busy):
        """Rounds of all, and in the midst of them one or two ends."""
        self.revive()
        for server in (self.source, self.gateway):
            if "--follow" in server.args and self.chance.random() < 0.8:
                server.control("POST", "/-/follow/now?name=s")
        self.start_follower()
        for _ in range(self.chance.randrange(1, 3)):
            if busy and self.source.process.poll() is None:
                self.kind.write(self.chance)
            time.sleep(self.chance.random() ** 2 * 0.4)
            self.look()
            self.kill()
            self.look()

    def look(self):
        if self.gateway.process.poll() is None:
            there = self.link.read(self.gateway, self.token["gateway"])
            assert not self.allowed or not there or self.link.seen() in self.allowed, "a reader sees half a round"
        assert not self.allowed or view(self.gateway.store) in self.allowed, "the gateway shows half a round"
        assert not self.allowed_end or view(self.end_store) in self.allowed_end, "the follower shows half a round"

    def run(self):
        for number in range(STEPS):
            self.step(first=number == 0)
            if number == STEPS // 2:
                self.read_changes()
        self.catch_up_all(end=True)
        self.compare()

    def read_changes(self):
        for store, reader in self.readers.items():
            if view(store):
                reader.read(self.tm, store)

    def compare(self):
        there = self.kind.seen()
        assert view(self.gateway.store) == there
        assert view(self.end_store) == there
        anew = Link(self.kind.path)
        for reader in (self.link, anew):
            assert reader.read(self.gateway, self.token["gateway"]) and reader.seen() == there
        self.read_changes()
        for reader in self.readers.values():
            assert (reader.items, reader.members) == there
        for store in (self.source.store, self.gateway.store, self.end_store):
            self.tm("store", "check", store=store)

    def close(self):
        self.end_follower(kill=True)
        for server in (self.source, self.gateway):
            if server.process.poll() is None:
                server.stop()
        for server in (*self.logs, self.source, self.gateway):
            check_sanitizers(server.stderr())
            check_secrets(server.stderr())
            server.log.close()
        self.kind.close()


@pytest.mark.parametrize("seed", CHAINS)
def test_chain__source_gateway_and_follower_are_killed_and_end_the_same(tm, home, seed):
    chain = Chain(tm, home, seed)
    try:
        chain.run()
    finally:
        print(f"TIDEMARK_SEED={seed}: {type(chain.kind).__name__}, {chain.kills} kills")
        chain.close()
