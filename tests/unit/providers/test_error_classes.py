"""Which failure of a Chat Completions server is which error of ours."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice_server import errors as e
from sluice_server.providers.dialects.openai_chat import Quirks, errors

CONTEXT = e.ContextTooLongError
QUOTA = e.ProviderQuotaExhaustedError
RATE = e.ProviderRateLimitedError
KEY = e.ProviderCredentialRejectedError
FORBIDDEN = e.ProviderForbiddenError
MODEL = e.ProviderModelNotFoundError
TIMEOUT = e.ProviderTimeoutError
PROTOCOL = e.ProviderProtocolError
FAILED = e.ProviderUnavailableError
REJECTED = e.ProviderRejectedRequestError


def said(message: str = "no", **fields: Any) -> dict[str, Any]:
    """Return an error body in OpenAI's form."""
    return {"error": {"message": message, "type": "invalid_request_error", **fields}}


TABLE: list[tuple[int, Any, type[e.UpstreamError]]] = [
    (400, said(), REJECTED),
    (400, said(code="context_length_exceeded"), CONTEXT),
    (400, said(type="exceed_context_size_error"), CONTEXT),
    (400, said(type="too_many_prompt_tokens"), CONTEXT),
    (400, said("This model's maximum context length is 1048565 tokens."), CONTEXT),
    (400, said("prompt too long; exceeded max context length by 1119046 tokens"), CONTEXT),
    (400, said("Range of input length should be [1, 129024]"), CONTEXT),
    (413, said("maximum context length"), CONTEXT),
    (400, {"error": "Incorrect API key provided: xx"}, KEY),
    (400, said(code="invalid_api_key"), KEY),
    (401, said(code="invalid_api_key"), KEY),
    (401, None, KEY),
    (402, None, QUOTA),
    (403, said(), FORBIDDEN),
    (404, said(code="model_not_found"), MODEL),
    (404, None, MODEL),
    (400, said(code="model_not_found"), MODEL),
    (408, None, TIMEOUT),
    (504, None, TIMEOUT),
    (524, None, TIMEOUT),
    (409, said(), FAILED),
    (413, said(), REJECTED),
    (422, {"detail": [{"loc": ["body", "top_p"], "msg": "too large"}]}, REJECTED),
    (429, said(code="rate_limit_exceeded"), RATE),
    (429, said(type="rate_limit_error", code="slow_down"), RATE),
    (429, None, RATE),
    (498, said(type="capacity_exceeded"), RATE),
    (429, said(type="insufficient_quota", code=None), QUOTA),
    (429, said(code="insufficient_quota"), QUOTA),
    (429, said(code="credit_balance_exhausted"), QUOTA),
    (429, said(code="organization_spend_limit_exceeded"), QUOTA),
    (429, said(code="project_spend_limit_exceeded"), QUOTA),
    (429, said(code="organization_usage_limit_exceeded"), QUOTA),
    (500, said(type="server_error"), FAILED),
    (502, b"<html>Bad Gateway</html>", FAILED),
    (503, said(type="service_unavailable_error", code="server_is_overloaded"), FAILED),
    (529, said(type="overloaded_error"), FAILED),
    (301, None, PROTOCOL),
    (418, b"", REJECTED),
]


def classified(status: int, body: Any, **headers: str) -> e.UpstreamError:
    """Return the error of a response."""
    raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    return errors.classify(status, headers, raw)


@pytest.mark.parametrize(("status", "body", "kind"), TABLE, ids=str)
def test_status_and_code_decide(status: int, body: Any, kind: type[e.UpstreamError]) -> None:
    """Each documented failure has its error, which remembers the status."""
    error = classified(status, body)

    assert type(error) is kind
    assert error.http_status == status


@pytest.mark.parametrize(
    ("status", "body", "kind"), [row for row in TABLE if isinstance(row[1], dict)], ids=str
)
def test_codes_are_found_in_a_list_of_one(
    status: int, body: Any, kind: type[e.UpstreamError]
) -> None:
    """A body that wraps the error in a list says the same."""
    assert type(classified(status, [body])) is kind


def test_transient_quota_is_a_rate_limit() -> None:
    """Where a provider means a rate limit by insufficient_quota, it is one."""
    body = json.dumps(said(code="insufficient_quota")).encode()
    error = errors.classify(429, {}, body, quirks=Quirks(insufficient_quota_is_transient=True))

    assert type(error) is RATE


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({"error": {"message": "a"}}, "a"),
        ({"error": "a"}, "a"),
        ({"message": "a"}, "a"),
        ({"detail": "a"}, "a"),
        ({"msg": "a"}, "a"),
        ({"detail": [{"loc": ["body", 0], "msg": "a"}, {"loc": [], "msg": "b"}]}, "body.0: a; : b"),
        ({"error": {"message": {"text": "a"}}}, None),
        ({"error": None}, None),
        ({}, None),
        ([], None),
        ("a", None),
        ({"error": {"message": "x" * 10_000}}, "x" * 500),
    ],
    ids=lambda value: str(value)[:40],
)
def test_explanation_is_found(body: Any, detail: str | None) -> None:
    """The provider's words are found in every known form, and bounded."""
    assert classified(400, body).detail == detail


def test_explanation_is_not_logged() -> None:
    """Providers quote prompts, so their words are for the caller alone."""
    error = classified(400, said("your prompt was: secret"))

    assert "secret" not in str(error)
    assert "secret" in error.caller_message()


@pytest.mark.parametrize("code", ["a b", "x" * 65, "naïve", "\n"])
def test_prose_is_no_code(code: str) -> None:
    """What is not a short word does not reach the logs as a code."""
    assert classified(400, {"error": {"code": code}}).provider_code is None


def test_request_id_and_wait_are_kept() -> None:
    """The provider's id of the request and its wait travel with the error."""
    error = errors.classify(429, {"x-request-id": "r-1", "retry-after": "7"}, b"")

    assert (error.request_id, error.retry_after) == ("r-1", 7.0)


@pytest.mark.parametrize(
    "body",
    [
        b'"\xff"',
        b'{"error":{"message":"\xff"}}',
        b'{"detail":[{"loc":null,"msg":"a"}]}',
        b'{"detail":[{"loc":5}]}',
        b'{"error":{"code":' + b"9" * 5000 + b"}}",
        b"[" * 100_000,
    ],
    ids=lambda body: body[:30].decode("latin-1"),
)
def test_odd_body_is_a_refused_request(body: bytes) -> None:
    """A body that cannot be read leaves the status to decide."""
    assert type(classified(400, body)) is REJECTED


JSONS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["²", "429", "invalid_api_key", "9" * 5000]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["error", "message", "detail", "msg", "code", "type", "status", "loc"]),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


@given(status=st.integers(300, 599), body=JSONS.map(lambda v: json.dumps(v).encode()) | st.binary())
@settings(max_examples=200, deadline=None)
def test_any_body_is_classified(status: int, body: bytes) -> None:
    """No body, however odd, breaks the classification."""
    error = errors.classify(status, {}, body)

    assert error.http_status == status
    assert error.detail is None or len(error.detail) <= 500


@given(error=JSONS.map(lambda v: json.dumps(v).encode()) | st.binary())
@settings(max_examples=200, deadline=None)
def test_any_error_in_a_stream_is_classified(error: bytes) -> None:
    """No error object, however odd, breaks the classification."""
    assert isinstance(errors.classify_in_stream(error), e.UpstreamError)
