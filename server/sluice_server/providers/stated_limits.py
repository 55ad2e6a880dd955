"""How a limit that a provider states becomes a bucket. Pure, and knows no provider.

The dialects' `limits` know which words state what; here is what all of them hold
true of numbers and times. A bucket is left out whole when a number of it was stated
and makes no sense: half of it would look like news and be none.
"""

from __future__ import annotations

import math
import re

from google.protobuf import timestamp_pb2

from sluice.v1 import rate_limit_pb2

UNLIMITED = 2**53
"""From here on a number stands for no limit (`cerebras.md` section 5)."""
LONGEST = 366 * 86400.0
"""Seconds; longer windows, and resets further ahead, are garbage."""
MINUTE, HOUR, DAY = 60, 3600, 86400
MONTH = 30 * DAY
"""A quota store asks for a length; nobody says which month it is."""

_NUMBER = re.compile(r"\d{1,19}(?:\.\d{1,20})?", re.ASCII)


def number(text: str | None) -> float | None:
    """Return a plain decimal number, without sign or exponent; None if it is none."""
    return float(text) if text and _NUMBER.fullmatch(text) else None


def json_number(value: object) -> float | None:
    """Return a JSON member that is a number, or a text of one; never negative, never endless."""
    if isinstance(value, str):
        return number(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # The bound also refuses NaN, and integers that no float holds.
    return float(value) if 0 <= value < 1e19 else None


def stated(
    unit: rate_limit_pb2.RateLimitUnit.ValueType,
    *,
    now: float,
    limit: str | None,
    remaining: str | None,
    window: float | None = None,
    reset_at: float | None = None,
    source: rate_limit_pb2.RateLimitSource.ValueType = rate_limit_pb2.RATE_LIMIT_SOURCE_HEADERS,
) -> rate_limit_pb2.RateLimitBucket | None:
    """Return the bucket that these texts state; None where they say nothing, or nonsense.

    `window` is in seconds; `now` and `reset_at` are seconds since the epoch.
    """
    size, left = _count(limit), _count(remaining)
    if (limit and size is None) or (remaining and left is None):
        return None
    if size is None and left is None:
        return None
    if window is not None and not 0 < window <= LONGEST:
        # It tells buckets of one unit apart: without it, this would be another one.
        return None
    return bucket(
        unit,
        now=now,
        limit=size,
        remaining=left,
        window=window,
        reset_at=reset_at,
        source=source,
    )


def bucket(
    unit: rate_limit_pb2.RateLimitUnit.ValueType,
    *,
    now: float,
    limit: int | None = None,
    remaining: int | None = None,
    window: float | None = None,
    reset_at: float | None = None,
    source: rate_limit_pb2.RateLimitSource.ValueType = rate_limit_pb2.RATE_LIMIT_SOURCE_HEADERS,
) -> rate_limit_pb2.RateLimitBucket:
    """Return a bucket of numbers that were judged; times as in `stated`.

    A reset in the past is a full bucket and becomes now; one that cannot be is left
    out, as is such a window.
    """
    made = rate_limit_pb2.RateLimitBucket(
        unit=unit, limit=limit, remaining=remaining, source=source
    )
    _set_time(made.observe_time, now)
    if window is not None and 0 < window <= LONGEST:
        made.window.seconds = math.ceil(window)
    if reset_at is not None and reset_at <= now + LONGEST:
        _set_time(made.reset_time, max(reset_at, now))
    return made


def _count(text: str | None) -> int | None:
    value = number(text)
    return int(value) if value is not None and value < UNLIMITED else None


def _set_time(timestamp: timestamp_pb2.Timestamp, at: float) -> None:
    # On every response, and twice as fast as the library's own setters.
    timestamp.seconds = seconds = int(at)
    timestamp.nanos = int((at - seconds) * 1e9)
