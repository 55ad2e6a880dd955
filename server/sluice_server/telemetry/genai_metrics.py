"""OpenTelemetry's own metrics of GenAI clients, for whoever collects by OTLP.

Fed once per upstream call when it has ended, in the ledger's batches. Whoever scrapes Prometheus
finds more in `metrics`. The convention's time per output chunk is left out: it wants a value for
every chunk, which is work per token (docs/decisions/0030).
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import NamedTuple, Protocol

from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricsData,
    ResourceMetrics,
    ScopeMetrics,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from sluice_server.config import settings
from sluice_server.telemetry import names, otlp
from sluice_server.telemetry.buckets import Buckets
from sluice_server.telemetry.call import AttemptRecord, Outcome
from sluice_server.telemetry.conventions import CHAT, Attributes, Conventions

# https://github.com/open-telemetry/semantic-conventions/blob/v1.41.1/docs/gen-ai/gen-ai-metrics.md
SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
TOKENS = tuple(4**power for power in range(14))

CANCELLED = "CANCELLED"
"""`error.type` of calls that nobody waited for to the end: theirs is no time of an answer."""

MOST_SERIES = 2000
"""Sets of attributes; as many as the library keeps of one metric. What comes beyond is counted
together, as https://opentelemetry.io/docs/specs/otel/metrics/sdk/#overflow-attribute has it."""

_OVERFLOW: Attributes = {"otel.metric.overflow": True}

_OVERFLOW_KEY = ("",)


class Labels(Protocol):
    """Bounds names of models."""

    def label(self, provider: str, model: str, *, worked: bool) -> str:
        """Return the label for `model`."""


class Place(NamedTuple):
    """A provider, as metrics tell of it."""

    kind: str
    address: str
    port: int


class _Values:
    """The values of one set of attributes."""

    __slots__ = ("attributes", "buckets", "largest", "smallest")

    def __init__(self, attributes: Attributes, bounds: tuple[float, ...]) -> None:
        self.attributes = attributes
        self.buckets = Buckets(bounds)
        self.smallest = math.inf
        self.largest = -math.inf

    def add(self, value: float) -> None:
        self.buckets.add(value)
        self.smallest = min(self.smallest, value)
        self.largest = max(self.largest, value)


class _Histogram:
    """One metric."""

    def __init__(self, name: str, unit: str, description: str, bounds: tuple[float, ...]) -> None:
        self._name, self._unit, self._description = name, unit, description
        self._bounds = bounds
        self._values: dict[tuple[str, ...], _Values] = {}

    def values(self, key: tuple[str, ...]) -> _Values | None:
        """Return the values of a set of attributes by its key; None for a new one."""
        return self._values.get(key)

    def new(self, key: tuple[str, ...], attributes: Attributes) -> _Values:
        """Return a place for the values of a new set of attributes."""
        if len(self._values) >= MOST_SERIES:
            key, attributes = _OVERFLOW_KEY, _OVERFLOW
        return self._values.setdefault(key, _Values(attributes, self._bounds))

    def metric(self, since: int, now: int) -> Metric:
        """Return everything that was counted; moments are nanoseconds since the epoch."""
        points = [
            HistogramDataPoint(
                attributes=values.attributes,
                start_time_unix_nano=since,
                time_unix_nano=now,
                count=sum(counts),
                sum=values.buckets.seconds,
                bucket_counts=counts,
                explicit_bounds=self._bounds,
                min=values.smallest,
                max=values.largest,
            )
            # The loop goes on counting while this thread reads.
            for values in list(self._values.values())
            if any(counts := list(values.buckets.counts))
        ]
        return Metric(
            name=self._name,
            description=self._description,
            unit=self._unit,
            data=Histogram(points, AggregationTemporality.CUMULATIVE),
        )


class GenAiMetrics:
    """The metrics of one server."""

    def __init__(
        self,
        resource: Resource,
        *,
        version: str,
        conventions: Conventions,
        models: Labels,
        answering: Labels,
        places: Mapping[str, Place],
    ) -> None:
        """Prepare.

        Args:
            resource: Who exports.
            version: Of the server.
            conventions: Which names are used.
            models: Bounds the models that are asked.
            answering: Bounds those that answer, which are other names.
            places: All providers by name; `moved` tells of others.
        """
        self._resource = resource
        self._scope = InstrumentationScope("sluice", version)
        self._since = time.time_ns()
        self._conventions = conventions
        self._models = models
        self._answering = answering
        self._places = dict(places)
        self._duration = _Histogram(
            names.GEN_AI_CLIENT_OPERATION_DURATION, "s", "GenAI operation duration.", SECONDS
        )
        self._tokens = _Histogram(
            names.GEN_AI_CLIENT_TOKEN_USAGE,
            "{token}",
            "Number of input and output tokens used.",
            TOKENS,
        )
        self._first_chunk = _Histogram(
            names.GEN_AI_CLIENT_TIME_TO_FIRST_CHUNK,
            "s",
            "Time to receive the first chunk of the answer.",
            SECONDS,
        )
        self._outlet: otlp.MetricsOutlet | None = None

    def attempt_ended(self, record: AttemptRecord) -> None:
        """Count one upstream call."""
        provider = record.provider
        if provider not in self._places:
            return
        worked = record.outcome is Outcome.SUCCESS
        model = self._models.label(provider, record.model, worked=worked)
        answering = record.response_model and self._answering.label(
            provider, record.response_model, worked=worked
        )
        whole = (provider, model, answering, "", "")
        error = "" if worked else record.reason or CANCELLED
        ended = (provider, model, answering, error, "") if error else whole
        self._add(self._duration, ended, record.duration_seconds)
        if self._conventions.newest and record.first_output_seconds is not None:
            self._add(self._first_chunk, whole, record.first_output_seconds)
        tokens = record.tokens()
        for kind in ("input", "output"):
            if kind in tokens:
                self._add(self._tokens, (provider, model, answering, "", kind), tokens[kind])

    def moved(self, places: Mapping[str, Place]) -> None:
        """Learn of providers that are new, or elsewhere; calls to old ones may still end."""
        self._places.update(places)

    def export_to(self, endpoint: str) -> bool:
        """Begin to export; False where a variable of OpenTelemetry's is wrong."""
        self._outlet = otlp.metrics_outlet(endpoint, self.figures)
        return self._outlet is not None

    def figures(self) -> MetricsData:
        """Return everything that was counted."""
        now = time.time_ns()
        counted = [self._duration, self._tokens, self._first_chunk]
        metrics = [histogram.metric(self._since, now) for histogram in counted]
        filled = [metric for metric in metrics if metric.data.data_points]
        scope = ScopeMetrics(self._scope, filled, "")
        return MetricsData([ResourceMetrics(self._resource, [scope], "")])

    def close(self) -> None:
        """Export for the last time; blocks for a few seconds at most."""
        if self._outlet is not None:
            self._outlet.close()

    def _add(
        self, histogram: _Histogram, key: tuple[str, str, str, str, str], value: float
    ) -> None:
        values = histogram.values(key) or histogram.new(key, self._assembled(*key))
        values.add(value)

    def _assembled(
        self, provider: str, model: str, answering: str, error: str, token_type: str
    ) -> Attributes:
        place = self._places[provider]
        found: Attributes = {
            names.GEN_AI_OPERATION_NAME: CHAT,
            **self._conventions.system(place.kind),
            names.GEN_AI_REQUEST_MODEL: model,
            names.SERVER_ADDRESS: place.address,
            names.SERVER_PORT: place.port,
            names.SLUICE_PROVIDER: provider,
        }
        if answering:
            found[names.GEN_AI_RESPONSE_MODEL] = answering
        if error:
            found[names.ERROR_TYPE] = error
        if token_type:
            found[names.GEN_AI_TOKEN_TYPE] = token_type
        return found


def configure(
    telemetry: settings.Telemetry,
    *,
    instance: str,
    version: str,
    models: Labels,
    answering: Labels,
    places: Mapping[str, Place],
) -> GenAiMetrics | None:
    """Return metrics that are exported as the settings say; None for none."""
    if telemetry.otlp_endpoint is None or not telemetry.otlp_metrics:
        return None
    metrics = GenAiMetrics(
        otlp.resource(telemetry, instance=instance, version=version),
        version=version,
        conventions=Conventions(telemetry.stability_opt_in),
        models=models,
        answering=answering,
        places=places,
    )
    return metrics if metrics.export_to(telemetry.otlp_endpoint) else None
