# SPDX-License-Identifier: Apache-2.0
"""HTTP/1.1: requests as lines, right and wrong, and the answers read back."""
import gzip
import json

import mutate


def chunked(rng, body, wild):
    out = b""
    while body:
        size = rng.choice([1, 10, 1000, len(body)])
        piece, body = body[:size], body[size:]
        said = b"%x" % len(piece)
        if wild and rng.random() < 0.15:
            said = rng.choice([b"0x" + said, b"-" + said, b"0" * 30 + said, said + b";x=\"y\"", said + b" ", b"f" * 16, b"f" * 17, b"", b"G",
                               b"%x" % (len(piece) + 1), b"7fffffffffffffff", b";" * 5000])
        out += said + b"\r\n" + piece + (b"\r\n" if not wild or rng.random() < 0.97 else rng.choice([b"\n", b"", b"\r"]))
    trailer = b"" if rng.random() < 0.8 else rng.choice([b"x: y\r\n", b"Content-Length: 5\r\n", b"x: " + b"z" * 5000 + b"\r\n", b"bad\r\n"])
    return out + b"0\r\n" + (trailer if wild else b"") + b"\r\n"


def framing(rng, req, wild):
    """How long the body is said to be, and the body."""
    body = req.body or b""
    if wild and rng.random() < 0.2:
        return rng.choice([
            b"Content-Length: %d\r\n" % (len(body) + rng.choice([-1, 1, 5, 1 << 20, (1 << 20) + 1, 1 << 62])),
            b"Content-Length: %d\r\nContent-Length: %d\r\n" % (len(body), len(body) + rng.randint(0, 1)),
            b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n" % len(body), b"Content-Length: +5\r\n", b"Content-Length: 5, 5\r\n",
            b"Content-Length: 99999999999999999999999\r\n", b"Transfer-Encoding: gzip, chunked\r\n", b"Transfer-Encoding: chunked, chunked\r\n",
            b"Transfer-Encoding : chunked\r\n", b"Transfer-Encoding: xchunked\r\n", b"Content-Length:\r\n"]), body
    if req.body is None:
        return b"", b""
    if rng.random() < (0.4 if req.stream else 0.15):
        return b"Transfer-Encoding: chunked\r\n", chunked(rng, body, wild)
    return b"Content-Length: %d\r\n" % len(body), body


def lines(rng, req, authority, last=False, wild=False):
    """The bytes of one request."""
    target, words = req.target, b"HTTP/1.1"
    fields = [(b"Host", authority), *req.fields]
    end = b"\r\n"
    if wild and rng.random() < 0.25:
        kind = rng.randrange(6)
        if kind == 0:
            target = rng.choice([b"http://" + authority + target, b"https://x:99999" + target, b"*", b"//" + target, b"", authority, target + b"#x"])
        elif kind == 1:
            words = rng.choice([b"HTTP/1.0", b"HTTP/1.2", b"HTTP/0.9", b"HTTP/2.0", b"http/1.1", b"HTTP/1.1 ", b"", b"HTTP/11"])
        elif kind == 2:
            fields = fields[1:] + rng.choice([[], [(b"Host", b""), (b"Host", authority)], [(b"Host", b"\xc3\xa9.example")], [(b"Host", b"a b")],
                                              [(b"Host", b"x" * 300)], [(b"Host", b"[::1]:443")], [(b"Host", b"x:0000000080")]])
        elif kind == 3:
            end = rng.choice([b"\n", b"\r", b"\r\n ", b"\r\n\t"])
        else:
            fields.insert(rng.randint(0, len(fields)), rng.choice([(b"", b"x"), (b"a b", b"x"), (b" x", b"y"), (b"x\x00", b"y"), (b"x", b"\x00"),
                                                                  (b"Connection", b"Upgrade, HTTP2-Settings"), (b"Upgrade", b"h2c")]))
    if last:
        fields.append((b"Connection", b"close"))
    said, body = framing(rng, req, wild)
    head = req.method.encode() + b" " + target + b" " + words + end + b"".join(name + b": " + value + end for name, value in fields)
    return head + said + b"\r\n" + body


def script(rng, requests, authority, wild):
    """Some requests on one connection, one behind the other."""
    data = b"".join(lines(rng, req, authority, req is requests[-1], wild and rng.random() < 0.7) for req in requests)
    if wild and rng.random() < 0.3:
        data = mutate.bytes_of(rng, data)
    made = {"protocol": 1, "steps": pieces(rng, data, wild)}
    if not wild:
        made["methods"] = [req.method for req in requests]
    return made


def pieces(rng, data, wild):
    """The bytes in one write, or in several with pauses; cut anywhere; and how the connection is left."""
    if wild and rng.random() < 0.25:
        data = data[:rng.randint(0, len(data))]
    steps = []
    count = rng.choice([1, 1, 1, 2, 3, 10]) if wild or rng.random() < 0.2 else 1
    cuts = sorted(rng.randint(0, len(data)) for _ in range(count - 1))
    for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
        steps.append(["send", data[start:end]])
        if end < len(data):
            steps.append(rng.choice([["pause", 0.001], ["pause", 0.01], ["read", 0.05]]))
    if wild:
        steps.append(rng.choice([["read", 0.02], ["read", 0.1], ["read", 0.3], ["half"], ["reset"], ["leave"], ["read", 0.05]]))
    return steps


def answers(data, methods):
    """What has come whole: [(status, fields, body)]; `methods` says what was asked, for an answer to HEAD has no body."""
    made, methods = [], list(methods)
    while True:
        head, blank, rest = data.partition(b"\r\n\r\n")
        if not blank:
            return made
        status = int(head.split()[1])
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in head.split(b"\r\n")[1:])}
        if status < 200:
            data = rest
            continue
        method = methods.pop(0) if methods else "GET"
        length = 0 if method == "HEAD" or status in (204, 304) else int(fields.get(b"content-length", b"0"))
        if len(rest) < length:
            return made
        made.append((status, fields, rest[:length]))
        data = rest[length:]


def fault_of(status, fields, body):
    """What is wrong with an answer, whatever was asked: None if nothing is."""
    if status == 500:
        return f"a 500: {body[:300]!r}"
    if fields.get(b"content-type", b"").startswith(b"application/json") and body:
        try:
            if fields.get(b"content-encoding") == b"gzip":
                body = gzip.decompress(body)
            json.loads(body.decode())
        except (ValueError, OSError) as error:
            return f"an answer that is no JSON: {error}: {body[:300]!r}"
    return None


def faults(script, data):
    if "methods" not in script:
        return ["a 500"] if data.startswith(b"HTTP/1.1 500 ") or b"\r\nHTTP/1.1 500 " in data else []
    return [fault for fault in (fault_of(*one) for one in answers(data, script["methods"])) if fault]


def is_over(script, data):
    return "methods" in script and len(answers(data, script["methods"])) >= len(script["methods"])
