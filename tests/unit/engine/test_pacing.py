"""How long a stream waits for company."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice_server.engine.pacing import EASY, FULL, GROWN_UP_MESSAGES, Pacer

MOST = 0.2


def busy(share: float) -> Pacer:
    """Return a pacer that has long seen this load."""
    pacer = Pacer(max_seconds=MOST)
    for _ in range(64):
        pacer.observe(share)
    return pacer


@pytest.mark.parametrize("share", [0.0, EASY / 2, EASY])
def test_easy_server_never_waits(share: float) -> None:
    """With time to spare every token goes out at once."""
    pacer = busy(share)

    assert [pacer.window(messages) for messages in (1, 8, 1000)] == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("share", [FULL, 1.0, 7.0])
def test_full_server_waits_longest_with_old_streams(share: float) -> None:
    """A grown-up stream waits the configured time, a new one not at all."""
    pacer = busy(share)

    assert pacer.window(1) == 0.0
    assert pacer.window(GROWN_UP_MESSAGES + 1) == pytest.approx(MOST)
    assert pacer.window(10_000) == pytest.approx(MOST)


def test_one_busy_moment_is_not_load() -> None:
    """A single sample does not make everybody wait the longest."""
    pacer = Pacer(max_seconds=MOST)
    pacer.observe(1.0)

    assert pacer.window(1000) == 0.0


def test_load_is_forgotten() -> None:
    """Once the rush is over nothing waits."""
    pacer = busy(1.0)
    for _ in range(8):
        pacer.observe(0.0)

    assert pacer.window(1000) == 0.0


@given(
    shares=st.lists(st.floats(0, 2), max_size=20),
    messages=st.integers(1, 100),
    most=st.floats(0, 5),
)
@settings(max_examples=150, deadline=None)
def test_wait_is_bounded_and_grows_with_age(
    shares: list[float], messages: int, most: float
) -> None:
    """No load makes a stream wait longer than configured, or less than a younger one."""
    pacer = Pacer(max_seconds=most)
    for share in shares:
        pacer.observe(share)

    assert 0 <= pacer.window(messages) <= most
    assert pacer.window(messages) <= pacer.window(messages + 1)


async def test_stopping_ends_measuring() -> None:
    """A pacer can be stopped before its first sample, and without having started."""
    pacer = Pacer(max_seconds=MOST)
    await pacer.stop()
    pacer.start()
    await pacer.stop()
