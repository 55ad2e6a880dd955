"""How a turn ended: who served, what it took, and whether the answer is whole."""

from typing import Final

from rich.console import Console

from sluice.answers import Answer
from sluice.cli.errors import CUT, DECLINED
from sluice.cli.text import clean, duration, seconds
from sluice.cli.turn.output import note
from sluice.v1 import content_pb2, event_pb2, usage_pb2

_ENDS: Final[dict[int, tuple[str, int]]] = {
    event_pb2.FINISH_REASON_MAX_TOKENS: (
        "The answer was cut at its longest length; --max-tokens sets it.",
        CUT,
    ),
    event_pb2.FINISH_REASON_CONTEXT_FULL: (
        "The answer was cut: the model's context is full.",
        CUT,
    ),
    event_pb2.FINISH_REASON_PAUSED: (
        "The provider paused the turn; in `sluice chat` it goes on by itself.",
        CUT,
    ),
    event_pb2.FINISH_REASON_CONTENT_FILTER: (
        "The provider's filter cut the answer.",
        DECLINED,
    ),
    event_pb2.FINISH_REASON_REFUSAL: ("The model refused.", DECLINED),
}
"""What is told of an end, and the exit code, where the answer is not whole."""

_WHOLE: Final = (
    event_pb2.FINISH_REASON_STOP,
    event_pb2.FINISH_REASON_STOP_SEQUENCE,
    event_pb2.FINISH_REASON_TOOL_CALLS,
)


def told_end(reason: "event_pb2.FinishReason.ValueType") -> tuple[str, int]:
    """Return what to tell of why the model stopped, and the exit code; nothing and 0 if whole."""
    if reason in _WHOLE:
        return "", 0
    return _ENDS.get(reason, ("The model stopped for a reason that is not known here.", CUT))


def tell_start(notes: Console, started: event_pb2.Started) -> None:
    """Tell what the gateway did before the answer that nobody asked for."""
    if started.dropped_fields:
        note(
            notes,
            "Left out, since the provider has no place for it: "
            + ", ".join(map(clean, started.dropped_fields))
            + ".",
        )
    for failed in started.failed_attempts:
        who, why = _who(failed.upstream), clean(failed.reason) or "another was faster"
        note(notes, f"{who} was given up: {why}.")


def summary(answer: Answer) -> str:
    """Return who served, tokens, money and time in a line."""
    parts = [_who(answer.upstream) if answer.upstream is not None else ""]
    parts += [tokens(answer.usage), money(answer.cost)]
    if answer.timing is not None:
        total = seconds(duration(answer.timing.total))
        first = answer.timing.HasField("time_to_first_output")
        after = seconds(duration(answer.timing.time_to_first_output)) if first else ""
        parts.append(f"{total}{f' (first {after})' if after else ''}")
    return f"[{' · '.join(part for part in parts if part)}]"


def tokens(usage: usage_pb2.Usage | None) -> str:
    """Return the tokens; ? stands for what nobody counted."""
    usage = usage or usage_pb2.Usage()
    inward = str(usage.input_tokens) if usage.HasField("input_tokens") else "?"
    outward = str(usage.output_tokens) if usage.HasField("output_tokens") else "?"
    cached = f" ({usage.cache_read_input_tokens} cached)" if usage.cache_read_input_tokens else ""
    thought = (
        f" ({usage.reasoning_output_tokens} reasoning)" if usage.reasoning_output_tokens else ""
    )
    about = "about " if usage.source == usage_pb2.USAGE_SOURCE_ESTIMATED else ""
    return f"{about}{inward} tokens in{cached}, {outward} out{thought}"


def money(cost: usage_pb2.Cost | None) -> str:
    """Return what the turn cost, failed attempts included."""
    if cost is None:
        return "cost unknown"
    return f"${(cost.usd_nanos + cost.wasted_usd_nanos) / 1e9:.6f}"


def call_line(call: content_pb2.ToolCall) -> str:
    """Return a call as code has it."""
    return f"{call.name}({call.arguments_json})"


def wrong(call: content_pb2.ToolCall) -> str:
    """Return what is wrong with a call, as a model may be told it; empty when nothing is."""
    match call.check:
        case content_pb2.ARGUMENTS_CHECK_SCHEMA_VIOLATION:
            return f"The arguments do not match the schema: {'; '.join(call.violations)}"
        case content_pb2.ARGUMENTS_CHECK_MALFORMED_JSON:
            return "The arguments are not valid JSON."
        case content_pb2.ARGUMENTS_CHECK_UNKNOWN_TOOL:
            return f"There is no function named {call.name}."
        case _:
            return ""


def _who(upstream: event_pb2.Upstream) -> str:
    name = f"{clean(upstream.provider)}/{clean(upstream.model)}"
    return f"{name} by {clean(upstream.served_by)}" if upstream.served_by else name
