"""What `sluice` tells of a failure, and with which exit code."""

import grpc
import pytest
from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2

from sluice.cli.errors import FAILED, LATE, REFUSED_CALLER, TRY_LATER, Explanation, explain


def told(
    code: grpc.StatusCode, reason: str = "", wait: int | None = None, details: str = "no"
) -> Explanation:
    """Return what is told of a status with these details."""
    status = status_pb2.Status()
    for detail in (
        error_details_pb2.ErrorInfo(domain="sluice.v1", reason=reason) if reason else None,
        error_details_pb2.RetryInfo(retry_delay=Duration(seconds=wait)) if wait else None,
    ):
        if detail is not None:
            packed = Any()
            packed.Pack(detail)
            status.details.append(packed)
    trailing = grpc.aio.Metadata(("grpc-status-details-bin", status.SerializeToString()))
    error = grpc.aio.AioRpcError(code, grpc.aio.Metadata(), trailing, details=details)
    return explain(error, address="gateway:1", tls=False, timeout=2.0)


@pytest.mark.parametrize(
    ("code", "reason", "wait", "exit_code"),
    [
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "CALLER_LIMITED", 30, TRY_LATER),
        (grpc.StatusCode.UNAVAILABLE, "OVERLOADED", 30, TRY_LATER),
        (grpc.StatusCode.PERMISSION_DENIED, "CALLER_FORBIDDEN", None, REFUSED_CALLER),
        (grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED", None, LATE),
        (grpc.StatusCode.DEADLINE_EXCEEDED, "", None, LATE),
        (grpc.StatusCode.INTERNAL, "INTERNAL", None, FAILED),
        (grpc.StatusCode.UNIMPLEMENTED, "", None, FAILED),
    ],
)
def test_reasons_and_waits_are_told(
    code: grpc.StatusCode, reason: str, wait: int | None, exit_code: int
) -> None:
    """The reason by name, the wait when there is one, and the code of its kind."""
    got = told(code, reason, wait)
    assert got.exit_code == exit_code
    assert reason in got.message
    assert ("Try again in 30.0s." in got.advice) == (wait is not None)


def test_what_a_server_says_cannot_move_the_cursor() -> None:
    """Details are data of others."""
    got = told(grpc.StatusCode.INTERNAL, "INTERNAL", details="a\x1b[2J\nb")
    assert "\x1b" not in str(got)
