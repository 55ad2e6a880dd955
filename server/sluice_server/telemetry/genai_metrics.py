"""OpenTelemetry's own metrics of GenAI clients, for whoever collects by OTLP.

Fed once per upstream call when it has ended, in the ledger's batches. Whoever scrapes Prometheus
finds more in `metrics`. The convention's time per output chunk is left out: it wants a value for
every chunk, which is work per token (docs/decisions/0030).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from opentelemetry.sdk.metrics import AlwaysOffExemplarFilter, MeterProvider
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

_MOST_PREPARED = 4096
"""Sets of attributes that are kept; there are fewer of them, unless labels are not bounded."""


class Labels(Protocol):
    """Bounds names of models."""

    def label(self, provider: str, model: str, *, worked: bool) -> str:
        """Return the label for `model`."""


class Place(NamedTuple):
    """A provider, as metrics tell of it."""

    kind: str
    address: str
    port: int


class GenAiMetrics:
    """The metrics of one server."""

    def __init__(
        self,
        provider: MeterProvider,
        *,
        conventions: Conventions,
        models: Labels,
        answering: Labels,
        places: Mapping[str, Place],
    ) -> None:
        """Prepare.

        Args:
            provider: Of OpenTelemetry.
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
        self._prepared: dict[tuple[str, ...], Attributes] = {}
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
        if record.provider not in self._places:
            return
        common = self._attributes(record, "")
        error = record.reason if record.outcome is Outcome.ERROR else ""
        if record.outcome is Outcome.CANCELLED:
            error = CANCELLED
        self._duration.record(
            record.duration_seconds, self._attributes(record, error) if error else common
        )
        if self._first_chunk is not None and record.first_output_seconds is not None:
            self._first_chunk.record(record.first_output_seconds, common)
        counted = record.tokens()
        for kind in ("input", "output"):
            if kind in counted:
                self._tokens.record(counted[kind], self._attributes(record, "", kind))

    def close(self) -> None:
        """Export for the last time; blocks for a few seconds at most."""
        self._provider.shutdown()

    def _attributes(self, record: AttemptRecord, error: str, token_type: str = "") -> Attributes:
        worked = record.outcome is Outcome.SUCCESS
        provider = record.provider
        model = self._models.label(provider, record.model, worked=worked)
        answering = record.response_model and self._answering.label(
            provider, record.response_model, worked=worked
        )
        key = (provider, model, answering, error, token_type)
        found = self._prepared.get(key)
        if found is None:
            if len(self._prepared) >= _MOST_PREPARED:
                self._prepared.clear()
            found = self._prepared[key] = self._assembled(*key)
        return found

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
    provider = MeterProvider(
        metric_readers=[otlp.metric_reader(telemetry.otlp_endpoint)],
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
        conventions=Conventions(telemetry.stability_opt_in),
        models=models,
        answering=answering,
        places=places,
    )
