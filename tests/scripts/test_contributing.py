# SPDX-License-Identifier: Apache-2.0
"""The commands of CONTRIBUTING.md work: quick ones are run as they stand, of long ones the script and its options are looked up."""
import json
import os
import pathlib
import re
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = (ROOT / "CONTRIBUTING.md").read_text()
BLOCKS = re.findall(r"^```\n(.*?)^```", PAGE, re.M | re.S)
SCRIPTS = [re.split(r"  +", line)[0] for line in BLOCKS[0].splitlines()]
QUICK = [line for block in BLOCKS[1:] for line in block.splitlines()] + re.findall(r"`(for [^`]+; done)`", PAGE)


def test_the_page_is_read():
    assert len(SCRIPTS) >= 6 and len(QUICK) == 2 and "script/build" in SCRIPTS and any("tools/check-" in line for line in QUICK)


@pytest.mark.parametrize("line", SCRIPTS)
def test_each_script_is_there_and_knows_its_options(line):
    script, *options = line.split()
    helped = subprocess.run([ROOT / script, "--help"], capture_output=True, text=True, check=True).stdout
    assert script in helped
    for option in options:
        assert option in helped
    refused = subprocess.run([ROOT / script, "--no-such-option"], capture_output=True, text=True, check=False) if script != "script/build" else None
    assert refused is None or (refused.returncode == 2 and script in refused.stderr)


@pytest.mark.skipif(not os.environ.get("TIDEMARK_FULL"), reason="script/test itself builds and checks")
@pytest.mark.parametrize("line", QUICK)
def test_each_quick_command_works(line):
    # As in a shell that stops at a failure: the last check alone would decide a loop.
    run = subprocess.run(["sh", "-euc", line], cwd=ROOT, capture_output=True, text=True, check=False, timeout=900)
    assert run.returncode == 0, run.stdout + run.stderr


def test_what_is_named_in_the_text_is_there():
    text = re.sub(r"^```.*?^```", "", PAGE, flags=re.M | re.S)
    for name in re.findall(r"`((?:script|tools|tests)/[\w/-]+)`", text) + re.findall(r"\]\(([\w./-]+)\)", text):
        assert (ROOT / name).exists(), name
    for command in re.findall(r"`(clang-format|cmake|ninja)\b", text):
        assert shutil.which(command), command
    presets = {preset["name"] for preset in json.loads((ROOT / "CMakePresets.json").read_text())["configurePresets"]}
    assert set(re.findall(r"`(\w+)`", text.split("Presets:")[1].split(". ")[0])) <= presets
