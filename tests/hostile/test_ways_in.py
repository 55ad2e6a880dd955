"""Calls are asked who they are before their request is read, and each gets an end."""

from contextlib import AsyncExitStack
from typing import Any

import grpc
import pytest

from tests.hostile import frames
from tests.hostile.attacks import CHECK, GENERATE, GOOD
from tests.hostile.frames import request_headers
from tests.hostile.wire import wire_to
from tests.support.channels import stub_to
from tests.support.client import collect, collect_failure, request
from tests.support.configuration import configuration
from tests.support.openai_stream import answer
from tests.support.server import running
from tests.support.upstream import Upstream

CALLERS = [{"name": "one", "token": "token-of-a-caller-0123456789"}]
STREAMS = range(1, 2000, 2)
UNAUTHENTICATED, OK = b"grpc-status\x0216", b"grpc-status\x010"


async def test_strangers_need_not_send_a_request() -> None:
    """Who has no token is refused by the head, and nothing of the request is awaited."""
    async with (
        Upstream() as upstream,
        running(configuration(upstream, callers=CALLERS)) as server,
        wire_to(server.listen) as wire,
    ):
        await wire.call(1, request_headers(GENERATE))
        assert await wire.until_ended(1, patience=5) == 1
    assert UNAUTHENTICATED in wire.ended[1]


async def test_call_without_a_message_is_the_callers_fault() -> None:
    """It does not stay open, and health checks do not either."""
    async with (
        Upstream() as upstream,
        running(configuration(upstream)) as server,
        wire_to(server.listen) as wire,
    ):
        await wire.call(1, request_headers(GENERATE), end=True)
        await wire.call(3, request_headers(CHECK), end=True)
        assert await wire.until_ended(2, patience=5) == 2
    assert all(b"grpc-status\x013" in end for end in wire.ended.values())


async def test_slow_request_is_given_up() -> None:
    """A request whose last byte does not come ends in time; the next one is served."""
    slow = {"max_request_seconds": 0.2}
    async with Upstream() as upstream, running(configuration(upstream, server=slow)) as server:
        upstream.reply(answer("fine"))
        async with wire_to(server.listen) as wire:
            await wire.call(1, request_headers(GENERATE))
            await wire.body(1, GOOD[:-1], end=False)
            assert await wire.until_ended(1, patience=5) == 1
            await wire.call(3, request_headers(GENERATE))
            await wire.body(3, GOOD)
            await wire.until_ended(2, patience=5)
    assert b"Send it within 0.2 seconds" in wire.ended[1]
    assert OK in wire.ended[3]


async def test_compressed_requests_are_refused() -> None:
    """They are as the protocol says: UNIMPLEMENTED, which a library does not try again."""
    async with (
        Upstream() as upstream,
        running(configuration(upstream)) as server,
        stub_to(server.listen) as stub,
    ):
        call = stub.Generate(request("river " * 1000), compression=grpc.Compression.Gzip)
        got = await collect_failure(call)
    assert got.code is grpc.StatusCode.UNIMPLEMENTED
    assert upstream.requests == []


async def test_health_lacks_a_method_quietly() -> None:
    """What the library's health service does not have is no error of ours."""
    async with Upstream() as upstream, running(configuration(upstream)) as server:
        list_: Any = server.channel.unary_unary("/grpc.health.v1.Health/List")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await list_(b"")
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_questions_of_strangers_are_short() -> None:
    """Health names a service; megabytes are no name."""
    async with Upstream() as upstream, running(configuration(upstream)) as server:
        check: Any = server.channel.unary_unary(CHECK)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await check(b"\x0a\x80\x80\x01" + b"a" * 16384)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_connections_are_bounded() -> None:
    """Connections beyond the bound are closed as they come; those before them are served."""
    few = {"max_connections": 3}
    async with Upstream() as upstream, running(configuration(upstream, server=few)) as server:
        upstream.answer(answer("fine"))
        assert (await collect(server.stub.Generate(request()))).text == "fine"
        async with wire_to(server.listen), wire_to(server.listen):
            async with wire_to(server.listen) as wire:
                assert await wire.until_closed(patience=5)
            assert (await collect(server.stub.Generate(request()))).text == "fine"


async def test_a_burst_is_not_cancelled() -> None:
    """Thousands of calls at once wait for their handlers; gRPC would cancel some by chance."""
    async with (
        Upstream() as upstream,
        running(configuration(upstream)) as server,
        AsyncExitStack() as stack,
    ):
        wires = [await stack.enter_async_context(wire_to(server.listen)) for _ in range(5)]
        check = frames.frame(
            frames.HEADERS, frames.block(request_headers(CHECK)), flags=frames.END_HEADERS
        )
        body = frames.data_frames(0, frames.message())[0]
        for wire in wires:
            await wire.send(b"".join(_on(check, it) + _on(body, it) for it in STREAMS))
        ended = [await wire.until_ended(len(STREAMS), patience=20) for wire in wires]
    assert ended == [len(STREAMS)] * 5
    assert all(OK in end for wire in wires for end in wire.ended.values())


def _on(frame: bytes, stream: int) -> bytes:
    return frame[:5] + stream.to_bytes(4, "big") + frame[9:]
