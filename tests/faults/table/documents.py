"""Whole bodies: other media types than asked for, documents in place of streams."""

import json

from tests.faults.dialects.dialect import Kind
from tests.faults.expected import HELLO, WORLD, Expected, fails, whole
from tests.faults.fault import Fault, Group, Script, Verdict
from tests.faults.script import ANSWER, Stage
from tests.support.replies import Close, Head, Piece, Reply, body

UNREADABLE = fails("PROVIDER_PROTOCOL")
PAGE = b"<!doctype html><html><body>Welcome to nginx!</body></html>"
JSON_TYPE = "application/json"
DEEP = b'{"a":' * 100_000


def document(stage: Stage) -> bytes:
    """Return a good answer as one document."""
    return json.dumps(stage.dialect.document(HELLO + WORLD)).encode()


def error(kind: Kind) -> Script:
    """Answer 200 with an error body."""
    return lambda s: s.document(json.dumps(s.dialect.error(kind)).encode())


def sse_as(media_type: str) -> Script:
    """Answer with a good event stream under another media type."""
    return lambda s: s.stream(*ANSWER, type=media_type)


def in_sse(expected: Expected) -> Verdict:
    """Expect this where the body is an event stream."""
    return lambda dialect: expected if dialect.is_sse else None


def cut_document(stage: Stage) -> Reply:
    """Close the connection inside a document."""
    data = document(stage)
    head = Head(200, [("content-type", JSON_TYPE), ("content-length", str(len(data)))])
    return Reply(head, Piece(data[: len(data) // 2]), Close())


def deep(stage: Stage) -> bytes:
    """Return a document with a member that is nested 100,000 deep."""
    return document(stage)[:-1] + b',"x":' + DEEP + b"1" + b"}" * 100_001


DOCUMENTS = Group(
    "Whole bodies",
    "A server may answer with one JSON document instead of a stream; it is the same answer. An "
    "error object in it is that error. A page is no answer, whatever its status.",
    (
        Fault("JSON document instead of a stream", lambda s: s.document(document(s)), whole()),
        Fault(
            "JSON document behind white space",
            lambda s: s.document(b"\n \r\n" * 99 + document(s) + b"\n"),
            whole(),
        ),
        Fault("page with status 200", body(200, PAGE, content_type="text/html"), UNREADABLE),
        Fault("page that is called JSON", lambda s: s.document(PAGE), UNREADABLE),
        Fault(
            "page that is called a stream",
            lambda s: s.stream(PAGE, type="text/event-stream"),
            UNREADABLE,
        ),
        Fault(
            "picture with status 200",
            body(200, b"\x89PNG\r\n", content_type="image/png"),
            UNREADABLE,
        ),
        Fault("stream that is called JSON", sse_as(JSON_TYPE), in_sse(UNREADABLE)),
        Fault("stream that is called text", sse_as("text/plain"), in_sse(whole())),
        Fault("stream without a media type", sse_as(""), in_sse(whole())),
        Fault(
            "stream whose media type is in capitals", sse_as("Text/Event-Stream"), in_sse(whole())
        ),
        Fault("empty JSON body", lambda s: s.document(b""), UNREADABLE),
        Fault("empty JSON object", lambda s: s.document(b"{}"), UNREADABLE),
        Fault("JSON null", lambda s: s.document(b"null"), UNREADABLE),
        Fault("JSON number", lambda s: s.document(b"1"), UNREADABLE),
        Fault("JSON string", lambda s: s.document(b'"Hello"'), UNREADABLE),
        Fault("half a JSON document", lambda s: s.document(document(s)[:-9]), UNREADABLE),
        Fault("connection closed inside a JSON document", cut_document, fails("STREAM_TRUNCATED")),
        Fault("two JSON documents", lambda s: s.document(document(s) * 2), UNREADABLE),
        Fault("JSON document nested too deep", lambda s: s.document(deep(s)), UNREADABLE),
        Fault(
            "error of overload with status 200",
            error(Kind.OVERLOADED),
            fails("PROVIDER_UNAVAILABLE"),
        ),
        Fault("error of rate with status 200", error(Kind.RATE), fails("PROVIDER_RATE_LIMITED")),
        Fault(
            "error of credential with status 200",
            error(Kind.CREDENTIAL),
            fails("PROVIDER_CREDENTIAL_REJECTED"),
        ),
        Fault(
            "error of request with status 200",
            error(Kind.INVALID),
            fails("PROVIDER_REJECTED_REQUEST"),
        ),
    ),
)
