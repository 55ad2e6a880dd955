"""What calls cost, what they may cost, and what becomes of budgets."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import grpc
import pytest

from sluice.v1 import gateway_service_pb2, rate_limit_pb2
from tests.support.client import Failure, GenerateRequest, collect, collect_failure, request
from tests.support.configuration import CREDENTIAL, MODEL, PROVIDER, Config, configuration
from tests.support.openai_stream import DONE, chunk, failure, finish, role, text, usage
from tests.support.redis import redis_server
from tests.support.replies import Gate, Reply, sse
from tests.support.server import RunningServer, running
from tests.support.upstream import Upstream

COST = rate_limit_pb2.RATE_LIMIT_UNIT_COST_USD_NANOS
DAY = 86_400
PRICES = {"test-model": {"input": 2, "output": 10, "cache_read": 0.5}}
"""Dollars per million tokens."""
ANSWER_COST = 100 * 2_000 + 20 * 10_000
"""Nano-dollars of one answer below."""


def answer(*, cached: int | None = None) -> Reply:
    """Return an answer of 100 tokens in and 20 out."""
    return sse(role(), text("Hi"), finish("stop"), usage(100, 20, cached=cached), DONE)


def priced(upstream: Upstream, up: Mapping[str, Any] | None = None, **more: Any) -> Config:
    """Return settings in which the model has a price; `up` adds to the provider's section."""
    return configuration(upstream, providers={PROVIDER: {"prices": PRICES, **(up or {})}}, **more)


def sized(output: int = 20, most: int | None = None) -> GenerateRequest:
    """Return a request that allows so much output, and may cost so many nano-dollars."""
    wanted = request("x" * 400)
    wanted.options.max_output_tokens = output
    if most is not None:
        wanted.routing.max_cost_usd_nanos = most
    return wanted


async def limited(server: RunningServer, **arguments: Any) -> Failure:
    """Make a call that must be refused by a limit of the operator's."""
    got = await collect_failure(server.stub.Generate(sized(), **arguments))
    assert got.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    return got


async def test_an_answer_tells_its_cost(upstream: Upstream) -> None:
    """Completed and GetMetrics hold the cost of what was used, cached tokens at their price."""
    upstream.reply(answer())
    upstream.reply(answer(cached=60))
    async with running(priced(upstream)) as server:
        first = (await collect(server.stub.Generate(sized()))).completed.cost
        second = (await collect(server.stub.Generate(sized()))).completed.cost
        metrics = await server.stub.GetMetrics(gateway_service_pb2.GetMetricsRequest())
    assert (first.usd_nanos, first.price_source) == (ANSWER_COST, "configuration")
    assert not first.provider_reported
    assert second.usd_nanos == 40 * 2_000 + 60 * 500 + 20 * 10_000
    total = first.usd_nanos + second.usd_nanos
    assert metrics.providers[0].calls.cost.usd_nanos == total
    assert metrics.credentials[0].calls.cost.usd_nanos == total
    assert metrics.models[0].calls.cost.usd_nanos == total


async def test_the_providers_word_on_money_comes_first(upstream: Upstream) -> None:
    """What the provider says it charges is the cost, whatever our price."""
    counts = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120, "cost": 0.00123}
    upstream.reply(sse(role(), text("Hi"), finish("stop"), chunk(choices=[], usage=counts), DONE))
    upstream.route("GET", "/v1/key", failure(404, "None here."))
    config = priced(upstream, {"kind": "openrouter"})
    async with running(config) as server:
        cost = (await collect(server.stub.Generate(sized()))).completed.cost
    assert (cost.usd_nanos, cost.provider_reported) == (1_230_000, True)


async def test_unknown_stays_unknown(upstream: Upstream) -> None:
    """Without a price, or without a count, there is no cost; it is not free."""
    upstream.reply(answer())
    async with running(configuration(upstream)) as server:
        assert not (await collect(server.stub.Generate(sized()))).completed.HasField("cost")
        metrics = await server.stub.GetMetrics(gateway_service_pb2.GetMetricsRequest())
        assert not metrics.providers[0].calls.HasField("cost")
    upstream.reply(sse(role(), text("Hi"), finish("stop"), DONE))
    async with running(priced(upstream)) as server:
        assert not (await collect(server.stub.Generate(sized()))).completed.HasField("cost")


async def test_a_turn_may_cost_at_most(upstream: Upstream) -> None:
    """A call that may cost more than its caller allows, or nobody knows what, is not sent."""
    upstream.reply(answer())
    async with running(priced(upstream)) as server:
        await collect(server.stub.Generate(sized(output=20, most=1_000_000)))
        dear = await collect_failure(server.stub.Generate(sized(output=100_000, most=1_000_000)))
    assert (dear.code, dear.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "COST_LIMIT")
    assert "routing.max_cost_usd_nanos allows $0.001." in dear.message
    async with running(configuration(upstream)) as server:
        unknown = await collect_failure(server.stub.Generate(sized(most=1_000_000)))
    assert unknown.reason == "COST_LIMIT"
    assert "No price is known" in unknown.message
    assert len(upstream.requests) == 1


async def test_a_cheaper_fallback_serves(upstream: Upstream) -> None:
    """Where the first model is too dear, a fallback that is not answers."""
    upstream.reply(answer())
    prices = {**PRICES, "dear-model": {"input": 500, "output": 500}}
    config = priced(upstream, {"prices": prices}, attempts={"max_attempts": 2})
    async with running(config) as server:
        wanted = sized(most=1_000_000)
        wanted.model = f"{PROVIDER}/dear-model"
        wanted.routing.fallback_models.append(MODEL)
        got = await collect(server.stub.Generate(wanted))
    assert got.completed.cost.usd_nanos == ANSWER_COST
    assert [one.reason for one in got.started.failed_attempts] == ["COST_LIMIT"]
    assert len(upstream.requests) == 1


@pytest.mark.parametrize("owner", ["caller", "provider", "model", "credential"])
async def test_a_budget_ends_until_midnight(upstream: Upstream, owner: str) -> None:
    """When the day's money is spent, calls are told to come back at midnight, UTC."""
    # Two answers and a half.
    budget = {"usd_per_day": 2.5 * ANSWER_COST / 1e9}
    token = "shop-token-0123456789"
    callers: list[dict[str, Any]] = [{"name": "shop", "token": token, "admin": True}]
    up: dict[str, Any] = {"credentials": [{"name": CREDENTIAL, "api_key": "key"}]}
    match owner:
        case "caller":
            callers[0]["limits"] = budget
        case "provider":
            up["limits"] = budget
        case "model":
            up["model_limits"] = {"test-model": budget}
        case _:
            up["credentials"][0]["limits"] = budget
    upstream.reply(answer())
    upstream.reply(answer())
    metadata = (("authorization", f"Bearer {token}"),)
    async with running(priced(upstream, up, callers=callers)) as server, asyncio.timeout(20):
        for _ in range(2):
            await collect(server.stub.Generate(sized(), metadata=metadata))
        got = await limited(server, metadata=metadata)
        left = DAY - time.time() % DAY
        limits = await server.stub.GetRateLimits(
            gateway_service_pb2.GetRateLimitsRequest(estimated_tokens=100), metadata=metadata
        )
    assert got.reason == ("CALLER_LIMITED" if owner == "caller" else "PROVIDER_RATE_LIMITED")
    assert got.retry_seconds == pytest.approx(left, abs=5)
    assert "The limit of $0.001 a day is used up." in str(got.status)
    (bucket,) = (one for one in limits.buckets if one.unit == COST)
    assert bucket.limit == 2.5 * ANSWER_COST
    assert bucket.remaining == 0.5 * ANSWER_COST
    assert bucket.window.seconds == DAY
    (headroom,) = limits.headroom
    assert not headroom.admissible
    assert headroom.wait.ToSeconds() == pytest.approx(left, abs=5)
    assert len(upstream.requests) == 2


async def test_money_is_held_while_a_call_runs(upstream: Upstream) -> None:
    """A running call holds its estimate; its end, good or bad, frees what it did not cost."""
    estimate = (108 + 20 * 5) * 2_000
    gate = Gate()
    config = priced(upstream, {"limits": {"usd_per_day": 1.5 * estimate / 1e9}})
    upstream.reply(Reply(gate, *failure(400, "No.").steps))
    async with running(config) as server, asyncio.timeout(20):
        held = asyncio.ensure_future(collect_failure(server.stub.Generate(sized())))
        await gate.reached.wait()
        await limited(server)
        gate.open()
        assert (await held).reason == "PROVIDER_REJECTED_REQUEST"
        upstream.reply(answer())
        await collect(server.stub.Generate(sized()))
    assert len(upstream.requests) == 2


async def test_a_budget_wants_prices(upstream: Upstream) -> None:
    """Under a budget a model without a price is refused, with what an operator can do."""
    config = configuration(upstream, providers={PROVIDER: {"limits": {"usd_per_day": 1}}})
    async with running(config) as server:
        got = await collect_failure(server.stub.Generate(sized()))
    assert (got.code, got.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "COST_LIMIT")
    assert "provider's prices" in got.message
    assert not upstream.requests


async def test_replicas_share_a_budget(upstream: Upstream) -> None:
    """With a shared Redis the money is spent once, whichever replica spends it."""
    with redis_server() as redis:
        config = priced(
            upstream,
            {"limits": {"usd_per_day": 2.5 * ANSWER_COST / 1e9}},
            state={"redis": redis.url},
        )
        async with running(config) as one, running(config) as other, asyncio.timeout(30):
            upstream.reply(answer())
            await collect(one.stub.Generate(sized()))
            upstream.reply(answer())
            await collect(other.stub.Generate(sized()))
            for server in (one, other):
                assert (await limited(server)).reason == "PROVIDER_RATE_LIMITED"
    assert len(upstream.requests) == 2
