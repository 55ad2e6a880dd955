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
    """Receives one turn, delta by delta. No method does I/O."""

    def identify(self, *, response_id: str, model: str) -> None:
        """Learn the provider's id of the answer and the model that serves it.

        May come many times; an empty value says nothing.
        """

    def text(self, text: str) -> None:
        """Append visible text."""

    def reasoning(self, text: str) -> None:
        """Append reasoning text."""

    def refusal(self, text: str) -> None:
        """Append refusal text."""

    def tool_call(self, key: Hashable, *, id: str, name: str, arguments: str) -> None:
        """Open or continue the call that the provider knows under `key`.

        `id` and `name` may be empty, on any fragment; `arguments` is a piece of
        JSON text.
        """

    def logprobs(self, tokens: Sequence[event_pb2.TokenLogprob]) -> None:
        """Add log-probs of the text appended just before."""

    def usage(self, usage: usage_pb2.Usage) -> None:
        """Learn the token counts; the last word counts, nothing is summed."""

    def finish(
        self, reason: event_pb2.FinishReason.ValueType, *, word: str, stop_sequence: str = ""
    ) -> None:
        """Learn why the model stopped: our reason and the provider's word."""
