"""Who gets a place, who waits for one and who is sent away."""

import asyncio
import random
from typing import Any

import pytest

from sluice_server.edge.gate import LONGEST_RETRY_SECONDS, SHORTEST_RETRY_SECONDS, Gate
from sluice_server.errors import OverloadedError


class Crowd:
    """Calls at a gate, by name; each stays inside until it is told to leave."""

    def __init__(self, **settings: Any) -> None:
        """Open a gate."""
        self.waiting: list[int] = []
        self.gate = Gate(
            **{"places": 2, "waiting": 2, "max_wait": 60.0, "low_share": 1.0, **settings},
            on_waiting=self.waiting.append,
        )
        self.order: list[str] = []
        """Names in the order in which they came in."""
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self._doors: dict[str, asyncio.Event] = {}

    async def come(self, *names: str, low: bool = False, insists: bool = False) -> None:
        """Let calls come, one after the other."""
        for name in names:
            self._doors[name] = asyncio.Event()
            self.tasks[name] = asyncio.create_task(self._call(name, low, insists))
            await self._settle()

    async def leave(self, name: str) -> None:
        """Let a call that is inside end."""
        self._doors[name].set()
        await self.tasks[name]
        await self._settle()

    async def disband(self) -> None:
        """Cancel whoever is left."""
        for task in self.tasks.values():
            task.cancel()
        await asyncio.gather(*self.tasks.values(), return_exceptions=True)

    def refused(self, name: str) -> OverloadedError:
        """Return the error of a call that was sent away."""
        task = self.tasks[name]
        assert task.done(), f"{name} was not sent away"
        error = task.exception()
        assert isinstance(error, OverloadedError)
        return error

    async def _call(self, name: str, low: bool, insists: bool) -> None:
        async with self.gate.place(low=low, insists=insists):
            self.order.append(name)
            await self._doors[name].wait()

    async def _settle(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)


async def test_places_are_bounded() -> None:
    """No more calls are inside than there are places; the others come in as some leave."""
    crowd = Crowd()
    await crowd.come("a", "b", "c", "d")
    assert (crowd.order, crowd.gate.active, crowd.gate.waiting) == (["a", "b"], 2, 2)
    await crowd.leave("b")
    await crowd.leave("a")
    assert crowd.order == ["a", "b", "c", "d"]
    assert (crowd.gate.active, crowd.gate.waiting) == (2, 0)
    await crowd.disband()
    assert crowd.gate.active == 0
    assert crowd.waiting[-1] == 0


async def test_the_queue_is_bounded() -> None:
    """Who finds the queue full is told at once to come back, within bounds."""
    crowd = Crowd()
    await crowd.come(*"abcde")
    wait = crowd.refused("e").retry_after
    assert wait is not None
    assert SHORTEST_RETRY_SECONDS <= wait <= LONGEST_RETRY_SECONDS
    await crowd.disband()


async def test_who_insists_finds_room_in_a_full_queue() -> None:
    """Whoever was refused often may wait behind those that came first; that room is bounded too."""
    crowd = Crowd()
    await crowd.come(*"abcd")
    await crowd.come("e", "f", "g", insists=True)
    assert crowd.gate.waiting == 4
    crowd.refused("g")
    await crowd.come("h")
    crowd.refused("h")
    for name in "abcd":
        await crowd.leave(name)
    assert crowd.order == [*"abcdef"]
    await crowd.disband()


async def test_who_is_sent_away_comes_back_in_turn() -> None:
    """Each is told another moment, as far apart as places come free: no crowd comes back."""
    now = 100.0
    gate = Gate(places=2, waiting=0, max_wait=1.0, low_share=1.0, clock=lambda: now)

    async def stay(seconds: float) -> None:
        nonlocal now
        async with gate.place(low=False):
            now += seconds

    async def refused() -> float:
        with pytest.raises(OverloadedError) as caught:
            async with gate.place(low=False):
                pass
        assert caught.value.retry_after is not None
        return caught.value.retry_after

    # Nobody came for an hour, which says nothing about how long calls stay.
    now += 3600
    await stay(1.0)
    async with gate.place(low=False), gate.place(low=False):
        assert [await refused() for _ in range(4)] == pytest.approx([0.5, 1.0, 1.5, 2.0])
        now += 1.0
        assert await refused() == pytest.approx(1.5)
        for _ in range(30):
            await refused()
        assert await refused() == LONGEST_RETRY_SECONDS
        # All promised places came free, and nobody is expected any more.
        now += LONGEST_RETRY_SECONDS + 1.0
        assert await refused() == pytest.approx(0.5)


async def test_nobody_waits_where_nobody_may() -> None:
    """With a queue of none, calls beyond the places are sent away."""
    crowd = Crowd(waiting=0)
    await crowd.come(*"abc")
    crowd.refused("c")
    await crowd.disband()


async def test_normal_calls_come_before_low_ones() -> None:
    """A call of low priority waits until no other one does."""
    crowd = Crowd(waiting=4)
    await crowd.come("a", "b")
    await crowd.come("low", low=True)
    await crowd.come("c", "d")
    for name in "abc":
        await crowd.leave(name)
    assert crowd.order == ["a", "b", "c", "d", "low"]
    await crowd.disband()


async def test_normal_calls_take_the_place_of_low_ones_in_the_queue() -> None:
    """In a full queue the low call that came last makes way, and is told to come back."""
    crowd = Crowd()
    await crowd.come("a", "b")
    await crowd.come("first low", "second low", low=True)
    await crowd.come("c")
    assert "priority" in str(crowd.refused("second low"))
    assert not crowd.tasks["first low"].done()
    await crowd.come("third low", low=True)
    assert "full" in str(crowd.refused("third low"))
    await crowd.disband()


async def test_low_calls_leave_some_places_free() -> None:
    """Low calls may fill their share of the places; normal ones pass them."""
    crowd = Crowd(places=4, waiting=10, low_share=0.5)
    await crowd.come("low 1", "low 2", "low 3", low=True)
    await crowd.come("a", "b", "c")
    assert crowd.order == ["low 1", "low 2", "a", "b"]
    await crowd.leave("a")
    assert crowd.order[-1] == "c"
    await crowd.leave("low 1")
    await crowd.leave("b")
    assert crowd.order[-1] == "c"
    await crowd.leave("c")
    assert crowd.order[-1] == "low 3"
    await crowd.disband()


async def test_nobody_waits_for_ever() -> None:
    """A call that gets no place in time is told so, and holds none afterwards."""
    crowd = Crowd(max_wait=0.02)
    await crowd.come("a", "b", "c")
    await asyncio.wait((crowd.tasks["c"],))
    assert "in time" in str(crowd.refused("c"))
    assert crowd.gate.waiting == 0
    await crowd.leave("a")
    await crowd.come("d")
    assert crowd.order[-1] == "d"
    await crowd.disband()
    assert crowd.gate.active == 0


async def test_who_leaves_the_queue_leaves_no_gap() -> None:
    """A caller who goes away while waiting takes no place, not even in that very moment."""
    crowd = Crowd()
    await crowd.come("a", "b", "c", "d")
    crowd.tasks["c"].cancel()
    await asyncio.wait((crowd.tasks["c"],))
    assert crowd.gate.waiting == 1
    # d gets the place and is cancelled before it can run.
    crowd._doors["a"].set()
    await asyncio.wait((crowd.tasks["a"],))
    crowd.tasks["d"].cancel()
    await asyncio.wait((crowd.tasks["d"],))
    assert crowd.gate.active == 1
    await crowd.disband()
    assert crowd.gate.active == 0


@pytest.mark.parametrize("seed", range(20))
async def test_places_are_never_lost(seed: int) -> None:
    """Whatever calls do, afterwards all places are free and nobody waits."""
    chance = random.Random(seed)
    gate = Gate(places=3, waiting=4, max_wait=0.003, low_share=0.7)
    inside = most = 0

    async def call() -> None:
        nonlocal inside, most
        async with gate.place(low=chance.random() < 0.4):
            inside += 1
            most = max(most, inside)
            try:
                await asyncio.sleep(chance.choice([0, 0.001, 0.004]))
            finally:
                inside -= 1

    tasks = []
    for _ in range(200):
        tasks.append(asyncio.create_task(call()))
        if chance.random() < 0.3:
            await asyncio.sleep(0)
        if chance.random() < 0.3:
            chance.choice(tasks).cancel()
        if chance.random() < 0.05:
            await asyncio.sleep(0.002)
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert {type(one) for one in results} <= {type(None), OverloadedError, asyncio.CancelledError}
    assert most == 3
    assert (gate.active, gate.waiting) == (0, 0)
    async with asyncio.timeout(10), gate.place(low=True), gate.place(low=False):
        assert gate.active == 2
