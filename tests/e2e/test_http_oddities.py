"""Is everything that HTTP allows, and servers really do, understood?"""

import gzip

from tests.support.client import collect, request
from tests.support.openai_stream import DONE, answer, finish, role, text, usage
from tests.support.replies import (
    Close,
    End,
    Head,
    Informational,
    Piece,
    Reply,
    event,
    json_body,
    sse,
)
from tests.support.server import RunningServer
from tests.support.upstream import Upstream

STREAM = event(role()) + event(text("Hello")) + event(finish("stop")) + event(usage(3, 1)) + DONE
EVENT_STREAM = ("content-type", "text/event-stream")


async def text_of(server: RunningServer, upstream: Upstream, reply: Reply) -> str:
    """Return the text that the caller gets of this reply."""
    upstream.reply(reply)
    got = await collect(server.stub.Generate(request()))
    assert got.completed.usage.output_tokens == 1
    return got.text


async def test_a_body_that_ends_with_its_connection(
    server: RunningServer, upstream: Upstream
) -> None:
    """HTTP/1.0 style: no length, no chunks; the end of the connection is a clean end."""
    assert (
        await text_of(server, upstream, Reply(Head(200, [EVENT_STREAM]), Piece(STREAM))) == "Hello"
    )


async def test_a_body_with_a_length(server: RunningServer, upstream: Upstream) -> None:
    """A buffering proxy may send the whole stream with a content-length."""
    head = Head(200, [EVENT_STREAM, ("content-length", str(len(STREAM)))])
    assert await text_of(server, upstream, Reply(head, Piece(STREAM))) == "Hello"


async def test_interim_responses(server: RunningServer, upstream: Upstream) -> None:
    """103 before the answer is skipped."""
    reply = sse(STREAM)
    assert await text_of(server, upstream, Reply(Informational(103), *reply.steps)) == "Hello"


async def test_a_compressed_stream(server: RunningServer, upstream: Upstream) -> None:
    """A proxy that compresses although nobody asked is understood."""
    reply = sse(gzip.compress(STREAM), headers=[("content-encoding", "gzip")])
    assert await text_of(server, upstream, reply) == "Hello"


async def test_a_server_that_does_not_stream(server: RunningServer, upstream: Upstream) -> None:
    """One JSON document instead of a stream is the same answer."""
    message = {"role": "assistant", "content": "Hello"}
    document = {
        "id": "c1",
        "object": "chat.completion",
        "model": "m",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4},
    }
    assert await text_of(server, upstream, json_body(200, document)) == "Hello"


async def test_a_connection_that_closes_while_idle(
    server: RunningServer, upstream: Upstream
) -> None:
    """A kept connection that the provider closed is not used for the next call."""
    upstream.reply(Reply(*answer("one").steps, End(), Close()), answer("two"))
    assert (await collect(server.stub.Generate(request()))).text == "one"
    assert (await collect(server.stub.Generate(request()))).text == "two"
    assert upstream.connection_count == 2


async def test_a_connection_after_an_early_marker_is_clean(
    server: RunningServer, upstream: Upstream
) -> None:
    """What a provider sends behind its end marker never leaks into the next answer."""
    upstream.reply(sse(STREAM, event(text("leftover")), DONE), answer("two"))
    assert (await collect(server.stub.Generate(request()))).text == "Hello"
    assert (await collect(server.stub.Generate(request()))).text == "two"
