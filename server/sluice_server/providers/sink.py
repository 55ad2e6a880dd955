"""What a dialect's decoder tells the rest of the house about a turn.

The decoder calls these methods in the order of the wire; whoever implements
them (the engine's assembler, a test's recorder) gives part indexes and ids,
judges tool calls and builds events. Calls instead of event objects: a read may
hold hundreds of deltas, and nothing has to be allocated for each.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Protocol

from sluice.v1 import event_pb2, usage_pb2


class TurnSink(Protocol):
    """Receives one turn, delta by delta. No method does I/O.

    One part of text, reasoning or refusal is open at a time; calls are told
    apart by their keys and may interleave.
    """

    def identify(self, *, response_id: str, model: str, served_by: str = "") -> None:
        """Learn the provider's id of the answer and the model that serves it.

        `served_by` is who served behind a router. May come many times; an empty
        value says nothing.
        """

    def text(self, text: str) -> None:
        """Append visible text; opens a part where none of text is open, also when empty."""

    def reasoning(self, text: str) -> None:
        """Append reasoning text; opens a part like `text`."""

    def refusal(self, text: str) -> None:
        """Append refusal text; opens a part like `text`."""

    def tool_call(self, key: Hashable, *, id: str, name: str, arguments: str) -> None:
        """Open or continue the call that the provider knows under `key`.

        `id` and `name` may be empty, on any fragment; `arguments` is a piece of
        JSON text.
        """

    def state(self, kind: str, value: bytes, *, call: Hashable = None) -> None:
        """Attach opaque provider state to the open part, or to the call under `call`.

        It comes back on the same part with the next turn (`providers.history`).
        Where no part is open it becomes an `opaque` part. Neither `kind` nor
        `value` may be empty.
        """

    def opaque(self, kind: str, value: bytes) -> None:
        """Add a part that is nothing but provider state, in its place among the parts."""

    def end_part(self, call: Hashable = None) -> None:
        """Close the open part, or the call under `call`; without one, do nothing.

        What follows opens another part, also when it is of the same kind.
        """

    def keep_reasoning(self) -> None:
        """Keep the reasoning that follows in the final message: the provider wants it back.

        Without this, reasoning is left out where the caller does not ask for it.
        """

    def logprobs(self, tokens: Sequence[event_pb2.TokenLogprob]) -> None:
        """Add log-probs of the text appended just before."""

    def usage(self, usage: usage_pb2.Usage) -> None:
        """Learn the token counts; the last word counts, nothing is summed."""

    def cost(self, usd_nanos: int) -> None:
        """Learn what the provider charges for the turn, in 1e-9 US dollars."""

    def finish(
        self, reason: event_pb2.FinishReason.ValueType, *, word: str, stop_sequence: str = ""
    ) -> None:
        """Learn why the model stopped: our reason and the provider's word.

        May be followed by `usage`, `cost`, `identify` and `opaque`, not by text.
        """
