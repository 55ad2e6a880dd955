"""The shapes of Responses answers, as far as Sluice reads them (`openai.md` section 6).

Unknown fields are skipped while parsing, and every field is optional, since
look-alikes leave out any of them. What is odd without spoiling the answer (usage,
log-probs, annotations), and what is kept verbatim (items), stays raw here.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec

MaybeRaw: TypeAlias = msgspec.Raw | msgspec.UnsetType


class Event(msgspec.Struct):
    """Any event of a stream; `type` tells which of the other fields it has."""

    type: str | None = None
    output_index: int | None = None
    item_id: str | None = None
    content_index: int | None = None
    summary_index: int | None = None
    delta: str | None = None
    text: str | None = None
    refusal: str | None = None
    arguments: str | dict[str, Any] | None = None
    logprobs: MaybeRaw = msgspec.UNSET
    item: MaybeRaw = msgspec.UNSET
    part: MaybeRaw = msgspec.UNSET
    annotation: MaybeRaw = msgspec.UNSET
    response: MaybeRaw = msgspec.UNSET
    error: MaybeRaw = msgspec.UNSET


class EventType(msgspec.Struct):
    """An event of which nothing else can be read."""

    type: str | None = None


class ItemHead(msgspec.Struct):
    """What every item of an output has."""

    type: str | None = None
    id: str | None = None


class Message(msgspec.Struct):
    """An item of visible text."""

    content: list[msgspec.Raw] | str | None = None
    phase: str | None = None


class FunctionCall(msgspec.Struct):
    """A call; its `id` is not the `call_id` that results refer to (section 12)."""

    call_id: str | None = None
    name: str | None = None
    arguments: str | dict[str, Any] | None = None
    namespace: str | None = None


class Reasoning(msgspec.Struct):
    """An item of reasoning; `content` is the raw kind, `summary` the told one."""

    summary: list[msgspec.Raw] | None = None
    content: list[msgspec.Raw] | None = None


class Started(msgspec.Struct):
    """The items that are opened before they are done, in one shape."""

    type: str | None = None
    id: str | None = None
    call_id: str | None = None
    name: str | None = None
    phase: str | None = None


class ContentPart(msgspec.Struct):
    """A part of a message, or of reasoning."""

    type: str | None = None
    text: str | None = None
    refusal: str | None = None
    annotations: MaybeRaw = msgspec.UNSET
    logprobs: MaybeRaw = msgspec.UNSET


class InputDetails(msgspec.Struct):
    """Parts of the input tokens."""

    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class OutputDetails(msgspec.Struct):
    """Parts of the output tokens."""

    reasoning_tokens: int | None = None


class Usage(msgspec.Struct):
    """Token counts; details are parts of the totals."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    input_tokens_details: InputDetails | None = None
    output_tokens_details: OutputDetails | None = None


class IncompleteDetails(msgspec.Struct):
    """Why an answer is incomplete."""

    reason: str | None = None


class Response(msgspec.Struct):
    """The whole answer, or what is known of it at the start of a stream."""

    id: str | None = None
    model: str | None = None
    status: str | None = None
    output: list[msgspec.Raw] | None = None
    usage: MaybeRaw = msgspec.UNSET
    error: MaybeRaw = msgspec.UNSET
    incomplete_details: MaybeRaw = msgspec.UNSET
