"""Which failure of Messages is which error of ours."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice_server import errors as e
from sluice_server.providers.dialects.anthropic import AnthropicMessages
from sluice_server.providers.dialects.anthropic.errors import classify, classify_in_stream


def said(kind: str, message: str = "no", **fields: Any) -> dict[str, Any]:
    """Return an error body in Anthropic's form."""
    return {"type": "error", "error": {"type": kind, "message": message, **fields}}


def coded(code: str) -> dict[str, Any]:
    """Return a body with an exact code."""
    return said("rate_limit_error", details={"error_code": code})


BAD = "invalid_request_error"
LONG = "prompt is too long: 3333404 tokens > 200000 maximum"
TOGETHER = "input length and `max_tokens` exceed context limit: 184915 + 20000 > 204648"
POOR = "Your credit balance is too low to access the Anthropic API."
SPENT = "You have reached your specified API usage limits. You will regain access on 2026-12-01."

TABLE: list[tuple[int, Any, type[e.UpstreamError]]] = [
    (400, said(BAD), e.ProviderRejectedRequestError),
    (400, said(BAD, LONG), e.ContextTooLongError),
    (400, said(BAD, TOGETHER), e.ContextTooLongError),
    (413, said("request_too_large", LONG), e.ContextTooLongError),
    (400, said(BAD, POOR), e.ProviderQuotaExhaustedError),
    (400, said(BAD, SPENT), e.ProviderQuotaExhaustedError),
    (400, said("billing_error"), e.ProviderQuotaExhaustedError),
    (401, said("authentication_error", "invalid x-api-key"), e.ProviderCredentialRejectedError),
    (402, said("billing_error"), e.ProviderQuotaExhaustedError),
    (403, said("permission_error"), e.ProviderForbiddenError),
    (404, said("not_found_error", "model: claude-x"), e.ProviderModelNotFoundError),
    (408, said("timeout_error"), e.ProviderTimeoutError),
    (504, said("timeout_error"), e.ProviderTimeoutError),
    (409, said("conflict_error"), e.ProviderUnavailableError),
    (412, said("precondition_error"), e.ProviderRejectedRequestError),
    (413, said("request_too_large"), e.ProviderRejectedRequestError),
    (429, said("rate_limit_error"), e.ProviderRateLimitedError),
    (429, None, e.ProviderRateLimitedError),
    (429, coded("ramp_limit_exceeded"), e.ProviderRateLimitedError),
    (429, coded("enforced_spend_limit_reached"), e.ProviderQuotaExhaustedError),
    (429, coded("contract_spend_limit_reached"), e.ProviderQuotaExhaustedError),
    (500, said("api_error"), e.ProviderUnavailableError),
    (500, said("api_error", LONG), e.ProviderUnavailableError),
    (502, b"<html>", e.ProviderUnavailableError),
    (503, said("cmek_unavailable"), e.ProviderUnavailableError),
    (529, said("overloaded_error"), e.ProviderUnavailableError),
    (301, None, e.ProviderProtocolError),
    # Google's own, in front of Vertex AI.
    (429, [{"error": {"code": 429, "status": "RESOURCE_EXHAUSTED"}}], e.ProviderRateLimitedError),
    (403, {"error": {"code": 403, "details": [{"reason": "x"}]}}, e.ProviderForbiddenError),
]


@pytest.mark.parametrize(("status", "body", "kind"), TABLE, ids=str)
def test_status_and_code_decide(status: int, body: Any, kind: type[e.UpstreamError]) -> None:
    """Each documented failure has its error, which remembers the status."""
    raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    error = AnthropicMessages().error(status, {}, raw)

    assert type(error) is kind
    assert error.http_status == status


def test_what_is_remembered() -> None:
    """The exact code, the explanation, the wait and the request's id are kept."""
    body = json.dumps({**coded("ramp_limit_exceeded"), "request_id": "req_body"}).encode()
    error = classify(429, {"request-id": "req_head", "retry-after": "7999"}, body)

    assert error.provider_code == "ramp_limit_exceeded"
    assert error.request_id == "req_head"
    assert error.retry_after == 7999
    assert error.detail == "no"
    assert "no" not in str(error).split()
    assert classify(429, {}, body).request_id == "req_body"


JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
ODD = st.dictionaries(
    st.sampled_from(["type", "message", "details", "error_code", "code", "status"]), JSON
)


@given(
    status=st.integers(100, 599),
    error=ODD | JSON,
    other=st.dictionaries(st.sampled_from(["type", "request_id"]), JSON),
    raw=st.binary(max_size=20),
)
@settings(max_examples=150, deadline=None)
def test_classifying_never_raises(status: int, error: Any, other: Any, raw: bytes) -> None:
    """Any body gives an error of the taxonomy."""
    for body in (json.dumps({**other, "error": error}).encode(), raw):
        assert isinstance(classify(status, {}, body), e.UpstreamError)
        assert isinstance(classify_in_stream(body), e.UpstreamError)
