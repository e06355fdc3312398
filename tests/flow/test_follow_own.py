# SPDX-License-Identifier: Apache-2.0
"""Followed from our own server: over TLS with a token of its issuer, while writers go on; and what a person does with it."""
import json
import random
import threading

from conftest import guid, put, remove, user
from test_follow_misbehave import view

ANN = guid(7)


def calendar(number, name):
    return {"id": f"cal-{number}", "name": name, "color": "auto"}


def followed(tm, server, url, store, token, home, *options, **wanted):
    (home / "token").write_text(token)
    return tm("sync", url, "--ca", server.ca, "--bearer-file", home / "token", *options, store=store, **wanted)


def listed(server, token, version="beta"):
    """A fresh round by hand: the truth."""
    path, items = f"/{version}/me/calendars/delta", {}
    while path:
        page = server.get(path, token=token).json
        items.update({item["id"]: item for item in page["value"]})
        path = page.get("@odata.nextLink", "").replace(server.base, "")
    return items


def test_follow_own__ends_equal_while_writers_go_on(tm, server, home):
    far = server(lines=[user("ann@contoso.com", id=ANN)])
    token = far.token("ann@contoso.com", "Calendars.ReadWrite")
    store, url = f"sqlite:{home}/follow.db", f"{far.base}/beta/me/calendars/delta"
    stop = threading.Event()
    chance = random.Random(5)

    def write():
        ids = []
        while not stop.is_set():
            if ids and chance.random() < 0.3:
                far.request("DELETE", f"/v1.0/me/calendars/{ids.pop(chance.randrange(len(ids)))}", token=token)
            elif ids and chance.random() < 0.4:
                far.request("PATCH", f"/v1.0/me/calendars/{chance.choice(ids)}", token=token,
                            body={"name": f"n{chance.getrandbits(40)}"})
            else:
                made = far.request("POST", "/v1.0/me/calendars", token=token, body={"name": f"n{chance.getrandbits(40)}"})
                ids.append(made.json["id"])

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for size in (1, 2, 3, 5, 50):
            followed(tm, far, url, store, token, home, "--page-size", size)
    finally:
        stop.set()
        writer.join()
    followed(tm, far, url, store, token, home)
    assert view(store) == listed(far, token)
    assert view(store, "calendars") == view(store)
    tm("verify", url, "--ca", far.ca, "--bearer-file", home / "token", store=store)


def test_follow_own__random_histories_end_equal(tm, server, home):
    far = server(lines=[user("ann@contoso.com", id=ANN)])
    token = far.token("ann@contoso.com", "Calendars.Read")
    store, url = f"sqlite:{home}/follow.db", f"{far.base}/v1.0/me/calendars/delta"
    chance = random.Random(6)
    held = set()
    for _ in range(12):
        lines = []
        for _ in range(chance.randrange(60)):
            number = chance.randrange(80)
            if number in held and chance.random() < 0.4:
                held.discard(number)
                lines.append(remove(ANN, f"cal-{number}"))
            else:
                held.add(number)
                lines.append(put(ANN, calendar(number, f"n{number}-{chance.getrandbits(30)}")))
        tm("import", "-", store=far.store, input="".join(json.dumps(line) + "\n" for line in lines))
        followed(tm, far, url, store, token, home, "--page-size", chance.choice((1, 3, 10, 200)))
        mine = {id: item for id, item in view(store).items() if id.startswith("cal-")}
        assert set(mine) == {f"cal-{number}" for number in held}
        assert view(store) == listed(far, token, "v1.0")


def test_follow_own__verify_lists_what_differs(tm, server, home):
    far = server(lines=[user("ann@contoso.com", id=ANN)] + [put(ANN, calendar(n, f"name {n}")) for n in range(6)])
    token = far.token("ann@contoso.com", "Calendars.Read")
    store, url = f"sqlite:{home}/follow.db", f"{far.base}/v1.0/me/calendars/delta"
    (home / "token").write_text(token)
    check = ("verify", url, "--ca", far.ca, "--bearer-file", home / "token", "--json")
    tm(*check, store=store, code=6, error="no store")
    followed(tm, far, url, store, token, home)
    tm(*check, store=store)
    changes = [put(ANN, calendar(1, "other")), remove(ANN, "cal-2"), put(ANN, calendar(9, "nine"))]
    tm("import", "-", store=far.store, input="".join(json.dumps(line) + "\n" for line in changes))
    found = [json.loads(line) for line in tm(*check, store=store, code=10).stdout.splitlines()]
    assert [(one["difference"], one["id"]) for one in found] == [("different", "cal-1"), ("extra", "cal-2"), ("missing", "cal-9")]
    assert "name" in found[0]["fields"]
    assert sorted(path.name for path in home.iterdir() if "verify" in path.name) == []
    followed(tm, far, url, store, token, home)
    tm(*check, store=store)


def test_follow_own__the_wrong_ca_and_no_token_are_refused(tm, server, home):
    far = server(lines=[user("ann@contoso.com", id=ANN)])
    store, url = f"sqlite:{home}/follow.db", f"{far.base}/v1.0/me/calendars/delta"
    tm("sync", url, "--max-wait", "1s", store=store, code=6, error="certificate")
    tm("sync", url, "--ca", far.ca, store=store, code=4, error="401")
    token = far.token("ann@contoso.com", "User.Read")
    followed(tm, far, url, store, token, home, code=4, error="403")


def test_follow_own__a_client_follows_with_its_own_credentials(tm, server, home):
    far = server(lines=[user("ann@contoso.com", id=ANN)] + [put(ANN, calendar(n, f"name {n}")) for n in range(3)])
    made = json.loads(tm("client", "add", "--name", "follower", "--role", "Calendars.Read", "--json", store=far.store).stdout)
    env = {"AZURE_CLIENT_ID": made["clientId"], "AZURE_CLIENT_SECRET": made["clientSecret"], "AZURE_TENANT_ID": made["tenantId"],
           "AZURE_AUTHORITY_HOST": far.base}
    store, url = f"sqlite:{home}/follow.db", f"{far.base}/v1.0/users/{ANN}/calendars/delta"
    tm("sync", url, "--ca", far.ca, "--client-credentials", store=store, env=env)
    assert set(view(store)) == {"cal-0", "cal-1", "cal-2"}
    tm("doctor", url, "--ca", far.ca, "--client-credentials", store=store, env=env)
    wrong = tm("sync", url, "--ca", far.ca, "--client-credentials", store=store, env={**env, "AZURE_CLIENT_SECRET": "wrong-wrong"},
               code=4, error="the token endpoint answers 401")
    assert "wrong-wrong" not in wrong.stderr
    tm("sync", url, "--ca", far.ca, "--client-credentials", store=store, env={**env, "AZURE_AUTHORITY_HOST": "http://example.com"},
       code=4, error="authority")
    tm("sync", url, "--ca", far.ca, "--client-credentials", store=store, code=2, error="AZURE_TENANT_ID")
