"""Does every call give back what it held, however it ends?"""

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Awaitable, Iterator

import grpc
import pytest

from sluice.v1 import gateway_service_pb2, rate_limit_pb2
from tests.support.client import GenerateRequest, collect, request
from tests.support.configuration import PROVIDER, Config, configuration
from tests.support.openai_stream import DONE, answer, failure, finish, text
from tests.support.redis import RedisServer, redis_server
from tests.support.replies import Close, Piece, Reply, Reset, Stall, sse
from tests.support.server import RunningServer, running
from tests.support.upstream import Request, Upstream

CALLS = 150
STREAMS = 6
"""Bound of calls at the same time, by the limits of every kind of owner."""
OTHERS_STREAMS = 50
"""Bound that never stops a call but counts it all the same."""
REVOKED = "key-revoked"
LIMITS = [("x-ratelimit-limit-requests", "100000"), ("x-ratelimit-remaining-requests", "99999")]
CALLER = (("authorization", "Bearer token-of-a-caller-0123456789"),)
ENDS = {
    "whole": answer("Hi"),
    "silent": Reply(Stall()),
    "stalled": sse(text("Hel"), Stall(), headers=LIMITS),
    "cut": sse(text("Hel"), Close(), headers=LIMITS),
    "reset": Reply(Reset()),
    "unfinished": sse(text("Hel"), headers=LIMITS),
    "garbage": sse(b"data: {nonsense\n\n", headers=LIMITS),
    "empty": sse(DONE),
    "bad request": failure(400),
    "unknown model": failure(404, code="model_not_found"),
    "broken": failure(500, headers=LIMITS),
    "too fast": failure(429, code="rate_limit_exceeded", headers=[("retry-after-ms", "20")]),
    "late error": sse(text("Hel"), {"error": {"message": "No.", "code": 500}}),
    "error that stalls": sse(Piece(b"{"), Stall(), status=500, headers=LIMITS),
    "finished and stalled": sse(text("Hi"), finish("stop"), Stall()),
}
"""What the provider does, by the prompt of the request."""
ENDLESS = {"silent", "stalled", "error that stalls", "finished and stalled"}
FULL = (f"{PROVIDER}//", f"{PROVIDER}/test-model/", "//caller/someone")
"""Whose limits count a call that runs, whatever key it runs with."""
REFUSED = ["not encodable", "no room at once"]
"""Ends that never reach the provider."""


@pytest.fixture(params=["memory", "redis"])
def redis(request: pytest.FixtureRequest) -> Iterator[RedisServer | None]:
    """Run a Redis, or none."""
    if request.param == "memory":
        yield None
        return
    with redis_server() as server:
        yield server


def play(received: Request) -> Reply:
    """Answer as the prompt says; one of the keys is worth nothing."""
    if received.header("authorization") == f"Bearer {REVOKED}":
        return failure(401, code="invalid_api_key")
    return ENDS[received.json["messages"][-1]["content"]]


def config(upstream: Upstream, redis: RedisServer | None) -> Config:
    """Return settings with limits of every kind of owner, and three keys, one of them bad."""
    few, many = {"concurrent_streams": STREAMS}, {"concurrent_streams": OTHERS_STREAMS}
    keys = ["key-0", "key-1", REVOKED]
    return configuration(
        upstream,
        callers=[
            {
                "name": "someone",
                "token": "token-of-a-caller-0123456789",
                "limits": many,
                "admin": True,
            }
        ],
        providers={
            PROVIDER: {
                "credentials": [{"name": key, "api_key": key, "limits": many} for key in keys],
                "limits": few,
                "model_limits": {"test-model": many},
            }
        },
        attempts={"max_attempts": 3},
        # Nearly all of these calls fail, and all are to be made.
        breakers={"enabled": False},
        **({} if redis is None else {"state": {"redis": redis.url}}),
    )


def wanted(end: str) -> GenerateRequest:
    """Return the request that ends so."""
    made = request("whole" if end in REFUSED else end)
    made.routing.no_wait = end == "no room at once"
    if end == "not encodable":
        made.options.top_k = 5
    return made


async def begin_and_end(server: RunningServer, chance: random.Random) -> grpc.StatusCode:
    """Make a call; it ends by itself, by its deadline or by its caller, at any moment."""
    end = chance.choice([*ENDS, *REFUSED])
    leaves = chance.random() < (0.6 if end in ENDLESS else 0.3)
    deadline = chance.uniform(0.02, 0.5) if end in ENDLESS or chance.random() < 0.2 else None
    call = server.stub.Generate(wanted(end), metadata=CALLER, timeout=deadline)
    reading = asyncio.ensure_future(collect(call))
    if leaves:
        await asyncio.wait([reading], timeout=chance.uniform(0.0, 0.3))
        call.cancel()
    with contextlib.suppress(grpc.aio.AioRpcError, asyncio.CancelledError):
        await reading
    return await call.code()


async def held(server: RunningServer) -> dict[str, int]:
    """Return the calls that own limits count now, by whose limit it is."""
    asked = gateway_service_pb2.GetRateLimitsRequest()
    got = await server.stub.GetRateLimits(asked, metadata=CALLER)
    return {
        f"{bucket.provider}/{bucket.model}/{bucket.quota_scope}": bucket.reserved
        for bucket in got.buckets
        if bucket.source == rate_limit_pb2.RATE_LIMIT_SOURCE_CONFIG
    }


async def nothing_is_held(server: RunningServer) -> None:
    """Return when no limit counts a call."""
    while any((await held(server)).values()):
        pass


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_the_end_everything_is_given_back(
    upstream: Upstream, redis: RedisServer | None, seed: int
) -> None:
    """After a mixed crowd no limit of any owner counts a call, and all room is there again."""
    upstream.answer(play)
    chance = random.Random(seed)
    async with running(config(upstream, redis)) as server, asyncio.timeout(60):
        calls: list[Awaitable[grpc.StatusCode]] = [
            begin_and_end(server, random.Random(chance.random())) for _ in range(CALLS)
        ]
        codes = Counter(await asyncio.gather(*calls))
        await nothing_is_held(server)
        owners = await held(server)
        again = [server.stub.Generate(wanted("stalled"), metadata=CALLER) for _ in range(STREAMS)]
        for call in again:
            await call.read()
        full = await held(server)
        # Where Redis was too slow for a moment, it is told a little later.
        while redis is not None and min(full[it] for it in FULL) < STREAMS:
            full = await held(server)
        for call in again:
            call.cancel()
        await nothing_is_held(server)
        # Where Redis was too slow for a moment, it is told a little later.
        while redis is not None and redis.call("KEYS", "*:holds") != b"*0\r\n":
            await held(server)
    assert {
        *(grpc.StatusCode.OK, grpc.StatusCode.CANCELLED, grpc.StatusCode.DEADLINE_EXCEEDED),
        *(grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.UNAVAILABLE),
    } <= codes.keys()
    assert len(owners) == 6
    assert [full[it] for it in FULL] == [STREAMS] * len(FULL)


async def test_calls_that_a_drain_cuts_give_everything_back(upstream: Upstream) -> None:
    """A replica that stops leaves nothing behind in the state that others share."""
    upstream.answer(play)
    with redis_server() as redis:
        settings = config(upstream, redis)
        settings["providers"][PROVIDER]["credentials"].pop()
        async with running(settings) as server, asyncio.timeout(30):
            ends = ["stalled", "silent"] * (STREAMS // 2)
            calls = [server.stub.Generate(wanted(end), metadata=CALLER) for end in ends]
            while len(upstream.requests) < len(calls):
                await held(server)
            calls += [server.stub.Generate(wanted("whole"), metadata=CALLER) for _ in range(5)]
            reading = [asyncio.ensure_future(collect(call)) for call in calls]
            asked = gateway_service_pb2.GetMetricsRequest()
            while (await server.stub.GetMetrics(asked, metadata=CALLER)).server.queued_calls < 5:
                pass
            assert await server.app.drain(0.0) == len(calls)
            await asyncio.gather(*reading, return_exceptions=True)
        kept = redis.call("KEYS", "*")
        streams = redis.call("KEYS", "*/streams")
        holds = redis.call("KEYS", "*:holds")
    assert {await call.code() for call in calls} == {grpc.StatusCode.UNAVAILABLE}
    assert b":group:" in kept
    assert streams == holds == b"*0\r\n"
