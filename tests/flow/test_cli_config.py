# SPDX-License-Identifier: Apache-2.0
"""Where a setting comes from, and complaints about the file."""
import json

import pytest


def show(tm, *args, **options):
    reported = json.loads(tm("config", "show", "--json", *args, **options).stdout)
    return {row["name"]: row for row in reported["settings"]}, reported


def test_flag_wins_over_environment_over_file_over_default(tm, home):
    file = home / "t.conf"
    file.write_text("[server]\nlisten = 127.0.0.1:3\n")
    env = {"TIDEMARK_LISTEN": "127.0.0.1:2"}
    rows, _ = show(tm)
    assert (rows["listen"]["value"], rows["listen"]["origin"]) == ("127.0.0.1:8443", "default")
    rows, reported = show(tm, "--config", file)
    assert rows["listen"] == {"name": "listen", "value": "127.0.0.1:3", "origin": "file", "from": f"{file}:2"}
    assert reported["file"] == str(file)
    rows, _ = show(tm, "--config", file, env=env)
    assert rows["listen"]["value"] == "127.0.0.1:2" and rows["listen"]["from"] == "TIDEMARK_LISTEN"
    rows, _ = show(tm, "--config", file, "--listen", "127.0.0.1:1", env=env)
    assert rows["listen"]["value"] == "127.0.0.1:1" and rows["listen"]["from"] == "--listen"


def test_the_file_is_found_by_variable_and_at_the_usual_place(tm, home):
    usual = home / "config" / "tidemark" / "tidemark.conf"
    usual.parent.mkdir(parents=True)
    usual.write_text("[server]\ntls = off\n")
    other = home / "other.conf"
    other.write_text("[server]\ntls = auto\nissuer = off\n")
    assert show(tm)[0]["tls"]["from"] == f"{usual}:2"
    assert show(tm, env={"TIDEMARK_CONFIG": str(other)})[0]["issuer"]["value"] == "off"


def test_the_default_store_follows_the_xdg_folder_or_home(tm, home):
    assert show(tm)[0]["store"]["value"] == f"sqlite:{home}/data/tidemark/tidemark.db"
    rows, _ = show(tm, env={"XDG_DATA_HOME": ""})
    assert rows["store"]["value"] == f"sqlite:{home}/.local/share/tidemark/tidemark.db"


def test_the_file_of_the_manual_is_read(tm, home):
    file = home / "t.conf"
    file.write_text("""# a comment
[server]
store = sqlite:/var/lib/tidemark/tidemark.db
listen = 0.0.0.0:8443      ; another
  public-url = https://graph.example.org
[issuer "entra"]                       # trust tokens of an external issuer
issuer = https://login.microsoftonline.com/0d2b4c6e-0000-4000-8000-000000000001/v2.0
audience = api://tidemark
jwks = https://login.microsoftonline.com/discovery/v2.0/keys#part   # or file:keys.json
tenant = claim:tid
""")
    rows, reported = show(tm, "--config", file)
    assert rows["listen"]["value"] == "0.0.0.0:8443"
    assert rows["public-url"]["value"] == "https://graph.example.org"
    issuer, = reported["issuers"]
    assert issuer["name"] == "entra" and issuer["tenant"] == "claim:tid"
    assert issuer["jwks"].endswith("/keys#part")


@pytest.mark.parametrize("text, says", [
    ("[server]\nlisten = nowhere\n", ":2: listen: \"nowhere\" is not of the form HOST:PORT"),
    ("[server]\n\nstore = mysql:x\n", ":3: store"),
    ("[server]\nlisten = 127.0.0.1:1\nlisten = 127.0.0.1:1\n", ":3: listen is set twice"),
    ("[recordings]\ndelegated = on\ndelegated = on\n", ":3: delegated is set twice"),
    ("[issuer \"x\"]\ntenant = own\ntenant = own\n", ":3: tenant is set twice; first at "),
    ("[server]\ncolour = red\n", ":2: unknown key \"colour\""),
    ("[servers]\nlisten = 127.0.0.1:1\n", ":1: unknown section [servers]"),
    ("listen = 127.0.0.1:1\n", ":1: \"listen\" stands before any section"),
    ("[server]\nlisten\n", ":2: this is neither"),
    ("[server\nlisten = 127.0.0.1:1\n", ":1: "),
    ("[issuer \"x\"]\nissuer = https://x\n", "has no audience"),
    ("[issuer \"x\"]\nsecret = y\n", ":2: unknown key \"secret\""),
    ("[server]\nlisten = " + "1" * 5000 + "\n", ":2: the line is longer"),
])
def test_a_fault_in_the_file_is_exit_3_with_file_and_line(tm, home, text, says):
    file = home / "t.conf"
    file.write_text(text)
    done = tm("config", "show", "--config", file, code=3, error=says)
    assert str(file) in done.stderr and done.stdout == ""


def test_a_file_that_was_named_must_be_there(tm, home):
    tm("config", "show", "--config", home / "none.conf", code=3, error="No such file")
    tm("config", "show", env={"TIDEMARK_CONFIG": str(home / "none.conf")}, code=3, error="No such file")


def test_a_bad_variable_is_named(tm):
    tm("config", "show", env={"TIDEMARK_TLS": "maybe"}, code=2, error="TIDEMARK_TLS: \"maybe\" is not auto or off")


def test_help_works_with_a_broken_file(tm, home):
    file = home / "t.conf"
    file.write_text("nonsense\n")
    tm("help", env={"TIDEMARK_CONFIG": str(file)})
    tm("version", env={"TIDEMARK_CONFIG": str(file)})
