"""Content blocks of an answer while they grow, and what each becomes at its end.

A block is keyed by its index. Text, thinking and calls have a place in our contract;
every other block goes back as it came, so it is collected whole, with its deltas
folded in (`anthropic.md` sections 3.1 and 4).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto

import msgspec

from sluice_server.errors import ProviderProtocolError
from sluice_server.providers import failures
from sluice_server.providers.dialects.anthropic import wire
from sluice_server.providers.framing import UNREADABLE, UNREADABLE_EVENT
from sluice_server.providers.sink import TurnSink

MAX_HELD_BYTES = 16 * 1024 * 1024
"""Bound of what one answer's blocks may hold back until their end: signatures,
citations and blocks that go back whole. The largest known, results of web searches
and of code execution, are some hundred KiB."""

_TYPED = msgspec.json.Decoder(wire.Typed)
_BLOCK = msgspec.json.Decoder(wire.Block)
_OPAQUE_DELTA = msgspec.json.Decoder(wire.OpaqueDelta)
_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ITEMS = msgspec.json.Decoder(list[msgspec.Raw])
_ENCODER = msgspec.json.Encoder()

_NOTHING = (b"", b"null", b"{}")
_DIRECT = "direct"


class Kind(Enum):
    """What a block is."""

    TEXT = auto()
    THINKING = auto()
    CALL = auto()
    REDACTED = auto()
    OPAQUE = auto()


KINDS = {
    "text": Kind.TEXT,
    "thinking": Kind.THINKING,
    "tool_use": Kind.CALL,
    "redacted_thinking": Kind.REDACTED,
}


@dataclass(slots=True, eq=False)
class Block:
    """One block."""

    key: int
    kind: Kind
    first: wire.Block
    """How it began; all of it in a document."""
    raw: bytes = b""
    """The beginning as it came, of a block that goes back whole."""
    said: bool = False
    """The sink has heard of its text, thinking or arguments."""
    signature: list[str] = field(default_factory=list)
    citations: list[msgspec.Raw] = field(default_factory=list)
    arguments: list[str] = field(default_factory=list)
    """Pieces of the input of a block that goes back whole."""
    members: dict[str, list[msgspec.Raw]] = field(default_factory=dict)
    """What other deltas add to a block that goes back whole, by member."""

    def finish(self, sink: TurnSink) -> None:
        """Tell what could not be told before the block's end."""
        match self.kind:
            case Kind.TEXT:
                if self.citations:
                    sink.state("citations", _verbatim(b"[" + b",".join(self.citations) + b"]"))
            case Kind.THINKING:
                if signature := "".join(self.signature):
                    sink.state("signature", signature.encode())
            case Kind.CALL:
                self._finish_call(sink)
            case Kind.REDACTED:
                if self.first.data:
                    sink.opaque("redacted_thinking", self.first.data.encode())
            case Kind.OPAQUE:
                sink.opaque("block", _verbatim(self._whole()))

    def _finish_call(self, sink: TurnSink) -> None:
        whole = _bytes(self.first.input)
        if not self.said and whole.strip() not in _NOTHING:
            # A document, or a server that does not stream arguments: what else is
            # a placeholder (section 4, note 4) is all there is.
            sink.tool_call(self.key, id="", name="", arguments=_verbatim(whole).decode())
        caller = _bytes(self.first.caller)
        if caller.strip() not in _NOTHING and not _is_direct(caller):
            sink.state("caller", _verbatim(caller), call=self.key)

    def _whole(self) -> bytes:
        if not self.arguments and not self.members:
            return self.raw
        members = _MEMBERS.decode(self.raw)
        for name, pieces in self.members.items():
            members[name] = _folded(members.get(name), pieces)
        written = "".join(self.arguments).strip()
        if written:
            # Cut by the output limit, it is no JSON, and an object is wanted.
            whole = isinstance(failures.parse(written.encode()), dict)
            members["input"] = msgspec.Raw(written.encode() if whole else b"{}")
        return _ENCODER.encode(members)


def open_block(key: int, raw: wire.MaybeRaw) -> Block:
    """Return the block that begins with this JSON.

    Raises:
        ProviderProtocolError: it cannot be read.
    """
    data = _bytes(raw)
    try:
        kind = KINDS.get(_TYPED.decode(data).type or "", Kind.OPAQUE)
        if kind is Kind.OPAQUE:
            return Block(key, kind, wire.Block(), raw=data)
        first = _BLOCK.decode(data)
    except UNREADABLE:
        raise ProviderProtocolError(UNREADABLE_EVENT) from None
    block = Block(key, kind, first)
    if first.signature:
        block.signature.append(first.signature)
    if first.citations:
        block.citations.extend(first.citations)
    return block


def fold(block: Block, payload: bytes) -> None:
    """Fold the delta of an event into a block that goes back whole.

    Raises:
        ProviderProtocolError: it cannot be read.
    """
    try:
        delta = _OPAQUE_DELTA.decode(payload).delta
        pieces = delta.pop("partial_json", None)
        if pieces is not None:
            block.arguments.append(msgspec.json.decode(pieces, type=str))
    except UNREADABLE:
        raise ProviderProtocolError(UNREADABLE_EVENT) from None
    delta.pop("type", None)
    # A citation is an item of the list that the block calls by the plural.
    citation = delta.pop("citation", None)
    if citation is not None:
        delta["citations"] = msgspec.Raw(b"[" + bytes(citation) + b"]")
    for name, piece in delta.items():
        block.members.setdefault(name, []).append(piece)


def _folded(begun: msgspec.Raw | None, pieces: list[msgspec.Raw]) -> msgspec.Raw:
    """Return a member with its pieces: texts and lists are joined, anything else replaced."""
    values = [
        raw for raw in ([begun] if begun is not None else []) + pieces if bytes(raw) != b"null"
    ]
    if not values:
        return msgspec.Raw(b"null")
    try:
        if all(bytes(raw)[:1] == b'"' for raw in values):
            texts = [msgspec.json.decode(raw, type=str) for raw in values]
            return msgspec.Raw(_ENCODER.encode("".join(texts)))
        if all(bytes(raw)[:1] == b"[" for raw in values):
            items = [item for raw in values for item in _ITEMS.decode(raw)]
            return msgspec.Raw(b"[" + b",".join(items) + b"]")
    except UNREADABLE:
        raise ProviderProtocolError(UNREADABLE_EVENT) from None
    return values[-1]


def _is_direct(caller: bytes) -> bool:
    try:
        return _TYPED.decode(caller).type == _DIRECT
    except UNREADABLE:
        return False


def _bytes(raw: wire.MaybeRaw) -> bytes:
    return b"" if isinstance(raw, msgspec.UnsetType) else bytes(raw)


def _verbatim(json: bytes) -> bytes:
    """Return JSON as it came; skipping over it has checked its syntax but not its characters."""
    try:
        json.decode()
    except UnicodeDecodeError:
        raise ProviderProtocolError(UNREADABLE_EVENT) from None
    return json
