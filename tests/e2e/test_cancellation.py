"""Is the upstream left at once when the caller leaves, and is the call counted as left?"""

import asyncio

import pytest

from sluice.v1 import gateway_service_pb2
from tests.support.beats import beating
from tests.support.channels import stub_to, total
from tests.support.client import read_one, request
from tests.support.openai_stream import role, text
from tests.support.replies import Gate, Stall, Step, sse
from tests.support.server import RunningServer
from tests.support.upstream import Upstream

PROMPT_SECONDS = 0.1
"""How soon the upstream connection must be closed after the cancellation."""


async def counted_cancellation(server: RunningServer) -> None:
    """Wait until the metrics show one ended call; it must be a cancellation and nothing else."""
    async with asyncio.timeout(5):
        while True:
            got = await server.stub.GetMetrics(gateway_service_pb2.GetMetricsRequest())
            (calls,) = [p.calls for p in got.providers if p.provider == "up"]
            if calls.cancellations + calls.errors + calls.successes:
                break
    assert (calls.cancellations, calls.errors, calls.successes) == (1, 0, 0)
    assert not calls.HasField("success_rate")
    assert got.server.active_streams == 0
    samples = await server.scrape()
    assert total(samples, "sluice_rpcs_total", method="Generate", code="CANCELLED") == 1
    assert total(samples, "sluice_upstream_attempts_total", outcome="cancelled") == 1


@pytest.mark.parametrize(
    "steps",
    [[Stall()], [role(), Stall()], [role(), text("Hello"), Stall()]],
    ids=["before the answer", "before output", "after output"],
)
async def test_a_cancelled_call_closes_its_upstream_connection(
    server: RunningServer, upstream: Upstream, steps: list[Step]
) -> None:
    """Within 100 ms, wherever in the stream it happens; counted as cancelled, not as an error."""
    arrived = Gate()
    arrived.open()
    upstream.reply(sse(*steps[:-1], arrived, steps[-1]))
    call = server.stub.Generate(request())
    await arrived.reached.wait()
    if len(steps) == 3:
        await read_one(call)
    async with asyncio.timeout(5), beating() as seconds:
        call.cancel()
        await upstream.requests[0].disconnected.wait()
        assert seconds() < PROMPT_SECONDS
    await counted_cancellation(server)


async def test_a_lost_connection_is_a_cancellation(
    server: RunningServer, upstream: Upstream
) -> None:
    """A caller whose channel closes is gone, too."""
    upstream.reply(sse(role(), text("Hello"), Stall()))
    async with stub_to(server.listen) as stub:
        call = stub.Generate(request())
        await read_one(call)
    async with asyncio.timeout(5):
        await upstream.requests[0].disconnected.wait()
    await counted_cancellation(server)


async def test_other_calls_go_on(server: RunningServer, upstream: Upstream) -> None:
    """One caller's leaving touches nobody else's stream."""
    upstream.reply(sse(text("one"), Stall()), sse(text("two"), Stall()))
    leaving, staying = (server.stub.Generate(request()) for _ in range(2))
    await read_one(leaving)
    await read_one(staying)
    leaving.cancel()
    async with asyncio.timeout(5):
        done, others = await asyncio.wait(
            [asyncio.ensure_future(r.disconnected.wait()) for r in upstream.requests],
            return_when=asyncio.FIRST_COMPLETED,
        )
    assert len(done) == len(others) == 1
    assert not staying.done()
    staying.cancel()
    await asyncio.wait(others, timeout=5)
