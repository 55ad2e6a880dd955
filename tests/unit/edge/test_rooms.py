"""Does a call stay in the rooms that it entered, and when have all left?"""

import asyncio
from unittest.mock import Mock

from sluice_server.edge.rooms import InForce, Rooms


def rooms() -> Rooms:
    """Return rooms in which nothing is."""
    return Rooms(
        callers=Mock(),
        engine=Mock(),
        own=Mock(),
        catalog=Mock(),
        limits=Mock(),
        max_wait_seconds=1.0,
    )


async def test_old_rooms_are_empty_once_the_last_has_left() -> None:
    """Those who came before the change hold them open; those who come after do not."""
    old, new = rooms(), rooms()
    in_force = InForce(old)
    first, second = in_force.enter(), in_force.enter()
    assert first is second is old
    in_force.replace(new)
    assert in_force.enter() is new
    left = asyncio.create_task(in_force.left(old))
    in_force.leave(old)
    await asyncio.sleep(0)
    assert not left.done()
    in_force.leave(old)
    await asyncio.wait_for(left, 1)


async def test_rooms_that_nobody_entered_are_empty_at_once() -> None:
    """Two changes without a call in between leave nothing behind."""
    old = rooms()
    in_force = InForce(old)
    in_force.replace(rooms())
    await asyncio.wait_for(in_force.left(old), 1)
