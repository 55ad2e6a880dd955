"""Locks and values, in memory and in Redis."""

import asyncio

from sluice_server.state.locks import SharedValues


async def test_a_lock_is_taken_once(values: SharedValues) -> None:
    """Of many that want a lock at once, one gets it; after it is given back, another."""
    tokens = await asyncio.gather(*(values.lock("refresh", ttl=30) for _ in range(50)))
    [token] = [token for token in tokens if token is not None]
    await values.unlock("refresh", token)
    assert await values.lock("refresh", ttl=30) is not None


async def test_a_lock_of_another_stays(values: SharedValues) -> None:
    """Who does not hold a lock cannot give it back; locks have names."""
    assert await values.lock("refresh", ttl=30) is not None
    await values.unlock("refresh", "somebody")
    await values.unlock("other", "somebody")
    assert await values.lock("refresh", ttl=30) is None
    assert await values.lock("other", ttl=30) is not None


async def test_a_lock_ends(values: SharedValues) -> None:
    """A lock whose holder is lost is free after its time; the lost one cannot end the next."""
    lost = await values.lock("refresh", ttl=0.05)
    assert lost is not None
    async with asyncio.timeout(10):
        while (token := await values.lock("refresh", ttl=30)) is None:  # noqa: ASYNC110 - no event
            await asyncio.sleep(0.005)
    await values.unlock("refresh", lost)
    assert await values.lock("refresh", ttl=30) is None
    await values.unlock("refresh", token)


async def test_values_are_kept(values: SharedValues) -> None:
    """A value is any bytes; the last one counts; there may be none."""
    assert await values.get("account") is None
    await values.put("account", b"\x00\xff one")
    await values.put("account", b"")
    await values.put("other", bytes(range(256)))
    assert await values.get("account") == b""
    assert await values.get("other") == bytes(range(256))
