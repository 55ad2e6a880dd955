"""What is known about one call and one attempt when they end.

Filled while a call passes through the house and read once, at its end, by the
log, the metrics and the span. Holds no content and no secret by construction.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from sluice.v1 import usage_pb2


class Outcome(StrEnum):
    """How something ended."""

    SUCCESS = "success"
    ERROR = "error"
    CANCELLED = "cancelled"


@dataclass(slots=True)
class CallRecord:
    """One RPC."""

    method: str
    generation_id: str
    caller: str = ""
    model: str = ""
    """The model as the caller named it."""
    provider: str = ""
    upstream_model: str = ""
    credential: str = ""
    attempts: int = 0
    finish_reason: str = ""
    input_tokens: int | None = None
    output_tokens: int | None = None
    usage: usage_pb2.Usage | None = None
    """What the provider that answered counted; None when it did not."""
    cost_usd_nanos: int | None = None
    """What the answer cost, in 1e-9 US dollars; None where no price is known."""
    wasted_usd_nanos: int = 0
    """What attempts cost that came to nothing, in 1e-9 US dollars, as far as known."""
    failed_attempts: list[str] = field(default_factory=list)
    """Provider and ErrorReason of each attempt that came to nothing before the last one."""
    events: int = 0
    messages: int = 0
    first_output_seconds: float | None = None
    queued_seconds: float | None = None
    """Spent waiting for a place in the replica and for room at providers; None for RPCs that
    never wait."""
    overhead_seconds: float | None = None
    labels: dict[str, str] = field(default_factory=dict)
    """The caller's labels for cost attribution; bounded by validation."""
    trace_id: str = ""
    span_id: str = ""
    code: str = ""
    """Name of the gRPC status."""
    reason: str = ""
    """ErrorReason name, when the gateway said why."""
    error: dict[str, str] = field(default_factory=dict)
    """What else is known of a failure, without content."""
    duration_seconds: float = 0.0
    ended_at: float = 0.0
    """Seconds since the epoch."""

    def tokens(self) -> dict[str, int]:
        """Return token counts by kind; kinds that nobody counted are absent."""
        return _tokens_by_kind(self.usage)


@dataclass(slots=True)
class AttemptRecord:
    """One upstream call."""

    provider: str
    model: str
    credential: str
    response_model: str = field(default="", kw_only=True)
    """The provider's name of the model that answered; empty when it said none."""
    outcome: Outcome = Outcome.SUCCESS
    reason: str = ""
    """ErrorReason name when the outcome is an error."""
    upstream_fault: bool = False
    duration_seconds: float = 0.0
    first_output_seconds: float | None = None
    usage: usage_pb2.Usage | None = None
    """What the provider counted; None when it did not."""
    cost_usd_nanos: int | None = None
    """What that costs, in 1e-9 US dollars; None where no price is known."""
    wasted_usd_nanos: int = 0
    """What any other end than a good one cost, in 1e-9 US dollars, as far as known or estimated."""

    def tokens(self) -> dict[str, int]:
        """Return token counts by kind: input, output, cache_read_input and so on.

        Kinds that nobody counted are absent.
        """
        return _tokens_by_kind(self.usage)

    def failed(self, reason: str, *, upstream_fault: bool) -> None:
        """Note that it ended with an error."""
        self.outcome, self.reason = Outcome.ERROR, reason
        self.upstream_fault = upstream_fault


def _tokens_by_kind(usage: usage_pb2.Usage | None) -> dict[str, int]:
    if usage is None:
        return {}
    return {
        field.name.removesuffix("_tokens"): count
        for field, count in usage.ListFields()
        if field.name.endswith("_tokens")
    }
