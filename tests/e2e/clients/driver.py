"""A language's conformance program as a process: orders go in, lines of what it saw come out.

One process serves all orders of its language, so that a runtime starts once. It is fed and read
by threads of its own, since the tests' event loops come and go.
"""

import asyncio
import contextlib
import json
import os
import queue
import subprocess
import tempfile
import threading
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

ORDER_SECONDS = 60.0
"""Longest wait for a line; the slowest order is to wait for a gateway that is not there."""

Line = dict[str, Any]


class DriverError(AssertionError):
    """A driver ended, hung, or wrote something that is no JSON."""


class Driver:
    """A running conformance program. Everything that it wrote is kept in `written`."""

    def __init__(self, program: str) -> None:
        """Start it."""
        self.program = program
        self.written: list[str] = []
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115  closed with the driver
        self._process = subprocess.Popen(
            [program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            # What gRPC's own libraries tell of failed handshakes is no complaint of a driver.
            env={**os.environ, "GRPC_VERBOSITY": "NONE"},
            text=True,
            encoding="utf-8",
        )
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        # The loop has few threads for all, and the gateway that is waited for may need one.
        self._waiter = ThreadPoolExecutor(1)

    @property
    def alive(self) -> bool:
        """Whether it can take an order."""
        return self._process.poll() is None

    async def carry_out(
        self, order: Mapping[str, Any], paused: Callable[[], Awaitable[object]]
    ) -> list[Line]:
        """Give an order and return what the driver saw; `paused` runs while it pauses.

        Raises:
            DriverError: it did not get to the order's end; the process is gone then.
        """
        self._tell(json.dumps(order))
        lines: list[Line] = []
        while True:
            line = await self._next()
            if line == {"end": True}:
                return lines
            lines.append(line)
            if line == {"paused": True}:
                await paused()
                self._tell("{}")

    def end(self) -> tuple[int, str]:
        """End its input, wait for it, and return its exit code and what it complained about."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it is gone already
            self._process.stdin.close()
        try:
            code = self._process.wait(timeout=ORDER_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        self._reader.join()
        self._waiter.shutdown()
        complaints = self._complained()
        self._complaints.close()
        return code, complaints

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    async def _next(self) -> Line:
        try:
            text = await asyncio.get_running_loop().run_in_executor(
                self._waiter, lambda: self._lines.get(timeout=ORDER_SECONDS)
            )
        except queue.Empty:
            raise self._failed("wrote nothing for too long") from None
        if text is None:
            raise self._failed("ended")
        self.written.append(text)
        try:
            line = json.loads(text)
        except ValueError:
            raise self._failed(f"wrote {text[:200]!r}") from None
        assert isinstance(line, dict), line
        return line

    def _failed(self, how: str) -> DriverError:
        self._process.kill()
        self._process.wait()
        return DriverError(f"{self.program} {how}; it complained:\n{self._complained()}")

    def _complained(self) -> str:
        self._complaints.seek(0)
        return self._complaints.read().decode(errors="replace")

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._process.stdout.close()
        self._lines.put(None)
