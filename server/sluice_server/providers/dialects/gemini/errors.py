"""Gemini failures to the taxonomy: status first, codes second.

Sources: `gemini.md` sections 5 and 7, `overview.md` section 5. Wording is matched
only by the constants below, where the provider gives no code.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from typing import Any

from sluice_server import errors
from sluice_server.providers import failures, retry_after
from sluice_server.providers.failures import Failure

KEY_REASONS = frozenset(
    {
        "api_key_invalid",  # with a 400
        "validation_required",  # Code Assist: the account must be verified
        "unsupported_client",  # Code Assist: the account may not come this way
    }
)
QUOTA_REASONS = frozenset({"quota_exhausted", "insufficient_g1_credits_balance"})
CAPACITY_REASONS = frozenset({"model_capacity_exhausted"})
RATE_REASONS = frozenset({"rate_limit_exceeded"})

LONGEST_RATE_DELAY = 300.0
"""Seconds; Code Assist's own client takes a longer one for a quota that is used up
(section 7)."""

# Both APIs, no code of its own (section 5).
CONTEXT_WORDS = ("exceeds the maximum number of tokens allowed",)
# The model is not in the plan; the violation leaves its value out then (section 5).
NO_QUOTA = re.compile(r"\blimit: 0(?!\.?\d)")
# Until midnight Pacific, whatever RetryInfo says (section 5).
DAILY = "PerDay"

_STATUSES = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "OUT_OF_RANGE": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ABORTED": 409,
    "RESOURCE_EXHAUSTED": 429,
    "CANCELLED": 499,
    "UNKNOWN": 500,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
"""HTTP statuses of google.rpc.Code, for errors inside a 200."""

_DELAY = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)s", re.ASCII)


def classify(status: int, headers: Mapping[str, str], body: bytes) -> errors.UpstreamError:
    """Return the error of a response that is not 2xx."""
    error = members(failures.parse(body))
    return _judge(_failure(status, error, retry_after.delay(headers)), error)


def classify_in_stream(error: bytes) -> errors.UpstreamError:
    """Return the error of an `error` member, as JSON text, inside a 200 answer.

    Its `code` is the HTTP status that could no longer be sent.
    """
    parsed = members({"error": failures.parse(error)})
    status = failures.status_among(failures.read_codes(parsed.get("code")))
    word = parsed.get("status")
    if not status and isinstance(word, str):
        status = _STATUSES.get(word, 0)
    return _judge(_failure(status, parsed, None), parsed)


def members(parsed: object) -> dict[str, Any]:
    """Return the members of an error, which may be wrapped in an array of one."""
    if isinstance(parsed, list) and parsed:
        parsed = parsed[0]
    if not isinstance(parsed, dict):
        return {}
    inner = parsed.get("error", parsed)
    if isinstance(inner, dict):
        return inner
    return {"message": inner} if isinstance(inner, str) else {}


def details(error: dict[str, Any], kind: str) -> Iterator[dict[str, Any]]:
    """Yield the details of a google.rpc type."""
    listed = error.get("details")
    for detail in listed if isinstance(listed, list) else ():
        if isinstance(detail, dict) and str(detail.get("@type")).endswith(f"google.rpc.{kind}"):
            yield detail


def _failure(status: int, error: dict[str, Any], header_delay: float | None) -> Failure:
    reasons = [detail.get("reason") for detail in details(error, "ErrorInfo")]
    delays = [seconds(detail.get("retryDelay")) for detail in details(error, "RetryInfo")]
    return Failure(
        status=status,
        codes=failures.read_codes(*reasons, error.get("status"), error.get("code")),
        detail=failures.read_detail(error.get("message")),
        retry_after=next((delay for delay in delays if delay is not None), header_delay),
    )


def seconds(text: object) -> float | None:
    """Return the seconds of a protobuf duration in JSON, such as "48s"."""
    found = _DELAY.fullmatch(text) if isinstance(text, str) else None
    value = float(found[1]) if found else None
    return value if value is not None and value <= retry_after.LONGEST else None


def _judge(failure: Failure, error: dict[str, Any]) -> errors.UpstreamError:
    status = failure.status
    if failure.has(KEY_REASONS):
        return failure.as_error(
            errors.ProviderCredentialRejectedError,
            "The provider refused the gateway's credential; the operator must replace it.",
        )
    if status in (0, 400, 413) and failure.says(CONTEXT_WORDS):
        return failure.as_error(
            errors.ContextTooLongError, "The conversation is too long for the model."
        )
    if failure.has(CAPACITY_REASONS):
        return failure.as_error(
            errors.ProviderUnavailableError, "The provider's model is overloaded."
        )
    if failure.has(QUOTA_REASONS) or (
        failure.has(RATE_REASONS) and (failure.retry_after or 0) > LONGEST_RATE_DELAY
    ):
        return _exhausted(failure)
    if status == 429 and _without_end(error):
        # What RetryInfo says is about another quota.
        return _exhausted(dataclasses.replace(failure, retry_after=None))
    if status == 400 and failure.has({"failed_precondition"}):
        return failure.as_error(
            errors.ProviderForbiddenError,
            "The provider does not serve this region or account.",
        )
    return failure.by_status()


def _exhausted(failure: Failure) -> errors.UpstreamError:
    return failure.as_error(errors.ProviderQuotaExhaustedError, "The provider's quota is used up.")


def _without_end(error: dict[str, Any]) -> bool:
    """Tell whether a 429 is about a quota of the day, or one that there is none of."""
    for failure in details(error, "QuotaFailure"):
        violations = failure.get("violations")
        for violation in violations if isinstance(violations, list) else ():
            if isinstance(violation, dict) and (
                DAILY in str(violation.get("quotaId")) or violation.get("quotaValue") == "0"
            ):
                return True
    message = error.get("message")
    return isinstance(message, str) and NO_QUOTA.search(message) is not None
