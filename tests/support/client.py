"""Reads what the gateway answered: whole streams, and the details of a failure.

Assertions stay in the tests; connecting to a server is in `server`.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar, cast

import grpc
from google.protobuf.message import Message as ProtoMessage
from google.rpc import code_pb2, error_details_pb2, status_pb2

from sluice.v1 import content_pb2, event_pb2, gateway_service_pb2
from tests.support.secrecy import SECRECY

GenerateRequest = gateway_service_pb2.GenerateRequest
GenerateCall: TypeAlias = (
    "grpc.aio.UnaryStreamCall[GenerateRequest, gateway_service_pb2.GenerateResponse]"
)
Detail = TypeVar("Detail", bound=ProtoMessage)


@dataclass
class Answer:
    """What arrived of one Generate stream; partial when the stream failed."""

    messages: list[gateway_service_pb2.GenerateResponse] = field(default_factory=list)

    @property
    def events(self) -> list[event_pb2.Event]:
        """All events in order, whatever message they came in."""
        return [event for message in self.messages for event in message.events]

    @property
    def kinds(self) -> list[str]:
        """The kind of each event, for example "text_delta"."""
        return [event.WhichOneof("kind") or "" for event in self.events]

    @property
    def shape(self) -> list[str]:
        """The kinds with runs of deltas of the same kind counted once."""
        kinds = self.kinds
        pairs = zip(kinds, [None, *kinds], strict=False)
        return [kind for kind, before in pairs if kind != before or not kind.endswith("_delta")]

    @property
    def texts(self) -> dict[int, str]:
        """Text of all text deltas (a refusal's included) by part."""
        parts: defaultdict[int, str] = defaultdict(str)
        for event in self.events:
            if event.HasField("text_delta"):
                parts[event.text_delta.part] += event.text_delta.text
        return dict(parts)

    @property
    def text(self) -> str:
        """Text of all text deltas, joined."""
        return "".join(self.texts.values())

    @property
    def reasoning(self) -> str:
        """Text of all reasoning deltas, joined."""
        return "".join(e.reasoning_delta.text for e in self.events if e.HasField("reasoning_delta"))

    @property
    def arguments(self) -> dict[int, str]:
        """Argument text of all deltas by part."""
        parts: defaultdict[int, str] = defaultdict(str)
        for event in self.events:
            if event.HasField("tool_arguments_delta"):
                parts[event.tool_arguments_delta.part] += event.tool_arguments_delta.fragment
        return dict(parts)

    @property
    def tool_calls(self) -> list[content_pb2.ToolCall]:
        """Finished calls in the order in which their parts finished."""
        finished = [e.part_finished for e in self.events if e.HasField("part_finished")]
        return [part.tool_call for part in finished if part.HasField("tool_call")]

    @property
    def started(self) -> event_pb2.Started:
        """The one Started event."""
        (started,) = (event.started for event in self.events if event.HasField("started"))
        return started

    @property
    def completed(self) -> event_pb2.Completed:
        """The one Completed event."""
        (completed,) = (event.completed for event in self.events if event.HasField("completed"))
        return completed

    @property
    def is_complete(self) -> bool:
        """Whether Completed came."""
        return "completed" in self.kinds


@dataclass(frozen=True)
class Failure:
    """A non-OK status, its details, and what had arrived before it."""

    code: grpc.StatusCode
    message: str
    trailers: dict[str, str | bytes]
    status: status_pb2.Status
    partial: Answer

    def detail(self, kind: type[Detail]) -> Detail | None:
        """Return the detail of this type; None when there is none, or a fault when several."""
        found = []
        for packed in self.status.details:
            if packed.Is(kind.DESCRIPTOR):
                value = kind()
                packed.Unpack(value)
                found.append(value)
        assert len(found) <= 1, f"{kind.__name__} occurs {len(found)} times"
        return found[0] if found else None

    @property
    def info(self) -> error_details_pb2.ErrorInfo:
        """The ErrorInfo, which every failure must carry."""
        info = self.detail(error_details_pb2.ErrorInfo)
        assert info is not None, f"no ErrorInfo with {self.code}: {self.message}"
        return info

    @property
    def reason(self) -> str:
        """The reason in ErrorInfo, after a look at its domain."""
        assert self.info.domain == "sluice.v1"
        return str(self.info.reason)

    @property
    def retry_seconds(self) -> float | None:
        """The delay in RetryInfo in seconds; None without RetryInfo."""
        retry = self.detail(error_details_pb2.RetryInfo)
        return None if retry is None else retry.retry_delay.ToTimedelta().total_seconds()

    @property
    def pushback(self) -> str | None:
        """The trailer that gRPC client libraries obey, in milliseconds; "-1" forbids retries."""
        value = self.trailers.get("grpc-retry-pushback-ms")
        return value.decode() if isinstance(value, bytes) else value

    @property
    def violations(self) -> dict[str, str]:
        """Descriptions in BadRequest by field path."""
        bad = self.detail(error_details_pb2.BadRequest)
        return {} if bad is None else {v.field: v.description for v in bad.field_violations}


def failure_of(error: grpc.aio.AioRpcError, partial: Answer | None = None) -> Failure:
    """Return the readable form of an error; its details must agree with its code and message."""
    pairs = cast("Iterable[tuple[str, str | bytes]]", error.trailing_metadata())
    trailers = dict(list(pairs))
    SECRECY.tell("error", f"{error.details()} {trailers}")
    status = status_pb2.Status()
    packed = trailers.get("grpc-status-details-bin")
    if isinstance(packed, bytes):
        status.ParseFromString(packed)
        assert code_pb2.Code.Name(status.code) == error.code().name
    return Failure(error.code(), error.details() or "", trailers, status, partial or Answer())


async def collect(call: GenerateCall) -> Answer:
    """Return the rest of a stream; raises `grpc.aio.AioRpcError` unless it ended with OK."""
    answer = Answer()
    await _read_into(answer, call)
    return answer


async def collect_failure(call: GenerateCall) -> Failure:
    """Return how the stream failed; raises AssertionError when it ended with OK."""
    answer = Answer()
    try:
        await _read_into(answer, call)
    except grpc.aio.AioRpcError as error:
        return failure_of(error, answer)
    message_count = len(answer.messages)
    raise AssertionError(f"the call ended with OK after {message_count} messages")


async def _read_into(answer: Answer, call: GenerateCall) -> None:
    """Read with `read`, which may follow other reads; iteration may not."""
    while isinstance(message := await call.read(), gateway_service_pb2.GenerateResponse):
        answer.messages.append(message)


async def read_one(call: GenerateCall) -> gateway_service_pb2.GenerateResponse:
    """Return the next message of a stream that must not end before it."""
    message = await call.read()
    assert isinstance(message, gateway_service_pb2.GenerateResponse), "the stream ended"
    return message


def user(text: str) -> content_pb2.Message:
    """Return a message of the user."""
    return content_pb2.Message(role=content_pb2.ROLE_USER, parts=[content_pb2.Part(text=text)])


def request(text: str = "Hello", *, model: str = "up/test-model") -> GenerateRequest:
    """Return a request with one user message; tests set on it what they are about."""
    return GenerateRequest(model=model, messages=[user(text)])
