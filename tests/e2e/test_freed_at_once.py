"""Is a call's memory free again when the call is over, whatever its end?

Without the collector of cycles: it comes late and seldom, and answers may have megabytes.
"""

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator, Iterator

import grpc
import pytest

from sluice.v1 import gateway_service_pb2
from sluice_server.engine.attempt import Attempt
from sluice_server.engine.call import Call
from tests.support.client import GenerateRequest, collect, read_one, request
from tests.support.configuration import configuration
from tests.support.openai_stream import DONE, answer, failure, text
from tests.support.replies import Close, Reply, Stall, sse
from tests.support.server import RunningServer, running
from tests.support.upstream import Upstream

PATIENCE = 0.15
NEVER = 60.0
ENDS = {
    "whole": answer("Hi"),
    "refused": failure(500),
    "limited": failure(429, code="rate_limit_exceeded", headers=[("retry-after-ms", "20")]),
    "no answer": Reply(Close()),
    "silent": Reply(Stall()),
    "empty": sse(DONE),
    "garbage": sse(text("Hel"), b"data: {nonsense\n\n"),
    "cut": sse(text("Hel"), Close()),
    "unfinished": sse(text("Hel")),
    "stalled": sse(text("Hel"), Stall()),
}
"""What the provider does."""


@pytest.fixture
async def server(upstream: Upstream) -> AsyncIterator[RunningServer]:
    """Run a server that makes two attempts."""
    attempts = {"max_attempts": 2, "base_delay_seconds": 0.01}
    async with running(configuration(upstream, attempts=attempts)) as server:
        yield server


@pytest.fixture
def no_collector(server: RunningServer) -> Iterator[None]:
    """Do without the collector, once it has looked at what came before."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def wanted(*, hedged: bool, patience: float) -> GenerateRequest:
    """Return a request with these timeouts, and perhaps with a second attempt beside the first."""
    made = request()
    made.routing.first_output_timeout.FromNanoseconds(int(patience * 1e9))
    made.routing.idle_timeout.FromNanoseconds(int(patience * 1e9))
    if hedged:
        made.routing.hedge_after.FromMilliseconds(10)
    return made


def kept() -> int:
    """Return how many calls and attempts there are in memory."""
    return sum(isinstance(one, (Attempt, Call)) for one in gc.get_objects())


async def nothing_is_kept(server: RunningServer) -> None:
    """Return when no call is in memory."""
    async with asyncio.timeout(10):
        while kept():
            await server.stub.GetMetrics(gateway_service_pb2.GetMetricsRequest())


@pytest.mark.parametrize("hedged", [False, True], ids=["alone", "hedged"])
@pytest.mark.parametrize("end", ENDS)
async def test_calls_that_end_are_freed(
    server: RunningServer, upstream: Upstream, no_collector: None, end: str, hedged: bool
) -> None:
    """Nothing of a call is left once it ended, with an answer or with a failure."""
    upstream.answer(ENDS[end])
    with contextlib.suppress(grpc.aio.AioRpcError):
        await collect(server.stub.Generate(wanted(hedged=hedged, patience=PATIENCE)))
    await nothing_is_kept(server)


@pytest.mark.parametrize("hedged", [False, True], ids=["alone", "hedged"])
@pytest.mark.parametrize("end", ["silent", "stalled"])
async def test_calls_that_are_left_are_freed(
    server: RunningServer, upstream: Upstream, no_collector: None, end: str, hedged: bool
) -> None:
    """Nothing of a call is left once its caller left, before output or in the middle of it."""
    upstream.answer(ENDS[end])
    call = server.stub.Generate(wanted(hedged=hedged, patience=NEVER))
    if end == "stalled":
        await read_one(call)
    else:
        await upstream.request(1 if hedged else 0)
    assert kept()
    call.cancel()
    await nothing_is_kept(server)


async def test_calls_whose_time_ran_out_are_freed(
    server: RunningServer, upstream: Upstream, no_collector: None
) -> None:
    """Nothing of a call is left after its deadline."""
    upstream.answer(ENDS["stalled"])
    with contextlib.suppress(grpc.aio.AioRpcError):
        await collect(
            server.stub.Generate(wanted(hedged=False, patience=NEVER), timeout=2 * PATIENCE)
        )
    await nothing_is_kept(server)
