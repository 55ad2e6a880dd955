"""Content codings: broken bodies are told as such, and bombs come out in pieces."""

import gzip
import zlib

from hypothesis import strategies as st

from sluice_server.providers.codings import PIECE_BYTES, UnknownCodingError, unpacker
from tests.fuzz.target import Target, mutated
from tests.unit.providers.reading import cut

Input = tuple[str, bytes, list[int]]
"""A content-encoding header, a body, and where it is cut."""

ENOUGH = 2 * 1024 * 1024
"""Bytes after which nobody reads on here: that far a bomb has been seen to come in pieces."""

_HEADERS = [
    *("gzip", "x-gzip", "deflate", "GZIP", " gzip , identity", "identity", "", ",", "br", "zstd"),
    *("gzip, gzip", "deflate, gzip", "compress", "gzip;q=1", "\x00", "é", "*", "," * 1000),
]
_BOMB = b"\0" * 4_000_000
_RAW = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
_BODIES = [
    *(gzip.compress(b'{"a": 1}', mtime=0), gzip.compress(b"", mtime=0)),
    *(gzip.compress(b"", mtime=0) * 500, gzip.compress(_BOMB, mtime=0)),
    gzip.compress(gzip.compress(_BOMB, mtime=0), mtime=0),
    *(zlib.compress(b'{"a": 1}'), zlib.compress(_BOMB, 9), _RAW.compress(_BOMB) + _RAW.flush()),
    *(b"", b"plain text", b"\x1f", b"\x1f\x8b", b"\x78\x9c", b"\x78\xbb\x00\x00\x00\x00"),
]
_EDITS = st.lists(
    st.tuples(
        st.integers(0, 5000),
        st.integers(0, 8),
        st.sampled_from([body for body in _BODIES if len(body) < 5000]) | st.binary(max_size=4),
    ),
    max_size=3,
)
_INPUTS = st.tuples(
    st.sampled_from(_HEADERS) | st.text(max_size=20),
    st.builds(mutated, st.sampled_from(_BODIES) | st.binary(max_size=50), _EDITS),
    st.lists(st.integers(0, 5000), max_size=6),
)


def _examine(value: Input) -> None:
    header, body, places = value
    whole = _unpacked(header, [body])
    pieces = _unpacked(header, cut(body, places))
    if whole is not None and pieces is not None:
        assert whole == pieces


def _unpacked(header: str, pieces: list[bytes]) -> bytes | None:
    """Return what comes out, up to a bound; None where it cannot be unpacked."""
    try:
        one = unpacker(header)
    except UnknownCodingError:
        return None
    if one is None:
        return b"".join(pieces)
    came = b""
    given = 0
    try:
        for piece in pieces:
            given += len(piece)
            one.feed(piece)
            while unpacked := one.take():
                assert len(unpacked) <= PIECE_BYTES
                assert len(one._waiting) <= given
                came += unpacked
                if len(came) > ENOUGH:
                    return came[:ENOUGH]
    except zlib.error:
        return None
    return came


TARGET = Target("codings", _INPUTS, _examine)
