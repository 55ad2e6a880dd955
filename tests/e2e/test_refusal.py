"""Is a model's refusal a finished answer rather than an error?"""

from sluice.v1 import event_pb2
from tests.support.client import collect, request
from tests.support.openai_stream import DONE, finish, refusal, role
from tests.support.replies import sse
from tests.support.server import RunningServer
from tests.support.upstream import Upstream


async def test_a_refusal_is_a_part_and_a_finish_reason(
    server: RunningServer, upstream: Upstream
) -> None:
    """Its words arrive as text deltas of a refusal part, the stream ends with OK and REFUSAL."""
    upstream.reply(sse(role(), refusal("I will "), refusal("not."), finish("stop"), DONE))
    got = await collect(server.stub.Generate(request()))
    assert got.shape == ["started", "part_started", "text_delta", "part_finished", "completed"]
    assert got.events[1].part_started.WhichOneof("kind") == "refusal"
    assert got.text == "I will not."
    (part,) = got.completed.message.parts
    assert part.refusal == "I will not."
    assert got.completed.finish_reason == event_pb2.FINISH_REASON_REFUSAL
    assert got.completed.provider_finish_reason == "stop"
