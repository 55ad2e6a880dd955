"""One call's use of one credential: its secret, its probe, and what the call proved.

What follows from that is decided in `pool`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from pydantic import SecretStr

from sluice_server.credentials.rests import PROBE_SECONDS, Rest
from sluice_server.credentials.source import Credential
from sluice_server.errors import UpstreamError
from sluice_server.state.locks import SharedValues


class Judge(Protocol):
    """The pool, as far as one use needs it."""

    @property
    def locks(self) -> SharedValues | None:
        """Where replicas agree on who probes."""

    async def outcome(
        self, credential: Credential | None, error: BaseException | None, *, started: float
    ) -> None:
        """Learn how a call ended that was sent at `started`."""

    def no_secret(self, credential: Credential, error: UpstreamError, *, started: float) -> None:
        """Learn that a source had no secret."""

    async def still_free(self, rests: Sequence[Rest]) -> bool:
        """Ask whether none of `rests` was made to rest again by another replica."""


class Use:
    """What one call does with a credential. Every `take` is followed by `ended`."""

    def __init__(
        self,
        pool: Judge,
        credential: Credential | None,
        started: float,
        probes: Sequence[Rest],
    ) -> None:
        self.credential = credential
        self._pool = pool
        self._started = started
        self._probes = probes
        self._locks: list[tuple[str, str]] = []
        self._accepted = False
        self._ended = False

    @property
    def is_probe(self) -> bool:
        """Whether this call finds out for others whether the credential works again."""
        return bool(self._probes)

    async def secret(self) -> SecretStr | None:
        """Return the secret to send; None where none is taken. Without one the use is over.

        Raises:
            ProviderCredentialRejectedError, ProviderUnavailableError: as the source.
        """
        if self.credential is None:
            return None
        try:
            return await self.credential.source.secret()
        except UpstreamError as error:
            self._pool.no_secret(self.credential, error, started=self._started)
            await self.give_up()
            raise

    async def accepted(self) -> None:
        """Learn that the provider took the call (a 2xx); others need not wait for its end."""
        if not self._accepted:
            self._accepted = True
            await self._pool.outcome(self.credential, None, started=self._started)
            await self._release()

    async def ended(self, error: BaseException | None) -> None:
        """Learn how the call ended, cancellation included. A second time changes nothing."""
        if self._ended:
            return
        self._ended = True
        try:
            if error is None:
                await self.accepted()
            else:
                await self._pool.outcome(self.credential, error, started=self._started)
        finally:
            await self._release()

    async def _release(self) -> None:
        probes, self._probes = self._probes, ()
        for rest in probes:
            rest.free()
        held, self._locks = self._locks, []
        for name, token in held:
            if self._pool.locks is not None:
                await self._pool.locks.unlock(name, token)

    async def claim(self) -> bool:
        """Win the probe against other replicas; tells whether the credential may be used."""
        locks = self._pool.locks
        for rest in self._probes if locks is not None else ():
            name = f"probe/{rest.key}"
            token = await locks.lock(name, ttl=PROBE_SECONDS) if locks is not None else None
            if token is None:
                return False
            self._locks.append((name, token))
        # Another replica's probe may have failed since this one last asked.
        return not self._probes or await self._pool.still_free(self._probes)

    async def give_up(self) -> None:
        """Leave the credential alone: nothing was sent, and nothing is proved."""
        self._ended = True
        await self._release()
