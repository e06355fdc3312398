# SPDX-License-Identifier: Apache-2.0
"""Nothing from outside ends the program: text of every length, cut anywhere, and bytes that are no text at all.

Whatever cuts a text at n bytes, for any n, one of RUNS has a character there: a run of characters of two, three or four
bytes, shifted by each number of bytes.  The program must live (the fixtures look), and what it prints as JSON must be JSON.
"""
import base64
import json
import os
import shutil
import sqlite3
import time
import urllib.parse

import pytest

from conftest import guid, put, to_lines, user
from cred_kit import CLIENT, TENANT, Issuer, make_cert
from misbehave import FarEnd, raw, status

ANN, BOB = guid(1), guid(2)
SPLIT = [" abc"[1:shift + 1] + char * 300 for char in ("é", "€", "😀") for shift in range(len(char.encode()))]
BROKEN = [b"\xff" * 400, b"x" + b"\xe2\x82" * 300, b"\xf0\x9f\x98" * 200, b"\xed\xa0\x80" * 200, b"\xc0\xaf", b"\x00", b"a\x00b",
          b"", b"a" * 5000]
RUNS = [text.encode() for text in SPLIT] + BROKEN + ["é€😀".encode()]


def check_json(text):
    """One JSON value a line, and no byte that is not UTF-8."""
    for line in (text.decode() if isinstance(text, bytes) else text.encode().decode()).splitlines():
        json.loads(line)


# ---- requests ------------------------------------------------------------------------------------------------------

ME = "/v1.0/me/calendars"
ALL = f"/v1.0/users/{ANN}/onlineMeetings/getAllRecordings"
PATHS = ["/~", "/v1.0/~", "/v1.0/me/~", "/v1.0/users/~/calendars", "/v1.0/users('~')/calendars", f"{ME}/~", f"{ME}('~')", f"{ME}/~/x",
         "/v1.0/me/calendarGroups/~/calendars", "/v1.0/$metadata?$~=1", "/v1.0/$metadata?$format=~", "/v1.0/$metadata?~",
         f"{ME}?$~=1", f"{ME}?$select=~", f"{ME}?$select=name,~", f"{ME}?$filter=~", f"{ME}?$filter=name%20eq%20'~'", f"{ME}?$top=~",
         f"{ME}?$orderby=~", f"{ME}?$count=~", f"{ME}?$skip=~", f"{ME}/delta?$deltatoken=~", f"{ME}/delta?$skiptoken=~",
         f"{ME}/delta?$select=~", f"{ALL}(~)", f"{ALL}(~='x')", f"{ALL}(meetingOrganizerUserId='~')",
         f"{ALL}(meetingOrganizerUserId=@~)?@~=1&@~=2", f"{ALL}(meetingOrganizerUserId=@~)?@~='", f"{ALL}(startDateTime=~)",
         f"{ALL}(meetingOrganizerUserId='{ANN}',endDateTime=@p)?@p=~", f"/v1.0/users/{ANN}/onlineMeetings/~/recordings",
         f"/v1.0/users/{ANN}/onlineMeetings/m/recordings/~", f"/v1.0/users/{ANN}/onlineMeetings/m/recordings/~/content",
         f"/v1.0/users/{ANN}/onlineMeetings/m/recordings?$top=~", "/~/oauth2/v2.0/token", f"/{TENANT}/v2.0/~",
         "/~/v2.0/.well-known/openid-configuration"]
FIELDS = ["Accept", "Accept-Encoding", "Access-Control-Request-Headers", "Authorization", "client-request-id", "Content-Encoding",
          "Content-Type", "If-Match", "If-None-Match", "Prefer", "Range", "User-Agent", "X-Odd"]
BODIES = [("POST", ME, '{"~":1}'), ("POST", ME, '{"name":"~"}'), ("POST", ME, '{"name":"x","color":"~"}'), ("POST", ME, "~"),
          ("PATCH", f"{ME}/x", '{"name":"~"}'), ("POST", f"/v1.0/users/{ANN}/onlineMeetings/m/recordings", '{"~":1}'),
          ("POST", f"/v1.0/users/{ANN}/onlineMeetings/m/recordings", '{"id":"~","callId":"~"}')]
PARTS = ['"id":"~","method":"GET","url":"/me/calendars"', '"id":"1","method":"~","url":"/me/calendars"',
         '"id":"1","method":"GET","url":"/me/~"', '"id":"1","method":"GET","url":"/me/calendars?$~=1"',
         '"id":"1","method":"GET","url":"/$metadata?$~"', '"id":"1","method":"GET","url":"/me/calendars","headers":{"~":"x"}',
         '"id":"1","method":"GET","url":"/me/calendars","headers":{"Prefer":"~"}',
         '"id":"1","method":"GET","url":"/me/calendars","headers":{"client-request-id":"~"}',
         '"id":"~","method":"GET","url":"/me/calendars","dependsOn":["~x"]', '"id":"~","method":"GET","url":"/me","body":1']
FORMS = ["grant_type", "client_id", "client_secret", "scope", "client_assertion", "client_assertion_type"]


class Asking:
    """One connection, opened again when the server has closed it."""

    def __init__(self, one):
        self.one, self.connection = one, one.connection()
        self.count = 0

    def __call__(self, token, method, path, body=None, **fields):
        fields = {name.replace("_", "-"): value for name, value in fields.items()}
        if token:
            fields.setdefault("Authorization", "Bearer " + token)
        if body is not None:
            fields.setdefault("Content-Type", "application/json")
            fields["Content-Length"] = str(len(body))
        self.connection.putrequest(method, path, skip_accept_encoding=True)
        for name, value in fields.items():
            self.connection.putheader(name, value)
        self.connection.endheaders(body)
        reply = self.connection.getresponse()
        text = reply.read()
        if "json" in reply.headers["Content-Type"]:
            check_json(text)
        if reply.will_close:
            self.connection.close()
            self.connection = self.one.connection()
        self.count += 1
        assert reply.status != 500, (method, path, text)


def ask_everything(ask):
    for run in RUNS:
        in_json = run.decode("utf-8", "replace").replace("\x00", "\\u0000").encode()
        for path in PATHS:
            ask("app" if "/onlineMeetings/" in path else "user" if ME in path else "nobody", "GET", path.replace("~", urllib.parse.quote(run, safe="")))
        for field in FIELDS:
            if b"\x00" not in run:
                ask("user", "GET", ME, **{field: run})
        for method, path, body in BODIES:
            ask("user", method, path, body.encode().replace(b"~", run))
            ask("user", method, path, body.encode().replace(b"~", in_json))
        for part in PARTS:
            for text in (run, in_json):
                ask("user", "POST", "/v1.0/$batch", b'{"requests":[{' + part.encode().replace(b"~", text) + b"}]}")
        for field in FORMS:
            usual = {"grant_type": "client_credentials", "client_id": guid(9), "client_secret": "x" * 40, "scope": "x/.default"}
            form = urllib.parse.urlencode({**usual, field: run}).encode()
            if field != "client_secret" or run == RUNS[0]:       # each takes a while to hash
                ask("nobody", "POST", f"/{TENANT}/oauth2/v2.0/token", form, Content_Type="application/x-www-form-urlencoded",
                    Authorization="Basic " + "x" * 20 if field == "scope" else b"Basic " + run[:99].replace(b"\x00", b""))


def test_any_text__no_request_ends_the_server(server):
    """Each asks for what it may, and is refused what it may not; with TIDEMARK_LONG, each asks for everything."""
    one = server("--tls", "off", lines=[user("ann@contoso.com", ANN), {"op": "policy", "value": {"app": guid(0xa99), "global": True}}])
    tokens = {"nobody": None, "user": one.token(ANN, "Calendars.ReadWrite"),
              "app": one.app_token("Calendars.ReadWrite", "OnlineMeetingRecording.Read.All")}
    ask = Asking(one)
    for caller in tokens if os.environ.get("TIDEMARK_LONG") else [None]:
        ask_everything(lambda kind, *rest, **fields: ask(tokens[caller or kind], *rest, **fields))
    assert ask.count > 1500
    check_json(one.control("GET", "/-/health").body)
    one.stop()
    assert [json.loads(line) for line in one.stderr().splitlines() if line.startswith("{")]


# ---- what a remote says --------------------------------------------------------------------------------------------

@pytest.fixture
def far():
    end = FarEnd()
    for number in range(4):
        end.put(f"item-{number}", name=f"Item {number}")
    yield end
    end.close()


def error_texts():
    """Each as a code, as a message, as both, and as bytes that are no JSON."""
    for text in SPLIT:
        yield from (status(503, text, "m"), status(503, "c", text), status(503, "c", "c" + text), status(503, text, text))
    for run in BROKEN:
        yield from (raw(b'{"error":{"code":"c","message":"' + run + b'"}}', 503), raw(run, 503), raw(b'{"value":["' + run))


@pytest.mark.slow
def test_any_text__no_error_of_a_remote_ends_the_follower(tm, store, far):
    far.do(*error_texts())
    far.always(status(404, "c", "ü" * 300, Retry_After="ü" * 90, Date="ü" * 90))
    reported = b""
    # With no time to wait, each error ends a run.
    for _ in range(400):
        done = tm("sync", far.url, "--json", "--max-wait", "0s", store=store, code=None)
        reported += done.stdout.encode()
        if not far.faults:
            break
    check_json(reported)
    assert reported.count(b"\n") > 60 and all(char.encode() in reported for char in "é€😀")
    check_json(tm("status", "--json", store=store).stdout)
    for number, text in ((401, SPLIT[0]), (403, SPLIT[1]), (403, SPLIT[2])):
        far.always(status(number, "c", text, WWW_Authenticate="Bearer " + "ü" * 300))
        check_json(tm("sync", far.url, "--json", store=store, code=4).stdout)
        check_json(tm("doctor", far.url, "--json", store=store, code=10).stdout)


def test_any_text__what_is_kept_of_a_remotes_words_is_shown_later(tm, store, far):
    """A fault, and dead letters cut in the middle of what they say."""
    def odd(_request, page):
        page["value"] = [{"name": "a" * shift + char * ((2 << 20) // len(char.encode()) + 9)} for char in "é" for shift in (0, 1)]
        return page
    page_of = far.page
    far.page = lambda request: odd(request, page_of(request))
    plain = lambda request, page: request.send(200, json.dumps(page, ensure_ascii=False).encode())
    far.always(plain)
    tm("sync", far.url, store=store, code=8)
    letters = json.loads(tm("status", "--json", store=store).stdout)["deadLetters"]
    assert len(letters) == 2 and all(letter["raw"].endswith("é") for letter in letters)


def test_any_text__no_words_of_a_sign_in_server_end_the_follower(tm, store, far):
    issuer = Issuer()
    env = {"AZURE_AUTHORITY_HOST": issuer.base, "AZURE_TENANT_ID": TENANT, "AZURE_CLIENT_ID": CLIENT, "AZURE_CLIENT_SECRET": "s" * 40}
    for text in (" ".join("é" * 20 for _ in range(40)), "x" + " ".join("é" * 20 for _ in range(40))):
        for command in ("sync", "doctor"):
            issuer.usual = (400, {"error": text[:60], "error_description": text}, {})
            done = tm(command, far.url, "--client-credentials", "--json", store=store, env=env, code=None)
            assert "é" in done.stdout
            check_json(done.stdout)
    issuer.close()


def test_any_text__what_a_remote_sends_is_printed_whatever_its_length(tm, store, far):
    tm("sync", far.url, store=store)
    far.put("item-0", **{f"p{number:05d}": number for number in range(900)})
    assert len(tm("verify", far.url, store=store, code=10).stdout) > 9 * 900
    token = f"e.{b64({'aud': 'é' * 80, 'roles': ['é'] * 8000, 'exp': int(time.time()) + 999})}.s"
    check_json(tm("doctor", far.url, "--json", store=store, env={"TIDEMARK_BEARER": token}).stdout)


def b64(value):
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def test_any_text__the_scopes_of_one_resource_may_be_many(tm, store):
    """More names to try than there is room for all of them."""
    resource = "r" * 60
    far = FarEnd(f"/v1.0/{resource}/delta")
    far.put("a")
    tm("import", "-", store=store, input=to_lines([user("ann@contoso.com", ANN)]))
    with sqlite3.connect(store[7:]) as db:
        db.executemany("INSERT INTO follow_scope(name, url, resource, from_now, rounds, delta_link) VALUES(?, ?, 'r', 0, 1, 'x')",
                       [(f"{resource}-{number}".removesuffix("-1"), f"http://127.0.0.1/{number}") for number in range(1, 2000)])
    tm("sync", far.url, store=store)
    far.close()
    with sqlite3.connect(store[7:]) as db:
        assert db.execute("SELECT name FROM follow_scope WHERE url = ?", (far.url,)).fetchone() == (f"{resource}-2000",)


# ---- files ----------------------------------------------------------------------------------------------------------

def test_any_text__no_line_of_an_import_ends_it(tm, store, home):
    odd = ['{"op":"~"}', '{"op":"user","~":1}', '{"op":"put","feed":"~","value":{}}',
           '{"op":"put","feed":"users/' + ANN + '/recordings","contentFile":"~","value":'
           '{"id":"x","meetingId":"m","createdDateTime":"2024-01-15T00:00:00Z"}}']
    files = [[line.replace("~", text).encode() for line in lines for text in SPLIT] for lines in (odd[:2], odd[2:])]
    files.append([b'{"op":"' + run.replace(b"\x00", b"\\u0000") + b'"}' for run in BROKEN])
    files[-1] += [b'{"op":"' + b"x" * length + b'"}' for length in (60, 64, 1 << 20)]
    tm("import", "-", store=store, input=to_lines([user("ann@contoso.com", ANN)]))
    for lines in files:                         # no more than twenty bad lines are told of one
        (home / "odd").write_bytes(b"\n".join(lines))
        done = tm("import", "odd", "--skip-bad", "--json", store=store, code=8)
        check_json(done.stdout)
        done.stderr.encode()                    # strictly: surrogates would say that it was cut


def test_any_text__settings_are_bytes_and_their_listing_is_json(tm, home):
    path = f"sqlite:{home}/caf\udce9" + "é" * 300 + ".db"
    (home / "c").write_bytes(b"[server]\nstore = " + path.encode("utf-8", "surrogateescape") + b'\n[issuer "caf\xe9"]\nissuer = \xff\n'
                             b"audience = \xc3\njwks = https://x/\ntenant = own\n")
    shown = tm("config", "show", "--json", "--config", home / "c", code=None)
    check_json(shown.stdout)
    assert "caf\ufffd" in shown.stdout
    check_json(tm("config", "show", "--json", store=path).stdout)
    check_json(tm("config", "show", "--json", env={"TIDEMARK_STORE": path}).stdout)
    (home / "c").write_bytes(b"[server]\n" + "é".encode() * 250 + b" = x\n")
    tm("config", "show", "--json", "--config", home / "c", code=3, error="unknown key").stderr.encode()
    tm("config", "show", "--" + "é" * 300, code=2).stderr.encode()


def test_any_text__a_certificate_may_be_good_for_ever(tm, store, home):
    pem = make_cert(home, days=2_900_000)
    tm("client", "add", "--name", "é" * 128, "--role", "x" * 4000, "--certificate", pem, store=store)
    assert json.loads(tm("client", "list", "--json", store=store).stdout)["certificateEndDateTime"].startswith("2262-")
    assert len(tm("client", "list", store=store).stdout) > 4096


# ---- a store that somebody has changed --------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A store with users, items, a policy, and a scope that is followed; changed in copies."""
    from conftest import Runner
    home = tmp_path_factory.mktemp("made")
    tm, far, store = Runner(home), FarEnd(), f"sqlite:{home}/t.db"
    for number in range(4):
        far.put(f"item-{number}", name=f"Item {number}")
    tm("sync", far.url, store=store)
    far.put("item-1", name="another")
    tm("sync", far.url, store=store)
    tm("import", "-", store=store, input=to_lines([
        user("ann@contoso.com", ANN), put(ANN, {"id": "c", "name": "n"}),
        {"op": "policy", "value": {"app": guid(9), "global": True}}]))
    yield home / "t.db", far
    far.close()


LETTER = "INSERT INTO follow_letter(lid, sid, round_gen, digest, at_ms, attempts, reason, raw)"
LONG, HUGE = "x" * 3000, "x" * (9 << 20)
DAMAGE = {
    "texts that are not UTF-8": (
        "UPDATE follow_scope SET round_ended_ms = 9000000000000000000, fault = CAST(x'61ff62' AS TEXT), resource = CAST(x'c3' AS TEXT), url = CAST(x'e282' AS TEXT);"
        "UPDATE follow_change SET id = CAST(x'ff' AS TEXT); UPDATE follow_entry SET id = CAST(x'80' || id AS TEXT);"
        f"{LETTER} VALUES(1, 1, 0, 1, 1, 0, CAST(x'ff' AS TEXT), CAST(x'c328' AS TEXT));"
        "UPDATE item SET id = CAST(x'ff' || id AS BLOB); UPDATE note SET value = x'ff0a' WHERE space = 'policy'",
        0, ["status --json", "changes --since 0", "policy list --json", "export"]),
    "an id that is too long": (f"UPDATE follow_entry SET id = '{LONG}' || place", 7, ["export --feed scope/calendars"]),
    "an item that is too large": (f"UPDATE follow_item SET body = '\"{HUGE}\"'", 7, ["changes --since 0"]),
    "a letter that is too large": (f"{LETTER} VALUES(1, 1, 0, 1, 1, 0, 'r', '{HUGE}')", 7, ["status --json"]),
    "letters larger than what is written at once": (
        f"{LETTER} SELECT value, 1, 0, value, 1, 0, 'r', hex(zeroblob(1000000)) FROM json_each('[1,2,3,4,5,6,7,8,9]')",
        0, ["status --json"]),
    "a phase that is none": ("UPDATE follow_scope SET phase = 77", 7, ["status --json"]),
    "a kind of change that is none": ("UPDATE follow_detail SET kind = 77", 7, ["changes --since 4"]),
    "a place that is lost": ("UPDATE follow_scope SET delta_link = ''", 7, ["sync URL"]),
    "a view without a round": ("UPDATE follow_scope SET rounds = 0", 7, ["sync URL --from-now"]),
    "a name that is too long": (f"UPDATE follow_scope SET name = '{LONG}'", 7, ["status"]),
    "an epoch nobody can have": ("UPDATE meta SET epoch = 4294967295", 7, ["store info"]),
    "a note that is too large": (f"UPDATE note SET value = CAST('{HUGE[:1 << 20]}' AS BLOB) WHERE space = 'user'", 7, ["user list"]),
    "a name of a user that is too long": (
        f"UPDATE note SET value = CAST(replace(CAST(value AS TEXT), 'ann@', '{LONG}@') AS BLOB) WHERE space = 'user'", 7,
        ["user list", "export"]),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_any_text__no_change_by_hand_ends_the_reader(tm, store, made, damage):
    sql, code, commands = DAMAGE[damage]
    for suffix in ("", "-wal", ".witness"):
        if (made[0].parent / ("t.db" + suffix)).exists():
            shutil.copy(made[0].parent / ("t.db" + suffix), store[7:] + suffix)
    with sqlite3.connect(store[7:]) as db:
        db.executescript(sql)
    for command in commands:
        done = tm(*command.replace("URL", made[1].url).split(), store=store, code=code)
        if code == 0 and command != "export":
            check_json(done.stdout)
