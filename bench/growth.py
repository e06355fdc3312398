# SPDX-License-Identifier: Apache-2.0
"""How the cost of a poll, a page, a write and a start grows with the store; drawn as docs/growth.svg."""

import json
import math
import os
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile
import time

import sides
from sides import KEPT, Server, make_store, median

ITEMS = (10 ** 3, 10 ** 5, 10 ** 6, 10 ** 7)
FEEDS = (1, 10 ** 2, 10 ** 4, 10 ** 6)
IN_TURN = 100_000                                # feeds that are polled in turn: three times what the server keeps heads of
PIPELINE = 50
COLOURS = ("#1b6ca8", "#c0392b", "#2e8b57", "#8e44ad", "#b8860b", "#555555", "#00868b")
LOW, HIGH = 1, 6                                 # powers of ten of a microsecond
POWERS = {1: "10 µs", 2: "100 µs", 3: "1 ms", 4: "10 ms", 5: "100 ms", 6: "1 s"}


class Asker:
    """One kept connection; what a round trip takes as a lonely client sees it, and what it costs the server."""

    def __init__(self, server, bearer):
        self.server, self.bearer, self.left = server, bearer, b""
        self.link = socket.create_connection(("127.0.0.1", server.port), timeout=60)
        self.link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def request(self, method, target, body=b"", fields=""):
        kind = "Content-Type: application/json\r\nContent-Length: %d\r\n" % len(body) if body else ""
        return ("%s %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAuthorization: Bearer %s\r\n%s%s\r\n"
                % (method, target, self.server.port, self.bearer, kind, fields)).encode() + body

    def answer(self):
        text = self.left
        while b"\r\n\r\n" not in text:
            text += self.link.recv(1 << 20)
        head = text.index(b"\r\n\r\n") + 4
        if not text.startswith(b"HTTP/1.1 200"):
            raise SystemExit("bench: the server answered %s" % text[:400])
        end = head + int(re.search(rb"(?i)\r\ncontent-length: *(\d+)", text)[1])
        while len(text) < end:
            text += self.link.recv(1 << 20)
        self.left = text[end:]
        return text[head:end]

    def ask(self, request):
        self.link.sendall(request)
        return self.answer()

    def ask_all(self, requests):
        """Many at once, some underway together; the answers in their order."""
        answers = []
        for at in range(0, len(requests), PIPELINE):
            group = requests[at:at + PIPELINE]
            self.link.sendall(b"".join(group))
            answers += [self.answer() for _ in group]
        return answers

    def spent_us(self):
        """Processor time of all threads of the server so far."""
        tasks = pathlib.Path("/proc/%d/task" % self.server.job.pid).glob("*/schedstat")
        return sum(int(task.read_text().split()[0]) for task in tasks) / 1000

    def timed(self, requests):
        """The median wait, and the server's mean processor time, in microseconds."""
        times, spent = [], self.spent_us()
        for request in requests:
            began = time.perf_counter()
            self.ask(request)
            times.append(time.perf_counter() - began)
        return median(times) * 1e6, (self.spent_us() - spent) / len(requests)


def latest(server, answer):
    return server.target(json.loads(answer)["@odata.deltaLink"])


def started(path):
    """What a start takes with the store in memory, and with none of it there."""
    warm, cold = [], []
    for kept in (cold, warm, warm, warm):
        if kept is cold:
            with open(path, "rb+") as file:
                os.fsync(file.fileno())          # what is not on the disk yet would stay
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        server = Server(path)
        kept.append(server.start_s * 1e6)
        server.stop()
    return {"start": (median(warm), None), "cold start": (cold[0], None)}


def write_body(at):
    return b'{"name":"Name %d"}' % at


def measure_items(path, items):
    """One feed of so many items."""
    result = started(path)
    server = Server(path)
    asker, me = Asker(server, server.bearer), "/v1.0/me/calendars"
    newest = asker.request("GET", me + "/delta?$deltatoken=latest")
    before = latest(server, asker.ask(newest))
    changed = ["AAMk%012d=" % (at * max(items // 20, 1) % items) for at in range(10)]
    writes = [asker.request("PATCH", "%s/%s" % (me, changed[at % 10]), write_body(at)) for at in range(300)]
    result["one write"] = asker.timed(writes)
    few = asker.request("GET", before)
    if len(json.loads(asker.ask(few))["value"]) != 10:
        raise SystemExit("bench: not ten changes are told")
    result["empty poll"] = asker.timed([asker.request("GET", latest(server, asker.ask(newest)))] * 3000)
    result["10 changes"] = asker.timed([few] * 2000)
    result["page of 200"] = asker.timed([asker.request("GET", me + "/delta", fields="Prefer: odata.maxpagesize=200\r\n")] * 300)
    server.stop()
    return result


def app_bearer(path):
    """For all users there are."""
    return subprocess.run([sides.TIDEMARK, "token", "--store", "sqlite:%s" % path, "--app",
                           "0000b000-0000-4000-8000-00000000b000", "--role", "Calendars.ReadWrite", "--expires", "24h"],
                          check=True, capture_output=True, text=True).stdout.strip()


def measure_feeds(path, feeds):
    """So many feeds of one item: one of them asked alone, and very many asked in turn."""
    result = started(path)
    server = Server(path)
    asker, count = Asker(server, app_bearer(path)), min(feeds, IN_TURN)
    users = ["/v1.0/users/%s/calendars" % sides.user_id(1 + at * (feeds // count)) for at in range(count)]
    links = [latest(server, answer) for answer in
             asker.ask_all([asker.request("GET", user + "/delta?$deltatoken=latest") for user in users])]
    polls = [asker.request("GET", link) for link in links]
    for answer in asker.ask_all(polls):
        if json.loads(answer)["value"]:
            raise SystemExit("bench: a poll that should find nothing found something")
    result["polls in turn"] = asker.timed([polls[at % count] for at in range(5000)])
    result["empty poll"] = asker.timed(polls[:1] * 3000)
    result["whole feed"] = asker.timed([asker.request("GET", users[at % count] + "/delta") for at in range(2000)])
    item = "/AAMk%012d=" % 0
    result["one write"] = asker.timed([asker.request("PATCH", users[0] + item, write_body(at)) for at in range(300)])
    spread = [users[at * max(count // 300, 1) % count] for at in range(300)]
    result["writes in turn"] = asker.timed([asker.request("PATCH", user + item, write_body(at)) for at, user in enumerate(spread)])
    server.stop()
    return result


# ---- drawing -----------------------------------------------------------------------------------------------

def draw(title, points, left):
    """One panel: both axes logarithmic."""
    sizes = [math.log10(size) for size, _ in points]
    width, height = 380, 300
    out = ['<text x="%d" y="18" font-size="14">%s</text>' % (left + 50, title)]

    def x(size):
        return left + 50 + (size - sizes[0]) / max(sizes[-1] - sizes[0], 1) * (width - 80)

    def y(micros):
        return 30 + (HIGH - math.log10(min(max(micros, 10 ** LOW), 10 ** HIGH))) / (HIGH - LOW) * (height - 60)

    for power in range(LOW, HIGH + 1):
        out.append('<line x1="%d" x2="%d" y1="%.1f" y2="%.1f" stroke="#ddd"/><text x="%d" y="%.1f" font-size="10" '
                   'text-anchor="end">%s</text>' % (left + 50, left + width - 30, y(10 ** power), y(10 ** power), left + 46,
                                                     y(10 ** power) + 3, POWERS[power]))
    for size in sizes:
        out.append('<text x="%.1f" y="%d" font-size="10" text-anchor="middle">10^%d</text>' % (x(size), height - 10, round(size)))
    for at, name in enumerate(points[0][1]):
        path = " ".join("%.1f,%.1f" % (x(math.log10(size)), y(values[name][0])) for size, values in points)
        out.append('<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/>' % (path, COLOURS[at]))
        column, row = at % 3, at // 3
        out.append('<rect x="%d" y="%d" width="10" height="10" fill="%s"/><text x="%d" y="%d" font-size="11">%s</text>'
                   % (left + 50 + column * 105, 302 + row * 16, COLOURS[at], left + 64 + column * 105, 311 + row * 16, name))
    return out


def picture(results):
    text = ['<svg xmlns="http://www.w3.org/2000/svg" width="800" height="360" font-family="sans-serif">',
            '<rect width="800" height="360" fill="#fff"/>']
    for at, (kind, title) in enumerate((("items", "items in one feed"), ("feeds", "feeds of one item"))):
        if results[kind]:
            text += draw(title, results[kind], at * 400)
    return "\n".join(text + ["</svg>"]) + "\n"


# ---- the run -----------------------------------------------------------------------------------------------

def shapes(options):
    for items in ITEMS:
        if items <= options.items:
            yield "items", items, KEPT / ("items-%d.db" % items), items, 1
    for feeds in FEEDS:
        if feeds <= options.feeds:
            yield "feeds", feeds, KEPT / ("feeds-%d-of-1.db" % feeds), 1, feeds


def reported(values):
    return "  ".join("%s %s" % (name, "%.0f µs" % wait if spent is None else "%.0f µs (server %.0f)" % (wait, spent))
                     for name, (wait, spent) in values.items())


def run(options):
    """Prints the figures, keeps them, and draws them."""
    results = {"items": [], "feeds": []}
    for kind, size, path, items, users in shapes(options):
        took = make_store(path, items, users)
        if took:
            print("%s %10d  imported in %.1f s, %.0f lines/s" % (kind, size, took, (items + 1) * users / took), flush=True)
        measure = measure_items if kind == "items" else measure_feeds
        with tempfile.TemporaryDirectory(dir=KEPT) as folder:
            copy = path
            if size < 10 ** 7:                   # the largest is not copied: what it is written does not change its size
                copy = pathlib.Path(folder) / "copy.db"
                shutil.copyfile(path, copy)
            try:
                values = measure(copy, size)
            finally:
                sides.stop_all()
        results[kind].append((size, values))
        print("%s %10d  %s" % (kind, size, reported(values)), flush=True)
    (sides.ROOT / "docs/growth.svg").write_text(picture(results))
    (KEPT / "growth.json").write_text(json.dumps(results, indent=1))
