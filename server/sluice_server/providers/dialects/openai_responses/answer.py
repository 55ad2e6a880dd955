"""Members of an answer that need more than a field access. Pure.

Nothing here fails: odd counts and log-probs do not spoil a good answer.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from sluice.v1 import event_pb2, usage_pb2
from sluice_server.providers.dialects.openai_responses import wire
from sluice_server.providers.framing import UNREADABLE
from sluice_server.providers.openai_family import logprobs

ENDS = frozenset({"completed", "incomplete", "failed", "cancelled"})
"""States in which nothing more will come (`openai.md` section 6)."""

FAILED = "failed"

_FINISH_REASONS = {
    "completed": event_pb2.FINISH_REASON_STOP,
    "max_output_tokens": event_pb2.FINISH_REASON_MAX_TOKENS,
    "content_filter": event_pb2.FINISH_REASON_CONTENT_FILTER,
}
"""The provider's words (`openai.md` section 7); the others are OTHER."""

_MAX_TOKENS = 2**53
"""No model counts that far: a larger number is garbage, not usage."""

StructT = TypeVar("StructT", bound=msgspec.Struct)

_USAGE = msgspec.json.Decoder(wire.Usage)
_INCOMPLETE = msgspec.json.Decoder(wire.IncompleteDetails)
_LOGPROBS = msgspec.json.Decoder(list[logprobs.TokenLogprob])


def finish_of(status: str, details: wire.MaybeRaw) -> tuple[event_pb2.FinishReason.ValueType, str]:
    """Return our reason for the end of an answer, and the provider's word for it."""
    word = status
    if status == "incomplete":
        found = _lenient(_INCOMPLETE, details)
        word = (found.reason if found else None) or status
    return _FINISH_REASONS.get(word, event_pb2.FINISH_REASON_OTHER), word


def read_usage(raw: wire.MaybeRaw) -> usage_pb2.Usage | None:
    """Return token counts, totals with their parts (`openai.md` section 6); None without any."""
    counts = _lenient(_USAGE, raw)
    if counts is None:
        return None
    inputs = counts.input_tokens_details or wire.InputDetails()
    outputs = counts.output_tokens_details or wire.OutputDetails()
    usage = usage_pb2.Usage(
        input_tokens=_count(counts.input_tokens),
        output_tokens=_count(counts.output_tokens),
        cache_read_input_tokens=_count(inputs.cached_tokens),
        cache_write_input_tokens=_count(inputs.cache_write_tokens),
        reasoning_output_tokens=_count(outputs.reasoning_tokens),
    )
    if not usage.HasField("input_tokens") and not usage.HasField("output_tokens"):
        return None
    usage.source = usage_pb2.USAGE_SOURCE_PROVIDER
    return usage


def read_logprobs(raw: wire.MaybeRaw) -> list[event_pb2.TokenLogprob]:
    """Return log-probs in our shape; none where they cannot be read."""
    if raw is msgspec.UNSET or len(raw) <= 2:
        return []
    try:
        tokens = _LOGPROBS.decode(raw)
    except UNREADABLE:
        return []
    return logprobs.read_logprobs(tokens)


def said(raw: bytes | msgspec.UnsetType) -> bytes | None:
    """Return a member's JSON text; None where it is absent or null."""
    if raw is msgspec.UNSET:
        return None
    text = bytes(raw)
    return None if text == b"null" else text


def _lenient(decoder: msgspec.json.Decoder[StructT], raw: wire.MaybeRaw) -> StructT | None:
    text = said(raw)
    if text is None:
        return None
    try:
        return decoder.decode(text)
    except UNREADABLE:
        return None


def _count(value: int | None) -> int | None:
    return value if value is not None and 0 <= value < _MAX_TOKENS else None
