"""Attacks on single calls: headers, metadata and messages that a stock client would not send."""

import asyncio
from collections import Counter
from collections.abc import Iterable

from sluice.v1 import gateway_service_pb2
from tests.hostile import frames
from tests.hostile.attack import MEBIBYTE, Attack, Place, Words
from tests.hostile.wire import connected

OK, INVALID, EXHAUSTED, UNIMPLEMENTED, INTERNAL = (
    f"status {number}" for number in (0, 3, 8, 12, 13)
)
CUT = ("RST_STREAM", "GOAWAY", "closed")


async def _ask(place: Place, headers: list[tuple[str, str]], body: bytes) -> str:
    """Make one call on a connection of its own, and return what it comes to."""
    opening = frames.hello(window=frames.LARGEST_WINDOW) + frames.start(1, headers)
    if not body:
        opening = frames.hello() + frames.frame(
            frames.HEADERS, frames.END_HEADERS | frames.END_STREAM, 1, frames.block(headers)
        )
    async with connected(place.address, opening=opening) as wire:
        if body:
            await wire.send(frames.data(1, body))
        return await wire.told()


async def _all(place: Place, calls: Iterable[tuple[list[tuple[str, str]], bytes]]) -> Words:
    return Counter(await asyncio.gather(*(_ask(place, headers, body) for headers, body in calls)))


async def _content_types(place: Place) -> Words:
    good = frames.message(place.request)
    types = ("text/html", "application/json", "application/grpcx", "", "application/grpc+json")
    return await _all(place, [(frames.call_headers(content_type=one), good) for one in types])


async def _paths(place: Place) -> Words:
    good = frames.message(place.request)
    paths = (
        *("", "/", "//", "*", "/sluice.v1.GatewayService", "/sluice.v1.GatewayService/None"),
        *("/" + "x" * 8000, "/../../etc/passwd", "/\x00", "/%00", "sluice.v1.GatewayService"),
    )
    return await _all(place, [(frames.call_headers(path=one), good) for one in paths])


async def _pseudo_headers(place: Place) -> Words:
    good = frames.message(place.request)
    usual = frames.call_headers()
    return await _all(
        place,
        [
            (usual[1:], good),
            ([*usual, usual[0]], good),
            ([*usual, (":nonsense", "x")], good),
            (usual[::-1], good),
            (frames.call_headers(**{":method": "CONNECT"}), good),
            ([*usual, ("Upper", "x")], good),
            ([*usual, ("a b", "x")], good),
            ([*usual, ("x", "a\r\nb: c\0")], good),
            ([*usual, ("connection", "close"), ("transfer-encoding", "chunked")], good),
        ],
    )


async def _prefixes(place: Place) -> Words:
    good = frames.message(place.request)
    bodies = (
        *(b"", good[:1], good[:3], good[:5], good[:-1], good + good[:4], good + good),
        b"\x00\xff\xff\xff\xff" + place.request,
        b"\x02" + good[1:],
    )
    return await _all(place, [(frames.call_headers(), body) for body in bodies])


async def _encodings(place: Place) -> Words:
    """Flagged as packed without a coding, with one that nobody knows, and packed with faults."""
    packed = frames.message(place.request, compressed=True)
    codings = ("identity", "zstd", "br", "gzip", "deflate", "\x00", "gzip,gzip")
    return await _all(
        place,
        [
            (frames.call_headers(), packed),
            *((frames.call_headers(grpc_encoding=coding), packed) for coding in codings),
        ],
    )


async def _bomb(place: Place) -> Words:
    """60 MiB in as many kilobytes, which is what the first window takes."""
    packed = frames.message(frames.bomb(60 * MEBIBYTE), compressed=True)
    return await _all(place, [(frames.call_headers(grpc_encoding="gzip"), packed)] * 3)


async def _nesting(place: Place) -> Words:
    """Structs in structs, ten thousand levels of them, and groups that never end."""
    nested = b""
    for _ in range(10_000):
        # A list in a value in a list.
        nested = b"\x32" + _length(len(nested)) + nested
        nested = b"\x0a" + _length(len(nested)) + nested
        if len(nested) > 30_000:
            break
    nested = b"\x32" + _length(len(nested)) + nested
    entry = b"\x0a\x01a\x12" + _length(len(nested)) + nested
    nested = b"\x0a" + _length(len(entry)) + entry
    field = gateway_service_pb2.GenerateRequest.DESCRIPTOR.fields_by_name["provider_options"]
    entry = b"\x0a\x02up\x12" + _length(len(nested)) + nested
    tag = _length(field.number << 3 | 2)
    bodies = (place.request + tag + _length(len(entry)) + entry, b"\x0b" * 10_000, b"\xff" * 30_000)
    return await _all(place, [(frames.call_headers(), frames.message(body)) for body in bodies])


async def _timeouts(place: Place) -> Words:
    good = frames.message(place.request)
    values = ("", "x", "1", "S", "-1S", "99999999H", "9" * 5000 + "S", "1.5S", "0n", "1e9S", "²S")
    return await _all(place, [(frames.call_headers(grpc_timeout=one), good) for one in values])


async def _metadata(place: Place) -> Words:
    good = frames.message(place.request)
    pairs = (
        ("x-bin", "!!!"),
        ("x-bin", "A"),
        ("grpc-trace-bin", "\xff" * 100),
        ("grpc-tags-bin", "AA=="),
        ("grpc-previous-rpc-attempts", "9" * 5000),
        ("grpc-previous-rpc-attempts", "-1"),
        ("authorization", "Bearer " + "." * 5000),
        ("sluice-priority", "\xff" * 50),
        ("sluice-provider-key", "\x01\x02"),
        ("traceparent", "00-" + "0" * 5000),
        ("tracestate", "k=v," * 1000),
        ("lb-token", "x"),
        ("grpc-status", "0"),
        ("host", "x"),
    )
    return await _all(place, [(frames.call_headers(pair), good) for pair in pairs])


async def _long(place: Place, size: int, *, agreed: bool = True) -> Words:
    """One value of this size, and the same in a thousand pairs.

    The server's bound holds for those who have `agreed` to it; others can be told apart only
    when all of it has come.
    """
    said: Words = Counter()
    one = [("x-long", "x" * size)]
    many = [(f"x-{number}", "x" * (size // 1000)) for number in range(1000)]
    for more in (one, many):
        async with connected(place.address, opening=frames.hello()) as wire:
            if agreed:
                await wire.agree()
            call = frames.start(1, frames.call_headers(*more))
            await wire.send(call + frames.data(1, frames.message(place.request)))
            said[await wire.told()] += 1
    return said


async def _long_24(place: Place) -> Words:
    return await _long(place, 24 * 1024)


async def _long_1024(place: Place) -> Words:
    return await _long(place, MEBIBYTE)


async def _unagreed(place: Place) -> Words:
    return await _long(place, 24 * 1024, agreed=False) + await _long(
        place, 12 * MEBIBYTE, agreed=False
    )


def _length(value: int) -> bytes:
    """Return a varint of protobuf."""
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


ATTACKS = (
    Attack(
        "content types",
        "five content types that are not gRPC's",
        _content_types,
        ("http 415", "status", *CUT),
    ),
    Attack(
        "paths",
        "eleven paths that name no method",
        _paths,
        (UNIMPLEMENTED, INTERNAL, "http 4", *CUT),
    ),
    Attack(
        "header rules",
        "pseudo-headers missing, twice, last; names and values that are none",
        _pseudo_headers,
        ("status", "http 4", *CUT),
    ),
    Attack(
        "message prefixes",
        "messages cut, missing, twice, and longer than said",
        _prefixes,
        ("status", "silence", *CUT),
    ),
    Attack(
        "codings",
        "packed messages in codings that are unknown, missing or broken",
        _encodings,
        (INTERNAL, UNIMPLEMENTED, INVALID, "status 2", *CUT),
    ),
    Attack(
        "packed bombs",
        "three messages of 60 KiB that unfold to 60 MiB",
        _bomb,
        (EXHAUSTED,),
        memory=128 * MEBIBYTE,
    ),
    Attack("deep nesting", "messages nested thousands of levels deep", _nesting, (INVALID,)),
    Attack(
        "timeouts",
        "eleven deadlines that are none, or too long or short",
        _timeouts,
        ("status", *CUT),
    ),
    Attack(
        "metadata", "broken binary values, counts, tokens and traces", _metadata, ("status", *CUT)
    ),
    Attack(
        "24 KiB of metadata",
        "in one pair and in a thousand; 20 KiB are the bound",
        _long_24,
        (EXHAUSTED, *CUT),
    ),
    Attack("1 MiB of metadata", "in one pair and in a thousand", _long_1024, (EXHAUSTED, *CUT)),
    Attack(
        "metadata before settings",
        "24 KiB and 12 MiB from clients that never acknowledge the bound",
        _unagreed,
        (INVALID, EXHAUSTED, *CUT),
        memory=128 * MEBIBYTE,
    ),
)
