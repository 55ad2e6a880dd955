"""The client for asyncio: reading, leaving, and being cancelled."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckResponse

import sluice
from sluice import aio
from sluice.v1 import model_pb2
from tests.unit.client_library.gateway import HANGS, ID, Gateway, Turn, says, started, text

REQUEST = sluice.prompt("up/m", "Hi")
SECONDS = 10.0


@pytest.fixture
async def client(gateway: Gateway) -> AsyncIterator[aio.Client]:
    """Connect to the gateway."""
    async with aio.connect(gateway.address, token="t") as client:
        yield client


async def test_events_text_and_answer(gateway: Gateway, client: aio.Client) -> None:
    """Three ways to read a turn, and what was read before is part of its answer."""
    gateway.turns = [says("Hel", "lo")] * 4
    async with client.generate(REQUEST) as stream:
        kinds = [event.WhichOneof("kind") async for event in stream]
    assert kinds == ["started", "text_delta", "text_delta", "completed"]
    assert (await stream.collect()).text == "Hello"
    assert [piece async for piece in client.generate(REQUEST).text()] == ["Hel", "lo"]
    assert (await client.collect(REQUEST)).text == "Hello"
    partly = client.generate(REQUEST)
    await anext(partly)
    await anext(partly)
    assert (await partly.collect()).text == "Hello"
    assert gateway.metadata["authorization"] == "Bearer t"
    assert str(gateway.metadata["user-agent"]).startswith(f"sluice-python/{sluice.__version__} ")


@pytest.mark.parametrize(
    ("turn", "told"),
    [
        ((started(), text("Hel"), grpc.StatusCode.INTERNAL), "INTERNAL: No."),
        ((started(), text("Hel"), grpc.StatusCode.OK), "STREAM_TRUNCATED: "),
    ],
    ids=["status", "truncated"],
)
async def test_a_failure_stays_one(
    gateway: Gateway, client: aio.Client, turn: Turn, told: str
) -> None:
    """What came before is given out; whoever reads on gets the same error again."""
    gateway.turns = [turn]
    stream = client.generate(REQUEST)
    assert await anext(stream) == started()
    assert await anext(stream) == text("Hel")
    for _ in range(2):
        with pytest.raises(sluice.SluiceError, match=told) as raised:
            await anext(stream)
        assert raised.value.generation_id == ID
    with pytest.raises(sluice.SluiceError, match=told):
        await stream.collect()


async def leaves_with(client: aio.Client) -> None:
    """Leave the context of a stream that is kept."""
    async with client.generate(REQUEST) as stream:
        async for _ in stream:
            break


async def leaves_loop(client: aio.Client) -> None:
    """Leave the loop over a stream that nobody keeps."""
    async for _ in client.generate(REQUEST):
        break


async def leaves_text(client: aio.Client) -> None:
    """Leave the text of a stream that is kept."""
    stream = client.generate(REQUEST)
    async with aclosing(stream.text()) as texts:
        await anext(texts)
    async with asyncio.timeout(SECONDS):
        with pytest.raises(sluice.SluiceError, match="CANCELLED"):
            await anext(stream)


async def cancels(client: aio.Client) -> None:
    """Say so."""
    stream = client.generate(REQUEST)
    await anext(stream)
    stream.cancel()
    for _ in range(2):
        with pytest.raises(sluice.SluiceError) as raised:
            await anext(stream)
        assert raised.value.status is grpc.StatusCode.CANCELLED
        assert raised.value.generation_id == ID


async def cancels_while_waiting(client: aio.Client) -> None:
    """Say so while a task waits for more; the task itself is not cancelled."""
    stream = client.generate(REQUEST)
    await anext(stream)
    await anext(stream)
    waiting = asyncio.create_task(stream.collect())
    await client.health()
    stream.cancel()
    with pytest.raises(sluice.SluiceError, match="CANCELLED"):
        await waiting


async def cancels_the_task(client: aio.Client) -> None:
    """Cancel the task that waits for more."""
    reached = asyncio.Event()

    async def read() -> None:
        async for _ in client.generate(REQUEST).text():
            reached.set()

    reading = asyncio.create_task(read())
    await reached.wait()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert reading.cancelled()


async def is_late_for_asyncio(client: aio.Client) -> None:
    """Let asyncio's own timeout pass."""
    stream = client.generate(REQUEST)
    await anext(stream)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await stream.collect()


@pytest.mark.parametrize(
    "leave",
    [
        leaves_with,
        leaves_loop,
        leaves_text,
        cancels,
        cancels_while_waiting,
        cancels_the_task,
        is_late_for_asyncio,
    ],
)
async def test_leaving_a_stream_cancels_the_call(
    gateway: Gateway, client: aio.Client, leave: Callable[[aio.Client], Awaitable[None]]
) -> None:
    """The gateway notices, while the client still is connected."""
    gateway.turns = [HANGS]
    await leave(client)
    async with asyncio.timeout(SECONDS):
        await gateway.ended.wait()


async def test_what_came_before_it_was_cancelled_is_not_given_out(
    gateway: Gateway, client: aio.Client
) -> None:
    """Though it came in the same message as what was read."""
    gateway.turns = [((started(), text("Hel")),)]
    stream = client.generate(REQUEST)
    await anext(stream)
    stream.cancel()
    with pytest.raises(sluice.SluiceError, match="CANCELLED"):
        await anext(stream)


async def test_a_turn_is_asked_for_as_its_request_was(gateway: Gateway, client: aio.Client) -> None:
    """Whoever changes the request for another call does not change the one that began."""
    gateway.turns = [says("Hi")] * 2
    request = sluice.prompt("up/first", "Hi")
    first = client.generate(request)
    request.model = "up/second"
    second = client.generate(request)
    await first.collect()
    await second.collect()
    assert sorted(it.model for it in gateway.requests) == ["up/first", "up/second"]


async def test_a_stream_that_nobody_reads_is_cancelled(
    gateway: Gateway, client: aio.Client
) -> None:
    """Once it is forgotten; gRPC itself would keep it."""
    gateway.turns = [HANGS]
    stream = client.generate(REQUEST)
    async with asyncio.timeout(SECONDS):
        await gateway.asked.wait()
        del stream
        await gateway.ended.wait()


async def test_a_deadline(gateway: Gateway, client: aio.Client) -> None:
    """It holds for the whole call."""
    gateway.turns = [HANGS]
    with pytest.raises(sluice.SluiceError) as raised:
        await client.collect(REQUEST, timeout=0.2)
    assert raised.value.status is grpc.StatusCode.DEADLINE_EXCEEDED
    assert raised.value.reason == ""


async def test_a_task_can_be_cancelled_before_anything_is_sent(
    gateway: Gateway, client: aio.Client
) -> None:
    """The call that had not begun never comes."""
    reading = asyncio.create_task(client.collect(REQUEST))
    await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    gateway.turns = [says("Hi")]
    assert (await client.collect(REQUEST)).text == "Hi"


async def test_a_client_that_is_closed_ends_its_streams(gateway: Gateway) -> None:
    """Who still reads gets an error, and is not cancelled."""
    gateway.turns = [HANGS]
    async with aio.connect(gateway.address) as client:
        stream = client.generate(REQUEST)
        await anext(stream)
        reading = asyncio.create_task(stream.collect())
        asking = asyncio.create_task(client.get_metrics())
        await client.health()
    for waiting in (reading, asking):
        with pytest.raises(sluice.SluiceError, match="CANCELLED"):
            await waiting
    for later in (client.collect(REQUEST), client.get_metrics(), client.health()):
        with pytest.raises(sluice.SluiceError, match=r"CANCELLED: The client was closed\."):
            await later


async def test_a_task_that_asks_can_be_cancelled(gateway: Gateway, client: aio.Client) -> None:
    """Calls with one answer are left in the same way."""
    asking = asyncio.create_task(client.get_metrics())
    async with asyncio.timeout(SECONDS):
        await gateway.asked.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    async with asyncio.timeout(SECONDS):
        await gateway.ended.wait()


async def test_all_pages_are_one_list(client: aio.Client) -> None:
    """With the filter for each."""
    models = client.models(model_pb2.ModelFilter(query="m"))
    assert [model.name async for model in models] == ["m0", "m1", "m2"]


async def test_health_and_a_failed_call(client: aio.Client) -> None:
    """The answer is a number with a name; what fails is a SluiceError here too."""
    assert await client.health() == HealthCheckResponse.SERVING
    assert await client.health("down") == HealthCheckResponse.NOT_SERVING
    with pytest.raises(sluice.SluiceError) as raised:
        await client.health("nobody")
    assert raised.value.status is grpc.StatusCode.NOT_FOUND
    with pytest.raises(sluice.SluiceError, match="DEADLINE_EXCEEDED"):
        await client.get_metrics(timeout=0.1)
