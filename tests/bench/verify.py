"""Is an answer right? Reads what the load generator recorded, after the clock has stopped.

The floor passes bytes, so its answer must equal the upstream's body. Sluice speaks the contract,
so its answer must be one turn as `event.proto` describes it. Everything else raises.
"""

from dataclasses import dataclass
from typing import Final, Literal

from sluice.v1.event_pb2 import Event, FinishReason
from sluice.v1.gateway_service_pb2 import GenerateResponse
from tests.bench.errors import BenchError
from tests.bench.http2 import Call
from tests.bench.plan import ANSWER_TEXT, TOKENS, build_answer

Shape = Literal["bytes", "events"]
"""What a server answers with: the upstream's bytes, or messages of the contract."""

_BODY: Final = build_answer().body
_PREFIX: Final = 5
"""Octets before each gRPC message: compression flag and length."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What a right answer tells about time and flow."""

    first_output_seconds: float
    """From the request to the message that holds the first text."""
    total_seconds: float
    """From the request to the end of the stream."""
    messages: int
    """gRPC messages that carried the answer."""


def check(call: Call, shape: Shape) -> Checked:
    """Return the facts of a right answer.

    Raises:
        BenchError: the call failed or its answer is not the expected one.
    """
    status = call.headers.get("grpc-status", "none")
    if status != "0" or "rst_stream" in call.headers:
        details = {name: call.headers.get(name) for name in ("grpc-message", "rst_stream")}
        raise BenchError(f"A call ended with gRPC status {status}: {details}.")
    messages = _messages(call.pieces)
    if not messages:
        raise BenchError("A call ended well without any message.")
    first = _check_bytes(messages) if shape == "bytes" else _check_events(messages)
    return Checked(first - call.started_at, call.finished_at - call.started_at, len(messages))


def _messages(pieces: list[tuple[float, bytes]]) -> list[tuple[float, bytes]]:
    """Return each gRPC message with the time at which its last octet arrived."""
    messages: list[tuple[float, bytes]] = []
    pending = b""
    for arrived, piece in pieces:
        pending += piece
        while len(pending) >= _PREFIX:
            end = _PREFIX + int.from_bytes(pending[1:_PREFIX], "big")
            if len(pending) < end:
                break
            if pending[0]:
                raise BenchError("The server compresses its messages.")
            messages.append((arrived, pending[_PREFIX:end]))
            pending = pending[end:]
    if pending:
        raise BenchError("A call ended in the middle of a message.")
    return messages


def _check_bytes(messages: list[tuple[float, bytes]]) -> float:
    """Return when the first message came; it holds the first token."""
    if b"".join(message for _, message in messages) != _BODY:
        raise BenchError("The relayed bytes are not the upstream's.")
    return messages[0][0]


def _check_events(messages: list[tuple[float, bytes]]) -> float:
    """Return when the first text came."""
    first_output: float | None = None
    text: list[str] = []
    events: list[Event] = []
    for arrived, message in messages:
        for event in GenerateResponse.FromString(message).events:
            events.append(event)
            if event.HasField("text_delta"):
                text.append(event.text_delta.text)
                first_output = arrived if first_output is None else first_output
    if "".join(text) != ANSWER_TEXT or first_output is None:
        raise BenchError(f"The text of an answer is wrong: {''.join(text)!r}.")
    kinds = [event.WhichOneof("kind") for event in events]
    if kinds[0] != "started" or kinds.count("started") != 1:
        raise BenchError("An answer does not begin with its only Started.")
    if kinds[-1] != "completed" or kinds.count("completed") != 1:
        raise BenchError("An answer does not end with its only Completed.")
    completed = events[-1].completed
    if completed.finish_reason != FinishReason.FINISH_REASON_STOP:
        raise BenchError(f"The finish reason of an answer is {completed.finish_reason}.")
    if completed.usage.output_tokens != TOKENS:
        raise BenchError(f"An answer counts {completed.usage.output_tokens} output tokens.")
    if "".join(part.text for part in completed.message.parts) != ANSWER_TEXT:
        raise BenchError("The whole message of an answer is wrong.")
    return first_output
