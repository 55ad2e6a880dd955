"""The client's command line as a process of its own: in pipes, or in a terminal.

Arguments stand in the tests; the server's own command line is in `process`.
"""

import asyncio
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pexpect
import pyte

from tests.support.programs import outcome

COMMAND = (sys.executable, "-m", "sluice.cli")
SECONDS = 30.0
"""Longest wait for anything on a screen; a cold start on a busy machine takes a few."""


def environment(**variables: str) -> dict[str, str]:
    """Return this process' variables without those that the command line reads."""
    own = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("SLUICE_") and name not in ("NO_COLOR", "COLUMNS", "LINES")
    }
    return {**own, **variables}


async def sluice(
    *arguments: str, stdin: str | None = None, **variables: str
) -> tuple[int, str, str]:
    """Run `sluice` and return its exit code and what it printed on both streams.

    `stdin` is what is piped in; without it there is nothing to be read. Bytes that are no
    text are written as `os.fsdecode` has them, there and in arguments.
    """
    return await outcome(
        *(*COMMAND, *arguments),
        seconds=SECONDS,
        stdin=None if stdin is None else os.fsencode(stdin),
        env=environment(**variables),
    )


class Terminal:
    """A program in a terminal, and what its screen shows. Made by `terminal`."""

    def __init__(self, child: "pexpect.spawn[Any]", columns: int, lines: int) -> None:
        self.child = child
        self.raw = b""
        """All that was written to the terminal."""
        self._screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self._screen)

    @property
    def text(self) -> str:
        """The screen now, a line each."""
        return "\n".join(line.rstrip() for line in self._screen.display)

    def press(self, keys: str) -> None:
        """Type."""
        self.child.send(keys)

    def resize(self, columns: int, lines: int) -> None:
        """Give the terminal another size; its old content is gone, as with many terminals."""
        self._screen.resize(lines, columns)
        self._screen.reset()
        self.child.setwinsize(lines, columns)

    async def until(self, wanted: str | Callable[[str], bool]) -> str:
        """Wait until the screen shows a text (or satisfies the predicate) and return it.

        Raises AssertionError with the screen when it does not come to that.
        """
        shows = (lambda screen: wanted in screen) if isinstance(wanted, str) else wanted
        deadline = time.monotonic() + SECONDS
        while not shows(self.text):
            if time.monotonic() > deadline:
                raise AssertionError(f"waited for {wanted!r}, the screen shows\n{self.text}")
            try:
                await asyncio.to_thread(self._read)
            except pexpect.EOF:
                assert shows(self.text), f"ended without {wanted!r}:\n{self.text}"
        return self.text

    async def ended(self) -> int:
        """Wait for the end and return the exit code, -N after an unhandled signal N."""
        deadline = time.monotonic() + SECONDS
        while True:
            assert time.monotonic() < deadline, f"it goes on:\n{self.text}"
            try:
                await asyncio.to_thread(self._read)
            except pexpect.EOF:
                break
        await asyncio.to_thread(self.child.wait)
        if self.child.exitstatus is not None:
            return int(self.child.exitstatus)
        return -int(self.child.signalstatus or 0)

    def _read(self) -> None:
        try:
            data = self.child.read_nonblocking(1 << 16, timeout=0.2)
        except pexpect.TIMEOUT:
            return
        self.raw += data
        self._stream.feed(data)


@contextmanager
def terminal(
    *arguments: str, columns: int = 80, lines: int = 24, **variables: str
) -> Iterator[Terminal]:
    """Run `sluice` in a terminal of this size; killed when it does not end in the block."""
    child = pexpect.spawn(
        COMMAND[0],
        [*COMMAND[1:], *arguments],
        env=environment(**{"TERM": "xterm-256color", **variables}),
        dimensions=(lines, columns),
        timeout=SECONDS,
    )
    try:
        yield Terminal(child, columns, lines)
    finally:
        child.close(force=True)
