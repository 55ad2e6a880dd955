"""Does a server that is told to stop under load lose anything? Single calls: `test_draining`."""

import asyncio
import time

import grpc
from grpc_health.v1 import health_pb2

from tests.support.channels import NO_RETRIES, channel_to, health_on, stub_on
from tests.support.client import collect_failure, request
from tests.support.configuration import configuration
from tests.support.openai_stream import DONE, finish, role, text
from tests.support.policies import RETRYING
from tests.support.process import server_process
from tests.support.readers import Reader
from tests.support.replies import Delay, Gate, Piece, Reply, Step, event, sse
from tests.support.upstream import Request, Upstream

STREAMS = 50
PIECES = 20
PAUSE_SECONDS = 0.1
SERVICES = ("", "sluice.v1.GatewayService", "provider/up")


def pieces(number: int) -> list[str]:
    """Return the answer to a question, as pieces of its stream; no two are equal."""
    return [f"{number}.{place} 水 " for place in range(PIECES)]


def paced(received: Request, gate: Gate) -> Reply:
    """Answer a question at a reader's pace; the first one ends when the gate is opened."""
    number = int(received.json["messages"][0]["content"].removeprefix("question "))
    steps: list[Step] = []
    for piece in pieces(number):
        steps += Piece(event(text(piece))), Delay(PAUSE_SECONDS)
    held = [] if number else [gate]
    return sse(role(), steps, held, finish("stop"), DONE)


async def test_running_streams_end_whole(upstream: Upstream) -> None:
    """Fifty streams run on to their ends; everybody else is refused with a hint meanwhile.

    Health turns before the first refusal, and stays so to the end. The exit code is 0.
    """
    gate = Gate()
    upstream.answer(lambda received: paced(received, gate))
    async with (
        server_process(configuration(upstream)) as server,
        channel_to(server.channel_target, NO_RETRIES) as channel,
        channel_to(str(server.started["health"])) as health_channel,
    ):
        stub, health = stub_on(channel), health_on(health_channel)
        async with asyncio.timeout(20):
            readers = [Reader(stub.Generate(request(f"question {n}"))) for n in range(STREAMS)]
            for reader in readers:
                await reader.reads(1)
            watch = health.Watch(health_pb2.HealthCheckRequest(service=SERVICES[1]))
            await watch.read()

            server.terminate()
            told = time.monotonic()
            assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
            assert time.monotonic() - told < 2
            refused = 0
            while sum(reader.ended for reader in readers) < STREAMS // 2:
                got = await collect_failure(stub.Generate(request("question 0")))
                assert (got.code, got.reason) == (grpc.StatusCode.UNAVAILABLE, "OVERLOADED")
                assert got.pushback == "250"
                assert got.retry_seconds == 0.25
                for service in SERVICES:
                    check = health_pb2.HealthCheckRequest(service=service)
                    status = (await health.Check(check)).status
                    assert status == health_pb2.HealthCheckResponse.NOT_SERVING
                refused += 1
                await asyncio.sleep(PAUSE_SECONDS / 5)
            gate.open()
            for number, reader in enumerate(readers):
                await reader.wait()
                assert reader.failure is None, reader.failure
                assert reader.whole
                assert reader.answer.text == "".join(pieces(number))
            assert await server.wait() == 0
        assert refused
        assert len(upstream.requests) == STREAMS
        (stopped,) = (line for line in server.log if line["event"] == "server.stopped")
        assert stopped["cut"] == 0


async def test_the_last_words_arrive(upstream: Upstream) -> None:
    """The process waits until the ends of its last streams were sent, large ones too."""
    gates = [Gate() for _ in range(20)]
    piece = "水" * 100_000
    upstream.reply(
        *(
            sse(text("one"), gate, *[text(piece) for _ in range(6)], finish("stop"), DONE)
            for gate in gates
        )
    )
    async with (
        server_process(configuration(upstream)) as server,
        channel_to(server.channel_target, NO_RETRIES) as channel,
        asyncio.timeout(40),
    ):
        readers = [Reader(stub_on(channel).Generate(request())) for _ in gates]
        for reader in readers:
            await reader.reads(3)
        server.terminate()
        await server.wait_for_log("server.draining")
        for gate in gates:
            gate.open()
        for reader in readers:
            await reader.wait()
            assert reader.failure is None, reader.failure
            assert reader.answer.text == "one" + 6 * piece
            assert reader.answer.is_complete
        assert await server.wait() == 0


async def test_who_would_not_come_back_is_served(upstream: Upstream) -> None:
    """A call that a library tries for the fourth time is not refused again, and runs once."""
    gate = Gate()
    last: list[Step] = [*sse(text("fine"), finish("stop"), DONE).steps]
    upstream.reply(sse(text("one"), gate, finish("stop"), DONE), Reply(*last))
    async with (
        server_process(configuration(upstream)) as server,
        channel_to(server.channel_target, RETRYING) as channel,
    ):
        stub = stub_on(channel)
        async with asyncio.timeout(20):
            running = Reader(stub.Generate(request()))
            await running.reads(3)
            server.terminate()
            await server.wait_for_log("server.draining")
            late = Reader(stub.Generate(request()))
            await late.wait()
            assert late.failure is None, late.failure
            assert late.answer.text == "fine"
            # Three refusals, each with 250 ms to wait.
            assert late.seconds >= 0.75
            gate.open()
            await running.wait()
            assert running.failure is None
            assert await server.wait() == 0
    refusals = [line for line in server.log if line.get("reason") == "OVERLOADED"]
    assert len(refusals) == 3
    assert len(upstream.requests) == 2
