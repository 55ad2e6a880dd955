"""Does the caller's deadline bound the upstream call?"""

import asyncio

import grpc
import pytest

from sluice.v1 import gateway_service_pb2
from tests.support.beats import beating
from tests.support.client import collect_failure, request
from tests.support.configuration import configuration
from tests.support.openai_stream import failure, role, text
from tests.support.replies import Reply, Stall, sse
from tests.support.server import RunningServer, running
from tests.support.upstream import Upstream

DEADLINE_SECONDS = 0.4


@pytest.mark.parametrize(
    "reply",
    [Reply(Stall()), sse(role(), Stall()), sse(role(), text("Hello"), Stall())],
    ids=["no head", "no output", "stalled after output"],
)
async def test_a_silent_upstream_is_left_at_the_deadline(
    server: RunningServer, upstream: Upstream, reply: Reply
) -> None:
    """The caller gets DEADLINE_EXCEEDED, the connection closes, an error is counted."""
    upstream.reply(reply)
    async with beating() as seconds:
        got = await collect_failure(server.stub.Generate(request(), timeout=DEADLINE_SECONDS))
        assert got.code is grpc.StatusCode.DEADLINE_EXCEEDED
        async with asyncio.timeout(5):
            await upstream.requests[0].disconnected.wait()
        assert seconds() < DEADLINE_SECONDS + 0.25

    async with asyncio.timeout(5):
        while True:
            metrics = await server.stub.GetMetrics(gateway_service_pb2.GetMetricsRequest())
            calls = metrics.providers[0].calls
            if calls.errors + calls.cancellations:
                break
    assert dict(calls.errors_by_reason) == {"DEADLINE_EXCEEDED": 1}
    assert calls.cancellations == 0


async def test_a_wait_that_outlasts_the_deadline_is_not_begun(upstream: Upstream) -> None:
    """Told by the provider to wait for a minute, the gateway passes that on at once."""
    upstream.answer(failure(429, code="rate_limit_exceeded", headers=[("retry-after", "60")]))
    config = configuration(upstream, attempts={"max_attempts": 3})
    async with running(config) as server, beating() as seconds:
        got = await collect_failure(server.stub.Generate(request(), timeout=5))
        assert seconds() < 2
    assert got.reason == "PROVIDER_RATE_LIMITED"
    assert got.retry_seconds == pytest.approx(60)
    assert len(upstream.requests) == 1
