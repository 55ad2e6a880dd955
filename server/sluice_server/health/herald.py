"""Tells people what happens to health: log lines, metrics and alerts.

An alert's type is the name of its log event, but for circuits, which are told less often.
Decides what is worth which of them, and nothing else. The health service of gRPC is the
edge's.
"""

from __future__ import annotations

from collections.abc import Iterable

import structlog

from sluice.v1 import metrics_pb2
from sluice_server.health.alerts import Alert, Alerts
from sluice_server.health.board import ProviderHealth
from sluice_server.health.breaker import CLOSED, HALF_OPEN, OPEN, State
from sluice_server.health.breakers import Breakers, CircuitView
from sluice_server.health.steady import HEALTHY
from sluice_server.health.steady import State as Health
from sluice_server.health.sustained import ErrorShare
from sluice_server.health.verdicts import Verdict
from sluice_server.telemetry import names
from sluice_server.telemetry.metrics import Metrics

CIRCUIT_OPENED = "circuit.opened"
CIRCUIT_CLOSED = "circuit.closed"

_LABELS = {CLOSED: "closed", OPEN: "open", HALF_OPEN: "half_open"}

_log = structlog.get_logger("sluice.health")


class Herald:
    """Of one replica."""

    def __init__(self, metrics: Metrics, *, instance: str, alerts: Alerts | None) -> None:
        self._metrics = metrics
        self._instance = instance
        self.alerts = alerts
        """Where alerts go; None: nowhere."""
        self._told: dict[str, Health] = {}
        """What receivers think of providers; healthy unless they were told otherwise."""

    def present(self, provider: str, health: ProviderHealth) -> None:
        """Show a provider on the metrics page before anything happens to it."""
        self._show(provider, health)
        self._metrics.circuit_openings.labels(provider)

    def forget(self, provider: str) -> None:
        """Show a provider no more that is not there any more; what was counted stays."""
        self._told.pop(provider, None)
        for gauge in (self._metrics.provider_up, self._metrics.provider_health):
            gauge.remove(provider)
        self._metrics.circuits.remove_by_labels({"provider": provider})

    def health_changed(self, provider: str, health: ProviderHealth) -> None:
        """Tell of a provider's new state."""
        self._show(provider, health)
        _log.info(
            names.PROVIDER_HEALTH_CHANGED,
            provider=provider,
            state=metrics_pb2.HealthState.Name(health.state),
            message=health.message,
        )
        before = self._told.get(provider, HEALTHY)
        if self.alerts is not None and self.alerts.running and health.state != before:
            self._told[provider] = health.state
            self._alert(
                names.PROVIDER_HEALTH_CHANGED,
                provider=provider,
                state=_word(metrics_pb2.HealthState.Name(health.state)),
                previous=_word(metrics_pb2.HealthState.Name(before)),
                message=health.message,
            )

    def circuit_changed(self, view: CircuitView, before: State) -> None:
        """Tell of a circuit's new state. A probe that fails is no news for alerts."""
        provider, credential, family = view.circuit
        _log.info(
            names.CIRCUIT_CHANGED,
            provider=provider,
            credential=credential,
            family=family,
            state=metrics_pb2.CircuitState.Name(view.state),
            message=view.reason,
        )
        if view.state == OPEN:
            self._metrics.circuit_openings.labels(provider).inc()
        if CLOSED in (view.state, before):
            self._alert(
                CIRCUIT_CLOSED if view.state == CLOSED else CIRCUIT_OPENED,
                provider=provider,
                credential=credential,
                family=family,
                message=view.reason,
            )

    def probe_ended(self, provider: str, verdict: Verdict, reason: str) -> None:
        """Count a probe, and tell of one that failed."""
        self._metrics.probes.labels(provider, verdict.value).inc()
        if reason:
            _log.info(names.PROBE_FAILED, provider=provider, verdict=verdict.value, reason=reason)

    def errors_changed(self, errors: ErrorShare) -> None:
        """Tell of calls that keep failing, or no longer do."""
        event = names.ERRORS_SUSTAINED if errors.lasting else names.ERRORS_ENDED
        facts: dict[str, object] = {
            "provider": errors.provider,
            "error_share": round(errors.share, 4),
            "calls": errors.calls,
            "seconds": round(errors.seconds),
        }
        _log.warning(event, **facts)
        self._alert(event, **facts)

    def figures(self, providers: Iterable[str], breakers: Breakers) -> None:
        """Bring gauges up to date that change as time passes."""
        if not breakers.enabled:
            return
        for name in providers:
            counts = breakers.counts(name)
            for state, label in _LABELS.items():
                self._metrics.circuits.labels(name, label).set(counts[state])

    def _show(self, provider: str, health: ProviderHealth) -> None:
        self._metrics.provider_up.labels(provider).set(int(health.usable))
        self._metrics.provider_health.labels(provider).set(health.state)

    def _alert(self, kind: str, **data: object) -> None:
        if self.alerts is not None:
            self.alerts.tell(Alert(kind, {"instance": self._instance, **data}))


def _word(name: str) -> str:
    return name.rpartition("_")[2].lower()
