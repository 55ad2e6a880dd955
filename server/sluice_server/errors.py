"""Everything that can go wrong, and whose fault it is.

    SluiceError
    +-- RequestError                  the caller must change something
    |   +-- InvalidRequestError, UnsupportedFeatureError, ModelNotFoundError,
    |   +-- CallerUnauthenticatedError, CallerForbiddenError, CallerLimitedError,
    |   +-- CostLimitError, AnswerTooLargeError
    +-- UpstreamError                 somebody else's machine
    |   +-- ContextTooLongError, ProviderRejectedRequestError,
    |   +-- ProviderRateLimitedError, ProviderQuotaExhaustedError,
    |   +-- ProviderCredentialRejectedError, ProviderForbiddenError,
    |   +-- ProviderUnavailableError, ProviderUnreachableError,
    |   +-- ProviderTimeoutError, ProviderProtocolError, StreamTruncatedError,
    |   +-- ProviderModelNotFoundError, CircuitOpenError
    +-- DeadlineExceededError         time ran out
    +-- OverloadedError               this replica takes no more
    +-- InternalError                 a bug of ours

A leaf declares four facts: `reason` (a name of sluice.v1.ErrorReason without
its prefix), `code` (a gRPC status name), `retryable` and `upstream_fault`. Turning
one into a gRPC status happens in `edge.status` and nowhere else, where a turn goes
after one is decided in `engine.moves`; cancellation is not an error and never
appears here.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple


class FieldViolation(NamedTuple):
    """One broken rule, in the manner of google.rpc.BadRequest.FieldViolation."""

    field: str
    """Path from the request, such as `messages[2].parts[0].media.source`; empty for the whole."""
    description: str
    """What to change. Holds no prompt, reply or argument text."""


class QuotaViolation(NamedTuple):
    """One limit without room, in the manner of google.rpc.QuotaFailure.Violation."""

    subject: str
    """Whose limit: provider, quota scope and model, or the own limit's name."""
    description: str
    """Unit, size and window. Holds no secret."""


class FailedAttempt(NamedTuple):
    """One try that failed before the one that is told."""

    provider: str
    model: str
    credential: str
    reason: str
    """Name of an ErrorReason value; empty when another attempt was faster."""
    seconds: float

    def __str__(self) -> str:
        """Return it in the form of ErrorInfo.metadata."""
        where = f"{self.provider}/{self.model[:64]}"
        by = f" ({self.credential})" if self.credential else ""
        return f"{where}{by} {self.reason or 'OUTRACED'} after {self.seconds:.3f} s"


class SluiceError(Exception):
    """Base of all. `str(error)` is safe to log: no secret, no prompt, no reply."""

    reason: ClassVar[str]
    """Name of an ErrorReason value, without `ERROR_REASON_`."""
    code: ClassVar[str]
    """Name of a gRPC status code."""
    retryable: ClassVar[bool] = False
    """Whether the same request to the same place may succeed later."""
    upstream_fault: bool = False
    """Whether it counts against the upstream's health."""

    retry_after: float | None = None
    """Seconds after which a retry makes sense; None when nobody knows."""
    attempts: int | None = None
    """Upstream calls made before giving up; None when it did not come to any."""
    failed_attempts: tuple[FailedAttempt, ...] = ()
    """Those that failed before the last one."""
    quota: tuple[QuotaViolation, ...] = ()
    """The limits without room, where that is the reason."""

    def metadata(self) -> dict[str, str]:
        """Return the facts that may leave the process in ErrorInfo.metadata."""
        facts = {} if self.attempts is None else {"attempts": str(self.attempts)}
        for number, failed in enumerate(self.failed_attempts, 1):
            facts[f"failed_attempt_{number}"] = str(failed)
        return facts

    def caller_message(self) -> str:
        """Return the text for the caller; may say more than the log does."""
        return str(self)


class RequestError(SluiceError):
    """The caller must change something."""


class InvalidRequestError(RequestError):
    """The request breaks the contract; every violation is named."""

    reason = "INVALID_REQUEST"
    code = "INVALID_ARGUMENT"

    def __init__(self, violations: list[FieldViolation]) -> None:
        count = len(violations)
        summary = f"The request has {count} invalid field{'s' * (count != 1)}."
        if violations and not violations[0].field:
            # The first one counts the others when there are too many to list.
            summary, violations = violations[0].description, violations[1:]
        super().__init__(summary)
        self.violations = violations

    def caller_message(self) -> str:
        """Name the first violations; all of them are in BadRequest."""
        shown = "; ".join(f"{v.field}: {v.description}" for v in self.violations[:3])
        more = len(self.violations) - 3
        return f"{self} {shown}{f'; and {more} more' if more > 0 else ''}"


class UnsupportedFeatureError(RequestError):
    """What the request needs, the chosen model or provider cannot do."""

    reason = "UNSUPPORTED_FEATURE"
    code = "INVALID_ARGUMENT"

    def __init__(self, field: str, description: str) -> None:
        super().__init__(f"{field}: {description}")
        self.violations = [FieldViolation(field, description)]


class ModelNotFoundError(RequestError):
    """No provider, route or model of this name."""

    reason = "MODEL_NOT_FOUND"
    code = "NOT_FOUND"

    def __init__(self, message: str, *, suggestions: tuple[str, ...] = ()) -> None:
        hint = f" Nearest: {', '.join(suggestions)}." if suggestions else ""
        super().__init__(message + hint)
        self.suggestions = suggestions


class CallerUnauthenticatedError(RequestError):
    """The caller is not known."""

    reason = "CALLER_UNAUTHENTICATED"
    code = "UNAUTHENTICATED"


class CallerForbiddenError(RequestError):
    """The caller may not do this."""

    reason = "CALLER_FORBIDDEN"
    code = "PERMISSION_DENIED"


class CallerLimitedError(RequestError):
    """The caller's own limit or budget is used up."""

    reason = "CALLER_LIMITED"
    code = "RESOURCE_EXHAUSTED"
    retryable = True

    def __init__(
        self, message: str, *, retry_after: float | None, quota: tuple[QuotaViolation, ...]
    ) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.quota = quota


class CostLimitError(RequestError):
    """The turn would, or could, cost more than the caller allows."""

    reason = "COST_LIMIT"
    code = "FAILED_PRECONDITION"


class AnswerTooLargeError(RequestError):
    """A WHOLE answer outgrew the bound of one message."""

    reason = "ANSWER_TOO_LARGE"
    code = "OUT_OF_RANGE"


class UpstreamError(SluiceError):
    """Somebody else's machine failed us.

    `detail` is the provider's own explanation. It reaches the caller, whose
    request it talks about, but never a log, since providers quote prompts.
    """

    upstream_fault = True

    def __init__(
        self,
        message: str,
        *,
        http_status: int | None = None,
        provider_code: str | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
        detail: str | None = None,
    ) -> None:
        super().__init__(message)
        self.http_status = http_status
        self.provider_code = provider_code
        self.request_id = request_id
        self.retry_after = retry_after
        self.detail = detail
        self.provider: str | None = None
        self.model: str | None = None
        self.credential: str | None = None
        self.output_characters: int | None = None

    def metadata(self) -> dict[str, str]:
        """Return who failed and how, as far as known."""
        facts = {
            **super().metadata(),
            "provider": self.provider,
            "model": self.model,
            "credential": self.credential,
            "http_status": self.http_status,
            "provider_code": self.provider_code,
            "provider_request_id": self.request_id,
            "output_characters": self.output_characters,
        }
        return {key: str(value) for key, value in facts.items() if value is not None}

    def caller_message(self) -> str:
        """Return the message with the provider's own explanation."""
        return f"{self} The provider says: {self.detail}" if self.detail else str(self)


class ContextTooLongError(UpstreamError):
    """The conversation is too long for the model."""

    reason = "CONTEXT_TOO_LONG"
    code = "INVALID_ARGUMENT"
    upstream_fault = False


class ProviderModelNotFoundError(UpstreamError):
    """The provider does not know the model that it was asked for."""

    reason = "MODEL_NOT_FOUND"
    code = "NOT_FOUND"
    upstream_fault = False
    suggestions: tuple[str, ...] = ()

    def caller_message(self) -> str:
        """Name the nearest known models too."""
        hint = f" Nearest: {', '.join(self.suggestions)}." if self.suggestions else ""
        return super().caller_message() + hint


class ProviderRateLimitedError(UpstreamError):
    """The provider asked for fewer requests."""

    reason = "PROVIDER_RATE_LIMITED"
    code = "RESOURCE_EXHAUSTED"
    retryable = True
    upstream_fault = False


class ProviderQuotaExhaustedError(UpstreamError):
    """The provider's quota or credit is used up; waiting seconds won't help."""

    reason = "PROVIDER_QUOTA_EXHAUSTED"
    code = "RESOURCE_EXHAUSTED"
    upstream_fault = False


class ProviderCredentialRejectedError(UpstreamError):
    """The provider refused the gateway's credential: the operator's problem."""

    reason = "PROVIDER_CREDENTIAL_REJECTED"
    code = "FAILED_PRECONDITION"
    upstream_fault = False

    def caller_message(self) -> str:
        """Leave the provider's words out: some quote the key."""
        return str(self)


class ProviderForbiddenError(UpstreamError):
    """The provider forbids this model, region or content."""

    reason = "PROVIDER_FORBIDDEN"
    code = "PERMISSION_DENIED"
    upstream_fault = False


class ProviderRejectedRequestError(UpstreamError):
    """The provider refused the translated request."""

    reason = "PROVIDER_REJECTED_REQUEST"
    code = "INVALID_ARGUMENT"
    upstream_fault = False


class ProviderUnavailableError(UpstreamError):
    """The provider failed or is overloaded."""

    reason = "PROVIDER_UNAVAILABLE"
    code = "UNAVAILABLE"
    retryable = True


class ProviderUnreachableError(UpstreamError):
    """No connection to the provider could be made."""

    reason = "PROVIDER_UNREACHABLE"
    code = "UNAVAILABLE"
    retryable = True


class ProviderTimeoutError(UpstreamError):
    """The provider was silent for too long."""

    reason = "PROVIDER_TIMEOUT"
    code = "UNAVAILABLE"
    retryable = True


class ProviderProtocolError(UpstreamError):
    """The provider sent something that cannot be read."""

    reason = "PROVIDER_PROTOCOL"
    code = "INTERNAL"


class CircuitOpenError(UpstreamError):
    """The upstream has failed too often, and is left alone for a while."""

    reason = "CIRCUIT_OPEN"
    code = "UNAVAILABLE"
    retryable = True
    # Whatever counted against it opened the circuit already.
    upstream_fault = False


class StreamTruncatedError(UpstreamError):
    """The provider's stream ended before its end."""

    reason = "STREAM_TRUNCATED"
    code = "UNAVAILABLE"
    retryable = True


class DeadlineExceededError(SluiceError):
    """The caller's deadline passed."""

    reason = "DEADLINE_EXCEEDED"
    code = "DEADLINE_EXCEEDED"


class OverloadedError(SluiceError):
    """This replica sheds load or drains; another one may take the call."""

    reason = "OVERLOADED"
    code = "UNAVAILABLE"
    retryable = True

    def __init__(self, message: str, *, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class InternalError(SluiceError):
    """A bug of ours; the log has the cause under the generation id."""

    reason = "INTERNAL"
    code = "INTERNAL"
