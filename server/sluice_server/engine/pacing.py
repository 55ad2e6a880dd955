"""How long events may wait for company.

An idle server sends each token at once. Every message costs about 100 µs in
gRPC whatever it holds, so as the event loop fills up, a stream that has just
been served waits a little before it reads on: its next message holds more, and
the time goes to calls that have sent nothing yet (docs/decisions/0003).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

SAMPLE_SECONDS = 0.1
"""How often load is measured."""

EASY = 0.5
"""Share of the loop's time below which nothing waits."""

FULL = 0.9
"""Share from which the wait is longest."""

GROWN_UP_MESSAGES = 8
"""Messages after which a stream waits as long as any other."""

_SMOOTHING = 0.5
"""Weight of the newest sample: settles in about three of them."""


class Pacer:
    """Measures the event loop's load and derives the wait from it."""

    def __init__(
        self,
        *,
        max_seconds: float,
        on_sample: Callable[[float, float], None] = lambda _busy, _lag: None,
    ) -> None:
        self.max_seconds = max_seconds
        """Longest wait, under full load."""
        self._on_sample = on_sample
        self._busy = 0.0
        self._task: asyncio.Task[None] | None = None

    def window(self, messages: int) -> float:
        """Return the seconds that a stream waits after its `messages`-th message.

        Young streams wait less: their first words are what people notice, and a
        short answer would be over in the time that it waits.
        """
        if self._busy <= EASY:
            return 0.0
        load = min(1.0, (self._busy - EASY) / (FULL - EASY))
        age = min(1.0, (messages - 1) / GROWN_UP_MESSAGES)
        return self.max_seconds * load * age

    def start(self) -> None:
        """Begin to measure; must run in the event loop's thread."""
        self._task = asyncio.create_task(self._measure(), name="pacer")

    async def stop(self) -> None:
        """End measuring."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def observe(self, busy: float) -> None:
        """Take one sample of the loop's busy share."""
        self._busy += _SMOOTHING * (min(1.0, busy) - self._busy)

    async def _measure(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            # CPU time of the loop's own thread: gRPC's threads work beside it.
            wall, cpu = loop.time(), time.thread_time()
            await asyncio.sleep(SAMPLE_SECONDS)
            elapsed = loop.time() - wall
            self.observe((time.thread_time() - cpu) / elapsed)
            self._on_sample(self._busy, max(0.0, elapsed - SAMPLE_SECONDS))
