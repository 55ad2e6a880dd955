"""Three replicas, one Redis, a stock client that goes round them: do they act as one?

And does the loss of a replica, or of Redis, cost a call that had produced no output?
The replicas are processes of their own; the client uses the service config that is shipped.
"""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import grpc
import pytest
import pytest_asyncio

from sluice.v1 import gateway_service_pb2, model_pb2, rate_limit_pb2
from tests.support.client import GenerateRequest, collect, collect_failure, request
from tests.support.configuration import PROVIDER, Config, configuration
from tests.support.crowd import Crowd
from tests.support.fleet import Fleet, fleet
from tests.support.limited_provider import LimitedProvider, Limits
from tests.support.openai_stream import DONE, failure, finish, models, role, text, usage
from tests.support.readers import Reader
from tests.support.redis import RedisServer, redis_server
from tests.support.replies import Delay, Gate, Reply, sse
from tests.support.token_server import CLIENT_ID, FIRST_REFRESH_TOKEN, TokenServer
from tests.support.upstream import Request, Upstream

pytestmark = pytest.mark.asyncio(loop_scope="module")

REPLICAS = 3
WINDOW = 1.0
"""Seconds of a window that tests wait for."""
ENDLESS = 600.0
"""Seconds that no test outlives."""
LEASE = 6.0
"""Seconds for which the room of a lost replica stays taken, where a test waits for it."""
SHORT_LEASE = 1.0
"""The same, where a test outlives it several times."""
PLACES = 6
"""Calls at a time, of all replicas together."""
REQUESTS = rate_limit_pb2.RATE_LIMIT_UNIT_REQUESTS
PRICES = {"test-model": {"input": 2, "output": 10}}
"""Dollars per million tokens."""
COST = 100 * 2_000 + 20 * 10_000
"""Nano-dollars of one answer of 100 tokens in and 20 out."""
AFFORDED = 5
"""Answers that the day's money pays for."""


@dataclass(frozen=True)
class Providers:
    """What stands behind the replicas: one provider for each thing that is shared."""

    stated: LimitedProvider
    """Says what its limits are."""
    own: Upstream
    """The operator allows `PLACES` calls at a time."""
    hasty: Upstream
    """Tells its first caller to stay away."""
    keys: LimitedProvider
    """Refuses the first of two keys."""
    account: LimitedProvider
    """Takes access tokens."""
    tokens: TokenServer
    """Gives them out, and takes each refresh token once."""
    priced: Upstream
    """The operator has so much money for it."""
    crowd: Crowd
    """How many calls `own` has at once."""


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    """Run a real Redis."""
    with redis_server() as redis:
        yield redis


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def providers() -> AsyncIterator[Providers]:
    """Play all providers."""
    crowd = Crowd()
    async with AsyncExitStack() as stack:
        own, hasty, priced = [await stack.enter_async_context(Upstream()) for _ in range(3)]
        tokens = await stack.enter_async_context(TokenServer())
        stated = LimitedProvider(Limits(requests=30, tokens=10**6, window=WINDOW), pace=0.02)
        keys = LimitedProvider(None, accepts=lambda key: key == "key-1")
        account = LimitedProvider(None, accepts=tokens.is_valid)
        for provider in (stated, keys, account):
            await stack.enter_async_context(provider)
        own.answer(crowd.reply(Delay(0.02)))
        hasty.reply(failure(429, "Slow down.", headers=[("retry-after", str(int(ENDLESS)))]))
        hasty.answer(fine())
        priced.answer(sse(role(), text("fine"), finish("stop"), usage(100, 20), DONE))
        yield Providers(stated, own, hasty, keys, account, tokens, priced, crowd)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def replicas(
    providers: Providers, redis: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Fleet]:
    """Run the replicas, in front of all providers."""
    folder = tmp_path_factory.mktemp("tokens")
    async with fleet(settings(providers, folder), redis, count=REPLICAS) as running:
        yield running
    assert not list(folder.iterdir()), "accounts that are shared are on no disk"


def settings(providers: Providers, folder: Path) -> Config:
    """Return the settings of every replica."""
    oauth = {
        "grant": "refresh_token",
        "token_url": providers.tokens.url,
        "client_id": CLIENT_ID,
        "refresh_token": FIRST_REFRESH_TOKEN,
        "token_directory": str(folder),
    }
    keys = [{"name": name, "api_key": name} for name in ("key-0", "key-1")]
    sections: dict[str, tuple[Upstream, dict[str, Any]]] = {
        "stated": (providers.stated.upstream, {}),
        "own": (providers.own, {"limits": {"concurrent_streams": PLACES}}),
        "hasty": (providers.hasty, {}),
        "keys": (providers.keys.upstream, {"credentials": keys, "strategy": "failover"}),
        "account": (
            providers.account.upstream,
            {"credentials": [{"name": "account", "oauth": oauth}]},
        ),
        "priced": (
            providers.priced,
            {"prices": PRICES, "limits": {"usd_per_day": (AFFORDED + 0.5) * COST / 1e9}},
        ),
    }
    key = [{"name": "key", "api_key": "key"}]
    return configuration(
        providers.own,
        providers={
            name: {
                "kind": "openai-compatible",
                "base_url": upstream.base_url,
                "credentials": key,
                **more,
            }
            for name, (upstream, more) in sections.items()
        },
        attempts={"max_attempts": 2},
        catalog={"persist": True},
    )


def fine() -> Reply:
    """Return an answer."""
    return sse(role(), text("fine"), finish("stop"), usage(1, 1), DONE)


def asking(provider: str, words: str = "Hello") -> GenerateRequest:
    """Return a request to one of the providers, of 100 tokens in where it is about money."""
    wanted = request(words, model=f"{provider}/test-model")
    wanted.options.max_output_tokens = 20
    return wanted


async def texts(replicas: Fleet, provider: str, count: int) -> set[str]:
    """Make calls at the same time, round all replicas, and return what they were answered."""
    calls = (collect(replicas.stub.Generate(asking(provider))) for _ in range(count))
    return {answer.text for answer in await asyncio.gather(*calls)}


async def requests_left(fleet: Fleet, provider: str) -> list[int]:
    """Return what each replica tells of a provider's remaining requests."""
    asked = gateway_service_pb2.GetRateLimitsRequest(provider=provider)
    got = [await stub.GetRateLimits(asked) for stub in fleet.stubs]
    return [bucket.remaining for one in got for bucket in one.buckets if bucket.unit == REQUESTS]


async def test_a_providers_limit_is_kept_and_used(replicas: Fleet, providers: Providers) -> None:
    """Of 120 calls none is too many, and hardly a window is left empty."""
    provider = providers.stated
    async with asyncio.timeout(40):
        await collect(replicas.stub.Generate(asking("stated")))
        charge = provider.arrivals[0].tokens
        began = asyncio.get_running_loop().time()
        best = provider.best_end([charge] * 120) - began + provider.pace
        assert await texts(replicas, "stated", 120) == {"Hello"}
        took = asyncio.get_running_loop().time() - began
    assert len(provider.throttled) <= losses(replicas)
    # A machine that stands still at the wrong moment misses a window, through no fault of ours.
    assert took < 1.1 * best + WINDOW


async def test_a_limit_of_ones_own_is_kept_and_used(replicas: Fleet, providers: Providers) -> None:
    """There are never more calls at a time than allowed, and as many when there is work."""
    async with asyncio.timeout(40):
        assert await texts(replicas, "own", 60) == {"fine"}
    assert providers.crowd.most == PLACES


async def test_a_cool_down_holds_for_all(replicas: Fleet, providers: Providers) -> None:
    """A 429 that one replica is told keeps all from asking."""
    async with asyncio.timeout(20):
        first, *others = replicas.stubs
        for stub in (first, *others, first):
            wanted = asking("hasty")
            wanted.routing.no_wait = True
            got = await collect_failure(stub.Generate(wanted))
            assert got.reason == "PROVIDER_RATE_LIMITED"
            assert got.retry_seconds is not None
            assert ENDLESS - 60 < got.retry_seconds <= ENDLESS
    assert len(providers.hasty.requests) == 1


async def test_a_faulty_key_rests_everywhere(replicas: Fleet, providers: Providers) -> None:
    """What one replica paid to find out costs the others nothing."""
    began = time.monotonic()
    async with asyncio.timeout(20):
        for _ in range(10 * REPLICAS):
            assert (await collect(replicas.stub.Generate(asking("keys")))).text == "Hello"
    refused = len(providers.keys.of_key("key-0"))
    # It is tried again after a rest of 0.75 seconds at the least, by one for all.
    assert 1 <= refused <= 1 + math.floor((time.monotonic() - began) / 0.75)
    assert len(providers.keys.of_key("key-1")) == 10 * REPLICAS


async def test_one_refresh_for_all(replicas: Fleet, providers: Providers) -> None:
    """Ninety calls at the end of a token cause one refresh; the account is not lost."""
    tokens, provider = providers.tokens, providers.account
    async with asyncio.timeout(40):
        assert await texts(replicas, "account", 2 * REPLICAS) == {"Hello"}
        assert tokens.granted == len(tokens.exchanges) == 1
        tokens.expire()
        before = len(provider.arrivals)
        provider.gate = Gate()
        calls = asyncio.ensure_future(texts(replicas, "account", 90))
        await provider.arrived(before + 90)
        provider.gate.open()
        assert await calls == {"Hello"}
    assert tokens.granted == len(tokens.exchanges) == 2
    assert not tokens.needs_login


async def test_one_list_for_all(replicas: Fleet, providers: Providers) -> None:
    """The catalogue is fetched once, and shown by every replica."""
    providers.own.route("GET", "/v1/models", models("a", "b"))
    asked = gateway_service_pb2.ListModelsRequest(filter=model_pb2.ModelFilter(providers=["own"]))
    async with asyncio.timeout(20):
        got = await asyncio.gather(*(stub.ListModels(asked) for stub in [*replicas.stubs] * 4))
    assert {tuple(model.id for model in one.models) for one in got} == {("a", "b")}
    assert len(providers.own.routed) == 1


async def test_one_budget_for_all(replicas: Fleet, providers: Providers) -> None:
    """The day's money is spent once, whichever replica spends it."""
    wanted = asking("priced", "x" * 400)
    async with asyncio.timeout(20):
        for number in range(AFFORDED):
            await collect(replicas.stubs[number % REPLICAS].Generate(wanted))
        for stub in replicas.stubs:
            got = await collect_failure(stub.Generate(wanted))
            assert (got.code, got.reason) == (
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                "PROVIDER_RATE_LIMITED",
            )
    assert len(providers.priced.requests) == AFFORDED


async def test_a_killed_replica_costs_no_call_without_output(redis: RedisServer) -> None:
    """Calls that had produced nothing end well elsewhere, once its room is free again.

    Those that had are told, and are not begun again.
    """
    gate = Gate()

    def reply(received: Request) -> Reply:
        begun = text("one")
        steps = (begun, gate) if words_of(received).startswith("loud") else (gate, begun)
        return sse(*steps, text("two"), finish("stop"), DONE)

    asked = [f"{kind} {number}" for number in range(4 * REPLICAS) for kind in ("loud", "quiet")]
    async with Upstream() as upstream, asyncio.timeout(90):
        upstream.answer(reply)
        # Every place is taken, some by calls of the replica that will be lost.
        places = {"limits": {"concurrent_streams": len(asked)}}
        config = configuration(upstream, providers={PROVIDER: places})
        program = ("tests.support.short_lived", str(LEASE))
        async with fleet(config, redis, count=REPLICAS, program=program) as replicas:
            readers = {words: Reader(replicas.stub.Generate(request(words))) for words in asked}
            await upstream.request(len(asked) - 1)
            for words, reader in readers.items():
                if words.startswith("loud"):
                    await reader.reads(3)
            running = await replicas.running(0)
            replicas.processes[0].kill()
            while len(lost := cut_off(upstream)) < running:
                await replicas.running(1)
            quiet = [words for words in lost if words.startswith("quiet")]
            assert 0 < len(quiet) < len(lost) < len(asked)
            await upstream.request(len(asked) + len(quiet) - 1)
            gate.open()
            for reader in readers.values():
                await reader.wait()
    again = [words_of(received) for received in upstream.requests[len(asked) :]]
    assert sorted(again) == sorted(quiet)
    for words, reader in readers.items():
        if words in lost and words not in quiet:
            assert reader.failure is not None
            assert reader.failure.code is grpc.StatusCode.UNAVAILABLE
            assert reader.answer.text == "one"
        else:
            assert reader.failure is None, reader.failure
            assert reader.whole
            assert reader.answer.text == "onetwo"


async def test_a_long_answer_keeps_its_place(redis: RedisServer) -> None:
    """Others find no room while it runs, however much longer than a lost replica's that is."""
    gate = Gate()
    async with Upstream() as upstream, asyncio.timeout(60):
        upstream.answer(sse(text("long"), gate, finish("stop"), usage(1, 1), DONE))
        config = configuration(
            upstream, providers={PROVIDER: {"limits": {"concurrent_streams": 1}}}
        )
        program = ("tests.support.short_lived", str(SHORT_LEASE))
        async with fleet(config, redis, count=2, program=program) as replicas:
            one, other = replicas.stubs
            reader = Reader(one.Generate(request()))
            await upstream.request()
            wanted = request()
            wanted.routing.no_wait = True
            until = time.monotonic() + 4 * SHORT_LEASE
            while time.monotonic() < until:
                got = await collect_failure(other.Generate(wanted))
                assert got.reason == "PROVIDER_RATE_LIMITED"
            gate.open()
            await reader.wait()
            assert reader.answer.text == "long"
            assert (await collect(other.Generate(request()))).text == "long"
    assert len(upstream.requests) == 2


async def test_a_killed_redis_costs_no_call() -> None:
    """Limits go on replica by replica, health tells, and a Redis that is empty is filled again."""
    crowd = Crowd()
    limits = Limits(requests=10**6, tokens=10**9, window=ENDLESS)
    with redis_server() as redis:
        async with LimitedProvider(limits) as stated, Upstream() as own, asyncio.timeout(90):
            own.answer(crowd.reply(Delay(0.02)))
            config = configuration(
                stated.upstream,
                providers={
                    "own": {
                        "kind": "openai-compatible",
                        "base_url": own.base_url,
                        "credentials": [{"name": "key", "api_key": "key"}],
                        "limits": {"concurrent_streams": PLACES},
                    }
                },
            )
            async with fleet(config, redis, count=REPLICAS) as replicas:
                await replicas.all_share(True)
                async with Load(replicas, PROVIDER, "own") as load:
                    await filled(crowd, load)
                    assert crowd.most <= allowed(replicas, after=0)
                    redis.kill()
                    await replicas.all_share(False)
                    await load.made(60)
                    assert crowd.most <= REPLICAS * PLACES
                    await asyncio.to_thread(redis.start)
                    await replicas.all_share(True)
                    await load.made(60)
                assert load.texts == {"Hello", "fine"}
                # What ran when it came back is over: nobody knew of the others' calls then.
                crowd.most = 0
                async with Load(replicas, PROVIDER, "own") as load:
                    await filled(crowd, load)
                assert load.texts == {"Hello", "fine"}
                assert crowd.most <= allowed(replicas, after=1)
                for stub in replicas.stubs:
                    await collect(stub.Generate(asking(PROVIDER)))
                left = limits.requests - len(stated.arrivals)
                assert await requests_left(replicas, PROVIDER) == [left] * REPLICAS
    assert not stated.throttled


class Load:
    """Callers who call again and again, round all replicas; at the end each has its answer."""

    def __init__(self, replicas: Fleet, *providers: str) -> None:
        """Take whom to call."""
        self.texts: set[str] = set()
        self._replicas = replicas
        self._providers = providers
        self._made = 0
        self._grew = asyncio.Condition()
        self._stop = asyncio.Event()

    async def __aenter__(self) -> Self:
        """Begin."""
        callers = 3 * PLACES
        self._callers = [
            asyncio.create_task(self._call(provider))
            for provider in self._providers
            for _ in range(callers)
        ]
        return self

    async def __aexit__(self, *_error: object) -> None:
        """Call no more; raises what a call ended with, unless it was OK."""
        self._stop.set()
        await asyncio.gather(*self._callers)

    async def made(self, count: int) -> None:
        """Wait for so many further answers."""
        wanted = self._made + count
        async with self._grew:
            await self._grew.wait_for(lambda: self._made >= wanted)

    async def _call(self, provider: str) -> None:
        try:
            while not self._stop.is_set():
                answer = await collect(self._replicas.stub.Generate(asking(provider)))
                assert answer.is_complete
                self.texts.add(answer.text)
                async with self._grew:
                    self._made += 1
                    self._grew.notify_all()
        except BaseException:
            self._stop.set()
            raise


async def filled(crowd: Crowd, load: Load) -> None:
    """Wait until every place was taken at once, and a little longer."""
    while crowd.most < PLACES:
        await load.made(1)
    await load.made(60)


def allowed(replicas: Fleet, *, after: int) -> int:
    """Return how many calls there may be at a time, after Redis was killed so often.

    On a machine that stands still for a quarter of a second a replica loses it once more, and
    goes on alone for a moment, through no fault of ours.
    """
    return PLACES if losses(replicas) <= REPLICAS * after else REPLICAS * PLACES


def losses(replicas: Fleet) -> int:
    """Return how often replicas lost Redis, all together."""
    return sum(replicas.count(number, "state.redis_lost") for number in range(REPLICAS))


def words_of(received: Request) -> str:
    """Return what was asked."""
    return str(received.json["messages"][0]["content"])


def cut_off(upstream: Upstream) -> list[str]:
    """Return what those asked who are gone."""
    return [words_of(one) for one in upstream.requests if one.disconnected.is_set()]
