"""A turn: targets tried in order until one answers, and the answer's frame.

Adds Started and Completed around what an attempt yields, moves on to the next
target while nothing has reached the caller, and never after that. Streamed and
whole deliveries pass the same code; a whole one keeps its events to the end.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from google.protobuf import duration_pb2
from pydantic import SecretStr

from sluice.v1 import content_pb2, event_pb2, gateway_service_pb2
from sluice_server.credentials.borrowed import BorrowedKey
from sluice_server.engine.assembler import AnswerRules, Assembler
from sluice_server.engine.attempt import Attempt, Entry, Services
from sluice_server.engine.exchange import Clock, Patience
from sluice_server.engine.parts import Origin
from sluice_server.engine.planning import Planner, Target
from sluice_server.engine.ticket import Credentials
from sluice_server.engine.tries import Tries
from sluice_server.engine.verdicts import Judge
from sluice_server.errors import (
    CallerForbiddenError,
    ProviderModelNotFoundError,
    SluiceError,
    UnsupportedFeatureError,
    UpstreamError,
)
from sluice_server.limits.estimate import estimate
from sluice_server.limits.own import OwnLimits
from sluice_server.telemetry.call import CallRecord
from sluice_server.telemetry.tracing import TraceScope

_SHORTEST_WAIT = 0.001
"""Seconds below which nobody calls it waiting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnSettings:
    """What the configuration says about turns."""

    max_attempts: int
    max_message_bytes: int
    max_whole_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request and what surrounds it."""

    request: gateway_service_pb2.GenerateRequest
    record: CallRecord
    scope: TraceScope
    clock: Clock
    deadline: float | None
    """Moment of `time.monotonic`; None when the caller set none."""
    provider_key: SecretStr | None = None
    """A key that the caller brought along, for this call alone."""

    def pool_for(self, target: Target) -> Credentials:
        """Return whose credentials the call uses.

        Raises:
            CallerForbiddenError: the caller brought a key where none is wanted.
        """
        upstream = target.upstream
        if self.provider_key is None:
            return upstream.credentials
        if not upstream.caller_keys:
            raise CallerForbiddenError(
                f"Provider {upstream.provider.name} takes no keys of callers; leave "
                "sluice-provider-key out of the metadata."
            )
        return BorrowedKey(upstream.credentials, self.provider_key)


class Engine:
    """Runs turns."""

    def __init__(
        self, planner: Planner, services: Services, settings: TurnSettings, own: OwnLimits
    ) -> None:
        self._planner = planner
        self._own = own
        self._services = services
        self._settings = settings
        self._rules = {
            (stream, include): AnswerRules(
                stream=stream,
                include_reasoning=include,
                max_message_bytes=settings.max_message_bytes,
                max_whole_bytes=settings.max_whole_bytes,
            )
            for stream in (False, True)
            for include in (False, True)
        }

    async def generate(
        self, call: Call
    ) -> AsyncGenerator[gateway_service_pb2.GenerateResponse, None]:
        """Yield the messages of one turn; the last one holds Completed.

        Raises:
            SluiceError: the turn failed; what was yielded is partial.
        """
        request = call.request
        targets = self._planner.plan(request)
        _refuse_missing_features(request)
        rules = self._rules[
            request.delivery != gateway_service_pb2.DELIVERY_WHOLE,
            request.options.reasoning.include,
        ]
        judge = Judge(request.tools, request.tool_call_validation)
        used_ids = {
            part.tool_call.id
            for message in request.messages
            if message.role == content_pb2.ROLE_ASSISTANT
            for part in message.parts
            if part.HasField("tool_call")
        }
        max_attempts = (
            request.routing.max_attempts
            if request.routing.HasField("max_attempts")
            else self._settings.max_attempts
        )
        failed: list[event_pb2.FailedAttempt] = []
        tries = Tries(
            targets,
            max_attempts=max_attempts,
            exact=request.routing.HasField("max_attempts"),
        )
        size = estimate(request)
        wasted = 0
        while True:
            target, number = tries.target, tries.begin()
            began = call.clock.now()
            origin = Origin(target.upstream.provider.name, target.model)
            assembler = Assembler(rules, judge, used_ids, origin)
            entry = Entry(
                estimate=size,
                pool=call.pool_for(target),
                caller=call.record.caller,
                low_priority=self._own.is_low(call.record.caller),
                may_wait=tries.may_wait and not request.routing.no_wait,
                max_cost=(
                    request.routing.max_cost_usd_nanos
                    if request.routing.HasField("max_cost_usd_nanos")
                    else None
                ),
                excluded=tries.excluded,
                renewed=tries.renewed,
            )
            attempt = self._attempt(call, target, number, assembler, entry)
            answer = _Answer(call, attempt, failed)
            call.record.attempts = number
            try:
                async with aclosing(attempt.run(request)) as messages:
                    async for message in messages:
                        yield answer.counted(message)
            except SluiceError as caught:
                error = tries.telling(caught, attempt)
                if not answer.begun and tries.go_on(error, attempt):
                    wasted += attempt.cost or 0
                    elapsed = duration_pb2.Duration()
                    elapsed.FromNanoseconds(int((call.clock.now() - began) * 1e9))
                    failed.append(
                        event_pb2.FailedAttempt(
                            upstream=attempt.upstream, reason=error.reason, elapsed=elapsed
                        )
                    )
                    continue
                rest = assembler.flush()
                if rest is not None:
                    # What came together with the failure was still an answer.
                    yield answer.counted(rest)
                error.attempts = number
                if isinstance(error, UpstreamError):
                    error.output_characters = assembler.characters or None
                if isinstance(error, ProviderModelNotFoundError):
                    error.suggestions = self._planner.suggest(request.model)
                raise error from None
            finally:
                answer.learn(assembler)
            answer.complete(attempt.completed, wasted=wasted)
            last = assembler.flush()
            if last is not None:
                yield answer.counted(last)
            return

    def _attempt(
        self, call: Call, target: Target, number: int, assembler: Assembler, entry: Entry
    ) -> Attempt:
        routing = call.request.routing
        patience = target.upstream.provider.patience
        return Attempt(
            self._services,
            target,
            number=number,
            entry=entry,
            assembler=assembler,
            patience=Patience(
                first_output=(
                    routing.first_output_timeout.ToNanoseconds() / 1e9
                    if routing.HasField("first_output_timeout")
                    else patience.first_output
                ),
                idle=(
                    routing.idle_timeout.ToNanoseconds() / 1e9
                    if routing.HasField("idle_timeout")
                    else patience.idle
                ),
                deadline=call.deadline,
            ),
            clock=call.clock,
            scope=call.scope,
        )


class _Answer:
    """Frames what one attempt yields, and keeps the record of the call true."""

    def __init__(self, call: Call, attempt: Attempt, failed: list[event_pb2.FailedAttempt]) -> None:
        self._call = call
        self._attempt = attempt
        self._failed = failed
        self.begun = False
        """Whether anything was handed to the caller."""

    def _describe(self, started: event_pb2.Started) -> None:
        started.generation_id = self._call.record.generation_id
        started.upstream.CopyFrom(self._attempt.upstream)
        if self._call.clock.queued >= _SHORTEST_WAIT:
            _set(started.queued, self._call.clock.queued)
        started.failed_attempts.extend(self._failed)
        started.dropped_fields.extend(self._attempt.dropped_fields)

    def counted(
        self, message: gateway_service_pb2.GenerateResponse
    ) -> gateway_service_pb2.GenerateResponse:
        """Return `message`, which is about to be handed to the caller."""
        record, clock = self._call.record, self._call.clock
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
        record, clock = self._call.record, self._call.clock
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

    def learn(self, assembler: Assembler) -> None:
        """Copy what is known of the upstream into the call's record."""
        record = self._call.record
        record.provider = self._attempt.provider_name
        record.upstream_model = self._attempt.model
        record.credential = self._attempt.credential_name
        tokens = assembler.tokens
        if tokens is not None:
            record.input_tokens = tokens.input_tokens if tokens.HasField("input_tokens") else None
            record.output_tokens = (
                tokens.output_tokens if tokens.HasField("output_tokens") else None
            )


def _set(duration: duration_pb2.Duration, seconds: float) -> None:
    duration.seconds = whole = int(seconds)
    duration.nanos = int((seconds - whole) * 1e9)


def _refuse_missing_features(request: gateway_service_pb2.GenerateRequest) -> None:
    """Refuse what this version cannot keep its word on."""
    if request.routing.HasField("hedge_after"):
        raise UnsupportedFeatureError(
            "routing.hedge_after", "This version does not hedge; leave it out."
        )
    if request.delivery == gateway_service_pb2.DELIVERY_WHOLE and request.options.HasField(
        "top_logprobs"
    ):
        raise UnsupportedFeatureError(
            "options.top_logprobs", "Log-probs come with deltas; ask for STREAM delivery."
        )
