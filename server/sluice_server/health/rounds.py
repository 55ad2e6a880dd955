"""What health does as time passes: once a second everybody looks whether something is due."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import structlog

from sluice_server.telemetry import names

ROUND_SECONDS = 1.0
"""Time between two rounds."""

_log = structlog.get_logger("sluice.health")


class Rounds:
    """One task that calls what must not miss the passing of time."""

    def __init__(self, looks: Sequence[Callable[[], None]]) -> None:
        """`looks`: each quick, and no coroutine."""
        self._looks = looks
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run(), name="health-rounds")

    async def aclose(self) -> None:
        """Stop."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(ROUND_SECONDS)
            for look in self._looks:
                try:
                    look()
                except Exception as error:  # noqa: BLE001 - a bug of one must not stop the others
                    _log.error(names.HEALTH_ROUND_FAILED, exception=type(error).__qualname__)
