"""Messages (`anthropic.md` sections 4 and 6)."""

import json

from tests.faults.dialects.dialect import Dialect, Forms, Json, Kind

TYPES = {
    Kind.INVALID: "invalid_request_error",
    Kind.CREDENTIAL: "authentication_error",
    Kind.BILLING: "billing_error",
    Kind.FORBIDDEN: "permission_error",
    Kind.NOT_FOUND: "not_found_error",
    Kind.CONFLICT: "conflict_error",
    Kind.TOO_LARGE: "request_too_large",
    Kind.RATE: "rate_limit_error",
    Kind.INTERNAL: "api_error",
    Kind.OVERLOADED: "overloaded_error",
    Kind.TIMEOUT: "timeout_error",
}


def error(kind: Kind) -> Json:
    """Return an error, which is the same in a body and in a stream."""
    inner = {"type": TYPES[kind], "message": f"({kind.name.lower()})"}
    return {"type": "error", "error": inner, "request_id": "req_1"}


def block(number: int, **content: object) -> Json:
    """Return the event that opens a block."""
    return {"type": "content_block_start", "index": number, "content_block": content}


def delta(number: int, **content: object) -> Json:
    """Return the event that continues a block."""
    return {"type": "content_block_delta", "index": number, "delta": content}


class Anthropic(Dialect):
    """Named events in blocks; `message_stop` is the only end."""

    name = "anthropic"
    kind = "anthropic"
    content_type = "text/event-stream; charset=utf-8"
    is_sse = True
    has_names = True
    has_marker = True
    needs_end = True
    opening = (
        {
            "type": "message_start",
            "message": {
                "id": "msg_1",
                "type": "message",
                "role": "assistant",
                "content": [],
                "model": "claude-x",
                "stop_reason": None,
                "usage": {"input_tokens": 10, "output_tokens": 1},
            },
        },
        block(0, type="text", text=""),
        {"type": "ping"},
    )
    finish = (
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {"output_tokens": 2},
        },
    )

    def __init__(self) -> None:
        self.error_forms: Forms = {"an error event": error}

    def text(self, value: str) -> tuple[Json, ...]:
        """Return one delta of block 0."""
        return (delta(0, type="text_delta", text=value),)

    def call(
        self, number: int, name: str, fragments: tuple[str, ...], id: str | None
    ) -> tuple[Json, ...]:
        """Return a block; the first fragment is empty, as the provider's is."""
        index = number + 1
        pieces = ("", *fragments)
        return (
            block(index, type="tool_use", id=id or f"toolu_{number}", name=name, input={}),
            *(delta(index, type="input_json_delta", partial_json=piece) for piece in pieces),
            {"type": "content_block_stop", "index": index},
        )

    def error(self, kind: Kind) -> Json:
        """Return an error body."""
        return error(kind)

    def document(self, text: str) -> Json:
        """Return a whole message."""
        return {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "claude-x",
            "content": [{"type": "text", "text": text}],
            "stop_reason": "end_turn",
            "stop_sequence": None,
            "usage": {"input_tokens": 10, "output_tokens": 2},
        }

    def frame(self, event: Json, number: int) -> bytes:
        """Return a named event, padded as the provider pads."""
        text = json.dumps(event, separators=(",", ":"))
        return f"event: {event.get('type', 'message')}\ndata: {text}   \n\n".encode()

    def end(self, said: str, number: int) -> bytes:
        """Return the marker."""
        return self.frame({"type": "message_stop"}, number)


ANTHROPIC = Anthropic()
