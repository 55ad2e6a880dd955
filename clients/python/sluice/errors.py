"""How a call fails: what a status and its trailers say, as one exception.

Nothing here does I/O; `sluice.blocking` and `sluice.aio` call `failure` with what gRPC gave
them.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import grpc
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2

_DOMAIN: Final = "sluice.v1"
_DETAILS: Final = "grpc-status-details-bin"
_NANOS: Final = 1_000_000_000

_KNOWN: Final = (
    error_details_pb2.BadRequest,
    error_details_pb2.ErrorInfo,
    error_details_pb2.QuotaFailure,
    error_details_pb2.RequestInfo,
    error_details_pb2.RetryInfo,
)
"""The details that a gateway sends."""

Trailers = Iterable[tuple[str, str | bytes]]
"""Trailing metadata as gRPC gives it."""


@dataclass(frozen=True)
class Violation:
    """Where a request breaks the contract."""

    field: str
    """Path of the field, for example `messages[0].role`."""
    description: str


@dataclass(frozen=True)
class QuotaViolation:
    """A limit that has no room for the call."""

    subject: str
    """What is limited, for example a caller or a credential."""
    description: str


class SluiceError(Exception):
    """A call that failed; what had arrived before it is partial."""

    def __init__(
        self,
        status: grpc.StatusCode,
        message: str,
        *,
        reason: str = "",
        retry_delay: float | None = None,
        violations: tuple[Violation, ...] = (),
        quota_violations: tuple[QuotaViolation, ...] = (),
        metadata: Mapping[str, str] | None = None,
        generation_id: str = "",
    ) -> None:
        # Two arguments alone, which is how exceptions are copied and pickled.
        super().__init__(status, message)
        self.status = status
        """gRPC's status."""
        self.message = message
        """What happened, for people."""
        self.reason = reason
        """Name of an `ErrorReason` without its prefix, as the gateway sent it: a newer one may
        send names that this client does not know. Empty when no gateway spoke, as with an
        address that nobody listens at."""
        self.retry_delay = retry_delay
        """Seconds after which the gateway advises to try again; None when it told none."""
        self.violations = violations
        """How the request breaks the contract."""
        self.quota_violations = quota_violations
        """The limits that had no room."""
        self.metadata = dict(metadata or {})
        """What else the gateway knows: `provider`, `model`, `http_status` and more, see
        `error_reason.proto`."""
        self.generation_id = generation_id
        """Id of the turn at the gateway, to be quoted in support requests; empty when unknown."""

    def __str__(self) -> str:
        return f"{self.reason or self.status.name}: {self.message}"


class ToolError(Exception):
    """Raised by a function to tell the model that the call failed; the run goes on."""


class TurnLimitError(Exception):
    """A run of tools made as many turns as it may, and the last one still wants more."""

    def __init__(self, max_turns: int) -> None:
        super().__init__(max_turns)
        self.max_turns = max_turns
        """How many turns were allowed, and made."""

    def __str__(self) -> str:
        return f"The limit of {self.max_turns} turns is reached, and the model still wants more."


def failure(error: grpc.RpcError, generation_id: str = "") -> SluiceError:
    """Return what a call's error of gRPC's own stands for, blocking or asyncio.

    `generation_id` is what the stream told before, for failures that name none.
    """
    call: Any = error  # every error of a call has them, which its base class does not say
    return from_status(call.code(), call.details(), call.trailing_metadata(), generation_id)


def from_status(
    status: grpc.StatusCode, message: str | None, trailers: Trailers | None, generation_id: str = ""
) -> SluiceError:
    """Return the error that a status and its trailers stand for.

    Details that are no protobuf, or of another server, are left out: the status is told all
    the same.
    """
    reason = ""
    metadata: dict[str, str] = {}
    request_id = ""
    retry_delay: float | None = None
    violations: list[Violation] = []
    quota_violations: list[QuotaViolation] = []
    for detail in _details(trailers or ()):
        match detail:
            case error_details_pb2.ErrorInfo(domain=domain) if domain == _DOMAIN:
                reason = detail.reason
                metadata = dict(detail.metadata)
            case error_details_pb2.RetryInfo():
                retry_delay = _wait(detail)
            case error_details_pb2.BadRequest():
                violations += (Violation(v.field, v.description) for v in detail.field_violations)
            case error_details_pb2.QuotaFailure():
                quota_violations += (
                    QuotaViolation(v.subject, v.description) for v in detail.violations
                )
            case error_details_pb2.RequestInfo():
                request_id = detail.request_id
            case _:
                pass
    return SluiceError(
        status,
        message or "",
        reason=reason,
        retry_delay=retry_delay,
        violations=tuple(violations),
        quota_violations=tuple(quota_violations),
        metadata=metadata,
        # The ids of others than a gateway are not those of turns.
        generation_id=(request_id if reason else "") or generation_id,
    )


def truncated(generation_id: str) -> SluiceError:
    """Return the error of a stream that ended with OK before the answer was whole."""
    return SluiceError(
        grpc.StatusCode.UNAVAILABLE,
        "The stream ended without Completed, so the answer is not whole.",
        reason="STREAM_TRUNCATED",
        generation_id=generation_id,
    )


def cancelled(generation_id: str = "") -> SluiceError:
    """Return the error of reading a call that this program itself cancelled."""
    return SluiceError(
        grpc.StatusCode.CANCELLED, "The call was cancelled.", generation_id=generation_id
    )


def closed() -> SluiceError:
    """Return the error of a call whose client was closed before."""
    return SluiceError(grpc.StatusCode.CANCELLED, "The client was closed.")


def _wait(detail: error_details_pb2.RetryInfo) -> float | None:
    """Return the seconds that it tells; nobody can wait for less than nothing."""
    delay = detail.retry_delay
    seconds = delay.seconds + delay.nanos / _NANOS
    return seconds if detail.HasField("retry_delay") and seconds >= 0 else None


def _details(trailers: Trailers) -> Iterator[Message]:
    """Go through the details that can be read."""
    for key, value in trailers:
        if key != _DETAILS or not isinstance(value, bytes):
            continue
        with suppress(DecodeError):
            for packed in status_pb2.Status.FromString(value).details:
                for kind in _KNOWN:
                    if packed.Is(kind.DESCRIPTOR):
                        with suppress(DecodeError):
                            yield kind.FromString(packed.value)
