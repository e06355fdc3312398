# SPDX-License-Identifier: Apache-2.0
"""timed.py OUT LOG COMMAND...: runs it and notes seconds, processor time, peak memory, and how large the write-ahead log LOG became.
timed.py --table ITEMS PAGE_SIZE PROGRAM FOLDER: the table of what was noted there."""
import glob
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import threading
import time

LOOK_EVERY_S = 0.02
LATER = (("1-order", "changes of every item, in the order of ids", math.inf),
         ("2-no-order", "changes of every item, in no order", math.inf), ("3-thousand", "1,000 changes, in no order", 1000))
FIGURES = ("seconds", "cpu", "rss_mib", "log_mib")


def size_of(path):
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0


def timed(out, log, command):
    most = [0]
    ended = threading.Event()

    def look():
        while not ended.wait(LOOK_EVERY_S):
            most.append(max(most.pop(), size_of(log)))

    looker = threading.Thread(target=look)
    looker.start()
    began = time.monotonic()
    process = subprocess.Popen(command)
    _, status, used = os.wait4(process.pid, 0)
    figures = (time.monotonic() - began, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)
    ended.set()
    looker.join()
    figures += (most[0] / 1048576,)
    with open(out, "w") as file:
        json.dump(dict(zip(FIGURES, figures)), file)
    return os.waitstatus_to_exitcode(status)


def said(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\n")[0]


def version_of(package):
    with open(f"node_modules/{package}/package.json") as file:
        return json.load(file)["version"]


def row(name, items, one):
    return (f"| {name} | {items / one['seconds']:,.0f} | {one['seconds']:.2f} | {one['cpu']:.2f} | {one['rss_mib']:.0f} MiB "
            f"| {one['log_mib']:.0f} MiB |")


def table(items, size, program, folder):
    sides = {}
    for side in ("ours", "theirs"):
        runs = [json.load(open(path)) for path in sorted(glob.glob(f"{folder}/{side}-*.json"))]
        sides[side] = runs, {key: (max if key.endswith("mib") else statistics.median)(run[key] for run in runs) for key in FIGURES}
    (our_runs, ours), (their_runs, theirs) = sides["ours"], sides["theirs"]
    ratios = sorted(b["seconds"] / a["seconds"] for a, b in zip(our_runs, their_runs))
    print("| follower | items/s | seconds | processor seconds | peak memory | write-ahead log |\n|---|---|---|---|---|---|")
    print(row("tidemark sync", items, ours))
    print(row("Node.js, Microsoft's SDK, better-sqlite3", items, theirs))
    for name, what, changes in LATER:
        for later in glob.glob(f"{folder}/later-{name}.json"):
            print(row(f"tidemark sync, a round of {what}", min(changes, items), json.load(open(later))))
    print(f"\n{items:,} items, {size} a page: {theirs['seconds'] / ours['seconds']:.1f} times the items a second "
          f"({ratios[0]:.1f} to {ratios[-1]:.1f} in {len(ratios)} rounds), {theirs['cpu'] / ours['cpu']:.1f} times the items a "
          "processor second. Seconds are medians, memory and log the most of all rounds.")
    print(f"{said(program, 'version')}; Node.js {said('node', '--version')}; @microsoft/microsoft-graph-client "
          f"{version_of('@microsoft/microsoft-graph-client')}; better-sqlite3 {version_of('better-sqlite3')}; "
          f"SQLite {__import__('sqlite3').sqlite_version}; Linux {platform.release()}; {os.cpu_count()} cores; "
          f"load {os.getloadavg()[0]:.1f} at the end.")


if sys.argv[1] == "--table":
    table(int(sys.argv[2]), sys.argv[3], *sys.argv[4:])
else:
    sys.exit(timed(sys.argv[1], sys.argv[2], sys.argv[3:]))
