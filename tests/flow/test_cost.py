# SPDX-License-Identifier: Apache-2.0
"""What a poll with nothing new costs, in instructions of our own code: a number that moves only on purpose.

Libraries and the kernel are not counted, so the number is the same on every machine; it belongs to the release build
by gcc 12.  A change that moves it says so here, and in docs/why/0004-speed.md what it gave.
"""
import http.client
import os
import pathlib
import re
import shutil
import subprocess
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
RELEASE = ROOT / "build" / "release" / "tidemark"
BUDGET = 23_500                      # instructions of our own code for one poll
TOLERANCE = 0.10
POLLS = 400
OWNER = "00000001-0000-4000-8000-000000000001"


def own_instructions(path, program):
    """The self cost of everything in the program's own object, of a file callgrind wrote."""
    names, ours, skip, total = {}, False, False, 0
    for line in path.read_text().splitlines():
        if line.startswith("ob="):
            number, _, name = line[3:].partition(" ")
            if name:
                names[number] = name
            ours = names[number] == str(program)
        elif line.startswith("cob="):
            number, _, name = line[4:].partition(" ")
            if name:
                names[number] = name
        elif line.startswith("calls="):
            skip = True              # the line after it is the cost of what was called
        elif line and (line[0].isdigit() or line[0] in "+-*"):
            if ours and not skip:
                total += int(line.split()[1])
            skip = False
    return total


def wait_for_address(log, job):
    for _ in range(600):
        found = re.search(r"listening on http://127\.0\.0\.1:(\d+)\n", log.read_text())
        if found:
            return int(found[1])
        assert job.poll() is None, log.read_text()
        time.sleep(0.1)
    raise AssertionError("the server did not start under callgrind")


def poll(port, bearer, times):
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    fields = {"Authorization": "Bearer " + bearer}
    link.request("GET", "/v1.0/me/calendars/delta?$deltatoken=latest", headers=fields)
    answer = link.getresponse().read().decode()
    target = re.search(r'"@odata.deltaLink":"http://[^/]*([^"]*)"', answer)[1]
    for _ in range(times):
        link.request("GET", target, headers=fields)
        reply = link.getresponse()
        assert '"value":[]' in reply.read().decode() and reply.status == 200
    link.close()


@pytest.mark.skipif(not shutil.which("valgrind"), reason="valgrind is not installed")
@pytest.mark.skipif(not RELEASE.exists(), reason="there is no release build")
def test_a_poll_with_nothing_new_keeps_to_its_budget_of_instructions(tmp_path):
    store, log, out = "sqlite:%s/x.db" % tmp_path, tmp_path / "log", tmp_path / "callgrind.out"
    seed = ('{"op":"user","value":{"id":"%s","userPrincipalName":"a@contoso.com"}}\n'
            '{"op":"put","feed":"users/%s/calendars","value":{"id":"A","name":"A"}}\n' % (OWNER, OWNER))
    subprocess.run([RELEASE, "import", "--store", store, "-"], input=seed, text=True, check=True)
    bearer = subprocess.run([RELEASE, "token", "--store", store, "--user", OWNER, "--scope", "Calendars.Read"], check=True,
                            capture_output=True, text=True).stdout.strip()
    with log.open("w") as errors:
        job = subprocess.Popen(["valgrind", "--tool=callgrind", "--callgrind-out-file=%s" % out, "--collect-atstart=no",
                                "--toggle-collect=http_conn_event", str(RELEASE), "serve", "--store", store, "--listen",
                                "127.0.0.1:0", "--tls", "off"], stderr=errors, env=dict(os.environ))
    try:
        poll(wait_for_address(log, job), bearer, POLLS)
    finally:
        job.terminate()
        job.wait(60)
    each = own_instructions(out, RELEASE) / (POLLS + 1)
    print("%.0f instructions of our own code a poll" % each)
    assert abs(each - BUDGET) <= BUDGET * TOLERANCE, "a poll took %.0f instructions, its budget is %d" % (each, BUDGET)
