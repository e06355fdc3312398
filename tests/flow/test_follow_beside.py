# SPDX-License-Identifier: Apache-2.0
"""What a follower makes beside its store, what it leaves there, and a store that can be read but not written."""
import json
import os
import pathlib
import resource
import shutil
import signal
import sqlite3
import subprocess

import pytest

from conftest import BIN, base_env, check_sanitizers
from misbehave import FarEnd, link_to, raw, slow, status
from test_follow_commands import changes, running, reported, wait_for          # noqa: F401 (running is a fixture)
from test_follow_misbehave import far, fill, view                           # noqa: F401 (far is a fixture)

NOBODY = 65534


def beside(home, part=""):
    return sorted(path.name for path in home.iterdir() if part in path.name)


# ---- files that are no store ---------------------------------------------------------------------------------

def plain_text(path):
    path.write_text("root:x:0:0:root:/root:/bin/bash\n" * 200)


def of_another(path):
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE theirs(a)")


def of_another_in_its_log(path):
    """What makes it another program's stands in the log only; the file itself is empty."""
    script = f"""import os, sqlite3
db = sqlite3.connect({str(path)!r})
db.execute("PRAGMA journal_mode = WAL")
db.execute("CREATE TABLE theirs(a)")
os._exit(0)"""
    subprocess.run(["python3", "-c", script], check=True)


@pytest.mark.parametrize("make", [plain_text, of_another, of_another_in_its_log])
@pytest.mark.parametrize("command", [("scope", "forget", "ann"), ("import", "-"), ("serve", "--listen", "127.0.0.1:0"),
                                     ("store", "restore", "good.db")])
def test_no_lock_is_left_beside_a_file_that_is_no_store(tm, home, make, command):
    path = home / "other"
    make(path)
    if command[0] == "store":
        tm("import", "-", input="", store=f"sqlite:{home}/t.db")
        tm("store", "backup", "good.db", store=f"sqlite:{home}/t.db")
        if make is plain_text:
            command = ("store", "restore", path)             # what is put back is no store either
            path = home / "new.db"
    tm(*command, input="", store=f"sqlite:{path}", code=6)
    assert beside(home, f"{path.name}.lock") == []


def test_a_file_that_is_no_store_is_named_where_no_lock_can_be_made(home):
    (home / "ro").mkdir()
    plain_text(home / "ro" / "other")
    done = as_another(home, home / "ro", "scope", "forget", "ann", "--store", f"sqlite:{home}/ro/other")
    assert done.returncode == 6 and "not a database" in done.stderr


def test_a_lock_that_was_there_before_stays(tm, home):
    plain_text(home / "other")
    (home / "other.lock").write_text("")
    tm("scope", "forget", "ann", store=f"sqlite:{home}/other", code=6)
    assert (home / "other.lock").exists()


# ---- the copy of verify --------------------------------------------------------------------------------------

def verify(home, far, store):
    return subprocess.Popen([BIN, "verify", far.url, "--store", store], env=base_env(home), stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)


def test_verify__takes_away_what_one_that_was_killed_has_left(tm, store, far, home):
    fill(far)
    tm("sync", far.url, store=store)
    far.do(slow(20))
    before = len(far.requests)
    dead = verify(home, far, store)
    copy = pathlib.Path(f"{store[7:]}.verify-{dead.pid}")
    wait_for(lambda: len(far.requests) > before and copy.exists())
    dead.send_signal(signal.SIGKILL)
    dead.communicate()
    assert copy.exists() and len(beside(home, ".verify-")) >= 3
    (home / "t.db.verify-x1").write_text("")                 # names that are not verify's own
    (home / "t.db.verify-12.txt").write_text("")
    for suffix in ("", "-journal", "-wal", "-shm", ".ahead", ".lock"):
        (home / f"t.db.verify-99999{suffix}").write_text("")
    (home / "t.db.verify-99998-wal").write_text("")          # half of a copy, without a lock
    tm("verify", far.url, store=store)
    assert beside(home, ".verify-") == ["t.db.verify-12.txt", "t.db.verify-x1"]


def test_verify__leaves_the_copy_of_one_that_lives(tm, store, far, home):
    fill(far)
    tm("sync", far.url, store=store)
    far.do(slow(6))
    before = len(far.requests)
    other = verify(home, far, store)
    copy = pathlib.Path(f"{store[7:]}.verify-{other.pid}")
    wait_for(lambda: copy.exists() and pathlib.Path(f"{copy}.lock").exists() and len(far.requests) > before)
    tm("verify", far.url, store=store)
    assert copy.exists() and other.poll() is None
    _, stderr = other.communicate()
    assert other.returncode == 0, stderr
    assert beside(home, ".verify-") == []


# ---- a store that can be read only ---------------------------------------------------------------------------

def as_another(home, folder, *args, **env):
    """As somebody who may read a folder and write nothing in it; root is made one."""
    program = home / "tidemark"
    if not program.exists():
        shutil.copy(BIN, program)
    home.chmod(0o755)
    for path in folder.iterdir():
        path.chmod(0o444)
    folder.chmod(0o555)
    is_root = os.geteuid() == 0
    try:
        done = subprocess.run([program, *map(str, args)], capture_output=True, text=True, timeout=120, cwd="/",
                              env={**base_env(home), **env}, user=NOBODY if is_root else None)
    finally:
        folder.chmod(0o755)
    check_sanitizers(done.stderr)
    return done


def read_only(tm, far, home):
    folder = home / "ro"
    folder.mkdir()
    fill(far)
    tm("sync", far.url, store=f"sqlite:{folder}/t.db")
    return folder, f"sqlite:{folder}/t.db"


def test_verify__of_a_store_beside_which_nothing_can_be_written(tm, far, home):
    folder, store = read_only(tm, far, home)
    temporary = home / "temporary"
    temporary.mkdir()
    temporary.chmod(0o777)
    done = as_another(home, folder, "verify", far.url, "--store", store, TMPDIR=str(temporary))
    assert done.returncode == 0 and " 0 different" in done.stderr, done.stderr
    assert beside(temporary) == []
    done = as_another(home, folder, "verify", far.url, "--store", store, TMPDIR=f"{home}/none")
    assert done.returncode == 6 and "TMPDIR" in done.stderr


def test_doctor__tells_that_a_store_can_only_be_read(tm, far, home):
    folder, store = read_only(tm, far, home)
    assert "good  store" in tm("doctor", store=store).stdout
    done = as_another(home, folder, "doctor", "--store", store)
    assert done.returncode == 10 and "fault store" in done.stdout and "can be read, but not written" in done.stdout, done.stdout
    for path in folder.iterdir():
        os.chown(path, NOBODY if os.geteuid() == 0 else -1, -1)
    done = as_another(home, folder, "doctor", "--store", store)
    assert done.returncode == 10 and "but not written" in done.stdout, "the folder cannot be written"


def test_status__on_a_full_disk_says_what_to_do(tm, store, far, home):
    """A file may not grow: the same error as a disk that is full."""
    fill(far)
    tm("sync", far.url, store=store)

    def no_room():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    done = subprocess.run([BIN, "status", "--store", store], capture_output=True, text=True, env=base_env(home),
                          preexec_fn=no_room, restore_signals=False)
    assert done.returncode == 5 and "make room" in done.stderr, done.stderr
    assert json.loads(tm("status", "--json", store=store).stdout)["scopes"][0]["items"] > 0


# ---- what is said and shown ----------------------------------------------------------------------------------

def test_scope__renamed_to_what_it_is_called_says_so(tm, store, far):
    fill(far)
    tm("sync", far.url, "--scope", "mine", store=store)
    tm("scope", "rename", "mine", "mine", store=store, error="mine is called so already")


def test_scope__whose_name_is_taken_names_the_url_and_the_ways_out(tm, store, far):
    fill(far)
    tm("sync", far.url, "--scope", "mine", store=store)
    other = FarEnd("/v1.0/me/contacts/delta")
    try:
        said = tm("sync", other.url, "--scope", "mine", store=store, code=2).stderr
        assert f"follows another URL, {far.url};" in said and "scope rename" in said and "scope forget" in said
    finally:
        other.close()


@pytest.mark.parametrize("answer, code, words", [(status(304), 6, "answers 304"), (raw(b""), 5, "it is empty")])
def test_sync__calls_an_odd_answer_by_its_name(tm, store, far, answer, code, words):
    far.always(answer)
    said = tm("sync", far.url, "--max-wait", "0s", store=store, code=code, error=words).stderr
    assert "redirect" not in said and "byte" not in said


def test_sync__a_scheme_in_capitals_is_refused_with_the_reason(tm, store):
    tm("sync", "HTTPS://example.com/v1.0/me/calendars/delta", store=store, code=2, error="small letters")


def test_scope_list_is_status(tm):
    tm("scope", "list", code=2, error="`tidemark status` lists the scopes")


@pytest.mark.parametrize("command", ["sync", "changes", "status", "verify", "doctor", "retry", "scope rename", "scope forget"])
def test_help__of_what_needs_a_file_offers_no_other_store(tm, command):
    page = tm("help", "--man", f"tidemark-{command.split()[0]}.1").stdout
    assert "memory:" not in tm("help", *command.split()).stdout and "memory:" not in page
    assert "sqlite:PATH" in tm("help", *command.split()).stdout and "sqlite:PATH" in page
    assert "memory:" in tm("help", "serve").stdout


# ---- changes -------------------------------------------------------------------------------------------------

def test_changes__of_a_url_are_printed_before_they_are_dropped(tm, store, far):
    fill(far)
    first = changes(tm, store, far.url, "--keep-changes", "0s")
    assert {line["change"] for line in first} == {"created"} and len(first) == len(far.model())
    far.put("item-1", name="later")
    assert reported(changes(tm, store, far.url, "--keep-changes", "0s")) == [("updated", "item-1")]
    assert changes(tm, store, far.url, "--keep-changes", "0s") == []
    tm("changes", store=store, code=6, error="no longer kept")


@pytest.mark.parametrize("option", [("--watch",), ("--content", "c"), ("--every", "1s"), ("--keep-changes", "1d"), ("--from-now",),
                                    ("--bearer-file", "token"), ("--device-code",), ("--max-wait", "1s"), ("--ca", "x")])
def test_changes__options_that_need_a_url_are_refused_without_one(tm, store, far, option):
    fill(far)
    tm("sync", far.url, store=store)
    tm("changes", *option, store=store, code=2, error=f"{option[0]} needs a URL")


def test_changes__options_that_need_no_url(tm, store, far):
    fill(far)
    tm("sync", far.url, store=store)
    head = json.loads(tm("status", "--json", store=store).stdout)["head"]
    tm("changes", "--exit-code", "--since", head, "--json", store=store, code=9)
    tm("changes", "--exit-code", "--follow", store=store, code=2, error="needs a URL")


def test_sync__a_round_that_was_dropped_leaves_no_pages_behind(tm, home, store, far):
    far.page_size = 1
    fill(far)
    far.do(None, None, link_to(f"{far.url}?$skiptoken=1-8-1-0"), link_to(f"{far.url}?$skiptoken=2-8-1-0"),
           link_to(f"{far.url}?$skiptoken=1-8-1-0"), link_to(f"{far.url}?$skiptoken=2-8-1-0"))
    far.always(link_to(f"{far.url}?$skiptoken=1-8-1-0"))
    tm("sync", far.url, store=store, code=6, error="the round is dropped")
    assert beside(home, ".ahead") == []
