# SPDX-License-Identifier: Apache-2.0
"""Tokens of external issuers: hundreds of wrong ones, how keys come in, and that nothing in a token makes us call anybody."""
import hashlib
import hmac
import http.client
import json
import os
import socket
import subprocess
import time

import pytest
from cryptography.hazmat.primitives import serialization

import jwt_kit
from conftest import guid, issued, put, user, usual
from jwt_kit import ALGS, Key, b64, token

TID, OTHER = guid(0x71), guid(0x72)
ANN_ID, PROGRAM = guid(1), guid(2)
OPS = [user("ann@contoso.com", ANN_ID, tenantId=TID), put(ANN_ID, {"name": "Work"})]
ISSUER = "https://login.example/{tid}/v2.0"
KEYS = {alg: Key(alg) for alg in ALGS}
STRANGERS = {alg: Key(alg, f"key-{alg}") for alg in ALGS}
PATH = f"/v1.0/users/{ANN_ID}/calendars"


def claims(**changes):
    now = int(time.time())
    usual = {"aud": "api://tidemark", "iss": ISSUER.replace("{tid}", TID), "iat": now, "nbf": now, "exp": now + 3600,
             "ver": "2.0", "azp": guid(5), "tid": TID, "oid": PROGRAM, "sub": "x", "roles": ["Calendars.Read"]}
    usual.update(changes)
    return {name: value for name, value in usual.items() if value is not ...}


def section(jwks, **more):
    keys = {"issuer": ISSUER, "audience": f"api://tidemark {guid(0xa)}", "tenant": "claim:tid", "jwks": jwks, **more}
    return '[issuer "out"]\n' + "".join(f"{name} = {value}\n" for name, value in keys.items() if value is not None)


class Asker:
    """Many requests over one connection."""

    def __init__(self, server):
        self.server, self.keep = server, server.connection()

    def status(self, bearer):
        try:
            self.keep.request("GET", PATH, headers={"Authorization": f"Bearer {bearer}"})
            reply = self.keep.getresponse()
            body = reply.read()
        except (ConnectionError, http.client.HTTPException):
            self.keep.close()
            return 0, 0
        if reply.headers.get("Connection") == "close":
            self.keep.close()
        return reply.status, len(body)


@pytest.fixture
def trusting(server, home):
    """A server that trusts the four keys, over plain HTTP for speed."""
    (home / "keys.json").write_text(json.dumps(jwt_kit.key_set(*KEYS.values())))
    (home / "t.conf").write_text(section(f"file:{home}/keys.json"))
    return server("--tls", "off", "--config", home / "t.conf", lines=OPS)


def check_all_refused(server, cases):
    """Each case is a name and a token; all must be answered alike."""
    asker, good, sizes = Asker(server), [], set()
    for name, bearer in cases:
        status, size = asker.status(bearer)
        assert status in (200, 401) or (status in (0, 400, 431) and "huge" in name or "flip" in name), (name, status)
        sizes.add(size if status == 401 else 0)
        if status == 200:
            good.append(name)
    assert not good
    return sizes - {0}


# ---- right ones ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("alg", ALGS)
@pytest.mark.parametrize("changes", [
    {},
    {"aud": guid(0xa)},
    {"aud": ["other", "api://tidemark"]},
    {"azp": ..., "appid": guid(5), "ver": "1.0", "idtyp": "app"},
    {"azp": ..., "appid": guid(5), "ver": "1.0", "roles": ..., "scp": "Calendars.Read User.Read", "oid": ANN_ID,
     "upn": "ann@contoso.com", "idtyp": "user"},
    {"roles": ..., "scp": "Calendars.ReadBasic", "oid": ANN_ID, "preferred_username": "ann@contoso.com"},
])
def test_a_right_token_is_taken(trusting, alg, changes):
    assert Asker(trusting).status(issued(token(KEYS[alg], claims(**changes))))[0] == 200


# ---- wrong ones: 4 algorithms, each row of the attack table ------------------------------------------------------


def header_cases(alg):
    key, payload = KEYS[alg], claims()
    usual = {"typ": "JWT", "alg": alg, "kid": key.kid}
    for name in ("none", "None", "nOnE", "NONE", "", None, 7, ["none"], alg.lower(), alg + " ", "HS256", "RS512", "ES384"):
        head = {**usual, "alg": name}
        yield f"alg {name}, signed", token(key, payload, head)
        yield f"alg {name}, unsigned", jwt_kit.message(head, payload) + "."
    head = {"typ": "JWT", "kid": key.kid}
    yield "no alg", token(key, payload, head)
    for other in ALGS:
        if other != alg:
            yield f"alg {other} over this key's kid", token(key, payload, {**usual, "alg": other})
            yield f"signed by {other}'s key", token(KEYS[other], payload, usual)
    if alg in ("RS256", "PS256"):
        swapped = "PS256" if alg == "RS256" else "RS256"
        yield "the other padding, said", token(key, payload, {**usual, "alg": swapped}, swapped)
        yield "the other padding, unsaid", token(key, payload, usual, swapped)
    for name, value in {"crit": ["exp"], "b64": False, "zip": "DEF", "jku": "https://evil.example/k",
                        "x5u": "https://evil.example/c", "jwk": key.jwk(), "x5c": ["AAAA"], "cty": "JWT", "nonce": "n",
                        "enc": "A128GCM", "p2c": 1000000, "epk": {}, "url": "x", "ppt": "shaken"}.items():
        yield f"header {name}", token(key, payload, {**usual, name: value})
    for kid in ("../../../dev/null", "/dev/null", "' OR 1=1 --", "key-\0", "", "x" * 129, "x" * 5000, None, 7, [key.kid],
                key.kid.upper(), key.kid + " ", "key-*", "|id", "http://127.0.0.1/"):
        yield f"kid {kid!r:.20}", token(key, payload, {**usual, "kid": kid})
    yield "no kid", token(key, payload, {"typ": "JWT", "alg": alg})
    for typ in ("JWE", "dpop+jwt", "id_token", "", None, 7):
        yield f"typ {typ}", token(key, payload, {**usual, "typ": typ})
    yield "doubled alg", token(key, payload, f'{{"alg":"none","alg":"{alg}","kid":"{key.kid}"}}'.encode())


def hmac_cases(alg):
    key, payload = KEYS[alg], claims()
    text = jwt_kit.message({"typ": "JWT", "alg": "HS256", "kid": key.kid}, payload)
    secrets = [key.public_bytes(serialization.Encoding.PEM), key.public_bytes(serialization.Encoding.DER),
               json.dumps(key.jwk()).encode(), key.jwk().get("n", key.jwk().get("x")).encode(), key.kid.encode(), b""]
    for number, secret in enumerate(secrets):
        yield f"HS256 with public bytes {number}", f"{text}.{b64(hmac.new(secret, text.encode(), hashlib.sha256).digest())}"


def signature_cases(alg):
    key, payload = KEYS[alg], claims()
    text, signature = token(key, payload).rsplit(".", 1)
    raw = key.sign(text.encode())
    yield "a stranger's key", token(STRANGERS[alg], payload)
    yield "none", text + "."
    yield "two parts", text
    yield "four parts", f"{text}.{signature}."
    yield "five parts", f"{text}.{signature}.{signature}.{signature}"
    for name, other in {"cut": raw[:-1], "longer": raw + b"\0", "zero": bytes(len(raw)), "ones": b"\xff" * len(raw),
                        "doubled": raw + raw, "one byte": b"\1", "turned": raw[::-1], "zero before": b"\0" + raw}.items():
        yield name, f"{text}.{b64(other)}"
    yield "padded", f"{text}.{signature}="
    yield "padded twice", f"{text}.{signature}=="
    yield "blank", f"{text}. {signature}"
    yield "standard alphabet", f"{text}.{signature[:-1]}+"
    yield "not base64", f"{text}.{signature[:-1]}!"
    yield "of another text", token(key, claims(oid=OTHER)).rsplit(".", 1)[0] + "." + signature
    yield "huge", f"{text}.{'A' * 9000}"
    if alg == "ES256":
        order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551
        r, s = raw[:32], raw[32:]
        yield "as DER", f"{text}.{b64(key.der_signature(text.encode()))}"
        yield "r of zero", f"{text}.{b64(bytes(32) + s)}"
        yield "s of zero", f"{text}.{b64(r + bytes(32))}"
        yield "s past the order", f"{text}.{b64(r + order.to_bytes(32, 'big'))}"
        yield "r past the order", f"{text}.{b64(order.to_bytes(32, 'big') + s)}"


WRONG = {
    "aud": [..., None, 7, True, {}, "", [], ["x"], ["api://tidemark", 7], "https://graph.microsoft.com", "API://tidemark",
            "api://tidemark/", "api://tidemark " + guid(0xa), "x" * 5000],
    "iss": [..., None, 7, [], "", ISSUER, ISSUER.replace("{tid}", OTHER), ISSUER.replace("{tid}", TID) + "/",
            f"https://sts.windows.net/{TID}/", "urn:tidemark:x", "x" * 5000],
    "tid": [..., None, 7, [TID], "", OTHER, "contoso.com", "{" + TID + "}", guid(0)[:-1], "x" * 5000],
    "oid": [..., None, 7, [PROGRAM], "", "ann@contoso.com", "00000000-0000-0000-0000-000000000000", "x" * 5000],
    "exp": [..., None, "9999999999", [], {}, True, 0, -1, 1e30, 99999999999999, 1.5],
    "nbf": [..., None, "0", [], {}, True, -1, 99999999999999],
    "iat": [None, "0", [], -1, 99999999999999],
    "roles": [..., None, 7, "Calendars.Read", {}, [7], [None], [[]], [""], ["a b"], ["a\n"], ["\u00e9"]],
    "scp": [None, 7, ["Calendars.Read"], {}, "a\tb", "\u00e9"],
    "azp": [7, None, [], "a b", "x" * 200],
    "appid": [7, None, [], "a\0b"],
    "idtyp": ["user", 7, None, [], "device"],
}


def claim_cases(alg):
    for name, values in WRONG.items():
        for value in values:
            yield f"{name} {value!r:.20}", token(KEYS[alg], claims(**{name: value}))
    now = int(time.time())
    yield "expired", token(KEYS[alg], claims(exp=now - 61, nbf=now - 3600))
    yield "not yet", token(KEYS[alg], claims(nbf=now + 70))
    yield "an ID token", token(KEYS[alg], claims(roles=..., nonce="n", name="Ann"))
    for text in (b"", b"null", b"[]", b"{", b'"x"', b'{"aud":1,"aud":2}', b"\xff", b"{}x"):
        yield f"payload {text!r}", token(KEYS[alg], text)


@pytest.mark.parametrize("alg", ALGS)
@pytest.mark.parametrize("cases", [header_cases, hmac_cases, signature_cases, claim_cases])
def test_a_wrong_token_is_refused(trusting, alg, cases):
    sizes = check_all_refused(trusting, cases(alg))
    assert len(sizes) <= 2, "all faults have one answer, but for a good token that has expired"


def test_there_are_at_least_four_hundred_wrong_tokens():
    assert sum(1 for alg in ALGS for cases in (header_cases, hmac_cases, signature_cases, claim_cases)
               for _ in cases(alg)) >= 400


@pytest.mark.parametrize("alg", ["PS256", "EdDSA"])
def test_every_flipped_bit_is_refused(trusting, alg):
    """RS256 and ES256 are flipped in the units, where bytes need not fit into a header."""
    good = issued(token(KEYS[alg], claims()))

    def flipped():
        for at in range(0, len(good), usual(5, 1, 1)):
            for bit in range(7):
                letter = chr(ord(good[at]) ^ 1 << bit)
                if " " < letter < "\x7f":
                    yield f"flip {at}:{bit}", good[:at] + letter + good[at + 1:]

    assert Asker(trusting).status(good)[0] == 200
    check_all_refused(trusting, flipped())


def test_a_token_never_makes_us_call_anybody(trusting):
    listener = socket.create_server(("127.0.0.1", 0))
    at = f"http://127.0.0.1:{listener.getsockname()[1]}/keys"
    asker = Asker(trusting)
    for name in ("jku", "x5u"):
        for kid in (KEYS["RS256"].kid, "unknown"):
            head = {"typ": "JWT", "alg": "RS256", "kid": kid, name: at}
            assert asker.status(token(KEYS["RS256"], claims(), head))[0] == 401
            assert asker.status(token(KEYS["RS256"], claims(iss=at), {**head, "kid": at}))[0] == 401
    listener.settimeout(1)
    with pytest.raises(TimeoutError):
        listener.accept()
    listener.close()


@pytest.mark.parametrize("alg", ["RS256", "PS256", "ES256"])
def test_tokens_by_the_jose_command_of_debian(server, home, alg):
    """An oracle: keys, sets and signatures of another implementation (it has no EdDSA)."""
    def jose(*args, input=None):
        return subprocess.run(["jose", *args], input=input, capture_output=True, text=True, check=True).stdout

    key = json.loads(jose("jwk", "gen", "-i", json.dumps({"alg": alg})))
    key["kid"] = "made-by-jose"
    (home / "key.json").write_text(json.dumps(key))
    public = json.loads(jose("jwk", "pub", "-i", str(home / "key.json")))
    (home / "keys.json").write_text(json.dumps({"keys": [public]}))
    (home / "t.conf").write_text(section(f"file:{home}/keys.json"))
    template = json.dumps({"protected": {"alg": alg, "typ": "JWT", "kid": "made-by-jose"}})
    signed = issued(jose("jws", "sig", "-I", "-", "-k", str(home / "key.json"), "-s", template, "-c", "-o", "-",
                         input=json.dumps(claims())).strip())
    s = server("--tls", "off", "--config", home / "t.conf", lines=OPS)
    assert Asker(s).status(signed)[0] == 200
    assert Asker(s).status(signed[:-3] + ("AAA" if signed[-3:] != "AAA" else "BBB"))[0] == 401


# ---- how keys come in -----------------------------------------------------------------------------------------------


def test_keys_that_nobody_writes_keep_no_server_from_starting_or_ending(server, home):
    """What is no file: a pipe without a writer."""
    os.mkfifo(home / "pipe")
    (home / "t.conf").write_text(section(f"file:{home}/pipe"))
    server("--config", home / "t.conf", lines=OPS).stop()


@pytest.fixture
def keys(home):
    one = jwt_kit.KeyServer(home)
    yield one
    one.stop()


def trusting_url(server, home, keys, **more):
    (home / "t.conf").write_text(section(**{"jwks": f"{keys.url}/keys", "jwks-ca": keys.ca, **more}))
    return server("--tls", "off", "--config", home / "t.conf", lines=OPS, env={"NO_PROXY": "127.0.0.1"})


def wait_for(what):
    end = time.monotonic() + 60
    while not what() and time.monotonic() < end:
        time.sleep(0.02)
    assert what()


def test_keys_are_fetched_before_the_server_says_it_listens(server, home, keys):
    keys.publish(KEYS["ES256"])
    s = trusting_url(server, home, keys)
    assert keys.paths == ["/keys"]
    assert Asker(s).status(issued(token(KEYS["ES256"], claims())))[0] == 200


@pytest.mark.slow
def test_ten_thousand_unknown_kids_cause_one_fetch(server, home, keys):
    keys.publish(KEYS["ES256"])
    s = trusting_url(server, home, keys)
    asker, text = Asker(s), b64(b"{}")
    for number in range(10000):
        head = b64(json.dumps({"alg": "ES256", "kid": f"unknown-{number}"}).encode())
        assert asker.status(f"{head}.{text}.AAAA")[0] == 401
    assert keys.paths == ["/keys", "/keys"]
    assert Asker(s).status(issued(token(KEYS["ES256"], claims())))[0] == 200


def test_a_new_key_is_found_by_the_first_token_that_names_it(server, home, keys):
    keys.publish(KEYS["ES256"])
    s = trusting_url(server, home, keys)
    old, new = issued(token(KEYS["ES256"], claims())), issued(token(KEYS["EdDSA"], claims()))
    assert (Asker(s).status(old)[0], Asker(s).status(new)[0]) == (200, 401)
    wait_for(lambda: len(keys.paths) == 2)
    keys.publish(KEYS["EdDSA"])
    s.stop()
    keys.paths.clear()
    keys.publish(KEYS["ES256"])
    s = trusting_url(server, home, keys)
    keys.publish(KEYS["EdDSA"])
    assert Asker(s).status(new)[0] == 401
    wait_for(lambda: Asker(s).status(new)[0] == 200)
    assert Asker(s).status(old)[0] == 401


def endless():
    for _ in range(1 << 14):
        yield b" " * (1 << 16)


@pytest.mark.parametrize("answer", [
    (302, {"Location": "/elsewhere"}, b""),
    (200, {}, endless),
    (200, {"Content-Length": str(1 << 30)}, b" " * 1000),
    (200, {}, b"<html>nobody here</html>"),
    (200, {}, b""),
    (200, {}, b'{"keys":[]}'),
    (404, {}, b"{}"),
    (500, {}, b"{}"),
])
def test_a_bad_answer_leaves_the_old_keys(server, home, keys, answer):
    keys.publish(KEYS["ES256"])
    s = trusting_url(server, home, keys)
    good = issued(token(KEYS["ES256"], claims()))
    keys.answer = answer
    assert Asker(s).status(token(STRANGERS["EdDSA"], claims()))[0] == 401
    wait_for(lambda: "keys of an issuer not renewed" in s.stderr())
    assert keys.paths == ["/keys", "/keys"]
    assert Asker(s).status(good)[0] == 200


def test_a_stranger_with_another_certificate_gives_no_keys(server, home, keys, tmp_path):
    keys.publish(KEYS["ES256"])
    _, other = jwt_kit.make_ca(tmp_path)
    s = trusting_url(server, home, keys, **{"jwks-ca": other})
    assert keys.paths == [] and "keys of an issuer not renewed" in s.stderr()
    assert Asker(s).status(token(KEYS["ES256"], claims()))[0] == 401


def test_a_server_starts_although_the_issuer_is_down(server, home, keys):
    keys.publish(KEYS["ES256"])
    keys.stop()
    s = trusting_url(server, home, keys)
    assert Asker(s).status(token(KEYS["ES256"], claims()))[0] == 401
    assert s.get(PATH, token=s.app_token("Calendars.Read", tenant=TID)).status == 200


def test_discovery_leads_to_the_keys_on_the_same_host(server, home, keys):
    document = json.dumps({"issuer": ISSUER.replace("{tid}", "{tenantid}"), "jwks_uri": f"{keys.url}/keys"}).encode()
    keys.answer = (200, {}, document)
    s = trusting_url(server, home, keys, jwks=None, discovery=f"{keys.url}/.well-known/openid-configuration")
    assert keys.paths == ["/.well-known/openid-configuration", "/keys"]
    assert "it has no array" in s.stderr()


@pytest.mark.parametrize("changes, says", [
    ({"jwks": "http://login.example/keys"}, "neither an https URL nor file:PATH"),
    ({"jwks": None}, "jwks or discovery"),
    ({"discovery": "https://login.example/d"}, "exclude each other"),
    ({"jwks": None, "discovery": "http://login.example/d"}, "not an https URL"),
    ({"tenant": "contoso"}, "not claim:tid, own, or a GUID"),
    ({"tenant": guid(4)}, "speaks for many tenants"),
    ({"not-before": "exp"}, "neither nbf nor iat"),
    ({"audience": " ".join("abcdefghijklmnopq")}, "more than 16"),
])
def test_a_bad_section_stops_the_start(tm, store, home, changes, says):
    (home / "t.conf").write_text(section(**{"jwks": "https://login.example/keys", **changes}))
    tm("serve", "--config", home / "t.conf", "--listen", "127.0.0.1:0", store=store, code=3, error=says)


def test_an_issuer_may_be_bound_to_the_stores_own_tenant(server, home, tm):
    """As Keycloak: no tid, no nbf, one realm."""
    (home / "keys.json").write_text(json.dumps(jwt_kit.key_set(KEYS["RS256"])))
    (home / "t.conf").write_text(section(f"file:{home}/keys.json", issuer="https://sso.example/realms/x", tenant="own",
                                         **{"not-before": "iat"}))
    s = server("--tls", "off", "--config", home / "t.conf", lines=[user("ann@contoso.com", ANN_ID)])
    good = claims(iss="https://sso.example/realms/x", tid=..., nbf=..., azp="tidemark-app")
    assert Asker(s).status(issued(token(KEYS["RS256"], good)))[0] == 200
    assert Asker(s).status(token(KEYS["RS256"], {**good, "iat": int(time.time()) + 100}))[0] == 401


def test_explain_access_fetches_the_keys_too(server, home, tm):
    (home / "keys.json").write_text(json.dumps(jwt_kit.key_set(*KEYS.values())))
    (home / "t.conf").write_text(section(f"file:{home}/keys.json"))
    tm("import", "-", store=f"sqlite:{home}/t.db", input="".join(json.dumps(op) + "\n" for op in OPS))
    good = token(KEYS["PS256"], claims())
    done = tm("explain-access", "--as", good, "--config", home / "t.conf", "GET", PATH, store=f"sqlite:{home}/t.db")
    assert "login.example" in done.stdout and good not in done.stdout
