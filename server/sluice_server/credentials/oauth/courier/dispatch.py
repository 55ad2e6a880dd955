"""The server's side of a courier: hand it a job, wait for its report.

By `subprocess`, as `credentials.programs` does and for the same reason. Each has a thread
of its own: those for everybody are few, and would be waited for when the server ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent import futures
from typing import IO, cast

from sluice_server.credentials.oauth.account import Account
from sluice_server.credentials.oauth.courier.handover import Job, Report, write_all
from sluice_server.credentials.oauth.faults import TokenUnavailableError, no_refresh_token
from sluice_server.credentials.oauth.renewal import Kept, Renewal, Renewed

AT_ONCE = 8
"""Processes of one server at a time, since each takes 30 to 45 MB; others start after them."""

# -P: what lies in the working directory is not ours to import.
COMMAND: Sequence[str] = (sys.executable, "-P", "-m", "sluice_server.credentials.oauth.courier")


_room = threading.BoundedSemaphore(AT_ONCE)


class Courier:
    """A `Renewer` whose work goes on when this process is killed."""

    def __init__(self, here: Renewal, job: Job, *, clock: Callable[[], float] = time.time) -> None:
        """Take a renewal that can look, but is not used to renew, and the job for the process.

        The clock, the refused token and what is unsaved are filled in for each renewal.
        """
        self.unsaved: Account | None = None
        self._here = here
        self._job = job
        self._clock = clock
        self._errand: _Errand | None = None

    async def look(self, refused: str | None) -> Kept:
        """Return what is kept; no process is needed for that."""
        return await self._here.look(refused)

    async def renew(self, refused: str | None) -> Renewed:
        """Have a process renew, and wait for its report.

        Raises:
            TokenError: there is none; TokenUnavailableError also when no process can be
                started, or it was killed. Nothing is done here instead: that would break
                the promise silently, and just when the machine is in trouble.
            TokenStoreError: it cannot be kept; then it is `unsaved`.
        """
        if self.unsaved is None and (await self.look(refused)).account.refresh_token is None:
            raise no_refresh_token()
        _step("starting")
        job = dataclasses.replace(
            self._job, ahead=self._clock() - time.time(), refused=refused, unsaved=self.unsaved
        )
        errand = self._errand = _Errand(job.to_line())
        try:
            output, status = await errand.run()
        finally:
            errand.let_go()
        _step("reported")
        try:
            report = Report.from_line(output)
        except ValueError:
            raise TokenUnavailableError(
                f"The process that renews ended without a report ({_why(status)})."
            ) from None
        self.unsaved = report.unsaved
        if isinstance(report.outcome, Exception):
            raise report.outcome
        return report.outcome

    def abandon(self) -> None:
        """Let a process end that has sent nothing yet; one that has goes on."""
        if self._errand is not None:
            self._errand.let_go()


class _Errand:
    """One process, followed by a thread from its start to its end."""

    def __init__(self, job: bytes) -> None:
        self._job = job
        self._lock = threading.Lock()
        self._input: IO[bytes] | None = None
        self._free = threading.Event()

    async def run(self) -> tuple[bytes, int]:
        """Return what the process wrote, and its exit status.

        Raises:
            TokenUnavailableError: it cannot be started.
        """
        done: futures.Future[tuple[bytes, int]] = futures.Future()
        # Then nobody who leaves can end it for the thread.
        done.set_running_or_notify_cancel()
        threading.Thread(target=self._follow, args=(done,), daemon=True).start()
        return await asyncio.wrap_future(done)

    def let_go(self) -> None:
        """Close the process's input, by which it knows that nobody waits for its report."""
        with self._lock:
            self._free.set()
            if self._input is not None:
                self._input.close()

    def _follow(self, done: futures.Future[tuple[bytes, int]]) -> None:
        try:
            with _room:
                done.set_result(self._work())
        except Exception as error:  # noqa: BLE001 - it belongs to whoever waits
            done.set_exception(error)

    def _work(self) -> tuple[bytes, int]:
        if self._free.is_set():
            return b"", 0  # Nobody has waited long enough for room; nothing was begun.
        try:
            process = subprocess.Popen(  # noqa: S603 - our own program
                COMMAND,
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                # What Python prints of a fault may quote what it handled.
                stderr=subprocess.DEVNULL,
                # Signals to our group are not for it.
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or "bad arguments"
            raise TokenUnavailableError(
                f"The process that renews cannot be started: {why}."
            ) from None
        _step("started")
        stdin, stdout = cast("IO[bytes]", process.stdin), cast("IO[bytes]", process.stdout)
        with process:
            # One that died at once is seen by its exit.
            with contextlib.suppress(BrokenPipeError):
                write_all(stdin.fileno(), self._job)
            _step("handed")
            with self._lock:
                self._input = stdin
                if self._free.is_set():
                    stdin.close()
            output = stdout.read()
        return output, process.returncode


def _why(status: int) -> str:
    if status >= 0:
        return f"status {status}"
    try:
        return f"killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"killed by signal {-status}"


def _step(name: str) -> None:
    """Mark a moment of a dispatch; tests stop the process here."""
