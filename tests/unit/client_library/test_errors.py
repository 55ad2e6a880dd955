"""What a status and its trailers say."""

import pickle

import grpc
import pytest
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from hypothesis import given
from hypothesis import strategies as st

from sluice import SluiceError, ToolError, TurnLimitError
from sluice.errors import QuotaViolation, Violation, from_status

KEY = "grpc-status-details-bin"
STATUS = grpc.StatusCode.RESOURCE_EXHAUSTED

INFO = error_details_pb2.ErrorInfo(
    reason="CALLER_LIMITED", domain="sluice.v1", metadata={"provider": "up"}
)


def retry(seconds: int, nanos: int) -> error_details_pb2.RetryInfo:
    """Return an advice to wait."""
    detail = error_details_pb2.RetryInfo()
    detail.retry_delay.seconds = seconds
    detail.retry_delay.nanos = nanos
    return detail


def trailers(*details: Message) -> list[tuple[str, str | bytes]]:
    """Return trailing metadata with these details."""
    status = status_pb2.Status()
    for detail in details:
        packed = Packed()
        packed.Pack(detail)
        status.details.append(packed)
    return [("x-other", "1"), (KEY, status.SerializeToString())]


def test_details_of_every_kind() -> None:
    """All that a gateway says is there."""
    error = from_status(
        STATUS,
        "Wait.",
        trailers(
            INFO,
            retry(2, 500_000_000),
            error_details_pb2.BadRequest(
                field_violations=[
                    error_details_pb2.BadRequest.FieldViolation(field="model", description="empty")
                ]
            ),
            error_details_pb2.QuotaFailure(
                violations=[
                    error_details_pb2.QuotaFailure.Violation(subject="up/a", description="full")
                ]
            ),
            error_details_pb2.RequestInfo(request_id="gen-9"),
        ),
        "gen-1",
    )
    assert error.status is STATUS
    assert error.reason == "CALLER_LIMITED"
    assert error.message == "Wait."
    assert error.retry_delay == 2.5
    assert error.violations == (Violation("model", "empty"),)
    assert error.quota_violations == (QuotaViolation("up/a", "full"),)
    assert error.metadata == {"provider": "up"}
    assert error.generation_id == "gen-9"
    assert str(error) == "CALLER_LIMITED: Wait."


@pytest.mark.parametrize(
    "found",
    [
        None,
        [],
        [("x-other", "1")],
        [(KEY, "text")],
        [(KEY, b"\xff")],
        trailers(error_details_pb2.ErrorInfo(reason="RATE_LIMITED", domain="googleapis.com")),
        trailers(error_details_pb2.RequestInfo()),
        trailers(error_details_pb2.DebugInfo(detail="of a kind that gateways do not send")),
    ],
)
def test_no_word_of_a_gateway(found: list[tuple[str, str | bytes]] | None) -> None:
    """The status is told, and nothing is made up."""
    error = from_status(STATUS, None, found, "gen-1")
    assert (error.status, error.reason, error.message) == (STATUS, "", "")
    assert error.retry_delay is None
    assert (error.violations, error.quota_violations, error.metadata) == ((), (), {})
    assert error.generation_id == "gen-1"
    assert str(error) == "RESOURCE_EXHAUSTED: "


def test_a_detail_that_cannot_be_read_hides_no_other() -> None:
    """One broken detail is left out alone."""
    (_, (key, raw)) = trailers(retry(1, 0), INFO)
    assert isinstance(raw, bytes)
    status = status_pb2.Status.FromString(raw)
    status.details[0].value = b"\xff"
    error = from_status(STATUS, "", [(key, status.SerializeToString())])
    assert error.retry_delay is None
    assert error.reason == "CALLER_LIMITED"


def test_no_wait_is_not_an_unknown_wait() -> None:
    """Zero seconds are told apart from no advice."""
    assert from_status(STATUS, "", trailers(retry(0, 0))).retry_delay == 0.0


@given(st.binary(max_size=200))
def test_any_bytes_give_an_error(raw: bytes) -> None:
    """Whatever stands in the trailer, the status is told."""
    assert from_status(STATUS, "Wait.", [(KEY, raw)]).status is STATUS


@given(st.data())
def test_details_with_a_byte_changed_give_an_error(data: st.DataObject) -> None:
    """What comes damaged is as little of a fault as what never was protobuf."""
    raw = trailers(INFO, retry(1, 5))[-1][1]
    assert isinstance(raw, bytes)
    place = data.draw(st.integers(0, len(raw) - 1))
    byte = data.draw(st.binary(min_size=1, max_size=1))
    damaged = raw[:place] + byte + raw[place + 1 :]
    assert from_status(STATUS, "Wait.", [(KEY, damaged)]).status is STATUS


@pytest.mark.parametrize(
    "error",
    [
        from_status(STATUS, "Wait.", trailers(INFO, retry(3, 0))),
        TurnLimitError(3),
        ToolError("no such city"),
    ],
    ids=str,
)
def test_errors_go_to_other_processes(error: Exception) -> None:
    """A pool of processes hands exceptions over pickled."""
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301  made right here
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert vars(copy) == vars(error)
    if isinstance(copy, SluiceError):
        assert copy.retry_delay == 3.0
