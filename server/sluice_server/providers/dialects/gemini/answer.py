"""Members of an answer that need more than a field access. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

from sluice.v1 import event_pb2, usage_pb2
from sluice_server import errors
from sluice_server.providers.dialects.gemini import wire
from sluice_server.providers.framing import UNREADABLE

_FILTER = event_pb2.FINISH_REASON_CONTENT_FILTER

FINISH_REASONS = {
    "STOP": event_pb2.FINISH_REASON_STOP,
    "MAX_TOKENS": event_pb2.FINISH_REASON_MAX_TOKENS,
    "SAFETY": _FILTER,
    "RECITATION": _FILTER,
    "BLOCKLIST": _FILTER,
    "PROHIBITED_CONTENT": _FILTER,
    "SPII": _FILTER,
    "IMAGE_SAFETY": _FILTER,
    "IMAGE_PROHIBITED_CONTENT": _FILTER,
    "IMAGE_RECITATION": _FILTER,
    "MODEL_ARMOR": _FILTER,
    "ESCALATION": _FILTER,
    "CONTINUATION": event_pb2.FINISH_REASON_PAUSED,
}
"""The provider's words (`gemini.md` section 4); all others are OTHER."""

UNSPECIFIED = "FINISH_REASON_UNSPECIFIED"
"""Says nothing, so that a later word counts instead."""

FAILURES: dict[str, type[errors.UpstreamError]] = {
    # The model slipped; asked again it may well not.
    "MALFORMED_FUNCTION_CALL": errors.ProviderUnavailableError,
    "MALFORMED_RESPONSE": errors.ProviderUnavailableError,
    "UNEXPECTED_TOOL_CALL": errors.ProviderUnavailableError,
    "TOO_MANY_TOOL_CALLS": errors.ProviderUnavailableError,
    # The same history will fail the same way here, but not at another provider.
    "MISSING_THOUGHT_SIGNATURE": errors.ProviderProtocolError,
}
"""Words that mean there is no answer (`gemini.md` section 4)."""

_MAX_TOKENS = 2**53
"""No model counts that far: a larger number is garbage, not usage."""

_USAGE = msgspec.json.Decoder(wire.Usage)
_LOGPROBS = msgspec.json.Decoder(wire.LogprobsResult)


def read_usage(block: msgspec.Raw) -> usage_pb2.Usage | None:
    """Return normalised token counts; None when there are none to be had.

    Candidates exclude thoughts, and the prompt excludes what tools put into it
    (`gemini.md` section 4). Numbers that make no sense count as absent.
    """
    try:
        counts = _USAGE.decode(block)
    except UNREADABLE:
        return None
    thoughts = _count(counts.thoughts_token_count)
    usage = usage_pb2.Usage(
        input_tokens=_sum(
            _count(counts.prompt_token_count), _count(counts.tool_use_prompt_token_count)
        ),
        output_tokens=_sum(_count(counts.candidates_token_count), thoughts),
        cache_read_input_tokens=_count(counts.cached_content_token_count),
        reasoning_output_tokens=thoughts,
    )
    if not usage.HasField("input_tokens") and not usage.HasField("output_tokens"):
        return None
    usage.source = usage_pb2.USAGE_SOURCE_PROVIDER
    return usage


def _count(value: Any) -> int | None:
    return value if type(value) is int and 0 <= value < _MAX_TOKENS else None


def _sum(one: int | None, other: int | None) -> int | None:
    # JSON of protobuf leaves zeros out, so one of two may well be missing.
    return None if one is None and other is None else (one or 0) + (other or 0)


def read_logprobs(result: msgspec.Raw) -> list[event_pb2.TokenLogprob]:
    """Return log-probs in our shape; none when they cannot be read."""
    try:
        parsed = _LOGPROBS.decode(result)
    except UNREADABLE:
        return []
    tops = parsed.top_candidates or []
    tokens = []
    for place, chosen in enumerate(parsed.chosen_candidates or ()):
        token = _token(chosen)
        if place < len(tops):
            token.top.extend(_token(other) for other in tops[place].candidates or ())
        tokens.append(token)
    return tokens


def _token(token: wire.TokenLogprob) -> event_pb2.TokenLogprob:
    return event_pb2.TokenLogprob(
        token=(token.token or "").encode("utf-8", "replace"), logprob=token.log_probability or 0.0
    )
