"""Chat Completions chunks to calls on a `TurnSink`. Pure and incremental.

A stream is whole when `[DONE]` was read, or when the connection ended in good
order after a finish reason (`openai-compatible.md` section 10, rule 3). A 200
whose body is one JSON document passes the same code: a whole completion is a
chunk whose delta is called `message`.
"""

from __future__ import annotations

from collections.abc import Hashable

import msgspec

from sluice.v1 import event_pb2
from sluice_server.errors import ProviderProtocolError, ProviderUnavailableError
from sluice_server.providers.dialects.openai_chat import errors, wire
from sluice_server.providers.dialects.openai_chat.answer import (
    FINISH_REASONS,
    read_content_list,
    read_logprobs,
    read_usage,
)
from sluice_server.providers.dialects.openai_chat.quirks import Quirks
from sluice_server.providers.framing import UNREADABLE, UNREADABLE_EVENT
from sluice_server.providers.sink import TurnSink

_CHUNK = msgspec.json.Decoder(wire.Chunk)
_CHUNK_WITH_ODD_USAGE = msgspec.json.Decoder(wire.ChunkWithOddUsage)
_DONE = b"[DONE]"
# No chunk of JSON is shorter, so that longer payloads need no look for the end marker.
_SHORTEST_CHUNK = 16
_UNSET = msgspec.UNSET


class ChunkReader:
    """Applies chunks to a sink; the reader of `providers.framing`."""

    def __init__(self, sink: TurnSink, quirks: Quirks) -> None:
        self._sink = sink
        self._quirks = quirks
        self._texts: list[str] = []
        self._id: str | None = None
        self._model: str | None = None
        self._last_call: Hashable = None
        self._calls_without_index = 0
        self.finished = False
        """A finish reason was read."""
        self.produced = False
        """The model said anything at all."""

    def event(self, name: bytes, payload: bytes) -> bool:
        """Apply one event of the stream; tells whether it is the end marker."""
        if len(payload) < _SHORTEST_CHUNK:
            word = payload.strip()
            if word == _DONE:
                self.flush()
                if not (self.finished or self.produced):
                    raise ProviderProtocolError("The provider's answer is empty.")
                return True
            if not word:
                return False
        self.document(payload)
        return False

    def document(self, body: bytes) -> None:
        """Apply one chunk, or one whole completion.

        Visible text waits for `flush`, or for whatever comes after it.
        """
        try:
            chunk = _CHUNK.decode(body)
        except UNREADABLE:
            chunk = _decode_with_odd_usage(body)
        if chunk.error is not _UNSET:
            self._raise_error(bytes(chunk.error))
        elif chunk.object == "error":
            self._raise_error(body)
        # Every chunk repeats id and model; the sink hears of changes alone.
        if chunk.id != self._id or chunk.model != self._model:
            self._id, self._model = chunk.id, chunk.model
            self._sink.identify(response_id=chunk.id or "", model=chunk.model or "")
        if chunk.choices:
            for choice in chunk.choices:
                # More than one answer is never asked for.
                if not choice.index:
                    self._read_choice(choice)
        if chunk.usage is not None:
            usage = read_usage(chunk.usage, self._quirks)
            if usage is not None:
                self._sink.usage(usage)

    def flush(self) -> None:
        """Hand over the text that was read; all of it is one delta."""
        if self._texts:
            self.produced = True
            self._sink.text("".join(self._texts))
            self._texts.clear()

    def _raise_error(self, error: bytes) -> None:
        if error != b"null":
            raise errors.classify_in_stream(
                error,
                insufficient_quota_is_transient=self._quirks.insufficient_quota_is_transient,
            )

    def _read_choice(self, choice: wire.Choice) -> None:
        delta = choice.delta or choice.message
        if delta is not None:
            # vLLM renamed the field and some servers send both with one value.
            if thought := delta.reasoning_content or delta.reasoning:
                self.flush()
                self.produced = True
                self._sink.reasoning(thought)
            if content := delta.content:
                if isinstance(content, str):
                    self._texts.append(content)
                else:
                    self.flush()
                    self.produced = True
                    read_content_list(content, self._sink)
            if delta.refusal:
                self.flush()
                self.produced = True
                self._sink.refusal(delta.refusal)
            if delta.tool_calls:
                self.flush()
                self.produced = True
                for call in delta.tool_calls:
                    self._read_tool_call(call)
        if choice.logprobs is not None and choice.logprobs.content:
            self.flush()
            self._sink.logprobs(read_logprobs(choice.logprobs.content))
        if choice.finish_reason and not self.finished:
            self.flush()
            self._finish(choice.finish_reason, choice.stop_reason)

    def _finish(self, word: str, stop: str | int | None) -> None:
        if word == "error":
            raise ProviderUnavailableError("The provider ended the answer with an error.")
        self.finished = True
        reason = FINISH_REASONS.get(word, event_pb2.FINISH_REASON_OTHER)
        if reason == event_pb2.FINISH_REASON_STOP and isinstance(stop, str):
            reason = event_pb2.FINISH_REASON_STOP_SEQUENCE
            self._sink.finish(reason, word=word, stop_sequence=stop)
        else:
            self._sink.finish(reason, word=word)

    def _read_tool_call(self, call: wire.ToolCall) -> None:
        function = call.function
        name = (function.name if function else None) or ""
        arguments = function.arguments if function else None
        if arguments is not None and not isinstance(arguments, str):
            arguments = msgspec.json.encode(arguments).decode()
        if call.index is not None:
            self._last_call = call.index
        elif call.id or name or self._last_call is None:
            # Rule 6: without an index, an id or a name opens a call and
            # anything else continues the last one.
            self._calls_without_index += 1
            self._last_call = ("call", self._calls_without_index)
        self._sink.tool_call(
            self._last_call, id=call.id or "", name=name, arguments=arguments or ""
        )


def _decode_with_odd_usage(payload: bytes) -> wire.Chunk:
    try:
        chunk = _CHUNK_WITH_ODD_USAGE.decode(payload)
    except UNREADABLE:
        raise ProviderProtocolError(UNREADABLE_EVENT) from None
    return wire.Chunk(
        id=chunk.id,
        model=chunk.model,
        object=chunk.object,
        choices=chunk.choices,
        error=chunk.error,
    )
