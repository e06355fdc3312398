# SPDX-License-Identifier: Apache-2.0
"""bench/run: chooses rows, prints them, and keeps the last results in docs/speed.md."""

import argparse
import datetime
import json
import os
import pathlib
import platform
import re
import subprocess
import sys
import time
import traceback

import growth
import page
import peers
import rows
import sides

KEPT_RESULTS = sides.KEPT / "results.json"
BEGIN, END = "<!-- table: made by bench/run --write -->", "<!-- end of table -->"


def first_line(command):
    try:
        text = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "none"
    return next((line for line in (text.stdout + text.stderr).splitlines() if line.strip()), "")


def versions():
    return "%s; %s; %s; %s; Radicale %s; Cyrus %s; SQLite %s; Linux %s" % (
        first_line([sides.TIDEMARK, "version"]), first_line(["/usr/sbin/nginx", "-v"]).split(": ")[-1],
        " ".join(first_line(["wrk", "-v"]).split()[:2]), first_line(["h2load", "--version"]), peers.version("radicale"),
        peers.version("cyrus-imapd"), __import__("sqlite3").sqlite_version, platform.release())


def machine():
    text = pathlib.Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*: (.*)", text)
    memory = int(re.search(r"MemTotal:\s+(\d+)", pathlib.Path("/proc/meminfo").read_text())[1]) // 1048576
    return "%s, %d cores for server and load together, %d GB" % (model[1] if model else platform.machine(), os.cpu_count(),
                                                              memory)


def verdict(row):
    return "–" if row["target"] == "none set" else "met" if row["met"] else "**short**"


def table(results):
    text = ["| row | what | Tidemark | beside it | ratio | rounds | target | |", "|---|---|---|---|---|---|---|---|"]
    for name in rows.ROWS:
        if name in results:
            row = results[name]
            cells = [row[cell] for cell in ("what", "ours", "theirs", "ratio", "spread", "target")]
            text.append("| `%s` | %s | %s |" % (name, " | ".join(cells), verdict(row)))
    earlier = ["`%s` (%s)" % (name, results[name].get("about", "unknown").split(". ")[0]) for name in rows.ROWS
               if name in results and results[name].get("about") != results["about"]]
    if earlier:
        text += ["", "Not measured in the run named above, but in an earlier one: %s." % ", ".join(earlier)]
    return "\n".join(text)


def keep(results, stamp):
    """After each row, so that nothing that was measured is lost with what comes after it."""
    old = json.loads(KEPT_RESULTS.read_text()) if KEPT_RESULTS.exists() else {}
    old.update({name: {**row, "about": stamp} for name, row in results.items()})
    old["about"] = stamp
    KEPT_RESULTS.parent.mkdir(parents=True, exist_ok=True)
    KEPT_RESULTS.write_text(json.dumps(old, indent=1))
    return old


def measure(name, options):
    """The row, or None when it could not be measured: whatever went wrong in it, the others go on."""
    began = time.monotonic()
    try:
        row = rows.ROWS[name][1](options)
    except (SystemExit, subprocess.CalledProcessError, OSError) as gone:
        print("%-12s not measured: %s" % (name, gone), flush=True)
        return None
    except Exception as gone:                    # pylint: disable=broad-except
        print("%-12s not measured: %s: %s" % (name, type(gone).__name__, gone), flush=True)
        traceback.print_exc()
        return None
    finally:
        sides.stop_all()
    if row.spread != "–":
        row.spread += " (%d × %d s)" % (options.rounds, options.seconds)
    kept = row.__dict__
    print("%-12s %s: %s | %s | ratio %s (%s) | %s | %s | %.0f s" % (
        name, row.what, row.ours, row.theirs, row.ratio, row.spread, row.target, verdict(kept).strip("*"),
        time.monotonic() - began), flush=True)
    return kept


def arguments():
    named = ["%-12s %s" % (name, text) for name, (text, _) in rows.ROWS.items()]
    named.append("%-12s %s" % ("growth", "how costs grow with the store; draws docs/growth.svg.  Only when it is named"))
    parser = argparse.ArgumentParser(
        prog="bench/run", formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Measures Tidemark beside something everybody can judge, in one run on one machine, taking turns.",
        epilog="rows, and what stands beside Tidemark in them (all but growth, if none is named):\n  %s\n\n"
               "Other commands: bench/long_load, bench/floods, bench/content, bench/follow/run." % "\n  ".join(named))
    parser.add_argument("rows", nargs="*", metavar="ROW")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each side (default: 5)")
    parser.add_argument("--seconds", type=int, default=3, help="length of a turn (default: 3)")
    parser.add_argument("--items", type=int, default=10_000_000, help="size of the huge store (default: 10000000)")
    parser.add_argument("--feeds", type=int, default=1_000_000, help="most feeds that growth goes to (default: 1000000)")
    parser.add_argument("--connections", type=int, default=10_000, help="idle connections (default: 10000)")
    parser.add_argument("--write", action="store_true", help="put the results into docs/speed.md")
    parser.add_argument("--list", action="store_true", help="name the rows, and end")
    options = parser.parse_args()
    unknown = [name for name in options.rows if name not in rows.ROWS and name != "growth"]
    if unknown:
        parser.error("no such row: %s; there are: %s growth" % (", ".join(unknown), " ".join(rows.ROWS)))
    if options.rounds < 1 or options.seconds < 1:
        parser.error("--rounds and --seconds are at least 1")
    return options


def main():
    options = arguments()
    if options.list:
        print("\n".join(list(rows.ROWS) + ["growth"]))
        return 0
    if not os.access(sides.TIDEMARK, os.X_OK):
        print("bench/run: no release build; run script/build release", file=sys.stderr)
        return 2
    stamp = "%s. %s. %s. Load average at the start %.1f." % (datetime.datetime.now().strftime("%Y-%m-%d %H:%M"), machine(),
                                                             versions(), os.getloadavg()[0])
    print(stamp, flush=True)
    asked = options.rows or list(rows.ROWS)
    missed = []
    for name in (name for name in rows.ROWS if name in asked):
        row = measure(name, options)
        if not row:
            missed.append(name)
            continue
        kept = keep({name: row}, stamp)
        if options.write:
            page.put(BEGIN, END, "%s\n\n%s" % (stamp, table(kept)))
    if "growth" in asked:
        growth.run(options)
    if missed:
        print("not measured: %s" % " ".join(missed), flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
