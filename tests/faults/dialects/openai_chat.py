"""Chat Completions (`openai.md` sections 4 and 9)."""

from tests.faults.dialects.dialect import Dialect, Forms, Json, Kind
from tests.support import openai_stream as chat
from tests.support.replies import event as data_event

CODES: dict[Kind, tuple[str, str | None]] = {
    Kind.INVALID: ("invalid_request_error", None),
    Kind.CREDENTIAL: ("invalid_request_error", "invalid_api_key"),
    Kind.BILLING: ("insufficient_quota", "insufficient_quota"),
    Kind.FORBIDDEN: ("invalid_request_error", "unsupported_country_region_territory"),
    Kind.NOT_FOUND: ("invalid_request_error", "model_not_found"),
    Kind.CONFLICT: ("invalid_request_error", None),
    Kind.TOO_LARGE: ("invalid_request_error", None),
    Kind.RATE: ("rate_limit_error", "rate_limit_exceeded"),
    Kind.INTERNAL: ("server_error", None),
    Kind.OVERLOADED: ("service_unavailable_error", "server_is_overloaded"),
    Kind.TIMEOUT: ("server_error", None),
}
"""Type and code of each error; Responses has the same."""


def error(kind: Kind) -> Json:
    """Return OpenAI's error body."""
    word, code = CODES[kind]
    return chat.error(f"({kind.name.lower()})", type=word, code=code)


class OpenAiChat(Dialect):
    """Data-only events, usage in an extra chunk, `[DONE]` at the end."""

    name = "openai-chat"
    kind = "openai-compatible"
    content_type = "text/event-stream; charset=utf-8"
    is_sse = True
    has_names = False
    has_marker = True
    needs_end = False
    opening = (chat.role(),)
    finish = (chat.finish("stop"), chat.usage(10, 2))

    def __init__(self) -> None:
        self.error_forms: Forms = {
            "an event with an error object": error,
            "an event named error": lambda kind: b"event: error\n" + data_event(error(kind)),
            # vLLM, OpenRouter and llama.cpp (`openai-compatible.md`): the status that is too late.
            "an error with an HTTP status as code": lambda kind: chat.error(
                "no", type=None, code=kind.value
            ),
        }

    def text(self, value: str) -> tuple[Json, ...]:
        """Return one chunk."""
        return (chat.text(value),)

    def call(
        self, number: int, name: str, fragments: tuple[str, ...], id: str | None
    ) -> tuple[Json, ...]:
        """Return a chunk with id and name, and one for each fragment."""
        first = chat.tool_call(number, id=id or f"call_{number}", name=name, arguments="")
        return (first, *(chat.tool_call(number, arguments=piece) for piece in fragments))

    def error(self, kind: Kind) -> Json:
        """Return an error body."""
        return error(kind)

    def document(self, text: str) -> Json:
        """Return a whole completion."""
        message = {"role": "assistant", "content": text}
        return {
            "id": "c1",
            "object": "chat.completion",
            "model": "m",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4},
        }

    def frame(self, event: Json, number: int) -> bytes:
        """Return a `data` event."""
        return data_event(event)

    def end(self, said: str, number: int) -> bytes:
        """Return the marker."""
        return chat.DONE


OPENAI_CHAT = OpenAiChat()
