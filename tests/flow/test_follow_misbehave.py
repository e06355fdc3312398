# SPDX-License-Identifier: Apache-2.0
"""A remote that misbehaves: each case ends equal to its model, or with the documented exit code and the old view untouched.

Whatever it answers, the listener on another port sees no request.
"""
import json
import sqlite3
import time

import pytest

import misbehave as m
from misbehave import FarEnd, Listener, changed, gone, link_to, raw, status, with_items


@pytest.fixture
def far():
    far = FarEnd()
    yield far
    far.close()


@pytest.fixture
def stranger():
    listener = Listener()
    yield listener
    listener.close()


def view(store, name="items"):
    with sqlite3.connect(f"file:{store[7:]}?mode=ro", uri=True) as db:
        return {id: json.loads(value) for id, value in db.execute(f"SELECT id, value FROM {name}")}


def fill(far, count=8):
    for number in range(count):
        far.put(f"item-{number}", name=f"Item {number}", color="auto")


def sync(tm, far, store, *options, **wanted):
    wait = () if "--max-wait" in options else ("--max-wait", "3s")
    return tm("sync", far.url, *wait, *options, store=store, **wanted)


# ---- what is put up with: the follower ends equal ------------------------------------------------------------

BEARABLE = {
    "empty_pages_in_the_middle": [m.empty_first, None, m.empty_first, m.empty_first],
    "an_empty_page_first": [m.empty_first],
    "an_item_twice_on_a_page": [with_items({"id": "item-0", "name": "old", "color": "auto"})],
    "an_item_again_on_a_later_page": [None, with_items({"id": "item-0", "name": "Item 0", "color": "auto"})],
    "a_removal_of_what_was_never_there": [with_items({"id": "never", "@removed": {"reason": "deleted"}})],
    "a_removal_after_a_telling_in_one_round": [with_items({"id": "ghost", "name": "g"}),
                                               with_items({"id": "ghost", "@removed": {"reason": "changed"}})],
    "unknown_members_and_annotations": [changed(lambda page: page.update({"@odata.count": 3, "x": {"y": [1]}}))],
    "a_next_link_that_is_not_the_pages": [m.another_next_link, m.slow(0.3), m.another_next_link, None, m.another_next_link],
    "a_null_beside_the_link": [changed(lambda page: page.setdefault("@odata.deltaLink", None))],
    "throttled_in_seconds": [status(429, "TooManyRequests", Retry_After="1")],
    "throttled_in_parts_of_a_second": [None, status(429, "ApplicationThrottled", Retry_After="0.128")],
    "throttled_until_a_date": [m.dated(1)],
    "throttled_without_saying_how_long": [status(429, "TooManyRequests")],
    "unavailable_for_a_while": [status(503, "ServiceUnavailable", Retry_After="0.2"), status(503, "ServiceUnavailable")],
    "a_gateway_that_gives_up": [None, status(504, "GatewayTimeout"), status(502, "UnknownError")],
    "an_error_that_is_html": [None, raw(b"<html>oops</html>", 500)],
    "a_connection_cut_in_the_page": [m.cut_after(40), None, m.cut_after(0), None, m.cut_after(1)],
    "a_page_in_gzip": [lambda request, page: m.gzipped(json.dumps(page).encode())(request, page)],
    "a_skip_token_that_dies": [None, None, gone()],
    "an_empty_answer": [raw(b""), None, raw(b"")],
    "an_error_under_200": [raw({"error": {"code": "UnknownError", "message": "?"}}), None],
    "a_web_page_for_a_while": [raw(b"<!DOCTYPE html><p>wait</p>"), None, raw(b"<html>")],
    "json_that_breaks_off": [lambda request, page: request.send(200, json.dumps(page).encode()[:-2])],
    "accepted_but_not_ready": [status(202, "Accepted"), None, raw(b"", 204)],
    "locked_for_a_moment": [status(423, "Locked")],
    "json_behind_a_byte_order_mark": [lambda request, page: request.send(200, b"\xef\xbb\xbf" + json.dumps(page).encode())],
    "links_that_are_relative": [m.relative("/"), m.relative("?"), m.relative("delta")],
    "a_page_many_times_larger_than_asked": [changed(lambda page: page["value"].extend(
        {"id": f"item-{n % 8}", "name": f"Item {n % 8}", "color": "auto"} for n in range(4000)))],
}


@pytest.mark.parametrize("case", BEARABLE)
def test_follow__a_first_round_bears(tm, store, far, stranger, case):
    fill(far)
    far.do(*BEARABLE[case])
    sync(tm, far, store)
    assert view(store) == far.model()
    assert not stranger.requests


@pytest.mark.parametrize("case", [case for case in BEARABLE if case not in ("a_removal_after_a_telling_in_one_round",)])
def test_follow__a_later_round_bears(tm, store, far, case):
    fill(far)
    sync(tm, far, store)
    for number in (0, 2, 5, 6):
        far.put(f"item-{number}", name=f"Item {number}", color="auto", news=number)
    far.remove("item-3", "changed")
    far.remove("item-4", "deleted")
    far.put("item-9", name="Item 9", color="auto")
    far.do(*BEARABLE[case])
    far.do(None, None)
    sync(tm, far, store)
    # What a replay has brought back to an old state is told again.
    for id in list(far.model()):
        far.put(id, **{name: value for name, value in far.items[id].items() if name != "id"})
    sync(tm, far, store)
    assert view(store) == far.model()


FORGOTTEN = {
    "410_SyncStateNotFound": gone(),
    "410_syncStateNotFound": gone("syncStateNotFound"),
    "410_SyncStateInvalid": gone("SyncStateInvalid"),
    "410_resyncRequired": gone("resyncRequired"),
    "410_ResyncRequired_with_location": "location",
    "410_with_a_relative_location": gone(location="/v1.0/me/calendars/delta"),
    "410_without_a_body": lambda request, page: request.send(410) if request.query else page,
    "400_syncStateNotFound": gone("syncStateNotFound", 400),
    "400_badly_formed_token": gone("ErrorInvalidUrlQuery", 400, message="Badly formed token."),
    "404_in_the_inner_error": lambda request, page: request.send(404, {"error": {
        "code": "x", "message": "", "innerError": {"code": "syncStateNotFound"}}}) if request.query else page,
}


@pytest.mark.parametrize("case", FORGOTTEN)
def test_follow__a_place_that_is_no_longer_known_is_found_again_without_zombies(tm, store, far, case):
    fill(far)
    sync(tm, far, store)
    far.put("item-1", name="new", color="auto")
    far.put("item-8", name="Item 8", color="auto")
    del far.items["item-5"], far.order["item-5"]           # gone, and its removal forgotten
    fault = FORGOTTEN[case]
    far.do(gone("ResyncRequired", location=far.url) if fault == "location" else fault)
    done = sync(tm, far, store, "--json")
    assert view(store) == far.model()
    tally = json.loads(done.stdout)
    assert (tally["created"], tally["updated"], tally["removed"], tally["swept"]) == (1, 1, 1, 1)
    assert "read again" in done.stderr


# ---- what is refused: the documented code, and the view as it was --------------------------------------------

def loop_of_one(request, page):
    return {"value": [], "@odata.nextLink": request.link("skip", "1-1-1-1")}


def loop_of_two():
    attempt = [0]

    def fault(request, page):
        attempt[0] ^= 1
        return {"value": page["value"], "@odata.nextLink": request.link("skip", f"1-1-1-{attempt[0]}")}
    return fault


def same_content(request, page):
    request.far.issued += 1
    return {"value": [{"id": "x"}], "@odata.nextLink": request.link("skip", f"0-9-1-{request.far.issued}")}


BROKEN = {
    "a_link_to_itself": (loop_of_one, 6, "fetched by"),
    "two_links_in_turn": (loop_of_two(), 6, "circle"),
    "the_same_page_under_new_links": (same_content, 6, "again and again"),
    "no_link": (m.no_links, 6, "neither"),
    "both_links": (m.both_links, 6, "both"),
    "a_link_that_is_a_number": (changed(lambda page: (page.pop("@odata.nextLink", 0), page.update({"@odata.deltaLink": 7}))), 6, "string"),
    "no_json": (raw(b"<html>hello</html>"), 5, "malformed"),
    "nothing_at_all": (raw(b""), 5, "empty"),
    "an_error_under_200": (raw(b'{"error":{"code":"UnknownError","message":"come again"}}'), 5, "UnknownError: come again"),
    "never_ready": (raw(b"", 202), 5, "202"),
    "always_locked": (status(423, "Locked"), 5, "423: Locked"),
    "json_cut_short": (lambda request, page: request.send(200, json.dumps(page).encode()[:-2]), 5, ""),
    "json_and_more": (lambda request, page: request.send(200, json.dumps(page).encode() + b"{}"), 5, "follows"),
    "a_doubled_member": (raw(b'{"value":[],"value":[],"@odata.deltaLink":"x"}'), 5, "doubled"),
    "a_value_that_is_no_array": (changed(lambda page: page.update(value={})), 6, "array"),
    "an_array_at_the_top": (raw(b"[]"), 5, "object"),
    "text_that_is_not_utf8": (raw(b'{"value":[{"id":"\xff"}],"@odata.deltaLink":"x"}'), 5, "UTF-8"),
    "nested_too_deeply": (raw(b'{"value":[' + b"[" * 300 + b"]" * 300 + b'],"@odata.deltaLink":"x"}'), 5, "deep"),
    "a_page_of_17_mib": (raw(b'{"value":[],"x":"' + b"y" * (17 << 20) + b'"}'), 6, "too large"),
    "a_gzip_bomb": (m.gzipped(b'{"x":"' + bytes(40 << 20)), 5, "too large"),
    "not_found": (status(404, "ErrorInvalidUser"), 6, "ErrorInvalidUser"),
    "not_served": (status(400, "BadRequest"), 6, "400"),
    "a_redirect_301": (status(301, Location="{stranger}"), 6, "redirect"),
    "a_redirect_302": (status(302, Location="{stranger}"), 6, "redirect"),
    "a_redirect_307": (status(307, Location="{stranger}"), 6, "redirect"),
    "a_redirect_308": (status(308, Location="{stranger}"), 6, "redirect"),
    "not_authenticated": (status(401, "InvalidAuthenticationToken"), 4, "401"),
    "not_allowed": (status(403, "ErrorAccessDenied"), 4, "403"),
    "throttled_for_longer_than_allowed": (status(429, Retry_After="3600"), 5, "max-wait"),
    "errors_that_never_end": (status(503), 5, "503"),
    "a_connection_that_is_always_cut": (m.cut_after(5), 5, ""),
    "forgetting_at_every_turn": (gone(), 5, "twice"),
}


def refused(tm, store, far, stranger, fault, code, words, *options):
    if hasattr(fault, "__closure__") and fault.__closure__:
        for cell in fault.__closure__:
            if isinstance(cell.cell_contents, dict):
                for name, value in cell.cell_contents.items():
                    cell.cell_contents[name] = str(value).replace("{stranger}", f"http://127.0.0.1:{stranger.port}/x")
    before = view(store)
    far.always(fault)
    sync(tm, far, store, *options, code=code, error=words)
    assert view(store) == before, "the view changed"
    assert not stranger.requests, "somebody else was asked"
    far.always(None)
    sync(tm, far, store, "--max-delete", "100%")
    assert view(store) == far.model()


@pytest.mark.parametrize("case", BROKEN)
def test_follow__a_later_round_is_refused_and_the_view_stays(tm, store, far, stranger, case, home):
    fill(far)
    sync(tm, far, store)
    for number in range(2, 8):
        far.put(f"item-{number}", name="newer", color="auto")
    (home / "token").write_text("secret-token\n")
    refused(tm, store, far, stranger, *BROKEN[case], "--bearer-file", home / "token", "--max-wait", "1s")


LINKS = {
    "another_port": "http://127.0.0.1:{port}/v1.0/me/calendars/delta?$skiptoken=1-1-1-1",
    "another_host": "http://localhost:{far}/v1.0/me/calendars/delta?$skiptoken=1-1-1-1",
    "https": "https://127.0.0.1:{far}/v1.0/me/calendars/delta?$skiptoken=1-1-1-1",
    "a_suffix": "http://127.0.0.1.evil.example:{far}/v1.0/me/calendars/delta",
    "user_information": "http://127.0.0.1:{far}@127.0.0.1:{port}/x",
    "a_user": "http://user@127.0.0.1:{far}/x",
    "a_backslash": "http://127.0.0.1:{port}\\@127.0.0.1:{far}/x",
    "no_scheme": "//127.0.0.1:{port}/x",
    "a_line_end": "http://127.0.0.1:{far}/x\r\nHost: 127.0.0.1:{port}",
    "a_blank": "http://127.0.0.1:{far}/x y",
    "a_homograph": "http://127.0.0.\u0661:{far}/x",
    "a_fragment": "http://127.0.0.1:{far}/x#y",
    "a_file": "file:///etc/passwd",
    "gopher": "gopher://127.0.0.1:{port}/x",
    "the_metadata_service": "http://169.254.169.254/latest/meta-data/",
    "a_tab_in_the_scheme": "ht\ttp://127.0.0.1:{port}/",
    "nothing": "",
    "33_kib": "http://127.0.0.1:{far}/" + "x" * (33 << 10),
}


@pytest.mark.parametrize("case", LINKS)
def test_follow__no_request_and_no_bearer_goes_to(tm, store, far, stranger, case, home):
    fill(far)
    sync(tm, far, store)
    for number in range(2, 8):
        far.put(f"item-{number}", name="newer", color="auto")
    (home / "token").write_text("secret-token")
    link = LINKS[case].replace("{port}", str(stranger.port)).replace("{far}", str(far.port))
    seen = len(far.requests)
    refused(tm, store, far, stranger, link_to(link), 6, "not followed", "--bearer-file", home / "token")
    assert all(path.startswith("/v1.0/me/calendars/delta") for path, _ in far.requests[seen:])


LOCATIONS = {
    "another_origin": lambda far, stranger: f"http://127.0.0.1:{stranger.port}/delta",
    "another_origin_without_a_scheme": lambda far, stranger: f"//127.0.0.1:{stranger.port}/delta",
    "what_is_not_there": lambda far, stranger: far.base + "/v1.0/elsewhere/delta",
    "what_always_fails": lambda far, stranger: far.base + "/broken",
    "a_web_page": lambda far, stranger: far.base + "/html",
    "a_redirect": lambda far, stranger: far.base + "/redirect",
    "the_dead_link_itself": lambda far, stranger: far.base + far.requests[-1][0],
}


@pytest.mark.parametrize("case", LOCATIONS)
def test_follow__a_location_that_leads_nowhere_is_replaced_by_the_scopes_own_url(tm, store, far, stranger, home, case):
    fill(far)
    sync(tm, far, store)
    far.put("item-1", name="new", color="auto")
    del far.items["item-5"], far.order["item-5"]
    (home / "token").write_text("secret-token")
    far.elsewhere = {"/broken": status(500), "/html": raw(b"<html>"), "/redirect": status(302, Location="/x")}
    far.do(lambda request, page: gone(location=LOCATIONS[case](far, stranger))(request, page))
    sync(tm, far, store, "--bearer-file", home / "token", "--max-wait", "20s")
    assert view(store) == far.model()
    assert not stranger.requests, "somebody else was asked"


# Any refusal of a saved link but those that speak of the caller or the moment: the link is dead, whatever the text.
DEAD = [(number, body) for number in (400, 402, 404, 405, 406, 409, 410, 412, 414, 415, 416, 418, 422, 451) for body in
        ({"error": {"code": "Whatever", "message": "No spelling of a lost place."}},)] + [(400, b""), (404, b"<html>")]


@pytest.mark.parametrize("number, body", DEAD)
def test_follow__a_refused_saved_link_is_dead_whatever_the_text(tm, store, far, number, body):
    fill(far)
    sync(tm, far, store)
    far.put("item-1", name="new", color="auto")
    del far.items["item-5"], far.order["item-5"]
    seen = len(far.requests)
    far.do(raw(body, number))
    sync(tm, far, store)
    assert view(store) == far.model()
    assert "delta" in far.requests[seen][0] and far.requests[seen + 1][0] == far.path


def test_follow__a_dead_page_restarts_the_round_from_its_own_link_and_only_then_from_the_beginning(tm, store, far):
    fill(far)
    sync(tm, far, store)
    for number in range(8):
        far.put(f"item-{number}", name="newer", color="auto")
    seen = len(far.requests)
    far.do(None, status(404, "Whatever"), None, status(400, "Directory_ExpiredPageToken"))
    sync(tm, far, store)
    assert view(store) == far.model()
    asked = ["delta" if "$deltatoken" in path else "skip" if "$skiptoken" in path else "url" for path, _ in far.requests[seen:]]
    assert asked[:5] == ["delta", "skip", "delta", "skip", "url"]


@pytest.mark.parametrize("number, code", [(401, 4), (403, 4), (408, 5), (423, 5), (425, 5), (429, 5), (503, 5)])
def test_follow__a_refusal_of_the_caller_or_the_moment_leaves_the_saved_link_alone(tm, store, far, number, code):
    fill(far)
    sync(tm, far, store)
    seen = len(far.requests)
    far.always(status(number, "Whatever"))
    sync(tm, far, store, code=code, error=str(number))
    assert all("$deltatoken" in path for path, _ in far.requests[seen:])


def test_follow__a_retry_after_date_counts_from_the_answers_own_date(tm, store, far):
    def dated(request, _page):
        date = lambda after: time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 7200 + after))
        request.error(429, "TooManyRequests", headers={"Date": date(0), "Retry-After": date(1)})
    fill(far)
    far.do(dated)
    sync(tm, far, store, "--max-wait", "20s")
    assert view(store) == far.model()


# ---- single rules ------------------------------------------------------------------------------------------

def test_follow__http_is_only_spoken_on_this_machine(tm, store):
    for url in ("http://graph.example.com/v1.0/me/calendars/delta", "http://127.evil.example/delta", "ftp://127.0.0.1/x"):
        tm("sync", url, store=store, code=2, error="the URL")


def test_follow__links_are_sent_as_they_came(tm, store, far):
    strange = "1-1-1-1-%2B+%2f==&$SkipToken=A%3d'(),;:@~_-.!*"
    fill(far, 2)
    far.do(lambda request, page: {"value": [], "@odata.nextLink": request.link("skip", strange)},
           lambda request, page: {"value": [], "@odata.deltaLink": request.link("delta", "0-0-0-" + strange)})
    sync(tm, far, store)
    sync(tm, far, store)
    assert far.requests[1][0] == f"{far.path}?$skiptoken={strange}"
    assert far.requests[2][0] == f"{far.path}?$deltatoken=0-0-0-{strange}"


def test_follow__prefer_and_bearer_stand_on_every_request(tm, store, far, home):
    fill(far, 20)
    (home / "token").write_text("tok.en-1\n")
    sync(tm, far, store, "--page-size", 7, "--bearer-file", home / "token")
    assert len(far.requests) == 7
    for _, headers in far.requests:
        assert headers["Prefer"] == "odata.maxpagesize=7"
        assert headers["Authorization"] == "Bearer tok.en-1"


def test_follow__the_page_shrinks_when_the_remote_cannot_cope(tm, store, far):
    fill(far, 20)

    def overloaded(request, page):
        if int(request.handler.headers["Prefer"].split("=")[1]) > 30:
            request.error(504, "GatewayTimeout")
            return None
        return page
    far.always(overloaded)
    tm("sync", far.url, "--page-size", 100, "--max-wait", "20s", store=store)
    assert view(store) == far.model()


def test_follow__items_that_cannot_be_stored_are_dead_letters_and_the_round_goes_on(tm, store, far):
    fill(far)
    far.do(with_items({"name": "no id"}, {"id": 7}, {"id": ""}, {"id": "x" * 1025}, "text", None, [1]))
    sync(tm, far, store, code=8, error="7 items could not be stored")
    assert view(store) == far.model()
    reported = json.loads(tm("status", "--json", store=store).stdout)
    assert reported["scopes"][0]["deadLetters"] == 7
    assert {letter["reason"] for letter in reported["deadLetters"]} >= {"it has no id", "its id is not a string"}
    far.put("item-1", name="later")
    sync(tm, far, store, code=8)
    assert view(store)["item-1"]["name"] == "later"


def test_follow__partial_updates_are_merged_in_the_order_told_unless_told_to_replace(tm, store, far):
    fill(far, 2)
    sync(tm, far, store)
    far.put("item-0", name="n", color="red", extra=None)
    far.do(changed(lambda page: page.update(value=[{"id": "item-0", "color": "blue", "extra": 1}, {"id": "item-0", "extra": None},
                                                   {"id": "item-0", "color": "red"}])))
    sync(tm, far, store)
    assert view(store)["item-0"] == {"id": "item-0", "name": "Item 0", "color": "red", "extra": None}
    far.put("item-0", color="green")
    sync(tm, far, store, "--replace")
    assert view(store)["item-0"] == {"id": "item-0", "color": "green"}


def test_follow__the_guard_stops_a_mass_delete_and_the_next_run_asks_anew(tm, store, far):
    fill(far, 40)
    sync(tm, far, store)
    whole = far.model()
    for number in range(10, 40):
        del far.items[f"item-{number}"], far.order[f"item-{number}"]
    far.do(gone())
    sync(tm, far, store, code=11, error="--max-delete 100%")
    assert view(store) == whole
    far.do(gone())
    sync(tm, far, store, "--max-delete", "74", code=11, error="30 of 40")
    far.do(gone())
    sync(tm, far, store, "--max-delete", "75%")
    assert view(store) == far.model()


def test_follow__removals_the_feed_tells_itself_are_not_guarded(tm, store, far):
    fill(far, 40)
    sync(tm, far, store)
    for number in range(40):
        far.remove(f"item-{number}")
    sync(tm, far, store)
    assert view(store) == {}


def test_follow__a_few_may_always_be_swept(tm, store, far):
    fill(far, 20)
    sync(tm, far, store)
    for number in range(19):
        del far.items[f"item-{number}"], far.order[f"item-{number}"]
    far.do(gone())
    sync(tm, far, store)
    assert view(store) == far.model()


def test_follow__the_credential_is_read_once_more_when_it_is_refused(tm, store, far, home):
    fill(far)
    (home / "count").write_text("0")
    command = "n=$(($(cat count) + 1)); echo $n > count; echo '{\"accessToken\": \"token-'$n'\"}'"

    def picky(request, page):
        if request.handler.headers["Authorization"] == "Bearer token-1":
            request.error(401, "InvalidAuthenticationToken")
            return None
        return page
    far.do(None)
    far.always(picky)
    sync(tm, far, store, "--bearer-command", command)
    assert view(store) == far.model()
    assert (home / "count").read_text().strip() == "2"


@pytest.mark.parametrize("text", ["", "two words", "a\nb", '{"token": "x"}', "{", "caf\u00e9"])
def test_follow__a_bearer_that_is_none_is_never_sent(tm, store, far, home, text):
    (home / "token").write_text(text, encoding="utf-8")
    sync(tm, far, store, "--bearer-file", home / "token", code=4, error="no credential")
    sync(tm, far, store, "--bearer-file", home / "missing", code=4, error="No such file")
    sync(tm, far, store, "--bearer-command", "exit 3", code=4, error="exit code 3")
    assert not far.requests


def test_follow__the_bearer_stands_in_no_message_and_no_file(tm, store, far, home):
    fill(far)
    secret = "very-secret-token-0123456789"
    far.do(None, None)
    far.always(status(403, "ErrorAccessDenied"))
    done = sync(tm, far, store, env={"TIDEMARK_BEARER": secret}, code=4)
    assert far.requests[0][1]["Authorization"] == f"Bearer {secret}"
    assert secret not in done.stderr + done.stdout
    for path in home.rglob("*"):
        assert not path.is_file() or secret.encode() not in path.read_bytes()


def test_follow__from_now_tells_only_what_comes_later(tm, store, far):
    fill(far)
    sync(tm, far, store, "--from-now")
    assert view(store) == {}
    far.put("item-1", name="later")
    far.remove("item-2")
    lines = [json.loads(line) for line in tm("changes", far.url, store=store).stdout.splitlines()]
    assert [(line["change"], line["id"]) for line in lines] == [("created", "item-1"), ("removed", "item-2")]


def test_follow__a_new_store_belongs_to_its_owner_alone(tm, store, far):
    import os
    fill(far)
    sync(tm, far, store)
    assert os.stat(store[7:]).st_mode & 0o777 == 0o600


# ---- repairing ---------------------------------------------------------------------------------------------

def spoil(far, store):
    """The feed never tells that item-5 is gone and item-6 is other: only a new listing shows it."""
    fill(far)
    sync(tm=spoil.tm, far=far, store=store)
    del far.items["item-5"], far.order["item-5"]
    far.items["item-6"]["name"] = "other"
    far.items["item-9"], far.order["item-9"] = {"id": "item-9", "name": "Item 9"}, 1


def changes(tm, store, since):
    return sorted((line["change"], line["id"]) for line in map(json.loads, tm(
        "changes", "--json", "--since", since, store=store).stdout.splitlines()))


DIFFERENCE = [("created", "item-9"), ("removed", "item-5"), ("updated", "item-6")]


def test_follow__resync_reads_everything_again_and_reports_what_differs(tm, store, far):
    spoil.tm = tm
    spoil(far, store)
    sync(tm, far, store)
    assert view(store) != far.model()
    head = json.loads(tm("status", "--json", store=store).stdout)["head"]
    seen = len(far.requests)
    reported = json.loads(sync(tm, far, store, "--resync", "--json").stdout)
    assert view(store) == far.model() and reported["swept"] == 1
    assert all("deltatoken" not in path for path, _ in far.requests[seen:])
    assert changes(tm, store, head) == DIFFERENCE
    seen = len(far.requests)
    sync(tm, far, store)
    assert len(far.requests) == seen + 1 and "deltatoken" in far.requests[seen][0]


def test_follow__resync_drops_a_round_under_way_and_goes_on_with_a_resync(tm, store, far):
    spoil.tm = tm
    spoil(far, store)
    for number in (0, 1, 2, 3):
        far.put(f"item-{number}", name="newer")
    far.do(None, status(503))
    sync(tm, far, store, "--max-wait", "0s", code=5)
    far.do(None, status(503))
    sync(tm, far, store, "--resync", "--max-wait", "0s", code=5)
    seen = len(far.requests)
    sync(tm, far, store, "--resync")
    assert view(store) == far.model() and far.requests[seen][0] != far.path, "the resync goes on where it was"


def test_follow__resync_is_guarded(tm, store, far):
    fill(far, 40)
    sync(tm, far, store)
    whole = far.model()
    for number in range(10, 40):
        del far.items[f"item-{number}"], far.order[f"item-{number}"]
    sync(tm, far, store, "--resync", code=11, error="--max-delete 100%")
    assert view(store) == whole
    tm("verify", far.url, "--repair", store=store, code=11, error="--max-delete 100%")
    tm("verify", far.url, "--repair", "--max-delete", "100%", store=store)
    assert view(store) == far.model()


def test_follow__verify_repairs_what_it_finds(tm, store, far):
    spoil.tm = tm
    spoil(far, store)
    tm("verify", far.url, store=store, code=10)
    head = json.loads(tm("status", "--json", store=store).stdout)["head"]
    done = tm("verify", far.url, "--repair", "--json", store=store, error="repaired: 1 created, 1 updated, 1 removed")
    assert len(done.stdout.splitlines()) == 3
    assert view(store) == far.model() and changes(tm, store, head) == DIFFERENCE
    seen = len(far.requests)
    tm("verify", far.url, "--repair", store=store, error="0 missing")
    assert len(far.requests) == seen + 3, "nothing differs: the list is read once"


@pytest.mark.parametrize("number, words", [(200, "still knows"), (410, "the next sync reads everything again"), (404, "reads everything"),
                                           (503, "503")])
def test_doctor__asks_for_the_saved_link(tm, store, far, number, words):
    fill(far)
    sync(tm, far, store)
    far.do(None, *([] if number == 200 else [status(number, "Gone")]))
    reported = [json.loads(line) for line in tm("doctor", far.url, "--json", store=store).stdout.splitlines()]
    link = [check for check in reported if check["check"] == "link"]
    assert len(link) == 1 and words in link[0]["text"] and link[0]["good"] and link[0]["warning"] == (number != 200)
