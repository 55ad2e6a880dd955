"""Does a second attempt help a slow first one, exactly once, and at a known price?"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from sluice.v1 import gateway_service_pb2
from tests.support.channels import total
from tests.support.client import GenerateRequest, collect, collect_failure, read_one, request
from tests.support.configuration import PROVIDER, Config, configuration
from tests.support.openai_stream import DONE, answer, failure, finish, role, text, usage
from tests.support.replies import Gate, Offer, Reply, Stall, event, sse
from tests.support.server import RunningServer, running
from tests.support.upstream import Upstream

AFTER = 0.15
"""Seconds after which a second attempt starts."""
NEVER = 60.0
OFFERED_BYTES = 200 << 20
PRICES = {"*": {"input": 2, "output": 10}}


@pytest.fixture
async def second() -> AsyncIterator[Upstream]:
    """Play another provider."""
    async with Upstream() as second:
        yield second


def racing(upstream: Upstream, second: Upstream, **attempts: Any) -> Config:
    """Return settings with the route "fast" over two providers."""
    other = {"kind": "openai-compatible", "base_url": second.base_url, "prices": PRICES}
    return configuration(
        upstream,
        providers={"other": other, PROVIDER: {"prices": PRICES}},
        routes={"fast": ["up/one", "other/two"]},
        attempts={"max_attempts": 3, **attempts},
    )


def hedged(seconds: float = AFTER, model: str = "fast") -> GenerateRequest:
    """Return a request that wants a second attempt after so many seconds."""
    wanted = request("x" * 400, model=model)
    wanted.routing.hedge_after.FromNanoseconds(int(seconds * 1e9))
    return wanted


@pytest.fixture
async def server(upstream: Upstream, second: Upstream) -> AsyncIterator[RunningServer]:
    """Run a server with two providers."""
    async with running(racing(upstream, second)) as server, asyncio.timeout(30):
        yield server


async def test_the_second_one_wins(
    server: RunningServer, upstream: Upstream, second: Upstream
) -> None:
    """When the first is silent the second answers, and the first is cancelled at once."""
    upstream.reply(sse(role(), Stall()))
    second.reply(answer("fine"))
    got = await collect(server.stub.Generate(hedged()))
    assert got.text == "fine"
    assert got.started.upstream.provider == got.completed.upstream.provider == "other"
    (beaten,) = got.started.failed_attempts
    assert (beaten.upstream.provider, beaten.reason) == ("up", "")
    assert beaten.elapsed.ToNanoseconds() >= AFTER * 0.9e9
    await upstream.requests[0].disconnected.wait()
    # What the first one read was not for free.
    assert got.completed.cost.wasted_usd_nanos >= 100 * 2_000
    metrics = await server.stub.GetMetrics(gateway_service_pb2.GetMetricsRequest())
    calls = {one.provider: one.calls for one in metrics.providers}
    assert (calls["up"].requests, calls["up"].cancellations) == (1, 1)
    assert (calls["other"].requests, calls["other"].successes) == (1, 1)


async def test_the_first_one_may_still_win(
    server: RunningServer, upstream: Upstream, second: Upstream
) -> None:
    """When the first answers after all, it is the second that is cancelled."""
    gate = Gate()
    upstream.reply(sse(role(), gate, text("slow"), finish("stop"), usage(100, 20), DONE))
    second.reply(sse(role(), Stall()))
    reading = asyncio.ensure_future(collect(server.stub.Generate(hedged())))
    await second.request(0)
    gate.open()
    got = await reading
    assert got.text == "slow"
    assert got.started.upstream.provider == "up"
    assert [one.upstream.provider for one in got.started.failed_attempts] == ["other"]
    await second.requests[0].disconnected.wait()
    assert got.completed.cost.usd_nanos == 100 * 2_000 + 20 * 10_000


async def test_a_quick_first_one_is_alone(
    server: RunningServer, upstream: Upstream, second: Upstream
) -> None:
    """Who produces output in time has no rival, however long the answer takes after that."""
    gate = Gate()
    upstream.reply(sse(text("Hel"), gate, text("lo"), finish("stop"), DONE))
    call = server.stub.Generate(hedged(NEVER))
    reading = asyncio.ensure_future(collect(call))
    await gate.reached.wait()
    gate.open()
    got = await reading
    assert got.text == "Hello"
    assert not got.started.failed_attempts
    assert not second.requests


async def test_output_that_is_not_shown_counts(
    server: RunningServer, upstream: Upstream, second: Upstream
) -> None:
    """A model that thinks where nobody sees it has begun: a whole answer has no rival either."""
    gate = Gate()
    upstream.reply(sse(text("Hel"), gate, text("lo"), finish("stop"), DONE))
    wanted = hedged(1.0)
    wanted.delivery = gateway_service_pb2.DELIVERY_WHOLE
    reading = asyncio.ensure_future(collect(server.stub.Generate(wanted)))
    await gate.reached.wait()
    # Longer than the second one would have waited.
    await asyncio.wait((reading,), timeout=1.3)
    gate.open()
    got = await reading
    assert got.completed.message.parts[0].text == "Hello"
    assert not second.requests


async def test_a_first_one_that_fails_leaves_the_second(
    server: RunningServer, upstream: Upstream, second: Upstream
) -> None:
    """When one fails while both run the other goes on, and the failure is listed."""
    fails, answers = Gate(), Gate()
    upstream.reply(Reply(fails, *failure(503).steps))
    second.reply(Reply(answers, *answer("fine").steps))
    reading = asyncio.ensure_future(collect(server.stub.Generate(hedged())))
    await answers.reached.wait()
    fails.open()
    await (await upstream.request(0)).answered.wait()
    answers.open()
    got = await reading
    assert got.text == "fine"
    assert [one.reason for one in got.started.failed_attempts] == ["PROVIDER_UNAVAILABLE"]


async def test_a_failure_before_the_second_one(
    server: RunningServer, upstream: Upstream, second: Upstream
) -> None:
    """A first one that fails early is followed by the next target at once, as ever."""
    upstream.reply(failure(500))
    second.reply(answer("fine"))
    got = await collect(server.stub.Generate(hedged(NEVER)))
    assert got.text == "fine"
    assert [one.reason for one in got.started.failed_attempts] == ["PROVIDER_UNAVAILABLE"]


async def test_both_fail(server: RunningServer, upstream: Upstream, second: Upstream) -> None:
    """When both fail the turn goes on as after any failure; all are told."""
    first, other = Gate(), Gate()
    upstream.reply(Reply(first, *failure(500).steps))
    second.reply(Reply(other, *failure(503).steps), failure(502))
    reading = asyncio.ensure_future(collect_failure(server.stub.Generate(hedged())))
    await other.reached.wait()
    first.open()
    await (await upstream.request(0)).answered.wait()
    other.open()
    got = await reading
    assert got.info.metadata["attempts"] == "3"
    assert got.info.metadata["http_status"] == "502"
    assert got.info.metadata["failed_attempt_1"].startswith("up/one")
    assert got.info.metadata["failed_attempt_2"].startswith("other/two")
    assert (len(upstream.requests), len(second.requests)) == (1, 2)


async def test_one_target_races_itself(
    server: RunningServer, upstream: Upstream, second: Upstream
) -> None:
    """Where there is no other target the same one is asked a second time."""
    upstream.reply(sse(role(), Stall()), answer("fine"))
    got = await collect(server.stub.Generate(hedged(model="up/one")))
    assert got.text == "fine"
    assert got.completed.upstream.attempt == 2
    assert len(upstream.requests) == 2
    assert not second.requests


async def test_hedges_are_attempts(
    server: RunningServer, upstream: Upstream, second: Upstream
) -> None:
    """A call that allows one attempt has one, however slow."""
    gate = Gate()
    upstream.reply(sse(role(), gate, text("slow"), finish("stop"), DONE))
    wanted = hedged(0.05)
    wanted.routing.max_attempts = 1
    reading = asyncio.ensure_future(collect(server.stub.Generate(wanted)))
    await gate.reached.wait()
    await asyncio.wait((reading,), timeout=0.3)
    gate.open()
    assert (await reading).text == "slow"
    assert not second.requests


async def test_hedges_are_paid_from_the_budget(upstream: Upstream, second: Upstream) -> None:
    """Without a budget for more load there is no second attempt."""
    config = racing(upstream, second, retry_budget={"share": 0, "least_per_minute": 0})
    gate = Gate()
    upstream.reply(sse(role(), gate, text("slow"), finish("stop"), DONE))
    async with running(config) as server, asyncio.timeout(30):
        reading = asyncio.ensure_future(collect(server.stub.Generate(hedged(0.05))))
        await gate.reached.wait()
        await asyncio.wait((reading,), timeout=0.3)
        gate.open()
        assert (await reading).text == "slow"
        samples = await server.scrape()
    assert total(samples, "sluice_retries_refused_total", provider="other") == 1
    assert not second.requests


async def test_a_callers_key_is_not_for_everybody(upstream: Upstream, second: Upstream) -> None:
    """Where the second target takes no keys of callers, the first goes on alone."""
    config = racing(upstream, second)
    config["providers"][PROVIDER]["caller_keys"] = True
    gate = Gate()
    upstream.reply(sse(role(), gate, text("slow"), finish("stop"), DONE))
    async with running(config) as server, asyncio.timeout(30):
        metadata = (("sluice-provider-key", "key-of-a-caller"),)
        reading = asyncio.ensure_future(
            collect(server.stub.Generate(hedged(0.05), metadata=metadata))
        )
        await gate.reached.wait()
        await asyncio.wait((reading,), timeout=0.3)
        gate.open()
        got = await reading
    assert got.text == "slow"
    assert not got.started.failed_attempts
    assert not second.requests


async def test_a_caller_who_leaves_ends_both(
    server: RunningServer, upstream: Upstream, second: Upstream
) -> None:
    """Cancelled while both run, both connections are closed."""
    upstream.reply(sse(role(), Stall()))
    second.reply(sse(role(), Stall()))
    call = server.stub.Generate(hedged())
    reading = asyncio.ensure_future(call.read())
    await second.request(0)
    call.cancel()
    await asyncio.wait((reading,))
    assert await call.code() is grpc.StatusCode.CANCELLED
    await upstream.requests[0].disconnected.wait()
    await second.requests[0].disconnected.wait()


async def test_a_slow_reader_holds_up_a_hedged_stream(
    server: RunningServer, upstream: Upstream, second: Upstream
) -> None:
    """Back-pressure reaches the provider through a race, too."""
    piece = event(text("river " * 2000)) * 4
    upstream.reply(sse(role(), Stall()))
    second.reply(sse(role(), Offer(lambda _: piece, OFFERED_BYTES)))
    call = server.stub.Generate(hedged())
    await read_one(call)
    received = await second.request(0)
    assert 0 < await received.held_up() < OFFERED_BYTES // 2
    call.cancel()
    await received.disconnected.wait()


async def test_an_operator_may_hedge_everything(upstream: Upstream, second: Upstream) -> None:
    """With `attempts.hedge_after` calls that do not ask for it are hedged, too."""
    upstream.reply(sse(role(), Stall()))
    second.reply(answer("fine"))
    async with running(racing(upstream, second, hedge_after=AFTER)) as server:
        got = await collect(server.stub.Generate(request(model="fast")))
    assert got.text == "fine"


async def test_slower_than_nearly_all(upstream: Upstream, second: Upstream) -> None:
    """With `p95` a call is hedged once it is slower than 95 % of the latest ones."""
    async with running(racing(upstream, second, hedge_after="p95")) as server, asyncio.timeout(30):
        upstream.answer(answer("quick"))
        second.answer(answer("fine"))
        for _ in range(25):
            await collect(server.stub.Generate(request(model="fast")))
        # Before, the slow ones among them may have been hedged.
        asked = len(second.requests)
        upstream.answer(sse(role(), Stall()))
        got = await collect(server.stub.Generate(request(model="fast")))
    assert got.text == "fine"
    assert len(second.requests) == asked + 1
