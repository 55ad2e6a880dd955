"""Rate limits that Chat Completions servers state in headers."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.v1 import rate_limit_pb2
from sluice_server.providers.dialects.openai_chat.limits import duration, read_rate_limits

NOW = 1_790_000_000.5
HEADERS = {
    "x-ratelimit-limit-requests": "5000",
    "x-ratelimit-remaining-requests": "4999",
    "x-ratelimit-reset-requests": "12ms",
    "x-ratelimit-limit-tokens": "2000000",
    "x-ratelimit-remaining-tokens": "0",
    "x-ratelimit-reset-tokens": "6m0s",
}


def test_documented_headers() -> None:
    """Requests and tokens each give a bucket with limit, remaining and reset."""
    requests, tokens = read_rate_limits(HEADERS, now=NOW)

    assert requests.unit == rate_limit_pb2.RATE_LIMIT_UNIT_REQUESTS
    assert (requests.limit, requests.remaining) == (5000, 4999)
    assert requests.reset_time.ToMilliseconds() == 1_790_000_000_512
    assert tokens.unit == rate_limit_pb2.RATE_LIMIT_UNIT_TOKENS
    assert (tokens.limit, tokens.remaining) == (2_000_000, 0)
    assert tokens.HasField("remaining")
    assert tokens.reset_time.ToSeconds() == 1_790_000_360
    for bucket in (requests, tokens):
        assert bucket.observe_time.ToMilliseconds() == 1_790_000_000_500
        assert bucket.source == rate_limit_pb2.RATE_LIMIT_SOURCE_HEADERS


def test_unknown_is_not_zero() -> None:
    """What a header does not say stays absent."""
    (bucket,) = read_rate_limits({"x-ratelimit-remaining-requests": "3"}, now=NOW)

    assert not bucket.HasField("limit")
    assert not bucket.HasField("reset_time")


@pytest.mark.parametrize(
    "headers",
    [{}, {"x-ratelimit-reset-requests": "1s"}, {"x-ratelimit-limit-requests": "many"}],
)
def test_headers_that_say_nothing(headers: dict[str, str]) -> None:
    """Without a number there is no bucket."""
    assert read_rate_limits(headers, now=NOW) == []


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("150ms", 0.15),
        ("2ms", 0.002),
        ("8.64s", 8.64),
        ("6m0s", 360.0),
        ("14m24s", 864.0),
        ("1h0m5s", 3605.0),
        ("1d", 86400.0),
        ("1m5ms", 60.005),
        ("0s", 0.0),
        ("", None),
        (None, None),
        ("500", None),
        ("1 s", None),
        ("-1s", None),
        ("s", None),
        ("1s!", None),
        ("1s\n", None),
        ("999999999d", None),
        ("1" * 60 + "s", None),
        ("1s" * 40, None),
    ],
)
def test_durations(text: str | None, seconds: float | None) -> None:
    """Go-style durations are read whole, or not at all."""
    assert duration(text) == (None if seconds is None else pytest.approx(seconds))


VALUES = (
    st.text(max_size=70)
    | st.integers().map(str)
    | st.text("0123456789.msh", max_size=70)
    | st.sampled_from(["9" * 19, "9" * 20, "²", "٣", "\u0661s", "1e5", " 1", "+1"])
)


@given(headers=st.dictionaries(st.sampled_from(sorted(HEADERS)), VALUES))
@settings(max_examples=200, deadline=None)
def test_garbage_never_raises(headers: dict[str, str]) -> None:
    """Any value gives a bucket that can be sent, or none."""
    for bucket in read_rate_limits(headers, now=NOW):
        bucket.SerializeToString()
        assert bucket.limit >= 0
        assert bucket.remaining >= 0
