# SPDX-License-Identifier: Apache-2.0
"""kill -9 of a follower at a random moment, again and again, in first rounds, later rounds and resyncs.

After each kill a reader sees the view of a whole round.  The next run goes on where the killed one was: at most one page is
fetched twice for each kill.  In the end the view is the model, and a reader of changes who kept n was told it all.
TIDEMARK_KILLS says how often (80; `script/test --full` asks for 900, `--long` for 10,000).
"""
import json
import os
import random
import shutil
import sqlite3
import subprocess
import time

import pytest

from conftest import BIN, base_env, check_sanitizers, usual
from misbehave import FarEnd, gone, slow
from test_follow_commands import wait_for
from test_follow_misbehave import view

KILLS = int(os.environ.get("TIDEMARK_KILLS") or usual(80, 900, 10000))
PARTS = 2                 # so that both cores have one
STORE_KILLS = 15          # then a new store, so that first rounds are killed too


def repeated(paths):
    """How many pages were asked for more than once; each time a link is told its end is another."""
    positions = [path.rpartition("-")[0] for path in paths]
    return len(positions) - len(set(positions))


class Reader:
    """Applies changes to a copy of its own; all it keeps besides is n."""

    def __init__(self):
        self.n, self.copy = 0, {}

    def read(self, tm, store):
        for line in tm("changes", "--since", self.n, store=store).stdout.splitlines():
            change = json.loads(line)
            assert change["n"] > self.n
            self.n = change["n"]
            if change["change"] == "removed":
                self.copy.pop(change["id"], None)
            elif change["value"] is not None:
                self.copy[change["id"]] = change["value"]


class Trial:
    def __init__(self, tm, home, chance):
        self.tm, self.home, self.chance = tm, home, chance
        self.far = FarEnd()
        self.far.page_size = 4
        self.duration = 0.3
        self.initial()

    def initial(self):
        self.folder = self.home / f"s{self.chance.getrandbits(60)}"
        self.store = f"sqlite:{self.folder}/f.db"
        self.whole = None                 # the view of the last whole round; None before the first
        self.reader = Reader()
        for _ in range(40):
            self.write()

    def write(self):
        id = f"item-{self.chance.randrange(60)}"
        if id in self.far.model() and self.chance.random() < 0.4:
            self.far.remove(id, self.chance.choice(("changed", "deleted")))
        else:
            self.far.put(id, name=f"n{self.chance.randrange(1000)}", body="x" * self.chance.randrange(2000))

    def start(self):
        return subprocess.Popen([BIN, "sync", self.far.url, "--store", self.store, "--max-delete", "100%"],
                                stderr=subprocess.PIPE, env=base_env(self.home), cwd=self.home)

    def kill_one(self):
        run = self.start()
        time.sleep(self.chance.random() * self.duration)
        run.kill()
        _, err = run.communicate()
        check_sanitizers(err.decode())
        seen = self.seen()
        now = self.far.model()
        assert seen in (self.whole, now), "a reader sees half a round"
        if seen == now:
            self.whole = now

    def seen(self):
        try:
            return view(self.store) or self.whole
        except Exception as error:        # no file yet, or no tables in it
            assert self.whole is None, error
            return None

    def finish(self):
        began = time.monotonic()
        run = self.start()
        _, err = run.communicate(timeout=120)
        self.duration = 0.9 * self.duration + 0.1 * 1.2 * (time.monotonic() - began)
        assert run.returncode == 0, err
        self.whole = self.far.model()
        assert view(self.store) == self.whole
        self.reader.read(self.tm, self.store)
        assert self.reader.copy == self.whole


@pytest.mark.parametrize("part", range(PARTS))
def test_follow__killed_at_any_moment_it_goes_on_and_ends_equal(tm, home, part):
    chance = random.Random(part)
    trial = Trial(tm, home, chance)
    killed = 0
    while killed < KILLS // PARTS:
        del trial.far.requests[:]
        resyncs = trial.whole is not None and chance.random() < 0.2
        if resyncs:
            trial.far.do(gone())
        some = chance.randrange(1, 5)
        for _ in range(some):
            trial.kill_one()
        killed += some
        trial.finish()
        paths = [path for path, _ in trial.far.requests]
        twice = len(paths) - len(set(paths))
        assert twice <= some + resyncs, paths
        assert repeated(path for path in paths if "skiptoken" in path) <= some, paths
        trial.far.faults.clear()
        for _ in range(chance.randrange(30)):
            trial.write()
        if killed % STORE_KILLS < 2 and trial.whole is not None:
            shutil.rmtree(trial.folder)
            trial.initial()
    trial.far.close()


def test_follow__what_was_fetched_ahead_of_a_kill_is_not_fetched_again(tm, home, store):
    """The follower is kept from storing, so that pages pile up before it; then it is killed."""
    far = FarEnd()
    far.page_size = 1
    far.put("first", name="first")
    tm("sync", far.url, store=store)
    for number in range(60):
        far.put(f"item-{number}", name="x" * 500)
    far.always(slow(0.03))
    run = subprocess.Popen([BIN, "sync", far.url, "--store", store], stderr=subprocess.DEVNULL, env=base_env(home))
    wait_for(lambda: len(far.requests) > 5)
    with sqlite3.connect(store[7:], timeout=10, isolation_level=None) as db:
        db.execute("BEGIN IMMEDIATE")
        count = len(far.requests)
        wait_for(lambda: len(far.requests) > count + 15)
        run.kill()
        run.wait()
        db.execute("ROLLBACK")
    far.always(None)
    tm("sync", far.url, store=store)
    assert repeated(path for path, _ in far.requests) <= 1
    assert view(store) == far.model()
    far.close()
