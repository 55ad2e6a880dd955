"""The stores against the model, with whatever may happen in whatever order."""

import asyncio
import time
from typing import Any, TypeGuard

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sluice_server.state.memory import MemoryQuotaStore
from sluice_server.state.quota import (
    CREDIT,
    REQUESTS,
    TOKENS,
    Filter,
    Observed,
    OwnLimit,
    QuotaStore,
    Reservation,
)
from sluice_server.state.redis import RedisQuotaStore
from tests.support.redis import RedisServer
from tests.unit.state.model import Model
from tests.unit.state.worlds import GROUP

FLOW = OwnLimit(name="flow", unit=TOKENS, capacity=300, window=3e7)
STREAMS = OwnLimit(name="streams", unit=REQUESTS, capacity=4)
OWN = (FLOW, STREAMS)
TTL = 400.0

_names = st.sampled_from("abcdefg")
_amounts = st.fixed_dictionaries(
    {REQUESTS: st.sampled_from([0, 1, 1, 2])},
    optional={TOKENS: st.integers(0, 120), CREDIT: st.integers(0, 9)},
)
_statement = st.fixed_dictionaries(
    {
        "unit": st.sampled_from([REQUESTS, TOKENS, CREDIT]),
        "window": st.sampled_from([0.0, 600.0, 3_600.0]),
        "limit": st.one_of(st.none(), st.integers(0, 400)),
    },
    optional={
        "remaining": st.integers(0, 400),
        # Seconds from now: the same window, others, the past.
        "reset_at": st.sampled_from([-700.0, -5.0, 500.0, 500.5, 555.0, 570.0, 900.0, 4_000.0]),
    },
).filter(lambda one: len(one) > 3 or one["limit"] is not None)
_step = st.one_of(
    st.tuples(st.just("reserve"), _names, _amounts, st.lists(st.sampled_from(OWN), unique=True)),
    st.tuples(
        st.just("observe"),
        st.one_of(_names, st.just("")),
        st.lists(_statement, max_size=3, unique_by=lambda one: (one["unit"], one["window"])),
    ),
    st.tuples(st.just("settle"), _names, st.one_of(st.none(), _amounts)),
    st.tuples(st.just("renew"), st.sets(_names).map(sorted)),
)
_wait = st.tuples(st.just("wait"), st.sampled_from([0.25, 3.0, 55.0, 450.0, 700.0, 8_000.0]))


class Pair:
    """A store and the model, and what was asked of both."""

    def __init__(self, store: QuotaStore, start: float) -> None:
        """Begin with nothing, at `start` by the store's clock."""
        self.store = store
        self.model = Model()
        self.start = start
        self.round = 0
        self.reservations: dict[str, Reservation] = {}

    async def step(self, step: tuple[Any, ...]) -> None:
        """Do one thing in both and compare."""
        match step:
            case ("reserve", name, amounts, own):
                old = self.reservations.get(name)
                if not self._runs(old):
                    self.round += 1
                    old = self.reservations[name] = Reservation(
                        id=f"{name}{self.round}", group=GROUP, amounts=amounts, own=tuple(own)
                    )
                refusal = await self.store.reserve(old, ttl=TTL)
                assert (refusal is None) == self.model.reserve(old, TTL)
                assert refusal is None or refusal.wait is None or refusal.wait >= 0
            case ("observe", name, statements):
                seen = [self._observed(one, self.start) for one in statements]
                modelled = [self._observed(one, 0.0) for one in statements]
                ident = self.reservations[name].id if name in self.reservations else name
                await self.store.observe(GROUP, seen, reservation=ident)
                self.model.observe(modelled, ident)
            case ("settle", name, used):
                if name in self.reservations:
                    await self.store.settle(self.reservations[name], used)
                    self.model.settle(self.reservations[name], used)
            case ("renew", names):
                running = [one for one in map(self.reservations.get, names) if self._runs(one)]
                assert not await self.store.renew(running, ttl=TTL)
                self.model.renew([one.id for one in running], TTL)
            case _:
                raise AssertionError(step)
        await self.compare()

    def _runs(self, reservation: Reservation | None) -> TypeGuard[Reservation]:
        call = self.model.calls.get(reservation.id) if reservation else None
        return call is not None and call.runs(self.model.now)

    def _observed(self, statement: dict[str, Any], start: float) -> Observed:
        members = dict(statement)
        if "reset_at" in members:
            members["reset_at"] += self.model.now + start
        return Observed(**members)

    async def compare(self) -> None:
        """Compare all that can be asked for."""
        states = await self.store.buckets(Filter(own=OWN))
        told = {
            (state.unit, state.window): (state.limit, state.remaining, state.reserved)
            for state in states
            if not state.own
        }
        assert told == {
            key: (bucket.limit, bucket.remaining, self.model.held(key))
            for key, bucket in self.model.known.items()
        }
        resets = [state.reset_at for state in states if not state.own]
        expected = [self.model.known[key].reset for key in sorted(self.model.known)]
        assert [None if one is None else one - self.start for one in resets] == pytest.approx(
            expected, abs=1e-3
        )
        for state, limit in zip([one for one in states if one.own], OWN, strict=True):
            assert state.remaining == pytest.approx(max(0, self.model.level(limit)), abs=1)


@settings(max_examples=300, deadline=None)
@given(steps=st.lists(st.one_of(_step, _step, _wait), max_size=40))
def test_memory_is_the_model(steps: list[tuple[Any, ...]]) -> None:
    """Memory answers as the model does, while time passes."""

    async def run() -> None:
        start = 1_700_000_000.0
        clock = [start]
        pair = Pair(MemoryQuotaStore(clock=lambda: clock[0]), start)
        for step in steps:
            if step[0] == "wait":
                clock[0] += step[1]
                pair.model.pass_time(step[1], OWN)
                await pair.compare()
            else:
                await pair.step(step)

    asyncio.run(run())


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=st.lists(_step, max_size=30))
def test_redis_is_the_model(shared_redis: RedisServer, steps: list[tuple[Any, ...]]) -> None:
    """Redis answers as the model does, in a moment in which nothing ends by itself."""

    async def run() -> None:
        shared_redis.call("FLUSHALL")
        store = RedisQuotaStore(shared_redis.url)
        try:
            pair = Pair(store, time.time())
            for step in steps:
                await pair.step(step)
        finally:
            await store.aclose()

    asyncio.run(run())
