# SPDX-License-Identifier: Apache-2.0
"""Lists of every collection: a walk by nextLinks while items change, the links themselves, and the segment $count."""
import json
import random
import threading
import urllib.parse

import pytest
from conftest import guid, put, user, usual

ANN, BOB = guid(1), guid(2)
LIST = "/v1.0/me/calendars"
WRITE = ("Calendars.ReadWrite",)


@pytest.fixture
def one(server):
    started = server(lines=[user("ann@contoso.com", ANN, displayName="Ann"), user("bob@contoso.com", BOB),
                            put(ANN, {"name": "Calendar", "isDefaultCalendar": True})])
    started.ann = started.token("ann@contoso.com", *WRITE)
    started.bob = started.token("bob@contoso.com", *WRITE)
    return started


class Mailbox:
    """The calendars as they are, and those that live since the walk began."""

    def __init__(self, server, seed):
        self.server, self.random, self.serial = server, random.Random(seed), 0
        self.live, self.since = {}, set()
        for item in server.get(f"{LIST}?$top=1000", server.ann).json["value"]:
            self.live[item["id"]] = item["name"]

    def create(self):
        self.serial += 1
        name = f"{self.random.choice('ABC')}{self.random.random():.9f}{self.serial}"
        reply = self.server.request("POST", LIST, {"name": name}, self.server.ann)
        assert reply.status == 201
        self.live[reply.json["id"]] = name

    def change(self, value):
        id = self.random.choice(sorted(self.live))
        reply = self.server.request("PATCH", f"{LIST}/{urllib.parse.quote(id)}", value, self.server.ann)
        assert reply.status == 200, reply.body

    def delete(self):
        id = self.random.choice(sorted(self.live))
        if self.server.request("DELETE", f"{LIST}/{urllib.parse.quote(id)}", None, self.server.ann).status == 204:
            del self.live[id]
            self.since.discard(id)

    def step(self):
        action = self.random.randrange(10)
        if action < 3:
            self.create()
        elif action < 5:
            self.delete()
        elif action < 6:
            self.change({"isDefaultCalendar": True})
        else:
            self.change({"color": self.random.choice(["lightRed", "lightBlue", "auto"])})


QUERIES = ["", "$count=true", "$filter=startswith(name,'A')", "$filter=startswith(name,'A')&$count=true", "$orderby=name",
           "$orderby=name desc&$filter=not startswith(name,'C')", "$orderby=name&$count=true&$select=name"]


def wanted(query, name):
    return not ("(name,'A')" in query and not name.startswith("A") or "not starts" in query and name.startswith("C"))


@pytest.mark.parametrize("query", QUERIES)
def test_a_walk_misses_and_repeats_nothing_while_items_change(one, query):
    for seed in range(usual(2, 6, 200)):
        box = Mailbox(one, f"{query} {seed}")
        for _ in range(box.random.randrange(4, 12)):
            box.create()
        box.since = set(box.live)
        came, link = [], f"{LIST}?{urllib.parse.quote(query, safe='$=&')}&$top={box.random.randrange(1, 4)}"
        while link:
            page = one.get(link, one.ann).json
            came += [item["id"] for item in page["value"]]
            if "$count" in query:
                assert page["@odata.count"] == sum(wanted(query, name) for name in box.live.values())
            link = page.get("@odata.nextLink")
            # New items come last: a walk slower than its writer would never end.
            for _ in range(box.random.randrange(4) if len(came) < 40 else 0):
                box.step()
        assert len(came) == len(set(came)), f"seed {seed}: an item came twice"
        missed = {id for id in box.since if wanted(query, box.live[id])} - set(came)
        assert not missed, f"seed {seed}: {len(missed)} items were missed"


def test_the_order_is_that_of_creation_and_the_default_calendar_comes_first(one):
    def names(query=""):
        return [item["name"] for item in one.get(f"{LIST}?$top=50&{query}", one.ann).json["value"]]

    made = [one.request("POST", LIST, {"name": name}, one.ann).json["id"] for name in ("C", "A", "B")]
    one.request("PATCH", f"{LIST}/{made[0]}", {"color": "lightRed"}, one.ann)
    assert names() == ["Calendar", "C", "A", "B"]
    one.request("PATCH", f"{LIST}/{made[2]}", {"isDefaultCalendar": True}, one.ann)
    assert names() == ["B", "Calendar", "C", "A"]
    assert names("$skip=1") == ["Calendar", "C", "A"] and names("$skip=3") == ["A"] and names("$skip=4") == []
    assert names("$orderby=name desc".replace(" ", "%20")) == ["Calendar", "C", "B", "A"]


def test_a_link_is_good_only_for_its_own_list(one):
    for name in ("A", "B", "C"):
        one.request("POST", LIST, {"name": name}, one.ann)
        one.request("POST", LIST, {"name": name}, one.bob)
    link = one.get(f"{LIST}?$top=1", one.ann).json["@odata.nextLink"]
    token = link.partition("$skiptoken=")[2]
    assert one.get(link, one.ann).json["value"] == one.get(link, one.ann).json["value"]
    # The size of a page, the selection and the count may change.
    assert len(one.get(f"{LIST}?$top=2&$select=name&$count=true&$skiptoken={token}", one.ann).json["value"]) == 2
    for other, bearer in ((f"{LIST}?$skiptoken={token}", one.bob), (f"{LIST}?$orderby=name&$skiptoken={token}", one.ann),
                          (f"{LIST}?$filter=canEdit&$skiptoken={token}", one.ann), (f"{LIST}?$skip=1&$skiptoken={token}", one.ann),
                          (f"{LIST}/delta?$skiptoken={token}", one.ann), (f"{LIST}?$skiptoken={token[:-2]}", one.ann),
                          (f"{LIST}?$skiptoken=1", one.ann)):
        assert one.get(other, bearer).status == 400, other
    delta = one.get(f"{LIST}/delta", one.ann).json["@odata.deltaLink"].partition("$deltatoken=")[2]
    assert one.get(f"{LIST}?$skiptoken={delta}", one.ann).status == 400


def test_a_link_does_not_outlive_a_restored_copy(one, tm, store, home):
    for name in ("A", "B", "C"):
        one.request("POST", LIST, {"name": name}, one.ann)
    tm("store", "backup", home / "copy.db", store=store)
    link = one.get(f"{LIST}?$top=1", one.ann).json["@odata.nextLink"]
    path = link.partition("/v1.0")[2]
    one.stop()
    tm("store", "restore", home / "copy.db", store=store)
    again = type(one)(one.runner, store)
    reply = again.get("/v1.0" + path, again.token("ann@contoso.com", *WRITE))
    again.stop()
    assert reply.status == 410


def test_the_segment_count_is_the_number_alone(one):
    for name in ("Alpha", "Also", "Beta"):
        one.request("POST", LIST, {"name": name}, one.ann)
    group = next(item["id"] for item in one.get("/v1.0/me/calendarGroups", one.ann).json["value"])
    in_group = f"/v1.0/me/calendarGroups/{group}/calendars"
    for path, number in ((LIST, 4), (f"/beta/users/{ANN}/calendars", 4), (in_group, 4)):
        for accept in ("text/plain;q=0.9", "*/*", "application/json"):
            reply = one.get(f"{path}/$count", one.ann, headers={"Accept": accept})
            assert (reply.status, reply.body, reply.headers["Content-Type"]) == (200, str(number).encode(), "text/plain")
        assert one.get(f"{path}/%24COUNT?$top=1&$skip=2&$orderby=name", one.ann).body == str(number).encode()
        assert one.get(f"{path}/$count?$filter=startswith(name,'al')", one.ann).body == b"2"
        assert one.get(f"{path}/$count?$filter=nonsense", one.ann).status == 400
        assert one.get(f"{path}/$count?$search=x", one.ann).status == 400
        assert one.request("POST", f"{path}/$count", {"name": "x"}, one.ann).status == 405
    assert one.get("/v1.0/me/calendarGroups/$count", one.ann).body == b"%d" % len(
        one.get("/v1.0/me/calendarGroups", one.ann).json["value"])
    # A mailbox that nobody asked for yet has its default calendar.
    assert one.get(f"{LIST}/$count", one.bob).body == b"1"
    for path in ("/me/calendar/$count", "/me/calendars/delta/$count", "/me/$count", "/me/calendars/$count/$count"):
        assert one.get("/v1.0" + path, one.ann).status == 400, path
    assert one.get(f"{LIST}/$count", None).status == 401


@pytest.mark.slow
def test_an_ordered_list_of_more_items_than_it_can_keep_is_walked_to_its_end(server):
    names = [f"{n * 7919 % 3000:05}" for n in range(3000)]
    one = server(lines=[user("ann@contoso.com", ANN), *[put(ANN, {"name": name}) for name in names]])
    bearer = one.token("ann@contoso.com", *WRITE)
    for direction in ("", "%20desc"):
        came, link = [], f"{LIST}?$orderby=name{direction}&$top=400&$select=name&$filter=canEdit"
        while link:
            page = one.get(link, bearer).json
            came += [item["name"] for item in page["value"]]
            link = page.get("@odata.nextLink")
        assert came == sorted(names, reverse=bool(direction))


@pytest.mark.slow
def test_an_item_that_changes_between_two_slices_is_listed_only_as_what_the_filter_lets_pass(server):
    one = server(lines=[user("ann@contoso.com", ANN), *[put(ANN, {"name": f"A{n:05}"}) for n in range(3000)]])
    bearer = one.token("ann@contoso.com", *WRITE)
    first = urllib.parse.quote(one.get(f"{LIST}?$orderby=name&$top=1&$filter=startswith(name,'A')", bearer).json["value"][0]["id"])
    over = threading.Event()

    def rename():
        while not over.is_set():
            for name in ("B", "A"):
                assert one.request("PATCH", f"{LIST}/{first}", {"name": name}, bearer).status == 200

    writer = threading.Thread(target=rename)
    writer.start()
    try:
        pages = [one.get(f"{LIST}?$orderby=name&$top=3&$filter=startswith(name,'A')", bearer).json["value"] for _ in range(20)]
    finally:
        over.set()
        writer.join()
    assert not [item["name"] for page in pages for item in page if not item["name"].startswith("A")]
    assert {len(page) for page in pages} <= {2, 3}


@pytest.fixture
def recorded(server):
    """Thirty recordings of Ann's, every third of one meeting; the moments of their creation do not rise with their ids."""
    lines = [user("ann@contoso.com", ANN), {"op": "policy", "value": {"app": guid(0xa99), "global": True}}]
    for n in range(30):
        # The zone and the fraction are spelled in several ways, so bytes do not sort as moments do.
        moment = f"2024-01-{n * 7 % 30 + 1:02}T0{n % 2}:00:00{'.5' * (n % 3 == 0)}{'Z' if n % 2 else '+00:00'}"
        lines.append(put(ANN, {"id": f"r{n:02}", "meetingId": f"m{n % 3}", "createdDateTime": moment,
                               "contentCorrelationId": f"c-{n % 4}"}, "recordings"))
    one = server(lines=lines)
    one.bearer = one.app_token("OnlineMeetingRecording.Read.All", "OnlineMeetingRecording.ReadWrite.All")
    return one


ALL = f"/v1.0/users/{ANN}/onlineMeetings/getAllRecordings(meetingOrganizerUserId='{ANN}'"
MEETING = f"/v1.0/users/{ANN}/onlineMeetings/m1/recordings"
MOMENT = {f"r{n:02}": n * 7 % 30 for n in range(30)}
COLLECTIONS = {f"{ALL})": range(30), MEETING: range(1, 30, 3),
               f"{ALL},startDateTime=2024-01-11T00:00:00Z,endDateTime=2024-01-21T00:00:00Z)": [n for n in range(30) if 10 <= n * 7 % 30 < 20]}


@pytest.mark.parametrize("path", COLLECTIONS)
def test_lists_of_recordings_take_the_options_of_every_list(recorded, path):
    def walk(query, size=4):
        """The ids of all pages; the walk is made again by the links of the first."""
        came, link = [], f"{path}?{query}&$top={size}"
        while link:
            page = recorded.get(link, recorded.bearer)
            assert page.status == 200, page.body
            assert len(page.json["value"]) <= size
            came, link = came + [item["id"] for item in page.json["value"]], page.json.get("@odata.nextLink")
        return came

    every = [f"r{n:02}" for n in COLLECTIONS[path]]
    some = [id for id in every if int(id[1:]) % 4 == 2]
    assert walk("") == every and walk("$filter=contentCorrelationId+eq+'C-2'", 1) == some
    assert walk("$orderby=createdDateTime") == sorted(every, key=MOMENT.get)
    assert walk("$orderby=createdDateTime+desc&$filter=not(contentCorrelationId+eq+'c-2')", 3) == \
        sorted(set(every) - set(some), key=MOMENT.get, reverse=True)
    page = recorded.get(f"{path}?$skip=2&$top=3&$select=createdDateTime", recorded.bearer).json
    assert [item["id"] for item in page["value"]] == every[2:5] and page["@odata.count"] == 3
    assert set(page["value"][0]) == {"@odata.type", "id", "createdDateTime"}
    page = recorded.get(f"{path}?$count=true&$top=1&$filter=contentCorrelationId+eq+'c-2'", recorded.bearer).json
    assert page["@odata.count"] == len(some) and len(page["value"]) == 1
    assert recorded.get(f"{path}/$count?$filter=contentCorrelationId+eq+'c-2'", recorded.bearer).body == b"%d" % len(some)
    for bad in ("$filter=createdDateTime+eq+'x'", "$orderby=id", "$expand=content", "$search=x", "$top=0", "$select=name", "$skiptoken=x"):
        assert recorded.get(f"{path}?{bad}", recorded.bearer).status == 400, bad


@pytest.mark.parametrize("path", [f"{ALL})", MEETING])
@pytest.mark.parametrize("query", ["", "$count=true", "$orderby=createdDateTime+desc", "$filter=not+startswith(contentCorrelationId,'x')"])
def test_a_walk_of_recordings_misses_and_repeats_nothing_while_recordings_come_and_go(recorded, tm, path, query):
    choice, serial = random.Random(f"{path} {query}"), 0
    for _ in range(usual(1, 3, 50)):
        live = [item["id"] for item in recorded.get(f"{path}?$top=1000", recorded.bearer).json["value"]]
        since, came, link = set(live), [], f"{path}?{query}&$top={choice.randrange(1, 4)}"
        while link:
            page = recorded.get(link, recorded.bearer).json
            came, link = came + [item["id"] for item in page["value"]], page.get("@odata.nextLink")
            lines = []
            for _ in range(choice.randrange(3) if len(came) < 30 else 0):
                serial += 1
                lines.append(put(ANN, {"id": f"n{serial}", "meetingId": "m1", "createdDateTime": "2024-01-15T12:00:00Z"}, "recordings"))
                gone = choice.choice(live)
                since.discard(gone)
                lines.append({"op": "remove", "feed": f"users/{ANN}/recordings", "id": gone})
            if lines:
                tm("import", "-", store=recorded.store, input="".join(json.dumps(line) + "\n" for line in lines))
        assert len(came) == len(set(came)) and not since - set(came)


def test_a_list_of_one_meeting_reads_that_meeting_only(recorded):
    assert recorded.get(MEETING.replace("m1", "m7"), recorded.bearer).status == 404
    assert recorded.get(f"{MEETING}?$filter=contentCorrelationId+eq+'none'", recorded.bearer).json["value"] == []
    link = recorded.get(f"{MEETING}?$top=2", recorded.bearer).json["@odata.nextLink"]
    for other in (link.replace("/m1/", "/m2/"), link.replace("/m1/recordings", f"/{ALL.partition('onlineMeetings/')[2]})"),
                  link + "&$filter=contentCorrelationId+eq+'x'"):
        assert other != link and recorded.get(other, recorded.bearer).status == 400, other


def test_recordings_are_counted_with_their_window_and_in_their_meeting(server):
    one = server(lines=[user("ann@contoso.com", ANN)] + [
        put(ANN, {"id": f"r{n}", "meetingId": f"m{n % 2}", "createdDateTime": f"2024-01-0{n + 1}T00:00:00Z"}, "recordings")
        for n in range(5)] + [{"op": "policy", "value": {"app": guid(0xa99), "global": True}}])
    bearer = one.app_token("OnlineMeetingRecording.Read.All")
    organizer = f"meetingOrganizerUserId='{ANN}'"
    everything = f"/v1.0/users/{ANN}/onlineMeetings/getAllRecordings"
    assert one.get(f"{everything}({organizer})/$count", bearer).body == b"5"
    window = f"({organizer},startDateTime=2024-01-02T00:00:00Z,endDateTime=2024-01-04T00:00:00Z)"
    assert one.get(f"{everything}{window}/$count", bearer, headers={"Accept": "text/plain"}).body == b"2"
    assert one.get(f"{everything}(meetingOrganizerUserId=@o)/$count?@o='{ANN}'", bearer).body == b"5"
    assert one.get(f"{everything}({organizer})/delta/$count", bearer).status == 400
    meeting = f"/beta/users/{ANN}/onlineMeetings/m0/recordings/$count"
    assert one.get(meeting, bearer).body == b"3"
    assert one.get(meeting.replace("m0", "m7"), bearer).status == 404
    assert one.get(meeting, one.token("ann@contoso.com", *WRITE)).status == 403
