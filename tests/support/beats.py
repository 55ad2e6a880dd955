"""A clock that stands still with the machine: it counts the beats of the test's own loop.

For promises of the kind "within 100 ms of the cancellation", where server and provider run in
the loop of the test. When the machine gives them no time for a second, a wall clock blames the
server for it; here that is one beat. A server that waits for what it should not wait for lets
the loop beat on, and is late by this clock as well.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

BEAT_SECONDS = 0.01
"""Length of a beat, and so how exact the clock is."""


@asynccontextmanager
async def beating() -> AsyncIterator[Callable[[], float]]:
    """Give a function that returns the seconds since the block began, and never too many."""
    beats = 0

    async def beat() -> None:
        nonlocal beats
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            beats += 1

    beater = asyncio.create_task(beat())
    try:
        yield lambda: beats * BEAT_SECONDS
    finally:
        beater.cancel()
        await asyncio.wait([beater])
