"""Our health as gRPC's health protocol (grpc.health.v1), `Watch` included.

Services: `""` while the process takes calls, `sluice.v1.GatewayService` while at
least one provider is usable as well, `provider/<name>` for each, `state` while the
state that replicas share can be reached, or there is none, and `config` unless the last
reload of the configuration failed. A provider that is configured no more is
SERVICE_UNKNOWN to whoever watches it or asks. While the server drains all of them are
NOT_SERVING, so that a probe of any of them sees it (docs/decisions/0004). How usable a
provider is, `health.board` judges.
"""

from __future__ import annotations

import asyncio
import contextlib

from grpc_health.v1 import health_pb2
from grpc_health.v1.health import aio as health_aio

from sluice_server.health.board import HealthBoard, ProviderHealth

TELL_SECONDS = 1.0
"""Longest wait for watchers of the health service, in seconds."""

GATEWAY = "sluice.v1.GatewayService"
STATE = "state"
CONFIG = "config"

_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN


class HealthPublisher:
    """Keeps the health service in step with the board and the shared state."""

    def __init__(self) -> None:
        self.servicer = health_aio.HealthServicer()
        self._board: HealthBoard | None = None
        self._shared = True
        self._shown: set[str] = set()
        self._wanted: dict[str, int] = {}
        self._tellers: dict[str, asyncio.Task[None]] = {}

    async def start(self, board: HealthBoard) -> None:
        """Publish the board's view and follow it from now on."""
        self._board = board
        for name, health in board.providers.items():
            await self.servicer.set(f"provider/{name}", _status(health.usable))
        await self.servicer.set(GATEWAY, _status(board.usable()))
        await self.servicer.set(STATE, _status(self._shared))
        await self.servicer.set(CONFIG, _SERVING)
        self._shown = set(board.providers)

    def refit(self) -> None:
        """Publish the board's providers, of which some may be new or gone; returns at once."""
        if self._board is None:
            return
        for name in self._shown.difference(self._board.providers):
            self._later(f"provider/{name}", _UNKNOWN)
        for name, health in self._board.providers.items():
            self._later(f"provider/{name}", _status(health.usable))
        self._later(GATEWAY, _status(self._board.usable()))
        self._shown = set(self._board.providers)

    def configured(self, *, well: bool) -> None:
        """Publish whether the last reload of the configuration worked; returns at once.

        Calls go on by the one in force, so no other service follows.
        """
        if self._board is not None:
            self._later(CONFIG, _status(well))

    def changed(self, provider: str, health: ProviderHealth) -> None:
        """Publish a change; returns at once."""
        if self._board is None:
            return
        self._later(f"provider/{provider}", _status(health.usable))
        self._later(GATEWAY, _status(self._board.usable()))

    def sharing(self, *, up: bool) -> None:
        """Publish whether the shared state can be reached; returns at once.

        Calls go on without it, so no other service follows.
        """
        self._shared = up
        if self._board is not None:
            self._later(STATE, _status(up))

    async def drain(self) -> None:
        """Tell every watcher and probe, for good, that the end has begun."""
        # A watcher that does not read must not hold up the end.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(TELL_SECONDS):
                await self.servicer.enter_graceful_shutdown()

    async def aclose(self) -> None:
        """Stop telling; what a watcher did not take is lost."""
        tellers = list(self._tellers.values())
        for teller in tellers:
            teller.cancel()
        await asyncio.gather(*tellers, return_exceptions=True)

    def _later(self, service: str, status: int) -> None:
        self._wanted[service] = status
        # One teller per service: a watcher that does not read holds up one task, however often
        # the state changes meanwhile.
        if service not in self._tellers:
            self._tellers[service] = asyncio.create_task(self._tell(service))

    async def _tell(self, service: str) -> None:
        try:
            while service in self._wanted:
                await self.servicer.set(service, self._wanted.pop(service))
        finally:
            del self._tellers[service]


def _status(serving: bool) -> int:
    return _SERVING if serving else _NOT_SERVING
