"""Makes one call as planned, and judges what arrives while it arrives."""

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import grpc
from google.protobuf import duration_pb2

from sluice.v1 import event_pb2, gateway_service_pb2, usage_pb2
from tests.soak.plan import Plan
from tests.support.client import GenerateCall, failure_of, request

if TYPE_CHECKING:
    from sluice.v1.gateway_service_pb2_grpc import GatewayServiceAsyncStub

HANG_SECONDS = 60.0
"""No call takes nearly as long, whatever is done to it."""

LABEL = "call"
"""Under which a call's number stands in the server's log."""


@dataclass(slots=True)
class Ending:
    """How a call ended, as its caller saw it."""

    plan: Plan
    code: str = ""
    """Name of the gRPC status."""
    reason: str = ""
    """ErrorReason name; empty unless the server told it."""
    local: bool = False
    """The caller left, or its own clock ended the call: the server may see it otherwise."""
    provider: str = ""
    """Who answered; empty unless the answer is whole."""
    attempts: int | None = None
    """Upstream calls, as the caller was told."""
    outraced: bool = False
    """An attempt was beaten by another one."""
    tried_again: bool = False
    """An attempt failed and another one was made."""
    waited: bool = False
    """It had to wait for room at a provider."""
    tokens: tuple[int, int] | None = None
    cost: int | None = None
    """In 1e-9 US dollars."""
    wrong: list[str] = field(default_factory=list)
    """What must not be."""

    @property
    def whole(self) -> bool:
        """Whether the server said that the answer is whole."""
        return self.code == "OK"


class Reader:
    """Follows one answer, event by event."""

    def __init__(self, plan: Plan, ending: Ending) -> None:
        self._plan = plan
        self._text = plan.text.whole()
        self._ending = ending
        self._last = ""
        self.read = 0
        """Characters that came."""

    def take(self, message: gateway_service_pb2.GenerateResponse) -> None:
        """Compare a message with what may come now."""
        for event in message.events:
            kind = event.WhichOneof("kind") or ""
            if kind not in (_WHOLE if self._plan.whole else _STREAM).get(self._last, ()):
                self._wrong(f"{kind} came after {self._last or 'nothing'}")
            self._last = kind
            if kind == "text_delta":
                self._take_text(event.text_delta.text)
            elif kind == "started":
                self._take_started(event.started)
            elif kind == "completed":
                self._take_completed(event.completed)

    def end(self) -> None:
        """Judge a clean end."""
        if self._last != "completed":
            self._wrong(f"a clean end after {self._last or 'nothing'}")

    def _take_text(self, text: str) -> None:
        if not text or not self._text.startswith(text, self.read):
            self._wrong(f"wrong text at character {self.read}")
        self.read += len(text)

    def _take_started(self, started: event_pb2.Started) -> None:
        ending = self._ending
        ending.attempts = len(started.failed_attempts) + 1
        ending.outraced = any(not one.reason for one in started.failed_attempts)
        ending.tried_again = any(one.reason for one in started.failed_attempts)
        ending.waited = started.HasField("queued")

    def _take_completed(self, completed: event_pb2.Completed) -> None:
        ending = self._ending
        ending.provider = completed.upstream.provider
        if [part.text for part in completed.message.parts] != [self._text]:
            self._wrong("the final message is not the text")
        if not self._plan.whole and self.read != len(self._text):
            self._wrong(f"Completed after {self.read} of {len(self._text)} characters")
        if completed.finish_reason != event_pb2.FINISH_REASON_STOP:
            self._wrong("a finish reason that nobody gave")
        usage = completed.usage
        counted = usage.HasField("input_tokens") and usage.HasField("output_tokens")
        if counted and usage.source == usage_pb2.USAGE_SOURCE_PROVIDER:
            ending.tokens = (usage.input_tokens, usage.output_tokens)
        if ending.tokens != self._plan.tokens:
            self._wrong(f"{ending.tokens} tokens instead of {self._plan.tokens}")
        if completed.HasField("cost"):
            ending.cost = completed.cost.usd_nanos

    def _wrong(self, what: str) -> None:
        self._ending.wrong.append(what)


_STREAM = {
    "": {"started"},
    "started": {"part_started"},
    "part_started": {"text_delta"},
    "text_delta": {"text_delta", "part_finished"},
    "part_finished": {"completed"},
    "completed": set[str](),
}
_WHOLE = {"": {"started"}, "started": {"completed"}, "completed": set[str]()}
"""What may follow an event, streamed and whole."""


async def make(stub: "GatewayServiceAsyncStub", plan: Plan, token: str) -> Ending:
    """Make a call; returns when it ended, whatever the end."""
    ending = Ending(plan)
    reader = Reader(plan, ending)
    call = stub.Generate(
        _request(plan), metadata=(("authorization", f"Bearer {token}"),), timeout=plan.deadline
    )
    timer = None
    if plan.cancel_after is not None:
        timer = asyncio.get_running_loop().call_later(plan.cancel_after, call.cancel)
    error: grpc.aio.AioRpcError | None = None
    try:
        async with asyncio.timeout(HANG_SECONDS):
            await _read(call, reader, plan.pause)
    except grpc.aio.AioRpcError as caught:
        error = caught
    except asyncio.CancelledError:
        if not call.cancelled():
            raise
    except TimeoutError:
        call.cancel()
        ending.wrong.append(f"no end within {HANG_SECONDS:g} s")
    finally:
        if timer is not None:
            timer.cancel()
    ending.code = (await call.code()).name
    if ending.code == "OK":
        reader.end()
    elif ending.code == "CANCELLED":
        ending.local = True
        if plan.cancel_after is None:
            ending.wrong.append("cancelled by nobody")
    elif error is not None:
        _read_failure(error, ending, reader)
    return ending


async def _read(call: GenerateCall, reader: Reader, pause: float | None) -> None:
    while isinstance(message := await call.read(), gateway_service_pb2.GenerateResponse):
        reader.take(message)
        if pause is not None:
            await asyncio.sleep(pause)


def _read_failure(error: grpc.aio.AioRpcError, ending: Ending, reader: Reader) -> None:
    if ending.code == "DEADLINE_EXCEEDED" and ending.plan.deadline is not None:
        # Told by its own clock or by the server's, whichever was first.
        ending.local = True
        return
    failure = failure_of(error)
    if not failure.status.details:
        ending.wrong.append(f"{ending.code} without details: {failure.message}")
        return
    ending.reason = failure.reason
    metadata = failure.info.metadata
    ending.attempts = int(metadata.get("attempts", 0))
    failed = [value for key, value in metadata.items() if key.startswith("failed_attempt_")]
    ending.outraced = any("OUTRACED" in one for one in failed)
    ending.tried_again = any("OUTRACED" not in one for one in failed)
    told = int(metadata.get("output_characters", 0))
    if told != reader.read:
        ending.wrong.append(f"{reader.read} characters came, and {told} were told")
    if reader.read and failure.pushback not in (None, "-1"):
        ending.wrong.append("told to be tried again after output")


def _request(plan: Plan) -> gateway_service_pb2.GenerateRequest:
    wanted = request(plan.text.prompt, model=plan.model)
    wanted.labels[LABEL] = str(plan.text.number)
    if plan.whole:
        wanted.delivery = gateway_service_pb2.DELIVERY_WHOLE
    routing = wanted.routing
    routing.fallback_models.extend(plan.fallbacks)
    if plan.hedge_after is not None:
        routing.hedge_after.CopyFrom(_seconds(plan.hedge_after))
    if plan.patience is not None:
        routing.first_output_timeout.CopyFrom(_seconds(plan.patience))
        routing.idle_timeout.CopyFrom(_seconds(plan.patience))
    return wanted


def _seconds(seconds: float) -> duration_pb2.Duration:
    duration = duration_pb2.Duration()
    duration.FromNanoseconds(int(seconds * 1e9))
    return duration
