# SPDX-License-Identifier: Apache-2.0
"""The store's own issuer over HTTP, its clients, and what becomes of tokens when somebody goes."""
import base64
import contextlib
import hashlib
import http.client
import itertools
import json
import pathlib
import subprocess
import threading
import time
import urllib.parse

import pytest

from conftest import guid, issued, put, user
from cred_kit import make_cert, sign

ANN = "ann@contoso.com"
ANN_ID = guid(1)
OPS = [user(ANN, ANN_ID), put(ANN_ID, {"name": "Work"})]
SCOPE = "https://graph.microsoft.com/.default"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
DOCS = pathlib.Path(__file__).resolve().parents[2] / "docs"


class Client:
    def __init__(self, server, *roles, **options):
        args = [part for name, value in options.items() for part in (f"--{name}", str(value))]
        reported = json.loads(server.runner("client", "add", "--json", "--role", " ".join(roles or ("Calendars.Read",)), *args,
                                        store=server.store).stdout)
        self.id, self.secret, self.tenant = reported["clientId"], issued(reported["clientSecret"]), reported["tenantId"]

    def form(self, **changes):
        fields = {"grant_type": "client_credentials", "client_id": self.id, "client_secret": self.secret, "scope": SCOPE}
        fields.update(changes)
        return {name: value for name, value in fields.items() if value is not None}


def ask(server, tenant, fields, headers=None, path="oauth2/v2.0/token"):
    body = fields if isinstance(fields, str) else urllib.parse.urlencode(fields)
    reply = server.request("POST", f"/{tenant}/{path}", body, headers={**FORM, **(headers or {})})
    if reply.status == 200:
        issued(reply.json["access_token"])
    return reply


@pytest.fixture
def served(server):
    s = server(lines=OPS)
    s.app = Client(s)
    return s


def delta(server, token):
    return server.get(f"/v1.0/users/{ANN_ID}/calendars/delta", token=token)


def test_a_client_gets_a_token_for_its_secret(served):
    reply = ask(served, served.app.tenant, served.app.form())
    assert reply.status == 200 and reply.headers["Cache-Control"] == "no-store"
    assert reply.headers["Content-Type"] == "application/json; charset=utf-8"
    assert {name: reply.json[name] for name in ("token_type", "expires_in", "ext_expires_in")} == \
        {"token_type": "Bearer", "expires_in": 3600, "ext_expires_in": 3600}
    assert delta(served, reply.json["access_token"]).status == 200


def test_basic_authentication_is_the_other_way_to_say_the_secret(served):
    app = served.app
    word = base64.b64encode(f"{app.id}:{urllib.parse.quote(app.secret)}".encode()).decode()
    basic = {"Authorization": f"Basic {word}"}
    rest = app.form(client_id=None, client_secret=None)
    assert ask(served, app.tenant, rest, basic).status == 200
    assert ask(served, app.tenant, app.form(client_secret=None), basic).status == 200
    assert ask(served, app.tenant, app.form(), basic).json["error"] == "invalid_request"
    assert ask(served, app.tenant, {**rest, "client_id": guid(5)}, basic).json["error"] == "invalid_request"
    assert ask(served, app.tenant, rest, {"Authorization": "Basic !"}).status == 401


@pytest.mark.parametrize("changes, status, error, number", [
    ({"grant_type": None}, 400, "invalid_request", 900144),
    ({"grant_type": "password"}, 400, "unsupported_grant_type", 70003),
    ({"grant_type": "authorization_code"}, 400, "unsupported_grant_type", 70003),
    ({"client_id": None}, 400, "invalid_request", 900144),
    ({"client_secret": None}, 401, "invalid_client", 7000218),
    ({"client_secret": "not the secret at all"}, 401, "invalid_client", 7000215),
    ({"client_secret": "x" * 2000}, 401, "invalid_client", 7000215),
    ({"client_id": guid(77)}, 401, "invalid_client", 7000215),
    ({"client_id": "' OR 1=1 --"}, 401, "invalid_client", 7000215),
    ({"scope": None}, 400, "invalid_request", 90014),
    ({"scope": "https://graph.microsoft.com/Calendars.Read"}, 400, "invalid_scope", 1002012),
    ({"scope": "/.default"}, 400, "invalid_scope", 1002012),
    ({"scope": "a/.default b/.default"}, 400, "invalid_scope", 70011),
    ({"scope": "api://anything/.default"}, 200, None, None),
    ({"client_info": "1", "x-client-SKU": "msal.js.node"}, 200, None, None),
])
def test_the_token_endpoint_answers_as_entra_does(served, changes, status, error, number):
    reply = ask(served, served.app.tenant, served.app.form(**changes))
    assert reply.status == status
    if error:
        assert reply.json["error"] == error and reply.json["error_codes"] == [number]
        assert reply.json["error_description"].startswith(f"AADSTS{number}: ")
        assert {"timestamp", "trace_id", "correlation_id"} <= set(reply.json)


@pytest.mark.parametrize("body, headers", [
    ("grant_type=client_credentials&grant_type=client_credentials", {}),
    ("grant_type=%zz", {}),
    ("grant_type=%00", {}),
    ("grant_type=client_credentials", {"Content-Type": "application/json"}),
])
def test_a_malformed_form_is_refused(served, body, headers):
    reply = ask(served, served.app.tenant, body, headers)
    assert (reply.status, reply.json["error"]) == (400, "invalid_request")


def test_a_form_has_16_kib_and_what_is_longer_is_refused_in_oauths_words(served):
    form = served.app.form()
    padding = 16384 - len(urllib.parse.urlencode(form)) - len("&a=")
    assert ask(served, served.app.tenant, {**form, "a": "b" * padding}).status == 200
    reply = ask(served, served.app.tenant, {**form, "a": "b" * (padding + 1)})
    assert (reply.status, reply.json["error"]) == (413, "invalid_request")


def test_openid_scopes_beside_a_default_count_for_nothing_and_other_mixtures_are_refused(served):
    """MSAL for Go and for Java add them to each request of a program."""
    for scope, number in [(f"openid profile offline_access {SCOPE}", None), (f"{SCOPE} openid offline_access profile", None),
                          (f"email  OpenID  {SCOPE}  ", None), (f"{SCOPE} {SCOPE}", None),
                          (f"{SCOPE} Calendars.Read", 70011), (f"Calendars.Read {SCOPE} openid", 70011), (f"{SCOPE} address", 70011),
                          (f"{SCOPE} openid api://other/.default", 70011), ("openid profile", 1002012), ("  ", 1002012), ("", 90014),
                          ("openid profile offline_access User.Read", 1002012), ("Calendars.Read User.Read", 1002012)]:
        reply = ask(served, served.app.tenant, served.app.form(scope=scope))
        assert (reply.status, reply.json.get("error_codes")) == ((400, [number]) if number else (200, None)), scope
    v1 = {"resource": "https://graph.microsoft.com"}
    assert ask(served, served.app.tenant, served.app.form(**v1)).status == 200
    reply = ask(served, served.app.tenant, served.app.form(scope=None, **v1))
    assert reply.json["error_codes"] == [901002] and "/oauth2/token" in reply.json["error_description"]


def claims_of(token):
    return json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))


def test_the_v1_endpoint_takes_a_resource_and_answers_as_entras_does(served):
    app, before = served.app, int(time.time())
    form = app.form(scope=None, resource="https://graph.microsoft.com")
    reply = ask(served, app.tenant, form, path="oauth2/token")
    assert reply.status == 200 and reply.headers["Cache-Control"] == "no-store"
    body = reply.json
    assert delta(served, body.pop("access_token")).status == 200
    assert before <= int(body["not_before"]) == int(body.pop("expires_on")) - 3600 <= time.time() and isinstance(body.pop("not_before"), str)
    assert body == {"token_type": "Bearer", "expires_in": "3600", "ext_expires_in": "3600", "resource": "https://graph.microsoft.com"}
    for change, status, number in [({"resource": None}, 400, 900144), ({"resource": None, "scope": SCOPE}, 400, 900144),
                                   ({"client_secret": "wrong"}, 401, 7000215), ({"grant_type": "password"}, 400, 70003)]:
        reply = ask(served, app.tenant, {name: value for name, value in {**form, **change}.items() if value}, path="oauth2/token")
        assert (reply.status, reply.json["error_codes"]) == (status, [number]), change


def test_a_token_has_the_claims_of_graphs_v1_tokens(served, tm):
    """Desktop clients read some of them, although they should not."""
    app = Client(served, "Calendars.Read", name="Bob's report")
    claims = claims_of(ask(served, app.tenant, app.form()).json["access_token"])
    assert claims == {**claims, "aud": "https://graph.microsoft.com", "ver": "1.0", "idtyp": "app", "appid": app.id, "appidacr": "1",
                      "app_displayname": "Bob's report", "roles": ["Calendars.Read"], "tid": app.tenant, "sub": claims["oid"]}
    assert claims["iss"].endswith(app.tenant) and claims["nbf"] == claims["iat"] == claims["exp"] - 3600
    assert not {"scp", "upn", "unique_name", "name"} & set(claims) and len(claims["uti"]) == 22
    assert claims_of(served.app_token("Calendars.Read", app=app.id))["app_displayname"] == "Bob's report"
    tm("user", "add", "--upn", "eve@contoso.com", "--name", "Eve Né", store=served.store)
    claims = claims_of(served.token("eve@contoso.com", "Calendars.Read"))
    assert claims == {**claims, "idtyp": "user", "scp": "Calendars.Read", "upn": "eve@contoso.com", "unique_name": "eve@contoso.com",
                      "name": "Eve Né", "app_displayname": "tidemark", "appidacr": "0"}
    assert len(claims["appid"]) == 36 and "roles" not in claims


UNSERVED = ["{tid}/oauth2/v2.0/devicecode", "{tid}/oauth2/devicecode", "{tid}/oauth2/v2.0/logout", "{tid}/oauth2/nothing", "{tid}/openid/userinfo",
            "common/discovery/instance?api-version=1.1", "{tid}/.well-known/nothing", "{tid}/v2.0/.well-known/nothing", "oauth2/v2.0/token",
            ".well-known/openid-configuration", ".well-known/oauth-authorization-server/{tid}"]


def test_endpoints_that_are_not_served_answer_in_oauths_form_to_browsers_too(served):
    asked = {"client-request-id": guid(0x5e), "Origin": "https://app.example"}
    refused = ["{tid}/oauth2/v2.0/authorize?response_type=code", "{tid}/oauth2/authorize", "common/oauth2/v2.0/authorize"]
    for method, path in itertools.product(["GET", "POST"], [*UNSERVED, *refused]):
        body = None if method == "GET" else "client_id=x"
        reply = served.request(method, "/" + path.replace("{tid}", served.app.tenant), body, headers={**FORM, **asked})
        reported = reply.json
        assert reply.status == (404 if path in UNSERVED else 400), path
        assert reported["error"] == ("unsupported_response_type" if reply.status == 400 and "common" not in path else "invalid_request")
        assert reported["error_description"].startswith(f"AADSTS{reported['error_codes'][0]}: ") and reported["correlation_id"] == guid(0x5e)
        assert reply.headers["Access-Control-Allow-Origin"] == "*" and reply.headers["client-request-id"] == guid(0x5e)
        assert "x-ms-request-id" in reply.headers["Access-Control-Expose-Headers"] and reply.headers["Content-Type"].startswith("application/json")
    for method, path in itertools.product(["PUT", "DELETE", "PROPFIND"], ["oauth2/v2.0/token", "oauth2/v2.0/authorize", "discovery/v2.0/keys"]):
        reply = served.request(method, f"/{served.app.tenant}/{path}", "client_id=x", headers=FORM)
        assert (reply.status, reply.json["error_codes"]) == (405, [900561]) and reply.headers["Allow"], (method, path)
    for method, path in itertools.product(["GET", "POST"], ["/v1.0/oauth2/v2.0/token", "/beta/.well-known/openid-configuration", f"/{served.app.tenant}/other", "/openid"]):
        assert served.request(method, path, None if method == "GET" else "").json["error"]["code"] == "InvalidAuthenticationToken"


def test_a_browser_may_ask_each_endpoint(served):
    for path, methods in [("oauth2/v2.0/token", "POST, OPTIONS"), ("discovery/v2.0/keys", "GET, HEAD, OPTIONS"),
                          ("v2.0/.well-known/openid-configuration", "GET, HEAD, OPTIONS"), ("oauth2/v2.0/devicecode", "GET, HEAD, POST, OPTIONS")]:
        reply = served.request("OPTIONS", f"/{served.app.tenant}/{path}", headers={
            "Origin": "https://app.example", "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-client-sku"})
        assert reply.status == 204 and reply.headers["Access-Control-Allow-Origin"] == "*"
        assert reply.headers["Access-Control-Allow-Methods"] == reply.headers["Allow"] == methods
        assert reply.headers["Access-Control-Allow-Headers"] == "x-client-sku"
    for reply in [ask(served, served.app.tenant, served.app.form()), ask(served, served.app.tenant, {}),
                  served.get(f"/{served.app.tenant}/discovery/v2.0/keys"), served.get(f"/{served.app.tenant}/discovery/keys")]:
        assert reply.headers["Access-Control-Allow-Origin"] == "*"


def test_discovery_names_only_what_answers(served):
    found = served.get(f"/{served.app.tenant}/v2.0/.well-known/openid-configuration").json
    named = {name: value for name, value in found.items() if name.endswith(("_endpoint", "_uri"))}
    assert set(named) == {"token_endpoint", "authorization_endpoint", "jwks_uri"}
    for name, url in named.items():
        reply = served.get(url)
        assert reply.status == {"token_endpoint": 405, "authorization_endpoint": 400, "jwks_uri": 200}[name]
    for grant in found["grant_types_supported"]:
        assert ask(served, served.app.tenant, served.app.form(grant_type=grant)).status == 200
    assert found["token_endpoint_auth_signing_alg_values_supported"] == ["PS256", "RS256"]


# ---- a certificate instead of a secret: how each library writes its assertion ------------------------------------


def der_of(pem):
    text = pem.read_text().split("-----BEGIN CERTIFICATE-----")[1].split("-----END CERTIFICATE-----")[0]
    return base64.b64decode(text)


def thumbprint(der, how, form):
    text = base64.b64encode(hashlib.new(how, der).digest()).decode()
    return text if form == "standard" else text.translate(str.maketrans("+/", "-_")).rstrip("=" if form == "url" else "")


@pytest.fixture(scope="module")
def pem(tmp_path_factory):
    """One whose thumbprints differ in standard base64 and base64url."""
    folder = tmp_path_factory.mktemp("cert")
    while True:
        made = make_cert(folder)
        if all(set(thumbprint(der_of(made), how, "standard")) & set("+/") for how in ("sha1", "sha256")):
            return made


# What the libraries send: the header beside alg and typ, the claims beside aud, iss, sub, jti.
LIBRARIES = {
    "MSAL for Python": ("RS256", {"x5t": ("sha1", "padded")}, lambda now: {"exp": now + 600.25, "iat": now + 0.25}),
    "MSAL for Python, with a chain": ("PS256", {"x5t#S256": ("sha256", "padded"), "x5c": 3}, lambda now: {"exp": now + 600, "iat": now}),
    "azure-identity for Python": ("RS256", {"x5t": ("sha1", "url")}, lambda now: {"exp": now + 600.5}),
    "azure-identity for Python, older": ("RS256", {"x5t": ("sha1", "url")}, lambda now: {"exp": int(now) + 1800, "nbf": int(now)}),
    "a script": ("PS256", {"x5t#S256": ("sha256", "url")}, lambda now: {"exp": int(now) + 3600, "iat": int(now)}),
    "MSAL for Go": ("PS256", {"x5t#S256": ("sha256", "standard"), "x5c": 1}, lambda now: {"exp": int(now) + 600, "nbf": int(now)}),
    "MSAL for Go, older": ("RS256", {"x5t": ("sha1", "standard")}, lambda now: {"exp": int(now) + 600, "nbf": int(now)}),
    "MSAL for Java": ("RS256", {"x5t": ("sha1", "standard"), "x5c": 1}, lambda now: {"exp": int(now) + 600, "nbf": int(now)}),
    "MSAL for Java, newer": ("PS256", {"x5t#S256": ("sha256", "url"), "x5c": 2}, lambda now: {"exp": int(now) + 600, "nbf": int(now)}),
    "MSAL for Node": ("PS256", {"x5t#S256": ("sha256", "url")}, lambda now: {"exp": int(now) + 600, "nbf": int(now), "iat": int(now)}),
}


@pytest.fixture
def by_certificate(served, tm, pem):
    """Signs in by an assertion: sign_in(alg, header, claims, form, path)."""
    client = guid(0xce27)
    tm("client", "add", "--id", client, "--role", "Calendars.Read", "--certificate", pem, store=served.store)

    def sign_in(alg, header, claims, path="oauth2/v2.0/token", **changes):
        usual = {"aud": f"{served.base}/{served.app.tenant}/{path}", "iss": client, "sub": client, "jti": guid(0xa)}
        jwt = issued(sign(alg, {"alg": alg, "typ": "JWT", **header}, {**usual, **claims}, pem))
        form = {"grant_type": "client_credentials", "client_id": client, "scope": SCOPE, "client_assertion": jwt,
                "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", **changes}
        return ask(served, served.app.tenant, form, path=path)

    return sign_in


def header_of(pem, members):
    der = der_of(pem)
    return {name: [base64.b64encode(der).decode()] * value if name == "x5c" else thumbprint(der, *value) for name, value in members.items()}


def test_the_assertion_of_each_library_is_taken(served, by_certificate, pem):
    for library, (alg, members, times) in LIBRARIES.items():
        reply = by_certificate(alg, header_of(pem, members), times(time.time()), scope=f"openid profile offline_access {SCOPE}")
        assert reply.status == 200, (library, reply.body)
        assert claims_of(reply.json["access_token"])["appidacr"] == "2" and delta(served, reply.json["access_token"]).status == 200
    header, now = header_of(pem, {"x5t#S256": ("sha256", "url")}), time.time()
    assert by_certificate("PS256", header, {"exp": now + 300}, path="oauth2/token", resource="https://graph.microsoft.com").status == 200


def test_a_chain_of_real_certificates_fits_and_what_is_wrong_in_an_assertion_is_still_refused(by_certificate, pem):
    header, now = header_of(pem, {"x5t#S256": ("sha256", "url")}), time.time()
    chain = [base64.b64encode(b"c" * 1700).decode()] * 3
    assert by_certificate("PS256", {**header, "x5c": chain}, {"exp": now + 300}).status == 200
    for change, claims, number in [({"x5t#S256": thumbprint(b"other", "sha256", "padded")}, {"exp": now + 300}, 700027),
                                   ({"x5t": thumbprint(b"other", "sha1", "standard")}, {"exp": now + 300}, 700027),
                                   ({"x5t#S256": None, "x5c": chain}, {"exp": now + 300}, 700027), ({"jwk": {}}, {"exp": now + 300}, 700027),
                                   ({}, {}, 700027), ({}, {"exp": str(int(now) + 300)}, 700027), ({}, {"exp": now + 300, "nbf": "x"}, 700027),
                                   ({}, {"exp": now - 61.5}, 700024), ({}, {"exp": now + 3720.5}, 700024),
                                   ({}, {"exp": now + 300, "iat": now + 120.5}, 700024)]:
        reply = by_certificate("PS256", {**header, **change}, claims)
        assert (reply.status, reply.json["error_codes"]) == (401, [number]), (change, claims)
        assert ("client's clock" in reply.json["error_description"]) == (number == 700024)


def test_a_client_of_one_tenant_is_nobody_in_another(served):
    other = ask(served, guid(99), served.app.form())
    unknown = ask(served, served.app.tenant, served.app.form(client_id=guid(98)))
    assert other.status == unknown.status == 401
    assert len(other.body) == len(unknown.body) and other.json["error_codes"] == unknown.json["error_codes"]
    assert ask(served, "contoso.com", served.app.form()).json["error_codes"] == [90002]


def test_discovery_and_keys_need_no_bearer(served):
    at = f"/{served.app.tenant}/v2.0/.well-known/openid-configuration"
    document = served.get(at).json
    assert document["token_endpoint"] == f"{served.base}/{served.app.tenant}/oauth2/v2.0/token"
    keys = served.get(document["jwks_uri"]).json["keys"]
    assert [(key["kty"], key["crv"], key["alg"], key["use"]) for key in keys] == [("EC", "P-256", "ES256", "sig")]
    assert "d" not in keys[0]
    assert document["issuer"] == f"{served.base}/{served.app.tenant}/v2.0"
    checking = served.get(f"/{served.app.tenant}/.well-known/openid-configuration").json
    assert checking["issuer"].startswith("urn:tidemark:") and checking["issuer"].endswith(served.app.tenant)
    assert {**checking, "issuer": document["issuer"]} == document
    assert served.request("POST", at, "").status == 405
    assert served.get(f"/{served.app.tenant}/oauth2/v2.0/token").status == 405
    assert served.get("/common/v2.0/.well-known/openid-configuration").status == 400


def test_the_jose_command_of_debian_accepts_a_token_of_ours(served, home):
    """An oracle: another implementation, and the keys as the server publishes them."""
    token = ask(served, served.app.tenant, served.app.form()).json["access_token"]
    (home / "keys.json").write_bytes(served.get(f"/{served.app.tenant}/discovery/v2.0/keys").body)
    verify = ["jose", "jws", "ver", "-i", "-", "-k", str(home / "keys.json"), "-O", "-"]
    good = subprocess.run(verify, input=token, capture_output=True, text=True)
    assert good.returncode == 0 and json.loads(good.stdout)["appid"] == served.app.id
    head, body, signature = token.split(".")
    bad = subprocess.run(verify, input=f"{head}.{body}.{signature[::-1]}", capture_output=True, text=True)
    assert bad.returncode != 0


def test_issuer_off_closes_its_endpoints(server):
    s = server("--issuer", "off", lines=OPS)
    app = Client(s)
    assert ask(s, app.tenant, app.form()).status == 404
    assert s.get(f"/{app.tenant}/discovery/v2.0/keys").status == 404
    assert s.get(f"/{app.tenant}/v2.0/.well-known/openid-configuration").status == 404
    assert s.get("/v1.0/me/calendars", token=s.token(ANN)).status == 401


def test_removing_a_client_refuses_its_tokens_within_a_second(served, tm):
    """The command runs beside the serving process, and the token is one the server knows already."""
    token = ask(served, served.app.tenant, served.app.form()).json["access_token"]
    assert delta(served, token).status == delta(served, token).status == 200
    tm("client", "remove", served.app.id, store=served.store)
    assert delta(served, token).status == 401
    assert ask(served, served.app.tenant, served.app.form()).status == 401
    tm("client", "remove", served.app.id, store=served.store, code=6, error="no such client")


def test_a_new_secret_ends_the_old_one_and_its_tokens_within_the_same_second(served):
    """Again and again, so that some of it falls into one second of the clock; the clock must not matter."""
    app, tokens = served.app, []
    for _ in range(3):
        tokens.append(ask(served, app.tenant, app.form()).json["access_token"])
        tokens.append(served.app_token("Calendars.Read", app=app.id))
        assert [delta(served, token).status for token in tokens[-2:]] == [200, 200]
        again = Client(served, "Calendars.Read", id=app.id)
        assert ask(served, app.tenant, app.form()).status == 401
        assert [delta(served, token).status for token in tokens] == [401] * len(tokens)
        app = again
    assert delta(served, ask(served, app.tenant, app.form()).json["access_token"]).status == 200


def test_a_client_put_again_as_it_was_is_new_as_well(served, tm, home):
    """The same certificate, the same roles, perhaps the same second: whoever asks for a rotation gets one."""
    certificate = make_cert(home)

    def add():
        tm("client", "add", "--id", guid(0xc1), "--role", "Calendars.Read", "--certificate", certificate, store=served.store)

    add()
    for _ in range(2):
        token = served.app_token("Calendars.Read", app=guid(0xc1))
        assert delta(served, token).status == 200
        add()
        assert delta(served, token).status == 401


def test_an_import_given_again_leaves_tokens_alone_and_a_changed_one_does_not(served, tm):
    token = served.app_token("Calendars.Read", app=served.app.id)
    lines = tm("export", store=served.store).stdout
    tm("import", "-", store=served.store, input=lines)
    assert delta(served, token).status == 200
    tm("import", "-", store=served.store, input=lines.replace('"Calendars.Read"', '"Calendars.ReadWrite"'))
    assert delta(served, token).status == 401
    reported = tm("explain-access", "--as", token, "GET", f"/v1.0/users/{ANN_ID}/calendars/delta", store=served.store, code=4).stdout
    assert "put anew (generation " in reported and token not in reported
    token = served.app_token("Calendars.Read", app=served.app.id)
    reported = tm("explain-access", "--as", token, "GET", f"/v1.0/users/{ANN_ID}/calendars/delta", store=served.store).stdout
    assert "still there (generation " in reported


def test_a_secret_from_a_file(served, home, tm):
    (home / "secret").write_text(issued("a long and secret sentence") + "\nignored\n")
    app = Client(served, "Calendars.Read", **{"secret-file": home / "secret"})
    assert ask(served, app.tenant, app.form()).status == 200
    (home / "secret").write_text("short\n")
    tm("client", "add", "--role", "Calendars.Read", "--secret-file", home / "secret", store=served.store, code=6,
       error="16 to 1024 bytes")


# ---- floods of wrong secrets ----------------------------------------------------------------------------------


@contextlib.contextmanager
def flood(server, tenant, forms, connections):
    """Each connection sends these forms again and again, and gives the statuses that were answered."""
    ended, answers = threading.Event(), []

    def attack():
        link = server.connection()
        for form in itertools.cycle(forms):
            if ended.is_set():
                break
            link.request("POST", f"/{tenant}/oauth2/v2.0/token", urllib.parse.urlencode(form), FORM)
            reply = link.getresponse()
            reply.read()
            answers.append(reply.status)
        link.close()

    threads = [threading.Thread(target=attack) for _ in range(connections)]
    for thread in threads:
        thread.start()
    try:
        while not answers:
            time.sleep(0.01)
        yield answers
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def chosen(server, home):
    (home / "secret").write_text(issued("a long and secret sentence") + "\n")
    return Client(server, "Calendars.Read", **{"secret-file": home / "secret"})


def test_a_flood_of_wrong_secrets_stops_no_good_sign_in(server, home):
    """Neither wrong secrets of the same client, nor of one with a chosen secret, nor of nobody.  Without TLS: a handshake has 5 s."""
    served = server("--tls", "off", lines=OPS)
    app, people = Client(served), chosen(served, home)
    forms = [app.form(client_secret="wrong"), app.form(client_secret=app.secret[::-1]), people.form(client_secret="wrong"),
             app.form(client_id=guid(77)), app.form(client_id="nobody")]
    with flood(served, app.tenant, forms, 4) as answers:
        assert [ask(served, app.tenant, app.form()).status for _ in range(40)] == [200] * 40
    assert set(answers) <= {401, 503} and 401 in answers


def test_a_flood_by_one_peer_leaves_places_of_argon2id_to_another(server, home):
    one = server("--tls", "off", lines=OPS)
    app = chosen(one, home)
    with flood(one, app.tenant, [app.form(client_secret="wrong")], 8) as answers:
        for _ in range(10):
            link = http.client.HTTPConnection("127.0.0.1", one.port, timeout=60, source_address=("127.0.0.2", 0))
            reply = one.ask(link, "POST", f"/{app.tenant}/oauth2/v2.0/token", urllib.parse.urlencode(app.form()), headers=FORM)
            assert reply.status == 200, reply.body
            issued(reply.json["access_token"])
        assert metric(one, "tidemark_secret_checks") <= 4 + 1
    assert set(answers) == {401, 503}
    assert metric(one, "tidemark_sign_ins_refused_total") == answers.count(401)
    assert metric(one, "tidemark_secret_checks_refused_total") == answers.count(503)
    assert metric(one, "tidemark_secret_checks") == 0


def test_clients_are_listed_exported_and_imported_without_their_secrets(served, tm, home):
    listed = tm("client", "list", store=served.store).stdout
    assert served.app.id in listed and "Calendars.Read" in listed and "  secret  " in listed
    one = json.loads(tm("client", "list", "--json", store=served.store).stdout.splitlines()[0])
    assert one["hasSecret"] is True and "certificateThumbprint" not in one
    lines = tm("export", store=served.store).stdout
    assert served.app.id in lines and "$blake2b$" in lines and served.app.secret not in lines
    tm("import", "-", store=f"sqlite:{home}/copy.db", input=lines)
    assert served.app.id in tm("client", "list", store=f"sqlite:{home}/copy.db").stdout


def test_what_is_of_the_stores_own_tenant_becomes_that_of_the_other_store_and_all_else_stays(tm, store, server, home):
    """Two stores have two own tenants.  An export names the tenant only of those who are of another one."""
    other, there, tenant = f"sqlite:{home}/other.db", guid(0x7e2), {}
    tm("import", "-", store=store, input=json.dumps(user(ANN, ANN_ID)) + "\n" + json.dumps(user("eve@x.com", guid(9), tenantId=there)) + "\n")
    own = json.loads(tm("client", "add", "--json", "--role", "Calendars.Read", store=store).stdout)
    printed = json.loads(tm("client", "add", "--json", "--role", "Calendars.Read", "--id", guid(5), "--tenant", there, store=store).stdout)
    assert printed["tenantId"] == there != own["tenantId"]
    lines = tm("export", store=store).stdout
    tm("import", "-", store=other, input=lines)

    def tenants(url):
        listed = tm("user", "list", "--json", store=url).stdout + tm("client", "list", "--json", store=url).stdout
        return {value["id"]: value["tenantId"] for value in map(json.loads, listed.splitlines())}
    for url in (store, other):
        tenant[url] = tenants(url)[ANN_ID]
        assert tenants(url) == {ANN_ID: tenant[url], own["clientId"]: tenant[url], guid(9): there, guid(5): there}
    assert tenant[store] == own["tenantId"] != tenant[other]

    # Nobody moves from tenant to tenant by a line: not without a tenant, not with another one.
    def with_tenant(**tenant):
        bare = [{"op": line["op"], "value": {**line["value"], "tenantId": None, **tenant}} for line in map(json.loads, lines.splitlines())]
        return "".join(json.dumps({**line, "value": {k: v for k, v in line["value"].items() if v}}) + "\n" for line in bare)
    done = tm("import", "-", "--skip-bad", store=store, input=with_tenant(tenantId=guid(0xbad)), code=8)
    assert done.stderr.count("belongs to another tenant") == 4
    tm("import", "-", store=store, input=with_tenant())
    assert tenants(store)[guid(5)] == tenants(store)[guid(9)] == there
    app = json.loads(tm("client", "add", "--json", "--role", "Calendars.Read", "--id", guid(5), store=store).stdout)
    assert app["tenantId"] == there
    gone = json.dumps({"op": "remove-client", "id": guid(5)}) + "\n" + lines.replace(there, guid(0xbad)).splitlines()[-1] + "\n"
    tm("import", "-", store=store, input=gone)

    # The secret is good in the other store, at its tenant's address.
    s = server(store=other)
    fields = {"grant_type": "client_credentials", "client_id": own["clientId"], "client_secret": issued(own["clientSecret"]), "scope": SCOPE}
    assert [ask(s, at, fields).status for at in (tenant[other], tenant[store])] == [200, 401]


@pytest.mark.parametrize("change, says", [
    ({"roles": []}, "at least one role"),
    ({"roles": "Calendars.Read"}, "not an array"),
    ({"roles": ["a b"]}, "not an array"),
    ({"secretHash": "plain"}, "argon2id"),
    ({"secret": "x"}, "unknown member"),
    ({"createdDateTime": "yesterday"}, "not a moment"),
    ({"id": "x"}, "not a GUID"),
])
def test_a_bad_client_line_is_named(tm, store, change, says):
    value = {"id": guid(3), "roles": ["Calendars.Read"], **change}
    tm("import", "-", store=store, input=json.dumps({"op": "client", "value": value}) + "\n", code=6, error=says)


def test_a_removed_client_comes_back_only_with_a_date(tm, store):
    line = {"op": "client", "value": {"id": guid(3), "roles": ["Calendars.Read"]}}
    tm("import", "-", store=store, input=json.dumps(line) + "\n")
    tm("client", "remove", guid(3), store=store)
    tm("import", "-", store=store, input=json.dumps(line) + "\n", code=6, error="1: this client was removed")
    line["value"]["createdDateTime"] = "2026-01-01T00:00:00Z"
    tm("import", "-", store=store, input=json.dumps(line) + "\n")


def test_a_removed_users_token_is_refused(served, tm):
    token = served.token(ANN)
    assert served.get("/v1.0/me/calendars", token=token).status == 200
    tm("user", "remove", ANN, store=served.store)
    assert served.get("/v1.0/me/calendars", token=token).status == 401


# ---- the audit ---------------------------------------------------------------------------------------------


def test_denied_requests_and_writes_leave_one_line_each(served):
    ann, reader = served.token(ANN), served.token(ANN, "Calendars.Read")
    assert served.get("/v1.0/me/calendars", token=ann).status == 200
    assert served.audit() == []
    served.get("/v1.0/me/calendars?$top=secret-query")
    served.get(f"/v1.0/users/{guid(9)}/calendars", token=ann)
    served.request("POST", "/v1.0/me/calendars", {"name": "New"}, token=ann)
    served.request("POST", "/v1.0/me/calendars", {"name": "No"}, token=reader)
    ask(served, served.app.tenant, served.app.form(client_secret=issued("a secret that is wrong")))
    lines = served.audit()
    assert [(line["method"], line["status"]) for line in lines] == \
        [("GET", "401"), ("GET", "403"), ("POST", "201"), ("POST", "403"), ("POST", "401")]
    assert lines[2]["oid"] == ANN_ID and lines[2]["tenant"] == served.app.tenant and lines[2]["peer"] == "127.0.0.1"
    assert lines[4]["app"] == served.app.id
    assert all(len(line["request-id"]) == 36 for line in lines)
    assert "secret-query" not in served.stderr()


def test_a_request_cannot_forge_an_audit_line(served):
    path = "/v1.0/me/%0d%0a%7B%22event%22:%22audit%22%7D%E2%80%AE%1b"
    served.get(path, headers={"User-Agent": "x\u00e9"})
    served.get("/v1.0/me/calendars", token="a.b.c", headers={"client-request-id": 'x","event":"forged'})
    assert [line["status"] for line in served.audit() if line["status"] != "400"] == ["401"]
    assert "forged" not in served.stderr()


def test_the_audit_can_be_off(server):
    s = server("--audit", "off", lines=OPS)
    assert s.get("/v1.0/me/calendars").status == 401
    assert s.audit() == []


# ---- what is told about it ------------------------------------------------------------------------------------


def metric(server, name):
    text = server.control("GET", "/-/metrics").body.decode()
    return int(next(line.split()[1] for line in text.splitlines() if line.startswith(name + " ")))


def test_a_poll_with_a_known_token_costs_no_signature_check(served):
    token = ask(served, served.app.tenant, served.app.form()).json["access_token"]
    link = delta(served, token).json["@odata.deltaLink"]
    before = metric(served, "tidemark_signature_checks_total")
    for _ in range(50):
        assert served.get(link, token=token).status == 200
    assert metric(served, "tidemark_signature_checks_total") == before == 1
    assert metric(served, "tidemark_known_tokens_total") == 50


def explain(tm, server, token, method, url, code):
    return json.loads(tm("explain-access", "--as", token, "--json", method, url, store=server.store, code=code).stdout)


def test_explain_access_says_what_the_server_does(served, tm):
    ann, reader = served.token(ANN), served.token(ANN, "Calendars.Read")
    for token, method, path in [(ann, "GET", "/v1.0/me/calendars/delta"), (reader, "POST", "/v1.0/me/calendars"),
                                (ann, "GET", f"/v1.0/users/{guid(9)}/calendars"), (ann[:-2], "GET", "/v1.0/me/calendars"),
                                (ann, "GET", "/v1.0/nothing"), (ann, "DELETE", "/v1.0/me/calendars"),
                                (served.app_token("Calendars.Read"), "GET", "/v1.0/me/calendars"),
                                (served.app_token("Calendars.Read"), "GET", f"/v1.0/users/{ANN_ID}/calendars")]:
        status = served.request(method, path, {"name": "X"} if method == "POST" else None, token=token).status
        reported = explain(tm, served, token, method, path, None)
        assert reported["allowed"] == (status < 300), (method, path, reported)
        assert [check["ok"] for check in reported["checks"]] == [True] * (len(reported["checks"]) - 1) + [reported["allowed"]]


def test_explain_access_names_the_check_that_fails(served, tm):
    token = served.token(ANN, "Calendars.Read")
    reported = explain(tm, served, token, "POST", "https://any.example/v1.0/me/calendars", 4)
    assert reported["checks"][-1]["check"] == "permission"
    old = served.token(ANN, expires="1s")
    time.sleep(0.1)
    damaged = token[:-10] + ("A" if token[-10] != "A" else "B") + token[-9:]
    assert explain(tm, served, damaged, "GET", "/v1.0/me", 4)["checks"][-1]["check"] == "signature"
    assert explain(tm, served, old, "GET", "/v1.0/me/calendars", 0)["allowed"]
    tm("user", "remove", ANN, store=served.store)
    assert explain(tm, served, token, "GET", "/v1.0/me/calendars", 4)["checks"][-1]["check"] == "standing"
    tm("explain-access", "--as", token, "GET", "nonsense", store=served.store, code=2)


def test_explain_access_takes_the_token_from_standard_input(served, tm):
    done = tm("explain-access", "--as", "-", "GET", "/v1.0/me/calendars", store=served.store,
              input=served.token(ANN) + "\n")
    assert done.stdout.splitlines()[-1].startswith("permission  ok")


def test_the_page_of_properties_is_up_to_date(tm):
    assert (DOCS / "properties.md").read_text() == tm("help", "--properties").stdout


def test_the_page_of_permissions_is_up_to_date(tm):
    assert (DOCS / "permissions.md").read_text() == tm("help", "--permissions").stdout
