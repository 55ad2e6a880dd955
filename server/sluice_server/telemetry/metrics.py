"""The registry of Prometheus metrics, and those that say how things are.

Each server has one of its own. What is counted of calls and attempts is the recorder's, and
shown by `exposition`; what other rooms know is looked up, see `gauges`. Label values are
bounded in all of them.
"""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Info,
    disable_created_metrics,
)
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector

from sluice_server.telemetry import names
from sluice_server.telemetry.exposition import Exposition
from sluice_server.telemetry.gauges import Gauges
from sluice_server.telemetry.recorder import Recorder

# A second series for every first one, which nobody here asks for.
disable_created_metrics()  # type: ignore[no-untyped-call]


class Metrics:
    """All metrics of one server."""

    def __init__(self, recorder: Recorder, *, version: str) -> None:
        """`recorder`: what is shown of calls."""
        self.registry = CollectorRegistry()
        self.registry.register(Exposition(recorder))
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        Info(names.BUILD_INFO, "Version of the server.", registry=self.registry).info(
            {"version": version}
        )
        self.gauges = Gauges()
        """What is looked up before each scrape."""
        self.registry.register(self.gauges)
        self._define_calls()
        self._define_health()
        self._define_replica()

    def _define_calls(self) -> None:
        self.active_streams = self._gauge(names.ACTIVE_STREAMS, "Generate streams open now.")
        self.queued_calls = self._gauge(
            names.QUEUED_CALLS, "Generate calls that wait for a place in this replica."
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
        self.reloaded_well = self._gauge(
            names.CONFIG_RELOADED_WELL,
            "1 unless the last reload of the configuration failed.",
        )
        self.reloaded_at = self._gauge(
            names.CONFIG_RELOADED_AT,
            "When the configuration was last read without a fault, in seconds since the epoch.",
        )
        self.reloads = self._counter(
            names.CONFIG_RELOADS, "Reloads of the configuration: success or failure.", "outcome"
        )
        for outcome in ("success", "failure"):
            self.reloads.labels(outcome)
        self.waiting_for_restart = self._gauge(
            names.CONFIG_WAITING, "Settings that were changed and wait for a restart."
        )
        self.log_lines_lost = self._counter(
            names.LOG_LINES_LOST, "Log lines dropped since nobody took them."
        )

    def expect(self, providers: Iterable[str]) -> None:
        """Show counters of these providers from the start.

        One that appears with its first event has no increase that Prometheus could see.
        """
        for provider in providers:
            self.circuit_openings.labels(provider)
            self._retries_refused.labels(provider)

    def retry_refused(self, provider: str) -> None:
        """Count a further attempt for which there was no budget."""
        self._retries_refused.labels(provider).inc()

    def _counter(self, name: str, meaning: str, *labels: str) -> Counter:
        return Counter(name, meaning, labels, registry=self.registry)

    def _gauge(self, name: str, meaning: str, *labels: str) -> Gauge:
        return Gauge(name, meaning, labels, registry=self.registry)
