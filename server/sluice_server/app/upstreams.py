"""Makes providers with their credentials and prices, as the settings say."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import NamedTuple

import structlog

from sluice_server.app.embedded import LOCAL
from sluice_server.app.sharing import Sharing
from sluice_server.catalog.prices import Billing, Prices
from sluice_server.config import settings
from sluice_server.credentials.oauth.build import build as oauth_source
from sluice_server.credentials.oauth.store import SharedTokenStore
from sluice_server.credentials.pool import Pool
from sluice_server.credentials.source import Credential, SecretSource
from sluice_server.credentials.sources import source_of
from sluice_server.credentials.standing import CredentialState
from sluice_server.engine.headroom import Headroom
from sluice_server.engine.planning import Upstream
from sluice_server.providers import registry
from sluice_server.telemetry import names

_log = structlog.get_logger("sluice.app")


class Upstreams(NamedTuple):
    """All providers of this replica."""

    by_name: Mapping[str, Upstream]
    prices: Prices


def build(
    sections: Mapping[str, settings.Provider],
    configured: settings.Settings,
    *,
    sharing: Sharing,
    headroom: Headroom,
    stack: AsyncExitStack,
) -> Upstreams:
    """Return the providers of these sections; they are closed with the stack.

    Raises:
        PluginError: the kind of one is a package's, which fails to make it.
    """
    upstreams: dict[str, Upstream] = {}
    billing: dict[str, Billing] = {}
    for name, section in sections.items():
        provider = registry.build(name, section, configured.timeouts_of(name))
        stack.push_async_callback(provider.aclose)
        pool = Pool(
            [
                Credential(entry.name, _source(name, entry, sharing), entry.scope or "")
                for entry in section.credentials
            ],
            provider=name,
            store=sharing.store,
            locks=sharing.values,
            strategy=section.strategy,
            headroom=headroom.of(name),
            keyless=not section.caller_keys,
            on_change=functools.partial(_credential_changed, name),
        )
        stack.push_async_callback(pool.aclose)
        upstreams[name] = Upstream(provider, pool, section.caller_keys)
        billing[name] = Billing(address=provider.base_url, own=section.prices, free=name == LOCAL)
    return Upstreams(upstreams, Prices(billing))


def _source(provider: str, entry: settings.Credential, sharing: Sharing) -> SecretSource:
    if entry.oauth is None:
        return source_of(entry)
    # Replicas that share anything share accounts: a refresh token often works once.
    redis = sharing.redis
    store = SharedTokenStore(sharing.values, redis.get_secret_value()) if redis else None
    return oauth_source(provider, entry.name, entry.oauth, sharing.values, store)


def _credential_changed(provider: str, state: CredentialState) -> None:
    _log.info(
        names.CREDENTIAL_CHANGED,
        provider=provider,
        credential=state.name,
        state=state.state.value,
        message=state.reason,
    )
