# SPDX-License-Identifier: Apache-2.0
"""What is wrong on purpose: with a request's text, fields and body, before it is put into frames or lines."""
import json
import re

EDGES = [0, 1, 7, 8, 62, 63, 64, 65, 126, 127, 128, 129, 254, 255, 256, 257, 511, 512, 1023, 1024, 1025, 4095, 4096, 8150, 8191, 8192, 8193]
BAD_TEXT = [b"\x00", b"\x7f", b"\x80", b"\xc3", b"\xc3\xa9", b"\xe2\x82", b"\xe2\x82\xac", b"\xed\xa0\x80", b"\xf0\x9f\x98\x80", b"\xf0\x9f\x98",
            b"\xff\xfe", b"\r", b"\n", b"\r\n", b"\t", b" ", b"%", b"%%", b"%0", b"%00", b"%0d%0a", b"%2F", b"%252F", b"%C3", b"%C3%A9",
            b"%ED%A0%80", b"%f0%9f%98", b"..", b"/../", b"//", b"'", b"''", b"(", b")", b"()", b"('", b"\\", b"\"", b"&", b"=", b"?", b"#", b";",
            b",", b"$", b"@", b"*", b"+", b"-", b"0", b"-1", b"18446744073709551616", b"9223372036854775807", b"NaN", b"null"]


def bytes_of(rng, data, rounds=None):
    """The oldest way: flip, cut, double, insert."""
    data = bytearray(data)
    for _ in range(rounds or rng.choice([1, 1, 2, 4, 8])):
        at = rng.randint(0, len(data))
        kind = rng.randrange(6)
        if kind == 0 and at < len(data):
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            data[at:at + rng.choice([1, 1, 2, 5, 40])] = b""
        elif kind == 2:
            data[at:at] = rng.choice(BAD_TEXT)
        elif kind == 3:
            data[at:at] = data[at:at + rng.randint(1, 60)]
        elif kind == 4 and at < len(data):
            data[at] = rng.choice([0, 10, 13, 32, 37, 127, 128, 255, rng.randrange(256)])
        else:
            data[at:at + rng.randint(0, 3)] = rng.choice(BAD_TEXT) * rng.choice([1, 1, 1, 2, 30])
    return bytes(data)


def visible(data):
    """Kept within what a request line may hold: everything else as %XX."""
    return b"".join(bytes([c]) if 0x21 <= c <= 0x7e else b"%%%02X" % c for c in data)


def long_text(rng):
    """A length at an edge, so that a cut falls into a character of two, three or four bytes."""
    filler, last = rng.choice([b"a", b"\xc3\xa9", b"%C3%A9", b"%41", b"("]), rng.choice([b"", b"\xc3\xa9", b"\xe2\x82\xac", b"\xf0\x9f\x98\x80", b"\xc3"])
    length = rng.choice(EDGES)
    return filler * max(0, (length - len(last) + rng.randint(-3, 3)) // len(filler)) + last


def marks(rng, data):
    """What divides a text is doubled or missing, and what stands between is missing, long or odd."""
    pieces = re.split(rb"([/&,=()';.: ]|%2[789CF])", data)
    for _ in range(rng.choice([1, 1, 2, 3])):
        n = rng.randrange(len(pieces))
        if n % 2:
            pieces[n] = pieces[n] * rng.choice([0, 0, 2, 3]) if rng.random() < 0.8 else rng.choice(BAD_TEXT)
        else:
            pieces[n] = rng.choice([b"", b"", b"", long_text(rng), rng.choice(BAD_TEXT)])
            if rng.random() < 0.3:
                return b"".join(pieces[:n + rng.randint(0, 2)])
    return b"".join(pieces)


def keys(rng, path):
    """A segment with a key in brackets, whose quotes are right or wrong."""
    segments = path.split(b"/")
    n = rng.randrange(len(segments))
    key = rng.choice([b"", b"'", b"''", b"'" * 3, b"'x", b"x'", b"'x''", b"x", b"'x''y'", b"(", b"')('", b"'\xc3", b"'" + long_text(rng) + b"'"])
    segments[n] = segments[n].partition(b"(")[0] + b"(" + key + rng.choice([b")", b")", b")", b"", b"))"])
    return b"/".join(segments)


def pairs(rng, query):
    """Pairs that are doubled, empty, without a name or a value, or too many."""
    made = query.split(b"&")
    for _ in range(rng.choice([1, 1, 2, 3])):
        one = rng.choice([b"", b"", b"=", b"x", b"=x", b"x==", b"%24", b"$", b"$=", b"$select", b"$deltatoken", b"@p", b"@p=", rng.choice(made),
                          long_text(rng) + b"=1", b"$" + long_text(rng) + b"=1"])
        made.insert(rng.choice([0, len(made), rng.randint(0, len(made))]), one)
    return b"&".join(made * rng.choice([1, 1, 1, 1, 40]))


def text(rng, data):
    kind = rng.randrange(7)
    if kind < 3:
        return marks(rng, data)
    if kind == 3:
        return bytes_of(rng, data)
    if kind == 4:
        at = rng.randint(0, len(data))
        return data[:at] + long_text(rng) + data[at:]
    if kind == 5:
        return b"".join(b"%%%02X" % c if rng.random() < 0.3 else bytes([c]) for c in data)
    return data.swapcase()


ODD_VALUES = [None, True, 0, -1, 1e308, 2 ** 63, 10 ** 400, "", "\u0000", "\ud800", "\u00e9" * 63, [], {}, [[]], {"": ""}, "a" * 70000]


def json_value(rng, value, depth=0):
    """One place of a JSON value is changed."""
    if isinstance(value, dict) and value and rng.random() < 0.85:
        value = dict(value)
        name = rng.choice(list(value))
        kind = rng.randrange(5)
        if kind == 0:
            del value[name]
        elif kind == 1:
            value[rng.choice([name.upper(), name + " ", "@odata.type", "@odata.bind", "\u00e9" * 65, name * 40])] = value[name]
        else:
            value[name] = json_value(rng, value[name], depth + 1)
        return value
    if isinstance(value, list) and value and rng.random() < 0.85:
        value = list(value)
        n = rng.randrange(len(value))
        if rng.random() < 0.3:
            return value[:n] + [value[n]] * rng.choice([0, 2, 30]) + value[n:]
        value[n] = json_value(rng, value[n], depth + 1)
        return value
    if isinstance(value, str) and rng.random() < 0.6:
        return text(rng, value.encode("utf-8", "surrogatepass")).decode("utf-8", rng.choice(["replace", "surrogateescape"]))
    return rng.choice(ODD_VALUES)


def json_text(rng, value):
    try:
        said = json.dumps(value, ensure_ascii=rng.random() < 0.5)
    except ValueError:
        said = "[1]"
    said = said.encode("utf-8", "surrogatepass")
    kind = rng.randrange(8)
    if kind == 0:
        deep = rng.choice([30, 31, 32, 33, 64, 5000])
        return b'{"a":' * deep + said + b"}" * rng.choice([deep, deep - 1, 0])
    if kind == 1:
        return re.sub(rb'("\w+":)', lambda found: found.group(1) + b"1," + found.group(1), said, count=1)
    if kind == 2:
        return bytes_of(rng, said)
    if kind == 3:
        return rng.choice([b"\xef\xbb\xbf", b" " * 5000, b"\n"]) + said + rng.choice([b"", b" ", b"x", b"\x00", said])
    if kind == 4:
        return said[:rng.randint(0, len(said))]
    return said


def body(rng, data):
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return bytes_of(rng, data)
    for _ in range(rng.choice([1, 1, 2, 5])):
        value = json_value(rng, value)
    return json_text(rng, value)


def fields(rng, req):
    made = list(req.fields)
    n = rng.randrange(len(made)) if made else 0
    kind = rng.randrange(9)
    if kind == 0 and made:
        made.insert(rng.randint(0, len(made)), made[n])
    elif kind == 1 and made:
        made[n] = (made[n][0], text(rng, made[n][1]))
    elif kind == 2 and made:
        made[n] = (bytes_of(rng, made[n][0]), made[n][1])
    elif kind == 3:
        made += [(b"x-%d" % i, b"y") for i in range(rng.choice([40, 58, 60, 62, 64, 65, 70, 300]))]
    elif kind == 4:
        made.append((b"x-long", b"z" * rng.choice([4000, 8000, 15000, 16000, 16384, 17000, 70000])))
    elif kind == 5:
        made.append((rng.choice([b"Authorization", b"Host", b"Prefer", b"Accept", b"Content-Type", b"Range", b"Expect", b"If-Match",
                                 b"Accept-Encoding", b"Origin", b"Upgrade", b"Content-Length", b"Transfer-Encoding", b"Connection", b"Cookie",
                                 b"Trailer", b"TE", b"Max-Forwards", b"Forwarded", b"client-request-id", b"Content-Encoding"]),
                     rng.choice([*BAD_TEXT, long_text(rng), b"Bearer ", b"Basic Og==", b"chunked", b"close", b"100-continue", b"5"])))
    elif kind == 6 and made:
        del made[n]
    elif kind == 7 and made:
        made[n] = (made[n][0].swapcase(), b"\t " + made[n][1] + b" \t")
    else:
        rng.shuffle(made)
    req.fields = made


def bearer(rng, req):
    """A token that is nearly good: cut, turned round, with other parts."""
    for n, (name, value) in enumerate(req.fields):
        if name == b"Authorization" and b"." in value:
            parts = value.removeprefix(b"Bearer ").split(b".")
            kind = rng.randrange(5)
            if kind == 0:
                parts[rng.randrange(len(parts))] = rng.choice([b"", b"e30", b"eyJhbGciOiJub25lIn0", b"A" * 9000, b"====", b"\xc3\xa9"])
            elif kind == 1:
                rng.shuffle(parts)
            elif kind == 2:
                parts += [rng.choice(parts)]
            else:
                at = rng.randrange(len(parts))
                parts[at] = bytes_of(rng, parts[at], 1)
            req.fields[n] = (name, rng.choice([b"Bearer ", b"Bearer ", b"bearer ", b"Bearer", b"Bearer  "]) + b".".join(parts))


def request(rng, req):
    """One or more things are made wrong.  The path and the query stay what a request line may hold, most of the time."""
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        kind = rng.randrange(10)
        if kind < 3:
            path = keys(rng, req.path) if rng.random() < 0.3 else text(rng, req.path)
            req.path = visible(path) if rng.random() < 0.9 else path
        elif kind < 5:
            query = req.query or rng.choice([b"$select=name", b"$top=1", b"$", b"$deltatoken=x"])
            query = pairs(rng, query) if rng.random() < 0.4 else text(rng, query)
            req.query = visible(query) if rng.random() < 0.9 else query
        elif kind < 7:
            fields(rng, req)
        elif kind == 7:
            bearer(rng, req)
        elif kind == 8:
            req.body = body(rng, req.body) if req.body else rng.choice([b"", b"{}", b"x" * 100, None])
        else:
            req.method = rng.choice(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PRI", "get", "X" * 40])
    return req
