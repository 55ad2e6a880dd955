"""Are token counts the provider's own, and absent where nobody counted?"""

from sluice.v1 import usage_pb2
from tests.support.client import collect, request
from tests.support.openai_stream import DONE, Json, chunk, finish, role, text, usage
from tests.support.replies import sse
from tests.support.server import RunningServer
from tests.support.upstream import Upstream


async def usage_after(server: RunningServer, upstream: Upstream, *chunks: Json) -> usage_pb2.Usage:
    """Return the usage that the caller sees when the stream ends with these chunks."""
    upstream.reply(sse(role(), text("Hi"), *chunks, DONE))
    completed = (await collect(server.stub.Generate(request()))).completed
    return completed.usage


async def test_counts_come_from_the_extra_chunk(server: RunningServer, upstream: Upstream) -> None:
    """Totals and their parts are taken over; what is not counted stays absent, zero stays zero."""
    counts = usage(100, 20, cached=0, reasoned=5)
    got = await usage_after(server, upstream, finish("stop"), counts)
    assert got == usage_pb2.Usage(
        input_tokens=100,
        output_tokens=20,
        cache_read_input_tokens=0,
        reasoning_output_tokens=5,
        source=usage_pb2.USAGE_SOURCE_PROVIDER,
    )
    assert not got.HasField("cache_write_input_tokens")


async def test_counts_may_ride_on_the_finish_chunk(
    server: RunningServer, upstream: Upstream
) -> None:
    """Look-alikes that send usage with choices are understood."""
    end = chunk(finish_reason="stop", usage={"prompt_tokens": 3, "completion_tokens": 4})
    got = await usage_after(server, upstream, end)
    assert (got.input_tokens, got.output_tokens) == (3, 4)


async def test_the_last_count_wins(server: RunningServer, upstream: Upstream) -> None:
    """Cumulative counts are not summed."""
    got = await usage_after(server, upstream, usage(3, 1), finish("stop"), usage(3, 4))
    assert (got.input_tokens, got.output_tokens) == (3, 4)


async def test_nothing_is_invented(server: RunningServer, upstream: Upstream) -> None:
    """A provider that counts nothing gives no numbers, not zeros."""
    got = await usage_after(server, upstream, finish("stop"))
    assert not got.HasField("input_tokens")
    assert not got.HasField("output_tokens")
    assert got.source == usage_pb2.USAGE_SOURCE_UNSPECIFIED
