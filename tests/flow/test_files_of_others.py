# SPDX-License-Identifier: Apache-2.0
"""What others plant at the paths that the program makes: it is refused or replaced, and never written through."""
import json
import os
import pathlib
import re
import resource
import shutil
import subprocess

import pytest

from conftest import BIN, base_env, check_sanitizers, guid, put, user
from cred_kit import CLIENT, TENANT, Issuer, code as device_code, tokens
from test_follow_content import Recordings

ANN = guid(1)
DOCS = pathlib.Path(__file__).resolve().parents[2] / "docs"
OPS = [user("ann@contoso.com", ANN), put(ANN, {"name": "Work"})]
LINK = "it is a symbolic link"
RESTORE, BACKUP, SERVE = ("store", "restore", "{home}/kept"), ("store", "backup", "{home}/copy"), ("serve", "--listen", "127.0.0.1:0")
SYNC, DEVICE = ("sync", "{far}", "--content", "{home}/out"), ("sync", "{far}", "--device-code")
REPLACED, HARMLESS = object(), object()          # the link gives way; or it stays, is not followed, and does no harm

# Every path of docs/why/0008-durable-files.md: the command that makes it, what its message says.
PLANTED = {
    "PATH": (SERVE, "is not a plain file"),
    "PATH-wal": (SERVE, "t.db"),
    "PATH-shm": (SERVE, "t.db"),
    "PATH-journal": (SERVE, "t.db"),
    "PATH.witness": (SERVE, "witness"),
    "PATH.lock": (SERVE, LINK),
    "PATH.sock": (SERVE, "not a socket"),
    "PATH.tls": (SERVE, LINK),
    "PATH.tls/NAME": (SERVE, LINK),
    "PATH.content": (SERVE, LINK),
    "PATH.restoring": (RESTORE, REPLACED),
    "PATH.restoring-journal": (RESTORE, HARMLESS),
    "PATH.restoring-wal": (RESTORE, HARMLESS),
    "PATH.restoring-shm": (RESTORE, HARMLESS),
    "COPY": (BACKUP, "is already there"),
    "COPY.tmp": (BACKUP, REPLACED),
    "COPY.tmp-journal": (BACKUP, HARMLESS),
    "COPY.tmp-wal": (BACKUP, HARMLESS),
    "COPY.tmp-shm": (BACKUP, HARMLESS),
    "PATH.ahead": (SYNC, HARMLESS),
    "PATH.sign-in": (DEVICE, LINK),
    "PATH.sign-in.new": (DEVICE, REPLACED),
    "DIR": (SYNC, LINK),
    "DIR/NAME": (SYNC, REPLACED),
    "DIR/NAME.part": (SYNC, "r-rec"),
}
# Names that nobody can know before, made by O_EXCL or mkdtemp, or named by the process: nothing can be planted there.
UNKNOWN = {"PATH.content/NAME", "tidemark-scratch-NAME", "check.db", "check.db-journal", "check.db-wal", "check.db-shm", "PATH.verify-N"}
FOLDERS = {"PATH.tls", "PATH.content", "DIR"}


@pytest.fixture
def far():
    end = Recordings()
    end.record("rec", b"clip")
    yield end
    end.close()


@pytest.fixture
def run_at(tm, store, home, far):
    """A store, a copy of it, and a function that runs a command on it."""
    issuer = Issuer()
    issuer.do(device_code())
    issuer.usual = tokens()
    env = {"AZURE_AUTHORITY_HOST": issuer.base, "AZURE_TENANT_ID": TENANT, "AZURE_CLIENT_ID": CLIENT, "TIDEMARK_BEARER": "b" * 20}
    tm("import", "-", store=store, input="\n".join(map(json.dumps, OPS)) + "\n")
    tm("store", "backup", home / "kept", store=store)

    def run(args, code=None):
        words = [word.format(home=home, far=far.url) for word in args]
        command = [BIN, *words, "--store", store]
        more = {"env": {name: value for name, value in {**base_env(home), **env}.items() if name != "TIDEMARK_BEARER" or "--device-code" not in words}}
        try:
            done = subprocess.run(command, capture_output=True, text=True, cwd=home, timeout=60 if words[0] != "serve" else 20, **more)
        except subprocess.TimeoutExpired as late:
            raise AssertionError(f"{words} was not refused: {late.stderr}") from late
        check_sanitizers(done.stderr)
        assert done.returncode >= 0 and (code is None or done.returncode == code), done.stderr
        return done
    yield run
    issuer.close()


def victim(home, is_folder):
    path = home / "victim"
    if is_folder:
        path.mkdir(mode=0o755)
        (path / "mine").write_text("keep")
    else:
        path.write_text("keep this")
        path.chmod(0o600)
    return path


def state(path):
    """All that can be seen of the victim."""
    inside = sorted((one.name, one.read_bytes()) for one in path.iterdir()) if path.is_dir() else path.read_bytes()
    return inside, path.stat().st_mode, path.stat().st_uid, path.stat().st_nlink


def remove(path):
    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)


@pytest.mark.parametrize("name", PLANTED)
def test_a_link_that_was_planted_is_not_followed(name, run_at, home, store):
    command, outcome = PLANTED[name]
    names = {"PATH": "t.db", "COPY": "copy", "DIR/NAME": "out/r-rec", "DIR": "out", "tls/NAME": "tls/server.key"}
    there = name
    for word, meaning in sorted(names.items(), key=lambda pair: -len(pair[0])):
        there = there.replace(word, meaning)
    path, its = home / there, victim(home, name in FOLDERS)
    if name == "PATH.tls/NAME":
        path.parent.mkdir(mode=0o755)
    if name in ("DIR/NAME", "DIR/NAME.part"):
        run_at(SYNC, 0)
        for old in (home / "out").iterdir():
            path = old if name == "DIR/NAME" else old.with_name(old.name + ".part")
            old.unlink()
        for kept in home.glob("t.db*"):
            remove(kept)
    if name == "PATH-journal":
        for kept in ("t.db-wal", "t.db-shm"):
            remove(home / kept)
    remove(path)
    os.symlink(its, path)
    before = state(its)
    done = run_at(command)
    assert state(its) == before, done.stderr
    if outcome is REPLACED:
        assert done.returncode == 0 and not path.is_symlink(), done.stderr
    elif outcome is not HARMLESS:
        assert done.returncode not in (0, 99) and outcome in done.stderr, (done.returncode, done.stderr)
        assert path.is_symlink()


def test_the_table_has_every_path_that_the_program_makes():
    """The document's table is complete: test_crash_states.py compares it with what the kernel was asked."""
    text = (DOCS / "why/0008-durable-files.md").read_text()
    named = [name for row in re.findall(r"^\| (`[^|]*`) \|", text, re.M) for name in re.findall(r"`([^`]+)`", row)]
    assert {name for name in named if not name.startswith((".", "-"))} == set(PLANTED) | UNKNOWN


def test_a_second_name_of_a_file_is_not_written(run_at, home):
    """A lock's text would cut it, a prefetched page would fill it."""
    for name, command, words in [("t.db.lock", SERVE, "has another name"), ("t.db.witness", SERVE, "witness"), ("t.db.ahead", SYNC, "fetched one by one")]:
        its = victim(home, False)
        remove(home / name)
        os.link(its, home / name)
        before = state(its)
        assert words in run_at(command).stderr
        assert state(its) == before
        (home / name).unlink()
        its.unlink()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_what_belongs_to_another_account_is_not_used(run_at, home):
    for name, command in [("t.db.lock", SERVE), ("t.db.content", SERVE), ("t.db.tls", SERVE), ("out", SYNC)]:
        path = home / name
        remove(path)
        path.mkdir(mode=0o755) if name != "t.db.lock" else path.write_text("")
        os.chown(path, 65534, 65534)
        done = run_at(command)
        assert done.returncode > 0 and "belongs to another account" in done.stderr, (name, done.stderr)
        remove(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
@pytest.mark.parametrize("name", ["", "-wal", "-shm", "-journal"])
def test_a_store_or_a_log_of_another_account_is_not_used(run_at, home, name):
    """In /tmp anybody may have made it before."""
    path = home / f"t.db{name}"
    path.touch()
    os.chown(path, 65534, 65534)
    before = state(home / "t.db")
    assert "belongs to another account" in run_at(SERVE, 6).stderr and state(home / "t.db") == before


def test_a_pipe_in_the_place_of_the_witness_stops_nobody(run_at, home):
    (home / "t.db.witness").unlink()
    os.mkfifo(home / "t.db.witness")
    assert "witness" in run_at(SERVE).stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_root_works_on_the_store_of_an_account(run_at, home, store, tm):
    """Whoever owns the folder could replace all that is in it: its files are no less trusted than it."""
    (home / "t.db.content").mkdir(mode=0o700)
    for path in (home, home / "t.db.content", home / "t.db.lock"):
        os.chown(path, 65534, 65534)
    tm("store", "gc", store=store)


def test_a_folder_for_keys_that_others_can_write_is_refused(run_at, home):
    (home / "t.db.tls").mkdir()
    (home / "t.db.tls").chmod(0o775)
    assert "can be written by others" in run_at(SERVE).stderr


def test_a_store_below_a_linked_folder_is_fine(tm, home, far, server):
    """The user's own link: only the last part of a path is the program's."""
    (home / "real").mkdir()
    os.symlink("real", home / "linked")
    one = server(store=f"sqlite:{home}/linked/t.db", lines=OPS)
    assert one.get("/v1.0/me/calendars", token=one.token("ann@contoso.com")).status == 200
    tm("sync", far.url, "--content", home / "linked/out", store=f"sqlite:{home}/linked/f.db", env={"TIDEMARK_BEARER": "b" * 20})
    tm("store", "backup", home / "linked/copy", store=f"sqlite:{home}/linked/f.db")
    tm("store", "restore", home / "linked/copy", store=f"sqlite:{home}/linked/f.db")
    assert {path.name for path in (home / "real").iterdir()} >= {"t.db", "t.db.tls", "f.db", "out", "copy"}


# ---- signals that would end a process --------------------------------------------------------------------------


def limited(size):
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


@pytest.mark.parametrize("args, code, words", [
    (["import", "{home}/lines"], 5, "File too large"),
    (["store", "backup", "{home}/copy"], 5, "copy"),
    (["export"], 1, "File too large"),
    (["sync", "{far}", "--content", "{home}/out"], None, ""),
])
def test_a_limit_of_file_sizes_is_an_error_and_ends_no_process(args, code, words, tm, store, home, far):
    far.record("large", b"x" * 400000)
    tm("import", "-", store=store, input="".join(json.dumps(line) + "\n" for line in [*OPS, *(put(ANN, {"name": f"c{n:04}" * 30}) for n in range(400))]))
    (home / "lines").write_text("".join(json.dumps(put(ANN, {"name": f"d{n:04}" * 30})) + "\n" for n in range(3000)))
    command = [BIN, *(word.format(home=home, far=far.url) for word in args), "--store", store if args[0] != "sync" else f"sqlite:{home}/f.db"]
    with open(home / "printed", "wb") as printed:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=printed, stderr=subprocess.PIPE, text=True, cwd=home,
                              timeout=120, env={**base_env(home), "TIDEMARK_BEARER": "b" * 20}, preexec_fn=limited(200000))
    check_sanitizers(done.stderr)
    assert done.returncode > 0 and code in (None, done.returncode) and words in done.stderr, (done.returncode, done.stderr)


def test_a_bearer_command_gets_the_signals_as_they_were(tm, store, far, home):
    """Ignored signals are inherited: a filter behind a closed pipe would never end."""
    script = "grep -E '^SigIgn' /proc/self/status > ignored; echo bearer-of-a-command"
    tm("sync", far.url, "--bearer-command", script, "--content", home / "out", store=store)
    ignored = int((home / "ignored").read_text().split()[1], 16)
    assert not ignored & (1 << 12 | 1 << 24), hex(ignored)
