# SPDX-License-Identifier: Apache-2.0
"""Signing in by device code, against an issuer that does what a test tells it."""
import json
import os
import signal
import subprocess
import time

import pytest

from conftest import BIN, base_env, check_sanitizers, check_secrets, issued
from cred_kit import CLIENT, TENANT, Issuer, code, error, tokens
from misbehave import FarEnd, Listener

PENDING = error("authorization_pending", "AADSTS70016: not yet")
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"


@pytest.fixture
def far():
    end = FarEnd()
    end.put("a", name="A")
    yield end
    end.close()


@pytest.fixture
def issuer():
    one = Issuer()
    yield one
    one.close()


@pytest.fixture
def env(issuer):
    return {"AZURE_AUTHORITY_HOST": issuer.base, "AZURE_TENANT_ID": TENANT, "AZURE_CLIENT_ID": CLIENT}


@pytest.fixture
def run(tm, far, store, env):
    def start(command="sync", *args, code=0, error=None, **more):
        done = tm(command, far.url, "--device-code", *args, store=store, code=code, error=error, env={**env, **more})
        assert "refresh-token" not in done.stdout + done.stderr and "device-code-0" not in done.stdout + done.stderr
        return done
    return start


@pytest.fixture
def kept(home):
    return home / "t.db.sign-in"


@pytest.fixture
def signed_in(issuer, kept):
    """As if the last run had signed in, without its second of waiting; the first test shows that this is what it leaves."""
    def put():
        kept.write_text(json.dumps({"authority": issuer.base, "tenantId": TENANT, "clientId": CLIENT,
                                    "refreshToken": issued("refresh-token-one-0123456789")}))
        kept.chmod(0o600)
    put()
    return put


def paths(issuer):
    return [path.rsplit("/", 1)[1] for path, _ in issuer.posts]


def test_a_person_signs_in_and_stays_signed_in(issuer, run, far, kept, home):
    issuer.do(code(), PENDING, tokens())
    done = run()
    assert "https://www.microsoft.com/link and enter the code YZMYLD4K" in done.stderr and "YZMYLD4K" not in done.stdout
    (begin, first), (token, form), (_, again) = issuer.posts
    assert begin == f"/{TENANT}/oauth2/v2.0/devicecode" and token == f"/{TENANT}/oauth2/v2.0/token"
    assert first == {"client_id": CLIENT, "scope": f"{far.base}/.default offline_access"}
    assert form == again == {"grant_type": DEVICE, "client_id": CLIENT, "device_code": "device-code-0123456789-secret"}
    assert issuer.times[2] - issuer.times[1] >= 1
    assert [headers["Authorization"] for _, headers in far.requests] == ["Bearer access-token-one-0123456789"]
    assert kept.stat().st_mode & 0o777 == 0o600
    assert json.loads(kept.read_text()) == {"authority": issuer.base, "tenantId": TENANT, "clientId": CLIENT,
                                            "refreshToken": "refresh-token-one-0123456789"}
    assert b"refresh-token" not in (home / "t.db").read_bytes()
    # The next run asks nobody, and keeps the token it is given.
    issuer.do(tokens("access-token-two-0123456789", "refresh-token-two-0123456789"))
    assert "YZMYLD4K" not in run().stderr
    assert issuer.posts[3][1] == {"grant_type": "refresh_token", "client_id": CLIENT, "scope": first["scope"],
                                  "refresh_token": "refresh-token-one-0123456789"}
    assert far.requests[-1][1]["Authorization"] == "Bearer access-token-two-0123456789"
    assert json.loads(kept.read_text())["refreshToken"] == "refresh-token-two-0123456789"
    assert kept.stat().st_mode & 0o777 == 0o600 and [path.name for path in home.glob("t.db.sign-in*")] == [kept.name]


def test_a_refused_token_is_had_anew_by_the_rotated_refresh_token(issuer, run, far, kept):
    far.do(lambda request, _page: request.error(401, "InvalidAuthenticationToken"))
    issuer.do(code(), tokens(), tokens("access-token-two-0123456789", None))
    run()
    assert [form.get("refresh_token") for _, form in issuer.posts] == [None, None, "refresh-token-one-0123456789"]
    assert far.requests[-1][1]["Authorization"] == "Bearer access-token-two-0123456789"
    assert json.loads(kept.read_text())["refreshToken"] == "refresh-token-one-0123456789"


@pytest.mark.slow
def test_slow_down_adds_five_seconds(issuer, run):
    issuer.do(code(), error("slow_down"), tokens())
    run()
    assert issuer.times[2] - issuer.times[1] >= 6


def test_trouble_while_waiting_is_no_answer(issuer, run):
    issuer.do(code(), (503, "<html>", {"Content-Type": "text/html", "Retry-After": "1"}), (500, {}, {}), tokens())
    run()
    assert len(issuer.posts) == 4


@pytest.mark.parametrize("answer, words", [
    (error("expired_token", "AADSTS70020: the code has expired"), "expired before anybody signed in"),
    (error("authorization_declined"), "declined"),
    (error("invalid_client", "AADSTS7000218: not a public client", 401), "401: invalid_client AADSTS7000218"),
    (error("nonsense", "it was " + "device-code-0123456789-secret"), "400: nonsense"),
    ((200, "<html>Sign in to the Wi-Fi</html>", {"Content-Type": "text/html"}), "no bearer token"),
    ((200, b"x" * 100000, {}), "the token endpoint answers 200"),
])
def test_a_sign_in_that_fails_ends_with_4(issuer, run, far, kept, answer, words):
    issuer.do(code(), answer)
    run(code=4, error=words)
    assert not far.requests and not kept.exists()


@pytest.mark.parametrize("answer, status, words", [
    (error("invalid_request", "AADSTS90002: Tenant not found"), 4,
     "the device code endpoint answers 400: invalid_request AADSTS90002"),
    ((503, {}, {}), 5, "503"),
    ((200, "<html>", {"Content-Type": "text/html"}), 4, "cannot be understood"),
    ((200, [], {}), 4, "cannot be understood"),
    (code(device_code=None), 4, "cannot be understood"),
    (code(user_code=None), 4, "cannot be understood"),
    (code(user_code=""), 4, "cannot be understood"),
    (code(verification_uri=None), 4, "cannot be understood"),
    (code(expires_in=None), 4, "cannot be understood"),
    (code(expires_in=0), 4, "cannot be understood"),
    (code(expires_in=10 ** 12), 4, "cannot be understood"),
    (code(interval=0), 4, "cannot be understood"),
    (code(interval="1"), 4, "cannot be understood"),
    (code(device_code="x" * 9000), 4, "cannot be understood"),
    ((200, b"x" * (17 << 20), {}), 4, "16 MiB"),
])
def test_a_code_that_cannot_be_had(issuer, run, far, answer, status, words):
    issuer.do(answer)
    run(code=status, error=words)
    assert len(issuer.posts) == 1 and not far.requests


def test_a_code_nobody_enters_expires(issuer, run):
    issuer.do(code(expires_in=3))
    start = time.monotonic()
    run(code=4, error="expired before anybody signed in")
    assert time.monotonic() - start < 100 and set(paths(issuer)[1:]) <= {"token"}


def test_without_a_good_message_we_say_it_ourselves(issuer, run):
    issuer.do(code(message="YZMYLD4K device-code-0123456789-secret"), tokens())
    assert "open https://www.microsoft.com/link and enter the code YZMYLD4K" in run().stderr


def test_a_refresh_token_that_is_no_longer_good_asks_to_sign_in_again(issuer, run, far, kept, signed_in):
    issuer.do(error("invalid_grant", "AADSTS700082: The refresh token refresh-token-one-0123456789 has expired"))
    assert "AADSTS700082" not in run(code=4, error="sign in again").stderr
    assert not far.requests and not kept.exists()
    issuer.do(code(), tokens())
    run()
    assert kept.exists()


@pytest.mark.parametrize("answer, status", [
    ((503, {}, {"Retry-After": "60"}), 5),
    ((302, "", {"Location": "http://127.0.0.1:1/"}), 4),
    ((200, "<html>", {"Content-Type": "text/html"}), 4),
    (error("invalid_client", status=401), 4),
    ((400, "<html>invalid_grant", {"Content-Type": "text/html"}), 4),
])
def test_a_refresh_that_fails_otherwise_keeps_the_sign_in(issuer, run, kept, signed_in, answer, status):
    before = kept.read_bytes()
    issuer.usual = answer
    run("sync", "--max-wait", "1s", code=status)
    assert kept.read_bytes() == before


def test_no_redirect_gets_a_code_or_a_refresh_token(issuer, run, kept, signed_in):
    stranger = Listener()
    try:
        away = (307, "", {"Location": f"http://127.0.0.1:{stranger.port}/token"})
        issuer.do(away)
        run(code=4, error="307")
        assert kept.exists()
        kept.unlink()
        issuer.do(away)
        run(code=4, error="307")
        issuer.do(code(), away)
        run(code=4, error="307")
        assert paths(issuer) == ["token", "devicecode", "devicecode", "token"] and not stranger.requests
    finally:
        stranger.close()


def test_a_refresh_token_is_for_the_one_who_gave_it(issuer, run, kept, signed_in):
    """Another authority, tenant or client gets a sign-in of its own, and never sees the token."""
    other = Issuer()
    try:
        for change in ({"AZURE_AUTHORITY_HOST": other.base}, {"AZURE_TENANT_ID": "organizations"}, {"AZURE_CLIENT_ID": TENANT}):
            one = other if "AZURE_AUTHORITY_HOST" in change else issuer
            one.posts.clear()
            one.do(error("invalid_client"))
            run(code=4, error="invalid_client", **change)
            assert paths(one) == ["devicecode"]
            assert "refresh-token" not in json.dumps(one.posts)
        assert kept.exists()
    finally:
        other.close()


def test_the_file_is_refused_when_others_may_read_it_or_it_is_no_file(issuer, run, kept, home, signed_in):
    text = kept.read_text()
    kept.chmod(0o640)
    run(code=4, error="can be read by others")
    kept.chmod(0o600)
    kept.write_text("{}")
    run(code=4, error="cannot be understood")
    kept.unlink()
    (home / "elsewhere").write_text(text)
    (home / "elsewhere").chmod(0o600)
    kept.symlink_to(home / "elsewhere")
    run(code=4, error="sign-in")
    assert not issuer.posts


def test_a_sign_in_without_a_refresh_token_is_for_this_run(issuer, run, far, kept):
    issuer.do(code(), tokens(refresh=None))
    assert "offline_access" in run().stderr
    assert far.requests and not kept.exists()


def test_doctor_uses_the_sign_in_and_asks_nobody(issuer, run, kept, signed_in):
    kept.unlink()
    assert "nobody is signed in" in run("doctor", code=10).stdout and not issuer.posts
    signed_in()
    issuer.do(*(tokens(refresh=f"refresh-token-{number}-0123456789") for number in ("two", "three", "four")))
    assert "fault" not in run("doctor").stdout
    run()
    run("verify")
    assert [form["refresh_token"].split("-")[2] for _, form in issuer.posts] == ["one", "two", "three"]


def test_what_it_needs(tm, far, store, env):
    tm("sync", far.url, "--device-code", store=store, env={**env, "AZURE_CLIENT_ID": ""}, code=2, error="AZURE_CLIENT_ID")
    tm("sync", far.url, "--device-code", "--client-credentials", store=store, env=env, code=2, error="exclude each other")
    tm("sync", far.url, "--device-code", store=store, env={**env, "AZURE_AUTHORITY_HOST": "http://example.com"}, code=4,
       error="authority")
    tm("sync", far.url, "--device-code", store=store, env={**env, "AZURE_CLIENT_ID": "with a blank"}, code=2, error="plain words")


def test_the_tenant_is_any_organisation_when_none_is_given(issuer, run):
    issuer.do(code(), tokens())
    run(AZURE_TENANT_ID="")
    assert issuer.posts[0][0] == "/organizations/oauth2/v2.0/devicecode"


def test_a_signal_ends_the_waiting(issuer, far, store, env, home, kept):
    issuer.do(code())
    child = subprocess.Popen([BIN, "sync", far.url, "--device-code", "--store", store], env={**base_env(home), **env},
                             stderr=subprocess.PIPE, text=True, cwd=home)
    end = time.monotonic() + 60
    while len(issuer.posts) < 2 and time.monotonic() < end:
        time.sleep(0.02)
    os.kill(child.pid, signal.SIGTERM)
    reported = child.communicate(timeout=60)[1]
    check_sanitizers(reported)
    check_secrets(reported)
    assert child.returncode == 143 and "YZMYLD4K" in reported and not kept.exists()


def test_a_rotated_token_that_cannot_be_kept_is_said(issuer, run, home, signed_in):
    issuer.do(tokens(access=issued("access-token-two-0123456789"), refresh="refresh-token-two-0123456789"))
    (home / "t.db.sign-in.new").mkdir()
    run(code=4, error="t.db.sign-in")
