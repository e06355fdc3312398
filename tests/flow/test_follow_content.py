# SPDX-License-Identifier: Apache-2.0
"""`sync --content`: fetched whole, resumed where it was cut, waited for, and never with the bearer to anybody else."""
import os

import pytest

from misbehave import FarEnd, Listener, Request


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
        name, request = handler.path[9:], Request(self, handler, "")
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
    turn = iter((True,))

    def answer(request):
        if next(turn, False):
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
    told = sync(code=8).stderr
    assert "1 waiting, 1 need payment, 1 refused" in told
    assert "the content of bad is refused: the answer is 403" in told
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
    sync(code=1, error=part.name)
    assert (home / "victim").read_text() == "keep"
