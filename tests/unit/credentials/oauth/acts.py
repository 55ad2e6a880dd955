"""Servers that are killed, from the test's side: started, watched, killed and let go on."""

import asyncio
import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import psutil

from tests.unit.credentials.oauth.crashing import Order, Step, written

PATIENCE_SECONDS = 60.0
"""Longest wait for a process to do the next thing, on a busy machine."""


class Act:
    """One server, which renews one account. Made by `Company.server`."""

    def __init__(self) -> None:
        """Wait for it."""
        self.pid = 0
        self.halted_pid = 0
        self._appeared, self._halted, self._go = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._ended: asyncio.Future[Mapping[str, str]] = asyncio.get_running_loop().create_future()

    async def appears(self) -> None:
        """Wait until it runs."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self._appeared.wait()

    async def halts(self) -> None:
        """Wait until it, or its courier, has come to the step where it was to stop."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self._halted.wait()

    def go_on(self) -> None:
        """Let what has stopped go on."""
        self._go.set()

    async def result(self) -> Mapping[str, str]:
        """Wait for its end and return what it said; nothing when it was killed before."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await asyncio.shield(self._ended)

    async def kill(self) -> None:
        """End it and its group as nothing can be prevented from ending; return when it is gone."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        await self.result()

    async def hear(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Talk to the server, or to what has stopped."""
        said = json.loads(await reader.readline())
        with contextlib.suppress(ConnectionError):
            if "halted" in said:
                self.halted_pid = said["pid"]
                self._halted.set()
                await self._go.wait()
                writer.write(b"\n")
            else:
                self.pid = said["pid"]
                self._appeared.set()
                line = b""
                with contextlib.suppress(ConnectionError):
                    line = await reader.readline()
                self._ended.set_result(json.loads(line) if line else {})
            writer.close()
            await writer.wait_closed()


class Company:
    """Makes servers. Made by `company`."""

    def __init__(self, process: subprocess.Popen[bytes], mark: str) -> None:
        """Take the program that makes them, and what is in the environment of all of them."""
        self._process = process
        self._mark = mark

    async def nobody_left(self) -> None:
        """Wait until no server is left, and nothing that one has started."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            # They are not our children: nothing tells when they end.
            while await asyncio.to_thread(self._left):  # noqa: ASYNC110
                await asyncio.sleep(0.05)

    def _left(self) -> int:
        left = 0
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                mine = process.environ().get("MARK") == self._mark
                left += mine and process.pid != self._process.pid
        return left

    @asynccontextmanager
    async def server(
        self,
        url: str,
        place: str,
        *,
        halt_server: Step | None = None,
        halt_courier: Step | None = None,
        **more: Any,
    ) -> AsyncIterator[Act]:
        """Start a server; at the end it is killed, and what it started goes on."""
        act, hearings = Act(), set[asyncio.Task[None]]()

        async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            hearings.add(task)
            await act.hear(reader, writer)

        listener = await asyncio.start_server(hear, "127.0.0.1", 0)
        port = listener.sockets[0].getsockname()[1]
        order = Order(
            *(port, url, place),
            halt_server=halt_server,
            halt_courier=halt_courier,
            **more,
        )
        assert self._process.stdin is not None
        self._process.stdin.write(written(order))
        self._process.stdin.flush()
        try:
            await act.appears()
            yield act
        finally:
            act.go_on()
            await act.kill()
            listener.close()
            await asyncio.gather(*hearings)
            await listener.wait_closed()


@contextmanager
def company() -> Iterator[Company]:
    """Run the program that makes servers."""
    mark = secrets.token_hex()
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.unit.credentials.oauth.crashing"],
        stdin=subprocess.PIPE,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join(["server", "clients/python", "."]),
            "MARK": mark,
        },
    )
    # Leaving closes its input, at which it ends.
    with process:
        yield Company(process, mark)
