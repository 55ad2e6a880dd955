"""Does a caller that stops reading stop the upstream instead of filling the memory?"""

import asyncio

import pytest

from tests.hostile import frames
from tests.hostile.attacks import GENERATE, GOOD
from tests.support.channels import stub_to
from tests.support.client import collect, read_one, request
from tests.support.configuration import configuration
from tests.support.openai_stream import answer, role, text
from tests.support.process import server_process
from tests.support.replies import Offer, event, sse
from tests.support.upstream import Upstream

OFFERED_BYTES = 200 << 20
FLAT_BYTES = 48 << 20
"""Room for the buffers of one stream, in the server, in gRPC and in two kernels' sockets."""


async def test_memory_stays_flat(upstream: Upstream) -> None:
    """The upstream offers 200 MB, the reader stops after one message: both numbers stay bounded."""
    piece = event(text("river " * 2000)) * 4

    async with server_process(configuration(upstream)) as server:
        upstream.reply(sse(role(), Offer(lambda _: piece, OFFERED_BYTES)))
        async with stub_to(server.channel_target) as stub:
            before = server.resident_bytes()
            call = stub.Generate(request())
            await read_one(call)
            accepted = await upstream.requests[0].held_up()
            grown = server.resident_bytes() - before
            assert 0 < accepted < FLAT_BYTES
            assert grown < FLAT_BYTES
            # Others are served meanwhile.
            upstream.reply(answer("fine"))
            async with stub_to(server.channel_target) as other:
                assert (await collect(other.Generate(request(), timeout=5))).text == "fine"
            # The reader goes on: what was held back flows again.
            async with asyncio.timeout(20):
                while upstream.requests[0].accepted_bytes <= accepted:
                    await read_one(call)
            call.cancel()
            async with asyncio.timeout(5):
                await upstream.requests[0].disconnected.wait()


@pytest.mark.parametrize("window", [0, frames.LARGEST_WINDOW], ids=["shut", "open"])
async def test_whoever_does_not_read_and_cuts_the_connection_has_cancelled(
    upstream: Upstream, window: int
) -> None:
    """It is the caller's end, whatever was being sent; nothing looks like a bug of the gateway."""
    piece = event(text("river " * 2000)) * 4
    opening = frames.PREFACE + frames.settings((4, window)) + frames.window(1 << 30)
    opening += frames.head_frames(1, frames.request_headers(GENERATE))
    opening += b"".join(frames.data_frames(1, GOOD))

    async with server_process(configuration(upstream)) as server:
        upstream.reply(sse(role(), Offer(lambda _: piece, OFFERED_BYTES)))
        host, _, port = server.channel_target.rpartition(":")
        # Nothing is read of it.
        _, writer = await asyncio.open_connection(host, int(port), limit=1)
        try:
            writer.write(opening)
            await (await upstream.request()).held_up()
        finally:
            writer.transport.abort()
        line = await server.wait_for_log("call.finished")
        assert line["code"] == "CANCELLED"
        assert "call.failed_internally" not in server.raw_log
