"""Anthropic's rate-limit headers (`anthropic.md` section 7). Pure.

`anthropic-ratelimit-{requests,tokens,input-tokens,output-tokens}-{limit,remaining,reset}`,
of which any may be missing. Resets are moments, not durations; one in the past is
a full bucket and becomes now.

Subscriptions have windows of five hours and seven days of which only the used
share is told, for which a bucket has no field: such a window is known by its
length, its reset, and that nothing remains once it rejects.

Left out: `anthropic-priority-*` and `anthropic-fast-*`. They count the same units
beside the standard ones, and a bucket cannot say which of the two it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from google.protobuf import timestamp_pb2

from sluice.v1 import rate_limit_pb2

_UNITS = {
    "requests": rate_limit_pb2.RATE_LIMIT_UNIT_REQUESTS,
    "tokens": rate_limit_pb2.RATE_LIMIT_UNIT_TOKENS,
    "input-tokens": rate_limit_pb2.RATE_LIMIT_UNIT_INPUT_TOKENS,
    "output-tokens": rate_limit_pb2.RATE_LIMIT_UNIT_OUTPUT_TOKENS,
}
_NAMES = {
    unit: tuple(f"anthropic-ratelimit-{name}-{word}" for word in ("limit", "remaining", "reset"))
    for name, unit in _UNITS.items()
}
_WINDOWS = {"5h": 5 * 3600, "7d": 7 * 86400}
_UNIFIED = "anthropic-ratelimit-unified-"
_REJECTED = "rejected"
_LONGEST_RESET = 366 * 86400.0
_LARGEST = 2**63 - 1
_LONGEST_MOMENT = 40


def read_rate_limits(
    headers: Mapping[str, str], *, now: float
) -> list[rate_limit_pb2.RateLimitBucket]:
    """Return the buckets that the headers state; `now` is epoch seconds."""
    buckets = []
    for unit, (limit_name, remaining_name, reset_name) in _NAMES.items():
        limit = _count(headers.get(limit_name))
        remaining = _count(headers.get(remaining_name))
        if limit is None and remaining is None:
            continue
        bucket = _bucket(unit, now, headers.get(reset_name))
        if limit is not None:
            bucket.limit = limit
        if remaining is not None:
            bucket.remaining = remaining
        buckets.append(bucket)
    return [*buckets, *_unified(headers, now)]


def _unified(headers: Mapping[str, str], now: float) -> list[rate_limit_pb2.RateLimitBucket]:
    buckets = []
    rejects = False
    for name, seconds in _WINDOWS.items():
        status = headers.get(f"{_UNIFIED}{name}-status")
        if status:
            bucket = _share(status, headers.get(f"{_UNIFIED}{name}-reset"), now)
            bucket.window.seconds = seconds
            rejects = rejects or bucket.HasField("remaining")
            buckets.append(bucket)
    status = headers.get(f"{_UNIFIED}status")
    if status == _REJECTED and not rejects:
        # Some other window, whose name is not told.
        buckets.append(_share(status, headers.get(f"{_UNIFIED}reset"), now))
    # The one that rejects comes last: it counts where buckets of one unit are
    # taken for the same.
    buckets.sort(key=lambda bucket: bucket.HasField("remaining"))
    return buckets


def _share(status: str, reset: str | None, now: float) -> rate_limit_pb2.RateLimitBucket:
    """Return a bucket of which is known whether anything remains at all."""
    bucket = _bucket(rate_limit_pb2.RATE_LIMIT_UNIT_REQUESTS, now, reset)
    if status == _REJECTED:
        bucket.remaining = 0
    return bucket


def _bucket(
    unit: rate_limit_pb2.RateLimitUnit.ValueType, now: float, reset: str | None
) -> rate_limit_pb2.RateLimitBucket:
    bucket = rate_limit_pb2.RateLimitBucket(
        unit=unit, source=rate_limit_pb2.RATE_LIMIT_SOURCE_HEADERS
    )
    _set_time(bucket.observe_time, now)
    at = moment(reset)
    if at is not None and at <= now + _LONGEST_RESET:
        _set_time(bucket.reset_time, max(at, now))
    return bucket


def moment(text: str | None) -> float | None:
    """Return epoch seconds of an RFC 3339 time, or of epoch seconds; None if it is neither."""
    if not text or len(text) > _LONGEST_MOMENT or not text.isascii():
        return None
    if text.isdigit():
        return float(text) if len(text) <= 12 else None
    try:
        parsed = datetime.fromisoformat(text)
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def _set_time(timestamp: timestamp_pb2.Timestamp, at: float) -> None:
    # On every response, and twice as fast as the library's own setters.
    timestamp.seconds = seconds = int(at)
    timestamp.nanos = int((at - seconds) * 1e9)


def _count(text: str | None) -> int | None:
    if not text or not text.isascii() or not text.isdigit() or len(text) > 19:
        return None
    value = int(text)
    return value if value <= _LARGEST else None
