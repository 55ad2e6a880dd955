"""The client for blocking code; it runs in a thread beside the gateway's event loop."""

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckResponse

import sluice
from sluice.v1 import content_pb2, model_pb2
from tests.unit.client_library.gateway import (
    HANGS,
    ID,
    Gateway,
    Turn,
    call,
    calls,
    says,
    started,
    text,
)

REQUEST = sluice.prompt("up/m", "Hi")
SECONDS = 10.0
ResultT = TypeVar("ResultT")


async def with_client(gateway: Gateway, work: Callable[[sluice.Client], ResultT]) -> ResultT:
    """Do this in a thread, with a client."""

    def thread() -> ResultT:
        with sluice.connect(gateway.address, token="t") as client:
            return work(client)

    return await asyncio.to_thread(thread)


def function(do: Callable[[content_pb2.ToolCall], str]) -> sluice.Function[str]:
    """Return the function `f`."""
    return sluice.Function("f", "", "", do)


async def test_events_text_and_answer(gateway: Gateway) -> None:
    """Three ways to read a turn, and what was read before is part of its answer."""
    gateway.turns = [says("Hel", "lo")] * 4

    def read(client: sluice.Client) -> None:
        with client.generate(REQUEST) as stream:
            kinds = [event.WhichOneof("kind") for event in stream]
        assert kinds == ["started", "text_delta", "text_delta", "completed"]
        assert stream.collect().text == "Hello"
        assert list(client.generate(REQUEST).text()) == ["Hel", "lo"]
        assert client.collect(REQUEST).text == "Hello"
        partly = client.generate(REQUEST)
        next(partly)
        next(partly)
        assert partly.collect().text == "Hello"

    await with_client(gateway, read)
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
async def test_a_failure_stays_one(gateway: Gateway, turn: Turn, told: str) -> None:
    """What came before is given out; whoever reads on gets the same error again."""
    gateway.turns = [turn]

    def read(client: sluice.Client) -> None:
        stream = client.generate(REQUEST)
        assert next(stream) == started()
        assert next(stream) == text("Hel")
        for _ in range(2):
            with pytest.raises(sluice.SluiceError, match=told) as raised:
                next(stream)
            assert raised.value.generation_id == ID
        with pytest.raises(sluice.SluiceError, match=told):
            stream.collect()

    await with_client(gateway, read)


def leaves_with(client: sluice.Client) -> None:
    """Leave the context of a stream that is kept."""
    with client.generate(REQUEST) as stream:
        for _ in stream:
            break


def leaves_loop(client: sluice.Client) -> None:
    """Leave the loop over a stream that nobody keeps."""
    for _ in client.generate(REQUEST):
        break


def leaves_text(client: sluice.Client) -> None:
    """Leave the loop over the text of a stream that is kept."""
    stream = client.generate(REQUEST)
    for _ in stream.text():
        break
    with pytest.raises(sluice.SluiceError, match="CANCELLED"):
        next(stream)


def cancels(client: sluice.Client) -> None:
    """Say so."""
    stream = client.generate(REQUEST)
    next(stream)
    stream.cancel()
    for _ in range(2):
        with pytest.raises(sluice.SluiceError) as raised:
            next(stream)
        assert raised.value.status is grpc.StatusCode.CANCELLED
        assert raised.value.generation_id == ID


def cancels_from_a_thread(client: sluice.Client) -> None:
    """Say so while another thread waits for more."""
    stream = client.generate(REQUEST)
    next(stream)
    next(stream)
    reached = threading.Event()

    def cancel() -> None:
        reached.wait(SECONDS)
        stream.cancel()

    other = threading.Thread(target=cancel)
    other.start()
    reached.set()
    with pytest.raises(sluice.SluiceError, match="CANCELLED"):
        next(stream)
    other.join()


@pytest.mark.parametrize(
    "leave",
    [leaves_with, leaves_loop, leaves_text, cancels, cancels_from_a_thread],
)
async def test_leaving_a_stream_cancels_the_call(
    gateway: Gateway, leave: Callable[[sluice.Client], None]
) -> None:
    """The gateway notices, while the client still is connected."""
    gateway.turns = [HANGS]
    may_close = threading.Event()

    def work(client: sluice.Client) -> None:
        leave(client)
        may_close.wait(SECONDS)

    working = asyncio.create_task(with_client(gateway, work))
    try:
        async with asyncio.timeout(SECONDS):
            await gateway.ended.wait()
    finally:
        may_close.set()
        await working


async def test_what_came_before_it_was_cancelled_is_not_given_out(gateway: Gateway) -> None:
    """Though it came in the same message as what was read."""
    gateway.turns = [((started(), text("Hel")),)]

    def work(client: sluice.Client) -> None:
        stream = client.generate(REQUEST)
        next(stream)
        stream.cancel()
        with pytest.raises(sluice.SluiceError, match="CANCELLED"):
            next(stream)

    await with_client(gateway, work)


async def test_a_deadline(gateway: Gateway) -> None:
    """It holds for the whole call."""
    gateway.turns = [HANGS]

    def work(client: sluice.Client) -> None:
        with pytest.raises(sluice.SluiceError) as raised:
            client.collect(REQUEST, timeout=0.2)
        assert raised.value.status is grpc.StatusCode.DEADLINE_EXCEEDED
        assert raised.value.reason == ""

    await with_client(gateway, work)


async def test_functions_of_a_turn_run_one_after_the_other(gateway: Gateway) -> None:
    """In the order of the calls; what they say goes back, and events of all turns are given."""
    gateway.turns = [calls(call("f", id="c1"), call("f", id="c2")), says("Done")]
    running: list[str] = []

    def do(made: content_pb2.ToolCall) -> str:
        running.append(made.id)
        if made.id == "c1":
            raise sluice.ToolError("no such city")
        return "sunny"

    def run(client: sluice.Client) -> sluice.ToolRun:
        with client.run_tools(REQUEST, [function(do)]) as run:
            assert len([event for event in run if event.HasField("completed")]) == 2
        assert run.collect().text == "Done"
        return run

    run_ = await with_client(gateway, run)
    assert running == ["c1", "c2"]
    results = [part.tool_result for part in gateway.requests[1].messages[2].parts]
    assert [(it.tool_call_id, it.parts[0].text, it.is_error) for it in results] == [
        ("c1", "no such city", True),
        ("c2", "sunny", False),
    ]
    assert run_.messages[:3] == list(gateway.requests[1].messages)
    assert [answer.text for answer in run_.answers] == ["", "Done"]


class BrokenError(Exception):
    """What a function raises."""


async def test_a_function_that_breaks_ends_the_run(gateway: Gateway) -> None:
    """Its error arrives as it is, now and later, and no turn follows."""
    gateway.turns = [calls(call("f"))]
    fault = BrokenError("broken")

    def do(_: content_pb2.ToolCall) -> str:
        raise fault

    def run(client: sluice.Client) -> None:
        run = client.run_tools(REQUEST, [function(do)])
        for _ in range(2):
            with pytest.raises(BrokenError) as raised:
                run.collect()
            assert raised.value is fault
        assert len(run.answers) == 1
        assert len(run.messages) == 2

    await with_client(gateway, run)
    assert len(gateway.requests) == 1


async def test_an_interrupt_is_not_repeated(gateway: Gateway) -> None:
    """Ctrl+C in a function ends the run; reading on tells that it was cancelled."""
    gateway.turns = [calls(call("f"))]

    def do(_: content_pb2.ToolCall) -> str:
        raise KeyboardInterrupt

    def run(client: sluice.Client) -> None:
        run = client.run_tools(REQUEST, [function(do)])
        with pytest.raises(KeyboardInterrupt):
            run.collect()
        with pytest.raises(sluice.SluiceError, match="CANCELLED"):
            run.collect()

    await with_client(gateway, run)


async def test_a_failed_turn_keeps_what_was_said(gateway: Gateway) -> None:
    """The turns before it are there."""
    gateway.turns = [calls(call("f")), (started(), grpc.StatusCode.INTERNAL)]

    def run(client: sluice.Client) -> None:
        run = client.run_tools(REQUEST, [function(lambda _: "sunny")])
        for _ in range(2):
            with pytest.raises(sluice.SluiceError, match="INTERNAL"):
                run.collect()
        assert len(run.answers) == 1
        assert len(run.messages) == 3

    await with_client(gateway, run)


async def test_a_run_that_is_cancelled_begins_nothing_new(gateway: Gateway) -> None:
    """The function that runs is the last thing that happens."""
    gateway.turns = [calls(call("f", id="c1"), call("f", id="c2"))]
    made: list[str] = []

    def work(client: sluice.Client) -> None:
        def do(call: content_pb2.ToolCall) -> str:
            made.append(call.id)
            run.cancel()
            return "sunny"

        run = client.run_tools(REQUEST, [function(do)])
        for _ in range(2):
            with pytest.raises(sluice.SluiceError, match="CANCELLED"):
                run.collect()

    await with_client(gateway, work)
    assert made == ["c1"]
    assert len(gateway.requests) == 1


async def test_leaving_a_run_cancels_its_turn(gateway: Gateway) -> None:
    """As leaving a stream does."""
    gateway.turns = [calls(call("f")), HANGS]

    def run(client: sluice.Client) -> None:
        for _ in client.run_tools(REQUEST, [function(lambda _: "sunny")]).text():
            break
        client.health()

    await with_client(gateway, run)
    async with asyncio.timeout(SECONDS):
        await gateway.ended.wait()


async def test_a_client_that_is_closed_ends_its_streams(gateway: Gateway) -> None:
    """And whatever is begun later, in a run of tools as well."""
    gateway.turns = [HANGS, calls(call("f"))]

    def close(client: sluice.Client) -> None:
        stream = client.generate(REQUEST)
        next(stream)

        def closing(_: content_pb2.ToolCall) -> str:
            client.close()
            return "done"

        run = client.run_tools(REQUEST, [function(closing)])
        with pytest.raises(sluice.SluiceError, match=r"CANCELLED: The client was closed\."):
            run.collect()
        assert len(run.answers) == 1
        with pytest.raises(sluice.SluiceError, match="CANCELLED"):
            stream.collect()
        for later in (lambda: client.collect(REQUEST), client.get_metrics, client.health):
            with pytest.raises(sluice.SluiceError, match=r"CANCELLED: The client was closed\."):
                later()

    await with_client(gateway, close)


async def test_all_pages_are_one_list(gateway: Gateway) -> None:
    """With the filter for each."""

    def read(client: sluice.Client) -> list[str]:
        return [model.name for model in client.models(model_pb2.ModelFilter(query="m"))]

    assert await with_client(gateway, read) == ["m0", "m1", "m2"]


async def test_health_and_a_failed_call(gateway: Gateway) -> None:
    """The answer is a number with a name; what fails is a SluiceError here too."""

    def ask(client: sluice.Client) -> list[int]:
        with pytest.raises(sluice.SluiceError) as raised:
            client.health("nobody")
        assert raised.value.status is grpc.StatusCode.NOT_FOUND
        with pytest.raises(sluice.SluiceError, match="DEADLINE_EXCEEDED"):
            client.get_metrics(timeout=0.1)
        return [client.health(), client.health("down")]

    serving = HealthCheckResponse
    assert await with_client(gateway, ask) == [serving.SERVING, serving.NOT_SERVING]
