"""Where lists of models outlive the process: a file each, or the shared state. Also what is in one.

What is kept are a provider's own words, before anything is joined to them, so that a new
version, or another configuration, joins anew. No secret is among them. Whatever cannot be
read, or is of somebody else, is as good as nothing, and told in the log.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import os
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import msgspec
import structlog
from google.protobuf.message import DecodeError

from sluice.v1 import gateway_service_pb2, model_pb2
from sluice_server.state.locks import SharedValues
from sluice_server.telemetry import names

LARGEST_BYTES = 64 * 1024 * 1024
"""Largest list that is read back, unpacked; four times what is read of a provider."""

_FORMAT = 1
_log = structlog.get_logger("sluice.catalog")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What is known of one provider's list. Times are seconds since the epoch."""

    models: Sequence[model_pb2.Model]
    """As the provider listed them; names are this configuration's."""
    fetched_at: float | None
    """When they were; None: never."""
    tried_at: float
    """When the provider was asked last."""
    failure_reason: str = ""
    """Why that failed; empty: it did not."""


class UnreadableListError(Exception):
    """What is kept cannot be used; says why."""


class _Head(msgspec.Struct, frozen=True, kw_only=True):
    """First line of what is kept; packed models follow it."""

    format: int
    identity: str
    fetched_at: float | None
    tried_at: float
    failure_reason: str
    digest: str


_HEAD = msgspec.json.Decoder(_Head)


def identity(*parts: str | None) -> str:
    """Return whose list it is, by what decides that: kind, address and the like. No secrets."""
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:16]


def encode(kept: Kept, whose: str) -> bytes:
    """Return it as bytes."""
    listed = gateway_service_pb2.ListModelsResponse(models=kept.models)
    packed = zlib.compress(listed.SerializeToString(), 6)
    head = _Head(
        format=_FORMAT,
        identity=whose,
        fetched_at=kept.fetched_at,
        tried_at=kept.tried_at,
        failure_reason=kept.failure_reason,
        digest=hashlib.sha256(packed).hexdigest(),
    )
    return msgspec.json.encode(head) + b"\n" + packed


def decode(data: bytes, whose: str) -> Kept:
    """Read it back.

    Raises:
        UnreadableListError: it is damaged, of another version, or of somebody else.
    """
    line, _, packed = data.partition(b"\n")
    try:
        head = _HEAD.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise UnreadableListError("damaged") from None
    if head.format != _FORMAT:
        raise UnreadableListError("of another version")
    if head.identity != whose:
        raise UnreadableListError("of another provider")
    times = [head.tried_at] if head.fetched_at is None else [head.tried_at, head.fetched_at]
    if hashlib.sha256(packed).hexdigest() != head.digest or not all(map(_is_time, times)):
        raise UnreadableListError("damaged")
    try:
        unpacker = zlib.decompressobj()
        plain = unpacker.decompress(packed, LARGEST_BYTES)
        if unpacker.unconsumed_tail:
            raise UnreadableListError("too large")
        listed = gateway_service_pb2.ListModelsResponse.FromString(plain)
    except (zlib.error, DecodeError):
        raise UnreadableListError("damaged") from None
    return Kept(
        models=tuple(listed.models),
        fetched_at=head.fetched_at,
        tried_at=head.tried_at,
        failure_reason=head.failure_reason,
    )


def _is_time(seconds: float) -> bool:
    return math.isfinite(seconds) and 0 <= seconds < 2**35


class Keeper(Protocol):
    """Keeps the list of one provider. No method raises for want of a place to keep it."""

    shared: bool
    """Whether other replicas see it; then one asks the provider, and the others read."""

    async def load(self) -> Kept | None:
        """Return what is kept; None when there is nothing that can be used."""

    async def save(self, kept: Kept) -> None:
        """Keep it in place of what was kept before."""

    async def claim(self, *, ttl: float) -> str | None:
        """Become the one who asks the provider, for so many seconds; None: another one does."""

    async def release(self, token: str) -> None:
        """Let another one ask."""


class NoKeeper:
    """Keeps nothing."""

    shared = False

    async def load(self) -> Kept | None:
        """Return nothing."""
        return None

    async def save(self, kept: Kept) -> None:
        """Forget it."""

    async def claim(self, *, ttl: float) -> str | None:
        """Nobody else asks."""
        return ""

    async def release(self, token: str) -> None:
        """Nobody waits."""


class FileKeeper(NoKeeper):
    """A file `PROVIDER.models` in a directory, written beside the old one and renamed over it."""

    def __init__(self, directory: Path, provider: str, whose: str) -> None:
        """Take the directory, which need not exist, and whose list it is."""
        self._path = directory / f"{provider}.models"
        self._provider = provider
        self._whose = whose
        self._writing = asyncio.Lock()

    async def load(self) -> Kept | None:
        """Read the file."""
        return await asyncio.to_thread(self._load)

    async def save(self, kept: Kept) -> None:
        """Write the file, unless there was no answer to keep."""
        if kept.failure_reason:
            return
        async with self._writing:
            await asyncio.to_thread(self._save, kept)

    def _load(self) -> Kept | None:
        try:
            with self._path.open("rb") as file:
                return decode(file.read(LARGEST_BYTES), self._whose)
        except FileNotFoundError:
            return None
        except (OSError, UnreadableListError) as error:
            _tell_unreadable(self._provider, error, str(self._path))
            return None

    def _save(self, kept: Kept) -> None:
        # Replicas on one machine may share a directory.
        beside = self._path.with_suffix(f".{os.getpid()}.next")
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            beside.write_bytes(encode(kept, self._whose))
            beside.replace(self._path)
        except OSError as error:
            _tell_unwritten(self._provider, error, str(self._path))


class SharedKeeper:
    """A value in the state that replicas share."""

    shared = True

    def __init__(self, values: SharedValues, provider: str, whose: str) -> None:
        """Take the shared values, and whose list it is."""
        self._values = values
        self._provider = provider
        self._whose = whose
        # Replicas with other settings, as during an update, keep their own.
        self._key = f"catalog/{provider}/{whose}"

    async def load(self) -> Kept | None:
        """Read the value."""
        try:
            data = await self._values.get(self._key)
        except ConnectionError as error:
            _tell_unreadable(self._provider, error, self._key)
            return None
        if data is None:
            return None
        try:
            return await asyncio.to_thread(decode, data, self._whose)
        except UnreadableListError as error:
            _tell_unreadable(self._provider, error, self._key)
            return None

    async def save(self, kept: Kept) -> None:
        """Write the value, failures included: others need not try the same."""
        data = await asyncio.to_thread(encode, kept, self._whose)
        try:
            await self._values.put(self._key, data)
        except ConnectionError as error:
            _tell_unwritten(self._provider, error, self._key)

    async def claim(self, *, ttl: float) -> str | None:
        """Take the lock; while the state cannot be reached everybody asks for itself."""
        try:
            return await self._values.lock(self._key, ttl=ttl)
        except ConnectionError:
            return ""

    async def release(self, token: str) -> None:
        """Give the lock back; a lost one ends by itself."""
        if token:
            try:
                await self._values.unlock(self._key, token)
            except ConnectionError:
                return


def _tell_unreadable(provider: str, error: Exception, place: str) -> None:
    _log.warning(names.MODELS_KEPT_UNREADABLE, provider=provider, reason=_why(error), place=place)


def _tell_unwritten(provider: str, error: Exception, place: str) -> None:
    _log.warning(names.MODELS_NOT_KEPT, provider=provider, reason=_why(error), place=place)


def _why(error: Exception) -> str:
    if isinstance(error, UnreadableListError):
        return str(error)
    # A Redis's own words may hold its address.
    return (isinstance(error, OSError) and error.strerror) or type(error).__name__
