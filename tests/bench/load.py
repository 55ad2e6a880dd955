"""The load generator: a process that keeps a number of calls in flight and checks each answer.

    python -m tests.bench.load '{"port": 50051, "shape": "events", ...}'      see `Order`

It warms the server up, says "ready", waits for a line, makes the calls, says "done", and after
that, when no clock runs, checks the answers and prints one JSON object (`Outcome`). What the
server spent meanwhile is read by the parent, which is why the two lines exist.
"""

import asyncio
import gc
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from typing import Final, Self

import uvloop

from sluice.v1.content_pb2 import Message, Part, Role
from sluice.v1.gateway_service_pb2 import GenerateRequest
from tests.bench.errors import BenchError
from tests.bench.handshake import announce, wait_for_parent
from tests.bench.http2 import Call, Connection
from tests.bench.plan import METHOD, MODEL, PACE_SECONDS, PROMPTS, SYSTEM_PROMPT, TOKENS, Scenario
from tests.bench.verify import Checked, Shape, check

CONNECTIONS: Final = 8
"""Callers are several processes in production; one connection would serialise all writes."""

STALL_SECONDS: Final = 120.0
"""Longest wait for one call. Nothing here takes seconds; what does is stuck."""


@dataclass(frozen=True, slots=True)
class Order:
    """What one load process has to do."""

    port: int
    shape: Shape
    scenario: Scenario
    calls: int
    """Calls that count."""
    warm_up_calls: int
    """Calls before them, checked but not counted."""
    concurrency: int
    """Calls in flight at once."""

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote."""
        return cls(**json.loads(text))

    def to_json(self) -> str:
        """Write the order as a command-line argument."""
        return json.dumps(asdict(self))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the client side saw."""

    wall_seconds: float
    """From the first request to the last end."""
    own_cpu_seconds: float
    """What the generator itself spent meanwhile."""
    first_output_seconds: list[float]
    """Per call."""
    total_seconds: list[float]
    """Per call."""
    messages: int
    """gRPC messages received in all."""


class Load:
    """Makes calls over a handful of connections."""

    def __init__(self, order: Order, connections: list[Connection]) -> None:
        self._order = order
        self._connections = connections
        prompt = [
            Message(role=Role.ROLE_SYSTEM, parts=[Part(text=SYSTEM_PROMPT)]),
            Message(role=Role.ROLE_USER, parts=[Part(text=PROMPTS[order.scenario])]),
        ]
        self._request = GenerateRequest(model=MODEL, messages=prompt).SerializeToString()

    async def make(self, calls: int) -> list[Call]:
        """Make so many calls, `concurrency` at a time, and return their records."""
        workers = min(self._order.concurrency, calls)
        # Paced streams begin evenly spread over the time that one of them takes; otherwise all
        # of them would send their tokens in the same millisecond for the whole run.
        spread = TOKENS * PACE_SECONDS if self._order.scenario == "paced" else 0.0
        numbers = iter(range(calls))
        records: list[Call] = []
        async with asyncio.TaskGroup() as group:
            for worker in range(workers):
                connection = self._connections[worker % len(self._connections)]
                delay = spread * worker / workers
                group.create_task(self._work(connection, delay, numbers, records))
        return records

    async def _work(
        self, connection: Connection, delay: float, numbers: Iterator[int], records: list[Call]
    ) -> None:
        await asyncio.sleep(delay)
        for _ in numbers:
            call = connection.start(self._request)
            records.append(call)
            async with asyncio.timeout(STALL_SECONDS):
                await call.done


async def run(order: Order) -> Outcome:
    """Carry out an order, speaking to the parent on the way."""
    loop = asyncio.get_running_loop()
    authority = f"127.0.0.1:{order.port}"
    connections = [Connection(authority, METHOD) for _ in range(CONNECTIONS)]
    for connection in connections:
        await loop.create_connection(partial(_itself, connection), "127.0.0.1", order.port)
    load = Load(order, connections)
    for call in await load.make(order.warm_up_calls):
        check(call, order.shape)
    gc.collect()
    gc.disable()
    announce("ready")
    wait_for_parent()
    cpu, wall = time.process_time(), time.perf_counter()
    records = await load.make(order.calls)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    announce("done")
    checked = [check(call, order.shape) for call in records]
    if len(checked) != order.calls:
        raise BenchError(f"{len(checked)} calls were made instead of {order.calls}.")
    for connection in connections:
        connection.close()
    return _outcome(wall, cpu, checked)


def _itself(connection: Connection) -> Connection:
    """Return what it is given, where asyncio wants a factory."""
    return connection


def _outcome(wall: float, cpu: float, checked: list[Checked]) -> Outcome:
    return Outcome(
        wall_seconds=wall,
        own_cpu_seconds=cpu,
        first_output_seconds=[answer.first_output_seconds for answer in checked],
        total_seconds=[answer.total_seconds for answer in checked],
        messages=sum(answer.messages for answer in checked),
    )


def main() -> None:
    """Carry out the order of the command line; a fault is the last line on standard error."""
    try:
        outcome = uvloop.run(run(Order.from_json(sys.argv[1])))
    except* (BenchError, OSError, TimeoutError) as group:
        fault = group.exceptions[0]
        sys.exit(f"{type(fault).__name__}: {fault}")
    announce(json.dumps(asdict(outcome)))


if __name__ == "__main__":
    main()
