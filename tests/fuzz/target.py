"""What a fuzz target is.

Its inputs are plain values: what `repr` writes and `ast.literal_eval` reads. So a finding is a text
that can be replayed without the library that made it.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis.strategies import SearchStrategy

CPU_SECONDS = 3.0
"""Most processor time of one input. Inputs are small: what takes longer than this grows with
more than their size."""


class TooSlowError(AssertionError):
    """An input took more processor time than its size explains."""


@dataclass(frozen=True)
class Target:
    """A reader of bytes that somebody else wrote, and what must hold for all of them."""

    name: str
    inputs: SearchStrategy[Any]
    examine: Callable[[Any], None]
    """Raises whatever is wrong with how an input is dealt with."""

    def check(self, value: Any) -> None:
        """Examine one input.

        Raises:
            Exception: a finding.
        """
        began = time.thread_time()
        self.examine(value)
        taken = time.thread_time() - began
        if taken > CPU_SECONDS:
            raise TooSlowError(f"It took {taken:.1f} s of processor time.")


def mutated(data: bytes, edits: Sequence[tuple[int, int, bytes]]) -> bytes:
    """Return `data` with pieces of it replaced: place, length and what comes there."""
    for place, length, piece in edits:
        start = place % (len(data) + 1)
        data = data[:start] + piece + data[start + length :]
    return data
