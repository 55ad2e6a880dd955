"""The way to Redis: one pool of connections, and the scripts that run there.

Knows nothing of quota or locks. Every fault of Redis comes out as ConnectionError.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Coroutine, Sequence
from importlib import resources
from typing import Any

from redis import asyncio as redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, RedisError

from sluice_server.state import sane
from sluice_server.state.quota import REQUESTS

MAX_CONNECTIONS = 32
"""Connections of one replica; more calls than that wait for each other."""
TIMEOUT_SECONDS = 1.0
"""For connecting, for an answer, and for a free connection."""
MAX_GROUPS = 10_000
"""Groups kept, the least recently used forgotten first."""
MAX_ENDED = 100
"""Ended calls of a group that are kept apart; older ones are added together."""

_CONSTANTS = {
    "EPSILON": 1e-9,
    "FORGET_SECONDS": sane.FORGET_SECONDS,
    "MAX_BUCKETS": sane.MAX_BUCKETS,
    "MAX_ENDED": MAX_ENDED,
    "MAX_GROUPS": MAX_GROUPS,
    "MAX_SECONDS": sane.MAX_SECONDS,
    "RECHECK": sane.RECHECK,
    "REQUESTS": int(REQUESTS),
    "SILENT_WINDOW": sane.SILENT_WINDOW,
    "TOLERANCE_SECONDS": sane.TOLERANCE_SECONDS,
    "TOLERANCE_SHARE": sane.TOLERANCE_SHARE,
}

Value = bytes | str | int | float


class Script:
    """One Lua file of this package, by its hash."""

    def __init__(self, name: str, *, common: bool = True) -> None:
        text = _read(name)
        if common:
            constants = "\n".join(f"local {key} = {value!r}" for key, value in _CONSTANTS.items())
            text = "\n".join((constants, _read("common"), text))
        self.text = text
        self.sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


class Connection:
    """Runs scripts and plain commands on one Redis."""

    def __init__(self, url: str, *, timeout: float = TIMEOUT_SECONDS) -> None:
        """Take an address as of `redis://`, `rediss://` or `unix://`; connects when first used."""
        pool = redis.BlockingConnectionPool.from_url(
            url,
            max_connections=MAX_CONNECTIONS,
            timeout=timeout,
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            protocol=2,
            # One more try, as a kept connection may be older than the server. All
            # scripts bear being run twice.
            retry=Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
        )
        self._redis = redis.Redis.from_pool(pool)

    async def run(self, script: Script, keys: Sequence[str], *arguments: Value) -> Any:
        """Run a script; it is sent in full only where the server does not know it.

        Raises:
            ConnectionError: Redis does not answer, or not as it should.
        """
        try:
            return await self._call(
                lambda: self._redis.evalsha(script.sha, len(keys), *keys, *arguments)
            )
        except NoScriptError:
            return await self._call(
                lambda: self._redis.eval(script.text, len(keys), *keys, *arguments)
            )

    async def command(self, *words: Value) -> Any:
        """Run one command.

        Raises:
            ConnectionError: Redis does not answer, or not as it should.
        """
        return await self._call(
            lambda: self._redis.execute_command(*words)  # type: ignore[no-untyped-call]
        )

    async def aclose(self) -> None:
        """Close all connections."""
        await self._redis.aclose()

    @staticmethod
    async def _call(call: Callable[[], Any]) -> Any:
        try:
            reply: Coroutine[Any, Any, Any] = call()
            return await reply
        except NoScriptError:
            raise
        except (RedisError, OSError) as error:
            # The text may hold the address with its password.
            raise ConnectionError(f"Redis failed: {type(error).__name__}.") from error


def _read(name: str) -> str:
    return resources.files(__package__).joinpath(f"{name}.lua").read_text(encoding="utf-8")
