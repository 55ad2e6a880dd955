"""Chat Completions failures to the taxonomy: status first, codes second.

Sources: `openai.md` section 9, `openai-compatible.md` sections 2 to 10,
`overview.md` section 5. Wording is matched only by the constants below, and
only where the provider gives no code.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from sluice_server import errors
from sluice_server.providers import retry_after
from sluice_server.providers.dialects.openai_chat.wire import UNREADABLE

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

# Overview, "Context-length texts": servers whose only code is a generic one.
CONTEXT_WORDS = (
    "maximum context length",  # DeepSeek, OpenRouter, vLLM
    "exceeded max context length",  # Ollama cloud
    "range of input length should be",  # Qwen
)
# xAI answers a bad key with 400 and no code (`openai-compatible.md` section 5).
BAD_KEY_WORDS = ("incorrect api key",)

# Codes are short words; anything else is prose, and stays out of logs.
_CODE = re.compile(r"[A-Za-z0-9_.:/-]{1,64}")

_ERROR_STATUS = re.compile(r"[45]\d\d", re.ASCII)

_DETAIL_CHARACTERS = 500
"""How much of a provider's explanation is kept: most are one sentence, and
trailers of a gRPC status are bounded to a few KiB."""


def classify(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    insufficient_quota_is_transient: bool = False,
) -> errors.UpstreamError:
    """Return the error of a response that is not 2xx."""
    return _classify(
        status,
        *_facts(_parsed(body)),
        request_id=headers.get("x-request-id"),
        delay=retry_after.delay(headers),
        transient_quota=insufficient_quota_is_transient,
    )


def classify_in_stream(
    error: bytes, *, insufficient_quota_is_transient: bool = False
) -> errors.UpstreamError:
    """Return the error of an `error` member, as JSON text, inside a 200 answer.

    Its `code` may be the HTTP status that could no longer be sent (vLLM,
    OpenRouter, llama.cpp).
    """
    codes, detail = _facts({"error": _parsed(error)})
    status = next((int(code) for code in codes if _ERROR_STATUS.fullmatch(code)), 0)
    return _classify(
        status,
        codes,
        detail,
        request_id=None,
        delay=None,
        transient_quota=insufficient_quota_is_transient,
    )


def _parsed(body: bytes) -> object:
    try:
        return msgspec.json.decode(body)
    except UNREADABLE:
        return None


def _facts(parsed: object) -> tuple[list[str], str | None]:
    """Find codes and explanation in any of the bodies of rule 8, section 10."""
    if isinstance(parsed, list) and len(parsed) == 1:
        parsed = parsed[0]
    if not isinstance(parsed, dict):
        return [], None
    inner: Any = parsed.get("error", parsed)
    source: dict[str, Any] = inner if isinstance(inner, dict) else parsed
    codes = [
        str(value)
        for value in (source.get("code"), source.get("type"), source.get("status"))
        if (isinstance(value, str) and value) or (type(value) is int and abs(value) < 2**63)
    ]
    detail: Any = inner if isinstance(inner, str) else None
    for name in ("message", "detail", "msg"):
        detail = detail or source.get(name)
    if isinstance(detail, list):
        detail = "; ".join(
            f"{_path(fault.get('loc'))}: {fault.get('msg')}"
            for fault in detail
            if isinstance(fault, dict)
        )
    return codes, detail[:_DETAIL_CHARACTERS] if isinstance(detail, str) and detail else None


def _path(location: object) -> str:
    return ".".join(map(str, location)) if isinstance(location, list) else ""


def _classify(
    status: int,
    codes: list[str],
    detail: str | None,
    *,
    request_id: str | None,
    delay: float | None,
    transient_quota: bool,
) -> errors.UpstreamError:
    leaf, message = _leaf(status, {code.lower() for code in codes}, detail, transient_quota)
    return leaf(
        message,
        http_status=status or None,
        provider_code=next(filter(_CODE.fullmatch, codes), None),
        request_id=request_id,
        retry_after=delay,
        detail=detail,
    )


def _leaf(
    status: int, codes: set[str], detail: str | None, transient_quota: bool
) -> tuple[type[errors.UpstreamError], str]:
    words = (detail or "").lower()
    if codes & CONTEXT_CODES or (
        status in (0, 400, 413, 422) and any(w in words for w in CONTEXT_WORDS)
    ):
        return errors.ContextTooLongError, "The conversation is too long for the model."
    if codes & QUOTA_CODES and not transient_quota:
        return errors.ProviderQuotaExhaustedError, "The provider's quota is used up."
    if status in {429, 498} or codes & (RATE_CODES | QUOTA_CODES):
        return errors.ProviderRateLimitedError, "The provider asks for fewer requests."
    if (
        status == 401
        or codes & KEY_CODES
        or (status == 400 and any(w in words for w in BAD_KEY_WORDS))
    ):
        return (
            errors.ProviderCredentialRejectedError,
            "The provider refused the gateway's credential; the operator must replace it.",
        )
    if status == 402:
        return errors.ProviderQuotaExhaustedError, "The provider's credit is used up."
    if status == 403:
        return errors.ProviderForbiddenError, "The provider forbids this request."
    if status == 404 or codes & MODEL_CODES:
        return errors.ProviderModelNotFoundError, "The provider does not know this model."
    if status in (408, 504, 524):
        return errors.ProviderTimeoutError, f"The provider timed out (HTTP {status})."
    if 300 <= status < 400:
        return (
            errors.ProviderProtocolError,
            f"The provider redirects (HTTP {status}), which is not followed.",
        )
    if status == 409 or status >= 500 or codes & OVERLOAD_CODES:
        suffix = f" (HTTP {status})" if status else ""
        return errors.ProviderUnavailableError, f"The provider failed{suffix}."
    if status:
        return (
            errors.ProviderRejectedRequestError,
            f"The provider refused the request (HTTP {status}).",
        )
    # An error inside a 200 without any code that we know: the request was
    # accepted, so it is the provider that failed.
    return errors.ProviderUnavailableError, "The provider reported an error."
