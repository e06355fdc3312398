# SPDX-License-Identifier: Apache-2.0
"""The fuzzer of the server finds a planted crash and a planted hang, over either protocol, and a replay finds them again."""
import os
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / "build/debug"
SECONDS = 300                            # it ends with the first finding that is meant; on a quiet machine after a few seconds
FOUND = {"crash": r" in literal_take ", "hang": "no answer|left over"}


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """The server with one bug more, by name; each is linked once."""
    made = {}

    def program(name):
        if name not in made:
            made[name] = tmp_path_factory.mktemp(name) / "tidemark"
            subprocess.run([ROOT / "tests/mutants/build", BUILD, ROOT / f"tests/fuzz/server/mutants/{name}.patch",
                            BUILD / "CMakeFiles/tidemark.dir/src/cmd/main.c.o", made[name]], check=True)
        return made[name]

    return program


def fuzz(*args):
    return subprocess.run([ROOT / "tests/fuzz/server_fuzz", *map(str, args)], capture_output=True, text=True, check=False, env=os.environ)


@pytest.mark.parametrize("protocol", [1, 2])
@pytest.mark.parametrize("name", FOUND)
def test_the_fuzzer_finds(planted, tmp_path, name, protocol):
    program = planted(name)
    run = fuzz("--bin", program, "--protocol", protocol, "--until", FOUND[name], "--seconds", SECONDS, "--patience", 20,
               "--found", tmp_path)
    assert run.returncode == 1, run.stdout + run.stderr
    last = run.stdout.rpartition("FOUND ")[2]
    assert re.search(FOUND[name], last), run.stdout
    folder = re.search(r"--replay (\S+)", last).group(1)
    again = fuzz("--bin", program, "--patience", 20, "--replay", folder)
    assert again.returncode == 1 and "FOUND" in again.stdout, again.stdout + again.stderr
