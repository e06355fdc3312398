# SPDX-License-Identifier: Apache-2.0
"""Nothing from outside ends the program: what is large, many, or escaped so that it takes memory to read.

docs/why/0007-no-assertion-from-outside.md has the limits that hold here.
"""
import json
import sqlite3
import subprocess
import urllib.parse

import pytest

from conftest import BIN, base_env, check_sanitizers, guid, put, to_lines, user
from misbehave import FarEnd, raw

ANN = guid(1)
ODD = "\\u0061"                          # an escape: such a text is copied to be read


@pytest.fixture
def far():
    end = FarEnd("/v1.0/groups/delta")
    yield end
    end.close()


def page_of(far, items, link="delta"):
    return raw(('{"value":[' + items + f'],"@odata.{link}Link":"{far.url}?${link}token=1-1-0-1"' + "}").encode())


def test_any_size__a_member_of_a_relation_that_is_larger_than_a_row_is_a_dead_letter(far, tm, store):
    large, typed = "x" * (3 << 20), "t" * (3 << 20)
    far.always(page_of(far, '{"id":"g1","members@delta":[{"id":"m","x":"' + large + '"}]},'
                            '{"id":"g2","members@delta":[{"id":"m","@odata.type":"' + typed + '"}]},'
                            '{"id":"g3","members@delta":[{"id":"m"}]}'))
    done = tm("sync", far.url, store=store, code=8)
    letters = json.loads(tm("status", "--json", store=store).stdout)["deadLetters"]
    assert [letter["id"] for letter in letters] == ["g1", "g2"], done.stderr
    assert '"m"' in tm("export", "--feed", "scope/groups", store=store).stdout


@pytest.mark.slow
def test_any_size__a_page_has_as_many_items_as_a_page_may_have(far, tm, store):
    """Each with a name that is read by copying it, and the longest link, each of its bytes escaped."""
    items = ",".join(['{"' + ODD + "x" * 40 + '":1}'] * (256 << 10))
    link = "".join(f"\\u{ord(char):04x}" for char in far.url + "?$deltatoken=1-1-0-1&x=" + "a" * 30_000)
    far.always(raw(('{"value":[' + items + '],"@odata.deltaLink":"' + link + '"}').encode()))
    tm("sync", far.url, store=store, code=8, error="could not be stored")
    assert "the remote still knows the link" in tm("doctor", far.url, store=store, code=0).stdout   # it reads two of them


def names_of(order):
    return "{" + '"id":"g",' + ",".join(f'"{ODD}{"x" * 15000}{number}":1' for number in order) + "}"


def test_any_size__an_item_whose_long_names_come_in_another_order_is_the_same(far, tm, store):
    for order in (range(100), reversed(range(100))):
        far.always(page_of(far, names_of(order)))
        tm("sync", far.url, store=store)
    changes = [json.loads(line) for line in tm("changes", "--since", "0", store=store).stdout.splitlines()]
    assert [change["change"] for change in changes] == ["created"]


def test_any_size__properties_that_are_asked_for_in_vain_take_no_memory(server):
    """Each of 32 ids is looked for among 32 properties whose texts are read by copying them, in each of 70 calendars."""
    extended = [{"id": f"String {{x}} Name {number}", "value": "\n" + "x" * 4000} for number in range(32)]
    one = server(lines=[user("ann@contoso.com", id=ANN)] + [
        put(ANN, {"id": f"c{number}", "name": f"n{number}", "singleValueExtendedProperties": extended}) for number in range(70)])
    wanted = " or ".join(f"id eq 'String {number}'" for number in range(32))
    link = "/v1.0/me/calendars?$top=1000&$expand=" + urllib.parse.quote(f"singleValueExtendedProperties($filter={wanted})")
    reply = one.get(link, one.token(ANN))
    assert reply.status == 200 and len(reply.json["value"]) == 70


def test_any_size__a_filter_looks_at_a_text_once(server, tm, store):
    """Somebody has changed the store: a name as long as a body can be, against hundreds of comparisons."""
    tm("import", "-", store=store, input=to_lines([user("ann@contoso.com", id=ANN), put(ANN, {"id": "c", "name": "LONG"})]))
    with sqlite3.connect(store[7:]) as db:
        body = db.execute("SELECT body FROM item").fetchone()[0]
        db.execute("UPDATE item SET body = ?", (body.replace(b"LONG", b"\\n" + b"x" * (1 << 20)),))
    one = server()
    wanted = urllib.parse.quote(" and ".join(["name ne ''"] * 300), safe="'")
    reply = one.get(f"/v1.0/me/calendars?$select=id&$filter={wanted}", one.token(ANN))
    assert reply.status == 200 and len(reply.json["value"]) == 1


def sync_all(tm, home, store, config, *options, **wanted):
    (home / "t.conf").write_text(config)
    return tm("sync", "--all", "--config", home / "t.conf", *options, store=store, **wanted)


def section(name, url, *more):
    return "\n".join([f'[scope "{name}"]', f"url = {url}", *more]) + "\n"


NOWHERE = "http://127.0.0.1:9/v1.0"


def test_any_size__names_of_a_certificate_may_be_given_in_as_many_lines_as_a_file_has(tm, home):
    (home / "t.conf").write_text("[server]\n" + "tls-name=a\n" * 23_000)
    tm("config", "show", "--config", home / "t.conf", code=3, error="tls-name has too many values")
    tm("config", "show", *["--tls-name", "a"] * 10_000, code=2, error="--tls-name has too many values")
    names = [f"{number}.example" for number in range(64)]
    (home / "t.conf").write_text("[server]\n" + "".join(f"tls-name = {name}\n" for name in names))
    assert " ".join(names) in tm("config", "show", "--config", home / "t.conf").stdout


@pytest.mark.slow
def test_any_size__sections_are_as_many_as_are_followed(tm, home, store):
    """Each has what takes the most memory: a host and a credential of its own."""
    def config(count):
        return "".join(section(f"{number:x}", f"https://{number:x}.invalid/a", f"bearer-file={number:x}") for number in range(count))
    sync_all(tm, home, store, config(3000), code=3, error="more than 1000 scopes")
    sync_all(tm, home, "sqlite:/dev/null/store", config(1000), code=1, error="/dev/null")       # so far it comes


def test_any_size__each_key_of_a_thousand_sections_knows_its_place_in_a_file_with_a_long_path(tm, home):
    keys = ["every=1s", "page-size=1", "ca=c", "max-wait=1s", "max-delete=1", "from-now=off", "merge=off", "device-code=off"]
    (home / "t.conf").write_text("".join(section(f"{number:x}", NOWHERE, *keys) for number in range(1000)))
    assert "3e7" in tm("config", "show", "--json", "--config", f"{home}/" + "./" * 1900 + "t.conf").stdout


@pytest.mark.slow
def test_any_size__each_of_a_thousand_sections_may_have_all_headers(tm, home):
    config = "".join(section(f"{number:x}", f"{NOWHERE}/{number:x}") for number in range(1000))
    sync_all(tm, home, "sqlite:/dev/null/store", config, *["--header", "a=" + "b" * 1000] * 16, code=1, error="/dev/null")


def test_any_size__a_value_may_be_a_line_of_any_length(tm, home, store):
    """Each of its bytes is another one in the name of a scope."""
    (home / "values").write_text("%" * 200_000 + "\n" + " " * 3 + "% " * 250 + "x\n")
    done = sync_all(tm, home, store, section("a", NOWHERE + "/{u}/delta", f"for-each = file:{home}/values", "max-wait = 1s"), code=5)
    assert "is longer than 512 bytes: it is skipped" in done.stderr and "a:%25%20%25%20" in done.stderr


def test_any_size__a_value_takes_few_places_of_a_url(tm, home, store):
    (home / "values").write_text("\u00e9" * 256 + "\n")
    each = f"for-each = file:{home}/values"
    sync_all(tm, home, store, section("a", NOWHERE + "/" + "{u}" * 1000, each), code=3, error="up to 8 times")
    sync_all(tm, home, store, section("a", NOWHERE + "/" + "{u}" * 8, each, "max-wait = 1s"), code=5)


def test_any_size__options_of_a_section_come_to_as_many_as_a_command_may_have(tm, home, store):
    more = ("every = 5s", "page-size = 5", "ca = /x", "max-wait = 1s")
    sync_all(tm, home, store, section("a", NOWHERE, *more), *["--header", "a=b"] * 63, code=3, error="--header: more than")


def test_any_size__a_value_that_has_left_takes_no_memory(home, store):
    """Values come and go as long as a run watches.  One that comes again is new: what is wrong with it is said again."""
    values = home / "values"
    (home / "t.conf").write_text(section("a", NOWHERE + "/{u}/delta", f"for-each = file:{values}", "max-wait = 1s"))
    values.write_text("../me\nann\n")
    run = subprocess.Popen([BIN, "sync", "--all", "--config", str(home / "t.conf"), "--store", store, "--watch", "--every", "1s"],
                           stderr=subprocess.PIPE, text=True, env=base_env(home))
    reported = ""
    try:
        for name in ("ann", "bob", "cyd"):
            while f"a:{name}: " not in reported:
                reported += run.stderr.readline()
            values.write_text({"ann": "bob\n", "bob": "../me\ncyd\n"}.get(name, ""))
    finally:
        run.terminate()
        reported += run.communicate(timeout=60)[1]
    check_sanitizers(reported)
    assert reported.count('the value "../me" holds a slash') == 2, reported
