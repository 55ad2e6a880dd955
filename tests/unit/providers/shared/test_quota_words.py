"""What a store learns of buckets that any dialect may have made."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.v1 import rate_limit_pb2 as pb
from sluice_server.providers.quota_words import observed
from sluice_server.state.quota import REQUESTS, TOKENS, Observed

NOW = 1_790_000_000.0
YEAR = 366 * 86_400


def bucket(
    *, window: int | None = None, reset: float | None = None, **fields: Any
) -> pb.RateLimitBucket:
    """Return a bucket; `reset` is in seconds from now."""
    made = pb.RateLimitBucket(**{"unit": REQUESTS, "source": pb.RATE_LIMIT_SOURCE_HEADERS} | fields)
    if window is not None:
        made.window.seconds = window
    if reset is not None:
        made.reset_time.FromMilliseconds(int((NOW + reset) * 1000))
    return made


def test_all_of_it() -> None:
    """Every member arrives."""
    whole = bucket(
        window=60, reset=1.5, limit=10, remaining=9, source=pb.RATE_LIMIT_SOURCE_ERROR_BODY
    )

    assert observed([whole], now=NOW) == [
        Observed(
            unit=REQUESTS,
            window=60.0,
            limit=10,
            remaining=9,
            reset_at=NOW + 1.5,
            source=pb.RATE_LIMIT_SOURCE_ERROR_BODY,
        )
    ]


def test_unknown_is_not_zero() -> None:
    """What is absent stays unknown."""
    (seen,) = observed([bucket(remaining=0)], now=NOW)

    assert (seen.window, seen.limit, seen.remaining, seen.reset_at) == (0.0, None, 0, None)


@pytest.mark.parametrize(
    "odd",
    [
        bucket(),
        bucket(unit=0, limit=1),
        bucket(unit=99, limit=1),
        bucket(limit=-1, remaining=5),
        bucket(limit=5, remaining=-1),
        bucket(limit=5, window=-1),
        bucket(limit=5, window=YEAR + 1),
        bucket(remaining=0, reset=-1),
    ],
    ids=str,
)
def test_nonsense_is_left_out(odd: pb.RateLimitBucket) -> None:
    """A bucket that cannot be, or that says nothing, does not reach the store."""
    assert observed([odd, bucket(unit=TOKENS, limit=1)], now=NOW) == [
        Observed(unit=TOKENS, limit=1)
    ]


@pytest.mark.parametrize(
    ("reset", "learned"),
    [(-1, None), (0, None), (0.25, 0.25), (YEAR, YEAR), (YEAR + 1, None), (-NOW, None)],
)
def test_resets(reset: float, learned: float | None) -> None:
    """A reset in the past, or in more than a year, is none."""
    (seen,) = observed([bucket(limit=5, remaining=3, reset=reset)], now=NOW)

    assert seen.reset_at == (None if learned is None else pytest.approx(NOW + learned))
    assert (seen.limit, seen.remaining) == (5, 3)


def test_end_of_nothing_left() -> None:
    """Past its reset a bucket is full: that nothing is left is not believed then."""
    (seen,) = observed([bucket(limit=5, remaining=0, reset=-2)], now=NOW)

    assert (seen.limit, seen.remaining) == (5, None)


def test_the_tighter_of_two() -> None:
    """Of two words about one bucket the tighter counts; other windows are other buckets."""
    seen = observed(
        [bucket(remaining=3), bucket(remaining=1), bucket(limit=9), bucket(remaining=8, window=60)],
        now=NOW,
    )

    assert [(one.window, one.remaining) for one in seen] == [(0.0, 1), (60.0, 8)]


def test_stated_twice() -> None:
    """The same limit with and without its window is one; with another end it is another."""
    named = bucket(limit=20, remaining=0, reset=17, window=60)
    same = bucket(limit=20, remaining=0, reset=17.4)
    later = bucket(limit=20, remaining=0, reset=600)

    assert [one.window for one in observed([same, named], now=NOW)] == [60.0]
    assert [one.window for one in observed([later, named], now=NOW)] == [0.0, 60.0]


INT64 = st.integers(-(2**63), 2**63 - 1)


@given(
    fields=st.fixed_dictionaries(
        {}, optional={"unit": st.integers(0, 9), "limit": INT64, "remaining": INT64}
    ),
    window=st.none() | INT64,
    reset=st.none() | INT64,
)
def test_any_bucket(fields: dict[str, int], window: int | None, reset: int | None) -> None:
    """Whatever a dialect returns, nothing raises and only sense comes out."""
    made = bucket(window=window, **fields)
    if reset is not None:
        made.reset_time.seconds = reset
    for seen in observed([made], now=NOW):
        assert seen.limit is None or seen.limit >= 0
        assert seen.remaining is None or seen.remaining >= 0
        assert 0 <= seen.window <= YEAR
        assert seen.reset_at is None or NOW < seen.reset_at <= NOW + YEAR
