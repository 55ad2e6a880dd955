"""Attacks on one server process, and what became of it and of the caller beside it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import psutil

from tests.hostile.attacks import Attack
from tests.hostile.bystander import Bystander, Seen, bystander
from tests.support.configuration import PROVIDER, configuration
from tests.support.process import ServerProcess, server_process
from tests.support.upstream import Upstream

SAMPLE_SECONDS = 0.02
QUIET_SECONDS = 15.0
"""Longest wait until an attack's connections are gone from the server."""

IMPATIENT = {"max_request_seconds": 3}
"""Settings of the attacked server; all others are the defaults. Tests do not wait a minute."""


@dataclass(frozen=True)
class Outcome:
    """What one attack did."""

    name: str
    sent: str
    seconds: float
    before: int
    """Resident bytes of the server before the attack."""
    peak: int
    after: int
    descriptors: int
    """How many more open files there are when the attack is over, without kept connections to the
    provider; 0 is right."""
    seen: Seen
    """What the caller beside it saw meanwhile."""


class Scene:
    """One server, and a caller that goes on."""

    def __init__(self, server: ServerProcess, caller: Bystander) -> None:
        self.server = server
        self._caller = caller
        self._process = psutil.Process(server.pid)

    async def suffer(self, name: str, attack: Attack) -> Outcome:
        """Run one attack and look at what it did."""
        descriptors, before = self._descriptors(), self.server.resident_bytes()
        peak = before
        began = time.monotonic()
        task = asyncio.ensure_future(attack.run(self.server.channel_target))
        while not task.done():
            await asyncio.wait([task], timeout=SAMPLE_SECONDS)
            assert self.server.exit_code is None, f"{name}: the server ended"
            peak = max(peak, self.server.resident_bytes())
        await task
        seconds = time.monotonic() - began
        left = await self._left(descriptors)
        seen, after = await self._caller.report(), self.server.resident_bytes()
        return Outcome(name, attack.sent, seconds, before, peak, after, left, seen)

    async def report(self) -> Seen:
        """Return what the caller beside it saw since the last time."""
        return await self._caller.report()

    def _descriptors(self) -> int:
        # A listening socket has no peer, and its address is empty.
        ports = [it.raddr[1:] for it in self._process.net_connections("tcp")]
        return self._process.num_fds() - ports.count((self._caller.port,))

    async def _left(self, descriptors: int) -> int:
        until = time.monotonic() + QUIET_SECONDS
        while True:
            left = max(self._descriptors() - descriptors, 0)
            if not left or time.monotonic() > until:
                return left
            await asyncio.sleep(0.1)


@asynccontextmanager
async def scene(**server: Any) -> AsyncIterator[Scene]:
    """Start caller and server; `server` are settings of its section."""
    async with bystander() as caller, Upstream() as nowhere:
        config = configuration(
            nowhere,
            providers={PROVIDER: {"base_url": caller.base_url}},
            server={**IMPATIENT, **server},
        )
        async with server_process(config) as process:
            await caller.call(process.channel_target)
            await caller.report()
            yield Scene(process, caller)


async def suffered(attacks: Iterable[tuple[str, Attack]], **server: Any) -> list[Outcome]:
    """Run attacks on one server, one after the other."""
    async with scene(**server) as it:
        return [await it.suffer(name, attack) for name, attack in attacks]
