"""What an oracle says about a recorded answer, and what all oracles do alike.

An oracle lets the provider's own library read the recorded bytes and says what it found
in this project's terms. Nothing here, or in any oracle, knows the code under test.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx2

from tests.support.recorded.cases import Exchange

KEY = "an-oracle-has-no-key"
BODY_HEADERS = frozenset({"content-length", "content-encoding", "transfer-encoding", "connection"})
"""Headers that speak of the bytes on the recorded wire, which are not what is replayed."""

TRUNCATED = "STREAM_TRUNCATED"


@dataclass(frozen=True)
class Call:
    """One call of a function."""

    name: str
    arguments: str
    """JSON text; as sent where the provider sends text."""


@dataclass(frozen=True)
class Tokens:
    """Counts by the common record of `overview.md` section 3; None where nothing was said."""

    input_total: int | None = None
    output_total: int | None = None
    cached: int | None = None
    reasoning: int | None = None


@dataclass(frozen=True)
class Expected:
    """What a caller must get for a recorded exchange."""

    text: str = ""
    reasoning: str = ""
    refusal: str = ""
    calls: tuple[Call, ...] = ()
    usage: Tokens = Tokens()
    finish: str = ""
    """Name of a FinishReason without its prefix; empty when the answer fails."""
    word: str = ""
    """The provider's own finish reason."""
    error: str | None = None
    """Name of an ErrorReason without its prefix; what came before it stands beside it."""
    response_id: str = ""
    model: str = ""
    models: tuple[str, ...] = ()
    """Ids of a model list, sorted."""


def replayed_headers(exchange: Exchange) -> list[tuple[str, str]]:
    """Return the recorded response headers that still hold for the decompressed body."""
    return [(name, value) for name, value in exchange.headers if name.lower() not in BODY_HEADERS]


def http_client(exchange: Exchange) -> httpx2.Client:
    """Return a client for a library whose every request is answered by the recording."""

    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(
            exchange.status, headers=replayed_headers(exchange), content=exchange.body
        )

    return httpx2.Client(transport=httpx2.MockTransport(answer))


CONTEXT_CODES = {
    "context_length_exceeded",
    "exceed_context_size_error",
    "too_many_prompt_tokens",
    "TOO_MANY_TOKENS",
}
CONTEXT_WORDS = re.compile(
    r"prompt is too long|input token count .* exceeds the maximum|maximum context length is"
    r"|exceeded max context length|exceeds the available context size|exceeds the context window"
    r"|range of input length",
    re.IGNORECASE,
)
"""`overview.md` section 5, context-length texts."""
QUOTA_CODES = {
    "insufficient_quota",
    "credit_balance_exhausted",
    "organization_spend_limit_exceeded",
    "project_spend_limit_exceeded",
    "organization_usage_limit_exceeded",
    "usage_limit_reached",
    "enforced_spend_limit_reached",
    "contract_spend_limit_reached",
    "billing_error",
}
QUOTA_WORDS = re.compile(r"credit balance is too low", re.IGNORECASE)
KEY_CODES = {"invalid_api_key", "authentication_error", "API_KEY_INVALID"}
KEY_WORDS = re.compile(r"incorrect api key provided", re.IGNORECASE)
MODEL_CODES = {"model_not_found", "not_found_error"}
RATE_CODES = {"rate_limit_exceeded", "rate_limit_error", "slow_down", "capacity_exceeded"}
TIMEOUT_CODES = {"timeout_error"}
BY_STATUS = {
    401: "PROVIDER_CREDENTIAL_REJECTED",
    402: "PROVIDER_QUOTA_EXHAUSTED",
    403: "PROVIDER_FORBIDDEN",
    404: "MODEL_NOT_FOUND",
    408: "PROVIDER_TIMEOUT",
    409: "PROVIDER_UNAVAILABLE",
    429: "PROVIDER_RATE_LIMITED",
    498: "PROVIDER_RATE_LIMITED",
    504: "PROVIDER_TIMEOUT",
    524: "PROVIDER_TIMEOUT",
}


def reason_of(status: int | None, body: object) -> str:
    """Return the ErrorReason for a failure as a library reports it (`overview.md` section 5).

    `status` is None, or the code in the body, where the failure came after a 200.
    """
    words = set(_strings(body))
    text = " ".join(words)
    numbers = {int(word) for word in words if re.fullmatch(r"[45]\d\d", word)}
    status = status or next(iter(numbers), None)
    if words & CONTEXT_CODES or CONTEXT_WORDS.search(text):
        return "CONTEXT_TOO_LONG"
    if words & QUOTA_CODES or QUOTA_WORDS.search(text):
        return "PROVIDER_QUOTA_EXHAUSTED"
    if status in {None, 400} and (words & KEY_CODES or KEY_WORDS.search(text)):
        return "PROVIDER_CREDENTIAL_REJECTED"
    if status in {None, 400} and words & MODEL_CODES:
        return "MODEL_NOT_FOUND"
    if status is None:
        if words & RATE_CODES:
            return "PROVIDER_RATE_LIMITED"
        return "PROVIDER_TIMEOUT" if words & TIMEOUT_CODES else "PROVIDER_UNAVAILABLE"
    if status in BY_STATUS:
        return BY_STATUS[status]
    return "PROVIDER_UNAVAILABLE" if status >= 500 else "PROVIDER_REJECTED_REQUEST"


def _strings(value: object) -> list[str]:
    """Return every string and whole number in a value, however deep."""
    if isinstance(value, Mapping):
        return [word for inner in value.values() for word in _strings(inner)]
    if isinstance(value, list | tuple):
        return [word for inner in value for word in _strings(inner)]
    if isinstance(value, str):
        return [value]
    return [str(value)] if type(value) is int else []


def derived_finish(finish: str, *, calls: bool, refusal: bool) -> str:
    """Correct a reason by what the answer holds (`openai-compatible.md` section 10, rule 4)."""
    if finish not in {"STOP", "TOOL_CALLS"}:
        return finish
    if calls:
        return "TOOL_CALLS"
    return "REFUSAL" if refusal else "STOP"


def as_text(arguments: Any) -> str:
    """Return arguments as JSON text, whether they came as text or as an object."""
    if isinstance(arguments, str):
        return arguments.strip() or "{}"
    return json.dumps(arguments or {}, separators=(",", ":"), ensure_ascii=False)


def untyped(model: Any, name: str) -> Any:
    """Return a member that the library has no type for; None when there is none."""
    return (getattr(model, "model_extra", None) or {}).get(name)
