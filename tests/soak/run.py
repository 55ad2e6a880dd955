"""One run: the server as a process of its own, the providers and the callers in this one."""

import asyncio
import contextlib
import functools
import gc
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from sluice.v1 import gateway_service_pb2
from tests.soak import plan
from tests.soak.caller import Ending, make
from tests.soak.footprint import Footprint, Held, Memory
from tests.soak.providers import Arrival, Providers, playing
from tests.soak.wire import DIALECTS
from tests.support.channels import NO_RETRIES, Samples, scrape, stub_to
from tests.support.configuration import Config, configuration
from tests.support.process import LogLine, ServerProcess, server_process

if TYPE_CHECKING:
    from sluice.v1.gateway_service_pb2_grpc import GatewayServiceAsyncStub

CONCURRENCY = 100
CHANNELS = 8
TOKENS = {name: f"token-of-{name}-0123456789" for name in plan.CALLERS}
PRICES = {"input": 2, "output": 10}
"""US dollars per million tokens."""
IDLE_SECONDS = 45.0
"""Longest wait until nothing runs, and until the last kept connection was dropped: idle ones
are looked for every 15 s, and dropped when they were idle for as long."""
POLL_SECONDS = 0.1


class Told(NamedTuple):
    """What the server tells of itself after the last call."""

    metrics: gateway_service_pb2.GetMetricsResponse
    limits: dict[str, gateway_service_pb2.GetRateLimitsResponse]
    """By caller: each sees its own."""
    samples: Samples
    """Of the metrics page."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """Everything that was seen."""

    seed: int
    calls: int
    seconds: float
    server_cpu_seconds: float
    own_cpu_seconds: float
    endings: list[Ending]
    """In the order of the calls."""
    arrivals: list[Arrival]
    log: list[LogLine]
    plain_lines: list[str]
    told: Told
    memory: Memory
    before: Held
    after: Held
    """When everything had been quiet for a while."""
    open_connections: int
    """That the providers see then."""


async def run(*, calls: int, seed: int, progress: Callable[[str], None] = lambda _: None) -> Result:
    """Make so many calls; what they add up to is judged in `audit`."""
    draw = functools.lru_cache(maxsize=None)(functools.partial(plan.draw, seed, calls=calls))
    async with playing(draw) as providers, server_process(config(providers)) as server:
        footprint = Footprint(server.pid)
        before, own_cpu = footprint.held(), time.process_time()
        async with _stubs(server) as stubs:
            crowd = _Crowd(draw, stubs, calls, progress)
            watching = asyncio.create_task(footprint.watch(lambda: crowd.done / calls))
            started = time.monotonic()
            await crowd.run()
            seconds = time.monotonic() - started
            own_cpu, server_cpu = time.process_time() - own_cpu, footprint.cpu_seconds()
            watching.cancel()
            await asyncio.wait([watching])
            told = await _ask(server, stubs[0])
        # Errors and their tracebacks hold on to calls, and these to connections.
        gc.collect()

        async def as_before() -> bool:
            return footprint.held() == before and not providers.open_connections

        await _until(as_before)
        return Result(
            seed=seed,
            calls=calls,
            seconds=seconds,
            server_cpu_seconds=server_cpu,
            own_cpu_seconds=own_cpu,
            endings=crowd.endings,
            arrivals=providers.arrivals,
            log=server.log,
            plain_lines=server.plain_lines,
            told=told,
            memory=footprint.memory,
            before=before,
            after=footprint.held(),
            open_connections=providers.open_connections,
        )


async def _ask(server: ServerProcess, stub: "GatewayServiceAsyncStub") -> Told:
    """Return what the server tells when it works on nothing any more."""

    async def metrics() -> gateway_service_pb2.GetMetricsResponse:
        asked = gateway_service_pb2.GetMetricsRequest()
        return await stub.GetMetrics(asked, metadata=_bearer(plan.CALLERS[0]))

    async def idle() -> bool:
        return not (await metrics()).server.active_streams

    await _until(idle)
    asked = gateway_service_pb2.GetRateLimitsRequest()
    limits = {
        name: await stub.GetRateLimits(asked, metadata=_bearer(name)) for name in plan.CALLERS
    }
    return Told(await metrics(), limits, await scrape(server.started["metrics"]))


def config(providers: Providers) -> Config:
    """Return settings in which limits, the gate, retries, circuits and budgets all take part."""
    return configuration(
        providers.upstreams["up"],
        callers=[
            {
                "name": "people",
                "token": TOKENS["people"],
                "limits": {"concurrent_streams": 90},
                "admin": True,
            },
            {
                "name": "batch",
                "token": TOKENS["batch"],
                "priority": "low",
                "limits": {"concurrent_streams": 30},
                "admin": True,
            },
        ],
        providers={
            name: {
                "kind": dialect.kind,
                "base_url": providers.base_url(name),
                "credentials": [
                    {"name": f"key-{n}", "api_key": f"{name}-key-{n}-0123456789", "limits": _at(16)}
                    for n in range(2)
                ],
                "limits": _at(28),
                "model_limits": {f"{name}-1": _at(26)},
                "prices": {"*": PRICES},
            }
            for name, dialect in DIALECTS.items()
        },
        routes=plan.ROUTES,
        timeouts={"first_output_seconds": 3, "idle_seconds": 3},
        attempts={"max_attempts": 3, "base_delay_seconds": 0.05},
        # Short enough to see an incident that is over within seconds.
        breakers={"window_seconds": 2, "cooldown_seconds": 0.5, "max_cooldown_seconds": 2},
        server={"max_active_calls": 85},
    )


def _at(streams: int) -> Config:
    return {"concurrent_streams": streams}


class _Crowd:
    """Makes all calls, so many at a time."""

    def __init__(
        self,
        draw: Callable[[int], plan.Plan],
        stubs: "list[GatewayServiceAsyncStub]",
        calls: int,
        progress: Callable[[str], None],
    ) -> None:
        self._draw = draw
        self._stubs = stubs
        self._calls = calls
        self._progress = progress
        self._numbers: Iterator[int] = iter(range(calls))
        self._ended: dict[int, Ending] = {}

    @property
    def done(self) -> int:
        """Calls that ended."""
        return len(self._ended)

    @property
    def endings(self) -> list[Ending]:
        """In the order of the calls."""
        return [self._ended[number] for number in range(self._calls)]

    async def run(self) -> None:
        """Return when all calls ended."""
        async with asyncio.TaskGroup() as group:
            for _ in range(CONCURRENCY):
                group.create_task(self._work())

    async def _work(self) -> None:
        for number in self._numbers:
            planned = self._draw(number)
            stub = self._stubs[number % CHANNELS]
            self._ended[number] = await make(stub, planned, TOKENS[planned.caller])
            if self.done % 1000 == 0:
                self._progress(f"{self.done} of {self._calls} calls ended")


@asynccontextmanager
async def _stubs(server: ServerProcess) -> AsyncIterator["list[GatewayServiceAsyncStub]"]:
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(stub_to(server.channel_target, NO_RETRIES))
            for _ in range(CHANNELS)
        ]


async def _until(reached: Callable[[], Awaitable[bool]]) -> None:
    """Return when something is so, or after a while: what is not so by then is judged later."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(IDLE_SECONDS):
            while not await reached():  # noqa: ASYNC110 - a process tells nobody
                await asyncio.sleep(POLL_SECONDS)


def _bearer(name: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {TOKENS[name]}"),)
