"""Which models a `ModelFilter` lets through."""

from __future__ import annotations

from sluice.v1 import model_pb2


def matches(model: model_pb2.Model, wanted: model_pb2.ModelFilter) -> bool:
    """Tell whether `model` meets every condition; what is unknown meets none."""
    if wanted.providers and model.provider not in wanted.providers:
        return False
    if wanted.HasField("min_context_tokens") and not (
        model.HasField("context_tokens") and model.context_tokens >= wanted.min_context_tokens
    ):
        return False
    if not set(wanted.features) <= set(model.features):
        return False
    if wanted.categories and not set(wanted.categories) & set(model.categories):
        return False
    if wanted.query:
        query = wanted.query.casefold()
        if query not in model.name.casefold() and query not in model.display_name.casefold():
            return False
    return not wanted.HasField("max_input_usd_nanos") or (
        model.pricing.HasField("input_usd_nanos")
        and model.pricing.input_usd_nanos <= wanted.max_input_usd_nanos
    )
