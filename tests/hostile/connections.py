"""Attacks on the connection: bytes, frames and headers that no call comes of."""

import asyncio
import contextlib
import random
import resource
import ssl
from collections import Counter
from collections.abc import Iterable

from tests.hostile import frames
from tests.hostile.attack import Attack, Place, Words
from tests.hostile.frames import frame
from tests.hostile.wire import connected

SEED = 7
SPARE_FILES = 500
"""What a process needs beside the connections that are counted."""
HELD = ("closed", "GOAWAY")
"""The connection is given up."""
HTTP_1 = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"


async def _each(place: Place, openings: Iterable[bytes]) -> Words:
    """Open a connection for each, all at once, and hear what the server says to it."""

    async def one(opening: bytes) -> str:
        async with connected(place.address, opening=opening) as wire:
            return await wire.told()

    return Counter(await asyncio.gather(*map(one, openings)))


async def _stream_of(place: Place, opening: bytes, piece: bytes, times: int) -> Words:
    """Send the same piece again and again, as long as it is taken, without reading anything."""
    async with connected(place.address, opening=opening) as wire:
        for _ in range(times):
            if not await wire.send(piece):
                break
        return Counter([await wire.told()])


async def _garbage(place: Place) -> Words:
    chance = random.Random(SEED)
    return await _each(place, [chance.randbytes(chance.randrange(1, 65_536)) for _ in range(20)])


async def _other_protocols(place: Place) -> Words:
    return await _each(place, [HTTP_1, b"\0" * 64, frames.PREFACE[:-2] + b"XX" * 40])


async def _random_frames(place: Place) -> Words:
    """Good frames in any order, so that connections live long enough to meet bad ones."""
    chance = random.Random(SEED)
    openings = []
    for _ in range(60):
        sent = [frames.hello()]
        for number in range(40):
            stream = chance.choice([1, 3, 2 * number + 1])
            good = [
                frames.start(stream, frames.call_headers()),
                frames.data(stream, frames.message(place.request), end=chance.random() < 0.5),
                frame(frames.SETTINGS, frames.ACK * chance.randrange(2), 0),
                frame(frames.PRIORITY, 0, stream, chance.randbytes(5)),
                frame(frames.PING, chance.randrange(2), 0, chance.randbytes(8)),
                frame(frames.RST_STREAM, 0, stream, chance.randbytes(4)),
                frames.window_update(chance.choice([0, stream]), chance.randrange(1, 2**24)),
                frame(chance.randrange(10, 256), chance.randrange(256), stream, b"unknown"),
            ]
            sent.append(chance.choice(good))
        kind, flags = chance.randrange(12), chance.randrange(256)
        payload = chance.randbytes(chance.choice([0, 1, 4, 5, 8, 100, 5000]))
        sent.append(frame(kind, flags, chance.choice([0, 1, 2, 3, 9]), payload))
        openings.append(b"".join(sent))
    return await _each(place, openings)


async def _misplaced(place: Place) -> Words:
    """Each frame is well-formed, and against a rule."""
    headers = frames.block(frames.call_headers())
    wrong = [
        frame(frames.DATA, 0, 0, b"x"),
        frame(frames.HEADERS, frames.END_HEADERS, 0, headers),
        frame(frames.CONTINUATION, frames.END_HEADERS, 1, headers),
        frame(frames.PUSH_PROMISE, frames.END_HEADERS, 1, b"\0\0\0\2" + headers),
        frame(frames.SETTINGS, 0, 1),
        frame(frames.SETTINGS, 0, 0, b"12345"),
        frame(frames.SETTINGS, 0, 0, frames.setting(4, 2**32 - 1)),
        frame(frames.SETTINGS, 0, 0, frames.setting(5, 1)),
        frame(frames.PING, 0, 0, b"1234"),
        frame(frames.RST_STREAM, 0, 0, b"\0\0\0\0"),
        frames.window_update(0, 0),
        frame(frames.HEADERS, frames.END_HEADERS, 1, b"\xff\xff\xff\xff\xff\xff\xff\xff\x7f"),
        frame(frames.HEADERS, 0, 1, headers) + frame(frames.PING, 0, 0, b"12345678"),
    ]
    return await _each(place, [frames.hello() + one for one in wrong])


async def _oversized(place: Place) -> Words:
    head = b"\xff\xff\xff" + bytes((frames.DATA, 0)) + b"\0\0\0\1"
    opening = frames.hello() + frames.start(1, frames.call_headers()) + head
    return await _stream_of(place, opening, bytes(65_536), 256)


async def _continuations(place: Place) -> Words:
    opening = frames.hello() + frame(frames.HEADERS, 0, 1, frames.block(frames.call_headers()))
    piece = frame(frames.CONTINUATION, 0, 1, frames.block([("x-more", "x" * 1000)]))
    return await _stream_of(place, opening, piece * 16, 2000)


async def _resets(place: Place) -> Words:
    """CVE-2023-44487: calls that are taken back as soon as they are made."""
    headers = frames.call_headers()
    cancel = b"\0\0\0\x08"
    async with connected(place.address, opening=frames.hello()) as wire:
        for first in range(1, 20_000, 200):
            made = b"".join(
                frames.start(stream, headers) + frame(frames.RST_STREAM, 0, stream, cancel)
                for stream in range(first, first + 200, 2)
            )
            if not await wire.send(made):
                break
        return Counter([await wire.told(within=2)])


async def _settings(place: Place) -> Words:
    piece = frame(frames.SETTINGS, 0, 0, frames.setting(4, 65_535)) * 100
    return await _stream_of(place, frames.hello(), piece, 500)


async def _pings(place: Place) -> Words:
    return await _stream_of(place, frames.hello(), frame(frames.PING, 0, 0, b"12345678") * 100, 500)


async def _windows(place: Place) -> Words:
    return await _each(
        place,
        [
            frames.hello() + frames.window_update(0, frames.LARGEST_WINDOW) * 3,
            frames.hello()
            + frames.start(1, frames.call_headers())
            + frames.window_update(1, frames.LARGEST_WINDOW) * 3,
        ],
    )


async def _table(place: Place) -> Words:
    """A few kilobytes of references that stand for sixty megabytes of headers."""
    entry = frames.indexed(("x-bomb", "x" * 3900))
    opening = (
        frames.PREFACE
        + frame(frames.SETTINGS, 0, 0)
        + frame(frames.HEADERS, frames.END_HEADERS, 1, frames.block(frames.call_headers()) + entry)
    )
    again = frame(
        frames.HEADERS,
        frames.END_HEADERS,
        3,
        frames.block(frames.call_headers()) + frames.repeated(62, 16_000),
    )
    return await _each(place, [opening + again])


async def _tls(place: Place) -> Words:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    shaking = context.wrap_bio(incoming, outgoing)
    with contextlib.suppress(ssl.SSLWantReadError):
        shaking.do_handshake()
    return await _each(place, [outgoing.read()])


async def _plaintext(place: Place) -> Words:
    openings = [frames.hello(), HTTP_1, b"\x16\x03\x01\xff\xff" + b"\x01" * 600]
    return await _each(place, openings)


async def _idle(place: Place, count: int) -> Words:
    """Connections that say who they are, and nothing else, all at the same time."""
    host, _, port = place.address.rpartition(":")
    writers: list[asyncio.StreamWriter] = []
    said: Words = Counter()
    try:
        for _ in range(count):
            try:
                async with asyncio.timeout(10):
                    _, writer = await asyncio.open_connection(host, int(port))
            except OSError as error:
                said[f"refused: {error.strerror}"] += 1
                break
            writer.write(frames.hello())
            writers.append(writer)
            said["open"] += 1
        # Long enough for the well-behaved to notice.
        await asyncio.sleep(3)
    finally:
        for writer in writers:
            writer.transport.abort()
    return said


async def _many(place: Place) -> Words:
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return await _idle(place, min(10_000, most - SPARE_FILES))


ATTACKS = (
    Attack("garbage", "20 connections that open with random bytes", _garbage, HELD),
    Attack("other protocols", "HTTP/1.1, zeros, a preface that ends wrong", _other_protocols, HELD),
    Attack(
        "random frames",
        "60 connections with 40 frames in any order, then one of random kind, flags and bytes",
        _random_frames,
        (*HELD, "RST_STREAM", "status", "silence"),
    ),
    Attack(
        "misplaced frames",
        "13 frames that are well-formed and against a rule",
        _misplaced,
        (*HELD, "RST_STREAM", "status", "silence"),
    ),
    Attack("oversized frame", "a frame of 16 MiB where 16 KiB are agreed", _oversized, HELD),
    Attack(
        "endless headers",
        "32 MB of CONTINUATION without an end",
        _continuations,
        (*HELD, "RST_STREAM", "status"),
        heavy=True,
    ),
    Attack(
        "rapid reset",
        "10,000 calls, each taken back at once",
        _resets,
        (*HELD, "silence", "RST_STREAM", "status"),
        heavy=True,
    ),
    Attack(
        "flood of settings",
        "50,000 SETTINGS, answers unread",
        _settings,
        (*HELD, "silence"),
        heavy=True,
    ),
    Attack("flood of pings", "50,000 PINGs, answers unread", _pings, HELD, heavy=True),
    Attack(
        "overflowing windows",
        "windows of more than 2^31 bytes",
        _windows,
        (*HELD, "RST_STREAM", "silence"),
    ),
    Attack(
        "header bomb",
        "16,000 references to one entry of the table",
        _table,
        (*HELD, "RST_STREAM", "status"),
    ),
    Attack("TLS on plaintext", "a TLS handshake where none is expected", _tls, HELD),
    Attack(
        "plaintext on TLS",
        "HTTP/2, HTTP/1.1 and half a handshake where TLS is expected",
        _plaintext,
        (*HELD, "silence"),
        tls=True,
    ),
    Attack(
        "10,000 connections",
        "as many as the machine lets, all open for three seconds",
        _many,
        ("open",),
        heavy=True,
        memory=1024 * 1024 * 1024,
    ),
)
