"""Failures of Chat Completions servers to the taxonomy: what the look-alikes add.

What OpenAI's two dialects share is judged in `openai_family.errors`; here are the
codes and places of single look-alikes, which no other of them uses for something
else, so that no switch is needed. Sources stand beside the constants.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from sluice_server import errors
from sluice_server.providers import failures, retry_after
from sluice_server.providers.dialects.openai_chat import limits
from sluice_server.providers.dialects.openai_chat.quirks import Quirks
from sluice_server.providers.failures import Failure
from sluice_server.providers.openai_family import errors as family

# `qwen.md` section 5, both notations; and credit at OpenRouter, section 6 there.
QUOTA_CODES = frozenset(
    {"arrearage", "allocationquota.freetieronly", "payment_required", "usage_limit_reached"}
)
# OpenRouter, sections 6 and 7: the day's free requests are used up.
DAILY_CODES = frozenset({"openrouter_free_tier_daily"})
RATE_CODES = frozenset(
    {
        # OpenRouter section 6: other calls hold the credit, and will end.
        "in_flight_budget_exhausted",
        # `cerebras.md` section 4, for frames without a status.
        "too_many_requests_error",
        "request_quota_exceeded",
        "token_quota_exceeded",
        "queue_exceeded",
        # `qwen.md` section 5.
        "throttling",
        "throttling.ratequota",
        "throttling.burstrate",
        "throttling.allocationquota",
        "limit_requests",
        "limit_burst_rate",
        # Azure (`openai.md` section 10).
        "ratelimitreached",
    }
)
# `qwen.md` section 5, `openrouter.md` section 6, and Azure's content filter.
CONTENT_CODES = frozenset(
    {
        "datainspectionfailed",
        "data_inspection_failed",
        "content_policy_violation",
        "content_filter",
    }
)
# Groq, `openai-compatible.md` section 2: the model's own slip, gone with the next sample.
SAMPLE_CODES = frozenset({"tool_use_failed", "json_validate_failed"})
MODEL_CODES = frozenset({"modelnotfound"})
"""`qwen.md` section 5."""
KEY_CODES = frozenset({"invalidapikey"})
"""`qwen.md` section 5."""

# `qwen.md` section 5: where insufficient_quota is a rate limit, this still is not.
FREE_QUOTA_WORDS = ("free quota", "free tier")
# `openrouter.md` section 7; the answer of the free tier has no code.
DAILY_WORDS = ("free-models-per-day",)

QUOTA_WINDOW_SECONDS = 60.0
"""After how long a throttle that is called `insufficient_quota` clears (`qwen.md` section 5)."""

LONG_WAIT_SECONDS = 3600.0
"""A limit that needs longer to open again is a used-up quota, not a rate."""


def classify(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    quirks: Quirks | None = None,
    now: float | None = None,
) -> errors.UpstreamError:
    """Return the error of a response that is not 2xx, or of an error event inside one.

    `now` is seconds since the epoch.
    """
    return _classify(status, headers, failures.parse(body), quirks or Quirks(), now)


def classify_in_stream(
    error: bytes, *, quirks: Quirks | None = None, status: int = 0, now: float | None = None
) -> errors.UpstreamError:
    """Return the error of an `error` member, as JSON text, inside a 200 answer.

    `status` is what stands beside it, 0 if nothing does. Its `code` may be the HTTP
    status that could no longer be sent (vLLM, OpenRouter, llama.cpp).
    """
    return _classify(status, {}, {"error": failures.parse(error)}, quirks or Quirks(), now)


def _classify(
    status: int, headers: Mapping[str, str], parsed: Any, quirks: Quirks, now: float | None
) -> errors.UpstreamError:
    now = time.time() if now is None else now
    codes, detail = family.read_facts(parsed)
    metadata = _metadata(parsed)
    codes += failures.read_codes(metadata.get("error_type"), metadata.get("limit_source"))
    failure = Failure(
        status=status if 100 <= status < 600 else failures.status_among(codes),
        codes=codes,
        detail=detail,
        request_id=headers.get(quirks.request_id_header) or _request_id(headers, parsed),
        retry_after=_wait(headers, metadata, quirks, now),
    )
    return _judge(failure, headers, quirks, now)


def _judge(
    failure: Failure, headers: Mapping[str, str], quirks: Quirks, now: float
) -> errors.UpstreamError:
    transient = quirks.insufficient_quota_is_transient
    throttled = transient and failure.has({"insufficient_quota", "throttling.allocationquota"})
    if failure.has(QUOTA_CODES | DAILY_CODES) and not failure.has({"in_flight_budget_exhausted"}):
        return _quota(failure)
    if failure.says(DAILY_WORDS) or (throttled and failure.says(FREE_QUOTA_WORDS)):
        return _quota(failure)
    if failure.status == 429 and limits.exhausted_for(headers, quirks.limits, now) > (
        LONG_WAIT_SECONDS
    ):
        return _quota(failure)
    if failure.has(RATE_CODES) and failure.status not in {401, 403}:
        return _rate(failure, throttled=throttled)
    if failure.has(CONTENT_CODES):
        return failure.as_error(
            errors.ProviderForbiddenError, "The provider forbids the content of this request."
        )
    if failure.has(SAMPLE_CODES):
        return failure.as_error(
            errors.ProviderUnavailableError, "The provider refused what its own model said."
        )
    if failure.has(KEY_CODES):
        return failure.as_error(
            errors.ProviderCredentialRejectedError,
            "The provider refused the gateway's credential; the operator must replace it.",
        )
    if failure.has(MODEL_CODES):
        return failure.as_error(
            errors.ProviderModelNotFoundError, "The provider does not know this model."
        )
    if throttled:
        return _rate(failure, throttled=True)
    return family.judge(failure, transient_quota=transient)


def _quota(failure: Failure) -> errors.UpstreamError:
    return failure.as_error(errors.ProviderQuotaExhaustedError, "The provider's quota is used up.")


def _rate(failure: Failure, *, throttled: bool) -> errors.UpstreamError:
    error = failure.as_error(
        errors.ProviderRateLimitedError, "The provider asks for fewer requests."
    )
    if throttled and error.retry_after is None:
        error.retry_after = QUOTA_WINDOW_SECONDS
    return error


def _metadata(parsed: Any) -> dict[str, Any]:
    """Return OpenRouter's facts about an error (`openrouter.md` section 6)."""
    error = parsed.get("error") if isinstance(parsed, dict) else None
    metadata = error.get("metadata") if isinstance(error, dict) else None
    return metadata if isinstance(metadata, dict) else {}


def _request_id(headers: Mapping[str, str], parsed: Any) -> str | None:
    """Return the usual header's id, or the one in the body (`qwen.md` section 5)."""
    inner = parsed.get("request_id") if isinstance(parsed, dict) else None
    usual = headers.get("x-request-id")
    return usual or (inner if isinstance(inner, str) and 0 < len(inner) <= 128 else None)


def _wait(
    headers: Mapping[str, str], metadata: dict[str, Any], quirks: Quirks, now: float
) -> float | None:
    """Return the wait that headers, the body, or used-up limits tell, in seconds."""
    stated = retry_after.delay(headers, now=now)
    if stated is not None:
        return stated
    inner = metadata.get("headers")
    if isinstance(inner, dict):
        told = limits.inner_headers(inner)
        stated = retry_after.delay(told, now=now)
        if stated is None:
            stated = _until(told.get("x-ratelimit-reset"), now)
        return stated
    return limits.exhausted_for(headers, quirks.limits, now) or None


def _until(milliseconds: str | None, now: float) -> float | None:
    """Return the seconds until an epoch time in milliseconds (`openrouter.md` section 7)."""
    moment = limits.epoch_milliseconds(milliseconds)
    if moment is None:
        return None
    wait = max(0.0, moment - now)
    return wait if wait <= retry_after.LONGEST else None
