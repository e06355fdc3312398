# SPDX-License-Identifier: Apache-2.0
"""What the jobs in Python share: the server's side of the environment, and a line for each step."""

import json
import os
import re

BASE, HOST, TENANT, AUTHORITY = (os.environ[name] for name in ("BASE", "HOST", "TENANT", "AUTHORITY"))
CLIENT_ID, CLIENT_SECRET = os.environ["CLIENT_ID"], os.environ["CLIENT_SECRET"]
CERTIFICATE_CLIENT_ID, CERTIFICATE, THUMBPRINT = (os.environ[name] for name in ("CERTIFICATE_CLIENT_ID", "CERTIFICATE", "THUMBPRINT"))
USER, MEETING, TOKEN, ME_TOKEN, LATE = (os.environ[name] for name in ("USER", "MEETING", "TOKEN", "ME_TOKEN", "LATE"))
NAMES = json.loads(os.environ["NAMES"])
SPECIAL = ("Summer plans", "C++ club", "O'Brien & Söhne")
CALENDARS = f"{BASE}/v1.0/users/{USER}/calendars"
MEETINGS = f"{BASE}/v1.0/users/{USER}/onlineMeetings"
ALL_RECORDINGS = f"{MEETINGS}/getAllRecordings(meetingOrganizerUserId='{USER}')"
RECORDINGS = ["rec-0", "rec-1", "rec-2", "rec-3", "rec-4"]


def certificate():
    """The certificate and its private key, both as PEM."""
    with open(CERTIFICATE, encoding="ascii") as file:
        return re.match("(.*)(-----BEGIN PRIVATE KEY-----.*)", file.read(), re.S).groups()


def named(name):
    """The $filter for a calendar's name."""
    return "name eq '{}'".format(name.replace("'", "''"))


def same(value, expected):
    assert value == expected, f"{value!r} is not {expected!r}"


def refused(call, kind, read):
    """Calls, and reads of the error of that kind why the server refused it."""
    try:
        call()
    except kind as error:
        return read(error)
    raise AssertionError("it was not refused")


def step(name, work, *args):
    try:
        work(*args)
        print(f"ok {name}", flush=True)
    except Exception as error:  # a step that fails says why, and the others go on
        print(f"FAIL {name}:", " ".join(f"{type(error).__name__}: {error}".split()), flush=True)
