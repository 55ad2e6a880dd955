"""What is left to do when a call is over, without holding up its caller.

Giving room back may ask a server; a caller who left, or who waits for the last
message, must not wait for that. Everything begun here is finished before the
process ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog

from sluice_server.telemetry import names

_log = structlog.get_logger("sluice.engine")


class Aftermath:
    """Runs small chores to their end."""

    def __init__(self) -> None:
        self._chores: set[asyncio.Task[None]] = set()

    def later(self, chore: Coroutine[Any, Any, None]) -> None:
        """Begin a chore."""
        task = asyncio.get_running_loop().create_task(chore)
        self._chores.add(task)
        task.add_done_callback(self._ended)

    async def aclose(self) -> None:
        """Wait for what was begun."""
        await asyncio.gather(*self._chores, return_exceptions=True)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._chores.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error(names.AFTERMATH_FAILED, exception=type(error).__qualname__)
