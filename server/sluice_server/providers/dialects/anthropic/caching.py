"""Cache hints to breakpoints (`anthropic.md` section 3.5). Pure.

There is room for four. Of more, the last four count: a breakpoint caches the whole
prefix before it, and the latest are the ones that the next turn repeats. Two
lifetimes exist; a wish gets the shorter one that covers it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sluice.v1 import content_pb2
from sluice_server.providers.omissions import Omissions

MOST_BREAKPOINTS = 4

_FIVE_MINUTES = 300
_HOUR = 3600


@dataclass(frozen=True, slots=True)
class Hint:
    """A wish to cache the prefix that ends with a block."""

    path: str
    """Path of the hint."""
    wish: content_pb2.CacheHint
    block: dict[str, Any]


def place(hints: list[Hint], omissions: Omissions) -> None:
    """Set breakpoints for hints that stand in the order of the prompt."""
    surplus = max(0, len(hints) - MOST_BREAKPOINTS)
    for hint in hints[:surplus]:
        omissions.leave_out(hint.path)
    short_before = False
    for hint in hints[surplus:]:
        control = {"type": "ephemeral"}
        ttl = _seconds(hint.wish)
        if ttl is not None:
            long = ttl > _FIVE_MINUTES
            if ttl > _HOUR or (long and short_before):
                # Nothing lives longer than an hour, and an hour must not follow
                # five minutes.
                omissions.leave_out(f"{hint.path}.ttl")
            control["ttl"] = "1h" if long and not short_before else "5m"
        short_before = short_before or control.get("ttl") != "1h"
        hint.block["cache_control"] = control


def _seconds(wish: content_pb2.CacheHint) -> float | None:
    return wish.ttl.seconds + wish.ttl.nanos / 1e9 if wish.HasField("ttl") else None
