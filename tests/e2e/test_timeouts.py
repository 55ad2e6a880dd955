"""Is each of the four times kept exactly, and is there no fifth one?

To connect, to the first output, between two signs of life, and the caller's deadline. What a
silent provider looks like is in `test_silence` and `test_deadline`.
"""

import asyncio
import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import grpc
import pytest

from tests.support.client import collect, collect_failure, request
from tests.support.configuration import Config, configuration
from tests.support.openai_stream import DONE, answer, finish, role, text
from tests.support.replies import Delay, Piece, Stall, Step, event, sse
from tests.support.server import running
from tests.support.upstream import Upstream

PATIENCE = 0.5
LATE = 2.0
"""Seconds by which something may be late on a busy machine."""
ALL: dict[str, float] = {
    "connect_seconds": PATIENCE,
    "first_output_seconds": PATIENCE,
    "idle_seconds": PATIENCE,
}


@contextmanager
def full_port() -> Iterator[int]:
    """Give a port whose host does not answer: it drops what comes, as a firewall does."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        address = listener.getsockname()
        while True:
            one = stack.enter_context(socket.socket())
            one.settimeout(0.2)
            try:
                one.connect(address)
            except TimeoutError:
                break
        yield address[1]


@contextmanager
def mute_port() -> Iterator[int]:
    """Give a port that takes connections and says nothing, not even in a TLS handshake."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        yield listener.getsockname()[1]


def dead_first(base_url: str, alive: Upstream, **timeouts: float) -> Config:
    """Return settings whose model "any" is a dead provider, then one that lives."""
    config = configuration(
        alive,
        providers={"dead": {"kind": "openai-compatible", "base_url": base_url}},
        routes={"any": ["dead/one", "up/two"]},
        timeouts=timeouts,
    )
    config["attempts"] = {"max_attempts": 2}
    return config


@pytest.mark.parametrize(
    ("port", "scheme"), [(full_port, "http"), (mute_port, "https")], ids=["connect", "handshake"]
)
async def test_connecting_takes_no_longer_than_it_may(
    upstream: Upstream, port: Any, scheme: str
) -> None:
    """A host that drops packets is given up in time, TLS included, and after five it is left alone.

    The other timeouts are far longer.
    """
    upstream.answer(answer("fine"))
    with port() as number:
        base_url = f"{scheme}://127.0.0.1:{number}/v1"
        config = dead_first(base_url, upstream, connect_seconds=PATIENCE)
        async with running(config) as server, asyncio.timeout(40):
            for _ in range(5):
                got = await collect(server.stub.Generate(request(model="any")))
                assert got.text == "fine"
                # By then it may have been found out that it is dead.
                for failed in got.started.failed_attempts:
                    assert failed.reason == "PROVIDER_UNREACHABLE"
                    assert PATIENCE * 0.9 < failed.elapsed.ToNanoseconds() / 1e9 < PATIENCE + LATE
            alone = [
                await collect_failure(server.stub.Generate(request(model="dead/one")))
                for _ in range(5)
            ]
            assert {one.reason for one in alone} <= {"PROVIDER_UNREACHABLE", "CIRCUIT_OPEN"}
            assert alone[-1].reason == "CIRCUIT_OPEN"


async def test_each_attempt_has_its_own_patience(upstream: Upstream) -> None:
    """A target that follows a silent one gets the whole time to its first output."""
    async with Upstream() as silent:
        silent.answer(sse(role(), Stall()))
        upstream.answer(sse(role(), Delay(0.8 * PATIENCE), text("fine"), finish("stop"), DONE))
        config = dead_first(silent.base_url, upstream, first_output_seconds=PATIENCE)
        async with running(config) as server, asyncio.timeout(20):
            got = await collect(server.stub.Generate(request(model="any")))
    assert got.text == "fine"
    (failed,) = got.started.failed_attempts
    assert failed.reason == "PROVIDER_TIMEOUT"
    assert PATIENCE * 0.9 < failed.elapsed.ToNanoseconds() / 1e9 < PATIENCE + LATE


async def test_signs_of_life_are_no_output(upstream: Upstream) -> None:
    """Pings do not put off the end of the wait for the first output."""
    pings: list[Step] = [Piece(b": ping\n\n"), Delay(0.1)]
    upstream.reply(sse(role(), pings * 100))
    config = configuration(upstream, timeouts={"first_output_seconds": PATIENCE})
    async with running(config) as server, asyncio.timeout(20):
        began = time.monotonic()
        got = await collect_failure(server.stub.Generate(request()))
        assert PATIENCE * 0.9 < time.monotonic() - began < PATIENCE + LATE
        await upstream.requests[0].disconnected.wait()
    assert (got.code, got.reason) == (grpc.StatusCode.UNAVAILABLE, "PROVIDER_TIMEOUT")
    assert "output_characters" not in got.info.metadata


def drip(data: bytes, count: int) -> list[Step]:
    """Return the bytes in so many pieces, each after a pause of a fifth of the patience."""
    size = -(-len(data) // count)
    steps: list[Step] = []
    for start in range(0, len(data), size):
        steps += Delay(PATIENCE / 5), Piece(data[start : start + size])
    return steps


def anthropic(kind: str, **fields: Any) -> bytes:
    """Return one event of Anthropic's Messages stream (`anthropic.md` section 3)."""
    data = json.dumps({"type": kind, **fields})
    return f"event: {kind}\ndata: {data}\n\n".encode()


OPENAI_STREAM = [
    role(),
    text("a"),
    drip(b": ping\n\n" * 8, 8),
    text("b"),
    drip(event(text("c")), 12),
    finish("stop"),
    DONE,
]
"""Comments, and an event that takes longer than the patience to arrive."""

ANTHROPIC_STREAM = [
    anthropic(
        "message_start",
        message={
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "claude-test",
            "content": [],
            "stop_reason": None,
            "usage": {"input_tokens": 3, "output_tokens": 1},
        },
    ),
    anthropic("content_block_start", index=0, content_block={"type": "text", "text": ""}),
    anthropic("content_block_delta", index=0, delta={"type": "text_delta", "text": "ab"}),
    drip(anthropic("ping") * 16, 16),
    anthropic("content_block_delta", index=0, delta={"type": "text_delta", "text": "c"}),
    anthropic("content_block_stop", index=0),
    anthropic("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 3}),
    anthropic("message_stop"),
]


@pytest.mark.parametrize(
    ("kind", "stream"),
    [("openai-compatible", OPENAI_STREAM), ("anthropic", ANTHROPIC_STREAM)],
    ids=["comments and pieces", "ping events"],
)
async def test_long_answers_are_not_cut(upstream: Upstream, kind: str, stream: Any) -> None:
    """An answer that takes longer than all timeouts together is whole, as long as bytes come."""
    upstream.reply(sse(*stream))
    config = configuration(upstream, timeouts=ALL, providers={"up": {"kind": kind}})
    async with running(config) as server, asyncio.timeout(30):
        began = time.monotonic()
        got = await collect(server.stub.Generate(request()))
        took = time.monotonic() - began
    assert got.text == "abc"
    assert got.is_complete
    assert took > sum(ALL.values())


async def test_the_deadline_cuts_a_lively_stream(upstream: Upstream) -> None:
    """What goes on and on ends at the caller's deadline, and the provider is left then."""
    steps: list[Step] = []
    for _ in range(200):
        steps += Delay(0.05), Piece(event(text("a")))
    upstream.reply(sse(role(), steps, finish("stop"), DONE))
    async with running(configuration(upstream, timeouts=ALL)) as server, asyncio.timeout(20):
        began = time.monotonic()
        got = await collect_failure(server.stub.Generate(request(), timeout=1.0))
        took = time.monotonic() - began
        await upstream.requests[0].disconnected.wait()
    assert got.code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert 0.9 < took < 1.0 + LATE
    assert got.partial.text.startswith("aaa")
