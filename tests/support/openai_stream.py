"""Builders of OpenAI chat-completions JSON, as `sse` takes it.

Shapes are those of the public reference: data-only events, one choice, usage in an extra
chunk without choices, `[DONE]` at the end. How bytes reach the client is in `replies`.
"""

import json
from collections.abc import Mapping
from typing import Any

from tests.support.replies import Headers, Reply, json_body, sse

DONE = b"data: [DONE]\n\n"
RESPONSE_ID = "chatcmpl-test-1"
MODEL = "test-model-2026-11-01"
"""Name by which the upstream calls its model in answers; differs from what was asked for."""

Json = dict[str, Any]


def chunk(
    delta: Mapping[str, Any] | None = None, *, finish_reason: str | None = None, **extra: Any
) -> Json:
    """Return one chunk with one choice; `extra` sets or replaces top-level fields."""
    choice = {"index": 0, "delta": dict(delta or {}), "finish_reason": finish_reason}
    value: Json = {
        "id": RESPONSE_ID,
        "object": "chat.completion.chunk",
        "created": 1787150252,
        "model": MODEL,
        "choices": [choice],
        "usage": None,
    }
    return value | extra


def role() -> Json:
    """Return the opening chunk that only names the role."""
    return chunk({"role": "assistant", "content": ""})


def text(value: str) -> Json:
    """Return a chunk with visible text."""
    return chunk({"content": value})


def refusal(value: str) -> Json:
    """Return a chunk with a piece of a refusal."""
    return chunk({"refusal": value})


def reasoning(value: str, *, field: str = "reasoning_content") -> Json:
    """Return a chunk with reasoning text, in the field that the look-alike uses."""
    return chunk({"content": None, field: value})


def tool_call(
    index: int | None,
    *,
    id: str | None = None,
    name: str | None = None,
    arguments: str | None = None,
) -> Json:
    """Return a chunk with one fragment of one tool call; absent fields are left out."""
    function = {"name": name, "arguments": arguments}
    fragment: Json = {"function": {key: v for key, v in function.items() if v is not None}}
    if index is not None:
        fragment["index"] = index
    if id is not None:
        fragment |= {"id": id, "type": "function"}
    return chunk({"tool_calls": [fragment]})


def finish(reason: str) -> Json:
    """Return the chunk with an empty delta and the reason why the model stopped."""
    return chunk(finish_reason=reason)


def usage(
    prompt: int, completion: int, *, cached: int | None = None, reasoned: int | None = None
) -> Json:
    """Return the extra chunk without choices that holds the token counts."""
    counts: Json = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }
    if cached is not None:
        counts["prompt_tokens_details"] = {"cached_tokens": cached}
    if reasoned is not None:
        counts["completion_tokens_details"] = {"reasoning_tokens": reasoned}
    return chunk(choices=[], usage=counts)


def error(
    message: str,
    *,
    type: str | None = "server_error",
    code: str | int | None = None,
    param: str | None = None,
) -> Json:
    """Return an error object, as a body or as an event inside a stream."""
    return {"error": {"message": message, "type": type, "param": param, "code": code}}


def failure(status: int, message: str = "no", *, headers: Headers = (), **fields: Any) -> Reply:
    """Return an error answer with this HTTP status; `fields` are those of `error`."""
    fields.setdefault("type", "server_error" if status >= 500 else "invalid_request_error")
    return json_body(status, error(message, **fields), headers=headers)


def answer(*pieces: str, finish_reason: str = "stop", headers: Headers = ()) -> Reply:
    """Return a whole good stream of text: role, one chunk per piece, finish, usage, end."""
    middle = [text(piece) for piece in pieces]
    counts = usage(10, max(len(pieces), 1))
    return sse(role(), *middle, finish(finish_reason), counts, DONE, headers=headers)


def models(*names: str) -> Reply:
    """Return a model list, for `Upstream.route`."""
    data = [{"id": n, "object": "model", "created": 1, "owned_by": "test"} for n in names]
    return json_body(200, {"object": "list", "data": data})


def text_of(body: bytes) -> str:
    """Return the text of all deltas in a byte stream of events; for the builders' own tests."""
    events = [line[6:] for line in body.split(b"\n") if line.startswith(b"data: {")]
    choices = [choice for item in events for choice in json.loads(item)["choices"]]
    return "".join(choice["delta"].get("content") or "" for choice in choices)
