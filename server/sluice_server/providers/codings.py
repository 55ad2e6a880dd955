"""Content codings of bodies: gzip and deflate, unpacked as the bytes arrive. Pure.

The gateway offers `identity` alone, but some proxies compress regardless. Other
codings cannot be read here, and nobody may take their bytes for text.
"""

from __future__ import annotations

import zlib
from typing import Any

PIECE_BYTES = 64 * 1024
"""Most that is unpacked at once: a kilobyte may unfold to a megabyte."""

_GZIP = zlib.MAX_WBITS | 16
_ZLIB = zlib.MAX_WBITS
_RAW = -zlib.MAX_WBITS
_GZIP_MAGIC = b"\x1f"
_NAMES = {"gzip": "gzip", "x-gzip": "gzip", "deflate": "deflate"}


class UnknownCodingError(ValueError):
    """A coding that was never offered and is not known."""


class Unpacker:
    """Unpacks one body. Give it bytes with `feed`, then `take` until there is nothing."""

    def __init__(self, coding: str) -> None:
        """Prepare for "gzip" or "deflate"."""
        self._gzip = coding == "gzip"
        self._inner: Any = None
        self._waiting = b""
        self._ignoring = False

    def feed(self, data: bytes) -> None:
        """Add packed bytes."""
        if not self._ignoring:
            self._waiting += data

    def take(self) -> bytes:
        """Return the next unpacked bytes, at most `PIECE_BYTES`; b"" where more are needed.

        Raises:
            zlib.error: the bytes are not of the coding.
        """
        while self._waiting:
            if self._inner is not None and self._inner.eof:
                self._go_on()
                continue
            if self._inner is None and not self._begin():
                return b""
            inner = self._inner
            piece: bytes = inner.decompress(self._waiting, PIECE_BYTES)
            self._waiting = inner.unused_data if inner.eof else inner.unconsumed_tail
            if piece:
                return piece
        return b""

    @property
    def unfinished(self) -> bool:
        """Whether packed bytes came, but not the end of them."""
        if self._inner is None:
            return bool(self._waiting)
        return not self._inner.eof

    def _begin(self) -> bool:
        """Choose how to unpack; False where one byte does not tell."""
        if self._gzip:
            self._inner = zlib.decompressobj(_GZIP)
            return True
        if len(self._waiting) < 2:
            return False
        # Deflate is meant to come in zlib's frame (RFC 9110, section 8.4.1.2), and often does not.
        first, second = self._waiting[:2]
        framed = first & 0x0F == zlib.DEFLATED and (first * 256 + second) % 31 == 0
        self._inner = zlib.decompressobj(_ZLIB if framed else _RAW)
        return True

    def _go_on(self) -> None:
        """Expect another gzip member; what else follows the end is no part of the body."""
        if self._gzip and self._waiting.startswith(_GZIP_MAGIC):
            self._inner = None
        else:
            self._waiting, self._ignoring = b"", True


def unpacker(header: str) -> Unpacker | None:
    """Return what unpacks a body with this `content-encoding`; None for a plain one.

    Raises:
        UnknownCodingError: it cannot be unpacked here.
    """
    names = [name.strip().lower() for name in header.split(",")]
    codings = [name for name in names if name not in {"", "identity"}]
    if not codings:
        return None
    if len(codings) > 1 or codings[0] not in _NAMES:
        raise UnknownCodingError("The provider used a content coding that was not offered.")
    return Unpacker(_NAMES[codings[0]])
