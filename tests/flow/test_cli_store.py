# SPDX-License-Identifier: Apache-2.0
"""Looking after a store: check, gc, info, backup, restore."""
import json
import pathlib

import pytest

from conftest import guid, put, remove, to_lines, user

ANN = guid(1)
OPS = [user("ann@contoso.com", id=ANN)] + [put(ANN, {"name": f"C{i}", "id": f"AAMk{i}"}) for i in range(10)]


def fill(tm, store, extra=()):
    tm("import", "-", store=store, input=to_lines(OPS + list(extra)))


def info(tm, store):
    return json.loads(tm("store", "info", "--json", store=store).stdout)


def test_info(tm, store):
    fill(tm, store, [remove(ANN, "AAMk3")])
    told = info(tm, store)
    assert (told["engine"], told["feeds"], told["items"], told["tombstones"]) == ("sqlite", 1, 9, 1)
    text = tm("store", "info", store=store).stdout
    assert "tombstones    1\n" in text and told["id"] in text


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
