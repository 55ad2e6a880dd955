"""Is a stream that breaks always told apart from one that ended?"""

import grpc
import pytest

from tests.support.beats import beating
from tests.support.client import collect, collect_failure, read_one, request
from tests.support.configuration import configuration
from tests.support.openai_stream import DONE, answer, error, finish, role, text
from tests.support.replies import (
    Close,
    Gate,
    HalfClose,
    Head,
    Piece,
    Raw,
    Reply,
    Reset,
    Stall,
    Step,
    body,
    event,
    sse,
)
from tests.support.server import RunningServer, running
from tests.support.upstream import Upstream

Code = grpc.StatusCode


@pytest.mark.parametrize(
    ("ending", "reason"),
    [
        ([], "STREAM_TRUNCATED"),
        ([Close()], "STREAM_TRUNCATED"),
        ([HalfClose()], "STREAM_TRUNCATED"),
        ([Reset()], "STREAM_TRUNCATED"),
        ([Piece(b'data: {"choices": [{"delta": {"cont'), Close()], "STREAM_TRUNCATED"),
        ([Piece(b'data: {"choices": [{"delta": {"cont')], "STREAM_TRUNCATED"),
        ([Piece(b"data: {no json}\n\n")], "PROVIDER_PROTOCOL"),
    ],
    ids=[
        "clean end",
        "close",
        "half close",
        "reset",
        "cut event",
        "cut event, clean end",
        "no json",
    ],
)
async def test_a_cut_is_never_a_clean_end(
    server: RunningServer, upstream: Upstream, ending: list[Step], reason: str
) -> None:
    """What came is delivered, then a status says that it broke and how much was delivered."""
    gate = Gate()
    upstream.reply(sse(role(), text("Hello"), gate, ending))
    call = server.stub.Generate(request())
    seen = await read_one(call)
    gate.open()
    got = await collect_failure(call)
    assert got.reason in reason.split()
    expected = Code.INTERNAL if got.reason == "PROVIDER_PROTOCOL" else Code.UNAVAILABLE
    assert got.code is expected
    assert got.info.metadata["output_characters"] == "5"
    got.partial.messages.insert(0, seen)
    assert got.partial.text == "Hello"
    assert not got.partial.is_complete


async def test_broken_framing_is_noticed_at_once(upstream: Upstream) -> None:
    """A malformed chunk ends the stream as broken, long before anybody's patience ends."""
    config = configuration(upstream, timeouts={"idle_seconds": 5})
    gate = Gate()
    upstream.reply(sse(role(), text("Hello"), gate, Raw(b"no size\r\n"), Close()))
    async with running(config) as server:
        call = server.stub.Generate(request())
        await read_one(call)
        async with beating() as seconds:
            gate.open()
            got = await collect_failure(call)
            assert seconds() < 2
        assert got.reason in ("STREAM_TRUNCATED", "PROVIDER_PROTOCOL")


WHOLE = event(role()) + event(text("Hello")) + event(finish("stop"))


@pytest.mark.parametrize(
    "steps",
    [
        [Piece(WHOLE)],
        [Piece(WHOLE + DONE)],
        [Piece(WHOLE + DONE), Close()],
        [Piece(WHOLE + DONE), Stall()],
    ],
    ids=["finish and clean end", "finish and marker", "marker, then a cut", "marker, then nothing"],
)
async def test_whole_streams_are_whole(
    server: RunningServer, upstream: Upstream, steps: list[Step]
) -> None:
    """The marker, or a finish reason with a clean end of the body, ends a good stream."""
    upstream.reply(sse(*steps))
    got = await collect(server.stub.Generate(request()))
    assert got.text == "Hello"
    assert got.is_complete


async def test_a_cut_after_the_finish_reason_is_a_cut(
    server: RunningServer, upstream: Upstream
) -> None:
    """Without marker and without a clean end, usage or more may be missing: not whole."""
    upstream.reply(sse(role(), text("Hello"), finish("stop"), Close()))
    got = await collect_failure(server.stub.Generate(request()))
    assert got.reason == "STREAM_TRUNCATED"


@pytest.mark.parametrize(
    ("fields", "code", "reason"),
    [
        ({}, Code.UNAVAILABLE, "PROVIDER_UNAVAILABLE"),
        ({"code": "rate_limit_exceeded"}, Code.RESOURCE_EXHAUSTED, "PROVIDER_RATE_LIMITED"),
        (
            {"type": "invalid_request_error", "code": "context_length_exceeded"},
            Code.INVALID_ARGUMENT,
            "CONTEXT_TOO_LONG",
        ),
    ],
    ids=["failure", "rate", "too long"],
)
async def test_an_error_instead_of_output(
    server: RunningServer,
    upstream: Upstream,
    fields: dict[str, str],
    code: grpc.StatusCode,
    reason: str,
) -> None:
    """An error object in a 200 stream, before output, is that error; nothing is written."""
    upstream.reply(sse(role(), error("overloaded", **fields)))
    got = await collect_failure(server.stub.Generate(request()))
    assert (got.code, got.reason) == (code, reason)
    assert not got.partial.messages


async def test_an_error_after_output(server: RunningServer, upstream: Upstream) -> None:
    """The text stays delivered, the error is not passed on as text, the status says what broke."""
    upstream.reply(sse(role(), text("Hello"), error("the model crashed"), DONE))
    got = await collect_failure(server.stub.Generate(request()))
    assert (got.code, got.reason) == (Code.UNAVAILABLE, "PROVIDER_UNAVAILABLE")
    assert got.info.metadata["output_characters"] == str(len(got.partial.text))
    assert got.partial.text in ("", "Hello")
    assert got.pushback == "-1" or not got.partial.messages
    assert not got.partial.is_complete


@pytest.mark.parametrize(
    "reply",
    [
        sse(),
        sse(b": ping\n\n"),
        sse(DONE),
        sse(role(), DONE),
        body(200, b"", content_type="text/event-stream"),
        body(200, b"<html>Welcome</html>", content_type="text/html"),
        Reply(Head(200, [("content-type", "text/event-stream")])),
    ],
    ids=["no event", "comment", "marker", "role and marker", "length 0", "a page", "eof"],
)
async def test_an_empty_200_is_no_success(
    server: RunningServer, upstream: Upstream, reply: Reply
) -> None:
    """A 200 without an answer in it is a failure of the provider."""
    upstream.reply(reply)
    got = await collect_failure(server.stub.Generate(request()))
    assert got.reason in ("PROVIDER_PROTOCOL", "STREAM_TRUNCATED")
    assert not got.partial.messages


@pytest.mark.parametrize(
    "reply",
    [
        Reply(Close()),
        Reply(Reset()),
        Reply(Raw(b"HTTP/1.1 200 OK\r\ncontent-ty"), Close()),
        Reply(Raw(b"SSH-2.0-OpenSSH_9.6\r\n"), Close()),
    ],
    ids=["close", "reset", "half a head", "not HTTP"],
)
async def test_no_answer_at_all(server: RunningServer, upstream: Upstream, reply: Reply) -> None:
    """A connection that ends without a whole head is a failure before output."""
    upstream.reply(reply)
    got = await collect_failure(server.stub.Generate(request()))
    assert got.reason in (
        "PROVIDER_UNAVAILABLE",
        "PROVIDER_UNREACHABLE",
        "PROVIDER_PROTOCOL",
        "STREAM_TRUNCATED",
    )
    assert got.code in (Code.UNAVAILABLE, Code.INTERNAL)
    assert not got.partial.messages


async def test_an_event_without_end_is_bounded(server: RunningServer, upstream: Upstream) -> None:
    """An event larger than any real one is refused rather than collected."""
    piece = b"x" * (1 << 20)
    upstream.reply(sse(role(), b"data: ", *[piece] * 64))
    got = await collect_failure(server.stub.Generate(request()))
    assert (got.code, got.reason) == (Code.INTERNAL, "PROVIDER_PROTOCOL")
    assert not upstream.requests[0].answered.is_set()


async def test_a_broken_stream_does_not_poison_the_next(
    server: RunningServer, upstream: Upstream
) -> None:
    """After a cut the next call gets a connection that works."""
    upstream.reply(sse(text("a"), Close()), answer("fine"))
    await collect_failure(server.stub.Generate(request()))
    assert (await collect(server.stub.Generate(request()))).text == "fine"
