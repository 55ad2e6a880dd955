"""Are answers and requests bounded as configured, and large ones served within the bounds?"""

import grpc
import pytest

from sluice.v1 import gateway_service_pb2
from tests.support.client import collect, collect_failure, request
from tests.support.configuration import configuration
from tests.support.openai_stream import DONE, answer, finish, text
from tests.support.replies import Piece, Stall, event, sse
from tests.support.server import RunningServer, running
from tests.support.upstream import Upstream


async def test_a_stream_may_be_longer_than_its_summary(upstream: Upstream) -> None:
    """Past the bound Completed has no message; the deltas held it all."""
    upstream.reply(answer("river " * 1000))
    async with running(configuration(upstream, server={"max_answer_bytes": 1024})) as server:
        got = await collect(server.stub.Generate(request()))
    assert got.text == "river " * 1000
    assert got.is_complete
    assert not got.completed.HasField("message")
    assert got.completed.usage.output_tokens == 1


async def test_a_whole_answer_past_its_bound_is_refused(upstream: Upstream) -> None:
    """OUT_OF_RANGE says what to do instead, and the upstream is left."""
    upstream.reply(sse(text("river " * 1000), Stall()))
    config = configuration(upstream, server={"max_whole_answer_bytes": 1024})
    wanted = request()
    wanted.delivery = gateway_service_pb2.DELIVERY_WHOLE
    async with running(config) as server:
        got = await collect_failure(server.stub.Generate(wanted, timeout=10))
        assert (got.code, got.reason) == (grpc.StatusCode.OUT_OF_RANGE, "ANSWER_TOO_LARGE")
        assert "STREAM" in got.message
        await upstream.requests[0].disconnected.wait()


async def test_a_large_conversation_is_accepted(server: RunningServer, upstream: Upstream) -> None:
    """Ten megabytes of history arrive upstream unharmed."""
    upstream.reply(answer("Read."))
    history = "river " * (10 << 20 >> 3)
    assert (await collect(server.stub.Generate(request(history)))).text == "Read."
    assert upstream.requests[0].json["messages"][0]["content"] == history


async def test_a_request_past_its_bound_is_refused(upstream: Upstream) -> None:
    """GRPC refuses the message before it is read into memory."""
    async with running(configuration(upstream, server={"max_request_bytes": 1024})) as server:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await collect(server.stub.Generate(request("x" * 2000)))
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert not upstream.requests


async def test_many_small_deltas_lose_nothing(server: RunningServer, upstream: Upstream) -> None:
    """Twenty thousand tokens in bursts arrive in order, in far fewer messages."""
    words = [f"{number} " for number in range(20_000)]
    bursts = [
        Piece(b"".join(event(text(word)) for word in words[start : start + 100]))
        for start in range(0, len(words), 100)
    ]
    upstream.reply(sse(bursts, finish("stop"), DONE))
    got = await collect(server.stub.Generate(request()))
    assert got.text == "".join(words)
    assert len(got.messages) < len(words) / 20
