"""The scriptable upstream does on the wire exactly what a script says."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from tests.support.openai_stream import DONE, answer, finish, text, text_of, usage
from tests.support.replies import (
    Close,
    Gate,
    HalfClose,
    Head,
    Informational,
    Mark,
    Offer,
    Piece,
    Raw,
    Reply,
    Reset,
    Stall,
    Wait,
    cut,
    event,
    json_body,
    sse,
)
from tests.support.upstream import Request, UnscriptedRequestError, Upstream

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def connect(upstream: Upstream) -> Streams:
    """Open a bare TCP connection to it."""
    host, port = upstream.address
    return await asyncio.open_connection(host, port)


async def post(
    streams: Streams, body: bytes = b"{}", *, path: str = "/v1/chat/completions"
) -> None:
    """Send one request with a content-length."""
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
    streams[1].write(head.encode() + body)
    await streams[1].drain()


async def leave(streams: Streams) -> None:
    """Close the connection from the client's side."""
    streams[1].close()
    await streams[1].wait_closed()


async def read_head(reader: asyncio.StreamReader) -> bytes:
    """Return a head with its blank line."""
    return await reader.readuntil(b"\r\n\r\n")


async def read_chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """Yield the chunks of a chunked body as the server made them."""
    while size := int(await reader.readline(), 16):
        yield (await reader.readexactly(size + 2))[:-2]
    assert await reader.readline() == b"\r\n"


async def test_requests_are_recorded_whole() -> None:
    """Method, target, headers in order, body and arrival are kept as sent."""
    async with Upstream() as upstream:
        upstream.reply(answer("Hi"))
        reader, writer = await connect(upstream)
        writer.write(b"POST /v1/x?a=1 HTTP/1.1\r\nHost: h\r\nX-One: 1\r\nx-one: 2\r\n")
        writer.write(b'Transfer-Encoding: chunked\r\n\r\n3\r\n{"a\r\n5\r\n": 1}\r\n0\r\n\r\n')
        request = await upstream.request()
        assert (request.method, request.target, request.path) == ("POST", "/v1/x?a=1", "/v1/x")
        assert request.headers[:3] == [("Host", "h"), ("X-One", "1"), ("x-one", "2")]
        assert request.header("X-ONE") == "1"
        assert request.json == {"a": 1}
        assert request.received_at <= asyncio.get_running_loop().time()
        await leave((reader, writer))


async def test_a_good_stream_is_chunked_and_whole() -> None:
    """`answer` sends one chunk per event, ends with [DONE] and the last chunk, and keeps alive."""
    async with Upstream() as upstream:
        upstream.reply(answer("Hel", "lo"), json_body(200, {"second": True}))
        streams = await connect(upstream)
        await post(streams)
        assert (await read_head(streams[0])).startswith(b"HTTP/1.1 200 OK\r\n")
        chunks = [piece async for piece in read_chunks(streams[0])]
        assert len(chunks) == 6
        assert chunks[-1] == DONE
        assert text_of(b"".join(chunks)) == "Hello"
        await post(streams)
        await read_head(streams[0])
        assert json.loads(await streams[0].readexactly(16)) == {"second": True}
        assert upstream.connection_count == 1
        assert [request.answered.is_set() for request in upstream.requests] == [True, True]
        await leave(streams)


async def test_replies_may_be_cut_at_every_byte() -> None:
    """`cut` makes each byte a chunk of its own, and nothing is lost."""
    whole = event(text("ä")) + DONE
    async with Upstream() as upstream:
        upstream.reply(sse(cut(whole)))
        streams = await connect(upstream)
        await post(streams)
        await read_head(streams[0])
        chunks = [piece async for piece in read_chunks(streams[0])]
        assert chunks == [whole[i : i + 1] for i in range(len(whole))]
        await leave(streams)


async def test_gates_and_events_stop_a_script() -> None:
    """Nothing after a gate or a wait is sent before the test allows it."""
    gate, event_set, marked = Gate(), asyncio.Event(), asyncio.Event()
    async with Upstream() as upstream:
        upstream.reply(sse(b"one", gate, b"two", Mark(marked), Wait(event_set), b"three"))
        streams = await connect(upstream)
        await post(streams)
        await read_head(streams[0])
        chunks = read_chunks(streams[0])
        assert await anext(chunks) == b"one"
        await gate.reached.wait()
        assert not marked.is_set()
        gate.open()
        assert await anext(chunks) == b"two"
        await marked.wait()
        event_set.set()
        assert [piece async for piece in chunks] == [b"three"]
        await leave(streams)


@pytest.mark.parametrize(
    ("step", "rest"),
    [(Close(), b""), (HalfClose(), b""), (Raw(b"5\r\nab"), b"5\r\nab")],
    ids=["close", "half close", "broken chunk"],
)
async def test_a_stream_can_end_without_its_end(step: Close | HalfClose | Raw, rest: bytes) -> None:
    """The connection ends with no last chunk, after whatever bytes were asked for."""
    ending = (step, Close()) if isinstance(step, Raw) else (step,)
    async with Upstream() as upstream:
        upstream.reply(sse(b"one", *ending))
        streams = await connect(upstream)
        await post(streams)
        await read_head(streams[0])
        assert await streams[0].read() == b"3\r\none\r\n" + rest
        await leave(streams)


async def test_a_connection_can_be_reset() -> None:
    """The client sees RST, not a clean end."""
    gate = Gate()
    async with Upstream() as upstream:
        upstream.reply(sse(b"one", gate, Reset()))
        streams = await connect(upstream)
        await post(streams)
        await read_head(streams[0])
        assert await streams[0].readexactly(8) == b"3\r\none\r\n"
        gate.open()
        with pytest.raises(ConnectionResetError):
            await streams[0].read()
        streams[1].transport.abort()


async def test_a_request_can_be_refused_before_any_byte() -> None:
    """A script without a head closes the connection unanswered."""
    async with Upstream() as upstream:
        upstream.reply(Reply(Close()))
        streams = await connect(upstream)
        await post(streams)
        assert await streams[0].read() == b""
        await leave(streams)


async def test_interim_responses_and_bodies_without_framing() -> None:
    """1xx goes before the head; without framing headers the end of the connection ends the body."""
    async with Upstream() as upstream:
        upstream.reply(Reply(Informational(103), Head(418, [("x-a", "b")]), Piece(b"tea")))
        streams = await connect(upstream)
        await post(streams)
        assert await read_head(streams[0]) == b"HTTP/1.1 103 Early Hints\r\n\r\n"
        assert await read_head(streams[0]) == b"HTTP/1.1 418 I'm a Teapot\r\nx-a: b\r\n\r\n"
        assert await streams[0].read() == b"tea"
        await leave(streams)


async def test_the_moment_the_client_leaves_is_known() -> None:
    """A client that closes during a stall is seen at once, and the script is stopped."""
    async with Upstream() as upstream:
        upstream.reply(sse(b"one", Stall()))
        streams = await connect(upstream)
        await post(streams)
        await streams[0].readuntil(b"one")
        request = upstream.requests[0]
        assert not request.disconnected.is_set()
        before = asyncio.get_running_loop().time()
        await leave(streams)
        await request.disconnected.wait()
        assert request.disconnected_at is not None
        assert 0 <= request.disconnected_at - before < 1
        assert request.disconnected_how == "eof"
        assert not request.answered.is_set()


async def test_offers_obey_back_pressure() -> None:
    """What the client does not read is not made: accepted bytes stay bounded, then go on."""
    piece = b"x" * 65536
    made = 0

    def make(_: int) -> bytes:
        nonlocal made
        made += 1
        return piece

    total = 64 << 20
    async with Upstream(send_buffer_bytes=1 << 16) as upstream:
        upstream.reply(sse(Offer(make, total)))
        host, port = upstream.address
        streams = await asyncio.open_connection(host, port, limit=1 << 16)
        await post(streams)
        request = await upstream.request()
        seen = -1
        while request.accepted_bytes != seen:
            seen = request.accepted_bytes
            await asyncio.sleep(0.05)
        assert 0 < seen < total // 2
        assert made * len(piece) <= seen + len(piece)
        while not request.answered.is_set():
            await streams[0].read(1 << 20)
        assert request.accepted_bytes == total
        await leave(streams)


async def test_answers_by_function_see_the_request() -> None:
    """A callable answers everything not queued, and may look at the request; routes go apart."""

    def echo(request: Request) -> Reply:
        return json_body(200, request.json)

    async with Upstream() as upstream:
        upstream.route("POST", "/v1/models", json_body(200, {"data": []}))
        upstream.answer(echo)
        streams = await connect(upstream)
        for path, sent, expected in (
            ("/v1/a", b'{"a":1}', b'{"a": 1}'),
            ("/v1/models", b"{}", b'{"data": []}'),
            ("/v1/b", b'{"b":1}', b'{"b": 1}'),
        ):
            await post(streams, sent, path=path)
            await read_head(streams[0])
            assert await streams[0].readexactly(len(expected)) == expected
        assert [request.path for request in upstream.requests] == ["/v1/a", "/v1/b"]
        assert [request.path for request in upstream.routed] == ["/v1/models"]
        await leave(streams)


async def test_hanging_up_waits_for_those_who_are_busy() -> None:
    """Idle connections are closed at once; one that is being answered is waited for."""
    async with Upstream() as upstream:
        gate = Gate()
        upstream.reply(Reply(gate, *json_body(200, {}).steps))
        idle = await connect(upstream)
        busy = await connect(upstream)
        await post(busy)
        await gate.reached.wait()
        hanging_up = asyncio.create_task(upstream.hang_up())
        done, _ = await asyncio.wait({hanging_up}, timeout=0.05)
        assert not done
        gate.open()
        async with asyncio.timeout(5):
            await hanging_up
            assert await idle[0].read() == b""
            assert (await busy[0].read()).endswith(b"{}")
        assert upstream.open_connections == 0
        for _, writer in (idle, busy):
            writer.close()
            await writer.wait_closed()


async def test_an_unscripted_request_fails_the_test() -> None:
    """A request that nobody expected is answered with 500 and raised at the end."""
    with pytest.raises(UnscriptedRequestError, match="POST /v1/chat/completions"):
        async with Upstream() as upstream:
            streams = await connect(upstream)
            await post(streams)
            assert (await read_head(streams[0])).startswith(b"HTTP/1.1 500 ")
            await leave(streams)


def test_usage_comes_without_choices() -> None:
    """Builders follow the reference: usage rides on its own chunk, finish on an empty delta."""
    assert usage(3, 4, cached=2)["choices"] == []
    assert usage(3, 4, cached=2)["usage"]["prompt_tokens_details"] == {"cached_tokens": 2}
    assert finish("length")["choices"][0] == {"index": 0, "delta": {}, "finish_reason": "length"}
