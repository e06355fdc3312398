# SPDX-License-Identifier: Apache-2.0
"""The two sides of a comparison, and what drives them: start, ask, measure, stop."""

import http.client
import json
import os
import pathlib
import re
import resource
import shutil
import socket
import ssl
import statistics
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
TIDEMARK = os.environ.get("TIDEMARK", str(ROOT / "build/release/tidemark"))
KEPT = ROOT / "build/bench"                      # what takes long to make
USER = "00000001-0000-4000-8000-000000000001"
CONNECTIONS = 32
TICK = os.sysconf("SC_CLK_TCK")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def need(program):
    if not shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin"):
        raise SystemExit("%s is not here; `script/packages install bench` brings it" % program)


def allow_descriptors(count):
    """For this process and what it starts: one descriptor a connection, and some more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    want = count + 1000
    if soft >= want:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (want, max(want, hard)))
    except (ValueError, OSError) as refused:
        raise SystemExit("bench: %d open files are needed, and the limit is %d (ulimit -Hn)" % (want, hard)) from refused


def tool(name):
    """A helper of ours in C, built when its source is newer."""
    source, program = ROOT / "bench" / (name + ".c"), KEPT / name
    KEPT.mkdir(parents=True, exist_ok=True)
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        subprocess.run(["gcc", "-std=c17", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", str(source), "-o", str(program),
                        "-lssl", "-lcrypto", "-lsqlite3"], check=True)
    return str(program)


# ---- data ------------------------------------------------------------------------------------------------

def user_id(number):
    return "%08x-0000-4000-8000-%012x" % (number, number)


def lines(items, users=1, large=False):
    """JSON Lines: each user with so many calendars; large ones make 960 bytes in a page, small ones 350."""
    head = "AAMkAGI2TGuLAAA" + "Q" * 120 if large else "AAMk"
    rest = (',"color":"auto","changeKey":"nfZyf7VcrEKLNoU37KWlkQAAA0x0+w%08d","owner":{"name":"' + "z" * 180 +
            '","address":"somebody.with.a.long.name@contoso.onmicrosoft.example"}') if large else ""
    fill = " " + "x" * 150 if large else ""
    for number in range(1, users + 1):
        yield ('{"op":"user","value":{"id":"%s","userPrincipalName":"u%d@contoso.com","displayName":"U%d",'
               '"mail":"u%d@contoso.com"}}\n' % (user_id(number), number, number, number))
        for at in range(items):
            more = rest % at if rest else ""
            yield ('{"op":"put","feed":"users/%s/calendars","value":{"id":"%s%012d=","name":"Calendar %07d%s"%s}}\n'
                   % (user_id(number), head, at, at, fill, more))


def make_store(path, items, users=1, large=False):
    """A store under its name is whole: what an import was stopped at stays under another.  Says how long it took, or 0."""
    path = pathlib.Path(path)
    if path.exists():
        return 0
    half = path.parent / "half"
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir(parents=True)
    began = time.monotonic()
    with subprocess.Popen([TIDEMARK, "import", "--store", "sqlite:%s" % (half / path.name), "-"], stdin=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True) as job:
        batch = []
        for line in lines(items, users, large):
            batch.append(line)
            if len(batch) == 10000:
                job.stdin.write("".join(batch))
                batch = []
        job.stdin.write("".join(batch))
        job.stdin.close()
    if job.returncode != 0:
        raise SystemExit("bench: the import into %s failed" % path)
    # The database last, for its name is what says that all is there.
    for left in sorted(half.iterdir(), key=lambda file: file.name == path.name):
        left.rename(path.parent / left.name)
    half.rmdir()
    return time.monotonic() - began


# ---- processes -------------------------------------------------------------------------------------------

def cpu_s(pids):
    """Processor time of processes, and of children of theirs that have ended."""
    total = 0
    for pid in pids:
        try:
            fields = pathlib.Path("/proc/%d/stat" % pid).read_text().rsplit(")", 1)[1].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        total += sum(int(field) for field in fields[11:15])
    return total / TICK


def rss_kb(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path("/proc/%d/status" % pid).read_text())[1])


RUNNING = []                                     # sides that were started and not stopped


def stop_all():
    """After a row that ended in a fault, too: nothing stays behind."""
    while RUNNING:
        RUNNING[-1].stop()


class Server:
    """The program, serving a store."""

    def __init__(self, store, tls=False, more=()):
        self.store, self.tls = str(store), tls
        # A file, not a pipe: who does not read the log must not be able to stop the server.
        self.log = tempfile.NamedTemporaryFile("r", suffix=".log")
        began = time.monotonic()
        self.job = subprocess.Popen([TIDEMARK, "serve", "--store", "sqlite:" + self.store, "--listen", "127.0.0.1:0",
                                     "--tls", "auto" if tls else "off", *more], stderr=open(self.log.name, "w"))
        RUNNING.append(self)
        line = ""
        while not line.startswith("listening on ") or not line.endswith("\n"):
            if self.job.poll() is not None:
                raise SystemExit("bench: the server did not start on %s: %s"
                                 % (store, pathlib.Path(self.log.name).read_text()[-300:].strip()))
            time.sleep(0.001)
            line = next((text for text in pathlib.Path(self.log.name).read_text().splitlines(True)
                         if text.startswith("listening on ")), "")
        self.start_s = time.monotonic() - began
        self.url = line.split()[-1]
        self.port = int(self.url.rsplit(":", 1)[1])
        self.pids = [self.job.pid]
        self.bearer = subprocess.run([TIDEMARK, "token", "--store", "sqlite:" + self.store, "--user", USER, "--scope",
                                      "Calendars.ReadWrite", "--expires", "24h"], check=True, capture_output=True,
                                     text=True).stdout.strip()

    def app_bearer(self, number):
        return subprocess.run([TIDEMARK, "token", "--store", "sqlite:" + self.store, "--app", user_id(number), "--role",
                               "Calendars.Read", "--expires", "24h"], check=True, capture_output=True, text=True).stdout.strip()

    def fields(self, **more):
        return {"Authorization": "Bearer " + self.bearer, **{k.replace("_", "-"): v for k, v in more.items()}}

    def connection(self):
        if self.tls:
            context = ssl._create_unverified_context()
            return http.client.HTTPSConnection("127.0.0.1", self.port, context=context, timeout=60)
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def get(self, target, status=200, **more):
        link = self.connection()
        link.request("GET", target, headers=self.fields(**more))
        answer = link.getresponse()
        body = answer.read()
        link.close()
        if answer.status != status:
            raise SystemExit("bench: %d for %s: %s" % (answer.status, target, body[:300]))
        return body

    def whole(self, target, **more):
        """The answer as it crosses the wire, its head too; in the clear only."""
        fields = "".join("%s: %s\r\n" % field for field in self.fields(**more).items())
        link = socket.create_connection(("127.0.0.1", self.port), timeout=60)
        link.sendall(("GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%s\r\n" % (target, self.port, fields)).encode())
        text = b""
        while b"\r\n\r\n" not in text or len(text) < text.index(b"\r\n\r\n") + 4 + length:
            text += link.recv(1 << 20)
            length = int(re.search(rb"(?i)content-length: (\d+)", text)[1]) if b"\r\n\r\n" in text else 0
        link.close()
        return text

    def target(self, link):
        return link[len(self.url):]

    def latest(self):
        """The delta link at the head."""
        page = json.loads(self.get("/v1.0/me/calendars/delta?$deltatoken=latest"))
        return self.target(page["@odata.deltaLink"])

    def metrics(self):
        link = socket.socket(socket.AF_UNIX)
        link.connect(self.store + ".sock")
        link.sendall(b"GET /-/metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        text = b""
        while True:
            got = link.recv(65536)
            if not got:
                break
            text += got
        link.close()
        return {name: float(value) for name, value in re.findall(r"^(\S+) ([0-9.e+]+)$", text.decode(), re.M)}

    def stop(self):
        if self in RUNNING:
            RUNNING.remove(self)
        self.job.terminate()
        self.job.wait()
        self.log.close()


class Nginx:
    """nginx sending files: Debian's own settings for speed, no access log, and open files kept open."""

    def __init__(self, files, tls_folder=None, h2=False):
        need("nginx")
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="bench-nginx-"))
        self.folder.chmod(0o755)
        self.port = free_port()
        for name, body in files.items():
            (self.folder / name).write_bytes(body)
        tls = ("ssl_certificate %s/server.pem; ssl_certificate_key %s/server.key; ssl_protocols TLSv1.3;"
               % (tls_folder, tls_folder)) if tls_folder else ""
        temps = "".join("%s_temp_path %s/t_%s;" % (kind, self.folder, kind)
                        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        (self.folder / "nginx.conf").write_text(
            "worker_processes %d; daemon off; pid %s/pid; error_log %s/error.log; worker_rlimit_nofile 20000;"
            "events { worker_connections 15000; } http { access_log off; sendfile on; tcp_nopush on; "
            "keepalive_requests 1000000000; keepalive_timeout 600; open_file_cache max=100; types {} "
            "default_type application/json; %s server { listen 127.0.0.1:%d %s %s reuseport; root %s; %s } }"
            % (os.cpu_count(), self.folder, self.folder, temps, self.port, "ssl" if tls else "", "http2" if h2 else "",
               self.folder, tls))
        self.job = subprocess.Popen(["nginx", "-p", str(self.folder), "-c", str(self.folder / "nginx.conf")],
                                    stderr=subprocess.DEVNULL, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
        RUNNING.append(self)
        self.url = ("https" if tls else "http") + "://127.0.0.1:%d" % self.port
        for _ in range(100):
            time.sleep(0.05)
            found = subprocess.run(["pgrep", "-P", str(self.job.pid)], capture_output=True, text=True).stdout.split()
            if len(found) >= os.cpu_count():
                break
        self.pids = [int(pid) for pid in found]
        for name, body in files.items():
            self.check(name, body)

    def check(self, name, body):
        context = ssl._create_unverified_context()
        link = (http.client.HTTPSConnection("127.0.0.1", self.port, context=context) if self.url.startswith("https")
                else http.client.HTTPConnection("127.0.0.1", self.port))
        link.request("GET", "/" + name)
        if link.getresponse().read() != body:
            raise SystemExit("bench: nginx does not send the bytes of %s" % name)
        link.close()

    def stop(self):
        if self in RUNNING:
            RUNNING.remove(self)
        self.job.terminate()
        self.job.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


class Floor:
    """A bare epoll loop that sends the same bytes for every request, as many threads as there are cores."""

    def __init__(self, answer):
        self.job = subprocess.Popen([tool("floor"), str(os.cpu_count())], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        RUNNING.append(self)
        self.job.stdin.write(answer)
        self.job.stdin.close()
        self.port = int(self.job.stdout.readline())
        self.url, self.pids = "http://127.0.0.1:%d" % self.port, [self.job.pid]
        link = http.client.HTTPConnection("127.0.0.1", self.port)
        for _ in range(2):
            link.request("GET", "/")
            if not answer.endswith(b"\r\n\r\n" + link.getresponse().read()):
                raise SystemExit("bench: the bare loop does not send the bytes it was given")
        link.close()

    def stop(self):
        if self in RUNNING:
            RUNNING.remove(self)
        self.job.terminate()
        self.job.wait()
        self.job.stdout.close()


# ---- load ------------------------------------------------------------------------------------------------

def drive(side, command):
    """What the load said, and the processor time its side spent meanwhile."""
    need(command[0])
    before = cpu_s(side.pids)
    ended = subprocess.run(command, check=False, capture_output=True, text=True)
    spent = cpu_s(side.pids) - before
    if ended.returncode != 0:
        raise SystemExit("bench: %s failed: %s" % (command[0], (ended.stdout + ended.stderr)[-500:].strip()))
    return ended.stdout, spent


def with_fields(command, fields):
    for name, value in fields.items():
        command += ["-H", "%s: %s" % (name, value)]
    return command


def wrk(side, target, fields, seconds, connections=CONNECTIONS, script=None):
    """Requests a second and the server's own microseconds for each."""
    command = with_fields(["wrk", "-t1", "-c%d" % connections, "-d%ds" % seconds, "--timeout", "30s"], fields)
    text, spent = drive(side, command + (["-s", script] if script else []) + [side.url + target])
    if "Non-2xx" in text or "Socket errors" in text:
        raise SystemExit("bench: not every answer was good:\n" + text)
    count = int(re.search(r"(\d+) requests in", text)[1])
    if count == 0:
        raise SystemExit("bench: no answer came")
    return float(re.search(r"Requests/sec:\s+([0-9.]+)", text)[1]), spent / count * 1e6


def h2load(side, target, fields, seconds):
    """The same over HTTP/2: as many connections, one stream at a time on each."""
    command = with_fields(["h2load", "-t1", "-c%d" % CONNECTIONS, "-m1", "-D%d" % seconds], fields)
    text, spent = drive(side, command + [side.url + target])
    done = re.search(r"status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", text)
    if not done or int(done[1]) == 0 or any(int(done[i]) for i in (2, 3, 4)):
        raise SystemExit("bench: not every answer was good:\n" + text)
    return float(re.search(r"finished in [^,]+, ([0-9.]+) req/s", text)[1]), spent / int(done[1]) * 1e6


def rounds(count, *sides):
    """A B A B …; what each side gave in each round."""
    given = [[] for _ in sides]
    for _ in range(count):
        for side, act in zip(given, sides):
            side.append(act())
    return given


def median(values):
    return statistics.median(values)


def spread(values):
    return "%s–%s" % (short(min(values)), short(max(values)))


def short(value):
    if value >= 1000:
        return f"{value:,.0f}"
    return "%.3g" % value
