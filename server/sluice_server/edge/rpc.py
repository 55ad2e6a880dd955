"""What every RPC has in common, in the order in which it happens.

    trace opened > drain checked > caller identified > RPC allowed > handler >
    error turned into a status > metrics, span and one log line

One coroutine around the handler instead of a chain of gRPC interceptors: the
order is readable in one place, and a chain costs an allocation per link and
call. Health and reflection stay outside, and so out of the access log.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar, cast

import grpc
import structlog
from pydantic import SecretStr

from sluice_server.edge.bounds import MAX_METADATA_BYTES
from sluice_server.edge.identity.caller import NOBODY, Caller
from sluice_server.edge.identity.certificates import AuthContext
from sluice_server.edge.pushback import Standing
from sluice_server.edge.rooms import InForce, Rooms
from sluice_server.edge.status import refusal
from sluice_server.engine.exchange import deadline_passed
from sluice_server.errors import (
    DeadlineExceededError,
    FieldViolation,
    InternalError,
    InvalidRequestError,
    OverloadedError,
    SluiceError,
)
from sluice_server.telemetry import correlation, names, plain
from sluice_server.telemetry.call import CallRecord
from sluice_server.telemetry.ledger import Ledger
from sluice_server.telemetry.tracing import TraceScope, Tracing

PROVIDER_KEY = "sluice-provider-key"
"""Metadata in which callers may bring a key of their own."""

PRIORITY = "sluice-priority"
"""Metadata in which a caller may say that a call gives way to others: `low`, else `normal`."""

DRAIN_RETRY_SECONDS = 0.25
"""What callers are told to wait while this replica drains: long enough for a
balancer to notice, short enough not to be."""

PREVIOUS_ATTEMPTS = "grpc-previous-rpc-attempts"
"""Metadata in which gRPC libraries say how often they tried a call already (gRFC A6)."""

PATIENT_ATTEMPTS = 3
"""So often a replica that drains or is full refuses a call. gRPC libraries try it five times at
most, whatever their policy says (gRFC A6): the fourth is served, and the fifth is left for when
that does not come to an end."""

Metadata: TypeAlias = tuple[tuple[str, str | bytes], ...]
# In quotes: the parameters exist in the type stubs alone.
Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
Result = TypeVar("Result")


@dataclass(slots=True)
class Rpc:
    """One RPC that was let in."""

    record: CallRecord
    rooms: Rooms
    """Who answers it: those of the configuration that was in force when it came."""
    scope: TraceScope
    started: float
    """Moment of `time.monotonic`."""
    deadline: float | None
    """Moment of `time.monotonic`; None when the caller set none."""
    provider_key: SecretStr | None = None
    """A provider's key that the caller brought along."""
    priority: str = ""
    """What the caller says of it."""
    caller: Caller = NOBODY
    """Who calls, once it was identified."""
    oversized: bool = False
    """Its metadata were larger than allowed, and are not looked at."""
    insists: bool = False
    """Its library tried it so often that it hardly comes back once more."""

    @property
    def low(self) -> bool:
        """Whether the call gives way to others.

        Raises:
            InvalidRequestError: there is no such priority.
        """
        if self.priority not in ("", "low", "normal"):
            raise InvalidRequestError(
                [FieldViolation(f"metadata[{PRIORITY}]", 'must be "low" or "normal"')]
            )
        return self.priority == "low"

    over: bool = False
    """Its handler has ended; its caller may not have been told yet."""
    mark: correlation.Mark | None = None
    """Whose log lines are written now."""
    cut: bool = False
    """The server's grace is over: the cancellation is ours, not the caller's."""


class RpcRunner:
    """Runs handlers, and knows which RPCs are open."""

    def __init__(self, *, in_force: InForce, ledger: Ledger, tracing: Tracing) -> None:
        self._in_force = in_force
        self._ledger = ledger
        self._tracing = tracing
        self._log = structlog.get_logger("sluice.rpc")
        self._open: dict[asyncio.Task[object], Rpc] = {}
        self._idle = asyncio.Event()
        self._idle.set()
        self._let_in = 0
        """RPCs that were not refused by a drain or for who called."""
        self.draining = False
        self._patient_until = -math.inf
        """Moment of `time.monotonic` until which calls that insist are served in a drain."""

    @property
    def active(self) -> int:
        """RPCs open now."""
        return len(self._open)

    def drain(self, *, patient_seconds: float) -> None:
        """Refuse new RPCs from now on.

        Those that insist are served for so many seconds: a balancer that does not watch health
        picks this replica again and again, and whoever was refused often does not come back.
        """
        self.draining = True
        self._patient_until = time.monotonic() + patient_seconds

    async def wait_quiet(self, seconds: float) -> None:
        """Return when no RPC was served for so long, so that the last words were heard."""
        while True:
            await self._idle.wait()
            before = self._let_in
            await asyncio.sleep(seconds)
            if self._idle.is_set() and self._let_in == before:
                return

    def cut_all(self) -> int:
        """End all open RPCs; each tells its caller why. Returns how many."""
        running = [(task, rpc) for task, rpc in self._open.items() if not rpc.over]
        for task, rpc in running:
            rpc.cut = True
            task.cancel()
        return len(running)

    async def run(
        self, method: str, context: Context, handler: Callable[[Rpc], Awaitable[Result]]
    ) -> Result:
        """Run `handler`; ends as the module's docstring says."""
        started = time.monotonic()
        remaining = cast("float | None", context.time_remaining())
        sent = cast("Metadata | None", context.invocation_metadata()) or ()
        # gRPC refuses such itself, but only of clients that have acknowledged its settings,
        # and does not count what is only named again.
        oversized = sum(len(key) + len(value) for key, value in sent) > MAX_METADATA_BYTES
        metadata = (
            {} if oversized else {key: value for key, value in sent if isinstance(value, str)}
        )
        rpc = Rpc(
            record=CallRecord(method, generation_id=_new_id()),
            rooms=self._in_force.enter(),
            scope=self._tracing.begin_rpc(method, metadata, context.peer),
            started=started,
            deadline=None if remaining is None else started + remaining,
            provider_key=_secret(metadata.pop(PROVIDER_KEY, "")),
            priority=metadata.get(PRIORITY, ""),
            oversized=oversized,
            insists=_insists(metadata),
        )
        rpc.mark = correlation.Mark(rpc.record.generation_id, rpc.scope.trace_id, rpc.scope.span_id)
        correlation.begin(rpc.mark)
        task = cast("asyncio.Task[object]", asyncio.current_task())
        self._open[task] = rpc
        self._idle.clear()
        # Only the task's end means that the status was sent.
        task.add_done_callback(self._ended)
        failure: SluiceError | None = None
        code = "OK"
        try:
            await self._admit(rpc, metadata, context.auth_context)
            self._let_in += 1
            self._ledger.call_started(rpc.record)
            return await handler(rpc)
        except asyncio.CancelledError:
            if not rpc.cut:
                code = _code_of_gone(rpc)
                raise
            task.uncancel()
            failure = OverloadedError(
                "The server shut down before the answer was whole.",
                retry_after=DRAIN_RETRY_SECONDS,
            )
        except grpc.aio.InternalError:
            # A message could not be sent, for its caller is gone. Mostly the library cancels
            # first, but not where a caller who did not read cuts the connection.
            code = _code_of_gone(rpc)
            raise
        except SluiceError as error:
            # Its frames hold this one, which would keep the call until the collector comes.
            failure = error.with_traceback(None)
        except Exception as error:  # noqa: BLE001 - the boundary: whatever is left is a bug of ours
            failure = InternalError("The gateway failed; quote the generation id.")
            self._log_bug(rpc.record, error)
        finally:
            if failure is not None:
                code = failure.code
            self._account(rpc, code, failure)
            rpc.over = True
        status = refusal(
            failure, generation_id=rpc.record.generation_id, standing=self._standing(rpc)
        )
        await context.abort(status.code, status.message, status.trailers)
        raise AssertionError("abort always raises")

    def _ended(self, task: asyncio.Task[object]) -> None:
        rpc = self._open.pop(task)
        self._in_force.leave(rpc.rooms)
        if rpc.mark is not None:
            rpc.mark.over = True
        if not self._open:
            self._idle.set()

    def _patient_with(self, rpc: Rpc) -> bool:
        return rpc.insists and time.monotonic() < self._patient_until

    async def _admit(
        self, rpc: Rpc, metadata: Mapping[str, str], peer: Callable[[], AuthContext]
    ) -> None:
        if self.draining and not self._patient_with(rpc):
            raise OverloadedError(
                "The server is shutting down; another one will take the call.",
                retry_after=DRAIN_RETRY_SECONDS,
            )
        if rpc.oversized:
            raise InvalidRequestError(
                [FieldViolation("metadata", f"must not be larger than {MAX_METADATA_BYTES} bytes")]
            )
        rpc.caller = await rpc.rooms.callers.identify(metadata, peer)
        rpc.record.caller = rpc.caller.name
        rpc.caller.check_rpc(rpc.record.method)

    def _standing(self, rpc: Rpc) -> Standing:
        now = time.monotonic()
        return Standing(
            delivered=rpc.record.messages > 0,
            left=math.inf if rpc.deadline is None else rpc.deadline - now,
            patience=rpc.started + rpc.rooms.max_wait_seconds - now,
        )

    def _account(self, rpc: Rpc, code: str, failure: SluiceError | None) -> None:
        record = rpc.record
        record.code = code
        record.duration_seconds = time.monotonic() - rpc.started
        record.ended_at = time.time()
        record.exemplar = rpc.scope.exemplar
        if rpc.mark is not None:
            record.trace_id, record.span_id = rpc.mark.trace_id, rpc.mark.span_id
        if code == DeadlineExceededError.code:
            # Told by the clock where the library ended the call, without an error.
            record.reason = DeadlineExceededError.reason
        if failure is not None:
            record.reason = failure.reason
            record.error = {**failure.metadata(), "error": str(failure)}
        self._tracing.end_rpc(rpc.scope, record, number=grpc.StatusCode[code].value[0])
        self._ledger.call_ended(record)

    def _log_bug(self, record: CallRecord, error: Exception) -> None:
        """Log where a bug happened; its message is left out, it may quote content."""
        self._log.error(
            names.CALL_FAILED_INTERNALLY,
            generation_id=record.generation_id,
            method=record.method,
            **plain.exception_of(error),
        )


def _code_of_gone(rpc: Rpc) -> str:
    """Return how a call ended whose caller does not listen any more."""
    # The library tells nobody why; the clock does.
    return DeadlineExceededError.code if deadline_passed(rpc.deadline) else "CANCELLED"


def _insists(metadata: Mapping[str, str]) -> bool:
    previous = metadata.get(PREVIOUS_ATTEMPTS, "")
    # Longer ones are no count, and Python refuses to read very long ones.
    return len(previous) < 10 and previous.isdecimal() and int(previous) >= PATIENT_ATTEMPTS


def _secret(text: str) -> SecretStr | None:
    return SecretStr(text) if text else None


def _new_id() -> str:
    # An id to quote, not a secret: asking the system for randomness would cost
    # more than everything else that is done here.
    return f"gen_{random.getrandbits(96):024x}"
