"""What `sluice` tells of a failure, and with which exit code."""

import grpc
import pytest

from sluice.cli.client import Target
from sluice.cli.errors import FAILED, LATE, REFUSED_CALLER, TRY_LATER, Explanation, explain
from sluice.errors import QuotaViolation, SluiceError, Violation
from sluice.v1 import error_reason_pb2

TARGET = Target("gateway:1", timeout=2.0)


def told(
    code: grpc.StatusCode, reason: str = "", wait: float | None = None, message: str = "no"
) -> Explanation:
    """Return what is told of such a failure."""
    return explain(SluiceError(code, message, reason=reason, retry_delay=wait), TARGET)


@pytest.mark.parametrize(
    ("code", "reason", "wait", "exit_code"),
    [
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "CALLER_LIMITED", 30, TRY_LATER),
        (grpc.StatusCode.UNAVAILABLE, "OVERLOADED", 30, TRY_LATER),
        (grpc.StatusCode.UNAVAILABLE, "PROVIDER_UNAVAILABLE", None, TRY_LATER),
        (grpc.StatusCode.UNAUTHENTICATED, "OF_A_NEWER_GATEWAY", None, REFUSED_CALLER),
        (grpc.StatusCode.PERMISSION_DENIED, "CALLER_FORBIDDEN", None, REFUSED_CALLER),
        (grpc.StatusCode.PERMISSION_DENIED, "PROVIDER_FORBIDDEN", None, FAILED),
        (grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED", None, LATE),
        (grpc.StatusCode.DEADLINE_EXCEEDED, "", None, LATE),
        (grpc.StatusCode.INTERNAL, "INTERNAL", None, FAILED),
        (grpc.StatusCode.UNIMPLEMENTED, "", None, FAILED),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "", None, FAILED),
    ],
)
def test_reasons_and_waits_are_told(
    code: grpc.StatusCode, reason: str, wait: float | None, exit_code: int
) -> None:
    """The reason by name, the wait when there is one, and the code of its kind."""
    got = told(code, reason, wait)
    assert got.exit_code == exit_code
    assert reason in got.message
    assert ("Try again in 30.0s." in got.advice) == (wait is not None)


@pytest.mark.parametrize("name", list(error_reason_pb2.ErrorReason.keys()[1:]))
def test_every_reason_has_advice(name: str) -> None:
    """Whatever the gateway says, there is something to do next."""
    assert told(grpc.StatusCode.INTERNAL, name.removeprefix("ERROR_REASON_")).advice


def test_violations_are_told_by_field() -> None:
    """What is wrong with a request, and whose limit has no room."""
    error = SluiceError(
        grpc.StatusCode.INVALID_ARGUMENT,
        "The request breaks the contract.",
        reason="INVALID_REQUEST",
        violations=(Violation("options.temperature", "must be in [0, 2]"),),
        quota_violations=(QuotaViolation("caller:me", "5 requests per minute"),),
    )
    shown = str(explain(error, TARGET))
    assert "options.temperature: must be in [0, 2]" in shown
    assert "caller:me: 5 requests per minute" in shown


def test_a_bug_names_the_generation() -> None:
    """It is what a report needs."""
    error = SluiceError(grpc.StatusCode.INTERNAL, "no", reason="INTERNAL", generation_id="gen_1")
    assert "gen_1" in str(explain(error, TARGET))


@pytest.mark.parametrize("reason", ["", "INTERNAL"])
def test_what_a_server_says_cannot_move_the_cursor(reason: str) -> None:
    """Messages are data of others."""
    got = told(grpc.StatusCode.INTERNAL, reason, message="a\x1b[2J\rb")
    assert "\x1b" not in str(got)
    assert "\r" not in str(got)


def test_a_message_that_is_too_large_is_told_with_what_to_do() -> None:
    """GRPC's library refuses it, before the gateway could give a reason."""
    got = told(grpc.StatusCode.RESOURCE_EXHAUSTED, message="Received message larger than max")
    assert "too large" in got.message
    assert "Send less" in got.advice
