"""Turns a decoder's calls into parts, events and the final message.

Shared by all dialects. Gives part indexes and call ids, merges deltas that are
ready together into one event, judges tool calls at their end and derives the
finish reason. Does no I/O and knows no provider.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass, field

import msgspec

from sluice.v1 import content_pb2, event_pb2, gateway_service_pb2, usage_pb2
from sluice_server.engine.verdicts import Judge
from sluice_server.errors import AnswerTooLargeError, ProviderProtocolError

MAX_CALL_ID_CHARACTERS = 128
"""Longest call id of a provider that is kept; longer ones get one of ours."""

MAX_NAMELESS_FRAGMENTS = 64
"""Fragments that may come before a call's name; the name comes first at every
known provider, so a few are generous."""

MAX_PARTS = 4096
"""Most parts of one answer; far beyond what any model sends, and it bounds what
a broken one can make the gateway remember."""

_TEXT, _REASONING, _REFUSAL = "text", "reasoning", "refusal"
_TOOL_CALL = "tool_call"


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerRules:
    """What the request and the server ask of an answer."""

    stream: bool
    """Deltas go out; otherwise only the whole message is wanted."""
    include_reasoning: bool
    max_message_bytes: int
    """Bound of the final message in a stream; past it the message is left out."""
    max_whole_bytes: int
    """Bound of an answer delivered whole; past it the turn fails."""


@dataclass(slots=True)
class _Part:
    index: int
    kind: str
    pending: list[str] = field(default_factory=list)
    """Deltas that no event carries yet."""
    pieces: list[str] = field(default_factory=list)
    """Everything, for the final message."""
    call: content_pb2.ToolCall | None = None
    open: bool = True

    def forget(self) -> None:
        """Free the content of a part that no final message will show."""
        self.pieces.clear()
        if self.call is not None:
            self.call.Clear()


@dataclass(slots=True)
class _Call:
    """A tool call that has not opened its part, since its name isn't known yet."""

    id: str = ""
    name: str = ""
    early: list[str] = field(default_factory=list)
    part: _Part | None = None


class Assembler:
    """One turn of one attempt; implements `providers.sink.TurnSink`."""

    def __init__(self, rules: AnswerRules, judge: Judge, used_call_ids: Collection[str]) -> None:
        self._started = False
        self._rules = rules
        self._judge = judge
        self._call_ids = set(used_call_ids)
        self._parts: list[_Part] = []
        self._current: _Part | None = None
        self._dirty: list[_Part] = []
        self._calls: dict[Hashable, _Call] = {}
        self._message = gateway_service_pb2.GenerateResponse()
        self._bytes = 0
        self._message_dropped = False
        self._finish: tuple[event_pb2.FinishReason.ValueType, str, str] | None = None
        self.response_id = ""
        self.model = ""
        self.tokens: usage_pb2.Usage | None = None
        self.active = False
        """Whether the model produced anything, shown to the caller or not."""
        self.characters = 0
        """Characters of output in all events flushed so far."""

    # --- TurnSink -----------------------------------------------------------

    def identify(self, *, response_id: str, model: str) -> None:
        """Learn the provider's id of the answer and the model that serves it."""
        self.response_id = response_id or self.response_id
        self.model = model or self.model

    def text(self, text: str) -> None:
        """Append visible text."""
        self._append(_TEXT, text)

    def reasoning(self, text: str) -> None:
        """Append reasoning; without the caller's wish it only proves activity."""
        self.active = True
        if self._rules.include_reasoning:
            self._append(_REASONING, text)

    def refusal(self, text: str) -> None:
        """Append refusal text."""
        self._append(_REFUSAL, text)

    def tool_call(self, key: Hashable, *, id: str, name: str, arguments: str) -> None:
        """Open or continue the call under `key`."""
        self.active = True
        call = self._calls.get(key)
        if call is None or _is_another(call, id, name):
            call = self._calls[key] = _Call()
        if call.part is None:
            call.id = call.id or id
            call.name = call.name or name
            if not call.name:
                call.early.append(arguments)
                if len(call.early) > MAX_NAMELESS_FRAGMENTS:
                    raise ProviderProtocolError("A tool call goes on without ever being named.")
                return
            self._open_call(call)
        if arguments:
            self._extend(call.part, arguments)

    def logprobs(self, tokens: Sequence[event_pb2.TokenLogprob]) -> None:
        """Send log-probs behind the text that they belong to."""
        if self._rules.stream and tokens:
            part = self._current or self._open(_TEXT)
            self._emit_pending(part)
            delta = self._event().logprobs_delta
            delta.part = part.index
            delta.tokens.extend(tokens)

    def usage(self, usage: usage_pb2.Usage) -> None:
        """Keep the last word on token counts."""
        self.tokens = usage

    def finish(
        self, reason: event_pb2.FinishReason.ValueType, *, word: str, stop_sequence: str = ""
    ) -> None:
        """Keep the reason and close what is open, so that calls can be run."""
        self._finish = (reason, word, stop_sequence)
        self._close_all()

    # --- For the engine -----------------------------------------------------

    def flush(self) -> gateway_service_pb2.GenerateResponse | None:
        """Return the events that are ready, deltas of one part merged; None without any.

        The first message opens with an empty Started: who serves is the
        engine's to say.
        """
        for part in self._dirty:
            self._emit_pending(part)
        self._dirty.clear()
        message = self._message
        if not message.events:
            return None
        self._message = gateway_service_pb2.GenerateResponse()
        return message

    def complete(self) -> event_pb2.Completed:
        """Close the turn; call after the decoder said that the answer is whole.

        `flush` afterwards returns the last message, with this Completed at its
        end: what is not known here can be added to it until then.
        """
        self._close_all()
        reason, word, stop_sequence = self._finish or (event_pb2.FINISH_REASON_OTHER, "", "")
        completed = self._event().completed
        completed.finish_reason = self._derive(reason)
        completed.provider_finish_reason = word
        completed.stop_sequence = stop_sequence
        if not self._message_dropped:
            self._fill_message(completed.message)
        completed.usage.CopyFrom(self.tokens or usage_pb2.Usage())
        return completed

    def _event(self) -> event_pb2.Event:
        """Return a new event of the message, built in place: copies would cost."""
        events = self._message.events
        if not self._started:
            self._started = True
            events.add().started.SetInParent()
        return events.add()

    # --- Parts --------------------------------------------------------------

    def _append(self, kind: str, text: str) -> None:
        part = self._current
        if part is None or part.kind != kind:
            part = self._open(kind)
        self._extend(part, text)

    def _extend(self, part: _Part | None, text: str) -> None:
        if part is None:
            raise AssertionError("a call without a part has no name")
        if not part.pending:
            self._dirty.append(part)
        part.pending.append(text)

    def _open(self, kind: str) -> _Part:
        if self._current is not None:
            self._close(self._current)
        self.active = True
        part = self._current = self._add(kind)
        if self._rules.stream:
            started = self._event().part_started
            started.part = part.index
            getattr(started, kind).SetInParent()
        return part

    def _open_call(self, call: _Call) -> None:
        if self._current is not None:
            self._close(self._current)
            self._current = None
        part = call.part = self._add(_TOOL_CALL)
        part.call = content_pb2.ToolCall(id=self._call_id(call.id), name=call.name)
        if self._rules.stream:
            started = self._event().part_started
            started.part = part.index
            started.tool_call.id = part.call.id
            started.tool_call.name = part.call.name
        for early in call.early:
            self._extend(part, early)

    def _add(self, kind: str) -> _Part:
        if len(self._parts) == MAX_PARTS:
            raise ProviderProtocolError(f"The answer has more than {MAX_PARTS} parts.")
        part = _Part(len(self._parts), kind)
        self._parts.append(part)
        return part

    def _emit_pending(self, part: _Part) -> None:
        """Move a part's deltas into one event and into the final message."""
        if not part.pending:
            return
        text = part.pending[0] if len(part.pending) == 1 else "".join(part.pending)
        part.pending.clear()
        self._keep(part, text)
        if not self._rules.stream or not text:
            return
        self.characters += len(text)
        event = self._event()
        if part.kind == _TOOL_CALL:
            event.tool_arguments_delta.part = part.index
            event.tool_arguments_delta.fragment = text
        else:
            delta = event.reasoning_delta if part.kind == _REASONING else event.text_delta
            delta.part = part.index
            delta.text = text

    def _keep(self, part: _Part, text: str) -> None:
        self._bytes += len(text) if text.isascii() else len(text.encode())
        limit = self._rules.max_message_bytes if self._rules.stream else self._rules.max_whole_bytes
        if self._bytes > limit and not self._message_dropped:
            if not self._rules.stream:
                raise AnswerTooLargeError(
                    f"The answer is larger than {limit} bytes; ask for STREAM delivery."
                )
            self._message_dropped = True
            for other in self._parts:
                # An open call's arguments are still needed, for its verdict.
                if other.kind != _TOOL_CALL:
                    other.pieces.clear()
                elif not other.open:
                    other.forget()
        if part.kind == _TOOL_CALL:
            part.pieces.append(text)
            if self._bytes > limit and sum(map(len, part.pieces)) > limit:
                raise ProviderProtocolError(
                    f"The arguments of a tool call are larger than {limit} bytes."
                )
        elif not self._message_dropped:
            part.pieces.append(text)

    def _close(self, part: _Part) -> None:
        if not part.open:
            return
        self._emit_pending(part)
        part.open = False
        if part.call is not None:
            part.call.arguments_json = "".join(part.pieces).strip() or "{}"
            self._judge.judge(part.call)
        if self._rules.stream:
            finished = self._event().part_finished
            finished.part = part.index
            if part.call is not None:
                finished.tool_call.CopyFrom(part.call)
        if self._message_dropped:
            part.forget()

    def _close_all(self) -> None:
        for call in self._calls.values():
            if call.part is None:
                # It never got a name; the verdict will say so.
                self._open_call(call)
        for part in self._parts:
            self._close(part)
        self._current = None
        self._calls.clear()

    # --- The end ------------------------------------------------------------

    def _derive(self, reason: event_pb2.FinishReason.ValueType) -> event_pb2.FinishReason.ValueType:
        """Correct the provider's reason by what the answer holds.

        Several servers say "stop" after calls, or "tool_calls" without any
        (provider reference `openai-compatible`, section 10, rule 4).
        """
        kinds = {part.kind for part in self._parts}
        if reason in (event_pb2.FINISH_REASON_STOP, event_pb2.FINISH_REASON_TOOL_CALLS):
            if _TOOL_CALL in kinds:
                return event_pb2.FINISH_REASON_TOOL_CALLS
            if _REFUSAL in kinds:
                return event_pb2.FINISH_REASON_REFUSAL
            return event_pb2.FINISH_REASON_STOP
        return reason

    def _fill_message(self, message: content_pb2.Message) -> None:
        message.role = content_pb2.ROLE_ASSISTANT
        for part in self._parts:
            if part.call is not None:
                message.parts.add(tool_call=part.call)
                continue
            text = "".join(part.pieces)
            if part.kind == _TEXT:
                message.parts.add(text=text)
            elif part.kind == _REFUSAL:
                message.parts.add(refusal=text)
            else:
                message.parts.add(reasoning=content_pb2.Reasoning(text=text))

    def _call_id(self, provided: str) -> str:
        """Return the provider's id where it is unique here, else one of ours.

        Providers repeat `call_0` every turn, or send none; the caller needs ids
        that are unique in the whole conversation.
        """
        usable = provided.isprintable() and 0 < len(provided) <= MAX_CALL_ID_CHARACTERS
        call_id = provided
        if not usable or provided in self._call_ids:
            call_id = f"call_{secrets.token_hex(12)}"
        self._call_ids.add(call_id)
        return call_id


def _is_another(call: _Call, id: str, name: str) -> bool:
    """Tell whether a fragment opens another call under a key that is in use.

    Some servers number all calls 0 (`openai-compatible.md` section 10, rule 6):
    another id with a name is another call, and so is a name after arguments
    that are complete.
    """
    if not name or call.part is None:
        return False
    if id and call.id:
        return id != call.id
    written = "".join(call.part.pieces) + "".join(call.part.pending)
    try:
        return isinstance(msgspec.json.decode(written), dict)
    except (msgspec.DecodeError, RecursionError):
        return False
