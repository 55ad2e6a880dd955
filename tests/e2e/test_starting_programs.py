"""Do programs that the server's process starts begin well while calls run?

Before an embedded model, or a courier of tokens, runs a line of its own, its process is a
copy of the server's with all of gRPC in it.
"""

import asyncio
from collections import Counter
from contextlib import AsyncExitStack

from grpc_health.v1.health_pb2 import HealthCheckRequest

from tests.support.channels import health_on
from tests.support.configuration import configuration
from tests.support.server import running
from tests.support.upstream import Upstream

PROGRAMS = 200
CALLERS = 8
PATIENCE = 20.0


async def test_programs_start_while_calls_run(upstream: Upstream) -> None:
    """GRPC's hooks for forks, left on, crashed some in a hundred of them under uvloop."""
    ended: Counter[int] = Counter()
    done = asyncio.Event()
    async with running(configuration(upstream)) as server:
        health = health_on(server.channel)

        async def calls() -> None:
            while not done.is_set():
                await health.Check(HealthCheckRequest(), timeout=PATIENCE)

        async with asyncio.TaskGroup() as callers, AsyncExitStack() as stack:
            stack.callback(done.set)
            for _ in range(CALLERS):
                callers.create_task(calls())
            for _ in range(PROGRAMS):
                program = await asyncio.create_subprocess_exec("true")
                ended[await program.wait()] += 1
    assert ended == {0: PROGRAMS}
