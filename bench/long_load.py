# SPDX-License-Identifier: Apache-2.0
"""bench/long_load: see there."""

import argparse
import json
import os
import subprocess
import sys
import time

import rows
import sides


def figures(server):
    pid = server.job.pid
    return sides.rss_kb(pid), len(os.listdir("/proc/%d/fd" % pid))


def main():
    parser = argparse.ArgumentParser(prog="bench/long_load")
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--connections", type=int, default=10_000)
    parser.add_argument("--tls", action="store_true")
    options = parser.parse_args()
    server = sides.Server(rows.small_store(), options.tls)
    request = "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAuthorization: Bearer %s\r\n\r\n" % (
        server.latest(), server.port, server.bearer)
    job = subprocess.Popen([sides.tool("load"), str(server.port), str(options.connections), str(options.seconds), "1000",
                            "tls" if options.tls else "plain"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        job.stdin.write(request)
        job.stdin.close()
        if job.stdout.readline() != "ready\n":
            raise SystemExit("bench/long_load: not all connections were taken")
        time.sleep(min(5, options.seconds / 4))
        rss_early, fds_early = figures(server)
        time.sleep(max(options.seconds - 10, options.seconds / 2))
        rss_late, fds_late = figures(server)
        result = json.loads(job.stdout.readline())
        job.wait()
    finally:
        sides.stop_all()
    result.update(rss_early_kb=rss_early, rss_late_kb=rss_late, descriptors_early=fds_early, descriptors_late=fds_late)
    print(json.dumps(result))
    faults = []
    if result["errors"] or result["late"]:
        faults.append("%d errors, %d polls that were still waiting when the next was due" % (result["errors"], result["late"]))
    if rss_late > rss_early * 1.05 + 1024:
        faults.append("memory grew")
    if fds_late > fds_early:
        faults.append("descriptors grew")
    if result["p99_ms"] > 20:
        faults.append("p99 %.1f ms" % result["p99_ms"])
    print("; ".join(faults) or "good")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
