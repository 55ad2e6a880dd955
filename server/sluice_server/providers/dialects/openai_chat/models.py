"""The model lists of Chat Completions servers, with what look-alikes add. Pure.

What all share is read in `openai_family.models`; the extras are in
`openai-compatible.md` sections 1, 3, 5 and 8, `openrouter.md` section 8 and
`cerebras.md` section 6. An extra that cannot be read is left out: it must not
cost the list.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import Any

import msgspec

from sluice.v1 import model_pb2
from sluice_server.errors import ProviderProtocolError
from sluice_server.providers.framing import UNREADABLE
from sluice_server.providers.openai_family import models as family

_LIST = msgspec.json.Decoder(dict[str, Any] | list[Any])

_PARAMETERS = {
    "tools": model_pb2.MODEL_FEATURE_TOOLS,
    "parallel_tool_calls": model_pb2.MODEL_FEATURE_PARALLEL_TOOLS,
    "structured_outputs": model_pb2.MODEL_FEATURE_JSON_SCHEMA,
    "reasoning": model_pb2.MODEL_FEATURE_REASONING,
    "temperature": model_pb2.MODEL_FEATURE_SAMPLING,
}
"""OpenRouter's `supported_parameters`."""

_CAPABILITIES = {
    "function_calling": model_pb2.MODEL_FEATURE_TOOLS,
    "reasoning": model_pb2.MODEL_FEATURE_REASONING,
    "vision": model_pb2.MODEL_FEATURE_VISION,
}
"""Mistral's `capabilities`."""

_PRICES = {
    "prompt": "input_usd_nanos",
    "completion": "output_usd_nanos",
    "input_cache_read": "cache_read_usd_nanos",
    "input_cache_write": "cache_write_usd_nanos",
}
"""OpenRouter's `pricing`: decimal text, US dollars per token; "-1" is a price that varies."""

_XAI_PRICES = {
    "prompt_text_token_price": "input_usd_nanos",
    "completion_text_token_price": "output_usd_nanos",
    "cached_prompt_text_token_price": "cache_read_usd_nanos",
}
"""xAI's prices: whole 1e-10 US dollars per token."""

_RETIREMENTS = ("deprecation", "shutdown_date", "expiration_date")


def parse_models(body: bytes, *, provider: str) -> list[model_pb2.Model]:
    """Return the models of a list answer.

    Raises:
        ProviderProtocolError: the body is no model list.
    """
    try:
        parsed = _LIST.decode(body)
    except UNREADABLE:
        raise ProviderProtocolError("The provider's model list cannot be read.") from None
    entries: Any = parsed
    if isinstance(parsed, dict):
        # xAI's richer list has a name of its own.
        entries = parsed.get("data", parsed.get("models"))
        body = msgspec.json.encode({"data": entries})
    models = family.parse_models(body, provider=provider)
    extras: dict[str, dict[str, Any]] = {}
    for entry in entries:
        extras.setdefault(entry["id"], entry)
    found = []
    for model in models:
        # Mistral lists some models twice (recorded); the first one counts.
        if model.id not in extras:
            continue
        entry = extras.pop(model.id)
        if entry.get("active") is False:
            continue
        found.append(model)
        _add_limits(model, entry)
        _add_modalities(model, entry)
        _add_features(model, entry)
        _add_prices(model, entry, provider)
        _add_retirement(model, entry)
    return found


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _words(value: Any) -> list[str]:
    return [word for word in value if isinstance(word, str)] if isinstance(value, list) else []


def _count(value: Any) -> int | None:
    return value if type(value) is int and 0 < value < 2**53 else None


def _add_limits(model: model_pb2.Model, entry: dict[str, Any]) -> None:
    # What the best endpoint takes is the usable size (`overview.md` section 7).
    best = _object(entry.get("top_provider"))
    limits = _object(entry.get("limits"))
    trained = _count(_object(entry.get("meta")).get("n_ctx_train"))
    context = _count(best.get("context_length")) or _count(limits.get("max_context_length"))
    if context is not None:
        model.context_tokens = context
    elif trained is not None and not model.HasField("context_tokens"):
        model.context_tokens = trained
    output = _count(best.get("max_completion_tokens")) or _count(
        limits.get("max_completion_tokens")
    )
    if output is not None:
        model.max_output_tokens = output


def _add_modalities(model: model_pb2.Model, entry: dict[str, Any]) -> None:
    source = _object(entry.get("architecture")) or entry
    model.input_modalities.extend(_words(source.get("input_modalities")))
    model.output_modalities.extend(_words(source.get("output_modalities")))


def _add_features(model: model_pb2.Model, entry: dict[str, Any]) -> None:
    supported = set(_words(entry.get("supported_parameters")))
    capabilities = _object(entry.get("capabilities"))
    found = {feature for word, feature in _PARAMETERS.items() if word in supported}
    found |= {feature for word, feature in _CAPABILITIES.items() if capabilities.get(word) is True}
    if "image" in model.input_modalities:
        found.add(model_pb2.MODEL_FEATURE_VISION)
    model.features.extend(sorted(found))


def _add_prices(model: model_pb2.Model, entry: dict[str, Any], provider: str) -> None:
    prices: dict[str, int] = {}
    pricing = _object(entry.get("pricing"))
    for name, field in _PRICES.items():
        if isinstance(pricing.get(name), str):
            _put_price(prices, field, pricing[name], Decimal(10) ** 9)
    for name, field in _XAI_PRICES.items():
        if type(entry.get(name)) is int:
            _put_price(prices, field, str(entry[name])[:40], Decimal("0.1"))
    if prices:
        model.pricing.CopyFrom(model_pb2.Pricing(**prices, source=provider))


def _put_price(prices: dict[str, int], field: str, text: str, nanos: Decimal) -> None:
    try:
        price = Decimal(text) * nanos
        if 0 <= price < 2**53:
            prices[field] = int(price.to_integral_value(ROUND_HALF_EVEN))
    except (InvalidOperation, ArithmeticError, ValueError):
        return


def _add_retirement(model: model_pb2.Model, entry: dict[str, Any]) -> None:
    text = next((entry[name] for name in _RETIREMENTS if isinstance(entry.get(name), str)), "")
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        model.retire_time.FromSeconds(int(moment.timestamp()))
    except (ValueError, OverflowError):
        model.ClearField("retire_time")
