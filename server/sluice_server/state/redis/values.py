"""Locks and small values that replicas share: one key each."""

from __future__ import annotations

import math
import secrets

from sluice_server.state.redis.scripts import TIMEOUT_SECONDS, Connection, Script

_LOCK, _VALUE = "{sluice}:lock:", "{sluice}:value:"
_UNLOCK = Script("unlock", common=False)


class RedisValues:
    """`SharedValues` for many replicas. Every method may raise ConnectionError.

    A value has no end and is as durable as the Redis is set up to be
    (`appendonly yes` for credentials).
    """

    def __init__(self, url: str, *, timeout: float = TIMEOUT_SECONDS) -> None:
        """Take the address of a Redis, and how long to wait for it in seconds."""
        self._connection = Connection(url, timeout=timeout)

    async def lock(self, name: str, *, ttl: float) -> str | None:
        """Take a lock; returns the token that proves it, or None when another has it."""
        token = secrets.token_hex(16)
        milliseconds = max(1, math.ceil(ttl * 1000))
        taken = await self._connection.command("SET", _LOCK + name, token, "NX", "PX", milliseconds)
        return token if taken else None

    async def unlock(self, name: str, token: str) -> None:
        """Give a lock back, if it is still ours."""
        await self._connection.run(_UNLOCK, [_LOCK + name], token)

    async def put(self, name: str, value: bytes) -> None:
        """Keep a value; returns when Redis has taken it."""
        await self._connection.command("SET", _VALUE + name, value)

    async def get(self, name: str) -> bytes | None:
        """Return a value; None when there is none."""
        value: bytes | None = await self._connection.command("GET", _VALUE + name)
        return value

    async def aclose(self) -> None:
        """Close the connections."""
        await self._connection.aclose()
