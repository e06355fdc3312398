# SPDX-License-Identifier: Apache-2.0
"""The bench measures what it says, and loses nothing: its own rules, without any speed being asserted."""

import argparse
import json
import pathlib
import socket
import subprocess
import sys
import threading

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))

import bench  # noqa: E402
import growth  # noqa: E402
import long_load  # noqa: E402
import page  # noqa: E402
import peers  # noqa: E402
import rows  # noqa: E402
import sides  # noqa: E402

REQUEST = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


def run(*arguments):
    return subprocess.run([ROOT / "bench/run", *arguments], capture_output=True, text=True, check=False)


def test_help_names_every_row_and_unknown_rows_are_refused():
    reported = run("--help")
    assert reported.returncode == 0
    for name in [*rows.ROWS, "growth"]:
        assert f"\n  {name} " in reported.stdout
    refused = run("poll", "pole")
    assert refused.returncode == 2
    assert "no such row: pole" in refused.stderr and "there are: poll " in refused.stderr


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """bench/run with rows of ours, a page of ours and results of ours."""
    text = "before\n%s\nold\n%s\nafter\n" % (bench.BEGIN, bench.END)
    (tmp_path / "speed.md").write_text(text)
    monkeypatch.setattr(bench, "KEPT_RESULTS", tmp_path / "results.json")
    monkeypatch.setattr(page.put, "__defaults__", (tmp_path / "speed.md",))
    monkeypatch.setattr(sides, "TIDEMARK", sys.executable)
    return tmp_path


def row(name):
    return rows.Row(name, "what " + name, "1/s", "2/s", "0.50", "none set", True, "–")


def fails(kind):
    def act(_options):
        raise kind("on purpose")
    return act


@pytest.mark.parametrize("kind", [ValueError, SystemExit, OSError, IndexError])
def test_a_row_that_fails_does_not_lose_the_others(desk, monkeypatch, capsys, kind):
    monkeypatch.setattr(rows, "ROWS", {"first": ("", lambda _: row("first")), "bad": ("", fails(kind)), "last": ("", lambda _: row("last"))})
    monkeypatch.setattr(sys, "argv", ["bench/run", "--write"])
    assert bench.main() == 1
    reported = capsys.readouterr().out
    assert "not measured: bad" in reported and "on purpose" in reported
    text = (desk / "speed.md").read_text()
    assert text.startswith("before\n") and text.endswith("after\n") and "\nold\n" not in text
    assert "| `first` |" in text and "| `last` |" in text and "| `bad` |" not in text


def test_what_was_measured_earlier_is_said_to_be(desk, monkeypatch):
    (desk / "results.json").write_text(json.dumps({"older": {**row("older").__dict__, "about": "2020-01-01 10:00. A machine. x"}}))
    monkeypatch.setattr(rows, "ROWS", {"older": ("", fails(OSError)), "newer": ("", lambda _: row("newer"))})
    monkeypatch.setattr(sys, "argv", ["bench/run", "--write", "newer"])
    assert bench.main() == 0
    text = (desk / "speed.md").read_text()
    assert "| `older` |" in text and "in an earlier one: `older` (2020-01-01 10:00)." in text


def drive_load(port, connections, seconds):
    job = subprocess.run([sides.tool("load"), str(port), str(connections), str(seconds), "200", "plain"], input=REQUEST,
                         capture_output=True, text=True, check=False)
    ready, *last = job.stdout.splitlines()
    assert ready == "ready"
    return job.returncode, json.loads(last[0])


def test_the_load_counts_every_answer_of_the_bare_loop():
    floor = sides.Floor(ANSWER)
    try:
        status, result = drive_load(floor.port, 40, 1)
    finally:
        floor.stop()
    assert (status, result["errors"], result["late"]) == (0, 0, 0)
    assert result["answers"] == 200


def serve_first_only(listener, then):
    """Answers each connection's first request, and does something else with the second."""
    links = []
    while True:
        try:
            link, _ = listener.accept()
        except OSError:
            break
        links.append(link)
        link.recv(1000)
        link.sendall(ANSWER)
        threading.Thread(target=then, args=(link,), daemon=True).start()


@pytest.mark.parametrize("then", [lambda link: link.recv(1000) and None,
                                  lambda link: link.recv(1000) and link.sendall(ANSWER.replace(b"200 OK", b"503 No")),
                                  lambda link: link.recv(1000) and link.sendall(ANSWER[:-1]),
                                  lambda link: link.recv(1000) and link.shutdown(socket.SHUT_RDWR)],
                         ids=["none", "refused", "cut", "closed"])
def test_an_answer_that_is_wrong_or_never_comes_is_an_error_of_the_load(then):
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=serve_first_only, args=(listener, then), daemon=True).start()
    try:
        status, result = drive_load(listener.getsockname()[1], 4, 1)
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
    assert status == 1 and result["errors"] == 4 and result["answers"] == 0


def watch(rss_kb, descriptors):
    seen = long_load.Watch(0)
    seen.rss_kb, seen.descriptors = rss_kb, descriptors
    return seen.faults()


def test_growth_under_load_is_a_fault():
    assert watch([20000, 20100, 20050, 20000], [50, 50, 50, 1]) == []
    assert watch([20000, 21000, 23000, 20000], [50, 50, 50, 1]) == ["memory grew from 20000 to 23000 KB"]
    assert watch([20000, 20000, 20000, 20000], [50, 50, 51, 1]) == ["descriptors grew from 50 to 51"]
    assert watch([20000], [50]) == ["the load was too short to see whether anything grows"]


def test_errors_are_faults_and_delays_only_where_a_bound_is_given():
    calm = long_load.Watch(0)
    calm.rss_kb, calm.descriptors = [1] * 5, [1] * 5
    result = {"errors": 0, "p99_ms": 21.0}
    assert long_load.validate(argparse.Namespace(p99=None), result, calm) == []
    assert long_load.validate(argparse.Namespace(p99=20), result, calm) == ["p99 21.0 ms, above 20"]
    assert long_load.validate(argparse.Namespace(p99=None), {**result, "errors": 3}, calm) == ["3 errors"]


def test_a_calendar_server_that_cannot_be_had_is_named_with_what_brings_it(tmp_path, monkeypatch):
    monkeypatch.setattr(peers, "UNPACKED", tmp_path / "not-there")
    for kind in (peers.Radicale, peers.Cyrus):
        with pytest.raises(SystemExit, match="script/packages install bench"):
            kind()
    assert peers.version("radicale") == "none"
    assert sides.RUNNING == []


def test_the_picture_of_growth_is_well_formed():
    values = {name: (10.0 ** at, None) for at, name in enumerate(("a", "b", "c", "d", "e", "f", "g"))}
    text = growth.picture({"items": [(10 ** 3, values), (10 ** 7, values)], "feeds": [(1, values), (10 ** 6, values)]})
    import xml.etree.ElementTree
    assert len(list(xml.etree.ElementTree.fromstring(text).iter("{http://www.w3.org/2000/svg}polyline"))) == 14
