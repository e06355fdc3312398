# SPDX-License-Identifier: Apache-2.0
"""Five tenants of five users with two feeds each: nobody gets at anything of anybody else's, and all are told the same."""
import collections
import json

import pytest

from conftest import guid, put, user

TENANTS = [guid(0x7000 + n) for n in range(5)]
USERS = [(tenant, guid(0x100 * (t + 1) + n)) for t, tenant in enumerate(TENANTS) for n in range(5)]
FEEDS = [(tenant, owner, kind) for tenant, owner in USERS for kind in ("calendars", "recordings")]


def lines():
    for tenant, owner in USERS:
        yield user(f"u{owner[:8]}@contoso.com", owner, tenantId=tenant)
        yield put(owner, {"id": "Y" + owner.replace("-", ""), "name": "Calendar"})
        yield put(owner, {"id": "R" + owner[:8], "meetingId": "M1", "meetingOrganizer":
                          {"user": {"id": owner, "displayName": "x", "tenantId": tenant}},
                          "createdDateTime": "2026-01-01T00:00:00Z", "endDateTime": "2026-01-01T01:00:00Z"},
                  "recordings")


def path_of(feed):
    _, owner, kind = feed
    if kind == "calendars":
        return f"/v1.0/users/{owner}/calendars/delta"
    return f"/v1.0/users/{owner}/onlineMeetings/getAllRecordings(meetingOrganizerUserId='{owner}')/delta"


@pytest.fixture
def served(server, tm):
    s = server("--tls", "off", lines=list(lines()))
    roles = ("Calendars.Read", "OnlineMeetingRecording.Read.All")
    s.apps = {tenant: s.app_token(*roles, tenant=tenant) for tenant in TENANTS}
    s.keep = s.connection()
    return s


def get(server, path, token):
    server.keep.request("GET", path, headers={"Authorization": f"Bearer {token}"})
    reply = server.keep.getresponse()
    return reply.status, reply.read()


def test_no_state_token_opens_another_feed(served):
    """2,450 pairs: every feed's deltaLink token at every other feed, with a bearer that may read that other feed."""
    states = {}
    for feed in FEEDS:
        status, body = get(served, path_of(feed), served.apps[feed[0]])
        assert status == 200, body
        states[feed] = json.loads(body)["@odata.deltaLink"].split("token=", 1)[1]
    seen = collections.defaultdict(collections.Counter)
    pairs = 0
    for mine in FEEDS:
        for other in FEEDS:
            if mine == other:
                continue
            answer = get(served, f"{path_of(other)}?$deltatoken={states[mine]}", served.apps[other[0]])
            seen[other[2]][answer[0], len(answer[1])] += 1
            pairs += 1
    assert pairs == 2450
    for kind in seen:
        assert len(seen[kind]) == 1, seen
        assert next(iter(seen[kind]))[0] == 400
    for feed in FEEDS[::7]:
        assert get(served, f"{path_of(feed)}?$deltatoken={states[feed]}", served.apps[feed[0]])[0] == 200


def test_no_bearer_reaches_another_user(served):
    """Users at every other user, programs at every user of another tenant, at users who exist and at one who does not."""
    answers = collections.Counter()
    for tenant, me in USERS[::3]:
        token = served.token(me, "Calendars.ReadWrite", tenant=tenant)
        for _, other in USERS + [("", guid(0xdead))]:
            if other != me:
                status, body = get(served, f"/v1.0/users/{other}/calendars", token)
                answers[status, len(body)] += 1
    assert len(answers) == 1 and next(iter(answers))[0] == 403, answers
    answers.clear()
    for tenant in TENANTS:
        for home, other in USERS + [("", guid(0xdead))]:
            if home != tenant:
                status, body = get(served, f"/v1.0/users/{other}/calendars", served.apps[tenant])
                answers[status, len(body)] += 1
    assert len(answers) == 1 and next(iter(answers))[0] == 404, answers


def test_a_upn_is_looked_up_in_the_callers_tenant_alone(served):
    here, there = USERS[0], USERS[5]
    name = f"u{there[1][:8]}@contoso.com"
    assert get(served, f"/v1.0/users/{name}/calendars", served.apps[there[0]])[0] == 200
    hidden = get(served, f"/v1.0/users/{name}/calendars", served.apps[here[0]])
    nobody = get(served, "/v1.0/users/nobody-here@contoso.com/calendars", served.apps[here[0]])
    assert hidden[0] == nobody[0] == 404 and len(hidden[1]) == len(nobody[1])
