"""A caller that means well, and the provider that answers it: a process of their own.

Beside the attacker they would share its event loop, and its load would look like the server's.
Told an address, they stream call after call and ask for health; told to report, they say what
they saw since the last time.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import grpc
from grpc_health.v1 import health_pb2

from tests.support.channels import NO_RETRIES, channel_to, health_on, stub_on
from tests.support.client import request
from tests.support.openai_stream import DONE, finish, role, text, usage
from tests.support.replies import Delay, Offer, event, sse
from tests.support.upstream import Upstream

if TYPE_CHECKING:
    from sluice.v1.gateway_service_pb2_grpc import GatewayServiceAsyncStub

PIECES = 20
PACE_SECONDS = 0.01
STREAMS = 4
REPORT_SECONDS = 30.0
"""Longest wait for streams of half a second to end."""
FLOOD = "answer without end"
"""A request that says so is answered with more than anybody reads."""
FLOOD_BYTES = 200 << 20
WHOLE = "".join(f"piece {number} " for number in range(PIECES))


@dataclass
class Seen:
    """What the caller saw."""

    whole: int = 0
    """Streams that came to their end with every character."""
    broken: list[str] = field(default_factory=list)
    """What was wrong with the others."""
    gaps: list[float] = field(default_factory=list)
    """Seconds between two messages of a stream, and before the first."""
    healthy: int = 0
    """Checks that said SERVING."""
    unhealthy: list[str] = field(default_factory=list)
    """What the others said."""

    @property
    def p99(self) -> float:
        """The gap that one in a hundred exceeds, in seconds."""
        return sorted(self.gaps)[int(len(self.gaps) * 0.99)] if self.gaps else 0.0


class _Bystander:
    def __init__(self) -> None:
        self.seen = Seen()
        self._ended = 0
        self._one_ended = asyncio.Condition()

    async def stream(self, channel: grpc.aio.Channel) -> None:
        """Call for ever."""
        stub = stub_on(channel)
        while True:
            await self._call(stub)
            async with self._one_ended:
                self._ended += 1
                self._one_ended.notify_all()

    async def _call(self, stub: GatewayServiceAsyncStub) -> None:
        got, last = "", time.monotonic()
        try:
            async for message in stub.Generate(request(), timeout=60):
                now = time.monotonic()
                self.seen.gaps.append(now - last)
                last = now
                got += "".join(event.text_delta.text for event in message.events)
        except grpc.aio.AioRpcError as error:
            self.seen.broken.append(f"{error.code().name}: {error.details()}")
            await asyncio.sleep(0.1)
            return
        if got == WHOLE:
            self.seen.whole += 1
        else:
            self.seen.broken.append(f"{len(got)} of {len(WHOLE)} characters")

    async def check(self, channel: grpc.aio.Channel) -> None:
        """Ask for health for ever."""
        health = health_on(channel)
        while True:
            try:
                answer = await health.Check(health_pb2.HealthCheckRequest(), timeout=10)
            except grpc.aio.AioRpcError as error:
                self.seen.unhealthy.append(error.code().name)
            else:
                if answer.status == health_pb2.HealthCheckResponse.SERVING:
                    self.seen.healthy += 1
                else:
                    self.seen.unhealthy.append(str(answer.status))
            await asyncio.sleep(0.05)

    async def report(self) -> str:
        """Return what was seen since the last time, once what is open now has ended."""
        async with self._one_ended:
            # Twice: what an attack left to do may come later than its end.
            enough = self._ended + 2 * STREAMS
            await self._one_ended.wait_for(lambda: self._ended >= enough)
        seen, self.seen = self.seen, Seen()
        return json.dumps(asdict(seen))


async def _main() -> None:
    paced = [(text(f"piece {number} "), Delay(PACE_SECONDS)) for number in range(PIECES)]
    reply = sse(
        role(), *(step for pair in paced for step in pair), finish("stop"), usage(1, 1), DONE
    )
    piece = event(text("river " * 2000)) * 4
    flood = sse(role(), Offer(lambda _: piece, FLOOD_BYTES))
    lines = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(lines)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
    async with Upstream() as upstream:
        upstream.answer(lambda asked: flood if FLOOD.encode() in asked.body else reply)
        _tell(upstream.base_url)
        target = (await lines.readline()).decode().strip()
        bystander = _Bystander()
        async with channel_to(target, NO_RETRIES) as channel:
            streams = (bystander.stream(channel) for _ in range(STREAMS))
            tasks = [asyncio.create_task(it) for it in (*streams, bystander.check(channel))]
            while await lines.readline():
                _tell(await bystander.report())
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)


def _tell(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


class Bystander:
    """Holds the other end of that process's pipes."""

    def __init__(self, process: asyncio.subprocess.Process, base_url: str) -> None:
        self._process = process
        self.base_url = base_url
        """Where the provider answers."""

    @property
    def port(self) -> int:
        """Where its provider listens."""
        return int(self.base_url.split(":")[2].partition("/")[0])

    async def call(self, target: str) -> None:
        """Let it call this server from now on."""
        await self._say(target)

    async def report(self) -> Seen:
        """Return what it saw since the last time, once what is open now has ended."""
        await self._say("report")
        assert self._process.stdout is not None
        async with asyncio.timeout(REPORT_SECONDS):
            return Seen(**json.loads(await self._process.stdout.readline()))

    async def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n".encode())
        await self._process.stdin.drain()


@asynccontextmanager
async def bystander() -> AsyncIterator[Bystander]:
    """Run the process; it calls nobody yet."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.hostile.bystander"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=1 << 24,
    )
    assert process.stdout is not None
    try:
        yield Bystander(process, (await process.stdout.readline()).decode().strip())
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


if __name__ == "__main__":
    asyncio.run(_main())
