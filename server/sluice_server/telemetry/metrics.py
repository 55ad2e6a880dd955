"""Prometheus metrics: their definitions and the one place that feeds them.

Each server has a registry of its own. Label values are bounded: methods and
codes by the contract, providers by the configuration, models by `ModelLabels`.
"""

from __future__ import annotations

from collections.abc import Collection
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

# A second series for every first one, which nobody here asks for.
disable_created_metrics()  # type: ignore[no-untyped-call]

Metric = TypeVar("Metric", Counter, Histogram)

# From a cached answer of a fast provider to a minute of reasoning.
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
# What the gateway adds is below a millisecond unless something is wrong.
_OVERHEAD_SECONDS = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5)

OTHER_MODEL = "_other"
"""Label of models beyond the bound, and of those that no provider confirmed."""

MODELS_PER_PROVIDER = 200
"""Most model labels of one provider; the largest list in use has some 400
entries, of which a deployment calls a handful."""


class ModelLabels:
    """Bounds the `model` label: callers choose model names, so any may come.

    A name becomes a label when it is configured, or once a call to it worked.
    """

    def __init__(self) -> None:
        self._known: dict[str, set[str]] = {}

    def declare(self, provider: str, models: Collection[str]) -> None:
        """Accept configured names without a call."""
        self._known.setdefault(provider, set()).update(models)

    def label(self, provider: str, model: str, *, worked: bool) -> str:
        """Return the label for `model`."""
        known = self._known.setdefault(provider, set())
        if model in known:
            return model
        if worked and len(known) < MODELS_PER_PROVIDER:
            known.add(model)
            return model
        return OTHER_MODEL


class Metrics:
    """All metrics of one server."""

    def __init__(self, *, version: str, models: ModelLabels) -> None:
        self.registry = registry = CollectorRegistry()
        self._children: dict[tuple[object, tuple[str, ...]], object] = {}
        self._models = models
        ProcessCollector(registry=registry)
        GCCollector(registry=registry)
        Info(names.BUILD_INFO, "Version of the server.", registry=registry).info(
            {"version": version}
        )
        self._rpcs = Counter(names.RPCS, "RPCs ended.", ["method", "code"], registry=registry)
        self._rpc_duration = Histogram(
            names.RPC_DURATION,
            "Start to end of an RPC.",
            ["method"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.active_streams = Gauge(
            names.ACTIVE_STREAMS, "Generate streams open now.", registry=registry
        )
        self.queued_calls = Gauge(
            names.QUEUED_CALLS,
            "Generate calls that wait for a place in this replica.",
            registry=registry,
        )
        upstream = ["provider", "model"]
        self._attempts = Counter(
            names.ATTEMPTS,
            "Upstream calls ended, by outcome and ErrorReason.",
            [*upstream, "outcome", "reason"],
            registry=registry,
        )
        self._attempt_duration = Histogram(
            names.ATTEMPT_DURATION,
            "Start to end of an upstream call.",
            upstream,
            buckets=_SECONDS,
            registry=registry,
        )
        self._first_output = Histogram(
            names.FIRST_OUTPUT,
            "Start of an upstream call to its first output.",
            upstream,
            buckets=_SECONDS,
            registry=registry,
        )
        self._tokens = Counter(
            names.TOKENS,
            "Tokens that providers counted; parts are included in the totals.",
            [*upstream, "kind"],
            registry=registry,
        )
        self._events = Counter(names.EVENTS, "Events sent to callers.", registry=registry)
        self._messages = Counter(
            names.MESSAGES, "Messages that carried those events.", registry=registry
        )
        self._overhead = Histogram(
            names.OVERHEAD,
            "Time of a turn that was spent neither waiting for an upstream nor for the caller.",
            buckets=_OVERHEAD_SECONDS,
            registry=registry,
        )
        self.provider_up = Gauge(
            names.PROVIDER_UP, "1 while a provider is usable.", ["provider"], registry=registry
        )
        self.provider_health = Gauge(
            names.PROVIDER_HEALTH,
            "0 unknown, 1 healthy, 2 degraded, 3 unhealthy, as in GetMetrics.",
            ["provider"],
            registry=registry,
        )
        self.circuits = Gauge(
            names.CIRCUITS,
            "Circuits known now, by state: closed, open or half_open.",
            ["provider", "state"],
            registry=registry,
        )
        self.circuit_openings = Counter(
            names.CIRCUIT_OPENINGS, "Times that a circuit opened.", ["provider"], registry=registry
        )
        self.probes = Counter(
            names.PROBES,
            "Questions to providers without traffic, by what they proved.",
            ["provider", "verdict"],
            registry=registry,
        )
        self.alerts = Counter(
            names.ALERTS,
            "Alerts that were delivered, failed for good, or found no room.",
            ["outcome"],
            registry=registry,
        )
        self.shared_state_up = Gauge(
            names.SHARED_STATE_UP,
            "Whether the state that replicas share can be reached; 1 also when there is none.",
            registry=registry,
        )
        self.shared_state_up.set(1)
        self._retries_refused = Counter(
            names.RETRIES_REFUSED,
            "Further attempts that were not made, since the provider's retry budget was used up.",
            ["provider"],
            registry=registry,
        )
        self.loop_busy = Gauge(
            names.LOOP_BUSY, "Share of time that the event loop worked.", registry=registry
        )
        self.loop_lag = Gauge(
            names.LOOP_LAG, "How late the event loop last woke up.", registry=registry
        )
        self.log_lines_lost = Counter(
            names.LOG_LINES_LOST, "Log lines dropped since nobody took them.", registry=registry
        )

    def rpc_ended(self, record: CallRecord) -> None:
        """Count one RPC."""
        self._child(self._rpcs, record.method, record.code).inc()
        self._child(self._rpc_duration, record.method).observe(record.duration_seconds)
        if record.messages:
            self._events.inc(record.events)
            self._messages.inc(record.messages)
        if record.overhead_seconds is not None:
            self._overhead.observe(record.overhead_seconds)

    def retry_refused(self, provider: str) -> None:
        """Count a further attempt for which there was no budget."""
        self._child(self._retries_refused, provider).inc()

    def attempt_ended(self, record: AttemptRecord) -> None:
        """Count one upstream call."""
        provider = record.provider
        worked = record.outcome is Outcome.SUCCESS
        model = self._models.label(provider, record.model, worked=worked)
        self._child(self._attempts, provider, model, record.outcome, record.reason).inc()
        self._child(self._attempt_duration, provider, model).observe(record.duration_seconds)
        if record.first_output_seconds is not None:
            self._child(self._first_output, provider, model).observe(record.first_output_seconds)
        for kind, count in record.tokens().items():
            self._child(self._tokens, provider, model, kind).inc(count)

    def _child(self, metric: Metric, *labels: str) -> Metric:
        """Return the metric for these label values; `labels` itself takes a lock."""
        key = (metric, labels)
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = metric.labels(*labels)
        return cast("Metric", child)
