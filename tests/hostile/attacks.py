"""What is done to the port, by name. An attack ends by itself and asserts nothing but its answers.

Numbers are such that each takes a second or a few; what is judged meanwhile is in `scene`.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import zlib
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass

from tests.hostile import frames
from tests.hostile.bystander import FLOOD
from tests.hostile.frames import Header, frame, request_headers
from tests.hostile.wire import GONE, Wire, wire_to
from tests.support.client import request

GENERATE = "/sluice.v1.GatewayService/Generate"
CHECK = "/grpc.health.v1.Health/Check"
REFLECT = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
HEAD = frames.block(request_headers(GENERATE))
MIB = 1 << 20


@dataclass(frozen=True)
class Attack:
    """One of them."""

    sent: str
    """What it sends, for the table."""
    run: Callable[[str], Awaitable[object]]
    """Does it to the server at an address."""


def attacks_of(*groups: str) -> Iterator[tuple[str, Attack]]:
    """Yield the attacks of these groups by name."""
    for group in groups:
        yield from GROUPS[group].items()


# --- Frames -----------------------------------------------------------------------------


async def _each(count: int, target: str, make: Callable[[int], tuple[bytes, bytes]]) -> int:
    """Open connections with an opening and what follows it; returns how many the server closed."""

    async def one(number: int) -> bool:
        opening, rest = make(number)
        async with wire_to(target, opening=opening) as wire:
            await wire.send(rest)
            return await wire.until_closed(patience=0.5)

    closed = 0
    for some in _batches(range(count), 50):
        closed += sum(await asyncio.gather(*map(one, some)))
    return closed


def _batches(numbers: Iterable[int], size: int) -> Iterator[tuple[int, ...]]:
    found = tuple(numbers)
    return (found[start : start + size] for start in range(0, len(found), size))


async def _flood(target: str, piece: bytes, megabytes: float, *, first: bytes = b"") -> Wire:
    """Send one thing again and again on one connection, until it closes or it is enough."""
    many = piece * max(1, 65_536 // len(piece))
    async with wire_to(target) as wire:
        await wire.send(first)
        for _ in range(int(megabytes * MIB) // len(many) + 1):
            if not await wire.send(many):
                break
        await wire.until_closed(patience=0.2)
        return wire


async def garbage(target: str) -> None:
    """No HTTP/2 at all."""
    chance = random.Random(1)
    openings = [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01" + chance.randbytes(500), b"PRI * HTTP"]
    await _each(300, target, lambda number: (chance.choice(openings), chance.randbytes(number)))


async def random_frames(target: str) -> None:
    """Frames of all kinds with random flags, streams and payloads."""
    chance = random.Random(2)

    def one(_: int) -> bytes:
        payload = chance.randbytes(chance.choice((0, 1, 4, 5, 8, 40)))
        kind, flags = chance.choice((*range(10), 42)), chance.randrange(256)
        return frame(kind, payload, flags=flags, stream=chance.choice((0, 1, 2, 3, 2**31)))

    await _each(200, target, lambda _: (frames.OPENING, b"".join(map(one, range(50)))))


async def oversized_frames(target: str) -> None:
    """Frames that tell 16 MiB, of each kind."""
    await _each(
        100,
        target,
        lambda number: (
            frames.OPENING,
            frames.lying_frame(number % 10, 2**24 - 1, bytes(100_000), stream=number % 10 % 2),
        ),
    )


async def continuation_flood(target: str) -> None:
    """A header block that never ends (CVE-2024-27316)."""
    piece = frames.block([("x-filler", "v" * 100)] * 100)
    more = frame(frames.CONTINUATION, piece, stream=1)
    await _flood(target, more, 50, first=frame(frames.HEADERS, HEAD, stream=1))


async def rapid_reset(target: str) -> None:
    """Calls that are begun and reset at once (CVE-2023-44487)."""

    async def one(_: int) -> None:
        async with wire_to(target) as wire:
            for some in _batches(range(5_000), 100):
                calls = [
                    frame(frames.HEADERS, HEAD, flags=frames.END_HEADERS, stream=2 * number + 1)
                    + frames.reset(2 * number + 1)
                    for number in some
                ]
                if not await wire.send(b"".join(calls)):
                    break

    await asyncio.gather(*map(one, range(4)))


async def settings_flood(target: str) -> None:
    """Settings that change back and forth."""
    await _flood(target, frames.settings((4, 1)) + frames.settings((4, 2**31 - 1)), 3)


async def ping_flood(target: str) -> None:
    """Pings that all want an answer."""
    await _flood(target, frame(frames.PING, bytes(8)), 3)


async def reset_flood(target: str) -> None:
    """Resets of streams that never were."""
    await _flood(target, b"".join(frames.reset(n) for n in range(1, 2001, 2)), 3)


async def window_games(target: str) -> None:
    """Windows that grow by nothing, or beyond their end."""
    games = [frames.window(0), frames.window(2**31 - 1) * 3, frames.window(0, stream=1)]
    start = frame(frames.HEADERS, HEAD, flags=frames.END_HEADERS, stream=1)
    await _each(60, target, lambda n: (frames.OPENING + start, games[n % 3] * 50))


async def priority_loops(target: str) -> None:
    """Streams that depend on themselves and on each other."""
    loop = b"".join(
        frame(frames.PRIORITY, on.to_bytes(4, "big") + b"\xff", stream=stream)
        for stream, on in ((1, 1), (1, 3), (3, 5), (5, 1))
    )
    await _flood(target, loop, 3)


async def empty_data(target: str) -> None:
    """Frames without data on an open call."""
    start = frame(frames.HEADERS, HEAD, flags=frames.END_HEADERS, stream=1)
    await _flood(target, frame(frames.DATA, stream=1), 3, first=start)


async def unknown_frames(target: str) -> None:
    """Frames of kinds that nobody knows, which are to be ignored."""
    await _flood(target, frame(200, bytes(1000)), 20)


async def header_bomb(target: str) -> None:
    """One header of four kilobytes, remembered and then named a thousand times in each call.

    gRPC's bound on metadata does not count what is only named again.
    """
    remembered = frames.block([("x-bomb", "b" * 3_900)], indexed=True)
    first = frame(frames.HEADERS, HEAD + remembered, flags=frames.END_HEADERS, stream=1)

    async def one(_: int) -> None:
        async with wire_to(target) as wire:
            await wire.send(first)
            for stream in range(3, 43, 2):
                named = frame(
                    frames.HEADERS, HEAD + b"\xbe" * 1000, flags=frames.END_HEADERS, stream=stream
                )
                if not await wire.send(named):
                    break
            await wire.until_ended(20, patience=5)

    await asyncio.gather(*map(one, range(5)))


async def named_flood(target: str) -> None:
    """A header block without end that only names what everybody knows, a byte each."""
    more = frame(frames.CONTINUATION, b"\x90" * frames.FRAME_BYTES, stream=1)
    for _ in range(5):
        await _flood(target, more, 8, first=frame(frames.HEADERS, HEAD, stream=1))


async def bad_header_blocks(target: str) -> None:
    """Blocks with endless integers, indexes of nothing, and tables too large."""
    blocks = [
        b"\xff" * 2000,
        b"\x7f" + b"\xff" * 20,
        b"\x3f" + b"\xff" * 9,
        b"\xfe",
        b"\x00\x7f\xff",
    ]
    await _each(
        100,
        target,
        lambda n: (
            frames.OPENING,
            frame(frames.HEADERS, blocks[n % len(blocks)], flags=frames.END_HEADERS, stream=1),
        ),
    )


async def half_closed(target: str) -> None:
    """Connections that send FIN in the middle of a frame, and stay."""
    async with contextlib.AsyncExitStack() as stack:
        wires = [await stack.enter_async_context(wire_to(target)) for _ in range(200)]
        for number, wire in enumerate(wires):
            await wire.send(frame(frames.HEADERS, HEAD, flags=4, stream=1)[: 9 + number])
            wire.half_close()
        await wires[-1].until_closed(patience=1)


# --- Calls ------------------------------------------------------------------------------


async def _calls(target: str, calls: Iterable[tuple[list[Header], bytes]]) -> int:
    """Make calls, on a new connection whenever one is closed; returns how many got an end."""
    ended, left = 0, list(calls)
    while left:
        before = len(left)
        async with wire_to(target) as wire:
            for number in range(100):
                if wire.closed or not left:
                    break
                headers, body = left.pop()
                stream = 2 * number + 1
                await wire.call(stream, headers)
                await wire.body(stream, body)
            ended += await wire.until_ended(before - len(left), patience=3)
    return ended


GOOD = frames.message(request().SerializeToString())


async def strange_heads(target: str) -> None:
    """Content types, paths, deadlines and metadata that no library sends."""
    deadlines = ("", "S", "-1S", "9" * 9 + "S", "1x")
    heads: list[list[Header]] = [
        request_headers(GENERATE, content_type="text/html"),
        request_headers(GENERATE, without=["content-type"]),
        request_headers(GENERATE, without=["te"]),
        request_headers(GENERATE, without=[":authority"]),
        request_headers("/../../etc/passwd"),
        request_headers("/sluice.v1.GatewayService/" + "x" * 5000),
        request_headers("/\x00"),
        *(request_headers(GENERATE, grpc_timeout=it) for it in deadlines),
        request_headers(GENERATE, ("x-bad-bin", "not base64!!")),
        request_headers(GENERATE, ("x-text", b"\xff\xfe\x00")),
        request_headers(GENERATE, ("authorization", "Bearer " + "x" * 8000)),
        request_headers(GENERATE, ("sluice-priority", "\u202e")),
        request_headers(GENERATE, ("grpc-previous-rpc-attempts", "9" * 6000)),
        request_headers(GENERATE, ("traceparent", "00-" + "f" * 4000)),
        request_headers(GENERATE, ("X-Upper", "v")),
    ]
    await _calls(target, [(head, GOOD) for head in heads for _ in range(20)])


async def large_metadata(target: str) -> None:
    """Metadata of 16 KiB and of 1 MiB."""
    for total, calls in ((16 * 1024, 200), (MIB, 20)):
        headers = request_headers(GENERATE, *((f"x-{n}", "v" * 1000) for n in range(total // 1000)))
        head = frames.head_frames(1, headers)
        await _each(calls, target, lambda _, head=head: (frames.OPENING, head))  # type: ignore[misc]


async def broken_messages(target: str) -> None:
    """Prefixes that lie, flags without a coding, and bytes that are no message."""
    chance = random.Random(3)
    encoded = request_headers(GENERATE, ("grpc-encoding", "snappy"))
    bodies = [
        b"",
        b"\0",
        frames.message(b"x", length=2**32 - 1),
        frames.message(b"x", length=0),
        frames.message(b"x", length=100),
        frames.message(b"x", compressed=1),
        frames.message(b"x", compressed=7),
        frames.message(b"\xff" * 1000),
        frames.message(bytes.fromhex("0b") * 20_000),
        GOOD * 50,
        *(frames.message(chance.randbytes(200)) for _ in range(20)),
    ]
    for path in (GENERATE, CHECK, REFLECT, "/sluice.v1.GatewayService/GetMetrics"):
        await _calls(target, [(request_headers(path), it) for it in bodies for _ in range(5)])
    await _calls(target, [(encoded, frames.message(b"x", compressed=1))] * 20)


async def bombs(target: str) -> None:
    """Four hundred messages of 32 kB gzip that are 32 MiB each, for every service."""
    packer = zlib.compressobj(9, wbits=31)
    packed = frames.message(packer.compress(bytes(32 * MIB)) + packer.flush(), compressed=1)
    for path in (GENERATE, CHECK):
        head = request_headers(path, ("grpc-encoding", "gzip"))
        assert await _calls(target, [(head, packed)] * 200) == 200


# --- Slowness ---------------------------------------------------------------------------


async def slow_heads(target: str) -> None:
    """Two hundred connections that send their first bytes one at a time."""
    first = frames.OPENING + frame(frames.HEADERS, HEAD, flags=frames.END_HEADERS, stream=1)

    async def one(_: int) -> None:
        async with wire_to(target, opening=b"") as wire:
            for place in range(40):
                await wire.send(first[place : place + 1])
                await asyncio.sleep(0.05)

    await asyncio.gather(*map(one, range(200)))


async def slow_messages(target: str) -> None:
    """Two hundred messages of 8 MiB that lack their last byte."""

    async def one(group: int) -> int:
        async with wire_to(target) as wire:
            streams = range(1, 41, 2)
            for stream in streams:
                await wire.call(stream, request_headers(GENERATE))
            part = frames.message(bytes(8 * MIB - 1), length=8 * MIB)
            await asyncio.gather(*(wire.body(it, part, end=False, patience=1) for it in streams))
            return await wire.until_ended(len(streams), patience=8)

    ended = await asyncio.gather(*map(one, range(10)))
    assert sum(ended) == 200, (
        f"of 200 messages that never end, {200 - sum(ended)} are still awaited"
    )


async def half_open(target: str) -> None:
    """Five thousand calls whose message does not come."""

    async def one(_: int) -> int:
        async with wire_to(target) as wire:
            for stream in range(1, 2000, 2):
                await wire.call(stream, request_headers(GENERATE))
            return await wire.until_ended(1000, patience=8)

    ended = await asyncio.gather(*map(one, range(5)))
    assert sum(ended) == 5_000, f"{5_000 - sum(ended)} calls without a message are still open"


async def messageless(target: str) -> None:
    """A thousand calls that end without a message: each gets its status."""
    async with wire_to(target) as wire:
        for stream in range(1, 2000, 2):
            await wire.call(stream, request_headers(GENERATE), end=True)
        assert await wire.until_ended(1000) == 1000


async def slow_readers(target: str) -> None:
    """A hundred callers of an endless answer who read nothing of it."""
    asked = frames.message(request(FLOOD).SerializeToString())
    opening = frames.PREFACE + frames.settings((4, 0))

    async def one(_: int) -> None:
        async with wire_to(target, opening=opening) as wire:
            await wire.call(1, request_headers(GENERATE))
            await wire.send(*frames.data_frames(1, asked))
            await wire.until_ended(1, patience=3)

    await asyncio.gather(*map(one, range(100)))


# --- Connections ------------------------------------------------------------------------

CONNECTIONS = 10_000


async def connections(target: str) -> None:
    """Ten thousand connections, each with an answered health check, all open together."""
    check = frame(frames.HEADERS, frames.block(request_headers(CHECK)), flags=4, stream=1)
    check += frames.data_frames(1, frames.message())[0]
    host, _, port = target.rpartition(":")
    writers: list[asyncio.StreamWriter] = []

    async def one(_: int) -> bool:
        try:
            reader, writer = await asyncio.open_connection(host, int(port), limit=4096)
            writers.append(writer)
            writer.write(frames.PREFACE + frames.settings() + check)
            async with asyncio.timeout(60):
                return b"grpc-status" in await reader.readuntil(b"grpc-status")
        except GONE:
            return False

    try:
        served = 0
        for some in _batches(range(CONNECTIONS), 200):
            served += sum(await asyncio.gather(*map(one, some)))
        assert served == CONNECTIONS, f"only {served} connections were served"
    finally:
        for writer in writers:
            writer.transport.abort()


GROUPS: dict[str, dict[str, Attack]] = {
    "frames": {
        "garbage": Attack("300 connections of random bytes, HTTP/1 or TLS", garbage),
        "random frames": Attack("10,000 frames of random kind, flags and stream", random_frames),
        "oversized frames": Attack("100 frames that tell 16 MiB", oversized_frames),
        "CONTINUATION flood": Attack(
            "up to 50 MiB of one header block without end", continuation_flood
        ),
        "rapid reset": Attack("up to 20,000 calls begun and reset", rapid_reset),
        "SETTINGS flood": Attack("up to 3 MiB of settings", settings_flood),
        "PING flood": Attack("up to 3 MiB of pings", ping_flood),
        "RST_STREAM flood": Attack("up to 3 MiB of resets of idle streams", reset_flood),
        "window games": Attack("window updates of 0 and beyond 2^31", window_games),
        "priority loops": Attack(
            "up to 3 MiB of streams that depend on themselves", priority_loops
        ),
        "empty DATA": Attack("up to 3 MiB of frames without data", empty_data),
        "unknown frames": Attack("up to 20 MiB of unknown kinds", unknown_frames),
        "HPACK bomb": Attack("100 calls of 1 kB that name 4 MB of headers each", header_bomb),
        "endless names": Attack("5 times up to 8 MiB that name headers, a byte each", named_flood),
        "bad header blocks": Attack("100 blocks that cannot be decoded", bad_header_blocks),
        "half-closed": Attack("200 connections with FIN inside a frame", half_closed),
    },
    "calls": {
        "strange heads": Attack("380 calls with heads that no library sends", strange_heads),
        "large metadata": Attack("200 calls with 16 KiB, 20 with 1 MiB", large_metadata),
        "broken messages": Attack("620 messages that lie or are none", broken_messages),
        "compressed bombs": Attack("400 times 32 kB of gzip, 32 MiB each", bombs),
    },
    "slowness": {
        "slow heads": Attack("200 connections, a byte at a time", slow_heads),
        "no message": Attack("1,000 calls that end without a message", messageless),
        "half-open calls": Attack("5,000 calls without a message", half_open),
        "slow writers": Attack("200 messages of 8 MiB without the last byte", slow_messages),
        "slow readers": Attack("100 endless answers that nobody reads", slow_readers),
    },
    "connections": {
        "connections": Attack("10,000 connections, a health check each", connections),
    },
}
"""All of them, by group and name; a group shares a server."""
