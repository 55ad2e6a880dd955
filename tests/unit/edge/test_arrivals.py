"""Which messages on their way in are given up, and which never."""

import asyncio
from typing import Any

import pytest

from sluice_server.edge import arrivals
from sluice_server.edge.arrivals import Arrivals
from sluice_server.errors import InvalidRequestError, OverloadedError


class Context:
    """A call whose message comes when the test says so."""

    def __init__(self) -> None:
        self.sent: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def read(self) -> bytes:
        """Wait for the message."""
        return await self.sent


@pytest.fixture(autouse=True)
def short_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a moment pass sooner."""
    monkeypatch.setattr(arrivals, "MOMENT_SECONDS", 0.02)


def take(coming: Arrivals, context: Any) -> "asyncio.Task[bytes | None]":
    """Await a message."""
    return asyncio.create_task(coming.message(context))


async def test_oldest_of_too_many_slow_ones_is_given_up() -> None:
    """The one that has been coming for longest makes room; the others still arrive."""
    coming = Arrivals(most_slow=2, longest_seconds=60)
    contexts = [Context() for _ in range(3)]
    tasks = [take(coming, context) for context in contexts]
    with pytest.raises(OverloadedError):
        await tasks[0]
    for context in contexts[1:]:
        context.sent.set_result(b"whole")
    assert await asyncio.gather(*tasks[1:]) == [b"whole", b"whole"]


async def test_none_may_take_for_ever() -> None:
    """Also a single slow one ends, as the caller's fault."""
    with pytest.raises(InvalidRequestError) as caught:
        await take(Arrivals(most_slow=9, longest_seconds=0.05), Context())
    assert caught.value.violations[0].description == "Send it within 0.05 seconds."


async def test_many_at_once_are_not_slow() -> None:
    """However many messages are awaited, those that are here at once arrive."""
    coming = Arrivals(most_slow=1, longest_seconds=60)
    contexts = [Context() for _ in range(100)]
    tasks = [take(coming, context) for context in contexts]
    await asyncio.sleep(0)
    for context in contexts:
        context.sent.set_result(b"whole")
    assert await asyncio.gather(*tasks) == [b"whole"] * 100


async def test_caller_who_leaves_is_cancelled() -> None:
    """A cancellation that is not ours stays one."""
    task = take(Arrivals(most_slow=1, longest_seconds=60), Context())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
