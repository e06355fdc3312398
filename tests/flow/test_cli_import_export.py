# SPDX-License-Identifier: Apache-2.0
"""JSON Lines in and out: whole or not at all, round trips, and what is said of bad lines."""
import json
import resource
import subprocess

import pytest

from conftest import BIN, base_env, guid, put, remove, to_lines, user

ANN = guid(1)
BOB = guid(2)


def ann(**more):
    return user("ann@contoso.com", id=ANN, **more)


def cal(name, **more):
    return {"name": name, **more}


def exported(tm, store, *args):
    return [json.loads(line) for line in tm("export", *args, store=store).stdout.splitlines()]


def names(tm, store):
    return [op["value"]["name"] for op in exported(tm, store) if op["op"] == "put"]


def write(home, text, name="in.jsonl"):
    path = home / name
    path.write_text(text, encoding="utf-8", errors="surrogateescape")
    return path


def test_a_file_comes_out_as_it_went_in(tm, store, home):
    ops = [ann(displayName="Ann", mail="ann@contoso.com"), user("bob@contoso.com", id=BOB),
           put(ANN, cal("Ünïcode 📅", id="AAMkA", changeKey="keep", isDefaultCalendar=True, extra={"a": [1, 2.50]})),
           put(ANN, cal("Two", id="AAMkB")), put(BOB, cal("Three"))]
    tm("import", write(home, to_lines(ops)), store=store)
    out = exported(tm, store)
    assert [op["op"] for op in out] == ["user", "user", "put", "put", "put"]
    assert out[0]["value"] == ops[0]["value"]
    first = next(op for op in out if op["op"] == "put" and op["value"]["id"] == "AAMkA")
    assert first["value"]["changeKey"] == "keep" and first["value"]["extra"] == {"a": [1, 2.50]}


def test_export_and_import_and_export_is_the_same_text(tm, store, home):
    ops = [ann(displayName="Ann"), user("eve@other.com", id=guid(9), tenantId=guid(77))]
    ops += [put(ANN, cal(f"C{i}")) for i in range(40)] + [put(guid(9), cal(f"D{i}")) for i in range(3)]
    recording = {"id": "rec1", "meetingId": "m1", "createdDateTime": "2024-01-02T03:04:05.1234567Z",
                 "recordingContentUrl": "https://example.org/x", "meetingOrganizer": {"user": {"id": ANN}}}
    ops += [put(ANN, recording, "recordings")]
    tm("import", "-", store=store, input=to_lines(ops))
    text = tm("export", store=store).stdout
    other = f"sqlite:{home}/other.db"
    tm("import", store=other, input=text)
    assert tm("export", store=other).stdout == text
    assert text.count("\n") == len(ops)


def test_the_order_of_creation_outlives_changes_and_an_import_into_another_store(tm, store, home):
    tm("import", "-", store=store, input=to_lines([ann()] + [put(ANN, cal(name, id=f"AAMk{name}")) for name in "CAB"]))
    tm("import", "-", store=store, input=to_lines([put(ANN, cal("C", id="AAMkC", color="lightRed")), remove(ANN, "AAMkA")]))
    tm("import", "-", store=store, input=to_lines([put(ANN, cal("A", id="AAMkA"))]))       # made again: the last one now
    assert names(tm, store) == ["C", "B", "A"]
    other = f"sqlite:{home}/other.db"
    tm("import", store=other, input=tm("export", store=store).stdout)
    assert names(tm, other) == ["C", "B", "A"]


def test_export_of_one_feed(tm, store):
    tm("import", "-", store=store, input=to_lines([ann(), user("bob@contoso.com", id=BOB), put(ANN, cal("A")), put(BOB, cal("B"))]))
    out = exported(tm, store, "--feed", f"users/{BOB}/calendars")
    assert [op["op"] for op in out] == ["user", "put"] and out[1]["value"]["name"] == "B"
    tm("export", "--feed", f"users/{guid(5)}/calendars", store=store, code=6, error="no user")
    tm("export", "--feed", "users/x/calendars", store=store, code=2, error="--feed")


def test_a_put_with_an_id_can_be_given_again(tm, store, home):
    path = write(home, to_lines([ann(), put(ANN, cal("A", id="AAMkA", changeKey="k"))]))
    tm("import", path, store=store)
    once = tm("export", store=store).stdout
    tm("import", path, store=store)
    assert tm("export", store=store).stdout == once


def test_remove_takes_away_and_may_be_repeated(tm, store):
    tm("import", "-", store=store, input=to_lines([ann(), put(ANN, cal("A", id="AAMkA")), put(ANN, cal("B", id="AAMkB"))]))
    line = to_lines([remove(ANN, "AAMkA")])
    assert json.loads(tm("import", "--json", store=store, input=line).stdout)["removed"] == 1
    assert json.loads(tm("import", "--json", store=store, input=line).stdout)["absent"] == 1
    assert names(tm, store) == ["B"]


BAD = [
    ("nonsense", "byte"),
    ("[1]", "an array, not an object"),
    ('{"op":"user"} trailing', ""),
    ('{"op":"user","op":"user"}', ""),
    ('{"value":{}}', '"op" is missing'),
    ('{"op":7}', '"op" is '),
    ('{"op":"fly"}', 'unknown op "fly"'),
    ('{"op":"client","value":{}}', '"id" is missing'),
    ('{"op":"policy","value":{}}', '"app" is missing'),
    ('{"op":"user"}', '"value" is missing'),
    ('{"op":"user","value":[]}', '"value" is not an object'),
    ('{"op":"user","value":{"userPrincipalName":"x@y"}}', '"id" is missing'),
    ('{"op":"user","value":{"id":"x","userPrincipalName":"x@y"}}', '"id" is not a GUID'),
    (f'{{"op":"user","value":{{"id":"{guid(8)}"}}}}', '"userPrincipalName" is missing'),
    (f'{{"op":"user","value":{{"id":"{guid(8)}","userPrincipalName":"{"x" * 257}"}}}}', "longer than 256"),
    (f'{{"op":"user","value":{{"id":"{guid(8)}","userPrincipalName":"a\\u0007"}}}}', "control character"),
    (f'{{"op":"user","value":{{"id":"{guid(8)}","userPrincipalName":"x@y","tenantId":"z"}}}}', '"tenantId" is not a GUID'),
    (f'{{"op":"user","value":{{"id":"{guid(8)}","userPrincipalName":"x@y","age":3}}}}', 'unknown member "age"'),
    (f'{{"op":"user","value":{{"id":"{guid(8)}","userPrincipalName":"ANN@contoso.com"}}}}', "another user's"),
    (f'{{"op":"user","value":{{"id":"{ANN}","userPrincipalName":"ann@contoso.com","tenantId":"{guid(5)}"}}}}', "another tenant"),
    ('{"op":"put","value":{"name":"x"}}', '"feed" is missing'),
    ('{"op":"put","feed":"users/x/calendars","value":{"name":"x"}}', "is not a feed"),
    (f'{{"op":"put","feed":"users/{ANN}/mail","value":{{"name":"x"}}}}', "is not a feed"),
    (f'{{"op":"put","feed":"users/{guid(99)}/calendars","value":{{"name":"x"}}}}', f"no user {guid(99)}"),
    (f'{{"op":"put","feed":"users/{guid(0)}/calendars","value":{{"name":"x"}}}}', "no user"),
    (f'{{"op":"put","feed":"users/{ANN}/calendars"}}', '"value" is missing'),
    (f'{{"op":"put","feed":"users/{ANN}/calendars","value":{{}}}}', "name"),
    (f'{{"op":"put","feed":"users/{ANN}/calendars","value":{{"name":7}}}}', ""),
    (f'{{"op":"put","feed":"users/{ANN}/calendars","value":{{"name":"x","id":"{"A" * 1025}"}}}}', '"id"'),
    (f'{{"op":"put","feed":"users/{ANN}/calendars","value":{{"name":"x"}},"more":1}}', 'unknown member "more"'),
    (f'{{"op":"put","feed":"users/{ANN}/recordings","value":{{"id":"r"}},"contentFile":"a.mp4"}}', "meetingId"),
    (f'{{"op":"put","feed":"users/{ANN}/recordings","value":{{"meetingId":"m","createdDateTime":"2024-01-15T00:00:00Z"}},'
     '"contentFile":"a.mp4"}', '"contentFile" a.mp4: No such file'),
    (f'{{"op":"put","feed":"users/{ANN}/calendars","value":{{"name":"x"}},"contentFile":"a.mp4"}}', "only a recording"),
    ('{"op":"policy","value":{"app":"a b","global":true}}', "not an application"),
    ('{"op":"policy","value":{"app":"a"}}', "either for a"),
    (f'{{"op":"policy","value":{{"app":"a","user":"{guid(99)}"}}}}', "no user"),
    (f'{{"op":"remove","feed":"users/{ANN}/calendars"}}', '"id" is missing'),
    (f'{{"op":"remove","feed":"users/{guid(99)}/calendars","id":"x"}}', "no user"),
    ('{"op":"remove-user","id":"x"}', '"id" is not a GUID'),
    ('{"op":"user","value":' + '[' * 40 + ']' * 40 + '}', ""),
    ('"' + "x" * (1 << 20) + '"', "1 MiB"),
    ('{"op":"\udcff"}', ""),
]


@pytest.mark.parametrize("line, why", BAD, ids=range(len(BAD)))
def test_a_bad_line_is_named_and_nothing_is_stored(tm, store, home, line, why):
    text = to_lines([ann(), put(ANN, cal("A"))]) + line + "\n" + to_lines([put(ANN, cal("B"))])
    path = write(home, text)
    done = tm("import", path, store=store, code=6, error=f"{path}:3: ")
    assert why in done.stderr and "nothing was stored" in done.stderr
    assert done.stdout == ""
    assert exported(tm, store) == []
    done = tm("import", "--skip-bad", "--json", path, store=store, code=8, error=f"{path}:3: ")
    assert json.loads(done.stdout) == {"lines": 4, "users": 1, "stored": 2, "removed": 0, "absent": 0, "bad": 1}
    assert names(tm, store) == ["A", "B"]


def test_blank_lines_crlf_and_a_missing_last_line_end_are_fine(tm, store, home):
    text = "\n" + to_lines([ann()]).replace("\n", "\r\n") + "  \n" + to_lines([put(ANN, cal("A"))]).rstrip("\n")
    tm("import", write(home, text), store=store)
    assert names(tm, store) == ["A"]
    tm("import", write(home, ""), store=store)


def test_many_bad_lines_are_counted(tm, store, home):
    done = tm("import", write(home, "x\n" * 1000), store=store, code=6)
    assert done.stderr.count("in.jsonl:") == 22 and "980 more lines are bad" in done.stderr


def test_users_of_the_file_itself_count_and_so_do_their_removals(tm, store, home):
    gone = {"op": "remove-user", "id": ANN}
    done = tm("import", write(home, to_lines([ann(), gone, put(ANN, cal("A"))])), store=store, code=6)
    assert ":3: there is no user" in done.stderr
    two = [ann(), user("ann@contoso.com", id=BOB)]
    assert ":2: the userPrincipalName" in tm("import", write(home, to_lines(two)), store=store, code=6).stderr
    swapped = [ann(), user("ann2@contoso.com", id=ANN), user("ann@contoso.com", id=BOB), put(BOB, cal("B"))]
    tm("import", write(home, to_lines(swapped)), store=store)
    assert names(tm, store) == ["B"]


@pytest.mark.slow
def test_stdin_names_the_last_line_stored(tm, store):
    text = to_lines([ann()] + [put(ANN, cal(f"C{i}", id=f"AAMk{i}")) for i in range(10050)]) + "bad\n"
    done = tm("import", "-", store=store, input=text, code=6, error="standard input:10052: ")
    assert "up to line 10000 is stored" in done.stderr
    assert len(names(tm, store)) == 9999
    done = tm("import", "--skip-bad", store=store, input=text, code=8)
    assert len(names(tm, store)) == 10050


def test_a_pipe_given_as_a_file_is_taken_as_standard_input_is(tm, store, home):
    path = write(home, to_lines([ann(), put(ANN, cal("A"))]))
    script = f'{BIN} import --store {store} <(cat {path})'
    done = subprocess.run(["bash", "-c", script], env=base_env(home), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert names(tm, store) == ["A"]


def test_what_cannot_be_opened(tm, store, home):
    tm("import", home / "none", store=store, code=6, error="No such file")
    tm("import", home, store=store, code=6, error="is a directory")
    tm("export", store=f"sqlite:{home}/none.db", code=6, error="no such store")


def test_a_later_default_calendar_takes_the_place_of_the_first(tm, store):
    ops = [ann(), put(ANN, cal("One", isDefaultCalendar=True)), put(ANN, cal("Two", isDefaultCalendar=True))]
    tm("import", "-", store=store, input=to_lines(ops))
    flags = {op["value"]["name"]: op["value"]["isDefaultCalendar"] for op in exported(tm, store) if op["op"] == "put"}
    assert flags == {"One": False, "Two": True}


def peak_kib(home, store, count):
    """Most memory an import of so many lines took (children's high-water mark only rises: small one first)."""
    path = home / f"{count}.jsonl"
    with open(path, "w", encoding="utf-8") as file:
        file.write(to_lines([user(f"u{i}@contoso.com", id=guid(i + 1)) for i in range(count // 10)]))
        for i in range(count):
            file.write(to_lines([put(guid(i % (count // 10) + 1), cal(f"C{i}", id=f"AAMk{i}"))]))
    code = f"""import os, resource, subprocess, sys
subprocess.run([{BIN!r}, "import", "--store", {store!r}, {str(path)!r}], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"""
    done = subprocess.run(["/usr/bin/python3", "-c", code], env=base_env(home), capture_output=True, text=True, check=True)
    return int(done.stdout)


def test_memory_does_not_grow_with_the_file(home):
    # A sanitizer keeps freed memory for a while (its quarantine), so the difference is only measured without one.
    symbols = subprocess.run(["grep", "-c", "__asan_init\\|__tsan_init", BIN], capture_output=True, text=True)
    if symbols.stdout.strip() != "0":
        pytest.skip("measured with the release build only")
    small = peak_kib(home, f"sqlite:{home}/small.db", 20000)
    large = peak_kib(home, f"sqlite:{home}/large.db", 100000)
    assert large < small + 4096, (small, large)
