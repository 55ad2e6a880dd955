"""The health of one replica, put together: circuits, board, probes, shares and who tells of them.

Who builds the replica needs nothing else of this room but `breakers` and `board`. A ward outlives
configurations: what is known of a provider stays for as long as it is the same upstream.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from sluice_server.config import health as rules
from sluice_server.config.settings import Settings
from sluice_server.health.alerts import Alerts, Send
from sluice_server.health.board import HealthBoard, ProviderHealth, Roster
from sluice_server.health.breaker import State
from sluice_server.health.breakers import Breakers, CircuitView
from sluice_server.health.herald import Herald
from sluice_server.health.probes import Probe, Probes
from sluice_server.health.rounds import Rounds
from sluice_server.health.sustained import Sustained
from sluice_server.health.verdicts import Verdict
from sluice_server.telemetry.call import AttemptRecord
from sluice_server.telemetry.metrics import Metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class Patients:
    """Whom one configuration wants to be looked after."""

    roster: Roster
    """All providers; made by `HealthBoard.draw_up`."""
    anew: Collection[str]
    """Those that are other upstreams than the ones of the same names before."""
    credentials: Mapping[str, Collection[str]]
    """Aliases of each provider's credentials that are the same as before."""
    probes: Mapping[str, Probe]
    """How to ask providers that can be asked."""


class Ward:
    """Looks after all providers; nobody is there before the first `refit`."""

    def __init__(
        self,
        configured: Settings,
        *,
        metrics: Metrics,
        instance: str,
        on_change: Callable[[str, ProviderHealth], None],
    ) -> None:
        """Begin with nobody.

        Args:
            configured: the operator's settings.
            metrics: where figures are shown.
            instance: name of this replica, for alerts.
            on_change: is told of providers' new states.
        """
        self._metrics = metrics
        self._herald = Herald(metrics, instance=instance, alerts=None)
        self._on_change = on_change
        self.breakers = Breakers(configured.breakers, on_change=self._circuit_changed)
        self.board = HealthBoard((), on_change=self._health_changed, breakers=self.breakers)
        self._errors = Sustained((), configured.alerts, on_change=self._herald.errors_changed)
        self._probes = Probes(
            {},
            self.board,
            interval=configured.health.probe_interval_seconds,
            on_ended=self._probe_ended,
        )
        self._rounds = Rounds([self.board.look, self._errors.look, self._probes.look])
        self._receiver: tuple[Send | None, rules.Alerts] = (None, configured.alerts)
        self._replaced: list[Alerts] = []
        self._announced = False

    def refit(self, patients: Patients, configured: Settings, post: Send | None) -> None:
        """Look after these from now on, by these settings.

        Args:
            patients: who they are.
            configured: the operator's settings.
            post: posts to the webhook; None: there is none.
        """
        before = self.board.providers
        self.breakers.refit(configured.breakers)
        self.breakers.keep(patients.credentials)
        self.board.admit(patients.roster)
        if not configured.breakers.enabled:
            self._metrics.circuits.clear()
        for name in before:
            if name not in self.board.providers or name in patients.anew:
                self._herald.forget(name)
        for name, health in self.board.providers.items():
            self._herald.present(name, health)
        self._errors.refit(patients.roster.patients, configured.alerts, patients.anew)
        self._probes.refit(
            patients.probes,
            interval=configured.health.probe_interval_seconds,
            anew=patients.anew,
        )
        self._tell(post, configured.alerts)

    def start(self) -> None:
        """Begin the rounds."""
        self._rounds.start()

    def announce(self) -> None:
        """Send alerts from now on. What a start looks like is no news."""
        self._announced = True
        if self._herald.alerts is not None:
            self._herald.alerts.start()

    def attempt_ended(self, record: AttemptRecord) -> None:
        """Count an upstream call for shares of errors; may come late."""
        self._errors.attempt_ended(record)

    def figures(self) -> None:
        """Bring gauges up to date that change as time passes."""
        self._herald.figures(self.board.providers, self.breakers)

    async def deliver(self) -> None:
        """Deliver, if that is quick, what is raised for webhooks that are no longer told."""
        replaced, self._replaced = self._replaced, []
        for alerts in replaced:
            await alerts.aclose()

    async def aclose(self) -> None:
        """Stop looking and asking, and deliver the last alerts."""
        await self._rounds.aclose()
        await self._probes.aclose()
        await self.deliver()
        if self._herald.alerts is not None:
            await self._herald.alerts.aclose()

    def _tell(self, post: Send | None, configured: rules.Alerts) -> None:
        if (post, configured) == self._receiver:
            return
        self._receiver = (post, configured)
        if self._herald.alerts is not None:
            self._replaced.append(self._herald.alerts)
            self._herald.alerts = None
        if post is None or configured.secret is None:
            return
        self._herald.alerts = Alerts(
            post,
            secret=configured.secret.get_secret_value(),
            timeout=configured.timeout_seconds,
            on_outcome=lambda outcome: self._metrics.alerts.labels(outcome).inc(),
        )
        if self._announced:
            self._herald.alerts.start()

    def _health_changed(self, provider: str, health: ProviderHealth) -> None:
        self._herald.health_changed(provider, health)
        self._on_change(provider, health)

    def _circuit_changed(self, view: CircuitView, before: State) -> None:
        self._herald.circuit_changed(view, before)
        self.board.circuit_changed(view.circuit.provider)

    def _probe_ended(self, provider: str, verdict: Verdict, reason: str) -> None:
        self._herald.probe_ended(provider, verdict, reason)
        self.board.probed(provider, verdict, reason)
