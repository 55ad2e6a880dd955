"""The process: reads one job, renews, reports, and ends.

Started by `dispatch`. It goes on when the server is killed, and when somebody signals
everything that the server had started. What it holds is safe on the disk when it ends;
and it ends, whatever happens, since an alarm of the system is set.

Imports nothing that it does not need: its start is part of every renewal.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time

from sluice_server.credentials.oauth.courier.handover import Fault, Job, Report, write_all
from sluice_server.credentials.oauth.endpoint import TokenEndpoint
from sluice_server.credentials.oauth.faults import (
    LoginNeededError,
    TokenRefusedError,
    TokenUnavailableError,
)
from sluice_server.credentials.oauth.grants.fields import RefreshToken
from sluice_server.credentials.oauth.renewal import WAIT_SECONDS, Renewal, Renewed
from sluice_server.credentials.oauth.store import LOCK_SECONDS, TokenStoreError, opened

LIFE_SECONDS = int(WAIT_SECONDS + LOCK_SECONDS)
"""After so long the kernel ends it: waiting for others, and a renewal, take less."""

_NOT_FOR_US = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE)


def main() -> None:
    """Do the job on standard input."""
    for number in _NOT_FOR_US:
        signal.signal(number, signal.SIG_IGN)
    signal.alarm(LIFE_SECONDS)
    output = _keep_stdout_for_the_report()
    line = sys.stdin.buffer.readline()
    if not line.endswith(b"\n"):
        return  # The server ended before it had said everything; nothing was begun.
    report = asyncio.run(_deliver(Job.from_line(line)))
    # Without a reader the next server finds what was kept.
    with contextlib.suppress(BrokenPipeError):
        write_all(output, report.to_line())


def _keep_stdout_for_the_report() -> int:
    """Return a descriptor for the report; whatever else is printed goes to standard error."""
    report = os.dup(1)
    os.dup2(2, 1)
    return report


async def _deliver(job: Job) -> Report:
    """Renew, and return what came of it."""
    async with opened(job.place) as store:
        renewal = Renewal(
            job.name,
            grant=RefreshToken(TokenEndpoint(job.url, job.client), job.scopes, remedy=""),
            store=store,
            default_lifetime=job.default_lifetime,
            first_refresh_token=job.first_refresh_token,
            unsaved=job.unsaved,
            clock=lambda: time.time() + job.ahead,
            factor=job.factor,
        )
        # The server holds the other end until it has its report, or is gone.
        asyncio.get_running_loop().add_reader(0, _heard, renewal)
        outcome: Renewed | Fault
        try:
            outcome = await renewal.renew(job.refused)
        except (LoginNeededError, TokenRefusedError, TokenUnavailableError, TokenStoreError) as it:
            outcome = it
        except Exception as error:  # noqa: BLE001 - whatever it is, the server waits for a report
            outcome = TokenUnavailableError(f"Renewing failed: {type(error).__name__}.")
        return Report(outcome=outcome, unsaved=renewal.unsaved)


def _heard(renewal: Renewal) -> None:
    if not os.read(0, 4096):
        asyncio.get_running_loop().remove_reader(0)
        renewal.abandon()


if __name__ == "__main__":
    main()
    # The report is out: no need to wait for threads that hang in a resolver or a disk.
    os._exit(0)
