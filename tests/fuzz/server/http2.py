# SPDX-License-Identifier: Apache-2.0
"""HTTP/2: requests as frames, right and wrong, and the answers read back.  Frames are plain bytes: the wrong ones, too."""
import hpack
import http1
import mutate

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = range(10)
END_STREAM, END_HEADERS, PADDED, PRIORITISED, ACK = 1, 4, 8, 32, 1
NOT_IN_2 = {b"host", b"connection", b"transfer-encoding", b"upgrade", b"keep-alive"}
FRAME_MAX = 16384


def frame(kind, flags=0, stream=0, payload=b"", length=None):
    size = len(payload) if length is None else length
    return size.to_bytes(3, "big") + bytes([kind, flags & 255]) + (stream & 0xffffffff).to_bytes(4, "big") + payload


def number(value):
    return (value & 0xffffffff).to_bytes(4, "big")


def settings(*pairs):
    return frame(SETTINGS, 0, 0, b"".join(name.to_bytes(2, "big") + number(value) for name, value in pairs))


def fields_of(req, authority):
    fields = [(b":method", req.method.encode()), (b":scheme", b"https"), (b":authority", authority), (b":path", req.target)]
    return fields + [(name.lower(), value) for name, value in req.fields if name.lower() not in NOT_IN_2]


def wrong_fields(rng, fields):
    fields = list(fields)
    n = rng.randrange(len(fields))
    kind = rng.randrange(6)
    if kind == 0:
        fields.append(rng.choice([(b"Upper", b"x"), (b"connection", b"close"), (b"te", b"gzip"), (b"transfer-encoding", b"chunked"), (b"", b"x"),
                                  (b":status", b"200"), (b":protocol", b"websocket"), (b"x\n", b"y"), (b"x", b"a\r\nb: c"), (b"x", b"\x00"),
                                  (b"host", b"other"), (b"content-length", b"5"), (b"content-length", b"-1"), (b"x", b" y "), (b"cookie", b"a=b")]))
    elif kind == 1:
        del fields[n]
    elif kind == 2:
        fields.append(fields[n])
    elif kind == 3:
        rng.shuffle(fields)
    elif kind == 4:
        fields[n] = (fields[n][0], mutate.text(rng, fields[n][1]))
    else:
        fields += [(b"x-%d" % i, b"y" * rng.choice([1, 1, 500])) for i in range(rng.choice([30, 60, 64, 65, 200]))]
    return fields


def header_frames(rng, stream, block, flags, wild):
    """HEADERS, cut into CONTINUATION where it is long or by chance; padding and a priority by chance."""
    cuts = [FRAME_MAX] * (len(block) // FRAME_MAX + 1)
    if wild and rng.random() < 0.3:
        cuts = [rng.randint(0, max(1, len(block) // 2)) for _ in range(rng.randint(1, 12))]
    pieces, at = [], 0
    for cut in cuts:
        pieces.append(block[at:at + cut])
        at += cut
    pieces[-1] += block[at:]
    if wild and rng.random() < 0.2:
        pad = rng.choice([0, 1, 100, 255])
        flags, pieces[0] = flags | PADDED, bytes([pad]) + pieces[0] + b"\0" * rng.choice([pad, pad, 0])
    elif wild and rng.random() < 0.1:
        flags, pieces[0] = flags | PRIORITISED, number(rng.choice([0, stream, 1 << 31 | 1])) + b"\x10" + pieces[0]
    made = []
    for n, piece in enumerate(pieces):
        last = END_HEADERS if n == len(pieces) - 1 else 0
        made.append(frame(CONTINUATION if n else HEADERS, last | (0 if n else flags), stream, piece))
    return made


def data_frames(rng, stream, body, trailers, wild):
    made, at = [], 0
    while True:
        size = rng.choice([0, 1, 100, 5000, FRAME_MAX]) if wild else FRAME_MAX
        piece = body[at:at + size]
        at += len(piece)
        last = at >= len(body)
        flags = END_STREAM if last and not trailers else 0
        if wild and rng.random() < 0.1:
            pad = rng.choice([0, 10, 255])
            made.append(frame(DATA, flags | PADDED, stream, bytes([pad]) + piece + b"\0" * rng.choice([pad, pad, 0])))
        else:
            made.append(frame(DATA, flags, stream, piece))
        if last or len(made) > 200:
            return made


def request_frames(rng, req, stream, authority, encoder, wild):
    fields = fields_of(req, authority)
    trailers = wild and req.body and rng.random() < 0.1
    if wild and rng.random() < 0.25:
        fields = wrong_fields(rng, fields)
    if req.body is not None and rng.random() < 0.5:
        fields.append((b"content-length", b"%d" % (len(req.body) + (rng.choice([-1, 1, 100]) if wild and rng.random() < 0.2 else 0))))
    packed = rng.random() < 0.3 and sum(len(value) for _, value in fields) < 1500         # hpack packs slowly
    block = encoder.encode(fields, huffman=packed)
    made = header_frames(rng, stream, block, END_STREAM if req.body is None else 0, wild)
    if req.body is not None:
        made += data_frames(rng, stream, req.body, trailers, wild)
    if trailers:
        said = rng.choice([[(b"x", b"y")], [(b":path", b"/")], [(b"content-length", b"1")]])
        made += header_frames(rng, stream, encoder.encode(said), rng.choice([END_STREAM, 0]), wild)
    return made


def odd_frame(rng, streams):
    """A frame that is right by itself and comes at any moment, or that is never right."""
    stream = rng.choice([0, 1, 2, 3, 99, 2 ** 31 - 1, 2 ** 32 - 1, rng.choice(streams), rng.choice(streams)])
    return rng.choice([
        frame(RST, 0, stream, number(rng.choice([0, 7, 8, 11, 2 ** 32 - 1]))),
        frame(WINDOW, 0, rng.choice([0, stream]), number(rng.choice([0, 1, 65535, 2 ** 31 - 1, 2 ** 31]))),
        frame(PRIORITY, 0, stream, number(stream) + b"\x01"),
        frame(PING, rng.choice([0, ACK]), rng.choice([0, 0, stream]), rng.choice([b"12345678", b"", b"1" * 9])),
        settings((rng.choice([1, 2, 3, 4, 4, 5, 6, 8, 99]), rng.choice([0, 1, 100, 16383, 16384, 65535, 2 ** 24, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1]))),
        frame(SETTINGS, ACK, 0, rng.choice([b"", b"123456"])),
        frame(SETTINGS, 0, rng.choice([0, 1]), b"12345"),
        frame(GOAWAY, 0, 0, number(rng.choice([0, 1, 2 ** 31 - 1])) + number(rng.choice([0, 1, 11])) + rng.randbytes(rng.choice([0, 100]))),
        frame(PUSH, END_HEADERS, stream, number(2)),
        frame(CONTINUATION, rng.choice([0, END_HEADERS]), stream, b""),
        frame(DATA, rng.choice([0, END_STREAM, PADDED]), stream, rng.choice([b"", b"\xff", b"x" * 100])),
        frame(HEADERS, END_HEADERS | END_STREAM, stream, rng.choice([b"\x82\x84\x87", b"\xff" * 20, b"\x3f\xff\xff\xff\x7f", b"\x00", b"\x20", b""])),
        frame(rng.randrange(10, 256), rng.randrange(256), stream, rng.randbytes(rng.choice([0, 8, 50]))),
        frame(rng.randrange(10), rng.randrange(256), stream, rng.randbytes(rng.choice([0, 1, 4, 5, 8, 50]))),
        frame(rng.randrange(10), 0, stream, b"x" * 100, rng.choice([0, 99, 101, FRAME_MAX + 1, 2 ** 24 - 1])),
        b"".join(frame(PING, 0, 0, b"12345678") for _ in range(rng.choice([5, 100, 2000]))),
        b"".join(frame(CONTINUATION, 0, stream, b"") for _ in range(rng.choice([5, 100]))),
    ])


def wrong(rng, frames, streams):
    """Frames in another order, doubled, missing, with other flags, at other streams, and others in between."""
    frames = list(frames)
    for _ in range(rng.choice([1, 1, 2, 5])):
        n = rng.randrange(len(frames))
        kind = rng.randrange(8)
        if kind == 0:
            m = rng.randrange(len(frames))
            frames[n], frames[m] = frames[m], frames[n]
        elif kind == 1:
            frames.insert(n, frames[n])
        elif kind == 2 and len(frames) > 1:
            del frames[n]
        elif kind == 3:
            one = bytearray(frames[n])
            one[rng.randrange(min(9, len(one)))] ^= 1 << rng.randrange(8)
            frames[n] = bytes(one)
        elif kind == 4:
            frames[n] = mutate.bytes_of(rng, frames[n])
        else:
            frames.insert(rng.randint(0, len(frames)), odd_frame(rng, streams))
    return frames


def mixed(rng, groups):
    """Frames of several streams, in each stream's order; a block of HEADERS and CONTINUATION stays together."""
    made = []
    groups = [list(group) for group in groups]
    while groups:
        group = rng.choice(groups)
        made.append(group.pop(0))
        while group and group[0][3] == CONTINUATION:
            made.append(group.pop(0))
        groups = [group for group in groups if group]
    return made


def script(rng, requests, authority, wild):
    encoder = hpack.Encoder()
    if wild and rng.random() < 0.05:
        requests = requests[:1] * rng.choice([100, 101, 150])
    streams = list(range(1, 2 * len(requests), 2))
    groups, left = [], 60_000
    for stream, req in zip(streams, requests, strict=True):
        if not wild and req.body is not None:
            req.body = req.body[:left] if req.stream else req.body
            left -= len(req.body)
            if left < 0:
                streams = streams[:len(groups)]
                break
        groups.append(request_frames(rng, req, stream, authority, encoder, wild))
    window = rng.choice([0, 1, 100, 65535]) if wild and rng.random() < 0.3 else 2 ** 24
    begin = [PREFACE, settings((4, window), (2, 0)), frame(WINDOW, 0, 0, number(2 ** 24))]
    frames = mixed(rng, groups) if wild and rng.random() < 0.5 else [one for group in groups for one in group]
    if window < 2 ** 24:
        frames += [frame(WINDOW, 0, rng.choice(streams), number(rng.choice([1, 100, 2 ** 20]))) for _ in range(rng.randint(0, 20))]
    if wild and rng.random() < 0.75:
        frames = wrong(rng, frames, streams)
    if wild and rng.random() < 0.1:
        begin = wrong(rng, begin, [1])
    data = b"".join(begin + frames)
    if wild and rng.random() < 0.1:
        data = mutate.bytes_of(rng, data)
    made = {"protocol": 2, "steps": http1.pieces(rng, data, wild)}
    if not wild:
        made["streams"] = {stream: req.method for stream, req in zip(streams, requests, strict=False)}
    return made


# ---- answers --------------------------------------------------------------------------------------------------------------


def frames_of(data):
    at = 0
    while len(data) - at >= 9:
        end = at + 9 + int.from_bytes(data[at:at + 3], "big")
        if end > len(data):
            return
        yield data[at + 3], data[at + 4], int.from_bytes(data[at + 5:at + 9], "big"), data[at + 9:end]
        at = end


def is_over(script, data):
    """All streams have their end, or the server has said goodbye."""
    ended = set()
    for kind, flags, stream, _ in frames_of(data):
        if kind == RST or (kind in (DATA, HEADERS) and flags & END_STREAM):
            ended.add(stream)
        elif kind == GOAWAY:
            return True
    return "streams" in script and ended >= set(script["streams"])


def faults(script, data):
    decoder, replies = hpack.Decoder(), {}
    decoder.max_header_list_size = 1 << 20
    for kind, flags, stream, payload in frames_of(data):
        if kind == HEADERS:
            if not flags & END_HEADERS:
                return []                # longer than a frame: nothing of ours is
            found = {bytes(name): bytes(value) for name, value in decoder.decode(payload, raw=True)}
            replies[stream] = [int(found.get(b":status", b"0")), found, b"", bool(flags & END_STREAM)]
        elif kind == DATA and stream in replies:
            replies[stream][2] += payload
            replies[stream][3] |= bool(flags & END_STREAM)
    reported = []
    for stream, (status, fields, body, ended) in replies.items():
        head = script.get("streams", {}).get(stream) == "HEAD"
        fault = http1.fault_of(status, fields, body if ended and not head else b"") if status >= 200 else None
        if fault:
            reported.append(fault)
    return reported
