# SPDX-License-Identifier: Apache-2.0
"""Users of the directory: oneself, one of the tenant, the list; who may read them, and nobody of another tenant."""
import re
import urllib.parse

import pytest
from conftest import guid, put, user

ANN, BOB, CAT, EVE = (guid(n) for n in range(1, 5))
OTHER = guid(0x77)
NAMES = ["id", "businessPhones", "displayName", "givenName", "jobTitle", "mail", "mobilePhone", "officeLocation",
         "preferredLanguage", "surname", "userPrincipalName"]


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    import pathlib
    import shutil
    import tempfile

    from conftest import Runner, Server, to_lines
    home = pathlib.Path(tempfile.mkdtemp(prefix="tm-"))
    runner, store = Runner(home), f"sqlite:{home}/t.db"
    runner("import", "-", store=store, input=to_lines([
        user("ann@contoso.com", ANN, displayName="Ann O'Neil", mail="ann.oneil@contoso.com"), user("bob@contoso.com", BOB),
        user("cat@contoso.com", CAT, displayName="Cat"), user("eve@other.com", EVE, tenantId=OTHER),
        put(ANN, {"name": "Calendar", "isDefaultCalendar": True})]))
    server = Server(runner, store)
    server.reader = server.token("ann@contoso.com", "User.ReadBasic.All")
    server.self = server.token("ann@contoso.com", "User.Read")
    server.app = server.app_token("Directory.Read.All")
    yield server
    server.stop()
    shutil.rmtree(home, ignore_errors=True)


def ids(reply):
    assert reply.status == 200, reply.body
    return [item["id"] for item in reply.json["value"]]


def query(**options):
    return "?" + "&".join(f"${name}={urllib.parse.quote(str(value))}" for name, value in options.items())


def test_me_is_the_signed_in_user_with_any_permission(shared):
    for bearer in (shared.self, shared.reader, shared.token("ann@contoso.com", "Calendars.Read")):
        reply = shared.get("/v1.0/me", bearer)
        assert reply.status == 200 and reply.json["@odata.context"].endswith("/v1.0/$metadata#users/$entity")
        assert list(reply.json)[1:] == NAMES
        assert {name: reply.json[name] for name in ("id", "displayName", "mail", "userPrincipalName", "surname", "businessPhones")} == {
            "id": ANN, "displayName": "Ann O'Neil", "mail": "ann.oneil@contoso.com", "userPrincipalName": "ann@contoso.com",
            "surname": None, "businessPhones": []}
    picked = shared.get("/beta/ME?$select=Mail,displayname", shared.self).json
    assert list(picked)[1:] == ["id", "displayName", "mail"]
    assert shared.get("/v1.0/me", shared.app).status == 400                     # an application is nobody's self
    assert shared.get("/v1.0/me", None).status == 401
    assert shared.get("/v1.0/me?$filter=x", shared.self).status == 400
    assert shared.request("PATCH", "/v1.0/me", {"mail": "x"}, shared.self).status == 405


@pytest.mark.parametrize("caller", [ANN, "ann@contoso.com", "ANN@contoso.com"])
def test_user_read_is_enough_for_oneself_alone(shared, caller):
    assert shared.get(f"/v1.0/users/{caller}", shared.self).json["id"] == ANN
    assert shared.get(f"/v1.0/users('{caller}')", shared.self).json["id"] == ANN
    for other in (BOB, "bob@contoso.com", EVE, guid(99), "nobody@contoso.com"):
        assert shared.get(f"/v1.0/users/{other}", shared.self).status == 403, other
    assert shared.get("/v1.0/users", shared.self).status == 403
    assert shared.get("/v1.0/users/$count", shared.self).status == 403
    assert shared.get(f"/v1.0/users/{ANN}", shared.token("ann@contoso.com", "Calendars.ReadWrite")).status == 403


@pytest.mark.parametrize("grant", ["User.ReadBasic.All", "User.Read.All", "Directory.Read.All"])
def test_the_directory_is_for_who_may_read_it_and_of_one_tenant(shared, grant):
    for bearer in (shared.token("ann@contoso.com", grant), shared.app_token(grant)):
        assert ids(shared.get("/v1.0/users", bearer)) == [ANN, BOB, CAT]
        assert shared.get("/v1.0/users/$count", bearer).body == b"3"
        assert shared.get(f"/v1.0/users/{BOB}", bearer).json["userPrincipalName"] == "bob@contoso.com"
        assert shared.get(f"/v1.0/users/{EVE}", bearer).status == 404
        assert shared.get("/v1.0/users/eve@other.com", bearer).status == 404
        # What a permission of users opens is users, not what belongs to them.
        assert shared.get(f"/v1.0/users/{BOB}/calendars", bearer).status == 403


FILTERS = {
    "mail eq 'ANN.oneil@contoso.com'": [ANN],
    "userPrincipalName eq 'bob@contoso.com'": [BOB],
    "displayName eq 'Cat'": [CAT],
    "displayName eq 'Ann O''Neil'": [ANN],
    "startswith(displayName,'a') or startswith(userPrincipalName,'bob')": [ANN, BOB],
    "startswith(mail,'x')": [],
    "mail eq null": [BOB, CAT],
    f"id eq '{CAT}'": [CAT],
    "userPrincipalName eq 'eve@other.com'": [],
}


@pytest.mark.parametrize("text", FILTERS)
def test_users_are_found_by_filter(shared, text):
    reply = shared.get("/v1.0/users" + query(filter=text, count="true"), shared.reader)
    assert ids(reply) == FILTERS[text] and reply.json["@odata.count"] == len(FILTERS[text])
    assert shared.get("/v1.0/users/$count" + query(filter=text), shared.reader).body == str(len(FILTERS[text])).encode()


def test_the_list_has_pages_an_order_and_no_names_of_its_own(shared):
    first = shared.get("/v1.0/users?$top=2&$count=true&$select=userPrincipalName", shared.reader).json
    assert first["@odata.context"].endswith("#users") and first["@odata.count"] == 3
    assert [list(item) for item in first["value"]] == [["id", "userPrincipalName"]] * 2
    second = shared.get(first["@odata.nextLink"], shared.reader).json
    assert [item["id"] for item in second["value"]] == [CAT] and "@odata.nextLink" not in second
    assert shared.get(first["@odata.nextLink"], shared.app).status == 200
    assert ids(shared.get("/v1.0/users?$orderby=displayName%20desc", shared.reader)) == [CAT, ANN, BOB]
    assert shared.get("/v1.0/users?$filter=givenName%20eq%20'x'", shared.reader).status == 400
    assert shared.get("/v1.0/users?$search=%22x%22", shared.reader).status == 400
    assert shared.request("POST", "/v1.0/users", {}, shared.reader).status == 405
    full = shared.get("/v1.0/users", shared.reader, headers={"Accept": "application/json;odata.metadata=full"}).json["value"][0]
    assert full["@odata.id"].endswith(f"/v1.0/users('{ANN}')") and full["@odata.type"] == "#microsoft.graph.user"
    assert full["businessPhones@odata.type"] == "#Collection(String)"


def test_a_page_of_users_is_full_however_many_of_other_tenants_are_read_for_it(server):
    one = server(lines=[user("ann@contoso.com", ANN)] +
                 [user(f"u{n}@other.com", guid(1000 + n), tenantId=OTHER) for n in range(2500)] +
                 [user(f"v{n}@contoso.com", guid(9000 + n)) for n in range(3)])
    bearer = one.token("ann@contoso.com", "User.Read.All")
    pages, link = [], "/v1.0/users?$top=10"
    while link:
        page = one.get(link, bearer).json
        pages.append(len(page["value"]))
        link = page.get("@odata.nextLink")
    assert pages == [4]
    assert one.get("/v1.0/users/$count", bearer).body == b"4"
    assert one.get("/v1.0/users?$count=true&$top=1", bearer).json["@odata.count"] == 4


def test_metadata_and_the_check_of_a_token_know_users(shared, tm, home):
    text = shared.get("/v1.0/$metadata").body.decode()
    entity = re.search(r'<EntityType Name="user".*?</EntityType>', text, re.S)[0]
    assert re.findall(r'<Property Name="(\w+)"', entity) == NAMES[1:]
    assert re.findall(r'<NavigationProperty Name="(\w+)"', entity) == ["calendar", "calendars", "calendarGroups", "onlineMeetings"]
    assert text.count('<EntityType Name="user"') == 1
    explained = tm("explain-access", "--as", shared.self, "GET", "/v1.0/users", store=shared.store, code=4).stdout
    assert "User.Read or User.ReadBasic.All" in explained and "for other users: User.ReadBasic.All or User.Read.All" in explained
    tm("explain-access", "--as", shared.self, "GET", "/v1.0/me", store=shared.store)
    tm("explain-access", "--as", shared.reader, "GET", "/v1.0/users/$count", store=shared.store)
