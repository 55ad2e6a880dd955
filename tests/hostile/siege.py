"""One attack after the other on one server, while a well-behaved caller goes on calling."""

import asyncio
import resource
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2

from sluice_server.telemetry import names
from tests.hostile.attack import Attack, Place, Words
from tests.soak.footprint import Footprint, Held
from tests.support.certificates import certificates, tls_settings
from tests.support.channels import NO_RETRIES, health_on, stub_on
from tests.support.client import collect, request
from tests.support.configuration import configuration
from tests.support.openai_stream import answer, role, text
from tests.support.process import ServerProcess, server_process
from tests.support.replies import Offer, Reply, event, sse
from tests.support.upstream import Request, Upstream

ENDLESS = "endless"
TEXT = ("a river ", "that ", "goes on")
CALL_SECONDS = 5.0
"""Longest that a well-behaved call may take: milliseconds without an attack."""
CALLS_AFTER = 3
SETTLE_SECONDS = 15.0
"""Longest until what the attack took is given back."""
SPARE_DESCRIPTORS = 24
"""Connections to the provider that are kept, and what a library opens once."""
PACE_SECONDS = 0.05
"""Between two calls of the well-behaved, and between two looks at the memory."""


@dataclass
class Seen:
    """What was seen of one attack."""

    attack: Attack
    said: Words = field(default_factory=Words)
    calls: int = 0
    """Of the well-behaved, during the attack and right after it."""
    slowest: float = 0.0
    """Seconds of the slowest of them."""
    harm: list[str] = field(default_factory=list)
    """What went wrong with them, or with the server."""
    before: int = 0
    """Resident bytes before the attack."""
    peak: int = 0
    held_before: Held = field(default_factory=lambda: Held(0, 0))
    held_after: Held = field(default_factory=lambda: Held(0, 0))

    def findings(self) -> list[str]:
        """Return everything that must not be."""
        odd = [word for word in self.said if not word.startswith(self.attack.said)]
        found = [*self.harm, *(f"the server said: {word}" for word in odd)]
        if not self.said:
            found.append("the server said nothing at all")
        if self.peak - self.before > self.attack.memory:
            found.append(f"memory grew by {(self.peak - self.before) >> 20} MiB")
        if self.held_after.descriptors > self.held_before.descriptors + SPARE_DESCRIPTORS:
            found.append(f"file descriptors: {self.held_before} before, {self.held_after} after")
        return found


def raise_limit() -> int:
    """Let this process and the servers that it starts open as many files as they may."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


class Siege:
    """A server that is attacked. Made by `siege`."""

    def __init__(self, server: ServerProcess, channel: grpc.aio.Channel) -> None:
        self._server = server
        self._channel = channel
        self._footprint = Footprint(server.pid)
        self._place = Place(
            address=server.channel_target,
            request=request().SerializeToString(),
            model=f"up/{ENDLESS}",
        )

    async def suffer(self, attack: Attack) -> Seen:
        """Let the attack run, and tell what became of everybody."""
        seen = Seen(attack)
        seen.before = seen.peak = self._server.resident_bytes()
        seen.held_before = self._footprint.held()
        lines, plain_lines = len(self._server.log), len(self._server.plain_lines)
        over = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(_watch(self._server, seen, over))
            group.create_task(_behave_well(self._channel, seen, over))
            try:
                seen.said = await attack.launch(self._place)
            except* OSError as failed:
                seen.harm.append(f"the attacker could not connect: {failed.exceptions[0]}")
            finally:
                over.set()
        if self._server.exit_code is not None:
            seen.harm.append(f"the server ended with {self._server.exit_code}")
            return seen
        await _settle(self._footprint, seen)
        seen.harm += [
            f"a bug was logged: {line}"
            for line in self._server.log[lines:]
            if line["event"] == names.CALL_FAILED_INTERNALLY
        ]
        seen.harm += [
            f"a traceback was written: {line}"
            for line in self._server.plain_lines[plain_lines:]
            if "Traceback" in line
        ]
        return seen


@asynccontextmanager
async def siege(*, tls: bool) -> AsyncIterator[Siege]:
    """Start a server, and make sure that it serves."""
    async with _upstream() as upstream, _server(upstream, tls=tls) as (server, channel):
        await _call(channel)
        yield Siege(server, channel)


async def _watch(server: ServerProcess, seen: Seen, over: asyncio.Event) -> None:
    while server.exit_code is None:
        seen.peak = max(seen.peak, server.resident_bytes())
        if over.is_set():
            return
        await asyncio.sleep(PACE_SECONDS)


async def _behave_well(channel: grpc.aio.Channel, seen: Seen, over: asyncio.Event) -> None:
    """Call, and ask for health, until some calls were made after the attack."""
    left = CALLS_AFTER
    while left:
        left -= over.is_set()
        began = time.monotonic()
        try:
            await _call(channel)
            health = await health_on(channel).Check(
                health_pb2.HealthCheckRequest(), timeout=CALL_SECONDS
            )
        except grpc.aio.AioRpcError as error:
            seen.harm.append(f"a well-behaved call: {error.code().name} {error.details()}")
            return
        except AssertionError as error:
            seen.harm.append(f"a well-behaved call: {error}")
            return
        if health.status != health_pb2.HealthCheckResponse.SERVING:
            seen.harm.append(f"health was {health.status}")
        seen.calls += 1
        seen.slowest = max(seen.slowest, time.monotonic() - began)
        await asyncio.sleep(PACE_SECONDS)


async def _call(channel: grpc.aio.Channel) -> None:
    got = await collect(stub_on(channel).Generate(request(), timeout=CALL_SECONDS))
    assert got.is_complete, "it was not whole"
    assert got.text == "".join(TEXT), "its text was another one"


async def _settle(footprint: Footprint, seen: Seen) -> None:
    """Wait until descriptors are given back, or too long."""
    ended = time.monotonic() + SETTLE_SECONDS
    while True:
        seen.held_after = footprint.held()
        most = seen.held_before.descriptors + SPARE_DESCRIPTORS
        if seen.held_after.descriptors <= most or time.monotonic() > ended:
            return
        await asyncio.sleep(0.1)


@asynccontextmanager
async def _upstream() -> AsyncIterator[Upstream]:
    """Play a provider that answers at once, and for one model without an end."""
    piece = event(text("on and " * 500)) * 4

    def reply(asked: Request) -> Reply:
        if asked.json["model"] == ENDLESS:
            return sse(role(), Offer(lambda _: piece, 1 << 40))
        return answer(*TEXT)

    async with Upstream() as upstream:
        upstream.answer(reply)
        yield upstream


@asynccontextmanager
async def _server(
    upstream: Upstream, *, tls: bool
) -> AsyncIterator[tuple[ServerProcess, grpc.aio.Channel]]:
    options = (*NO_RETRIES, ("grpc.use_local_subchannel_pool", 1))
    with tempfile.TemporaryDirectory() as name:
        folder = certificates(Path(name))
        settings = {"tls": tls_settings(folder)} if tls else {}
        async with server_process(configuration(upstream, **settings)) as server:
            target = server.channel_target
            if tls:
                credentials = grpc.ssl_channel_credentials((folder / "ca.pem").read_bytes())
                channel = grpc.aio.secure_channel(target, credentials, options=options)
            else:
                channel = grpc.aio.insecure_channel(target, options=options)
            async with channel:
                yield server, channel
