# SPDX-License-Identifier: Apache-2.0
"""A gateway whose source, scopes and items are strange: what its readers see then."""
import threading
import time
import urllib.parse

import pytest

from conftest import issued
from test_follow_commands import wait_for
from test_gateway import GROUPS, MAIL, THINGS, far, gateway, mail, ready, served, whole      # noqa: F401 (two are fixtures)
from test_sync_all import section

IDS = ["it's", "''", 'a"b', "a/b", "/", "..", ".", "a%2Fb", "%", "100%25", "a b", "a+b", "a?b=c&d#e", "ü/ñ", "日本語", "😀", "a\\b", "a;b,c",
       "(x)", "{id}", "members", "a=b", "<&>", "x" * 1000, "é" * 500, "a\u0301", "\u202e", "a:b@c", "~", "-", "null"]

WORDS = ["$count", "delta", "delta()"]            # in a path they mean something else


def test_gateway__ids_of_strange_characters_in_paths_and_links(far, gateway):
    feed = far.feed(MAIL + "/delta")
    for id in IDS + WORDS:
        feed.put(id, subject=id)
    one = gateway(section("mail", far.base + MAIL + "/delta") + served("mail"))
    app = one.app_token("Mail.Read")
    ready(one, MAIL + "/delta", app, len(IDS + WORDS))
    for base in (MAIL, "/v1.0/scopes/mail"):
        for path, page in ((base + "?$top=1", None), (base + "/delta", {"Prefer": "odata.maxpagesize=1"})):
            assert sorted(item["id"] for item in whole(one, path, app, page)[0]) == sorted(IDS + WORDS)
        for id in IDS:
            reply = one.get(base + "/" + urllib.parse.quote(id, safe=""), token=app)
            assert reply.status == 200 and reply.json["subject"] == id, (id, reply.body)


def test_gateway__members_of_strange_groups_and_of_a_large_one(far, gateway):
    feed = far.feed(GROUPS + "/delta")
    for id in IDS:
        feed.put(id, **{"members@delta": [{"id": other} for other in IDS]})
    feed.put("large", **{"members@delta": [{"id": f"u{number:05}"} for number in range(20000)]})
    one = gateway(section("groups", far.base + GROUPS + "/delta") + served("groups"))
    app = one.app_token("Group.Read.All")
    ready(one, GROUPS + "/delta", app)
    for id in IDS:
        items = whole(one, f"/v1.0/scopes/groups/{urllib.parse.quote(id, safe='')}/members?$top=20", app)[0]
        assert sorted(item["id"] for item in items) == sorted(IDS), id
    items, pages, _ = whole(one, f"{GROUPS}/large/members?$top=999", app)
    assert len(items) == 20000 and len(pages) == 21
    counted = one.get(f"{GROUPS}/large/members?$top=2&$count=true", token=app).json     # it reads them in slices
    assert counted["@odata.count"] == 20000 and [item["id"] for item in counted["value"]] == ["u00000", "u00001"]
    parts = [item for item in whole(one, GROUPS + "/delta", app, {"Prefer": "odata.maxpagesize=1000"})[0] if item["id"] == "large"]
    assert len({member["id"] for part in parts for member in part["members@delta"]}) == 20000


def refuses(status, code, headers=None):
    return lambda request, path: not request.error(status, code, headers=headers)


@pytest.mark.parametrize("fault", [refuses(401, "InvalidAuthenticationToken"), refuses(429, "TooManyRequests", {"Retry-After": "600"}),
                                   refuses(410, "SyncStateNotFound"), refuses(404, "ResourceNotFound")], ids=["401", "429", "410", "404"])
def test_gateway__of_a_source_that_refuses_for_ever_readers_have_the_last_view(far, gateway, fault):
    feed = mail(far)
    one = gateway(section("mail", far.base + MAIL + "/delta", every="1s") + served("mail"))
    app = one.app_token("Mail.Read")
    ready(one, MAIL + "/delta", app)
    link = whole(one, MAIL + "/delta", app)[2]
    far.fault = fault
    asked = len(far.requests)
    wait_for(lambda: len(far.requests) > asked)
    assert one.get(link, token=app).json["value"] == [] and len(whole(one, MAIL + "/delta", app)[0]) == 7
    one.stop()
    one = gateway(section("mail", far.base + MAIL + "/delta", every="1s") + served("mail"), lines=None)
    assert {item["id"] for item in whole(one, MAIL + "/delta", app)[0]} == set(feed.model())
    assert one.get(MAIL + "/m3", token=app).json["id"] == "m3"


@pytest.mark.parametrize("name", ["mail", "letters"])
def test_gateway__a_link_of_a_scope_whose_section_has_another_url_is_gone(far, gateway, name):
    """Nor is what the old URL held shown to those who may read the new one, which may be others."""
    mail(far)
    far.feed(THINGS + "/delta").put("t1")
    one = gateway(section("mail", far.base + MAIL + "/delta") + served("mail"))
    app = one.app_token("Mail.Read")
    ready(one, MAIL + "/delta", app)
    link = whole(one, "/v1.0/scopes/mail/delta", app)[2].partition("?")[2]
    one.stop()
    one = gateway(section(name, far.base + THINGS + "/delta") + served(name, permissions="Mail.Read"), lines=None)
    if name == "letters":
        ready(one, THINGS + "/delta", app)
    for path in (f"/v1.0/scopes/{name}", THINGS):
        gone = one.get(f"{path}/delta?{link}", token=app)
        assert gone.status == 410 and "another URL" in gone.json["error"]["message"], gone.body
        for without in ("/delta", "", "/m1"):
            reply = one.get(path + without, token=app)
            assert reply.status == (503 if name == "mail" else 404 if without == "/m1" else 200) and b'"m1"' not in reply.body


def test_gateway__a_stream_over_a_scope_that_is_resynced(far, gateway, tm, store):
    feed = mail(far)
    one = gateway(section("mail", far.base + MAIL + "/delta", every="1h", max_delete="100%") + served("mail"))
    app = one.app_token("Mail.Read")
    ready(one, MAIL + "/delta", app)
    link = whole(one, MAIL + "/delta", app)[2]
    connection = one.connection()
    connection.request("GET", link[len(one.base):], headers={"Authorization": f"Bearer {app}", "Accept": "text/event-stream"})
    stream = connection.getresponse()
    for id in ("m0", "m1"):
        feed.head += 1
        del feed.items[id], feed.order[id]         # the source forgets that they were there
    feed.put("m2", subject="new")
    far.fault = lambda request, path: "deltatoken" in request.query and not request.error(410, "SyncStateNotFound")
    tm("follow", "now", "mail", store=store)
    lines = []
    while not any(b'"value"' in line for line in lines):
        lines.append(stream.readline())
        assert lines[-1], lines
    text = lines[-1].decode()
    assert all(f'"{id}"' in text for id in ("m0", "m1", "m2")) and '"m3"' not in text and text.count("@removed") == 2, text
    connection.close()


@pytest.mark.slow
def test_gateway__who_wants_it_newer_than_a_silent_source_gets_the_last_view_after_a_minute(far, gateway):
    mail(far)
    one = gateway(section("mail", far.base + MAIL + "/delta", every="1h") + served("mail"))
    app = one.app_token("Mail.Read")
    ready(one, MAIL + "/delta", app)
    time.sleep(1.1)     # now its round is older than a second
    silent = threading.Event()
    far.fault = lambda request, path: silent.wait(300)
    connection = one.connection(timeout=90)
    answer = one.ask(connection, "GET", MAIL + "/delta", token=app, headers={"Prefer": "tidemark.max-age=1"})
    assert answer.status == 200 and len(answer.json["value"]) == 7 and "Preference-Applied" not in answer.headers
    silent.set()


def test_gateway__neither_side_sees_the_others_bearer_when_the_source_refuses_it(far, gateway, home):
    mail(far)
    secret = issued("the-bearer-of-the-source-that-is-refused")
    (home / "bearer").write_text(secret)
    one = gateway(section("mail", far.base + MAIL + "/delta", bearer_file=home / "bearer", every="1s") + served("mail"), "--log-level", "debug")
    app = one.app_token("Mail.Read")
    ready(one, MAIL + "/delta", app)
    far.fault = lambda request, path: not request.error(401, "InvalidAuthenticationToken", f"{secret} is no good")
    asked = len(far.requests)
    wait_for(lambda: len(far.requests) > asked + 1)
    replies = [one.get(path, token=app) for path in (MAIL, MAIL + "/delta", MAIL + "/m1")] + [one.control("GET", "/-/follow?name=mail")]
    assert not any(secret in f"{reply.body} {reply.headers}" for reply in replies)
    assert secret not in one.stderr() and not any(app in str(headers) for _, _, headers in far.requests)
