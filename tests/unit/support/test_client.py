"""Answers and failures are read as they were sent."""

import grpc
import pytest
from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2, status_pb2

from sluice.v1 import content_pb2, event_pb2, gateway_service_pb2
from tests.support.client import Answer, failure_of


def message(*events: event_pb2.Event) -> gateway_service_pb2.GenerateResponse:
    """Return a message with these events."""
    return gateway_service_pb2.GenerateResponse(events=events)


def delta(part: int, text: str) -> event_pb2.Event:
    """Return a text delta."""
    return event_pb2.Event(text_delta=event_pb2.TextDelta(part=part, text=text))


def test_an_answer_is_read_across_messages() -> None:
    """Texts are joined by part, runs of deltas count once, and Completed is found."""
    call = content_pb2.ToolCall(id="c", name="f", arguments_json="{}")
    answer = Answer(
        [
            message(event_pb2.Event(started=event_pb2.Started(generation_id="g")), delta(0, "a")),
            message(delta(0, "b"), delta(2, "c")),
            message(
                event_pb2.Event(part_finished=event_pb2.PartFinished(part=1, tool_call=call)),
                event_pb2.Event(completed=event_pb2.Completed(provider_finish_reason="stop")),
            ),
        ]
    )
    assert answer.texts == {0: "ab", 2: "c"}
    assert answer.text == "abc"
    assert answer.shape == ["started", "text_delta", "part_finished", "completed"]
    assert answer.tool_calls == [call]
    assert answer.started.generation_id == "g"
    assert answer.completed.provider_finish_reason == "stop"
    assert answer.is_complete


def error(*trailers: tuple[str, str | bytes]) -> grpc.aio.AioRpcError:
    """Return an UNAVAILABLE error with these trailers."""
    return grpc.aio.AioRpcError(
        grpc.StatusCode.UNAVAILABLE, grpc.aio.Metadata(), grpc.aio.Metadata(*trailers), "down", None
    )


def test_failures_show_their_details() -> None:
    """Reason, delay and pushback are read from the trailers."""
    status = status_pb2.Status(code=14, message="down")
    details = (
        error_details_pb2.ErrorInfo(reason="OVERLOADED", domain="sluice.v1"),
        error_details_pb2.RetryInfo(retry_delay=duration_pb2.Duration(seconds=1, nanos=500000000)),
    )
    for detail in details:
        packed = any_pb2.Any()
        packed.Pack(detail)
        status.details.append(packed)
    raw = status.SerializeToString()
    failure = failure_of(error(("grpc-status-details-bin", raw), ("grpc-retry-pushback-ms", "-1")))
    assert failure.reason == "OVERLOADED"
    assert failure.retry_seconds == 1.5
    assert failure.pushback == "-1"
    assert failure.violations == {}
    assert not failure.partial.messages


def test_a_failure_without_details_is_noticed() -> None:
    """Asking for the reason of a bare status fails the test that asks."""
    with pytest.raises(AssertionError, match="no ErrorInfo"):
        _ = failure_of(error()).reason
