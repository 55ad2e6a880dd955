"""Shared values that outlive Redis: while it is gone, this replica locks for itself."""

from __future__ import annotations

from sluice_server.state.locks import SharedValues
from sluice_server.state.memory import MemoryValues


class SteadyValues:
    """`SharedValues` on Redis, with a local stand-in for locks and for what was read."""

    def __init__(self, remote: SharedValues) -> None:
        self._remote = remote
        self._local = MemoryValues()
        self._ours: set[str] = set()

    async def lock(self, name: str, *, ttl: float) -> str | None:
        """Take a lock; while Redis is gone it only holds off our own process."""
        try:
            return await self._remote.lock(name, ttl=ttl)
        except ConnectionError:
            token = await self._local.lock(name, ttl=ttl)
            if token is not None:
                self._ours.add(token)
            return token

    async def unlock(self, name: str, token: str) -> None:
        """Give a lock back; one that Redis keeps while it is gone ends by itself."""
        if token in self._ours:
            self._ours.discard(token)
            await self._local.unlock(name, token)
            return
        try:
            await self._remote.unlock(name, token)
        except ConnectionError:
            return

    async def put(self, name: str, value: bytes) -> None:
        """Keep a value.

        Raises:
            ConnectionError: it is not safe; nothing must be built on it.
        """
        await self._local.put(name, value)
        await self._remote.put(name, value)

    async def get(self, name: str) -> bytes | None:
        """Return a value; while Redis is gone, the last one that this replica knew."""
        try:
            value = await self._remote.get(name)
        except ConnectionError:
            return await self._local.get(name)
        if value is not None:
            await self._local.put(name, value)
        return value
