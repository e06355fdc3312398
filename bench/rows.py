# SPDX-License-Identifier: Apache-2.0
"""One function a row of the table; each gives a Row."""

import dataclasses
import json
import os
import pathlib
import shutil
import subprocess
import tempfile

import peers
import sides
from sides import KEPT, Floor, Nginx, Server, make_store, median, rounds, short, wrk


@dataclasses.dataclass
class Row:
    name: str
    what: str
    ours: str
    theirs: str
    ratio: str
    target: str
    met: bool
    spread: str


def side(values):
    return "%s/s, %s µs" % (short(median([r for r, _ in values])), short(median([c for _, c in values])))


def compare(name, what, target, least, ours, theirs, floor=None):
    """Lists of (rate, microseconds): the ratio is of the medians of two, its spread round by round; the floor stands beside."""
    ratio = median([r for r, _ in ours]) / median([r for r, _ in theirs])
    each = [a[0] / b[0] for a, b in zip(ours, theirs)]
    by_time = median([c for _, c in theirs]) / median([c for _, c in ours])
    beside = side(theirs) + ("; bare loop %s" % side(floor) if floor else "")
    return Row(name, what, side(ours), beside, "%s; by processor time %s" % (figure(ratio), figure(by_time)), target,
               ratio >= least, "%s–%s" % (figure(min(each)), figure(max(each))))


def figure(ratio):
    return short(ratio) if ratio >= 10 else "%.2f" % ratio


def bearer(server, **more):
    return server.fields(**more)


# ---- reading -----------------------------------------------------------------------------------------------

def small_store(large=True, items=200):
    path = KEPT / ("items-%d%s.db" % (items, "-large" if large else ""))
    make_store(path, items, large=large)
    return path


def beside_files(options, load, server, asked, name, body, fields, h2=False):
    """Tidemark, nginx sending the body from a file, and in the clear a bare loop sending the whole answer; taking turns."""
    nginx = Nginx({name: body}, str(server.store) + ".tls" if server.tls else None, h2)
    acts = [lambda: load(server, asked, fields), lambda: load(nginx, "/" + name, bearer(server))]
    if not server.tls:
        floor = Floor(server.whole(asked, **{k: v for k, v in fields.items() if k != "Authorization"}))
        acts.append(lambda: load(floor, "/", bearer(server)))
    results = rounds(options.rounds, *acts)
    sides.stop_all()
    return results


def poll(options, tls=False, h2=False):
    server = Server(small_store(), tls)
    target = server.latest()
    body = server.get(target)
    answer = json.loads(body)
    if answer["value"] or "@odata.deltaLink" not in answer or len(server.get(target)) != len(body):
        raise SystemExit("bench: the poll is not empty")
    tool = sides.h2load if h2 else wrk
    results = beside_files(options, lambda side, asked, fields: tool(side, asked, fields, options.seconds), server, target,
                           "poll.json", body, bearer(server), h2)
    kind = "TLS 1.3" if tls else "plain"
    return compare("poll" + ("-h2" if h2 else "") + ("-tls" if tls else ""),
                   "poll with nothing new, %s, HTTP/%s" % (kind, "2" if h2 else "1.1"), "≥ 1 of nginx, a file of %d bytes"
                   % len(body), 1.0, *results)


def page(options, tls=False):
    server = Server(small_store(), tls)
    target, prefer = "/v1.0/me/calendars/delta", {"Prefer": "odata.maxpagesize=200"}
    body = server.get(target, **prefer)
    answer = json.loads(body)
    if len(answer["value"]) != 200 or len({item["id"] for item in answer["value"]}) != 200:
        raise SystemExit("bench: the page is not whole")
    results = beside_files(options, lambda side, asked, fields: wrk(side, asked, fields, options.seconds, 16), server, target,
                           "page.json", body, bearer(server, **prefer))
    return compare("page" + ("-tls" if tls else ""), "full page, 200 items, %s bytes, %s" % (short(len(body)), "TLS 1.3"
                   if tls else "plain"), "≥ 0.8 of nginx, the same bytes", 0.8, *results)


# Both sides are of one server: a native feed, and a scope that holds the same items.
NATIVE, FOLLOWED = ("/v1.0/users/%s/calendars/delta" % user for user in (sides.USER, sides.user_id(2)))


def gateway(store):
    """Serves what it has followed from a source beside the feed that the store has; one bearer reads both."""
    path = KEPT / "items-200-two.db"
    make_store(path, 200, users=2, large=True)
    source = Server(path)
    subprocess.run([sides.TIDEMARK, "sync", source.url + FOLLOWED, "--scope", "calendars", "--store", "sqlite:%s" % store],
                   env={**os.environ, "TIDEMARK_BEARER": source.app_bearer(1)}, check=True, capture_output=True)
    source.stop()
    server = Server(store, more=["--serve-scope", "calendars"])
    server.bearer = server.app_bearer(1)
    return server


def followed(options, name, what, connections):
    prefer, path = {"Prefer": "odata.maxpagesize=200"}, small_store()
    with tempfile.TemporaryDirectory(dir=KEPT) as folder:
        server = gateway(copy_of(path, folder))
        targets, fields = [FOLLOWED, NATIVE], bearer(server, **prefer)
        pages = [json.loads(server.get(target, **prefer))["value"] for target in targets]
        if pages[0] != pages[1] or len(pages[0]) != 200:
            raise SystemExit("bench: the scope does not hold the items of the feed")
        if name == "followed-poll":
            latest = [json.loads(server.get(target + "?$deltatoken=latest")) for target in targets]
            targets, fields = [server.target(answer["@odata.deltaLink"]) for answer in latest], bearer(server)
            if any(json.loads(server.get(target))["value"] for target in targets):
                raise SystemExit("bench: the poll is not empty")
        ours, theirs = rounds(options.rounds, *(lambda target=target: wrk(server, target, fields, options.seconds, connections)
                                                for target in targets))
        server.stop()
    return compare(name, what, "≥ 0.95 of a native feed of the same items", 0.95, ours, theirs)


def calendar_server(options, kind):
    """The same question to a server of the CalDAV world: 200 items, a newest token, as many connections."""
    server = Server(small_store())
    target = server.latest()
    if json.loads(server.get(target))["value"]:
        raise SystemExit("bench: the poll is not empty")
    peer = kind()
    fields = {"Authorization": peers.BASIC}
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(peer.script())
        script.flush()
        ours, theirs, alone = rounds(options.rounds, lambda: wrk(server, target, bearer(server), options.seconds),
                                     lambda: wrk(peer, peer.path, fields, options.seconds, script=script.name),
                                     lambda: wrk(peer, peer.path, fields, options.seconds, 1, script.name))
    peer.check()
    row = compare(peer.what.lower(), "poll with nothing new, beside %s: `sync-collection`, %d events" % (peer.what, peers.EVENTS),
                  "none set", 0, ours, theirs)
    row.theirs += "; on one connection %s" % side(alone)
    return row


def patch(server, item, name):
    link = server.connection()
    link.request("PATCH", "/v1.0/me/calendars/%s" % item, body=json.dumps({"name": name}),
                 headers=server.fields(Content_Type="application/json"))
    answer = link.getresponse()
    answer.read()
    link.close()
    if answer.status != 200:
        raise SystemExit("bench: PATCH gave %d" % answer.status)


def copy_of(path, folder):
    target = pathlib.Path(folder) / "copy.db"
    shutil.copyfile(path, target)
    return target


def big_store(options):
    path = KEPT / ("items-%d.db" % options.items)
    make_store(path, options.items)
    return path


def with_ten_changes(path, tls=False):
    server = Server(path, tls)
    target = server.latest()
    for at in range(10):
        patch(server, "AAMk%012d=" % (at * 97), "Changed %s" % at)
    answer = json.loads(server.get(target))
    if len(answer["value"]) != 10:
        raise SystemExit("bench: %d changes told, not 10" % len(answer["value"]))
    return server, target


def few(options):
    make_store(KEPT / "items-1000.db", 1000)
    small, small_target = with_ten_changes(KEPT / "items-1000.db")
    big, big_target = with_ten_changes(big_store(options))
    try:
        a, b = rounds(options.rounds, lambda: wrk(big, big_target, bearer(big), options.seconds),
                      lambda: wrk(small, small_target, bearer(small), options.seconds))
    finally:
        small.stop()
        big.stop()
    row = compare("few", "poll of 10 changes: %s items against 1,000" % short(options.items), "≤ 1.2 × the time", 1 / 1.2,
                  a, b)
    each = [y[0] / x[0] for x, y in zip(a, b)]
    row.ratio = "%.2f × the time" % (1 / float(row.ratio.split(";")[0]))
    row.spread = "%.2f–%.2f" % (min(each), max(each))
    return row


def batch(options):
    server = Server(small_store())
    target = server.latest()
    body = json.dumps({"requests": [{"id": str(i), "method": "GET", "url": target[len("/v1.0"):]} for i in range(20)]})
    fields = server.fields(Content_Type="application/json")
    link = server.connection()
    link.request("POST", "/v1.0/$batch", body=body, headers=fields)
    answer = link.getresponse()
    text = answer.read()
    if answer.status != 200 or [r["status"] for r in json.loads(text)["responses"]] != [200] * 20:
        server.stop()
        raise SystemExit("bench: the batch was not answered: %s" % text[:200])
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write("wrk.method = 'POST'\nwrk.headers['Content-Type'] = 'application/json'\nwrk.body = [==[%s]==]\n"
                     % body)
        script.flush()
        try:
            a, b = rounds(options.rounds,
                          lambda: wrk(server, "/v1.0/$batch", bearer(server), options.seconds, 16, script.name),
                          lambda: wrk(server, target, bearer(server), options.seconds, 16))
        finally:
            server.stop()
    polls = [(rate * 20, cost / 20) for rate, cost in a]
    row = compare("batch", "$batch of 20 polls, polls a second, against single polls", "none set", 0, polls, b)
    return row


# ---- writing -----------------------------------------------------------------------------------------------

WRITER = """
local at = 0
wrk.method = 'PATCH'
wrk.headers['Content-Type'] = 'application/json'
request = function()
  at = at + 1
  return wrk.format(nil, string.format('/v1.0/me/calendars/AAMk%%012d=', at %% 1000), nil,
                    string.format('{"name":"Calendar %%07d"}', at))
end
"""


def write_rounds(options, path, script):
    server = Server(path)
    before = server.metrics()
    rate = wrk(server, "/v1.0/me/calendars/x", bearer(server), options.seconds, 64, script)
    after = server.metrics()
    server.stop()
    commits = [name for name in after if "commit" in name][0]
    syncs = [name for name in after if "sync" in name][0]
    return rate, (after[commits] - before[commits]) / max(after[syncs] - before[syncs], 1)


def writes(options):
    make_store(KEPT / "items-1000.db", 1000)
    ours, theirs, groups = [], [], []
    with tempfile.TemporaryDirectory(dir=KEPT) as folder, tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(WRITER.replace("%%", "%"))
        script.flush()
        for _ in range(options.rounds):
            path = copy_of(KEPT / "items-1000.db", folder)
            rate, group = write_rounds(options, path, script.name)
            ours.append(rate)
            groups.append(group)
            text = subprocess.run([sides.tool("bare_sqlite"), str(path), str(options.seconds), "%d" % round(group)],
                                  check=True, capture_output=True, text=True).stdout
            theirs.append((float(text), 1e6 / float(text)))
            for left in pathlib.Path(folder).iterdir():
                shutil.rmtree(left) if left.is_dir() else left.unlink()
    row = compare("writes", "durable writes, 64 clients, %.0f to a sync" % median(groups),
                   "≥ 0.8 of bare SQLite in the same batches", 0.8, ours, theirs)
    row.ratio = row.ratio.split(";")[0]      # processor time says nothing here: both wait for the disk
    return row


# ---- room and time -----------------------------------------------------------------------------------------

def idle(options, tls=False):
    """Connections that have each asked once and now wait."""
    count = options.connections
    sides.allow_descriptors(count)
    server = Server(small_store(), tls)
    target = server.latest()
    alone = wrk(server, target, bearer(server), options.seconds)[0]
    before = sides.rss_kb(server.job.pid)
    request = ("GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAuthorization: Bearer %s\r\n\r\n"
               % (target, server.port, server.bearer))
    read_end, write_end = sides.os.pipe()
    command = [sides.tool("load"), str(server.port), str(count), "0", "1000", "tls" if tls else "plain"]
    job = subprocess.Popen(["sh", "-c", 'exec "$@" 3<&%d' % read_end, "sh"] + command, stdin=subprocess.PIPE,
                           stdout=subprocess.PIPE, text=True, pass_fds=[read_end])
    try:
        job.stdin.write(request)
        job.stdin.close()
        if job.stdout.readline() != "ready\n":
            raise SystemExit("bench: not all connections were taken")
        each = (sides.rss_kb(server.job.pid) - before) / count
        beside = wrk(server, target, bearer(server), options.seconds)[0]
    finally:
        sides.os.close(write_end)
        job.wait()
        sides.os.close(read_end)
        server.stop()
    most = 40 if tls else 20
    return Row("idle" + ("-tls" if tls else ""), "%s idle connections, %s, resident in the process" % (short(count), "TLS 1.3"
               if tls else "plain"), "%.1f KB each" % each, "polls beside them: %.2f of alone" % (beside / alone), "–",
               "≤ %d KB each" % most, each <= most, "–")


def waiting(options):
    """Event streams of one feed, and one change of it: until each has its page.  A caller has a bound, so there are some."""
    store = small_store()
    count = options.connections
    sides.allow_descriptors(count)
    with tempfile.TemporaryDirectory(dir=KEPT) as folder:
        server = Server(copy_of(store, folder))
        path, before = "/v1.0/users/%s/calendars" % sides.USER, sides.rss_kb(server.job.pid)
        item = json.loads(server.get("/v1.0/me/calendars?$top=1"))["value"][0]["id"]
        delta = server.latest().replace("/me/", "/users/%s/" % sides.USER)
        head = "Host: 127.0.0.1:%d\r\nAuthorization: Bearer %%s\r\n" % server.port
        open_one = "GET %s HTTP/1.1\r\nAccept: text/event-stream\r\n%s\r\n" % (delta, head)
        change = "PATCH %s/%s HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%s\r\n%s"
        requests = [open_one % server.app_bearer(number) for number in range(1, count // 2500 + 2)]
        for color in "lightBlue", "lightGreen":
            body = json.dumps({"color": color})
            requests.append(change % (path, item.replace("=", "%3D"), len(body), head % server.bearer, body))
        read_end, write_end = sides.os.pipe()
        command = [sides.tool("wait"), str(server.port), str(count), str(options.rounds)]
        job = subprocess.Popen(["sh", "-c", 'exec "$@" 3<&%d' % read_end, "sh"] + command, stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True, pass_fds=[read_end])
        try:
            job.stdin.write("\0".join(requests))
            job.stdin.close()
            if job.stdout.readline() != "ready\n":
                raise SystemExit("bench: not all streams wait")
            each, spent = (sides.rss_kb(server.job.pid) - before) / count, sides.cpu_s(server.pids)
            sides.os.close(write_end)
            result = json.loads(job.stdout.readline() or "null")
            spent = sides.cpu_s(server.pids) - spent
        finally:
            job.wait()
            sides.os.close(read_end)
            server.stop()
    if not result:
        raise SystemExit("bench: not all streams got the change")
    return Row("waiting", "a change, until %s event streams have it" % short(count),
               "p99 %.0f ms, %.0f µs each" % (result["p99_ms"], spent / count / options.rounds * 1e6),
               "%.1f KB each" % each, "–", "p99 ≤ 500 ms, ≤ 20 KB", result["p99_ms"] <= 500 and each <= 20,
               "median %.0f ms, longest %.0f ms" % (result["p50_ms"], result["max_ms"]))


def memory(options):
    """Resident memory over the large store, after thousands of its pages were read."""
    server = Server(big_store(options))
    first = sides.rss_kb(server.job.pid) / 1024
    wrk(server, "/v1.0/me/calendars/delta", bearer(server, Prefer="odata.maxpagesize=200"), options.seconds)
    target = "/v1.0/me/calendars/delta"
    for _ in range(2000):
        page_read = json.loads(server.get(target, Prefer="odata.maxpagesize=500"))
        if "@odata.nextLink" not in page_read:
            break
        target = server.target(page_read["@odata.nextLink"])
    last = sides.rss_kb(server.job.pid) / 1024
    server.stop()
    return Row("room", "server over %s items, resident" % short(options.items), "%.0f MB" % last, "at start %.0f MB" % first,
               "–", "≤ 64 MB", last <= 64, "–")


def start(options):
    path, times, small = big_store(options), [], []
    make_store(KEPT / "items-1000.db", 1000)
    for _ in range(options.rounds):
        server = Server(path)
        times.append(server.start_s)
        server.stop()
        server = Server(KEPT / "items-1000.db")
        small.append(server.start_s)
        server.stop()
    return Row("start", "start on %s items until it listens" % short(options.items), "%.0f ms" % (median(times) * 1000),
               "1,000 items: %.0f ms" % (median(small) * 1000), "%.2f" % (median(times) / median(small)), "≤ 1 s",
               median(times) <= 1, "%.0f–%.0f ms" % (min(times) * 1000, max(times) * 1000))


# What a row is called, what it is, and what makes it.
ROWS = {
    "poll": ("a poll with nothing new; nginx with a file, a bare epoll loop", poll),
    "poll-tls": ("the same over TLS 1.3; nginx", lambda options: poll(options, tls=True)),
    "poll-h2-tls": ("the same over HTTP/2; nginx", lambda options: poll(options, tls=True, h2=True)),
    "page": ("a full page of 192 KB; nginx, a bare epoll loop", page),
    "page-tls": ("the same over TLS 1.3; nginx", lambda options: page(options, tls=True)),
    "followed-poll": ("a poll with nothing new of a followed scope; of a native feed", lambda options: followed(
        options, "followed-poll", "poll with nothing new, of a followed scope", sides.CONNECTIONS)),
    "followed-page": ("a full page of a followed scope; of a native feed", lambda options: followed(
        options, "followed-page", "full page, 200 items, of a followed scope", 16)),
    "radicale": ("a poll with nothing new; Radicale's sync-collection", lambda options: calendar_server(options, peers.Radicale)),
    "cyrus": ("a poll with nothing new; Cyrus' sync-collection", lambda options: calendar_server(options, peers.Cyrus)),
    "few": ("a poll of ten changes in a huge store; in a small one", few),
    "batch": ("$batch of 20 polls; single polls", batch),
    "writes": ("durable writes of 64 clients; bare SQLite", writes),
    "idle": ("memory of an idle connection", idle),
    "idle-tls": ("memory of an idle connection over TLS", lambda options: idle(options, tls=True)),
    "waiting": ("event streams, until all have a change", waiting),
    "room": ("memory over a huge store", memory),
    "start": ("start on a huge store; on a small one", start),
}
