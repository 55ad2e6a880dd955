"""Models and where their lists came from, as tables for people."""

import time

from rich.console import Group, RenderableType
from rich.text import Text

from sluice.cli import text
from sluice.cli.columns import Column, Columns
from sluice.v1 import gateway_service_pb2, model_pb2

_NAME = 40
"""Cells of a model's name that the other columns make room for."""

_ABILITIES = (
    (model_pb2.MODEL_FEATURE_TOOLS, "tools"),
    (model_pb2.MODEL_FEATURE_JSON_SCHEMA, "json"),
    (model_pb2.MODEL_FEATURE_REASONING, "reasoning"),
    (model_pb2.MODEL_FEATURE_VISION, "vision"),
    (model_pb2.MODEL_FEATURE_PROMPT_CACHE, "cache"),
)
"""What people choose models by; all features are in the JSON."""

_SOURCES: dict[int, str] = {
    model_pb2.MODEL_SOURCE_KIND_LIVE: "asked now",
    model_pb2.MODEL_SOURCE_KIND_CACHE: "kept",
    model_pb2.MODEL_SOURCE_KIND_STALE: "kept, too old",
    model_pb2.MODEL_SOURCE_KIND_CATALOG: "built in",
}


def tables(listed: gateway_service_pb2.ListModelsResponse) -> RenderableType:
    """Return the models, where there are any, and the sources of the lists."""
    parts: list[RenderableType] = []
    if listed.models:
        parts += [_models(listed), Text()]
    parts.append(_sources(listed))
    return Group(*parts)


def _models(listed: gateway_service_pb2.ListModelsResponse) -> Columns:
    columns = (
        Column("model", least=_NAME),  # there to be copied: the others make room for it first
        Column("context", 1, right=True),
        Column("answer", 5, right=True),
        Column("$/M in", 2, right=True),
        Column("$/M out", 3, right=True),
        Column("can", 4, least=len("reasoning"), folds=True),
    )
    rows = [
        (
            model.name,
            text.count(model.context_tokens if model.HasField("context_tokens") else None),
            text.count(model.max_output_tokens if model.HasField("max_output_tokens") else None),
            *_prices(model.pricing),
            " ".join(word for feature, word in _ABILITIES if feature in model.features)
            or text.UNKNOWN,
        )
        for model in listed.models
    ]
    return Columns(columns, rows)


def _prices(pricing: model_pb2.Pricing) -> tuple[str, str]:
    return (
        text.price(pricing.input_usd_nanos if pricing.HasField("input_usd_nanos") else None),
        text.price(pricing.output_usd_nanos if pricing.HasField("output_usd_nanos") else None),
    )


def _sources(listed: gateway_service_pb2.ListModelsResponse) -> Columns:
    columns = (
        Column("provider", least=8),
        Column("list"),
        Column("age", 1, right=True),
        Column("models", 2, right=True),
        Column("failure", least=8, folds=True),
    )
    now = time.time()
    rows = []
    for source in listed.sources:
        # Of two machines' clocks one may be behind.
        fetched = source.HasField("fetch_time")
        age = max(0.0, now - text.epoch(source.fetch_time)) if fetched else None
        rows.append(
            (
                source.provider,
                _SOURCES.get(source.kind, text.UNKNOWN),
                text.seconds(age),
                str(source.model_count),
                source.failure_reason,
            )
        )
    return Columns(columns, rows)
