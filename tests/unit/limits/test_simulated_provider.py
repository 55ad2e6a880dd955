"""Many calls at once to a provider that means its limits, in virtual time.

It counts in fixed windows that follow each other, and charges a call when it arrives
with its prompt and all the output that it allows.
"""

import asyncio
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from sluice_server.limits.estimate import Estimate
from sluice_server.limits.leases import Lease
from sluice_server.state.quota import REQUESTS, TOKENS, Observed
from tests.unit.limits.asking import Desk, Store
from tests.unit.limits.virtual import START, now, passed, run

REQUEST_LIMIT = 60
TOKEN_LIMIT = 10_000


@dataclass
class Provider:
    """Counts what comes, and says what is left."""

    length: float
    """Seconds of a window."""
    haste: float
    """Bound of what an answer takes, in seconds."""
    arrivals: list[float] = field(default_factory=list)
    refused: int = 0
    window: int = -1
    requests: int = 0
    tokens: int = 0
    chance: random.Random = field(default_factory=lambda: random.Random(7))

    async def call(self, lease: Lease, charge: int, used: int) -> None:
        """Serve one call over a network that takes some time."""
        await asyncio.sleep(self.chance.uniform(0.001, 0.02))
        moment = passed()
        if math.floor(moment / self.length) != self.window:
            self.window, self.requests, self.tokens = math.floor(moment / self.length), 0, 0
        fits = self.requests < REQUEST_LIMIT and self.tokens + charge <= TOKEN_LIMIT
        if fits:
            self.requests += 1
            self.tokens += charge
            self.arrivals.append(moment)
        else:
            self.refused += 1
        seen = self._told()
        await asyncio.sleep(self.chance.uniform(0.001, 0.02))
        await lease.observe(seen)
        await asyncio.sleep(self.chance.uniform(0.0, self.haste))
        await lease.settle({REQUESTS: 1, TOKENS: used})

    def _told(self) -> Sequence[Observed]:
        reset = START + (self.window + 1) * self.length
        left = reset - now()
        return [
            Observed(unit=unit, limit=limit, remaining=limit - taken, reset_at=now() + left + 0.001)
            for unit, limit, taken in (
                (REQUESTS, REQUEST_LIMIT, self.requests),
                (TOKENS, TOKEN_LIMIT, self.tokens),
            )
        ]


@pytest.mark.parametrize("replicas", [1, 3])
@pytest.mark.parametrize(("length", "haste"), [(60.0, 3.0), (3.0, 0.1)], ids=["minutes", "seconds"])
@pytest.mark.parametrize(
    ("charge", "estimated", "used", "windows"),
    [
        (100, 109, 80, 5),
        (150, 158, 100, 5),
        (400, 400, 400, 12),
        (400, 404, 150, 12),
        (1000, 1000, 30, 30),
    ],
    ids=["requests", "requests and tokens", "tokens", "less is used", "much less is used"],
)
def test_never_too_much_and_hardly_too_late(
    charge: int,
    estimated: int,
    used: int,
    windows: int,
    length: float,
    haste: float,
    replicas: int,
) -> None:
    """300 calls: none is refused, and the last one goes within a tenth of the best time.

    Replicas share a store and nothing else.
    """

    async def scenario() -> None:
        store = Store()
        desks = [
            Desk(first_answer=1.0, poll=length / 60, store=store, limits={"max_wait_seconds": 3600})
            for _ in range(replicas)
        ]
        provider = Provider(length, haste)

        async def call(desk: Desk) -> None:
            lease = await desk.admit(estimate=Estimate(estimated - 50, 50))
            await provider.call(lease, charge, used)

        await asyncio.gather(*(call(desks[number % replicas]) for number in range(300)))
        assert provider.refused == 0
        assert len(provider.arrivals) == 300
        best = (windows - 1) * length
        assert provider.arrivals[-1] <= best * 1.1 + 0.1
        assert store.held() == 0
        assert not any(desk.admission.waiting for desk in desks)

    run(scenario)
