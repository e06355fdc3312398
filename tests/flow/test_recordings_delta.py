# SPDX-License-Identifier: Apache-2.0
"""Recordings told: the seed's own example, spellings, pages, windows, additions only, removals, permissions, policy."""
import json
import random
import urllib.parse

import pytest

from conftest import ROOT, guid, put, remove, to_lines, user, usual

ANN = guid(1)
BOB = guid(2)
APP = guid(0xa99)
SAMANTHA = "8b081ef6-4792-4def-b2c9-c363a1bf41d5"
READ = "OnlineMeetingRecording.Read.All"
WRITE = "OnlineMeetingRecording.ReadWrite.All"


def ann(**more):
    return user("ann@contoso.com", ANN, displayName="Ann", **more)


def moment(n):
    """One an hour, from 2024-01-01 on."""
    return f"2024-01-{1 + n // 24:02d}T{n % 24:02d}:00:00.0000000Z"


def recording(n, meeting="M-0", **more):
    return {"id": f"rec-{n:05d}", "meetingId": meeting, "createdDateTime": moment(n % 600), **more}


def recordings(count, owner=ANN, **more):
    return [put(owner, recording(n, **more), "recordings") for n in range(count)]


def allow(app=APP, **caller):
    return {"op": "policy", "value": {"app": app, **(caller or {"global": True})}}


def all_path(owner=ANN, args="", version="v1.0", delta="/delta"):
    return f"/{version}/users/{owner}/onlineMeetings/getAllRecordings(meetingOrganizerUserId='{owner}'{args}){delta}"


def walk(server, link, token, headers=None):
    """Follows links to the end of the round: (pages, deltaLink or None)."""
    pages = []
    while True:
        reply = server.get(link, token, headers or {})
        assert reply.status == 200, reply.body
        page = reply.json
        pages.append(page)
        assert page["@odata.count"] == len(page["value"])
        links = [page.get("@odata.nextLink"), page.get("@odata.deltaLink")]
        assert links.count(None) >= 1
        if links[0] is None:
            return pages, links[1]
        assert links[0] != link
        link = links[0]


def ids(pages):
    return [item["id"] for page in pages for item in page["value"]]


def code_of(reply):
    return reply.json["error"]["code"]


# ---- the seed ------------------------------------------------------------------------------------------


def seed_object():
    for line in (ROOT / "samples" / "seed.jsonl").read_text().splitlines():
        op = json.loads(line)
        if op.get("feed") == f"users/{SAMANTHA}/recordings":
            return op["value"]
    raise AssertionError("samples/seed.jsonl has no recording")


def test_the_seed_example_walks_with_the_seed_object(server):
    lines = [json.loads(line) for line in (ROOT / "samples" / "seed.jsonl").read_text().splitlines()]
    seed = seed_object()
    others = [put(SAMANTHA, {**seed, "id": f"another-{n}"}, "recordings") for n in (1, 2)]
    one = server("--link-style", "seed", lines=lines + others)
    token = one.app_token(READ)
    head = f"{one.base}/v1.0/$metadata#Collection(callRecording)"

    first = one.get(all_path(SAMANTHA) + "?$top=1", token)
    assert list(first.json) == ["@odata.context", "@odata.nextLink", "@odata.count", "value"]
    assert first.json["@odata.context"] == head and first.json["@odata.count"] == 1
    reported = first.json["value"][0]
    assert {name: reported[name] for name in seed} == seed
    assert set(reported) - set(seed) == {"@odata.type", "callId", "contentCorrelationId", "endDateTime"} - set(seed)
    assert list(reported)[0] == "@odata.type" and reported["@odata.type"] == "#microsoft.graph.callRecording"
    link = first.json["@odata.nextLink"]
    assert link.startswith(f"{one.base}{all_path(SAMANTHA)}?skipToken=")

    second = one.get(link.replace("skipToken=", "$skiptoken="), token).json
    third = one.get(second["@odata.nextLink"], token).json
    assert [page["@odata.count"] for page in (second, third)] == [1, 1]
    assert "@odata.nextLink" not in third
    assert third["@odata.deltaLink"].startswith(f"{one.base}{all_path(SAMANTHA)}?skipToken=")

    assert one.get(third["@odata.deltaLink"], token).json["value"] == []
    one.runner("import", "-", store=one.store,
               input=to_lines([put(SAMANTHA, {**seed, "id": "a-fourth"}, "recordings")]))
    fourth = one.get(third["@odata.deltaLink"], token).json
    assert list(fourth) == ["@odata.context", "@odata.deltaLink", "@odata.count", "value"]
    assert [item["id"] for item in fourth["value"]] == ["a-fourth"]


# ---- spellings -------------------------------------------------------------------------------------------


def spellings():
    base = f"meetingOrganizerUserId='{ANN}'"
    window = "startDateTime=2024-01-01T00:00:00Z", "endDateTime=2024-01-01T03:00:00Z"
    q = urllib.parse.quote
    return [
        (f"({base})/delta", "", 5),
        (f"({base})/delta()", "", 5),
        (f"({base})/delta/", "", 5),
        (f"({base})/microsoft.graph.delta", "", 5),
        (f"({base})/microsoft.graph.delta()", "", 5),
        (f"({base})", "", 5),
        (f"(%20{base}%20)/delta", "", 5),
        (q(f"({base})") + "/delta", "", 5),
        (q(f"({base},{window[0]})") + "/delta", "", 5),
        (f"({base},{window[1]})/delta", "", 3),
        (f"({base},%20{window[0]},%20{window[1]})/delta", "", 3),
        (f"({window[1]},{base},{window[0]})/delta", "", 3),
        (f"({base},startDateTime='2024-01-01T01:00:00Z')/delta", "", 4),
        (f"({base},startDateTime=2024-01-01T02:00:00%2B01:00)/delta", "", 4),
        (f"({base},startDateTime=2024-01-01T02:00:00+01:00)/delta", "", 4),
        (f"(meetingOrganizerUserId=@p)/delta", f"@p='{ANN}'", 5),
        (f"(meetingOrganizerUserId=@p,startDateTime=@s)/delta", f"@p='{ANN}'&@s=2024-01-01T01:00:00Z", 4),
        (f"(meetingOrganizerUserId=@p,startDateTime=@s)/delta", f"%40p=%27{ANN}%27&%40s=2024-01-01T01%3A00%3A00Z", 4),
        ("(meetingOrganizerUserId='@meetingOrganizerUserId',startDateTime=@startDateTime,endDateTime=@endDateTime)",
         f"endDateTime=2024-01-01T03:00:00Z&meetingOrganizerUserId={ANN}&startDateTime=2024-01-01T01:00:00Z", 2),
        ("(meetingOrganizerUserId='@meetingOrganizerUserId',startDateTime=@startDateTime,endDateTime=@endDateTime)",
         f"meetingOrganizerUserId={ANN}", 5),
        ("(meetingOrganizerUserId='@meetingOrganizerUserId'startDateTime=@startDateTimeendDateTime=@endDateTime)",  # Python's
         f"endDateTime=2024-01-01T03:00:00Z&meetingOrganizerUserId={ANN}&startDateTime=2024-01-01T01:00:00Z", 2),
        ("(meetingOrganizerUserId=%27%40meetingOrganizerUserId%27,startDateTime=@startDateTime)/delta",
         f"meetingOrganizerUserId={ANN}", 5),
        (f"({base.replace('meetingOrg', 'MeetingORG')})/delta", "", 5),
        (f"(meetingOrganizerUserId='{ANN.upper()}')/delta", "", 5),
    ]


@pytest.mark.slow
def test_every_spelling_gives_the_same_recordings(server):
    one = server(lines=[ann(), *recordings(5)])
    token = one.app_token(READ)
    for version in ("v1.0", "beta"):
        for person in (f"users/{ANN}", "users/ann@contoso.com", f"users('{ANN}')", f"Users/{ANN.upper()}"):
            for args, query, count in spellings():
                for size in ("", "$top=2", "top=2", "%24top=2", "$TOP=2"):
                    if size and person != f"users/{ANN}":
                        continue
                    path = f"/{version}/{person}/onlineMeetings/getAllRecordings{args}"
                    options = "&".join(part for part in (query, size) if part)
                    pages, _ = walk(one, path + ("?" + options if options else ""), token)
                    assert len(ids(pages)) == count, (path, options)
                    if size:
                        assert [len(page["value"]) for page in pages] == [2] * (count // 2) + [1] * (count % 2)


def test_the_options_of_a_token_may_be_spelled_anyhow(server):
    one = server(lines=[ann(), *recordings(3)])
    token = one.app_token(READ)
    link = one.get(all_path() + "?$top=2", token).json["@odata.nextLink"]
    path, value = link.split("?$skiptoken=")
    for name in ("$skiptoken", "$skipToken", "skipToken", "skiptoken", "$deltatoken", "deltaToken", "%24skiptoken", "$SKIPTOKEN"):
        reply = one.get(f"{path}?{name}={value}", token)
        assert reply.status == 200 and ids([reply.json]) == ["rec-00002"], name


def test_an_alias_is_spelled_out_in_the_links(server):
    one = server(lines=[ann(), *recordings(5)])
    path = f"/v1.0/users/ann@contoso.com/onlineMeetings/getAllRecordings(meetingOrganizerUserId=@p,startDateTime=@s)/delta"
    pages, delta = walk(one, f"{path}?@p='{ANN}'&@s=2024-01-01T01:00:00%2B00:00&$top=3", one.app_token(READ))
    assert [len(page["value"]) for page in pages] == [3, 1]
    assert f"(meetingOrganizerUserId='{ANN}',startDateTime=2024-01-01T01:00:00%2B00:00)/delta?$deltatoken=" in delta


BAD = [
    ("(meetingOrganizerUserId='{ann}',top=5)/delta", "", "no parameter 'top'"),
    ("(startDateTime=2024-01-01T00:00:00Z)/delta", "", "'meetingOrganizerUserId' is required"),
    ("()/delta", "", "'meetingOrganizerUserId' is required"),
    ("/delta", "", "'meetingOrganizerUserId' is required"),
    ("", "", "'meetingOrganizerUserId' is required"),
    ("(meetingOrganizerUserId=@p)/delta", "", "'meetingOrganizerUserId' is required"),
    ("(meetingOrganizerUserId='{bob}')/delta", "", "must match organizerId"),
    ("(meetingOrganizerUserId='ann@contoso.com')/delta", "", "must match organizerId"),
    ("(meetingOrganizerUserId='%2527')/delta", "", "must match organizerId"),
    ("(meetingOrganizerUserId='{ann}',meetingOrganizerUserId='{ann}')/delta", "", "more than once"),
    ("(meetingOrganizerUserId='{ann}',startDateTime=yesterday)/delta", "", "startDateTime"),
    ("(meetingOrganizerUserId='{ann}',endDateTime=2024-01-01)/delta", "", "endDateTime"),
    ("(meetingOrganizerUserId='{ann}',endDateTime=2024-02-30T00:00:00Z)/delta", "", "endDateTime"),
    ("(meetingOrganizerUserId=@p)/delta", "@p='{ann}'&@p='{ann}'", "more than once"),
    ("(meetingOrganizerUserId='{ann}')/delta", "$top=0", "$top"),
    ("(meetingOrganizerUserId='{ann}')/delta", "$top=1001", "$top"),
    ("(meetingOrganizerUserId='{ann}')/delta", "$top=-1", "$top"),
    ("(meetingOrganizerUserId='{ann}')/delta", "$top=1e3", "$top"),
    ("(meetingOrganizerUserId='{ann}')/delta", "$top=", "$top"),
    ("(meetingOrganizerUserId='{ann}')/delta", "$top=5&top=5", "more than once"),
    ("(meetingOrganizerUserId='{ann}')/delta", "$filter=id eq 'x'".replace(" ", "%20"), "$filter"),
    ("(meetingOrganizerUserId='{ann}')/delta", "$orderby=id", "$orderby"),
    ("(meetingOrganizerUserId='{ann}')/delta", "$select=id", "$select"),
    ("(meetingOrganizerUserId='{ann}')/delta", "$wrong=1", "$wrong"),
    ("(meetingOrganizerUserId='{ann}')/delta", "$skiptoken=nonsense", "Badly formed token"),
    ("(meetingOrganizerUserId='{ann}')/delta", "$deltatoken=newest", "Badly formed token"),
]


def test_what_cannot_be_understood_is_refused_with_a_reason(server):
    one = server(lines=[ann(), user("bob@contoso.com", BOB), *recordings(1)])
    token = one.app_token(READ)
    for args, query, why in BAD:
        path = f"/v1.0/users/{ANN}/onlineMeetings/getAllRecordings{args}".format(ann=ANN, bob=BOB)
        reply = one.get(path + ("?" + query.format(ann=ANN) if query else ""), token)
        assert reply.status == 400, (args, query, reply.body)
        assert code_of(reply) == "BadRequest", (args, query, reply.body)
        assert why in reply.json["error"]["message"], (args, query, reply.body)


def test_nothing_may_stand_beside_a_token(server):
    one = server(lines=[ann(), *recordings(3)])
    token = one.app_token(READ)
    link = one.get(all_path() + "?$top=2", token).json["@odata.nextLink"]
    for option in ("$top=5", "top=5", "$select=id", "$count=true", "$filter=x"):
        reply = one.get(f"{link}&{option}", token)
        assert reply.status == 400 and code_of(reply) == "BadRequest", option
        inner = reply.json["error"]["innerError"].get("code")
        assert inner == ("DeltaFilterNotAllowed" if "filter" in option else None)


def test_a_token_opens_nowhere_else(server):
    one = server(lines=[ann(), user("bob@contoso.com", BOB), *recordings(3), *recordings(3, BOB), allow()])
    token = one.app_token(READ)
    link = one.get(all_path() + "?$top=2", token).json["@odata.nextLink"]
    value = link.split("=")[-1]
    meeting = f"/v1.0/users/{ANN}/onlineMeetings/M-0/recordings/delta()"
    for path in (all_path(BOB), all_path(delta=""), meeting, f"/v1.0/users/{ANN}/onlineMeetings/M-0/recordings"):
        assert one.get(f"{path}?$skiptoken={value}", token).status == 400, path
    other = one.get(f"/v1.0/users/{ANN}/onlineMeetings/M-0/recordings/delta?$top=2", token).json["@odata.nextLink"]
    moved = other.replace("/M-0/", "/M-1/")
    assert moved != other and one.get(moved, token).status == 400
    window = all_path(args=",startDateTime=2024-01-01T00:00:00Z")
    link = one.get(window + "?$top=1", token).json["@odata.nextLink"]
    assert one.get(link, token).status == 200
    assert one.get(link.replace("2024-01-01T00", "2024-01-01T01"), token).status == 400
    assert one.get(link.replace(",startDateTime=2024-01-01T00:00:00Z", ""), token).json["value"][0]["id"] == "rec-00001"


# ---- pages and windows ------------------------------------------------------------------------------------


def test_top_is_exact_and_every_page_has_one_link(server):
    one = server(lines=[ann(), *recordings(23)])
    token = one.app_token(READ)
    for top in (1, 2, 7, 22, 23, 24, 1000):
        pages, delta = walk(one, f"{all_path()}?$top={top}", token)
        assert ids(pages) == [f"rec-{n:05d}" for n in range(23)]
        assert [page["@odata.count"] for page in pages] == [top] * (23 // top) + [23 % top] * (23 % top > 0)
        assert delta and one.get(delta, token).json["value"] == []
        pages, end = walk(one, f"{all_path(delta='')}?$top={top}", token)
        assert len(ids(pages)) == 23 and end is None


def test_the_size_of_a_page_can_also_be_preferred(server):
    one = server(lines=[ann(), *recordings(10)])
    token = one.app_token(READ)
    reply = one.get(all_path(), token, {"Prefer": "odata.maxpagesize=4"})
    assert reply.json["@odata.count"] == 4 and "odata.maxpagesize=4" in reply.headers["Preference-Applied"]
    assert one.get(all_path() + "?$top=3", token, {"Prefer": "odata.maxpagesize=4"}).json["@odata.count"] == 3
    assert one.get(reply.json["@odata.nextLink"], token).json["@odata.count"] == 6


def test_windows_tile(server):
    """Start is inclusive, end exclusive: windows side by side hold each recording exactly once."""
    one = server(lines=[ann(), *recordings(60)])
    token = one.app_token(READ)
    edges = [moment(n) for n in (0, 1, 5, 24, 24, 59, 60)]
    seen = []
    for start, end in zip(edges, edges[1:]):
        for delta in ("/delta", ""):
            pages, _ = walk(one, all_path(args=f",startDateTime={start},endDateTime={end}", delta=delta) + "?$top=4", token)
            reported = ids(pages)
            assert all(start <= item["createdDateTime"] < end for page in pages for item in page["value"])
        seen += reported
    assert seen == [f"rec-{n:05d}" for n in range(60)]


def test_a_window_is_kept_in_later_rounds(server, tm):
    one = server(lines=[ann(), *recordings(5)])
    token = one.app_token(READ)
    _, delta = walk(one, all_path(args=",startDateTime=2024-01-01T03:00:00Z"), token)
    tm("import", "-", store=one.store, input=to_lines([
        put(ANN, {"id": "old", "meetingId": "M", "createdDateTime": "2023-05-05T00:00:00Z"}, "recordings"),
        put(ANN, {"id": "new", "meetingId": "M", "createdDateTime": "2025-05-05T00:00:00Z"}, "recordings")]))
    pages, _ = walk(one, delta, token)
    assert ids(pages) == ["new"]


@pytest.mark.slow
def test_a_narrow_window_over_many_recordings_comes_to_its_end(server):
    """A page looks at a bounded number of rows, so pages may be empty; the walk ends all the same, with everything."""
    lines = [ann()]
    lines += [put(ANN, {"id": f"r{n}", "meetingId": "M", "createdDateTime": f"2024-01-01T00:00:00.{n:07d}Z"}, "recordings")
              for n in range(12000)]
    one = server(lines=lines)
    token = one.app_token(READ)
    window = ",startDateTime=2024-01-01T00:00:00.0011990Z,endDateTime=2024-01-01T00:00:00.0011995Z"
    pages, delta = walk(one, all_path(args=window), token)
    assert ids(pages) == [f"r{n}" for n in range(11990, 11995)]
    assert 1 < len(pages) < 10 and delta


# ---- additions only ------------------------------------------------------------------------------------------


def test_a_recording_is_told_once_whatever_is_written_to_it(server, tm):
    one = server(lines=[ann(), *recordings(3)])
    token, writer = one.app_token(READ), one.app_token(WRITE)
    _, delta = walk(one, all_path(), token)
    tm("import", "-", store=one.store, input=to_lines([put(ANN, recording(1, callId="changed"), "recordings")]))
    assert one.request("PUT", f"/v1.0/users/{ANN}/onlineMeetings/M-0/recordings/rec-00002/content", "abc", writer).status == 204
    pages, delta = walk(one, delta, token)
    assert ids(pages) == []
    tm("import", "-", store=one.store, input=to_lines([put(ANN, recording(7), "recordings")]))
    pages, delta = walk(one, delta, token)
    assert ids(pages) == ["rec-00007"]
    whole, _ = walk(one, all_path(), token)
    assert ids(whole) == ["rec-00000", "rec-00001", "rec-00002", "rec-00007"]
    changed = whole[0]["value"][1]
    assert changed["callId"] == "changed"


def test_removals_are_not_told_and_never_make_a_reader_late(server, tm):
    one = server(lines=[ann(), *recordings(6)])
    token = one.app_token(READ)
    _, delta = walk(one, all_path(), token)
    half = one.get(all_path() + "?$top=2", token).json["@odata.nextLink"]
    tm("import", "-", store=one.store, input=to_lines(
        [remove(ANN, f"rec-{n:05d}", "recordings") for n in (1, 3, 5)] + [put(ANN, recording(9), "recordings")]))
    tm("store", "gc", "--retention", "0s", store=one.store)
    reply = one.get(delta, token)
    assert ids([reply.json]) == ["rec-00009"] and "@odata.deltaLink" in reply.json
    pages, _ = walk(one, half, token)
    assert ids(pages) == ["rec-00002", "rec-00004"]


def test_removals_are_told_to_those_who_asked_in_the_first_request(server, tm):
    one = server(lines=[ann(), *recordings(4), allow()])
    token = one.app_token(READ)
    meeting = f"/v1.0/users/{ANN}/onlineMeetings/M-0/recordings/delta"
    deltas = []
    for path in (all_path(), meeting):
        reply = one.get(path, token, {"Prefer": "tidemark.removals"})
        assert "tidemark.removals" in reply.headers["Preference-Applied"] and reply.json["@odata.count"] == 4
        deltas.append(reply.json["@odata.deltaLink"])
    plain = one.get(all_path(), token).json["@odata.deltaLink"]
    tm("import", "-", store=one.store, input=to_lines([remove(ANN, "rec-00002", "recordings")]))
    for delta in deltas:
        page = one.get(delta, token).json
        assert page["value"] == [{"@odata.type": "#microsoft.graph.callRecording", "id": "rec-00002",
                                  "@removed": {"reason": "deleted"}}]
        assert page["@odata.count"] == 1
    assert one.get(plain, token).json["value"] == []
    assert one.get(plain, token, {"Prefer": "tidemark.removals"}).json["value"] == []
    tm("store", "gc", "--retention", "0s", store=one.store)
    gone = one.get(deltas[0], token)
    assert gone.status == 410 and code_of(gone) == "SyncStateNotFound"
    assert gone.headers["Location"] == f"{one.base}{all_path()}?$deltatoken="
    assert one.get(gone.headers["Location"], token).json["@odata.count"] == 3


def test_a_recording_that_comes_back_is_told_again(server, tm):
    one = server(lines=[ann(), *recordings(2)])
    token = one.app_token(READ)
    _, delta = walk(one, all_path(), token)
    tm("import", "-", store=one.store, input=to_lines([remove(ANN, "rec-00001", "recordings")]))
    tm("import", "-", store=one.store, input=to_lines([put(ANN, recording(1), "recordings")]))
    pages, _ = walk(one, delta, token)
    assert ids(pages) == ["rec-00001"]


def test_someone_without_recordings_has_an_empty_feed_that_starts_when_one_comes(server, tm):
    one = server(lines=[ann()])
    token = one.app_token(READ)
    pages, delta = walk(one, all_path(), token)
    assert ids(pages) == []
    tm("import", "-", store=one.store, input=to_lines(recordings(1)))
    pages, delta = walk(one, delta, token)
    assert ids(pages) == ["rec-00000"]
    assert ids(walk(one, delta, token)[0]) == []


def test_every_recording_is_told_exactly_once_while_writers_go_on(server, tm):
    one = server(lines=[ann(), *recordings(10)])
    token = one.app_token(READ)
    rng = random.Random(3)
    link, reported, count = all_path() + "?$top=3", [], 10
    for _ in range(25):
        pages, link = walk(one, link, token)
        reported += ids(pages)
        initial = rng.randrange(0, 5)
        tm("import", "-", store=one.store, input=to_lines(
            [put(ANN, recording(n), "recordings") for n in range(count, count + initial)] +
            [put(ANN, recording(rng.randrange(count), callId="x"), "recordings")]))
        count += initial
    pages, _ = walk(one, link, token)
    reported += ids(pages)
    assert sorted(reported) == [f"rec-{n:05d}" for n in range(count)]


# ---- one meeting ---------------------------------------------------------------------------------------------


def test_the_recordings_of_a_meeting_are_listed_and_read(server):
    lines = [ann(), allow()] + [put(ANN, recording(n, f"M-{n % 2}"), "recordings") for n in range(9)]
    one = server(lines=lines)
    token = one.app_token(READ)
    base = f"/v1.0/users/{ANN}/onlineMeetings"
    reply = one.get(f"{base}/M-1/recordings", token)
    assert list(reply.json) == ["@odata.context", "@odata.count", "value"]
    assert reply.json["@odata.context"] == f"{one.base}/v1.0/$metadata#users('{ANN}')/onlineMeetings('M-1')/recordings"
    assert ids([reply.json]) == [f"rec-{n:05d}" for n in (1, 3, 5, 7)]
    pages, end = walk(one, f"{base}/M-1/recordings?$top=3", token)
    assert ids(pages) == ids([reply.json]) and [len(page["value"]) for page in pages] == [3, 1] and end is None
    pages, delta = walk(one, f"{base}/M-0/recordings/delta()?$top=2", token)
    assert ids(pages) == [f"rec-{n:05d}" for n in (0, 2, 4, 6, 8)] and delta
    single = one.get(f"{base}('M-1')/recordings('rec-00003')", token)
    assert single.status == 200 and single.json["meetingId"] == "M-1"
    assert single.json["@odata.context"].endswith("/onlineMeetings('M-1')/recordings/$entity")
    assert one.get(f"{base}/M-0/recordings/rec-00003", token).status == 404
    for path in ("/M-7/recordings", "/M-1/recordings/none", "/M-1/recordings/rec-00003x"):
        reply = one.get(base + path, token)
        assert reply.status == 404 and code_of(reply) == "NotFound", path


def test_ids_of_any_spelling_reach_their_recording(server):
    odd = ["a/b", "a+b=", "it's", "a b", "ü", "a%2Fb", "x(y)", "../..", "a" * 255, "b" * 1000, "'", "a;b", "a?b#c"]
    lines = [ann(), allow()] + [put(ANN, recording(n, meeting, id=id), "recordings")
                                for n, (id, meeting) in enumerate(zip(odd, reversed(odd)))]
    one = server(lines=lines)
    token = one.app_token(READ)
    for item in walk(one, all_path(), token)[0][0]["value"]:
        url = item["recordingContentUrl"]
        assert one.get(url.removesuffix("/content"), token).json["id"] == item["id"], url
        reply = one.get(url, token)
        assert reply.status == 404 and code_of(reply) == "RecordingContentNotAvailable", url


# ---- who may --------------------------------------------------------------------------------------------------


def test_permissions_are_judged_as_the_cloud_communications_services_do(server):
    one = server(lines=[ann(), user("bob@contoso.com", BOB), *recordings(2), allow()])
    meeting = f"/v1.0/users/{ANN}/onlineMeetings/M-0/recordings"
    paths = [all_path(), all_path(delta=""), meeting, f"{meeting}/delta", f"{meeting}/rec-00000"]
    chat = one.app_token("OnlineMeetingRecording.Read.Chat")
    tokens = [(one.app_token("Calendars.Read"), 403, 403), (one.app_token(WRITE), 403, 403), (one.app_token(READ), 200, 200),
              (chat, 403, 200), (one.token(ANN, READ), 403, 403), (one.token(ANN, "Calendars.Read"), 403, 403),
              (None, 401, 401)]
    for token, wide, single in tokens:
        for path in paths:
            reply = one.get(path, token)
            assert reply.status == (wide if "getAll" in path else single), (path, reply.body)
            if reply.status == 403:
                assert code_of(reply) == "Forbidden" and "API requires one of" in reply.json["error"]["message"]
    reply = one.get(all_path(), one.app_token("Calendars.Read", "Mail.Read"))
    assert f"'{READ}'" in reply.json["error"]["message"] and "Calendars.Read Mail.Read" in reply.json["error"]["message"]
    # A person's scopes are no roles: the refusal says which kind of permission is missing, and does not contradict itself.
    for path in (all_path(), f"/v1.0/users/{ANN}/onlineMeetings/M-0/recordings"):
        refused = one.get(path, one.token(ANN, READ))
        assert (refused.status, code_of(refused)) == (403, "Forbidden")
        reported = refused.json["error"]["message"]
        assert f"one of '{READ}" in reported and "(application permissions). Roles on the request ''. The token is delegated" in reported
    # Nobody learns who exists.
    assert one.get(all_path(guid(77)), one.app_token("Calendars.Read")).status == 403
    unknown = one.get(all_path(guid(77)), one.app_token(READ))
    assert unknown.status == 404 and code_of(unknown) == "NotFound"
    assert one.get(all_path().replace(f"users/{ANN}", "me"), one.app_token(READ)).status == 400
    assert one.request("POST", meeting, {}, one.app_token(READ)).status == 403
    assert one.request("DELETE", f"{meeting}/rec-00000", token=one.app_token(WRITE)).status == 405


def test_delegated_use_is_a_switch(server, home):
    (home / "d.conf").write_text("[recordings]\ndelegated = on\n")
    one = server("--config", str(home / "d.conf"), lines=[ann(), user("bob@contoso.com", BOB), *recordings(2)])
    token = one.token(ANN, READ)
    mine = all_path().replace(f"users/{ANN}", "me")
    for path in (mine, all_path(), f"/v1.0/me/onlineMeetings/M-0/recordings"):
        assert one.get(path, token).json["@odata.count"] == 2, path
    refused = one.get(all_path(), one.token(BOB, READ))
    assert refused.status == 403 and "3003" in refused.json["error"]["message"]
    missing = one.get(mine, one.token(ANN, "Calendars.Read"))
    assert missing.status == 403 and "Missing scope permissions" in missing.json["error"]["message"]
    foreign = one.get(mine, one.token(BOB, READ))
    assert foreign.status == 400 and "must match organizerId" in foreign.json["error"]["message"]
    assert one.request("POST", "/v1.0/me/onlineMeetings/M-0/recordings", {}, one.token(ANN, WRITE)).status == 403


def test_the_access_policy_is_asked_on_one_meeting(server, tm):
    one = server(lines=[ann(), user("bob@contoso.com", BOB), *recordings(1), *recordings(1, BOB)])
    token = one.app_token(READ)
    ann_path, bob_path = (f"/v1.0/users/{caller}/onlineMeetings/M-0/recordings" for caller in (ANN, BOB))

    def status(path):
        reply = one.get(path, token)
        if reply.status == 403:
            assert code_of(reply) == "Forbidden"
            assert reply.json["error"]["message"].startswith(f"No application access policy found for this app {APP}")
        return reply.status

    assert (status(ann_path), status(bob_path)) == (403, 403)
    assert one.get(all_path(), token).status == 200
    tm("policy", "allow", APP, "ann@contoso.com", store=one.store)
    assert (status(ann_path), status(bob_path)) == (200, 403)
    tm("policy", "allow", APP.upper(), "--global", store=one.store)
    tm("policy", "allow", guid(5), BOB, store=one.store)
    assert (status(ann_path), status(bob_path)) == (200, 403), "a user with a policy of their own has no other"
    tm("policy", "remove", guid(5), BOB, store=one.store)
    assert (status(ann_path), status(bob_path)) == (200, 200)
    tm("policy", "add", guid(6), "--global", store=one.store)
    listed = [json.loads(line) for line in tm("policy", "list", "--json", store=one.store).stdout.splitlines()]
    assert [(row["app"].lower(), row["user"]) for row in listed] == [(APP, None), (guid(6), None), (APP, ANN)]
    tm("policy", "remove", APP, "--global", store=one.store)
    tm("policy", "remove", APP, "ann@contoso.com", store=one.store)
    assert (status(ann_path), status(bob_path)) == (403, 403)
    tm("policy", "remove", APP, "--global", store=one.store, code=6, error="does not have")
    tm("policy", "allow", APP, "nobody@contoso.com", store=one.store, code=6, error="no user")
    tm("policy", "allow", APP, store=one.store, code=2, error="--global")
    tm("policy", "allow", "a b", "--global", store=one.store, code=2)
    for path in ("/M-0/recordings/rec-00000", "/M-0/recordings/rec-00000/content", "/M-0/recordings/delta()"):
        assert one.get(f"/v1.0/users/{ANN}/onlineMeetings{path}", token).status == 403, path


def test_the_access_policy_can_be_asked_organizer_wide_too(server, tm, home):
    (home / "p.conf").write_text("[recordings]\npolicy-organizer-wide = on\n")
    one = server("--config", str(home / "p.conf"), lines=[ann(), *recordings(1)])
    token = one.app_token(READ)
    assert one.get(all_path(), token).status == 403
    tm("policy", "allow", APP, ANN, store=one.store)
    assert one.get(all_path(), token).status == 200
    shown = json.loads(tm("config", "show", "--json", "--config", str(home / "p.conf")).stdout)
    assert shown["recordings"] == {"delegated": False, "policy-organizer-wide": True}


def test_policies_travel_with_an_export(tm, store, home):
    tm("import", "-", store=store, input=to_lines([ann(), allow(), allow(guid(7), user=ANN)]))
    exported = tm("export", store=store).stdout
    tm("import", "-", store=f"sqlite:{home}/second.db", input=exported)
    assert tm("policy", "list", store=f"sqlite:{home}/second.db").stdout == tm("policy", "list", store=store).stdout
    assert tm("policy", "list", store=store).stdout.count("\n") == 2


# ---- many -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_many_recordings_over_many_organizers(server, home):
    """A hundred each: of a thousand organizers with --full."""
    count = usual(200, 1000, 1000)
    people = [guid(10_000 + n) for n in range(count)]
    with open(home / "many.jsonl", "w", encoding="utf-8") as file:
        for n, person in enumerate(people):
            file.write(json.dumps(user(f"u{n}@contoso.com", person)) + "\n")
        for n in range(count * 100):
            file.write(f'{{"op":"put","feed":"users/{people[n % count]}/recordings","value":{{"id":"r{n}","meetingId":"M{n % 7}",'
                       f'"createdDateTime":"2024-01-01T00:00:00Z"}}}}\n')
    one = server()
    one.runner("import", str(home / "many.jsonl"), store=one.store)
    token, seen = one.app_token(READ), set()
    connection = one.connection()
    for n, person in enumerate(people):
        link, sizes = f"{all_path(person)}?$top=60", []
        while link:
            connection.request("GET", link.removeprefix(one.base), headers={"Authorization": f"Bearer {token}"})
            reply = connection.getresponse()
            page = json.loads(reply.read())
            sizes.append(page["@odata.count"])
            seen.update(item["id"] for item in page["value"])
            link = page.get("@odata.nextLink")
        assert sizes == [60, 40] and page["@odata.deltaLink"]
    connection.close()
    assert len(seen) == count * 100
