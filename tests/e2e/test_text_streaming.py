"""Does text arrive as it is produced, in the promised order of events?"""

import asyncio

from sluice.v1 import content_pb2, event_pb2
from tests.support.client import collect, read_one, request
from tests.support.configuration import CREDENTIAL, PROVIDER
from tests.support.openai_stream import (
    DONE,
    MODEL,
    RESPONSE_ID,
    answer,
    finish,
    role,
    text,
    usage,
)
from tests.support.replies import Gate, cut, event, sse
from tests.support.server import RunningServer
from tests.support.upstream import Upstream


async def test_events_come_in_the_promised_order(server: RunningServer, upstream: Upstream) -> None:
    """Started, one part with its deltas, Completed, OK."""
    upstream.reply(answer("Rivers", " run", " far."))
    got = await collect(server.stub.Generate(request()))
    expected = ["started", "part_started", "text_delta", "part_finished", "completed"]
    assert got.shape == expected
    assert got.text == "Rivers run far."
    assert got.events[1].part_started.WhichOneof("kind") == "text"


async def test_started_names_who_serves(server: RunningServer, upstream: Upstream) -> None:
    """The first event says which provider, model, credential and attempt answer, with an id."""
    upstream.reply(answer("a"), answer("b"))
    first = (await collect(server.stub.Generate(request()))).started
    second = (await collect(server.stub.Generate(request()))).started
    assert first.upstream == event_pb2.Upstream(
        provider=PROVIDER,
        model=MODEL,
        credential=CREDENTIAL,
        attempt=1,
        response_id=RESPONSE_ID,
    )
    assert first.generation_id
    assert first.generation_id != second.generation_id
    assert not first.failed_attempts


async def test_completed_holds_the_whole_answer(server: RunningServer, upstream: Upstream) -> None:
    """The last event holds the message, ready to be sent back, the end's reason and the times."""
    upstream.reply(answer("Rivers", " run"))
    completed = (await collect(server.stub.Generate(request()))).completed
    assert completed.message == content_pb2.Message(
        role=content_pb2.ROLE_ASSISTANT, parts=[content_pb2.Part(text="Rivers run")]
    )
    assert completed.finish_reason == event_pb2.FINISH_REASON_STOP
    assert completed.provider_finish_reason == "stop"
    assert completed.upstream.provider == PROVIDER
    timing = completed.timing
    first_output = timing.time_to_first_output.ToTimedelta()
    assert first_output.total_seconds() > 0
    assert timing.total.ToTimedelta() >= first_output
    assert timing.gateway_overhead.ToTimedelta() <= timing.total.ToTimedelta()


async def test_text_is_passed_on_before_the_upstream_goes_on(
    server: RunningServer, upstream: Upstream
) -> None:
    """A delta reaches the caller while the upstream still holds back the next one."""
    gates = [Gate(), Gate()]
    upstream.reply(sse(role(), text("one"), gates[0], text("two"), gates[1], finish("stop"), DONE))
    call = server.stub.Generate(request())
    seen = ""
    async with asyncio.timeout(10):
        for wanted, gate in zip(("one", "onetwo"), gates, strict=True):
            while seen != wanted:
                message = await read_one(call)
                seen += "".join(e.text_delta.text for e in message.events)
            assert not gate.opened.is_set()
            gate.open()
        assert (await collect(call)).is_complete


async def test_nothing_is_written_before_the_upstream_produces_output(
    server: RunningServer, upstream: Upstream
) -> None:
    """Not even initial metadata goes out when only headers and a role have come."""
    before_text = Gate()
    upstream.reply(sse(role(), before_text, text("one"), finish("stop"), DONE))
    call = server.stub.Generate(request())
    metadata = asyncio.ensure_future(call.initial_metadata())
    await before_text.reached.wait()
    # Time for the gateway to read what came so far and to do the wrong thing.
    done, _ = await asyncio.wait({metadata}, timeout=0.2)
    assert not done
    before_text.open()
    assert (await collect(call)).text == "one"
    await metadata


async def test_events_that_are_ready_together_share_a_message(
    server: RunningServer, upstream: Upstream
) -> None:
    """A burst that came in one read is passed on in a few messages, not one per token."""
    burst = b"".join(event(text(f"{number} ")) for number in range(64))
    upstream.reply(sse(event(role()) + burst + event(finish("stop")) + DONE))
    got = await collect(server.stub.Generate(request()))
    assert got.text == "".join(f"{number} " for number in range(64))
    assert len(got.messages) <= 3


async def test_network_cuts_do_not_matter(server: RunningServer, upstream: Upstream) -> None:
    """A stream cut at every byte, characters included, gives the same answer."""
    chunks = (role(), text("Flüsse "), text("🌊\u2028"), finish("stop"), usage(3, 2))
    stream = b": a comment\r\n\r\n" + b"".join(event(chunk) for chunk in chunks) + DONE
    raw = stream.replace(rb"\u2028", "\u2028".encode())
    upstream.reply(sse(cut(raw)))
    got = await collect(server.stub.Generate(request()))
    assert got.text == "Flüsse 🌊\u2028"
    assert got.completed.usage.output_tokens == 2


async def test_connections_to_the_provider_are_reused(
    server: RunningServer, upstream: Upstream
) -> None:
    """Calls after each other go through one TCP connection."""
    for number in range(5):
        upstream.reply(answer(str(number)))
        assert (await collect(server.stub.Generate(request()))).text == str(number)
    assert upstream.connection_count == 1
