"""Own limits that are full again all at once, as a budget is at midnight, in both stores."""

import math

import pytest

from sluice_server.state.memory import MemoryQuotaStore
from sluice_server.state.quota import COST, Filter, OwnLimit, Refusal, Reservation
from tests.unit.state.worlds import GROUP, MemoryWorld, World, until

WINDOW = 0.5
LONG = 300 * 86_400.0
"""A window that does not end while a test runs."""


def budget(capacity: int = 100, window: float = WINDOW) -> OwnLimit:
    """Return a budget."""
    return OwnLimit(name="shop/cost", unit=COST, capacity=capacity, window=window, at_once=True)


def call(name: str, cost: int, limit: OwnLimit) -> Reservation:
    """Return a call that may cost so much."""
    return Reservation(id=name, group=GROUP, amounts={COST: cost}, own=(limit,))


async def left(world: World, limit: OwnLimit) -> int | None:
    """Return what the budget has."""
    (state,) = await world.store.buckets(Filter(provider="nobody", own=(limit,)))
    return state.remaining


async def fresh_window(world: World, window: float = WINDOW) -> None:
    """Wait for the first moments of a window, so that what follows happens in one."""
    number = math.floor(world.now() / window)

    async def begun() -> bool:
        return math.floor(world.now() / window) > number

    await until(world, begun)


async def test_it_comes_back_whole_and_on_time(world: World) -> None:
    """What is spent stays spent until the window ends, and then all is there again."""
    limit = budget()
    await fresh_window(world)
    assert await world.store.reserve(call("a", 100, limit), ttl=60) is None
    await world.store.settle(call("a", 100, limit), {COST: 100})
    began = world.now()
    refusal = await world.store.reserve(call("b", 1, limit), ttl=60)
    end = (math.floor(began / WINDOW) + 1) * WINDOW
    assert refusal is not None
    assert refusal.wait == pytest.approx(end - began, abs=0.1)
    assert (refusal.own, refusal.unit, refusal.limit) == ("shop/cost", COST, 100)

    async def full() -> bool:
        return await left(world, limit) == 100

    await until(world, full)
    assert world.now() >= end - 0.01


async def test_a_call_is_charged_what_it_cost(world: World) -> None:
    """The estimate holds the money while the call runs; its end gives back what it did not use."""
    limit = budget(window=LONG)
    assert await world.store.reserve(call("a", 80, limit), ttl=60) is None
    refusal = await world.store.reserve(call("b", 30, limit), ttl=60)
    assert isinstance(refusal, Refusal)
    await world.store.settle(call("a", 80, limit), {COST: 25})
    assert await left(world, limit) == 75
    await world.store.settle(call("a", 80, limit), {COST: 25})
    assert await left(world, limit) == 75
    assert await world.store.reserve(call("b", 75, limit), ttl=60) is None
    await world.store.settle(call("b", 75, limit), {COST: 90})
    assert await left(world, limit) == 0
    assert await world.store.reserve(call("c", 1, limit), ttl=60) is not None


async def test_nothing_sent_costs_nothing(world: World) -> None:
    """A call that was never sent gives its money back; one without a count keeps its estimate."""
    limit = budget(window=LONG)
    for name in ("a", "b"):
        assert await world.store.reserve(call(name, 30, limit), ttl=60) is None
    await world.store.settle(call("a", 30, limit), None)
    assert await left(world, limit) == 70
    await world.store.settle(call("b", 30, limit), {})
    assert await left(world, limit) == 70


async def test_larger_than_the_budget(world: World) -> None:
    """What costs more than a whole budget never goes, however long it waits."""
    limit = budget(window=LONG)
    refusal = await world.store.reserve(call("a", 101, limit), ttl=60)
    assert refusal is not None
    assert refusal.wait is None


async def test_a_call_over_midnight(world: World) -> None:
    """What a call took before the window's end does not come back into the next one."""
    limit = budget()
    await fresh_window(world)
    assert await world.store.reserve(call("old", 90, limit), ttl=60) is None
    await fresh_window(world)
    assert await world.store.reserve(call("new", 60, limit), ttl=60) is None
    await world.store.settle(call("old", 90, limit), {COST: 10})
    assert await left(world, limit) == 40


async def test_a_raised_budget_has_what_it_was_raised_by(world: World) -> None:
    """An operator who changes the amount changes what is left by just that."""
    before, after, less = (budget(amount, LONG) for amount in (100, 150, 50))
    assert await world.store.reserve(call("a", 100, before), ttl=60) is None
    await world.store.settle(call("a", 100, before), {COST: 100})
    assert await left(world, after) == 50
    assert await world.store.reserve(call("b", 50, after), ttl=60) is None
    await world.store.settle(call("b", 50, after), {COST: 50})
    assert await left(world, less) == 0
    assert await left(world, after) == 0


async def test_a_clock_that_goes_back() -> None:
    """A clock that is set back over midnight gives nobody a second budget."""
    world = MemoryWorld(lambda clock: MemoryQuotaStore(clock=clock))
    limit = budget(window=LONG)
    world.time = 20_000 * LONG + 10
    assert await world.store.reserve(call("a", 100, limit), ttl=60) is None
    await world.store.settle(call("a", 100, limit), {COST: 100})
    world.time -= 60
    assert await left(world, limit) == 0
    world.time += 60
    assert await left(world, limit) == 0
    world.time += LONG
    assert await left(world, limit) == 100
