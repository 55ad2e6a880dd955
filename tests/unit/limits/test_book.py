"""What is remembered of rate limits, and the verdict on a next call."""

from typing import Any

import pytest

from sluice.v1 import rate_limit_pb2
from sluice.v1.gateway_service_pb2 import GetRateLimitsRequest, GetRateLimitsResponse
from sluice_server.limits import book as module
from sluice_server.limits.book import RateLimitBook

REQUESTS = rate_limit_pb2.RATE_LIMIT_UNIT_REQUESTS
TOKENS = rate_limit_pb2.RATE_LIMIT_UNIT_TOKENS
NOW = 1_000_000.0


def bucket(
    unit: int = REQUESTS,
    limit: int | None = 10,
    remaining: int | None = 4,
    reset: float | None = 30.0,
) -> rate_limit_pb2.RateLimitBucket:
    """Return a bucket that is full again `reset` seconds from now."""
    fields: dict[str, Any] = {"unit": unit, "limit": limit, "remaining": remaining}
    made = rate_limit_pb2.RateLimitBucket(**fields)
    if reset is not None:
        made.reset_time.FromNanoseconds(int((NOW + reset) * 1e9))
    return made


def seen(
    *buckets: rate_limit_pb2.RateLimitBucket,
    provider: str = "up",
    scope: str = "key",
    model: str = "m",
    book: RateLimitBook | None = None,
) -> RateLimitBook:
    """Return a book after one response with these buckets."""
    book = book or RateLimitBook()
    book.used(provider=provider, credential=scope, model=model)
    book.observe(buckets, provider=provider, scope=scope, model=model)
    return book


def asked(book: RateLimitBook, *, after: float = 0.0, **fields: Any) -> GetRateLimitsResponse:
    """Return the book's answer some seconds later."""
    return book.snapshot(GetRateLimitsRequest(**fields), now=NOW + after)


def test_nothing_known() -> None:
    """Before the first call there is nothing to tell."""
    assert asked(RateLimitBook()) == GetRateLimitsResponse()


def test_bucket_is_told_with_whose_it_is() -> None:
    """A bucket names provider, scope and model."""
    (found,) = asked(seen(bucket())).buckets

    assert (found.provider, found.quota_scope, found.model) == ("up", "key", "m")
    assert (found.limit, found.remaining) == (10, 4)


def test_newest_word_counts() -> None:
    """A later response replaces an earlier one, per unit."""
    book = seen(bucket(remaining=4), bucket(TOKENS, 100, 50))
    seen(bucket(remaining=3), book=book)

    assert [(b.unit, b.remaining) for b in asked(book).buckets] == [(REQUESTS, 3), (TOKENS, 50)]


def test_windows_of_one_unit_are_buckets_of_their_own() -> None:
    """A limit of a minute and one of a day stand beside each other."""
    minute, day = bucket(limit=10), bucket(limit=1000)
    minute.window.seconds, day.window.seconds = 60, 86400
    book = seen(minute, day)

    assert [found.limit for found in asked(book).buckets] == [10, 1000]


def test_response_without_limits_erases_nothing() -> None:
    """Silence is not news."""
    book = seen(bucket())
    seen(book=book)

    assert len(asked(book).buckets) == 1


def test_bucket_is_full_again_after_its_reset() -> None:
    """Past its reset a bucket has all its room, or an unknown one."""
    known, unknown = seen(bucket()), seen(bucket(limit=None))

    (full,) = asked(known, after=31).buckets
    assert (full.remaining, full.HasField("reset_time")) == (10, False)
    (open_,) = asked(unknown, after=31).buckets
    assert not open_.HasField("remaining")
    assert asked(known).buckets[0].remaining == 4


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({}, 3),
        ({"provider": "up"}, 2),
        ({"provider": "none"}, 0),
        ({"credential": "spare"}, 1),
        ({"model": "m"}, 3),
        ({"model": "up/m"}, 2),
        ({"model": "x"}, 0),
        ({"provider": "up", "credential": "key", "model": "m"}, 1),
    ],
    ids=str,
)
def test_filters(query: dict[str, Any], count: int) -> None:
    """Only what was asked for is told, of buckets and of verdicts."""
    book = seen(bucket())
    seen(bucket(), scope="spare", book=book)
    seen(bucket(), provider="other", book=book)
    answer = asked(book, **query)

    assert (len(answer.buckets), len(answer.headroom)) == (count, count)


HEADROOM: dict[str, tuple[list[rate_limit_pb2.RateLimitBucket], int, Any]] = {
    "no limit known": ([], 0, (True, None, None)),
    "room left": ([bucket()], 0, (True, None, 0.6)),
    "no request left": ([bucket(remaining=0)], 0, (False, 30.0, 1.0)),
    "tokens enough": ([bucket(TOKENS, 100, 50)], 50, (True, None, 0.5)),
    "too few tokens": ([bucket(TOKENS, 100, 50)], 51, (False, 30.0, 0.5)),
    "more than ever": ([bucket(TOKENS, 100, 100)], 101, (False, None, 0.0)),
    "no reset known": ([bucket(remaining=0, reset=None)], 0, (False, None, 1.0)),
    "longest wait": (
        [bucket(remaining=0, reset=5), bucket(TOKENS, 100, 0, reset=60)],
        1,
        (False, 60.0, 1.0),
    ),
    "one wait unknown": (
        [bucket(remaining=0, reset=5), bucket(TOKENS, 100, 0, reset=None)],
        1,
        (False, None, 1.0),
    ),
    "limit unknown": ([bucket(limit=None, remaining=3)], 0, (True, None, None)),
    "remaining unknown": ([bucket(remaining=None)], 0, (True, None, None)),
    "more left than the limit": ([bucket(limit=10, remaining=20)], 0, (True, None, 0.0)),
}


@pytest.mark.parametrize("case", HEADROOM)
def test_headroom(case: str) -> None:
    """The verdict says whether a call fits now, else how long to wait, if that is known."""
    buckets, tokens, (admissible, wait, utilization) = HEADROOM[case]
    copies = [rate_limit_pb2.RateLimitBucket() for _ in buckets]
    for copy, original in zip(copies, buckets, strict=True):
        copy.CopyFrom(original)
    (headroom,) = asked(seen(*copies), estimated_tokens=tokens).headroom

    assert headroom.admissible is admissible
    assert (headroom.wait.ToSeconds() if headroom.HasField("wait") else None) == wait
    found = headroom.utilization if headroom.HasField("utilization") else None
    assert found == (utilization if utilization is None else pytest.approx(utilization))


def test_wait_ends_with_the_reset() -> None:
    """After the reset the same call is admissible."""
    (headroom,) = asked(seen(bucket(remaining=0)), after=31).headroom

    assert headroom.admissible
    assert not headroom.HasField("wait")


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Callers choose model names, so the oldest are forgotten."""
    monkeypatch.setattr(module, "MAX_BUCKETS", 5)
    book = RateLimitBook()
    for number in range(20):
        seen(bucket(), model=f"m{number:02}", book=book)
    answer = asked(book)

    expected = [f"m{number}" for number in range(15, 20)]
    assert [b.model for b in answer.buckets] == expected
    assert [h.model for h in answer.headroom] == expected
