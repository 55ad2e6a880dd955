"""Starts a program without a copy of this process running before it.

uvloop forks, and in the copy runs what libraries registered for forks before the program begins.
gRPC's hooks crashed such copies; OpenTelemetry's start threads there, and one that hangs holds up
the event loop for good, which waits for the program's begin. `subprocess` uses `vfork`, which runs
none of them. Here asyncio's own transport is joined to it; what runs, and why, is the caller's.
"""

import asyncio
import contextlib
import subprocess
import threading
from asyncio.base_subprocess import BaseSubprocessTransport
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

ProtocolT = TypeVar("ProtocolT", bound=asyncio.SubprocessProtocol)

_LIMIT_BYTES: Final = 1 << 16
"""Longest line that is read of an output; asyncio's own default."""


async def start(*command: str, env: Mapping[str, str]) -> asyncio.subprocess.Process:
    """Start a program with pipes for its input and both outputs.

    Raises:
        OSError: it cannot be started.
    """
    loop = asyncio.get_running_loop()
    transport, protocol = await subprocess_exec(
        loop,
        lambda: asyncio.subprocess.SubprocessStreamProtocol(limit=_LIMIT_BYTES, loop=loop),
        *command,
        env=env,
    )
    return asyncio.subprocess.Process(transport, protocol, loop)


async def subprocess_exec(
    loop: asyncio.AbstractEventLoop,
    protocol_factory: Callable[[], ProtocolT],
    *command: str,
    stdin: Any = subprocess.PIPE,
    stdout: Any = subprocess.PIPE,
    stderr: Any = subprocess.PIPE,
    **options: Any,
) -> tuple[asyncio.SubprocessTransport, ProtocolT]:
    """Do what a loop's method of this name does; `options` are those of `subprocess.Popen`.

    Raises:
        OSError: the program cannot be started.
    """
    protocol = protocol_factory()
    connected: asyncio.Future[None] = loop.create_future()
    transport = _Transport(
        loop, protocol, command, False, stdin, stdout, stderr, 0, waiter=connected, **options
    )
    transport.follow()
    try:
        await connected
    except BaseException:
        transport.close()
        raise
    return transport, protocol


class _Transport(BaseSubprocessTransport):
    _loop: asyncio.AbstractEventLoop
    _proc: subprocess.Popen[bytes]

    def _start(
        self,
        args: Any,
        shell: bool,
        stdin: Any,
        stdout: Any,
        stderr: Any,
        bufsize: int,
        **options: Any,
    ) -> None:
        self._proc = subprocess.Popen(  # noqa: S603 - the caller chose the program
            args,
            shell=shell,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            bufsize=bufsize,
            **options,
        )

    def follow(self) -> None:
        """Wait for the program's end in a thread: loops have no watcher that all of them share."""
        threading.Thread(target=self._wait_for_end, name="program", daemon=True).start()

    def _wait_for_end(self) -> None:
        code = self._proc.wait()
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(self._process_exited, code)
