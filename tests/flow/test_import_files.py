# SPDX-License-Identifier: Apache-2.0
"""Which files of the machine an import may read: those below its own folder, or below --content-root, and no others."""
import json
import os
import random
import socket

import pytest

from conftest import guid, to_lines, user

ANN, BOB = guid(1), guid(2)
APP = guid(0xa99)
ROLES = ("OnlineMeetingRecording.Read.All", "OnlineMeetingRecording.ReadWrite.All")


def recording(name, id="rec-0", owner=ANN, member="contentFile"):
    return {"op": "put", "feed": f"users/{owner}/recordings",
            "value": {"id": id, "meetingId": "M", "createdDateTime": "2024-01-15T00:00:00Z"}, member: name}


def path_of(id="rec-0", owner=ANN):
    return f"/v1.0/users/{owner}/onlineMeetings/M/recordings/{id}/content"


FIRST = [user("ann@contoso.com", ANN), user("bob@contoso.com", BOB), {"op": "policy", "value": {"app": APP, "global": True}}]


@pytest.fixture
def tree(home):
    """in/ is the import's folder; what must not be read says so."""
    (home / "in" / "sub").mkdir(parents=True)
    (home / "in" / "clip.mp4").write_text("clip")
    (home / "in" / "sub" / "deep.mp4").write_text("deep")
    (home / "in-not").mkdir()
    (home / "in-not" / "secret").write_text("must not be read")
    (home / "secret").write_text("must not be read")
    os.symlink("sub/deep.mp4", home / "in" / "link-inside")
    os.symlink("sub", home / "in" / "folder-inside")
    os.symlink("../secret", home / "in" / "link-outside")
    os.symlink(home / "secret", home / "in" / "link-absolute")
    os.symlink("..", home / "in" / "sub" / "up-to-in")
    os.symlink("../..", home / "in" / "sub" / "up-and-out")
    os.symlink(home, home / "in" / "folder-outside")
    os.mkfifo(home / "in" / "fifo")
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(home / "in" / "socket"))
    return home


def good_names(home):
    return [("clip.mp4", "clip"), ("./clip.mp4", "clip"), ("sub/deep.mp4", "deep"), ("sub/../clip.mp4", "clip"), ("link-inside", "deep"),
            ("folder-inside/deep.mp4", "deep"), ("sub/up-to-in/clip.mp4", "clip"), (f"{home}/in/clip.mp4", "clip"),
            (f"{home}/in//sub/deep.mp4", "deep")]


def bad_names(home):
    return ["../secret", "sub/../../secret", f"{home}/secret", f"{home}/in/../secret", f"{home}/in-not/secret", "/etc/hostname",
            "link-outside", "link-absolute", "folder-outside/secret", "sub/up-and-out/secret", "/proc/self/environ", "/dev/zero",
            "/proc/self/cwd/secret", "fifo", "socket", "sub", ".", "..", "/", "none"]


def test_an_import_reads_only_files_below_its_folder(server, tm, tree):
    """From a file beside a server, from standard input into the same server, and in an import of its own."""
    one = server("--tls", "off", lines=FIRST)
    token = one.app_token(*ROLES)
    good, bad = good_names(tree), bad_names(tree)
    ops = [recording(name, f"good-{n}") for n, (name, _) in enumerate(good)]
    ops += [recording(name, f"bad-{n}") for n, name in enumerate(bad)]
    (tree / "in" / "in.jsonl").write_text(to_lines(ops))
    for args, cwd, input in ((["in/in.jsonl"], tree, None), (["-"], tree / "in", to_lines(ops)),
                             (["-", "--content-root", f"{tree}/in/"], tree, to_lines(ops))):
        done = tm("import", *args, "--skip-bad", "--json", store=one.store, code=8, cwd=cwd, input=input)
        assert json.loads(done.stdout)["bad"] == len(bad), done.stderr
        assert "must not be read" not in done.stderr
    for n, (name, text) in enumerate(good):
        assert one.get(path_of(f"good-{n}"), token).body.decode() == text, name
    for n, name in enumerate(bad):
        assert one.get(path_of(f"bad-{n}"), token).status == 404, name
    one.stop()
    tm("import", "in/in.jsonl", store=one.store, code=6, error="see --content-root")


def test_content_root_names_another_folder_and_closes_the_import_s_own(tm, store, tree):
    tm("import", "-", store=store, input=to_lines(FIRST))
    (tree / "in" / "in.jsonl").write_text(to_lines([recording("secret")]))
    tm("import", "in/in.jsonl", store=store, code=6, error="No such file")
    tm("import", "in/in.jsonl", "--content-root", tree / "in-not", store=store)
    (tree / "in" / "in.jsonl").write_text(to_lines([recording(f"{tree}/in/clip.mp4")]))
    tm("import", "in/in.jsonl", store=store)
    tm("import", "in/in.jsonl", "--content-root", tree / "in-not", store=store, code=6, error="see --content-root")
    tm("import", "in/in.jsonl", "--content-root", tree / "none", store=store, code=1, error="none")
    tm("import", "in/in.jsonl", "--content-root", tree / "secret", store=store, code=1, error="secret")


def test_a_file_that_gives_more_than_its_size_is_not_taken_to_its_end(tm, store, home):
    """As one that grows while it is read; a file of /proc has the size 0."""
    ops = FIRST + [recording("maps")]
    tm("import", "-", "--content-root", "/proc/self", "--max-content", "100", store=store, input=to_lines(ops), code=6, error="limit")
    assert os.listdir(home / "t.db.content") == []


def test_a_name_with_escapes_is_a_name_too(server, tm, tree):
    one = server("--tls", "off", lines=FIRST)
    line = to_lines([recording("clip.mp4")]).replace("contentFile", "content\\u0046ile")
    tm("import", "-", store=one.store, input=line, cwd=tree / "in")
    assert one.get(path_of(), one.app_token(*ROLES)).body == b"clip"
    line = to_lines([recording("../secret")]).replace("contentFile", "content\\u0046ile")
    tm("import", "-", store=one.store, input=line, cwd=tree / "in", code=6, error="see --content-root")


def test_an_import_names_nobody_else_s_content(server, tm, tree):
    """The reference that a stored line holds is the importer's to write: another's would be read, and go with its first owner."""
    one = server("--tls", "off", lines=FIRST)
    token = one.app_token(*ROLES)
    content = random.Random(1).randbytes(50)
    tm("import", "-", store=one.store, input=to_lines([recording("clip.mp4")]), cwd=tree / "in")
    assert one.request("PUT", path_of(), content, token).status == 204
    name = os.listdir(one.path + ".content")[0]
    stolen = {"id": name, "sha256": one.get(path_of(), token).headers["ETag"].strip('"'), "size": 50}
    for line in (to_lines([recording(stolen, owner=BOB, member="content")]),
                 to_lines([recording(stolen, owner=BOB, member="content")]).replace('"content":', '"\\u0063ontent":')):
        tm("import", "-", store=one.store, input=line, code=6, error='name a "contentFile" instead')
    assert one.get(path_of(owner=BOB), token).status == 404
