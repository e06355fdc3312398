# SPDX-License-Identifier: Apache-2.0
"""`sync --content`: fetched whole, resumed where it was cut, waited for, and never with the bearer to anybody else.

A file without `.part` at its end is one version that the remote really had, byte for byte, whatever the remote answers,
wherever it is cut, whenever the follower is killed and whatever a power cut leaves of a part file.
"""
import gzip
import os
import random
import signal
import sqlite3
import subprocess
import threading
import time

import pytest

import conftest
from misbehave import FarEnd, Listener, Request
from test_follow_commands import wait_for

LONG = bool(os.environ.get("TIDEMARK_LONG"))


class Recordings(FarEnd):
    """Recordings whose content is this.files[name]: bytes, a status, or a function of the Request."""

    def __init__(self):
        super().__init__("/v1.0/users/1/onlineMeetings/getAllRecordings(meetingOrganizerUserId='1')/delta")
        self.files, self.etags, self.asked = {}, {}, []

    def record(self, id, content, url=None):
        name = f"c{len(self.files)}"
        self.files[name] = content
        self.etags[name] = '"1"'
        self.put(id, recordingContentUrl=url or f"{self.base}/content/{name}")
        return name

    def answer(self, handler):
        if not handler.path.startswith("/content/"):
            super().answer(handler)
            return
        name, request = handler.path[9:].partition("?")[0], Request(self, handler, "")
        self.asked.append((name, dict(handler.headers)))
        content = self.files[name]
        if callable(content):
            content(request)
        elif isinstance(content, int):
            request.error(content, "x")
        else:
            self.send_file(request, name, content)

    def send_file(self, request, name, content):
        headers, start = {"ETag": self.etags[name]}, 0
        asked = request.handler.headers.get("Range")
        if asked and request.handler.headers["If-Range"] == self.etags[name]:
            start = int(asked[6:-1])
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        request.send(206 if start else 200, content[start:], headers)


@pytest.fixture
def far():
    far = Recordings()
    yield far
    far.close()


@pytest.fixture
def sync(tm, store, far, home):
    (home / "token").write_text("secret")

    def run(**wanted):
        return tm("sync", far.url, "--bearer-file", home / "token", "--content", home / "out", store=store, **wanted)
    return run


def whole(home):
    return {path.name.rsplit("-", 1)[0]: path.read_bytes() for path in (home / "out").iterdir()
            if not path.name.endswith(".part")}


def test_content__is_fetched_once_and_whole(far, sync, home):
    clip = os.urandom(300000)
    far.record("rec=1", clip)
    far.record("../../evil", b"x")
    far.record(".hidden", b"")
    assert "3 fetched, 300001 bytes" in sync().stderr
    assert whole(home) == {"r-rec=1": clip, "r-..%2F..%2Fevil": b"x", "r-.hidden": b""}
    assert all(headers["Authorization"] == "Bearer secret" for _, headers in far.asked)
    asked = len(far.asked)
    sync()
    assert len(far.asked) == asked
    assert sorted(os.listdir(home / "out")) == sorted(path.name for path in (home / "out").rglob("*"))


def test_content__goes_on_where_it_was_cut_if_it_is_still_the_same(far, sync, home):
    clip = os.urandom(200000)
    cut = {"times": 1}

    def answer(request):
        if cut["times"] > 0 and cut.update(times=cut["times"] - 1) is None:
            request.send(200, clip[:150000], {"ETag": '"1"'}, length=len(clip))
            request.cut()
        else:
            far.send_file(request, name, clip)
    name = far.record("rec", answer)
    assert "1 in parts" in sync().stderr
    assert "1 fetched, 50000 bytes" in sync().stderr
    assert whole(home) == {"r-rec": clip} and far.asked[1][1]["Range"] == "bytes=150000-"


def test_content__begins_anew_when_it_has_changed_meanwhile(far, sync, home):
    old, new = os.urandom(100000), os.urandom(80000)
    attempt = iter((True,))

    def answer(request):
        if next(attempt, False):
            request.send(200, old[:90000], {"ETag": '"1"'}, length=len(old))
            request.cut()
        else:
            far.etags[name] = '"2"'
            far.send_file(request, name, new)
    name = far.record("rec", answer)
    sync()
    sync()
    assert whole(home) == {"r-rec": new}


def test_content__that_is_late_or_to_be_paid_for_is_asked_for_again(far, sync, home):
    late, dear = far.record("late", 404), far.record("dear", 402)
    far.record("bad", 403)
    reported = sync(code=8).stderr
    assert "1 waiting, 1 need payment, 1 refused" in reported
    assert "the content of bad is refused: the answer is 403" in reported
    far.files[late], far.files[dear] = b"now", b"paid"
    sync(code=8)
    assert whole(home) == {"r-late": b"now", "r-dear": b"paid"}


def test_content__elsewhere_gets_no_bearer(far, sync, home):
    stranger = Listener()
    try:
        far.record("direct", b"", url=f"http://127.0.0.1:{stranger.port}/x")
        far.record("moved", lambda request: request.send(302, b"", {"Location": f"http://127.0.0.1:{stranger.port}/y"}))
        far.record("circle", lambda request: request.send(302, b"", {"Location": request.far.base + request.handler.path}))
        far.record("down", lambda request: request.send(302, b"", {"Location": "http://example.com/"}))
        sync(code=8, error="its URL leads to another origin")
        assert [path for path, _ in stranger.requests] == ["/y"]
        assert "Authorization" not in stranger.requests[0][1]
        assert whole(home) == {"r-moved": b"{}"}
        assert len([name for name, _ in far.asked if name == "c2"]) == 4
    finally:
        stranger.close()


def test_content__is_not_written_through_a_link(far, sync, home):
    name = far.record("rec", 404)
    sync()
    part = next((home / "out").iterdir())
    (home / "victim").write_text("keep")
    part.unlink()
    os.symlink(home / "victim", part)
    far.files[name] = b"clip"
    sync(code=8, error=part.name)
    assert (home / "victim").read_text() == "keep"


# ---- answers byte by byte -----------------------------------------------------------------------------------


def head(status, *lines):
    return f"HTTP/1.1 {status} X\r\n".encode() + b"".join(line.encode() + b"\r\n" for line in lines) + b"\r\n"


def put(request, answer, cut=None):
    """The answer as it stands, up to the cut; the connection then ends."""
    request.cut()
    try:
        request.handler.wfile.write(answer if cut is None else answer[:cut])
    except OSError:
        pass


def full(body, etag, *more):
    return head(200, f"Content-Length: {len(body)}", *([f"ETag: {etag}"] if etag else []), *more) + body


def chunked(body, etag):
    return (head(200, "Transfer-Encoding: chunked", f"ETag: {etag}") + b"%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n"
            if body else full(body, etag))


def rest(body, start, etag, total=None, first=None, last=None, *more, length=None):
    """206 with body[start:], and whatever it says of that."""
    said = f"bytes {start if first is None else first}-{len(body) - 1 if last is None else last}/{total or len(body)}"
    return head(206, f"Content-Length: {len(body) - start if length is None else length}", f"Content-Range: {said}",
                *([f"ETag: {etag}"] if etag else []), *more) + body[start:]


OLD, NEW = bytes(range(1, 101)), bytes(range(101, 201))
HALF = 50
FULL_NEW = full(NEW, '"2"')

ODD_RESTS = {
    "another version, as the rest": rest(NEW, HALF, '"2"'),
    "another version, without an ETag": rest(NEW, HALF, None),
    "another version, by a weak ETag": rest(NEW, HALF, 'W/"1"'),
    "no range": head(206, "Content-Length: 50", 'ETag: "1"') + NEW[HALF:],
    "a range that is none": head(206, "Content-Length: 50", 'ETag: "1"', "Content-Range: bytes fifty/100") + NEW[HALF:],
    "another unit": head(206, "Content-Length: 50", 'ETag: "1"', "Content-Range: lines 50-99/100") + NEW[HALF:],
    "no total": rest(NEW, HALF, '"1"', total="*"),
    "another total": rest(NEW, HALF, '"1"', total=101),
    "another start": rest(NEW, HALF - 1, '"1"'),
    "a later start": rest(NEW, HALF + 1, '"1"'),
    "the start, as a part": rest(NEW, 0, '"1"'),
    "only a piece of it": rest(NEW[:80], HALF, '"1"', total=100),
    "two ranges": head(206, "Content-Length: 50", 'ETag: "1"', "Content-Range: bytes 50-99/100",
                       "Content-Range: bytes 0-49/100") + NEW[HALF:],
    "two ETags": head(206, "Content-Length: 50", 'ETag: "1"', 'ETag: "2"', "Content-Range: bytes 50-99/100") + NEW[HALF:],
    "several parts": head(206, "Content-Length: 50", 'ETag: "1"', "Content-Type: multipart/byteranges; boundary=x") + NEW[HALF:],
    "packed": rest(NEW, HALF, '"1"', None, None, None, "Content-Encoding: gzip"),
    "no such range": head(416, "Content-Length: 0", "Content-Range: bytes */20"),
    "not modified": head(304, 'ETag: "1"'),
    "a bad request": head(400, "Content-Length: 0"),
    "the whole": FULL_NEW,
    "the whole, in chunks": chunked(NEW, '"2"'),
}


def whole_of(home, id):
    return whole(home).get(f"r-{id}".replace(" ", "%20").replace(",", "%2C"))


def part_of(home, id):
    name = f"r-{id}".replace(" ", "%20").replace(",", "%2C")
    return next((path for path in (home / "out").iterdir() if path.name.rsplit("-", 1)[0] == name), None)


class Halved:
    """The first answer is cut at HALF; then `odd` to whoever asks for the rest, NEW to whoever asks for the whole."""

    def __init__(self, odd, etag='"1"'):
        self.odd, self.etag, self.asked = odd, etag, []

    def __call__(self, request):
        asked = request.handler.headers.get("Range")
        self.asked.append(asked)
        if len(self.asked) == 1:
            answer = full(OLD, self.etag)
            put(request, answer, len(answer) - len(OLD) + HALF)
        else:
            put(request, self.odd if asked else FULL_NEW)


def test_content__is_continued_only_by_the_very_rest(far, sync, home):
    answers = {name: Halved(odd) for name, odd in ODD_RESTS.items()}
    answers["right"] = Halved(rest(OLD, HALF, '"1"'))
    answers["in chunks"] = Halved(head(206, "Transfer-Encoding: chunked", 'ETag: "1"', "Content-Range: bytes 50-99/100")
                                  + b"32\r\n" + OLD[HALF:] + b"\r\n0\r\n\r\n")
    answers["too much, in chunks"] = Halved(head(206, "Transfer-Encoding: chunked", 'ETag: "1"',
                                                 "Content-Range: bytes 50-99/100") + b"33\r\n" + OLD[HALF:] + b"!\r\n0\r\n\r\n")
    answers["another length"] = Halved(rest(OLD, HALF, '"1"', length=49))
    for name, answer in answers.items():
        far.record(name, answer)
    assert f"{len(answers)} in parts" in sync().stderr
    assert "too much, in chunks is refused: more came than was announced" in sync(code=8).stderr
    sync()
    for name, answer in answers.items():
        assert answer.asked[1] == "bytes=50-", name
        assert whole_of(home, name) in ((OLD,) if name in ("right", "in chunks") else (OLD, NEW) if name == "another length"
                                        else (NEW,)), name


def test_content__without_a_strong_etag_is_not_continued(far, sync, home):
    answers = [Halved(rest(NEW, HALF, etag), etag) for etag in ('W/"1"', None, '""', "1", '"a b"', f'"{"x" * 300}"')]
    for number, answer in enumerate(answers):
        far.record(str(number), answer)
    sync()
    sync()
    assert all(answer.asked == [None, None] for answer in answers)
    assert set(whole(home).values()) == {NEW} and len(whole(home)) == len(answers)


def test_content__of_two_versions_is_not_joined_wherever_the_answer_is_cut(far, sync, home):
    answers = [Halved(FULL_NEW[:cut]) for cut in range(0, len(FULL_NEW), 1 if LONG else 5)]
    headers = len(FULL_NEW) - len(NEW)
    answers += [Halved(FULL_NEW[:cut]) for cut in range(headers - 3, headers + 4)]
    for at, answer in enumerate(answers):
        far.record(str(at), answer)
    sync()
    sync(code=None)

    def well(request):
        asked, same = request.handler.headers.get("Range"), request.handler.headers.get("If-Range")
        put(request, rest(NEW, int(asked[6:-1]), '"2"') if asked and same == '"2"' else FULL_NEW)
    for name in far.files:
        far.files[name] = well
    sync()
    assert set(whole(home).values()) == {NEW} and len(whole(home)) == len(answers)


def test_content__of_a_part_file_that_a_power_cut_has_spoilt_is_fetched_anew(far, sync, home):
    def zeros(keep):
        return lambda data: data[:keep] + bytes(len(data) - keep)
    spoilt = {f"zeros from {at}": zeros(at) for at in range(0, HALF, 7)}
    spoilt.update({f"short by {HALF - at}": lambda data, at=at: data[:at] for at in range(0, HALF, 7)})
    spoilt["another version"] = lambda data: NEW[:HALF]
    spoilt["gone"] = None
    sound = {"as it was": lambda data: data, "longer": lambda data: data + b"more"}
    answers = {}
    for name in {**spoilt, **sound}:
        answers[name] = Halved(rest(OLD, HALF, '"1"'))
        far.record(name, answers[name])
    sync()
    for name, spoil in {**spoilt, **sound}.items():
        path = part_of(home, name)
        if spoil:
            path.write_bytes(spoil(path.read_bytes()))
        else:
            path.unlink()
    sync()
    for name in spoilt:
        assert whole_of(home, name) == NEW and answers[name].asked[1] is None, name
    for name in sound:
        assert whole_of(home, name) == OLD and answers[name].asked[1] == "bytes=50-", name


def test_content__that_nobody_can_trust_is_refused_and_the_next_is_fetched(far, sync, tm, store, home):
    bad = {
        "unasked part": (rest(OLD, 0, '"1"'), "the answer is a part"),
        "unasked rest": (rest(OLD, HALF, '"1"'), "the answer is a part"),
        "packed": (full(gzip.compress(OLD), '"1"', "Content-Encoding: gzip"), "the answer is packed"),
        "endless": (head(200, 'ETag: "1"') + OLD, "does not say where it ends"),
        "two lengths": (head(200, "Content-Length: 100", "Content-Length: 60") + OLD, "does not say where it ends"),
        "empty answer": (head(204), "the answer is 204"),
        "not modified": (head(304), "the answer is 304"),
        "large": (full(bytes(3000), '"1"'), "larger than --max-content"),
        "large in chunks": (chunked(bytes(3000), '"1"'), "larger than --max-content"),
        "nowhere": (head(302, "Content-Length: 0"), "the redirect"),
    }
    for name, (answer, _) in bad.items():
        far.record(name, lambda request, answer=answer: put(request, answer))
        far.record(f"{name} and good", lambda request: put(request, full(OLD, None) + b"more than was announced"))
    far.record("in chunks", lambda request: put(request, chunked(OLD, '"1"')))
    reported = tm("sync", far.url, "--bearer-file", home / "token", "--content", home / "out", "--max-content", "2000",
              store=store, code=8).stderr
    for name, (_, why) in bad.items():
        assert any(f"the content of {name} is refused" in line and why in line for line in reported.splitlines()), (name, reported)
        assert whole_of(home, f"{name} and good") == OLD
    assert set(whole(home).values()) == {OLD} and len(whole(home)) == len(bad) + 1
    assert f"{len(bad)} refused, 0 in parts" in reported
    assert all(path.stat().st_size == 0 for path in (home / "out").glob("*.part"))
    assert "the content of " in tm("status", store=store).stdout
    for name in far.files:
        far.files[name] = OLD
    sync()
    assert "the content of " not in tm("status", store=store).stdout


def test_content__has_a_time(far, sync, tm, store, home):
    done = threading.Event()

    def drip(request):
        request.cut()
        request.handler.wfile.write(head(200, "Content-Length: 100", 'ETag: "1"'))
        for byte in OLD:
            if done.wait(0.05):
                return
            request.handler.wfile.write(bytes([byte]))
            request.handler.wfile.flush()
    name = far.record("a slow one", drip)
    reported = tm("sync", far.url, "--bearer-file", home / "token", "--content", home / "out", "--content-time", "1s",
              store=store, code=8).stderr
    done.set()
    assert "a slow one is refused: it took longer than --content-time" in reported
    assert whole(home) == {}
    far.files[name] = OLD
    held = part_of(home, "a slow one").stat().st_size
    sync()
    asked = [headers.get("Range") for asked_name, headers in far.asked if asked_name == name]
    assert asked[1] == (f"bytes={held}-" if held else None) and whole_of(home, "a slow one") == OLD


def test_content__of_another_url_is_not_joined(far, sync, home):
    def by_version(request):
        """Two contents under one path and one ETag, told apart by the query alone."""
        new = "v=2" in request.handler.path
        asked = request.handler.headers.get("Range")
        answer = full(OLD, '"1"')
        put(request, rest(NEW if new else OLD, HALF, '"1"') if asked else full(NEW, '"1"') if new else
            answer[:len(answer) - HALF])

    def by_redirect(request):
        request.send(302, b"", {"Location": f"{far.base}/content/{target}?signature={len(far.asked)}"})
    target, other = far.record("target", Halved(rest(OLD, HALF, '"1"'))), far.record("other", Halved(rest(NEW, HALF, '"1"')))
    far.remove("target")
    far.remove("other")
    far.record("moved", Halved(b""))
    far.record("signed", by_redirect)
    far.record("query", None, url=f"{far.base}/content/{far.record('x', by_version)}?v=1")
    far.remove("x")
    sync()
    far.files[other].asked.append(None)
    far.put("moved", recordingContentUrl=f"{far.base}/content/{other}")
    far.put("query", recordingContentUrl=far.items["query"]["recordingContentUrl"][:-1] + "2")
    sync()
    assert whole(home) == {"r-moved": NEW, "r-signed": OLD, "r-query": NEW}
    assert far.files[target].asked == [None, "bytes=50-"]


def test_content__folder_of_two_followers_has_whole_files_only(far, tm, store, home):
    (home / "token").write_text("secret")
    going, go_on = threading.Event(), threading.Event()

    def slow(request):
        put(request, full(OLD, None), len(full(OLD, None)) - HALF)
        going.set()
        go_on.wait(60)
        request.handler.wfile.write(OLD[HALF:])
    answers = iter((slow,))
    far.record("rec", lambda request: next(answers, lambda request: put(request, FULL_NEW))(request))
    run = ["sync", far.url, "--bearer-file", home / "token", "--content", home / "out"]
    first = subprocess.Popen(conftest.Runner(home).command(run, store), env=conftest.base_env(home), stderr=subprocess.PIPE)
    assert going.wait(60)
    tm(*run, store=f"sqlite:{home}/other.db", code=8, error="rec is refused")
    go_on.set()
    assert first.wait(60) == 0, first.stderr.read()
    first.stderr.close()
    assert whole(home) == {"r-rec": OLD}


def test_content__of_a_run_that_was_killed_goes_on_from_the_last_record(far, sync, store, home):
    gone, asked = threading.Event(), []

    def answer(request):
        asked.append(request.handler.headers.get("Range"))
        right = rest(OLD, HALF, '"1"')
        if asked == [None]:
            put(request, full(OLD, '"1"'), len(full(OLD, '"1"')) - HALF)
        elif len(asked) == 2:
            put(request, right, len(right) - 10)
            gone.wait(120)
        else:
            put(request, right)
    far.record("rec", answer)
    sync()
    run = ["sync", far.url, "--bearer-file", home / "token", "--content", home / "out"]
    killed = subprocess.Popen(conftest.Runner(home).command(run, store), env=conftest.base_env(home), stderr=subprocess.DEVNULL)
    wait_for(lambda: part_of(home, "rec").stat().st_size == len(OLD) - 10)
    killed.kill()
    killed.wait()
    gone.set()
    sync()
    assert asked == [None, "bytes=50-", "bytes=50-"]
    assert whole(home) == {"r-rec": OLD}


@pytest.mark.parametrize("sent_mib, pause, known_mib", [(21, 0, 16), (1, 6, 1)])
def test_content__of_a_run_that_was_killed_in_its_first_transfer_goes_on(far, sync, store, home, sent_mib, pause, known_mib):
    """A part is recorded every 8 MiB, and every 5 seconds."""
    clip, asked, gone = random.Random(7).randbytes(22 << 20), [], threading.Event()

    def answer(request):
        asked.append(request.handler.headers.get("Range"))
        if len(asked) > 1:
            far.send_file(request, name, clip)
            return
        whole = full(clip, '"1"')
        put(request, whole, len(whole) - len(clip) + (sent_mib << 20))
        if pause:                        # nothing is recorded while nothing comes
            time.sleep(pause)
            request.handler.wfile.write(clip[sent_mib << 20:(sent_mib << 20) + 1000])
        gone.wait(120)

    def recorded():
        try:
            with sqlite3.connect(f"file:{store[7:]}?mode=ro", uri=True) as db:
                return [int(part.split()[0]) for part, in db.execute("SELECT etag FROM follow_content") if part]
        except sqlite3.Error:            # it is being made
            return []
    name = far.record("rec", answer)
    run = ["sync", far.url, "--bearer-file", home / "token", "--content", home / "out"]
    killed = subprocess.Popen(conftest.Runner(home).command(run, store), env=conftest.base_env(home), stderr=subprocess.DEVNULL)
    wait_for(lambda: max(recorded(), default=0) >= known_mib << 20)
    killed.kill()
    killed.wait()
    gone.set()
    sync()
    assert asked[0] is None and int(asked[1][6:-1]) >= known_mib << 20
    assert whole(home) == {"r-rec": clip}


# ---- histories ----------------------------------------------------------------------------------------------


class Versions:
    """The content of one recording: it changes, and what is said of it is right or odd, but its ETag never lies."""

    def __init__(self, rng):
        self.rng, self.all, self.well = rng, [], False
        self.change()

    def change(self):
        size = self.rng.choice((0, 1, 40, 1000, 1000, 70000))
        body = self.rng.randbytes(size)
        if self.all and self.rng.random() < 0.3:
            body = self.all[-1][0] + body
        self.all.append((body, f'"v{len(self.all)}"'))

    def answer(self, request):
        rng, headers = self.rng, request.handler.headers
        if not self.well and rng.random() < 0.3:
            self.change()
        body, etag = self.all[-1]
        start = int(headers["Range"][6:-1]) if headers.get("Range") else 0
        matches = headers.get("If-Range") == etag and start < len(body)
        if self.well:
            return rest(body, start, etag) if start and matches else full(body, etag)
        said = rng.choice((etag, etag, etag, 'W/"v"', None))
        odd = [full(body, said), full(body, said), full(body, said) + b"too much", chunked(body, said or '"c"' + etag),
               full(gzip.compress(body), etag, "Content-Encoding: gzip"), head(404, "Content-Length: 0"),
               head(503, "Content-Length: 0"), head(402, "Content-Length: 0"), head(304, f"ETag: {etag}"),
               head(416, "Content-Length: 0", f"Content-Range: bytes */{len(body)}"),
               head(302, "Content-Length: 0", f"Location: {request.far.base}{request.handler.path.split('?')[0]}?again")]
        if start < len(body):
            odd += [rest(body, start, said), rest(body, start, None), rest(body, start, etag, total=len(body) + 1),
                    rest(body, start, etag, total="*")]
            odd += [rest(body, start, etag)] * (6 if matches else 1)
        return rng.choice(odd)

    def __call__(self, request):
        answer = self.answer(request)
        cut = self.rng.randrange(len(answer) + 1) if not self.well and self.rng.random() < 0.4 else None
        put(request, answer, cut)


def spoil(rng, path):
    """What a power cut may leave of it, or somebody else."""
    data = path.read_bytes()
    at = rng.randrange(len(data) + 1)
    path.write_bytes(rng.choice((data[:at], data[:at] + bytes(len(data) - at), data + b"more", data, data)))


def run_and_kill(rng, command, env):
    """One run, killed at a random moment, or not."""
    process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        process.wait(rng.uniform(0.05, 0.6) if rng.random() < 0.4 else 120)
    except subprocess.TimeoutExpired:
        process.send_signal(rng.choice((signal.SIGKILL, signal.SIGTERM)))
    reported = process.communicate()[1].decode()
    conftest.check_sanitizers(reported)
    return process.returncode, reported


@pytest.mark.parametrize("seed", range(20 if LONG else 2))
def test_content__random_histories_leave_whole_versions_or_a_reason(far, sync, home, store, seed):
    rng = random.Random(seed + int(os.environ.get("TIDEMARK_SEED", 0)))
    contents = {f"rec{n:02}": Versions(rng) for n in range(15)}
    for id, content in contents.items():
        far.record(id, content)
    sync_args = ["sync", far.url, "--bearer-file", home / "token", "--content", home / "out"]
    command = conftest.Runner(home).command(sync_args, store)
    for _ in range(5):
        code, reported = run_and_kill(rng, command, conftest.base_env(home))
        assert code in (0, 8, 143, -9), reported
        files = whole(home) if (home / "out").exists() else {}
        for id, content in contents.items():
            held = files.get(f"r-{id}")
            assert held is None or held in [body for body, _ in content.all], id
            if held is None and code in (0, 8) and f"the content of {id} is " not in reported:
                assert "0 waiting, 0 need payment" not in reported, id
        for path in (home / "out").glob("*.part") if (home / "out").exists() else ():
            if rng.random() < 0.3:
                spoil(rng, path)
    for content in contents.values():
        content.well = True
    sync()
    for id, content in contents.items():
        assert whole(home)[f"r-{id}"] in [body for body, _ in content.all], id
