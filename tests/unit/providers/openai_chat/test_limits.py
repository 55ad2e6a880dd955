"""Rate-limit headers of look-alikes, each in the style of its row."""

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
        remaining_tokens_minute=UNLIMITED,
        reset_tokens_minute="11.25",
        remaining_tokens_hour=UNLIMITED,
    )

    assert found == [(R, 86400, 14400, 14399, 33011.5), (T, 60, 60000, None, 11.25)]


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
    assert told("xai", **TRIO)[0] == (R, None, 120, 119, None)
    assert told("together", limit="10", remaining="9", reset="2") == [(R, 1, 10, 9, 2.0)]
    assert told(
        "fireworks",
        limit_tokens_prompt="5",
        remaining_tokens_prompt="4",
        limit_tokens_generated="3",
    ) == [(IN, None, 5, 4, None), (OUT, None, 3, None, None)]
    for kind in ("vllm", "ollama", "llamacpp", "deepseek", "qwen", "openrouter"):
        assert told(kind, **TRIO) == []


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
