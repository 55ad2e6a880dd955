"""A turn: targets tried in order until one answers.

Moves on after failures while nothing has reached the caller, as `tries` says, and never
after that. Streamed and whole deliveries pass the same code; a whole one keeps its
events to the end. The answer's frame is in `answer`, a second attempt beside the first
in `contest`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Literal

from sluice.v1 import content_pb2, event_pb2, gateway_service_pb2
from sluice_server.engine.answer import Answer, learn
from sluice_server.engine.assembler import AnswerRules, Assembler
from sluice_server.engine.attempt import Attempt, Services
from sluice_server.engine.call import Call
from sluice_server.engine.contest import Contest
from sluice_server.engine.entrance import Entry
from sluice_server.engine.exchange import Clock, Patience
from sluice_server.engine.parts import Origin
from sluice_server.engine.planning import Planner, Target
from sluice_server.engine.tries import Rules, Terms, Tries
from sluice_server.engine.verdicts import Judge
from sluice_server.errors import (
    CallerForbiddenError,
    FailedAttempt,
    ProviderModelNotFoundError,
    SluiceError,
    UnsupportedFeatureError,
    UpstreamError,
)
from sluice_server.health.board import Roster
from sluice_server.limits.estimate import estimate
from sluice_server.telemetry.names import OUTRACED

Message = gateway_service_pb2.GenerateResponse

_MOST_TOLD = 16
"""Attempts that came to nothing in the log line of a call: as many as one may make."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnSettings:
    """What the configuration says about turns."""

    max_attempts: int
    hedge_after: Literal["p95"] | float | None
    """Seconds without output after which a second attempt starts."""
    max_message_bytes: int
    max_whole_bytes: int


class Engine:
    """Runs turns."""

    def __init__(
        self,
        planner: Planner,
        services: Services,
        settings: TurnSettings,
        rules: Rules,
    ) -> None:
        self.planner = planner
        self.services = services
        self.settings = settings
        self.rules = rules
        self.answer_rules = {
            (stream, include): AnswerRules(
                stream=stream,
                include_reasoning=include,
                max_message_bytes=settings.max_message_bytes,
                max_whole_bytes=settings.max_whole_bytes,
            )
            for stream in (False, True)
            for include in (False, True)
        }

    def generate(self, call: Call) -> AsyncGenerator[Message, None]:
        """Return the messages of one turn; the last one holds Completed.

        Raises:
            SluiceError: the turn failed, now or while the messages are read; what was
                yielded is partial.
        """
        return _Turn(self, call).run()


class _Turn:
    """One turn."""

    def __init__(self, engine: Engine, call: Call) -> None:
        request = call.request
        _refuse_missing_features(request)
        self._engine = engine
        self._call = call
        routing = request.routing
        exact = routing.HasField("max_attempts")
        self._tries = Tries(
            _healthiest_first(engine.planner.plan(request, call.may_use), engine.services.health),
            engine.rules,
            Terms(
                max_attempts=routing.max_attempts if exact else engine.settings.max_attempts,
                exact=exact,
                no_wait=routing.no_wait,
                deadline=call.deadline,
            ),
        )
        self._answer_rules = engine.answer_rules[
            request.delivery != gateway_service_pb2.DELIVERY_WHOLE,
            request.options.reasoning.include,
        ]
        self._judge = Judge(request.tools, request.tool_call_validation)
        self._used_ids = _used_ids(request)
        self._size = estimate(request)
        self._running: list[Attempt] = []
        """Attempts of which nobody knows yet what they come to."""
        self._failed: list[event_pb2.FailedAttempt] = []
        self._wasted = 0

    async def run(self) -> AsyncGenerator[Message, None]:
        """Yield the messages; raises SluiceError when the turn failed."""
        call = self._call
        while True:
            contest = self._contest()
            answer: Answer | None = None
            try:
                async with aclosing(contest.run(call.request)) as messages:
                    async for message in messages:
                        answer = answer or Answer(call, contest.leader, self._failed)
                        yield answer.counted(message)
            except SluiceError as caught:
                attempt = contest.leader
                # Its frames hold this one, and this one holds it.
                error = self._tries.telling(caught.with_traceback(None), attempt)
                if answer is None and self._tries.go_on(error, attempt):
                    self._gave_up(attempt, error)
                    await self._pause()
                    continue
                answer = answer or Answer(call, attempt, self._failed)
                rest = attempt.assembler.flush()
                if rest is not None:
                    # What came together with the failure was still an answer.
                    yield answer.counted(rest)
                raise self._told(error, attempt) from None
            finally:
                call.record.attempts = self._made
                call.record.wasted_usd_nanos = self._wasted + self._sunk
                learn(call.record, contest.leader)
            attempt = contest.leader
            answer = answer or Answer(call, attempt, self._failed)
            answer.complete(attempt.completed, wasted=self._wasted)
            last = attempt.assembler.flush()
            if last is not None:
                yield answer.counted(last)
            return

    @property
    def _made(self) -> int:
        """Upstream calls so far; what still waits for room, or never had any, is none."""
        return self._tries.made - sum(not attempt.admitted for attempt in self._running)

    @property
    def _sunk(self) -> int:
        """What attempts cost so far that have not come to anything, in nano-dollars."""
        return sum(attempt.wasted for attempt in self._running if attempt.completed is None)

    def _contest(self) -> Contest:
        first = self._attempt(self._call.clock, may_wait=self._tries.may_wait)
        return Contest(
            first,
            after=self._hedge_after(first.target),
            second=self._second,
            beaten=self._gave_up,
        )

    def _hedge_after(self, target: Target) -> float | None:
        routing = self._call.request.routing
        if routing.HasField("hedge_after"):
            return routing.hedge_after.ToNanoseconds() / 1e9
        configured = self._engine.settings.hedge_after
        if configured == "p95":
            times = self._engine.services.first_outputs
            return times.p95(target.upstream.provider.name, target.model)
        return configured

    def _second(self) -> Attempt | None:
        """Return an attempt to run beside the first one, which is slow; None for no more."""
        if not self._tries.hedge():
            return None
        # The time so far was spent waiting for the first one.
        clock = self._call.clock
        beside = Clock(clock.started, upstream=clock.now() - clock.started)
        try:
            second = self._attempt(beside, may_wait=False)
        except CallerForbiddenError:
            # The caller's own key is not for this one; the first may still answer.
            self._tries.take_back()
            return None
        self._engine.services.tracing.hedge_started(
            self._call.scope, number=second.number, provider=second.provider_name
        )
        return second

    def _attempt(self, clock: Clock, *, may_wait: bool) -> Attempt:
        engine, call, tries = self._engine, self._call, self._tries
        target, routing = tries.target, call.request.routing
        origin = Origin(target.upstream.provider.name, target.model)
        attempt = Attempt(
            engine.services,
            target,
            number=tries.begin(),
            entry=Entry(
                estimate=self._size,
                pool=call.pool_for(target),
                caller=call.record.caller,
                low_priority=call.low_priority,
                may_wait=may_wait,
                max_cost=(
                    routing.max_cost_usd_nanos if routing.HasField("max_cost_usd_nanos") else None
                ),
                excluded=tries.excluded,
                renewed=tries.renewed,
            ),
            assembler=Assembler(self._answer_rules, self._judge, self._used_ids, origin),
            patience=_patience(call, target),
            clock=clock,
            scope=call.scope,
        )
        self._running.append(attempt)
        return attempt

    def _gave_up(self, attempt: Attempt, error: SluiceError | None) -> None:
        """Remember an attempt that came to nothing; without an error it was out-raced."""
        self._wasted += attempt.wasted
        failed = event_pb2.FailedAttempt(
            upstream=attempt.upstream, reason=error.reason if error else ""
        )
        failed.elapsed.FromNanoseconds(int(attempt.elapsed * 1e9))
        self._failed.append(failed)
        self._engine.services.tracing.attempt_gave_up(
            self._call.scope,
            number=attempt.number,
            provider=attempt.provider_name,
            reason=failed.reason,
            called=attempt.admitted,
        )
        if len(self._call.record.failed_attempts) < _MOST_TOLD:
            self._call.record.failed_attempts.append(
                f"{attempt.provider_name} {failed.reason or OUTRACED}"
            )
        self._running.remove(attempt)
        if not attempt.admitted:
            self._tries.take_back()

    async def _pause(self) -> None:
        delay = self._tries.delay
        if delay > 0:
            clock = self._call.clock
            began = clock.now()
            await asyncio.sleep(delay)
            paused = clock.now() - began
            clock.paused += paused
            self._engine.services.tracing.retry_paused(self._call.scope, seconds=paused)

    def _told(self, error: SluiceError, attempt: Attempt) -> SluiceError:
        """Add to the error of the last attempt what the turn knows."""
        error.attempts = self._made or None
        error.failed_attempts = tuple(_told_of(failed) for failed in self._failed)
        if isinstance(error, UpstreamError):
            error.output_characters = attempt.assembler.characters or None
        if isinstance(error, ProviderModelNotFoundError):
            error.suggestions = self._engine.planner.suggest(
                self._call.request.model, self._call.may_use
            )
        return error


def _healthiest_first(targets: list[Target], board: Roster) -> list[Target]:
    """Return targets in their order, those that fail behind those that do not.

    Some calls keep the order all the same: nobody else would see that a target recovered.
    """
    if len(targets) > 1 and not board.trickle():
        targets.sort(key=lambda target: board.rank(target.upstream.provider.name))
    return targets


def _told_of(failed: event_pb2.FailedAttempt) -> FailedAttempt:
    upstream = failed.upstream
    return FailedAttempt(
        upstream.provider,
        upstream.model,
        upstream.credential,
        failed.reason,
        failed.elapsed.ToNanoseconds() / 1e9,
    )


def _patience(call: Call, target: Target) -> Patience:
    routing, configured = call.request.routing, target.upstream.provider.patience
    first_output, idle = configured.first_output, configured.idle
    if routing.HasField("first_output_timeout"):
        first_output = routing.first_output_timeout.ToNanoseconds() / 1e9
    if routing.HasField("idle_timeout"):
        idle = routing.idle_timeout.ToNanoseconds() / 1e9
    return Patience(
        first_output=first_output,
        idle=idle,
        hasty=first_output < configured.first_output or idle < configured.idle,
        deadline=call.deadline,
    )


def _used_ids(request: gateway_service_pb2.GenerateRequest) -> set[str]:
    return {
        part.tool_call.id
        for message in request.messages
        if message.role == content_pb2.ROLE_ASSISTANT
        for part in message.parts
        if part.HasField("tool_call")
    }


def _refuse_missing_features(request: gateway_service_pb2.GenerateRequest) -> None:
    """Refuse what this version cannot keep its word on."""
    if request.delivery == gateway_service_pb2.DELIVERY_WHOLE and request.options.HasField(
        "top_logprobs"
    ):
        raise UnsupportedFeatureError(
            "options.top_logprobs", "Log-probs come with deltas; ask for STREAM delivery."
        )
