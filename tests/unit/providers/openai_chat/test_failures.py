"""Failures of look-alikes that say them in their own way."""

import json
from typing import Any

import pytest

from sluice_server import errors as e
from sluice_server.providers.dialects.openai_chat import errors
from sluice_server.providers.presets.chat import QUIRKS
from tests.unit.providers.openai_chat.asking import dialect

NOW = 1_790_000_000.0


def failed(kind: str, status: int, body: Any, headers: dict[str, str] | None = None) -> Any:
    """Return the error of a response at a kind."""
    raw = json.dumps(body).encode()
    return errors.classify(status, headers or {}, raw, quirks=QUIRKS[kind], now=NOW)


def said(**fields: Any) -> dict[str, Any]:
    """Return an error body in OpenAI's form."""
    return {"error": {"message": "no"} | fields}


RATE, QUOTA, KEY = (
    e.ProviderRateLimitedError,
    e.ProviderQuotaExhaustedError,
    e.ProviderCredentialRejectedError,
)
TABLE: list[tuple[str, int, Any, type[e.UpstreamError]]] = [
    ("xai", 400, {"code": "invalid-argument", "error": "Incorrect API key provided. x"}, KEY),
    ("xai", 404, {"code": "Some entity was not found", "error": "x"}, e.ProviderModelNotFoundError),
    ("mistral", 401, {"detail": "Invalid API Key"}, KEY),
    ("mistral", 422, {"detail": [{"loc": ["a"], "msg": "b"}]}, e.ProviderRejectedRequestError),
    ("mistral", 400, {"object": "error", "code": "3051"}, e.ProviderRejectedRequestError),
    ("qwen", 429, said(code="insufficient_quota"), RATE),
    ("qwen", 429, {"code": "Throttling.AllocationQuota", "message": "no"}, RATE),
    ("qwen", 429, said(code="insufficient_quota", message="Free quota used up"), QUOTA),
    ("qwen", 400, said(code="Arrearage"), QUOTA),
    ("qwen", 403, said(code="AllocationQuota.FreeTierOnly"), QUOTA),
    ("qwen", 400, said(code="DataInspectionFailed"), e.ProviderForbiddenError),
    ("qwen", 400, said(code="data_inspection_failed"), e.ProviderForbiddenError),
    ("qwen", 404, {"code": "ModelNotFound", "message": "no"}, e.ProviderModelNotFoundError),
    ("qwen", 401, {"code": "InvalidApiKey", "message": "no"}, KEY),
    ("openai", 429, said(code="insufficient_quota"), QUOTA),
    ("openrouter", 402, said(code=402), QUOTA),
    (
        "openrouter",
        402,
        said(code=402, metadata={"error_type": "in_flight_budget_exhausted"}),
        RATE,
    ),
    (
        "openrouter",
        400,
        said(code=400, metadata={"error_type": "context_length_exceeded"}),
        e.ContextTooLongError,
    ),
    ("openrouter", 403, said(code=403, metadata={"reasons": ["x"]}), e.ProviderForbiddenError),
    (
        "openrouter",
        429,
        said(code=429, metadata={"limit_source": "openrouter_free_tier_daily"}),
        QUOTA,
    ),
    (
        "openrouter",
        429,
        said(code=429, message="Rate limit exceeded: free-models-per-day. "),
        QUOTA,
    ),
    ("openrouter", 429, said(code=429, message="Rate limit exceeded: free-models-per-min. "), RATE),
    ("openrouter", 503, said(code=503), e.ProviderUnavailableError),
    ("groq", 498, said(code="capacity_exceeded"), RATE),
    ("groq", 400, said(code="tool_use_failed"), e.ProviderUnavailableError),
    ("groq", 400, said(code="json_validate_failed"), e.ProviderUnavailableError),
    ("azure-openai", 401, said(code="401"), KEY),
    ("azure-openai", 429, said(code="RateLimitReached"), RATE),
    ("azure-openai", 429, said(code="context_length_exceeded"), e.ContextTooLongError),
    ("azure-openai", 400, said(code="content_filter"), e.ProviderForbiddenError),
    ("llamacpp", 503, said(code=503, type="unavailable_error"), e.ProviderUnavailableError),
    ("cerebras", 429, {"message": "no", "type": "too_many_requests_error"}, RATE),
    ("cerebras", 400, {"message": "no", "code": "context_length_exceeded"}, e.ContextTooLongError),
    ("cerebras", 402, {"message": "no"}, QUOTA),
    ("vllm", 400, said(code=400, type="BadRequestError"), e.ProviderRejectedRequestError),
    ("deepseek", 402, said(code="invalid_request_error"), QUOTA),
]


@pytest.mark.parametrize(("kind", "status", "body", "error"), TABLE, ids=str)
def test_failure_of_a_kind(kind: str, status: int, body: Any, error: type[e.UpstreamError]) -> None:
    """Codes mean what their provider means by them."""
    found = failed(kind, status, body)

    assert type(found) is error
    assert found.http_status == status


def test_throttle_that_is_called_quota_clears_in_a_minute() -> None:
    """Qwen's transient quota has a wait, unless the provider tells a better one."""
    body = said(code="insufficient_quota")

    assert failed("qwen", 429, body).retry_after == 60
    assert failed("qwen", 429, body, {"retry-after": "3"}).retry_after == 3


@pytest.mark.parametrize(
    ("reset", "wait"),
    [
        ("1790000012500", 12.5),
        ("1789999999000", 0.0),
        ("soon", None),
        ("9" * 30, None),
        ("²", None),
        (None, None),
        ("1990000000000", None),
    ],
)
def test_wait_inside_the_body(reset: Any, wait: float | None) -> None:
    """OpenRouter tells in the body, in milliseconds, when its limit opens again."""
    headers = {"X-RateLimit-Limit": "20", "X-RateLimit-Reset": reset}
    body = said(code=429, metadata={"headers": headers})

    assert failed("openrouter", 429, body).retry_after == wait


@pytest.mark.parametrize("metadata", [None, [], "x", {"headers": 5}, {"error_type": 5}])
def test_odd_metadata(metadata: Any) -> None:
    """Metadata of any form leave the status to decide."""
    assert type(failed("openrouter", 429, said(code=429, metadata=metadata))) is RATE


def test_wait_from_the_limit_that_is_used_up() -> None:
    """Without a stated wait, the reset of what is used up is one; a day is a quota."""
    minute = {
        "x-ratelimit-remaining-tokens-minute": "0",
        "x-ratelimit-reset-tokens-minute": "11.5",
        "x-ratelimit-remaining-requests-day": "5",
        "x-ratelimit-reset-requests-day": "33011.25",
    }
    day = minute | {"x-ratelimit-remaining-requests-day": "0"}

    rate = failed("cerebras", 429, {"message": "no"}, minute)
    quota = failed("cerebras", 429, {"message": "no"}, day)
    assert (type(rate), rate.retry_after) == (RATE, pytest.approx(11.5))
    assert (type(quota), quota.retry_after) == (QUOTA, pytest.approx(33011.25))


@pytest.mark.parametrize(
    ("kind", "header"),
    [
        ("openai", "x-request-id"),
        ("mistral", "mistral-correlation-id"),
        ("deepseek", "x-ds-trace-id"),
        ("azure-openai", "apim-request-id"),
        ("openrouter", "x-generation-id"),
        ("groq", "x-request-id"),
    ],
)
def test_name_of_the_request(kind: str, header: str) -> None:
    """The id to quote to the provider's support is read from its own header."""
    error = dialect(kind).error(500, {header: "r-1"}, b"")

    assert error.request_id == "r-1"


def test_name_of_the_request_in_the_body() -> None:
    """Qwen tells it in the body too."""
    assert failed("qwen", 500, said() | {"request_id": "r-1"}).request_id == "r-1"
