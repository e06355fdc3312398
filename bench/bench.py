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

import growth
import rows
import sides

KEPT_RESULTS = sides.KEPT / "results.json"
PAGE = sides.ROOT / "docs/speed.md"
BEGIN, END = "<!-- table: made by bench/run --write -->", "<!-- end of table -->"


def first_line(command):
    try:
        text = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "none"
    return next((line for line in (text.stdout + text.stderr).splitlines() if line.strip()), "")


def versions():
    return "%s; %s; %s; SQLite %s; Linux %s" % (
        first_line([sides.TIDEMARK, "version"]), first_line(["/usr/sbin/nginx", "-v"]).split(": ")[-1],
        " ".join(first_line(["wrk", "-v"]).split()[:2]), __import__("sqlite3").sqlite_version, platform.release())


def machine():
    text = pathlib.Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*: (.*)", text)
    memory = int(re.search(r"MemTotal:\s+(\d+)", pathlib.Path("/proc/meminfo").read_text())[1]) // 1048576
    return "%s, %d cores for server and load together, %d GB" % (model[1] if model else platform.machine(), os.cpu_count(),
                                                              memory)


def table(results):
    text = ["| row | what | Tidemark | beside it | ratio | rounds | target | |", "|---|---|---|---|---|---|---|---|"]
    for name in rows.ROWS:
        if name not in results:
            continue
        row = results[name]
        verdict = "–" if row["target"] == "none set" else "met" if row["met"] else "**short**"
        text.append("| `%s` | %s | %s | %s | %s | %s | %s | %s |" % (name, row["what"], row["ours"], row["theirs"],
                                                                      row["ratio"], row["spread"], row["target"], verdict))
    return "\n".join(text)


def keep(results, stamp):
    old = json.loads(KEPT_RESULTS.read_text()) if KEPT_RESULTS.exists() else {}
    old.update(results)
    old["about"] = stamp
    KEPT_RESULTS.parent.mkdir(parents=True, exist_ok=True)
    KEPT_RESULTS.write_text(json.dumps(old, indent=1))
    return old


def write_page(results):
    text = PAGE.read_text()
    before, after = text[:text.index(BEGIN)], text[text.index(END):]
    PAGE.write_text("%s%s\n\n%s\n\n%s\n\n%s" % (before, BEGIN, results["about"], table(results), after))


def main():
    parser = argparse.ArgumentParser(prog="bench/run")
    parser.add_argument("rows", nargs="*")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--items", type=int, default=10_000_000)
    parser.add_argument("--connections", type=int, default=10_000)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    if options.list:
        print("\n".join(list(rows.ROWS) + ["growth"]))
        return 0
    if options.rows == ["growth"]:
        return growth.run(options)
    unknown = [name for name in options.rows if name not in rows.ROWS]
    if unknown:
        print("bench/run: no such row: %s; there are: %s" % (", ".join(unknown), " ".join(rows.ROWS)), file=sys.stderr)
        return 2
    stamp = "%s. %s. %s. Load average at the start %.1f." % (datetime.date.today().isoformat(), machine(), versions(),
                                                             os.getloadavg()[0])
    print(stamp, flush=True)
    results = {}
    for name in options.rows or rows.ROWS:
        try:
            row = rows.ROWS[name](options)
        except (SystemExit, subprocess.CalledProcessError, OSError) as gone:
            print("%-12s not measured: %s" % (name, gone), flush=True)
            continue
        finally:
            sides.stop_all()
        if row.spread != "–":
            row.spread += " (%d × %d s)" % (options.rounds, options.seconds)
        results[name] = row.__dict__
        print("%-12s %s: %s | %s | ratio %s (%s) | %s | %s" % (name, row.what, row.ours, row.theirs, row.ratio, row.spread,
                                                            row.target, "met" if row.met else "SHORT"), flush=True)
    kept = keep(results, stamp)
    if options.write:
        write_page(kept)
    return 0


if __name__ == "__main__":
    sys.exit(main())
