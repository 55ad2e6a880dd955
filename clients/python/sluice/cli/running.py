"""How every command runs, prints and ends: failures in words, signals, pipes that are closed."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn, TypeVar

import click
from rich.console import Console

from sluice.cli.client import Target
from sluice.cli.errors import FAILED, explain
from sluice.errors import SluiceError

Result = TypeVar("Result")


def run(coroutine: Coroutine[Any, Any, Result], target: Target) -> Result:
    """Run a command's work.

    Raises:
        SystemExit: as `endings` says.
    """
    with endings(target):
        return asyncio.run(attentive(coroutine))


async def attentive(work: Coroutine[Any, Any, Result]) -> Result:
    """Await the work, and have a signal noticed at once.

    Python runs its handlers between two steps of the program: of a signal that comes just
    before the event loop begins to wait it would take notice only when the wait is over.
    """
    loop = asyncio.get_running_loop()
    woken, waker = socket.socketpair()
    for end in (woken, waker):
        end.setblocking(False)
    loop.add_reader(woken, woken.recv, 1024)
    before = signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
    try:
        return await work
    finally:
        signal.set_wakeup_fd(before)
        loop.remove_reader(woken)
        woken.close()
        waker.close()


@contextmanager
def endings(target: Target) -> Iterator[None]:
    """End the program as every command ends, whatever comes out of the block.

    A failed call is told on standard error, and its exit code is of `sluice.cli.errors`; a
    signal exits with 128 + its number, and so does a reader who closed the pipe (SIGPIPE).
    Output that cannot be written exits with 1.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        # By default it would end the process at once, and leave a terminal without cursor.
        signal.signal(number, _leave)
    try:
        yield
    except SluiceError as error:
        told = explain(error, target)
        click.echo(f"sluice: {told}", err=True)
        sys.exit(told.exit_code)
    except BrokenPipeError:
        unread()
    except OSError as error:  # of files, those who read them tell
        _failed_stream(error)
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)


def unread() -> NoReturn:
    """End the program because nobody reads its output any more, without a word.

    Raises:
        SystemExit: 141, as after SIGPIPE.
    """
    _drop_output()
    sys.exit(128 + signal.SIGPIPE)


def _failed_stream(error: OSError) -> NoReturn:
    """End the program because a stream failed, as output on a disk that is full does."""
    _drop_output()
    click.echo(f"sluice: Reading or writing failed: {error.strerror}.", err=True)
    sys.exit(FAILED)


def _drop_output() -> None:
    # Python would flush what is left, and complain, when it ends.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _leave(number: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(128 + number)


class _Console(Console):
    def on_broken_pipe(self) -> None:
        unread()


def console() -> Console:
    """Return where commands print for people: no colours beside a terminal, or with NO_COLOR."""
    out = _Console(highlight=False, markup=False, emoji=False)
    if not out.file.isatty() and "COLUMNS" not in os.environ:
        # A file has no width; tables shall not be cut for it.
        out = _Console(highlight=False, markup=False, emoji=False, width=160)
    return out
