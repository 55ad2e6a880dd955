"""Rate limits that Anthropic states in headers."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.v1 import rate_limit_pb2
from sluice_server.providers.dialects.anthropic.limits import moment, read_rate_limits

NOW = 1_787_150_052.5
"""2026-08-19T14:34:12.5Z, a moment after the resets below."""

HEADERS = {
    "anthropic-ratelimit-requests-limit": "10000",
    "anthropic-ratelimit-requests-remaining": "9999",
    "anthropic-ratelimit-requests-reset": "2026-08-19T14:34:11Z",
    "anthropic-ratelimit-input-tokens-limit": "10000000",
    "anthropic-ratelimit-input-tokens-remaining": "0",
    "anthropic-ratelimit-input-tokens-reset": "2026-08-19T14:35:12Z",
    "anthropic-ratelimit-output-tokens-limit": "2000000",
    "anthropic-ratelimit-tokens-remaining": "12000000",
    "anthropic-ratelimit-tokens-reset": "soon",
}
UNIFIED = {
    "anthropic-ratelimit-unified-status": "rejected",
    "anthropic-ratelimit-unified-reset": "1787160000",
    "anthropic-ratelimit-unified-5h-status": "rejected",
    "anthropic-ratelimit-unified-5h-reset": "1787160000",
    "anthropic-ratelimit-unified-5h-utilization": "1.02",
    "anthropic-ratelimit-unified-7d-status": "allowed_warning",
    "anthropic-ratelimit-unified-7d-reset": "2026-08-24T00:00:00Z",
}
REQUESTS = rate_limit_pb2.RATE_LIMIT_UNIT_REQUESTS


def test_documented_headers() -> None:
    """Each group gives a bucket of what it states; a reset in the past is now."""
    buckets = {bucket.unit: bucket for bucket in read_rate_limits(HEADERS, now=NOW)}
    requests = buckets[REQUESTS]
    inputs = buckets[rate_limit_pb2.RATE_LIMIT_UNIT_INPUT_TOKENS]
    outputs = buckets[rate_limit_pb2.RATE_LIMIT_UNIT_OUTPUT_TOKENS]
    tokens = buckets[rate_limit_pb2.RATE_LIMIT_UNIT_TOKENS]

    assert len(buckets) == 4
    assert (requests.limit, requests.remaining) == (10000, 9999)
    assert requests.reset_time.ToMilliseconds() == NOW * 1000
    assert (inputs.limit, inputs.remaining) == (10_000_000, 0)
    assert inputs.HasField("remaining")
    assert inputs.reset_time.ToSeconds() == 1_787_150_112
    assert not outputs.HasField("remaining")
    assert not outputs.HasField("reset_time")
    assert not tokens.HasField("limit")
    assert not tokens.HasField("reset_time")
    for bucket in buckets.values():
        assert bucket.source == rate_limit_pb2.RATE_LIMIT_SOURCE_HEADERS
        assert bucket.observe_time.ToMilliseconds() == NOW * 1000
        assert not bucket.HasField("window")


def test_subscriptions() -> None:
    """Their windows have a length and a reset, and nothing left once they reject."""
    week, hours = read_rate_limits(UNIFIED, now=NOW)

    assert (week.window.seconds, hours.window.seconds) == (7 * 86400, 5 * 3600)
    assert not week.HasField("remaining")
    assert hours.HasField("remaining")
    assert hours.remaining == 0
    assert not hours.HasField("limit")
    assert hours.reset_time.ToSeconds() == 1_787_160_000
    assert week.unit == hours.unit == REQUESTS


def test_a_subscription_that_rejects_without_a_window() -> None:
    """A rejection of which no window is told is a bucket of its own."""
    told = {name: value for name, value in UNIFIED.items() if "-unified-5h" not in name}
    week, rejected = read_rate_limits(told, now=NOW)

    assert not week.HasField("remaining")
    assert rejected.HasField("remaining")
    assert not rejected.HasField("window")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"anthropic-ratelimit-requests-reset": "2026-08-19T14:34:11Z"},
        {"anthropic-ratelimit-requests-limit": "many"},
        {"anthropic-priority-input-tokens-limit": "10"},
        {"anthropic-ratelimit-unified-status": "allowed"},
        {"x-ratelimit-limit-requests": "10"},
    ],
    ids=str,
)
def test_headers_that_say_nothing(headers: dict[str, str]) -> None:
    """Without a number, or a place for it, there is no bucket."""
    assert read_rate_limits(headers, now=NOW) == []


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-08-19T14:34:12Z", 1_787_150_052),
        ("2026-08-19T14:34:12.250Z", 1_787_150_052.25),
        ("2026-08-19T16:34:12+02:00", 1_787_150_052),
        ("2026-08-19T14:34:12", 1_787_150_052),
        ("1787150052", 1_787_150_052),
        (None, None),
        ("", None),
        ("tomorrow", None),
        ("9" * 13, None),
        ("-5", None),
        ("٣", None),
        ("0001-01-01T00:00:00+23:59", None),
        ("2026-08-19T14:34:12Z" * 3, None),
    ],
)
def test_moments(text: str | None, seconds: float | None) -> None:
    """RFC 3339 and epoch seconds are read, nothing else."""
    found = moment(text)
    assert found == seconds or (seconds is None and found is not None and found < 0)


VALUES = (
    st.text(max_size=45)
    | st.integers().map(str)
    | st.datetimes().map(str)
    | st.sampled_from(["9" * 19, "9" * 12, "²", "nan", "inf", "1e5", "rejected", "0001-01-01"])
)


@given(headers=st.dictionaries(st.sampled_from(sorted({**HEADERS, **UNIFIED})), VALUES))
@settings(max_examples=200, deadline=None)
def test_garbage_never_raises(headers: dict[str, str]) -> None:
    """Any value gives a bucket that can be sent, or none."""
    for bucket in read_rate_limits(headers, now=NOW):
        bucket.SerializeToString()
        bucket.reset_time.ToJsonString()
        assert bucket.limit >= 0
        assert bucket.remaining >= 0
        assert not bucket.HasField("reset_time") or bucket.reset_time.ToNanoseconds() >= NOW * 1e9
