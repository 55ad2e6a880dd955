"""Calls go on when Redis is slow or gone, and replicas share again when it is back."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, asynccontextmanager

import pytest
from structlog.testing import capture_logs

from sluice_server.state.quota import (
    COST,
    REQUESTS,
    TOKENS,
    BucketState,
    Filter,
    Observed,
    OwnLimit,
    Reservation,
)
from sluice_server.state.redis import RedisQuotaStore
from sluice_server.state.shared import SLOW_SECONDS, SharedQuotaStore, SharedState
from tests.support.beats import beating
from tests.support.redis import RedisServer, redis_server
from tests.unit.state.worlds import GROUP

STREAMS = OwnLimit(name="streams", unit=REQUESTS, capacity=100)


@pytest.fixture
def server() -> Iterator[RedisServer]:
    """A server to break."""
    with redis_server() as one:
        yield one


@asynccontextmanager
async def replica(
    server: RedisServer, changes: list[SharedState] | None = None, *, retry: float = 0.02
) -> AsyncIterator[SharedQuotaStore]:
    """One replica's store."""
    store = SharedQuotaStore(
        RedisQuotaStore(server.url),
        retry=retry,
        on_change=None if changes is None else changes.append,
    )
    try:
        yield store
    finally:
        await store.aclose()


def call(name: str) -> Reservation:
    """Return a reservation of one request and ten tokens."""
    return Reservation(id=name, group=GROUP, amounts={REQUESTS: 1, TOKENS: 10}, own=(STREAMS,))


def said(remaining: int, reset: float = 1_000.0) -> list[Observed]:
    """Return a statement about requests."""
    at = time.time() + reset
    return [Observed(unit=REQUESTS, window=60.0, limit=100, remaining=remaining, reset_at=at)]


async def until(check: Callable[[], Awaitable[bool] | bool]) -> None:
    """Return when something holds."""
    async with asyncio.timeout(10):
        while True:
            held = check()
            if held if isinstance(held, bool) else await held:
                return
            await asyncio.sleep(0.005)


async def bucket(store: SharedQuotaStore | RedisQuotaStore) -> BucketState:
    """Return the only bucket."""
    [state] = await store.buckets(Filter())
    return state


async def test_replicas_share(server: RedisServer) -> None:
    """What one replica reserves, learns and cools, the others know."""
    async with replica(server) as one, replica(server) as other:
        await one.observe(GROUP, said(2))
        assert await one.reserve(call("a"), ttl=60) is None
        assert await other.reserve(call("b"), ttl=60) is None
        assert await one.reserve(call("c"), ttl=60) is not None
        assert await other.reserve(call("c"), ttl=60) is not None
        await one.settle(call("a"), None)
        assert await other.reserve(call("c"), ttl=60) is None
        await other.cool("key", 60)
        assert "key" in await one.cooling(["key"])
        assert one.state.up


async def test_calls_go_on_without_redis(server: RedisServer) -> None:
    """Killed while in use, no call fails, and this replica still keeps to what it knows."""
    changes: list[SharedState] = []
    async with replica(server, changes) as store:
        await store.observe(GROUP, said(3))
        await store.cool("key", 60)
        assert await store.reserve(call("a"), ttl=60) is None
        server.kill()
        assert await store.reserve(call("b"), ttl=60) is None
        assert await store.reserve(call("c"), ttl=60) is None
        assert await store.reserve(call("d"), ttl=60) is not None
        assert "key" in await store.cooling(["key"])
        await store.settle(call("a"), None)
        assert await store.reserve(call("d"), ttl=60) is None
        assert (await bucket(store)).reserved == 3
        assert not store.state.up
        assert [change.up for change in changes] == [False]
        assert store.state == changes[0]
        assert store.state.since == pytest.approx(time.time(), abs=10)


async def test_state_converges_when_redis_is_back(server: RedisServer) -> None:
    """A new, empty Redis is told what rests, what runs and what was observed meanwhile."""
    changes: list[SharedState] = []
    async with replica(server, changes) as store, replica(server) as other:
        await store.observe(GROUP, said(50))
        assert await store.reserve(call("before"), ttl=60) is None
        assert await store.reserve(call("ends"), ttl=60) is None
        server.kill()
        assert await store.reserve(call("meanwhile"), ttl=60) is None
        await store.observe(GROUP, said(40), reservation="before")
        await store.settle(call("ends"), None)
        await store.cool("key", 60)
        server.start()
        await until(lambda: store.state.up)
        assert [change.up for change in changes] == [False, True]
        state = await bucket(other)
        assert (state.remaining, state.limit, state.reserved) == (40, 100, 1)
        assert "key" in await other.cooling(["key"])
        [_, own] = await other.buckets(Filter(own=[STREAMS]))
        assert own.reserved == 2
        for name in ("before", "meanwhile"):
            await store.settle(call(name), None)
        assert (await bucket(other)).reserved == 0


async def test_what_lapsed_in_redis_is_taken_again(server: RedisServer) -> None:
    """A call that runs is counted by all again, as counted as it was; one that ended is not."""
    async with replica(server) as store, replica(server) as other:
        await store.observe(GROUP, said(50))
        for name in ("runs", "ended"):
            assert await store.reserve(call(name), ttl=60) is None
        await store.observe(GROUP, said(49), reservation="runs")
        server.call("FLUSHALL")
        await store.observe(GROUP, said(48))
        await store.settle(call("ended"), None)
        assert not await store.renew([call("runs")], ttl=60)
        [state, own] = await other.buckets(Filter(own=[STREAMS]))
        # Its request is in what was said already.
        assert (state.remaining, state.reserved, own.reserved) == (48, 0, 1)
        await store.settle(call("runs"), None)
        [state, own] = await other.buckets(Filter(own=[STREAMS]))
        assert (state.reserved, own.reserved) == (0, 0)


async def test_who_ends_while_it_is_taken_again_leaves_nothing(server: RedisServer) -> None:
    """A call may end between the answer that it lapsed and its being taken again."""
    async with replica(server) as store, replica(server) as other:
        assert await store.reserve(call("ends"), ttl=60) is None
        server.call("FLUSHALL")
        await asyncio.gather(store.renew([call("ends")], ttl=60), store.settle(call("ends"), None))
        [own] = await other.buckets(Filter(own=[STREAMS]))
        assert own.reserved == 0


async def test_a_replica_that_stops_leaves_nothing_behind(server: RedisServer) -> None:
    """Also what ended while Redis stood still, when the replica had not asked it again yet."""
    async with replica(server) as other:
        async with replica(server, retry=1_000) as store:
            assert await store.reserve(call("ends"), ttl=60) is None
            server.signal(signal.SIGSTOP)
            try:
                await store.settle(call("ends"), None)
                assert not store.state.up
            finally:
                server.signal(signal.SIGCONT)
            [own] = await other.buckets(Filter(own=[STREAMS]))
            assert own.reserved == 1
        [own] = await other.buckets(Filter(own=[STREAMS]))
        assert own.reserved == 0


async def test_what_a_replica_could_not_tell_is_said(server: RedisServer) -> None:
    """Without Redis it stops all the same, and says whose room others will wait for."""
    with capture_logs() as lines:
        async with replica(server, retry=1_000) as store:
            assert await store.reserve(call("ends"), ttl=60) is None
            server.kill()
            await store.settle(call("ends"), None)
    (line,) = [line for line in lines if line["event"] == "state.not_told"]
    assert line["calls"] == 1


async def test_a_silent_redis_costs_one_short_wait(server: RedisServer) -> None:
    """Redis that takes connections and says nothing delays calls once, then no more."""
    async with replica(server) as store:
        await store.observe(GROUP, said(150))
        server.signal(signal.SIGSTOP)
        try:
            calls = [call(f"{n}") for n in range(100)]
            async with beating() as seconds:
                answers = await asyncio.gather(*(store.reserve(one, ttl=60) for one in calls))
                assert seconds() < SLOW_SECONDS + 1.0
            assert answers.count(None) == 100
            assert not store.state.up
            async with beating() as seconds:
                for one in calls:
                    await store.settle(one, None)
                assert seconds() < SLOW_SECONDS
        finally:
            server.signal(signal.SIGCONT)
        await until(lambda: store.state.up)
        assert await store.reserve(call("next"), ttl=60) is None
        async with replica(server) as other:
            state = await bucket(other)
            assert (state.remaining, state.reserved) == (150, 1)


async def test_an_answer_that_comes_too_late_holds_nothing(server: RedisServer) -> None:
    """Room that Redis gave when nobody waited for it any more is given back."""
    async with replica(server) as store, replica(server) as other:
        assert await store.reserve(call("early"), ttl=600) is None
        await store.settle(call("early"), None)
        await store.observe(GROUP, said(0))
        # A new window, of which this replica was told nothing.
        await other.observe(GROUP, said(50, reset=2_000.0))
        server.signal(signal.SIGSTOP)
        try:
            assert await store.reserve(call("late"), ttl=600) is not None
        finally:
            server.signal(signal.SIGCONT)
        await until(lambda: store.state.up)
        assert (await bucket(other)).reserved == 0


async def test_what_ends_while_redis_is_told_is_told_too(server: RedisServer) -> None:
    """A call whose end falls into the catching up holds nothing in Redis afterwards."""
    ended = asyncio.Event()

    class Remote(RedisQuotaStore):
        async def cool(self, key: str, seconds: float) -> None:
            """Let the call end in the middle of the catching up."""
            if not store.state.up:
                await store.settle(call("ends"), None)
                ended.set()
            await super().cool(key, seconds)

    store = SharedQuotaStore(Remote(server.url), retry=0.02)
    async with aclosing(store), replica(server) as other:
        await store.observe(GROUP, said(50))
        await store.cool("key", 60)
        assert await store.reserve(call("ends"), ttl=600) is None
        server.signal(signal.SIGSTOP)
        try:
            await store.cooling(["key"])
        finally:
            server.signal(signal.SIGCONT)
        await until(lambda: store.state.up)
        assert ended.is_set()

        async def nothing_held() -> bool:
            return (await bucket(other)).reserved == 0

        await until(nothing_held)


async def test_killed_and_started_under_load(server: RedisServer) -> None:
    """While it comes and goes, every call is answered and nothing stays held."""
    done = 0

    async def work(store: SharedQuotaStore, name: str, stop: asyncio.Event) -> None:
        nonlocal done
        turn = 0
        while not stop.is_set():
            turn += 1
            one = call(f"{name}-{turn}")
            if await store.reserve(one, ttl=1.0) is None:
                await store.observe(GROUP, said(90), reservation=one.id)
                await store.settle(one, {TOKENS: 5})
                done += 1
            await asyncio.sleep(0.001)

    async with replica(server) as store, replica(server) as other:
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            for number in range(5):
                for name, one in (("one", store), ("other", other)):
                    tasks.create_task(work(one, f"{name}-{number}", stop))
            for _ in range(2):
                before = done
                await until(lambda: done > before + 50)  # noqa: B023 - called in this turn
                server.kill()
                await until(lambda: not (store.state.up or other.state.up))
                before = done
                await until(lambda: done > before + 50)  # noqa: B023 - called in this turn
                server.start()
                await until(lambda: store.state.up and other.state.up)
            stop.set()

        async def nothing_held() -> bool:
            states = await store.buckets(Filter(own=[STREAMS]))
            return all(state.reserved == 0 for state in states)

        await until(nothing_held)


async def test_it_closes_while_redis_is_gone(server: RedisServer) -> None:
    """Closing leaves nothing behind, whatever Redis does."""
    async with replica(server) as store:
        server.kill()
        await store.cool("key", 1)
        assert not store.state.up


async def test_money_spent_apart_is_told(server: RedisServer) -> None:
    """What calls cost while Redis was gone is off the budget that all share when it is back."""
    budget = OwnLimit(
        name="shop/cost", unit=COST, capacity=100, window=300 * 86_400.0, at_once=True
    )

    def spending(name: str, cost: int) -> Reservation:
        return Reservation(id=name, group=GROUP, amounts={COST: cost}, own=(budget,))

    async def left() -> int | None:
        (state,) = await store.buckets(Filter(own=(budget,)))
        return state.remaining

    async with replica(server) as store:
        assert await store.reserve(spending("before", 10), ttl=60) is None
        await store.settle(spending("before", 10), {COST: 10})
        assert await store.reserve(spending("over", 20), ttl=60) is None
        server.signal(signal.SIGSTOP)
        assert await store.reserve(spending("during", 30), ttl=60) is None
        assert await store.reserve(spending("unsent", 5), ttl=60) is None
        await store.settle(spending("during", 30), {COST: 25})
        await store.settle(spending("unsent", 5), None)
        await store.settle(spending("over", 20), {COST: 15})
        assert await left() == 50
        server.signal(signal.SIGCONT)
        await until(lambda: store.state.up)
        assert await left() == 50
