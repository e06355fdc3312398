# SPDX-License-Identifier: Apache-2.0
"""
$metadata and the service document name exactly what is served: every path, function and property they name is asked for and
found as declared, and every path of the resources, with each of its methods, is named by them.
"""
import re
import urllib.parse
import xml.etree.ElementTree as xml

import pytest

from conftest import ROOT, guid, put, user

ANN, APP = guid(1), guid(0xa99)
EDM = "{http://docs.oasis-open.org/odata/ns/edm}"
ROLES = ("Calendars.ReadWrite", "OnlineMeetingRecording.Read.All", "OnlineMeetingRecording.ReadWrite.All", "User.Read.All")
RECORDING = {"id": "r-1", "meetingId": "M-0", "createdDateTime": "2024-01-15T00:00:00Z"}
# What a key of a collection stands for here; onlineMeetings are known by their recordings only.
KEYS = {"onlineMeetings": "M-0"}
VALUES = {"Edm.Boolean": True, "graph.calendarColor": "lightTeal", "graph.onlineMeetingProviderType": "skypeForBusiness"}


class Model:
    """The CSDL as plain tables."""

    def __init__(self, text):
        schema = xml.fromstring(text).find(f".//{EDM}Schema")
        self.types = {node.get("Name"): node for node in schema if node.tag in (EDM + "EntityType", EDM + "ComplexType")}
        self.enums = {node.get("Name"): [one.get("Name") for one in node] for node in schema.iter(EDM + "EnumType")}
        self.container = {node.get("Name"): node for node in schema.find(EDM + "EntityContainer")}
        self.bound = [node for node in schema if node.tag in (EDM + "Function", EDM + "Action")]
        self.notes = {node.get("Target").split(".", 2)[-1]: node for node in schema.iter(EDM + "Annotations")}

    def members(self, kind, tag):
        """Of a type and those it derives from."""
        node = self.types[kind]
        base = node.get("BaseType")
        return (self.members(base.split(".")[-1], tag) if base else []) + node.findall(EDM + tag)

    def may(self, target, node, term, default=True):
        for where in (self.notes.get(target), node):
            for note in where.findall(EDM + "Annotation") if where is not None else []:
                said = note.find(f".//{EDM}PropertyValue[@Bool]")
                if note.get("Term").endswith("." + term) and said is not None:
                    return said.get("Bool") == "true"
        return default

    def not_insertable(self, target):
        """Properties that a POST ignores, although a PATCH sets them."""
        node = self.notes.get(target)
        return {one.text for one in node.iter(EDM + "PropertyPath")} if node is not None else set()

    def calls(self, binding):
        return [node for node in self.bound if node.find(EDM + "Parameter").get("Type") == binding]


def core(node):
    return {note.get("Term").split(".")[-1] for note in node.findall(EDM + "Annotation")}


def kind_of(type_name):
    return re.sub(r"^Collection\((.*)\)$", r"\1", type_name).split(".")[-1]


class Walk:
    """Goes along every navigation that $metadata names, from one user."""

    def __init__(self, server, version, model):
        self.server, self.version, self.model = server, version, model
        self.token = server.app_token(*ROLES)
        self.moved, self.serial, self.group = [], 0, None
        self.paths = {}                          # pattern behind the user: the methods declared

    def ask(self, method, path, body=None):
        reply = self.server.request(method, f"/{self.version}{path}", body, self.token)
        return reply.status, (reply.json if reply.body and reply.body[:1] == b"{" else None)

    def fits(self, type_name, value):
        if value is None:
            return True
        if type_name.startswith("Collection("):
            return isinstance(value, list) and all(self.fits(type_name[11:-1], one) for one in value)
        if type_name == "Edm.Boolean":
            return isinstance(value, bool)
        if kind_of(type_name) in self.model.enums:
            return value in self.model.enums[kind_of(type_name)]
        if kind_of(type_name) in self.model.types:
            return isinstance(value, dict) and set(value) <= {one.get("Name") for one in self.model.members(kind_of(type_name), "Property")}
        if type_name == "Edm.Guid":
            return bool(re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", value))
        if type_name == "Edm.DateTimeOffset":
            return bool(re.fullmatch(r"\d{4}-\d\d-\d\dT[0-9:.]+Z", value))
        return type_name == "Edm.String" and isinstance(value, str)

    def check_entity(self, kind, entity):
        properties = {one.get("Name"): one.get("Type") for one in self.model.members(kind, "Property") if one.get("Type") != "Edm.Stream"}
        assert {name for name in entity if "@" not in name} == set(properties), (kind, entity)
        for name, type_name in properties.items():
            assert self.fits(type_name, entity[name]), (kind, name, entity[name])

    def check_writes(self, kind, path, entity, updatable):
        """A PATCH changes what is neither computed nor immutable, and nothing else."""
        for node in self.model.members(kind, "Property") if updatable else []:
            name, value = node.get("Name"), VALUES.get(node.get("Type"), f"Moved {len(self.moved)}")
            if name == "hexColor":
                value = "#87d28e"
            if node.get("Type").startswith("Collection(") or kind_of(node.get("Type")) in self.model.types:
                assert core(node), name
                continue
            self.moved.append(name)
            status, after = self.ask("PATCH", path, {name: guid(7) if node.get("Type") == "Edm.Guid" else value})
            assert status == 200, (name, after)
            assert (after[name] == value) == (not core(node)) or value is True, (kind, name, core(node), after)
            if name != "changeKey" and core(node):
                assert after[name] == entity[name], (kind, name, after)
            entity = after

    def value_of(self, node):
        """Something that can be sent, and is not what a new entity has."""
        kind, name = node.get("Type"), node.get("Name")
        if name == "calendarGroupId":
            return self.group
        if name == "meetingId":
            return KEYS["onlineMeetings"]
        self.serial += 1
        # On beta both are taken, so they must fit; on v1.0 the colour must not set the other.
        colour = "lightGreen" if self.version == "beta" else "lightTeal"
        text = {"hexColor": "#87d28e", "color": colour}.get(name, f"Made {self.serial}")
        return {"Edm.Guid": guid(self.serial), "Edm.DateTimeOffset": "2024-02-01T00:00:00Z", "graph.emailAddress": {"name": "x", "address": "x@y.z"},
                "graph.identitySet": {"user": {"id": guid(self.serial)}}}.get(kind, [] if kind.startswith("Collection(") else VALUES.get(kind, text)
                if name != "color" else text)

    def check_creation(self, kind, target, path, insertable, deletable):
        """A POST takes what is declared and ignores the rest; the new entity is read and, if that is declared, deleted."""
        properties = [one for one in self.model.members(kind, "Property") if one.get("Type") != "Edm.Stream"]
        if not insertable:
            assert self.ask("POST", path, {})[0] == 405
            return
        for removal in ["DELETE"] + [f"POST /{one.get('Name')}" for one in self.model.calls(f"graph.{kind}")]:
            sent = {one.get("Name"): self.value_of(one) for one in properties}
            if "calendarGroupId" in sent and "/calendarGroups/" in path:
                sent["calendarGroupId"] = urllib.parse.unquote(path.split("/")[-2])
            status, made = self.ask("POST", path, sent)
            assert status == 201, (path, made)
            self.check_entity(kind, {name: value for name, value in made.items() if name != "@odata.context"})
            for one in properties:
                name, taken = one.get("Name"), made[one.get("Name")]
                # The id of what clients may only add is theirs, if they name one; the abstract type cannot say so.
                ignored = "Computed" in core(one) and not (name == "id" and kind == "callRecording") or name in self.model.not_insertable(target)
                if isinstance(sent[name], dict):
                    taken = {"user": {"id": taken["user"]["id"]}} if taken and "user" in taken else taken
                same = taken == sent[name]
                assert same != ignored or sent[name] in (True, []), (path, name, taken, sent[name])
            there = f"{path}/{urllib.parse.quote(made['id'], safe='')}"
            status, read = self.ask("GET", there)
            assert status == 200 and {name: read[name] for name in sent} == {name: made[name] for name in sent}
            method, _, action = removal.partition(" ")
            status = self.ask(method, there + action)[0]
            assert status == (204 if deletable else 405), (removal, there)
            assert self.ask("GET", there)[0] == (404 if deletable else 200)

    def note(self, pattern, *methods):
        self.paths.setdefault(pattern, set()).update(methods)

    def call_bound(self, binding, path, pattern, target=""):
        for node in self.model.calls(binding):
            name, arguments = node.get("Name"), [one.get("Name") for one in node.findall(EDM + "Parameter")[1:]]
            if name == "delta" and not self.model.may(target, None, "ChangeTracking"):
                assert self.ask("GET", f"{path}/delta()")[0] == 400
                continue
            if node.tag == EDM + "Action":
                self.note(f"{pattern}/{name}()", "POST")
                continue
            given = f"meetingOrganizerUserId='{ANN}',startDateTime=2024-01-01T00:00:00Z,endDateTime=2025-01-01T00:00:00Z"
            assert arguments == [one.split("=")[0] for one in given.split(",")] * bool(arguments)
            call, sign = f"{path}/{name}({given if arguments else ''})", f"{pattern}/{name}({'*' if arguments else ''})"
            self.note(sign, "GET")
            status, page = self.ask("GET", call)
            assert status == 200, (call, page)
            returned = node.find(EDM + "ReturnType").get("Type")
            for item in page["value"]:
                self.check_entity(kind_of(returned), item)
            if node.get("IsComposable"):
                self.call_bound(returned, call, sign)

    def visit(self, owner_kind, nav, path, pattern):
        """One navigation: its collection and its items, or its one item; then what hangs on them."""
        name, target, kind = nav.get("Name"), f"{owner_kind}/{nav.get('Name')}", kind_of(nav.get("Type"))
        path, pattern = f"{path}/{name}", f"{pattern}/{name}".lstrip("/")
        readable = self.model.may(target, nav, "ReadRestrictions")
        insertable, updatable, deletable = (self.model.may(target, nav, f"{term}Restrictions") for term in ("Insert", "Update", "Delete"))
        status, page = self.ask("GET", path)
        assert (status == 200) == readable, (path, status, page)
        single = not nav.get("Type").startswith("Collection(")
        writes = ({"PATCH"} if updatable else set()) | ({"DELETE"} if deletable else set())
        if single:
            self.note(pattern, "GET", *writes)
            self.below(kind, page, path, pattern, updatable)
            return
        if readable:
            self.note(pattern, "GET", *(["POST"] if insertable else []))
        self.call_bound(nav.get("Type"), path, pattern, target)
        if readable:
            self.check_creation(kind, target, path, insertable, deletable)
        key = page["value"][-1]["id"] if readable else KEYS.get(name)
        if key is None:
            return
        pattern = f"{pattern}/{{{'id' if readable else 'meeting'}}}"
        path = f"{path}/{urllib.parse.quote(key, safe='')}"
        if readable:
            self.note(pattern, "GET", *writes)
            status, entity = self.ask("GET", path)
            assert status == 200, (path, entity)
            for item in page["value"]:
                self.check_entity(kind, item)
            self.below(kind, entity, path, pattern, updatable)
        else:
            self.below(kind, None, path, pattern, False)

    def below(self, kind, entity, path, pattern, updatable):
        if entity is not None:
            self.check_entity(kind, entity)
            self.check_writes(kind, path, entity, updatable)
        for node in self.model.members(kind, "Property"):
            if node.get("Type") == "Edm.Stream":
                self.note(f"{pattern}/{node.get('Name')}", "GET", "PUT")
                assert self.server.request("GET", f"/{self.version}{path}/{node.get('Name')}", token=self.token).status in (200, 404)
        self.call_bound(f"graph.{kind}", path, pattern)
        for nav in self.model.members(kind, "NavigationProperty"):
            if self.model.may(f"{kind}/{nav.get('Name')}", nav, "ReadRestrictions") or nav.get("Name") in KEYS:
                self.visit(kind, nav, path, re.sub(r"\{id\}$", "{group}", pattern))
            else:
                assert self.ask("GET", f"{path}/{nav.get('Name')}")[0] == 400


def served(server, version, pattern):
    """The methods that a path takes, from OPTIONS."""
    given = {"{id}": "x", "{group}": "x", "{meeting}": "x", "(*)": f"(meetingOrganizerUserId='{ANN}')"}
    path = pattern
    for word, value in given.items():
        path = path.replace(word, value)
    allow = server.request("OPTIONS", f"/{version}/users/{ANN}/{path}").headers.get("Allow", "")
    return {one.strip() for one in allow.split(",")} - {"HEAD", "OPTIONS", ""}


def rows():
    """Every path in the descriptors of the resources."""
    text = "".join(path.read_text() for path in sorted((ROOT / "src/resource").glob("*.c")))
    return set(re.findall(r'\{\s*"([^"]+)",\s*ROUTE_', text))


@pytest.mark.parametrize("version", ["v1.0", "beta"])
def test_what_is_named_is_served_and_nothing_else(server, version):
    one = server(lines=[user("ann@contoso.com", ANN), put(ANN, {"name": "Calendar", "isDefaultCalendar": True}), put(ANN, {"name": "Zoo"}),
                        put(ANN, RECORDING, "recordings"), {"op": "policy", "value": {"app": APP, "global": True}}])
    model = Model(one.get(f"/{version}/$metadata").body)
    walk = Walk(one, version, model)
    made = walk.ask("POST", f"/users/{ANN}/calendarGroups", {"name": "Travel"})[1]
    walk.group = made["id"]
    assert walk.ask("POST", f"/users/{ANN}/calendarGroups/{made['id']}/calendars", {"name": "Norway"})[0] == 201
    for nav in model.members("user", "NavigationProperty"):
        walk.visit("user", nav, f"/users/{ANN}", "")

    # Paths from the root are the members of the container; the others stand behind a user.
    assert {row for row in rows() if row.startswith("/")} == {f"/{name}" for name in model.container}
    assert set(walk.paths) == {row for row in rows() if not row.startswith("/")}
    status, person = walk.ask("GET", f"/users/{ANN}")
    assert status == 200
    walk.check_entity("user", person)
    for pattern, methods in walk.paths.items():
        assert served(one, version, pattern) == methods, pattern

    # The service document names the container, and each member is readable as its annotation says.
    document = one.get(f"/{version}").json
    assert document["@odata.context"].endswith(f"/{version}/$metadata")
    assert {item["name"]: item["kind"] for item in document["value"]} == \
        {name: node.tag.removeprefix(EDM) for name, node in model.container.items()}
    for item in document["value"]:
        token = one.token("ann@contoso.com", "User.Read.All Calendars.Read") if item["name"] == "me" else walk.token
        readable = model.may(f"GraphService/{item['name']}", None, "ReadRestrictions")
        assert (one.get(f"/{version}/{item['url']}", token).status == 200) == readable, item
