# SPDX-License-Identifier: Apache-2.0
"""bench/long_load: see there."""

import argparse
import datetime
import json
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

import page
import rows
import sides

KEPT_RESULTS = sides.KEPT / "long.json"
BEGIN, END = "<!-- lines: made by bench/long_load --write -->", "<!-- end of lines -->"
SETTLE_S = 5                                     # until a server has taken what it needs for this load
ALLOWANCE_KB = 1024


class Watch:
    """Memory, descriptors and processor time of one process, second by second."""

    def __init__(self, pid):
        self.pid, self.rss_kb, self.descriptors = pid, [], []

    def until(self, ended):
        """Looks until it is told that the load has ended."""
        began = time.monotonic()
        while not ended():
            time.sleep(1)
            if time.monotonic() - began >= SETTLE_S:
                self.look()

    def look(self):
        self.rss_kb.append(sides.rss_kb(self.pid))
        self.descriptors.append(len(os.listdir("/proc/%d/fd" % self.pid)))

    def faults(self):
        if len(self.rss_kb) < 4:
            return ["the load was too short to see whether anything grows"]
        # The last look is left out: the connections of the load may be closing by then.
        rss, fds = self.rss_kb[:-1], self.descriptors[:-1]
        faults = []
        if max(rss) > rss[0] * 1.05 + ALLOWANCE_KB:
            faults.append("memory grew from %d to %d KB" % (rss[0], max(rss)))
        if max(fds) > fds[0]:
            faults.append("descriptors grew from %d to %d" % (fds[0], max(fds)))
        return faults


class Machine:
    """How much of the machine others had meanwhile: without that nobody can judge a delay."""

    def __init__(self):
        self.began, self.ours = self.jiffies(), self.children_s()

    @staticmethod
    def jiffies():
        user, nice, system, idle, wait, irq, soft, steal = [
            int(field) for field in pathlib.Path("/proc/stat").read_text().split("\n")[0].split()[1:9]]
        return user + nice + system + irq + soft, idle + wait, steal

    @staticmethod
    def children_s():
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    def shares(self, server_s):
        """Parts of all cores: of other processes, and of other guests of the host; once the load has ended."""
        busy, idle, steal = (now - then for now, then in zip(self.jiffies(), self.began))
        whole = max(busy + idle + steal, 1)
        others = busy - (server_s + self.children_s() - self.ours) * sides.TICK
        return max(others, 0) / whole, steal / whole


def side_and_request(options, folder):
    # A copy, for what is kept may be served by another run.
    server = sides.Server(rows.copy_of(rows.small_store(), folder), options.tls)
    target = server.latest()
    request = "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAuthorization: Bearer %s\r\n\r\n" % (target, server.port, server.bearer)
    if not options.floor:
        return server, request
    answer = server.whole(target)
    server.stop()
    return sides.Floor(answer), request


def run_load(options):
    sides.allow_descriptors(options.connections)
    with tempfile.TemporaryDirectory(dir=sides.KEPT) as folder:
        return drive(options, *side_and_request(options, folder))


def drive(options, side, request):
    pid = side.pids[0]
    job = subprocess.Popen([sides.tool("load"), str(side.port), str(options.connections), str(options.seconds), "1000",
                            "tls" if options.tls else "plain"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    watch = Watch(pid)
    try:
        job.stdin.write(request)
        job.stdin.close()
        if job.stdout.readline() != "ready\n":
            raise SystemExit("bench/long_load: not all connections were taken")
        machine, spent = Machine(), sides.cpu_s([pid])
        watch.until(lambda: job.poll() is not None)
        spent = sides.cpu_s([pid]) - spent
        others, stolen = machine.shares(spent)
        last = job.stdout.readline()
        if not last:
            raise SystemExit("bench/long_load: the load ended with status %d and said nothing" % job.returncode)
        result = json.loads(last)
    finally:
        job.kill()
        job.wait()
        sides.stop_all()
    result.update(cpu_us=round(spent / max(result["answers"], 1) * 1e6, 1), others=round(others, 3), stolen=round(stolen, 3),
                  rss_first_kb=watch.rss_kb[:1], rss_last_kb=watch.rss_kb[-2:-1],
                  descriptors_most=max(watch.descriptors, default=0))
    return result, watch


def validate(options, result, watch):
    faults = watch.faults()
    if result["errors"]:
        faults.append("%d errors" % result["errors"])
    if options.p99 is not None and result["p99_ms"] > options.p99:
        faults.append("p99 %.1f ms, above %g" % (result["p99_ms"], options.p99))
    return faults


TEXT = ("{side}: {connections} connections, one poll a second each, {seconds} s: {answers} answers, {errors} errors, {late} polls "
        "that still waited when the next was due; delays: median {p50_ms:.1f} ms, 99 % within {p99_ms:.1f} ms, 99.9 % within "
        "{p999_ms:.1f} ms, longest {max_ms:.1f} ms (the load itself sent 99 % within {own_p99_ms:.1f} ms of when they were due); "
        "{cpu_us:.1f} µs of the server's processor time a poll; resident {first:.0f} MB at first, {last:.0f} MB at last; others "
        "used {others:.0%} of the machine, other guests of the host {stolen:.0%}; {verdict}")


def line(options, result, watch, faults):
    side = "a bare epoll loop" if options.floor else "TLS 1.3" if options.tls else "plain"
    rss = watch.rss_kb or [0]
    return TEXT.format(side=side, seconds=options.seconds, first=rss[0] / 1024, last=rss[-2:][0] / 1024,
                       verdict="; ".join(faults) or "good", **result)


def write(options, text):
    """One line for each kind of load, with its day."""
    kept = json.loads(KEPT_RESULTS.read_text()) if KEPT_RESULTS.exists() else {}
    kept["floor" if options.floor else "tls" if options.tls else "plain"] = "%s, %s" % (datetime.date.today().isoformat(), text)
    KEPT_RESULTS.write_text(json.dumps(kept, indent=1))
    page.put(BEGIN, END, "\n".join("- " + kept[name] for name in ("plain", "tls", "floor") if name in kept))


def main():
    parser = argparse.ArgumentParser(prog="bench/long_load", description="Many connections polling once a second; fails on "
                                     "wrong or missing answers, and on growth of memory or descriptors.")
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--connections", type=int, default=10_000)
    parser.add_argument("--tls", action="store_true", help="TLS 1.3 on every connection")
    parser.add_argument("--floor", action="store_true", help="a bare epoll loop in place of Tidemark")
    parser.add_argument("--p99", type=float, metavar="MS", help="fail above this 99th percentile of delays")
    parser.add_argument("--write", action="store_true", help="put the line into docs/speed.md")
    options = parser.parse_args()
    if options.floor and options.tls:
        parser.error("the bare loop has no TLS")
    result, watch = run_load(options)
    faults = validate(options, result, watch)
    text = line(options, result, watch, faults)
    print(json.dumps(result))
    print(text)
    if options.write:
        write(options, text)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
