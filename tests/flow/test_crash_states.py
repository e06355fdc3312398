# SPDX-License-Identifier: Apache-2.0
"""Power cuts at every point of a story, for every file the program writes (docs/why/0008-durable-files.md).

A story runs the real program under a recorder and notes what was promised, and when.  The order of each write, sync and name
is checked at every event.  Then the folder is built again as a power cut may have left it (crash_kit.py), and the real
program starts on it: it must, and what was promised is there.
The cuts are drawn by TIDEMARK_SEED; TIDEMARK_LONG takes many more of them.
"""
import contextlib
import json
import os
import pathlib
import random
import re
import shutil
import sqlite3
import urllib.parse

import pytest

from conftest import ROOT, Runner, Server, guid, issued, to_lines, user
from cred_kit import CLIENT, TENANT, Issuer, code, tokens
from crash_kit import CUTS, RECORDED, Disk, Recorder
from test_follow_content import Recordings

LONG = os.environ.get("TIDEMARK_LONG") or os.environ.get("TIDEMARK_FULL")
SEED = os.environ.get("TIDEMARK_SEED", "12")
ANN, APP = guid(1), guid(0xa99)
ROLES = "OnlineMeetingRecording.Read.All OnlineMeetingRecording.ReadWrite.All"
MEETING = f"/v1.0/users/{ANN}/onlineMeetings/M-0/recordings"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class Story:
    """What is promised is a key and a number: the key holds, from then on, the value of that number or a later one."""

    def __init__(self, home):
        self.home, self.root = home, home / "disk"
        self.root.mkdir(exist_ok=True)
        self.store = f"sqlite:{self.root}/s/t.db"
        self.recorder, self.plain = Recorder(home), Runner(home)
        self.tape, self.values = [], {}

    def make_folder(self, name):
        """One that the user has made, long ago."""
        (self.root / name).mkdir(0o700)
        self.tape += [("make", name, "folder"), ("sync", "", 0)]

    def will(self, key, value):
        """The key is about to get that value; gives what to promise once it has been told."""
        self.values.setdefault(key, [None]).append(value)
        return key, len(self.values[key]) - 1

    def take(self, reported=()):
        """The events of what ran last; told: (a part of what is said, the exit code or None, what is promised then)."""
        for event in self.recorder.events(self.root):
            self.tape.append(event)
            for words, promise in reported:
                said = event[0] == "say" and isinstance(words, bytes) and words in event[1]
                if said or event == ("exit", words):
                    self.tape.append(("promise", promise))

    def run(self, *args, promise=(), **more):
        """A command; what is promised when it has ended with 0: a list, or a function that makes it of what was printed."""
        done = self.recorder(*args, **{"store": self.store, **more})
        self.take([(0, one) for one in (promise(done) if callable(promise) else promise)])
        return done

    def allowed(self, promised, key):
        return self.values[key][promised.get(key, 0):]

    def cuts(self, rng, count):
        """Which cuts at which events: with all lost that is not safe, at the end, after promises and after syncs; and any others."""
        positions, promises = {}, []                # the store's pages would drown all else: first what is done, then when
        for at, event in enumerate(self.tape):
            if event[0] == "promise":
                promises.append(at)
            elif event[0] not in ("say", "exit"):
                positions.setdefault((event[0], re.sub("[0-9a-f]{16,}", "", event[1])), []).append(at)
        synced = [ats if LONG else [ats[-1]] for (kind, _), ats in positions.items() if kind in ("sync", "rename")]
        synced = [at for ats in synced for at in ats]
        if not LONG:
            promises, synced = rng.sample(promises, min(len(promises), count // 3)), rng.sample(synced, count // 3)
        chosen = {(at, "none") for at in (len(self.tape) - 1, *promises, *synced)}
        rare = [ats for (_, name), ats in positions.items() if not re.search("t.db(-...|-journal)?$", name)] if LONG else []
        rare = [(at, cut) for ats in rare for at in ats for cut in (*CUTS, "random")]
        chosen.update(rng.sample(rare, min(len(rare), 60)))
        for _ in range(count * 10 if LONG else count):
            chosen.add((rng.choice(positions[rng.choice(list(positions))]), rng.choice(CUTS + ("random", "random"))))
        return sorted(chosen)

    def validate(self, validate, count):
        """Checks the order at each event, builds states, and has each of them judged by judge(folder, promised)."""
        rng = random.Random(SEED)
        chosen, disk, promised, seen = self.cuts(rng, count), Disk(), {}, set()
        for at, event in enumerate(self.tape):
            if event[0] == "promise":
                key, number = event[1]
                promised[key] = max(number, promised.get(key, 0))
            check_order(disk, event)
            if event[0] != "promise":
                disk.apply(event)
            while chosen and chosen[0][0] == at:
                cut = chosen.pop(0)[1]
                self.validate_one(validate, disk, promised, rng if cut == "random" else cut, seen, at)
        return disk

    def killed(self, at):
        """Another story: of this one up to an event, and then a kill. The power stays, and with it what is not on the disk."""
        disk = Disk()
        for event in self.tape[:at]:
            if event[0] != "promise":
                disk.apply(event)
        home = self.home / f"killed-{at}"
        home.mkdir()
        disk.build(home / "disk", "all")
        after = Story(home)
        after.tape, after.values = self.tape[:at], {key: list(values) for key, values in self.values.items()}
        return after

    def validate_one(self, validate, disk, promised, cut, seen, at):
        folder = self.home / f"cut-{len(seen)}"
        digest = disk.build(folder, cut), tuple(sorted(promised.items()))
        try:
            if digest not in seen:
                validate(folder, promised)
        except Exception as fault:
            last = [(n, event[:2]) for n, event in enumerate(self.tape[:at + 1]) if event[0] not in ("say",)][-8:]
            raise AssertionError(f"a power cut after event {at}, kept: {cut}, promised: {promised}\n{last}\n{fault}") from fault
        finally:
            seen.add(digest)
            shutil.rmtree(folder, ignore_errors=True)


NOTHING_LOST = re.compile(r".*(-shm|\.lock|\.sock|\.ahead)")      # what these hold is of use to a running process alone
# The store and its log have their own order, the witness fits in a sector, and the others have not got their names yet.
IN_PLACE = re.compile(r".*(\.db|-wal|-journal|\.witness|\.part|\.new|\.tmp|\.restoring)")


def check_order(disk, event):
    """Bytes before the name, the file before what records it, all of it before the promise."""
    unsafe = {name for name in disk.unsafe() if not NOTHING_LOST.fullmatch(name)}
    if event[0] == "promise" and event[1][0] == "sign-in":   # made in the middle of a round
        assert not [name for name in unsafe if ".sign-in" in name], "the refresh token is not safe before the access token is used"
    elif event[0] == "promise" and event[1][0] != "told":     # as well
        assert not unsafe, f"{event[1][0]} is promised, and a power cut would take something from {unsafe}"
    elif event[0] in ("write", "size"):
        assert IN_PLACE.fullmatch(event[1]) or NOTHING_LOST.fullmatch(event[1]), f"{event[1]} is written where it is read"
    elif event[0] == "rename":
        assert not disk.find(event[1]).pending, f"{event[1]} becomes {event[2]} before its bytes are safe"
    elif event[0] == "sync" and event[1].endswith(".witness"):
        assert not [name for name in unsafe if name.endswith("-wal")], "the witness is ahead of the store"


@pytest.fixture
def story(home):
    return Story(home)


def check(story, disk):
    """The model shows what the folder shows; what is there is private, and stands in the table of the document."""
    disk.build(story.home / "all", "all")
    for path in story.root.rglob("*"):
        name = str(path.relative_to(story.root))
        assert name in disk.made, f"{name} was made in a way the recording does not know"
        if path.is_file() and not name.endswith("-shm"):
            assert path.read_bytes() == (story.home / "all" / name).read_bytes(), f"{name} is not what was recorded"
        others = 0o022 if path.suffix in (".pem", ".tls") else 0o077         # what clients trust can be read by other accounts
        assert path.stat().st_mode & others == 0, f"{name} is open to others"
    text = (ROOT / "docs/why/0008-durable-files.md").read_text()
    known = [name for row in re.findall(r"^\| (`[^|]*`) \|", text, re.M) for name in re.findall(r"`([^`]+)`", row)]
    for word, meaning in (("PATH", "s/t.db"), ("COPY", "b/copy"), ("DIR", "out"), ("NAME", "[-\\w~=%.]+")):
        known = [name.replace(word, meaning) for name in known]
    ours = {os.path.basename(path) for path in story.recorder.strangers}
    for name in (disk.made | ours) - {"s", "b"}:
        assert any(re.fullmatch(pattern, name) for pattern in known), f"{name} is not in the table"


# ---- the server -----------------------------------------------------------------------------------------------


class Life:
    """A server's days: an import with content, clients, calendars, uploads, garbage collection."""

    def __init__(self, story):
        self.story, self.rng = story, random.Random(SEED)
        self.count, self.reported = 0, []

    def content(self):
        return self.rng.randbytes(self.rng.choice((700, 5000, 30000)))

    def bring(self):
        ops = [user("ann@contoso.com", ANN), {"op": "policy", "value": {"app": APP, "global": True}}]
        promise = [self.story.will("user", ANN)]
        for n in range(3):
            clip = self.content()
            (self.story.home / f"clip-{n}").write_bytes(clip)
            ops.append({"op": "put", "feed": f"users/{ANN}/recordings", "contentFile": f"clip-{n}", "value":
                        {"id": f"rec-{n}", "meetingId": "M-0", "createdDateTime": "2024-01-15T00:00:00Z"}})
            promise.append(self.story.will(f"content rec-{n}", clip))
        self.story.run("import", "-", input=to_lines(ops), promise=promise)

    def add_client(self):
        def secret_of(done):
            return [self.story.will("client", json.loads(done.stdout))]
        self.story.run("client", "add", "--id", guid(0xc11), "--role", "Calendars.Read", "--json", promise=secret_of)

    def make_tokens(self):
        def token_of(key):
            return lambda done: [self.story.will(key, issued(done.stdout.strip()))]
        self.story.run("token", "--user", "ann@contoso.com", "--scope", "Calendars.ReadWrite", promise=token_of("token"))
        self.story.run("token", "--app", APP, "--role", ROLES, promise=token_of("app token"))

    def ask(self, server, method, path, body=None, token="token"):
        """Gives the answer, and what tells it from all others."""
        self.count += 1
        mark = f"{self.count:08}-0000-4000-8000-00000000c1e4"
        reply = server.request(method, path, body, self.story.values[token][-1], {"client-request-id": mark})
        assert reply.status < 300, reply.body
        return reply, f"client-request-id: {mark}".encode()

    def write_calendar(self, server, n):
        path = "/v1.0/me/calendars"
        reply, mark = self.ask(server, "POST", path, {"name": f"c{n}"})
        id = reply.json["id"]
        self.reported.append((mark, self.story.will(f"calendar {id}", f"c{n}")))
        if n % 2:
            _, mark = self.ask(server, "PATCH", f"{path}/{id}", {"name": f"d{n}"})
            self.reported.append((mark, self.story.will(f"calendar {id}", f"d{n}")))
        if n % 3 == 0:
            _, mark = self.ask(server, "DELETE", f"{path}/{id}")
            self.reported.append((mark, self.story.will(f"calendar {id}", None)))

    def read_changes(self, server):
        link = "/v1.0/me/calendars/delta"
        while link:
            reply, mark = self.ask(server, "GET", link)
            link = reply.json.get("@odata.nextLink")
        delta_link = reply.json["@odata.deltaLink"][len(server.base):]
        self.reported.append((mark, self.story.will("delta link", delta_link)))

    def upload(self, server, n):
        clip = self.content()
        _, mark = self.ask(server, "PUT", f"{MEETING}/rec-{n}/content", clip, "app token")
        self.reported.append((mark, self.story.will(f"content rec-{n}", clip)))

    def serve(self, steps):
        server = Server(self.story.recorder, self.story.store, ["--tls", "off"], RECORDED)
        for n in range(steps):
            self.write_calendar(server, n)
            if n % 3 == 1:
                self.upload(server, n % 2)
            if n % 4 == 2:
                self.read_changes(server)
        server.stop()
        self.story.take(self.reported)
        self.reported = []


def validate_server(story):
    def validate(folder, promised):
        server = Server(story.plain, f"sqlite:{folder}/s/t.db", ["--tls", "off"])
        try:
            if "token" in promised:
                validate_calendars(story, server, promised)
            if "app token" in promised:
                validate_content(story, server, promised)
            if "client" in promised:
                validate_client(story, server, promised)
        finally:
            server.stop()
        story.plain("store", "check", store=server.store)
        check_epoch(folder, 1)
    return validate


def epoch_of(folder, how="mode=ro"):
    with contextlib.closing(sqlite3.connect(f"file:{folder}/s/t.db?{how}", uri=True)) as db:
        return db.execute("SELECT epoch FROM meta").fetchone()[0]


def check_epoch(folder, epoch):
    """No reader is sent back: the store that is found is not taken for an older copy of itself."""
    assert epoch_of(folder) == epoch


def validate_calendars(story, server, promised):
    token = story.values["token"][-1]
    held = {item["id"]: item["name"] for item in server.get("/v1.0/me/calendars?$top=999", token).json["value"]}
    for key in story.values:
        if key.startswith("calendar "):
            assert held.get(key[9:]) in story.allowed(promised, key), key
    if "delta link" in promised:
        reply = server.get(story.values["delta link"][promised["delta link"]], token)
        assert reply.status == 200, reply.body


def validate_content(story, server, promised):
    for key in [key for key in promised if key.startswith("content ")]:
        reply = server.get(f"{MEETING}/{key[8:]}/content", story.values["app token"][-1])
        assert reply.status == 200 and reply.body in story.allowed(promised, key), (key, reply.status)


def validate_client(story, server, promised):
    asked = None
    for client in story.allowed(promised, "client"):
        body = urllib.parse.urlencode({"grant_type": "client_credentials", "scope": "https://graph.microsoft.com/.default",
                                       "client_id": client["clientId"], "client_secret": issued(client["clientSecret"])})
        asked = asked or server.request("POST", f"/{client['tenantId']}/oauth2/v2.0/token", body, headers=FORM).status == 200
    assert asked, "no secret of the client is good"


def test_power_cut__of_a_server(story):
    life = Life(story)
    life.bring()
    life.add_client()
    life.make_tokens()
    life.serve(40 if LONG else 7)
    story.run("store", "gc")
    life.add_client()
    check(story, story.validate(validate_server(story), 3))


def folders(story):
    return [at + 1 for at, event in enumerate(story.tape) if event[0] == "make" and event[2] == "folder"]


def test_power_cut__after_a_kill_just_after_a_folder_was_made(story):
    """Whoever comes next finds the folder there: its name must be durable all the same."""
    Life(story).bring()
    made = folders(story)
    assert len(made) == 2
    for at in made if LONG else made[:1]:
        after = story.killed(at)
        life = Life(after)
        life.bring()
        life.make_tokens()
        after.validate(validate_server(after), 0)


# ---- the first start ------------------------------------------------------------------------------------------


def validate_tls(story):
    def validate(folder, promised):
        server = Server(story.plain, f"sqlite:{folder}/s/t.db")
        server.stop()
        trusted = (folder / "s/t.db.tls/ca.pem").read_bytes()
        assert "ca" not in promised or trusted == story.values["ca"][-1], "another authority than the one people trust"
    return validate


def test_power_cut__of_a_first_start(story):
    server = Server(story.recorder, story.store, env=RECORDED)
    reply = server.get("/v1.0/$metadata")
    assert reply.status < 500
    server.stop()
    story.take([(b"listening on ", story.will("ca", pathlib.Path(server.ca).read_bytes()))])
    check(story, story.validate(validate_tls(story), 3))


# ---- copies ---------------------------------------------------------------------------------------------------


def calendars(*names):
    ops = [user("ann@contoso.com", ANN)]
    return to_lines(ops + [{"op": "put", "feed": f"users/{ANN}/calendars", "value": {"id": name, "name": name * 9}} for name in names])


def held(story, store):
    """What a store holds of Ann; nothing, and no store, are the same."""
    done = story.plain("export", store=store, code=None)
    assert done.returncode == 0 or "no such store" in done.stderr or "it is empty" in done.stderr, done.stderr
    return sorted(value["id"] for value in (json.loads(line)["value"] for line in done.stdout.splitlines()) if "name" in value) or None


def validate_copy(story):
    def validate(folder, promised):
        store, copy = f"sqlite:{folder}/s/t.db", f"sqlite:{folder}/b/copy"
        assert held(story, store) in story.allowed(promised, "items")
        if "copy" in promised or (folder / "b/copy").exists():
            assert held(story, copy) == ["a", "b"]
        story.plain("import", "-", input=calendars("z"), store=store)
        if promised.get("items", 0) >= 3:
            check_epoch(folder, story.epoch)
        story.plain("store", "check", store=store)
        if LONG:
            story.plain("store", "backup", folder / "again", store=store)
            story.plain("store", "restore", folder / "again", store=store)
            assert "z" in held(story, store)
    return validate


def test_power_cut__of_a_backup_and_a_restore(story):
    story.make_folder("b")
    copy = story.root / "b/copy"
    story.run("import", "-", input=calendars("a", "b"), promise=[story.will("items", ["a", "b"])])
    story.run("store", "backup", copy, promise=[story.will("copy", True)])
    story.run("import", "-", input=calendars("c"), promise=[story.will("items", ["a", "b", "c"])])
    story.run("store", "restore", copy, promise=[story.will("items", ["a", "b"])])
    story.run("import", "-", input=calendars("d"), promise=[story.will("items", ["a", "b", "d"])])
    story.epoch = epoch_of(story.root, "immutable=1")
    check(story, story.validate(validate_copy(story), 3))


# ---- the follower ---------------------------------------------------------------------------------------------


@pytest.fixture
def far():
    far = Recordings()
    yield far
    far.close()


def changes_of(done):
    return {line["n"]: (line["change"], line["id"]) for line in map(json.loads, done.stdout.splitlines())}


def check_reported(story, store, reported):
    """A number that was printed is there, or the item has a later one."""
    now = changes_of(story.plain("changes", "--since", "0", store=store))
    later = {id: n for n, (_, id) in sorted(now.items())}
    for n, change in reported.items():
        assert now.get(n) == change or later.get(change[1], 0) > n, f"number {n} was {change}"


def validate_follower(story, far):
    def validate(folder, promised):
        store, out = f"sqlite:{folder}/s/t.db", folder / "out"
        asked = len(far.requests)
        if "told" in promised:
            check_reported(story, store, story.values["told"][promised["told"]])
        for _ in range(2):                       # the first may end a round that began before the last changes
            story.plain("sync", far.url, "--scope", "x", "--content", out, store=store)
        if "link" in promised:
            assert "token=" in far.requests[asked][0], "the place is lost: all is fetched again"
        items = [json.loads(line)["value"] for line in story.plain("export", "--feed", "scope/x", store=store).stdout.splitlines()]
        assert {item["id"]: item for item in items} == far.model()
        files = {path.name.split("-")[1]: path.read_bytes() for path in out.iterdir()}
        assert {id: files[id] for id in far.model()} == {id: far.files[id] for id in far.model()}
        story.plain("store", "check", store=store)
        check_epoch(folder, 1)
    return validate


def test_power_cut__of_a_follower(story, far):
    def change(*ids):
        for id in ids:
            far.files[id] = random.Random(f"{id} {SEED}").randbytes(3000)
            far.etags[id] = '"1"'
            far.put(id, recordingContentUrl=f"{far.base}/content/{id}")

    printed = {}

    def half(request):
        """The connection breaks in the middle of it."""
        request.send(200, whole[:5000], {"ETag": '"1"'}, len(whole))
        request.cut()

    def follow(*args):
        done = story.recorder(*args, store=story.store)
        printed.update(changes_of(done) if done.stdout else {})
        story.take([(b'"n":', story.will("told", dict(printed))), (0, story.will("link", True))])

    arguments = (far.url, "--scope", "x", "--content", story.root / "out")
    change(*"abcdefgh")
    whole, far.files["d"] = far.files["d"] * 3, half
    follow("sync", *arguments)
    far.files["d"] = whole
    change(*"bcij")
    follow("changes", *arguments)
    far.remove("a")
    change("k")
    follow("changes", *arguments)
    check(story, story.validate(validate_follower(story, far), 3))


def validate_sign_in(story, far, issuer, env):
    def validate(folder, promised):
        kept = folder / "s/t.db.sign-in"
        (folder / "s").mkdir(exist_ok=True)
        token = json.loads(kept.read_bytes())["refreshToken"] if kept.exists() else None
        assert token in story.allowed(promised, "sign-in"), token
        if token:
            issuer.do(tokens())
            story.plain("sync", far.url, "--device-code", store=f"sqlite:{folder}/s/t.db", env=env)
            assert issuer.posts[-1][1]["refresh_token"] == token
            check_epoch(folder, 1)
    return validate


def test_power_cut__of_a_sign_in(story, far):
    issuer = Issuer()
    env = {"AZURE_AUTHORITY_HOST": issuer.base, "AZURE_TENANT_ID": TENANT, "AZURE_CLIENT_ID": CLIENT}
    far.put("a", name="A")
    for n in range(3):
        issuer.do(*([code()] if n == 0 else []), tokens(f"access-token-{n}-0123456789", f"refresh-token-{n}-0123456789"))
        story.recorder("sync", far.url, "--device-code", store=story.store, env=env)
        story.take([(f"Bearer access-token-{n}-".encode(), story.will("sign-in", f"refresh-token-{n}-0123456789"))])
    check(story, story.validate(validate_sign_in(story, far, issuer, env), 3))
    issuer.close()
