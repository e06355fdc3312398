# SPDX-License-Identifier: Apache-2.0
"""Requests that are right: every route of docs/graph.md, with options, callers and links that the server has given.

A World knows the users, the tokens and what the server has answered so far; request(rng, world) makes one request of
any kind.  What is wrong on purpose is made from these by mutate.py.
"""
import base64
import collections
import dataclasses
import gzip
import json
import re
import urllib.parse

from conftest import guid

ANN, BOB, CARL = guid(1), guid(2), guid(3)
TENANT = guid(0x7e0)                     # Carl's, not the store's own
UPNS = {ANN: "ann@contoso.com", BOB: "bob@contoso.com", CARL: "carl@fabrikam.com"}
FOLLOWED = {"mail": f"/v1.0/users/{ANN}/mailFolders/inbox/messages", "groups": "/v1.0/groups"}    # scopes, and where they are served
MEETINGS = ["M-0", "M/1", "MSo1N2Y5ZGFjYy03MWJmLTQ3NDMtYjQxMy01M2EdFGkdRWHJlQ", "Bespr\u00e9chung"]
LINK = re.compile(rb'"@odata\.(?:nextLink|deltaLink)":"([^"]{1,4000})"')
ID = re.compile(rb'"id":"([^"]{1,1100})"')
ETAG = re.compile(rb'"@odata\.etag":"W/\\"([^"\\]{1,100})\\""')

SELECTS = ["id", "name", "color", "owner", "changeKey", "isDefaultCalendar", "calendarGroupId", "hexColor", "canEdit",
           "allowedOnlineMeetingProviders", "groupClassId", "isShared", "nothing"]
NAMES = ["Work", "Zoo", "it's", "Gr\u00fc\u00dfe", "\u65e5\u672c\u8a9e", "\U0001f600" * 20, "a" * 255, "a" * 256, "", " ", "Birthdays", "\u00e9" * 64,
         "x" * 62 + "\u00e9", "x" * 126 + "\u00e9\u00e9"]
TIMES = ["2024-01-01T00:00:00Z", "2024-01-15", "2024-02-30T00:00:00Z", "2025-02-13T10:00:00+02:00", "0001-01-01T00:00:00Z",
         "9999-12-31T23:59:59.9999999Z", "2024-01-01T00:00:00.123Z", "2024-01-01T00:00Z", "2024-01-01T02:00:00 02:00",
         "2024-01-01T00:00:00+00:00Z", "'2024-01-01T00:00:00Z'", "2999-01-01T00:00:00Z", "now"]
FILTERS = ["name eq 'Work'", "startswith(name,'Z')", "isDefaultCalendar", "not canEdit", "name ne 'it''s' and isShared eq false",
           "(name eq 'a' or name eq 'b') and not (isRemovable eq true)", "name gt 'a'", "((((((((((((((((isShared))))))))))))))))",
           "name eq '\u00e9", "startswith(name,'')", "createdDateTime ge 2024-01-01T00:00:00Z", "contains(name,'x')"]
SCOPE = "https://graph.microsoft.com/.default"


@dataclasses.dataclass
class Request:
    method: str
    path: bytes
    query: bytes = None
    fields: list = dataclasses.field(default_factory=list)
    body: bytes = None
    stream: bool = False                 # a body that may come in pieces: an upload

    @property
    def target(self):
        return self.path if self.query is None else self.path + b"?" + self.query

    def add(self, name, value):
        self.fields.append((name.encode() if isinstance(name, str) else name, value.encode() if isinstance(value, str) else value))


class World:
    """What is known of one server.  `learn` is called between batches, in the order of the scripts."""

    def __init__(self, server, client):
        self.authority = f"127.0.0.1:{server.port}".encode()
        self.base = server.base.encode()
        self.tenant, self.client_id, self.secret = client
        self.tokens = {
            "ann": server.token(ANN, "Calendars.ReadWrite", expires="30d"),
            "ann, reading": server.token(ANN, "Calendars.ReadBasic", expires="30d"),
            "bob": server.token(BOB, "Calendars.ReadWrite", expires="30d"),
            "carl": server.token(CARL, "Calendars.ReadWrite", expires="30d"),
            "program": server.app_token("Calendars.ReadWrite", "OnlineMeetingRecording.Read.All",
                                        "OnlineMeetingRecording.ReadWrite.All", expires="30d"),
            "program, reading": server.app_token("OnlineMeetingRecording.Read.All", "Calendars.Read", expires="30d"),
            "program, of what is followed": server.app_token("Mail.Read", "Group.Read.All", expires="30d"),
            "program, other tenant": server.app_token("Calendars.ReadWrite", "OnlineMeetingRecording.Read.All", tenant=TENANT,
                                                      expires="30d"),
        }
        self.links = collections.deque(maxlen=200)
        self.ids = collections.deque(["cal-0", "cal-1", "rec-0", "cal/6="], maxlen=60)
        self.etags = collections.deque(["x"], maxlen=30)

    def learn(self, data):
        for link in LINK.findall(data)[:8]:
            self.links.append(link.decode("latin-1").replace("\\/", "/").encode("latin-1"))
        for one in ID.findall(data)[:4]:
            self.ids.append(one.decode("utf-8", "replace"))
        for one in ETAG.findall(data)[:2]:
            self.etags.append(one.decode("latin-1"))

    def caller(self, rng, usual=("ann", "program")):
        return self.tokens[rng.choice(usual) if rng.random() < 0.8 else rng.choice(list(self.tokens))]


def quote(text, rng=None):
    return urllib.parse.quote(text, safe="" if rng is None or rng.random() < 0.5 else "@,=()'/:").encode()


def version(rng):
    return rng.choice([b"/v1.0", b"/beta"])


def user(rng, asker=None):
    asker = asker or rng.choice([ANN, ANN, BOB, CARL])
    name = rng.choice([asker, UPNS[asker], UPNS[asker].upper(), f"{asker}@{TENANT}"])
    return rng.choice([b"/users/" + quote(name, rng), b"/users('" + quote(name, rng) + b"')", b"/users(" + quote(f"'{name}'") + b")"])


def mailbox(rng):
    return b"/me" if rng.random() < 0.5 else user(rng)


def keyed(rng, noun, key):
    return rng.choice([noun + b"/" + quote(key), noun + b"('" + quote(key.replace("'", "''")) + b"')"])


def delta(rng):
    return rng.choice([b"delta", b"delta()", b"microsoft.graph.delta", b"microsoft.graph.delta()", b"Delta%28%29", b"delta/"])


def option(rng, name, value):
    dollar = rng.choice([b"$", b"$", b"%24", b""])
    value = quote(value, rng)
    return dollar + rng.choice([name, name, name.upper()]).encode() + b"=" + (value.replace(b"%20", b"+") if rng.random() < 0.3 else value)


def options(rng, kinds):
    return b"&".join(option(rng, name, value()) for name, value in kinds if rng.random() < 0.35) or None


def list_options(rng):
    return options(rng, [
        ("select", lambda: ",".join(rng.sample(SELECTS, rng.randint(1, 5)))), ("top", lambda: str(rng.choice([0, 1, 2, 1000, 1001, -1]))),
        ("skip", lambda: str(rng.choice([0, 1, 5, 1 << 40]))), ("count", lambda: rng.choice(["true", "false", "x"])),
        ("filter", lambda: rng.choice(FILTERS)), ("orderby", lambda: rng.choice(["name", "name desc", "name asc", "id"])),
        ("format", lambda: rng.choice(["json", "application/json;odata.metadata=full", "xml"])), ("search", lambda: "x"),
        ("expand", lambda: rng.choice(["owner", "singleValueExtendedProperties($filter=id eq 'String 0x1' or (id eq 'x'))"])),
        ("x", lambda: "y")])


def delta_options(rng):
    return options(rng, [
        ("select", lambda: ",".join(rng.sample(SELECTS, rng.randint(1, 5)))),
        ("deltatoken", lambda: rng.choice(["latest", "", "x" * 50, *TIMES])), ("skiptoken", lambda: rng.choice(["", "abc"])),
        ("top", lambda: "5"), ("count", lambda: "true")]) if rng.random() < 0.6 else None


def general_fields(rng, req):
    """What any call may bring along."""
    for name, values in [
            ("Prefer", ["odata.maxpagesize=1", "odata.maxpagesize=2", "odata.maxpagesize=1001, return=minimal", "return=representation",
                        "odata.track-changes", 'IdType="ImmutableId"', "tidemark.removals", "odata.maxpagesize=99999999999999999999",
                        'a="b;c";d=e, f', "wait=5"]),
            ("Accept", ["*/*", "application/json;odata.metadata=none", "application/json;odata.metadata=full;q=0.5, text/html",
                        "text/html", "application/json;IEEE754Compatible=true", ";;,,q=",
                        "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2"]),
            ("Accept-Encoding", ["gzip", "gzip;q=0, *", "br, gzip;q=0.001"]),
            ("client-request-id", [guid(9), "x", "\u00e9" * 30]),
            ("If-None-Match", ['W/"x"', "*", '"a", "b"']),
            ("User-Agent", ["fuzz/1.0", "\u00e9" * 63])]:
        if rng.random() < 0.12:
            req.add(name, rng.choice(values))


def calendars_delta(rng, world):
    req = Request("GET", version(rng) + mailbox(rng) + b"/calendars/" + delta(rng), delta_options(rng))
    req.add("Authorization", f"Bearer {world.caller(rng)}")
    return req


def followed_link(rng, world):
    if not world.links:
        return calendars_delta(rng, world)
    path, _, query = rng.choice(world.links).removeprefix(world.base).partition(b"?")
    req = Request("GET", path if path.startswith(b"/") else b"/v1.0", query)
    req.add("Authorization", f"Bearer {world.caller(rng)}")
    return req


def calendars_list(rng, world):
    tail = rng.choice([b"/calendars", b"/calendars", b"/calendarGroups", b"/calendarGroups/0006f0b7-0000-0000-c000-000000000046",
                        b"/calendarGroups/" + quote(rng.choice(world.ids)) + b"/calendars", b""])
    tail = rng.choice([mailbox(rng) + tail, mailbox(rng) + tail, b"/users"]) + rng.choice([b"", b"", b"/$count"])
    req = Request("GET", version(rng) + tail, list_options(rng))
    req.add("Authorization", f"Bearer {world.caller(rng)}")
    return req


def followed(rng, world):
    """What is served of a scope: rounds, lists, items, members, and writes, which are none."""
    name = rng.choice(list(FOLLOWED))
    at = rng.choice([version(rng) + FOLLOWED[name].encode()[5:], b"/scopes/" + name.encode()])
    item = keyed(rng, at, f"f{rng.randint(0, 10)}") if rng.random() < 0.5 else at + b"/" + quote(rng.choice(world.ids))
    path, choose = rng.choice([(at + b"/" + delta(rng), delta_options), (at, list_options), (at + b"/$count", list_options),
                               (item, list_options), (item + rng.choice([b"/members", b"/owners", b"/x"]), list_options),
                               (item + b"/members/$count", list_options)])
    req = Request(rng.choice(["GET"] * 8 + ["HEAD", "PATCH", "POST", "DELETE"]), path, choose(rng))
    if rng.random() < 0.1:
        req.add("Prefer", rng.choice(["wait=1", "tidemark.max-age=1", "tidemark.max-age=0", "tidemark.max-age=99999999999999999999"]))
    req.add("Authorization", f"Bearer {world.caller(rng, ['program, of what is followed'])}")
    return req


def calendar_body(rng):
    body = {"name": rng.choice(NAMES) + str(rng.randint(0, 400))}
    for name, values in [("color", ["auto", "lightBlue", "none", None, 3]), ("isDefaultCalendar", [True, False, None]),
                         ("calendarGroupId", [guid(5), None, "x"]), ("defaultOnlineMeetingProvider", ["teamsForBusiness", "x"]),
                         ("owner", [{"name": "x", "address": "y"}]), ("hexColor", ["#fff", "#87D28E", ""]), ("id", ["mine", None]), ("other", [1]),
                         ("singleValueExtendedProperties", [[{"id": "String 0x1", "value": rng.choice([*NAMES, None])}], [{}], None, "x"])]:
        if rng.random() < 0.15:
            body[name] = rng.choice(values)
    return body


def calendar_crud(rng, world):
    at = version(rng) + mailbox(rng)
    if rng.random() < 0.3:
        at += b"/" + keyed(rng, b"calendarGroups", rng.choice(world.ids))
    one = at + b"/" + (keyed(rng, b"calendars", rng.choice(world.ids)) if rng.random() < 0.8 else b"calendar")
    if b"calendarGroups" in at and rng.random() < 0.3:
        one = at
    new = at + rng.choice([b"/calendars", b"/calendars", b"/calendars", b"/calendarGroups"])
    method, path = rng.choice([("POST", new), ("POST", new), ("GET", one), ("PATCH", one), ("DELETE", one),
                               ("POST", one + b"/permanentDelete"), ("POST", one + b"/microsoft.graph.permanentDelete()")])
    req = Request(method, path)
    req.add("Authorization", f"Bearer {world.caller(rng)}")
    if method == "PATCH" or path.endswith((b"/calendars", b"/calendarGroups")):
        req.body = json.dumps(calendar_body(rng), ensure_ascii=rng.random() < 0.5).encode()
        req.add("Content-Type", rng.choice(["application/json", "application/json", "application/json; charset=utf-8", "text/plain"]))
    if method in ("PATCH", "DELETE") and rng.random() < 0.3:
        req.add("If-Match", f'W/"{rng.choice(world.etags)}"')
    return req


def open_paths(rng, world):
    path = rng.choice([b"/", b"/v1.0", b"/beta", b"/v1.0/$metadata", b"/beta/$metadata"])
    req = Request(rng.choice(["GET", "GET", "HEAD", "OPTIONS", "POST"]), path, rng.choice([None, None, b"$format=json", b"x=y"]))
    if req.method == "OPTIONS":
        req.add("Origin", "https://example.org")
        req.add("Access-Control-Request-Method", "PATCH")
        req.add("Access-Control-Request-Headers", "authorization,prefer")
    return req


def recordings(rng, world):
    asker = rng.choice([ANN, ANN, BOB, CARL])
    args = {"meetingOrganizerUserId": rng.choice([f"'{asker}'", f"'{asker}'", "@p", asker])}
    for name in ("startDateTime", "endDateTime"):
        if rng.random() < 0.3:
            args[name] = rng.choice(TIMES)
    together = quote(",".join(f"{name}={value}" for name, value in args.items()), rng)
    meeting = keyed(rng, b"/onlineMeetings", rng.choice(MEETINGS))
    tail = rng.choice([b"/onlineMeetings/getAllRecordings(" + together + b")", meeting + b"/recordings",
                        meeting + b"/" + keyed(rng, b"recordings", rng.choice(world.ids))])
    if b"(" in tail and rng.random() < 0.6:
        tail += b"/" + delta(rng)
    query = options(rng, [("top", lambda: rng.choice(["1", "2", "1000", "x"])), ("filter", lambda: "x eq 1"), ("select", lambda: "id")])
    if "@p" in args.values() and rng.random() < 0.8:
        query = (query + b"&" if query else b"") + b"@p=" + quote(f"'{asker}'", rng)
    req = Request("GET", version(rng) + (user(rng, asker) if rng.random() < 0.8 else b"/me") + tail, query)
    req.add("Authorization", f"Bearer {world.caller(rng, ('program', 'program, reading'))}")
    return req


def recording_posted(rng, world):
    body = {"callId": "c", "createdDateTime": rng.choice(TIMES), "id": rng.choice(["rec-0", f"rec-{rng.randint(0, 9)}", "\u00e9" * 60])}
    for name in list(body):
        if rng.random() < 0.4:
            del body[name]
    req = Request("POST", version(rng) + user(rng, ANN) + keyed(rng, b"/onlineMeetings", rng.choice(MEETINGS)) + b"/recordings")
    req.body = json.dumps(body).encode()
    req.add("Authorization", f"Bearer {world.caller(rng, ('program',))}")
    req.add("Content-Type", "application/json")
    return req


def content(rng, world):
    path = version(rng) + b"/users/" + ANN.encode() + b"/onlineMeetings/M-0/recordings/rec-%d/content" % rng.randint(0, 3)
    req = Request(rng.choice(["GET", "GET", "HEAD", "PUT", "PUT"]), path)
    req.add("Authorization", f"Bearer {world.caller(rng, ('program',))}")
    if req.method == "PUT":
        req.body = rng.randbytes(rng.choice([0, 1, 100, 5000, 70_000, 300_000]))
        req.stream = True
        if rng.random() < 0.4:
            req.add("Expect", "100-continue")
        if rng.random() < 0.2:
            req.add(rng.choice(["If-Match", "If-None-Match"]), rng.choice(["*", '"x"']))
        if rng.random() < 0.1:
            req.add(rng.choice(["Content-Range", "Content-Encoding"]), rng.choice(["bytes 0-3/10", "gzip"]))
    elif rng.random() < 0.7:
        req.add("Range", rng.choice(["bytes=0-9", "bytes=-5", "bytes=10-", "bytes=5-2", "bytes=0-1,3-4", "bytes=999999999-", "items=1-2",
                                     "bytes=18446744073709551616-", "bytes=-0"]))
        if rng.random() < 0.3:
            req.add("If-Range", rng.choice(['"x"', 'W/"x"', "Sun, 06 Nov 1994 08:49:37 GMT"]))
    return req


def sign_in(rng, world):
    tenant = rng.choice([world.tenant, world.tenant, TENANT, "common"]).encode()
    if rng.random() < 0.4:
        rest = rng.choice([b"/v2.0/.well-known/openid-configuration", b"/.well-known/openid-configuration", b"/discovery/v2.0/keys",
                           b"/oauth2/v2.0/authorize", b"/oauth2/v2.0/devicecode", b"/discovery/instance"])
        return Request("GET", b"/" + tenant + rest)
    # A whole secret costs argon2id: most forms have another fault, so that many can be sent.
    form = {"grant_type": rng.choice(["client_credentials", "client_credentials", "password", ""]), "client_id": world.client_id,
            "client_secret": world.secret, "scope": rng.choice([SCOPE, f"openid  {SCOPE}", "x", ""]), "resource": "x"}
    if rng.random() < 0.5:
        del form["client_secret"]
        form["client_assertion_type"] = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        form["client_assertion"] = ".".join(
            base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in (
                json.dumps({"alg": rng.choice(["PS256", "RS256", "none"]), "x5t#S256": "A" * 43, "x5c": ["A" * rng.choice([0, 9, 9000])]}).encode(),
                json.dumps({"iss": world.client_id, "sub": world.client_id, "aud": "x", "exp": 4102444800.5, "jti": "j"}).encode(),
                rng.randbytes(256)))
    for name in list(form):
        if rng.random() < 0.12:
            del form[name]
    req = Request("POST", b"/" + tenant + rng.choice([b"/oauth2/v2.0/token", b"/oauth2/token"]))
    req.body = urllib.parse.urlencode(form).encode()
    req.add("Content-Type", rng.choice(["application/x-www-form-urlencoded", "application/x-www-form-urlencoded", "application/json"]))
    if rng.random() < 0.2:
        word = base64.b64encode(f"{world.client_id}:{urllib.parse.quote(world.secret)}".encode()).decode()
        req.add("Authorization", f"Basic {word}")
    return req


def batch(rng, world):
    requests = []
    for n in range(rng.choice([1, 2, 3, 20, 21])):
        inner = rng.choice([calendars_delta, calendars_list, calendar_crud, followed_link, recordings, followed, open_paths])(rng, world)
        one = {"id": str(n), "method": inner.method, "url": inner.target.decode("latin-1").removeprefix("/v1.0")}
        if inner.body is not None:
            one["body"] = json.loads(inner.body) if rng.random() < 0.9 else base64.b64encode(inner.body).decode()
        fields = {name.decode(): value.decode("utf-8", "replace") for name, value in inner.fields}
        if inner.body is None or rng.random() < 0.3:
            fields.pop("Authorization", None)
        if fields:
            one["headers"] = fields
        if rng.random() < 0.1:
            one["url"] = (world.base if rng.random() < 0.8 else b"https://graph.microsoft.com").decode() + inner.target.decode("latin-1")
        if fields and rng.random() < 0.1:
            fields.update({name.swapcase(): rng.choice([value, value, "x"]) for name, value in list(fields.items())})
        if requests and rng.random() < 0.2:
            one["dependsOn"] = [rng.choice(requests)["id"]]
        one["id"] = n if rng.random() < 0.1 else one["id"]
        requests.append({rng.choice([name, name.upper()]) if name != "id" and rng.random() < 0.1 else name: value
                         for name, value in one.items()})
    req = Request("POST", version(rng) + b"/$batch")
    req.body = json.dumps({"requests": requests}).encode()
    req.add("Authorization", f"Bearer {world.caller(rng)}")
    req.add("Content-Type", "application/json")
    return req


KINDS = [(calendars_delta, 5), (followed_link, 5), (calendars_list, 4), (calendar_crud, 6), (open_paths, 2), (recordings, 5), (followed, 4),
         (recording_posted, 2), (content, 4), (sign_in, 2), (batch, 3)]


def request(rng, world):
    made = rng.choices([kind for kind, _ in KINDS], [weight for _, weight in KINDS])[0](rng, world)
    general_fields(rng, made)
    if made.body and rng.random() < 0.1:
        made.body = gzip.compress(made.body, mtime=0)
        made.add("Content-Encoding", rng.choice(["gzip", "gzip", "gzip", "x-gzip", "br", "identity", "gzip, gzip"]))
    if rng.random() < 0.05:
        made.fields = [(name, value) for name, value in made.fields if name != b"Authorization"]
    return made


# ---- the control socket -------------------------------------------------------------------------------------------------


def control(rng):
    """Health, metrics, lines to apply, purging: what the commands send over the Unix socket."""
    kind = rng.randrange(5)
    if kind < 3:
        return Request("GET", [b"/-/health", b"/-/ready", b"/-/metrics"][kind])
    if kind == 3:
        return Request("POST", b"/-/gc", rng.choice([b"retention=0", b"retention=3600", b"retention=x", None]))
    lines = []
    for n in range(rng.randint(1, 6)):
        owner = rng.choice([ANN, BOB, CARL])
        lines.append(rng.choice([
            {"op": "put", "feed": f"users/{owner}/calendars", "value": {"id": f"cal-{rng.randint(0, 30)}", "name": rng.choice(NAMES)}},
            {"op": "remove", "feed": f"users/{owner}/calendars", "id": f"cal-{rng.randint(0, 30)}"},
            {"op": "put", "feed": f"users/{owner}/recordings", "value": {
                "id": f"rec-{rng.randint(0, 9)}", "meetingId": rng.choice(MEETINGS), "createdDateTime": "2024-01-15T00:00:00Z"}},
            {"op": "user", "value": {"id": owner, "userPrincipalName": UPNS[owner], "displayName": rng.choice(NAMES)}},
            {"op": "policy", "value": {"app": guid(0xa99), "global": True}}]))
    return Request("POST", b"/-/apply", None, [], "".join(json.dumps(line) + "\n" for line in lines).encode())
