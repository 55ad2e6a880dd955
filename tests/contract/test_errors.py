"""Every reason of the contract has its error, its gRPC status, and fits into trailers."""

import re
import urllib.parse
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import message as protobuf
from google.rpc import error_details_pb2, status_pb2

from sluice.v1.error_reason_pb2 import ErrorReason
from sluice_server import errors
from sluice_server.edge.pushback import PUSHBACK, Standing
from sluice_server.edge.status import DOMAIN, Refusal, refusal
from sluice_server.errors import FieldViolation, SluiceError

_PROTO = Path(__file__).resolve().parents[2] / "proto/sluice/v1/error_reason.proto"
_PREFIX = "ERROR_REASON_"
_METADATA_BYTES = 8192
"""What clients take by default, names and 32 bytes for each entry included."""

_NO_REASON = "UNSPECIFIED"

TWICE = {"MODEL_NOT_FOUND": {"ModelNotFoundError", "ProviderModelNotFoundError"}}
"""Reasons with two errors: the gateway's own knowledge and the provider's word."""

EMOJI = "😀"


def _leaves(kind: type[SluiceError] = SluiceError) -> list[type[SluiceError]]:
    below = [leaf for child in kind.__subclasses__() for leaf in _leaves(child)]
    return below or [kind] if kind.__module__ == errors.__name__ else []


LEAVES = _leaves()


def _example(leaf: type[SluiceError], text: str = "It broke.") -> SluiceError:
    """Return an error of this kind, with all that it may know."""
    special: dict[type[SluiceError], SluiceError] = {
        errors.InvalidRequestError: errors.InvalidRequestError([FieldViolation("model", text)]),
        errors.UnsupportedFeatureError: errors.UnsupportedFeatureError("options.top_k", text),
        errors.OverloadedError: errors.OverloadedError(text, retry_after=1.5),
        errors.CallerLimitedError: errors.CallerLimitedError(
            text, retry_after=1.5, quota=(errors.QuotaViolation("caller/checkout", text),)
        ),
    }
    if leaf in special:
        return special[leaf]
    return leaf(text)


def _statuses() -> dict[str, str]:
    """Return the gRPC status that the contract's comment names, by reason."""
    entry = re.compile(rf"((?:\s*//[^\n]*\n)+)\s*{_PREFIX}(\w+) = \d+;")
    names = {code.name for code in grpc.StatusCode}
    found = {}
    for comment, reason in entry.findall(_PROTO.read_text()):
        named = [word for word in re.findall(r"[A-Z_]{2,}", comment) if word in names]
        assert len(named) == (reason != "UNSPECIFIED"), (reason, named)
        found[reason] = "".join(named)
    return found


def _details(refused: Refusal) -> dict[type[protobuf.Message], Any]:
    status = status_pb2.Status.FromString(
        next(value for name, value in refused.trailers if name == "grpc-status-details-bin")
    )
    assert status.code == refused.code.value[0]
    assert status.message == refused.message
    kinds = [
        error_details_pb2.ErrorInfo,
        error_details_pb2.RequestInfo,
        error_details_pb2.RetryInfo,
        error_details_pb2.QuotaFailure,
        error_details_pb2.BadRequest,
    ]
    found: dict[type[protobuf.Message], Any] = {}
    for packed in status.details:
        (kind,) = [kind for kind in kinds if packed.Is(kind.DESCRIPTOR)]
        assert kind not in found
        found[kind] = kind()
        packed.Unpack(found[kind])
    return found


def _size(refused: Refusal) -> int:
    """Return the bytes of the trailers as a client counts them on the wire."""
    quoted = urllib.parse.quote(refused.message.encode(), safe=" !\"#$&'()*+,/:;<=>?@[]^`{|}~\\")
    size = len("grpc-message") + len(quoted) + 32 + len("grpc-status") + 2 + 32
    for name, value in refused.trailers:
        size += len(name) + 32 + (-(-len(value) * 4 // 3) if name.endswith("-bin") else len(value))
    return size


def test_every_reason_has_its_error() -> None:
    """Each reason of the contract has one error, and no error a reason of its own making."""
    by_reason: dict[str, set[str]] = {}
    for leaf in LEAVES:
        by_reason.setdefault(leaf.reason, set()).add(leaf.__name__)
    reasons = {name.removeprefix(_PREFIX) for name in ErrorReason.keys()}  # noqa: SIM118

    assert set(by_reason) == reasons - {_NO_REASON}
    assert {reason: leaves for reason, leaves in by_reason.items() if len(leaves) > 1} == TWICE


@pytest.mark.parametrize("leaf", LEAVES, ids=lambda leaf: leaf.__name__)
def test_status_is_the_one_that_the_contract_names(leaf: type[SluiceError]) -> None:
    """An error's gRPC status is the one in the comment of its reason."""
    assert leaf.code == _statuses()[leaf.reason]


@pytest.mark.parametrize("leaf", LEAVES, ids=lambda leaf: leaf.__name__)
def test_error_becomes_a_status_with_its_reason(leaf: type[SluiceError]) -> None:
    """Every refusal names domain, reason and generation id."""
    refused = refusal(_example(leaf), generation_id="gen-1")
    details = _details(refused)

    assert refused.code.name == leaf.code
    assert details[error_details_pb2.ErrorInfo].domain == DOMAIN == "sluice.v1"
    assert details[error_details_pb2.ErrorInfo].reason == leaf.reason
    assert details[error_details_pb2.RequestInfo].request_id == "gen-1"
    assert refused.message


@pytest.mark.parametrize("leaf", LEAVES, ids=lambda leaf: leaf.__name__)
def test_facts_of_an_upstream_travel_as_metadata(leaf: type[SluiceError]) -> None:
    """What is known of the upstream is in ErrorInfo, under the contract's names."""
    error = _example(leaf)
    error.attempts = 2
    expected = {"attempts": "2"}
    if isinstance(error, errors.UpstreamError):
        error.provider, error.model, error.credential = "up", "m", "primary"
        error.http_status, error.provider_code, error.output_characters = 500, "oops", 7
        expected |= {
            "provider": "up",
            "model": "m",
            "credential": "primary",
            "http_status": "500",
            "provider_code": "oops",
            "output_characters": "7",
        }

    info = _details(refusal(error, generation_id="g"))[error_details_pb2.ErrorInfo]
    assert dict(info.metadata) == expected


@pytest.mark.parametrize("leaf", LEAVES, ids=lambda leaf: leaf.__name__)
def test_known_wait_is_told_to_people_and_libraries(leaf: type[SluiceError]) -> None:
    """A wait is in RetryInfo; libraries are told it only where trying again may help."""
    error = _example(leaf)
    error.retry_after = 2.5
    refused = refusal(error, generation_id="g")
    pushback = dict(refused.trailers).get(PUSHBACK)

    delay = _details(refused)[error_details_pb2.RetryInfo].retry_delay
    assert delay.ToMilliseconds() == 2500
    if leaf.code in {"UNAVAILABLE", "RESOURCE_EXHAUSTED"}:
        assert pushback == ("2500" if leaf.retryable else "-1")
    else:
        assert pushback is None


def test_libraries_do_not_try_again_after_output() -> None:
    """Once output was delivered, no library may send the request again by itself."""
    error = errors.StreamTruncatedError("It broke.", retry_after=1.0)
    refused = refusal(error, generation_id="g", standing=Standing(delivered=True))

    assert dict(refused.trailers)[PUSHBACK] == "-1"


@pytest.mark.parametrize(
    "leaf",
    [leaf for leaf in LEAVES if leaf.code == "RESOURCE_EXHAUSTED"],
    ids=lambda leaf: leaf.__name__,
)
def test_exhausted_quota_names_whose(leaf: type[SluiceError]) -> None:
    """RESOURCE_EXHAUSTED says whose limit it is: a provider's and credential's, or the caller's."""
    error = _example(leaf)
    subject = "caller/checkout"
    if isinstance(error, errors.UpstreamError):
        error.provider, error.credential = "up", "primary"
        subject = "up/primary"

    failure = _details(refusal(error, generation_id="g"))[error_details_pb2.QuotaFailure]
    assert [violation.subject for violation in failure.violations] == [subject]


def test_violations_are_listed() -> None:
    """Every violation of a request is in BadRequest, with its path."""
    violations = [FieldViolation(f"messages[{n}].role", "Set it.") for n in range(5)]
    refused = refusal(errors.InvalidRequestError(violations), generation_id="g")

    listed = _details(refused)[error_details_pb2.BadRequest].field_violations
    assert [(v.field, v.description) for v in listed] == [tuple(v) for v in violations]


@pytest.mark.parametrize("letter", ["x", "é", "語", EMOJI, "\n", "%"])
def test_trailers_are_bounded_whatever_the_request(letter: str) -> None:
    """Ten thousand violations of ten thousand characters fit into a client's default."""
    violations = [FieldViolation(letter * 10_000, letter * 10_000)] * 10_000
    refused = refusal(errors.InvalidRequestError(violations), generation_id="g" * 36)
    listed = _details(refused)[error_details_pb2.BadRequest].field_violations

    assert _size(refused) < _METADATA_BYTES
    assert len(listed) < len(violations)
    assert listed[-1].field == ""
    assert "more violations" in listed[-1].description


@pytest.mark.parametrize("letter", ["x", "é", "語", EMOJI, "\n", "%"])
@pytest.mark.parametrize("leaf", LEAVES, ids=lambda leaf: leaf.__name__)
def test_trailers_are_bounded_whatever_the_provider(leaf: type[SluiceError], letter: str) -> None:
    """No explanation, name or id of any length makes a status that clients refuse."""
    endless = letter * 10_000
    upstream = issubclass(leaf, errors.UpstreamError)
    # An upstream error's own words are ours; the provider's are its detail.
    error = _example(leaf, "It broke." if upstream else endless)
    error.attempts = 3
    error.retry_after = 604800.0
    if isinstance(error, errors.UpstreamError):
        error.provider, error.credential, error.provider_code = "x" * 64, "x" * 64, "x" * 64
        error.detail = error.model = error.request_id = endless
        error.http_status, error.output_characters = 500, 10**9
    if isinstance(error, errors.ProviderModelNotFoundError):
        error.suggestions = (endless, endless, endless)

    assert _size(refusal(error, generation_id="g" * 36)) < _METADATA_BYTES


def test_refused_key_is_not_echoed() -> None:
    """Providers quote the key that they refuse; callers never see it."""
    key = "sk-live-0123456789"
    error = errors.ProviderCredentialRejectedError(
        "The provider refused the gateway's credential.",
        http_status=401,
        detail=f"Incorrect API key provided: {key}",
    )
    refused = refusal(error, generation_id="g")

    assert key not in refused.message
    assert all(key.encode() not in _bytes(value) for _, value in refused.trailers)


def test_explanation_of_a_refused_request_reaches_its_caller() -> None:
    """What a provider says about a caller's request is for the caller, not for the log."""
    error = errors.ProviderRejectedRequestError("Refused.", detail="top_p must be below 1")

    assert "top_p must be below 1" in refusal(error, generation_id="g").message
    assert "top_p" not in str(error)


def _bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode()
