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

from sluice.v1 import rate_limit_pb2
from sluice_server.providers import failures, stated_limits
from sluice_server.providers.dialects.openai_chat.quirks import LimitStyle
from sluice_server.providers.openai_family.limits import duration
from sluice_server.providers.openai_family.limits import read_rate_limits as openai_limits
from sluice_server.providers.stated_limits import DAY, HOUR, MINUTE, MONTH, number

__all__ = [
    "duration",
    "epoch_milliseconds",
    "exhausted_for",
    "inner_headers",
    "read_error_limits",
    "read_rate_limits",
]

Buckets: TypeAlias = list[rate_limit_pb2.RateLimitBucket]

_REQUESTS = rate_limit_pb2.RATE_LIMIT_UNIT_REQUESTS
_TOKENS = rate_limit_pb2.RATE_LIMIT_UNIT_TOKENS
_INPUT = rate_limit_pb2.RATE_LIMIT_UNIT_INPUT_TOKENS
_OUTPUT = rate_limit_pb2.RATE_LIMIT_UNIT_OUTPUT_TOKENS
_PLAIN_UNITS = (("requests", _REQUESTS), ("tokens", _TOKENS))
_NAMED_WINDOWS = (("minute", MINUTE), ("hour", HOUR), ("day", DAY))
_WINDOW_ENDINGS = tuple(f"-{window}" for window, _ in _NAMED_WINDOWS)

# OpenRouter's limits by what is said of them, `openrouter.md` section 7: in
# `limit_source`, and in the message as recorded ("free-models-per-min").
WINDOW_WORDS = {"per-min": MINUTE, "per-day": DAY, "_daily": DAY}


def read_rate_limits(
    headers: Mapping[str, str], *, now: float, style: LimitStyle = "openai"
) -> Buckets:
    """Return the buckets that headers of this style state; `now` is epoch seconds."""
    return _STYLES[style](headers, now) if style != "none" else []


def read_error_limits(body: bytes, *, now: float, style: LimitStyle = "openai") -> Buckets:
    """Return the buckets that an error's body states; `now` as above.

    OpenRouter's only (`openrouter.md` section 7): headers inside the body, and what
    is limited in a code or in words.
    """
    if style != "openrouter":
        return []
    parsed = failures.parse(body)
    error = parsed.get("error") if isinstance(parsed, dict) else None
    if not isinstance(error, dict):
        return []
    metadata = error.get("metadata")
    if not isinstance(metadata, dict) or not isinstance(metadata.get("headers"), dict):
        return []
    told = inner_headers(metadata["headers"])
    words = (metadata.get("limit_source"), error.get("message"))
    said = " ".join(word for word in words if isinstance(word, str))
    window = next((seconds for word, seconds in WINDOW_WORDS.items() if word in said), None)
    found = _openrouter(told, now, window, rate_limit_pb2.RATE_LIMIT_SOURCE_ERROR_BODY)
    # Without an end, that nothing is left would hold for good.
    return [bucket for bucket in found if bucket.remaining or bucket.HasField("reset_time")]


def inner_headers(members: Mapping[object, object]) -> Mapping[str, str]:
    """Return headers that stand in a body, with names in lower case; only what can be one."""
    return {
        str(name).lower(): str(value)
        for name, value in members.items()
        if isinstance(value, str) or (type(value) is int and abs(value) < 2**63)
    }


def epoch_milliseconds(text: str | None) -> float | None:
    """Return the epoch seconds of epoch milliseconds; None if it is none."""
    if not text or not text.isascii() or not text.isdigit() or len(text) > 15:
        return None
    return int(text) / 1000


def exhausted_for(headers: Mapping[str, str], style: LimitStyle, now: float) -> float:
    """Return for how many seconds the headers say that nothing is left; 0 if they don't."""
    waits = (
        bucket.reset_time.seconds + bucket.reset_time.nanos / 1e9 - now
        for bucket in read_rate_limits(headers, now=now, style=style)
        if bucket.HasField("remaining") and not bucket.remaining and bucket.HasField("reset_time")
    )
    return max((0.0, *waits))


def _openai(headers: Mapping[str, str], now: float) -> Buckets:
    return openai_limits(headers, now=now)


def _azure(headers: Mapping[str, str], now: float) -> Buckets:
    return openai_limits(headers, now=now, azure=True)


def _compatible(headers: Mapping[str, str], now: float) -> Buckets:
    """OpenAI's names, and those that also name a window (routers, and SambaNova, section 6).

    The maker is not known, so a reset without a unit could be anything, and is none.
    """
    found = openai_limits(headers, now=now)
    # Few do, and this is asked of every answer.
    if any(name.endswith(_WINDOW_ENDINGS) for name in headers):
        found += _windowed(headers, now, duration)
    return found


def _groq(headers: Mapping[str, str], now: float) -> Buckets:
    """OpenAI's names, for a day's requests and a minute's tokens (section 2)."""
    return _buckets(
        _bucket(
            headers, now, unit, name, window, duration(headers.get(f"x-ratelimit-reset-{name}"))
        )
        for name, unit, window in (("requests", _REQUESTS, DAY), ("tokens", _TOKENS, MINUTE))
    )


def _cerebras(headers: Mapping[str, str], now: float) -> Buckets:
    """Requests and tokens per window in the name; resets in seconds (`cerebras.md` section 5)."""
    return _windowed(headers, now, number)


def _windowed(
    headers: Mapping[str, str], now: float, read: Callable[[str | None], float | None]
) -> Buckets:
    """Return what is stated under names with windows; `read` tells the seconds until a reset."""
    return _buckets(
        _bucket(
            headers,
            now,
            unit,
            f"{name}-{window}",
            seconds,
            read(headers.get(f"x-ratelimit-reset-{name}-{window}")),
        )
        for name, unit in _PLAIN_UNITS
        for window, seconds in _NAMED_WINDOWS
    )


_MISTRAL = re.compile(
    r"x-ratelimit-(?:limit|remaining)-((req|tokens)-(?:(\d{1,4})-)?(second|minute|hour|day|month))",
    re.ASCII,
)
_WINDOWS = {"second": 1, "minute": MINUTE, "hour": HOUR, "day": DAY, "month": MONTH}


def _mistral(headers: Mapping[str, str], now: float) -> Buckets:
    """Any number of windows, told in the names alone, without resets (section 3)."""
    named = {match[1]: match for name in headers if (match := _MISTRAL.fullmatch(name))}
    return _buckets(
        _bucket(
            headers,
            now,
            _REQUESTS if match[2] == "req" else _TOKENS,
            name,
            int(match[3] or 1) * _WINDOWS[match[4]],
        )
        for name, match in sorted(named.items())
        # A window that cannot be would make another bucket of it.
        if 0 < int(match[3] or 1) * _WINDOWS[match[4]] <= stated_limits.LONGEST
    )


def _xai(headers: Mapping[str, str], now: float) -> Buckets:
    """OpenAI's names without resets; limits are per minute (section 5)."""
    return _buckets(_bucket(headers, now, unit, name, MINUTE) for name, unit in _PLAIN_UNITS)


def _together(headers: Mapping[str, str], now: float) -> Buckets:
    """Whole numbers per second, with one reset in seconds (section 6); tokens as recorded."""
    reset = number(headers.get("x-ratelimit-reset"))
    return _buckets(
        [
            _bucket(headers, now, _REQUESTS, "", 1, reset),
            _bucket(headers, now, _TOKENS, "tokens", 1, reset),
        ]
    )


def _fireworks(headers: Mapping[str, str], now: float) -> Buckets:
    """Prompt and generated tokens, without resets (section 6)."""
    return _buckets(
        _bucket(headers, now, unit, name)
        for name, unit in (("tokens-prompt", _INPUT), ("tokens-generated", _OUTPUT))
    )


def _openrouter(
    headers: Mapping[str, str],
    now: float,
    window: float | None = None,
    source: rate_limit_pb2.RateLimitSource.ValueType = rate_limit_pb2.RATE_LIMIT_SOURCE_HEADERS,
) -> Buckets:
    """One trio of requests, its reset in epoch milliseconds (`openrouter.md` section 7)."""
    return _buckets(
        [
            stated_limits.stated(
                _REQUESTS,
                now=now,
                limit=headers.get("x-ratelimit-limit"),
                remaining=headers.get("x-ratelimit-remaining"),
                window=window,
                reset_at=epoch_milliseconds(headers.get("x-ratelimit-reset")),
                source=source,
            )
        ]
    )


_STYLES: Mapping[LimitStyle, Callable[[Mapping[str, str], float], Buckets]] = {
    "openai": _openai,
    "compatible": _compatible,
    "groq": _groq,
    "azure": _azure,
    "cerebras": _cerebras,
    "mistral": _mistral,
    "xai": _xai,
    "together": _together,
    "fireworks": _fireworks,
    "openrouter": _openrouter,
}


def _buckets(found: Iterable[rate_limit_pb2.RateLimitBucket | None]) -> Buckets:
    return [bucket for bucket in found if bucket is not None]


def _bucket(
    headers: Mapping[str, str],
    now: float,
    unit: rate_limit_pb2.RateLimitUnit.ValueType,
    name: str,
    window: float | None = None,
    reset: float | None = None,
) -> rate_limit_pb2.RateLimitBucket | None:
    """Return the bucket whose headers end in `name`; window and reset are seconds from now."""
    ending = f"-{name}" if name else ""
    return stated_limits.stated(
        unit,
        now=now,
        limit=headers.get(f"x-ratelimit-limit{ending}"),
        remaining=headers.get(f"x-ratelimit-remaining{ending}"),
        window=window,
        reset_at=None if reset is None else now + reset,
    )
