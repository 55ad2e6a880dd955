"""One good answer of every wire format, as a stream and as a document, to be damaged by tests.

Not here: what becomes of them.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sluice_server.config.settings import Provider
from sluice_server.providers.dialect import Dialect
from sluice_server.providers.presets import PRESETS
from tests.unit.providers.reading import DOCUMENT, DONE, STREAM, choice, fragment, sse


@dataclass(frozen=True)
class Seed:
    """A good answer."""

    kind: str
    content_type: str
    body: bytes
    ends: tuple[bytes, ...]
    """Without any of these bytes an answer cannot be whole."""

    def dialect(self) -> Dialect:
        """Return the dialect that reads it."""
        return PRESETS[self.kind].dialect(Provider.model_validate({"kind": self.kind}))


def named(*events: Mapping[str, Any]) -> bytes:
    """Return a stream whose events are named by their type."""
    return b"".join(
        f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events
    )


def crlf(*chunks: Mapping[str, Any]) -> bytes:
    """Return a stream of data events that end with CRLF."""
    return b"".join(f"data: {json.dumps(chunk)}\r\n\r\n".encode() for chunk in chunks)


CHAT = sse(
    {"id": "r", "model": "m", "choices": []},
    choice(role="assistant", content=""),
    choice(content="Hé😀"),
    choice(reasoning="Hm"),
    fragment(0, "a", "f", '{"x"'),
    fragment(0, arguments=": 1}"),
    choice(
        content=[{"type": "text", "text": "x"}, {"type": "thinking", "thinking": [{"text": "y"}]}]
    ),
    b": ping\r\n\r\n",
    choice("tool_calls"),
    {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2}},
    DONE,
)
CHAT_WHOLE: dict[str, Any] = {
    "id": "r",
    "choices": [
        {
            "index": 0,
            "message": {
                "content": "Hi",
                "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": "{}"}}],
            },
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 1, "completion_tokens": 2},
    "error": None,
}

_BLOCKS: list[dict[str, Any]] = [
    {"type": "thinking", "thinking": "Hm", "signature": "c2ln"},
    {"type": "redacted_thinking", "data": "cmVk"},
    {"type": "text", "text": "Hé😀", "citations": [{"type": "page_location", "cited_text": "x"}]},
    {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"q": 1}},
    {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"x": 1}},
]
ANTHROPIC_WHOLE: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "content": _BLOCKS,
    "stop_reason": "tool_use",
    "usage": {"input_tokens": 1, "cache_read_input_tokens": 2, "output_tokens": 3},
}
ANTHROPIC = named(
    {
        "type": "message_start",
        "message": {**ANTHROPIC_WHOLE, "content": [], "stop_reason": None},
    },
    {
        "type": "content_block_start",
        "index": 0,
        "content_block": {"type": "thinking", "thinking": "", "signature": ""},
    },
    {"type": "ping"},
    {
        "type": "content_block_delta",
        "index": 0,
        "delta": {"type": "thinking_delta", "thinking": "Hm"},
    },
    {
        "type": "content_block_delta",
        "index": 0,
        "delta": {"type": "signature_delta", "signature": "c2ln"},
    },
    {"type": "content_block_stop", "index": 0},
    {"type": "content_block_start", "index": 1, "content_block": _BLOCKS[1]},
    {"type": "content_block_stop", "index": 1},
    {"type": "content_block_start", "index": 2, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 2, "delta": {"type": "text_delta", "text": "Hé😀"}},
    {"type": "content_block_stop", "index": 2},
    {
        "type": "content_block_start",
        "index": 3,
        "content_block": {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}},
    },
    {
        "type": "content_block_delta",
        "index": 3,
        "delta": {"type": "input_json_delta", "partial_json": '{"x": 1}'},
    },
    {"type": "content_block_stop", "index": 3},
    {
        "type": "message_delta",
        "delta": {"stop_reason": "tool_use", "stop_sequence": None},
        "usage": {"output_tokens": 9},
    },
    {"type": "message_stop"},
)

_ITEMS: list[dict[str, Any]] = [
    {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [{"type": "summary_text", "text": "Hm"}],
        "encrypted_content": "ZW5j",
    },
    {
        "type": "message",
        "id": "msg_1",
        "role": "assistant",
        "phase": "commentary",
        "content": [{"type": "output_text", "text": "Hé😀", "annotations": []}],
    },
    {"type": "web_search_call", "id": "ws_1", "status": "completed"},
    {
        "type": "function_call",
        "id": "fc_1",
        "call_id": "call_1",
        "name": "f",
        "arguments": '{"x": 1}',
    },
]
RESPONSES_WHOLE: dict[str, Any] = {
    "id": "resp_1",
    "object": "response",
    "model": "m",
    "status": "completed",
    "error": None,
    "output": _ITEMS,
    "usage": {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3},
}
RESPONSES = named(
    {
        "type": "response.created",
        "response": {**RESPONSES_WHOLE, "status": "in_progress", "output": []},
    },
    {"type": "response.output_item.added", "output_index": 0, "item": {**_ITEMS[0], "summary": []}},
    {
        "type": "response.reasoning_summary_text.delta",
        "item_id": "rs_1",
        "output_index": 0,
        "summary_index": 0,
        "delta": "Hm",
    },
    {"type": "response.output_item.done", "output_index": 0, "item": _ITEMS[0]},
    {"type": "response.output_item.added", "output_index": 1, "item": {**_ITEMS[1], "content": []}},
    {
        "type": "response.output_text.delta",
        "item_id": "msg_1",
        "output_index": 1,
        "content_index": 0,
        "delta": "Hé😀",
    },
    {"type": "response.output_item.done", "output_index": 1, "item": _ITEMS[1]},
    {"type": "response.output_item.added", "output_index": 2, "item": _ITEMS[2]},
    {"type": "response.output_item.done", "output_index": 2, "item": _ITEMS[2]},
    {
        "type": "response.output_item.added",
        "output_index": 3,
        "item": {**_ITEMS[3], "arguments": ""},
    },
    {
        "type": "response.function_call_arguments.delta",
        "item_id": "fc_1",
        "output_index": 3,
        "delta": '{"x": 1}',
    },
    {"type": "response.output_item.done", "output_index": 3, "item": _ITEMS[3]},
    {"type": "response.completed", "response": RESPONSES_WHOLE},
)

_CHUNKS: list[dict[str, Any]] = [
    {
        "candidates": [{"index": 0, "content": {"role": "model", "parts": [part]}, **extra}],
        "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 2},
        "modelVersion": "m",
        "responseId": "r",
    }
    for part, extra in (
        ({"text": "Hm", "thought": True}, {}),
        ({"text": "Hé😀"}, {}),
        ({"functionCall": {"name": "f", "args": {"x": 1}}, "thoughtSignature": "c2ln"}, {}),
        ({"text": "", "thoughtSignature": "c2ln"}, {"finishReason": "STOP"}),
    )
]
GEMINI = crlf(*_CHUNKS)

_STOPS = (b"completed", b"incomplete", b"cancelled")
SEEDS = {
    "chat-stream": Seed("openai", STREAM, CHAT, (b"[DONE]", b"finish_reason")),
    "chat-document": Seed("openai", DOCUMENT, json.dumps(CHAT_WHOLE).encode(), (b"finish_reason",)),
    "openrouter-stream": Seed("openrouter", STREAM, CHAT, (b"[DONE]", b"finish_reason")),
    "mistral-stream": Seed("mistral", STREAM, CHAT, (b"[DONE]", b"finish_reason")),
    "anthropic-stream": Seed("anthropic", STREAM, ANTHROPIC, (b"message_stop",)),
    "anthropic-document": Seed(
        "anthropic", DOCUMENT, json.dumps(ANTHROPIC_WHOLE).encode(), (b"stop_reason",)
    ),
    "responses-stream": Seed("openai-responses", STREAM, RESPONSES, _STOPS),
    "responses-document": Seed(
        "openai-responses", DOCUMENT, json.dumps(RESPONSES_WHOLE).encode(), _STOPS
    ),
    "gemini-stream": Seed("gemini", STREAM, GEMINI, (b"finishReason", b"blockReason")),
    "gemini-array": Seed(
        "gemini",
        DOCUMENT,
        json.dumps(_CHUNKS, indent=1).encode(),
        (b"finishReason", b"blockReason"),
    ),
    "gemini-document": Seed(
        "gemini", DOCUMENT, json.dumps(_CHUNKS[3]).encode(), (b"finishReason", b"blockReason")
    ),
}
"""The good answers by name."""
