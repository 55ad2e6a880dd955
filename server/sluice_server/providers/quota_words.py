"""From buckets as dialects read them to what a quota store learns. Pure.

A dialect may come from another package, so nothing is believed here: what makes no
sense is left out, and the store keeps what it knew.
"""

from __future__ import annotations

from collections.abc import Iterable

from sluice.v1 import rate_limit_pb2
from sluice_server.providers.stated_limits import LONGEST
from sluice_server.state.quota import (
    CREDIT,
    INPUT_TOKENS,
    OUTPUT_TOKENS,
    REQUESTS,
    TOKENS,
    Observed,
)

_UNITS = frozenset({REQUESTS, TOKENS, INPUT_TOKENS, OUTPUT_TOKENS, CREDIT})
_SAME_RESET = 1.0
"""Seconds between two resets that are one, stated twice."""


def observed(buckets: Iterable[rate_limit_pb2.RateLimitBucket], *, now: float) -> list[Observed]:
    """Return what the buckets of one response say; `now` is seconds since the epoch.

    - Left out whole: unknown units, negative numbers, windows that cannot be.
    - A reset that has passed, or is more than 366 days ahead, is none. That nothing is
      left was true until then, so it goes with the reset.
    - What is stated twice counts once: the tighter one, and the one with a window.
    """
    found: dict[tuple[int, float], Observed] = {}
    for bucket in buckets:
        seen = _believed(bucket, now)
        if seen is None:
            continue
        key = (seen.unit, seen.window)
        if key not in found or _room(seen) < _room(found[key]):
            found[key] = seen
    return [seen for seen in found.values() if not _again(seen, found.values())]


def _believed(bucket: rate_limit_pb2.RateLimitBucket, now: float) -> Observed | None:
    limit = bucket.limit if bucket.HasField("limit") else None
    remaining = bucket.remaining if bucket.HasField("remaining") else None
    window = bucket.window.seconds + bucket.window.nanos / 1e9
    if bucket.unit not in _UNITS or not 0 <= window <= LONGEST:
        return None
    if (limit or 0) < 0 or (remaining or 0) < 0:
        return None
    reset_at: float | None = None
    if bucket.HasField("reset_time"):
        reset_at = bucket.reset_time.seconds + bucket.reset_time.nanos / 1e9
        if reset_at <= now:
            reset_at = None
            remaining = remaining or None
        elif reset_at > now + LONGEST:
            reset_at = None
    if limit is None and remaining is None and reset_at is None:
        return None
    return Observed(
        unit=bucket.unit,
        window=window,
        limit=limit,
        remaining=remaining,
        reset_at=reset_at,
        source=bucket.source,
    )


def _room(seen: Observed) -> float:
    return float("inf") if seen.remaining is None else seen.remaining


def _again(seen: Observed, all_seen: Iterable[Observed]) -> bool:
    """Tell whether another one says the same and names the window as well."""
    return not seen.window and any(
        other.window
        and (other.unit, other.limit, other.remaining) == (seen.unit, seen.limit, seen.remaining)
        and other.reset_at is not None
        and seen.reset_at is not None
        and abs(other.reset_at - seen.reset_at) < _SAME_RESET
        for other in all_seen
    )
