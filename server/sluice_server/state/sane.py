"""What a store believes of a provider's words and of a caller's numbers.

Here odd values are dropped before they can spoil good ones; both stores use it,
so that they drop the same. What a good value does is the store's business.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from sluice_server.state.quota import Observed, Unit

MAX_COUNT = 2**53 - 1
"""Largest count that a double, and so Lua, holds exactly."""
MAX_SECONDS = 400 * 86_400.0
"""Longest window, and reset from now on: the longest known windows are months."""
MAX_BUCKETS = 32
"""Buckets of one group: no provider states a dozen."""
RECHECK = 1.0
"""Seconds to wait where nobody knows when something is given back."""
SILENT_WINDOW = 60.0
"""Seconds after which a remaining without window and reset is forgotten."""
ENDED_SECONDS = 900.0
"""What an ended call used counts for so long, unless the provider's word includes it before."""
FORGET_SECONDS = 3_600.0
"""A bucket that was not mentioned for so long, and for two windows, is dropped."""
TOLERANCE_SECONDS = 1.0
TOLERANCE_SHARE = 0.1
"""Resets closer together than this (seconds, share of the window) are one window."""


def count(value: object) -> int | None:
    """Return a count as an integer; None for what cannot be one."""
    if type(value) is int:
        return value if 0 <= value <= MAX_COUNT else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if 0 <= value <= MAX_COUNT else None


def amounts(values: Mapping[Unit, int]) -> dict[Unit, int]:
    """Return the units that have a count, with their counts."""
    return {unit: n for unit, value in values.items() if (n := count(value)) is not None}


def duration(value: object) -> float | None:
    """Return seconds; None for what is no possible length of time."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value <= MAX_SECONDS else None


def tolerance(window: float) -> float:
    """Return how far apart two resets of one window may be, in seconds."""
    return max(TOLERANCE_SECONDS, window * TOLERANCE_SHARE)


def observations(seen: Sequence[Observed]) -> list[Observed]:
    """Return what can be believed, without what says nothing.

    A reset that is too far away is for the store to drop: it knows what time it is.
    """
    believed: list[Observed] = []
    for one in seen:
        window = duration(one.window)
        limit, remaining = count(one.limit), count(one.remaining)
        stated = one.reset_at
        reset = None
        if (
            isinstance(stated, int | float)
            and not isinstance(stated, bool)
            and 0 < stated <= MAX_COUNT
            and math.isfinite(stated)
        ):
            reset = float(stated)
        if window is None or not count(one.unit):
            continue
        if limit is None and remaining is None and reset is None:
            continue
        believed.append(
            Observed(
                unit=one.unit,
                window=window,
                limit=limit,
                remaining=remaining,
                reset_at=reset,
                source=one.source,
            )
        )
    return believed
