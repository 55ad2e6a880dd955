"""The promise of shared locks and values, for work that one replica does for all."""

from __future__ import annotations

from typing import Protocol


class SharedValues(Protocol):
    """Small values and locks with an end. Times are durations in seconds."""

    async def lock(self, name: str, *, ttl: float) -> str | None:
        """Take a lock; returns the token that proves it, or None when another has it."""

    async def unlock(self, name: str, token: str) -> None:
        """Give a lock back, if it is still ours."""

    async def put(self, name: str, value: bytes) -> None:
        """Keep a value durably; returns when it is safe."""

    async def get(self, name: str) -> bytes | None:
        """Return a value; None when there is none."""
