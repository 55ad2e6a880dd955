"""What a ChatGPT account says of its plan."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.v1 import rate_limit_pb2 as pb
from sluice_server.providers.dialects.openai_responses import OpenAiResponses
from sluice_server.providers.quota_words import observed

NOW = 1_790_000_000.0
ACCOUNT = OpenAiResponses(stated_limits="codex")
HEADERS = {
    "x-codex-primary-used-percent": "100",
    "x-codex-primary-window-minutes": "300",
    "x-codex-primary-reset-after-seconds": "4711",
    "x-codex-primary-reset-at": "1790004711",
    "x-codex-secondary-used-percent": "12.5",
    "x-codex-secondary-window-minutes": "10080",
    "x-codex-secondary-reset-after-seconds": "99",
}


def told(buckets: list[pb.RateLimitBucket]) -> list[tuple[Any, ...]]:
    """Return unit, window, remaining and the time of the reset of every bucket."""
    return [
        (
            bucket.unit,
            bucket.window.seconds,
            bucket.remaining if bucket.HasField("remaining") else None,
            bucket.reset_time.ToSeconds(),
        )
        for bucket in buckets
        if not bucket.HasField("limit")
    ]


def failure(**members: Any) -> bytes:
    """Return the error of a used-up plan."""
    error = {"type": "usage_limit_reached", "plan_type": "plus", **members}
    return json.dumps({"error": error}).encode()


def test_windows() -> None:
    """A window has its length and its reset, and nothing left once all is used."""
    assert told(ACCOUNT.rate_limits(HEADERS, now=NOW)) == [
        (pb.RATE_LIMIT_UNIT_REQUESTS, 18_000, 0, 1_790_004_711),
        (pb.RATE_LIMIT_UNIT_REQUESTS, 604_800, None, 1_790_000_099),
    ]


def test_headers_count_only_for_accounts() -> None:
    """Others do not read them, and accounts read nobody else's."""
    assert OpenAiResponses().rate_limits(HEADERS, now=NOW) == []
    assert ACCOUNT.rate_limits({"x-ratelimit-limit-requests": "5"}, now=NOW) == []


@pytest.mark.parametrize(
    "members",
    [{"resets_at": 1_790_000_300}, {"resets_in_seconds": 300}, {"resets_in_seconds": "300"}],
)
def test_used_up_plan(members: dict[str, Any]) -> None:
    """The error says until when nothing remains (`openai.md` section 2.2)."""
    found = OpenAiResponses().error_limits(429, {}, failure(**members), now=NOW)

    assert told(found) == [(pb.RATE_LIMIT_UNIT_REQUESTS, 0, 0, 1_790_000_300)]
    assert found[0].source == pb.RATE_LIMIT_SOURCE_ERROR_BODY


def test_window_and_error_are_one() -> None:
    """What headers and body say alike is learned once, with its window."""
    body = failure(resets_at=1_790_004_711)
    both = [
        *ACCOUNT.rate_limits(HEADERS, now=NOW),
        *ACCOUNT.error_limits(429, HEADERS, body, now=NOW),
    ]

    assert [seen.window for seen in observed(both, now=NOW)] == [18_000, 604_800]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'{"error":"no"}',
        failure(),
        failure(resets_at=None),
        failure(resets_at=True),
        failure(resets_at=1_789_999_999),
        failure(resets_at=10**30),
        failure(resets_in_seconds=-5),
        failure(type="rate_limit_exceeded", resets_in_seconds=5),
    ],
)
def test_bodies_that_state_no_limit(body: bytes) -> None:
    """Other errors, and ends that cannot be, are no bucket."""
    assert OpenAiResponses().error_limits(429, {}, body, now=NOW) == []


VALUES = st.text(max_size=20) | st.sampled_from(
    ["-1", "nan", "inf", "1e9", "9" * 19, "9" * 40, "0", "²", "100", "100.5"]
)


@given(headers=st.dictionaries(st.sampled_from(sorted(HEADERS)), VALUES))
def test_garbage_never_raises(headers: dict[str, str]) -> None:
    """Whatever the values are, what is learned has a possible window and reset."""
    for seen in observed(ACCOUNT.rate_limits(headers, now=NOW), now=NOW):
        assert seen.limit is None
        assert seen.remaining in (0, None)
        assert 0 <= seen.window <= 366 * 86_400
        assert seen.reset_at is None or NOW < seen.reset_at <= NOW + 366 * 86_400
