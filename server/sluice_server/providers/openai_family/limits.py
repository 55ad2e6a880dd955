"""Limits as OpenAI and the services behind its Responses API state them. Pure.

- OpenAI (`openai.md` section 10): `x-ratelimit-{limit,remaining,reset}-{requests,tokens}`;
  a reset is a Go-style duration until the bucket is full again.
- Azure (the same section): the same names, resets in bare milliseconds, and
  `-renewalperiod-`, which nobody else sends and by which it is known.
- ChatGPT accounts (section 2.2): windows of which only the used share is told, for
  which a bucket has no field. Such a window is known by its length, its reset, and
  that nothing remains once all is used. Their headers count where the dialect is told
  to read them.

Left out: `-input-images`, for which there is no unit.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Literal, TypeAlias

from sluice.v1 import rate_limit_pb2
from sluice_server.providers import failures, stated_limits
from sluice_server.providers.stated_limits import json_number, number

ResponsesLimits: TypeAlias = Literal["openai", "codex"]
"""Who states limits to a Responses dialect: OpenAI or Azure, or a ChatGPT account."""

Buckets: TypeAlias = list[rate_limit_pb2.RateLimitBucket]

_UNITS = {
    "requests": rate_limit_pb2.RATE_LIMIT_UNIT_REQUESTS,
    "tokens": rate_limit_pb2.RATE_LIMIT_UNIT_TOKENS,
}
_NAMES = {
    unit: tuple(
        f"x-ratelimit-{word}-{name}" for word in ("limit", "remaining", "reset", "renewalperiod")
    )
    for name, unit in _UNITS.items()
}
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
# `ms` before `m`: "5ms" is not five minutes.
_STEP = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", re.ASCII)
_DURATION = re.compile(rf"(?:{_STEP.pattern})+", re.ASCII)
_ALL_PERCENT = 100
_MOST_PERCENT = 1000
"""A plan may be overdrawn a little; more is garbage."""
USED_UP = "usage_limit_reached"
"""Type of the error of a plan that is used up (`openai.md` section 2.2)."""


def read_rate_limits(headers: Mapping[str, str], *, now: float, azure: bool = False) -> Buckets:
    """Return the buckets that the headers state; `now` is seconds since the epoch.

    `azure`: bare numbers are milliseconds also where no renewal period is told.
    """
    found = []
    for unit, (limit, remaining, reset, period) in _NAMES.items():
        window = number(headers.get(period))
        if headers.get(period) and window is None:
            continue
        text = headers.get(reset)
        seconds = duration(text)
        if seconds is None and (azure or window is not None):
            milliseconds = number(text)
            seconds = None if milliseconds is None else milliseconds / 1000
        made = stated_limits.stated(
            unit,
            now=now,
            limit=headers.get(limit),
            remaining=headers.get(remaining),
            window=window,
            reset_at=None if seconds is None else now + seconds,
        )
        if made is not None:
            found.append(made)
    return found


def read_plan(headers: Mapping[str, str], *, now: float) -> Buckets:
    """Return the windows of a ChatGPT account's plan; `now` as above."""
    found = []
    for name in ("primary", "secondary"):
        used = number(headers.get(f"x-codex-{name}-used-percent"))
        if used is None or used > _MOST_PERCENT:
            continue
        minutes = number(headers.get(f"x-codex-{name}-window-minutes"))
        if headers.get(f"x-codex-{name}-window-minutes") and not (
            minutes and minutes <= stated_limits.LONGEST / stated_limits.MINUTE
        ):
            continue
        reset_at = number(headers.get(f"x-codex-{name}-reset-at"))
        after = number(headers.get(f"x-codex-{name}-reset-after-seconds"))
        if reset_at is None and after is not None:
            reset_at = now + after
        found.append(
            stated_limits.bucket(
                rate_limit_pb2.RATE_LIMIT_UNIT_REQUESTS,
                now=now,
                remaining=0 if used >= _ALL_PERCENT else None,
                window=None if minutes is None else minutes * stated_limits.MINUTE,
                reset_at=reset_at,
            )
        )
    return found


def read_plan_error(body: bytes, *, now: float) -> Buckets:
    """Return what the error of a used-up plan says; `now` as above."""
    parsed = failures.parse(body)
    error = parsed.get("error") if isinstance(parsed, dict) else None
    if not isinstance(error, dict) or error.get("type") != USED_UP:
        return []
    reset_at = json_number(error.get("resets_at"))
    after = json_number(error.get("resets_in_seconds"))
    if reset_at is None and after is not None:
        reset_at = now + after
    if reset_at is None or not now < reset_at <= now + stated_limits.LONGEST:
        # Without an end it would be over for good.
        return []
    return [
        stated_limits.bucket(
            rate_limit_pb2.RATE_LIMIT_UNIT_REQUESTS,
            now=now,
            remaining=0,
            reset_at=reset_at,
            source=rate_limit_pb2.RATE_LIMIT_SOURCE_ERROR_BODY,
        )
    ]


@lru_cache(maxsize=1024)
def duration(text: str | None) -> float | None:
    """Return the seconds of a Go-style duration such as "6m0s"; None if it isn't one."""
    if not text or len(text) > 64 or not _DURATION.fullmatch(text):
        return None
    seconds = sum(float(value) * _SECONDS[unit] for value, unit in _STEP.findall(text))
    return seconds if seconds <= stated_limits.LONGEST else None
