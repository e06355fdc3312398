# SPDX-License-Identifier: Apache-2.0
"""A gateway whose source, scopes and items are strange: what its readers see then."""
import threading
import time
import urllib.parse

import pytest

from conftest import guid, issued, put
from test_follow_commands import wait_for
from test_gateway import (ANN, BOB, DRIVE, GROUPS, LINES, MAIL, OTHER, THINGS, far, gateway, mail, ready, served,      # noqa: F401 (fixtures)
                          whole)
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
    feed.put("odd", **{"Owners@delta": [{"id": "u1"}]})         # another spelling than Microsoft's
    feed.put("large", **{"members@delta": [{"id": f"u{number:05}"} for number in range(20000)]})
    one = gateway(section("groups", far.base + GROUPS + "/delta") + served("groups"))
    app = one.app_token("Group.Read.All")
    ready(one, GROUPS + "/delta", app)
    for id in IDS:
        items = whole(one, f"/v1.0/scopes/groups/{urllib.parse.quote(id, safe='')}/members?$top=20", app)[0]
        assert sorted(item["id"] for item in items) == sorted(IDS), id
    assert one.get(GROUPS + "/odd/Owners", token=app).json["value"] == [{"id": "u1"}]
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


# ---- paths and rights ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("old, new", [("/v1.0/me/messages", "/v1.0/me/calendars"), ("/api/messages", "/api/calendars"),
                                      (MAIL, "https://other.example.org" + MAIL), (MAIL, MAIL + "?$select=subject"),
                                      ("/api/{user}/a/{user}/messages", "/api/{user}/b/{user}/messages")],
                         ids=["me", "unversioned", "host", "options", "between"])
def test_gateway__what_another_url_gave_is_not_read_by_the_rights_of_the_new_one(far, gateway, home, old, new):
    """Wherever the scope stands: also one that is only below /scopes, and also if only the host or the options are other ones."""
    more = {"for_each": f"file:{home}/users"} if "{" in old else {}
    (home / "users").write_text(ANN + "\n")
    name, rights, keys = f"s:{ANN}" if more else "s", ("Mail.Read", "Calendars.Read"), {} if more else {"owner": ANN}

    def url(path):
        path, _, options = path.partition("?")
        return (path if path.startswith("https:") else far.base + path) + "/delta" + (options and "?" + options)

    far.feed(old.replace("{user}", ANN) + "/delta").put("secret", subject="mail")
    one = gateway(section("s", url(old), **more) + served("s", **keys))
    ready(one, f"/v1.0/scopes/{name}/delta", one.app_token(*rights), 1)
    one.stop()
    one = gateway(section("s", url(new), **more) + served("s", **keys), lines=None)
    for path in ("", "/delta", "/secret"):
        answer = one.get(f"/v1.0/scopes/{name}{path}", token=one.app_token(*rights))
        assert answer.status == 503 and b"secret" not in answer.body, answer.body


def test_gateway__another_tenant_learns_nothing_of_a_scope_that_is_not_there(far, gateway, home):
    (home / "users").write_text("a\n")
    one = gateway(section("mail", far.base + MAIL + "/delta") + section("u", far.base + "/api/{x}/messages/delta", for_each=f"file:{home}/users")
                  + served("mial") + served("u"))
    stranger = one.mint("--app", guid(5), "--role", "Mail.Read", "--tenant", OTHER)
    for scope in ("mial", "u:a", "u:nobody"):
        for method in ("GET", "POST"):
            assert one.request(method, f"/v1.0/scopes/{scope}/delta", {} if method == "POST" else None, token=stranger).status == 404
    app = one.app_token("Mail.Read")
    assert one.get("/v1.0/scopes/mial/delta", token=app).status == one.get("/v1.0/scopes/u:a/delta", token=app).status == 503
    wait_for(lambda: one.get("/v1.0/scopes/u:nobody/delta", token=app).status == 404)
    assert one.get("/v1.0/scopes/u:nobody/delta", token=one.app_token("Calendars.Read")).status == 403


def test_gateway__the_sections_of_what_is_served_are_checked(far, tm, home, store):
    (home / "users").write_text(f"{ANN}\n{BOB}\n")
    mails = section("mail", far.base + "/v1.0/users/{u}/messages/delta", for_each=f"file:{home}/users")
    for config, word in ((served("mail", owner=BOB), "for-each"), ("[serve mail]\n", "unknown section [serve mail]"),
                         ("[serve 'mail']\n", "unknown section"), ('[serv "mail"]\n', "unknown section"), ("[serve]\n", "unknown section"),
                         (served(""), "name"), (served("a b"), "name"), (served("a/b"), "name"), (served("x" * 129), "name"),
                         (served("mail", permissions="Mail.Read,Mail.ReadWrite"), "permissions"),
                         ("[server]\nserve-scope = a/b\n", "name")):
        (home / "t.conf").write_text(mails + config)
        assert word in tm("serve", "--config", home / "t.conf", "--listen", "127.0.0.1:0", store=store, code=3).stderr, config


def test_gateway__a_scope_whose_url_names_a_user_by_the_upn_is_that_users(far, gateway, home):
    (home / "users").write_text("ann@contoso.com\n")
    for path in ("/v1.0/users/ann%40contoso.com/messages/delta", "/v1.0/users/bob@contoso.com/events/delta"):
        far.feed(path).put("m")
    one = gateway(section("many", far.base + "/v1.0/users/{u}/messages/delta", for_each=f"file:{home}/users")
                  + section("one", far.base + "/v1.0/users/bob@contoso.com/events/delta") + served("many") + served("one"))
    app, ann, bob = one.app_token("Mail.Read"), *(one.token(f"{name}@contoso.com", "Mail.Read", "Calendars.Read") for name in ("ann", "bob"))
    ready(one, "/v1.0/scopes/many:ann@contoso.com/delta", app)
    ready(one, "/v1.0/scopes/one/delta", bob)
    for user in ("ann@contoso.com", "ANN@Contoso.com", ANN, ANN.upper()):
        for token, status in ((app, 200), (ann, 200), (bob, 403)):
            assert one.get(f"/v1.0/users/{user}/messages/delta", token=token).status == status, user
    assert one.get("/v1.0/users/Bob@contoso.com/events", token=bob).status == 200
    assert one.get("/v1.0/users/bob@contoso.com/events", token=ann).status == 403


def test_gateway__every_value_has_its_own_path(far, gateway, home):
    values = ["a b", "50%", "50%25", "it's", "x" * 200, "Ann", "ann", "é"]
    (home / "values").write_text("\n".join(values) + "\n")
    paths = {value: DRIVE.replace("d1", urllib.parse.quote(value, safe="")) for value in values}
    for value, path in paths.items():
        far.feed(path + "/delta").put("item", name=value)
    one = gateway(section("d", far.base + DRIVE.replace("d1", "{id}") + "/delta", for_each=f"file:{home}/values") + served("d"))
    app = one.app_token("Files.Read.All")
    for value, path in paths.items():
        ready(one, path + "/delta", app)
        assert [item["name"] for item in whole(one, path + "/delta", app)[0]] == [value]
        assert one.get(path[:-len("root")] + "items/item", token=app).json["name"] == value


def test_gateway__a_word_takes_no_feed_from_its_owner(far, gateway, home):
    (home / "values").write_text("things\n")
    far.feed(f"/v1.0/users/{ANN}/things/delta").put("t")
    one = gateway(section("s", far.base + f"/v1.0/users/{ANN}/{{x}}/delta", for_each=f"file:{home}/values") + served("s", permissions="Things.Read"),
                  lines=[*LINES, put(ANN, {"name": "her own"})])
    ann, app = one.token("ann@contoso.com", "Calendars.ReadWrite"), one.app_token("Things.Read")
    ready(one, f"/v1.0/users/{ANN}/things/delta", app, 1)
    for user in (f"users/{ANN}", "me"):
        for call in ("", "/delta"):
            assert [item["name"] for item in one.get(f"/v1.0/{user}/calendars{call}", token=ann).json["value"]] == ["her own"]
    assert one.request("POST", "/v1.0/me/calendars", {"name": "new"}, token=ann).status == 201


def test_gateway__a_scope_of_events_comes_before_one_of_the_calendar_view(far, gateway):
    for noun in ("events", "calendarView"):
        far.feed(f"/v1.0/users/{ANN}/{noun}/delta").put(noun)
    one = gateway("".join(section(noun, f"{far.base}/v1.0/users/{ANN}/{noun}/delta") + served(noun) for noun in ("calendarView", "events")))
    app = one.app_token("Calendars.Read")
    for noun in ("events", "calendarView"):
        base = f"/v1.0/users/{ANN}/{noun}"
        ready(one, base + "/delta", app, 1)
        for path in ("/delta", ""):
            assert [item["id"] for item in one.get(base + path, token=app).json["value"]] == [noun]
        assert one.get(base + "/" + noun, token=app).status == 200


def test_gateway__who_is_in_no_list_is_unknown_however_busy_the_followers_are(far, gateway, home):
    """And whatever another list is, whose section has a name that begins like this one's."""
    far.fault = lambda request, path: path == "/v1.0/users/delta" and silent.wait(60)
    silent = threading.Event()
    (home / "users").write_text("\n".join(guid(number) for number in range(1000, 6000)) + f"\n{ANN}\n")
    one = gateway(section("box", far.base + "/v1.0/users/{u}/messages/delta", for_each=f"file:{home}/users", every="1h")
                  + section("people", far.base + "/v1.0/users/delta")
                  + section("bo", far.base + "/v1.0/users/{u}/contacts/delta", for_each="scope:people") + served("box") + served("bo"))
    app = one.app_token("Mail.Read", "Contacts.Read")
    wait_for(lambda: one.get("/v1.0/users/nobody/messages/delta", token=app).status == 404)
    for _ in range(200):
        assert one.get("/v1.0/users/nobody/messages/delta", token=app).status == 404
    assert one.get(f"/v1.0/users/{guid(5999)}/messages/delta", token=app).status in (200, 503)
    assert one.get("/v1.0/users/nobody/contacts/delta", token=app).status == 503
    silent.set()
