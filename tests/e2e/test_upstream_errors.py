"""Does each failure of the provider reach the caller as what it is?"""

from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2

from tests.support.client import collect_failure, request
from tests.support.configuration import API_KEY, CREDENTIAL, PROVIDER, configuration
from tests.support.openai_stream import failure
from tests.support.replies import body, json_body
from tests.support.server import RunningServer, running
from tests.support.upstream import Upstream

Code = grpc.StatusCode
QUOTA = {"type": "insufficient_quota", "code": "insufficient_quota"}
TOO_LONG = {"type": "invalid_request_error", "code": "context_length_exceeded"}


@pytest.mark.parametrize(
    ("status", "fields", "code", "reason"),
    [
        (400, {}, Code.INVALID_ARGUMENT, "PROVIDER_REJECTED_REQUEST"),
        (400, TOO_LONG, Code.INVALID_ARGUMENT, "CONTEXT_TOO_LONG"),
        (
            401,
            {"code": "invalid_api_key"},
            Code.FAILED_PRECONDITION,
            "PROVIDER_CREDENTIAL_REJECTED",
        ),
        (402, {}, Code.RESOURCE_EXHAUSTED, "PROVIDER_QUOTA_EXHAUSTED"),
        (403, {}, Code.PERMISSION_DENIED, "PROVIDER_FORBIDDEN"),
        (404, {"code": "model_not_found"}, Code.NOT_FOUND, "MODEL_NOT_FOUND"),
        (408, {}, Code.UNAVAILABLE, "PROVIDER_TIMEOUT"),
        (409, {}, Code.UNAVAILABLE, "PROVIDER_UNAVAILABLE"),
        (413, {}, Code.INVALID_ARGUMENT, "PROVIDER_REJECTED_REQUEST"),
        (422, {}, Code.INVALID_ARGUMENT, "PROVIDER_REJECTED_REQUEST"),
        (429, {"code": "rate_limit_exceeded"}, Code.RESOURCE_EXHAUSTED, "PROVIDER_RATE_LIMITED"),
        (429, QUOTA, Code.RESOURCE_EXHAUSTED, "PROVIDER_QUOTA_EXHAUSTED"),
        (500, {}, Code.UNAVAILABLE, "PROVIDER_UNAVAILABLE"),
        (502, {}, Code.UNAVAILABLE, "PROVIDER_UNAVAILABLE"),
        (503, {"code": "server_is_overloaded"}, Code.UNAVAILABLE, "PROVIDER_UNAVAILABLE"),
        (504, {}, Code.UNAVAILABLE, "PROVIDER_TIMEOUT"),
        (529, {}, Code.UNAVAILABLE, "PROVIDER_UNAVAILABLE"),
    ],
)
async def test_each_status_has_its_reason(
    server: RunningServer,
    upstream: Upstream,
    status: int,
    fields: dict[str, Any],
    code: grpc.StatusCode,
    reason: str,
) -> None:
    """Code and reason follow from status and parsed body; metadata names who failed and how."""
    upstream.reply(failure(status, **{"type": None, **fields}))
    got = await collect_failure(server.stub.Generate(request()))
    assert (got.code, got.reason) == (code, reason)
    assert not got.partial.messages
    known = got.info.metadata
    assert known["provider"] == PROVIDER
    assert known["credential"] == CREDENTIAL
    assert known["model"] == "test-model"
    assert known["http_status"] == str(status)
    assert known["attempts"] == "1"
    assert known.get("provider_code") == fields.get("code")
    info = got.detail(error_details_pb2.RequestInfo)
    assert info is not None
    assert info.request_id.startswith("gen_")
    assert len(upstream.requests) == 1


async def test_the_providers_explanation_reaches_the_caller(
    server: RunningServer, upstream: Upstream
) -> None:
    """What is wrong with the request is said in the provider's words."""
    upstream.reply(failure(400, "frequency_penalty is too high for rivers"))
    got = await collect_failure(server.stub.Generate(request()))
    assert "frequency_penalty is too high for rivers" in got.message


async def test_a_refused_key_stays_secret(server: RunningServer, upstream: Upstream) -> None:
    """The provider quotes the key in its answer; the caller never sees it."""
    message = f"Incorrect API key provided: {API_KEY}."
    upstream.reply(failure(401, message, code="invalid_api_key"))
    got = await collect_failure(server.stub.Generate(request()))
    assert API_KEY not in got.message
    assert API_KEY.encode() not in got.status.SerializeToString()
    assert got.code is not grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize(
    ("header", "value", "seconds"),
    [("retry-after", "7", 7.0), ("retry-after-ms", "1500", 1.5), ("Retry-After", "0.25", 0.25)],
)
async def test_a_wait_that_the_provider_asks_for_reaches_the_caller(
    server: RunningServer, upstream: Upstream, header: str, value: str, seconds: float
) -> None:
    """RetryInfo and QuotaFailure say it; libraries add nothing to what the gateway tried."""
    upstream.reply(failure(429, code="rate_limit_exceeded", headers=[(header, value)]))
    got = await collect_failure(server.stub.Generate(request()))
    assert got.retry_seconds == pytest.approx(seconds)
    assert got.pushback == "-1"
    quota = got.detail(error_details_pb2.QuotaFailure)
    assert quota is not None
    assert quota.violations


async def test_a_wait_on_503_is_kept(server: RunningServer, upstream: Upstream) -> None:
    """An overloaded provider's Retry-After is passed on as well."""
    upstream.reply(failure(503, headers=[("retry-after", "3")]))
    got = await collect_failure(server.stub.Generate(request()))
    assert got.retry_seconds == pytest.approx(3)
    assert got.pushback == "-1"


@pytest.mark.parametrize("value", ["soon", "-5", "nan", "1e300"])
async def test_a_wait_without_sense_is_left_out(
    server: RunningServer, upstream: Upstream, value: str
) -> None:
    """Nonsense in Retry-After neither breaks the answer nor becomes a delay."""
    upstream.reply(failure(429, headers=[("retry-after", value)]))
    got = await collect_failure(server.stub.Generate(request()))
    assert got.reason == "PROVIDER_RATE_LIMITED"
    assert got.retry_seconds is None or got.retry_seconds < 3600


async def test_errors_without_json_are_understood_by_status(
    server: RunningServer, upstream: Upstream
) -> None:
    """A proxy's HTML page is no reason to fail in another way."""
    upstream.reply(body(502, b"<html>Bad gateway</html>", content_type="text/html"))
    got = await collect_failure(server.stub.Generate(request()))
    assert (got.code, got.reason) == (grpc.StatusCode.UNAVAILABLE, "PROVIDER_UNAVAILABLE")


async def test_a_huge_error_body_is_bounded(server: RunningServer, upstream: Upstream) -> None:
    """A megabyte of explanation arrives as a readable status."""
    upstream.reply(failure(400, "river " * 200_000))
    got = await collect_failure(server.stub.Generate(request()))
    assert (got.code, got.reason) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "PROVIDER_REJECTED_REQUEST",
    )


async def test_an_explanation_in_any_script_is_bounded(
    server: RunningServer, upstream: Upstream
) -> None:
    """Characters that take twelve bytes each in a header still fit, and arrive unharmed."""
    upstream.reply(failure(400, "川" * 2000))
    got = await collect_failure(server.stub.Generate(request()))
    assert got.reason == "PROVIDER_REJECTED_REQUEST"
    assert "川川川" in got.message


async def test_redirects_are_not_followed(server: RunningServer, upstream: Upstream) -> None:
    """A redirect never takes prompt and key to another place."""
    async with Upstream() as elsewhere:
        location = f"{elsewhere.base_url}/chat/completions"
        upstream.reply(json_body(307, {}, headers=[("location", location)]))
        got = await collect_failure(server.stub.Generate(request()))
        assert got.reason == "PROVIDER_PROTOCOL"
        assert not elsewhere.requests


async def test_a_provider_that_cannot_be_reached(upstream: Upstream) -> None:
    """A refused connection is UNAVAILABLE and says so."""
    async with Upstream() as gone:
        config = configuration(gone)
    async with running(config) as server:
        got = await collect_failure(server.stub.Generate(request()))
    assert (got.code, got.reason) == (grpc.StatusCode.UNAVAILABLE, "PROVIDER_UNREACHABLE")
