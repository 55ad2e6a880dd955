"""OpenTelemetry's own metrics of GenAI clients, for whoever collects by OTLP.

Fed once per upstream call when it has ended, in the ledger's batches. Whoever scrapes Prometheus
finds more in `metrics`. The convention's time per output chunk is left out: it wants a value for
every chunk, which is work per token (docs/decisions/0030).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import NamedTuple, Protocol

from opentelemetry.sdk.metrics import AlwaysOffExemplarFilter, MeterProvider
from opentelemetry.sdk.metrics.export import Histogram, Metric, MetricsData
from opentelemetry.sdk.metrics.view import ExplicitBucketHistogramAggregation, View

from sluice_server.config import settings
from sluice_server.telemetry import names, otlp
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

_NUMBER = "n"


class Labels(Protocol):
    """Bounds names of models."""

    def label(self, provider: str, model: str, *, worked: bool) -> str:
        """Return the label for `model`."""


class Place(NamedTuple):
    """A provider, as metrics tell of it."""

    kind: str
    address: str
    port: int


class Series:
    """Sets of attributes, each with a number that stands for it until it is exported.

    The library checks, copies and hashes every attribute of every value: with eight of them that
    is most of what a value costs.
    """

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, ...], Attributes] = {}
        self._attributes: list[Attributes] = [_OVERFLOW]

    def get(self, key: tuple[str, ...]) -> Attributes | None:
        """Return what stands for the set of this key; None when it is new."""
        return self._numbers.get(key)

    def add(self, key: tuple[str, ...], attributes: Attributes) -> Attributes:
        """Add a set; returns what stands for it."""
        if len(self._attributes) >= MOST_SERIES:
            return {_NUMBER: 0}
        number: Attributes = {_NUMBER: len(self._attributes)}
        self._attributes.append(attributes)
        self._numbers[key] = number
        return number

    def written_out(self, data: MetricsData) -> MetricsData:
        """Return metrics with the attributes that numbers stand for."""
        return dataclasses.replace(
            data,
            resource_metrics=[
                dataclasses.replace(
                    resource,
                    scope_metrics=[
                        dataclasses.replace(scope, metrics=list(map(self._metric, scope.metrics)))
                        for scope in resource.scope_metrics
                    ],
                )
                for resource in data.resource_metrics
            ],
        )

    def _metric(self, metric: Metric) -> Metric:
        if not isinstance(metric.data, Histogram):
            return metric
        points = [
            dataclasses.replace(point, attributes=self._attributes[number])
            if isinstance(number := (point.attributes or {}).get(_NUMBER), int)
            else point
            for point in metric.data.data_points
        ]
        return dataclasses.replace(
            metric, data=dataclasses.replace(metric.data, data_points=points)
        )


class GenAiMetrics:
    """The metrics of one server."""

    def __init__(
        self,
        provider: MeterProvider,
        series: Series,
        *,
        conventions: Conventions,
        models: Labels,
        answering: Labels,
        places: Mapping[str, Place],
    ) -> None:
        """Prepare.

        Args:
            provider: Of OpenTelemetry.
            series: What is told in place of attributes.
            conventions: Which names are used.
            models: Bounds the models that are asked.
            answering: Bounds those that answer, which are other names.
            places: All providers by name.
        """
        self._provider = provider
        self._conventions = conventions
        self._models = models
        self._answering = answering
        self._places = places
        self._series = series
        meter = provider.get_meter("sluice")
        self._duration = meter.create_histogram(
            names.GEN_AI_CLIENT_OPERATION_DURATION,
            unit="s",
            description="GenAI operation duration.",
        )
        self._tokens = meter.create_histogram(
            names.GEN_AI_CLIENT_TOKEN_USAGE,
            unit="{token}",
            description="Number of input and output tokens used.",
        )
        self._first_chunk = None
        if conventions.newest:
            self._first_chunk = meter.create_histogram(
                names.GEN_AI_CLIENT_TIME_TO_FIRST_CHUNK,
                unit="s",
                description="Time to receive the first chunk of the answer.",
            )

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
        whole = self._told(provider, model, answering, "", "")
        error = "" if worked else record.reason or CANCELLED
        self._duration.record(
            record.duration_seconds,
            self._told(provider, model, answering, error, "") if error else whole,
        )
        if self._first_chunk is not None and record.first_output_seconds is not None:
            self._first_chunk.record(record.first_output_seconds, whole)
        usage = record.usage
        if usage is None:
            return
        if usage.HasField("input_tokens"):
            told = self._told(provider, model, answering, "", "input")
            self._tokens.record(usage.input_tokens, told)
        if usage.HasField("output_tokens"):
            told = self._told(provider, model, answering, "", "output")
            self._tokens.record(usage.output_tokens, told)

    def close(self) -> None:
        """Export for the last time; blocks for a few seconds at most."""
        self._provider.shutdown()

    def _told(self, *key: str) -> Attributes:
        return self._series.get(key) or self._series.add(key, self._assembled(*key))

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
    seconds = ExplicitBucketHistogramAggregation(SECONDS)
    series = Series()
    reader = otlp.metric_reader(telemetry.otlp_endpoint, series.written_out)
    if reader is None:
        return None
    provider = MeterProvider(
        metric_readers=[reader],
        resource=otlp.resource(telemetry, instance=instance, version=version),
        # Calls are counted when they are over, outside of their traces.
        exemplar_filter=AlwaysOffExemplarFilter(),
        # Its own atexit hook would run after the event loop's.
        shutdown_on_exit=False,
        views=[
            View(instrument_name=names.GEN_AI_CLIENT_OPERATION_DURATION, aggregation=seconds),
            View(instrument_name=names.GEN_AI_CLIENT_TIME_TO_FIRST_CHUNK, aggregation=seconds),
            View(
                instrument_name=names.GEN_AI_CLIENT_TOKEN_USAGE,
                aggregation=ExplicitBucketHistogramAggregation(TOKENS),
            ),
        ],
    )
    return GenAiMetrics(
        provider,
        series,
        conventions=Conventions(telemetry.stability_opt_in),
        models=models,
        answering=answering,
        places=places,
    )
