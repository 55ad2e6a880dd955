"""Where an upstream call gets what it needs to begin: a closed circuit, a credential, and room.

Waiting for room is `limits.admission`'s, choosing among credentials the pool's, and
what a circuit lets pass `health.breakers`'; here they are asked in their order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sluice_server.credentials.source import Credential
from sluice_server.engine.headroom import Headroom
from sluice_server.engine.key_pages import KeyPages
from sluice_server.engine.planning import Target
from sluice_server.engine.ticket import Credentials, Ticket, take_ticket
from sluice_server.errors import (
    CircuitOpenError,
    ProviderCredentialRejectedError,
    ProviderQuotaExhaustedError,
)
from sluice_server.health.breakers import Breakers, Circuit
from sluice_server.health.families import family
from sluice_server.limits.admission import Admission, Ask
from sluice_server.limits.estimate import Estimate
from sluice_server.providers.capabilities import Feature, Support


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """On which terms an attempt asks to begin."""

    estimate: Estimate
    pool: Credentials
    caller: str
    low_priority: bool
    may_wait: bool
    max_cost: int | None
    """What the caller is ready to pay, in nano-dollars; None for anything."""
    excluded: frozenset[str]
    """Credentials that failed this turn already."""
    renewed: frozenset[str]
    """Credentials whose secret was renewed this turn already: once is enough."""


class Entrance:
    """Lets upstream calls begin."""

    def __init__(
        self,
        admission: Admission,
        headroom: Headroom,
        key_pages: KeyPages,
        breakers: Breakers,
    ) -> None:
        self._admission = admission
        self._headroom = headroom
        self._key_pages = key_pages
        self._breakers = breakers

    async def enter(
        self, target: Target, entry: Entry, *, cost: int | None, deadline: float | None
    ) -> Ticket:
        """Return what a call needs, at once or when there is room.

        Args:
            target: Where it goes.
            entry: Its terms.
            cost: What it may cost, in nano-dollars; None where nobody knows.
            deadline: Moment of `time.monotonic`; None when the caller set none.

        Raises:
            CircuitOpenError: the circuits of all credentials are open.
            SluiceError: whatever `Admission.admit` raises.
        """
        provider, model = target.upstream.provider, target.model
        dialect = provider.dialect_of(model)
        while True:
            waits = self._open(target, entry)
            ask = Ask(
                provider=provider.name,
                model=model,
                estimate=entry.estimate,
                cost=cost,
                caller=entry.caller,
                pool=entry.pool,
                excluded=entry.excluded.union(waits),
                deadline=deadline,
                no_wait=not entry.may_wait,
                low_priority=entry.low_priority,
                tells_limits=dialect.capabilities[Feature.RATE_LIMITS] is not Support.NO,
            )
            try:
                ticket = await take_ticket(self._admission, entry.pool, ask, self._headroom)
            except (ProviderCredentialRejectedError, ProviderQuotaExhaustedError):
                if waits:
                    # Others would work, were it not for their circuits.
                    raise _circuit_open(target, min(waits.values())) from None
                raise
            passage = self._breakers.begin(_circuit(target, ticket.credential))
            if passage is not None:
                ticket.passage = passage
                if ticket.credential is not None:
                    self._key_pages.used(ticket.credential, ticket.group)
                return ticket
            # Its circuit opened, or somebody else probes it, while this call waited.
            await ticket.over(None, None, left=True)

    def _open(self, target: Target, entry: Entry) -> Mapping[str, float]:
        """Return the credentials whose circuits are open, with the seconds until a probe.

        Raises:
            CircuitOpenError: there is no other.
        """
        if not self._breakers.tripped(target.upstream.provider.name):
            return {}
        blocked = self._breakers.blocked
        candidates: Sequence[Credential | None] = [
            each for each in entry.pool.credentials if each.name not in entry.excluded
        ] or ([None] if not entry.pool.credentials else [])
        waits = {
            "" if each is None else each.name: wait
            for each in candidates
            if (wait := blocked(_circuit(target, each))) is not None
        }
        if waits and len(waits) == len(candidates):
            raise _circuit_open(target, min(waits.values()))
        return waits


def _circuit_open(target: Target, wait: float) -> CircuitOpenError:
    name = target.upstream.provider.name
    error = CircuitOpenError(f"Provider {name} fails, and is not called for now.", retry_after=wait)
    error.provider, error.model = name, target.model
    return error


def _circuit(target: Target, credential: Credential | None) -> Circuit:
    return Circuit(
        target.upstream.provider.name,
        "" if credential is None else credential.name,
        family(target.model),
    )
