"""Messages failures to the taxonomy: status first, codes second (`anthropic.md` section 6).

Wording is matched only by the constants below, and only where the provider gives
no code of its own.
"""

from __future__ import annotations

from collections.abc import Mapping

from sluice_server import errors
from sluice_server.providers import failures, retry_after
from sluice_server.providers.failures import Failure

SPEND_LIMIT_CODES = frozenset({"enforced_spend_limit_reached", "contract_spend_limit_reached"})
BILLING_TYPES = frozenset({"billing_error"})

CONTEXT_CODES = frozenset({"exceed_context_size_error"})
"""llama.cpp's, which speaks this dialect too (`openai-compatible.md` section 8)."""
CONTEXT_WORDS = (
    "prompt is too long",  # recorded, section 6
    "exceed context limit",  # with max_tokens: github.com/anthropics/claude-code/issues/228
)
SPEND_WORDS = (
    "credit balance is too low",  # recorded with status 400
    "reached your specified api usage limits",  # github.com/anthropics/claude-code/issues/2127
)
KEY_MANAGEMENT_PREFIX = "cmek_"
"""Codes of 503 that tell of the customer's own encryption key."""

_STATUS_OF_TYPE = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "timeout_error": 504,
    "conflict_error": 409,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "overloaded_error": 529,
}
"""The status that could no longer be sent, inside a 200."""


def classify(status: int, headers: Mapping[str, str], body: bytes) -> errors.UpstreamError:
    """Return the error of a response that is not 2xx."""
    codes, detail, request_id = _facts(failures.parse(body))
    return _judge(
        Failure(
            status=status,
            codes=codes,
            detail=detail,
            request_id=headers.get("request-id") or request_id,
            retry_after=retry_after.delay(headers),
        )
    )


def classify_in_stream(body: bytes) -> errors.UpstreamError:
    """Return the error of an `error` event, or of an error document, inside a 200 answer."""
    codes, detail, request_id = _facts(failures.parse(body))
    known = (_STATUS_OF_TYPE[code] for code in codes if code in _STATUS_OF_TYPE)
    return _judge(
        Failure(
            status=next(known, 0) or failures.status_among(codes),
            codes=codes,
            detail=detail,
            request_id=request_id,
        )
    )


def _facts(parsed: object) -> tuple[tuple[str, ...], str | None, str | None]:
    """Find codes, explanation and request id; Vertex AI's own errors are Google's in shape."""
    if isinstance(parsed, list) and len(parsed) == 1:
        parsed = parsed[0]
    if not isinstance(parsed, dict):
        return (), None, None
    inner = parsed.get("error")
    source = inner if isinstance(inner, dict) else parsed
    details = source.get("details")
    exact = details.get("error_code") if isinstance(details, dict) else None
    codes = failures.read_codes(exact, source.get("type"), source.get("status"), source.get("code"))
    request_id = parsed.get("request_id")
    return (
        codes,
        failures.read_detail(source.get("message"), inner),
        request_id if isinstance(request_id, str) and request_id else None,
    )


def _judge(failure: Failure) -> errors.UpstreamError:
    status = failure.status
    if failure.has(CONTEXT_CODES) or (status in {400, 413} and failure.says(CONTEXT_WORDS)):
        return failure.as_error(
            errors.ContextTooLongError, "The conversation is too long for the model."
        )
    if failure.has(SPEND_LIMIT_CODES) or (status == 400 and failure.says(SPEND_WORDS)):
        return failure.as_error(
            errors.ProviderQuotaExhaustedError, "The provider's spending limit is reached."
        )
    if status >= 500 and any(code.startswith(KEY_MANAGEMENT_PREFIX) for code in failure.codes):
        return failure.as_error(
            errors.ProviderUnavailableError,
            "The provider cannot use the encryption key that the operator manages.",
        )
    if status == 400 and failure.has(BILLING_TYPES):
        return failure.as_error(
            errors.ProviderQuotaExhaustedError, "The provider's credit is used up."
        )
    return failure.by_status()
