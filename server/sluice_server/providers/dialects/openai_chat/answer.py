"""Members of an answer that need more than a field access. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sluice.v1 import event_pb2, usage_pb2
from sluice_server.providers.dialects.openai_chat import wire
from sluice_server.providers.dialects.openai_chat.quirks import Quirks

FINISH_REASONS = {
    "stop": event_pb2.FINISH_REASON_STOP,
    "eos": event_pb2.FINISH_REASON_STOP,  # Together, old models
    "length": event_pb2.FINISH_REASON_MAX_TOKENS,
    "model_length": event_pb2.FINISH_REASON_CONTEXT_FULL,  # Mistral
    "tool_calls": event_pb2.FINISH_REASON_TOOL_CALLS,
    "function_call": event_pb2.FINISH_REASON_TOOL_CALLS,
    "content_filter": event_pb2.FINISH_REASON_CONTENT_FILTER,
}
"""The provider's words (`openai.md` section 7, `overview.md` section 4)."""

_MAX_TOKENS = 2**53
"""No model counts that far: a larger number is garbage, not usage."""


def read_usage(counts: wire.Usage, quirks: Quirks) -> usage_pb2.Usage | None:
    """Return normalised token counts; None when there are none to be had.

    Totals include their parts already (`openai.md` section 4), except where a
    quirk says otherwise. Numbers that make no sense are left out.
    """
    inputs = counts.prompt_tokens_details or wire.TokenDetails()
    outputs = counts.completion_tokens_details or wire.TokenDetails()
    output_tokens = counts.completion_tokens
    if quirks.reasoning_outside_completion and output_tokens is not None:
        output_tokens += outputs.reasoning_tokens or 0
    cached = inputs.cached_tokens
    if cached is None:
        cached = counts.cached_tokens
    usage = usage_pb2.Usage(
        input_tokens=_count(counts.prompt_tokens),
        output_tokens=_count(output_tokens),
        cache_read_input_tokens=_count(
            counts.prompt_cache_hit_tokens if cached is None else cached
        ),
        cache_write_input_tokens=_count(inputs.cache_write_tokens),
        reasoning_output_tokens=_count(outputs.reasoning_tokens),
    )
    if not usage.HasField("input_tokens") and not usage.HasField("output_tokens"):
        return None
    usage.source = usage_pb2.USAGE_SOURCE_PROVIDER
    return usage


def _count(value: int | None) -> int | None:
    return value if value is not None and 0 <= value < _MAX_TOKENS else None


@dataclass(frozen=True, slots=True)
class Thought:
    """A piece of a thinking item."""

    text: str
    extras: dict[str, Any]
    """The item's members beside its kind and text, such as a signature."""


def read_content_list(items: Sequence[Any]) -> Iterator[str | Thought]:
    """Return what content holds that is a list: Mistral's thinking and text items.

    (`openai-compatible.md` section 3.) Items of other kinds have no place in
    the answer and are left out.
    """
    for item in items:
        if not isinstance(item, dict):
            continue
        if item.get("type") == "thinking":
            inner = item.get("thinking")
            texts = [
                piece["text"]
                for piece in (inner if isinstance(inner, list) else ())
                if isinstance(piece, dict) and isinstance(piece.get("text"), str)
            ]
            extras = {
                name: value
                for name, value in item.items()
                if name not in {"type", "thinking"} and value is not None
            }
            yield Thought("".join(texts), extras)
        elif isinstance(item.get("text"), str) and item["text"]:
            yield item["text"]
