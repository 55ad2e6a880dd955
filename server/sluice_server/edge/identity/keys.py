"""The keys of an issuer of JWTs: read at start, again from time to time, and when one is missing.

Keys that cannot be read again are believed for a while: an outage of the issuer need not be
one of ours.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import Awaitable, Callable
from typing import Any

import jwt
import msgspec
import structlog

from sluice_server.errors import OverloadedError, SluiceError
from sluice_server.telemetry import names

RETRY_SECONDS = 10.0
"""Shortest time between two readings that failed, or that tokens of unknown keys caused: whoever
invents key ids must not make us flood the issuer."""

MOST_KEYS = 100
"""Keys of one set that are looked at; issuers have two or three."""

_log = structlog.get_logger("sluice.jwt")


class _Member(msgspec.Struct):
    """What is read of one key before it is used."""

    kty: str
    kid: str = ""
    use: str = "sig"
    alg: str = ""


class KeySet:
    """One issuer's keys."""

    def __init__(
        self,
        issuer: str,
        load: Callable[[], Awaitable[bytes]],
        *,
        refresh_seconds: float,
        max_age_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take where keys come from.

        Args:
            issuer: Name for logs and errors.
            load: Reads the set; raises SluiceError, OSError or TimeoutError when it cannot.
            refresh_seconds: How often it is read again.
            max_age_seconds: For how long it is believed meanwhile.
            clock: Tells the time in seconds.
        """
        self._issuer = issuer
        self._load = load
        self._refresh = refresh_seconds
        self._max_age = max_age_seconds
        self._clock = clock
        self._members: list[tuple[_Member, dict[str, Any]]] = []
        self._made: dict[tuple[str, str], jwt.PyJWK | None] = {}
        self._read_at = -math.inf
        self._asked_at = -math.inf
        self._raw = b""
        self._failed = False
        self._reading: asyncio.Task[None] | None = None
        self._keeping: asyncio.Task[None] | None = None
        self.generation = 0
        """Counts changes of the keys."""

    @property
    def believed(self) -> bool:
        """Whether there are keys that are not too old."""
        return self._clock() - self._read_at <= self._max_age

    def start(self) -> None:
        """Read the keys, and keep them fresh."""
        self._keeping = asyncio.create_task(self._keep(), name=f"jwt-keys-{self._issuer}")

    async def aclose(self) -> None:
        """Stop reading."""
        for task in (self._keeping, self._reading):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    async def find(self, kid: str, algorithm: str) -> jwt.PyJWK | None:
        """Return the key of this id for this algorithm; None when the issuer has none.

        A token without an id is meant for the only key.

        Raises:
            OverloadedError: the keys are not known at the moment.
        """
        key = self._key(kid, algorithm) if self.believed else None
        if key is None and (self._reading or self._clock() - self._asked_at >= RETRY_SECONDS):
            self._asked_at = self._clock()
            await asyncio.shield(self._read())
            key = self._key(kid, algorithm) if self.believed else None
        if key is None and not self.believed:
            raise OverloadedError(
                "The keys of the token's issuer cannot be read at the moment.",
                retry_after=RETRY_SECONDS,
            )
        return key

    def _key(self, kid: str, algorithm: str) -> jwt.PyJWK | None:
        wanted = kid, algorithm
        if wanted not in self._made:
            made = self._make(kid, algorithm)
            if made is None:
                # Ids that are invented shall not be remembered.
                return None
            self._made[wanted] = made
        return self._made[wanted]

    def _make(self, kid: str, algorithm: str) -> jwt.PyJWK | None:
        fitting = [
            data
            for member, data in self._members
            if (not kid or member.kid == kid) and member.alg in ("", algorithm)
        ]
        if not fitting or (not kid and len(self._members) > 1):
            return None
        try:
            return jwt.PyJWK(fitting[0], algorithm)
        except (jwt.PyJWTError, ValueError, TypeError, KeyError):
            return None

    async def _keep(self) -> None:
        while True:
            await asyncio.shield(self._read())
            longest = RETRY_SECONDS if self._failed else self._refresh
            await asyncio.sleep(min(self._refresh, longest))

    def _read(self) -> asyncio.Task[None]:
        """Return the reading that is under way, or a new one."""
        if self._reading is None:
            self._reading = asyncio.create_task(self._read_now())
        return self._reading

    async def _read_now(self) -> None:
        try:
            raw = await self._load()
            members = _members(raw)
        except (SluiceError, OSError, ValueError, TimeoutError) as error:
            if not self._failed:
                reason = str(error) or type(error).__name__
                _log.warning(names.JWT_KEYS_FAILED, issuer=self._issuer, message=reason)
            self._failed = True
        else:
            if self._failed or not self._raw:
                _log.info(names.JWT_KEYS_READ, issuer=self._issuer, keys=len(members))
            self._failed = False
            self._read_at = self._clock()
            if raw != self._raw:
                self._raw, self._members = raw, members
                self._made.clear()
                self.generation += 1
        finally:
            self._reading = None


def _members(raw: bytes) -> list[tuple[_Member, dict[str, Any]]]:
    """Return the keys of a set that may check signatures; shared secrets never do.

    Raises:
        ValueError: it is no key set, or holds no such key.
    """
    document = msgspec.json.decode(raw)
    keys = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(keys, list):
        raise ValueError("It is not a JSON Web Key Set.")  # noqa: TRY004 - it is text from outside
    found = []
    for data in keys[:MOST_KEYS]:
        # A key of a kind that is new to us must not spoil the others.
        with contextlib.suppress(msgspec.ValidationError):
            member = msgspec.convert(data, _Member)
            if member.kty != "oct" and member.use == "sig":
                found.append((member, data))
    if not found:
        raise ValueError("The key set has no key that could check a signature.")
    return found
