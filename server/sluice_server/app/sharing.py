"""Opens what replicas share; without an address it is this process's own."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import NamedTuple

from pydantic import SecretStr

from sluice_server.config import settings
from sluice_server.state.locks import SharedValues
from sluice_server.state.memory import MemoryQuotaStore, MemoryValues
from sluice_server.state.quota import QuotaStore
from sluice_server.state.redis import RedisQuotaStore, RedisValues
from sluice_server.state.shared import SharedQuotaStore, SharedState
from sluice_server.state.steady_values import SteadyValues


class Sharing(NamedTuple):
    """What there is."""

    store: QuotaStore
    values: SharedValues
    redis: SecretStr | None
    """Address under which other replicas see it; None: none do."""


def open_state(
    configured: settings.State, stack: AsyncExitStack, on_change: Callable[[SharedState], None]
) -> Sharing:
    """Open it, and close it with the stack; `on_change` is told when Redis goes and comes."""
    if configured.redis is None:
        sharing = Sharing(MemoryQuotaStore(), MemoryValues(), None)
    else:
        url = configured.redis.get_secret_value()
        remote = RedisValues(url)
        stack.push_async_callback(remote.aclose)
        sharing = Sharing(
            SharedQuotaStore(RedisQuotaStore(url), on_change=on_change),
            SteadyValues(remote),
            configured.redis,
        )
    stack.push_async_callback(sharing.store.aclose)
    return sharing
