"""Statuses that are no success, with every kind of body (`overview.md` section 5)."""

import json
from collections.abc import Iterator

from tests.faults.dialects.dialect import Dialect, Json, Kind
from tests.faults.expected import Expected, fails
from tests.faults.fault import Fault, Group, Script
from tests.faults.script import Stage
from tests.support.replies import Close, Head, Piece, Reply, body, json_body

REASON_OF = {
    400: "PROVIDER_REJECTED_REQUEST",
    401: "PROVIDER_CREDENTIAL_REJECTED",
    402: "PROVIDER_QUOTA_EXHAUSTED",
    403: "PROVIDER_FORBIDDEN",
    404: "MODEL_NOT_FOUND",
    408: "PROVIDER_TIMEOUT",
    409: "PROVIDER_UNAVAILABLE",
    413: "PROVIDER_REJECTED_REQUEST",
    422: "PROVIDER_REJECTED_REQUEST",
    429: "PROVIDER_RATE_LIMITED",
    # Nobody here cancelled: whoever did reads no answer.
    499: "PROVIDER_PROTOCOL",
    500: "PROVIDER_UNAVAILABLE",
    502: "PROVIDER_UNAVAILABLE",
    503: "PROVIDER_UNAVAILABLE",
    504: "PROVIDER_TIMEOUT",
    520: "PROVIDER_UNAVAILABLE",
    524: "PROVIDER_TIMEOUT",
    529: "PROVIDER_UNAVAILABLE",
}
"""What each status means where nothing else is said."""

KIND_OF = {kind.value: kind for kind in Kind} | {
    408: Kind.TIMEOUT,
    422: Kind.INVALID,
    499: Kind.INVALID,
    502: Kind.OVERLOADED,
    520: Kind.INTERNAL,
    524: Kind.TIMEOUT,
    529: Kind.OVERLOADED,
}
"""The error object that goes with each status."""

SHORTENED = frozenset({400, 401, 429, 503})
"""Statuses with bodies that are read in other ways; what they mean is the same code."""

PAGE = b"<html><head><title>Error</title></head><body><h1>Error</h1></body></html>"
HUGE = 1 << 20


def own_body(stage: Stage, status: int) -> bytes:
    """Return the dialect's error body for a status."""
    return json.dumps(stage.dialect.error(KIND_OF[status])).encode()


def own(status: int) -> Script:
    """Answer with the dialect's error body."""
    return lambda s: json_body(status, s.dialect.error(KIND_OF[status]))


def truncated(status: int) -> Script:
    """Answer with half of the dialect's error body, and close."""

    def reply(stage: Stage) -> Reply:
        data = own_body(stage, status)
        head = Head(status, [("content-type", "application/json"), ("content-length", "4096")])
        return Reply(head, Piece(data[: len(data) // 2]), Close())

    return reply


def huge(status: int) -> Script:
    """Answer with a megabyte of white space behind the dialect's error body."""
    return lambda s: body(
        status, own_body(s, status) + b" " * HUGE, content_type="application/json"
    )


def rows() -> Iterator[Fault]:
    """Yield each status with each kind of body."""
    for status, reason in REASON_OF.items():
        bodies: dict[str, Script] = {
            "its JSON": own(status),
            "a page": body(status, PAGE, content_type="text/html"),
        }
        if status in SHORTENED:
            bodies |= {
                "no body": Reply(Head(status, [("content-length", "0")])),
                "half a body": truncated(status),
                "a huge body": huge(status),
            }
        for name, script in bodies.items():
            yield Fault(f"{status} with {name}", script, fails(reason))


def said(status: int, name: str, reason: str, **bodies: object) -> Fault:
    """Return an error whose body says more than its status; bodies are by dialect."""

    def verdict(dialect: Dialect) -> Expected | None:
        return fails(reason) if key(dialect) in bodies else None

    def key(dialect: Dialect) -> str:
        return dialect.name.replace("-", "_").removesuffix("_array")

    return Fault(name, lambda s: json_body(status, bodies[key(s.dialect)]), verdict)


def openai(message: str = "no", **fields: str) -> object:
    """Return OpenAI's error body."""
    return {"error": {"message": message, "param": None} | fields}


def anthropic(type: str, message: str, **details: str) -> object:
    """Return Anthropic's error body."""
    error: dict[str, object] = {"type": type, "message": message}
    return {"type": "error", "error": error | ({"details": details} if details else {})}


def gemini(status: str, message: str, *details: Json) -> object:
    """Return Google's error body."""
    return {"error": {"status": status, "message": message, "details": list(details)}}


TOO_LONG = openai(type="invalid_request_error", code="context_length_exceeded")
NO_CREDIT = openai(type="insufficient_quota", code="insufficient_quota")
BAD_KEY = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
PER_DAY = {
    "@type": "type.googleapis.com/google.rpc.QuotaFailure",
    "violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}],
}

STATUSES = Group(
    "Statuses",
    "The status decides, the body makes it more exact. A body that is missing, cut, huge or for "
    "people changes nothing.",
    (
        *rows(),
        said(
            400,
            "400 that means a prompt too long",
            "CONTEXT_TOO_LONG",
            openai_chat=TOO_LONG,
            openai_responses=TOO_LONG,
            anthropic=anthropic(
                "invalid_request_error", "prompt is too long: 3333404 tokens > 200000 maximum"
            ),
            gemini=gemini(
                "INVALID_ARGUMENT",
                "The input token count (1250074) exceeds the maximum number of tokens allowed "
                "(1048576).",
            ),
        ),
        said(
            400,
            "400 that means a refused key",
            "PROVIDER_CREDENTIAL_REJECTED",
            openai_chat={"error": "Incorrect API key provided: xx"},
            gemini=gemini("INVALID_ARGUMENT", "API key not valid.", BAD_KEY),
        ),
        said(
            400,
            "400 that means used-up credit",
            "PROVIDER_QUOTA_EXHAUSTED",
            anthropic=anthropic("invalid_request_error", "Your credit balance is too low."),
        ),
        said(
            429,
            "429 that means used-up credit",
            "PROVIDER_QUOTA_EXHAUSTED",
            openai_chat=NO_CREDIT,
            openai_responses=NO_CREDIT,
            anthropic=anthropic(
                "rate_limit_error", "no", error_code="enforced_spend_limit_reached"
            ),
            gemini=gemini("RESOURCE_EXHAUSTED", "Quota exceeded", PER_DAY),
        ),
    ),
)
