"""Messages events to calls on a `TurnSink`. Pure and incremental (`anthropic.md` section 4).

`message_stop` is the only end of a stream: a connection that closes without it broke
off, even after a stop reason. A 200 whose body is one JSON document passes the same
code: its blocks begin whole and end at once.
"""

from __future__ import annotations

import msgspec

from sluice.v1 import event_pb2
from sluice_server.errors import ProviderProtocolError
from sluice_server.providers.dialects.anthropic import errors, wire
from sluice_server.providers.dialects.anthropic.answer import (
    FINISH_REASONS,
    REFUSAL,
    UsageCounter,
    read_explanation,
)
from sluice_server.providers.dialects.anthropic.blocks import (
    MAX_HELD_BYTES,
    Block,
    Kind,
    fold,
    open_block,
)
from sluice_server.providers.framing import UNREADABLE, UNREADABLE_EVENT
from sluice_server.providers.sink import TurnSink

MAX_OPEN_BLOCKS = 256
"""Blocks that may be open at a time; the provider opens one after the other."""

_EVENT = msgspec.json.Decoder(wire.Event)
_TYPED = msgspec.json.Decoder(wire.Typed)
_INDEXED = msgspec.json.Decoder(wire.Indexed)
_DOCUMENT = msgspec.json.Decoder(wire.Document)
_UNSET = msgspec.UNSET

_KNOWN_EVENTS = frozenset(
    {
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
        "error",
    }
)
# Routers that imitate Messages end with OpenAI's marker (recorded); it means nothing here.
_FOREIGN_END = b"[DONE]"


class EventReader:
    """Applies events to a sink; the reader of `providers.framing`."""

    def __init__(self, sink: TurnSink) -> None:
        self._sink = sink
        self._usage = UsageCounter()
        self._blocks: dict[int, Block] = {}
        self._held = 0
        self._texts: list[str] = []
        self._speaker: Block | None = None
        """The block whose texts wait for `flush`."""
        self._part: Block | None = None
        """The block of the sink's open part; calls do not count."""
        self._stopped = False
        self._opened = False
        self._produced = False
        self.finished = False
        """The end marker, or a whole document, was read."""

    def event(self, name: bytes, payload: bytes) -> bool:
        """Apply one event of the stream; tells whether it is the end marker."""
        try:
            event = _EVENT.decode(payload)
        except UNREADABLE:
            return self._read_odd(name, payload)
        kind = event.type or name.decode("ascii", "replace")
        if kind == "content_block_delta":
            self._read_delta(event, payload)
        elif kind == "content_block_start":
            self._start(event.index or 0, event.content_block)
        elif kind == "content_block_stop":
            self._stop(event.index or 0)
        elif kind == "message_start":
            self._open(event.message)
        elif kind == "message_delta":
            self._usage.read(event.usage)
            delta = event.delta
            if delta is not None:
                self._finish(delta.stop_reason, delta.stop_sequence, delta.stop_details)
            self._tell_usage(final=True)
        elif kind == "message_stop":
            self._end()
            return True
        elif kind == "error" or (event.error is not _UNSET and bytes(event.error) != b"null"):
            raise errors.classify_in_stream(payload)
        return False

    def document(self, body: bytes) -> None:
        """Apply one whole message."""
        try:
            message = _DOCUMENT.decode(body)
        except UNREADABLE:
            raise ProviderProtocolError(UNREADABLE_EVENT) from None
        if message.type == "error" or (
            message.error is not _UNSET and bytes(message.error) != b"null"
        ):
            raise errors.classify_in_stream(body)
        self._open(message)
        for index, block in enumerate(message.content or ()):
            self._start(index, block)
            self._stop(index)
        self._finish(message.stop_reason, message.stop_sequence, message.stop_details)
        self._tell_usage(final=True)
        self.finished = self._stopped

    def flush(self) -> None:
        """Hand over the text that was read; all of it is one delta."""
        if not self._texts:
            return
        text = self._texts[0] if len(self._texts) == 1 else "".join(self._texts)
        self._texts.clear()
        block = self._speaker
        if block is None:
            raise AssertionError("text without a block")
        if block.kind is Kind.CALL:
            block.said = self._produced = True
            self._sink.tool_call(block.key, id="", name="", arguments=text)
        else:
            self._say(block, text)

    # --- The message --------------------------------------------------------

    def _open(self, message: wire.Message | None) -> None:
        self._opened = True
        if message is not None:
            self._sink.identify(response_id=message.id or "", model=message.model or "")
            self._usage.read(message.usage)
            self._tell_usage(final=False)

    def _tell_usage(self, *, final: bool) -> None:
        usage = self._usage.usage(final=final)
        if usage is not None:
            self._sink.usage(usage)

    def _finish(self, word: str | None, stop: str | None, details: wire.MaybeRaw) -> None:
        if not word or self._stopped:
            return
        self._stopped = True
        self._close_blocks()
        if word == REFUSAL and (explanation := read_explanation(details)):
            self._sink.refusal(explanation)
        reason = FINISH_REASONS.get(word, event_pb2.FINISH_REASON_OTHER)
        if reason == event_pb2.FINISH_REASON_STOP_SEQUENCE:
            self._sink.finish(reason, word=word, stop_sequence=stop or "")
        else:
            self._sink.finish(reason, word=word)

    def _end(self) -> None:
        self._close_blocks()
        if not (self._stopped or self._produced):
            raise ProviderProtocolError("The provider's answer is empty.")
        self.finished = True

    def _read_odd(self, name: bytes, payload: bytes) -> bool:
        """Pass over what is not ours to understand; anything else cannot be read."""
        word = payload.strip()
        if not word or word == _FOREIGN_END:
            return False
        try:
            kind = _TYPED.decode(payload).type or name.decode("ascii", "replace")
            if kind == "content_block_delta":
                block = self._blocks.get(_INDEXED.decode(payload).index or 0)
                if block is not None and block.kind is Kind.OPAQUE:
                    # Members of ours may mean anything in a block of theirs.
                    self._fold(block, payload)
                    return False
        except UNREADABLE:
            raise ProviderProtocolError(UNREADABLE_EVENT) from None
        if kind == "error":
            raise errors.classify_in_stream(payload)
        if not kind or kind in _KNOWN_EVENTS:
            raise ProviderProtocolError(UNREADABLE_EVENT)
        return False

    # --- Blocks -------------------------------------------------------------

    def _start(self, index: int, raw: wire.MaybeRaw) -> None:
        if index in self._blocks:
            self._stop(index)
        if len(self._blocks) == MAX_OPEN_BLOCKS:
            raise ProviderProtocolError(f"More than {MAX_OPEN_BLOCKS} content blocks are open.")
        self.flush()
        block = self._blocks[index] = open_block(index, raw)
        first = block.first
        if block.kind is Kind.CALL:
            self._produced = True
            self._part = None
            self._sink.tool_call(index, id=first.id or "", name=first.name or "", arguments="")
        elif block.kind is Kind.OPAQUE:
            self._hold(len(block.raw))
        elif block.kind is Kind.TEXT and first.text:
            self._append(block, first.text)
        elif block.kind is Kind.THINKING:
            # Before any of it, since the signature covers all of it.
            self._sink.keep_reasoning()
            if first.thinking:
                self._append(block, first.thinking)

    def _read_delta(self, event: wire.Event, payload: bytes) -> None:
        delta = event.delta
        if delta is None:
            return
        index = event.index or 0
        block = self._blocks.get(index)
        if block is None:
            block = self._implied(index, delta)
            if block is None:
                return
        if block.kind is Kind.TEXT:
            text = delta.text
        elif block.kind is Kind.THINKING:
            text = delta.thinking
        elif block.kind is Kind.CALL:
            text = delta.partial_json
        else:
            self._fold(block, payload)
            return
        if text:
            self._append(block, text)
        elif delta.signature:
            self._hold(len(delta.signature))
            block.signature.append(delta.signature)
        elif delta.citation is not _UNSET and bytes(delta.citation) != b"null":
            self._hold(len(bytes(delta.citation)))
            block.citations.append(delta.citation)

    def _fold(self, block: Block, payload: bytes) -> None:
        if block.kind is Kind.OPAQUE:
            self._hold(len(payload))
            fold(block, payload)

    def _implied(self, index: int, delta: wire.Delta) -> Block | None:
        """Open the block of a delta that no start announced; None when it says nothing."""
        if delta.text:
            kind = "text"
        elif delta.thinking:
            kind = "thinking"
        elif delta.partial_json:
            raise ProviderProtocolError("The provider sent arguments of a call without a name.")
        else:
            return None
        self._start(index, msgspec.Raw(b'{"type":"%s"}' % kind.encode()))
        return self._blocks[index]

    def _append(self, block: Block, text: str) -> None:
        if block is not self._speaker:
            self.flush()
            self._speaker = block
        self._texts.append(text)

    def _stop(self, index: int) -> None:
        block = self._blocks.pop(index, None)
        if block is None:
            return
        self.flush()
        if block.kind is Kind.CALL:
            block.finish(self._sink)
            self._sink.end_part(index)
            return
        if block.kind is Kind.TEXT or block.kind is Kind.THINKING:
            if (block.citations or block.signature) and self._part is not block:
                # State belongs to a part, and so does the signature of thinking
                # that the provider does not show (section 3.4).
                self._say(block, "")
            block.finish(self._sink)
        else:
            self._end_part()
            block.finish(self._sink)
            self._produced = True
        if self._part is block:
            self._end_part()

    def _close_blocks(self) -> None:
        for index in list(self._blocks):
            self._stop(index)

    def _say(self, block: Block, text: str) -> None:
        """Put text, or the place for state, into the block's own part."""
        if self._part is not block:
            self._end_part()
            self._part = block
        block.said = self._produced = True
        if block.kind is Kind.THINKING:
            self._sink.reasoning(text)
        else:
            self._sink.text(text)

    def _end_part(self) -> None:
        self._sink.end_part()
        self._part = None

    def _hold(self, size: int) -> None:
        self._held += size
        if self._held > MAX_HELD_BYTES:
            raise ProviderProtocolError(
                f"The provider sent more than {MAX_HELD_BYTES} bytes that belong to no text."
            )
