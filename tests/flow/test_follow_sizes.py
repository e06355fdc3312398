# SPDX-License-Identifier: Apache-2.0
"""Pages and items that are too large: fewer items are asked for, and an item that is too large alone is a dead letter."""
import json
import sqlite3

import pytest

from misbehave import FarEnd
from test_follow_misbehave import view

MIB = 1 << 20
SMALL = "x" * 10


class Sized(FarEnd):
    """Honours Prefer: odata.maxpagesize, in each request or, as many remotes do, only in the first one of a round."""

    def __init__(self, where="request", path="/v1.0/me/contacts/delta", link_first=False):
        super().__init__(path)
        self.where, self.link_first, self.sizes = where, link_first, []

    def page(self, request):
        asked = int(request.handler.headers["Prefer"].rsplit("=", 1)[1])
        self.sizes.append(asked)
        self.page_size = asked
        if self.where == "link" and "skiptoken" in request.query:
            self.page_size = int(request.query.rsplit("-", 1)[1])
        if self.where == "nowhere":
            self.page_size = 200
        page = super().page(request)
        for name in ("@odata.nextLink", "@odata.deltaLink"):
            if name in page:
                page[name] += f"-{self.page_size}"
        return {name: page[name] for name in sorted(page)} if self.link_first else page


@pytest.fixture
def sized():
    made = []

    def start(**options):
        made.append(Sized(**options))
        return made[-1]
    yield start
    for far in made:
        far.close()


def sync(tm, far, store, *options, **wanted):
    return tm("sync", far.url, "--max-wait", "20s", *options, store=store, **wanted)


def remembered(store):
    with sqlite3.connect(f"file:{store[7:]}?mode=ro", uri=True) as db:
        return db.execute("SELECT page_size FROM follow_scope").fetchone()[0]


def fill(far, count, text):
    for number in range(count):
        far.put(f"item-{number}", name=f"{number}", text=text)


@pytest.mark.parametrize("where", ["request", "link"])
def test_sizes__a_page_that_is_too_large_is_asked_for_again_with_fewer_items_and_the_scope_remembers(tm, store, sized, where):
    far = sized(where=where)
    fill(far, 30, "x" * MIB)
    sync(tm, far, store)
    assert view(store) == far.model()
    assert json.loads(tm("status", "--json", store=store).stdout)["scopes"][0]["deadLetters"] == 0
    size = remembered(store)
    assert 1 <= size <= 15
    far.sizes.clear()
    far.put("item-1", name="1", text="later")
    sync(tm, far, store)
    assert far.sizes == [size]
    sync(tm, far, store, "--page-size", 100)
    assert far.sizes[-1] == 100, "an explicit size wins"


@pytest.mark.slow
def test_sizes__the_size_that_sits_in_a_link_is_made_smaller_at_the_rounds_own_link(tm, store, sized):
    far = sized(where="link")
    fill(far, 40, SMALL)
    sync(tm, far, store)
    fill(far, 10, SMALL)
    for number in range(10, 40):
        far.put(f"item-{number}", name=f"{number}", text="x" * MIB)
    seen = len(far.requests)
    done = sync(tm, far, store, "--page-size", 20)
    assert view(store) == far.model() and "the round begins anew" in done.stderr
    first = [path for path, _ in far.requests[seen:] if "deltatoken" in path]
    assert len(first) == 2 and all(path == first[0] for path in first)


ODD = {"text": lambda: "x" * 17 * MIB, "nested": lambda: {"a": ["[\\\"]}" * 3 * MIB]}}


@pytest.mark.parametrize("rounds, link_first, odd", [(0, False, "text"), (1, True, "nested")])
def test_sizes__an_item_too_large_alone_is_a_dead_letter_and_the_round_goes_on(tm, store, sized, link_first, rounds, odd):
    far = sized(link_first=link_first)
    fill(far, 9, SMALL)
    if rounds:
        sync(tm, far, store)
        fill(far, 9, "later")
    far.put("odd", text=ODD[odd]())
    fill(far, 3, "last")
    sync(tm, far, store, "--page-size", 4, code=8)
    model = far.model()
    del model["odd"]
    assert view(store) == model
    letters = json.loads(tm("status", "--json", store=store).stdout)["deadLetters"]
    assert len(letters) == 1 and "larger than 16 MiB" in letters[0]["reason"] and '"id": "odd"' in letters[0]["raw"]
    assert far.sizes[-1] == 4, "behind the item the pages are as large as before"
    far.put("odd", text="small")
    far.put("item-1", name="1", text="newer")
    sync(tm, far, store)
    assert view(store) == far.model()
    assert json.loads(tm("status", "--json", store=store).stdout)["deadLetters"] == [], "a later report replaces it"


@pytest.mark.slow
def test_sizes__a_remote_that_heeds_no_size_is_named(tm, store, sized):
    far = sized(where="nowhere")
    fill(far, 30, "x" * MIB)
    sync(tm, far, store, code=6, error="heeds no smaller page size")


@pytest.mark.parametrize("path, size", [("/v1.0/me/mailFolders/inbox/messages/delta", 50), ("/v1.0/me/messages/delta", 50),
                                        ("/v1.0/users/delta", 200), ("/v1.0/me/contacts/delta", 200)])
def test_sizes__messages_start_at_50_and_everything_else_at_200(tm, store, sized, path, size):
    far = sized(path=path)
    sync(tm, far, store)
    assert far.sizes == [size]


# ---- retry: what the ledger does not hold is asked for -----------------------------------------------------------

@pytest.mark.parametrize("path, query, item", [
    ("/v1.0/users/u/contacts/delta", "?$select=id,text&$top=3", "/v1.0/users/u/contacts/a%2Fb%3D?$select=id,text"),
    ("/v1.0/users/u/drive/root/delta()", "", "/v1.0/users/u/drive/items/a%2Fb%3D"),
    ("/v1.0/users/u/calendarView/delta", "", "/v1.0/users/u/events/a%2Fb%3D")])
def test_retry__asks_for_an_item_that_the_ledger_does_not_hold_whole(tm, store, sized, path, query, item):
    far = sized(path=path)
    far.url += query
    fill(far, 3, SMALL)
    far.put("a/b=", text="x" * 3 * MIB)
    sync(tm, far, store, "--prefer", "a=b", code=8)
    asked = []

    def answer(request, _page):
        asked.append((request.handler.path, request.handler.headers["Prefer"], request.handler.headers["X-More"]))
        request.send(200, {"@odata.context": "x", "id": "a/b=", "text": "small now"})
    far.elsewhere = {item.partition("?")[0]: answer}
    tm("retry", "--header", "X-More=y", store=store, error="1 stored, 0 left")
    assert asked == [(item, "a=b", "y")]
    assert view(store)["a/b="] == {"id": "a/b=", "text": "small now"} and len(view(store)) == 4
    assert json.loads(tm("status", "--json", store=store).stdout)["deadLetters"] == []


def test_retry__of_an_item_that_was_skimmed_stores_no_part_of_it(tm, store, sized):
    far = sized(path="/v1.0/users/u/contacts/delta")
    far.put("odd", name="n", text="x" * 17 * MIB, more={"a": ["b"]})
    sync(tm, far, store, code=8)
    done = tm("retry", store=store, code=8, error="0 stored, 1 left")
    (letter,) = json.loads(tm("status", "--json", store=store).stdout)["deadLetters"]
    assert "404" in letter["reason"] and view(store) == {}, done.stderr
    far.elsewhere = {"/v1.0/users/u/contacts/odd": lambda request, _page: request.send(200, {"id": "other"})}
    tm("retry", store=store, code=8, error="1 left")
    far.elsewhere = {"/v1.0/users/u/contacts/odd": lambda request, _page: request.send(200, {"id": "odd", "name": "n"})}
    tm("retry", store=store, error="1 stored")
    assert view(store) == {"odd": {"id": "odd", "name": "n"}}


@pytest.mark.parametrize("path, words", [("/v1.0/users/u/onlineMeetings/getAllRecordings(x='y')/delta", "sync --resync` reads it"),
                                         ("/v1.0/users/u/drive/items/7/delta", "sync --resync` reads it"),
                                         ("/v1.0/planner/tasks/delta", "its feed lists nothing: it comes again when it changes")])
def test_retry__says_what_reads_an_item_without_a_url(tm, store, sized, path, words):
    far = sized(path=path)
    far.put("big", text="x" * 3 * MIB, **{"@odata.type": "#microsoft.graph.plannerTask"})
    sync(tm, far, store, code=8)
    seen = len(far.requests)
    tm("retry", store=store, code=8, error="1 left")
    (letter,) = json.loads(tm("status", "--json", store=store).stdout)["deadLetters"]
    assert words in letter["reason"] and ("--resync" in letter["reason"]) == ("--resync" in words) and len(far.requests) == seen


def test_retry__keeps_a_credential_to_the_one_scope_that_is_named(tm, store, sized):
    one, two = sized(path="/v1.0/users/u/contacts/delta"), sized(path="/v1.0/users/u/messages/delta")
    for far in (one, two):
        far.put("big", text="x" * 3 * MIB)
        sync(tm, far, store, code=8)
        far.elsewhere = {far.path.replace("delta", "big"): lambda request, _page: request.send(200, {"id": "big", "text": "s"})}
    seen = len(two.requests)
    env = {"TIDEMARK_BEARER": "the-token-of-one"}
    tm("retry", store=store, code=8, error="2 left", env=env)
    assert "--scope" in tm("status", store=store).stdout
    tm("retry", "--scope", "contacts", store=store, error="1 stored, 0 left", env=env)
    assert one.requests[-1][1]["Authorization"] == "Bearer the-token-of-one" and len(two.requests) == seen
