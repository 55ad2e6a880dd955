"""Does WHOLE delivery give one message, or none?"""

import grpc

from sluice.v1 import gateway_service_pb2
from tests.support.client import GenerateRequest, collect, collect_failure, request
from tests.support.openai_stream import answer, text, tool_call
from tests.support.replies import Close, sse
from tests.support.server import RunningServer
from tests.support.upstream import Upstream


def whole() -> GenerateRequest:
    """Return a request for WHOLE delivery."""
    wanted = request()
    wanted.delivery = gateway_service_pb2.DELIVERY_WHOLE
    return wanted


async def test_one_message_holds_started_and_completed(
    server: RunningServer, upstream: Upstream
) -> None:
    """One message, two events, no deltas, and the answer in Completed."""
    upstream.reply(answer("Rivers", " run"))
    got = await collect(server.stub.Generate(whole()))
    assert len(got.messages) == 1
    assert got.kinds == ["started", "completed"]
    assert [part.text for part in got.completed.message.parts] == ["Rivers run"]
    assert got.completed.usage.output_tokens == 2


async def test_the_upstream_is_asked_in_the_same_way(
    server: RunningServer, upstream: Upstream
) -> None:
    """A whole answer is streamed upstream too: one path for both."""
    upstream.reply(answer("a"), answer("a"))
    await collect(server.stub.Generate(whole()))
    await collect(server.stub.Generate(request()))
    assert upstream.requests[0].json == upstream.requests[1].json
    assert upstream.requests[0].json["stream"] is True


async def test_a_cut_stream_gives_no_message_at_all(
    server: RunningServer, upstream: Upstream
) -> None:
    """What came before the cut is not passed off as an answer."""
    upstream.reply(sse(text("Rivers"), tool_call(0, id="c", name="f"), Close()))
    failure = await collect_failure(server.stub.Generate(whole()))
    assert failure.code is grpc.StatusCode.UNAVAILABLE
    assert failure.reason == "STREAM_TRUNCATED"
    assert not failure.partial.messages
    assert "output_characters" not in failure.info.metadata
