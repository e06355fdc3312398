# SPDX-License-Identifier: Apache-2.0
"""Client credentials with a certificate: what is sent is checked by openssl, and by the store's own issuer."""
import base64
import datetime
import hashlib
import json
import pathlib
import re
import time
import urllib.parse
import uuid

import pytest

from conftest import check_secrets, guid, issued, put, user
from cred_kit import CLIENT, TENANT, Issuer, error, expired_cert, key_of, make_cert, openssl, sign, tokens
from misbehave import FarEnd, Listener

ANN = guid(1)
JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@pytest.fixture(scope="module")
def pem(tmp_path_factory):
    return make_cert(tmp_path_factory.mktemp("cert"))


@pytest.fixture
def far():
    end = FarEnd()
    end.put("a", name="A")
    yield end
    end.close()


@pytest.fixture
def issuer():
    one = Issuer()
    one.usual = tokens(refresh=None)
    yield one
    one.close()


def env_of(issuer, pem, **more):
    return {"AZURE_AUTHORITY_HOST": issuer.base, "AZURE_TENANT_ID": TENANT, "AZURE_CLIENT_ID": CLIENT,
            "AZURE_CLIENT_CERTIFICATE_PATH": str(pem), **more}


def sync(tm, far, store, env, command="sync", **more):
    done = tm(command, far.url, "--client-credentials", store=store, env=env, **more)
    path = env.get("AZURE_CLIENT_CERTIFICATE_PATH")
    return done, path


def unpack(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def der_of(pem):
    body = pem.read_text().split("-----BEGIN CERTIFICATE-----")[1].split("-----END CERTIFICATE-----")[0]
    return base64.b64decode(body)


def thumbprint_sha1(pem):
    return base64.urlsafe_b64encode(hashlib.sha1(der_of(pem)).digest()).rstrip(b"=").decode()


def openssl_verifies(home, pem, jwt):
    head, body, signature = jwt.split(".")
    (home / "message").write_text(f"{head}.{body}")
    (home / "signature").write_bytes(unpack(signature))
    openssl("x509", "-in", pem, "-pubkey", "-noout", "-out", home / "public")
    openssl("dgst", "-sha256", "-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:32", "-verify", home / "public",
            "-signature", home / "signature", home / "message")


def test_the_assertion_is_what_entra_asks_for(tm, far, store, issuer, pem, home):
    before = int(time.time())
    done, _ = sync(tm, far, store, env_of(issuer, pem))
    path, form = issuer.posts[0]
    assert path == f"/{TENANT}/oauth2/v2.0/token"
    jwt = issued(form.pop("client_assertion"))
    assert form == {"grant_type": "client_credentials", "client_id": CLIENT, "scope": f"{far.base}/.default",
                    "client_assertion_type": JWT_BEARER}
    head, claims = (json.loads(unpack(part)) for part in jwt.split(".")[:2])
    thumbprint = base64.urlsafe_b64encode(hashlib.sha256(der_of(pem)).digest()).rstrip(b"=").decode()
    assert head == {"alg": "PS256", "typ": "JWT", "x5t#S256": thumbprint}
    assert claims["aud"] == issuer.base + path and claims["iss"] == claims["sub"] == CLIENT
    assert before <= claims["nbf"] == claims["iat"] <= time.time() and claims["exp"] == claims["nbf"] + 300
    assert len(claims["jti"]) == 36
    openssl_verifies(home, pem, jwt)
    assert far.requests[0][1]["Authorization"] == "Bearer access-token-one-0123456789"
    check_secrets(done.stderr)
    assert not any(line in done.stderr for line in key_of(pem))


def test_each_assertion_is_new_and_a_refused_token_is_had_anew(tm, far, store, issuer, pem):
    far.do(lambda request, _page: request.error(401, "InvalidAuthenticationToken"))
    sync(tm, far, store, env_of(issuer, pem))
    jwts = [form["client_assertion"] for _, form in issuer.posts]
    assert len(jwts) == 2
    assert len({json.loads(unpack(jwt.split(".")[1]))["jti"] for jwt in jwts}) == 2


def test_an_encrypted_key_needs_its_password(tm, far, store, issuer, home):
    pem = make_cert(home, password="open sesame")
    env = env_of(issuer, pem)
    sync(tm, far, store, env, code=4, error="private key that is encrypted, and no password is given")
    sync(tm, far, store, {**env, "AZURE_CLIENT_CERTIFICATE_PASSWORD": "wrong"}, code=4,
         error="private key that the password given does not open")
    assert not issuer.posts
    done, _ = sync(tm, far, store, {**env, "AZURE_CLIENT_CERTIFICATE_PASSWORD": "open sesame"})
    assert "sesame" not in done.stderr


@pytest.mark.parametrize("algorithm, words", [
    (("ec", "-pkeyopt", "ec_paramgen_curve:P-256"), "not for RSA"),
    (("ed25519",), "not for RSA"),
    (("rsa:1024",), "2048 to 4096 bits"),
])
def test_what_entra_would_refuse_is_refused_at_home(tm, far, store, issuer, home, algorithm, words):
    sync(tm, far, store, env_of(issuer, make_cert(home, algorithm=algorithm)), code=4, error=words)
    assert not issuer.posts and not far.requests


def test_files_that_are_no_certificate_and_key(tm, far, store, issuer, home, pem):
    text = pem.read_text()
    cert, key = text[:text.index("-----BEGIN PRIVATE")], text[text.index("-----BEGIN PRIVATE"):]
    other = make_cert(home, "other").read_text()
    other_key = other[other.index("-----BEGIN PRIVATE"):]
    for body, words in [("", "is empty"), (cert, "no private key"), (key, "no certificate"), (cert + other_key, "not that of"),
                        ("x" * 70000, "longer than 64 kib"), (cert.replace("M", "N", 3) + key, "no certificate")]:
        bad = home / "bad.pem"
        bad.write_text(body)
        bad.chmod(0o600)
        done, _ = sync(tm, far, store, env_of(issuer, bad), code=4)
        assert words in done.stderr.lower() or words in done.stderr, done.stderr
        assert not any(line in done.stderr for line in key_of(pem))
    sync(tm, far, store, env_of(issuer, home / "none.pem"), code=4, error="No such file")
    assert not issuer.posts


def test_a_key_that_others_may_read_is_warned_of(tm, far, store, issuer, home):
    pem = make_cert(home)
    assert "chmod 600" not in sync(tm, far, store, env_of(issuer, pem))[0].stderr
    pem.chmod(0o644)
    assert "chmod 600" in sync(tm, far, store, env_of(issuer, pem))[0].stderr


def test_a_secret_is_taken_before_a_certificate_as_azure_identity_does(tm, far, store, issuer, pem):
    sync(tm, far, store, env_of(issuer, pem, AZURE_CLIENT_SECRET=issued("secret-secret-secret")))
    assert issuer.posts[0][1]["client_secret"] == "secret-secret-secret" and "client_assertion" not in issuer.posts[0][1]


def test_an_issuer_that_repeats_what_it_was_sent_is_not_repeated(tm, far, store, issuer, pem):
    def echo(handler, form):
        issuer.posts.append((handler.path, form))
        proof = form.get("client_assertion") or form["client_secret"]
        issuer.do(error("invalid_client", f"AADSTS7: not good: {issued(proof)} at all", 401))
        Issuer.answer(issuer, handler, form)
    issuer.answer = echo
    for env in (env_of(issuer, pem), env_of(issuer, pem, AZURE_CLIENT_SECRET="blanks in a secret")):
        done, _ = sync(tm, far, store, env, code=4, error="401: invalid_client")
        assert "blanks in" not in done.stderr and "AADSTS7" not in done.stderr


@pytest.mark.parametrize("answer, status, words", [
    ((200, "<html>Sign in to the Wi-Fi</html>", {"Content-Type": "text/html"}), 4, "no bearer token"),
    ((200, {"token_type": "Bearer"}, {}), 4, "without accessToken"),
    ((200, {"access_token": "with a blank"}, {}), 4, "no bearer token"),
    ((200, {"access_token": "good", "more": "x" * 70000}, {}), 4, "64 KiB"),
    ((200, b"x" * (17 << 20), {}), 4, "larger than 16 MiB"),
    ((400, {"error": "unauthorized_client"}, {}), 4, "unauthorized_client"),
    ((503, {}, {"Retry-After": "60"}), 5, "503"),
])
def test_a_token_endpoint_that_misbehaves(tm, far, store, issuer, pem, answer, status, words):
    issuer.usual = answer
    tm("sync", far.url, "--client-credentials", "--max-wait", "1s", store=store, env=env_of(issuer, pem), code=status, error=words)
    assert not far.requests


def test_a_redirect_is_not_followed_with_the_assertion(tm, far, store, issuer, pem):
    stranger = Listener()
    try:
        for status in (301, 302, 307, 308):
            issuer.usual = (status, "", {"Location": f"http://127.0.0.1:{stranger.port}/token"})
            sync(tm, far, store, env_of(issuer, pem), code=4, error=str(status))
        assert not stranger.requests and not far.requests
    finally:
        stranger.close()


def test_doctor_looks_at_the_certificate(tm, far, store, issuer, pem, home):
    done, _ = sync(tm, far, store, env_of(issuer, pem), command="doctor")
    assert re.search("good  client .* valid for (29|30) days more", done.stdout)
    soon = make_cert(home, "soon", days=5)
    done, _ = sync(tm, far, store, env_of(issuer, soon), command="doctor")
    assert "warn  client" in done.stdout and "its certificate expires in" in done.stdout
    old = expired_cert(home)
    done, _ = sync(tm, far, store, env_of(issuer, old), command="doctor", code=10)
    assert "fault client" in done.stdout and "expired" in done.stdout
    posts = len(issuer.posts)
    sync(tm, far, store, env_of(issuer, old), code=4, error="expired at")
    assert len(issuer.posts) == posts


def command_lines():
    text = ""
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            text += path.read_bytes().replace(b"\0", b" ").decode(errors="replace") + "\n"
        except OSError:                          # it has ended meanwhile
            pass
    return text


def test_nothing_of_it_stands_on_a_command_line(tm, far, store, issuer, pem, home):
    """What /proc shows of the process while its token is being asked for."""
    seen = []

    def look(handler, form):
        seen.append(command_lines())
        seen.append(form["client_assertion"])
        Issuer.answer(issuer, handler, form)
    issuer.answer = look
    sync(tm, far, store, env_of(issuer, pem))
    assert far.url in seen[0] and seen[1] not in seen[0] and not any(line in seen[0] for line in key_of(pem))


# ---- our own server as the issuer ------------------------------------------------------------------------------

@pytest.fixture
def own(server, pem):
    s = server(lines=[user("ann@contoso.com", ANN), put(ANN, {"id": "cal-0", "name": "Work"})])
    s.made = json.loads(s.runner("client", "add", "--json", "--role", "Calendars.Read", "--certificate", pem, store=s.store).stdout)
    s.env = {"AZURE_AUTHORITY_HOST": s.base, "AZURE_TENANT_ID": s.made["tenantId"], "AZURE_CLIENT_ID": s.made["clientId"],
             "AZURE_CLIENT_CERTIFICATE_PATH": str(pem)}
    s.url = f"{s.base}/v1.0/users/{ANN}/calendars/delta"
    return s


def test_a_follower_signs_in_at_our_own_issuer_by_certificate(own, tm, home, pem):
    store = f"sqlite:{home}/follow.db"
    assert "clientSecret" not in own.made
    assert own.made["certificateThumbprint"] == base64.urlsafe_b64encode(hashlib.sha256(der_of(pem)).digest()).rstrip(b"=").decode()
    tm("sync", own.url, "--ca", own.ca, "--client-credentials", store=store, env=own.env)
    reported = tm("doctor", own.url, "--ca", own.ca, "--client-credentials", store=store, env=own.env).stdout
    assert "fault" not in reported and "allows Calendars.Read" in reported
    other = make_cert(home, "other")
    tm("sync", own.url, "--ca", own.ca, "--client-credentials", store=store, code=4, error="AADSTS700027",
       env={**own.env, "AZURE_CLIENT_CERTIFICATE_PATH": str(other)})
    tm("sync", own.url, "--ca", own.ca, "--client-credentials", store=store, code=4, error="AADSTS7000215",
       env={**own.env, "AZURE_CLIENT_SECRET": "there-is-none-at-all"})


def test_a_client_with_a_certificate_is_exported_and_comes_back(own, tm, home):
    lines = tm("export", store=own.store).stdout
    assert '"certificate":"' in lines and "PRIVATE" not in lines
    again = f"sqlite:{home}/again.db"
    tm("import", "-", store=again, input=lines)
    assert tm("export", store=again).stdout.count('"certificate":"') == 1
    tm("import", "-", store=again, input=lines.replace('"certificate":"M', '"certificate":"N'), code=6, error="certificate")


def assertion(own, pem, alg="PS256", head=None, key=None, **changes):
    """An assertion as MSAL makes it, changed in what is named."""
    now = int(time.time())
    endpoint = f"{own.base}/{own.made['tenantId']}/oauth2/v2.0/token"
    claims = {"aud": endpoint, "iss": own.made["clientId"], "sub": own.made["clientId"], "jti": str(uuid.uuid4()), "nbf": now,
              "iat": now, "exp": now + 600, **changes}
    head = {"alg": alg, "typ": "JWT", "x5t#S256": own.made["certificateThumbprint"], **(head or {})}
    return issued(sign(alg, head, {name: value for name, value in claims.items() if value is not None}, key or pem))


def ask(own, jwt, tenant=None, host=None, path="oauth2/v2.0/token", **changes):
    form = {"grant_type": "client_credentials", "client_id": own.made["clientId"], "client_assertion_type": JWT_BEARER,
            "client_assertion": jwt, "scope": "https://graph.microsoft.com/.default", **changes}
    body = urllib.parse.urlencode({name: value for name, value in form.items() if value is not None})
    reply = own.request("POST", f"/{tenant or own.made['tenantId']}/{path}", body,
                        headers={"Content-Type": "application/x-www-form-urlencoded", **({"Host": host} if host else {})})
    return reply.status, reply.json.get("error_codes", [0])[0], reply.json


def test_an_assertion_is_not_taken_at_an_address_the_sender_chose(own, pem):
    there = f"https://graph.contoso.example/{own.made['tenantId']}/oauth2/v2.0/token"
    form = urllib.parse.urlencode({"grant_type": "client_credentials", "client_id": own.made["clientId"],
                                   "client_assertion_type": JWT_BEARER, "client_assertion": assertion(own, pem, aud=there),
                                   "scope": "https://graph.microsoft.com/.default"})
    reply = own.request("POST", f"/{own.made['tenantId']}/oauth2/v2.0/token", form,
                        headers={"Content-Type": "application/x-www-form-urlencoded", "Host": "graph.contoso.example"})
    assert reply.status == 400 and "--public-url" in reply.json["error_description"], reply.body
    assert "access_token" not in reply.json


@pytest.mark.slow
def test_an_assertion_is_for_an_address_from_the_configuration_whatever_host_is_asked(own, pem):
    """A program that signs in at another server of the same machine must not sign in here with what that one got."""
    tenant, here = own.made["tenantId"], f"127.0.0.1:{own.port}"
    for host in (f"127.0.0.1:{own.port + 1}", "localhost:1", "localhost", "127.0.0.2", "[::1]:443", f"localhost.:{own.port}"):
        jwt = assertion(own, pem, aud=f"https://{host}/{tenant}/oauth2/v2.0/token")
        status, number, reported = ask(own, jwt, host=host)
        assert (status, number) == (400, 700027) and "--public-url" in reported["error_description"], host
        assert ask(own, jwt)[:2] == (401, 700027)
    for base in (own.base, f"https://localhost:{own.port}", f"HTTPS://LOCALHOST:{own.port}", f"https://[::1]:{own.port}"):
        for rest in ("oauth2/v2.0/token", "oauth2/token", "v2.0"):
            for host in (here, f"localhost:{own.port}", "graph.contoso.example"):
                assert ask(own, assertion(own, pem, aud=f"{base}/{tenant}/{rest}"), host=host)[0] == 200, (base, rest, host)
    v1 = {"path": "oauth2/token", "resource": "https://graph.microsoft.com"}
    assert ask(own, assertion(own, pem), **v1)[0] == ask(own, assertion(own, pem, aud=f"{own.base}/{tenant}/oauth2/token"), **v1)[0] == 200
    for rest in ("", "oauth2", "oauth2/v2.0/token/", "oauth2/v2.0/authorize", "v2.0/"):
        assert ask(own, assertion(own, pem, aud=f"{own.base}/{tenant}/{rest}"))[:2] == (401, 700027), rest


def test_with_a_public_url_an_assertion_is_for_that(server, tm, home, pem):
    s = server("--public-url", "https://Graph.Example.org", lines=[user("ann@contoso.com", ANN)])
    s.made = json.loads(tm("client", "add", "--json", "--role", "Calendars.Read", "--certificate", pem, store=s.store).stdout)
    public = f"https://graph.example.org/{s.made['tenantId']}/oauth2/v2.0/token"
    for host in (None, "graph.example.org", "elsewhere.example"):
        assert ask(s, assertion(s, pem, aud=public), host=host)[0] == 200
        assert ask(s, assertion(s, pem), host=host)[1] == 700027


def test_an_assertion_that_was_kept_for_long_is_stale(own, pem):
    """Signed for a year, and in its last minutes now."""
    now = int(time.time())
    for change in ({"nbf": now - 700}, {"iat": now - 700}, {"iat": now - 31536000, "nbf": None}, {"iat": now + 120}, {"nbf": 0}):
        assert ask(own, assertion(own, pem, exp=now + 300, **change))[:2] == (401, 700024), change
    assert ask(own, assertion(own, pem, nbf=now - 500, iat=now - 500, exp=now + 100))[0] == 200
    assert ask(own, assertion(own, pem, nbf=None, iat=None))[0] == 200


@pytest.mark.parametrize("alg", ["PS256", "RS256"])
def test_an_assertion_may_come_again_as_msal_sends_it(own, pem, alg):
    jwt = assertion(own, pem, alg)
    status, _, answer = ask(own, jwt)
    assert status == 200 and own.get(f"/v1.0/users/{ANN}/calendars/delta", token=issued(answer["access_token"])).status == 200
    assert ask(own, jwt)[0] == 200
    assert ask(own, assertion(own, pem, alg))[0] == 200


def test_an_assertion_is_for_one_client_one_endpoint_and_a_short_time(own, pem, home):
    now, forged = int(time.time()), make_cert(home, "other")
    elsewhere = f"https://login.microsoftonline.com/{own.made['tenantId']}/oauth2/v2.0/token"
    for jwt, number in [
        (assertion(own, pem, key=forged), 700027),
        (assertion(own, pem, "RS256", key=forged), 700027),
        (assertion(own, pem, head={"alg": "RS256"}), 700027),
        (assertion(own, pem, head={"alg": "none"}), 700027),
        (assertion(own, pem, head={"x5t#S256": None}), 700027),
        (assertion(own, pem, head={"x5t#S256": None, "x5t": thumbprint_sha1(forged)}), 700027),
        (assertion(own, pem, head={"x5c": [base64.b64encode(der_of(forged)).decode()]}, key=forged), 700027),
        (assertion(own, pem, head={"x5c": [base64.b64encode(der_of(pem)).decode()], "x5t#S256": None}), 700027),
        (assertion(own, pem, aud=elsewhere), 700027),
        (assertion(own, pem, aud=own.base), 700027),
        (assertion(own, pem, iss=guid(5)), 700027),
        (assertion(own, pem, sub=guid(5)), 700027),
        (assertion(own, pem, jti=None), 700027),
        (assertion(own, pem, exp=None), 700027),
        (assertion(own, pem, exp=now + 3800), 700024),
        (assertion(own, pem, exp=now - 120), 700024),
        (assertion(own, pem, nbf=now + 300), 700024),
        ("x" * 9000, 700027), ("..", 700027), ("a.b.c", 700027),
    ]:
        assert ask(own, jwt)[:2] == (401, number), jwt
    assert ask(own, assertion(own, pem, "RS256", head={"x5t#S256": None, "x5t": thumbprint_sha1(pem)}))[0] == 200
    assert ask(own, assertion(own, pem), client_id=guid(7))[:2] == (401, 700027)
    assert ask(own, assertion(own, pem), tenant=guid(7))[:2] == (401, 700027)
    there = f"{own.base}/{guid(7)}/oauth2/v2.0/token"
    assert ask(own, assertion(own, pem, aud=there), tenant=guid(7))[:2] == (401, 700027)


def test_a_proof_comes_in_one_way(own, pem):
    assert ask(own, assertion(own, pem), client_secret="a-secret-of-some-length")[:2] == (400, 9002313)
    assert ask(own, assertion(own, pem), client_assertion_type=None)[:2] == (400, 900144)
    assert ask(own, assertion(own, pem), client_assertion_type="urn:ietf:params:oauth:client-assertion-type:saml2-bearer")[0] == 400
    assert ask(own, "")[:2] == (401, 7000218)
    assert ask(own, assertion(own, pem))[0] == 200


def test_a_client_that_has_a_secret_has_no_certificate(own, pem):
    reported = own.runner("client", "add", "--json", "--id", own.made["clientId"], "--role", "Calendars.Read", store=own.store)
    assert "certificateThumbprint" not in reported.stdout
    assert ask(own, assertion(own, pem))[:2] == (401, 700027)
    own.runner("client", "remove", own.made["clientId"], store=own.store)
    assert ask(own, assertion(own, pem))[:2] == (401, 700027)


def test_the_list_of_clients_tells_what_each_signs_in_with(tm, store, home, pem):
    (home / "secret").write_text(issued("a secret of a person's own"))
    made = json.loads(tm("client", "add", "--json", "--role", "Calendars.Read", "--certificate", pem, store=store).stdout)
    both = json.loads(tm("client", "add", "--json", "--role", "Calendars.Read", "--certificate", pem, "--secret-file", home / "secret",
                         store=store).stdout)
    listed = {line["id"]: line for line in map(json.loads, tm("client", "list", "--json", store=store).stdout.splitlines())}
    alone = listed[made["clientId"]]
    assert alone["certificateThumbprint"] == made["certificateThumbprint"] and not alone["hasSecret"]
    assert listed[both["clientId"]]["hasSecret"]
    end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(30)
    assert abs(datetime.datetime.fromisoformat(alone["certificateEndDateTime"].replace("Z", "+00:00")) - end) < datetime.timedelta(hours=1)
    text = {line.split()[0]: line for line in tm("client", "list", store=store).stdout.splitlines()}
    assert f"  cert until {alone['certificateEndDateTime'][:10]}  Calendars" in text[made["clientId"]]
    assert "  secret, cert until 20" in text[both["clientId"]]


def test_a_certificate_that_is_not_good_now_is_registered_with_a_warning(tm, store, home, pem):
    add = ("client", "add", "--role", "Calendars.Read", "--certificate")
    assert "certificate" not in tm(*add, pem, store=store).stderr
    tm(*add, expired_cert(home), store=store, error="expired at")
    tm(*add, expired_cert(home, 30), store=store, error="is not valid before")


def test_what_is_registered_is_an_rsa_certificate(tm, store, home, pem):
    ec = make_cert(home, algorithm=("ec", "-pkeyopt", "ec_paramgen_curve:P-256"))
    tm("client", "add", "--role", "Calendars.Read", "--certificate", ec, store=store, code=6, error="not for RSA")
    tm("client", "add", "--role", "Calendars.Read", "--certificate", home / "client.key", store=store, code=6, error="no certificate")
    reported = tm("client", "add", "--role", "Calendars.Read", "--certificate", pem, store=store).stdout
    assert "secret" not in reported and "certificate " in reported
    alone = home / "alone.crt"
    alone.write_text(pem.read_text().split("-----BEGIN PRIVATE")[0])
    (home / "secret").write_text(issued("a secret of a person's own"))
    reported = tm("client", "add", "--role", "Calendars.Read", "--certificate", alone, "--secret-file", home / "secret", store=store).stdout
    assert "client secret" in reported and "certificate " in reported


def test_certificate__claims_that_the_remote_demands_are_posted_to_the_token_endpoint(tm, store, far, issuer, home):
    claims = '{"access_token":{"acrs":{"essential":true,"value":"c1"}}}'

    def picky(request, page):
        if len(issuer.posts) > 1:
            return page
        request.error(401, "x", headers={"WWW-Authenticate": 'Bearer error="insufficient_claims", claims="%s"' % base64.b64encode(
            claims.encode()).decode()})
        return None
    far.always(picky)
    sync(tm, far, store, env_of(issuer, make_cert(home)))
    assert [form.get("claims") for _, form in issuer.posts] == [None, claims]
    issuer.posts.clear()
    secret = {"AZURE_AUTHORITY_HOST": issuer.base, "AZURE_TENANT_ID": TENANT, "AZURE_CLIENT_ID": CLIENT, "AZURE_CLIENT_SECRET": "s" * 20}
    sync(tm, far, store, secret)
    assert [form.get("claims") for _, form in issuer.posts] == [None, claims]
