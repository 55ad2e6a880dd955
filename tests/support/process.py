"""The server as a process of its own: for signals, exit codes, memory and what it logs.

Everything that does not need a process uses `server`, which is faster.
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil

from tests.support.configuration import Config, write
from tests.support.secrecy import SECRECY

START_SECONDS = 20.0
"""Longest wait for "server.started"; a cold start on a busy machine takes a few."""
STOP_SECONDS = 20.0

LogLine = dict[str, Any]


class ServerProcess:
    """A running `sluice-server serve`. Made by `server_process`."""

    def __init__(self, process: asyncio.subprocess.Process, file: Path) -> None:
        """Keep the process; `log` fills while `follow_log` runs."""
        self.file = file
        """The configuration, for tests that change it."""
        self.log: list[LogLine] = []
        self.plain_lines: list[str] = []
        """What was written to standard error and is no JSON object; should stay empty."""
        self._process = process
        self._log_grew = asyncio.Condition()
        self._log_ended = False

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """The exit code; None while it runs."""
        return self._process.returncode

    @property
    def started(self) -> LogLine:
        """The line that tells the addresses: fields listen, health and metrics."""
        return next(line for line in self.log if line["event"] == "server.started")

    @property
    def channel_target(self) -> str:
        """Where to connect for the gRPC service."""
        return str(self.started["listen"])

    @property
    def raw_log(self) -> str:
        """Everything written to standard error so far, for searches."""
        return "\n".join([*(json.dumps(line) for line in self.log), *self.plain_lines])

    def resident_bytes(self) -> int:
        """Return the resident memory of the process, without its children."""
        return int(psutil.Process(self.pid).memory_info().rss)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    def terminate(self) -> None:
        """Ask it to drain and stop."""
        self.signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once, as a crash would."""
        self.signal(signal.SIGKILL)

    async def wait(self, within: float = STOP_SECONDS) -> int:
        """Wait for the end and return the exit code; raises TimeoutError when it does not end."""
        async with asyncio.timeout(within):
            return await self._process.wait()

    async def wait_for_log(
        self, wanted: str | Callable[[LogLine], bool], within: float = STOP_SECONDS
    ) -> LogLine:
        """Wait for a line with this event (or that satisfies the predicate) and return it.

        Raises TimeoutError when it does not come, and AssertionError with the log when the
        process ended without it.
        """
        matches = (lambda line: line["event"] == wanted) if isinstance(wanted, str) else wanted

        def found() -> LogLine | None:
            return next((line for line in self.log if matches(line)), None)

        async with asyncio.timeout(within), self._log_grew:
            await self._log_grew.wait_for(lambda: found() is not None or self._log_ended)
        line = found()
        assert line is not None, f"the server ended without {wanted}:\n{self.raw_log}"
        return line

    async def follow_log(self) -> None:
        """Read standard error until it ends."""
        assert self._process.stderr is not None
        async for raw in self._process.stderr:
            self._keep(raw.decode(errors="replace").rstrip("\n"))
            async with self._log_grew:
                self._log_grew.notify_all()
        async with self._log_grew:
            self._log_ended = True
            self._log_grew.notify_all()

    def _keep(self, text: str) -> None:
        SECRECY.tell("log of a process", text)
        try:
            line = json.loads(text)
        except ValueError:
            line = None
        if isinstance(line, dict) and "event" in line:
            self.log.append(line)
        else:
            self.plain_lines.append(text)


@asynccontextmanager
async def server_process(
    config: Config,
    *,
    environment: Mapping[str, str] | None = None,
    program: Sequence[str] = ("sluice_server",),
) -> AsyncIterator[ServerProcess]:
    """Run the server with these settings until the block ends; killed when it does not stop.

    `program` is the module to run, and its first arguments.
    """
    SECRECY.keep_all_of(config)
    SECRECY.keep_variables(environment or {})
    with tempfile.TemporaryDirectory() as folder:
        path = write(config, Path(folder))
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", *program, "serve", "--config", str(path)),
            stdin=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, **(environment or {})},
            limit=1 << 24,
        )
        server = ServerProcess(process, path)
        following = asyncio.create_task(server.follow_log())
        try:
            await server.wait_for_log("server.started", START_SECONDS)
            yield server
        finally:
            await _stop(process)
            await following


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(1.0):
            await process.wait()
    except TimeoutError:
        # It may end just now.
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
