"""Errors to gRPC statuses, with google.rpc details. The only place that does it.

Details travel in the trailer `grpc-status-details-bin`. Trailers are metadata:
clients refuse more than 8 KiB of it by default, so everything here is bounded.
What the trailer beside it tells client libraries is decided in `pushback`.
"""

from __future__ import annotations

from dataclasses import dataclass

import grpc
from google.protobuf import any_pb2, message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from sluice_server.edge.pushback import NEW, PUSHBACK, Standing, pushback
from sluice_server.errors import FieldViolation, QuotaViolation, SluiceError, UpstreamError

DOMAIN = "sluice.v1"

MAX_MESSAGE_BYTES = 400
"""Bytes of the message in UTF-8. Each one outside ASCII takes three in
`grpc-message`, and all of them come a second time in the details."""

MAX_VIOLATION_BYTES = 2560
"""Room for BadRequest; the trailer is base64, which adds a third."""

_MORE = "…".encode()
_MAX_METADATA_BYTES = 160
_MAX_PATH_BYTES = 160
_MAX_DESCRIPTION_BYTES = 240


@dataclass(frozen=True, slots=True)
class Refusal:
    """A status, ready to be sent."""

    code: grpc.StatusCode
    message: str
    trailers: tuple[tuple[str, str | bytes], ...]


def refusal(error: SluiceError, *, generation_id: str, standing: Standing = NEW) -> Refusal:
    """Return the status that tells `error` to the caller."""
    text = _cut(error.caller_message(), MAX_MESSAGE_BYTES)
    code = grpc.StatusCode[error.code]
    details: list[message.Message] = [
        error_details_pb2.ErrorInfo(
            reason=error.reason,
            domain=DOMAIN,
            metadata={
                key: _cut(value, _MAX_METADATA_BYTES) for key, value in error.metadata().items()
            },
        ),
        error_details_pb2.RequestInfo(request_id=generation_id),
    ]
    if error.retry_after is not None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromNanoseconds(int(error.retry_after * 1e9))
        details.append(retry)
    if quota := _quota(error):
        details.append(
            error_details_pb2.QuotaFailure(
                violations=[
                    error_details_pb2.QuotaFailure.Violation(
                        subject=_cut(violation.subject, _MAX_PATH_BYTES),
                        description=_cut(violation.description, _MAX_DESCRIPTION_BYTES),
                    )
                    for violation in quota
                ]
            )
        )
    violations = getattr(error, "violations", None)
    if violations:
        details.append(_bad_request(violations))
    status = rpc_status.to_status(
        status_pb2.Status(code=code.value[0], message=text, details=map(_packed, details))
    )
    trailers = [*status.trailing_metadata]
    told = pushback(error, standing)
    if told is not None:
        trailers.append((PUSHBACK, told))
    return Refusal(code, text, tuple(trailers))


def _quota(error: SluiceError) -> tuple[QuotaViolation, ...]:
    """Return the limits without room; a provider that only says "too many" is one of them."""
    if error.quota or not isinstance(error, UpstreamError) or error.code != "RESOURCE_EXHAUSTED":
        return error.quota
    subject = "/".join(filter(None, (error.provider, error.credential)))
    return (QuotaViolation(subject, str(error)),)


def _bad_request(violations: list[FieldViolation]) -> error_details_pb2.BadRequest:
    bad_request = error_details_pb2.BadRequest()
    for violation in violations:
        field = bad_request.field_violations.add(
            field=_cut(violation.field, _MAX_PATH_BYTES),
            description=_cut(violation.description, _MAX_DESCRIPTION_BYTES),
        )
        if bad_request.ByteSize() > MAX_VIOLATION_BYTES:
            field.field = ""
            field.description = "There are more violations than are listed here."
            break
    return bad_request


def _packed(detail: message.Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(detail)
    return packed


def _cut(text: str, most: int) -> str:
    """Return `text` in at most `most` bytes of UTF-8."""
    encoded = text.encode("utf-8", "replace")
    if len(encoded) <= most:
        return text
    return encoded[: most - len(_MORE)].decode("utf-8", "ignore") + _MORE.decode()
