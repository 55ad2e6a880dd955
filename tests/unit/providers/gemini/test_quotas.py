"""Quotas that Gemini names in the body of a 429."""

import json
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.v1 import rate_limit_pb2 as pb
from sluice_server.providers.dialects.gemini import Gemini
from sluice_server.providers.dialects.gemini.limits import midnight_pacific
from sluice_server.providers.quota_words import observed

NOW = datetime.fromisoformat("2026-08-19T14:34:12+00:00").timestamp()
MIDNIGHT = datetime.fromisoformat("2026-08-20T07:00:00+00:00").timestamp()
"""In Mountain View, where it is summer."""
R, T = pb.RATE_LIMIT_UNIT_REQUESTS, pb.RATE_LIMIT_UNIT_TOKENS
IN = pb.RATE_LIMIT_UNIT_INPUT_TOKENS
METRIC = "generativelanguage.googleapis.com/generate_content_paid_tier_"
MINUTE = {
    "quotaMetric": f"{METRIC}input_token_count",
    "quotaId": "GenerateContentPaidTierInputTokensPerModelPerMinute",
    "quotaDimensions": {"model": "gemini-2.5-flash", "location": "global"},
    "quotaValue": "1000000",
}
DAY = {
    "quotaMetric": f"{METRIC}requests",
    "quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier",
    "quotaValue": "250",
}


def answer(*violations: Any, delay: Any = "48s", message: str = "You exceeded it.") -> bytes:
    """Return the body of a 429."""
    details: list[dict[str, Any]] = [
        {"@type": "type.googleapis.com/google.rpc.Help", "links": []},
        {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": list(violations)},
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay},
    ]
    error = {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": message, "details": details}
    return json.dumps({"error": error}).encode()


def told(body: bytes) -> list[tuple[Any, ...]]:
    """Return unit, window, limit, remaining and the time of the reset of every bucket."""
    return [
        (
            bucket.unit,
            bucket.window.seconds,
            bucket.limit if bucket.HasField("limit") else None,
            bucket.remaining if bucket.HasField("remaining") else None,
            bucket.reset_time.ToSeconds() if bucket.HasField("reset_time") else None,
        )
        for bucket in Gemini().error_limits(429, {}, body, now=NOW)
        if bucket.source == pb.RATE_LIMIT_SOURCE_ERROR_BODY
    ]


def test_minute() -> None:
    """A minute's quota is used up until RetryInfo says (`gemini.md` section 5)."""
    assert told(answer(MINUTE)) == [(IN, 60, 1_000_000, 0, NOW + 48)]


def test_day() -> None:
    """A day's quota is used up until midnight Pacific, whatever RetryInfo says."""
    assert told(answer(DAY)) == [(R, 86_400, 250, 0, MIDNIGHT)]


def test_several() -> None:
    """Every violation is a bucket."""
    tokens = {**MINUTE, "quotaMetric": "x/token_count", "quotaId": "TokensPerHour"}
    assert told(answer(MINUTE, DAY, tokens)) == [
        (IN, 60, 1_000_000, 0, NOW + 48),
        (R, 86_400, 250, 0, MIDNIGHT),
        (T, 3_600, 1_000_000, 0, NOW + 48),
    ]


def test_quota_that_there_is_none_of() -> None:
    """A size of zero is left out of the violation, and stands in the message."""
    none = {name: value for name, value in DAY.items() if name != "quotaValue"}

    assert told(answer(none, message="… limit: 0, model: x"))[0][2:4] == (0, 0)
    assert told(answer(none))[0][2:4] == (None, 0)


def test_unit_by_the_id() -> None:
    """Where the metric is missing, the id says what is counted."""
    assert told(answer({"quotaId": MINUTE["quotaId"], "quotaValue": "5"}))[0][0] == IN


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b"[]",
        b"{}",
        b'{"error":{"details":[{"@type":"google.rpc.QuotaFailure"}]}}',
        b'{"error":{"message":"Resource exhausted, please try again later."}}',
        answer(),
        answer(None, 5, "x", []),
        answer({**MINUTE, "quotaValue": "-1"}),
        answer({**MINUTE, "quotaValue": "many"}),
        answer({**MINUTE, "quotaValue": "9" * 30}),
        answer({**MINUTE, "quotaMetric": "x/y", "quotaId": "PerMinute"}),
        answer({**MINUTE, "quotaId": "Unknown"}, delay="soon"),
    ],
)
def test_bodies_that_name_no_quota(body: bytes) -> None:
    """What cannot be read, or would hold for good, is no bucket."""
    assert told(body) == []


@pytest.mark.parametrize(
    ("now", "then"),
    [
        ("2026-08-19T06:59:59+00:00", "2026-08-19T07:00:00+00:00"),
        ("2026-08-19T07:00:00+00:00", "2026-08-20T07:00:00+00:00"),
        ("2026-12-24T12:00:00+00:00", "2026-12-25T08:00:00+00:00"),
        # The clocks go forward, and back.
        ("2027-03-14T09:00:00+00:00", "2027-03-15T07:00:00+00:00"),
        ("2026-11-01T08:00:00+00:00", "2026-11-02T08:00:00+00:00"),
    ],
)
def test_midnight(now: str, then: str) -> None:
    """Midnight is that of the west coast, summer and winter."""
    found = midnight_pacific(datetime.fromisoformat(now).timestamp())

    assert found == datetime.fromisoformat(then).timestamp()


ODD = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["-1s", "1e9s", "999999999s", "48s", "PerDay", "9" * 40, "0"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@given(
    violation=st.dictionaries(st.sampled_from(sorted(MINUTE)), ODD) | ODD, delay=ODD, message=ODD
)
@settings(max_examples=200, deadline=None)
def test_garbage_never_raises(violation: Any, delay: Any, message: Any) -> None:
    """Whatever the members are, no bucket comes out that would hold for good."""
    body = answer(violation, delay=delay, message=message)
    for seen in observed(Gemini().error_limits(429, {}, body, now=NOW), now=NOW):
        assert seen.limit is None or 0 <= seen.limit < 2**53
        assert seen.remaining in (0, None)
        assert seen.reset_at or seen.window or seen.limit == 0 or seen.remaining is None
