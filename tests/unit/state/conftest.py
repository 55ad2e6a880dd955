"""The same store in memory and in a real Redis."""

from collections.abc import AsyncIterator, Iterator

import pytest

from sluice_server.state.memory import MemoryQuotaStore, MemoryValues
from sluice_server.state.redis import RedisQuotaStore, RedisValues
from tests.support.redis import RedisServer, redis_server
from tests.unit.state.worlds import MemoryWorld, RedisWorld, World


@pytest.fixture(scope="session")
def shared_redis() -> Iterator[RedisServer]:
    """One server for all tests that do not break it."""
    with redis_server() as server:
        yield server


@pytest.fixture(params=["memory", "redis"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    """An empty store and its time."""
    if request.param == "memory":
        yield MemoryWorld(lambda clock: MemoryQuotaStore(clock=clock))
        return
    server: RedisServer = request.getfixturevalue("shared_redis")
    server.call("FLUSHALL")
    store = RedisQuotaStore(server.url)
    yield RedisWorld(store)
    await store.aclose()


@pytest.fixture(params=["memory", "redis"])
async def values(request: pytest.FixtureRequest) -> AsyncIterator[MemoryValues | RedisValues]:
    """Empty shared values."""
    if request.param == "memory":
        yield MemoryValues()
        return
    server: RedisServer = request.getfixturevalue("shared_redis")
    server.call("FLUSHALL")
    store = RedisValues(server.url)
    yield store
    await store.aclose()
