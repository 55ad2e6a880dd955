"""Responses (`openai.md` sections 6 and 9): the terminal event is both finish and end marker."""

import json

from tests.faults.dialects import openai_chat
from tests.faults.dialects.dialect import Dialect, Forms, Json, Kind

ITEM = "msg_1"
KEY = {"item_id": ITEM, "output_index": 0, "content_index": 0}


def response(status: str, **fields: object) -> Json:
    """Return a response object."""
    return {"id": "resp_1", "object": "response", "model": "m-1", "status": status} | fields


def message(text: str) -> Json:
    """Return a finished message item."""
    part = {"type": "output_text", "text": text, "annotations": []}
    return {"id": ITEM, "type": "message", "role": "assistant", "content": [part]}


def failed(kind: Kind) -> Json:
    """Return the terminal event of a failed response; it has codes alone (section 6)."""
    word, code = openai_chat.CODES[kind]
    error = {"code": code or word, "message": "no"}
    return {"type": "response.failed", "response": response("failed", output=[], error=error)}


def event_error(kind: Kind) -> Json:
    """Return the `error` event with its members at the top."""
    word, code = openai_chat.CODES[kind]
    return {"type": "error", "code": code or word, "message": "no", "param": None}


class OpenAiResponses(Dialect):
    """Named events, no `[DONE]`."""

    name = "openai-responses"
    kind = "openai-responses"
    content_type = "text/event-stream; charset=utf-8"
    is_sse = True
    has_names = True
    has_marker = True
    needs_end = True
    opening = (
        {"type": "response.created", "response": response("in_progress", output=[])},
        {"type": "response.in_progress", "response": response("in_progress", output=[])},
        {
            "type": "response.output_item.added",
            "output_index": 0,
            "item": {"id": ITEM, "type": "message", "role": "assistant", "content": []},
        },
    )
    finish = ()

    def __init__(self) -> None:
        self.error_forms: Forms = {
            "a terminal event with status failed": failed,
            "an error event, members at its top": event_error,
            "an error event, members under error": lambda kind: {
                "type": "error",
                "error": openai_chat.error(kind)["error"],
            },
        }

    def text(self, value: str) -> tuple[Json, ...]:
        """Return one delta."""
        return ({"type": "response.output_text.delta", "delta": value} | KEY,)

    def call(
        self, number: int, name: str, fragments: tuple[str, ...], id: str | None
    ) -> tuple[Json, ...]:
        """Return an item with its fragments."""
        item = {
            "id": f"fc_{number}",
            "type": "function_call",
            "call_id": id or f"call_{number}",
            "name": name,
            "arguments": "",
        }
        key = {"output_index": number, "item_id": item["id"]}
        kind = "response.function_call_arguments.delta"
        done = item | {"arguments": "".join(fragments)}
        return (
            {"type": "response.output_item.added", "output_index": number, "item": item},
            *({"type": kind, "delta": piece} | key for piece in fragments),
            {"type": "response.output_item.done", "output_index": number, "item": done},
        )

    def error(self, kind: Kind) -> Json:
        """Return an error body."""
        return openai_chat.error(kind)

    def document(self, text: str) -> Json:
        """Return a whole response."""
        usage = {"input_tokens": 10, "output_tokens": 2, "total_tokens": 12}
        return response("completed", output=[message(text)], usage=usage)

    def frame(self, event: Json, number: int) -> bytes:
        """Return an event with its name and place."""
        numbered = event | {"sequence_number": number}
        text = json.dumps(numbered, separators=(",", ":"))
        return f"event: {event.get('type', 'message')}\ndata: {text}\n\n".encode()

    def end(self, said: str, number: int) -> bytes:
        """Return the terminal event."""
        whole = self.document(said)
        if not said:
            whole["output"] = []
        return self.frame({"type": "response.completed", "response": whole}, number)


OPENAI_RESPONSES = OpenAiResponses()
