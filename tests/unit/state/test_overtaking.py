"""Is room given back in the end, though the question for it comes late?"""

import asyncio

import pytest

from sluice_server.state.quota import REQUESTS, Filter, Group, OwnLimit, Reservation
from sluice_server.state.redis import RedisQuotaStore
from tests.support.redis import RedisServer

LIMIT = OwnLimit(name="caller/tests/streams", unit=REQUESTS, capacity=5)
SECONDS = 10.0


class SlowFirstConnection:
    """Stands before a Redis; what comes by the first connection waits while `passes` is unset."""

    def __init__(self, redis: RedisServer) -> None:
        self.passes = asyncio.Event()
        self.passes.set()
        self.came = asyncio.Event()
        """Something waits."""
        self._socket = redis.url.removeprefix("unix://")
        self._connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection."""
        self._connections += 1
        is_first = self._connections == 1
        redis_reader, redis_writer = await asyncio.open_unix_connection(self._socket)
        answers = asyncio.create_task(_carry(redis_reader, writer))
        while data := await reader.read(1 << 16):
            if is_first and not self.passes.is_set():
                self.came.set()
                await self.passes.wait()
            redis_writer.write(data)
        redis_writer.write_eof()
        await answers
        redis_writer.close()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 16):
        writer.write(data)
    writer.close()


def reservation(name: str) -> Reservation:
    """Return one of a single call."""
    return Reservation(id=name, group=Group("up", "scope", "model"), amounts={}, own=(LIMIT,))


async def test_an_end_does_not_overtake_its_beginning(shared_redis: RedisServer) -> None:
    """Whoever leaves while the question is on its way leaves nothing that stays taken."""
    shared_redis.call("FLUSHALL")
    slow = SlowFirstConnection(shared_redis)
    server = await asyncio.start_server(slow.serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    store = RedisQuotaStore(f"redis://{host}:{port}/0", timeout=SECONDS)
    async with server, asyncio.timeout(SECONDS):
        # The connection, and the scripts at Redis.
        await store.reserve(reservation("before"), ttl=900)
        await store.settle(reservation("before"), None)
        slow.passes.clear()
        asking = asyncio.create_task(store.reserve(reservation("left"), ttl=900))
        await slow.came.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        ending = asyncio.create_task(store.settle(reservation("left"), None))
        # Without an order between the two, the end would be over by now.
        await asyncio.wait((ending,), timeout=0.2)
        slow.passes.set()
        await ending
        states = await store.buckets(Filter(own=(LIMIT,)))
        assert {state.reserved for state in states} == {0}
        await store.aclose()
