"""What a call holds while it runs: room at the provider, and the use of a credential.

Taken together and given back together, whatever becomes of the call.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, cast

from pydantic import SecretStr

from sluice_server.credentials.source import Credential
from sluice_server.credentials.sources import CallerKey
from sluice_server.credentials.standing import Standing
from sluice_server.credentials.use import Use
from sluice_server.engine.headroom import Headroom
from sluice_server.health.breakers import Passage
from sluice_server.limits.admission import Admission, Ask
from sluice_server.limits.leases import Lease
from sluice_server.state.quota import Group, Observed, Unit


class Credentials(Protocol):
    """The credentials of a provider, or the one that a caller brought along."""

    @property
    def credentials(self) -> Sequence[Credential]:
        """All of them."""

    @property
    def proven(self) -> bool:
        """Whether any of them is known to work."""

    async def standing(self, *, excluded: frozenset[str]) -> Standing:
        """Return who may be used now."""

    async def take(self, credential: Credential | None) -> Use | None:
        """Begin to use one; None when somebody else was quicker."""


class Ticket:
    """Room and credential of one upstream call."""

    def __init__(self, lease: Lease, use: Use, headroom: Headroom) -> None:
        self._lease = lease
        self._headroom = headroom
        self._use = use
        self.credential = use.credential
        """What to call with; None where the provider takes none."""
        self.passage: Passage | None = None
        """Its way through a circuit, which wants to know how it ended."""

    @property
    def group(self) -> Group:
        """Whose room it holds."""
        return self._lease.group

    @property
    def limit(self) -> str:
        """What had no room when it was asked for; empty when there was some at once."""
        return self._lease.limit

    @property
    def borrowed(self) -> bool:
        """Whether the secret is the caller's own, and to be kept nowhere."""
        return self.credential is not None and isinstance(self.credential.source, CallerKey)

    async def secret(self) -> SecretStr | None:
        """Return what to send as proof; None where none is taken.

        Raises:
            ProviderCredentialRejectedError, ProviderUnavailableError: there is none.
        """
        return await self._use.secret()

    async def head(self, seen: Sequence[Observed], *, accepted: bool) -> None:
        """Learn what the head of the response said."""
        await self._lease.observe(seen)
        group = self.group
        self._headroom.learn(group.provider, group.scope, seen)
        if accepted:
            await self._use.accepted()

    async def over(
        self, spent: Mapping[Unit, int] | None, error: BaseException | None, *, left: bool
    ) -> None:
        """Give everything back; a second time does nothing.

        `left`: the caller left, which says nothing about the credential.
        """
        await self._lease.settle(spent)
        await self._use.ended(GeneratorExit() if left else error)


async def take_ticket(
    admission: Admission, pool: Credentials, ask: Ask, headroom: Headroom
) -> Ticket:
    """Wait until there are room and a credential; raises what `Admission.admit` raises."""
    while True:
        lease = await admission.admit(ask)
        credential = cast("Credential | None", lease.credential)
        use = None
        try:
            use = await pool.take(credential)
        finally:
            if use is None:
                await lease.settle(None)
        if use is not None:
            return Ticket(lease, use, headroom)
