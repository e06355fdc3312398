# SPDX-License-Identifier: Apache-2.0
"""timed.py OUT COMMAND...: runs it and notes seconds and peak memory; timed.py --table ITEMS LOG_MIB OURS THEIRS: the table."""
import json
import os
import subprocess
import sys
import time


def timed(out, command):
    began = time.monotonic()
    process = subprocess.Popen(command)
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.monotonic() - began
    with open(out, "w") as file:
        json.dump({"seconds": seconds, "cpu": used.ru_utime + used.ru_stime, "rss_mib": used.ru_maxrss / 1024}, file)
    return os.waitstatus_to_exitcode(status)


def table(items, log_mib, *paths):
    ours, theirs = (json.load(open(path)) for path in paths)
    print("| follower | items/s | seconds | CPU seconds | peak memory |\n|---|---|---|---|---|")
    for name, side in (("tidemark sync", ours), ("Node.js, Microsoft's SDK, better-sqlite3", theirs)):
        print(f"| {name} | {int(items) / side['seconds']:,.0f} | {side['seconds']:.1f} | {side['cpu']:.1f} | {side['rss_mib']:.0f} MiB |")
    print(f"\n{int(items):,} items; {theirs['seconds'] / ours['seconds']:.1f} times the items a second, "
          f"{theirs['cpu'] / ours['cpu']:.1f} times the items a CPU second; write-ahead log at most {log_mib} MiB.")


if sys.argv[1] == "--table":
    table(*sys.argv[2:])
else:
    sys.exit(timed(sys.argv[1], sys.argv[2:]))
