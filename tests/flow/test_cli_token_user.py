# SPDX-License-Identifier: Apache-2.0
"""Users of the directory, and tokens for them."""
import base64
import json

import pytest

from conftest import guid, put, to_lines, user

ANN = guid(1)


def claims(jwt):
    part = jwt.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def test_add_list_remove(tm, store):
    id = tm("user", "add", "--upn", "ann@contoso.com", "--name", "Ann", store=store).stdout.strip()
    assert tm("user", "add", "--upn", "bob@contoso.com", "--id", guid(2), store=store).stdout == guid(2) + "\n"
    rows = [json.loads(line) for line in tm("user", "list", "--json", store=store).stdout.splitlines()]
    assert {row["id"]: row["displayName"] for row in rows} == {id: "Ann", guid(2): ""}
    assert "ann@contoso.com" in tm("user", "list", store=store).stdout
    tm("user", "remove", "ANN@contoso.com", store=store)
    tm("user", "remove", guid(2), store=store)
    assert tm("user", "list", store=store).stdout == ""


def test_add_with_json_and_all_members(tm, store):
    done = tm("user", "add", "--upn", "ann@contoso.com", "--id", ANN.upper(), "--mail", "a@b", "--name", "Ä", "--tenant",
              guid(7), "--json", store=store)
    assert json.loads(done.stdout) == {"id": ANN, "userPrincipalName": "ann@contoso.com", "displayName": "Ä", "mail": "a@b"}
    assert json.loads(tm("user", "list", "--json", store=store).stdout)["tenantId"] == guid(7)


def test_the_feeds_of_a_removed_user_go_too(tm, store):
    tm("import", "-", store=store, input=to_lines([user("ann@contoso.com", id=ANN), put(ANN, {"name": "A"})]))
    tm("user", "remove", ANN, store=store)
    assert tm("export", store=store).stdout == ""
    assert json.loads(tm("store", "info", "--json", store=store).stdout)["items"] == 0


@pytest.mark.parametrize("args, code, says", [
    (["add"], 2, "--upn is needed"),
    (["add", "--upn", "x@y", "--id", "7"], 2, "is not a GUID"),
    (["add", "--upn", "x@y", "--tenant", "7"], 2, "is not a GUID"),
    (["add", "--upn", "x" * 257], 2, "longer than"),
    (["add", "--upn", "a\nb"], 2, "control character"),
    (["add", "--upn", "Ann@contoso.com"], 6, "another user's"),
    (["remove", "nobody@contoso.com"], 6, "no user"),
    (["remove"], 2, "needs ID|UPN"),
])
def test_what_cannot_be_done_to_users(tm, store, args, code, says):
    tm("user", "add", "--upn", "ann@contoso.com", "--id", ANN, store=store)
    tm("user", *args, store=store, code=code, error=says)
    assert len(tm("user", "list", store=store).stdout.splitlines()) == 1


def test_a_name_in_several_tenants_must_be_told_apart(tm, store):
    for number in (1, 2):
        tm("user", "add", "--upn", "eve@contoso.com", "--id", guid(number), "--tenant", guid(70 + number), store=store)
    tm("user", "remove", "eve@contoso.com", store=store, code=6, error="several tenants")
    tm("token", "--user", "eve@contoso.com", "--scope", "A", store=store, code=6, error="give --tenant")
    token = tm("token", "--user", "eve@contoso.com", "--scope", "A", "--tenant", guid(72), store=store).stdout
    assert claims(token)["oid"] == guid(2)


def test_a_users_token(tm, store):
    tm("user", "add", "--upn", "ann@contoso.com", "--id", ANN, store=store)
    done = tm("token", "--user", "ann@contoso.com", "--scope", "Calendars.Read  User.Read", "--scope", "Mail.Read",
              "--expires", "90s", store=store)
    assert done.stdout.count(".") == 2 and done.stdout.count("\n") == 1 and done.stderr == ""
    reported = claims(done.stdout)
    assert reported["oid"] == ANN and reported["scp"] == "Calendars.Read User.Read Mail.Read" and "roles" not in reported
    assert reported["exp"] - reported["iat"] == 90


def test_an_applications_token_has_the_same_principal_each_time(tm, store):
    tm("user", "add", "--upn", "ann@contoso.com", store=store)
    reported = [claims(tm("token", "--app", app, "--role", "A B", "--role", "C", store=store).stdout)
            for app in (guid(5), guid(5), guid(6))]
    assert reported[0]["roles"] == ["A", "B", "C"] and "scp" not in reported[0]
    assert reported[0]["oid"] == reported[1]["oid"] != reported[2]["oid"]
    assert reported[0]["exp"] - reported[0]["iat"] == 3600


def test_a_token_as_json(tm, store):
    tm("user", "add", "--upn", "ann@contoso.com", store=store)
    reported = json.loads(tm("token", "--user", "ann@contoso.com", "--scope", "A", "--json", store=store).stdout)
    assert reported["token_type"] == "Bearer" and reported["expires_in"] == 3600 and claims(reported["access_token"])["scp"] == "A"


@pytest.mark.parametrize("args, code, says", [
    ([], 2, "either --user or --app"),
    (["--user", "a", "--app", "b"], 2, "either --user or --app"),
    (["--user", "ann@contoso.com"], 2, "--scope is needed"),
    (["--user", "ann@contoso.com", "--scope", "  "], 2, "--scope is needed"),
    (["--user", "ann@contoso.com", "--role", "A"], 2, "--role goes with --app"),
    (["--app", "x", "--scope", "A"], 2, "--scope goes with --user"),
    (["--app", "x"], 2, "--role is needed"),
    (["--app", "x y", "--role", "A"], 2, "is not a client id"),
    (["--user", "ann@contoso.com", "--scope", 'a"b'], 2, "not a permission's name"),
    (["--user", "ann@contoso.com", "--scope", "A", "--expires", "0"], 2, "--expires"),
    (["--user", "ann@contoso.com", "--scope", "A", "--expires", "11y"], 2, "--expires"),
    (["--user", "ann@contoso.com", "--scope", "A", "--tenant", "x"], 2, "--tenant"),
    (["--user", "bob@contoso.com", "--scope", "A"], 6, "tidemark user list"),
    (["--user", guid(9), "--scope", "A"], 6, "no user"),
])
def test_tokens_that_are_not_made(tm, store, args, code, says):
    tm("user", "add", "--upn", "ann@contoso.com", store=store)
    assert tm("token", *args, store=store, code=code, error=says).stdout == ""


def test_no_store_no_token(tm, store):
    tm("token", "--app", "x", "--role", "A", store=store, code=6, error="no such store")
    tm("user", "list", store=store, code=6, error="no such store")
    tm("user", "remove", "x", store=store, code=6, error="no such store")
    tm("store", "gc", store=store, code=6, error="no such store")


def test_an_app_id_that_is_no_guid_is_warned_about(tm, server, store):
    server()
    token = ["token", "--role", "Calendars.Read", "--app"]
    done = tm(*token, "1", store=store)
    assert done.stdout.count(".") == 2 and done.stderr.count("warning") == 1 and '"1" is no GUID' in done.stderr
    assert tm(*token, guid(1), store=store).stderr == ""


def test_a_permission_that_no_call_asks_for_is_warned_about(tm, store):
    tm("user", "add", "--upn", "ann@contoso.com", store=store)
    done = tm("token", "--user", "ann@contoso.com", "--scope", "Calendars.Read Calendars.Raed", store=store)
    assert done.stderr.count("warning") == 1 and '"Calendars.Raed"' in done.stderr and "help --permissions" in done.stderr
    assert "warning" in tm("token", "--user", "ann@contoso.com", "--scope", "Post.Read", store=store).stderr
    assert tm("token", "--user", "ann@contoso.com", "--scope", "calendars.read Mail.Read", store=store).stderr == ""
    done = tm("client", "add", "--name", "x", "--role", "Calendars.Raed", store=store, error="Calendars.Raed")
    assert "client secret" in done.stdout


@pytest.mark.parametrize("upn, word", [("x y@contoso.com", "a blank"), ("xy", "one '@'"), ("a@b@c", "one '@'"), ("@x", "one '@'")])
def test_a_upn_that_is_none_is_refused_with_the_reason(tm, store, upn, word):
    tm("user", "add", "--upn", upn, store=store, code=2, error=word)
