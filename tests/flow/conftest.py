# SPDX-License-Identifier: Apache-2.0
"""Fixtures for tests that use the real program from outside.

The program is the one named by TIDEMARK_BIN (default: build/debug/tidemark).  A test gets

  tm(*args, ...)    runs a command and checks how it ended:
                        tm("version").stdout
                        tm("import", path, code=6, error="line 3")
                        tm("import", "-", input='{"op":...}\\n')
                    `code` is the exit code wanted (None: any), `error` a text that must stand in standard error,
                    `env` more variables; `store=` is short for "--store", URL.  What a sanitizer says fails the test.
  store             the URL of a store that does not exist yet, sqlite: in the test's own folder
  server            a factory: server(...) starts `tidemark serve` on a free port and gives a Server back; all are ended
                    with SIGTERM after the test and must then exit with 0 and without a sanitizer's word.
                        with_users = server(lines=[user("ann@contoso.com")])
  user(upn, ...)    a line that brings a user; put(...), remove(...): lines that change a feed; guid(n): a fixed GUID

A Server has
  .base .port .ca .store .pid       https://127.0.0.1:PORT, the file to trust, the store's URL
  .token("ann@contoso.com", "Calendars.Read")       a bearer token of a user; .app_token("Calendars.Read")
  .get(path, token=..., headers=...), .request(method, path, body=...)      gives a Reply: status, headers, body, .json
  .control(method, path, body)      the same on the control socket
  .stop(signal), .kill()            ends it early; .stderr() is what it has said
  .again()                          after that: a new one on the same port with the same store and arguments
  .audit()                          the audit lines so far, as objects

Every token made by these helpers, and every secret a test gives to issued(), is looked for in what each server said.
"""
import atexit
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import urllib.parse

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = os.environ.get("TIDEMARK_BIN", str(ROOT / "build" / "debug" / "tidemark"))
SANITIZER_WORDS = ("ERROR: AddressSanitizer", "runtime error:", "ERROR: LeakSanitizer", "WARNING: ThreadSanitizer",
                   "tidemark: bug at")
START_SECONDS = 60
STOP_SECONDS = 60
RUN_SECONDS = 300
TOKEN_SECONDS = 900                      # so long a token of another test's store is used; it is good for an hour


def usual(number, full, long):
    """How much of something random: more in script/test --full, most in --long."""
    return long if os.environ.get("TIDEMARK_LONG") else full if os.environ.get("TIDEMARK_FULL") else number


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: takes long; script/test --full runs it, the default does not")


def pytest_collection_modifyitems(config, items):
    """What is named on the command line, or asked for with -k, runs however slow it is."""
    if usual(False, True, True) or config.option.keyword or any("::" in arg for arg in config.args):
        return
    slow = [item for item in items if item.get_closest_marker("slow")]
    config.hook.pytest_deselected(items=slow)
    items[:] = [item for item in items if item not in slow]


def guid(number):
    """A GUID that is the same in every run."""
    return f"{number:08x}-0000-4000-8000-{number:012x}"


def user(upn, id=None, **more):
    value = {"id": id or guid(sum(upn.encode()) * 131 + len(upn)), "userPrincipalName": upn}
    value.update(more)
    return {"op": "user", "value": value}


def put(owner, value, collection="calendars"):
    return {"op": "put", "feed": f"users/{owner}/{collection}", "value": value}


def remove(owner, id, collection="calendars"):
    return {"op": "remove", "feed": f"users/{owner}/{collection}", "id": id}


def to_lines(ops):
    return "".join(json.dumps(op) + "\n" for op in ops)


class Template:
    """
    What the import of some lines makes: the store's files, and the tokens it has issued.  Made once and copied, for the
    test's own store alone: two servers of one test never have the same keys.
    """

    made = {}

    def __init__(self, store):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="tm-template-"))
        self.tokens = {}
        atexit.register(shutil.rmtree, self.folder, ignore_errors=True)
        self.name = pathlib.Path(store).name
        for file in self.files(store):
            shutil.copy2(file, self.folder)

    def copy_to(self, store):
        """The files are named after the store, and another test's may have another name."""
        for file in self.folder.iterdir():
            shutil.copy2(file, store.removeprefix("sqlite:") + file.name.removeprefix(self.name))

    @staticmethod
    def files(store):
        path = pathlib.Path(store.removeprefix("sqlite:"))
        return [file for file in path.parent.glob(path.name + "*") if file.is_file()]

    @classmethod
    def bring(cls, runner, store, lines):
        """The store with these lines in it.  None if the store was there already: then they are imported as they always are."""
        text = to_lines(lines)
        if not store.startswith("sqlite:") or cls.files(store):
            runner("import", "-", store=store, input=text)
            return None
        if text not in cls.made:
            runner("import", "-", store=store, input=text)
            cls.made[text] = cls(store)
        else:
            cls.made[text].copy_to(store)
        return cls.made[text]


ISSUED = set()                           # every bearer and secret made in this run: none may stand in any log


def issued(secret):
    """Notes a token or secret of the test's own, and gives it back."""
    ISSUED.add(secret)
    return secret


def note_secrets(args, printed):
    """What `token` and `client add` print."""
    found = re.findall(r"eyJ[\w-]+\.[\w-]+\.[\w-]+", printed) if args[:1] == ("token",) else []
    if args[:2] == ("client", "add"):
        found = re.findall(r'(?:client secret +|"clientSecret":")([^"\n]+)', printed)
    for secret in found:
        issued(secret)


def check_secrets(text):
    """Nobody's token, whole or by the part that makes it good, nor a client's secret."""
    for secret in ISSUED:
        assert secret.rsplit(".", 1)[-1] not in text, "a token or secret is in the log"


def check_sanitizers(text):
    for word in SANITIZER_WORDS:
        assert word not in text, text


def base_env(home):
    """No settings of the person who runs the tests, and sanitizers that stop at the first word."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("TIDEMARK_", "XDG_"))}
    env.update(HOME=str(home), XDG_DATA_HOME=f"{home}/data", XDG_CONFIG_HOME=f"{home}/config", XDG_RUNTIME_DIR=str(home))
    env.setdefault("ASAN_OPTIONS", "abort_on_error=0:exitcode=99")
    env.setdefault("UBSAN_OPTIONS", "print_stacktrace=1")
    return env


@pytest.fixture
def home():
    """A folder of the test's own.  Its name is short: a Unix socket's path may have 107 bytes."""
    path = tempfile.mkdtemp(prefix="tm-")
    yield pathlib.Path(path)
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def store(home):
    return f"sqlite:{home}/t.db"


class Runner:
    def __init__(self, home):
        self.home = home

    def command(self, args, store):
        command = [BIN] + [str(arg) for arg in args]
        if store is not None:
            command += ["--store", store]
        return command

    def __call__(self, *args, store=None, code=0, error=None, input=None, env=None, cwd=None):
        done = subprocess.run(self.command(args, store), input=input, capture_output=True, text=True, timeout=RUN_SECONDS,
                              env={**base_env(self.home), **(env or {})}, cwd=cwd or self.home, encoding="utf-8",
                              errors="surrogateescape")
        check_sanitizers(done.stderr)
        note_secrets(args, done.stdout)
        check_secrets(done.stderr)
        reported = f"{' '.join(done.args)}\nexit {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert code is None or done.returncode == code, reported
        assert error is None or error in done.stderr, reported
        return done


@pytest.fixture
def tm(home):
    return Runner(home)


class Reply:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    @property
    def json(self):
        return json.loads(self.body)


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=60)
        self.unix_path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(60)
        self.sock.connect(self.unix_path)


class Server:
    def __init__(self, runner, store, args=(), env=None, template=None, port=0):
        self.runner = runner
        self.store = store
        self.args, self.env = args, env
        self.template = template
        self.asked = set()
        self.log = tempfile.NamedTemporaryFile(dir=runner.home, prefix="serve-", suffix=".log", delete=False)
        command = runner.command(["serve", "--listen", f"127.0.0.1:{port}", *args], store)
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self.log,
                                        env={**base_env(runner.home), **(env or {})}, cwd=runner.home)
        self.pid = self.process.pid
        self.base = self.wait_until_ready()
        self.port = urllib.parse.urlsplit(self.base).port
        self.path = store[len("sqlite:"):] if store.startswith("sqlite:") else None
        self.ca = f"{self.path}.tls/ca.pem" if self.path else None

    def again(self):
        return Server(self.runner, self.store, self.args, self.env, self.template, self.port)

    def stderr(self):
        with open(self.log.name, encoding="utf-8", errors="replace") as file:
            return file.read()

    def audit(self):
        lines = [json.loads(line) for line in self.stderr().splitlines() if line.startswith("{")]
        return [line for line in lines if line["event"] == "audit"]

    def wait_until_ready(self):
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            for line in self.stderr().splitlines(keepends=True):
                if line.startswith("listening on ") and line.endswith("\n"):
                    return line.split()[2]
            if self.process.poll() is not None:
                raise AssertionError(f"serve ended with {self.process.returncode}:\n{self.stderr()}")
            time.sleep(0.02)
        self.process.kill()
        raise AssertionError(f"serve did not get ready:\n{self.stderr()}")

    def connection(self, timeout=60):
        if self.base.startswith("http://"):
            return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        context = ssl.create_default_context(cafile=self.ca)
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=timeout, context=context)

    @staticmethod
    def ask(connection, method, target, body=None, token=None, headers=None):
        headers = dict(headers or {})
        if token:
            headers["Authorization"] = f"Bearer {token}"
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
            headers.setdefault("Content-Type", "application/json")
        try:
            connection.request(method, target, body=body, headers=headers)
            return Reply(connection.getresponse())
        finally:
            connection.close()

    def request(self, method, path, body=None, token=None, headers=None):
        """`path` may be a whole link of this server."""
        if path.startswith(self.base):
            path = path[len(self.base):]
        return self.ask(self.connection(), method, path, body, token, headers)

    def get(self, path, token=None, headers=None):
        return self.request("GET", path, None, token, headers)

    def control(self, method, path, body=None, headers=None):
        return self.ask(UnixConnection(f"{self.path}.sock"), method, path, body, None, headers)

    def token(self, caller, *scopes, **options):
        return self.mint("--user", caller, "--scope", " ".join(scopes or ("Calendars.ReadWrite",)), *options_of(options))

    def app_token(self, *roles, app=guid(0xa99), **options):
        return self.mint("--app", app, "--role", " ".join(roles or ("Calendars.ReadWrite",)), *options_of(options))

    def mint(self, *args):
        """The first token of a kind may be one that was issued for an earlier copy of the same store; each later one is new."""
        kept = self.template.tokens if self.template and "--expires" not in args else {}
        at, token = kept.get(args, (0, None))
        if args in self.asked or not token or time.monotonic() - at > TOKEN_SECONDS:
            token = issued(self.runner("token", *args, store=self.store).stdout.strip())
            kept[args] = time.monotonic(), token
        self.asked.add(args)
        return token

    def stop(self, sign=signal.SIGTERM, code=0, gives_up=False):
        """Ends it and checks how it ended: in good order, unless something in it is made to hang."""
        if self.process.poll() is None:
            self.process.send_signal(sign)
        try:
            ended = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(f"serve did not end:\n{self.stderr()}")
        check_sanitizers(self.stderr())
        assert code is None or ended == code, f"serve ended with {ended}:\n{self.stderr()}"
        assert ("gave up what was still running" in self.stderr()) == gives_up, self.stderr()

    def kill(self):
        """As a power cut would; nothing is checked but that it is gone."""
        self.process.kill()
        self.process.wait(STOP_SECONDS)


def options_of(options):
    return [part for name, value in options.items() for part in (f"--{name}", str(value))]


@pytest.fixture
def server(tm, store):
    started, own = [], store

    def start(*args, store=store, lines=None, env=None):
        template = None
        if lines and store == own:
            template = Template.bring(tm, store, lines)
        elif lines:
            tm("import", "-", store=store, input=to_lines(lines))
        started.append(Server(tm, store, args, env, template))
        return started[-1]

    yield start
    for one in started:
        if one.process.returncode is None:
            one.stop()
        check_secrets(one.stderr())
        one.log.close()
