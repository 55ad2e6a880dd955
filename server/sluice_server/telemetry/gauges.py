"""Figures that other rooms know, shown as they were when they were last asked.

The rows are put here before each scrape; nothing is kept of those that are gone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from sluice_server.telemetry import names

MOST_LIMITS = 2_000
"""Limits that are shown at most. Providers name the models and scopes of theirs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitRow:
    """One limit of one quota scope; what is not known is None."""

    provider: str
    scope: str
    model: str
    unit: str
    window: float
    """Seconds; 0 where nobody says."""
    limit: int | None
    remaining: int | None
    reserved: int
    held: bool = False
    """What is reserved is off the remaining already."""

    @property
    def utilization(self) -> float | None:
        """Share that is used or held, 0 to 1."""
        if not self.limit or self.remaining is None:
            return None
        room = self.remaining - (0 if self.held else self.reserved)
        return min(1.0, max(0.0, 1 - room / self.limit))


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialRow:
    """How one key or account stands."""

    provider: str
    credential: str
    health: int
    """As HealthState in the contract."""
    refreshes: int | None = None
    """Token refreshes that worked; None for keys, which have none."""
    refresh_failures: int = 0
    expires_at: float | None = None
    """Seconds since the epoch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelsRow:
    """How old one provider's list of models is."""

    provider: str
    models: int
    age_seconds: float | None
    """None where the list was never fetched."""
    fetches: Mapping[str, int] = field(default_factory=dict)
    """By outcome."""


class Gauges(Collector):
    """Shows the rows that were put here last."""

    def __init__(self) -> None:
        self.waiting_calls = 0
        """Generate calls that wait for room at providers."""
        self.limits: Sequence[LimitRow] = ()
        self.credentials: Sequence[CredentialRow] = ()
        self.models: Sequence[ModelsRow] = ()

    def collect(self) -> Iterator[Metric]:
        """Return all of these metrics."""
        yield GaugeMetricFamily(
            names.WAITING_CALLS,
            "Generate calls that wait for room at providers.",
            value=self.waiting_calls,
        )
        yield from self._of_limits()
        yield from self._of_credentials()
        yield from self._of_models()

    def _of_limits(self) -> Iterator[Metric]:
        labels = ["provider", "scope", "model", "unit", "window"]
        size = GaugeMetricFamily(names.LIMIT, "Size of a limit, in its unit.", labels=labels)
        left = GaugeMetricFamily(
            names.LIMIT_REMAINING, "Room left by the last word of who sets it.", labels=labels
        )
        held = GaugeMetricFamily(
            names.LIMIT_RESERVED,
            "Held by running calls, or used since that last word.",
            labels=labels,
        )
        used = GaugeMetricFamily(
            names.LIMIT_UTILIZATION, "Share of a limit that is used or held.", labels=labels
        )
        for row in self.limits[:MOST_LIMITS]:
            values = [row.provider, row.scope, row.model, row.unit, f"{row.window:g}"]
            for family, figure in (
                (size, row.limit),
                (left, row.remaining),
                (held, row.reserved),
                (used, row.utilization),
            ):
                if figure is not None:
                    family.add_metric(values, figure)
        yield from (size, left, held, used)

    def _of_credentials(self) -> Iterator[Metric]:
        labels = ["provider", "credential"]
        health = GaugeMetricFamily(
            names.CREDENTIAL_HEALTH,
            "0 unknown, 1 healthy, 2 degraded, 3 unhealthy, as in GetMetrics.",
            labels=labels,
        )
        refreshes = CounterMetricFamily(
            names.CREDENTIAL_REFRESHES, "Token refreshes.", labels=[*labels, "outcome"]
        )
        expiry = GaugeMetricFamily(
            names.CREDENTIAL_EXPIRY,
            "When the access token ends, in seconds since the epoch.",
            labels=labels,
        )
        for row in self.credentials:
            values = [row.provider, row.credential]
            health.add_metric(values, row.health)
            if row.refreshes is not None:
                refreshes.add_metric([*values, "success"], row.refreshes)
                refreshes.add_metric([*values, "failure"], row.refresh_failures)
            if row.expires_at is not None:
                expiry.add_metric(values, row.expires_at)
        yield from (health, refreshes, expiry)

    def _of_models(self) -> Iterator[Metric]:
        models = GaugeMetricFamily(names.MODELS, "Models listed.", labels=["provider"])
        age = GaugeMetricFamily(
            names.CATALOG_AGE,
            "Age of a provider's list of models, in seconds.",
            labels=["provider"],
        )
        fetches = CounterMetricFamily(
            names.CATALOG_FETCHES,
            "Times that a provider was asked for its list.",
            labels=["provider", "outcome"],
        )
        for row in self.models:
            models.add_metric([row.provider], row.models)
            if row.age_seconds is not None:
                age.add_metric([row.provider], row.age_seconds)
            for outcome, count in sorted(row.fetches.items()):
                fetches.add_metric([row.provider, outcome], count)
        yield from (models, age, fetches)
