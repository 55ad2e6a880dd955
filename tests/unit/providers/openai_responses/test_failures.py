"""Which failure of a Responses server is which error of ours."""

import json
from typing import Any

import pytest

from sluice_server import errors as e
from sluice_server.providers.dialects.openai_responses import OpenAiResponses
from tests.unit.providers.reading import DOCUMENT, read, sse

DIALECT = OpenAiResponses()

CODES: list[tuple[str, type[e.UpstreamError]]] = [
    ("server_error", e.ProviderUnavailableError),
    ("rate_limit_exceeded", e.ProviderRateLimitedError),
    ("insufficient_quota", e.ProviderQuotaExhaustedError),
    ("context_length_exceeded", e.ContextTooLongError),
    ("invalid_prompt", e.ProviderRejectedRequestError),
    ("invalid_request_error", e.ProviderRejectedRequestError),
    ("invalid_image_url", e.ProviderRejectedRequestError),
    ("image_too_large", e.ProviderRejectedRequestError),
    ("bio_policy", e.ProviderForbiddenError),
    ("misalignment_policy_violation", e.ProviderForbiddenError),
    ("data_residency_mismatch", e.ProviderForbiddenError),
    ("vector_store_timeout", e.ProviderTimeoutError),
    ("model_not_found", e.ProviderModelNotFoundError),
    ("503", e.ProviderUnavailableError),
    ("something_new", e.ProviderUnavailableError),
]


@pytest.mark.parametrize(("code", "leaf"), CODES)
def test_codes(code: str, leaf: type[e.UpstreamError]) -> None:
    """A code means the same in every place where a stream can say it."""
    error = {"code": code, "message": "No, secret prompt."}
    failed = {"status": "failed", "error": error, "output": []}
    ways = [
        read(sse({"type": "error", "param": None} | error), dialect=DIALECT),
        read(sse({"type": "error", "error": error}), dialect=DIALECT),
        read(sse({"error": error}), dialect=DIALECT),
        read(b"event: error\n" + sse(error), dialect=DIALECT),
        read(sse({"type": "response.failed", "response": failed}), dialect=DIALECT),
        read(json.dumps(failed).encode(), dialect=DIALECT, content_type=DOCUMENT),
        read(json.dumps({"error": error}).encode(), dialect=DIALECT, content_type=DOCUMENT),
    ]
    for found in ways:
        assert type(found.error) is leaf
        assert found.error.provider_code == code
        assert found.error.detail == "No, secret prompt."
        assert "secret" not in str(found.error)


@pytest.mark.parametrize(
    "error", [None, {}, [], "odd", 5, {"code": None, "message": None}], ids=str
)
def test_failures_without_a_code(error: Any) -> None:
    """A failure that says nothing is the provider's."""
    failed = {"type": "response.failed", "response": {"status": "failed", "error": error}}
    assert isinstance(read(sse(failed), dialect=DIALECT).error, e.ProviderUnavailableError)


def test_what_came_before_is_told() -> None:
    """Text before a failure reaches the caller."""
    delta = {"type": "response.output_text.delta", "delta": "Half"}
    found = read(sse(delta, {"type": "error", "code": "server_error"}), dialect=DIALECT)
    assert found.characters == 4
    assert isinstance(found.error, e.ProviderUnavailableError)


STATUSES: list[tuple[int, Any, type[e.UpstreamError]]] = [
    (
        400,
        {"code": "invalid-argument", "error": "Incorrect API key provided. You can"},
        e.ProviderCredentialRejectedError,
    ),
    (400, {"code": "invalid-argument", "error": "No."}, e.ProviderRejectedRequestError),
    (
        400,
        {"error": {"type": "invalid_request_error", "code": "context_length_exceeded"}},
        e.ContextTooLongError,
    ),
    (400, {"error": {"type": "invalid_request_error"}}, e.ProviderRejectedRequestError),
    (401, {"error": {"code": "invalid_api_key"}}, e.ProviderCredentialRejectedError),
    (429, {"error": {"type": "insufficient_quota"}}, e.ProviderQuotaExhaustedError),
    (429, {"error": {"code": "rate_limit_exceeded"}}, e.ProviderRateLimitedError),
    (503, None, e.ProviderUnavailableError),
]


@pytest.mark.parametrize(("status", "body", "leaf"), STATUSES, ids=str)
def test_statuses(status: int, body: Any, leaf: type[e.UpstreamError]) -> None:
    """A status with its body means what it means for the whole family."""
    error = DIALECT.error(status, {"x-request-id": "req_1"}, json.dumps(body).encode())
    assert type(error) is leaf
    assert (error.http_status, error.request_id) == (status, "req_1")
