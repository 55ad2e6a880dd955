"""Where accounts are kept: one file each in a directory, or the shared state.

A save returns when the account would survive a crash. A file is written beside the
old one, synced, and renamed over it. A crash between leaves a complete newer file
under the other name; the next load takes it.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from sluice_server.credentials.oauth.account import (
    Account,
    UnreadableAccountError,
    decode,
    encode,
)
from sluice_server.state.locks import SharedValues

LOCK_SECONDS = 100.0
"""How long a lost holder of a shared lock keeps the others away; longer than a renewal takes."""

_LOCK_POLL_SECONDS = 0.05

_LARGEST_FILE_BYTES = 1024 * 1024


class TokenStoreError(Exception):
    """The store cannot be read or written. Says where and why, never what."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where another process finds a store."""

    kind: Literal["directory", "redis"]
    address: str = field(repr=False)
    """A path, or an address of a Redis, which may hold a password."""


async def _no_end() -> None:
    """Wait as long as it takes."""


class TokenStore(Protocol):
    """Keeps accounts by name (`provider/credential`)."""

    @property
    def place(self) -> Place | None:
        """Where another process finds it; None: only this process has it."""

    async def load(self, name: str) -> Account | None:
        """Return the account; None when there is none yet.

        Raises:
            TokenStoreError: it cannot be read.
        """

    async def save(self, name: str, account: Account) -> None:
        """Keep the account; returns when it is safe.

        Raises:
            TokenStoreError: it cannot be written.
        """

    def alone(
        self, name: str, between_tries: Callable[[], Awaitable[None]] = _no_end
    ) -> contextlib.AbstractAsyncContextManager[None]:
        """Keep others that use this very store from changing the account.

        `between_tries` runs while another one does, and ends the waiting by raising: a
        cancellation could come in the moment in which the lock was taken.

        Raises:
            TokenStoreError: there is no way to keep them away.
        """

    def describe(self, name: str) -> str:
        """Return where the account is kept, for people."""


def default_directory(environ: Mapping[str, str]) -> Path:
    """Return the directory for tokens where none is configured."""
    # systemd's StateDirectory= may name several.
    if state := environ.get("STATE_DIRECTORY", "").split(":")[0]:
        return Path(state)
    home = environ.get("XDG_STATE_HOME") or str(Path("~/.local/state").expanduser())
    return Path(home) / "sluice"


class FileTokenStore:
    """Files `PROVIDER.CREDENTIAL.json` in one directory, readable for the owner only."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    @property
    def place(self) -> Place | None:
        """The directory."""
        return Place("directory", str(self._directory))

    async def load(self, name: str) -> Account | None:
        """Return the newer of the file and of what a crash left beside it."""
        return await asyncio.to_thread(self._load, name)

    async def save(self, name: str, account: Account) -> None:
        """Write beside, sync, rename, sync the directory."""
        await asyncio.to_thread(self._save, name, account)

    @asynccontextmanager
    async def alone(
        self, name: str, between_tries: Callable[[], Awaitable[None]] = _no_end
    ) -> AsyncIterator[None]:
        """Hold a lock on a file; the system drops it when the process ends."""
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self._path(name, ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise self._failed("locked", name, error) from error
        try:
            while True:
                with contextlib.suppress(BlockingIOError):
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                _step("waiting")
                await between_tries()
                await asyncio.sleep(_LOCK_POLL_SECONDS)
            yield
        finally:
            os.close(descriptor)

    def describe(self, name: str) -> str:
        """Return the path of the file."""
        return str(self._path(name))

    def _path(self, name: str, ending: str = ".json") -> Path:
        # Neither half has a slash, and the first one has no dot: names stay apart.
        return self._directory / (name.replace("/", ".") + ending)

    def _load(self, name: str) -> Account | None:
        # In this order: whoever is renaming one over the other meanwhile hides neither.
        left, kept = (self._read(self._path(name, ending)) for ending in (".next", ".json"))
        accounts = [item for item in (left, kept) if isinstance(item, Account)]
        if accounts:
            return max(accounts, key=lambda account: account.generation)
        if isinstance(kept, UnreadableAccountError):
            raise TokenStoreError(f"{self._path(name)} {kept}; it is left as it is.")
        return None

    def _read(self, path: Path) -> Account | UnreadableAccountError | None:
        try:
            with path.open("rb") as file:
                return decode(file.read(_LARGEST_FILE_BYTES))
        except FileNotFoundError:
            return None
        except UnreadableAccountError as error:
            return error
        except OSError as error:
            raise TokenStoreError(f"{path} cannot be read: {error.strerror}.") from error

    def _save(self, name: str, account: Account) -> None:
        path, beside = self._path(name), self._path(name, ".next")
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            # What a crash left may be the only copy of a token: make it the file first.
            self._adopt(path, beside)
            descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            try:
                os.fchmod(descriptor, 0o600)
                _write(descriptor, encode(account))
                _step("written")
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            _step("synced")
            beside.replace(path)
            _step("renamed")
            _sync_directory(self._directory)
        except OSError as error:
            raise self._failed("written", name, error) from error

    def _adopt(self, path: Path, beside: Path) -> None:
        left, kept = self._read(beside), self._read(path)
        if isinstance(left, Account) and not (
            isinstance(kept, Account) and kept.generation >= left.generation
        ):
            beside.replace(path)
            _sync_directory(self._directory)

    def _failed(self, what: str, name: str, error: OSError) -> TokenStoreError:
        return TokenStoreError(f"{self._path(name)} cannot be {what}: {error.strerror}.")


class SharedTokenStore:
    """Accounts in the shared state; also the memory of what need not outlive the process."""

    def __init__(self, values: SharedValues, redis: str | None = None) -> None:
        """Take the values, and the address of the Redis that holds them, if one does."""
        self._values = values
        self._redis = redis

    @property
    def place(self) -> Place | None:
        """The Redis; None for memory."""
        return None if self._redis is None else Place("redis", self._redis)

    async def load(self, name: str) -> Account | None:
        """Return the account."""
        try:
            data = await self._values.get(_key(name))
        except ConnectionError as error:
            raise TokenStoreError("The shared state cannot be read.") from error
        try:
            return None if data is None else decode(data)
        except UnreadableAccountError as error:
            raise TokenStoreError(f"The shared value {_key(name)} {error}.") from error

    async def save(self, name: str, account: Account) -> None:
        """Keep the account."""
        try:
            await self._values.put(_key(name), encode(account))
        except ConnectionError as error:
            raise TokenStoreError("The shared state cannot be written.") from error

    @asynccontextmanager
    async def alone(
        self, name: str, between_tries: Callable[[], Awaitable[None]] = _no_end
    ) -> AsyncIterator[None]:
        """Hold a lock in the shared state; it ends by itself when its holder is lost."""
        key = f"oauth/store/{name}"
        try:
            while True:
                token = await self._values.lock(key, ttl=LOCK_SECONDS)
                if token is not None:
                    break
                _step("waiting")
                await between_tries()
                await asyncio.sleep(_LOCK_POLL_SECONDS)
        except ConnectionError as error:
            raise TokenStoreError("The shared state cannot be reached.") from error
        try:
            yield
        finally:
            with contextlib.suppress(ConnectionError):
                await self._values.unlock(key, token)

    def describe(self, name: str) -> str:
        """Return the name of the shared value."""
        return f"the shared state, as {_key(name)}"


@asynccontextmanager
async def opened(place: Place) -> AsyncIterator[TokenStore]:
    """Open the store that another process described."""
    if place.kind == "directory":
        yield FileTokenStore(Path(place.address))
        return
    # Only those who share state need what it takes.
    from sluice_server.state.redis.values import RedisValues

    values = RedisValues(place.address)
    try:
        yield SharedTokenStore(values, place.address)
    finally:
        await values.aclose()


def _key(name: str) -> str:
    return f"oauth/account/{name}"


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _step(name: str) -> None:
    """Mark a moment of a lock or a save; tests stop the process here."""
