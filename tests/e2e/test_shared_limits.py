"""Do replicas that share a Redis act as one, and each on its own while it is gone?"""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from grpc_health.v1 import health_pb2

from sluice.v1 import gateway_service_pb2, rate_limit_pb2
from tests.support.channels import health_on, stub_to, total
from tests.support.client import collect, collect_failure, request
from tests.support.configuration import API_KEY, PROVIDER, Config, configuration
from tests.support.limited_provider import LimitedProvider, Limits, Standing
from tests.support.process import server_process
from tests.support.redis import RedisServer, redis_server
from tests.support.server import RunningServer, running

REPLICAS = 3
CALLS = 300
WINDOW = 1.0
"""Seconds of a window that tests wait for."""
ENDLESS = 600.0
"""Seconds of a window that no test outlives."""
LOST_CALLS = 20
"""Calls made by each replica while there is no Redis."""
REQUESTS = rate_limit_pb2.RATE_LIMIT_UNIT_REQUESTS

Wanted = gateway_service_pb2.GenerateRequest


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    """Run a real Redis."""
    with redis_server() as redis:
        yield redis


def shared(provider: LimitedProvider, redis: RedisServer, **overrides: object) -> Config:
    """Return the settings of one of several replicas."""
    return configuration(provider.upstream, state={"redis": redis.url}, **overrides)


@asynccontextmanager
async def replicas(config: Config, count: int = REPLICAS) -> AsyncIterator[Sequence[RunningServer]]:
    """Run several servers of the same settings in this process."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(running(config)) for _ in range(count)]


async def requests_left(server: RunningServer) -> int | None:
    """Return what a replica tells of the remaining requests; None when it knows nothing."""
    got = await server.stub.GetRateLimits(gateway_service_pb2.GetRateLimitsRequest())
    return next((bucket.remaining for bucket in got.buckets if bucket.unit == REQUESTS), None)


async def sharing(server: RunningServer) -> bool:
    """Tell whether a replica says on its metrics page that it shares."""
    return total(await server.scrape(), "sluice_shared_state_up") == 1


async def test_three_replicas_keep_to_one_limit(redis: RedisServer) -> None:
    """Of 300 calls through three processes none is refused upstream; a tenth is not lost."""
    wanted = request("x" * 40)
    wanted.options.max_output_tokens = 20
    async with (
        LimitedProvider(Limits(requests=60, tokens=10_000, window=WINDOW), pace=0.02) as provider,
        AsyncExitStack() as stack,
        asyncio.timeout(60),
    ):
        config = shared(provider, redis)
        processes = await asyncio.gather(
            *(stack.enter_async_context(server_process(config)) for _ in range(REPLICAS))
        )
        stubs = [
            await stack.enter_async_context(stub_to(process.channel_target))
            for process in processes
        ]
        await collect(stubs[0].Generate(wanted))
        charge = provider.arrivals[0].tokens
        began = asyncio.get_running_loop().time()
        best = provider.best_end([charge] * CALLS) - began + provider.pace
        calls = (collect(stubs[number % REPLICAS].Generate(wanted)) for number in range(CALLS))
        answers = await asyncio.gather(*calls)
        took = asyncio.get_running_loop().time() - began
    assert {answer.text for answer in answers} == {"Hello"}
    assert not provider.throttled
    assert len(provider.arrivals) == CALLS + 1
    # A machine that stands still at the wrong moment misses a window, through no fault of ours.
    assert took < 1.1 * best + WINDOW


async def test_what_one_replica_learns_all_know(redis: RedisServer) -> None:
    """Buckets, reservations and own limits are the same in all replicas."""
    own = {"limits": {"concurrent_streams": 2}}
    limits = Limits(requests=10, window=ENDLESS)
    async with (
        LimitedProvider(limits) as provider,
        replicas(shared(provider, redis, providers={PROVIDER: own}), 2) as (first, second),
        asyncio.timeout(20),
    ):
        await collect(first.stub.Generate(request()))
        assert await requests_left(second) == 9
        await collect(second.stub.Generate(request()))
        assert await requests_left(first) == 8
        provider.pace = 30.0
        running_calls = [server.stub.Generate(request()) for server in (first, second)]
        await provider.arrived(4)
        wanted = request()
        wanted.routing.no_wait = True
        for server in (first, second):
            got = await collect_failure(server.stub.Generate(wanted))
            assert got.reason == "PROVIDER_RATE_LIMITED"
        for call in running_calls:
            call.cancel()
        for number in (2, 3):
            received = await provider.upstream.request(number)
            await received.disconnected.wait()
    assert len(provider.arrivals) == 4


async def test_a_refused_key_is_refused_for_all(redis: RedisServer) -> None:
    """What one replica paid to find out costs the others nothing."""
    credentials = [{"name": name, "api_key": name} for name in ("key-0", "key-1")]
    up = {"credentials": credentials, "strategy": "failover"}
    async with LimitedProvider(None, standing={"key-0": Standing.EXHAUSTED}) as provider:
        config = shared(provider, redis, providers={PROVIDER: up}, attempts={"max_attempts": 3})
        async with replicas(config) as servers:
            for server in servers:
                await collect(server.stub.Generate(request()))
    assert [arrival.key for arrival in provider.arrivals] == ["key-0", *["key-1"] * REPLICAS]


async def test_a_replica_without_calls_tells_what_others_found(redis: RedisServer) -> None:
    """Its verdict knows the rest of a scope that another replica found out of quota."""
    asked = gateway_service_pb2.GetRateLimitsRequest(provider=PROVIDER)
    limits = Limits(requests=10, window=ENDLESS)
    async with (
        LimitedProvider(limits) as provider,
        replicas(shared(provider, redis), 2) as (first, second),
        asyncio.timeout(20),
    ):
        await collect(first.stub.Generate(request()))
        (before,) = (await second.stub.GetRateLimits(asked)).headroom
        provider.standing[API_KEY] = Standing.EXHAUSTED
        await collect_failure(first.stub.Generate(request()))
        while (now := (await second.stub.GetRateLimits(asked)).headroom[0]).admissible:
            # Others are asked once a second, and the rest may be over as soon.
            if not (await first.stub.GetRateLimits(asked)).headroom[0].wait.ToNanoseconds():
                await collect_failure(first.stub.Generate(request()))
    assert before.admissible
    assert now.wait.ToNanoseconds() > 0


async def test_replicas_may_differ_in_their_providers(redis: RedisServer) -> None:
    """Limits of a provider that a replica does not have are shown by it, without a verdict."""
    limits = Limits(requests=10, window=ENDLESS)
    async with LimitedProvider(limits) as provider:
        config = shared(provider, redis)
        other = {**config, "providers": {"other": config["providers"][PROVIDER]}}
        async with running(config) as first, running(other) as second:
            await collect(first.stub.Generate(request()))
            got = await second.stub.GetRateLimits(gateway_service_pb2.GetRateLimitsRequest())
    assert {bucket.provider for bucket in got.buckets} == {PROVIDER}
    assert not got.headroom


async def test_calls_go_on_without_redis(redis: RedisServer) -> None:
    """Killed under load, Redis costs no call; replicas say that it is gone, and share again."""
    limits = Limits(requests=1000, tokens=1_000_000, window=ENDLESS)
    async with (
        LimitedProvider(limits, pace=0.01) as provider,
        replicas(shared(provider, redis), 2) as (first, second),
        asyncio.timeout(30),
    ):
        await collect(first.stub.Generate(request()))
        assert await requests_left(second) == 999
        assert await sharing(first)

        stop = asyncio.Event()

        async def load(server: RunningServer) -> int:
            made = 0
            while not stop.is_set():
                assert (await collect(server.stub.Generate(request()))).text == "Hello"
                made += 1
            return made

        loads = [asyncio.ensure_future(load(server)) for server in (first, second) * 4]
        await provider.arrived(50)
        redis.kill()
        for server in (first, second):
            while await sharing(server):
                await collect(server.stub.Generate(request()))
        await provider.arrived(len(provider.arrivals) + LOST_CALLS)
        health = health_on(first.channel)
        asked = health_pb2.HealthCheckRequest(service="sluice.v1.GatewayService")
        assert (await health.Check(asked)).status == health_pb2.HealthCheckResponse.SERVING

        await asyncio.to_thread(redis.start)
        for server in (first, second):
            while not await sharing(server):
                await collect(server.stub.Generate(request()))
        await provider.arrived(len(provider.arrivals) + LOST_CALLS)
        stop.set()
        made = sum(await asyncio.gather(*loads))
        await collect(first.stub.Generate(request()))
        await collect(second.stub.Generate(request()))
        left = limits.requests - len(provider.arrivals)
        assert [await requests_left(server) for server in (first, second)] == [left, left]
    assert made >= 50
    assert not provider.throttled


async def test_a_redis_that_hangs_holds_nobody_up(redis: RedisServer) -> None:
    """A server that takes connections and says nothing delays one call a little, and no more."""
    async with (
        LimitedProvider(Limits(requests=1000, window=ENDLESS)) as provider,
        running(shared(provider, redis)) as server,
        asyncio.timeout(20),
    ):
        await collect(server.stub.Generate(request()))
        redis.signal(signal.SIGSTOP)
        try:
            began = asyncio.get_running_loop().time()
            for _ in range(LOST_CALLS):
                await collect(server.stub.Generate(request()))
            assert asyncio.get_running_loop().time() - began < 3
            assert not await sharing(server)
        finally:
            redis.signal(signal.SIGCONT)
        while not await sharing(server):
            await collect(server.stub.Generate(request()))


async def test_a_start_without_redis_is_a_start(redis: RedisServer) -> None:
    """A replica that starts while Redis is gone serves calls, and shares once it is there."""
    async with LimitedProvider(Limits(requests=1000, window=ENDLESS)) as provider:
        redis.kill()
        async with running(shared(provider, redis)) as server, asyncio.timeout(20):
            await collect(server.stub.Generate(request()))
            assert not await sharing(server)
            await asyncio.to_thread(redis.start)
            while not await sharing(server):
                await collect(server.stub.Generate(request()))
