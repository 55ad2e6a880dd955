"""Statistics since start: per provider, credential and model, and per caller and label.

What `GetMetrics` and the metrics page show. Fed once per upstream call and once per RPC, at
their ends. What is counted of one call is in `stats`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TypeAlias, TypeVar

from sluice_server.telemetry import buckets
from sluice_server.telemetry.buckets import Buckets
from sluice_server.telemetry.call import AttemptRecord, CallRecord, Outcome
from sluice_server.telemetry.labels import CallLabels, ModelLabels
from sluice_server.telemetry.latency import Latency
from sluice_server.telemetry.stats import CallStats, Moment

Upstream: TypeAlias = tuple[str, str, str]
"""Provider, credential and model."""

Tier = TypeVar("Tier", bound=Hashable)

GENERATE = "Generate"
"""The RPC whose calls are counted by caller; the others say what is known, and cost nothing."""


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
        self.upstreams: dict[Upstream, CallStats] = {}
        """Upstream calls; those that run are under no model."""
        self.gaps: dict[str, Buckets] = {}
        """Time between pieces of output, by provider."""
        self.callers: dict[str, CallStats] = {}
        """Generate calls; the empty name is for calls that need none."""
        self.labels: dict[tuple[str, str], CallStats] = {}
        """Generate calls by key and value of counted labels."""
        self.rpcs: dict[tuple[str, str], int] = {}
        """RPCs ended, by method and name of the gRPC status."""
        self.rpc_seconds: dict[str, Buckets] = {}
        """Their durations, by method."""
        self.overhead = Latency(buckets.OVERHEAD)
        """What the gateway added to turns."""
        self.queued = Buckets(buckets.QUEUE)
        """What Generate calls waited for a place and for room."""
        self.events = 0
        """Sent to callers."""
        self.messages = 0
        """Which carried them."""

    def attempt_started(self, provider: str, credential: str) -> None:
        """Count an upstream call that starts.

        Under no model yet: whether the name exists is known at the end.
        """
        _of(self.upstreams, (provider, credential, "")).running += 1

    def attempt_ended(self, record: AttemptRecord) -> None:
        """Count how an upstream call ended."""
        provider, credential = record.provider, record.credential
        self.upstreams[provider, credential, ""].running -= 1
        worked = record.outcome is Outcome.SUCCESS
        model = self._models.label(provider, record.model, worked=worked)
        _of(self.upstreams, (provider, credential, model)).ended(record, self._now())
        if record.gaps is not None:
            gaps = self.gaps.get(provider)
            if gaps is None:
                gaps = self.gaps[provider] = Buckets(buckets.GAPS)
            gaps.merge(record.gaps)

    def call_started(self, record: CallRecord) -> None:
        """Count an RPC of a caller that was let in."""
        if record.method == GENERATE:
            record.running = True
            _of(self.callers, record.caller).running += 1

    def call_ended(self, record: CallRecord) -> None:
        """Count how an RPC ended, whether or not it was let in."""
        method = record.method
        rpc = (method, record.code)
        self.rpcs[rpc] = self.rpcs.get(rpc, 0) + 1
        seconds = self.rpc_seconds.get(method)
        if seconds is None:
            seconds = self.rpc_seconds[method] = Buckets(buckets.CALLS)
        seconds.add(record.duration_seconds, record.exemplar)
        if method == GENERATE:
            self._turn_ended(record)

    def _turn_ended(self, record: CallRecord) -> None:
        moment = self._now()
        # Names are the configuration's, so that nobody can make rows of them.
        stats = _of(self.callers, record.caller)
        if record.running:
            stats.running -= 1
        stats.ended(record, moment)
        if record.labels:
            worked = record.outcome is Outcome.SUCCESS
            for label in self._labels.of(record.labels, worked=worked):
                _of(self.labels, label).ended(record, moment)
        self.events += record.events
        self.messages += record.messages
        if record.queued_seconds is not None:
            self.queued.add(record.queued_seconds)
        if record.overhead_seconds is not None:
            self.overhead.add(record.overhead_seconds, record.exemplar)

    def providers(self) -> dict[str, CallStats]:
        """Return the sums per provider."""
        return self._sums(lambda key: key[0])

    def credentials(self) -> dict[tuple[str, str], CallStats]:
        """Return the sums per provider and credential."""
        return self._sums(lambda key: key[:2] if key[1] else None)

    def models(self) -> dict[tuple[str, str], CallStats]:
        """Return the sums per provider and model, of calls that ended."""
        return self._sums(lambda key: (key[0], key[2]) if key[2] else None)

    def calls(self) -> CallStats:
        """Return the sum of all Generate calls."""
        whole = CallStats()
        for stats in self.callers.values():
            whole.merge(stats)
        return whole

    def _sums(self, tier: Callable[[Upstream], Tier | None]) -> dict[Tier, CallStats]:
        sums: dict[Tier, CallStats] = {}
        for key, stats in self.upstreams.items():
            name = tier(key)
            if name is not None:
                sums.setdefault(name, CallStats()).merge(stats)
        return sums


def _of(stats: dict[Tier, CallStats], key: Tier) -> CallStats:
    found = stats.get(key)
    if found is None:
        found = stats[key] = CallStats()
    return found
