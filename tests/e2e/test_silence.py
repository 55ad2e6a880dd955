"""Is an upstream that falls silent given up, and one that shows signs of life kept?"""

import asyncio

import grpc
import pytest
from google.protobuf import duration_pb2

from tests.support.beats import beating
from tests.support.client import collect, collect_failure, request
from tests.support.configuration import configuration
from tests.support.openai_stream import DONE, finish, role, text
from tests.support.replies import Delay, Reply, Stall, Step, sse
from tests.support.server import RunningServer, running
from tests.support.upstream import Upstream


@pytest.mark.parametrize(
    ("timeouts", "steps"),
    [
        ({"first_output_seconds": 0.3}, [Stall()]),
        ({"first_output_seconds": 0.3}, [role(), Stall()]),
        ({"idle_seconds": 0.3}, [role(), text("Hello"), Stall()]),
    ],
    ids=["first output", "first output after a role", "idle"],
)
async def test_a_configured_patience_ends(
    upstream: Upstream, timeouts: dict[str, float], steps: list[Step]
) -> None:
    """PROVIDER_TIMEOUT, soon after the configured time, and the connection is closed."""
    upstream.reply(sse(*steps))
    loop = asyncio.get_running_loop()
    async with running(configuration(upstream, timeouts=timeouts)) as server:
        begun = loop.time()
        async with beating() as seconds:
            got = await collect_failure(server.stub.Generate(request(), timeout=20))
            assert seconds() < 2
        assert loop.time() - begun > 0.25
        assert (got.code, got.reason) == (grpc.StatusCode.UNAVAILABLE, "PROVIDER_TIMEOUT")
        async with asyncio.timeout(5):
            await upstream.requests[0].disconnected.wait()


async def test_no_head_is_silence_too(upstream: Upstream) -> None:
    """A provider that takes the request and never answers is given up."""
    upstream.reply(Reply(Stall()))
    config = configuration(upstream, timeouts={"first_output_seconds": 0.3})
    async with running(config) as server:
        got = await collect_failure(server.stub.Generate(request(), timeout=20))
    assert got.reason == "PROVIDER_TIMEOUT"


async def test_the_caller_may_be_less_patient(server: RunningServer, upstream: Upstream) -> None:
    """Timeouts in the request win over the configured ones."""
    patience = duration_pb2.Duration(nanos=200_000_000)
    for field, steps in (
        ("first_output_timeout", [Stall()]),
        ("idle_timeout", [text("Hello"), Stall()]),
    ):
        wanted = request()
        getattr(wanted.routing, field).CopyFrom(patience)
        upstream.reply(sse(*steps))
        got = await collect_failure(server.stub.Generate(wanted, timeout=20))
        assert got.reason == "PROVIDER_TIMEOUT"


async def test_comments_are_signs_of_life(upstream: Upstream) -> None:
    """Any bytes end the silence, comments included."""
    pause = [Delay(0.2), *sse(b": still here\n\n").steps[1:]]
    upstream.reply(sse(text("a"), *pause * 3, Delay(0.2), text("b"), finish("stop"), DONE))
    async with running(configuration(upstream, timeouts={"idle_seconds": 0.4})) as server:
        assert (await collect(server.stub.Generate(request()))).text == "ab"
