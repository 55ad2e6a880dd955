"""Is every key used that works, and none that does not?"""

import asyncio
import contextlib
import gc
import math
import sys
from collections import Counter
from pathlib import Path
from typing import TypeVar

import grpc
import httpx
import pytest

from sluice.v1 import gateway_service_pb2
from sluice_server.providers.failures import DETAIL_CHARACTERS
from tests.support.channels import get, stub_to
from tests.support.client import Answer, collect, collect_failure, request
from tests.support.collector import collecting
from tests.support.configuration import API_KEY, PROVIDER, Config, configuration
from tests.support.limited_provider import LimitedProvider, Limits, Standing
from tests.support.openai_stream import answer, error, failure
from tests.support.process import server_process
from tests.support.replies import Reply, sse
from tests.support.server import RunningServer, running
from tests.support.upstream import Request, Upstream

RERUN_SECONDS = 1.1
"""A little more than the shortest time between two runs of a program that prints a key."""
FOREIGN_KEY = "key-that-a-caller-brought-0123456789"
BROUGHT = (("sluice-provider-key", FOREIGN_KEY),)


T = TypeVar("T")


def keys(count: int) -> list[str]:
    """Return so many keys."""
    return [f"key-{number}" for number in range(count)]


def pool(upstream: Upstream, *names: str, **overrides: object) -> Config:
    """Return settings with credentials of which each is called as its key; three attempts."""
    credentials = [{"name": name, "api_key": name} for name in names]
    return configuration(
        upstream,
        providers={PROVIDER: {"credentials": credentials, **overrides}},
        attempts={"max_attempts": 3},
    )


def alive(kind: type[T]) -> list[T]:
    """Return all objects of a kind that something still holds on to."""
    return [one for one in gc.get_objects() if isinstance(one, kind)]


def key_of(received: Request) -> str:
    """Return the key that a request came with."""
    return (received.header("authorization") or "").removeprefix("Bearer ")


async def generate(server: RunningServer, count: int = 1) -> list[Answer]:
    """Make calls one after the other."""
    return [await collect(server.stub.Generate(request())) for _ in range(count)]


async def test_bad_keys_cost_nobody_a_call() -> None:
    """Three keys of ten are revoked and two exhausted: 1,000 calls succeed, few probes are lost."""
    names, workers, each = keys(10), 20, 50
    bad = {
        **dict.fromkeys(names[1:8:3], Standing.REVOKED),
        names[2]: Standing.UNPAID,
        names[9]: Standing.EXHAUSTED,
    }
    async with (
        LimitedProvider(None, standing=bad) as provider,
        running(pool(provider.upstream, *names)) as server,
        asyncio.timeout(60),
    ):
        began = asyncio.get_running_loop().time()
        answers = await asyncio.gather(*(generate(server, each) for _ in range(workers)))
        took = asyncio.get_running_loop().time() - began
    assert all(one.text == "Hello" for some in answers for one in some)
    used = Counter(arrival.key for arrival in provider.arrivals)
    assert used.keys() == set(names)
    for name in names:
        if name not in bad:
            # Every one that works does a fair part of the work.
            assert used[name] > workers * each / 5 / 4
            continue
        first = provider.of_key(name)[0].at
        # While its first answer is awaited nobody else uses a key; two, if both came at once.
        # After that come probes, 1, 2, 4 ... seconds apart.
        late = [arrival for arrival in provider.of_key(name) if arrival.at > first + 0.5]
        assert used[name] - len(late) <= 2
        assert len(late) <= 1 + math.log2(1 + took)


async def test_a_probe_costs_nobody_a_call_while_the_others_are_full() -> None:
    """A call that was refused with one key waits for room with another, as any call does."""
    async with LimitedProvider(None, standing={"key-0": Standing.REVOKED}) as provider:
        config = pool(provider.upstream, *keys(2), strategy="failover")
        config["providers"][PROVIDER]["credentials"][1]["limits"] = {"requests_per_second": 0.5}
        async with running(config) as server, asyncio.timeout(20):
            await generate(server)
            # The refused key rests for a second, the other one has no room for two.
            await asyncio.gather(*(generate(server) for _ in range(2)))
    statuses = [arrival.status for arrival in provider.arrivals]
    assert statuses.count(200) == 3
    assert statuses.count(401) >= 2


async def test_a_key_that_works_again_is_used_again() -> None:
    """After its rest a refused key gets a call, and after that its part of all calls."""
    async with (
        LimitedProvider(None, standing={"key-0": Standing.REVOKED}) as provider,
        running(pool(provider.upstream, *keys(2))) as server,
        asyncio.timeout(20),
    ):
        while not provider.of_key("key-0"):
            await generate(server)
        await generate(server, 10)
        assert len(provider.of_key("key-0")) == 1
        del provider.standing["key-0"]
        while len(provider.of_key("key-0")) < 5:
            await generate(server)
    statuses = [arrival.status for arrival in provider.of_key("key-0")]
    assert statuses == [401, 200, 200, 200, 200]


async def test_the_only_key_is_never_locked_out() -> None:
    """While it rests calls fail without going upstream; then one finds out that it was mended."""
    async with (
        LimitedProvider(None, standing={"key-0": Standing.REVOKED}) as provider,
        running(pool(provider.upstream, "key-0")) as server,
        asyncio.timeout(20),
    ):
        got = await collect_failure(server.stub.Generate(request()))
        assert got.reason == "PROVIDER_CREDENTIAL_REJECTED"
        assert got.code is grpc.StatusCode.FAILED_PRECONDITION
        assert "key-0" not in got.message
        del provider.standing["key-0"]
        while len(provider.arrivals) < 2:
            with contextlib.suppress(grpc.aio.AioRpcError):
                await generate(server)
    first, again = provider.arrivals
    assert (first.status, again.status) == (401, 200)
    assert 0.7 < again.at - first.at < 5


async def test_limits_of_all_keys_are_used_up() -> None:
    """Two keys have room for twenty calls each: forty calls find it, and none is refused."""
    limits = Limits(requests=20, window=600.0)
    async with (
        LimitedProvider(limits) as provider,
        running(pool(provider.upstream, *keys(2))) as server,
        asyncio.timeout(20),
    ):
        await generate(server, 40)
        wanted = request()
        wanted.routing.no_wait = True
        got = await collect_failure(server.stub.Generate(wanted))
        assert got.reason == "PROVIDER_RATE_LIMITED"
    assert not provider.throttled
    assert Counter(arrival.key for arrival in provider.arrivals) == {"key-0": 20, "key-1": 20}


async def test_keys_take_turns() -> None:
    """With round_robin each key gets the same number of calls."""
    async with (
        LimitedProvider(None) as provider,
        running(pool(provider.upstream, *keys(3), strategy="round_robin")) as server,
    ):
        await generate(server, 30)
    assert Counter(arrival.key for arrival in provider.arrivals) == dict.fromkeys(keys(3), 10)


@pytest.mark.parametrize(
    "fault",
    [failure(400), failure(500), failure(404, code="model_not_found")],
    ids=["bad request", "server error", "unknown model"],
)
async def test_faults_of_others_are_not_the_keys(upstream: Upstream, fault: Reply) -> None:
    """With failover the first key goes on being used after what is not its fault."""
    upstream.reply(fault)
    upstream.answer(answer("Hi"))
    config = pool(upstream, *keys(2), strategy="failover")
    config["attempts"]["max_attempts"] = 1
    async with running(config) as server:
        await collect_failure(server.stub.Generate(request()))
        await generate(server, 3)
    assert [key_of(received) for received in upstream.requests] == ["key-0"] * 4


async def test_a_departure_is_not_the_keys_fault() -> None:
    """A caller who leaves does no harm to the key of its call."""
    async with (
        LimitedProvider(None, pace=30.0) as provider,
        running(pool(provider.upstream, *keys(2), strategy="failover")) as server,
        asyncio.timeout(20),
    ):
        for number in range(3):
            call = server.stub.Generate(request())
            await provider.arrived(number + 1)
            call.cancel()
            received = await provider.upstream.request(number)
            await received.disconnected.wait()
        provider.pace = 0.0
        await generate(server)
    assert {arrival.key for arrival in provider.arrivals} == {"key-0"}


@pytest.mark.parametrize("status", [401, 402, 429])
async def test_failover_passes_on_and_stays(upstream: Upstream, status: int) -> None:
    """A refused first key is replaced by the second within the same call, and rests."""
    bad, good = failure(status), answer("Hi")
    upstream.answer(lambda received: bad if key_of(received) == "key-0" else good)
    async with running(pool(upstream, *keys(2), strategy="failover")) as server:
        await generate(server, 4)
        got = await server.stub.GetMetrics(gateway_service_pb2.GetMetricsRequest())
    assert [key_of(received) for received in upstream.requests] == ["key-0", *["key-1"] * 4]
    refused, used = got.credentials
    assert (refused.credential, refused.calls.errors) == ("key-0", 1)
    assert refused.backoff_until.ToNanoseconds() > got.server.snapshot_time.ToNanoseconds()
    assert (used.credential, used.calls.successes) == ("key-1", 4)
    assert not used.HasField("backoff_until")


async def test_a_rate_limit_rests_all_that_share_it(upstream: Upstream) -> None:
    """A 429 of one key rests the others of its quota scope, too, but not those outside."""
    wait = [("retry-after-ms", "60000")]
    bad, good = failure(429, code="rate_limit_exceeded", headers=wait), answer("Hi")
    upstream.answer(lambda received: good if key_of(received) == "key-2" else bad)
    config = pool(upstream, *keys(3), strategy="failover")
    for credential in config["providers"][PROVIDER]["credentials"][:2]:
        credential["scope"] = "organisation"
    async with running(config) as server:
        await generate(server, 3)
    assert [key_of(received) for received in upstream.requests] == ["key-0", *["key-2"] * 3]


async def test_all_keys_are_tried_until_one_is_known_to_work(upstream: Upstream) -> None:
    """Before that a call gives up only when there is no other key."""
    upstream.answer(failure(401))
    async with running(pool(upstream, *keys(5), strategy="failover")) as server:
        got = await collect_failure(server.stub.Generate(request()))
    assert got.reason == "PROVIDER_CREDENTIAL_REJECTED"
    assert [key_of(received) for received in upstream.requests] == keys(5)


async def test_at_most_three_keys_are_tried(upstream: Upstream) -> None:
    """Where a key is known to work, a call gives up after three that were refused."""
    upstream.reply(answer("Hi"), *[failure(429, code="rate_limit_exceeded")] * 5)
    async with running(pool(upstream, *keys(5), strategy="round_robin")) as server:
        await collect(server.stub.Generate(request()))
        got = await collect_failure(server.stub.Generate(request()))
    assert got.reason == "PROVIDER_RATE_LIMITED"
    assert len(upstream.requests) == 1 + 3


async def test_a_caller_may_bound_the_search(upstream: Upstream) -> None:
    """`max_attempts` of the request counts refused keys, too."""
    upstream.answer(failure(401))
    wanted = request()
    wanted.routing.max_attempts = 2
    async with running(pool(upstream, *keys(5), strategy="failover")) as server:
        await collect_failure(server.stub.Generate(wanted))
    assert len(upstream.requests) == 2


@pytest.mark.parametrize("source", ["file", "command"])
async def test_a_key_may_change_while_the_server_runs(source: str, tmp_path: Path) -> None:
    """The new key of a file, or of a command, serves the first call after the old one ended."""
    place = tmp_path / "key"
    place.write_text("old-key\n")
    command = [sys.executable, "-c", f"print(open({str(place)!r}).read())"]
    kind = {"api_key_file": str(place)} if source == "file" else {"api_key_command": command}
    async with LimitedProvider(None) as provider:
        config = pool(provider.upstream)
        config["providers"][PROVIDER]["credentials"] = [{"name": "changing", **kind}]
        async with running(config) as server, asyncio.timeout(20):
            began = asyncio.get_running_loop().time()
            await generate(server)
            # A program is not run more than once a second, whatever the provider says.
            while asyncio.get_running_loop().time() - began < RERUN_SECONDS:
                await generate(server)
            fresh = tmp_path / "fresh"
            fresh.write_text("new-key\n")
            fresh.replace(place)
            provider.standing["old-key"] = Standing.REVOKED
            await generate(server, 2)
    good = [arrival.key for arrival in provider.arrivals if arrival.status == 200]
    assert set(good[:-2]) == {"old-key"}
    assert good[-2:] == ["new-key", "new-key"]
    assert sum(arrival.status == 401 for arrival in provider.arrivals) <= 1


@pytest.mark.parametrize(
    "quoted", [API_KEY, "x" * (DETAIL_CHARACTERS - 14) + API_KEY], ids=["whole", "cut short"]
)
@pytest.mark.parametrize("streamed", [False, True])
async def test_a_quoted_key_reaches_no_caller(
    upstream: Upstream, quoted: str, streamed: bool
) -> None:
    """What a provider says of a failure is passed on, but not when it holds our key."""
    for words, shown in ((quoted, False), ("No such thing.", True)):
        told = error(words, code=500)
        upstream.reply(sse(told) if streamed else failure(400, words))
        async with running(configuration(upstream)) as server:
            got = await collect_failure(server.stub.Generate(request()))
        assert ("The provider says" in got.message) is shown
        assert API_KEY[:12] not in got.message + str(got.trailers)


def lending(upstream: Upstream, **overrides: object) -> Config:
    """Return settings with a key of the operator's where callers may bring their own."""
    return configuration(upstream, providers={PROVIDER: {"caller_keys": True}}, **overrides)


async def test_callers_may_bring_a_key_where_they_are_let() -> None:
    """Their key serves their call alone, and is seen nowhere but upstream."""
    async with LimitedProvider(None) as provider, collecting() as (collector, endpoint):
        config = lending(provider.upstream, telemetry={"otlp_endpoint": endpoint})
        async with server_process(config) as server, stub_to(server.channel_target) as stub:
            await collect(stub.Generate(request(), metadata=BROUGHT))
            await collect(stub.Generate(request()))
            provider.standing[FOREIGN_KEY] = Standing.REVOKED
            got = await collect_failure(stub.Generate(request(), metadata=BROUGHT))
            assert got.reason == "PROVIDER_CREDENTIAL_REJECTED"
            await collect(stub.Generate(request()))
            limits = await stub.GetRateLimits(gateway_service_pb2.GetRateLimitsRequest())
            metrics = await stub.GetMetrics(gateway_service_pb2.GetMetricsRequest())
            _, page = await get(str(server.started["metrics"]), "/metrics")
            server.terminate()
            await server.wait()
        told = [server.raw_log, str(limits), str(metrics), page, got.message, str(got.trailers)]
    assert [arrival.key for arrival in provider.arrivals] == [
        *(FOREIGN_KEY, API_KEY, FOREIGN_KEY, API_KEY)
    ]
    assert not any(FOREIGN_KEY in text for text in told)
    assert collector.spans
    assert FOREIGN_KEY.encode() not in collector.raw


async def test_a_brought_key_is_kept_nowhere() -> None:
    """When its call is over no headers with it are left, unlike those with the operator's key."""
    async with (
        LimitedProvider(Limits(window=600.0)) as provider,
        running(lending(provider.upstream)) as server,
    ):
        await collect(server.stub.Generate(request(), metadata=BROUGHT))
        await collect(server.stub.Generate(request()))
        gc.collect()
        left = [value for kept in alive(httpx.Headers) for value in kept.values()]
    assert {arrival.key for arrival in provider.arrivals} == {FOREIGN_KEY, API_KEY}
    assert any(API_KEY in value for value in left)
    assert not any(FOREIGN_KEY in value for value in left)


async def test_a_brought_key_is_none_of_ours_whatever_ours_is_called() -> None:
    """Logs call such keys "caller"; faults of one do not rest a credential of that name."""
    async with LimitedProvider(None, standing={FOREIGN_KEY: Standing.REVOKED}) as provider:
        config = lending(provider.upstream)
        config["providers"][PROVIDER]["credentials"][0]["name"] = "caller"
        async with running(config) as server, asyncio.timeout(20):
            for _ in range(2):
                got = await collect_failure(server.stub.Generate(request(), metadata=BROUGHT))
                assert got.reason == "PROVIDER_CREDENTIAL_REJECTED"
            await collect(server.stub.Generate(request()))
            provider.standing = {API_KEY: Standing.REVOKED}
            await collect_failure(server.stub.Generate(request()))
            await collect(server.stub.Generate(request(), metadata=BROUGHT))
    assert [arrival.status for arrival in provider.arrivals] == [401, 401, 200, 401, 200]


async def test_callers_may_not_bring_a_key_elsewhere() -> None:
    """Where the operator did not allow it, such a call is refused and goes nowhere."""
    async with (
        LimitedProvider(None) as provider,
        running(configuration(provider.upstream)) as server,
    ):
        got = await collect_failure(server.stub.Generate(request(), metadata=BROUGHT))
    assert got.code is grpc.StatusCode.PERMISSION_DENIED
    assert got.reason == "CALLER_FORBIDDEN"
    assert FOREIGN_KEY not in got.message
    assert not provider.arrivals
