# SPDX-License-Identifier: Apache-2.0
"""A remote that repeats what it was sent, says "at once" for ever, or tells odd items; and secrets out of pipes."""
import contextlib
import json
import os
import signal
import ssl
import sqlite3
import subprocess
import time

import pytest

from conftest import base_env
from cred_kit import CLIENT, TENANT, Issuer, make_cert, openssl
from misbehave import FarEnd, gone, link_to, status, with_items
from test_follow_commands import wait_for

SECRET = "eyJ0eXAiOiJKV1QifQ.eyJzdWIiOiJhbm4ifQ.c2lnbmF0dXJlLW9mLWFubg"


@pytest.fixture
def far():
    far = FarEnd()
    for number in range(8):
        far.put(f"item-{number}", name=f"Item {number}")
    yield far
    far.close()


def sync(tm, far, store, *options, **wanted):
    return tm("sync", far.url, *options, store=store, env={"TIDEMARK_BEARER": SECRET}, **wanted)


def view(store):
    with sqlite3.connect(f"file:{store[7:]}?mode=ro", uri=True) as db:
        return {id: json.loads(value) for id, value in db.execute("SELECT id, value FROM items")}


def assert_untold(home, *texts, secret=SECRET):
    """Neither the secret nor a part of it that would help anybody, in what was said or in any file."""
    parts = {secret[at:at + 16] for at in range(len(secret) - 15)}
    for text in texts:
        assert not [part for part in parts if part in text], text
    for path in home.rglob("*"):
        if path.is_file():
            held = path.read_bytes()
            assert not [part for part in parts if part.encode() in held], path


# ---- what was sent comes back --------------------------------------------------------------------------------

def echo(request, _page):
    request.error(401, "InvalidAuthenticationToken", "you sent " + request.handler.headers["Authorization"])


ECHOES = {
    "in_a_401": (echo, 4),
    "in_the_code_of_a_404": (status(404, SECRET, "no"), 6),
    "cut_off_in_a_403": (status(403, "ErrorAccessDenied", "x" * 150 + SECRET), 4),
    "a_piece_of_it_in_a_400": (status(400, "BadRequest", "token " + SECRET[:40] + "..."), 6),
    "in_a_503_that_passes": (status(503, "Busy", SECRET), 5),
}


@pytest.mark.parametrize("case", ECHOES)
def test_hostile__a_bearer_that_comes_back_is_told_to_nobody(tm, store, far, home, case):
    fault, code = ECHOES[case]
    sync(tm, far, store)
    far.always(fault)
    done = sync(tm, far, store, "--json", "--max-wait", "1s", code=code)
    assert "*" * 16 in done.stderr
    reported = tm("status", "--json", store=store).stdout
    assert json.loads(reported)["scopes"][0]["fault"] != ""
    assert_untold(home, done.stdout, done.stderr, reported, tm("status", store=store).stdout,
                  tm("doctor", far.url, store=store, env={"TIDEMARK_BEARER": SECRET}, code=10).stdout)


@pytest.mark.parametrize("form", ["plain", "escaped", "last_page"])
def test_hostile__a_link_with_the_bearer_is_neither_kept_nor_followed(tm, store, far, home, form):
    token = SECRET.replace("e", "%65") if form == "escaped" else SECRET
    fault = link_to(f"{far.url}?$skiptoken={token}")
    far.do(*[None, None, fault] if form == "last_page" else [None, fault])
    done = sync(tm, far, store, code=6, error="holds the credential; it is neither kept nor followed")
    assert len(far.requests) == (3 if form == "last_page" else 2)
    assert_untold(home, done.stderr, tm("status", "--json", store=store).stdout)
    assert not [path for path in home.rglob("*") if path.is_file() and token.encode() in path.read_bytes()]
    sync(tm, far, store)
    assert view(store) == far.model()


def test_hostile__a_location_with_the_bearer_is_not_followed(tm, store, far, home):
    sync(tm, far, store)
    far.do(gone(location=f"{far.url}?t={SECRET}"))
    asked = len(far.requests)
    done = sync(tm, far, store)
    assert [path for path, _ in far.requests[asked + 1:asked + 2]] == [far.path], "the scope's own URL takes its place"
    assert_untold(home, done.stderr, tm("status", store=store).stdout)


def test_hostile__an_item_with_the_bearer_is_a_dead_letter_without_its_text(tm, store, far, home):
    far.do(None, with_items({"id": "echo", "headers": f"Authorization: Bearer {SECRET}"}))
    sync(tm, far, store, code=8)
    assert view(store) == far.model()
    reported = tm("status", "--json", store=store).stdout
    assert [letter["reason"] for letter in json.loads(reported)["deadLetters"]] == [
        "it holds the credential it was asked for with; its text is not kept"]
    assert_untold(home, reported)


# ---- waiting ------------------------------------------------------------------------------------------------

AT_ONCE = {"zero": "0", "a_past_date": "Sun, 06 Nov 1994 08:49:37 GMT", "a_millisecond": "0.001"}


def test_hostile__each_item_with_the_bearer_is_a_letter_of_its_own(tm, store, far, home):
    echoes = [{"id": "plain", "name": SECRET}, {"id": "part-" + SECRET[:20], "name": SECRET}, {"id": SECRET},
              {"id": "\ud800", "name": SECRET}]
    far.do(with_items(*echoes[:2]), with_items(*echoes[2:]))
    assert "4 items could not be stored" in sync(tm, far, store, code=8).stderr
    letters = json.loads(tm("status", "--json", store=store).stdout)["deadLetters"]
    assert sorted(letter["raw"] for letter in letters) == sorted(
        ['"plain"', '"part-' + "*" * 20 + '"', '"item 1 of page 2"', '"item 2 of page 2"'])
    tm("retry", store=store, code=8)
    assert view(store) == far.model()
    assert_untold(home, tm("status", "--json", store=store).stdout)



@pytest.mark.parametrize("case", AT_ONCE)
def test_hostile__throttling_that_says_at_once_is_not_asked_in_a_hot_loop(tm, store, far, case):
    far.always(status(429, "TooManyRequests", Retry_After=AT_ONCE[case]))
    begun = time.monotonic()
    sync(tm, far, store, "--max-wait", "3s", code=5, error="--max-wait")
    assert len(far.requests) <= 6 and time.monotonic() - begun < 60


@pytest.mark.parametrize("wish, words", [("86400", "asks to stay away for 86400.0 s"),
                                         ("99999999999999999999", "asks to stay away for longer than 1000000000 s")])
def test_hostile__a_wait_that_is_too_long_is_told_as_it_was_asked_for(tm, store, far, wish, words):
    far.always(status(429, "TooManyRequests", Retry_After=wish))
    sync(tm, far, store, "--max-wait", "1h", code=5, error=words)
    assert len(far.requests) == 1


def test_hostile__time_in_which_the_remote_keeps_us_counts(tm, store, far):
    def slow(request, _page):
        time.sleep(1.5)
        request.error(503, "Busy")
    far.always(slow)
    sync(tm, far, store, "--max-wait", "2s", code=5, error="--max-wait")
    assert 1 <= len(far.requests) <= 2


# ---- odd items ----------------------------------------------------------------------------------------------

def with_raw(item):
    """A page that has this text as its first item."""
    def fault(request, page):
        text = json.dumps(page).encode()
        request.send(200, text.replace(b'"value": [', b'"value": [' + item + b", ", 1))
    return fault


ODD = {
    "a_doubled_name": (rb'{"id": "odd", "name": 1, "name": 2}', "doubled"),
    "a_doubled_id": (rb'{"id": "odd", "id": "item-1"}', "doubled"),
    "nested_60_deep": (b'{"id": "odd", "x": ' + b"[" * 60 + b"]" * 60 + b"}", "deep"),
    "members_without_end": (b'{"id": "odd"' + b"".join(b', "m%d": 1' % n for n in range(1100)) + b"}", "too many members"),
    "a_text_with_a_nul": (rb'"\u0000"', "not an object"),
    "a_nul_in_the_id": (rb'{"id": "o\u0000dd"}', "its id holds \\u0000"),
    "half_a_pair_in_the_id": (rb'{"id": "\ud800"}', "its id is not a string"),
}


@pytest.mark.parametrize("case", ODD)
def test_hostile__an_odd_item_is_a_dead_letter_and_the_others_go_on(tm, store, far, case):
    item, reason = ODD[case]
    far.do(None, with_raw(item))
    sync(tm, far, store, code=8, error="1 items could not be stored")
    assert view(store) == far.model()
    letters = json.loads(tm("status", "--json", store=store).stdout)["deadLetters"]
    assert [letter["raw"].encode() for letter in letters] == [item]
    assert reason in letters[0]["reason"]
    tm("retry", store=store, code=8)
    assert reason in json.loads(tm("status", "--json", store=store).stdout)["deadLetters"][0]["reason"]
    tm("retry", "--forget", store=store)
    sync(tm, far, store)
    assert view(store) == far.model()


KEPT = {
    "a_nul": rb'{"id": "odd", "name": "x\u0000y"}',
    "a_nul_in_a_name": rb'{"id": "odd", "x\u0000": 1}',
    "half_a_pair": rb'{"id": "odd", "name": "\ud800"}',
    "the_other_half": rb'{"id": "odd", "name": "\udc00 x"}',
}


@pytest.mark.parametrize("case", KEPT)
def test_hostile__a_string_that_stands_for_no_text_is_kept_as_it_is(tm, store, far, case):
    far.do(None, with_raw(KEPT[case]))
    sync(tm, far, store)
    with sqlite3.connect(f"file:{store[7:]}?mode=ro", uri=True) as db:
        assert db.execute("SELECT value FROM items WHERE id = 'odd'").fetchall() == [(KEPT[case].decode(),)]


@pytest.mark.parametrize("item", [rb'{"id": "odd", "name": "\x"}', rb'{"id": "odd", "name": "\u12"}', b'{"id": "odd"]', b'{"id": nul}',
                                  b'{"id": "a\x01"}', b'{"id": "odd", "x": ' + b"[" * 300 + b"]" * 300 + b"}"])
def test_hostile__a_page_that_is_no_json_is_refused_whole(tm, store, far, item):
    far.always(with_raw(item))
    sync(tm, far, store, "--max-wait", "0s", code=5, error="no page of a delta round")
    far.always(None)
    sync(tm, far, store)
    assert view(store) == far.model()


# ---- secrets out of pipes ------------------------------------------------------------------------------------

def start(tm, store, home, *args, env=None):
    return subprocess.Popen(tm.command(args, store), env={**base_env(home), **(env or {})}, cwd=home, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_hostile__a_bearer_comes_out_of_a_pipe_that_is_written_late_and_in_pieces(tm, store, far, home):
    os.mkfifo(home / "pipe")
    run = start(tm, store, home, "sync", far.url, "--bearer-file", home / "pipe")
    time.sleep(0.3)
    with open(home / "pipe", "w") as pipe:
        for piece in ("token-", "one-", "two\n"):
            pipe.write(piece)
            pipe.flush()
            time.sleep(0.15)
    assert run.wait(60) == 0, run.stderr.read()
    assert far.requests[0][1]["Authorization"] == "Bearer token-one-two"
    run.communicate()


def test_hostile__a_certificate_comes_out_of_a_pipe(tm, store, far, home):
    pem = make_cert(home).read_text()
    os.mkfifo(home / "pipe")
    issuer = Issuer()
    issuer.usual = (200, {"token_type": "Bearer", "expires_in": 3600, "access_token": "of-the-pipe"}, {})
    run = start(tm, store, home, "sync", far.url, "--client-credentials", env={
        "AZURE_AUTHORITY_HOST": issuer.base, "AZURE_TENANT_ID": TENANT, "AZURE_CLIENT_ID": CLIENT,
        "AZURE_CLIENT_CERTIFICATE_PATH": str(home / "pipe")})
    (home / "pipe").write_text(pem)
    assert run.wait(60) == 0, run.stderr.read()
    run.communicate()
    issuer.close()
    assert far.requests[0][1]["Authorization"] == "Bearer of-the-pipe"


@pytest.mark.parametrize("sign, code", [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
@pytest.mark.parametrize("what", ["bearer", "certificate", "command"])
def test_hostile__whoever_waits_for_a_secret_hears_signals(tm, store, far, home, what, sign, code):
    os.mkfifo(home / "pipe")
    option = {"bearer": ["--bearer-file", home / "pipe"], "certificate": ["--client-credentials"],
              "command": ["--bearer-command", f"exec 3< {home}/pipe; exec sleep 50"]}[what]
    run = start(tm, store, home, "sync", far.url, *option, env={
        "AZURE_TENANT_ID": TENANT, "AZURE_CLIENT_ID": CLIENT, "AZURE_CLIENT_CERTIFICATE_PATH": str(home / "pipe")})
    kept = []

    def is_open_for_reading():
        with contextlib.suppress(OSError):
            kept.append(os.open(home / "pipe", os.O_WRONLY | os.O_NONBLOCK))
        return kept
    wait_for(is_open_for_reading)
    begun = time.monotonic()
    run.send_signal(sign)
    _, reported = run.communicate(timeout=60)
    os.close(kept[0])
    assert run.returncode == code, reported
    assert time.monotonic() - begun < 40 and "stopped by a signal" in reported
    assert not far.requests


# ---- a token endpoint nobody vouches for --------------------------------------------------------------------

def test_hostile__an_unknown_authority_is_the_same_fault_at_the_token_endpoint(tm, store, far, home):
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", home / "tls.key", "-out", home / "tls.crt", "-days", 2,
            "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
    issuer = Issuer()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(home / "tls.crt", home / "tls.key")
    issuer.server.socket = context.wrap_socket(issuer.server.socket, server_side=True)
    issuer.usual = (200, {"token_type": "Bearer", "expires_in": 3600, "access_token": "over-tls-01"}, {})
    env = {"AZURE_AUTHORITY_HOST": issuer.base.replace("http:", "https:"), "AZURE_TENANT_ID": TENANT, "AZURE_CLIENT_ID": CLIENT,
           "AZURE_CLIENT_SECRET": "a-client-secret"}
    tm("sync", far.url, "--client-credentials", store=store, env=env, code=6, error="name their certificate with --ca FILE")
    assert not far.requests
    tm("sync", far.url, "--client-credentials", "--ca", home / "tls.crt", store=store, env=env)
    assert far.requests[0][1]["Authorization"] == "Bearer over-tls-01"
    issuer.close()
