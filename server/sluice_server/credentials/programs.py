"""Runs programs that print secrets: bounded in time and in output, and silent about both.

In a thread and by `subprocess`, whose `vfork` runs no hooks of libraries for forks, where
uvloop's fork does (`local.program` says what comes of it).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Sequence

LARGEST_BYTES = 64 * 1024
"""More is no secret: the longest tokens have a few KiB, headers are bounded by 64 KiB."""


class ProgramError(Exception):
    """There is no output to use; says why, without naming the program or quoting it."""


async def output_of(command: Sequence[str], *, seconds: float) -> bytes:
    """Return what a program prints within so many seconds.

    Raises:
        ProgramError: it cannot be started, fails, takes too long or prints too much.
    """
    running = _Running()
    try:
        return await asyncio.to_thread(running.output, tuple(command), seconds)
    except asyncio.CancelledError:
        # Nobody waits for it any more; its thread ends with it.
        running.kill()
        raise


class _Running:
    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._killed = False

    def output(self, command: tuple[str, ...], timeout: float) -> bytes:
        try:
            # What it complains about may hold the secret. A group of its own, so
            # that what it starts ends with it. No shell: the operator's words are
            # its arguments.
            process = subprocess.Popen(  # noqa: S603 - the operator chose the program
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or "bad arguments"
            raise ProgramError(f"cannot be started: {why}") from None
        self._process = process
        if self._killed:
            self.kill()
        late = threading.Event()

        def end() -> None:
            late.set()
            self.kill()

        timer = threading.Timer(timeout, end)
        timer.start()
        with process:
            try:
                output = process.stdout.read(LARGEST_BYTES + 1) if process.stdout else b""
                if len(output) > LARGEST_BYTES:
                    self.kill()
                    raise ProgramError("printed too much to be a secret")
                status = process.wait()
            finally:
                timer.cancel()
        if late.is_set():
            raise ProgramError(f"did not end within {timeout:g} s")
        if status != 0:
            raise ProgramError(f"failed (status {status})")
        return output

    def kill(self) -> None:
        """End the program and what it started."""
        self._killed = True
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
