"""What does a client find in the moment before the gRPC server is stopped?"""

import asyncio

import grpc
import pytest

from sluice_server.edge.server import hang_up
from tests.support.client import collect, request
from tests.support.openai_stream import DONE, answer, finish, text
from tests.support.readers import Reader
from tests.support.replies import Gate, sse
from tests.support.server import RunningServer
from tests.support.upstream import Upstream


async def test_nothing_is_left_to_call(server: RunningServer, upstream: Upstream) -> None:
    """Connections end, the port is closed, and what was running is UNAVAILABLE, not CANCELLED."""
    gate = Gate()
    upstream.reply(answer("fine"), sse(text("one"), gate, finish("stop"), DONE))
    host, _, port = server.listen.rpartition(":")
    async with asyncio.timeout(20):
        assert (await collect(server.stub.Generate(request()))).text == "fine"
        running = Reader(server.stub.Generate(request()))
        await running.reads(3)
        hang_up(server.listen)
        await running.wait()
        assert running.failure is not None
        assert running.failure.code is grpc.StatusCode.UNAVAILABLE
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(host, int(port))
        after = Reader(server.stub.Generate(request()))
        await after.wait()
        assert after.failure is not None
        assert after.failure.code is grpc.StatusCode.UNAVAILABLE
        await upstream.requests[1].disconnected.wait()
    assert len(upstream.requests) == 2
