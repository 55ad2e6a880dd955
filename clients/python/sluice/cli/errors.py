"""Failures in plain words: what happened, what to do next, and the exit code.

What a gateway says rides on the status as google.rpc details (`ErrorInfo`, `RetryInfo`); a
status without ErrorInfo comes from gRPC's own library, which reached no gateway.
"""

from dataclasses import dataclass
from typing import Final

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from sluice.cli.text import clean, duration, seconds

FAILED: Final = 1
"""The gateway failed or refused, in a way that has no code of its own."""
# 2 is a wrong use of the command line, by click's convention.
REFUSED_CALLER: Final = 3
"""The caller is not known to the gateway, or may not do this."""
UNREACHABLE: Final = 4
"""No gateway was reached at this address."""
LATE: Final = 5
"""The deadline of --timeout passed."""
TRY_LATER: Final = 6
"""The gateway is there, and has no room now."""

_DOMAIN = "sluice.v1"

_TLS_SIGNS = ("handshake", "CERTIFICATE_VERIFY_FAILED", "WRONG_VERSION_NUMBER", "SSL_ERROR")

_NEXT = {
    "CALLER_UNAUTHENTICATED": "Give a token that the gateway knows, in SLUICE_TOKEN or with "
    "--token-file.",
    "CALLER_FORBIDDEN": "Ask whoever runs the gateway to allow this caller to do it.",
    "CALLER_LIMITED": "Wait, or ask whoever runs the gateway for a higher limit.",
    "OVERLOADED": "Try again; another replica may have room.",
    "INTERNAL": "This is a fault of the gateway: please report it with this message.",
}
"""What to do next, by ErrorReason."""


@dataclass(frozen=True)
class Explanation:
    """A failure as it is told."""

    message: str
    advice: str
    exit_code: int

    def __str__(self) -> str:
        return f"{self.message}\n{self.advice}" if self.advice else self.message


def explain(error: grpc.aio.AioRpcError, *, address: str, tls: bool, timeout: float) -> Explanation:
    """Return what to tell about a failed RPC to this address."""
    info, wait = _details(error)
    told = clean(error.details() or "")
    if info is not None:
        return _told_by_gateway(error.code(), info.reason, told, wait)
    if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
        return Explanation(
            f"{address} did not answer within {seconds(timeout)}.",
            "Give it more time with --timeout, or check that the address is the gateway's.",
            LATE,
        )
    if error.code() is grpc.StatusCode.UNAVAILABLE:
        return _unreachable(address, told, tls=tls)
    if error.code() is grpc.StatusCode.UNIMPLEMENTED:
        return Explanation(
            f"{address} does not know this call.",
            "Check that the address is a Sluice gateway's, and that its version is new enough.",
            FAILED,
        )
    return Explanation(f"{error.code().name}: {told}", "", FAILED)


def _told_by_gateway(
    code: grpc.StatusCode, reason: str, told: str, wait: float | None
) -> Explanation:
    reason = clean(reason)
    advice = _NEXT.get(reason, "")
    if wait is not None:
        advice = f"Try again in {seconds(wait)}."
    if code in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED):
        exit_code = REFUSED_CALLER
    elif code is grpc.StatusCode.DEADLINE_EXCEEDED:
        exit_code = LATE
    elif wait is not None or code in (
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
    ):
        exit_code = TRY_LATER
    else:
        exit_code = FAILED
    return Explanation(f"{reason}: {told}", advice, exit_code)


def _unreachable(address: str, told: str, *, tls: bool) -> Explanation:
    if any(sign.lower() in told.lower() for sign in _TLS_SIGNS):
        advice = (
            "If the gateway's certificate is by an authority of your own, name it with --ca; "
            "if the gateway wants a certificate, give --cert and --key; if it speaks "
            "plaintext, leave --tls away."
        )
        return Explanation(f"TLS with {address} failed: {told}", advice, UNREACHABLE)
    advice = "Check that the gateway runs, and the address (--address or SLUICE_ADDRESS)."
    if not tls:
        advice += " If it speaks TLS, add --tls."
    return Explanation(f"No gateway was reached at {address}: {told}", advice, UNREACHABLE)


def _details(
    error: grpc.aio.AioRpcError,
) -> tuple[error_details_pb2.ErrorInfo | None, float | None]:
    """Return the gateway's ErrorInfo, and the wait in seconds that it advises."""
    info: error_details_pb2.ErrorInfo | None = None
    wait: float | None = None
    for key, value in error.trailing_metadata() or ():
        if key != "grpc-status-details-bin" or not isinstance(value, bytes):
            continue
        try:
            details = status_pb2.Status.FromString(value).details
        except DecodeError:  # of another server; its status is told all the same
            continue
        for detail in details:
            found = error_details_pb2.ErrorInfo()
            retry = error_details_pb2.RetryInfo()
            if detail.Unpack(found) and found.domain == _DOMAIN:
                info = found
            elif detail.Unpack(retry):
                delay: Duration = retry.retry_delay
                wait = duration(delay)
    return info, wait
