# SPDX-License-Identifier: Apache-2.0
"""The reader of JSON against another one: Python's, made as strict as ours says it is, over documents made at random.

Each document is a member of a calendar in a line of an import.  What the export gives back says which documents were
taken, and what they mean.
"""
import json
import math
import os
import random

from conftest import guid, to_lines, user

ANN = guid(1)
DOCUMENTS = 3000
DEPTH_MAX = 32
TEXTS = ["", "a", "é", "\u20ac", "📅", '"', "\\", "/", "\x7f", "\ufeff", "\u2028", "id", "\b\f\r\t"]
ESCAPES = [b"\\u0061", b"\\u00e9", b"\\ud83d\\udcc5", b"\\/", b"\\u0000", b"\\ud83d", b"\\udcc5\\ud83d", b"\\uFFFF", b"\\x"]
NUMBERS = ["0", "-0", "1", "-1.50", "1e5", "1E+5", "2e-3", "9223372036854775807", "-9223372036854775808", "9223372036854775808",
           "1.7976931348623157e308", "1.8e308", "1e400", "1e-400", "0.0000000001", "12345678901234567890.0", "-0.0"]
PIECES = [b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b" ", b"\t", b"\r", b"0", b"-", b".", b"e", b"1", b"\x00", b"\x0b",
          b"\xff", b"\xc3", b"\xc3\xa9", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"null", b"true", b"NaN", b"//", b"'"] + ESCAPES


class Refused(ValueError):
    pass


def some_text(rng):
    return "".join(rng.choices(TEXTS, k=rng.randrange(4)))


def spell(rng, text):
    """One of the ways to write it."""
    raw = json.dumps(text, ensure_ascii=rng.random() < 0.5).encode()
    if rng.random() < 0.2:
        raw = b'"%s"' % b"".join(b"\\u%02X%02x" % pair for pair in zip(*[iter(text.encode("utf-16-be"))] * 2))
    if rng.random() < 0.1:
        raw = raw[:-1] + rng.choice(ESCAPES) + b'"'
    return raw


def value(rng, depth):
    kind = rng.randrange(8) if depth > 0 else rng.randrange(4)
    blank = rng.choice([b"", b"", b" ", b"\t "])
    if kind == 0:
        return rng.choice([b"null", b"true", b"false"])
    if kind == 1:
        return rng.choice(NUMBERS).encode()
    if kind < 4:
        return spell(rng, some_text(rng))
    parts = [value(rng, depth - 1) for _ in range(rng.randrange(4))]
    if kind < 6:
        return b"[" + blank + (b"," + blank).join(parts) + blank + b"]"
    names = [some_text(rng) for _ in parts]
    if names and rng.random() < 0.1:
        names[-1] = names[0]
    return b"{" + blank + (blank + b",").join(spell(rng, name) + blank + b":" + part for name, part in zip(names, parts)) + b"}"


def document(rng):
    made = value(rng, rng.randrange(5))
    if rng.random() < 0.02:
        deep = rng.randrange(28, 33)
        made = b"[" * deep + made + b"]" * deep
    for _ in range(rng.choice([0, 0, 1, 1, 2])):
        at = rng.randrange(len(made) + 1)
        made = made[:at] + rng.choice(PIECES) + made[at + rng.randrange(2):]
    return made.replace(b"\n", b"")


def once(pairs):
    if len({name for name, _ in pairs}) != len(pairs):
        raise Refused("a name twice")
    return dict(pairs)


def validate(found, depth=0):
    """Refuses what Python's reader takes and ours says it does not."""
    if isinstance(found, str) and any(c == "\0" or "\ud800" <= c <= "\udfff" for c in found):
        raise Refused("a text")
    if isinstance(found, int) and not -2**63 <= found < 2**63 or isinstance(found, float) and not math.isfinite(found):
        raise Refused("a number")
    if isinstance(found, (dict, list)):
        if depth == DEPTH_MAX:
            raise Refused("too deep")
        for inner in [*found, *found.values()] if isinstance(found, dict) else found:
            validate(inner, depth + 1)


def constant(word):
    raise Refused(word)


def read_strictly(line):
    found = json.loads(line.decode(), object_pairs_hook=once, parse_constant=constant)
    validate(found)
    return found


def test_what_is_json_and_what_it_means_is_what_another_strict_reader_says(tm, store, home):
    seed = int(os.environ.get("TIDEMARK_SEED", random.SystemRandom().randrange(2**32)))
    rng = random.Random(seed)
    meant, lines, odd = {}, [], 0
    for number in range(DOCUMENTS):
        id = f"AAMk{number}"
        line = b'{"op":"put","feed":"users/%s/calendars","value":{"id":"%s","name":"C%d","extra":%s}}' % (
            ANN.encode(), id.encode(), number, document(rng))
        try:
            found = read_strictly(line)
        except (Refused, ValueError, UnicodeDecodeError):
            lines.append(line)
            continue
        # A document that closes its object early says something else; what becomes of that is not the reader's.
        if set(found) != {"op", "feed", "value"} or set(found["value"]) != {"id", "name", "extra"}:
            odd += 1
            continue
        lines.append(line)
        meant[id] = found["value"]["extra"]
    assert len(meant) > DOCUMENTS / 4 and len(lines) - len(meant) > DOCUMENTS / 4 and odd < DOCUMENTS / 20
    path = home / "in.jsonl"
    path.write_bytes(to_lines([user("ann@contoso.com", id=ANN)]).encode() + b"\n".join(lines) + b"\n")
    reported = json.loads(tm("import", "--skip-bad", "--json", path, store=store, code=8).stdout)
    taken = {}
    for line in tm("export", store=store).stdout.strip("\n").split("\n"):
        op = json.loads(line)
        if op["op"] == "put":
            taken[op["value"]["id"]] = op["value"]["extra"]
    for id in sorted(meant.keys() ^ taken.keys()):
        line = next(line for line in lines if b'"%s"' % id.encode() in line)
        raise AssertionError(f"seed {seed}: {'refused' if id in meant else 'taken'}: {line}")
    for id, wanted in meant.items():
        assert json.dumps(taken[id]) == json.dumps(wanted), f"seed {seed}: {id}"
    assert reported["bad"] == len(lines) - len(meant)
