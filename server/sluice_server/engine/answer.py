"""The frame of an answer: Started before what an attempt yields, and what Completed adds.

Also keeps the record of the call true. What the model said is in `assembler`.
"""

from __future__ import annotations

from collections.abc import Sequence

from google.protobuf import duration_pb2

from sluice.v1 import event_pb2, gateway_service_pb2
from sluice_server.engine.attempt import Attempt
from sluice_server.engine.call import Call
from sluice_server.telemetry.call import CallRecord

_SHORTEST_WAIT = 0.001
"""Seconds below which nobody calls it waiting."""


class Answer:
    """Frames what one attempt yields, and keeps the record of the call true."""

    def __init__(
        self, call: Call, attempt: Attempt, failed: Sequence[event_pb2.FailedAttempt]
    ) -> None:
        self._call = call
        self._attempt = attempt
        self._failed = failed
        self.begun = False
        """Whether anything was handed to the caller."""

    def _describe(self, started: event_pb2.Started) -> None:
        started.generation_id = self._call.record.generation_id
        started.upstream.CopyFrom(self._attempt.upstream)
        if self._attempt.clock.queued >= _SHORTEST_WAIT:
            _set(started.queued, self._attempt.clock.queued)
        started.failed_attempts.extend(self._failed)
        started.dropped_fields.extend(self._attempt.dropped_fields)

    def counted(
        self, message: gateway_service_pb2.GenerateResponse
    ) -> gateway_service_pb2.GenerateResponse:
        """Return `message`, which is about to be handed to the caller."""
        record, clock = self._call.record, self._attempt.clock
        if not self.begun:
            self.begun = True
            self._describe(message.events[0].started)
            record.first_output_seconds = clock.now() - clock.started
        record.events += len(message.events)
        record.messages += 1
        return message

    def complete(self, completed: event_pb2.Completed | None, *, wasted: int) -> None:
        """Add to Completed what only the turn knows.

        Args:
            completed: The event.
            wasted: What failed attempts cost as far as known, in nano-dollars.
        """
        if completed is None:
            raise AssertionError("an attempt ended well without completing")
        record, clock = self._call.record, self._attempt.clock
        completed.upstream.CopyFrom(self._attempt.upstream)
        total = clock.now() - clock.started
        overhead = clock.overhead()
        first_output = total if record.first_output_seconds is None else record.first_output_seconds
        _set(completed.timing.time_to_first_output, first_output)
        _set(completed.timing.total, total)
        _set(completed.timing.gateway_overhead, overhead)
        record.overhead_seconds = overhead
        if completed.HasField("cost"):
            record.cost_usd_nanos = completed.cost.usd_nanos
            completed.cost.wasted_usd_nanos = wasted
        record.finish_reason = event_pb2.FinishReason.Name(completed.finish_reason).removeprefix(
            "FINISH_REASON_"
        )


def learn(record: CallRecord, attempt: Attempt) -> None:
    """Copy what is known of the upstream into the call's record."""
    record.provider = attempt.provider_name
    record.upstream_model = attempt.model
    record.credential = attempt.credential_name
    record.usage = tokens = attempt.assembler.tokens
    if tokens is not None:
        record.input_tokens = tokens.input_tokens if tokens.HasField("input_tokens") else None
        record.output_tokens = tokens.output_tokens if tokens.HasField("output_tokens") else None


def _set(duration: duration_pb2.Duration, seconds: float) -> None:
    duration.seconds = whole = int(seconds)
    duration.nanos = int((seconds - whole) * 1e9)
