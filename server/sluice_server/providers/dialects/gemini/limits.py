"""Quotas that Gemini names in the body of a 429 (`gemini.md` section 5). Pure.

No header states a limit. A violation of google.rpc.QuotaFailure names one that is
used up: what it counts is in `quotaMetric`, its window in `quotaId`, its size in
`quotaValue`, which is left out where it is zero. Until when is in RetryInfo, except
for a day's quota, which ends at midnight Pacific whatever RetryInfo says.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from sluice.v1 import rate_limit_pb2
from sluice_server.providers import failures, stated_limits
from sluice_server.providers.dialects.gemini import errors
from sluice_server.providers.stated_limits import DAY, HOUR, MINUTE, UNLIMITED, json_number

# As substrings of `quotaMetric` and, where that is silent, of `quotaId`; the first wins.
UNITS = (
    ("input_token", rate_limit_pb2.RATE_LIMIT_UNIT_INPUT_TOKENS),
    ("output_token", rate_limit_pb2.RATE_LIMIT_UNIT_OUTPUT_TOKENS),
    ("token", rate_limit_pb2.RATE_LIMIT_UNIT_TOKENS),
    ("request", rate_limit_pb2.RATE_LIMIT_UNIT_REQUESTS),
)
WINDOWS = {"PerSecond": 1, "PerMinute": MINUTE, "PerHour": HOUR, errors.DAILY: DAY}

MOST_VIOLATIONS = 32
"""As many are read; answers name one to four."""


def read_error_limits(body: bytes, *, now: float) -> list[rate_limit_pb2.RateLimitBucket]:
    """Return the quotas that are used up; `now` is seconds since the epoch."""
    error = errors.members(failures.parse(body))
    delays = [errors.seconds(info.get("retryDelay")) for info in errors.details(error, "RetryInfo")]
    delay = next((delay for delay in delays if delay is not None), None)
    message = error.get("message")
    none_at_all = isinstance(message, str) and errors.NO_QUOTA.search(message) is not None
    found = (_bucket(violation, now, delay, none_at_all) for violation in _violations(error))
    return [bucket for bucket in found if bucket is not None]


def _violations(error: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for failure in errors.details(error, "QuotaFailure"):
        listed = failure.get("violations")
        for violation in listed[:MOST_VIOLATIONS] if isinstance(listed, list) else ():
            if isinstance(violation, dict):
                yield violation


def _bucket(
    violation: dict[str, Any], now: float, delay: float | None, none_at_all: bool
) -> rate_limit_pb2.RateLimitBucket | None:
    quota = _text(violation, "quotaId")
    unit = _unit(violation)
    window = next((seconds for word, seconds in WINDOWS.items() if word in quota), None)
    limit = _size(violation, none_at_all)
    if unit is None or limit == _NONSENSE:
        return None
    reset_at = None if delay is None else now + delay
    if window == DAY:
        reset_at = midnight_pacific(now)
    if reset_at is None and window is None and limit != 0:
        # Without an end, that nothing is left would hold for good.
        return None
    return stated_limits.bucket(
        unit,
        now=now,
        limit=limit,
        remaining=0,
        window=window,
        reset_at=reset_at,
        source=rate_limit_pb2.RATE_LIMIT_SOURCE_ERROR_BODY,
    )


def _unit(violation: dict[str, Any]) -> rate_limit_pb2.RateLimitUnit.ValueType | None:
    metric = _text(violation, "quotaMetric").rpartition("/")[2].lower()
    quota = _text(violation, "quotaId").replace("putTokens", "put_tokens").lower()
    for text in (metric, quota):
        for word, unit in UNITS:
            if word in text:
                return unit
    return None


def _text(violation: dict[str, Any], member: str) -> str:
    value = violation.get(member)
    return value if isinstance(value, str) else ""


_NONSENSE = -1


def _size(violation: dict[str, Any], none_at_all: bool) -> int | None:
    value = violation.get("quotaValue")
    if value is None:
        return 0 if none_at_all else None
    number = json_number(value)
    return int(number) if number is not None and number < UNLIMITED else _NONSENSE


def midnight_pacific(now: float) -> float:
    """Return the next midnight in Mountain View; both are seconds since the epoch."""
    zone = _pacific()
    today = datetime.fromtimestamp(now, zone)
    tomorrow = (today + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    return tomorrow.astimezone(UTC).timestamp()


@cache
def _pacific() -> tzinfo:
    try:
        return ZoneInfo("America/Los_Angeles")
    except (OSError, ValueError, LookupError):
        # No time zones here. Winter's midnight is an hour late in summer, never early.
        return timezone(timedelta(hours=-8))
