# SPDX-License-Identifier: Apache-2.0
"""feed.py ITEMS STATE [USERS]: that many calendars of one user (or of each of so many), about a kilobyte each, with ids as long as
Graph's, for `tidemark import`.  Another STATE gives the same calendars with other names.  feed.py ITEMS STATE --shuffled [N]: in no order, all or so many of them.
feed.py --ids USERS: the users' ids."""
import base64
import json
import random
import sys


def owner(number):
    return f"{number + 1:08x}-0000-4000-8000-{number + 1:012x}"


if sys.argv[1] == "--ids":
    print("\n".join(owner(number) for number in range(int(sys.argv[2]))))
    sys.exit()
chance = random.Random(1)
out = sys.stdout
shuffled = "--shuffled" in sys.argv
lines = []
for caller in range(int(sys.argv[3]) if len(sys.argv) > 3 and not shuffled else 1):
    name = f"ann{caller or ''}@contoso.com"
    out.write(json.dumps({"op": "user", "value": {"id": owner(caller), "userPrincipalName": name, "displayName": "Ann"}}) + "\n")
    for number in range(int(sys.argv[1])):
        tail = (b"mailbox-%04d-" % (caller + 1) + number.to_bytes(6, "big") * 3 + chance.randbytes(6)) * 2
        value = {"id": "AAMkAGI2TGuLAAA" + base64.urlsafe_b64encode(tail).decode(), "name": f"Calendar {number} {sys.argv[2]}",
                 "color": "auto", "isDefaultCalendar": False, "canEdit": True, "owner": {"name": "Ann", "address": name}, "note": "y" * 300}
        line = json.dumps({"op": "put", "feed": f"users/{owner(caller)}/calendars", "value": value}) + "\n"
        lines.append(line) if shuffled else out.write(line)
chance.shuffle(lines)
out.writelines(lines[:int(sys.argv[4])] if len(sys.argv) > 4 else lines)
