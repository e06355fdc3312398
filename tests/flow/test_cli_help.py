# SPDX-License-Identifier: Apache-2.0
"""What the program says of itself: help, manual pages, completion, version, and how it ends when used wrongly."""
import json
import os
import shutil
import subprocess

import pytest

from conftest import BIN

COMMANDS = ["serve", "token", "import", "export", "user add", "user list", "user remove", "store check", "store gc",
            "store info", "store backup", "store restore", "config show", "version", "help"]


def test_the_overview_names_every_command(tm):
    text = tm("help").stdout
    for command in COMMANDS:
        assert f"\n  {command} " in text
    assert tm("--help").stdout == text
    assert tm("-h").stdout == text


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_is_the_same_in_every_spelling(tm, command):
    text = tm("help", *command.split()).stdout
    assert text.startswith(f"usage: tidemark {command}")
    assert "exit codes:" in text
    assert tm(*command.split(), "--help").stdout == text
    assert tm(*command.split(), "-h").stdout == text


def test_help_of_a_group_lists_its_commands(tm):
    text = tm("help", "store").stdout
    assert "store backup" in text and "user add" not in text
    assert tm("store", "--help").stdout == text


def test_serve_help_tells_flag_variable_and_default(tm):
    text = tm("help", "serve").stdout
    assert "--listen HOST:PORT" in text and "127.0.0.1:8443" in text and "[TIDEMARK_LISTEN]" in text


def test_every_manual_page_is_clean(tm, home):
    pages = tm("help", "--pages").stdout.split()
    assert {"tidemark.1", "tidemark-serve.1", "tidemark-store.1", "tidemark.conf.5"} <= set(pages)
    for page in pages:
        text = tm("help", "--man", page).stdout
        assert text.count(".Sh NAME") == 1
        (home / page).write_text(text)
        if shutil.which("mandoc"):
            lint = subprocess.run(["mandoc", "-Tlint", "-Wwarning", str(home / page)], capture_output=True, text=True)
            bad = [line for line in lint.stdout.splitlines() if "unusual Xr order" not in line]
            assert not bad, bad


def test_the_completion_is_bash_and_knows_the_options(tm, home):
    (home / "completion").write_text(tm("help", "--completion").stdout)
    probe = 'source completion; COMP_WORDS=(tidemark store gc --dr); COMP_CWORD=3; _tidemark; echo "${COMPREPLY[@]}"'
    done = subprocess.run(["bash", "-c", probe], cwd=home, capture_output=True, text=True)
    assert done.stdout.strip() == "--dry-run", done.stderr


def test_version(tm):
    assert tm("version").stdout == "tidemark 0.1.0\n"
    assert tm("--version").stdout == "tidemark 0.1.0\n"
    reported = json.loads(tm("version", "--json").stdout)
    assert reported["version"] == "0.1.0" and {"openssl", "sqlite"} <= set(reported["libraries"])


@pytest.mark.parametrize("args, says", [
    ([], "tidemark help"),
    (["frobnicate"], "unknown command"),
    (["store"], "tidemark help store"),
    (["store", "frobnicate"], "unknown command"),
    (["help", "frobnicate"], "unknown command"),
    (["help", "--man", "frobnicate"], "no manual page"),
    (["serve", "--frobnicate"], "unknown option --frobnicate"),
    (["serve", "-x"], "unknown option -x"),
    (["serve", "--store"], "needs a value"),
    (["import", "--skip-bad=yes"], "takes no value"),
    (["serve", "extra"], 'unexpected argument "extra"; did you mean --listen extra'),
    (["user", "add", "ann@contoso.com"], 'unexpected argument "ann@contoso.com"; did you mean --upn ann@contoso.com'),
    (["client", "add", "Reader", "more"], "did you mean --name Reader;"),
    (["token", "ann@contoso.com"], "did you mean --user ann@contoso.com;"),
    (["user", "list", "extra"], 'unexpected argument "extra";'),
    (["serve", "--listen", "127.0.0.1:1", "--listen", "127.0.0.1:2"], "given twice"),
    (["store", "backup"], "needs FILE"),
    (["serve", "--store", "mysql:x"], "sqlite:PATH, postgresql://HOST/DATABASE and memory:"),
    (["serve", "--store", "postgresql:h"], "postgresql:// begins one"),
    (["serve", "--store", "postgresql://ann:p@ss@h/d"], "written %40"),
    (["serve", "--store", "postgresql://h/d", "--follow"], "--follow needs a store in a file"),
    (["serve", "--listen", "nowhere"], "HOST:PORT"),
    (["serve", "--listen", "127.0.0.1:65536"], "HOST:PORT"),
    (["serve", "--tls", "maybe"], "auto or off"),
    (["serve", "--issuer", "yes"], "on or off"),
    (["serve", "--link-style", "x"], "graph or seed"),
    (["serve", "--public-url", "ftp://x"], "http or https"),
    (["serve", "--max-content", "lots"], "size"),
    (["serve", "--max-content", "0"], "size"),
    (["store", "gc", "--retention", "soon"], "length of time"),
])
def test_wrong_use_is_exit_2_and_says_where_help_is(tm, args, says):
    done = tm(*args, code=2, error=says)
    assert done.stdout == ""
    assert done.stderr.startswith("tidemark: ") and done.stderr.count("\n") == 1
    assert "tidemark help" in done.stderr


@pytest.mark.parametrize("args", [["help"], ["version"], ["config", "show"]])
def test_a_full_disk_behind_standard_output_is_exit_1(args):
    with open("/dev/full", "w") as full:
        done = subprocess.run([BIN, *args], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert "No space left" in done.stderr


def test_a_closed_pipe_behind_standard_output_is_exit_1_and_nothing_is_said():
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([BIN, "help"], stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    assert done.returncode == 1
    assert done.stderr == ""


def test_control_bytes_in_arguments_do_not_reach_the_terminal(tm):
    assert "\x1b" not in tm("serve", "--listen", "\x1b[31mred", code=2).stderr
