"""What a call may leave behind in gateway and upstream: nothing.

The one thing that is allowed is an idle connection that was kept for the next request. The
upstream closes those first, so that afterwards tasks and file descriptors must be the same
ones as before the call.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from sluice.v1.gateway_service_pb2 import GetMetricsRequest, GetRateLimitsRequest
from sluice.v1.metrics_pb2 import CallMetrics
from tests.support.server import RunningServer
from tests.support.upstream import Upstream

PATIENCE = 3.0
"""Seconds that closing may take on a busy machine."""
DESCRIPTORS = Path("/proc/self/fd")


class Leftovers:
    """Remembers what there was, to tell what is left."""

    def __init__(self, server: RunningServer, *upstreams: Upstream) -> None:
        """Call it after the server was used once, so that its own connections are open."""
        self._server = server
        self._upstreams = upstreams
        self._tasks = tasks()
        self._descriptors = descriptors()

    async def check(self) -> None:
        """Raise AssertionError, with what is left, unless all is gone in due time."""
        await self._hang_up()
        await self.check_tasks()
        await self.check_descriptors()
        await self.check_reservations()
        metrics = await self._server.stub.GetMetrics(GetMetricsRequest())
        assert metrics.server.active_streams == 0
        assert metrics.server.queued_calls == 0

    async def check_tasks(self) -> None:
        """Raise AssertionError unless no task is left."""
        await _until_empty("tasks are left", lambda: tasks() - self._tasks)

    async def check_descriptors(self) -> None:
        """Raise AssertionError unless no file descriptor is left."""
        await _until_empty(
            "file descriptors are left",
            lambda: dict(descriptors().items() - self._descriptors.items()),
        )

    async def check_reservations(self) -> None:
        """Raise AssertionError unless all room was given back."""
        limits = await self._server.stub.GetRateLimits(GetRateLimitsRequest())
        held = [bucket for bucket in limits.buckets if bucket.reserved]
        assert limits.buckets, "the configuration has no limit to hold room of"
        assert not held, f"reservations are left: {held}"

    async def _hang_up(self) -> None:
        for upstream in self._upstreams:
            try:
                async with asyncio.timeout(PATIENCE):
                    await upstream.hang_up()
            except TimeoutError:
                raise AssertionError("the gateway holds on to an upstream connection") from None


async def _until_empty(complaint: str, left: Callable[[], object]) -> None:
    # Nothing tells when a transport or a task of a library has gone.
    try:
        async with asyncio.timeout(PATIENCE):
            while left():  # noqa: ASYNC110
                await asyncio.sleep(0.001)
    except TimeoutError:
        raise AssertionError(f"{complaint}: {left()}") from None


def tasks() -> Counter[str]:
    """Count the tasks of this loop by what they do.

    gRPC has one waiting for the next call of each method, and another one after it.
    """
    return Counter(task.get_coro().__qualname__ for task in asyncio.all_tasks())  # type: ignore[union-attr]


async def counted(server: RunningServer, provider: str) -> CallMetrics:
    """Return what was counted of the upstream calls to a provider."""
    metrics = await server.stub.GetMetrics(GetMetricsRequest(providers=[provider]))
    (found,) = metrics.providers
    return found.calls


def descriptors() -> dict[int, str]:
    """Return the open file descriptors of this process, and what each is."""
    found = {}
    for entry in DESCRIPTORS.iterdir():
        try:
            found[int(entry.name)] = str(entry.readlink())
        except FileNotFoundError:
            # The one that listed the folder.
            continue
    return found
