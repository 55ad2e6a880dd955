"""Admission over the store of one replica, with a pool of credentials and calls to admit."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sluice_server.config.settings import Settings
from sluice_server.errors import UpstreamError
from sluice_server.limits.admission import Admission, Ask
from sluice_server.limits.estimate import Estimate
from sluice_server.limits.known import Known
from sluice_server.limits.leases import Lease
from sluice_server.limits.own import OwnLimits
from sluice_server.state.memory import MemoryQuotaStore
from sluice_server.state.quota import REQUESTS, TOKENS, Group, Observed, Refusal, Reservation, Unit
from tests.unit.limits.virtual import now, settle_down

WINDOW = 60.0


@dataclass(frozen=True)
class Key:
    """A credential."""

    name: str
    scope: str = ""

    @property
    def quota_scope(self) -> str:
        """Whose limits it uses."""
        return self.scope or self.name


@dataclass
class Standing:
    """Who may be used."""

    ready: Sequence[Key] = ()
    wait: float | None = None
    needs_none: bool = False
    refusal: UpstreamError | None = None


@dataclass(eq=False)
class Pool:
    """Keys, some of which rest until a moment of the loop's time."""

    keys: Sequence[Key] = (Key("key"),)
    resting: dict[str, float] = field(default_factory=dict)
    refusal: UpstreamError | None = None

    async def standing(self, *, excluded: frozenset[str]) -> Standing:
        """Return who may be used now."""
        if not self.keys:
            return Standing(needs_none=True)
        ready, waits = [], []
        for key in self.keys:
            if key.name in excluded:
                continue
            left = self.resting.get(key.name, 0.0) - now()
            if left > 0:
                waits.append(left)
            else:
                ready.append(key)
        wait = min(waits, default=None) if not ready else None
        return Standing(tuple(ready), wait, refusal=None if ready else self.refusal)


class Store(MemoryQuotaStore):
    """Counts the questions; the gates hold answers and settling back."""

    def __init__(self) -> None:
        super().__init__(clock=now)
        self.questions: list[str] = []
        self.settled: list[str] = []
        self.gate: Callable[[], Awaitable[object]] | None = None
        self.renewed = 0
        self.gate_of_renewing: Callable[[], Awaitable[object]] | None = None
        self.gate_of_settling: Callable[[], Awaitable[object]] | None = None

    async def reserve(
        self, reservation: Reservation, *, ttl: float, force: bool = False
    ) -> Refusal | None:
        """Take room."""
        self.questions.append(reservation.id)
        answer = await super().reserve(reservation, ttl=ttl, force=force)
        if self.gate is not None:
            await self.gate()
        return answer

    async def renew(
        self, reservations: Sequence[Reservation], *, ttl: float
    ) -> Sequence[Reservation]:
        """Keep it."""
        self.renewed += 1
        if self.gate_of_renewing is not None:
            await self.gate_of_renewing()
        return await super().renew(reservations, ttl=ttl)

    async def settle(self, reservation: Reservation, used: Any) -> None:
        """Give it back."""
        self.settled.append(reservation.id)
        if self.gate_of_settling is not None:
            await self.gate_of_settling()
        await super().settle(reservation, used)

    def held(self) -> int:
        """Return how many calls hold room."""
        return len(self.running())


class Desk:
    """One admission and everything around it."""

    def __init__(
        self,
        *,
        first_answer: float = 0.0,
        poll: float = 1000.0,
        store: Store | None = None,
        **document: Any,
    ) -> None:
        settings = Settings.model_validate(document)
        self.store = store or Store()
        self.own = OwnLimits(settings)
        self.admission = Admission(
            self.store,
            settings.limits,
            self.own,
            Known(),
            clock=now,
            poll=poll,
            first_answer=first_answer,
        )
        self.pool = Pool()
        self.order: list[str] = []
        """Labels of calls as they were let go."""

    async def states(
        self,
        unit: Unit = REQUESTS,
        *,
        limit: int = 10,
        remaining: int = 0,
        reset: float = 30.0,
        window: float = WINDOW,
        scope: str = "key",
        told: Lease | None = None,
    ) -> None:
        """Let the provider say something, to a call of ours or just so."""
        seen = Observed(
            unit=unit, limit=limit, remaining=remaining, reset_at=now() + reset, window=window
        )
        if told is None:
            await self.store.observe(Group("up", scope, "m"), [seen])
        else:
            await told.observe([seen])

    def ask(self, **fields: Any) -> Ask:
        """Return a call."""
        made: dict[str, Any] = {
            "provider": "up",
            "model": "m",
            "estimate": Estimate(5, 5),
            "caller": "",
            "pool": self.pool,
        }
        within = fields.pop("within", None)
        if within is not None:
            made["deadline"] = now() + within
        return Ask(**{**made, **fields})

    async def admit(self, **fields: Any) -> Lease:
        """Ask for room."""
        return await self.admission.admit(self.ask(**fields))

    async def call(self, label: str, *, lasts: float = 0.0, **fields: Any) -> Lease:
        """Ask for room, remember when it came, and give it back after some time."""
        lease = await self.admit(**fields)
        self.order.append(label)
        if lasts:
            await asyncio.sleep(lasts)
            await lease.settle({REQUESTS: 1, TOKENS: 10})
        return lease

    async def queue(self, *labels: str, **fields: Any) -> "list[asyncio.Task[Lease]]":
        """Start calls one after the other, and let them find their places."""
        tasks = []
        for label in labels:
            tasks.append(asyncio.create_task(self.call(label, **fields)))
            await settle_down(2)
        return tasks
