# SPDX-License-Identifier: Apache-2.0
"""pages.py KIND ITEMS PAGE_SIZE FILE: serves a delta feed that our own server does not have, from pages that are made before.  KIND is
group (one group whose members come in parts, a page each) or drive (files in folders)."""
import http.server
import json
import os
import sys

kind, items, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
PATHS = {"group": "/v1.0/groups/delta", "drive": "/v1.0/me/drive/root/delta"}


def member(number):
    return {"@odata.type": "#microsoft.graph.user", "id": f"{number:08x}-0000-4000-8000-{number:012x}"}


def drive_item(number):
    folder = number - number % 1000
    value = {"id": f"01{number:032X}", "name": f"file {number}.docx", "eTag": f'"{{{number:032X}}},1"', "cTag": f'"c:{{{number:032X}}},1"',
             "createdDateTime": "2025-01-01T10:00:00Z", "lastModifiedDateTime": "2025-01-02T10:00:00Z", "size": number, "webUrl":
             f"https://contoso.sharepoint.com/personal/ann/Documents/folder%20{folder}/file%20{number}.docx",
             "lastModifiedBy": {"user": {"displayName": "Ann", "id": member(1)["id"]}},
             "parentReference": {"driveId": "b!" + "d" * 64, "driveType": "business", "id": f"01{folder if number % 1000 else 0:032X}"}}
    if number == 0:
        return {**value, "parentReference": {"driveId": "b!"}, "name": "root", "root": {}, "folder": {"childCount": 1000}}
    if number % 1000 == 0:
        return {**value, "name": f"folder {number}", "folder": {"childCount": 1000}}
    return {**value, "file": {"mimeType": "application/msword", "hashes": {"quickXorHash": f"{number:027d}="}}}


def page_of(first):
    numbers = range(first, min(first + size, items))
    if kind == "drive":
        return [drive_item(number) for number in numbers]
    head = {"displayName": "Everyone", "securityEnabled": True} if first == 0 else {}
    return [{"id": member(0)["id"], **head, "members@delta": [member(number + 1) for number in numbers]}]


class Feed(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if not self.path.startswith(PATHS[kind]):
            return self.send_error(404)
        at, length = starts[int(self.path.partition("token=")[2] or 0)]
        body = os.pread(pages.fileno(), length, at)
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % length + body)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Feed)
base = f"http://127.0.0.1:{server.server_port}{PATHS[kind]}"
starts, count = [], -(-items // size)
with open(sys.argv[4], "w+b") as pages:
    for number in range(count + 1):
        link = {"@odata.nextLink": f"{base}?$skiptoken={number + 1}"} if number + 1 < count else {"@odata.deltaLink": f"{base}?$deltatoken={count}"}
        at = pages.tell()
        pages.write(json.dumps({"value": page_of(number * size) if number < count else [], **link}, separators=(",", ":")).encode())
        starts.append((at, pages.tell() - at))
    pages.flush()
    print(f"listening on {base}", file=sys.stderr, flush=True)
    server.serve_forever()
