"""Members of an answer that need more than a field access: usage and why it ended. Pure."""

from __future__ import annotations

import msgspec

from sluice.v1 import event_pb2, usage_pb2
from sluice_server.providers.dialects.anthropic import wire
from sluice_server.providers.framing import UNREADABLE

FINISH_REASONS = {
    "end_turn": event_pb2.FINISH_REASON_STOP,
    "stop_sequence": event_pb2.FINISH_REASON_STOP_SEQUENCE,
    "tool_use": event_pb2.FINISH_REASON_TOOL_CALLS,
    "max_tokens": event_pb2.FINISH_REASON_MAX_TOKENS,
    "model_context_window_exceeded": event_pb2.FINISH_REASON_CONTEXT_FULL,
    "pause_turn": event_pb2.FINISH_REASON_PAUSED,
    "refusal": event_pb2.FINISH_REASON_REFUSAL,
}
"""The provider's words (`anthropic.md` section 5)."""

REFUSAL = "refusal"

_MAX_TOKENS = 2**53
"""No model counts that far: a larger number is garbage, not usage."""

_COUNTS = msgspec.json.Decoder(dict[str, object])
_STOP_DETAILS = msgspec.json.Decoder(wire.StopDetails)


class UsageCounter:
    """Token counts of one answer.

    Every usage block is cumulative: what it states replaces what was stated, and
    what it leaves out stays (`anthropic.md` section 4, note 5).
    """

    def __init__(self) -> None:
        self._counts: dict[str, object] = {}

    def read(self, block: wire.MaybeRaw) -> None:
        """Take over what a block states; one that cannot be read states nothing."""
        if isinstance(block, msgspec.UnsetType):
            return
        try:
            stated = _COUNTS.decode(block)
        except UNREADABLE:
            return
        self._counts.update((name, value) for name, value in stated.items() if value is not None)

    def usage(self, *, final: bool) -> usage_pb2.Usage | None:
        """Return normalised counts; None when there are none to be had.

        The provider counts cached input apart from `input_tokens`; our total holds
        it (`anthropic.md` section 5). Until `final`, the output is not counted yet:
        what a stream opens with is a placeholder.
        """
        cache_read = _count(self._counts.get("cache_read_input_tokens"))
        cache_write = self._cache_write()
        uncached = _count(self._counts.get("input_tokens"))
        total = None
        if uncached is not None:
            total = uncached + (cache_read or 0) + (cache_write or 0)
        usage = usage_pb2.Usage(
            input_tokens=total,
            cache_read_input_tokens=cache_read,
            cache_write_input_tokens=cache_write,
        )
        if final:
            output = _count(self._counts.get("output_tokens"))
            if output is not None:
                usage.output_tokens = output
            details = self._counts.get("output_tokens_details")
            thinking = details.get("thinking_tokens") if isinstance(details, dict) else None
            if (reasoning := _count(thinking)) is not None:
                usage.reasoning_output_tokens = reasoning
        if not usage.HasField("input_tokens") and not usage.HasField("output_tokens"):
            return None
        usage.source = usage_pb2.USAGE_SOURCE_PROVIDER
        return usage

    def _cache_write(self) -> int | None:
        total = _count(self._counts.get("cache_creation_input_tokens"))
        split = self._counts.get("cache_creation")
        if total is not None or not isinstance(split, dict):
            return total
        parts = [_count(split.get(f"ephemeral_{ttl}_input_tokens")) for ttl in ("5m", "1h")]
        known = [part for part in parts if part is not None]
        return sum(known) if known else None


def read_explanation(details: wire.MaybeRaw) -> str:
    """Return why the model refused, in the provider's words; empty when nothing is said."""
    if isinstance(details, msgspec.UnsetType):
        return ""
    try:
        return _STOP_DETAILS.decode(details).explanation or ""
    except UNREADABLE:
        return ""


def _count(value: object) -> int | None:
    return value if type(value) is int and 0 <= value < _MAX_TOKENS else None
