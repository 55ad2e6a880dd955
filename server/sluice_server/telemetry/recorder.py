"""Statistics since start: per provider, credential and model, and per caller and label.

What `GetMetrics` shows. Fed once per upstream call and once per Generate call, at their
ends. What is counted of one call is in `stats`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TypeAlias, TypeVar

from sluice_server.telemetry.call import AttemptRecord, CallRecord, Outcome
from sluice_server.telemetry.labels import CallLabels, ModelLabels
from sluice_server.telemetry.latency import Latency
from sluice_server.telemetry.stats import CallStats, Moment

_Key: TypeAlias = tuple[str, str, str]
Tier = TypeVar("Tier", bound=Hashable)

GENERATE = "Generate"
"""The RPC whose calls are counted here; the others say what is known, and cost nothing."""


class Recorder:
    """All statistics of one replica.

    Upstream calls are counted once, under provider, credential and model together; the
    contract's tiers are sums of these, made when somebody asks. Generate calls are counted
    once per caller and once per counted label.
    """

    def __init__(
        self,
        models: ModelLabels,
        labels: CallLabels | None = None,
        *,
        now: Callable[[], Moment] = Moment.now,
    ) -> None:
        """`labels`: which of the callers' labels are counted; none by default."""
        self._models = models
        self._labels = labels or CallLabels()
        self._now = now
        self.since = now()
        """When counting began."""
        self._stats: dict[_Key, CallStats] = {}
        self._callers: dict[str, CallStats] = {}
        self._of_label: dict[tuple[str, str], CallStats] = {}
        self.overhead = Latency()
        """What the gateway added to turns."""

    def attempt_started(self, provider: str, credential: str) -> None:
        """Count an upstream call that starts.

        Under no model yet: whether the name exists is known at the end.
        """
        _of(self._stats, (provider, credential, "")).running += 1

    def attempt_ended(self, record: AttemptRecord) -> None:
        """Count how an upstream call ended."""
        _of(self._stats, (record.provider, record.credential, "")).running -= 1
        worked = record.outcome is Outcome.SUCCESS
        model = self._models.label(record.provider, record.model, worked=worked)
        _of(self._stats, (record.provider, record.credential, model)).ended(record, self._now())

    def call_started(self, record: CallRecord) -> None:
        """Count an RPC of a caller that was let in."""
        if record.method == GENERATE:
            record.running = True
            _of(self._callers, record.caller).running += 1

    def call_ended(self, record: CallRecord) -> None:
        """Count how an RPC of a caller ended, whether or not it was let in."""
        if record.method != GENERATE:
            return
        moment = self._now()
        if record.running:
            _of(self._callers, record.caller).running -= 1
        # Names are the configuration's, so that nobody can make rows of them.
        _of(self._callers, record.caller).ended(record, moment)
        worked = record.outcome is Outcome.SUCCESS
        for label in self._labels.of(record.labels, worked=worked):
            _of(self._of_label, label).ended(record, moment)
        if record.overhead_seconds is not None:
            self.overhead.add(record.overhead_seconds)

    def providers(self) -> dict[str, CallStats]:
        """Return the sums per provider."""
        return self._sums(lambda key: key[0])

    def credentials(self) -> dict[tuple[str, str], CallStats]:
        """Return the sums per provider and credential."""
        return self._sums(lambda key: key[:2] if key[1] else None)

    def models(self) -> dict[tuple[str, str], CallStats]:
        """Return the sums per provider and model, of calls that ended."""
        return self._sums(lambda key: (key[0], key[2]) if key[2] else None)

    def callers(self) -> dict[str, CallStats]:
        """Return the counts per caller; the empty name is for calls that need none."""
        return self._callers

    def labels(self) -> dict[tuple[str, str], CallStats]:
        """Return the counts per key and value of counted labels."""
        return self._of_label

    def calls(self) -> CallStats:
        """Return the sum of all Generate calls."""
        whole = CallStats()
        for stats in self._callers.values():
            whole.merge(stats)
        return whole

    def _sums(self, tier: Callable[[_Key], Tier | None]) -> dict[Tier, CallStats]:
        sums: dict[Tier, CallStats] = {}
        for key, stats in self._stats.items():
            name = tier(key)
            if name is not None:
                sums.setdefault(name, CallStats()).merge(stats)
        return sums


def _of(stats: dict[Tier, CallStats], key: Tier) -> CallStats:
    found = stats.get(key)
    if found is None:
        found = stats[key] = CallStats()
    return found
