# SPDX-License-Identifier: Apache-2.0
"""A calendar delta feed from outside: the seed's own example, rounds, pages, links, and every way to be too late."""
import json
import pathlib
import random
import re
import string
import time

import pytest

from conftest import ROOT, guid, put, remove, user

ANN = guid(1)
BOB = guid(2)
SAMANTHA = "8b081ef6-4792-4def-b2c9-c363a1bf41d5"
BETA_ONLY = {"groupClassId", "isShared", "isSharedWithMe", "calendarGroupId"}


def ann():
    return user("ann@contoso.com", ANN, displayName="Ann")


def calendar(n, **more):
    return {"id": f"cal-{n:04d}", "name": f"Calendar {n}", **more}


def calendars(count, owner=ANN):
    return [put(owner, calendar(n)) for n in range(count)]


def walk(server, link, token, size=None):
    """Follows a round to its end: (pages, deltaLink)."""
    pages = []
    while True:
        reply = server.get(link, token, {"Prefer": f"odata.maxpagesize={size}"} if size else {})
        assert reply.status == 200, reply.body
        pages.append(reply.json)
        next_link, delta_link = reply.json.get("@odata.nextLink"), reply.json.get("@odata.deltaLink")
        assert (next_link is None) != (delta_link is None), "exactly one link on every page"
        if delta_link:
            return pages, delta_link
        assert next_link != link
        link = next_link


def items(pages):
    return [item for page in pages for item in page["value"]]


def ids(pages):
    return [item["id"] for item in items(pages)]


# ---- the seed ----------------------------------------------------------------------------------------


def test_the_seed_example_walks_with_the_seed_objects(server):
    lines = [json.loads(line) for line in (ROOT / "samples" / "seed.jsonl").read_text().splitlines()]
    one = server(lines=lines)
    token = one.token("samanthab@contoso.com")
    reply = one.get("/beta/me/calendars/delta", token)
    want = [line["value"] for line in lines if line.get("feed", "").endswith("/calendars")]
    assert reply.json["@odata.context"] == f"{one.base}/beta/$metadata#Collection(calendar)"
    assert list(reply.json) == ["@odata.context", "value", "@odata.deltaLink"]
    assert [list(item) for item in reply.json["value"]] == [list(value) for value in want]
    assert reply.json["value"] == want
    assert re.fullmatch(rf"{one.base}/beta/me/calendars/delta\?\$deltatoken=[A-Za-z0-9_-]+",
                        reply.json["@odata.deltaLink"])
    assert one.get(reply.json["@odata.deltaLink"], token).json["value"] == []


def test_v1_leaves_out_the_beta_only_properties(server):
    one = server(lines=[ann(), put(ANN, calendar(1, extra={"kept": [1, 2.50]}))])
    token = one.token("ann@contoso.com")
    beta = one.get("/beta/me/calendars/delta", token).json["value"][0]
    v1 = one.get("/v1.0/me/calendars/delta", token).json["value"][0]
    assert set(beta) - set(v1) == BETA_ONLY
    assert v1["extra"] == {"kept": [1, 2.5]} and beta["extra"] == v1["extra"]
    assert list(v1) == [name for name in beta if name not in BETA_ONLY]


# ---- rounds and pages ----------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 3, 7, 10, 11, 1000])
def test_pages_are_exact_and_the_deltalink_stands_with_the_last_item(server, size):
    one = server(lines=[ann(), *calendars(10)])
    pages, _ = walk(one, "/v1.0/me/calendars/delta", one.token("ann@contoso.com"), size)
    sizes = [len(page["value"]) for page in pages]
    assert sizes == [size] * (10 // size) + ([10 % size] if 10 % size else []) or (size > 10 and sizes == [10])
    assert ids(pages) == [f"cal-{n:04d}" for n in range(10)]


def test_the_page_size_is_echoed_and_clamped_and_nonsense_is_passed_over(server):
    one = server(lines=[ann(), *calendars(3)])
    token = one.token("ann@contoso.com")
    for wish, applied in [("odata.maxpagesize=2", "2"), ("maxpagesize=2", "2"), ("odata.maxpagesize=9999", "1000"),
                          ('odata.maxpagesize="2"', "2"), ("foo, odata.maxpagesize=2; bar", "2"),
                          ("odata.maxpagesize=0", None), ("odata.maxpagesize=-1", None), ("odata.maxpagesize=x", None),
                          ("odata.maxpagesize=99999999999999999999", "1000")]:
        reply = one.get("/v1.0/me/calendars/delta", token, {"Prefer": wish})
        want = f"odata.maxpagesize={applied}" if applied else None
        assert reply.headers.get("Preference-Applied") == want, wish
        assert len(reply.json["value"]) == (2 if applied == "2" else 3), wish


def test_what_changes_in_a_round_comes_in_the_next(server):
    one = server(lines=[ann(), *calendars(4)])
    token = one.token("ann@contoso.com")
    first = one.get("/v1.0/me/calendars/delta", token, {"Prefer": "odata.maxpagesize=2"})
    one.request("PATCH", "/v1.0/me/calendars/cal-0003", {"name": "later"}, token)
    one.request("POST", "/v1.0/me/calendars", {"name": "new"}, token)
    rest, delta = walk(one, first.json["@odata.nextLink"], token, 2)
    assert ids(rest) == ["cal-0002"]
    changes, _ = walk(one, delta, token)
    assert [item["name"] for item in items(changes)] == ["later", "new"]


def test_a_deletion_is_told_as_removed_and_not_in_a_first_round(server):
    one = server(lines=[ann(), *calendars(3)])
    token = one.token("ann@contoso.com")
    _, delta = walk(one, "/beta/me/calendars/delta", token)
    assert one.request("DELETE", "/beta/me/calendars/cal-0001", token=token).status == 204
    changes, _ = walk(one, delta, token)
    assert items(changes) == [{"@odata.type": "#microsoft.graph.calendar", "id": "cal-0001",
                               "@removed": {"reason": "deleted"}}]
    initial, _ = walk(one, "/beta/me/calendars/delta", token)
    assert ids(initial) == ["cal-0000", "cal-0002"]


def test_a_link_may_be_repeated_and_tokens_never_do(server):
    one = server(lines=[ann(), *calendars(3)])
    token = one.token("ann@contoso.com")
    pages, delta = walk(one, "/v1.0/me/calendars/delta", token, 1)
    again = [one.get(pages[0]["@odata.nextLink"], token, {"Prefer": "odata.maxpagesize=1"}).json for _ in range(3)]
    assert [page["value"] for page in again] == [pages[1]["value"]] * 3
    links = {delta} | {one.get(delta, token).json["@odata.deltaLink"] for _ in range(5)}
    assert len(links) == 6


def test_links_outlive_a_restart_and_a_key_older_than_it(server):
    one = server(lines=[ann(), *calendars(3)])
    token = one.token("ann@contoso.com")
    pages, delta = walk(one, "/v1.0/me/calendars/delta", token, 2)
    skip = pages[0]["@odata.nextLink"]
    path = {name: link[len(one.base):] for name, link in (("skip", skip), ("delta", delta))}
    one.stop()
    two = server()
    assert ids([two.get(path["skip"], token).json]) == ["cal-0002"]
    assert two.get(path["delta"], token).json["value"] == []


def test_select_is_kept_in_the_token(server):
    one = server(lines=[ann(), *calendars(3)])
    token = one.token("ann@contoso.com")
    pages, delta = walk(one, "/v1.0/me/calendars/delta?$select=name,color", token, 1)
    assert all(set(item) == {"@odata.type", "id", "name", "color"} for item in items(pages))
    one.request("PATCH", "/v1.0/me/calendars/cal-0001", {"name": "renamed"}, token)
    changes, _ = walk(one, delta, token)
    assert items(changes) == [{"@odata.type": "#microsoft.graph.calendar", "id": "cal-0001", "name": "renamed",
                               "color": "auto"}]


def test_a_mailbox_nobody_touched_gets_its_default_calendar(server):
    one = server(lines=[ann()])
    token = one.token("ann@contoso.com")
    [item] = items(walk(one, "/v1.0/me/calendars/delta", token)[0])
    assert item["name"] == "Calendar" and item["isDefaultCalendar"] is True and item["isRemovable"] is False
    assert one.get("/v1.0/me/calendar", token).json["id"] == item["id"]
    assert len(item["id"]) == 152 and item["id"].startswith("AAMk")


# ---- spellings -------------------------------------------------------------------------------------------

SPELLINGS = [
    "/beta/me/calendars/delta", "/beta/me/calendars/delta()", "/beta/me/calendars/microsoft.graph.delta",
    "/beta/me/calendars/microsoft.graph.delta()", "/beta/me/calendars/delta/", "/beta/me/calendars/delta/?",
    f"/beta/users/{ANN}/calendars/delta", f"/beta/users/{ANN.upper()}/calendars/delta",
    "/beta/users/ann@contoso.com/calendars/delta", "/beta/users/ANN@Contoso.com/calendars/delta",
    "/beta/users/ann%40contoso.com/calendars/delta", f"/beta/users('{ANN}')/calendars/delta",
    f"/beta/users(%27{ANN}%27)/calendars/delta", f"/beta/users({ANN})/calendars/delta",
    "/beta/users('ann@contoso.com')/calendars/delta()", "/BETA/Me/Calendars/Delta", "/beta/me/calendars/%64elta",
    "/beta/me/calendars/delta?", "/beta/me/calendars/delta?$deltatoken=", "/beta/me/calendars/delta?%24skiptoken=",
    "/beta/me/calendars/delta?$format=json", "/beta/me/calendars/delta?unknown=1",
]


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """One server for the tests that only read."""
    import conftest
    home = pathlib.Path(conftest.tempfile.mkdtemp(prefix="tm-"))
    runner = conftest.Runner(home)
    lines = [ann(), user("bob@contoso.com", BOB), *calendars(4), *calendars(2, BOB)]
    runner("import", "-", store=f"sqlite:{home}/t.db", input=conftest.to_lines(lines))
    one = conftest.Server(runner, f"sqlite:{home}/t.db")
    yield one
    one.stop()
    conftest.shutil.rmtree(home, ignore_errors=True)


@pytest.mark.parametrize("path", SPELLINGS)
def test_every_spelling_answers_alike(shared, path):
    reply = shared.get(path, shared.token("ann@contoso.com"))
    assert reply.status == 200, reply.body
    assert ids([reply.json]) == [f"cal-{n:04d}" for n in range(4)]


@pytest.mark.parametrize("option", ["$skiptoken", "$skipToken", "skipToken", "skiptoken", "%24skiptoken", "$deltatoken",
                                    "$deltaToken", "deltaToken", "%24deltatoken", "$SKIPTOKEN"])
def test_the_token_tells_its_kind_whatever_the_option_is_called(shared, option):
    token = shared.token("ann@contoso.com")
    link = shared.get("/beta/me/calendars/delta", token, {"Prefer": "odata.maxpagesize=3"}).json["@odata.nextLink"]
    text = link.split("=", 1)[1]
    reply = shared.get(f"/beta/me/calendars/delta?{option}={text}", token)
    assert ids([reply.json]) == ["cal-0003"] and "@odata.deltaLink" in reply.json


# ---- what is refused ---------------------------------------------------------------------------------------


def refused(reply, status, code):
    assert reply.status == status, reply.body
    error = reply.json["error"]
    assert error["code"] == code and error["message"]
    assert set(error["innerError"]) == {"date", "request-id", "client-request-id"}
    assert reply.headers["Content-Type"] == "application/json"
    assert reply.headers["request-id"] == error["innerError"]["request-id"]
    return error


@pytest.mark.parametrize("option", ["$top=5", "top=5", "%24top=5", "$TOP=5", "$skip=1", "$count=true", "$filter=name eq 'x'",
                                    "$orderby=name", "$search=x", "$expand=events", "filter=x", "$nonsense=1",
                                    "$select=name&$select=id", "$deltatoken=a&$skiptoken=b", "$deltatoken=a&deltaToken=b",
                                    "$select=nothing", "$select=name,%00"])
def test_options_that_are_not_served_are_refused(shared, option):
    option = option.replace(" ", "%20").replace("'", "%27")
    refused(shared.get(f"/beta/me/calendars/delta?{option}", shared.token("ann@contoso.com")), 400, "ErrorInvalidUrlQuery")


def test_top_is_refused_with_the_alternative_named(shared):
    error = refused(shared.get("/v1.0/me/calendars/delta?$top=5", shared.token("ann@contoso.com")), 400,
                    "ErrorInvalidUrlQuery")
    assert "$top" in error["message"] and "odata.maxpagesize" in error["message"]


@pytest.mark.parametrize("option", ["$select=name", "$format=json", "$top=1", "$filter=x"])
def test_no_option_stands_beside_a_token(shared, option):
    token = shared.token("ann@contoso.com")
    link = shared.get("/beta/me/calendars/delta", token).json["@odata.deltaLink"]
    refused(shared.get(f"{link}&{option}", token), 400, "ErrorInvalidUrlQuery")


def test_a_token_that_was_touched_is_refused(shared):
    token = shared.token("ann@contoso.com")
    link = shared.get("/beta/me/calendars/delta", token).json["@odata.deltaLink"]
    base, text = link.split("=", 1)
    rng = random.Random(4)
    broken = {text[:-1], text + "A", text + "=", text[1:], "x", "a" * 2000, text.swapcase(), "A" * len(text)}
    for _ in range(60):
        at = rng.randrange(8, len(text))
        broken.add(text[:at] + rng.choice(string.ascii_letters.replace(text[at], "")) + text[at + 1:])
    for other in broken - {text}:
        reply = shared.get(f"{base}={other}", token)
        assert reply.status in (400, 410), other
        if reply.status == 400:
            refused(reply, 400, "ErrorInvalidUrlQuery")
    refused(shared.get(f"{base}={text[:-2]}", token), 400, "ErrorInvalidUrlQuery")


def test_a_token_of_another_user_opens_nothing(shared):
    link = shared.get("/beta/me/calendars/delta", shared.token("ann@contoso.com")).json["@odata.deltaLink"]
    refused(shared.get(link, shared.token("bob@contoso.com")), 400, "ErrorInvalidUrlQuery")
    text = link.split("=", 1)[1]
    refused(shared.get(f"/beta/users/{BOB}/calendars/delta?$skiptoken={text}", shared.app_token()), 400,
            "ErrorInvalidUrlQuery")
    assert shared.get(f"/v1.0/users/{ANN}/calendars/delta?$skiptoken={text}", shared.app_token()).status == 200


def test_a_reader_behind_the_purge_is_sent_to_a_new_round(server):
    one = server(lines=[ann(), *calendars(3)])
    token = one.token("ann@contoso.com")
    _, old = walk(one, "/v1.0/me/calendars/delta", token)
    one.request("DELETE", "/v1.0/me/calendars/cal-0001", token=token)
    _, new = walk(one, old, token)
    time.sleep(1.1)
    one.runner("store", "gc", "--retention", "1s", store=one.store)
    reply = one.get(old, token)
    refused(reply, 410, "SyncStateNotFound")
    assert reply.headers["Location"] == f"{one.base}/v1.0/me/calendars/delta?$deltatoken="
    assert ids([one.get(reply.headers["Location"], token).json]) == ["cal-0000", "cal-0002"]
    assert one.get(new, token).json["value"] == []


def test_after_a_restore_a_reader_that_saw_more_is_sent_back_and_one_that_did_not_goes_on(server, tm, store, home):
    one = server(lines=[ann(), *calendars(3)])
    token = one.token("ann@contoso.com")
    _, careful = walk(one, "/v1.0/me/calendars/delta", token)
    tm("store", "backup", f"{home}/copy", store=store)
    one.request("POST", "/v1.0/me/calendars", {"name": "lost"}, token)
    _, eager = walk(one, careful, token)
    careful, eager = careful[len(one.base):], eager[len(one.base):]
    one.stop()
    tm("store", "restore", f"{home}/copy", store=store)
    two = server()
    refused(two.get(eager, token), 410, "SyncStateNotFound")
    two.request("POST", "/v1.0/me/calendars", {"name": "after"}, token)
    assert [item["name"] for item in two.get(careful, token).json["value"]] == ["after"]
    refused(two.get(eager, token), 410, "SyncStateNotFound")


# ---- who ---------------------------------------------------------------------------------------------------


def test_no_bearer_no_answer(shared):
    for path in ("/v1.0/me/calendars/delta", "/v1.0/me/calendars", "/v1.0/nothing", "/elsewhere"):
        reply = shared.get(path)
        refused(reply, 401, "InvalidAuthenticationToken")
        assert reply.headers["WWW-Authenticate"].startswith("Bearer ")
    for path in ("/", "/v1.0", "/beta/", "/v1.0/$metadata", "/beta/%24metadata"):
        assert shared.get(path).status == 200


def test_permissions(shared):
    ann_read = shared.token("ann@contoso.com", "Calendars.Read")
    for scope in ("Calendars.Read", "Calendars.ReadBasic", "Calendars.ReadWrite", "calendars.read", "Mail.Read Calendars.Read"):
        assert shared.get("/v1.0/me/calendars/delta", shared.token("ann@contoso.com", scope)).status == 200
    refused(shared.get("/v1.0/me/calendars/delta", shared.token("ann@contoso.com", "Mail.Read")), 403, "ErrorAccessDenied")
    refused(shared.request("POST", "/v1.0/me/calendars", {"name": "x"}, ann_read), 403, "ErrorAccessDenied")
    for other in (BOB, "bob@contoso.com", guid(99), "nobody@contoso.com"):
        refused(shared.get(f"/v1.0/users/{other}/calendars/delta", ann_read), 403, "ErrorAccessDenied")
    app = shared.app_token("Calendars.Read")
    refused(shared.get("/v1.0/me/calendars/delta", app), 400, "BadRequest")
    for other in (guid(99), "nobody@contoso.com"):
        refused(shared.get(f"/v1.0/users/{other}/calendars/delta", app), 404, "ErrorInvalidUser")
    refused(shared.get(f"/v1.0/users/{BOB}/calendars/delta", shared.app_token("Mail.Read")), 403, "ErrorAccessDenied")


def test_unknown_paths_and_methods(shared):
    token = shared.token("ann@contoso.com")
    for path in ("/v1.0/me/nothing", "/v2.0/me/calendars", "/v1.0/me/calendars/delta/more", "/v1.0/groups", "/v1.0/sites"):
        error = refused(shared.get(path, token), 400, "BadRequest")
        assert "Resource not found for the segment" in error["message"]
        assert ("begin with /v1.0 or /beta" in error["message"]) == path.startswith("/v2.0")
    reply = shared.request("PUT", "/v1.0/me/calendars/delta", {}, token)
    refused(reply, 405, "Request_BadRequest")
    assert reply.headers["Allow"] == "GET, HEAD"
    refused(shared.request("POST", "/v1.0/me/calendars/delta", {}, token), 405, "Request_BadRequest")


def test_fields_of_an_answer(shared):
    token = shared.token("ann@contoso.com")
    reply = shared.get("/v1.0/me/calendars/delta", token, {"client-request-id": "3f1c-me"})
    assert reply.headers["client-request-id"] == "3f1c-me"
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", reply.headers["request-id"])
    assert reply.headers["OData-Version"] == "4.0"
    assert reply.headers["Content-Type"] == ("application/json;odata.metadata=minimal;odata.streaming=true;"
                                             "IEEE754Compatible=false;charset=utf-8")
    assert "Strict-Transport-Security" not in reply.headers
    head = shared.request("HEAD", "/v1.0/me/calendars/delta", token=token)
    assert head.status == 200 and head.body == b"" and int(head.headers["Content-Length"]) > 100


def test_links_stand_on_the_public_url(server):
    one = server("--public-url", "https://graph.example.org", lines=[ann(), *calendars(2)])
    token = one.token("ann@contoso.com")
    page = one.get("/v1.0/me/calendars/delta", token, {"Prefer": "odata.maxpagesize=1"}).json
    assert page["@odata.nextLink"].startswith("https://graph.example.org/v1.0/me/calendars/delta?$skiptoken=")
    assert page["@odata.context"].startswith("https://graph.example.org/v1.0/$metadata")


def test_seed_link_style(server):
    one = server("--link-style", "seed", lines=[ann(), *calendars(2)])
    token = one.token("ann@contoso.com")
    pages, delta = walk(one, "/v1.0/me/calendars/delta", token, 1)
    assert "?skipToken=" in pages[0]["@odata.nextLink"] and "?skipToken=" in delta


def test_removals_by_import_are_reported(server):
    one = server(lines=[ann(), *calendars(3)])
    token = one.token("ann@contoso.com")
    _, delta = walk(one, "/v1.0/me/calendars/delta", token)
    one.runner("import", "-", store=one.store, input=json.dumps(remove(ANN, "cal-0000")) + "\n")
    assert items(walk(one, delta, token)[0])[0]["@removed"] == {"reason": "deleted"}
