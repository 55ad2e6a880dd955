"""When has a replica that drains nothing left to do, and whom does it still serve?"""

import asyncio
from types import SimpleNamespace
from unittest.mock import AsyncMock, Mock

import pytest

from sluice_server.edge.identity.caller import ANYBODY
from sluice_server.edge.rooms import InForce
from sluice_server.edge.rpc import PREVIOUS_ATTEMPTS, RpcRunner

LINGER = 0.02


class AbortedError(Exception):
    """What `abort` raises."""


class Caller:
    """One RPC as gRPC runs it: a task that goes on after the handler, until the status is sent."""

    def __init__(self, runner: RpcRunner, attempts: int | str = 0) -> None:
        """Begin."""
        self.handled = asyncio.Event()
        self.sent = asyncio.Event()
        metadata = ((PREVIOUS_ATTEMPTS, str(attempts)),) if attempts else ()
        self._context = SimpleNamespace(
            time_remaining=lambda: None,
            invocation_metadata=lambda: metadata,
            abort=self._abort,
            peer=lambda: "",
            auth_context=dict,
        )
        self._runner = runner
        self.task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        await self._runner.run("Generate", self._context, lambda _: self.handled.wait())  # type: ignore[arg-type]
        await self.sent.wait()

    async def _abort(self, *_status: object) -> None:
        raise AbortedError


@pytest.fixture
def runner() -> RpcRunner:
    """Return a runner whose other parts do nothing."""
    tracing = Mock()
    tracing.begin_rpc.return_value = SimpleNamespace(trace_id="", span_id="", exemplar="")
    callers = Mock(identify=AsyncMock(return_value=ANYBODY))
    in_force = InForce(Mock(callers=callers, max_wait_seconds=60.0))
    return RpcRunner(in_force=in_force, ledger=Mock(), tracing=tracing)


async def settle() -> None:
    """Let everything run that can."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_it_is_quiet_once_the_last_status_was_sent(runner: RpcRunner) -> None:
    """A handler that has ended is not the end of its call, and cannot be cut any more."""
    call = Caller(runner)
    await settle()
    runner.drain(patient_seconds=1.0)
    quiet = asyncio.create_task(runner.wait_quiet(LINGER))
    call.handled.set()
    await asyncio.wait((quiet,), timeout=3 * LINGER)
    assert not quiet.done()
    assert runner.cut_all() == 0
    call.sent.set()
    await asyncio.wait_for(quiet, 5)
    assert runner.active == 0
    await call.task


async def test_quiet_begins_anew_with_each_call(runner: RpcRunner) -> None:
    """A call that was served meanwhile is waited for, and its last words too."""
    runner.drain(patient_seconds=1.0)
    quiet = asyncio.create_task(runner.wait_quiet(LINGER))
    await settle()
    call = Caller(runner, attempts=3)
    await settle()
    await asyncio.wait((quiet,), timeout=3 * LINGER)
    assert not quiet.done()
    call.handled.set()
    call.sent.set()
    await asyncio.wait_for(quiet, 5)
    await call.task


@pytest.mark.parametrize(
    ("attempts", "patient", "served"),
    [(0, 1.0, False), (2, 1.0, False), (3, 1.0, True), (4, 1.0, True), (4, 0.0, False)],
)
async def test_who_insists_is_served_in_time(
    runner: RpcRunner, attempts: int, patient: float, served: bool
) -> None:
    """From the fourth attempt on, as long as there is time left for it to end."""
    runner.drain(patient_seconds=patient)
    call = Caller(runner, attempts)
    call.handled.set()
    call.sent.set()
    if served:
        await call.task
    else:
        with pytest.raises(AbortedError):
            await call.task


@pytest.mark.parametrize("attempts", ["9" * 5000, "-1", "x", " "])
async def test_whoever_sends_no_count_is_served_like_anybody(
    runner: RpcRunner, attempts: str
) -> None:
    """What is sent as a number of attempts may be anything, and leaves nothing behind."""
    call = Caller(runner, attempts)
    await settle()
    assert runner.active == 1
    call.handled.set()
    call.sent.set()
    await call.task
    await settle()
    assert runner.active == 0
