"""Where keys come from: the configuration, a file, a program, or the caller of one call.

Access tokens are in `oauth`. No representation and no message here holds a key, and what a
program printed is shown nowhere. Messages name neither files nor programs, since they reach
callers; the credential's alias leads the operator to both.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import stat
import time
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from sluice_server.config import settings
from sluice_server.credentials.programs import LARGEST_BYTES, ProgramError, output_of
from sluice_server.credentials.source import SecretSource
from sluice_server.errors import ProviderCredentialRejectedError

CHECK_SECONDS = 1.0
"""How often a key file is looked at, at most."""

READ_SECONDS = 1.0
"""How long calls wait for a file system that hangs, when a key is known."""

GRACE_SECONDS = 5.0
"""How long a key outlives its file: not every writer replaces a file in one step."""

RERUN_SECONDS = 1.0
"""Shortest time between two runs of a program."""

_VISIBLE = re.compile(rb"[!-~]+")

_Signature = tuple[int, int, int, int]


class StaticKey:
    """A key that stays as it is."""

    def __init__(self, key: SecretStr) -> None:
        self._key = key

    async def secret(self) -> SecretStr:
        """Return the key."""
        return self._key

    async def renew(self, refused: SecretStr) -> bool:
        """There is no other key."""
        return False

    async def aclose(self) -> None:
        """Nothing runs."""


class CallerKey(StaticKey):
    """A key that a caller brought for one call; kept nowhere else."""


class FileKey:
    """A key in a file, read again when the file changed."""

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        self._key: SecretStr | None = None
        self._signature: _Signature | None = None
        self._problem: str | None = None
        self._looked_at = self._good_at = float("-inf")
        self._looking = _Flight(self._look)

    def __repr__(self) -> str:
        return f"FileKey({str(self._path)!r})"

    async def secret(self) -> SecretStr:
        """Return the key that the file holds, as of a second ago at most.

        Raises:
            ProviderCredentialRejectedError: it holds none, or cannot be read.
        """
        now = self._clock()
        if now - self._looked_at >= CHECK_SECONDS:
            if self._key is not None:
                # Only this call looks; the others go on with the key that is known.
                self._looked_at = now
            await self._refresh()
        return self._current()

    async def renew(self, refused: SecretStr) -> bool:
        """Look at the file now; tells whether it holds another key than the refused one."""
        if self._key == refused:
            # Time stamps may be as coarse as two seconds.
            self._signature = None
            await self._refresh()
        with contextlib.suppress(ProviderCredentialRejectedError):
            return self._current() != refused
        return False

    async def aclose(self) -> None:
        """Stop looking."""
        await self._looking.aclose()

    async def _refresh(self) -> None:
        if self._key is None:
            await self._looking.join()
            return
        # A mounted file system may hang; the known key does until it answers.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(READ_SECONDS):
                await self._looking.join()

    def _current(self) -> SecretStr:
        fresh = self._problem is None or self._clock() - self._good_at < GRACE_SECONDS
        if self._key is None or not fresh:
            raise ProviderCredentialRejectedError(self._problem or "The key file was never read.")
        return self._key

    async def _look(self) -> None:
        try:
            found = await asyncio.to_thread(_read, self._path, self._signature)
        except _NoKeyError as problem:
            self._problem, self._signature = str(problem), None
        else:
            if found is not None:
                self._key, self._signature = found
            self._problem = None
            self._good_at = self._clock()
        self._looked_at = self._clock()


class CommandKey:
    """A key that a program prints; run again when it was refused, or grew old."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        timeout: float,
        refresh: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take a program and its arguments, its time and the key's greatest age, in seconds."""
        self._command = tuple(command)
        self._timeout = timeout
        self._refresh = refresh
        self._clock = clock
        self._key: SecretStr | None = None
        self._problem = ""
        self._ran_at = self._printed_at = float("-inf")
        self._running = _Flight(self._run)

    def __repr__(self) -> str:
        return f"CommandKey({self._command[0]!r})"

    async def secret(self) -> SecretStr:
        """Return the key, running the program if there is none yet or it is too old.

        Raises:
            ProviderCredentialRejectedError: the program did not print one.
        """
        now = self._clock()
        old = self._refresh is not None and now - self._printed_at >= self._refresh
        if self._key is None:
            if now - self._ran_at >= RERUN_SECONDS:
                await self._running.join()
        elif old and now - self._ran_at >= RERUN_SECONDS:
            # Calls go on with the key that they have: it may be good for longer.
            self._running.begin()
        if self._key is None:
            raise ProviderCredentialRejectedError(self._problem)
        return self._key

    async def renew(self, refused: SecretStr) -> bool:
        """Run the program once for all who were refused; tells whether it prints another key."""
        if self._key == refused and self._clock() - self._ran_at >= RERUN_SECONDS:
            await self._running.join()
        return self._key is not None and self._key != refused

    async def aclose(self) -> None:
        """Stop the program if it runs."""
        await self._running.aclose()

    async def _run(self) -> None:
        try:
            self._key = _key_in(await self._output(), "The key program printed")
            self._printed_at = self._clock()
        except _NoKeyError as problem:
            self._problem = str(problem)
        finally:
            self._ran_at = self._clock()

    async def _output(self) -> bytes:
        try:
            return await output_of(self._command, seconds=self._timeout)
        except ProgramError as error:
            raise _NoKeyError(f"The key program {error}.") from None


class _NoKeyError(Exception):
    """There is no key; says why."""


class _Flight:
    """One run of a job at a time, whoever asks; nobody who leaves ends it for the others."""

    def __init__(self, job: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._job = job
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Run the job unless it runs."""
        self._task = self._started()

    async def join(self) -> None:
        """Run the job unless it runs, and wait for its end."""
        await asyncio.shield(self._started())

    async def aclose(self) -> None:
        """Cancel the job and wait for its end."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _started(self) -> asyncio.Task[None]:
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._job())
        return self._task


def source_of(entry: settings.Credential) -> SecretSource:
    """Return the source of a credential whose secret is a key.

    Raises:
        ValueError: it is no key but an account.
    """
    if entry.api_key is not None:
        return StaticKey(entry.api_key)
    if entry.api_key_file is not None:
        return FileKey(entry.api_key_file)
    if entry.api_key_command is not None:
        return CommandKey(
            entry.api_key_command,
            timeout=entry.api_key_command_timeout_seconds,
            refresh=entry.api_key_command_refresh_seconds,
        )
    raise ValueError("no key is configured")


def _read(path: Path, known: _Signature | None) -> tuple[SecretStr, _Signature] | None:
    """Return the key in a file and what the file looks like; None when it looks as `known`."""
    try:
        # A pipe in place of a file would block.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:  # noqa: PTH123 - a path cannot take flags
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise _NoKeyError("The key file is not a file.")
            signature = (status.st_mtime_ns, status.st_ino, status.st_dev, status.st_size)
            if signature == known:
                return None
            raw = file.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise _NoKeyError(f"The key file cannot be read: {error.strerror}.") from None
    return _key_in(raw, "The key file holds"), signature


def _key_in(raw: bytes, where: str) -> SecretStr:
    if len(raw) > LARGEST_BYTES:
        raise _NoKeyError(f"{where} more than {LARGEST_BYTES} bytes, which is no key.")
    key = raw.strip()
    if not key:
        raise _NoKeyError(f"{where} no key, only white space or nothing.")
    # It goes into a header.
    if not _VISIBLE.fullmatch(key):
        raise _NoKeyError(f"{where} something else than one key of visible ASCII characters.")
    return SecretStr(key.decode("ascii"))
