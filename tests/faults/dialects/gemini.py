"""generateContent (`gemini.md` sections 4 and 5), as events and as one JSON array.

There is no end marker in either: the end of the body is the end, and the array has its
bracket before that.
"""

import json

from tests.faults.dialects.dialect import Dialect, Forms, Json, Kind

STATUSES = {
    Kind.INVALID: "INVALID_ARGUMENT",
    Kind.CREDENTIAL: "UNAUTHENTICATED",
    Kind.BILLING: "RESOURCE_EXHAUSTED",
    Kind.FORBIDDEN: "PERMISSION_DENIED",
    Kind.NOT_FOUND: "NOT_FOUND",
    Kind.CONFLICT: "ABORTED",
    Kind.TOO_LARGE: "INVALID_ARGUMENT",
    Kind.RATE: "RESOURCE_EXHAUSTED",
    Kind.INTERNAL: "INTERNAL",
    Kind.OVERLOADED: "UNAVAILABLE",
    Kind.TIMEOUT: "DEADLINE_EXCEEDED",
}


def error(kind: Kind) -> Json:
    """Return a google.rpc.Status, which is the same in a body and in a stream."""
    message = f"({kind.name.lower()})"
    return {"error": {"code": kind.value, "message": message, "status": STATUSES[kind]}}


def compact(value: object) -> bytes:
    """Return JSON without spaces."""
    return json.dumps(value, separators=(",", ":")).encode()


def chunk(*parts: Json, **candidate: object) -> Json:
    """Return a chunk with one candidate."""
    content = {"role": "model", "parts": list(parts)}
    return {
        "candidates": [{"index": 0, "content": content} | candidate],
        "modelVersion": "gemini-x",
        "responseId": "r1",
    }


class Gemini(Dialect):
    """Data-only events with CRLF."""

    name = "gemini"
    kind = "gemini"
    content_type = "text/event-stream"
    is_sse = True
    has_names = False
    has_marker = False
    needs_end = False
    opening = (chunk({"text": ""}),)
    finish = (
        chunk(
            {"text": ""},
            finishReason="STOP",
        )
        | {"usageMetadata": {"promptTokenCount": 10, "candidatesTokenCount": 2}},
    )

    def __init__(self) -> None:
        self.error_forms: Forms = {
            "an event with an error object": error,
            "an event with a list of one error": lambda kind: (
                b"data: " + compact([error(kind)]) + b"\r\n\r\n"
            ),
            "JSON lines that are no event": lambda kind: (
                json.dumps(error(kind), indent=2).encode() + b"\n"
            ),
        }

    def text(self, value: str) -> tuple[Json, ...]:
        """Return one chunk."""
        return (chunk({"text": value}),)

    def call(
        self, number: int, name: str, fragments: tuple[str, ...], id: str | None
    ) -> tuple[Json, ...]:
        """Return a chunk of its own; the call is whole in it."""
        call: Json = {"name": name, "args": json.loads("".join(fragments))}
        if id is not None:
            call["id"] = id
        return (chunk({"functionCall": call}),)

    def error(self, kind: Kind) -> Json:
        """Return an error body."""
        return error(kind)

    def document(self, text: str) -> Json:
        """Return a whole answer."""
        return chunk({"text": text}, finishReason="STOP")

    def frame(self, event: Json, number: int) -> bytes:
        """Return a `data` event."""
        return b"data: " + compact(event) + b"\r\n\r\n"

    def end(self, said: str, number: int) -> bytes:
        """Return nothing."""
        return b""


class GeminiArray(Gemini):
    """The same chunks as elements of one array, which is what comes without `alt=sse`."""

    name = "gemini-array"
    content_type = "application/json; charset=UTF-8"
    is_sse = False
    needs_end = True

    def __init__(self) -> None:
        self.error_forms: Forms = {"an element that is an error": error}

    def frame(self, event: Json, number: int) -> bytes:
        """Return an element with what stands before it."""
        return (b",\r\n" if number else b"[") + compact(event)

    def end(self, said: str, number: int) -> bytes:
        """Return the last bracket."""
        return b"]" if number else b"[]"


GEMINI = Gemini()
GEMINI_ARRAY = GeminiArray()
