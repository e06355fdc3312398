# SPDX-License-Identifier: Apache-2.0
"""How a follower asks: preferences, further header fields, and URLs as people copy them."""
import base64
import json
import sqlite3

import pytest

from test_follow_misbehave import far, fill, sync, view     # noqa: F401 (far is a fixture)

IMMUTABLE = 'IdType="ImmutableId"'


def headers(far, name, since=0):
    return [headers.get(name) for _, headers in far.requests[since:]]


def test_asking__a_preference_given_once_goes_along_with_every_request_of_the_scope(tm, store, far):
    fill(far)
    sync(tm, far, store, "--prefer", IMMUTABLE, "--prefer", "outlook.timezone=\"UTC\"", "--page-size", 7)
    whole = f'{IMMUTABLE}, outlook.timezone="UTC", odata.maxpagesize='
    assert set(headers(far, "Prefer")) == {whole + "7"}
    seen = len(far.requests)
    sync(tm, far, store)
    tm("verify", far.url, store=store)
    tm("changes", far.url, store=store)
    assert len(far.requests) > seen + 3 and set(headers(far, "Prefer", seen)) == {whole + "200"}
    seen = len(far.requests)
    sync(tm, far, store, "--prefer", "a")
    sync(tm, far, store)
    assert set(headers(far, "Prefer", seen)) == {"a, odata.maxpagesize=200"}
    seen = len(far.requests)
    sync(tm, far, store, "--prefer", "")
    sync(tm, far, store)
    assert set(headers(far, "Prefer", seen)) == {"odata.maxpagesize=200"}


@pytest.mark.parametrize("value, words", [("a\nb", "no header field"), ("é", "no header field"), (" a", "no header field"),
                                          ("odata.maxpagesize=9", "--page-size"), ("MaxPageSize=9", "--page-size"),
                                          ("x" * 5000, "bytes")])
def test_asking__a_preference_that_is_none_is_refused(tm, store, far, value, words):
    sync(tm, far, store, "--prefer", value, code=2, error=words)
    assert not far.requests


def test_asking__a_header_field_goes_along_with_every_request_of_this_run(tm, store, far):
    fill(far)
    sync(tm, far, store, "--header", "ConsistencyLevel=eventual", "--header", "client-request-id=a=b c")
    assert len(far.requests) == 3 and set(headers(far, "ConsistencyLevel")) == {"eventual"}
    assert set(headers(far, "client-request-id")) == {"a=b c"}
    seen = len(far.requests)
    sync(tm, far, store)
    assert set(headers(far, "ConsistencyLevel", seen)) == {None}


@pytest.mark.parametrize("field", ["Authorization=x", "host=x", "COOKIE=x", "Prefer=x", "Content-Length=1", "Transfer-Encoding=chunked",
                                   "Connection=close", "Range=bytes=0-1", "a", "=x", "a=", "a b=x", "a:=x", "a=x\r\nHost: y", "a=é"])
def test_asking__a_header_field_that_is_ours_or_none_is_refused(tm, store, far, field):
    sync(tm, far, store, "--header", field, code=2, error="--header")
    assert not far.requests


def test_asking__a_url_is_encoded_as_people_copy_it(tm, store, far):
    fill(far)
    far.cursor = lambda query: (far.head, far.head, False)
    copied = f"  {far.url}?$filter=name eq 'Ann \"B\"' and x in {{é}}|y \n"
    sent = "?$filter=name%20eq%20'Ann%20%22B%22'%20and%20x%20in%20%7B%C3%A9%7D%7Cy"
    tm("sync", copied, store=store)
    assert far.requests[0][0] == far.path + sent
    with sqlite3.connect(f"file:{store[7:]}?mode=ro", uri=True) as db:
        assert db.execute("SELECT url FROM scopes").fetchall() == [(far.url + sent,)]
    for command in ("sync", "verify", "changes"):
        tm(command, copied, store=store)
    assert "it can be followed" in tm("doctor", copied, store=store, code=None).stdout


@pytest.mark.parametrize("odd, words", [("a\\b", "0x5C at position"), ("a\x01b", "0x01 at position"), ("a\nb", "0x0A at position")])
def test_asking__a_url_that_cannot_be_encoded_is_refused_by_the_byte(tm, store, far, odd, words):
    tm("sync", f"{far.url}?x={odd}", store=store, code=2, error=words)
    tm("sync", "https://exa mple.com/delta", store=store, code=2, error="0x20 at position 12")


# ---- claims that the remote demands of the token ---------------------------------------------------------------

CLAIMS = '{"access_token":{"nbf":{"essential":true,"value":"1600000000"}}}'
CHALLENGE = 'Bearer realm="", authorization_uri="x", error="insufficient_claims", claims="%s"'


def demanding(encoded):
    """Refuses every token but the one that was got with the claims."""
    def fault(request, page):
        if request.handler.headers["Authorization"] == "Bearer good":
            return page
        request.error(401, "InvalidAuthenticationToken", headers={"WWW-Authenticate": CHALLENGE % encoded})
        return None
    return fault


def test_asking__claims_that_are_demanded_reach_the_bearer_command(tm, store, far, home):
    fill(far)
    command = f"test \"$TIDEMARK_CLAIMS\" = '{CLAIMS}' && echo good || echo \"bad$TIDEMARK_CLAIMS\" | head -c 3"
    far.always(demanding(base64.b64encode(CLAIMS.encode()).decode()))
    sync(tm, far, store, "--bearer-command", command, env={"TIDEMARK_CLAIMS": "an-older-one"})
    assert view(store) == far.model()
    assert headers(far, "Authorization")[:2] == ["Bearer bad", "Bearer good"]


@pytest.mark.parametrize("claims", ["no json", "[1]", "{" + " " * 9000 + "}"])
def test_asking__claims_that_are_no_json_of_8_kib_reach_nobody(tm, store, far, claims):
    far.always(demanding(base64.b64encode(claims.encode()).decode()))
    sync(tm, far, store, "--bearer-command", 'echo "token$TIDEMARK_CLAIMS"', code=4, error="401")
    assert set(headers(far, "Authorization")) == {"Bearer token"}


# ---- what shows it ---------------------------------------------------------------------------------------------

def test_asking__status_shows_what_a_scope_keeps(tm, store, far):
    fill(far)
    sync(tm, far, store)
    scope = json.loads(tm("status", "--json", store=store).stdout)["scopes"][0]
    assert (scope["prefer"], scope["pageSize"], scope["rule"]) == ("", 200, "id")
    sync(tm, far, store, "--prefer", IMMUTABLE)
    with sqlite3.connect(store[7:]) as db:
        db.execute("UPDATE follow_scope SET page_size = 7, rule = 'id facet complete'")
    db.close()
    scope = json.loads(tm("status", "--json", store=store).stdout)["scopes"][0]
    assert (scope["prefer"], scope["pageSize"], scope["rule"]) == (IMMUTABLE, 7, "id facet complete")
    text = tm("status", store=store).stdout
    assert f"prefer: {IMMUTABLE}" in text and "page size: 7" in text and "rule: id facet complete" in text


def test_asking__doctor_asks_as_the_scope_does(tm, store, far):
    fill(far)
    sync(tm, far, store, "--prefer", IMMUTABLE)
    seen = len(far.requests)
    tm("doctor", far.url, "--header", "X-More=y", store=store, code=None)
    assert [path.partition("?")[2][:10] for path, _ in far.requests[seen:]] == ["", "$deltatoke"]
    assert set(headers(far, "Prefer", seen)) == {f"{IMMUTABLE}, odata.maxpagesize=1"}
    assert set(headers(far, "X-More", seen)) == {"y"}
