"""Gemini's chunks to calls on a `TurnSink`. Pure and incremental.

Every chunk is a whole response object whose parts are deltas (`gemini.md` section
4). Chunks after the finish reason still count, so what the answer ended with is
told only when the connection ended in good order (`bodies`).
"""

from __future__ import annotations

from typing import Any

import msgspec

from sluice.v1 import event_pb2
from sluice_server.errors import ProviderProtocolError
from sluice_server.providers import failures
from sluice_server.providers.dialects.gemini import errors, wire
from sluice_server.providers.dialects.gemini.answer import (
    FAILURES,
    FINISH_REASONS,
    UNSPECIFIED,
    read_logprobs,
    read_usage,
)
from sluice_server.providers.dialects.gemini.calls import CallReader
from sluice_server.providers.framing import UNREADABLE, UNREADABLE_EVENT
from sluice_server.providers.sink import TurnSink

SIGNATURE = "thought_signature"
"""Kind of the state that a part's signature is kept as: its text on the wire."""

_CHUNK = msgspec.json.Decoder(wire.Chunk)
_ENVELOPE = msgspec.json.Decoder(wire.Envelope)
_RAW_CHUNK = msgspec.json.Decoder(wire.RawChunk)
_RAW_ENVELOPE = msgspec.json.Decoder(wire.RawEnvelope)
_LIST = msgspec.json.Decoder(list[msgspec.Raw])
_UNSET = msgspec.UNSET
# Not theirs, but of proxies that think every stream ends so.
_DONE = b"[DONE]"


class ChunkReader:
    """Applies chunks to a sink; the reader of `providers.framing`."""

    def __init__(self, sink: TurnSink, *, enveloped: bool) -> None:
        """`enveloped`: chunks come in Code Assist's envelope."""
        self._sink = sink
        self._enveloped = enveloped
        self._calls = CallReader(sink)
        self._texts: list[str] = []
        self._in_text = False
        self._signed = False
        self._usage: list[msgspec.Raw] = []
        self._id: str | None = None
        self._model: str | None = None
        self._told: dict[str, bytes] = {}
        self._word = ""
        self._blocked = False

    @property
    def finished(self) -> bool:
        """Whether a finish reason, or the block of the prompt, was read."""
        return bool(self._word)

    def event(self, name: bytes, payload: bytes) -> bool:
        """Apply one event; the end is the connection's, so none is the end marker."""
        if payload[:1] == b"{":
            self.document(payload)
        else:
            self._read_list(payload.strip())
        return False

    def stray(self, text: bytes) -> None:
        """Apply JSON that stood in an event stream without being of it (section 4, rule 5)."""
        if failures.parse(text) is not None:
            self._read_list(text.strip())
            self.flush()

    def _read_list(self, text: bytes) -> None:
        """Apply what may be a list of chunks, or of one error."""
        if not text or text == _DONE:
            return
        if text[:1] != b"[":
            self.document(text)
            return
        try:
            elements = _LIST.decode(text)
        except UNREADABLE:
            raise ProviderProtocolError(UNREADABLE_EVENT) from None
        for element in elements:
            self.document(bytes(element))

    def document(self, body: bytes) -> None:
        """Apply one chunk, or one whole answer.

        Visible text waits for `flush`, or for whatever comes after it.
        """
        try:
            if self._enveloped:
                envelope = _ENVELOPE.decode(body)
                self._raise_error(envelope.error)
                chunk = envelope.response
                if chunk is None:
                    return
            else:
                chunk = _CHUNK.decode(body)
        except UNREADABLE:
            raise ProviderProtocolError(UNREADABLE_EVENT) from None
        self._raise_error(chunk.error)
        # Every chunk repeats id and model; the sink hears of changes alone.
        if chunk.response_id != self._id or chunk.model_version != self._model:
            self._id, self._model = chunk.response_id, chunk.model_version
            self._sink.identify(response_id=self._id or "", model=self._model or "")
        if chunk.usage_metadata is not _UNSET:
            self._usage.append(chunk.usage_metadata)
        if chunk.candidates:
            for candidate in chunk.candidates:
                # More than one answer is never asked for.
                if not candidate.index:
                    self._read_candidate(candidate, body)
        elif chunk.prompt_feedback is not None and not self._word:
            self._word = chunk.prompt_feedback.block_reason or ""
            self._blocked = bool(self._word)

    def flush(self) -> None:
        """Hand over the text that was read, as one delta, and the newest token counts."""
        if self._texts:
            if self._signed:
                self._end_part()
            self._in_text = True
            self._sink.text("".join(self._texts))
            self._texts.clear()
        if self._usage:
            # Cumulative: the last one that can be read counts.
            for block in reversed(self._usage):
                usage = read_usage(block)
                if usage is not None:
                    self._sink.usage(usage)
                    break
            self._usage.clear()

    def end(self) -> None:
        """Tell what the answer ended with; the connection ended in good order."""
        self.flush()
        self._calls.close()
        reason = FINISH_REASONS.get(self._word, event_pb2.FINISH_REASON_OTHER)
        if self._blocked:
            reason = event_pb2.FINISH_REASON_CONTENT_FILTER
        self._sink.finish(reason, word=self._word)

    def _raise_error(self, error: msgspec.Raw | msgspec.UnsetType) -> None:
        if error is not _UNSET and bytes(error) != b"null":
            raise errors.classify_in_stream(bytes(error))

    def _read_candidate(self, candidate: wire.Candidate, body: bytes) -> None:
        word = candidate.finish_reason
        if word in FAILURES:
            # Its parts are what failed: a call that must not be run.
            self.flush()
            raise failures.Failure(
                status=0, codes=(word,), detail=candidate.finish_message
            ).as_error(FAILURES[word], "The model's answer broke off.")
        content = candidate.content
        if content is not None and content.parts:
            raw: list[msgspec.Raw] | None = None
            for number, part in enumerate(content.parts):
                if part.function_call is not None:
                    self._end_text()
                    self._calls.read(part.function_call, part.thought_signature)
                elif part.text is not None:
                    self._read_text(part, part.text)
                else:
                    raw = raw or self._raw_parts(body)
                    self._read_other(part, bytes(raw[number]) if number < len(raw) else b"")
        if candidate.logprobs_result is not _UNSET:
            self.flush()
            self._sink.logprobs(read_logprobs(candidate.logprobs_result))
        if candidate.grounding_metadata is not _UNSET:
            self._tell("grounding", candidate.grounding_metadata)
        if candidate.citation_metadata is not _UNSET:
            self._tell("citations", candidate.citation_metadata)
        if word and self._word in ("", UNSPECIFIED):
            self._word = word
            if word == "CONTINUATION" and candidate.continuation_token:
                self._end_text()
                self._sink.opaque("continuation", candidate.continuation_token.encode())

    def _read_text(self, part: wire.Part, text: str) -> None:
        signature = part.thought_signature
        if part.thought:
            self._end_text()
            if signature:
                # Signed thoughts go back with the next turn.
                self._sink.end_part()
                self._sink.keep_reasoning()
            self._sink.reasoning(text)
            if signature:
                self._sink.state(SIGNATURE, signature.encode())
                self._sink.end_part()
        elif signature:
            self._read_signed(text, signature)
        elif text:
            self._texts.append(text)

    def _read_signed(self, text: str, signature: str) -> None:
        """Add a part of its own, which stays open for what else is said of it."""
        self._end_text()
        self._sink.text(text)
        self._sink.state(SIGNATURE, signature.encode())
        self._in_text = self._signed = True

    def _read_other(self, part: wire.Part, raw: bytes) -> None:
        """Apply a part that is neither text nor a call."""
        try:
            members: dict[str, Any] = msgspec.json.decode(raw)
        except UNREADABLE:
            raise ProviderProtocolError(UNREADABLE_EVENT) from None
        if not members.keys() - {"text", "thought", "functionCall", "thoughtSignature"}:
            # Refused when sent back without any content, so it becomes an empty text.
            if part.thought_signature:
                self._read_signed("", part.thought_signature)
            return
        self._end_text()
        self._sink.opaque("part", raw)

    def _raw_parts(self, body: bytes) -> list[msgspec.Raw]:
        try:
            chunk = (
                _RAW_ENVELOPE.decode(body).response if self._enveloped else _RAW_CHUNK.decode(body)
            )
        except UNREADABLE:
            raise ProviderProtocolError(UNREADABLE_EVENT) from None
        for candidate in (chunk and chunk.candidates) or ():
            if not candidate.index and candidate.content is not None:
                return candidate.content.parts or []
        return []

    def _tell(self, kind: str, metadata: msgspec.Raw) -> None:
        """Keep metadata for the caller, on the text that it is about."""
        value = bytes(metadata)
        if value in (b"null", b"{}") or self._told.get(kind) == value:
            return
        self._told[kind] = value
        self.flush()
        if not self._in_text:
            self._sink.end_part()
        self._sink.state(kind, value)

    def _end_text(self) -> None:
        self.flush()
        self._end_part()

    def _end_part(self) -> None:
        if self._in_text:
            self._sink.end_part()
        self._in_text = self._signed = False
