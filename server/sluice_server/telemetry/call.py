"""What is known about one call and one attempt when they end.

Filled while a call passes through the house and read once, at its end, by the
log, the metrics and the span. Holds no content and no secret by construction.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from sluice.v1 import usage_pb2
from sluice_server.telemetry.buckets import Buckets


class Outcome(StrEnum):
    """How something ended."""

    SUCCESS = "success"
    ERROR = "error"
    CANCELLED = "cancelled"
    """The caller left, or another attempt was faster."""


class Ended(Protocol):
    """What calls and attempts have in common when they are over."""

    @property
    def outcome(self) -> Outcome:
        """How it ended."""

    @property
    def reason(self) -> str:
        """ErrorReason name where the outcome is an error."""

    @property
    def duration_seconds(self) -> float:
        """Start to end."""

    @property
    def first_output_seconds(self) -> float | None:
        """Start to first output; None without any."""

    @property
    def cost_usd_nanos(self) -> int | None:
        """What a good end cost, in 1e-9 US dollars; None where no price is known."""

    @property
    def wasted_usd_nanos(self) -> int:
        """What was paid for nothing, in 1e-9 US dollars, as far as known."""

    @property
    def exemplar(self) -> str:
        """The trace's id where the trace is kept, so that a figure may point to it."""

    def tokens(self) -> dict[str, int]:
        """Return token counts by kind; kinds that nobody counted are absent."""


_KINDS = {
    field.number: field.name.removesuffix("_tokens")
    for field in usage_pb2.Usage.DESCRIPTOR.fields
    if field.name.endswith("_tokens")
}


def _by_kind(usage: usage_pb2.Usage | None) -> dict[str, int]:
    if usage is None:
        return {}
    return {
        _KINDS[field.number]: count for field, count in usage.ListFields() if field.number in _KINDS
    }


@dataclass(slots=True)
class CallRecord:
    """One RPC."""

    method: str
    generation_id: str
    caller: str = ""
    running: bool = False
    """It was counted when it began."""
    model: str = ""
    """The model as the caller named it."""
    provider: str = ""
    upstream_model: str = ""
    credential: str = ""
    attempts: int = 0
    finish_reason: str = ""
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
    exemplar: str = ""
    """The trace's id where the trace is kept, so that a figure may point to it."""
    code: str = ""
    """Name of the gRPC status."""
    reason: str = ""
    """ErrorReason name, when the gateway said why."""
    error: dict[str, str] = field(default_factory=dict)
    """What else is known of a failure, without content."""
    duration_seconds: float = 0.0
    ended_at: float = 0.0
    """Seconds since the epoch."""
    _tokens: dict[str, int] | None = None

    @property
    def outcome(self) -> Outcome:
        """How it ended."""
        if self.code == "OK":
            return Outcome.SUCCESS
        return Outcome.CANCELLED if self.code == "CANCELLED" else Outcome.ERROR

    def tokens(self) -> dict[str, int]:
        """Return token counts by kind: input, output, cache_read_input and so on.

        Kinds that nobody counted are absent. To be asked when all is over: it is kept.
        """
        if self._tokens is None:
            self._tokens = _by_kind(self.usage)
        return self._tokens


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
    """What a good end cost, in 1e-9 US dollars; None where no price is known."""
    wasted_usd_nanos: int = 0
    """What any other end cost, in 1e-9 US dollars, as far as known or estimated."""
    gaps: Buckets | None = None
    """Time between pieces of output; None without any output."""
    exemplar: str = ""
    """The trace's id where the trace is kept, so that a figure may point to it."""
    _tokens: dict[str, int] | None = None

    def tokens(self) -> dict[str, int]:
        """Return token counts by kind: input, output, cache_read_input and so on.

        Kinds that nobody counted are absent. To be asked when all is over: it is kept.
        """
        if self._tokens is None:
            self._tokens = _by_kind(self.usage)
        return self._tokens

    def failed(self, reason: str, *, upstream_fault: bool) -> None:
        """Note that it ended with an error."""
        self.outcome, self.reason = Outcome.ERROR, reason
        self.upstream_fault = upstream_fault
