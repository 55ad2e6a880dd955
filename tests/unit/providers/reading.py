"""Answers of providers, read by decoder and assembler as a turn reads them, without a socket.

Not here: any claim; `told` only puts together what the events of an answer say.
"""

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from sluice.v1 import content_pb2, event_pb2, gateway_service_pb2
from sluice_server.engine.assembler import AnswerRules, Assembler
from sluice_server.engine.parts import Origin
from sluice_server.engine.verdicts import Judge
from sluice_server.errors import SluiceError
from sluice_server.providers.dialect import Dialect
from sluice_server.providers.dialects.openai_chat import OpenAiChat, Quirks

STREAM = "text/event-stream"
DOCUMENT = "application/json"
DONE = b"data: [DONE]\n\n"
MIB = 1024 * 1024
ORIGIN = Origin("example", "model")

Told = list[tuple[str, str]]
"""Kind and content of each part; a call's content is its name, a space and its arguments."""


@dataclass
class Answer:
    """What a caller would get."""

    events: list[event_pb2.Event]
    """All but Started and Completed."""
    completed: event_pb2.Completed | None
    """None when the answer broke off."""
    error: SluiceError | None
    flushes: list[int]
    """Events handed over after each piece."""
    characters: int
    response_id: str
    model: str

    @property
    def whole(self) -> event_pb2.Completed:
        """The end of a good answer."""
        if self.error is not None:
            raise self.error
        assert self.completed is not None
        return self.completed

    @property
    def parts(self) -> Told:
        """The parts of the final message."""
        return [part_told(part) for part in self.whole.message.parts]

    @property
    def calls(self) -> list[content_pb2.ToolCall]:
        """The tool calls of the final message."""
        parts = self.whole.message.parts
        return [part.tool_call for part in parts if part.HasField("tool_call")]


def part_told(part: content_pb2.Part) -> tuple[str, str]:
    """Return kind and content of a part of a message."""
    kind = part.WhichOneof("kind")
    match kind:
        case "text":
            return kind, part.text
        case "refusal":
            return kind, part.refusal
        case "reasoning":
            return kind, part.reasoning.text
        case "tool_call":
            return kind, f"{part.tool_call.name} {part.tool_call.arguments_json}"
        case _:
            raise AssertionError(kind)


def told(events: Iterable[event_pb2.Event]) -> Told:
    """Return the parts as the deltas tell them, and check the order of events.

    Every part opens once, in the order of indexes, closes at most once, and has
    its deltas in between.
    """
    kinds: list[str] = []
    names: list[str] = []
    pieces: list[list[str]] = []
    closed: set[int] = set()
    for event in events:
        match event.WhichOneof("kind"):
            case "part_started":
                started = event.part_started
                assert started.part == len(kinds)
                kinds.append(started.WhichOneof("kind") or "")
                names.append(started.tool_call.name)
                pieces.append([])
            case "text_delta":
                assert kinds[event.text_delta.part] in {"text", "refusal"}
                assert event.text_delta.part not in closed
                assert event.text_delta.text
                pieces[event.text_delta.part].append(event.text_delta.text)
            case "reasoning_delta":
                assert kinds[event.reasoning_delta.part] == "reasoning"
                assert event.reasoning_delta.part not in closed
                pieces[event.reasoning_delta.part].append(event.reasoning_delta.text)
            case "tool_arguments_delta":
                arguments = event.tool_arguments_delta
                assert kinds[arguments.part] == "tool_call"
                assert arguments.part not in closed
                pieces[arguments.part].append(arguments.fragment)
            case "part_finished":
                assert event.part_finished.part not in closed
                closed.add(event.part_finished.part)
            case "logprobs_delta":
                assert event.logprobs_delta.part < len(kinds)
            case other:
                raise AssertionError(other)
    contents = ["".join(piece) for piece in pieces]
    return [
        (kind, f"{name} {_arguments(content)}" if kind == "tool_call" else content)
        for kind, name, content in zip(kinds, names, contents, strict=True)
    ]


def _arguments(written: str) -> str:
    """Return what a call's arguments come to, which may be written as nothing."""
    text = written.strip()
    return "{}" if text in {"", "null"} else text


def read(
    *pieces: bytes,
    content_type: str = STREAM,
    quirks: Quirks | None = None,
    dialect: Dialect | None = None,
    stream: bool = True,
    include_reasoning: bool = True,
    max_message_bytes: int = 2 * MIB,
    max_whole_bytes: int = 2 * MIB,
    tools: Sequence[content_pb2.Tool] = (),
    used_call_ids: Collection[str] = (),
    validation: gateway_service_pb2.ToolCallValidation.ValueType = (
        gateway_service_pb2.TOOL_CALL_VALIDATION_UNSPECIFIED
    ),
) -> Answer:
    """Read an answer that arrives in these pieces; only SluiceError is caught.

    The dialect is Chat Completions with `quirks`, unless another is given.
    """
    rules = AnswerRules(
        stream=stream,
        include_reasoning=include_reasoning,
        max_message_bytes=max_message_bytes,
        max_whole_bytes=max_whole_bytes,
    )
    assembler = Assembler(rules, Judge(tools, validation), used_call_ids, ORIGIN)
    events: list[event_pb2.Event] = []
    flushes: list[int] = []
    completed: event_pb2.Completed | None = None
    error: SluiceError | None = None

    def flush() -> None:
        message = assembler.flush()
        ready = list(message.events) if message is not None else []
        flushes.append(len(ready))
        events.extend(ready)

    try:
        decoder = (dialect or OpenAiChat(quirks)).decoder(assembler, content_type=content_type)
        for piece in pieces:
            ended = decoder.feed(piece)
            flush()
            if ended:
                break
        else:
            decoder.close()
        completed = assembler.complete()
    except SluiceError as caught:
        error = caught
    flush()
    if events:
        assert events.pop(0).HasField("started")
    if completed is not None:
        assert events.pop().HasField("completed")
    assert not any(event.HasField("started") or event.HasField("completed") for event in events)
    return Answer(
        events,
        completed,
        error,
        flushes,
        assembler.characters,
        assembler.response_id,
        assembler.model,
    )


def sse(*chunks: Any) -> bytes:
    """Return a stream of these chunks; bytes stand as they are."""
    return b"".join(
        chunk if isinstance(chunk, bytes) else f"data: {json.dumps(chunk)}\n\n".encode()
        for chunk in chunks
    )


def choice(finish_reason: str | None = None, **delta: Any) -> dict[str, Any]:
    """Return a chunk with one choice."""
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}]}


def fragment(
    index: int | None = None, id: str | None = None, name: str | None = None, arguments: Any = None
) -> dict[str, Any]:
    """Return a chunk with one fragment of a tool call; what is None is left out."""
    function = {"name": name, "arguments": arguments}
    call: dict[str, Any] = {
        "index": index,
        "id": id,
        "function": {key: value for key, value in function.items() if value is not None},
    }
    return choice(tool_calls=[{key: value for key, value in call.items() if value is not None}])


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    """Return `data` in pieces that end at these places."""
    edges = [0, *sorted({place % (len(data) + 1) for place in places}), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


def each_byte(data: bytes) -> list[bytes]:
    """Return `data` in pieces of one byte."""
    return [data[place : place + 1] for place in range(len(data))]
