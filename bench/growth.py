# SPDX-License-Identifier: Apache-2.0
"""How the cost of a poll, a page, a write and a start grows with the store; drawn as docs/growth.svg."""

import json
import math
import tempfile
import time

import rows
import sides
from sides import KEPT, Server, make_store, median

SHAPES = [("items", 10 ** 3, 1), ("items", 10 ** 5, 1), ("items", 10 ** 6, 1), ("items", 10 ** 7, 1), ("feeds", 1, 10 ** 2),
          ("feeds", 1, 10 ** 3), ("feeds", 1, 10 ** 4)]
WHAT = ("empty poll", "10 changes", "page of 200", "one write", "start")
COLOURS = ("#1b6ca8", "#c0392b", "#2e8b57", "#8e44ad", "#b8860b")


def timed(act, count):
    times = []
    for _ in range(count):
        began = time.perf_counter()
        act()
        times.append(time.perf_counter() - began)
    return median(times) * 1e6


class Asker:
    """One kept connection; what a round trip takes as a lonely client sees it."""

    def __init__(self, server):
        self.server, self.link = server, server.connection()
        self.link.connect()

    def ask(self, method, target, body=None, **fields):
        self.link.request(method, target, body=body, headers=self.server.fields(**fields))
        answer = self.link.getresponse()
        text = answer.read()
        if answer.status not in (200, 201):
            raise SystemExit("bench: %d for %s" % (answer.status, target))
        return text


def measure(path, items):
    starts = []
    for _ in range(3):
        server = Server(path)
        starts.append(server.start_s * 1e6)
        server.stop()
    server = Server(path)
    asker = Asker(server)
    changed = ["AAMk%012d=" % (at * max(items // 20, 1) % items) for at in range(10)]
    before = server.latest()
    names = iter(range(10 ** 9))

    def write(item):
        asker.ask("PATCH", "/v1.0/me/calendars/" + item, json.dumps({"name": "Name %d" % next(names)}),
                  Content_Type="application/json")

    one_write = timed(lambda: write(changed[next(names) % 10]), 300)
    for item in dict.fromkeys(changed):
        write(item)
    latest = server.latest()
    result = {
        "empty poll": timed(lambda: asker.ask("GET", latest), 1000),
        "10 changes": timed(lambda: asker.ask("GET", before), 1000),
        "page of 200": timed(lambda: asker.ask("GET", "/v1.0/me/calendars/delta", Prefer="odata.maxpagesize=200"), 300),
        "one write": one_write,
        "start": median(starts),
    }
    server.stop()
    return result


def draw(kind, points, left):
    """One panel: both axes logarithmic."""
    sizes = [math.log10(size) for size, _ in points]
    width, height, low, high = 380, 300, 1, 6
    out = ['<text x="%d" y="18" font-size="14">%s</text>' % (left + 40, kind)]

    def x(size):
        return left + 50 + (size - sizes[0]) / max(sizes[-1] - sizes[0], 1) * (width - 80)

    def y(micros):
        return 30 + (high - math.log10(max(micros, 1))) / (high - low) * (height - 60)

    for power in range(low, high + 1):
        label = {1: "10 µs", 2: "100 µs", 3: "1 ms", 4: "10 ms", 5: "100 ms", 6: "1 s"}[power]
        out.append('<line x1="%d" x2="%d" y1="%.1f" y2="%.1f" stroke="#ddd"/><text x="%d" y="%.1f" font-size="10" '
                   'text-anchor="end">%s</text>' % (left + 50, left + width - 30, y(10 ** power), y(10 ** power), left + 46,
                                                     y(10 ** power) + 3, label))
    for size in sizes:
        out.append('<text x="%.1f" y="%d" font-size="10" text-anchor="middle">10^%d</text>' % (x(size), height - 10, round(size)))
    for name, colour in zip(WHAT, COLOURS):
        path = " ".join("%.1f,%.1f" % (x(math.log10(size)), y(values[name])) for size, values in points)
        out.append('<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/>' % (path, colour))
    return out


def run(options):
    """Prints the figures, keeps them, and draws them."""
    results = {"items": [], "feeds": []}
    for kind, items, users in SHAPES:
        size = items if kind == "items" else users
        if size > options.items:
            continue
        path = KEPT / ("items-%d.db" % items if kind == "items" else "feeds-%d.db" % users)
        make_store(path, items if kind == "items" else 10, users)
        if size == 10 ** 7:
            values = measure(path, items)
        else:
            with tempfile.TemporaryDirectory(dir=KEPT) as folder:
                copy = rows.copy_of(path, folder)
                values = measure(copy, items if kind == "items" else 10)
        results[kind].append((size, values))
        print("%s %10d  " % (kind, size) + "  ".join("%s %.0f µs" % (name, values[name]) for name in WHAT), flush=True)
    text = ['<svg xmlns="http://www.w3.org/2000/svg" width="800" height="340" font-family="sans-serif">',
            '<rect width="800" height="340" fill="#fff"/>']
    text += draw("items in one feed", results["items"], 0) + draw("feeds of ten items", results["feeds"], 400)
    for at, (name, colour) in enumerate(zip(WHAT, COLOURS)):
        text.append('<rect x="%d" y="322" width="10" height="10" fill="%s"/><text x="%d" y="331" font-size="11">%s</text>'
                    % (60 + at * 140, colour, 75 + at * 140, name))
    (sides.ROOT / "docs/growth.svg").write_text("\n".join(text + ["</svg>"]) + "\n")
    (KEPT / "growth.json").write_text(json.dumps(results, indent=1))
    return 0
