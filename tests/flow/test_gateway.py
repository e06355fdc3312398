# SPDX-License-Identifier: Apache-2.0
"""A followed scope that is served onward: source -> `serve --follow --serve-scope NAME` -> reader."""
import json
import sqlite3
import threading
import time
import urllib.parse

import pytest

from conftest import guid, issued, put, to_lines, user
from many import Many
from test_follow_commands import wait_for
from test_sync_all import section

ANN, BOB, TENANT, OTHER = guid(1), guid(2), guid(7), guid(8)
MAIL = f"/v1.0/users/{ANN}/mailFolders/inbox/messages"
GROUPS, DRIVE, THINGS = "/v1.0/groups", "/v1.0/drives/d1/root", "/v1.0/things"
LINES = [user("ann@contoso.com", ANN), user("bob@contoso.com", BOB)]


@pytest.fixture
def far():
    far = Many()
    yield far
    far.close()


@pytest.fixture
def gateway(server, home):
    """gateway(config, ...): a server that follows the sections of that text and serves what it says."""
    def start(config, *args, **more):
        (home / "t.conf").write_text(config)
        return server("--follow", "--config", home / "t.conf", *args, **{"lines": LINES, **more})
    return start


def served(name, **keys):
    return "\n".join([f'[serve "{name}"]'] + [f"{key} = {value}" for key, value in keys.items()]) + "\n"


def mail(far, count=7):
    feed = far.feed(MAIL + "/delta")
    for number in range(count):
        feed.put(f"m{number}", subject=f"s {number}", nested={"a": [1, 2.50]}, **{"@odata.etag": f'W/"{number}"'})
    return feed


def whole(one, path, token, headers=None):
    """All pages from there: the items, the bodies of the answers, and the deltaLink."""
    items, pages = [], []
    while path:
        page = one.get(path, token=token, headers=headers)
        assert page.status == 200, page.body
        pages.append(page)
        items += page.json["value"]
        path = page.json.get("@odata.nextLink")
    return items, pages, pages[-1].json.get("@odata.deltaLink")


def ready(one, path, token, count=None):
    def there():
        page = one.get(path, token=token)
        assert page.status in (200, 503), page.body
        return page.status == 200 and (count is None or len(whole(one, path, token)[0]) == count)
    wait_for(there)


# ---- how old it may be ---------------------------------------------------------------------------------------------


def rounds(far):
    return sum("deltatoken" in path for _, path, _ in far.requests)


def test_gateway__a_reader_who_wants_it_newer_waits_for_a_round_and_many_wait_for_one(far, gateway, tm, store):
    feed = mail(far)
    one = gateway(section("mail", far.base + MAIL + "/delta", every="1h") + served("mail"))
    app = one.app_token("Mail.Read")
    ready(one, MAIL + "/delta", app, 7)
    link = whole(one, MAIL + "/delta", app)[2]
    feed.put("m1", subject="new")
    old = one.get(link, token=app, headers={"Prefer": "tidemark.max-age=3600"})
    assert old.json["value"] == [] and old.headers["Preference-Applied"] == "tidemark.max-age=3600"
    connection = one.connection()
    connection.request("GET", link[len(one.base):], headers={"Authorization": f"Bearer {app}", "Accept": "text/event-stream",
                                                             "Prefer": "tidemark.max-age=3"})
    stream = connection.getresponse()
    assert stream.readline()
    time.sleep(3.1)     # now its round is older than three seconds
    before, answers = rounds(far), []
    tm("scope", "grant", "mail", "--to", "somebody", store=store)       # wakes the stream, which was fresh when it began
    time.sleep(1)
    assert rounds(far) == before

    def ask():
        answers.append(one.get(link, token=app, headers={"Prefer": "tidemark.max-age=3"}))
    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for answer in answers:
        assert answer.status == 200 and [item["subject"] for item in answer.json["value"]] == ["new"]
        assert answer.headers["Preference-Applied"] == "tidemark.max-age=3"
    assert len(answers) == 8 and 1 <= rounds(far) - before <= 3
    while b'"new"' not in stream.readline():
        pass
    connection.close()
    assert one.get(link, token=app, headers={"Prefer": "tidemark.max-age=00"}).headers["Preference-Applied"] == "tidemark.max-age=1"


def test_gateway__without_a_follower_nobody_waits_for_a_round(far, tm, store, server):
    mail(far)
    tm("sync", far.base + MAIL + "/delta", "--scope", "mail", store=store)
    with sqlite3.connect(store[7:]) as db:
        db.execute("UPDATE follow_scope SET round_ended_ms = round_ended_ms - 60000")
    one = server("--serve-scope", "mail", lines=LINES)
    answer = one.get(MAIL + "/delta", token=one.app_token("Mail.Read"), headers={"Prefer": "tidemark.max-age=0"})
    assert answer.status == 200 and len(answer.json["value"]) == 7 and "Preference-Applied" not in answer.headers


# ---- paths, pages, bodies -----------------------------------------------------------------------------------------


def test_gateway__rounds_at_the_path_of_its_url_and_of_its_name(far, gateway, tm, store):
    feed = mail(far)
    one = gateway(section("mail", far.base + MAIL + "/delta", every="1s") + served("mail"))
    app = one.app_token("Mail.Read")
    for base in (MAIL, MAIL.replace("v1.0", "beta"), "/v1.0/scopes/mail", "/beta/scopes/mail"):
        ready(one, base + "/delta", app, 7)
        items, pages, link = whole(one, base + "/delta", app, {"Prefer": "odata.maxpagesize=3"})
        assert [len(page.json["value"]) for page in pages] == [3, 3, 1]
        assert {item["id"]: item for item in items} == feed.model()
        for page in pages:
            assert page.headers["Preference-Applied"] == "odata.maxpagesize=3"
            assert page.json["@odata.context"].startswith(f"{one.base}/{base.split('/')[1]}/$metadata#")
            assert far.base.encode() not in page.body
        assert all(json.dumps(item)[1:-1].encode() in b"".join(page.body for page in pages) for item in feed.model().values())
        assert link.startswith(one.base + base + "/delta?$deltatoken=")
        assert one.get(link, token=app).json["value"] == []
    feed.put("m1", subject="new")
    feed.remove("m2")
    wait_for(lambda: len(one.get(link, token=app).json["value"]) == 2)
    changed = {item["id"]: item for item in one.get(link, token=app).json["value"]}
    assert changed["m1"]["subject"] == "new" and changed["m2"]["@removed"] == {"reason": "deleted"}
    assert {item["id"] for item in whole(one, MAIL + "/delta", app)[0]} == set(feed.model())     # no tombstone in a first round
    for path in (MAIL + "/delta()", MAIL + "/microsoft.graph.delta()"):
        assert one.get(path, token=app).status == 200


def test_gateway__a_list_an_item_a_selection_and_a_count(far, gateway):
    feed = mail(far)
    one = gateway(section("mail", far.base + MAIL + "/delta") + served("mail"))
    app = one.app_token("Mail.Read")
    ready(one, MAIL + "/delta", app)
    for base in (MAIL, "/v1.0/scopes/mail"):
        items, pages, _ = whole(one, base + "?$top=2", app)
        assert [item["id"] for item in items] == sorted(feed.model()) and len(pages) == 4
        assert {item["id"]: item for item in items} == feed.model()
        assert one.get(base + "/m3", token=app).json | {"@odata.context": 0} == feed.model()["m3"] | {"@odata.context": 0}
        assert one.get(base + "/$count", token=app).body == b"7"
        assert one.get(base + "?$count=true&$top=1", token=app).json["@odata.count"] == 7
        assert one.get(base + "/nobody", token=app).status == 404
    chosen, _, link = whole(one, MAIL + "/delta?$select=subject", app, {"Prefer": "odata.maxpagesize=2"})
    assert chosen[3] == {"id": "m3", "@odata.etag": 'W/"3"', "subject": "s 3"}
    feed.put("m3", subject="again", nested={})
    one.runner("follow", "now", "mail", store=one.store)
    assert set(one.get(link, token=app).json["value"][0]) == {"id", "subject"} | {key for key in chosen[3] if "@" in key}
    assert one.get(MAIL + "/m3?$select=nested", token=app).json["nested"] == {}
    for path in ("/delta?$filter=a", "?$filter=subject%20eq%20'a'", "?$filter=", "/$count?$filter=not%20a", "?$orderby=subject", "?$orderby="):
        assert one.get(MAIL + path, token=app).status == 400, path


def test_gateway__a_list_walks_ids_of_any_length(far, gateway):
    feed = far.feed(MAIL + "/delta")
    ids = ["a" * 1024, "a" * 1023 + "b", "é" * 512, "b", "c/d", "e f"]
    for id in ids:
        feed.put(id)
    one = gateway(section("mail", far.base + MAIL + "/delta") + served("mail"))
    app = one.app_token("Mail.Read")
    ready(one, MAIL + "/delta", app, len(ids))
    walked = [item["id"] for item in whole(one, MAIL + "?$top=1", app)[0]]
    assert walked == sorted(ids, key=lambda id: id.encode())
    assert one.get(MAIL + "/" + urllib.parse.quote("c/d", safe=""), token=app).json["id"] == "c/d"


def test_gateway__from_now_from_a_time_and_too_late(far, gateway, tm, store):
    feed = mail(far)
    one = gateway(section("mail", far.base + MAIL + "/delta") + served("mail"))
    app = one.app_token("Mail.Read")
    ready(one, MAIL + "/delta", app)
    latest = one.get(MAIL + "/delta?$deltatoken=latest", token=app).json
    assert latest["value"] == []
    assert len(one.get(MAIL + "/delta?$deltatoken=2020-01-01T00:00:00Z", token=app).json["value"]) == 7
    old = whole(one, MAIL + "/delta", app)[2]
    feed.remove("m0")
    tm("follow", "now", "mail", store=store)
    assert [item["id"] for item in one.get(latest["@odata.deltaLink"], token=app).json["value"]] == ["m0"]
    tm("store", "gc", "--retention", "0s", store=store)
    gone = one.get(old, token=app)
    assert gone.status == 410 and gone.json["error"]["code"] == "SyncStateNotFound"
    assert len(whole(one, gone.headers["Location"], app)[0]) == 6


def test_gateway__removals_say_why_and_drives_have_the_facet(far, gateway, tm, store):
    mails, drive = mail(far, 3), far.feed(DRIVE + "/delta")
    for number in range(3):
        drive.put(f"f{number}", name=f"{number}")
    one = gateway(section("mail", far.base + MAIL + "/delta") + section("drive", far.base + DRIVE + "/delta") + served("mail") + served("drive"))
    app = one.app_token("Mail.Read", "Files.Read.All")
    for path in (MAIL, DRIVE):
        ready(one, path + "/delta", app)
    links = {path: whole(one, path + "/delta", app)[2] for path in (MAIL, DRIVE)}
    mails.head += 1
    mails.items["m1"], mails.order["m1"] = {"id": "m1", "@removed": {"reason": "changed"}}, mails.head
    drive.head += 1
    drive.items["f1"], drive.order["f1"] = {"id": "f1", "deleted": {"state": "deleted"}}, drive.head
    tm("follow", "now", "mail", store=store)
    tm("follow", "now", "drive", store=store)
    assert one.get(links[MAIL], token=app).json["value"] == [
        {"@odata.type": "#microsoft.graph.message", "id": "m1", "@removed": {"reason": "changed"}}]
    assert one.get(links[DRIVE], token=app).json["value"] == [
        {"@odata.type": "#microsoft.graph.driveItem", "id": "f1", "deleted": {"state": "deleted"}}]
    assert one.get("/v1.0/drives/d1/items/f0", token=app).json["name"] == "0"
    assert [item["id"] for item in one.get("/v1.0/drives/d1/items", token=app).json["value"]] == ["f0", "f2"]


def test_gateway__relations_on_pages_and_by_themselves(far, gateway, tm, store):
    feed = far.feed(GROUPS + "/delta")
    members = [{"@odata.type": "#microsoft.graph.user", "id": f"u{number}"} for number in range(5)]
    feed.put("g1", displayName="one", **{"members@delta": members, "owners@delta": members[:1]})
    feed.put("g2", displayName="two")
    one = gateway(section("groups", far.base + GROUPS + "/delta") + served("groups"))
    app = one.app_token("Group.Read.All")
    ready(one, GROUPS + "/delta", app)
    items, _, link = whole(one, GROUPS + "/delta", app)
    assert {item["id"]: item for item in items} == {"g1": feed.items["g1"], "g2": feed.items["g2"]}
    for base in (GROUPS, "/v1.0/scopes/groups"):
        items, pages, _ = whole(one, base + "/g1/members?$top=2", app)
        assert items == members and len(pages) == 3
        for name in ("owners", "Owners"):
            assert one.get(f"{base}/g1/{name}", token=app).json["value"] == members[:1]
        assert one.get(base + "/g2/members", token=app).json["value"] == []
        assert one.get(base + "/g3/members", token=app).status == 404
        assert one.get(base + "/g1/others", token=app).status == 400
    feed.put("g1", displayName="one", **{"members@delta": [{"id": "u0", "@removed": {"reason": "deleted"}}]})
    tm("follow", "now", "groups", store=store)
    left = {"members@delta": [{**members[0], "@removed": {"reason": "deleted"}}]}
    assert one.get(link, token=app).json["value"] == [{"id": "g1", "displayName": "one", **left}]
    # A page may end inside a group: then the next one has the rest of it.
    link, pages = one.get(link, token=app).json["@odata.deltaLink"], []
    come = [{"@odata.type": "#microsoft.graph.user", "id": f"v{number}"} for number in range(4)]
    feed.put("g1", displayName="new", **{"members@delta": come, "owners@delta": come[:1]})
    tm("follow", "now", "groups", store=store)
    while link:
        page = one.get(link, token=app, headers={"Prefer": "odata.maxpagesize=2"}).json
        pages, link = pages + [page["value"]], page.get("@odata.nextLink")
    assert pages == [[{"id": "g1", "displayName": "new", "members@delta": come[:1]}], [{"id": "g1", "members@delta": come[1:3]}],
                     [{"id": "g1", "members@delta": come[3:], "owners@delta": come[:1]}]]
    items = whole(one, GROUPS + "/delta?$select=owners", app)[0]
    assert [item.get("owners@delta") for item in items if item["id"] == "g1"] == [members[:1], come[:1]]
    assert not any("members@delta" in item for item in items)


def test_gateway__a_page_may_end_inside_a_group(far, gateway):
    """Then the group comes on several pages with parts of its members, as at Graph."""
    feed = far.feed(GROUPS + "/delta")
    members = [{"@odata.type": "#microsoft.graph.user", "id": f"u{number:03}"} for number in range(100)]
    feed.put("g1", displayName="one", **{"members@delta": members})
    one = gateway(section("groups", far.base + GROUPS + "/delta") + served("groups"))
    app = one.app_token("GroupMember.Read.All")
    ready(one, GROUPS + "/delta", app)
    items, pages, _ = whole(one, GROUPS + "/delta", app, {"Prefer": "odata.maxpagesize=30"})
    assert len(pages) == 4 and all(item["id"] == "g1" for item in items)
    assert [member for item in items for member in item["members@delta"]] == members
    assert [item.get("displayName") for item in items] == ["one", None, None, None]


def test_gateway__writes_are_refused_with_a_reason(far, gateway):
    mail(far)
    one = gateway(section("mail", far.base + MAIL + "/delta") + served("mail"))
    app, stranger = one.app_token("Mail.ReadWrite"), one.mint("--app", guid(5), "--role", "Mail.ReadWrite", "--tenant", OTHER)
    ready(one, MAIL + "/delta", app)
    for base in (MAIL, "/v1.0/scopes/mail"):
        for method, path in (("POST", ""), ("PATCH", "/m1"), ("PUT", "/m1"), ("DELETE", "/m1"), ("POST", "/delta")):
            reply = one.request(method, base + path, {} if method != "DELETE" else None, token=app)
            assert reply.status == 405 and reply.headers["Allow"] == "GET, HEAD", (method, path, reply.body)
            assert "read-only" in reply.json["error"]["message"]
            for token, status in ((None, 401), (one.app_token("Calendars.ReadWrite"), 403), (stranger, 404)):
                assert one.request(method, base + path, {} if method != "DELETE" else None, token=token).status == status, (method, path)


def test_gateway__waiting_readers_and_streams_see_a_round(far, gateway, tm, store):
    feed = mail(far)
    one = gateway(section("mail", far.base + MAIL + "/delta", every="1h") + served("mail"))
    app = one.app_token("Mail.Read")
    ready(one, MAIL + "/delta", app)
    link = whole(one, MAIL + "/delta", app)[2]
    feed.put("m9")
    round = threading.Timer(0.5, tm, ("follow", "now", "mail"), {"store": store})
    round.start()
    reply = one.get(link, token=app, headers={"Prefer": "wait=60"})
    round.join()
    assert [item["id"] for item in reply.json["value"]] == ["m9"] and reply.headers["Preference-Applied"] == "wait"
    connection = one.connection()
    connection.request("GET", link[len(one.base):], headers={"Authorization": f"Bearer {app}", "Accept": "text/event-stream"})
    stream = connection.getresponse()
    assert stream.readline().startswith(b"id: " + one.base.encode()) and b'"m9"' in stream.readline()
    connection.close()


# ---- a scope that changes under its readers -----------------------------------------------------------------------


def test_gateway__without_a_whole_round_503_and_after_forgetting_410(far, gateway, tm, store, home):
    feed, mine, groups = mail(far), "/v1.0/me/messages/delta", far.feed(GROUPS + "/delta")
    for number in range(2):
        groups.put(f"g{number}", **{"members@delta": [{"id": f"u{member}"} for member in range(2)]})
    far.fault = lambda request, path: path in (MAIL + "/delta", mine) and not request.error(503, "ServiceUnavailable")
    config = section("mail", far.base + MAIL + "/delta") + section("groups", far.base + GROUPS + "/delta") + served("mail") + served("groups")
    one = gateway(config + section("mine", far.base + mine) + served("mine"))
    app = one.app_token("Mail.Read", "Group.Read.All")
    for path, token in ((MAIL + "/delta", app), (MAIL + "/delta", one.token("ann@contoso.com", "Mail.Read")),
                        (mine, one.token("bob@contoso.com", "Mail.Read"))):
        early = one.get(path, token=token)
        assert early.status == 503 and int(early.headers["Retry-After"]) > 0 and "no whole round yet" in early.json["error"]["message"]
    for path, token in ((MAIL + "/delta", one.token("bob@contoso.com", "Mail.Read")), (mine, one.token("bob@contoso.com", "Calendars.Read"))):
        assert one.get(path, token=token).status == 403
    far.fault = None
    tm("follow", "now", "mail", store=store)
    link = whole(one, MAIL + "/delta", app)[2]
    ready(one, GROUPS + "/delta", app, 2)
    links = [one.get(GROUPS + path, token=app, headers={"Prefer": "odata.maxpagesize=1"}).json["@odata.nextLink"]
             for path in ("/delta", "", "/g0/members")]
    one.stop()
    tm("scope", "rename", "mail", "letters", store=store)
    one = gateway(served("mail") + section("letters", far.base + MAIL + "/delta"), lines=None)
    gone = one.get("/v1.0/scopes/mail/delta?" + link.split("?")[1], token=app)
    assert gone.status == 410 and "renamed or forgotten" in gone.json["error"]["message"]
    assert one.get("/v1.0/scopes/mail/delta", token=app).status == 503
    one.stop()
    one = gateway(served("letters") + section("letters", far.base + MAIL + "/delta"), lines=None)
    assert one.get(link.replace(link[:link.index("/v1.0")], one.base), token=app).json["value"] == []      # it is the same feed
    one.stop()
    tm("scope", "forget", "letters", store=store)
    tm("scope", "forget", "groups", store=store)
    one = gateway(config, lines=None)
    ready(one, GROUPS + "/delta", app)
    for old in links:
        gone = one.get(old.replace(old[:old.index("/v1.0")], one.base), token=app)
        assert gone.status == 410 and "forgotten" in gone.json["error"]["message"], gone.body
        assert ("Location" in gone.json["error"]["message"]) == ("Location" in gone.headers) == ("/delta" in old)
    ready(one, MAIL + "/delta", app)
    gone = one.get(link.replace(link[:link.index("/v1.0")], one.base), token=app)
    assert gone.status == 410 and "forgotten" in gone.json["error"]["message"]
    assert {item["id"] for item in whole(one, gone.headers["Location"], app)[0]} == set(feed.model())


def test_gateway__a_token_of_another_scope_is_gone_here(far, gateway):
    mail(far)
    far.feed(GROUPS + "/delta").put("g1")
    one = gateway(section("mail", far.base + MAIL + "/delta") + section("groups", far.base + GROUPS + "/delta") + served("mail") + served("groups"))
    app = one.app_token("Mail.Read", "Group.Read.All")
    for path in (MAIL, GROUPS):
        ready(one, path + "/delta", app)
    link = whole(one, MAIL + "/delta", app)[2]
    assert one.get(GROUPS + "/delta?" + link.split("?")[1], token=app).status == 410
    assert one.get(MAIL + "/delta?$deltatoken=abc", token=app).status == 400


def test_gateway__two_at_one_path_are_a_fault_of_the_configuration(far, gateway, tm, store, home):
    one = section("one", far.base + MAIL + "/delta") + section("two", "http://other.example.org" + MAIL + "/delta")
    calendars = f"/v1.0/users/{ANN}/calendars/delta"
    tm("import", "-", store=store, input="".join(json.dumps(line) + "\n" for line in LINES + [put(ANN, {"name": "a"})]))
    beta = section("two", far.base + MAIL.replace("v1.0", "beta") + "/delta")
    many = section("two", far.base + MAIL.replace(ANN, "{user}") + "/delta", for_each=f"file:{home}/users")
    (home / "users").write_text(BOB + "\n")
    first = section("one", far.base + MAIL + "/delta")
    for config, words in ((one + served("one") + served("two"), ('"one"', '"two"', MAIL)),
                          (first + beta + served("one") + served("two"), ('"one"', '"two"', MAIL)),
                          (first + many + served("one") + served("two"), ('"one"', '"two"', MAIL)),
                          (first + served("one", owner="ann@contoso.com"), ('"one"', "owner", "GUID")),
                          (first + served("one", owner=f"{TENANT}/"), ('"one"', "owner", "GUID")),
                          (section("cal", far.base + calendars) + served("cal"), ('"cal"', f"users/{ANN}/calendars", calendars)),
                          (section("all", far.base + calendars.replace(ANN, "{user}"), for_each=f"file:{home}/users") + served("all"),
                           ('"all"', f"users/{ANN}/calendars"))):
        (home / "t.conf").write_text(config)
        ended = tm("serve", "--follow", "--config", home / "t.conf", "--listen", "127.0.0.1:0", store=store, code=3)
        assert all(word in ended.stderr for word in words), ended.stderr


def test_gateway__a_name_that_nothing_follows_is_warned_of(far, gateway):
    one = gateway(section("mail", far.base + MAIL + "/delta") + served("mial"))
    assert 'warning: no section and nothing in the store follows a scope "mial"' in one.stderr()


# ---- rights -------------------------------------------------------------------------------------------------------


def test_gateway__who_may_read(far, gateway, tm, store):
    mail(far)
    far.feed(THINGS + "/delta").put("t1")
    config = (section("mail", far.base + MAIL + "/delta") + section("things", far.base + THINGS + "/delta")
              + served("mail", owner=ANN) + served("things"))
    one = gateway(config)
    app = one.app_token("Mail.Read")
    ready(one, MAIL + "/delta", app)

    def status(path, token):
        return one.get(path, token=token).status

    path, things = MAIL + "/delta", "/v1.0/scopes/things/delta"
    assert status(path, None) == 401
    assert status(path, one.token("ann@contoso.com", "Mail.Read")) == 200
    assert status(path, one.token("ann@contoso.com", "Calendars.Read")) == 403
    assert status(path, one.token("bob@contoso.com", "Mail.Read")) == 403
    assert status(path, one.app_token("Calendars.Read")) == 403
    assert status(path, one.mint("--app", guid(5), "--role", "Mail.Read", "--tenant", OTHER)) == 404
    for token in (app, one.token("ann@contoso.com", "Mail.Read")):
        refused = one.get(things, token=token)
        assert refused.status == 403 and "tidemark scope grant" in refused.json["error"]["message"]
    bob = one.token("bob@contoso.com", "Mail.Read")
    tm("follow", "now", "things", store=store)
    tm("scope", "grant", "things", "--to", guid(0xa99), "--to", "bob@contoso.com", store=store)
    wait_for(lambda: status(things, app) == status(things, bob) == 200)
    assert [json.loads(line) for line in tm("scope", "grant", "--json", store=store).stdout.splitlines()] == [
        {"scope": "things", "to": guid(0xa99)}, {"scope": "things", "to": BOB}]
    lines = tm("export", store=store).stdout
    assert '{"op":"grant","value":{"scope":"things","to":"' + BOB + '"}}' in lines
    tm("scope", "grant", "things", "--revoke", "bob@contoso.com", store=store)
    tm("scope", "grant", "things", "--revoke", "bob@contoso.com", store=store, code=6, error="no such grant")
    assert status(things, bob) == 403 and status(things, app) == 200
    tm("import", "-", store=store, input=lines)
    assert status(things, bob) == 200


def test_gateway__permissions_of_the_section_and_explain_access(far, gateway, tm, store, home):
    mail(far)
    one = gateway(section("mail", far.base + MAIL + "/delta") + served("mail", permissions="Post.Read Post.All"))
    good, bad = one.app_token("Post.All"), one.app_token("Mail.Read")
    ready(one, MAIL + "/delta", good)
    assert one.get(MAIL + "/delta", token=bad).status == 403

    def explained(token, code, path=MAIL + "/delta", method="GET"):
        return tm("explain-access", "--config", home / "t.conf", "--as", token, method, path, store=store, code=code).stdout

    assert "Post.Read or Post.All" in explained(good, 0) and "FAIL" in explained(bad, 4)
    assert "read-only" in explained(good, 4, method="DELETE", path=MAIL + "/m1")


def test_gateway__a_grant_that_is_taken_back_ends_a_stream(far, gateway, tm, store):
    far.feed(THINGS + "/delta").put("t1")
    one = gateway(section("things", far.base + THINGS + "/delta") + served("things"))
    app = one.app_token("Mail.Read")
    tm("follow", "now", "things", store=store)
    tm("scope", "grant", "things", "--to", guid(0xa99), store=store)
    ready(one, THINGS + "/delta", app)
    connection = one.connection()
    connection.request("GET", THINGS + "/delta", headers={"Authorization": f"Bearer {app}", "Accept": "text/event-stream"})
    stream = connection.getresponse()
    assert stream.readline().startswith(b"id: ") and b'"t1"' in stream.readline() and stream.readline() == b"\n"
    tm("scope", "grant", "things", "--revoke", guid(0xa99), store=store)
    assert stream.readline() == b"event: end\n" and b'"status":403' in stream.readline()
    connection.close()


def test_gateway__grants_go_with_the_name_and_end_with_the_scope(far, gateway, tm, store):
    far.feed(THINGS + "/delta").put("t1")
    tm("sync", far.base + THINGS + "/delta", "--scope", "things", store=store)
    tm("scope", "grant", "things", "--to", "app-one", store=store)
    tm("scope", "rename", "things", "others", store=store)
    assert tm("scope", "grant", "things", store=store).stdout == "" and tm("scope", "grant", store=store).stdout == "others  app-one\n"
    tm("scope", "forget", "others", store=store)
    assert tm("scope", "grant", store=store).stdout == ""
    tm("scope", "grant", "others", "--to", "app-one", store=store, code=6, error="`tidemark status` lists the scopes")
    assert tm("scope", "grant", store=store).stdout == ""
    tm("scope", "grant", "others", "--to", "a b", store=store, code=6)
    # However many there are, and however long.
    with sqlite3.connect(store[7:]) as db:
        to = "".join(f"{number:0128}\n" for number in range(400)).encode()
        db.executemany("INSERT INTO note(space, name, value) VALUES('scope-grant', ?, ?)",
                       ((f"s{number:04}".encode(), to) for number in range(1500)))
    assert len(tm("scope", "grant", "s1499", store=store).stdout.splitlines()) == 400


def test_gateway__no_bearer_passes_from_one_side_to_the_other(far, gateway, home):
    mail(far)
    secret = issued("the-bearer-of-the-source")
    (home / "bearer").write_text(secret)
    one = gateway(section("mail", far.base + MAIL + "/delta", bearer_file=home / "bearer") + served("mail"), "--log-level", "debug")
    app = one.app_token("Mail.Read")
    ready(one, MAIL + "/delta", app)
    replies = whole(one, MAIL + "/delta", app)[1] + [one.get(MAIL, token=app), one.get(MAIL + "/m1", token=app), one.request("DELETE", MAIL + "/m1", token=app)]
    assert not any(secret in f"{reply.body} {reply.headers}" for reply in replies)
    assert all(headers.get("Authorization") == f"Bearer {secret}" and app not in str(headers) for _, _, headers in far.requests)
    assert secret not in one.stderr() and app not in one.stderr()


# ---- calendars ----------------------------------------------------------------------------------------------------


@pytest.fixture
def chain(server, home, tm):
    """A source with Ann's calendars, and a gateway that follows and serves them."""
    source = server("--tls", "off", store=f"sqlite:{home}/source.db",
                    lines=LINES + [put(ANN, {"name": name}) for name in ("Work", "Home", "Birthdays")])
    (home / "bearer").write_text(source.app_token("Calendars.Read"))
    url = f"{source.base}/v1.0/users/{ANN}/calendars/delta"
    (home / "g.conf").write_text(section("cal", url, bearer_file=home / "bearer", every="1s") + served("cal"))
    return source, server("--follow", "--config", home / "g.conf", lines=LINES)


def test_gateway__calendars_are_read_as_from_their_source(chain, tm, store):
    source, one = chain
    path = f"/v1.0/users/{ANN}/calendars"
    there, here = source.app_token("Calendars.ReadWrite"), one.app_token("Calendars.Read")
    ready(one, path + "/delta", here)
    assert whole(one, path + "/delta", here)[0] == whole(source, path + "/delta", there)[0]
    names = sorted(item["name"] for item in whole(source, path, there)[0])
    assert [item["name"] for item in one.get(path + "?$orderby=name", token=here).json["value"]] == names
    assert one.get(path + "?$filter=name%20eq%20'Work'&$select=name", token=here).json["value"][0]["name"] == "Work"
    assert one.get(path + "/delta?$select=nothing", token=here).status == source.get(path + "/delta?$select=nothing", token=there).status == 400
    ann = one.token("ann@contoso.com", "Calendars.Read")
    for mine in ("/v1.0/me/calendars", "/v1.0/users/ann@contoso.com/calendars"):
        assert sorted(item["name"] for item in one.get(mine, token=ann).json["value"]) == names
        assert one.request("POST", mine, {"name": "x"}, token=ann).status == 405
    assert one.get("/v1.0/me/calendar", token=ann).status == 400
    bob = one.token("bob@contoso.com", "Calendars.ReadWrite")
    assert one.request("POST", path, {"name": "x"}, token=bob).status == one.request("POST", mine, {"name": "x"}, token=bob).status == 403
    assert one.request("POST", "/v1.0/me/calendars", {"name": "x"}, token=bob).status == 201      # a feed of the store's own
    link = whole(one, path + "/delta", here)[2]
    made = source.request("POST", path, {"name": "New"}, token=there).json["id"]
    wait_for(lambda: [item["name"] for item in one.get(link, token=here).json["value"]] == ["New"])
    source.request("DELETE", f"{path}/{made}", token=there)
    wait_for(lambda: one.get(link, token=here).json["value"] == [
        {"@odata.type": "#microsoft.graph.calendar", "id": made, "@removed": {"reason": "deleted"}}])


def test_gateway__a_follower_of_the_gateway_has_what_the_source_has(chain, tm, home):
    source, one = chain
    path = f"/v1.0/users/{ANN}/calendars/delta"
    ready(one, path, one.app_token("Calendars.Read"))
    (home / "second").write_text(one.app_token("Calendars.Read"))
    for _ in range(2):
        tm("sync", one.base + path, "--bearer-file", home / "second", "--ca", one.ca, store=f"sqlite:{home}/end.db")
        lines = [json.loads(line) for line in tm("export", "--feed", "scope/calendars", store=f"sqlite:{home}/end.db").stdout.splitlines()]
        items = {line["value"]["id"]: line["value"] for line in lines if line["op"] == "put"}
        there = source.app_token("Calendars.ReadWrite")
        assert items == {item["id"]: item for item in whole(source, path, there)[0]}
        link = whole(one, path, one.app_token("Calendars.Read"))[2]
        source.request("DELETE", f"/v1.0/users/{ANN}/calendars/{sorted(items)[-1]}", token=there)
        wait_for(lambda: one.get(link, token=one.app_token("Calendars.Read")).json["value"])


def test_gateway__recordings_and_their_content(server, home, tm, store):
    clip = bytes(range(256)) * 300
    (home / "clip.mp4").write_bytes(clip)
    lines = [{**put(ANN, {"id": id, "meetingId": "M", "createdDateTime": "2026-11-01T10:00:00Z"}, "recordings"), **more}
             for id, more in (("a/1", {"contentFile": "clip.mp4"}), ("b", {}))]
    (home / "lines.jsonl").write_text(to_lines(LINES + lines))
    tm("import", home / "lines.jsonl", store=f"sqlite:{home}/source.db")
    tm("policy", "allow", guid(0xa99), "--global", store=f"sqlite:{home}/source.db")
    source = server("--tls", "off", store=f"sqlite:{home}/source.db")
    (home / "bearer").write_text(source.app_token("OnlineMeetingRecording.Read.All"))
    path = f"/v1.0/users/{ANN}/onlineMeetings/getAllRecordings(meetingOrganizerUserId='{ANN}')"
    tm("sync", source.base + path + "/delta", "--scope", "rec", "--bearer-file", home / "bearer", "--content", home / "files", store=store)
    (home / "t.conf").write_text(served("rec", content=home / "files"))
    one = server("--config", home / "t.conf")
    app = one.app_token("OnlineMeetingRecording.Read.All")
    for base in (path, "/v1.0/scopes/rec"):
        items = whole(one, base + "/delta", app)[0]
        there = whole(source, path + "/delta", source.app_token("OnlineMeetingRecording.Read.All"))[0]
        links = {item["id"]: item.pop("recordingContentUrl") for item in items}
        assert items == [{name: value for name, value in item.items() if name != "recordingContentUrl"} for item in there]
        assert links == {"a/1": one.base + "/v1.0/scopes/rec/a%2F1/content", "b": one.base + "/v1.0/scopes/rec/b/content"}
        assert one.get(f"{base}/a%2F1?$select=recordingContentUrl", token=app).json["recordingContentUrl"] == links["a/1"]
        whole_clip = one.get(f"{base}/a%2F1/content", token=app)
        assert whole_clip.body == clip and whole_clip.headers["Content-Type"] == "video/mp4"
    part = one.get(links["a/1"], token=app, headers={"Range": "bytes=10-19", "If-Range": whole_clip.headers["ETag"]})
    assert part.status == 206 and part.body == clip[10:20]
    assert one.get(links["a/1"], token=app, headers={"If-None-Match": whole_clip.headers["ETag"]}).status == 304
    assert one.get(links["b"], token=app).json["error"]["code"] == "RecordingContentNotAvailable"
    assert one.get("/v1.0/scopes/rec/c/content", token=app).status == 404
    assert one.get(links["a/1"], token=one.app_token("Mail.Read")).status == 403
    assert one.request("PUT", links["a/1"], b"x", token=app).status == 405


def test_gateway__one_section_for_each_user_serves_all_its_scopes(far, gateway, home):
    (home / "users").write_text(f"{ANN}\n{BOB}\n{guid(3)}\n")
    for owner in (ANN, BOB):
        far.feed(f"/v1.0/users/{owner}/messages/delta").put(owner + "m")
    one = gateway(section("mail", far.base + "/v1.0/users/{user}/messages/delta", for_each=f"file:{home}/users") + served("mail"))
    app = one.app_token("Mail.Read")
    for owner in (ANN, BOB):
        for path in (f"/v1.0/users/{owner}/messages", f"/v1.0/scopes/mail:{owner}"):
            ready(one, path + "/delta", app)
            assert [item["id"] for item in one.get(path + "/delta", token=app).json["value"]] == [owner + "m"]
            assert one.get(f"{path}/{owner}m", token=app).status == 200
    # The scope's name has the user's id; a path may name the user in other ways.
    for path in ("users/ann@contoso.com/messages", "users/ANN@CONTOSO.COM/messages", f"Users/{ANN.upper()}/Messages", f"users('{ANN}')/messages"):
        path = f"/v1.0/{path}"
        page = one.get(path + "/delta", token=app)
        assert page.status == 200 and [item["id"] for item in page.json["value"]] == [ANN + "m"], (path, page.body)
        assert one.get(f"{path}/{ANN}m", token=app).status == 200
    # Who is not listed is unknown, and only who is listed may be awaited.
    ann, zero = one.token("ann@contoso.com", "Mail.Read"), guid(0).replace("4", "0").replace("8", "0")
    for path in ("users/nobody/messages", f"users/{guid(4)}/messages", f"users/{zero}/messages", "scopes/mail:nobody"):
        wait_for(lambda: one.get(f"/v1.0/{path}/delta", token=app).status != 503)
        assert one.get(f"/v1.0/{path}", token=app).status in (404, 503) and one.get(f"/v1.0/{path}/delta", token=ann).status == 403, path
    assert one.get(f"/v1.0/users/{guid(3)}/messages/delta", token=app).status == 503


def test_gateway__served_users_take_no_collection_of_a_user_and_the_longer_path_counts(far, gateway):
    people = far.feed("/v1.0/users/delta")
    for id in (ANN, BOB):
        people.put(id, displayName=id)
    mail(far, 3)
    sections = section("people", far.base + "/v1.0/users/delta") + section("mail", far.base + MAIL + "/delta")
    one = gateway(sections + served("people") + served("mail"), lines=[*LINES, put(ANN, {"name": "her own"})])
    token = one.token("ann@contoso.com", "Calendars.ReadWrite", "Mail.Read")
    app = one.app_token("User.Read.All")
    ready(one, "/v1.0/users/delta", app)
    ready(one, MAIL + "/delta", token)
    assert [item["name"] for item in one.get("/v1.0/me/calendars", token=token).json["value"]] == ["her own"]
    assert one.request("POST", "/v1.0/me/calendars", {"name": "new"}, token=token).status == 201
    assert one.get(f"/v1.0/users/{ANN}/calendars", token=app).status == 403
    assert len(one.get(MAIL, token=token).json["value"]) == 3


def test_gateway__a_scope_of_many_whose_section_has_another_url_is_not_read_by_the_new_rights(far, gateway, home):
    (home / "users").write_text(ANN + "\n")
    far.feed(f"/v1.0/users/{ANN}/messages/delta").put("secret", subject="mail")
    users = {"for_each": f"file:{home}/users"}
    one = gateway(section("s", far.base + "/v1.0/users/{user}/messages/delta", **users) + served("s"))
    ready(one, f"/v1.0/scopes/s:{ANN}/delta", one.app_token("Mail.Read"))
    one.stop()
    one = gateway(section("s", far.base + "/v1.0/users/{user}/calendars/delta", **users) + served("s"))
    for path in (f"/v1.0/scopes/s:{ANN}", f"/v1.0/users/{ANN}/calendars"):
        for call in ("", "/delta"):
            answer = one.get(path + call, token=one.app_token("Calendars.Read"))
            assert answer.status == 503 and b"secret" not in answer.body, answer.body
