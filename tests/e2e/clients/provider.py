"""The provider's side of a scenario: from the words of the data file to scripted replies.

A reply is a mapping with one of these keys, and optionally `headers`:

- `answer`: a list of texts, a whole good stream;
- `stream`: a list of parts, see `_PARTS`; `cut: N` sends it N bytes per write;
- `status` with `error`: a failed answer, `error` with the fields of OpenAI's error object;
- `nothing`: no answer at all, by `stall` or `reset`.

What replies can do is in `tests.support.replies`; OpenAI's JSON is in `openai_stream`.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tests.support import openai_stream
from tests.support.replies import Close, Offer, Piece, Reply, Reset, Stall, Step, cut, event, sse

Entry = Mapping[str, Any]


def reply(entry: Entry) -> Reply:
    """Return the reply that an entry of `upstream` stands for."""
    headers = [(name, str(value)) for name, value in entry.get("headers", {}).items()]
    if "answer" in entry:
        return openai_stream.answer(*entry["answer"], headers=headers)
    if "stream" in entry:
        steps: Iterable[Step] = [step for part in entry["stream"] for step in _part(part)]
        if "cut" in entry:
            steps = _cut(steps, entry["cut"])
        return sse(steps, headers=headers)
    if "status" in entry:
        fields = dict(entry["error"])
        message = fields.pop("message")
        return openai_stream.failure(entry["status"], message, headers=headers, **fields)
    nothing: dict[str, Step] = {"stall": Stall(), "reset": Reset()}
    return Reply(nothing[entry["nothing"]])


def _part(part: Any) -> Iterable[Step]:
    if isinstance(part, str):
        return [_WORDS[part]]
    ((kind, value),) = part.items()
    return _PARTS[kind](value)


def _json(value: Entry) -> list[Step]:
    return [Piece(event(value))]


def _texts(value: Any) -> list[Step]:
    if isinstance(value, str):
        return _json(openai_stream.text(value))
    return _json(openai_stream.text(value["of"])) * int(value["times"])


def _endless(value: str) -> list[Step]:
    piece = event(openai_stream.text(value)) * 4
    return [Offer(lambda _: piece, 64 << 20)]


_WORDS: dict[str, Step] = {
    "role": Piece(event(openai_stream.role())),
    "done": Piece(openai_stream.DONE),
    "stall": Stall(),
    "close": Close(),
}

_PARTS: dict[str, Callable[[Any], list[Step]]] = {
    "text": _texts,
    "endless": _endless,
    "refusal": lambda value: _json(openai_stream.refusal(value)),
    "reasoning": lambda value: _json(openai_stream.reasoning(value)),
    "tool": lambda value: _json(openai_stream.tool_call(**value)),
    "finish": lambda value: _json(openai_stream.finish(value)),
    "usage": lambda value: _json(openai_stream.usage(*value)),
    "error": lambda value: _json(openai_stream.error(**value)),
    "bytes": lambda value: [Piece(value.encode())],
}
"""Parts of a stream: a text alone or `{of: …, times: N}`, and so on."""


def _cut(steps: Iterable[Step], size: int) -> Iterable[Step]:
    for step in steps:
        if isinstance(step, Piece):
            yield from cut(step.data, size)
        else:
            yield step
