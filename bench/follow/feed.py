# SPDX-License-Identifier: Apache-2.0
"""feed.py ITEMS STATE: that many calendars of one user, about a kilobyte each, with ids as long as Graph's, for `tidemark import`.
Another STATE gives the same calendars with other names."""
import base64
import json
import random
import sys

OWNER = "00000001-0000-4000-8000-000000000001"
chance = random.Random(1)
out = sys.stdout
out.write(json.dumps({"op": "user", "value": {"id": OWNER, "userPrincipalName": "ann@contoso.com", "displayName": "Ann"}}) + "\n")
for number in range(int(sys.argv[1])):
    tail = (b"mailbox-0001-" + number.to_bytes(6, "big") * 3 + chance.randbytes(6)) * 2
    value = {"id": "AAMkAGI2TGuLAAA" + base64.urlsafe_b64encode(tail).decode(), "name": f"Calendar {number} {sys.argv[2]}", "color": "auto",
             "isDefaultCalendar": False, "canEdit": True, "owner": {"name": "Ann", "address": "ann@contoso.com"}, "note": "y" * 300}
    out.write(json.dumps({"op": "put", "feed": f"users/{OWNER}/calendars", "value": value}) + "\n")
