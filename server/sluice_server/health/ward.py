"""The health of one replica, put together: circuits, board, probes, shares and who tells of them.

Who builds the replica needs nothing else of this room but `breakers` and `board`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from sluice_server.config.settings import Settings
from sluice_server.health.alerts import Alerts, Send
from sluice_server.health.board import HealthBoard, ProviderHealth
from sluice_server.health.breaker import State
from sluice_server.health.breakers import Breakers, CircuitView
from sluice_server.health.herald import Herald
from sluice_server.health.probes import Probe, Probes
from sluice_server.health.rounds import Rounds
from sluice_server.health.sustained import Sustained
from sluice_server.health.verdicts import Verdict
from sluice_server.telemetry.call import AttemptRecord
from sluice_server.telemetry.metrics import Metrics


class Ward:
    """Looks after all providers."""

    def __init__(
        self,
        providers: Iterable[str],
        configured: Settings,
        *,
        metrics: Metrics,
        instance: str,
        probes: Mapping[str, Probe],
        post: Send | None,
        on_change: Callable[[str, ProviderHealth], None],
    ) -> None:
        """Begin with nothing known.

        Args:
            providers: names of all.
            configured: the operator's settings.
            metrics: where figures are shown.
            instance: name of this replica, for alerts.
            probes: how to ask providers that can be asked.
            post: posts to the webhook; None: there is none.
            on_change: is told of providers' new states.
        """
        names = tuple(providers)
        secret = configured.alerts.secret
        self._alerts: Alerts | None = None
        if post is not None and secret is not None:
            self._alerts = Alerts(
                post,
                secret=secret.get_secret_value(),
                timeout=configured.alerts.timeout_seconds,
                on_outcome=lambda outcome: metrics.alerts.labels(outcome).inc(),
            )
        self._herald = Herald(metrics, instance=instance, alerts=self._alerts)
        self._on_change = on_change
        self.breakers = Breakers(configured.breakers, on_change=self._circuit_changed)
        self.board = HealthBoard(
            names,
            on_change=self._health_changed,
            rules=configured.health,
            breakers=self.breakers,
        )
        for name, health in self.board.providers.items():
            self._herald.present(name, health)
        self._errors = Sustained(names, configured.alerts, on_change=self._herald.errors_changed)
        self._probes = Probes(
            probes,
            self.board,
            interval=configured.health.probe_interval_seconds,
            on_ended=self._probe_ended,
        )
        self._rounds = Rounds([self.board.look, self._errors.look, self._probes.look])

    def start(self) -> None:
        """Begin the rounds."""
        self._rounds.start()

    def announce(self) -> None:
        """Send alerts from now on. What a start looks like is no news."""
        if self._alerts is not None:
            self._alerts.start()

    def attempt_ended(self, record: AttemptRecord) -> None:
        """Count an upstream call for shares of errors; may come late."""
        self._errors.attempt_ended(record)

    def figures(self) -> None:
        """Bring gauges up to date that change as time passes."""
        self._herald.figures(self.board.providers, self.breakers)

    async def aclose(self) -> None:
        """Stop looking and asking, and deliver the last alerts."""
        await self._rounds.aclose()
        await self._probes.aclose()
        if self._alerts is not None:
            await self._alerts.aclose()

    def _health_changed(self, provider: str, health: ProviderHealth) -> None:
        self._herald.health_changed(provider, health)
        self._on_change(provider, health)

    def _circuit_changed(self, view: CircuitView, before: State) -> None:
        self._herald.circuit_changed(view, before)
        self.board.circuit_changed(view.circuit.provider)

    def _probe_ended(self, provider: str, verdict: Verdict, reason: str) -> None:
        self._herald.probe_ended(provider, verdict, reason)
        self.board.probed(provider, verdict, reason)
