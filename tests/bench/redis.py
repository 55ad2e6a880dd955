"""What replicas say to Redis: commands and bytes, by what is done. `python -m tests.bench.redis`.

A server, a real Redis and a tap between them, in one process; calls are made one after the
other. Counts and bytes hold on every machine: they change with the code, the names of models and
credentials, and what a provider states. The processor time that Redis takes is of the machine.
"""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

from sluice.v1 import gateway_service_pb2
from tests.support.client import collect, request
from tests.support.configuration import PROVIDER, configuration
from tests.support.limited_provider import LimitedProvider, Limits
from tests.support.openai_stream import models
from tests.support.redis import RedisServer, redis_server
from tests.support.redis_tap import Tap, tap
from tests.support.server import RunningServer, running
from tests.support.token_server import CLIENT_ID, FIRST_REFRESH_TOKEN, TokenServer

CALLS: Final = 100
LISTED: Final = 300
"""Models of a list."""
POOL: Final = [{"name": f"key-{n}", "api_key": f"key-{n}"} for n in range(3)]
WIDE: Final = Limits(requests=10**6, tokens=10**9, window=3600.0)
PLAIN: Final = "a call, nobody states a limit"
OWN: Final = "a call, with two limits of one's own"
STATED: Final = "a call, the provider states two limits"
POOLED: Final = "the same, one of three credentials"
SCENES: Final[Mapping[str, tuple[Limits | None, Mapping[str, Any]]]] = {
    PLAIN: (None, {}),
    OWN: (None, {"limits": {"requests_per_second": 10_000, "concurrent_streams": 1000}}),
    STATED: (WIDE, {}),
    POOLED: (WIDE, {"credentials": POOL, "strategy": "round_robin"}),
}


@dataclass(frozen=True, slots=True)
class Traffic:
    """What went through the tap for one of something."""

    what: str
    commands: Mapping[str, float]
    bytes_in: float
    """Bytes to Redis."""
    bytes_out: float
    """Bytes from Redis."""
    redis_us: float = 0.0
    """Microseconds of processor time that Redis took; 0 where it was not asked."""


def taken(what: str, counted: Tap, count: int) -> Traffic:
    """Return what one of so many took."""
    commands = {name: number / count for name, number in sorted(counted.commands.items())}
    return Traffic(what, commands, counted.bytes_in / count, counted.bytes_out / count)


@asynccontextmanager
async def server(
    limited: LimitedProvider, redis: RedisServer, up: Mapping[str, Any]
) -> AsyncIterator[tuple[RunningServer, Tap]]:
    """Run a server whose provider is this one; `up` adds to its section."""
    async with tap(redis) as counted:
        config = configuration(
            limited.upstream,
            providers={PROVIDER: up},
            state={"redis": counted.url},
            catalog={"persist": True},
            attempts={"max_attempts": 2},
        )
        async with running(config) as one:
            yield one, counted


async def call(one: RunningServer, count: int) -> None:
    """Make calls, one after the other."""
    wanted = request("x" * 400)
    wanted.options.max_output_tokens = 20
    for _ in range(count):
        await collect(one.stub.Generate(wanted))


async def calls(what: str, count: int = CALLS) -> Traffic:
    """Measure calls that find their scripts known; what is asked once a second is among them."""
    limits, up = SCENES[what]
    with redis_server() as redis:
        async with LimitedProvider(limits) as provider, server(provider, redis, up) as (one, seen):
            await call(one, 10)
            seen.clear()
            before = worked(redis)
            await call(one, count)
            return replace(taken(what, seen, count), redis_us=(worked(redis) - before) / count)


def worked(redis: RedisServer) -> float:
    """Return the microseconds of processor time that Redis took so far."""
    told = redis.call("INFO", "cpu").decode()
    return sum(float(seconds) for seconds in re.findall(r"used_cpu_(?:sys|user):(\S+)", told)) * 1e6


async def first() -> Traffic:
    """Measure the first call of all, which brings the scripts."""
    with redis_server() as redis:
        async with LimitedProvider(WIDE) as provider, server(provider, redis, {}) as (one, seen):
            await call(one, 1)
            return taken("the first call at an empty Redis", seen, 1)


async def refresh() -> Traffic:
    """Measure a call that renews a token, without what a call takes."""
    with redis_server() as redis, tempfile.TemporaryDirectory() as folder:
        async with (
            TokenServer() as tokens,
            LimitedProvider(WIDE, accepts=tokens.is_valid) as provider,
        ):
            oauth = {
                "grant": "refresh_token",
                "token_url": tokens.url,
                "client_id": CLIENT_ID,
                "refresh_token": FIRST_REFRESH_TOKEN,
                "token_directory": folder,
            }
            up = {"credentials": [{"name": "account", "oauth": oauth}]}
            async with server(provider, redis, up) as (one, seen):
                await call(one, 10)
                seen.clear()
                tokens.expire()
                await call(one, 1)
                return taken("a call whose token was renewed", seen, 1)


async def catalogue() -> list[Traffic]:
    """Measure a list that is fetched, and one that another replica fetched."""
    found = []
    asked = gateway_service_pb2.ListModelsRequest()
    with redis_server() as redis:
        async with LimitedProvider(None) as provider:
            names = [f"family/model-{number:05}" for number in range(LISTED)]
            provider.upstream.route("GET", "/v1/models", models(*names))
            for what in ("fetched", "read"):
                async with server(provider, redis, {}) as (one, seen):
                    await one.stub.ListModels(asked)
                    found.append(taken(f"a list of {LISTED} models, {what}", seen, 1))
    return found


async def idle(seconds: float = 5.0) -> Traffic:
    """Count what a server says that nobody calls."""
    with redis_server() as redis:
        async with LimitedProvider(WIDE) as provider, server(provider, redis, {}) as (one, seen):
            await call(one, 10)
            seen.clear()
            await asyncio.sleep(seconds)
            return taken("a second without calls", seen, int(seconds))


async def main() -> None:
    """Measure, and print a table."""
    found = [await calls(what) for what in SCENES]
    found += [await first(), await refresh(), *await catalogue(), await idle()]
    print("| | commands | bytes to Redis | bytes from Redis | Redis's CPU, us | which |")
    print("| --- | ---: | ---: | ---: | ---: | --- |")
    for one in found:
        which = ", ".join(f"{count:g} {name}" for name, count in one.commands.items())
        total = sum(one.commands.values())
        sizes = f"{one.bytes_in:,.0f} | {one.bytes_out:,.0f}"
        works = f"{one.redis_us:.0f}" if one.redis_us else ""
        print(f"| {one.what} | {total:.2f} | {sizes} | {works} | {which} |")


if __name__ == "__main__":
    asyncio.run(main())
