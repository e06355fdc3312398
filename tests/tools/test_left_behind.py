# SPDX-License-Identifier: Apache-2.0
"""tools/left-behind finds what tests leave in the temporary folder, and only that."""
import os
import pathlib
import subprocess
import threading
import time

TOOL = pathlib.Path(__file__).resolve().parents[2] / "tools" / "left-behind"


def run(temporary, *arguments):
    return subprocess.run([TOOL, *arguments], capture_output=True, text=True, check=False,
                          env={**os.environ, "TMPDIR": str(temporary), "LEFT_BEHIND_SECONDS": "4"})


def test_what_was_there_before_and_what_goes_by_itself_is_no_fault(tmp_path):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    (temporary / "old").write_text("")
    before = tmp_path / "before"
    before.write_text(run(temporary, "list").stdout)
    (temporary / "short").mkdir()
    threading.Timer(2, (temporary / "short").rmdir).start()
    began = time.monotonic()
    assert run(temporary, "check", str(before)).returncode == 0 and time.monotonic() - began > 1


def test_what_stays_is_named(tmp_path):
    (tmp_path / "temporary").mkdir()
    before = tmp_path / "before"
    before.write_text(run(tmp_path / "temporary", "list").stdout)
    (tmp_path / "temporary" / "tm-left").mkdir()
    found = run(tmp_path / "temporary", "check", str(before))
    assert found.returncode == 1 and f"{tmp_path}/temporary/tm-left\n" in found.stdout


def test_wrong_use_is_refused(tmp_path):
    assert run(tmp_path).returncode == run(tmp_path, "check").returncode == run(tmp_path, "lsit").returncode == 2
