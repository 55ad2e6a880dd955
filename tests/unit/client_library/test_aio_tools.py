"""Runs of tools in asyncio: functions at the same time, and their ends."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

import sluice
from sluice import aio
from sluice.v1 import content_pb2
from tests.unit.client_library.gateway import HANGS, Gateway, call, calls, says

REQUEST = sluice.prompt("up/m", "Hi")
SECONDS = 10.0
BOTH = calls(call("f", id="c1"), call("f", id="c2"))


@pytest.fixture
async def client(gateway: Gateway) -> AsyncIterator[aio.Client]:
    """Connect to the gateway."""
    async with aio.connect(gateway.address) as client:
        yield client


def function(
    do: Callable[[content_pb2.ToolCall], str | Awaitable[str]],
) -> sluice.Function[str | Awaitable[str]]:
    """Return the function `f`."""
    return sluice.Function("f", "", "", do)


class Hanging:
    """A function that waits until it is cancelled."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.stopped = asyncio.Event()

    async def __call__(self, _: content_pb2.ToolCall) -> str:
        """Say that it runs, and when it does no more."""
        self.reached.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.stopped.set()
        return ""


def told(gateway: Gateway) -> list[tuple[str, str, bool]]:
    """Return the results that the second turn was asked with."""
    results = [part.tool_result for part in gateway.requests[1].messages[2].parts]
    return [(it.tool_call_id, it.parts[0].text, it.is_error) for it in results]


async def test_functions_of_a_turn_run_at_the_same_time(
    gateway: Gateway, client: aio.Client
) -> None:
    """Each waits for the other; their results are in the order of the calls."""
    gateway.turns = [BOTH, says("Done")]
    barrier = asyncio.Barrier(2)

    async def do(made: content_pb2.ToolCall) -> str:
        async with asyncio.timeout(SECONDS):
            await barrier.wait()
        if made.id == "c1":
            await asyncio.sleep(0)
            raise sluice.ToolError("no such city")
        return "sunny"

    async with client.run_tools(REQUEST, [function(do)]) as run:
        events = [event async for event in run]
    assert len([event for event in events if event.HasField("completed")]) == 2
    assert (await run.collect()).text == "Done"
    assert told(gateway) == [("c1", "no such city", True), ("c2", "sunny", False)]
    assert run.messages[:3] == list(gateway.requests[1].messages)
    assert [answer.text for answer in run.answers] == ["", "Done"]


async def test_plain_functions_run_in_threads(gateway: Gateway, client: aio.Client) -> None:
    """They may block, and do so at the same time."""
    gateway.turns = [BOTH, says("Done")]
    barrier = threading.Barrier(2)

    def do(made: content_pb2.ToolCall) -> str:
        barrier.wait(SECONDS)
        return made.id

    await client.run_tools(REQUEST, [function(do)]).collect()
    assert told(gateway) == [("c1", "c1", False), ("c2", "c2", False)]


class Asked:
    """A function that is an object."""

    async def __call__(self, made: content_pb2.ToolCall) -> str:
        """Answer in the event loop."""
        assert asyncio.current_task() is not None
        return made.name


async def test_objects_can_be_functions(gateway: Gateway, client: aio.Client) -> None:
    """Whether they are awaited is said by their `__call__`."""
    gateway.turns = [calls(call("f")), says("Done")]
    await client.run_tools(REQUEST, [function(Asked())]).collect()
    assert told(gateway) == [("c1", "f", False)]


class BrokenError(Exception):
    """What a function raises."""


async def test_a_function_that_breaks_ends_the_run(gateway: Gateway, client: aio.Client) -> None:
    """Its error arrives as it is, now and later; the others are cancelled, no turn follows."""
    gateway.turns = [BOTH]
    fault, other = BrokenError("broken"), Hanging()

    async def do(made: content_pb2.ToolCall) -> str:
        if made.id == "c1":
            await other.reached.wait()
            raise fault
        return await other(made)

    run = client.run_tools(REQUEST, [function(do)])
    for _ in range(2):
        with pytest.raises(BrokenError) as raised:
            await run.collect()
        assert raised.value is fault
    assert other.stopped.is_set()
    assert len(run.answers) == 1
    assert len(gateway.requests) == 1


async def test_the_ends_of_iterators_do_not_pass_for_the_runs(
    gateway: Gateway, client: aio.Client
) -> None:
    """A function that raises one ends the run with words, in a thread or not."""

    async def exhausted() -> AsyncIterator[str]:
        return
        yield

    async def waits(_: content_pb2.ToolCall) -> str:
        return await anext(exhausted())

    def blocks(_: content_pb2.ToolCall) -> str:
        return next(iter(()))

    def runs_a_loop(_: content_pb2.ToolCall) -> str:
        raise StopAsyncIteration

    for do, name in (
        (waits, "StopAsyncIteration"),
        (blocks, "StopIteration"),
        (runs_a_loop, "StopAsyncIteration"),
    ):
        gateway.turns.append(calls(call("f")))
        with pytest.raises(RuntimeError, match=f"f raised {name}"):
            await client.run_tools(REQUEST, [function(do)]).collect()


async def test_a_result_must_be_text(gateway: Gateway, client: aio.Client) -> None:
    """Of a function in a thread as well, which may have given an awaitable by mistake."""
    gateway.turns = [calls(call("f"))]

    async def later() -> str:
        return "sunny"

    made = asyncio.create_task(later())
    with pytest.raises(TypeError, match=r"f returned \w+; text is wanted"):
        await client.run_tools(REQUEST, [function(lambda _: made)]).collect()
    assert await made == "sunny"


async def test_a_run_can_be_cancelled_while_functions_run(
    gateway: Gateway, client: aio.Client
) -> None:
    """They are cancelled; whoever reads gets an error, and is not cancelled."""
    gateway.turns = [calls(call("f"))]
    hanging = Hanging()
    run = client.run_tools(REQUEST, [function(hanging)])
    reading = asyncio.create_task(run.collect())
    await hanging.reached.wait()
    run.cancel()
    with pytest.raises(sluice.SluiceError, match="CANCELLED"):
        await reading
    assert hanging.stopped.is_set()
    with pytest.raises(sluice.SluiceError, match="CANCELLED"):
        await run.collect()
    assert len(gateway.requests) == 1


async def test_a_task_can_be_cancelled_while_functions_run(
    gateway: Gateway, client: aio.Client
) -> None:
    """They end before the task does; reading on tells that the run was cancelled."""
    gateway.turns = [calls(call("f"))]
    hanging = Hanging()
    run = client.run_tools(REQUEST, [function(hanging)])
    reading = asyncio.create_task(run.collect())
    await hanging.reached.wait()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert hanging.stopped.is_set()
    with pytest.raises(sluice.SluiceError, match="CANCELLED"):
        await run.collect()


async def test_leaving_a_run_cancels_its_turn(gateway: Gateway, client: aio.Client) -> None:
    """Though nobody says so, once the run is forgotten."""
    gateway.turns = [calls(call("f")), HANGS]

    async def do(_: content_pb2.ToolCall) -> str:
        return "sunny"

    async for event in client.run_tools(REQUEST, [function(do)]):
        if event.HasField("text_delta"):
            break
    async with asyncio.timeout(SECONDS):
        await gateway.ended.wait()
