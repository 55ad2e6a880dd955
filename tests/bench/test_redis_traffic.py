"""A call takes three round trips to Redis, whatever limits hold for it."""

import time

import pytest

from tests.bench.redis import SCENES, calls

CALLS = 10
LARGEST_BYTES = 1_600
"""To Redis, for one call; the bench counted 1,310 at the most."""


@pytest.mark.parametrize("scene", list(SCENES))
async def test_a_call_takes_three_commands(scene: str) -> None:
    """Room is taken, what was stated is told, room is given back; rests are asked for at times."""
    began = time.monotonic()
    taken = await calls(scene, CALLS)
    seconds = time.monotonic() - began
    scripts = round(taken.commands["EVALSHA"] * CALLS)
    # Fewer, where the machine stands still for so long that the replica goes on without Redis.
    assert 0 < scripts <= 3 * CALLS + 1 + seconds
    assert set(taken.commands) <= {"EVALSHA", "CLIENT"}
    assert taken.bytes_in < LARGEST_BYTES
