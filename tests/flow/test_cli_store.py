# SPDX-License-Identifier: Apache-2.0
"""Looking after a store: check, gc, info, backup, restore."""
import json
import pathlib
import signal
import subprocess

import pytest

from conftest import BIN, STOP_SECONDS, base_env, guid, put, remove, to_lines, user

ANN = guid(1)
OPS = [user("ann@contoso.com", id=ANN)] + [put(ANN, {"name": f"C{i}", "id": f"AAMk{i}"}) for i in range(10)]


def fill(tm, store, extra=()):
    tm("import", "-", store=store, input=to_lines(OPS + list(extra)))


def info(tm, store):
    return json.loads(tm("store", "info", "--json", store=store).stdout)


def test_info(tm, store):
    fill(tm, store, [remove(ANN, "AAMk3")])
    reported = info(tm, store)
    assert (reported["engine"], reported["feeds"], reported["items"], reported["tombstones"]) == ("sqlite", 1, 9, 1)
    text = tm("store", "info", store=store).stdout
    assert "tombstones    1\n" in text and reported["id"] in text


def test_check_of_a_good_store(tm, store):
    fill(tm, store)
    assert tm("store", "check", store=store).stdout == "ok\n"
    assert json.loads(tm("store", "check", "--json", store=store).stdout) == {"faults": [], "ok": True, "orphans": 0}


def test_check_of_a_damaged_store_is_exit_7(tm, store, home):
    fill(tm, store)
    path = home / "t.db"
    size = path.stat().st_size
    with open(path, "r+b") as file:
        for at in range(4096, size, 4096):
            file.seek(at + 100)
            file.write(b"\xaa" * 64)
    done = tm("store", "check", store=store, code=7)
    assert "damaged" in done.stderr


def test_a_damaged_first_page_is_named_without_a_reason_of_the_system(tm, store, home):
    """The system's last error is left over from something else, such as a file that may be missing."""
    fill(tm, store)
    with open(home / "t.db", "r+b") as file:
        file.seek(100)
        file.write(b"\xaa" * 64)
    for args in (["store", "info"], ["export"], ["serve", "--listen", "127.0.0.1:0"]):
        done = tm(*args, store=store, code=7)
        assert f"(code 11) of {home}/t.db; `tidemark store check` shows details, `store restore` restores a backup\n" in done.stderr
    done = tm("store", "check", store=store, code=7)
    assert f"(code 11) of {home}/t.db; `tidemark store restore` restores a backup\n" in done.stderr


def test_a_file_that_is_not_ours_is_refused_and_left_alone(tm, store, home):
    path = home / "t.db"
    path.write_bytes(b"what is this?\n" * 1000)
    before = path.read_bytes()
    for args in (["import"], ["store", "check"], ["store", "info"], ["export"], ["serve", "--listen", "127.0.0.1:0"]):
        done = tm(*args, store=store, code=None, input="")
        assert done.returncode in (6, 7) and str(path) in done.stderr, (args, done)
    assert path.read_bytes() == before


def test_gc_forgets_old_removals_only(tm, store):
    fill(tm, store, [remove(ANN, f"AAMk{i}") for i in range(4)])
    nothing = {"feeds": 1, "purged": 0, "orphans": 0, "orphanBytes": 0, "dryRun": False}
    assert json.loads(tm("store", "gc", "--json", store=store).stdout) == nothing
    dry = json.loads(tm("store", "gc", "--retention", "0s", "--dry-run", "--json", store=store).stdout)
    assert dry == {**nothing, "purged": 4, "dryRun": True}
    assert info(tm, store)["tombstones"] == 4
    assert "4 removals forgotten" in tm("store", "gc", "--retention", "0", store=store).stdout
    assert (info(tm, store)["tombstones"], info(tm, store)["items"]) == (0, 6)
    assert tm("store", "check", store=store).stdout == "ok\n"


def test_retention_comes_from_the_environment_too(tm, store):
    fill(tm, store, [remove(ANN, "AAMk1")])
    assert "1 removals" in tm("store", "gc", store=store, env={"TIDEMARK_RETENTION": "0s"}).stdout


def test_backup_and_restore(tm, store, home):
    fill(tm, store)
    before = tm("export", store=store).stdout
    tm("store", "backup", home / "copy.db", store=store)
    tm("import", store=store, input=to_lines([put(ANN, {"name": "later"})]))
    epoch = info(tm, store)["epoch"]
    tm("store", "restore", home / "copy.db", store=store)
    assert tm("export", store=store).stdout == before
    assert info(tm, store)["epoch"] > epoch
    tm("store", "restore", home / "copy.db", store=f"sqlite:{home}/new.db")
    assert tm("export", store=f"sqlite:{home}/new.db").stdout == before


def test_backup_and_restore_that_cannot_be(tm, store, home):
    fill(tm, store)
    done = tm("store", "backup", home / "none" / "copy.db", store=store, code=None)
    assert done.returncode != 0 and "copy.db" in done.stderr
    done = tm("store", "restore", home / "none.db", store=store, code=None)
    assert done.returncode != 0 and done.stderr.startswith("tidemark: ")
    assert len(tm("export", store=store).stdout.splitlines()) == 11


def large(tm, store, removed):
    """8 MB, so that its copies take a while, and some removals to forget."""
    items = [put(ANN, {"name": f"D{n}", "id": f"D{n}", "x": "x" * 20000}) for n in range(400)]
    tm("import", "-", store=store, input=to_lines([user("ann@contoso.com", id=ANN), *items, *[remove(ANN, f"D{n}") for n in range(removed)]]))


def test_gc_while_the_store_is_copied_forgets_and_the_copies_are_whole(tm, server, store, home):
    """Each copy is of one moment: before a purge or after it, with the items and the removals of that moment."""
    large(tm, store, 200)
    s, copies, printed = server("--tls", "off"), [], []
    backup = [BIN, "store", "backup", "--store", store]
    for step in range(3):                          # the server purges while the copies are made
        copies += [subprocess.Popen([*backup, home / f"{step}{n}.db"], env=base_env(home), stderr=subprocess.PIPE) for n in range(2)]
        printed += [json.loads(tm("store", "gc", "--retention", "0", "--json", store=store).stdout)["purged"]]
        tm("import", "-", store=store, input=to_lines([remove(ANN, f"D{n}") for n in range(200 + 50 * step, 250 + 50 * step)]))
    assert [copy.communicate()[1] for copy in copies] == [b""] * 6 and printed == [200, 50, 50]
    s.stop()
    for path in sorted(home.glob("[0-9]?.db")):
        copy = f"sqlite:{path}"
        assert tm("store", "check", store=copy).stdout == "ok\n"
        ids = {op["value"]["id"] for op in map(json.loads, tm("export", store=copy).stdout.splitlines()) if op["op"] == "put"}
        gone, figures = 400 - len(ids), info(tm, copy)
        assert ids == {f"D{n}" for n in range(gone, 400)} and figures["tombstones"] in ({200: {0, 200}}.get(gone, {0, 50}))


def test_gc_while_the_store_is_restored_waits_for_nothing_and_changes_nothing(tm, store, home):
    """The restore is stopped in its midst: whoever would write is told that another process does, and whoever reads has the old one."""
    large(tm, store, 200)
    tm("store", "backup", home / "copy.db", store=store)
    tm("store", "gc", "--retention", "0", store=store)
    run = subprocess.Popen([BIN, "store", "restore", home / "copy.db", "--store", store], env=base_env(home), stderr=subprocess.PIPE)
    while not list(home.glob("t.db.restoring*")) and run.poll() is None:
        pass
    run.send_signal(signal.SIGSTOP)
    assert run.poll() is None and list(home.glob("t.db.restoring*")), "it was over too early to be stopped"
    tm("store", "gc", "--retention", "0", store=store, code=12, error="another process writes this store")
    assert json.loads(tm("store", "gc", "--retention", "0", "--dry-run", "--json", store=store).stdout)["purged"] == 0
    tm("store", "backup", home / "late.db", store=store)
    run.send_signal(signal.SIGCONT)
    assert run.communicate(timeout=STOP_SECONDS)[1] == b"" and run.returncode == 0
    assert (info(tm, store)["tombstones"], info(tm, f"sqlite:{home}/late.db")["tombstones"]) == (200, 0)
    assert json.loads(tm("store", "gc", "--retention", "0", "--json", store=store).stdout)["purged"] == 200
    assert tm("store", "check", store=store).stdout == "ok\n"


def test_the_default_store_is_made_with_its_folders(tm, home):
    tm("import", input=to_lines(OPS))
    path = pathlib.Path(home / "data" / "tidemark" / "tidemark.db")
    assert path.exists() and path.parent.stat().st_mode & 0o077 == 0
    assert path.stat().st_mode & 0o077 == 0


def test_a_file_that_never_was_a_store_is_6_and_a_store_overwritten_is_7(tm, store, home):
    (home / "t.db").write_text('{"op":"user"}\n' * 100)
    tm("store", "info", store=store, code=6, error="file is not a database")
    tm("serve", store=store, code=6)
    (home / "t.db").unlink()
    tm("user", "add", "--upn", "ann@contoso.com", store=store)
    with open(home / "t.db", "r+b") as file:
        file.write(b"x" * 4096)
    tm("store", "info", store=store, code=7)
    tm("serve", store=store, code=7)


def test_a_copy_of_another_store_is_not_put_over_a_sound_one(tm, store, home):
    tm("user", "add", "--upn", "ann@contoso.com", store=store)
    tm("user", "add", "--upn", "bob@contoso.com", store=f"{store}2")
    tm("store", "backup", home / "copy", store=f"{store}2")
    tm("store", "restore", home / "copy", store=store, code=6, error="another store")
    assert "ann@contoso.com" in tm("user", "list", store=store).stdout
    tm("store", "restore", home / "copy", store=f"{store}2")
