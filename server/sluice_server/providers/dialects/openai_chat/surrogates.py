r"""Characters that were cut in half by a border between chunks. Pure.

Some servers cut JSON text between tokens and write one emoji as `"\ud83d"` in one
chunk and `"\ude00"` in the next. Neither is a string that may exist alone, and
the JSON parser refuses both. Such chunks are rare: they are mended after the
parser has refused them, and everything else never passes here.

A half travels through the parser as a character of the last private-use plane.
"""

from __future__ import annotations

import re
from collections.abc import Hashable

_PLACEHOLDERS = 0x10F000
_HALVES = 0xD800
_ESCAPE = re.compile(rb"\\(?:u([0-9a-fA-F]{4})|.)", re.DOTALL)
_PLACEHOLDER = re.compile("[\U0010f000-\U0010f7ff]")
_LONE = re.compile("[\ud800-\udfff]")
_LAST_HIGH = re.compile("[\ud800-\udbff]\\Z")


def mend(payload: bytes) -> bytes | None:
    """Return JSON in which halves are placeholders; None where there are none."""
    pieces: list[bytes] = []
    place = 0
    high: tuple[int, int, bytes] | None = None
    for match in _ESCAPE.finditer(payload):
        code = int(match[1], 16) if match[1] else 0
        if high is not None and high[1] == match.start() and 0xDC00 <= code < 0xE000:
            high = None
            continue
        if high is not None:
            pieces += (payload[place : high[0]], high[2])
            place, high = high[1], None
        if 0xD800 <= code < 0xDC00:
            high = (match.start(), match.end(), _placeholder(code))
        elif 0xDC00 <= code < 0xE000:
            pieces += (payload[place : match.start()], _placeholder(code))
            place = match.end()
    if high is not None:
        pieces += (payload[place : high[0]], high[2])
        place = high[1]
    return b"".join((*pieces, payload[place:])) if place else None


def _placeholder(code: int) -> bytes:
    return chr(_PLACEHOLDERS + code - _HALVES).encode()


def whole(text: str) -> str:
    """Return text with its halves joined; what finds no other half is U+FFFD."""
    return _LONE.sub("\ufffd", _joined(text))


def _joined(text: str) -> str:
    halves = _PLACEHOLDER.sub(lambda m: chr(ord(m[0]) - _PLACEHOLDERS + _HALVES), text)
    return halves.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


class Halves:
    """Joins halves across the deltas of one answer, channel by channel."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held: dict[Hashable, str] = {}

    def join(self, channel: Hashable, text: str) -> str:
        """Return the next piece of a channel; a half at its end waits for the next one."""
        text = _joined(self._held.pop(channel, "") + text)
        if _LAST_HIGH.search(text):
            self._held[channel] = text[-1]
            text = text[:-1]
        return _LONE.sub("\ufffd", text)

    def give_up(self, channel: Hashable) -> str:
        """Return what stands for a half whose other half never came; empty without one."""
        return "\ufffd" if self._held.pop(channel, None) else ""

    def waiting(self) -> list[Hashable]:
        """Return the channels that wait for another half."""
        return list(self._held)
