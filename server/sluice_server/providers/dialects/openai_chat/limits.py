"""Rate limits in the headers of Chat Completions servers. Pure.

Every look-alike has a style, named in its row and never guessed from a value: the
same header is a day's requests at one and a minute's at the next, and the same
digits are seconds or milliseconds (`overview.md` section 6). OpenAI's own style
is in `openai_family.limits`.

A limit without a number of requests or tokens says nothing and is left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

from google.protobuf import timestamp_pb2

from sluice.v1 import rate_limit_pb2
from sluice_server.providers.dialects.openai_chat.quirks import LimitStyle
from sluice_server.providers.openai_family.limits import duration
from sluice_server.providers.openai_family.limits import read_rate_limits as openai_limits

__all__ = ["duration", "exhausted_for", "read_rate_limits"]

Buckets: TypeAlias = list[rate_limit_pb2.RateLimitBucket]

_REQUESTS = rate_limit_pb2.RATE_LIMIT_UNIT_REQUESTS
_TOKENS = rate_limit_pb2.RATE_LIMIT_UNIT_TOKENS
_INPUT = rate_limit_pb2.RATE_LIMIT_UNIT_INPUT_TOKENS
_OUTPUT = rate_limit_pb2.RATE_LIMIT_UNIT_OUTPUT_TOKENS
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_MONTH = 30 * _DAY
_UNLIMITED = 2**53
"""From here on a number stands for no limit (`cerebras.md` section 5)."""
_LONGEST_RESET = 366.0 * _DAY
_NUMBER = re.compile(r"\d{1,19}(?:\.\d{1,20})?", re.ASCII)


def read_rate_limits(
    headers: Mapping[str, str], *, now: float, style: LimitStyle = "openai"
) -> Buckets:
    """Return the buckets that headers of this style state; `now` is epoch seconds."""
    return _STYLES[style](headers, now) if style != "none" else []


def exhausted_for(headers: Mapping[str, str], style: LimitStyle, now: float) -> float:
    """Return for how many seconds the headers say that nothing is left; 0 if they don't."""
    return max(
        (
            bucket.reset_time.seconds + bucket.reset_time.nanos / 1e9 - now
            for bucket in read_rate_limits(headers, now=now, style=style)
            if bucket.HasField("remaining")
            and not bucket.remaining
            and bucket.HasField("reset_time")
        ),
        default=0.0,
    )


def _openai(headers: Mapping[str, str], now: float) -> Buckets:
    return openai_limits(headers, now=now)


def _groq(headers: Mapping[str, str], now: float) -> Buckets:
    """OpenAI's names, for a day's requests and a minute's tokens (section 2)."""
    return _buckets(
        _bucket(
            headers,
            now,
            unit,
            f"limit-{name}",
            f"remaining-{name}",
            window,
            duration(headers.get(f"x-ratelimit-reset-{name}")),
        )
        for name, unit, window in (("requests", _REQUESTS, _DAY), ("tokens", _TOKENS, _MINUTE))
    )


def _azure(headers: Mapping[str, str], now: float) -> Buckets:
    """OpenAI's names, with resets in milliseconds and the window told (`openai.md` section 10)."""
    found = []
    for name, unit in (("requests", _REQUESTS), ("tokens", _TOKENS)):
        text = headers.get(f"x-ratelimit-reset-{name}")
        milliseconds = _number(text)
        # Deployments that still answer in OpenAI's way say so with a unit.
        reset = duration(text) if milliseconds is None else milliseconds / 1000
        window = _number(headers.get(f"x-ratelimit-renewalperiod-{name}"))
        found.append(
            _bucket(headers, now, unit, f"limit-{name}", f"remaining-{name}", window, reset)
        )
    return _buckets(found)


def _cerebras(headers: Mapping[str, str], now: float) -> Buckets:
    """Requests and tokens per window in the name; resets in seconds (`cerebras.md` section 5)."""
    return _buckets(
        _bucket(
            headers,
            now,
            unit,
            f"limit-{name}-{window}",
            f"remaining-{name}-{window}",
            seconds,
            _number(headers.get(f"x-ratelimit-reset-{name}-{window}")),
        )
        for name, unit in (("requests", _REQUESTS), ("tokens", _TOKENS))
        for window, seconds in (("minute", _MINUTE), ("hour", _HOUR), ("day", _DAY))
    )


_MISTRAL = re.compile(
    r"x-ratelimit-(?:limit|remaining)-((req|tokens)-(?:(\d{1,4})-)?(second|minute|hour|day|month))",
    re.ASCII,
)
_WINDOWS = {"second": 1, "minute": _MINUTE, "hour": _HOUR, "day": _DAY, "month": _MONTH}


def _mistral(headers: Mapping[str, str], now: float) -> Buckets:
    """Any number of windows, told in the names alone, without resets (section 3)."""
    named = {match[1]: match for name in headers if (match := _MISTRAL.fullmatch(name))}
    return _buckets(
        _bucket(
            headers,
            now,
            _REQUESTS if match[2] == "req" else _TOKENS,
            f"limit-{name}",
            f"remaining-{name}",
            int(match[3] or 1) * _WINDOWS[match[4]],
            None,
        )
        for name, match in sorted(named.items())
    )


def _xai(headers: Mapping[str, str], now: float) -> Buckets:
    """OpenAI's names without resets (section 5)."""
    return _buckets(
        _bucket(headers, now, unit, f"limit-{name}", f"remaining-{name}", None, None)
        for name, unit in (("requests", _REQUESTS), ("tokens", _TOKENS))
    )


def _together(headers: Mapping[str, str], now: float) -> Buckets:
    """One trio of requests, in whole numbers, per second (section 6)."""
    reset = _number(headers.get("x-ratelimit-reset"))
    return _buckets([_bucket(headers, now, _REQUESTS, "limit", "remaining", 1, reset)])


def _fireworks(headers: Mapping[str, str], now: float) -> Buckets:
    """Prompt and generated tokens, without resets (section 6)."""
    return _buckets(
        _bucket(headers, now, unit, f"limit-{name}", f"remaining-{name}", None, None)
        for name, unit in (("tokens-prompt", _INPUT), ("tokens-generated", _OUTPUT))
    )


_STYLES: Mapping[LimitStyle, Callable[[Mapping[str, str], float], Buckets]] = {
    "openai": _openai,
    "groq": _groq,
    "azure": _azure,
    "cerebras": _cerebras,
    "mistral": _mistral,
    "xai": _xai,
    "together": _together,
    "fireworks": _fireworks,
}


def _buckets(found: Iterable[rate_limit_pb2.RateLimitBucket | None]) -> Buckets:
    return [bucket for bucket in found if bucket is not None]


def _bucket(
    headers: Mapping[str, str],
    now: float,
    unit: rate_limit_pb2.RateLimitUnit.ValueType,
    limit: str,
    remaining: str,
    window: float | None,
    reset: float | None,
) -> rate_limit_pb2.RateLimitBucket | None:
    size = _count(headers.get(f"x-ratelimit-{limit}"))
    left = _count(headers.get(f"x-ratelimit-{remaining}"))
    if size is None and left is None:
        return None
    bucket = rate_limit_pb2.RateLimitBucket(
        unit=unit, limit=size, remaining=left, source=rate_limit_pb2.RATE_LIMIT_SOURCE_HEADERS
    )
    _set_time(bucket.observe_time, now)
    if window is not None and 0 < window <= _LONGEST_RESET:
        bucket.window.seconds = int(window)
    if reset is not None and reset <= _LONGEST_RESET:
        _set_time(bucket.reset_time, now + reset)
    return bucket


def _set_time(timestamp: timestamp_pb2.Timestamp, moment: float) -> None:
    timestamp.seconds = seconds = int(moment)
    timestamp.nanos = int((moment - seconds) * 1e9)


def _number(text: str | None) -> float | None:
    return float(text) if text and _NUMBER.fullmatch(text) else None


def _count(text: str | None) -> int | None:
    value = _number(text)
    return int(value) if value is not None and value < _UNLIMITED else None
