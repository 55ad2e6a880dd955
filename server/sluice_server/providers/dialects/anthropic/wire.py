"""The shapes of Messages answers, as far as Sluice reads them (`anthropic.md` section 4).

Unknown fields are skipped while parsing, and every field is optional. What comes
seldom and may be odd without spoiling an answer (usage, blocks that go back
verbatim) stays raw here and is read by whoever needs it.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

MaybeRaw: TypeAlias = msgspec.Raw | msgspec.UnsetType


class Delta(msgspec.Struct):
    """What an event adds: to a block, or to the message at its end."""

    type: str | None = None
    text: str | None = None
    partial_json: str | None = None
    thinking: str | None = None
    signature: str | None = None
    citation: MaybeRaw = msgspec.UNSET
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: MaybeRaw = msgspec.UNSET


class Message(msgspec.Struct):
    """A whole message, or what opens a stream."""

    id: str | None = None
    model: str | None = None
    content: list[msgspec.Raw] | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: MaybeRaw = msgspec.UNSET
    usage: MaybeRaw = msgspec.UNSET


class Event(msgspec.Struct):
    """One event of a stream; `type` equals the event's name."""

    type: str | None = None
    index: int | None = None
    delta: Delta | None = None
    content_block: MaybeRaw = msgspec.UNSET
    message: Message | None = None
    usage: MaybeRaw = msgspec.UNSET
    error: MaybeRaw = msgspec.UNSET


class Typed(msgspec.Struct):
    """The one member that tells what an object is."""

    type: str | None = None


class Indexed(msgspec.Struct):
    """The one member that tells to which block an event belongs."""

    index: int | None = None


class Document(Message):
    """A body that is one document: a message or an error."""

    type: str | None = None
    error: MaybeRaw = msgspec.UNSET


class Block(msgspec.Struct):
    """A content block that has a place in our contract."""

    type: str | None = None
    text: str | None = None
    citations: list[msgspec.Raw] | None = None
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None
    id: str | None = None
    name: str | None = None
    input: MaybeRaw = msgspec.UNSET
    caller: MaybeRaw = msgspec.UNSET


class OpaqueDelta(msgspec.Struct):
    """A delta of a block that goes back verbatim: all of its members."""

    delta: dict[str, msgspec.Raw] = {}


class StopDetails(msgspec.Struct):
    """Why the model refused (`anthropic.md` section 5)."""

    explanation: str | None = None


class Model(msgspec.Struct):
    """An entry of the model list (`anthropic.md` section 8)."""

    id: str | None = None
    display_name: str | None = None
    created_at: str | None = None
    max_input_tokens: int | None = None
    max_tokens: int | None = None
    lifecycle: str | None = None
    retires_at: str | None = None
    capabilities: dict[str, msgspec.Raw] | None = None


class ModelList(msgspec.Struct):
    """A page of the model list."""

    data: list[Model]
    has_more: bool | None = None
    last_id: str | None = None
