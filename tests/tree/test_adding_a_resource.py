# SPDX-License-Identifier: Apache-2.0
"""docs/adding-a-resource.md is right: a copy of the tree, changed as the page says, is built and asked.

TIDEMARK_BIN is the program of the tree itself: it makes the store from before the property.
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/flow"))

from conftest import Runner, Server, put, to_lines, user  # noqa: E402

PAGE = (ROOT / "docs/adding-a-resource.md").read_text()
UPN = "ann@contoso.com"
ANN = user(UPN)["value"]["id"]


def block(name):
    return re.search(rf"```c {re.escape(name)}\n(.*?)```", PAGE, re.S).group(1)


def change(path, before, text):
    """Puts `text` before the first occurrence of `before`."""
    source = path.read_text()
    assert before in source, (path, before)
    path.write_text(source.replace(before, text + before, 1))


@pytest.fixture(scope="module")
def changed(tmp_path_factory):
    """The program of a copy of the tree that the page has changed."""
    tree = tmp_path_factory.mktemp("tree")
    names = subprocess.run(["git", "ls-files", "-z", "src", "cmake", "etc", "samples", "CMakeLists.txt", "CMakePresets.json", "LICENSE"],
                           cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    for name in filter(None, names):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, tree / name)
    resource = tree / "src/resource"
    calendar = (resource / "calendar.c").read_text()
    head, row, tail = calendar.partition('	{ .name = "owner"')
    end = tail.index("};")
    (resource / "calendar.c").write_text(head + row + tail[:end] + block("property") + tail[end:])
    change(resource / "resource.h", "	RIGHT_COUNT\n", block("right"))
    change(resource / "resource.h", "extern const struct resource resource_calendar", block("declaration"))
    change(resource / "resource.c", "NULL };", block("entry").strip() + " ")
    (resource / "note.c").write_text(block("file src/resource/note.c"))
    subprocess.run(["cmake", "-S", tree, "-B", tree / "build", "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Debug", "-DTIDEMARK_TESTS=OFF"],
                   check=True, capture_output=True)
    built = subprocess.run(["ninja", "-C", tree / "build", "tidemark"], capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout[-4000:]
    return tree / "build/tidemark"


class Changed(Runner):
    """Runs the changed program."""

    def __init__(self, home, binary):
        super().__init__(home)
        self.binary = str(binary)

    def command(self, args, store):
        return [self.binary] + super().command(args, store)[1:]


@pytest.fixture
def runner(changed, tmp_path):
    return Changed(str(tmp_path), changed)


def test_a_row_is_a_property_everywhere(runner, tmp_path):
    store = f"sqlite:{tmp_path}/t.db"
    Runner(str(tmp_path))("import", "-", store=store, input=to_lines([user(UPN), put(ANN, {"id": "old", "name": "Old"})]))
    runner("import", "-", store=store, input=to_lines([put(ANN, {"id": "new", "name": "New", "tideNote": "high"})]))
    server = Server(runner, store, ("--tls", "off"))
    try:
        token = server.token(UPN, "Calendars.ReadWrite")

        def ask(method, path, body=None):
            answer = server.request(method, path, body, token)
            return answer.status, answer.json

        listed = {item["id"]: item["tideNote"] for item in ask("GET", "/v1.0/me/calendars")[1]["value"]}
        assert listed["old"] == "none" and listed["new"] == "high"
        assert 'Name="tideNote" Type="Edm.String"' in server.get("/v1.0/$metadata").body.decode()
        status, made = ask("POST", "/v1.0/me/calendars", {"name": "Made", "tideNote": "low"})
        assert status == 201 and made["tideNote"] == "low"
        status, made = ask("PATCH", f"/v1.0/me/calendars/{made['id']}", {"tideNote": "ebb"})
        assert status == 200 and made["tideNote"] == "ebb"
        found = ask("GET", "/v1.0/me/calendars?$select=TIDENOTE&$filter=tideNote%20eq%20'none'")[1]["value"]
        assert {"id": "old", "tideNote": "none"}.items() <= {k: v for k, v in found[0].items() if k != "@odata.id"}.items()
        assert "name" not in found[0]
        delta = {item["id"]: item["tideNote"] for item in ask("GET", "/v1.0/me/calendars/delta")[1]["value"]}
        assert delta["old"] == "none" and delta["new"] == "high" and delta[made["id"]] == "ebb"
        runner("sync", f"{server.base}/v1.0/me/calendars/delta", "--bearer-command", f"echo {token}",
               store=f"sqlite:{tmp_path}/f.db")
        rows = subprocess.run(["sqlite3", f"{tmp_path}/f.db", "SELECT tideNote FROM calendars WHERE id = 'old'"],
                              capture_output=True, text=True, check=True).stdout
        assert rows.strip() == "none"
    finally:
        server.stop()
    exported = [json.loads(line) for line in runner("export", store=store).stdout.splitlines()]
    assert {line["value"]["id"]: line["value"]["tideNote"] for line in exported
            if line.get("feed", "").endswith("/calendars")}["old"] == "none"
    assert runner("store", "check", store=store).returncode == 0
    assert "| `tideNote` | `Edm.String` |" in runner("help", "--properties").stdout


def test_a_descriptor_is_a_resource(runner, tmp_path):
    store = f"sqlite:{tmp_path}/t.db"
    runner("import", "-", store=store, input=to_lines(
        [user(UPN), put(ANN, {"id": "n1", "title": "One"}, "notes"), put(ANN, {"id": "n2", "title": "Two"}, "notes")]))
    server = Server(runner, store, ("--tls", "off"))
    try:
        token = server.token(UPN, "Notes.Read")
        first = server.get("/v1.0/me/notes/delta", token).json
        assert [item["title"] for item in first["value"]] == ["One", "Two"] and first["value"][0]["@odata.type"] == "#microsoft.graph.note"
        assert [item["title"] for item in server.get("/v1.0/me/notes?$filter=title%20eq%20'two'", token).json["value"]] == ["Two"]
        assert server.get("/v1.0/me/notes/n1", token).json["title"] == "One"
        assert server.request("POST", "/v1.0/me/notes", {"title": "Three"}, token).status == 405
        assert server.get("/v1.0/me/calendars", token).status == 403
        runner("import", "-", store=store, input=to_lines([put(ANN, {"id": "n2", "title": "Three"}, "notes")]))
        link = first["@odata.deltaLink"].removeprefix(server.base)
        assert [item["title"] for item in server.get(link, token).json["value"]] == ["Three"]
        assert 'EntityType Name="note"' in server.get("/v1.0/$metadata").body.decode()
    finally:
        server.stop()
    assert "`Notes.Read`" in runner("help", "--permissions").stdout
