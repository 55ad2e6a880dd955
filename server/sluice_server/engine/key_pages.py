"""Keeps what providers say about keys on pages of their own, for keys in use.

(`openrouter.md` section 7.) Asking is bounded in `providers.key_poll`; what a page
says becomes knowledge of every model that the key was used for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import structlog

from sluice_server.credentials.source import Credential
from sluice_server.engine.planning import Upstream
from sluice_server.providers.key_poll import KeyPoll
from sluice_server.providers.key_status import KeyLimit
from sluice_server.state.quota import Group, QuotaStore
from sluice_server.telemetry import names

MAX_MODELS = 200
"""Models remembered per key: their names are the caller's."""

_Key = tuple[str, str]
_log = structlog.get_logger("sluice.limits")


class KeyPages:
    """Polls the pages of one server's upstreams."""

    def __init__(self, store: QuotaStore, upstreams: Mapping[str, Upstream]) -> None:
        self._store = store
        self._upstreams = {
            name: upstream for name, upstream in upstreams.items() if upstream.provider.has_key_page
        }
        self._groups: dict[_Key, dict[Group, None]] = {}
        self._poll = KeyPoll[_Key](self._fetch, learn=self._learn, failed=self._failed)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to poll; nothing runs where no provider has such pages."""
        if self._upstreams:
            self._task = asyncio.create_task(self._poll.run())

    async def aclose(self) -> None:
        """Stop polling."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def used(self, credential: Credential, group: Group) -> None:
        """Note that a call uses a key of a provider for a model."""
        upstream = self._upstreams.get(group.provider)
        if upstream is None or credential not in upstream.credentials.credentials:
            return
        key = (group.provider, credential.name)
        groups = self._groups.setdefault(key, {})
        if group not in groups and len(groups) < MAX_MODELS:
            groups[group] = None
        self._poll.used(key)

    async def _fetch(self, key: _Key) -> Sequence[KeyLimit]:
        upstream = self._upstreams[key[0]]
        (credential,) = (c for c in upstream.credentials.credentials if c.name == key[1])
        secret = await credential.source.secret()
        return await upstream.provider.key_limits(secret=secret.get_secret_value())

    async def _learn(self, key: _Key, limits: Sequence[KeyLimit]) -> None:
        for group in tuple(self._groups.get(key, ())):
            seen = [limit.seen for limit in limits if limit.counts(group.model)]
            if seen:
                await self._store.observe(group, seen)

    def _failed(self, key: _Key, error: Exception) -> None:
        _log.info(
            names.KEY_PAGE_FAILED,
            provider=key[0],
            credential=key[1],
            exception=type(error).__qualname__,
        )
