"""Is every word for the end translated, and the provider's own kept?"""

import pytest

from sluice.v1 import event_pb2
from tests.support.client import collect, request
from tests.support.openai_stream import DONE, chunk, finish, role, text
from tests.support.replies import sse
from tests.support.server import RunningServer
from tests.support.upstream import Upstream


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("stop", event_pb2.FINISH_REASON_STOP),
        ("length", event_pb2.FINISH_REASON_MAX_TOKENS),
        ("content_filter", event_pb2.FINISH_REASON_CONTENT_FILTER),
        ("something_new", event_pb2.FINISH_REASON_OTHER),
    ],
)
async def test_words_are_translated(
    server: RunningServer, upstream: Upstream, word: str, reason: event_pb2.FinishReason.ValueType
) -> None:
    """Known words have their portable reason, unknown ones are OTHER."""
    upstream.reply(sse(role(), text("Hi"), finish(word), DONE))
    completed = (await collect(server.stub.Generate(request()))).completed
    assert completed.finish_reason == reason
    assert completed.provider_finish_reason == word


async def test_an_answer_may_be_empty(server: RunningServer, upstream: Upstream) -> None:
    """An output limit spent on reasoning gives no text, and that is told, not hidden."""
    upstream.reply(sse(role(), finish("length"), DONE))
    got = await collect(server.stub.Generate(request()))
    assert got.text == ""
    assert got.completed.finish_reason == event_pb2.FINISH_REASON_MAX_TOKENS


async def test_the_last_text_may_share_the_end(server: RunningServer, upstream: Upstream) -> None:
    """Text in the chunk of the finish reason is not lost."""
    upstream.reply(sse(role(), text("Hi"), chunk({"content": "!"}, finish_reason="stop"), DONE))
    assert (await collect(server.stub.Generate(request()))).text == "Hi!"
