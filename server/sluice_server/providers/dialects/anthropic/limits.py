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

from sluice.v1 import rate_limit_pb2
from sluice_server.providers import stated_limits

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
_LONGEST_MOMENT = 40


def read_rate_limits(
    headers: Mapping[str, str], *, now: float
) -> list[rate_limit_pb2.RateLimitBucket]:
    """Return the buckets that the headers state; `now` is epoch seconds."""
    buckets = []
    for unit, (limit, remaining, reset) in _NAMES.items():
        made = stated_limits.stated(
            unit,
            now=now,
            limit=headers.get(limit),
            remaining=headers.get(remaining),
            reset_at=moment(headers.get(reset)),
        )
        if made is not None:
            buckets.append(made)
    return [*buckets, *_unified(headers, now)]


def _unified(headers: Mapping[str, str], now: float) -> list[rate_limit_pb2.RateLimitBucket]:
    buckets = []
    rejects = False
    for name, seconds in _WINDOWS.items():
        status = headers.get(f"{_UNIFIED}{name}-status")
        if status:
            bucket = _share(status, headers.get(f"{_UNIFIED}{name}-reset"), now, seconds)
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


def _share(
    status: str, reset: str | None, now: float, window: float | None = None
) -> rate_limit_pb2.RateLimitBucket:
    """Return a bucket of which is known whether anything remains at all."""
    return stated_limits.bucket(
        rate_limit_pb2.RATE_LIMIT_UNIT_REQUESTS,
        now=now,
        remaining=0 if status == _REJECTED else None,
        window=window,
        reset_at=moment(reset),
    )


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
