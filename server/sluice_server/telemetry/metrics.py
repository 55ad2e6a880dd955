"""Prometheus metrics: their definitions and the one place that feeds them.

Each server has a registry of its own. Label values are bounded: methods, codes, reasons
and kinds by the contract, providers, credentials and callers by the configuration, models
and labels of callers by `labels`. Figures that are looked up when somebody asks, rather
than counted as things happen, are in `gauges`.
"""

from __future__ import annotations

from typing import TypeVar, cast

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    disable_created_metrics,
)
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector

from sluice_server.telemetry import names
from sluice_server.telemetry.call import AttemptRecord, CallRecord, Outcome
from sluice_server.telemetry.gaps import GapHistogram
from sluice_server.telemetry.gauges import Gauges
from sluice_server.telemetry.labels import CallLabels, ModelLabels
from sluice_server.telemetry.recorder import GENERATE

# A second series for every first one, which nobody here asks for.
disable_created_metrics()  # type: ignore[no-untyped-call]

Metric = TypeVar("Metric", Counter, Histogram)

# From a cached answer of a fast provider to a minute of reasoning.
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
# What the gateway adds is below a millisecond unless something is wrong.
_OVERHEAD_SECONDS = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5)
# From a moment to a provider's whole minute.
_QUEUE_SECONDS = (0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

_USD = 1e-9
"""Dollars in a nano-dollar."""


class Metrics:
    """All metrics of one server."""

    def __init__(
        self, *, version: str, models: ModelLabels, labels: CallLabels | None = None
    ) -> None:
        """`labels`: which of the callers' labels are counted; none by default."""
        self.registry = CollectorRegistry()
        self._children: dict[tuple[object, tuple[str, ...]], object] = {}
        self._models = models
        self._labels = labels or CallLabels()
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        Info(names.BUILD_INFO, "Version of the server.", registry=self.registry).info(
            {"version": version}
        )
        self.gauges = Gauges()
        """What is looked up before each scrape."""
        self.registry.register(self.gauges)
        self._define_calls()
        self._define_attempts()
        self._define_health()
        self._define_replica()

    def _define_calls(self) -> None:
        self._rpcs = self._counter(names.RPCS, "RPCs ended.", "method", "code")
        self._rpc_duration = self._histogram(
            names.RPC_DURATION, "Start to end of an RPC.", _SECONDS, "method"
        )
        self.active_streams = self._gauge(names.ACTIVE_STREAMS, "Generate streams open now.")
        self.queued_calls = self._gauge(
            names.QUEUED_CALLS, "Generate calls that wait for a place in this replica."
        )
        self._calls = self._counter(
            names.CALLS,
            "Generate calls ended, by outcome and ErrorReason.",
            "caller",
            "outcome",
            "reason",
        )
        self._call_queued = self._histogram(
            names.CALL_QUEUED,
            "Time of a Generate call that was spent waiting for a place and for room at providers.",
            _QUEUE_SECONDS,
        )
        self._call_first_output = self._histogram(
            names.CALL_FIRST_OUTPUT,
            "Start of a Generate call to its first output, waiting and failed attempts included.",
            _SECONDS,
            "caller",
        )
        self._call_tokens = self._counter(
            names.CALL_TOKENS, "Tokens of answers; parts are in the totals.", "caller", "kind"
        )
        self._call_cost = self._counter(
            names.CALL_COST,
            "US dollars for calls, as far as known: served, or wasted on attempts without an end.",
            "caller",
            "kind",
        )
        labels = ("key", "value")
        self._label_calls = self._counter(
            names.LABEL_CALLS, "Generate calls with a counted label.", *labels, "outcome"
        )
        self._label_tokens = self._counter(
            names.LABEL_TOKENS, "Tokens of answers to calls with the label.", *labels, "kind"
        )
        self._label_cost = self._counter(
            names.LABEL_COST, "US dollars for calls with the label.", *labels, "kind"
        )
        self._events = self._counter(names.EVENTS, "Events sent to callers.")
        self._messages = self._counter(names.MESSAGES, "Messages that carried those events.")
        self._overhead = self._histogram(
            names.OVERHEAD,
            "Time of a turn that was spent neither waiting for an upstream nor for the caller.",
            _OVERHEAD_SECONDS,
        )

    def _define_attempts(self) -> None:
        upstream = ("provider", "model")
        self._attempts = self._counter(
            names.ATTEMPTS,
            "Upstream calls ended, by outcome and ErrorReason.",
            *upstream,
            "outcome",
            "reason",
        )
        self._attempt_duration = self._histogram(
            names.ATTEMPT_DURATION, "Start to end of an upstream call.", _SECONDS, *upstream
        )
        self._first_output = self._histogram(
            names.FIRST_OUTPUT,
            "Start of an upstream call to its first output.",
            _SECONDS,
            *upstream,
        )
        self._gaps = GapHistogram()
        self.registry.register(self._gaps)
        self._tokens = self._counter(
            names.TOKENS,
            "Tokens that providers counted; parts are included in the totals.",
            *upstream,
            "kind",
        )
        self._cost = self._counter(
            names.COST,
            "US dollars for upstream calls, as far as known: served, or wasted without an end.",
            *upstream,
            "kind",
        )
        self._credential_attempts = self._counter(
            names.CREDENTIAL_ATTEMPTS,
            "Upstream calls ended, by credential.",
            "provider",
            "credential",
            "outcome",
        )
        self._retries_refused = self._counter(
            names.RETRIES_REFUSED,
            "Further attempts that were not made, since the provider's retry budget was used up.",
            "provider",
        )

    def _define_health(self) -> None:
        self.provider_up = self._gauge(
            names.PROVIDER_UP, "1 while a provider is usable.", "provider"
        )
        self.provider_health = self._gauge(
            names.PROVIDER_HEALTH,
            "0 unknown, 1 healthy, 2 degraded, 3 unhealthy, as in GetMetrics.",
            "provider",
        )
        self.circuits = self._gauge(
            names.CIRCUITS,
            "Circuits known now, by state: closed, open or half_open.",
            "provider",
            "state",
        )
        self.circuit_openings = self._counter(
            names.CIRCUIT_OPENINGS, "Times that a circuit opened.", "provider"
        )
        self.probes = self._counter(
            names.PROBES,
            "Questions to providers without traffic, by what they proved.",
            "provider",
            "verdict",
        )
        self.alerts = self._counter(
            names.ALERTS,
            "Alerts that were delivered, failed for good, or found no room.",
            "outcome",
        )

    def _define_replica(self) -> None:
        self.shared_state_up = self._gauge(
            names.SHARED_STATE_UP,
            "Whether the state that replicas share can be reached; 1 also when there is none.",
        )
        self.shared_state_up.set(1)
        self.loop_busy = self._gauge(names.LOOP_BUSY, "Share of time that the event loop worked.")
        self.loop_lag = self._gauge(names.LOOP_LAG, "How late the event loop last woke up.")
        self.log_lines_lost = self._counter(
            names.LOG_LINES_LOST, "Log lines dropped since nobody took them."
        )

    def rpc_ended(self, record: CallRecord) -> None:
        """Count one RPC."""
        method = record.method
        child = self._child
        child(self._rpcs, method, record.code).inc()
        exemplar = _exemplar(record.exemplar)
        child(self._rpc_duration, method).observe(record.duration_seconds, exemplar)
        if method == GENERATE:
            self._call_ended(record, exemplar)

    def _call_ended(self, record: CallRecord, exemplar: dict[str, str] | None) -> None:
        child, caller, outcome = self._child, record.caller, record.outcome
        child(self._calls, caller, outcome, record.reason).inc()
        if record.first_output_seconds is not None:
            child(self._call_first_output, caller).observe(record.first_output_seconds, exemplar)
        if record.queued_seconds is not None:
            self._call_queued.observe(record.queued_seconds)
        if record.messages:
            self._events.inc(record.events)
            self._messages.inc(record.messages)
        if record.overhead_seconds is not None:
            self._overhead.observe(record.overhead_seconds, exemplar)
        tokens, money = record.tokens(), _money(record)
        for kind, count in tokens.items():
            child(self._call_tokens, caller, kind).inc(count)
        for kind, amount in money:
            child(self._call_cost, caller, kind).inc(amount)
        for key, value in self._labels.of(record.labels, worked=outcome is Outcome.SUCCESS):
            child(self._label_calls, key, value, outcome).inc()
            for kind, count in tokens.items():
                child(self._label_tokens, key, value, kind).inc(count)
            for kind, amount in money:
                child(self._label_cost, key, value, kind).inc(amount)

    def retry_refused(self, provider: str) -> None:
        """Count a further attempt for which there was no budget."""
        self._child(self._retries_refused, provider).inc()

    def attempt_ended(self, record: AttemptRecord) -> None:
        """Count one upstream call."""
        child, provider = self._child, record.provider
        worked = record.outcome is Outcome.SUCCESS
        model = self._models.label(provider, record.model, worked=worked)
        child(self._attempts, provider, model, record.outcome, record.reason).inc()
        exemplar = _exemplar(record.exemplar)
        child(self._attempt_duration, provider, model).observe(record.duration_seconds, exemplar)
        if record.first_output_seconds is not None:
            child(self._first_output, provider, model).observe(
                record.first_output_seconds, exemplar
            )
        if record.gaps is not None:
            self._gaps.add(provider, record.gaps)
        for kind, count in record.tokens().items():
            child(self._tokens, provider, model, kind).inc(count)
        for kind, amount in _money(record):
            child(self._cost, provider, model, kind).inc(amount)
        if record.credential:
            child(self._credential_attempts, provider, record.credential, record.outcome).inc()

    def _child(self, metric: Metric, *labels: str) -> Metric:
        """Return the metric for these label values; `labels` itself takes a lock."""
        key = (metric, labels)
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = metric.labels(*labels)
        return cast("Metric", child)

    def _counter(self, name: str, meaning: str, *labels: str) -> Counter:
        return Counter(name, meaning, labels, registry=self.registry)

    def _gauge(self, name: str, meaning: str, *labels: str) -> Gauge:
        return Gauge(name, meaning, labels, registry=self.registry)

    def _histogram(
        self, name: str, meaning: str, buckets: tuple[float, ...], *labels: str
    ) -> Histogram:
        return Histogram(name, meaning, labels, buckets=buckets, registry=self.registry)


def _exemplar(trace_id: str) -> dict[str, str] | None:
    return {"trace_id": trace_id} if trace_id else None


def _money(record: CallRecord | AttemptRecord) -> list[tuple[str, float]]:
    """Return the dollars that are known, by kind."""
    known: list[tuple[str, float]] = []
    if record.cost_usd_nanos is not None:
        known.append(("served", record.cost_usd_nanos * _USD))
    if record.wasted_usd_nanos:
        known.append(("wasted", record.wasted_usd_nanos * _USD))
    return known
