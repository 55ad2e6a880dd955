"""Upstreams that play the plan, and remember who came."""

import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from tests.soak import faults, plan
from tests.soak.wire import DIALECTS
from tests.support.replies import Reply
from tests.support.upstream import Request, Upstream


@dataclass(frozen=True, slots=True)
class Arrival:
    """One request that came to a provider."""

    call: int
    provider: str
    fault: str | None
    """What was done to it; None for a whole answer."""
    received: Request


class Providers:
    """All upstreams of a run."""

    def __init__(self, draw: Callable[[int], plan.Plan]) -> None:
        """`draw` returns the plan of a call."""
        self.upstreams = {name: Upstream() for name in plan.PROVIDERS}
        self.arrivals: list[Arrival] = []
        self._draw = draw
        self._visits: Counter[int] = Counter()
        for name, upstream in self.upstreams.items():
            upstream.answer(self._player(name))

    def base_url(self, name: str) -> str:
        """Return what the `base_url` setting of a provider takes."""
        return self.upstreams[name].base_url.removesuffix("/v1") + DIALECTS[name].base_path

    @property
    def open_connections(self) -> int:
        """Connections that the server keeps open."""
        return sum(upstream.open_connections for upstream in self.upstreams.values())

    def _player(self, name: str) -> Callable[[Request], Reply]:
        dialect = DIALECTS[name]

        def answer(received: Request) -> Reply:
            text = plan.asked(received.body)
            planned = self._draw(text.number)
            visit, fault = planned.visit(self._visits[text.number], name)
            self._visits[text.number] += 1
            self.arrivals.append(Arrival(text.number, name, fault, received))
            chance = random.Random(visit.seed)
            tokens = planned.tokens if fault is None else None
            stream = dialect.stream(text.whole(), tokens, chance)
            return faults.play(fault, dialect, stream, chance, slow=visit.slow)

        return answer


@asynccontextmanager
async def playing(draw: Callable[[int], plan.Plan]) -> AsyncIterator[Providers]:
    """Run the upstreams."""
    providers = Providers(draw)
    async with AsyncExitStack() as stack:
        for upstream in providers.upstreams.values():
            await stack.enter_async_context(upstream)
        yield providers
