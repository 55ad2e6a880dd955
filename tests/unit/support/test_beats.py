"""Is a wait counted, and a machine that stands still not?"""

import asyncio
import time

from tests.support.beats import BEAT_SECONDS, beating


async def test_waits_are_counted() -> None:
    """While the loop has nothing to do time passes, though never too fast."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with beating() as seconds, asyncio.timeout(20):
        while seconds() < 20 * BEAT_SECONDS:  # noqa: ASYNC110  it tells nobody
            await asyncio.sleep(BEAT_SECONDS)
    # The loop counts in whole milliseconds.
    assert loop.time() - began >= 20 * (BEAT_SECONDS - 0.001)


async def test_standing_still_is_one_beat() -> None:
    """What stops the whole loop for half a second is no wait of anyone in it."""
    async with beating() as seconds:
        time.sleep(0.5)  # noqa: ASYNC251  this is the machine
        await asyncio.sleep(0)
        assert seconds() <= BEAT_SECONDS
