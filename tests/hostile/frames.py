"""HTTP/2 frames (RFC 9113) and header blocks (RFC 7541), as good or as bad as a test wants them.

Nothing is checked here: a library that could send these frames would be a faulty one.
"""

from __future__ import annotations

from collections.abc import Iterable

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE = range(6)
PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(6, 10)

END_STREAM = ACK = 0x1
END_HEADERS = 0x4
PADDED = 0x8
HAS_PRIORITY = 0x20

LARGEST_WINDOW = 2**31 - 1
FRAME_BYTES = 16_384
"""The largest frame that every peer takes."""

Header = tuple[str | bytes, str | bytes]


def frame(kind: int, payload: bytes = b"", *, flags: int = 0, stream: int = 0) -> bytes:
    """Return one frame."""
    return _head(len(payload), kind, flags, stream) + payload


def lying_frame(kind: int, length: int, payload: bytes = b"", *, stream: int = 0) -> bytes:
    """Return a frame whose head tells another length than it has."""
    return _head(length, kind, 0, stream) + payload


def _head(length: int, kind: int, flags: int, stream: int) -> bytes:
    return length.to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big")


def settings(*pairs: tuple[int, int]) -> bytes:
    """Return a SETTINGS frame of identifiers and values."""
    return frame(
        SETTINGS,
        b"".join(key.to_bytes(2, "big") + value.to_bytes(4, "big") for key, value in pairs),
    )


def window(increment: int, *, stream: int = 0) -> bytes:
    """Return a WINDOW_UPDATE frame."""
    return frame(WINDOW_UPDATE, increment.to_bytes(4, "big"), stream=stream)


def reset(stream: int, code: int = 8) -> bytes:
    """Return a RST_STREAM frame; 8 is CANCEL."""
    return frame(RST_STREAM, code.to_bytes(4, "big"), stream=stream)


OPENING = PREFACE + settings((1, 0), (4, LARGEST_WINDOW)) + window(LARGEST_WINDOW - 65_535)
"""What a client begins with that never holds a server up, and wants its headers spelt out."""


def block(headers: Iterable[Header], *, indexed: bool = False) -> bytes:
    """Return headers as literals; `indexed` asks the peer to remember them."""
    return b"".join(
        (b"\x40" if indexed else b"\0") + _text(name) + _text(value) for name, value in headers
    )


def _text(text: str | bytes) -> bytes:
    data = text if isinstance(text, bytes) else text.encode()
    return integer(len(data), 7) + data


def integer(value: int, prefix_bits: int, first: int = 0) -> bytes:
    """Return an integer in HPACK's form; `first` holds the bits before the prefix."""
    limit = (1 << prefix_bits) - 1
    if value < limit:
        return bytes((first | value,))
    made = bytearray((first | limit,))
    value -= limit
    while value >= 128:
        made.append(value % 128 + 128)
        value //= 128
    made.append(value)
    return bytes(made)


def request_headers(
    path: str = "/grpc.health.v1.Health/Check",
    *more: Header,
    without: Iterable[str] = (),
    **instead: str,
) -> list[Header]:
    """Return the headers of a gRPC call; `instead` has underscores in place of dashes."""
    headers = {
        ":method": "POST",
        ":scheme": "http",
        ":path": path,
        ":authority": "localhost",
        "te": "trailers",
        "content-type": "application/grpc",
    }
    for name, value in instead.items():
        headers[name.replace("_", "-")] = value
    for name in without:
        del headers[name]
    return [*headers.items(), *more]


def head_frames(stream: int, headers: Iterable[Header], *, end: bool = False) -> bytes:
    """Return what opens a call, in as many frames as its headers take."""
    whole = block(headers)
    pieces = [whole[i : i + FRAME_BYTES] for i in range(0, len(whole), FRAME_BYTES)]
    return b"".join(
        frame(
            CONTINUATION if number else HEADERS,
            piece,
            flags=(END_STREAM if end and not number else 0)
            | (END_HEADERS if number == len(pieces) - 1 else 0),
            stream=stream,
        )
        for number, piece in enumerate(pieces)
    )


def message(data: bytes = b"", *, compressed: int = 0, length: int | None = None) -> bytes:
    """Return a gRPC message with its prefix; `length` lies about how long it is."""
    told = len(data) if length is None else length
    return bytes((compressed,)) + told.to_bytes(4, "big") + data


def data_frames(stream: int, data: bytes, *, end: bool = True) -> list[bytes]:
    """Return DATA frames that carry these bytes."""
    pieces = [data[i : i + FRAME_BYTES] for i in range(0, len(data), FRAME_BYTES)] or [b""]
    return [
        frame(DATA, piece, flags=END_STREAM if end and piece is pieces[-1] else 0, stream=stream)
        for piece in pieces
    ]
