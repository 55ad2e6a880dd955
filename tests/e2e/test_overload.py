"""Is a full replica honest at once, and is it still good to those whom it let in?

Which of several calls gets a place is tried out in `tests/unit/edge/test_gate`.
"""

import asyncio
import statistics
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from itertools import chain

import grpc
import pytest

from tests.support.channels import NO_RETRIES, channel_to, scrape, stub_on, total
from tests.support.client import collect_failure, request
from tests.support.configuration import Config, configuration
from tests.support.openai_stream import DONE, answer, finish, role, text
from tests.support.policies import RETRYING
from tests.support.process import ServerProcess, server_process
from tests.support.readers import Reader
from tests.support.replies import Delay, Gate, Reply, sse
from tests.support.server import RunningServer, running
from tests.support.upstream import Request, Upstream

PLACES = 20
WAITING = 10
CALLS = 300
REFUSAL_MILLISECONDS = 10.0
"""Longest that the server may take to refuse, but for one call in a hundred."""
LOW = (("sluice-priority", "low"),)


def crowded(upstream: Upstream, **server: float) -> Config:
    """Return settings with few places."""
    bounds = {"max_active_calls": PLACES, "max_queued_calls": WAITING, **server}
    return configuration(upstream, server=bounds)


def refusals(server: ServerProcess) -> list[float]:
    """Return how long the server took to refuse each call so far, in milliseconds."""
    return [line["duration_ms"] for line in server.log if line.get("reason") == "OVERLOADED"]


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that is not below this share of them."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


async def test_the_surplus_is_refused_at_once(upstream: Upstream) -> None:
    """Of 300 calls 20 run, 10 wait, and 270 are told within 10 ms when to come back."""
    gate = Gate()
    upstream.answer(sse(role(), gate, text("fine"), finish("stop"), DONE))
    async with (
        server_process(crowded(upstream, max_queue_seconds=60)) as server,
        channel_to(server.channel_target, NO_RETRIES) as channel,
        asyncio.timeout(40),
    ):
        stub, metrics = stub_on(channel), str(server.started["metrics"])
        readers = [Reader(stub.Generate(request())) for _ in range(CALLS)]
        # The others are held by the gate.
        ends = asyncio.as_completed([reader.wait() for reader in readers])
        for _ in range(CALLS - PLACES - WAITING):
            await next(ends)
        for reader in readers:
            if reader.ended:
                got = reader.failure
                assert got is not None
                assert (got.code, got.reason) == (grpc.StatusCode.UNAVAILABLE, "OVERLOADED")
                assert got.retry_seconds is not None
                assert 0.25 <= got.retry_seconds <= 10
                assert got.pushback is not None
                assert int(got.pushback) == pytest.approx(got.retry_seconds * 1000, abs=1)
        samples = await scrape(metrics)
        assert total(samples, "sluice_queued_calls") == WAITING
        assert total(samples, "sluice_active_streams") == PLACES + WAITING
        assert len(upstream.requests) == PLACES
        gate.open()
        for reader in readers:
            await reader.wait()
        assert sum(reader.whole for reader in readers) == PLACES + WAITING
        assert total(await scrape(metrics), "sluice_queued_calls") == 0
    took = refusals(server)
    assert len(took) == CALLS - PLACES - WAITING
    assert percentile(took, 0.99) < REFUSAL_MILLISECONDS
    assert len(upstream.requests) == PLACES + WAITING


async def test_a_stock_client_gets_everything_in_the_end(upstream: Upstream) -> None:
    """Three hundred calls at once, ten times as many as there is room for: none fails.

    The library tries a call five times at most, and comes back when it is told to; each is told
    another moment, so that it mostly finds a place then.
    """
    upstream.answer(sse(role(), Delay(0.15), text("fine"), finish("stop"), DONE))
    async with (
        server_process(crowded(upstream)) as server,
        channel_to(server.channel_target, RETRYING) as channel,
        asyncio.timeout(60),
    ):
        stub = stub_on(channel)
        readers = [Reader(stub.Generate(request())) for _ in range(CALLS)]
        for reader in readers:
            await reader.wait()
    for reader in readers:
        assert reader.failure is None, reader.failure
        assert reader.answer.text == "fine"
    assert len(upstream.requests) == CALLS
    # Nobody came back before 250 ms.
    at_once = sum(reader.seconds < 0.25 for reader in readers)
    assert at_once <= PLACES + WAITING
    # On a machine that is slow to send them, some come when others have left.
    assert CALLS / 4 < len(refusals(server)) < 2 * CALLS


async def test_admitted_calls_keep_their_latency(upstream: Upstream) -> None:
    """Who is let in gets the first output as soon as if nobody else had come."""
    upstream.answer(sse(role(), Delay(0.1), text("fine"), finish("stop"), DONE))

    async def insist(calls: int) -> list[float]:
        """Call again and again, whatever is said about when; returns times to first output."""
        times: list[float] = []
        while len(times) < calls and not enough.is_set():
            reader = Reader(stub.Generate(request()))
            await reader.wait()
            if reader.failure is None:
                timing = reader.answer.completed.timing
                times.append(timing.time_to_first_output.ToNanoseconds() / 1e9)
            else:
                assert reader.failure.reason == "OVERLOADED"
                await asyncio.sleep(0.1)
        enough.set()
        return times

    async with (
        server_process(crowded(upstream, max_queued_calls=0)) as server,
        channel_to(server.channel_target, NO_RETRIES) as channel,
        asyncio.timeout(60),
    ):
        stub = stub_on(channel)
        enough = asyncio.Event()
        calm = [*chain(*await asyncio.gather(*(insist(10) for _ in range(PLACES))))]
        assert not refusals(server)
        enough = asyncio.Event()
        crowd = [*chain(*await asyncio.gather(*(insist(10) for _ in range(3 * PLACES))))]
    assert len(refusals(server)) > len(crowd)
    assert len(crowd) >= PLACES
    assert statistics.median(crowd) < 2 * statistics.median(calm)
    assert percentile(refusals(server), 0.99) < REFUSAL_MILLISECONDS


@pytest.fixture
async def small(upstream: Upstream) -> AsyncIterator[RunningServer]:
    """Run a server with two places, and three to wait."""
    async with running(crowded(upstream, max_active_calls=2, max_queued_calls=3)) as server:
        yield server


@dataclass
class Crowd:
    """Calls that come one after the other, by name; the upstream holds each until it may go."""

    server: RunningServer
    upstream: Upstream
    readers: dict[str, Reader] = field(default_factory=dict)
    gates: dict[str, Gate] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Answer."""
        self.upstream.answer(self._answer)

    @property
    def order(self) -> list[str]:
        """Names in the order in which calls got a place."""
        return [received.json["messages"][0]["content"] for received in self.upstream.requests]

    async def come(self, *names: str, low: bool = False) -> None:
        """Let calls come in, to a place each."""
        for name in names:
            self._call(name, low=low)
            await self.upstream.request(len(self.upstream.requests))

    async def queue(self, *names: str, low: bool = False) -> None:
        """Let calls come, to wait."""
        for name in names:
            before = await self.waiting()
            self._call(name, low=low)
            while await self.waiting() == before:
                assert not self.readers[name].ended

    async def waiting(self) -> int:
        """Return how many calls wait."""
        return int(total(await self.server.scrape(), "sluice_queued_calls"))

    async def leave(self, name: str) -> None:
        """Let a call end."""
        self.gates[name].open()
        await self.readers[name].wait()
        assert self.readers[name].whole

    def _call(self, name: str, *, low: bool) -> None:
        self.gates[name] = Gate()
        metadata = LOW if low else ()
        self.readers[name] = Reader(self.server.stub.Generate(request(name), metadata=metadata))

    def _answer(self, received: Request) -> Reply:
        name = received.json["messages"][0]["content"]
        return sse(role(), self.gates[name], text(name), finish("stop"), DONE)


async def test_low_calls_wait_behind_normal_ones(small: RunningServer, upstream: Upstream) -> None:
    """Whoever says that a call gives way is let in after those who came later and did not."""
    crowd = Crowd(small, upstream)
    async with asyncio.timeout(30):
        await crowd.come("a", "b")
        await crowd.queue("low", low=True)
        await crowd.queue("c", "d")
        for name in ("a", "b", "c", "d", "low"):
            await crowd.leave(name)
    assert crowd.order == ["a", "b", "c", "d", "low"]
    assert await crowd.waiting() == 0


async def test_low_calls_give_way_in_a_full_queue(small: RunningServer, upstream: Upstream) -> None:
    """The low call that came last is sent away for a normal one, and told when to come back."""
    crowd = Crowd(small, upstream)
    async with asyncio.timeout(30):
        await crowd.come("a", "b")
        await crowd.queue("first", "second", low=True)
        await crowd.queue("c")
        crowd._call("d", low=False)
        second = crowd.readers["second"]
        await second.wait()
        assert second.failure is not None
        assert second.failure.reason == "OVERLOADED"
        assert "priority" in second.failure.message
        assert second.failure.pushback is not None
        assert int(second.failure.pushback) >= 250
        # Another low call finds the queue full, and nobody to take the place of.
        got = await collect_failure(small.stub.Generate(request(), metadata=LOW))
        assert got.reason == "OVERLOADED"
        for name in ("a", "b", "c", "d", "first"):
            await crowd.leave(name)
    assert crowd.order == ["a", "b", "c", "d", "first"]


async def test_priorities_are_two(small: RunningServer, upstream: Upstream) -> None:
    """Another priority than `low` and `normal` is a fault of the request, named as such."""
    got = await collect_failure(
        small.stub.Generate(request(), metadata=(("sluice-priority", "high"),))
    )
    assert (got.code, got.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
    assert set(got.violations) == {"metadata[sluice-priority]"}
    assert not upstream.requests
    upstream.answer(answer("fine"))
    normal = Reader(small.stub.Generate(request(), metadata=(("sluice-priority", "normal"),)))
    await normal.wait()
    assert normal.whole
