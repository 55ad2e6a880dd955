"""Failures of OpenAI and its look-alikes to the taxonomy: status first, codes second.

Sources: `openai.md` section 9, `openai-compatible.md` sections 2 to 10,
`overview.md` section 5. Wording is matched only by the constants below, and
only where the provider gives no code.
"""

from __future__ import annotations

from collections.abc import Mapping

from sluice_server import errors
from sluice_server.providers import failures, retry_after
from sluice_server.providers.failures import Failure

CONTEXT_CODES = frozenset(
    {
        "context_length_exceeded",  # OpenAI
        "exceed_context_size_error",  # llama.cpp
        "too_many_prompt_tokens",  # Perplexity
    }
)
QUOTA_CODES = frozenset(
    {
        "insufficient_quota",
        "credit_balance_exhausted",
        "organization_spend_limit_exceeded",
        "project_spend_limit_exceeded",
        "organization_usage_limit_exceeded",
        "usage_limit_reached",
    }
)
RATE_CODES = frozenset(
    {"rate_limit_exceeded", "rate_limit_error", "slow_down", "capacity_exceeded"}
)
KEY_CODES = frozenset({"invalid_api_key", "authentication_error"})
MODEL_CODES = frozenset({"model_not_found"})
OVERLOAD_CODES = frozenset(
    {
        "server_error",
        "server_is_overloaded",
        "service_unavailable_error",
        "overloaded_error",
        "unavailable_error",
        "internal_server_error",
        "api_error",
    }
)
REJECTED_CODES = frozenset({"invalid_request_error"})
"""Count only where no status says it: with one, they stand beside many a 401 or 404."""

# Overview, "Context-length texts": servers whose only code is a generic one.
CONTEXT_WORDS = (
    "maximum context length",  # DeepSeek, OpenRouter, vLLM
    "exceeded max context length",  # Ollama cloud
    "range of input length should be",  # Qwen
)
# xAI answers a bad key with 400 and no code (`openai-compatible.md` section 5).
BAD_KEY_WORDS = ("incorrect api key",)


def classify(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    insufficient_quota_is_transient: bool = False,
) -> errors.UpstreamError:
    """Return the error of a response that is not 2xx.

    `insufficient_quota_is_transient`: that code means a rate limit (Qwen,
    `overview.md` section 5).
    """
    codes, detail = read_facts(failures.parse(body))
    failure = Failure(
        status=status,
        codes=codes,
        detail=detail,
        request_id=headers.get("x-request-id"),
        retry_after=retry_after.delay(headers),
    )
    return judge(failure, transient_quota=insufficient_quota_is_transient)


def classify_in_stream(
    error: bytes, *, insufficient_quota_is_transient: bool = False
) -> errors.UpstreamError:
    """Return the error of an `error` member, as JSON text, inside a 200 answer.

    Its `code` may be the HTTP status that could no longer be sent (vLLM,
    OpenRouter, llama.cpp).
    """
    codes, detail = read_facts({"error": failures.parse(error)})
    failure = Failure(status=failures.status_among(codes), codes=codes, detail=detail)
    return judge(failure, transient_quota=insufficient_quota_is_transient)


def read_facts(parsed: object) -> tuple[tuple[str, ...], str | None]:
    """Find codes and explanation in any of the bodies of rule 8, section 10."""
    if isinstance(parsed, list) and len(parsed) == 1:
        parsed = parsed[0]
    if not isinstance(parsed, dict):
        return (), None
    inner = parsed.get("error", parsed)
    source = inner if isinstance(inner, dict) else parsed
    codes = failures.read_codes(source.get("code"), source.get("type"), source.get("status"))
    return codes, failures.read_detail(
        inner, source.get("message"), source.get("detail"), source.get("msg")
    )


def judge(failure: Failure, *, transient_quota: bool = False) -> errors.UpstreamError:
    """Return the error that codes, status and, last, known wording stand for."""
    status = failure.status
    if failure.has(CONTEXT_CODES) or (status in (0, 400, 413, 422) and failure.says(CONTEXT_WORDS)):
        return failure.as_error(
            errors.ContextTooLongError, "The conversation is too long for the model."
        )
    if failure.has(QUOTA_CODES) and not transient_quota:
        return failure.as_error(
            errors.ProviderQuotaExhaustedError, "The provider's quota is used up."
        )
    if status in {429, 498} or failure.has(RATE_CODES | QUOTA_CODES):
        return failure.as_error(
            errors.ProviderRateLimitedError, "The provider asks for fewer requests."
        )
    if failure.has(KEY_CODES) or (status == 400 and failure.says(BAD_KEY_WORDS)):
        return failure.as_error(
            errors.ProviderCredentialRejectedError,
            "The provider refused the gateway's credential; the operator must replace it.",
        )
    if failure.has(MODEL_CODES) and status not in {401, 402, 403}:
        return failure.as_error(
            errors.ProviderModelNotFoundError, "The provider does not know this model."
        )
    if not status and failure.has(OVERLOAD_CODES):
        return failure.as_error(errors.ProviderUnavailableError, "The provider failed.")
    if not status and failure.has(REJECTED_CODES):
        return failure.as_error(
            errors.ProviderRejectedRequestError, "The provider refused the request."
        )
    return failure.by_status()
