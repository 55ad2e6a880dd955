"""Asks providers without traffic whether they are there: a free request, now and then.

Whoever has calls is judged by them and not asked. One that looks dead is asked more
often, so that its return is seen. How a question is put is the caller's affair; here is
when, and what its end proves.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass

from sluice_server.errors import InternalError, ProviderTimeoutError, SluiceError, UpstreamError
from sluice_server.health.board import HealthBoard
from sluice_server.health.steady import RANKS, UNHEALTHY
from sluice_server.health.verdicts import Verdict

PATIENCE_SECONDS = 10.0
"""Longest wait for the answer to a probe."""

FAST_SECONDS = 5.0
"""First wait between two probes of a provider that looks dead; each failed one doubles it."""

LONGEST_FAST_SECONDS = 60.0

JITTER = 0.2
"""Share by which a wait varies either way, so that replicas do not ask in step."""

MOST_AT_ONCE = 4
"""Probes that run at the same time; others wait for the next round."""

Probe = Callable[[], Awaitable[None]]
"""Asks one provider; raises SluiceError, or takes too long."""


@dataclass(slots=True)
class _Plan:
    """When a provider is asked next."""

    probe: Probe
    asked_at: float
    factor: float = 1.0
    """Of the next wait."""
    fast: float = FAST_SECONDS
    failed: bool = False
    """So did the last one."""
    running: bool = False


class Probes:
    """The probes of one replica."""

    def __init__(
        self,
        probes: Mapping[str, Probe],
        board: HealthBoard,
        *,
        interval: float | None,
        on_ended: Callable[[str, Verdict, str], None],
        clock: Callable[[], float] = time.monotonic,
        draw: Callable[[], float] = random.random,
    ) -> None:
        """Make probes that `look` begins.

        Args:
            probes: how to ask, by provider.
            board: says who has traffic, and who looks dead.
            interval: seconds without traffic after which a provider is asked; None: never.
            on_ended: is told provider, verdict and the name of an ErrorReason.
            clock: gives seconds, the same as the board's.
            draw: gives random numbers of [0, 1).
        """
        self._board = board
        self._on_ended = on_ended
        self._clock = clock
        self._draw = draw
        self._plans: dict[str, _Plan] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.refit(probes, interval=interval)

    def refit(
        self, probes: Mapping[str, Probe], *, interval: float | None, anew: Collection[str] = ()
    ) -> None:
        """Ask these providers from now on; of those that are `anew` nothing is known."""
        now = self._clock()
        plans = {}
        for name, probe in probes.items():
            plan = None if name in anew else self._plans.get(name)
            plans[name] = plan or _Plan(probe, now, self._factor())
            plans[name].probe = probe
        self._plans = plans
        self._interval = interval

    def look(self) -> None:
        """Begin the probes that are due; call it once a second."""
        if self._interval is None:
            return
        now = self._clock()
        late = {name: self._late(name, now, self._interval) for name in self._plans}
        due = [name for name in self._plans if late[name] >= 0 and not self._plans[name].running]
        for name in sorted(due, key=late.__getitem__, reverse=True):
            if len(self._tasks) >= MOST_AT_ONCE:
                return
            self._plans[name].running = True
            task = asyncio.create_task(self._ask(name), name=f"probe-{name}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def aclose(self) -> None:
        """Stop asking."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _late(self, name: str, now: float, interval: float) -> float:
        """Return for how many seconds a probe has been due; negative when it is not yet."""
        plan = self._plans[name]
        looks_dead = plan.failed or self._board.rank(name) == RANKS[UNHEALTHY]
        wait = min(plan.fast, interval) if looks_dead else interval
        heard_at = max(plan.asked_at, self._board.heard_at(name))
        return now - heard_at - wait * plan.factor

    async def _ask(self, name: str) -> None:
        plan = self._plans[name]
        try:
            verdict, reason = await _asked(plan.probe)
        finally:
            plan.running = False
            plan.asked_at = self._clock()
            plan.factor = self._factor()
        if self._plans.get(name) is not plan:
            # Meanwhile somebody else has the name, or nobody.
            return
        if verdict is Verdict.GOOD:
            plan.fast, plan.failed = FAST_SECONDS, False
        elif verdict is not Verdict.NEUTRAL:
            # The first of a row is confirmed soon.
            if plan.failed:
                plan.fast = min(2 * plan.fast, LONGEST_FAST_SECONDS)
            plan.failed = True
        self._on_ended(name, verdict, reason)

    def _factor(self) -> float:
        return 1 + JITTER * (2 * self._draw() - 1)


async def _asked(probe: Probe) -> tuple[Verdict, str]:
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await probe()
    except TimeoutError:
        return Verdict.UNREACHABLE, ProviderTimeoutError.reason
    except SluiceError as error:
        return verdict_of_probe(error), error.reason
    except Exception:  # noqa: BLE001 - a bug of ours is no evidence against a provider
        return Verdict.NEUTRAL, InternalError.reason
    return Verdict.GOOD, ""


def verdict_of_probe(error: SluiceError) -> Verdict:
    """Return what the failure of a probe proves.

    Any answer below 500 is a good sign, a refused key and a missing page too: somebody is
    there, and whether calls work is for calls to find out.
    """
    if not isinstance(error, UpstreamError):
        return Verdict.NEUTRAL
    if error.http_status is not None:
        return Verdict.GOOD if error.http_status < 500 else Verdict.FAILED
    return Verdict.UNREACHABLE if error.retryable else Verdict.FAILED
