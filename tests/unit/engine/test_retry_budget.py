"""How much load further attempts may add."""

from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice_server.config.attempts import RetryBudget as Rules
from sluice_server.engine.retry_budget import WINDOW_SECONDS, RetryBudget


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        """Begin some time after the epoch."""
        self.now = 10_000.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.now


def budget(share: float = 0.1, least: int = 0) -> tuple[RetryBudget, Clock]:
    """Return a budget and its clock."""
    clock = Clock()
    return RetryBudget(Rules(share=share, least_per_minute=least), clock=clock), clock


def test_a_tenth() -> None:
    """After a hundred first attempts ten more are allowed, and the eleventh is not."""
    given, _ = budget()
    for _ in range(100):
        given.began("up")
    assert [given.take("up") for _ in range(12)] == [True] * 10 + [False] * 2


def test_some_are_always_allowed() -> None:
    """With hardly any traffic a few further attempts are allowed all the same."""
    given, _ = budget(least=3)
    given.began("up")
    assert [given.take("up") for _ in range(4)] == [True, True, True, False]


def test_providers_have_budgets_of_their_own() -> None:
    """What one provider used up another one has."""
    given, _ = budget(least=1)
    assert given.take("up")
    assert not given.take("up")
    assert given.take("other")


def test_the_minute_rolls() -> None:
    """What is older than a minute counts no more, neither first nor further attempts."""
    given, clock = budget(share=0.5)
    for _ in range(10):
        given.began("up")
    assert [given.take("up") for _ in range(6)] == [True] * 5 + [False]
    clock.now += WINDOW_SECONDS
    assert not given.take("up")
    for _ in range(2):
        given.began("up")
    assert [given.take("up") for _ in range(2)] == [True, False]


def test_refusals_are_told() -> None:
    """Whoever counts refusals learns the provider."""
    told: list[str] = []
    given = RetryBudget(Rules(share=0, least_per_minute=0), on_refused=told.append)
    assert not given.take("up")
    assert told == ["up"]


@given(
    steps=st.lists(st.tuples(st.booleans(), st.floats(0, 30)), min_size=1, max_size=200),
    share=st.floats(0, 1),
    least=st.integers(0, 5),
)
def test_never_more_than_the_share(
    steps: list[tuple[bool, float]], share: float, least: int
) -> None:
    """In no minute are there more further attempts than allowed."""
    given, clock = budget(share, least)
    first: deque[float] = deque()
    extra: deque[float] = deque()
    for is_first, passed in steps:
        clock.now += passed
        if is_first:
            given.began("up")
            first.append(clock.now)
        elif given.take("up"):
            extra.append(clock.now)
            # A slice may count a little longer than a minute for what came first.
            slack = WINDOW_SECONDS / 12
            firsts = sum(at > clock.now - WINDOW_SECONDS for at in first)
            extras = sum(at > clock.now - WINDOW_SECONDS + slack for at in extra)
            assert extras <= max(least, share * firsts)


@pytest.mark.parametrize("jump", [0.0, 3_600.0, 1e9])
def test_long_silence(jump: float) -> None:
    """After any silence the budget starts anew, at no cost."""
    given, clock = budget(least=1)
    assert given.take("up")
    clock.now += jump
    assert given.take("up") == (jump > 0)
