"""Rate-limit headers of look-alikes, each in the style of its row."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.v1 import rate_limit_pb2 as pb
from sluice_server.providers.presets.chat import QUIRKS
from tests.unit.providers.openai_chat.asking import dialect

NOW = 1_790_000_000.0
R, T = pb.RATE_LIMIT_UNIT_REQUESTS, pb.RATE_LIMIT_UNIT_TOKENS
IN, OUT = pb.RATE_LIMIT_UNIT_INPUT_TOKENS, pb.RATE_LIMIT_UNIT_OUTPUT_TOKENS


def told(kind: str, **headers: str) -> list[tuple[Any, ...]]:
    """Return unit, window, limit, remaining and seconds until the reset of every bucket."""
    named = {f"x-ratelimit-{name.replace('_', '-')}": value for name, value in headers.items()}
    return [
        (
            bucket.unit,
            bucket.window.seconds if bucket.HasField("window") else None,
            bucket.limit if bucket.HasField("limit") else None,
            bucket.remaining if bucket.HasField("remaining") else None,
            round(bucket.reset_time.ToNanoseconds() / 1e9 - NOW, 2)
            if bucket.HasField("reset_time")
            else None,
        )
        for bucket in dialect(kind).rate_limits(named, now=NOW)
    ]


TRIO = {
    "limit_requests": "120",
    "remaining_requests": "119",
    "reset_requests": "500",
    "limit_tokens": "9",
    "remaining_tokens": "0",
}
UNLIMITED = str(2**63 - 1024)


def test_openai() -> None:
    """Durations have units; a bare number is none of them."""
    assert told("openai", **TRIO | {"reset_requests": "1m1s"})[0] == (R, None, 120, 119, 61.0)
    assert told("openai", **TRIO)[0] == (R, None, 120, 119, None)


def test_groq() -> None:
    """The same names are a day's requests and a minute's tokens."""
    found = told("groq", **TRIO | {"reset_requests": "2m59.56s", "reset_tokens": "7.66s"})

    assert found == [(R, 86400, 120, 119, 179.56), (T, 60, 9, 0, 7.66)]


def test_azure() -> None:
    """A reset without a unit is milliseconds, and the window is told."""
    found = told("azure-openai", **TRIO | {"renewalperiod_requests": "60"})

    assert found == [(R, 60, 120, 119, 0.5), (T, None, 9, 0, None)]


def test_cerebras() -> None:
    """Windows are in the names, resets are seconds, and a huge number is no limit."""
    found = told(
        "cerebras",
        limit_requests_day="14400",
        remaining_requests_day="14399",
        reset_requests_day="33011.5",
        limit_tokens_minute="60000",
        remaining_tokens_minute="59800",
        reset_tokens_minute="11.25",
        remaining_tokens_hour=UNLIMITED,
    )

    assert found == [(R, 86400, 14400, 14399, 33011.5), (T, 60, 60000, 59800, 11.25)]


def test_mistral() -> None:
    """Any window in a name is read; there are no resets."""
    found = told(
        "mistral",
        limit_req_minute="120",
        remaining_req_minute="118",
        limit_req_10_second="60",
        remaining_req_10_second="58",
        remaining_tokens_month="9999999829",
        tokens_query_cost="129",
    )

    assert sorted(found, key=str) == sorted(
        [
            (R, 60, 120, 118, None),
            (R, 10, 60, 58, None),
            (T, 30 * 86400, None, 9999999829, None),
        ],
        key=str,
    )


def test_others() -> None:
    """Each of the others has its own names, or none at all."""
    assert told("xai", **TRIO) == [(R, 60, 120, 119, None), (T, 60, 9, 0, None)]
    assert told("together", limit="10", remaining="9", reset="2", limit_tokens="7") == [
        (R, 1, 10, 9, 2.0),
        (T, 1, 7, None, 2.0),
    ]
    assert told(
        "fireworks",
        limit_tokens_prompt="5",
        remaining_tokens_prompt="4",
        limit_tokens_generated="3",
    ) == [(IN, None, 5, 4, None), (OUT, None, 3, None, None)]
    for kind in ("vllm", "ollama", "llamacpp", "deepseek", "qwen"):
        assert told(kind, **TRIO) == []


def test_unknown_make() -> None:
    """Windows in names are read as well; a reset without a unit could be anything."""
    found = told(
        "openai-compatible",
        **TRIO,
        remaining_requests_hour="119998",
        remaining_tokens_hour=UNLIMITED,
        limit_requests_day="20",
        reset_requests_day="4h17m",
        limit_tokens_minute="9",
        reset_tokens_minute="11.25",
    )

    assert found == [
        (R, None, 120, 119, None),
        (T, None, 9, 0, None),
        (R, 3600, None, 119998, None),
        (R, 86400, 20, None, 15420.0),
        (T, 60, 9, None, None),
    ]


MILLISECONDS = "1790000017000"


def test_openrouter_headers() -> None:
    """Resets are epoch milliseconds; the headers do not say of which window."""
    assert told("openrouter", limit="20", remaining="0", reset=MILLISECONDS) == [
        (R, None, 20, 0, 17.0)
    ]


def failure(message: str = "no", **metadata: Any) -> bytes:
    """Return an error as OpenRouter writes it."""
    return json.dumps({"error": {"code": 429, "message": message, "metadata": metadata}}).encode()


INNER = {
    "X-RateLimit-Limit": "50",
    "X-RateLimit-Remaining": "0",
    "X-RateLimit-Reset": MILLISECONDS,
}


@pytest.mark.parametrize(
    ("body", "window"),
    [
        (failure(headers=INNER), 0),
        (failure(headers=INNER, limit_source="openrouter_free_tier_daily"), 86400),
        (failure("Rate limit exceeded: free-models-per-day. ", headers=INNER), 86400),
        (failure("Rate limit exceeded: free-models-per-min. ", headers=INNER), 60),
    ],
)
def test_openrouter_errors(body: bytes, window: int) -> None:
    """Errors hold headers, and say in a code or in words of which window (section 7)."""
    (bucket,) = dialect("openrouter").error_limits(429, {}, body, now=NOW)

    assert (bucket.unit, bucket.window.seconds) == (R, window)
    assert (bucket.limit, bucket.remaining) == (50, 0)
    assert bucket.reset_time.ToSeconds() == NOW + 17
    assert bucket.source == pb.RATE_LIMIT_SOURCE_ERROR_BODY
    assert dialect("groq").error_limits(429, {}, body, now=NOW) == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[1]",
        b'{"error":"x"}',
        failure(),
        failure(headers=[INNER]),
        failure(headers={}),
        failure(headers={**INNER, "X-RateLimit-Remaining": "-1"}),
        failure(headers={**INNER, "X-RateLimit-Limit": "many"}),
        failure(headers={**INNER, "X-RateLimit-Reset": {"a": [1]}}),
        failure(headers={**INNER, "X-RateLimit-Reset": "soon"}),
        failure(headers={**INNER, "X-RateLimit-Reset": None}),
    ],
)
def test_openrouter_errors_without_a_limit(body: bytes) -> None:
    """What cannot be read, or would hold for good, is no bucket."""
    assert dialect("openrouter").error_limits(429, {}, body, now=NOW) == []


NAMES = [
    f"x-ratelimit-{what}-{name}"
    for what in ("limit", "remaining", "reset")
    for name in (
        "requests",
        "tokens",
        "requests-day",
        "tokens-minute",
        "req-10-second",
        "tokens-prompt",
    )
] + ["x-ratelimit-limit", "x-ratelimit-reset", "x-ratelimit-limit-req-9999-month"]
VALUES = st.text(max_size=30) | st.sampled_from(
    ["9" * 19, "9" * 40, "0", "1e5", "-1", "inf", "nan", "²", "1.5", "0." + "9" * 20, UNLIMITED]
)


@pytest.mark.parametrize("kind", QUIRKS)
@given(headers=st.dictionaries(st.sampled_from(NAMES), VALUES))
@settings(max_examples=30, deadline=None)
def test_garbage_never_raises(kind: str, headers: dict[str, str]) -> None:
    """Any value gives a bucket that can be sent, or none, in every style."""
    settings = {"base_url": "http://127.0.0.1:1"}
    for bucket in dialect(kind, **settings).rate_limits(headers, now=NOW):
        bucket.SerializeToString()
        assert bucket.limit >= 0
        assert bucket.remaining >= 0
