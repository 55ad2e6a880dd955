"""In which order usable credentials are tried."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from sluice_server.credentials.strategies import Health, RoundRobin, strategy_of
from tests.unit.credentials.rooms import LIMITED, credentials, room

DRAWS = 4000


def firsts(health: Health, names: str) -> Counter[str]:
    """Return how often each credential came first."""
    return Counter(health.order(credentials(names))[0].name for _ in range(DRAWS))


def test_failover_keeps_the_operators_order() -> None:
    """The first one that can be used is the one to use."""
    it = strategy_of("failover", credentials("abc"), headroom=lambda _: 1.0)
    for _ in range(3):
        assert "".join(c.name for c in it.order(credentials("abc"))) == "abc"
        it.learn("a", worked=False)


def test_round_robin_takes_turns() -> None:
    """Each is first in its turn, and one that is missing loses its own turn only."""
    it = RoundRobin("abc")

    def first(names: str) -> str:
        return "".join(c.name for c in it.order(credentials(names)))

    assert [first("abc") for _ in range(4)] == ["abc", "bca", "cab", "abc"]
    assert [first("ac"), first("abc"), first("b"), first("abc")] == ["ca", "abc", "b", "cab"]
    assert it.order([]) == []


def test_health_follows_room() -> None:
    """Work is shared in proportion to the room that is left; nothing is never tried."""
    room_of = {"a": 0.75, "b": 0.25, "c": 0.0}
    health = Health(lambda c: room_of[c.name], random.Random(1).random)
    counts = firsts(health, "abc")
    assert 2.5 < counts["a"] / counts["b"] < 3.6
    assert 0 < counts["c"] < DRAWS * 0.05


def test_health_follows_success() -> None:
    """Faults of late cost a credential work, and successes bring it back."""
    health = Health(lambda _: 1.0, random.Random(2).random)
    for _ in range(10):
        health.learn("a", worked=False)
    assert firsts(health, "ab")["a"] < DRAWS * 0.15
    for _ in range(20):
        health.learn("a", worked=True)
    assert firsts(health, "ab")["a"] > DRAWS * 0.45


@pytest.mark.parametrize("room", [float("nan"), float("inf"), -1.0, 7.0])
def test_odd_headroom_does_no_harm(room: float) -> None:
    """Whatever is said about room, every credential stays in the order."""
    health = Health(lambda _: room, random.Random(3).random)
    assert sorted(c.name for c in health.order(credentials("abc"))) == ["a", "b", "c"]
    assert 0 < health.weight(credentials("a")[0]) <= 1


def test_unlucky_draws() -> None:
    """A draw of zero still gives an order."""
    health = Health(lambda _: 0.0, lambda: 0.0)
    assert len(health.order(credentials("abc"))) == 3


async def test_faults_of_the_credential_move_the_work() -> None:
    """A key that was limited gets less of the work even after it came back."""
    it = room(credentials("ab"), strategy="health", draw=random.Random(4))
    for _ in range(5):
        use = None
        while use is None:
            it.clock.now += 61
            use = await it.pool.take(it.credential("a"))
        await use.ended(LIMITED)
    it.clock.now += 61
    assert await it.call("a")
    counts = Counter([(await it.names())[0] for _ in range(500)])
    assert 0 < counts["a"] < counts["b"]
