"""Values as people read them: names made harmless, numbers, durations, money, times.

What is not known is written `UNKNOWN`, never as 0. Names of models and providers are data of
others: what could move a cursor or hide text is replaced here, and they are put on the
screen as `rich.text.Text`, which knows no markup.
"""

import unicodedata
from datetime import UTC, datetime
from typing import Final

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

UNKNOWN: Final = "–"
"""Stands for a value that nobody knows."""

_MAX_NAME = 200


def clean(name: str) -> str:
    """Return a name of others with every control, format or unassigned character replaced.

    Format characters are among them since they reorder (bidirectional overrides) or hide text.
    """
    cut = name if len(name) <= _MAX_NAME else name[: _MAX_NAME - 1] + "…"
    return "".join(
        "\ufffd" if unicodedata.category(character) in _HARMFUL else character for character in cut
    )


_HARMFUL = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})


def harmless(words: str) -> str:
    """Return what a model wrote, as a terminal may have it: line breaks and tabs stay.

    Everything else that could move the cursor, start an escape sequence, reorder text or hide
    it is replaced. Joiners and marks of direction stay, which scripts and emoji need.
    Carriage returns are left out, so that no line overwrites another.
    """
    return "".join(
        character
        if character in _KEPT or unicodedata.category(character) not in _ACTIVE
        else "\ufffd"
        for character in words
        if character != "\r"
    )


_ACTIVE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_KEPT = frozenset("\n\t\u061c\u200c\u200d\u200e\u200f")


def count(value: float | None) -> str:
    """Return a number in at most six characters: 999, 12.3k, 4.5M."""
    if value is None:
        return UNKNOWN
    for bound, divisor, unit in ((1e4, 1, ""), (1e6, 1e3, "k"), (1e9, 1e6, "M"), (1e12, 1e9, "G")):
        if abs(value) < bound:
            scaled = value / divisor
            return f"{scaled:.0f}" if divisor == 1 else f"{scaled:.1f}{unit}"
    return f"{value:.1e}"


def rate(value: float | None) -> str:
    """Return a rate; small ones keep two digits after the point."""
    if value is None:
        return UNKNOWN
    return f"{value:.2f}" if abs(value) < 100 else count(value)


def share(value: float | None) -> str:
    """Return a share of 1 as a percentage."""
    return UNKNOWN if value is None else f"{value * 100:.1f} %"


def money(nanos: int | None) -> str:
    """Return an amount in 1e-9 US dollars as dollars."""
    if nanos is None:
        return UNKNOWN
    return f"${nanos / 1e9:,.2f}" if abs(nanos) >= 10**9 else f"${nanos / 1e9:.4f}"


def price(nanos: int | None) -> str:
    """Return a price in 1e-9 US dollars per token as dollars per million tokens."""
    if nanos is None:
        return UNKNOWN
    return f"${nanos / 1e3:,.2f}" if nanos % 10 == 0 else f"${nanos / 1e3:,.3f}"


def seconds(value: float | None) -> str:
    """Return a duration: 0.3ms, 120ms, 4.2s, 3m05s, 2h10m, 3d04h."""
    if value is None:
        return UNKNOWN
    if value < 0.01:
        return f"{value * 1e3:.1f}ms"
    if value < 1:
        return f"{value * 1e3:.0f}ms"
    if value < 60:
        return f"{value:.1f}s"
    whole = int(value)
    for size, unit, part, small in ((60, "m", 1, "s"), (3600, "h", 60, "m")):
        if whole < size * (60 if size == 60 else 24):
            return f"{whole // size}{unit}{whole % size // part:02d}{small}"
    return f"{whole // 86400}d{whole % 86400 // 3600:02d}h"


def duration(value: Duration) -> float:
    """Return a duration in seconds."""
    return float(value.seconds) + float(value.nanos) / 1e9


def epoch(value: Timestamp) -> float:
    """Return a point in time in seconds since 1970."""
    return float(value.seconds) + float(value.nanos) / 1e9


def clock(value: Timestamp | None) -> str:
    """Return a point in time in UTC, to the second."""
    if value is None:
        return UNKNOWN
    return datetime.fromtimestamp(epoch(value), UTC).strftime("%Y-%m-%d %H:%M:%SZ")
