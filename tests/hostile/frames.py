"""HTTP/2 by hand (RFC 9113, RFC 7541): frames and header blocks, right and wrong ones.

Nothing is judged here: whatever a stock client would refuse to send can be said. Reading header
blocks is in `tests.bench.hpack`.
"""

import gzip
import struct
from collections.abc import Iterable
from typing import Final

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

DATA: Final = 0x0
HEADERS: Final = 0x1
PRIORITY: Final = 0x2
RST_STREAM: Final = 0x3
SETTINGS: Final = 0x4
PUSH_PROMISE: Final = 0x5
PING: Final = 0x6
GOAWAY: Final = 0x7
WINDOW_UPDATE: Final = 0x8
CONTINUATION: Final = 0x9

END_STREAM: Final = 0x1
ACK: Final = 0x1
END_HEADERS: Final = 0x4

LARGEST_WINDOW: Final = 2**31 - 1
FIRST_WINDOW: Final = 65_535
FRAME_HEAD: Final = 9
LARGEST_FRAME: Final = 16_384
"""Most payload, in bytes, of a frame that every peer takes."""

ERRORS: Final = [
    "NO_ERROR",
    "PROTOCOL_ERROR",
    "INTERNAL_ERROR",
    "FLOW_CONTROL_ERROR",
    "SETTINGS_TIMEOUT",
    "STREAM_CLOSED",
    "FRAME_SIZE_ERROR",
    "REFUSED_STREAM",
    "CANCEL",
    "COMPRESSION_ERROR",
    "CONNECT_ERROR",
    "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY",
    "HTTP_1_1_REQUIRED",
]
"""Names of error codes, by number (RFC 9113, section 7)."""

GENERATE: Final = "/sluice.v1.GatewayService/Generate"

Pairs = Iterable[tuple[str, str]]


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """Return a frame."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def setting(identifier: int, value: int) -> bytes:
    """Return one parameter of a SETTINGS frame."""
    return struct.pack(">HI", identifier, value)


def window_update(stream: int, increment: int) -> bytes:
    """Return a WINDOW_UPDATE frame."""
    return frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", increment))


def hello(*, window: int = FIRST_WINDOW) -> bytes:
    """Return what opens a good connection: no dynamic table, and this window for each stream."""
    return PREFACE + frame(SETTINGS, 0, 0, setting(1, 0) + setting(2, 0) + setting(4, window))


def block(pairs: Pairs) -> bytes:
    """Return a header block of literals without indexing."""
    return b"".join(b"\0" + _string(name) + _string(value) for name, value in pairs)


def indexed(pair: tuple[str, str]) -> bytes:
    """Return a literal that goes into the peer's dynamic table."""
    return b"\x40" + _string(pair[0]) + _string(pair[1])


def repeated(index: int, times: int) -> bytes:
    """Return references to an entry of the table; `index` is below 127."""
    return bytes((0x80 | index,)) * times


def call_headers(
    *more: tuple[str, str], path: str = GENERATE, **changed: str
) -> list[tuple[str, str]]:
    """Return the headers of a call; `changed` by name, with `_` for `-`."""
    usual = {
        ":method": "POST",
        ":scheme": "http",
        ":path": path,
        ":authority": "localhost",
        "te": "trailers",
        "content-type": "application/grpc",
    }
    return [
        *(usual | {name.replace("_", "-"): text for name, text in changed.items()}).items(),
        *more,
    ]


def message(body: bytes, *, compressed: bool = False) -> bytes:
    """Return a gRPC message with its prefix."""
    return struct.pack(">BI", compressed, len(body)) + body


def start(stream: int, headers: Pairs) -> bytes:
    """Return what opens a call, in as many frames as it takes."""
    whole = block(headers)
    pieces = [whole[at : at + LARGEST_FRAME] for at in range(0, len(whole), LARGEST_FRAME)]
    last = len(pieces) - 1
    return b"".join(
        frame(CONTINUATION if number else HEADERS, END_HEADERS * (number == last), stream, piece)
        for number, piece in enumerate(pieces)
    )


def data(stream: int, payload: bytes, *, end: bool = True) -> bytes:
    """Return DATA frames that carry all of it."""
    pieces = [payload[at : at + LARGEST_FRAME] for at in range(0, len(payload), LARGEST_FRAME)]
    last = len(pieces) - 1
    return b"".join(
        frame(DATA, END_STREAM * (end and number == last), stream, piece)
        for number, piece in enumerate(pieces)
    )


def bomb(size: int) -> bytes:
    """Return so many zeros, packed to a thousandth of it."""
    return gzip.compress(bytes(size), 9, mtime=0)


def _string(text: str) -> bytes:
    raw = text.encode("latin-1")
    return _integer(len(raw), 7) + raw


def _integer(value: int, prefix_bits: int) -> bytes:
    """Return an integer as RFC 7541 writes it (section 5.1); the bits before it are zero."""
    limit = (1 << prefix_bits) - 1
    if value < limit:
        return bytes((value,))
    encoded = bytearray((limit,))
    value -= limit
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
