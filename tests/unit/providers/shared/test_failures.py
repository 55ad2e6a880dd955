"""What an error body tells, and what its status means."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice_server import errors
from sluice_server.providers import failures
from sluice_server.providers.failures import Failure


@pytest.mark.parametrize(
    ("status", "leaf"),
    [
        (400, errors.ProviderRejectedRequestError),
        (401, errors.ProviderCredentialRejectedError),
        (402, errors.ProviderQuotaExhaustedError),
        (403, errors.ProviderForbiddenError),
        (404, errors.ProviderModelNotFoundError),
        (408, errors.ProviderTimeoutError),
        (409, errors.ProviderUnavailableError),
        (413, errors.ProviderRejectedRequestError),
        (422, errors.ProviderRejectedRequestError),
        (429, errors.ProviderRateLimitedError),
        (498, errors.ProviderRateLimitedError),
        (500, errors.ProviderUnavailableError),
        (503, errors.ProviderUnavailableError),
        (504, errors.ProviderTimeoutError),
        (524, errors.ProviderTimeoutError),
        (529, errors.ProviderUnavailableError),
        (301, errors.ProviderProtocolError),
        (304, errors.ProviderProtocolError),
        (0, errors.ProviderUnavailableError),
    ],
)
def test_status_alone(status: int, leaf: type[errors.UpstreamError]) -> None:
    """Without a code that is known the status decides."""
    error = Failure(status=status).by_status()
    assert type(error) is leaf
    assert error.http_status == (status or None)


@given(st.integers(100, 999))
def test_any_status(status: int) -> None:
    """Every status has an error."""
    assert isinstance(Failure(status=status).by_status(), errors.UpstreamError)


def test_facts_of_a_failure() -> None:
    """All facts come with the error; prose is no code."""
    failure = Failure(
        status=429,
        codes=("Please slow down, you", "slow_down"),
        detail="Said to you.",
        request_id="r",
        retry_after=1.5,
    )
    error = failure.by_status()
    assert error.provider_code == "slow_down"
    assert (error.request_id, error.retry_after, error.detail) == ("r", 1.5, "Said to you.")
    assert "Said to you." not in str(error)
    assert "Said to you." in error.caller_message()


@pytest.mark.parametrize("code", ["x" * 65, "two words", "é", "a\n", ""])
def test_what_is_no_code(code: str) -> None:
    """A code that could be prose does not get into logs."""
    assert Failure(status=400, codes=(code,)).by_status().provider_code is None


def test_codes_are_compared_without_case() -> None:
    """Codes and wording are looked for in lower case."""
    failure = Failure(status=400, codes=("Insufficient_Quota",), detail="TOO Long")
    assert failure.has({"insufficient_quota"})
    assert not failure.has({"quota"})
    assert failure.says(["too long"])
    assert not failure.says(["shorter"])
    assert not Failure(status=400).says(["x"])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"{",
        b"\xff\xfe",
        b'{"a":"\xff"}',
        b"[" * 100_000,
        b'{"a":1e999}',
        b'"\\ud800"',
    ],
)
def test_body_that_is_no_json(body: bytes) -> None:
    """A body that cannot be read is none."""
    assert failures.parse(body) is None


@pytest.mark.parametrize("value", [None, 1, [], {}, "text"])
def test_body_of_any_json(value: Any) -> None:
    """Any JSON is read; what it means is the dialect's business."""
    assert failures.parse(json.dumps(value).encode()) == value


def test_reading_codes() -> None:
    """Words and numbers are codes; null, booleans, prose objects and huge numbers are not."""
    found = failures.read_codes("a", 429, None, "", True, 1.5, {"x": 1}, ["y"], 2**63, -(2**62))
    assert found == ("a", "429", str(-(2**62)))


@pytest.mark.parametrize(
    ("values", "detail"),
    [
        ((None, 3, "", "said", "later"), "said"),
        (([], "said"), "said"),
        (([{"loc": ["body", 0, "x"], "msg": "bad"}, {"msg": "worse"}],), "body.0.x: bad; : worse"),
        ((["text", 3, None], "said"), "said"),
        (({"message": "x"},), None),
        (("x" * 999,), "x" * failures.DETAIL_CHARACTERS),
        ((), None),
    ],
)
def test_reading_explanations(values: tuple[object, ...], detail: str | None) -> None:
    """The first text counts, shortened; a list of faults is one."""
    assert failures.read_detail(*values) == detail


@pytest.mark.parametrize(
    ("codes", "status"),
    [
        (("overloaded", "529"), 529),
        (("400", "500"), 400),
        (("200", "1302", "42", "4000", "5xx"), 0),
        (("\u0664\u0660\u0660",), 0),
        ((), 0),
    ],
)
def test_status_among_codes(codes: tuple[str, ...], status: int) -> None:
    """Only a status of an error is one."""
    assert failures.status_among(codes) == status
