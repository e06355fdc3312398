# SPDX-License-Identifier: Apache-2.0
"""Whose data a scope holds: URLs of /me mean other data for every credential."""
import base64
import json
import re
import sqlite3

import pytest

from conftest import ROOT, guid, issued
from misbehave import FarEnd, raw, status
from test_follow_misbehave import fill, view

TENANT, ANN, BOB = guid(0x7e0), guid(0xa), guid(0xb)
PEOPLE = ["ann", "bob"]


class Mailboxes(FarEnd):
    """Each bearer sees the items of its own person; far.people maps a bearer to the person."""

    def __init__(self, path="/v1.0/me/calendars/delta"):
        super().__init__(path)
        self.people = {}

    def page(self, request):
        whose = self.people.get((request.handler.headers["Authorization"] or "")[7:])
        page = super().page(request)
        page["value"] = [item for item in page["value"] if whose is None or item.get("owner") == whose or "@removed" in item]
        return page

    def model_of(self, person):
        return {id: item for id, item in self.model().items() if item["owner"] == person}


def jwt(oid=None, tid=TENANT, **more):
    claims = {"aud": "x", **({"oid": oid} if oid else {}), **({"tid": tid} if tid else {}), **more}
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in ({"alg": "none"}, claims)]
    return issued(".".join(parts + [base64.urlsafe_b64encode(repr(claims).encode()[::-1]).rstrip(b"=").decode()]))


@pytest.fixture
def far():
    far = Mailboxes()
    for number in range(4):
        far.put(f"item-{number}", name=f"name {number}", owner=PEOPLE[number % 2])
    yield far
    far.close()


def bearer(far, person, token=None):
    """The environment of a run with this person's token; opaque unless one is given."""
    token = token or issued(f"opaque-token-of-{person}")
    far.people[token] = person
    return {"TIDEMARK_BEARER": token}


def caller(far, **ids):
    """/me gives everybody's id."""
    def answer(request, _page):
        person = far.people[request.handler.headers["Authorization"][7:]]
        request.send(200, {"@odata.context": "x", "id": ids.get(person, {"ann": ANN, "bob": BOB}[person])})
    far.caller = answer


def scopes(tm, store):
    return {scope["scope"]: scope for scope in json.loads(tm("status", "--json", store=store).stdout)["scopes"]}


def owners(tm, store):
    return {name: scope["owner"] for name, scope in scopes(tm, store).items()}


def items(store, scope):
    with sqlite3.connect(f"file:{store[7:]}?mode=ro", uri=True) as db:
        return {id: json.loads(value) for id, value in db.execute("SELECT id, value FROM items WHERE scope = ?", (scope,))}


def whole(store):
    """Everything of the store's tables about what is followed."""
    with sqlite3.connect(f"file:{store[7:]}?mode=ro", uri=True) as db:
        names = [name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name LIKE 'follow_%'")]
        return {name: db.execute(f"SELECT * FROM {name}").fetchall() for name in names}


KINDS = {"jwt": lambda far, person: bearer(far, person, jwt({"ann": ANN, "bob": BOB}[person])),
         "opaque": bearer}


# ---- who the owner is --------------------------------------------------------------------------------------------

def test_owner__of_a_jwt_is_its_tid_and_oid_and_nobody_is_asked(tm, store, far):
    tm("sync", far.url, store=store, env=KINDS["jwt"](far, "ann"))
    assert owners(tm, store) == {"calendars": f"{TENANT}/{ANN}"} and not far.asked
    assert f"owner: {TENANT}/{ANN}" in tm("status", store=store).stdout
    with sqlite3.connect(f"file:{store[7:]}?mode=ro", uri=True) as db:
        assert db.execute("SELECT owner FROM scopes").fetchall() == [(f"{TENANT}/{ANN}",)]


def test_owner__of_an_opaque_token_is_asked_for_once_in_a_run(tm, store, far):
    caller(far)
    env = bearer(far, "ann")
    tm("sync", far.url, store=store, env=env)
    assert owners(tm, store) == {"calendars": ANN} and len(far.asked) == 1
    assert [path for path, _ in far.requests].count("/v1.0/me/calendars/delta") == 1
    tm("sync", far.url, store=store, env=env)
    assert len(far.asked) == 2, "the account of another process may be another one"


def test_owner__without_a_credential_nobody_is_asked(tm, store, far):
    tm("sync", far.url, store=store)
    assert owners(tm, store) == {"calendars": None} and not far.asked
    assert "owner: unknown" in tm("status", store=store).stdout


@pytest.mark.parametrize("answer", [status(403), raw(b"", 302, Location="http://127.0.0.1:1/"), raw(b'{"id":"opaque-token-of-ann"}'),
                                    raw(b" " * 100_000 + b'{"id":"x"}')])
def test_owner__that_is_not_told_is_unknown_and_the_run_goes_on(tm, store, far, answer):
    far.caller = answer
    done = tm("sync", far.url, store=store, env=bearer(far, "ann"))
    assert "whose data the credential opens is not known" in done.stderr and len(done.stderr) < 600
    assert items(store, "calendars") == far.model_of("ann") and owners(tm, store) == {"calendars": None}
    assert "owner: unknown" in tm("status", store=store).stdout
    caller(far)
    tm("sync", far.url, store=store, env=bearer(far, "ann"))
    assert owners(tm, store) == {"calendars": ANN}, "the first owner that is known is that of the scope"


def test_owner__is_a_matter_of_urls_of_me(tm, store):
    far = Mailboxes("/v1.0/users/me/calendars/delta")
    try:
        tm("sync", far.url, store=store, env=bearer(far, "ann"))
        assert owners(tm, store) == {"calendars": None} and not far.asked
        assert "owner:" not in tm("status", store=store).stdout
    finally:
        far.close()


def test_owner__a_throttled_me_is_waited_for_and_an_outage_of_it_ends_with_5(tm, store, far):
    answers = [status(429, Retry_After="1"), status(503)]

    def answer(request, page):
        if answers:
            return answers.pop(0)(request, page)
        request.send(200, {"id": ANN})
    far.caller = answer
    tm("sync", far.url, store=store, env=bearer(far, "ann"))
    assert owners(tm, store) == {"calendars": ANN} and not answers
    far.caller = status(503)
    seen = len(far.requests)
    tm("sync", far.url, "--max-wait", "1s", store=store, code=5, env=bearer(far, "ann"))
    assert len(far.requests) == seen, "nothing is asked of the feed before the owner is known"


# ---- another owner -----------------------------------------------------------------------------------------------

@pytest.mark.parametrize("kind", KINDS)
def test_owner__anothers_credential_ends_a_run_with_4_before_anything_changes(tm, store, far, kind):
    caller(far)
    tm("sync", far.url, "--scope", "anns", store=store, env=KINDS[kind](far, "ann"))
    before, seen = whole(store), len(far.requests)
    for command in (("sync",), ("changes",), ("verify",), ("verify", "--repair")):
        done = tm(*command, far.url, "--scope", "anns", store=store, code=4, env=KINDS[kind](far, "bob"))
        assert BOB in done.stderr and ANN in done.stderr, done.stderr
    assert whole(store) == before and len(far.requests) == seen
    tm("verify", far.url, store=store, env=KINDS[kind](far, "ann"))


def test_owner__each_new_token_of_a_run_is_looked_at(tm, store, far, home):
    """The command's account changes under a run: the second token is another person's."""
    ann, bob = jwt(ANN), jwt(BOB)
    far.people.update({ann: "ann", bob: "bob"})
    (home / "ann").write_text(ann)
    (home / "bob").write_text(bob)
    tm("sync", far.url, store=store, env=bearer(far, "ann", ann))
    before = items(store, "calendars")
    far.put("item-0", name="newer", owner="ann")
    far.do(status(401))
    seen = len(far.requests)
    command = f"if [ -e {home}/once ]; then cat {home}/bob; else touch {home}/once; cat {home}/ann; fi"
    done = tm("sync", far.url, "--bearer-command", command, store=store, code=4)
    assert BOB in done.stderr and items(store, "calendars") == before
    assert len(far.requests) == seen + 1, "nothing is asked with the other token"
    tm("sync", far.url, store=store, env=bearer(far, "ann", ann))
    assert items(store, "calendars") == far.model_of("ann")


def test_owner__the_same_person_by_a_jwt_and_by_an_opaque_token_has_one_scope(tm, store, far):
    caller(far)
    tm("sync", far.url, store=store, env=KINDS["opaque"](far, "ann"))
    tm("sync", far.url, store=store, env=KINDS["jwt"](far, "ann"))
    tm("sync", far.url, store=store, env=bearer(far, "ann", jwt(ANN.upper())))
    assert owners(tm, store) == {"calendars": ANN}
    tm("sync", far.url, store=store, env=bearer(far, "bob", jwt(BOB, tid=guid(1))))
    tm("sync", far.url, store=store, env=bearer(far, "bob", jwt(BOB, tid=guid(2))))
    assert len(owners(tm, store)) == 3, "an id counts within its tenant"


def test_owner__retry_asks_for_an_item_with_its_owners_credential_only(tm, store, far):
    far.put("big", text="x" * (3 << 20), owner="ann")
    tm("sync", far.url, store=store, code=8, env=KINDS["jwt"](far, "ann"))
    before, seen = whole(store), len(far.requests)
    for scope in ((), ("--scope", "calendars")):
        tm("retry", *scope, store=store, code=4, env=KINDS["jwt"](far, "bob"))
    assert whole(store) == before and len(far.requests) == seen
    far.elsewhere = {"/v1.0/me/calendars/big": lambda request, _page: request.send(200, {"id": "big", "owner": "ann"})}
    tm("retry", store=store, error="1 stored", env=KINDS["jwt"](far, "ann"))
    assert items(store, "calendars")["big"] == {"id": "big", "owner": "ann"} and list(owners(tm, store)) == ["calendars"]


# ---- two owners --------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("kind", KINDS)
def test_owner__two_peoples_me_stand_in_one_store(tm, store, far, kind):
    caller(far)
    ann, bob = KINDS[kind](far, "ann"), KINDS[kind](far, "bob")
    tm("sync", far.url, store=store, env=ann)
    done = tm("sync", far.url, store=store, env=bob)
    assert "followed for another owner" in done.stderr and "calendars-2" in done.stderr
    far.put("item-0", name="newer", owner="ann")
    far.put("item-1", name="newer", owner="bob")
    for env in (ann, bob):
        assert "another owner" not in tm("sync", far.url, store=store, env=env).stderr
    assert items(store, "calendars") == far.model_of("ann") and items(store, "calendars-2") == far.model_of("bob")
    assert len(set(owners(tm, store).values())) == 2


def test_owner__a_url_with_two_owners_needs_a_scope(tm, store, far):
    caller(far)
    ann, bob = bearer(far, "ann"), bearer(far, "bob")
    tm("sync", far.url, store=store, env=ann)
    tm("sync", far.url, "--scope", "bobs", store=store, env=bob)
    before, seen = whole(store), len(far.requests)
    for command, env in ((("changes",), bob), (("verify",), bob), (("doctor",), bob), (("sync",), {})):
        done = tm(*command, far.url, store=store, code=2, env=env)
        assert "calendars" in done.stderr and "bobs" in done.stderr and "--scope" in done.stderr
    assert whole(store) == before and len(far.requests) == seen
    lines = [json.loads(line) for line in tm("changes", far.url, "--scope", "bobs", store=store, env=bob).stdout.splitlines()]
    assert {line["id"] for line in lines} == set(far.model_of("bob")) and {line["scope"] for line in lines} == {"bobs"}
    tm("verify", far.url, "--scope", "bobs", store=store, env=bob)
    tm("verify", far.url, "--scope", "calendars", store=store, env=ann)
    tm("verify", far.url, "--scope", "none", store=store, env=ann, code=6, error="has not been followed")
    exported = tm("export", "--feed", "scope/bobs", store=store).stdout.splitlines()
    assert {json.loads(line)["value"]["id"] for line in exported} == set(far.model_of("bob"))


def test_owner__an_outage_of_me_with_two_owners_is_no_fault_of_usage(tm, store, far):
    caller(far)
    tm("sync", far.url, store=store, env=bearer(far, "ann"))
    tm("sync", far.url, store=store, env=bearer(far, "bob"))
    far.caller = status(503)
    tm("sync", far.url, store=store, env=bearer(far, "bob"), code=5)


def test_owner__a_scope_that_was_never_told_anything_is_nobodys(tm, store, far):
    far.do(*[status(403)] * 1)
    tm("sync", far.url, store=store, env=KINDS["jwt"](far, "bob"), code=4)
    assert owners(tm, store) == {}
    far.always(status(503))
    tm("sync", far.url, "--max-wait", "1s", store=store, env=KINDS["jwt"](far, "bob"), code=5)
    far.always(None)
    tm("sync", far.url, store=store, env=KINDS["jwt"](far, "ann"))
    assert owners(tm, store) == {"calendars": f"{TENANT}/{ANN}"} and items(store, "calendars") == far.model_of("ann")


def test_owner__of_a_scope_from_before_is_the_first_one(tm, store, far):
    fill(far)
    for item in far.items.values():
        item["owner"] = "ann"
    tm("sync", far.url, store=store)
    assert owners(tm, store) == {"calendars": None}
    tm("sync", far.url, store=store, env=KINDS["jwt"](far, "ann"))
    assert owners(tm, store) == {"calendars": f"{TENANT}/{ANN}"} and view(store) == far.model()
    before = whole(store)
    tm("sync", far.url, "--scope", "calendars", store=store, env=KINDS["jwt"](far, "bob"), code=4)
    assert whole(store) == before


def test_owner__of_a_scope_of_schema_7_is_the_first_one_and_another_persons_data_then_stand_beside_it(tm, store, far, home):
    text = (ROOT / "tests" / "corpus" / "stores" / "v7.sql").read_text()
    with sqlite3.connect(home / "t.db") as db:
        db.executescript(re.sub(r"http://127\.0\.0\.1:\d+", far.base, text))
    db.close()
    for person in PEOPLE:
        tm("sync", far.url, store=store, env=KINDS["jwt"](far, person))
    assert owners(tm, store) == {"calendars": f"{TENANT}/{ANN}", "calendars-2": f"{TENANT}/{BOB}"}
    assert scopes(tm, store)["calendars"]["prefer"] == 'IdType="ImmutableId"' and scopes(tm, store)["calendars"]["rounds"] == 3
