"""Chat Completions chunks to calls on a `TurnSink`. Pure and incremental.

A stream is whole when `[DONE]` was read, or when the connection ended in good
order after a finish reason (`openai-compatible.md` section 10, rule 3). A 200
whose body is one JSON document passes the same code: a whole completion is a
chunk whose delta is called `message`.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import msgspec

from sluice.v1 import event_pb2
from sluice_server.errors import ProviderProtocolError, ProviderUnavailableError
from sluice_server.providers.dialects.openai_chat import errors, surrogates, wire
from sluice_server.providers.dialects.openai_chat.answer import (
    FINISH_REASONS,
    Thought,
    read_content_list,
    read_usage,
)
from sluice_server.providers.dialects.openai_chat.cost import read_cost
from sluice_server.providers.dialects.openai_chat.details import Details, readable
from sluice_server.providers.dialects.openai_chat.quirks import Quirks
from sluice_server.providers.dialects.openai_chat.reasoning import DETAILS, THINKING
from sluice_server.providers.dialects.openai_chat.think_tags import ThinkTags
from sluice_server.providers.framing import UNREADABLE, UNREADABLE_EVENT
from sluice_server.providers.openai_family.logprobs import read_logprobs
from sluice_server.providers.sink import TurnSink

_CHUNK = msgspec.json.Decoder(wire.Chunk)
_CHUNK_WITH_ODD_USAGE = msgspec.json.Decoder(wire.ChunkWithOddUsage)
_DONE = b"[DONE]"
# No chunk of JSON is shorter, so that longer payloads need no look for the end marker.
_SHORTEST_CHUNK = 16
_UNSET = msgspec.UNSET
_TEXT, _REASONING = "text", "reasoning"
_OLD_CALL = "function_call"


class ChunkReader:
    """Applies chunks to a sink; the reader of `providers.framing`."""

    def __init__(self, sink: TurnSink, quirks: Quirks) -> None:
        self._sink = sink
        self._quirks = quirks
        self._texts: list[str] = []
        self._id: str | None = None
        self._model: str | None = None
        self._served_by: str | None = None
        self._last_call: Hashable = None
        self._calls_without_index = 0
        self._annotations: list[Any] = []
        self._citations: list[Any] | None = None
        self._thinking: dict[str, Any] | None = None
        self._details: Details | None = None
        self._tags = ThinkTags() if quirks.think_tags else None
        self._halves: surrogates.Halves | None = None
        self._whole = False
        self.finished = False
        """A finish reason was read."""
        self.produced = False
        """The model said anything at all."""
        if quirks.reasoning_echo != "none":
            sink.keep_reasoning()

    def event(self, name: bytes, payload: bytes) -> bool:
        """Apply one event of the stream; tells whether it is the end marker."""
        if len(payload) < _SHORTEST_CHUNK:
            word = payload.strip()
            if word == _DONE:
                self._end()
                if not (self.finished or self.produced):
                    raise ProviderProtocolError("The provider's answer is empty.")
                return True
            if not word:
                return False
        if name == b"error":
            # Groq, inside a 200 (`openai-compatible.md` section 2).
            raise errors.classify(0, {}, payload, quirks=self._quirks)
        self._read(payload)
        return False

    def document(self, body: bytes) -> None:
        """Apply one whole completion."""
        self._whole = True
        self._read(body)

    def _read(self, body: bytes) -> None:
        """Apply one chunk; visible text waits for `flush`, or for whatever comes after it."""
        try:
            chunk = _CHUNK.decode(body)
        except UNREADABLE:
            chunk = self._decode_odd(body)
        if chunk.error is not _UNSET:
            self._raise_error(chunk.error, chunk.status_code)
        elif chunk.object == "error":
            raise errors.classify_in_stream(body, quirks=self._quirks)
        # Every chunk repeats id and model; the sink hears of changes alone.
        if chunk.id != self._id or chunk.model != self._model or chunk.provider != self._served_by:
            self._id, self._model, self._served_by = chunk.id, chunk.model, chunk.provider
            self._sink.identify(
                response_id=chunk.id or "",
                model=chunk.model or "",
                served_by=chunk.provider or "",
            )
        if chunk.citations:
            self._citations = chunk.citations
        if chunk.choices:
            for choice in chunk.choices:
                # More than one answer is never asked for.
                if not choice.index:
                    self._read_choice(choice)
        if chunk.usage is not None:
            self._read_usage(chunk.usage)
        if chunk.x_groq is not None:
            self._read_groq(chunk.x_groq, has_usage=chunk.usage is not None)

    def flush(self) -> None:
        """Hand over the text that was read; all of it is one delta."""
        if not self._texts:
            return
        self.produced = True
        text = "".join(self._texts)
        self._texts.clear()
        if self._halves is not None:
            text = self._halves.join(_TEXT, text)
        if self._tags is not None:
            self._say(*self._tags.split(text))
        else:
            self._say("", text)

    def _say(self, thought: str, text: str) -> None:
        if thought:
            self._sink.reasoning(thought)
        if text:
            if self._halves is not None:
                self._give_up(_REASONING)
            if self._thinking is not None:
                self._close_thinking()
            self._sink.text(text)

    # --- What a chunk holds ---

    def _raise_error(self, error: msgspec.Raw, status: int | None) -> None:
        text = bytes(error)
        if text != b"null":
            raise errors.classify_in_stream(text, quirks=self._quirks, status=status or 0)

    def _read_usage(self, counts: wire.Usage) -> None:
        usage = read_usage(counts, self._quirks)
        if usage is not None:
            self._sink.usage(usage)
        if self._quirks.cost_in_usd and (nanos := read_cost(counts)) is not None:
            self._sink.cost(nanos)

    def _read_groq(self, extras: wire.GroqExtras, *, has_usage: bool) -> None:
        if extras.error is not _UNSET:
            self._raise_error(extras.error, None)
        if extras.usage is not None and not has_usage:
            self._read_usage(extras.usage)

    def _read_choice(self, choice: wire.Choice) -> None:
        delta = choice.delta
        if delta is None or self._whole:
            # Perplexity sends both, an empty delta in documents too (recorded).
            delta = choice.message or delta
        if delta is not None:
            # vLLM renamed the field and some servers send both with one value.
            if thought := (
                delta.reasoning_content
                or delta.reasoning
                or (delta.reasoning_details and readable(delta.reasoning_details))
            ):
                self._break_text()
                self._reason(thought)
            if content := delta.content:
                if isinstance(content, str):
                    self._texts.append(content)
                else:
                    self._read_list(content)
            if delta.annotations or delta.reasoning_details or delta.refusal or delta.function_call:
                self._read_rare(delta)
            if delta.tool_calls:
                self._break_part()
                for call in delta.tool_calls:
                    self._read_tool_call(call)
        if choice.logprobs is not None and choice.logprobs.content:
            self.flush()
            self._sink.logprobs(read_logprobs(choice.logprobs.content))
        if choice.finish_reason and not self.finished:
            self._finish(choice.finish_reason, choice.stop_reason)
        elif self._whole and choice.finish_reason == "":
            # A document is whole without it; Snowflake leaves it empty (recorded).
            self._finish("", None, called=delta is not None and bool(delta.tool_calls))

    def _read_rare(self, delta: wire.Delta) -> None:
        if delta.annotations:
            self._annotations.extend(delta.annotations)
        if delta.reasoning_details:
            self._details = self._details or Details()
            self._details.add(delta.reasoning_details)
        if delta.refusal:
            self._break_part()
            self._sink.refusal(delta.refusal)
        old = delta.function_call
        # Snowflake sends an empty one beside real ones (recorded).
        if old is not None and (old.name or old.arguments):
            self._break_part()
            self._tell_call(_OLD_CALL, wire.ToolCall(), old)

    def _reason(self, text: str) -> None:
        self.produced = True
        if self._halves is not None:
            text = self._halves.join(_REASONING, text)
        self._sink.reasoning(text)

    def _read_list(self, content: list[Any]) -> None:
        for piece in read_content_list(content):
            if isinstance(piece, Thought):
                self._break_text()
                self._reason(piece.text)
                if self._quirks.reasoning_echo == "thinking_chunks":
                    self._thinking = {**(self._thinking or {}), **piece.extras}
            else:
                self._texts.append(piece)

    def _read_tool_call(self, call: wire.ToolCall) -> None:
        function = call.function or wire.Function()
        if call.index is not None:
            self._last_call = call.index
        elif call.id or function.name or self._last_call is None:
            # Rule 6: without an index, an id or a name opens a call and
            # anything else continues the last one.
            self._calls_without_index += 1
            self._last_call = ("call", self._calls_without_index)
        self._tell_call(self._last_call, call, function)

    def _tell_call(self, key: Hashable, call: wire.ToolCall, function: wire.Function) -> None:
        arguments = function.arguments or ""
        if not isinstance(arguments, str):
            arguments = msgspec.json.encode(arguments).decode()
        if self._halves is not None:
            arguments = self._halves.join(("call", key), arguments)
        self._sink.tool_call(key, id=call.id or "", name=function.name or "", arguments=arguments)

    # --- Borders of parts, and the end ---

    def _break_text(self) -> None:
        """Hand over all text, since what comes next is not text."""
        self.flush()
        if self._tags is not None and (held := self._tags.close()) != ("", ""):
            self._say(*held)
        if self._halves is not None:
            self._give_up(_TEXT)

    def _break_part(self) -> None:
        """Hand over text and reasoning, since what comes next is neither."""
        self._break_text()
        self.produced = True
        self._tell_sources()
        if self._halves is not None:
            self._give_up(_REASONING)
        self._close_thinking()

    def _tell_sources(self) -> None:
        """Attach the sources of the text to it; it is still open."""
        if self._annotations:
            self._sink.state("annotations", msgspec.json.encode(self._annotations))
            self._annotations = []

    def _close_thinking(self) -> None:
        """Attach what belongs to the open reasoning beside its text."""
        if self._thinking is not None:
            self._sink.state(THINKING, msgspec.json.encode(self._thinking))
            self._sink.end_part()
            self._thinking = None

    def _finish(self, word: str, stop: str | int | None, *, called: bool = False) -> None:
        if word == "error":
            self.flush()
            raise ProviderUnavailableError("The provider ended the answer with an error.")
        self._end()
        self.finished = True
        reason = FINISH_REASONS.get("tool_calls" if called else word, event_pb2.FINISH_REASON_OTHER)
        if reason == event_pb2.FINISH_REASON_STOP and isinstance(stop, str):
            reason = event_pb2.FINISH_REASON_STOP_SEQUENCE
            self._sink.finish(reason, word=word, stop_sequence=stop)
        else:
            self._sink.finish(reason, word=word)

    def _end(self) -> None:
        """Tell what was held back until nothing more comes, once."""
        if self.finished:
            self.flush()
            return
        self._break_text()
        self._annotations = self._annotations or self._citations or []
        self._tell_sources()
        if self._halves is not None:
            for channel in self._halves.waiting():
                self._give_up(channel)
        self._close_thinking()
        if self._details is not None and (array := self._details.array()) is not None:
            self._sink.opaque(DETAILS, array)
            self._details = None

    def _give_up(self, channel: Hashable) -> None:
        rest = self._halves.give_up(channel) if self._halves is not None else ""
        if not rest:
            return
        if isinstance(channel, tuple):
            self._sink.tool_call(channel[1], id="", name="", arguments=rest)
        elif channel == _TEXT:
            self._sink.text(rest)
        else:
            self._sink.reasoning(rest)

    # --- Chunks that cannot be read as they are ---

    def _decode_odd(self, payload: bytes) -> wire.Chunk:
        """Read a chunk whose usage is odd, or that holds half a character."""
        mended = surrogates.mend(payload)
        if mended is not None:
            self._halves = self._halves or surrogates.Halves()
            payload = mended
            try:
                return _CHUNK.decode(payload)
            except UNREADABLE:
                pass
        try:
            chunk = _CHUNK_WITH_ODD_USAGE.decode(payload)
        except UNREADABLE:
            raise ProviderProtocolError(UNREADABLE_EVENT) from None
        return wire.Chunk(
            **{name: getattr(chunk, name) for name in wire.ChunkWithOddUsage.__struct_fields__}
        )
