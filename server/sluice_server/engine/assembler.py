"""Turns a decoder's calls into parts, events and the final message.

Shared by all dialects. Gives part indexes and call ids, merges deltas that are
ready together into one event, judges tool calls at their end and derives the
finish reason. Does no I/O and knows no provider.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass

from sluice.v1 import content_pb2, event_pb2, gateway_service_pb2, usage_pb2
from sluice_server.engine.parts import (
    REASONING,
    REFUSAL,
    TEXT,
    TOOL_CALL,
    OpenCall,
    Origin,
    Part,
    is_another,
)
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


class Assembler:
    """One turn of one attempt; implements `providers.sink.TurnSink`."""

    def __init__(
        self,
        rules: AnswerRules,
        judge: Judge,
        used_call_ids: Collection[str],
        origin: Origin,
    ) -> None:
        self._started = False
        self._rules = rules
        self._origin = origin
        self._keep_reasoning = False
        self._judge = judge
        self._call_ids = set(used_call_ids)
        self._parts: list[Part] = []
        self._current: Part | None = None
        self._dirty: list[Part] = []
        self._calls: dict[Hashable, OpenCall] = {}
        self._message = gateway_service_pb2.GenerateResponse()
        self._bytes = 0
        self._message_dropped = False
        self._finish: tuple[event_pb2.FinishReason.ValueType, str, str] | None = None
        self.response_id = ""
        self.model = ""
        self.served_by = ""
        self.tokens: usage_pb2.Usage | None = None
        self.usd_nanos: int | None = None
        """What the provider charges, where it says so."""
        self.active = False
        """Whether the model produced anything, shown to the caller or not."""
        self.characters = 0
        """Characters of output in all events flushed so far."""

    # --- TurnSink -----------------------------------------------------------

    def identify(self, *, response_id: str, model: str, served_by: str = "") -> None:
        """Learn the provider's id of the answer and who serves it."""
        self.response_id = response_id or self.response_id
        self.model = model or self.model
        self.served_by = served_by or self.served_by

    def text(self, text: str) -> None:
        """Append visible text."""
        self._append(TEXT, text)

    def reasoning(self, text: str) -> None:
        """Append reasoning; where neither side wants it, it only proves activity."""
        self.active = True
        if self._rules.include_reasoning or self._keep_reasoning:
            self._append(REASONING, text)
        else:
            # What is said next does not continue what was said before.
            self.end_part()

    def refusal(self, text: str) -> None:
        """Append refusal text."""
        self._append(REFUSAL, text)

    def tool_call(self, key: Hashable, *, id: str, name: str, arguments: str) -> None:
        """Open or continue the call under `key`."""
        self.active = True
        call = self._calls.get(key)
        if call is None or is_another(call, id, name):
            call = self._calls[key] = OpenCall()
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

    def state(self, kind: str, value: bytes, *, call: Hashable = None) -> None:
        """Attach provider state to the open part or a call; see the port for where else."""
        if call is not None and (known := self._calls.get(call)) is not None:
            self._attach(known.part or known, kind, value)
        elif call is None and self._current is not None:
            self._attach(self._current, kind, value)
        else:
            self.opaque(kind, value)

    def opaque(self, kind: str, value: bytes) -> None:
        """Add a part that is nothing but provider state."""
        self.end_part()
        self.active = True
        part = self._add(REASONING)
        part.silent = part.redacted = True
        self._attach(part, kind, value)
        self._close(part)

    def end_part(self, call: Hashable = None) -> None:
        """Close the open part, or a call."""
        if call is None:
            if self._current is not None:
                self._close(self._current)
                self._current = None
            return
        known = self._calls.pop(call, None)
        if known is not None:
            if known.part is None:
                self._open_call(known)
            if known.part is not None:
                self._close(known.part)

    def keep_reasoning(self) -> None:
        """Keep the reasoning that follows, whether or not the caller wants to see it."""
        self._keep_reasoning = True

    def logprobs(self, tokens: Sequence[event_pb2.TokenLogprob]) -> None:
        """Send log-probs behind the text that they belong to."""
        if self._current is not None and self._current.silent:
            # Its part has not started for the caller.
            return
        if self._rules.stream and tokens:
            part = self._current or self._open(TEXT)
            self._emit_pending(part)
            delta = self._event().logprobs_delta
            delta.part = part.index
            delta.tokens.extend(tokens)

    def usage(self, usage: usage_pb2.Usage) -> None:
        """Keep the last word on token counts."""
        self.tokens = usage

    def cost(self, usd_nanos: int) -> None:
        """Keep what the provider charges."""
        self.usd_nanos = usd_nanos

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
        if self.usd_nanos is not None:
            completed.cost.usd_nanos = self.usd_nanos
            completed.cost.provider_reported = True
            completed.cost.price_source = self._origin.provider
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

    def _extend(self, part: Part | None, text: str) -> None:
        if part is None:
            raise AssertionError("a call without a part has no name")
        if not part.pending:
            self._dirty.append(part)
        part.pending.append(text)

    def _open(self, kind: str) -> Part:
        self.end_part()
        self.active = True
        part = self._current = self._add(kind)
        if kind == REASONING and not self._rules.include_reasoning:
            part.silent = True
        elif self._rules.stream:
            started = self._event().part_started
            started.part = part.index
            getattr(started, kind).SetInParent()
        return part

    def _open_call(self, call: OpenCall) -> None:
        self.end_part()
        part = call.part = self._add(TOOL_CALL)
        part.states = call.states
        part.call = content_pb2.ToolCall(id=self._call_id(call.id), name=call.name)
        if self._rules.stream:
            started = self._event().part_started
            started.part = part.index
            started.tool_call.id = part.call.id
            started.tool_call.name = part.call.name
        for early in call.early:
            self._extend(part, early)

    def _add(self, kind: str) -> Part:
        if len(self._parts) == MAX_PARTS:
            raise ProviderProtocolError(f"The answer has more than {MAX_PARTS} parts.")
        part = Part(len(self._parts), kind)
        self._parts.append(part)
        return part

    def _attach(self, to: Part | OpenCall, kind: str, value: bytes) -> None:
        self._count(len(value))
        if not self._message_dropped:
            to.states.append((kind, value))

    def _emit_pending(self, part: Part) -> None:
        """Move a part's deltas into one event and into the final message."""
        if not part.pending:
            return
        text = part.pending[0] if len(part.pending) == 1 else "".join(part.pending)
        part.pending.clear()
        self._keep(part, text)
        if not self._rules.stream or not text or part.silent:
            return
        self.characters += len(text)
        event = self._event()
        if part.kind == TOOL_CALL:
            event.tool_arguments_delta.part = part.index
            event.tool_arguments_delta.fragment = text
        else:
            delta = event.reasoning_delta if part.kind == REASONING else event.text_delta
            delta.part = part.index
            delta.text = text

    def _keep(self, part: Part, text: str) -> None:
        limit = self._count(len(text) if text.isascii() else len(text.encode()))
        if part.kind == TOOL_CALL:
            part.pieces.append(text)
            if self._bytes > limit and sum(map(len, part.pieces)) > limit:
                raise ProviderProtocolError(
                    f"The arguments of a tool call are larger than {limit} bytes."
                )
        elif not self._message_dropped:
            part.pieces.append(text)

    def _count(self, size: int) -> int:
        """Count what the final message must hold; returns the bound."""
        self._bytes += size
        limit = self._rules.max_message_bytes if self._rules.stream else self._rules.max_whole_bytes
        if self._bytes > limit and not self._message_dropped:
            if not self._rules.stream:
                raise AnswerTooLargeError(
                    f"The answer is larger than {limit} bytes; ask for STREAM delivery."
                )
            self._message_dropped = True
            for other in self._parts:
                # An open call's arguments are still needed, for its verdict.
                if other.kind != TOOL_CALL:
                    other.pieces.clear()
                    other.states.clear()
                elif not other.open:
                    other.forget()
        return limit

    def _close(self, part: Part) -> None:
        if not part.open:
            return
        self._emit_pending(part)
        part.open = False
        if part.call is not None:
            written = "".join(part.pieces).strip()
            # "null" is how some models write that there are none (recorded at Groq).
            part.call.arguments_json = "{}" if written in ("", "null") else written
            self._judge.judge(part.call)
        if self._rules.stream:
            if part.silent:
                # Only now, so that the caller's stream begins with something
                # to show, and until then another upstream may still serve.
                started = self._event().part_started
                started.part = part.index
                started.reasoning.SetInParent()
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
            if TOOL_CALL in kinds:
                return event_pb2.FINISH_REASON_TOOL_CALLS
            if REFUSAL in kinds:
                return event_pb2.FINISH_REASON_REFUSAL
            return event_pb2.FINISH_REASON_STOP
        return reason

    def _fill_message(self, message: content_pb2.Message) -> None:
        message.role = content_pb2.ROLE_ASSISTANT
        for part in self._parts:
            part.tell(message.parts.add(), self._origin)

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
