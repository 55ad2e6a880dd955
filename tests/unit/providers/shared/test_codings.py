"""Are packed bodies unpacked whatever their pieces, and anything else refused?"""

import gzip
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice_server.providers.codings import PIECE_BYTES, UnknownCodingError, unpacker

TEXT = b"data: {}\n\n" * 20


def raw_deflate(data: bytes) -> bytes:
    """Return deflate without zlib's frame."""
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "raw": raw_deflate,
}


def unpacked(coding: str, *pieces: bytes) -> tuple[bytes, bool]:
    """Return what comes out of these pieces, and whether the end is missing."""
    found = unpacker(coding)
    assert found is not None
    out = bytearray()
    for piece in pieces:
        found.feed(piece)
        while taken := found.take():
            assert len(taken) <= PIECE_BYTES
            out += taken
    return bytes(out), found.unfinished


@given(
    data=st.binary(max_size=3000), packer=st.sampled_from(sorted(PACKERS)), size=st.integers(1, 80)
)
def test_any_split_gives_the_same(data: bytes, packer: str, size: int) -> None:
    """Pieces may be cut anywhere, also inside headers and trailers."""
    packed = PACKERS[packer](data)
    pieces = [packed[start : start + size] for start in range(0, len(packed), size)]
    coding = "gzip" if packer == "gzip" else "deflate"
    assert unpacked(coding, *pieces) == (data, False)


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_members_follow_each_other(size: int) -> None:
    """Several gzip members are one body, wherever the pieces are cut."""
    packed = gzip.compress(TEXT) + gzip.compress(b"more")
    pieces = [packed[start : start + size] for start in range(0, len(packed), size)]
    assert unpacked("gzip", *pieces) == (TEXT + b"more", False)


@pytest.mark.parametrize("rest", [b"\0" * 9, b"rubbish"])
def test_what_follows_the_end_is_no_body(rest: bytes) -> None:
    """Padding behind the end is passed over, whether it comes at once or later."""
    assert unpacked("gzip", gzip.compress(TEXT) + rest) == (TEXT, False)
    assert unpacked("gzip", gzip.compress(TEXT), rest, rest) == (TEXT, False)
    assert unpacked("deflate", zlib.compress(TEXT), rest) == (TEXT, False)


def test_a_missing_end_is_known() -> None:
    """What came is given out, and that it is not all."""
    out, unfinished = unpacked("gzip", gzip.compress(TEXT)[:-9])
    assert TEXT.startswith(out)
    assert unfinished
    assert unpacked("deflate", b"\x78") == (b"", True)
    assert unpacked("gzip") == (b"", False)


def test_little_becomes_much_in_small_pieces() -> None:
    """Bytes that unfold a thousandfold are given out bit by bit."""
    data = bytes(4 << 20)
    assert unpacked("gzip", gzip.compress(data)) == (data, False)


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_what_is_not_packed_is_an_error(coding: str) -> None:
    """Plain text is not passed through."""
    with pytest.raises(zlib.error):
        unpacked(coding, b"data: {}\n\n")


@pytest.mark.parametrize("header", ["", "identity", "Identity", " , identity"])
def test_plain_bodies_need_nothing(header: str) -> None:
    """No coding at all, by any of its names."""
    assert unpacker(header) is None


@pytest.mark.parametrize("header", ["gzip", "GZIP", "x-gzip", "deflate", "identity, gzip"])
def test_known_codings(header: str) -> None:
    """Names are in any case."""
    assert unpacker(header) is not None


@pytest.mark.parametrize("header", ["br", "zstd", "compress", "gzip, gzip", "deflate, gzip", "x"])
def test_other_codings_are_refused(header: str) -> None:
    """Also two at a time, which nobody sends."""
    with pytest.raises(UnknownCodingError):
        unpacker(header)
