# SPDX-License-Identifier: Apache-2.0
"""The scripts in script/ do what the README says they do, from any folder."""

import json
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import subprocess
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


# ---- packages -------------------------------------------------------------------------------------------


class Machine:
    """A machine that has some packages, with stand-ins for the commands script/packages calls."""

    def __init__(self, path, packages, user=0, sudo=False):
        self.path = path
        path.mkdir(exist_ok=True)
        self.there = path / "there"
        self.calls = path / "calls"
        self.there.write_text("\n".join(packages) + "\n")
        self.calls.write_text("")
        self.bin = path / "bin"
        self.bin.mkdir()
        self.stand_in("dpkg-query", f"sed 's/^/ii  /' '{self.there}'; exit 1")
        self.stand_in("apt-get", f"""echo "apt-get $*" >>'{self.calls}'
            while [ $# -gt 0 ] && [ "$1" != install ]; do shift; done
            for name; do case $name in install|-*) ;; *) echo "$name" >>'{self.there}';; esac; done""")
        self.stand_in("id", f"echo {user}")
        self.stand_in("sudo", f"""echo "sudo $1" >>'{self.calls}'; {'[ "$1" = -n ] && shift; exec "$@"' if sudo else 'exit 1'}""")

    def stand_in(self, name, script):
        (self.bin / name).write_text(f"#!/bin/sh\n{script}\n")
        (self.bin / name).chmod(0o755)

    def packages(self, *arguments):
        # node and npm must not be found on the real machine: only the stand-ins and the plain tools are in the way.
        for tool in ("sh", "env", "sed", "tr", "cat", "true"):
            if not (self.bin / tool).exists():
                (self.bin / tool).symlink_to(f"/bin/{tool}")
        return subprocess.run([ROOT / "script/packages", *arguments], capture_output=True, text=True, check=False,
                              stdin=subprocess.DEVNULL, cwd=self.path, env={"PATH": str(self.bin)})


def listed(group):
    return subprocess.run([ROOT / "script/packages", "list", group], capture_output=True, text=True, check=True).stdout.split()


def test_packages_are_installed_when_missing_and_only_those(tmp_path):
    there = [name for name in listed("build") if name not in ("cmake", "zlib1g-dev")]
    machine = Machine(tmp_path, there)
    run = machine.packages("install", "build")
    assert run.returncode == 0, run.stderr
    calls = machine.calls.read_text().splitlines()
    assert len(calls) == 2
    assert calls[0].endswith(" update")
    assert calls[1].endswith(" install -y --no-install-recommends cmake zlib1g-dev")


def test_packages_that_are_all_there_cost_no_call_of_apt(tmp_path):
    machine = Machine(tmp_path, listed("test"))
    run = machine.packages("install", "test")
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
    assert machine.calls.read_text() == ""


def test_packages_without_root_are_named_and_nothing_is_tried(tmp_path):
    machine = Machine(tmp_path, listed("build")[1:], user=1000)
    run = machine.packages("install", "build")
    assert run.returncode == 1
    assert f"apt-get install --no-install-recommends {listed('build')[0]}\n" in run.stderr
    assert "apt-get" not in machine.calls.read_text()


def test_packages_are_installed_through_sudo_where_it_may_be_used(tmp_path):
    machine = Machine(tmp_path, listed("build")[1:], user=1000, sudo=True)
    run = machine.packages("install", "build")
    assert run.returncode == 0, run.stderr
    assert "sudo env" in machine.calls.read_text()


def test_packages_take_a_node_that_is_not_debians(tmp_path):
    machine = Machine(tmp_path, [name for name in listed("test") if name not in ("nodejs", "npm")])
    assert machine.packages("missing", "test").stdout.split() == ["nodejs", "npm"]
    machine.stand_in("node", "")
    machine.stand_in("npm", "")
    assert machine.packages("missing", "test").stdout == ""


def test_packages_that_apt_could_not_bring_are_an_error(tmp_path):
    machine = Machine(tmp_path, listed("build")[1:])
    machine.stand_in("apt-get", "exit 0")
    run = machine.packages("install", "build")
    assert run.returncode == 1
    assert "still missing" in run.stderr


def test_packages_that_are_optional_stop_nothing(tmp_path):
    machine = Machine(tmp_path, [name for name in listed("test") if name != "postgresql-15"])
    for tool in ("mkdir", "tee"):
        machine.stand_in(tool, f"""cat >>'{machine.calls}'; echo "{tool} $*" >>'{machine.calls}'""")
    machine.stand_in("apt-get", f"""echo "apt-get $*" >>'{machine.calls}'; case $* in *install*) exit 100; esac""")
    run = machine.packages("install", "test")
    assert run.returncode == 0 and "tests that need it are skipped" in run.stderr
    assert machine.calls.read_text().count("install -y --no-install-recommends postgresql-15") == 1
    machine = Machine(tmp_path / "plain", [name for name in listed("test") if name != "postgresql-15"], user=1000)
    assert machine.packages("install", "test").returncode == 0


def test_packages_of_the_bench_are_builds_and_its_own_and_servers_are_only_unpacked():
    bench, test, build = listed("bench"), listed("test"), listed("build")
    assert set(build) < set(bench) and set(build) < set(test)
    assert "wrk" in bench and "wrk" not in test and "clang" in test and "clang" not in bench
    assert not [name for name in bench + test if name.startswith(("cyrus-", "radicale"))]


# ---- build ----------------------------------------------------------------------------------------------


def test_build_says_where_the_program_is_and_starts_at_once_the_second_time(tmp_path):
    cache = ROOT / "build/release/build.ninja"
    configured = cache.stat().st_mtime_ns
    began = time.monotonic()
    run = subprocess.run([ROOT / "script/build"], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert time.monotonic() - began < 5
    assert run.stdout == "build/release/tidemark\n"
    assert cache.stat().st_mtime_ns == configured


def test_install_puts_a_program_that_runs_where_it_was_asked_to(tmp_path):
    subprocess.run(["cmake", "--install", ROOT / "build/release", "--prefix", tmp_path], check=True, capture_output=True)
    run = subprocess.run([tmp_path / "bin/tidemark", "version"], capture_output=True, text=True, check=True)
    assert re.search(r"\d+\.\d+\.\d+", run.stdout)
    pages = list((tmp_path / "share/man").rglob("tidemark*.[1-8]*"))
    assert pages
    for page in pages:
        lint = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", page], capture_output=True, text=True, check=False)
        faults = [line for line in lint.stdout.splitlines() if "unusual Xr order" not in line]     # ours is the order of help
        assert not faults


@pytest.mark.parametrize("staged", [False, True])
def test_install_writes_its_own_prefix_into_the_unit(tmp_path, staged):
    """Also if the files are put below another root first, as a packager does."""
    prefix = tmp_path / "opt dir" / "tidemark"
    root = tmp_path / "stage" if staged else pathlib.Path("/")
    subprocess.run(["cmake", "--install", ROOT / "build/release", "--prefix", prefix], check=True, capture_output=True,
                   env={**os.environ, **({"DESTDIR": str(root)} if staged else {})})
    there = root / prefix.relative_to("/")
    unit = (there / "lib/systemd/system/tidemark.service").read_text()
    assert f'ExecStart="{prefix}/bin/tidemark" serve\n' in unit and "@" not in unit.replace("@system-service", "").replace("@privileged @resources", "")
    assert (there / "bin/tidemark").exists()


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")
def test_systemd_finds_nothing_wrong_with_the_installed_unit(tmp_path):
    """Unknown keys are only warnings, so nothing may be said.  The prefix has a blank."""
    prefix = tmp_path / "opt dir"
    subprocess.run(["cmake", "--install", ROOT / "build/release", "--prefix", prefix], check=True, capture_output=True)
    unit = prefix / "lib/systemd/system/tidemark.service"
    for text, good in ((unit.read_text(), True), (unit.read_text().replace("ProtectClock", "ProtectClok"), False)):
        unit.write_text(text)
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True)
        assert ("tidemark.service" not in done.stderr and done.returncode == 0) == good, done.stderr


# ---- run ------------------------------------------------------------------------------------------------


class Running:
    """script/run in a group of its own, up to the end of what it prints."""

    def __init__(self, folder, **environment):
        own = {name: value for name, value in os.environ.items() if name != "PORT"}
        environment = {**own, "TIDEMARK_RUN_DIR": str(folder), **environment}
        # A shell cannot trap a signal that was ignored when it began, as it is for what runs in the background.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        self.process = subprocess.Popen([ROOT / "script/run"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                        stdin=subprocess.DEVNULL, cwd="/", env=environment, start_new_session=True)
        self.said = ""
        for line in self.process.stdout:
            self.said += line
            if line.startswith("Ctrl-C"):
                break

    def port(self):
        return int(re.search(r"address +https://127\.0\.0\.1:(\d+)\n", self.said).group(1))

    def lines(self, resource):
        """The printed lines of the round of a resource."""
        return self.said.split(f"# ---- {resource}: begin ----\n")[1].split(f"# ---- {resource}: end ----\n")[0]

    def walk(self, resource="calendars"):
        """Runs the printed lines in a plain sh, as somebody would who copies them; the JSON objects they print."""
        run = subprocess.run(["sh", "-eu"], input=self.lines(resource), capture_output=True, text=True, check=False, timeout=60, cwd="/")
        assert run.returncode == 0, run.stderr
        assert run.stderr == ""
        return [json.loads(line) for line in run.stdout.splitlines() if line]

    def stop(self):
        os.killpg(self.process.pid, signal.SIGINT)
        out, err = self.process.communicate(timeout=30)
        return self.process.returncode, out, err


@pytest.fixture
def running(tmp_path):
    started = []

    def start(**environment):
        started.append(Running(tmp_path / "run", **environment))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            os.killpg(one.process.pid, signal.SIGTERM)
            one.process.wait(timeout=30)


def test_run_prints_lines_that_walk_a_whole_round(running):
    run = running(PORT="0")
    assert run.process.poll() is None, run.process.stderr.read()
    first, second, made, reported, removed = run.walk()

    assert [item["name"] for item in first["value"]] == ["Calendar"]
    assert "@odata.nextLink" in first and "@odata.deltaLink" not in first
    assert [item["name"] for item in second["value"]] == ["Birthdays"]
    assert "@odata.deltaLink" in second and "@odata.nextLink" not in second
    assert made["name"] == "Volunteer"
    assert [item["id"] for item in reported["value"]] == [made["id"]]
    assert [(item["id"], item["@removed"]) for item in removed["value"]] == [(made["id"], {"reason": "deleted"})]


def of_the_seed(collection):
    seed = [json.loads(line) for line in (ROOT / "samples/seed.jsonl").read_text().splitlines()]
    return [line["value"] for line in seed if line.get("feed", "").endswith("/" + collection)]


def test_run_serves_the_very_calendars_of_the_seed(running):
    first, second, *_ = running(PORT="0").walk()
    assert first["value"] + second["value"] == of_the_seed("calendars")


def test_run_prints_lines_that_walk_a_round_of_recordings(running):
    run = running(PORT="0")
    first, made, after = run.walk("recordings")
    assert [item["id"] for item in first["value"]] == [value["id"] for value in of_the_seed("recordings")]
    assert first["@odata.count"] == 1 and "@odata.deltaLink" in first
    assert made["meetingId"] == first["value"][0]["meetingId"]
    assert [item["id"] for item in after["value"]] == [made["id"]]
    assert "@odata.deltaLink" in after

    # The lines can be pasted again: the round then begins with both recordings.
    first, made, after = run.walk("recordings")
    assert len(first["value"]) == 2
    assert [item["id"] for item in after["value"]] == [made["id"]]


def test_the_readme_shows_the_lines_that_run_prints(running):
    """Line for line, but for the address, the token and the CA file, which are each machine's own."""
    run = running(PORT="0")
    readme = (ROOT / "README.md").read_text()
    for resource in ("calendars", "recordings"):
        shown = re.findall(r"^\$ (.+)$", readme.split(f"## A round of {resource}\n")[1].split("\n## ")[0], re.M)
        printed = [line for line in run.lines(resource).splitlines() if line]
        own = ("graph=", "token=", "ask() ") + (("pick() ",) if resource == "recordings" else ())
        assert [line for line in shown if not line.startswith(own)] == [line for line in printed if not line.startswith(own)]


def test_run_prints_a_token_for_each_round(running):
    run = running(PORT="0")
    calendars, recordings = (re.search(rf"{resource} token +(\S+)\n", run.said).group(1) for resource in ("calendars", "recordings"))
    assert f"token='{calendars}'" in run.lines("calendars")
    assert f"token='{recordings}'" in run.lines("recordings")
    assert calendars != recordings


def test_run_stops_cleanly_and_keeps_its_store(running):
    run = running(PORT="0")
    run.walk()
    port = run.port()
    status, _, err = run.stop()
    assert status == 0, err
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", port), timeout=1).close()

    began = time.monotonic()
    again = running(PORT="0")
    assert time.monotonic() - began < 5
    first, second, *_ = again.walk()
    assert [item["name"] for item in first["value"] + second["value"]] == ["Calendar", "Birthdays"]


def test_run_takes_a_free_port_when_its_own_is_taken(running):
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind(("127.0.0.1", 8443))
            taken.listen()
        except OSError:
            pass                                 # somebody else has it: just as good
        run = running()
        assert run.port() != 8443
        assert len(run.walk()) == 5


def test_run_on_a_named_port_that_is_taken_says_so_and_fails(running):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        run = running(PORT=str(taken.getsockname()[1]))
        assert run.process.wait(timeout=30) != 0
        assert "in use" in run.process.stderr.read()


def until_refused(port):
    """Waits until nobody listens on the port any more."""
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            return
        time.sleep(0.05)
    pytest.fail(f"port {port} still listens")


def test_ctrl_c_lets_a_request_that_runs_finish(running, tmp_path):
    run = running(PORT="0")
    port, body = run.port(), b'{"name":"Late"}'
    token = re.search(r"calendars token +(\S+)\n", run.said).group(1)
    trust = ssl.create_default_context(cafile=re.search(r"CA file +(\S+)\n", run.said).group(1))
    with trust.wrap_socket(socket.create_connection(("127.0.0.1", port), timeout=30), server_hostname="127.0.0.1") as half:
        half.sendall(b"POST /beta/me/calendars HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer " + token.encode() +
                     b"\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body[:5])
        time.sleep(0.5)                                  # the server has begun to read it
        os.killpg(run.process.pid, signal.SIGINT)        # what a terminal does at ^C
        until_refused(port)
        time.sleep(1)                                    # longer than a second signal needs to arrive
        half.sendall(body[5:])
        assert half.recv(64).startswith(b"HTTP/1.1 201 ")
    assert run.process.wait(timeout=30) == 0
    assert sorted(path.name for path in (tmp_path / "run").glob("tidemark.db-*")) == []


def test_a_run_that_fails_after_its_start_leaves_no_server(running, tmp_path):
    running(PORT="0").stop()
    subprocess.run([ROOT / "build/release/tidemark", "user", "remove", "samanthab@contoso.com", "--store",
                    f"sqlite:{tmp_path}/run/tidemark.db"], check=True, capture_output=True)
    done = subprocess.run([ROOT / "script/run"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False, timeout=60,
                          env={**os.environ, "TIDEMARK_RUN_DIR": str(tmp_path / "run"), "PORT": "0"})
    assert done.returncode not in (0, 130, 143)
    began = re.search(r"listening on https://127\.0\.0\.1:(\d+)\n", (tmp_path / "run/serve.log").read_text())
    until_refused(int(began.group(1)))


def test_a_second_run_in_the_folder_leaves_the_log_of_the_first(running, tmp_path):
    first = running(PORT="0")
    log = pathlib.Path(re.search(r"log +(\S+)\n", first.said).group(1))
    before = log.read_text()
    assert before.startswith("listening on ")
    second = running(PORT="0")
    assert second.process.wait(timeout=30) == 12
    assert "another run holds the store" in second.process.stderr.read()
    assert log.read_text() == before
    assert first.stop()[0] == 0
    assert (tmp_path / "run/serve.log").read_text() == before


def test_pick_takes_the_item_s_own_id(running):
    """An answer may hold other ids after its own."""
    pick = next(line for line in running(PORT="0").lines("calendars").splitlines() if line.startswith("pick()"))
    answer = '{"@odata.type":"x","id":"own","owner":{"id":"other"},"list":[{"id":"third"}]}'
    picked = subprocess.run(["sh", "-euc", f"{pick}; pick id"], input=answer, capture_output=True, text=True, check=True)
    assert picked.stdout == "own\n"


# ---- samples --------------------------------------------------------------------------------------------


def test_samples_are_the_same_every_time_and_every_line_is_json():
    def generate(*arguments):
        return subprocess.run([ROOT / "samples/generate", *arguments], capture_output=True, text=True, check=True).stdout

    once = generate("200", "9")
    assert generate("200", "9") == once
    lines = [json.loads(line) for line in once.splitlines()]
    assert sum(line["op"] == "user" for line in lines) == 200
    ids = [line["value"]["id"] for line in lines]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("arguments", [["x"], ["0"], ["-5"], ["1.5"], ["3", ""], ["3", "1e3"], ["10000001"], ["1", "2", "3"], ["--users"]])
def test_samples_refuse_what_they_cannot_do(arguments):
    run = subprocess.run([ROOT / "samples/generate", *arguments], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr.count("\n") == 1 and "samples/generate --help" in run.stderr


def test_samples_explain_themselves():
    run = subprocess.run([ROOT / "samples/generate", "--help"], capture_output=True, text=True, check=True)
    assert "samples/generate [USERS [CALENDARS]]" in run.stdout and run.stderr == ""


def test_samples_can_be_one_user_with_very_many_calendars(tmp_path):
    lines = subprocess.run([ROOT / "samples/generate", "1", "100000"], capture_output=True, text=True, check=True).stdout
    ids = {json.loads(line)["value"]["id"] for line in lines.splitlines()}
    assert lines.count('"op":"user"') == 1 and lines.count('"op":"put"') == 100000 and len(ids) == 100001
    run = subprocess.run([ROOT / "build/release/tidemark", "import", "--json", "--store", f"sqlite:{tmp_path}/t.db"], input=lines,
                         capture_output=True, text=True, check=True)
    assert json.loads(run.stdout)["stored"] == 100000
