# SPDX-License-Identifier: Apache-2.0
"""Scripts, and how one is played on a connection of its own.

A script is {"to": "plain" | "tls" | "raw" | "control", "protocol": 1 | 2, "steps": [...]} and is kept as JSON with its bytes
as Latin-1.  "raw" writes its bytes to the TLS port without TLS.  The steps:

    ["send", bytes]  ["pause", seconds]  ["read", seconds]: until nothing comes for so long
    ["half"]: says that no more comes, then reads to the end    ["reset"]: RST    ["leave"]: the connection stays for a while

A script with "methods" or "streams" is right in all its parts: it is read until every answer has come.
"""
import collections
import json
import socket
import ssl
import struct
import threading
import time

import http1
import http2

SEND_SECONDS = 2
LEFT_OPEN = 60                           # connections that were left, held until later ones push them out


def to_text(script):
    return {**script, "steps": [[kind, arg.decode("latin-1") if kind == "send" else arg] for kind, arg in padded(script["steps"])]}


def from_text(script):
    made = {**script, "steps": [[kind, arg.encode("latin-1") if kind == "send" else arg] for kind, arg in padded(script["steps"])]}
    if "streams" in made:
        made["streams"] = {int(stream): method for stream, method in made["streams"].items()}
    return made


def padded(steps):
    return [(step[0], step[1] if len(step) > 1 else None) for step in steps]


def save(path, scripts):
    path.write_text(json.dumps([to_text(script) for script in scripts], indent=1))


def load(path):
    return [from_text(script) for script in json.loads(path.read_text())]


class Player:
    """Connections to one server."""

    def __init__(self, server, patience):
        self.server = server
        self.patience = patience
        self.left = collections.deque()
        self.lock = threading.Lock()
        self.context = None
        if server.ca and server.base.startswith("https:"):
            self.context = ssl.create_default_context(cafile=server.ca)

    def connect(self, script):
        if script["to"] == "control":
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            sock.settimeout(SEND_SECONDS)
            sock.connect(f"{self.server.path}.sock")
            return sock
        sock = socket.create_connection(("127.0.0.1", self.server.port), timeout=self.patience)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if script["to"] != "tls":
            return sock
        context = ssl.create_default_context(cafile=self.server.ca)
        context.set_alpn_protocols(["h2"] if script["protocol"] == 2 else ["http/1.1"])
        return context.wrap_socket(sock, server_hostname="127.0.0.1")

    def play(self, script):
        """(what came back, whether it came to its end): the end is never missed but by a script that is right in all its parts."""
        got = bytearray()
        try:
            sock = self.connect(script)
        except OSError:
            return b"", True
        try:
            for kind, arg in padded(script["steps"]):
                if not self.step(script, sock, kind, arg, got):
                    return bytes(got), True
            over = self.finish(script, sock, got)
        except OSError:
            over = True
        finally:
            if padded(script["steps"])[-1][0] != "leave":
                sock.close()
        return bytes(got), over

    def step(self, script, sock, kind, arg, got):
        """False: there is nothing more to do here."""
        if kind == "send":
            sock.settimeout(SEND_SECONDS)
            sock.sendall(arg)
        elif kind == "pause":
            time.sleep(arg)
        elif kind == "read":
            return read(sock, got, arg, lambda: False)
        elif kind == "half":
            if isinstance(sock, ssl.SSLSocket):
                return False
            sock.shutdown(socket.SHUT_WR)
            return read(sock, got, 0.3, lambda: False)
        elif kind == "reset":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return False
        elif kind == "leave":
            with self.lock:
                self.left.append(sock)
                old = self.left.popleft() if len(self.left) > LEFT_OPEN else None
            if old:
                old.close()
            return False
        return True

    def finish(self, script, sock, got):
        """Only a script that is right waits for its answers; a silence of `patience` is a fault."""
        if "methods" not in script and "streams" not in script:
            return True
        over = http1.is_over if script["protocol"] == 1 else http2.is_over
        return not read(sock, got, self.patience, lambda: over(script, bytes(got))) or over(script, bytes(got))

    def leave_all(self):
        while self.left:
            self.left.popleft().close()


def read(sock, got, silence, over):
    """Reads until nothing has come for so long, or it is over.  False: the connection has ended."""
    sock.settimeout(silence)
    while not over():
        try:
            part = sock.recv(65536)
        except TimeoutError:
            return True
        except OSError:
            return False
        if not part:
            return False
        got += part
    return True
