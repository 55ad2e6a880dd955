"""Notices that the file of the configuration changed, by looking at it every second.

Looking costs a system call, and works on every file system; notices of the kernel do not come
from all of them, and differ by platform.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from sluice_server.app.origin import NOTHING, Origin

LOOK_SECONDS = 1.0
"""Time between two looks."""

GONE_LOOKS = 5
"""Looks in a row at which nothing is there until that counts: who replaces a file may remove
it first."""


async def watch(origin: Origin, changed: Callable[[], None]) -> None:
    """Call `changed` whenever the file differs from what was last read, until cancelled.

    A file that is being written looks different at each look; it counts when it stays the same
    for one.
    """
    before, looks = origin.seen, 0
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        look = await asyncio.to_thread(origin.look)
        looks = looks + 1 if look == before else 1
        before = look
        if look.content != origin.seen.content and looks == (GONE_LOOKS if look is NOTHING else 2):
            changed()
