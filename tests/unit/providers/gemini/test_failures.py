"""Which class of error is each of Gemini's failures?"""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice_server.errors import (
    ContextTooLongError,
    ProviderCredentialRejectedError,
    ProviderForbiddenError,
    ProviderModelNotFoundError,
    ProviderProtocolError,
    ProviderQuotaExhaustedError,
    ProviderRateLimitedError,
    ProviderRejectedRequestError,
    ProviderTimeoutError,
    ProviderUnavailableError,
    UpstreamError,
)
from sluice_server.providers.dialects.gemini import Gemini
from tests.unit.providers.gemini.building import chunk, stream
from tests.unit.providers.reading import read

GEMINI = Gemini()
TYPE = "type.googleapis.com/google.rpc."


def info(reason: str) -> dict[str, Any]:
    """Return an ErrorInfo."""
    return {"@type": TYPE + "ErrorInfo", "reason": reason, "domain": "googleapis.com"}


def delay(duration: Any) -> dict[str, Any]:
    """Return a RetryInfo."""
    return {"@type": TYPE + "RetryInfo", "retryDelay": duration}


def quota(**violation: str) -> dict[str, Any]:
    """Return a QuotaFailure."""
    return {"@type": TYPE + "QuotaFailure", "violations": [violation]}


def body(code: int, status: str, *details: Any, message: str = "Words.") -> dict[str, Any]:
    """Return an error's body."""
    error = {"code": code, "status": status, "message": message, "details": list(details)}
    return {"error": error}


def classified(status: int, content: Any, **headers: str) -> UpstreamError:
    """Return the error of a response."""
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    return GEMINI.error(status, headers, data)


TOO_LONG = "The input token count (1250074) exceeds the maximum number of tokens allowed (1048576)."
PER_MINUTE = "GenerateContentPaidTierInputTokensPerModelPerMinute"
PER_DAY = "GenerateRequestsPerDayPerProjectPerModel-FreeTier"
EXHAUSTED = "RESOURCE_EXHAUSTED"

CASES: dict[str, tuple[dict[str, Any], type[UpstreamError], str | None]] = {
    "bad key": (
        body(400, "INVALID_ARGUMENT", info("API_KEY_INVALID")),
        ProviderCredentialRejectedError,
        "API_KEY_INVALID",
    ),
    "too long": (
        body(400, "INVALID_ARGUMENT", message=TOO_LONG),
        ContextTooLongError,
        "INVALID_ARGUMENT",
    ),
    "bad request": (
        body(400, "INVALID_ARGUMENT"),
        ProviderRejectedRequestError,
        "INVALID_ARGUMENT",
    ),
    "region": (
        body(400, "FAILED_PRECONDITION"),
        ProviderForbiddenError,
        "FAILED_PRECONDITION",
    ),
    "token": (body(401, "UNAUTHENTICATED"), ProviderCredentialRejectedError, "UNAUTHENTICATED"),
    "credit": (body(402, EXHAUSTED), ProviderQuotaExhaustedError, EXHAUSTED),
    "forbidden": (body(403, "PERMISSION_DENIED"), ProviderForbiddenError, "PERMISSION_DENIED"),
    "verification": (
        body(403, "PERMISSION_DENIED", info("VALIDATION_REQUIRED")),
        ProviderCredentialRejectedError,
        "VALIDATION_REQUIRED",
    ),
    "client": (
        body(403, "PERMISSION_DENIED", info("UNSUPPORTED_CLIENT")),
        ProviderCredentialRejectedError,
        "UNSUPPORTED_CLIENT",
    ),
    "model": (body(404, "NOT_FOUND"), ProviderModelNotFoundError, "NOT_FOUND"),
    "rate": (body(429, EXHAUSTED), ProviderRateLimitedError, EXHAUSTED),
    "minute": (
        body(429, EXHAUSTED, quota(quotaId=PER_MINUTE, quotaValue="1000000")),
        ProviderRateLimitedError,
        EXHAUSTED,
    ),
    "day": (
        body(429, EXHAUSTED, quota(quotaId=PER_DAY, quotaValue="50"), delay("48s")),
        ProviderQuotaExhaustedError,
        EXHAUSTED,
    ),
    "no quota": (
        body(429, EXHAUSTED, delay("48s"), message="Quota exceeded, limit: 0, model: gemini-x"),
        ProviderQuotaExhaustedError,
        EXHAUSTED,
    ),
    "no quota by value": (
        body(429, EXHAUSTED, quota(quotaId=PER_MINUTE, quotaValue="0")),
        ProviderQuotaExhaustedError,
        EXHAUSTED,
    ),
    "code assist rate": (
        body(429, EXHAUSTED, info("RATE_LIMIT_EXCEEDED"), delay("12s")),
        ProviderRateLimitedError,
        "RATE_LIMIT_EXCEEDED",
    ),
    "code assist long wait": (
        body(429, EXHAUSTED, info("RATE_LIMIT_EXCEEDED"), delay("301s")),
        ProviderQuotaExhaustedError,
        "RATE_LIMIT_EXCEEDED",
    ),
    "code assist quota": (
        body(429, EXHAUSTED, info("QUOTA_EXHAUSTED"), delay("3600s")),
        ProviderQuotaExhaustedError,
        "QUOTA_EXHAUSTED",
    ),
    "code assist credits": (
        body(429, EXHAUSTED, info("INSUFFICIENT_G1_CREDITS_BALANCE")),
        ProviderQuotaExhaustedError,
        "INSUFFICIENT_G1_CREDITS_BALANCE",
    ),
    "code assist capacity": (
        body(429, EXHAUSTED, info("MODEL_CAPACITY_EXHAUSTED")),
        ProviderUnavailableError,
        "MODEL_CAPACITY_EXHAUSTED",
    ),
    "cancelled": (body(499, "CANCELLED"), ProviderProtocolError, "CANCELLED"),
    "internal": (body(500, "INTERNAL"), ProviderUnavailableError, "INTERNAL"),
    "overloaded": (body(503, "UNAVAILABLE"), ProviderUnavailableError, "UNAVAILABLE"),
    "timeout": (body(504, "DEADLINE_EXCEEDED"), ProviderTimeoutError, "DEADLINE_EXCEEDED"),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("form", ["object", "array", "stream", "stream by word"])
def test_classes(name: str, form: str) -> None:
    """A failure has one class, as a status and inside a 200, as an object and as an array."""
    content, leaf, code = CASES[name]
    status = content["error"]["code"]
    if form == "stream by word":
        if status == 402:
            return  # its word alone means a rate limit
        content = {"error": {k: v for k, v in content["error"].items() if k != "code"}}
    if form.startswith("stream"):
        error = read(stream(content), dialect=GEMINI).error
    else:
        error = classified(status, [content] if form == "array" else content)
    assert type(error) is leaf
    assert isinstance(error, UpstreamError)
    assert error.provider_code == code
    assert error.detail == content["error"]["message"]


@pytest.mark.parametrize(
    ("duration", "seconds"),
    [
        ("48s", 48.0),
        ("0.5s", 0.5),
        ("48.939935699s", 48.939935699),
        ("-1s", None),
        ("10h17m5.7s", None),
        ("1e9s", None),
        ("99999999s", None),
        ("s", None),
        (48, None),
        (None, None),
    ],
)
def test_delays(duration: Any, seconds: float | None) -> None:
    """The delay of RetryInfo is a protobuf duration; anything else is none."""
    assert classified(429, body(429, EXHAUSTED, delay(duration))).retry_after == seconds


def test_a_header_is_second_best() -> None:
    """Without RetryInfo a Retry-After of some proxy counts."""
    headers = {"retry-after": "7"}
    assert classified(429, body(429, EXHAUSTED), **headers).retry_after == 7
    assert classified(429, body(429, EXHAUSTED, delay("3s")), **headers).retry_after == 3


@pytest.mark.parametrize(
    ("name", "seconds"), [("day", None), ("no quota", None), ("code assist quota", 3600.0)]
)
def test_delays_of_quotas(name: str, seconds: float | None) -> None:
    """A delay that is about another quota is not passed on."""
    content, _, _ = CASES[name]
    assert classified(429, content).retry_after == seconds


@pytest.mark.parametrize("message", ["limit: 1000000, model", "limit: 0.5", "limit: 05", "limits"])
def test_other_limits_are_limits(message: str) -> None:
    """Only a limit of zero means that there is none to wait for."""
    error = classified(429, body(429, EXHAUSTED, message=message))
    assert isinstance(error, ProviderRateLimitedError)


@pytest.mark.parametrize(
    "content",
    [b"", b"<html>", b"[]", b"null", {"error": None}, {"error": []}, {"error": {"details": [1]}}],
)
def test_bodies_without_an_explanation(content: Any) -> None:
    """The status alone says enough."""
    assert type(classified(503, content)) is ProviderUnavailableError


def test_an_explanation_may_be_a_string() -> None:
    """An error that is a string is its own explanation."""
    assert classified(400, {"error": "why"}).detail == "why"


def test_an_error_of_null_is_none() -> None:
    """A member that is null says nothing."""
    found = read(stream(chunk("a", finish="STOP", error=None)), dialect=GEMINI)
    assert found.parts == [("text", "a")]


def test_no_header_states_a_limit() -> None:
    """There are no rate-limit headers to read."""
    assert GEMINI.rate_limits({"x-ratelimit-limit-requests": "5"}, now=0) == []


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["error", "code", "status", "message", "details", "@type", "reason"]),
            inner,
        )
    ),
    max_leaves=20,
)


@given(content=anything, status=st.sampled_from([400, 403, 429, 500]))
def test_any_error_is_classified(content: Any, status: int) -> None:
    """Whatever an error's body is, it is classified, and inside a 200 too."""
    assert classified(status, content).reason
    error = read(stream({"error": content or {"code": 1}}), dialect=GEMINI).error
    assert isinstance(error, UpstreamError)
