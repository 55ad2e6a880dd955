"""What look-alikes add to the entries of their model lists. Pure.

Sources: `openai-compatible.md` sections 1, 3, 5, 6, 8 and 9, `openrouter.md` section 8,
`cerebras.md` section 6, the recorded lists of Groq, Mistral and Hugging Face; Together:
docs.together.ai/reference/models; Fireworks: its `/inference/v1/models`; LM Studio:
lmstudio.ai/docs/developer/rest/endpoints; Azure: the models of its data plane. An extra
that cannot be read is left out: it must not cost the list.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import Any

from sluice.v1 import model_pb2

CHAT = "chat"
"""Category of what Generate can call."""

_WORDS = {
    "tools": model_pb2.MODEL_FEATURE_TOOLS,
    "tool_use": model_pb2.MODEL_FEATURE_TOOLS,
    "function_calling": model_pb2.MODEL_FEATURE_TOOLS,
    "parallel_tool_calls": model_pb2.MODEL_FEATURE_PARALLEL_TOOLS,
    "structured_outputs": model_pb2.MODEL_FEATURE_JSON_SCHEMA,
    "reasoning": model_pb2.MODEL_FEATURE_REASONING,
    "temperature": model_pb2.MODEL_FEATURE_SAMPLING,
}
"""In OpenRouter's `supported_parameters`, Groq's `supported_features` and
`supported_sampling_parameters`, and `capabilities` of Mistral and LM Studio."""

_WORD_LISTS = (
    "supported_parameters",
    "supported_features",
    "supported_sampling_parameters",
    "capabilities",
)

_FLAGS = {
    "supports_tools": model_pb2.MODEL_FEATURE_TOOLS,
    "supports_structured_output": model_pb2.MODEL_FEATURE_JSON_SCHEMA,
}
"""Fireworks' entries, and the providers of Hugging Face's."""

_ABLE = {
    "completion_chat": CHAT,
    "chat_completion": CHAT,
    "completion_fim": "code",
    "embeddings": "embedding",
    "moderation": "moderation",
    "ocr": "ocr",
}
"""Categories by `capabilities` of Mistral and Azure."""

_TYPES = {
    "chat": CHAT,
    "llm": CHAT,
    "vlm": CHAT,
    "code": "code",
    "language": "completion",
    "embedding": "embedding",
    "embeddings": "embedding",
    "moderation": "moderation",
    "rerank": "rerank",
    "image": "image",
    "video": "video",
    "audio": "speech",
    "transcribe": "transcription",
}
"""Categories by `type` of Together and LM Studio."""

_OUTPUTS = {
    "text": CHAT,
    "image": "image",
    "video": "video",
    "audio": "speech",
    "speech": "speech",
    "transcription": "transcription",
    "embeddings": "embedding",
}
"""Categories by `output_modalities` of Groq and OpenRouter."""

_PRICES = {
    "prompt": "input_usd_nanos",
    "completion": "output_usd_nanos",
    "input_cache_read": "cache_read_usd_nanos",
    "input_cache_write": "cache_write_usd_nanos",
}
"""OpenRouter's `pricing`: decimal text, US dollars per token; "-1" is a price that varies."""

_TOGETHER_PRICES = {
    "input": "input_usd_nanos",
    "output": "output_usd_nanos",
    "cached_input": "cache_read_usd_nanos",
}
"""Together's `pricing`: numbers, US dollars per million tokens; what it sells by the hour alone
has zeros there."""

_XAI_PRICES = {
    "prompt_text_token_price": "input_usd_nanos",
    "completion_text_token_price": "output_usd_nanos",
    "cached_prompt_text_token_price": "cache_read_usd_nanos",
}
"""xAI's prices: whole 1e-10 US dollars per token."""

_RETIREMENTS = ("deprecation", "shutdown_date", "expiration_date")


def add(model: model_pb2.Model, entry: dict[str, Any]) -> None:
    """Add to a model what its entry says beyond the usual."""
    if not model.display_name and isinstance(entry.get("display_name"), str):
        model.display_name = entry["display_name"]
    _add_limits(model, entry)
    _add_modalities(model, entry)
    _add_features(model, entry)
    _add_categories(model, entry)
    _add_prices(model, entry)
    _add_retirement(model, entry)


def count(value: Any) -> int | None:
    """Return a number of tokens; 0 and nonsense mean that the server does not know."""
    return value if type(value) is int and 0 < value < 2**53 else None


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _words(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [word for word, has in value.items() if has is True]
    return [word for word in value if isinstance(word, str)] if isinstance(value, list) else []


def _served(entry: dict[str, Any]) -> list[dict[str, Any]]:
    """Return who serves the model at Hugging Face's router."""
    listed = entry.get("providers")
    served = [_object(one) for one in listed] if isinstance(listed, list) else []
    return [one for one in served if one.get("status") == "live"]


def _add_limits(model: model_pb2.Model, entry: dict[str, Any]) -> None:
    # What the best endpoint takes is the usable size (`overview.md` section 7), and what a
    # server was started with, not what the model was trained for.
    best, limits = _object(entry.get("top_provider")), _object(entry.get("limits"))
    meta = _object(entry.get("meta"))
    usable = (
        count(best.get("context_length"))
        or count(limits.get("max_context_length"))
        or count(entry.get("loaded_context_length"))
        or count(meta.get("n_ctx"))
    )
    if usable is not None:
        model.context_tokens = usable
    elif not model.HasField("context_tokens"):
        served = [found for one in _served(entry) if (found := count(one.get("context_length")))]
        other = count(meta.get("n_ctx_train")) or max(served, default=None)
        if other is not None:
            model.context_tokens = other
    output = (
        count(best.get("max_completion_tokens"))
        or count(limits.get("max_completion_tokens"))
        or count(entry.get("max_completion_tokens"))
        or count(entry.get("max_output_length"))
    )
    if output is not None:
        model.max_output_tokens = output


def _add_modalities(model: model_pb2.Model, entry: dict[str, Any]) -> None:
    source = _object(entry.get("architecture")) or entry
    model.input_modalities.extend(_words(source.get("input_modalities")))
    model.output_modalities.extend(_words(source.get("output_modalities")))
    if not model.input_modalities:
        able = _words(entry.get("capabilities"))
        images = "vision" in able or entry.get("type") == "vlm"
        kinds = {
            "image": images or entry.get("supports_image_input") is True,
            "audio": "audio" in able,
        }
        if any(kinds.values()):
            model.input_modalities.extend(["text", *(kind for kind, has in kinds.items() if has)])


def _add_features(model: model_pb2.Model, entry: dict[str, Any]) -> None:
    said = {word for name in _WORD_LISTS for word in _words(entry.get(name))}
    found = {feature for word, feature in _WORDS.items() if word in said}
    for source in (entry, *_served(entry)):
        found |= {feature for flag, feature in _FLAGS.items() if source.get(flag) is True}
    if "image" in model.input_modalities:
        found.add(model_pb2.MODEL_FEATURE_VISION)
    model.features.extend(sorted(found))


def _add_categories(model: model_pb2.Model, entry: dict[str, Any]) -> None:
    found = [_ABLE[word] for word in _words(entry.get("capabilities")) if word in _ABLE]
    kind = entry.get("type")
    if isinstance(kind, str) and kind in _TYPES:
        found.append(_TYPES[kind])
    if entry.get("supports_chat") is True:
        found.append(CHAT)
    # Who writes text beside pictures can be talked to; what writes none cannot.
    outputs = list(model.output_modalities)
    written = ["text"] if "text" in outputs else outputs
    found += [_OUTPUTS[word] for word in written if word in _OUTPUTS]
    model.categories.extend(dict.fromkeys(found))


def _add_prices(model: model_pb2.Model, entry: dict[str, Any]) -> None:
    prices: dict[str, int] = {}
    pricing = _object(entry.get("pricing"))
    for name, field in _PRICES.items():
        if isinstance(pricing.get(name), str):
            _put_price(prices, field, pricing[name], Decimal(10) ** 9)
    if any(pricing.get(name) for name in _TOGETHER_PRICES):
        for name, field in _TOGETHER_PRICES.items():
            if isinstance(pricing.get(name), int | float):
                _put_price(prices, field, str(pricing[name]), Decimal(1000))
    for name, field in _XAI_PRICES.items():
        if type(entry.get(name)) is int:
            _put_price(prices, field, str(entry[name])[:40], Decimal("0.1"))
    if prices:
        model.pricing.CopyFrom(model_pb2.Pricing(**prices, source=model.provider))
        # Nobody has a price for reading what is never kept.
        if prices.get("cache_read_usd_nanos"):
            model.features.append(model_pb2.MODEL_FEATURE_PROMPT_CACHE)


def _put_price(prices: dict[str, int], field: str, text: str, nanos: Decimal) -> None:
    try:
        price = Decimal(text) * nanos
        if 0 <= price < 2**53:
            # Something that costs is never shown as free.
            prices[field] = int(price.to_integral_value(ROUND_HALF_EVEN)) or int(price > 0)
    except (InvalidOperation, ArithmeticError, ValueError):
        return


def _add_retirement(model: model_pb2.Model, entry: dict[str, Any]) -> None:
    # Azure tells the end of fine-tuning beside that of answering, as seconds since the epoch.
    seconds = _object(entry.get("deprecation")).get("inference")
    text = next((entry[name] for name in _RETIREMENTS if isinstance(entry.get(name), str)), "")
    try:
        if type(seconds) is int and seconds > 0:
            model.retire_time.FromSeconds(seconds)
            return
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        model.retire_time.FromSeconds(int(moment.timestamp()))
    except (ValueError, OverflowError):
        model.ClearField("retire_time")
