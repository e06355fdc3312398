# SPDX-License-Identifier: Apache-2.0
"""What a new user meets first: sample data, what `serve` prints, a memory: store from other commands, and SIGHUP."""
import json
import os
import pathlib
import re
import shlex
import signal
import socket
import ssl
import stat
import subprocess
import time

import pytest

from conftest import BIN, ROOT, base_env, guid, put, to_lines, user

ANN = guid(1)
OPS = [user("ann@contoso.com", id=ANN), put(ANN, {"name": "Work", "id": "AAMkA"})]
SAMPLE_USER = "samanthab@contoso.com"


def printed(s, pattern):
    """What stands behind `pattern` in the server's own lines, once they are all there."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        found = re.search(pattern + r"(.*)\n", s.stderr())
        if found:
            return found.group(1)
        time.sleep(0.02)
    raise AssertionError(s.stderr())


def token_by_hint(s, tm):
    """The token that the printed command makes, run by a shell in another folder."""
    command = printed(s, "a token: ").replace("tidemark", shlex.quote(BIN), 1)
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, env=base_env(tm.home), cwd="/")
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def names(s, token):
    reply = s.get("/v1.0/me/calendars?$select=name", token=token)
    assert reply.status == 200, reply.body
    return [item["name"] for item in reply.json["value"]]


# ---- sample data, and what is printed ------------------------------------------------------------------------


@pytest.mark.parametrize("url", ["memory:", "sqlite:new store's.db"])
def test_sample_data_can_be_read_with_what_serve_prints(tm, server, url):
    s = server("--sample", store=url)
    s.ca = printed(s, "the file to trust is ")
    assert os.path.isabs(s.ca)
    assert names(s, token_by_hint(s, tm)) == ["Calendar", "Birthdays"]
    assert s.stderr().count("ca.pem") == 1
    seed = (ROOT / "samples" / "seed.jsonl").read_text().splitlines()
    exported = tm("export", store=url).stdout.splitlines()
    assert len(exported) > len(seed) + 9
    wanted = [json.loads(line)["value"]["id"] for line in seed]
    assert set(wanted) <= {json.loads(line)["value"]["id"] for line in exported}


def test_sample_data_is_refused_where_users_are(tm, store):
    tm("import", "-", store=store, input=to_lines(OPS))
    before = tm("export", store=store).stdout
    done = tm("serve", "--sample", "--listen", "127.0.0.1:0", store=store, code=6, error="has users already")
    assert "without --sample" in done.stderr and "listening" not in done.stderr
    assert tm("export", store=store).stdout == before


def test_serve_says_how_to_get_a_token(tm, server):
    s = server(lines=OPS)
    assert printed(s, "the file to trust is ") == s.ca
    assert names(s, token_by_hint(s, tm)) == ["Work"]


@pytest.mark.parametrize("args, says", [
    ([], "the store has no users: tidemark user add --store sqlite:"),
    (["--issuer", "off"], "warning: no token is accepted"),
])
def test_serve_says_what_is_missing_for_a_token(server, args, says):
    s = server("--tls", "off", *args)
    printed(s, re.escape(says))
    assert "the file to trust" not in s.stderr()


# ---- a memory: store from other commands ---------------------------------------------------------------------


def test_commands_reach_a_memory_store(tm, server, home):
    s = server("--tls", "off", store="memory:")
    (home / "in").mkdir()
    (home / "in" / "a.mp4").write_bytes(b"film")
    recording = {"id": "r1", "meetingId": "m1", "createdDateTime": "2026-01-01T00:00:00Z"}
    (home / "in" / "lines.jsonl").write_text(to_lines(OPS + [{**put(ANN, recording, "recordings"), "contentFile": "a.mp4"}]))
    tm("import", home / "in" / "lines.jsonl", store="memory:")
    tm("user", "add", "--upn", "bob@contoso.com", store="memory:")
    assert tm("user", "list", store="memory:").stdout.count("@contoso.com") == 2
    tm("user", "remove", "bob@contoso.com", store="memory:")
    assert names(s, s.token(ANN)) == ["Work"]
    tm("policy", "allow", guid(0xa99), "--global", store="memory:")
    assert guid(0xa99) in tm("policy", "list", store="memory:").stdout
    app = s.app_token("OnlineMeetingRecording.Read.All")
    content = s.get(f"/v1.0/users/{ANN}/onlineMeetings/m1/recordings/r1/content", token=app)
    assert (content.status, content.body) == (200, b"film")
    assert json.loads(tm("client", "add", "--json", "--role", "Calendars.Read", store="memory:").stdout)["clientId"]
    assert tm("store", "check", store="memory:").stdout == "ok\n"
    tm("store", "gc", store="memory:")
    assert len(tm("export", store="memory:").stdout.splitlines()) >= 3
    sockets = list((home / "tidemark").iterdir())
    assert stat.S_IMODE((home / "tidemark").stat().st_mode) == 0o700 and len(sockets) == 1
    s.stop()
    assert not list((home / "tidemark").iterdir())


@pytest.mark.parametrize("args", [["import", "-"], ["token", "--user", ANN, "--scope", "Calendars.Read"], ["user", "list"], ["export"]])
def test_a_memory_store_without_a_server_is_an_error(tm, args):
    done = tm(*args, store="memory:", code=6, error="no server has a memory: store", input="")
    assert "serve --store memory:" in done.stderr and "sqlite:PATH" in done.stderr and done.stdout == ""


def test_two_memory_stores_are_never_mistaken(tm, server, home):
    first = server("--tls", "off", store="memory:")
    second = server("--tls", "off", store="memory:")
    tm("user", "list", store="memory:", code=6, error="2 servers")
    other = home / "other"
    other.mkdir()
    third = server("--tls", "off", store="memory:", env={"XDG_RUNTIME_DIR": str(other)})
    tm("user", "add", "--upn", "cid@contoso.com", store="memory:", env={"XDG_RUNTIME_DIR": str(other)})
    second.kill()
    assert tm("user", "list", store="memory:").stdout == ""
    assert len(list((home / "tidemark").iterdir())) == 2
    again = server("--tls", "off", store="memory:")
    assert len(list((home / "tidemark").iterdir())) == 2, "the socket of the killed server is gone"
    for one in (first, third, again):
        one.stop()


def spoil_mode(folder):
    folder.mkdir(mode=0o700)
    folder.chmod(0o770)


def spoil_link(folder):
    (folder.parent / "elsewhere").mkdir(mode=0o700)
    folder.symlink_to(folder.parent / "elsewhere")


def spoil_owner(folder):
    folder.mkdir(mode=0o700)
    try:
        os.chown(folder, 65534, 65534)
    except PermissionError:
        pytest.skip("only root can give a folder away")


@pytest.mark.parametrize("spoil", [spoil_mode, spoil_link, spoil_owner])
def test_a_runtime_directory_of_somebody_else_is_not_used(tm, server, home, spoil):
    spoil(home / "tidemark")
    s = server("--tls", "off", store="memory:")
    assert "warning: other commands cannot reach this memory: store" in s.stderr()
    tm("user", "list", store="memory:", code=6, error="is not a folder of this user with mode 0700")
    assert not [entry for entry in home.rglob("memory-*")]


# ---- SIGHUP --------------------------------------------------------------------------------------------------


def hang_up(s, says):
    """Sends SIGHUP and waits for a new message that holds `says`."""
    before = len(s.stderr())
    os.kill(s.pid, signal.SIGHUP)
    end = time.monotonic() + 60
    while time.monotonic() < end:
        new = s.stderr()[before:]
        if re.search(says, new) and new.endswith("\n"):
            return new
        time.sleep(0.02)
    raise AssertionError(s.stderr())


def names_of(s):
    """The names in the certificate that the server shows."""
    context = ssl.create_default_context(cafile=s.ca)
    with socket.create_connection(("127.0.0.1", s.port), timeout=30) as plain:
        with context.wrap_socket(plain, server_hostname="localhost") as tls:
            return [value.lower() for _, value in tls.getpeercert()["subjectAltName"]]


def test_the_certificate_has_all_names_and_loses_none(server, home):
    s = server("--public-url", "https://graph.example.org", "--tls-name", "one.example.org", "--tls-name", "10.1.2.3", lines=OPS)
    first = names_of(s)
    assert {"graph.example.org", "one.example.org", "10.1.2.3", "localhost", "127.0.0.1"} <= set(first)
    s.stop()
    s = server(env={"TIDEMARK_TLS_NAME": "two.example.org three.example.org"})
    assert set(names_of(s)) == set(first) | {"two.example.org", "three.example.org"}


def test_hangup_reads_configuration_and_certificate_again(server, home):
    conf = home / "t.conf"
    conf.write_text("[server]\ntls-name = one.example.org\naudit = off\n")
    s = server("--config", conf, lines=OPS)
    token = s.token(ANN)
    assert "two.example.org" not in names_of(s)
    assert s.request("POST", "/v1.0/me/calendars", {"name": "A"}, token).status == 201 and s.audit() == []
    open_connection = s.connection()
    open_connection.connect()
    conf.write_text("[server]\ntls-name = one.example.org\ntls-name = two.example.org\naudit = on\ntls = off\nlink-style = seed\n"
                    "[recordings]\ndelegated = on\n")
    said = hang_up(s, "have been read again")
    assert "tls, link-style, [recordings]: the new value needs a restart" in said
    assert "two.example.org" in names_of(s) and "one.example.org" in names_of(s)
    assert s.request("POST", "/v1.0/me/calendars", {"name": "B"}, token).status == 201 and len(s.audit()) == 1
    assert "$deltatoken" in s.get("/v1.0/me/calendars/delta", token=token).json["@odata.deltaLink"]
    open_connection.request("GET", "/v1.0/$metadata")
    assert open_connection.getresponse().status == 200, "a connection from before goes on"
    open_connection.close()


def test_a_broken_file_changes_nothing_at_a_hangup(server, home):
    conf = home / "t.conf"
    conf.write_text("[server]\naudit = off\n")
    s = server("--config", conf, lines=OPS)
    shown = names_of(s)
    for text, says in (("[server]\naudit = maybe\n", r"t\.conf:2: audit: .*; the old configuration"),
                       ("[server]\ntls-name = -bad-.example.org\n", r"neither an address nor a host name.*\n.*the old certificate stays"),
                       ("[server]\ntls-cert = no.pem\ntls-key = no.key\n", r"no\.pem: No such file.*the old certificate stays")):
        conf.write_text(text)
        hang_up(s, says)
        assert names_of(s) == shown
    conf.unlink()
    hang_up(s, "cannot be opened")
    assert names_of(s) == shown
    (home / "t.db.tls" / "server.pem").write_text("nothing\n")
    conf.write_text("[server]\n")
    hang_up(s, "have been read again")
    assert set(names_of(s)) <= set(shown)


def test_a_certificate_of_ones_own_is_read_again(server, home):
    def make(name):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                        "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:localhost,DNS:{name}", "-keyout", home / "own.key",
                        "-out", home / "own.pem"], check=True, capture_output=True)
    make("old.example.org")
    s = server("--tls-cert", home / "own.pem", "--tls-key", home / "own.key", lines=OPS)
    s.ca = home / "own.pem"
    assert "old.example.org" in names_of(s) and "the file to trust" not in s.stderr()
    make("new.example.org")
    hang_up(s, "have been read again")
    assert "new.example.org" in names_of(s)


@pytest.mark.slow
def test_hangups_never_end_the_server(server, tm, store, home):
    """From the first moment on, in a storm, while it drains, and when it is waiting for a key that never comes."""
    process = subprocess.Popen([BIN, "serve", "--listen", "127.0.0.1:0", "--store", store], stderr=subprocess.PIPE, text=True,
                               env=base_env(home))
    while "SigBlk:\t0000000000000000" in pathlib.Path(f"/proc/{process.pid}/status").read_text():
        time.sleep(0.0005)
    for line in iter(process.stderr.readline, ""):
        process.send_signal(signal.SIGHUP)
        if line.startswith("listening on"):
            break
    for _ in range(50):
        process.send_signal(signal.SIGHUP)
        time.sleep(0.002)
    assert process.poll() is None
    os.remove(home / "t.db.tls" / "server.key")
    os.mkfifo(home / "t.db.tls" / "server.key")
    process.send_signal(signal.SIGHUP)
    time.sleep(0.1)
    process.terminate()
    for _ in range(20):
        process.send_signal(signal.SIGHUP)
    assert process.wait(60) == 0, process.stderr.read()
    process.stderr.close()


# ---- did you mean --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("args, says", [
    (["sevre"], 'did you mean "serve"'),
    (["stauts"], 'did you mean "status"'),
    (["user", "ad"], 'did you mean "user add"'),
    (["stroe", "check"], 'did you mean "store"'),
    (["help", "sync1"], 'did you mean "sync"'),
    (["--store", "memory:", "serve"], "the command comes first: tidemark COMMAND --store …"),
    (["serve", "--lsiten", "127.0.0.1:0"], "did you mean --listen"),
    (["token", "--usr", "x"], "did you mean --user"),
    (["sync", "https://graph.example/v1.0/me/calendars/delta", "--cacert", "ca.pem"], "did you mean --ca;"),
    (["serve", "--port=8080"], "did you mean --listen"),
    (["token", "--database", "x.db"], "did you mean --store"),
    (["import", "--skipbad=1"], "did you mean --skip-bad"),
])
def test_the_word_that_was_meant_is_named(tm, args, says):
    done = tm(*args, code=2, error=says)
    assert done.stderr.count("\n") == 1 and "tidemark help" in done.stderr


@pytest.mark.parametrize("args, says", [
    (["user", "delete", "x"], "its commands are add, list, remove; see"),
    (["user", "--json"], "user needs a command"),
])
def test_a_group_names_its_commands(tm, args, says):
    tm(*args, code=2, error=says)


def test_what_is_meant_is_told_of_a_wrong_url_and_a_wrong_store(tm, server, store, home):
    one = server(lines=[user("ann@contoso.com", guid(1))])
    (home / "bearer").write_text(one.token("ann@contoso.com", "Calendars.Read"))
    other = f"sqlite:{home}/other.db"
    tm("sync", f"{one.base}/v1.0/me/calendars", "--ca", one.ca, "--bearer-file", home / "bearer", store=other, code=6,
       error="query ends in /delta")
    tm("token", "--user", "bob@contoso.com", "--scope", "x", store=store, code=6, error=f'no user "bob@contoso.com" in {store};')
    with socket.create_server(("127.0.0.1", 0)) as closes:  # as a port with TLS does when it is sent plain HTTP
        far = subprocess.Popen([BIN, "sync", f"http://127.0.0.1:{closes.getsockname()[1]}/me/x/delta", "--max-wait", "0s", "--store", other],
                               stderr=subprocess.PIPE, text=True, env=base_env(home))
        connection = closes.accept()[0]
        connection.recv(65536)
        connection.close()
        assert "begins with https://" in far.communicate()[1]


def test_the_address_and_the_path_are_named_once(tm, store, home):
    done = tm("serve", "--listen", "192.0.2.1:9", store=store, code=1, error="cannot listen on 192.0.2.1:9: Cannot assign")
    assert done.stderr.count("192.0.2.1") == 1 and "--listen" in done.stderr
    done = tm("serve", "--listen", "no.such.host.invalid:9", store=store, code=1)
    assert done.stderr.count("no.such.host") == 1
    tm("user", "add", "--upn", "ann@contoso.com", store=store)
    (home / "there.db").write_text("")
    done = tm("store", "backup", home / "there.db", store=store, code=6, error="already there")
    assert done.stderr.count("there.db") == 1


def test_a_word_that_is_like_no_other_names_none(tm):
    for args in (["frobnicate"], ["serve", "--frobnicate"], ["x"], ["user", "zzzzzz"]):
        assert "did you mean" not in tm(*args, code=2).stderr


@pytest.mark.parametrize("text, says", [
    ("[server]\nlisen = 127.0.0.1:0\n", 'did you mean "listen"'),
    ("[issuer \"x\"]\naudiance = a\n", 'did you mean "audience"'),
    ("[recordings]\ndelegate = on\n", 'did you mean "delegated"'),
    ("[recording]\ndelegated = on\n", '[issuer "name"], [scope "name"], [serve "name"] are known'),
])
def test_the_key_that_was_meant_is_named(tm, home, text, says):
    (home / "t.conf").write_text(text)
    tm("config", "show", "--config", home / "t.conf", code=3, error=says)


@pytest.mark.parametrize("scope, says", [
    ("Calendars.Raed", 'did you mean "Calendars.Read"'),
    ("Calendars.Read,Calendars.ReadWrite", "blanks separate several names"),
])
def test_the_permission_that_was_meant_is_named(tm, server, store, scope, says):
    server("--tls", "off", lines=OPS)
    done = tm("token", "--user", ANN, "--scope", scope, store=store, error=says)
    assert done.stderr.count("\n") == 1


def test_a_wrong_name_is_told_once(tm, store):
    assert tm("token", "--user", ANN, "--scope", '"""', store=store, code=2).stderr.count("\n") == 1


# ---- doctor and explain-access -------------------------------------------------------------------------------


def test_doctor_warns_without_a_token_and_refuses_what_is_no_delta_function(tm, store, server):
    def checks(url, code):
        lines = tm("doctor", url, "--json", store=store, code=code).stdout.splitlines()
        return {line["check"]: line for line in map(json.loads, lines)}

    s = server("--tls", "off", store=f"sqlite:{tm.home}/served.db", lines=OPS)
    for path in ("/v1.0/me/calendars", "/v1.0/me/calendars/deltas", "/v1.0/delta/me", "/", "/v1.0/users?$deltatoken=x"):
        found = checks(s.base + path, 10)
        assert not found["url"]["good"] and "/delta" in found["url"]["text"] and "reach" not in found
    for path in ("/v1.0/me/calendars/delta", "/beta/me/calendars/delta()", "/v1.0/me/calendars/microsoft.graph.delta()",
                 "/v1.0/me/calendars/delta?$deltatoken=x", "/v1.0/me/calendars/delta(token='a/b')"):
        found = checks(s.base + path, 10)
        assert found["url"]["good"] and found["token"]["warning"] and "--bearer-file" in found["token"]["text"]
    assert re.search("^warn +token", tm("doctor", s.base + "/v1.0/me/calendars/delta", store=store, code=10).stdout, re.M)


def test_explain_access_shows_dates_and_the_skew(tm, server, store):
    s = server("--tls", "off", lines=OPS)
    reported = tm("explain-access", "--as", s.token(ANN), "GET", "/v1.0/me/calendars", store=store).stdout
    moment = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
    line = [line for line in reported.splitlines() if line.startswith("time ")]
    assert len(line) == 1
    assert re.search(f"ok +valid from {moment} until {moment}, with 60 s of skew at both ends; now is {moment}$", line[0]), reported


# ---- [recordings] ---------------------------------------------------------------------------------------------


def test_every_key_stands_in_help_manual_and_example(tm, home):
    pages = [tm("help", "tidemark.conf").stdout, tm("help", "--man", "tidemark.conf.5").stdout, (ROOT / "etc" / "tidemark.conf").read_text()]
    keys = ["[server]", "[recordings]", "delegated", "policy-organizer-wide", "tls-name", '[issuer "', "audience", "discovery", '[serve "', "permissions"]
    shown = json.loads(tm("config", "show", "--json").stdout)
    keys += [setting["name"] for setting in shown["settings"]] + list(shown["recordings"])
    for page in pages:
        assert not [key for key in keys if key not in page.replace("\\(dq", '"')]
    lines = [re.sub(r"^# ", "", line) for line in pages[2].splitlines()]
    wanted = [line for line in lines if re.match(r"\[|[a-z-]+ = ", line) and not line.startswith(("store =", "tls-cert", "tls-key"))]
    (home / "t.conf").write_text("\n".join(re.sub(r" +\(.*", "", line) for line in wanted) + "\n")
    assert json.loads(tm("config", "show", "--json", "--config", home / "t.conf").stdout)["issuers"], "the example can be used"
