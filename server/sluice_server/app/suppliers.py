"""One provider as a configuration has it: who calls it, and with which credentials.

The same provider of a later configuration goes on with what it has in common with the one
before: connections, credentials with their standing, and accounts with their tokens.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import structlog

from sluice_server.app.sharing import Sharing
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

_WHO = ("kind", "base_url", "project", "location", "api_version", "region")
"""Settings that tell which upstream it is; with others it is another one of the same name."""

_NOT_CALLING = (
    "credentials",
    "strategy",
    "caller_keys",
    "models_ttl_seconds",
    "model_info",
    "timeouts",
    "limits",
    "model_limits",
    "prices",
)
"""Settings that change nothing about how it is called; timeouts are compared as they work out."""

_log = structlog.get_logger("sluice.app")


@dataclass(frozen=True, slots=True, kw_only=True)
class Supplier:
    """One provider of one configuration."""

    section: settings.Provider
    timeouts: settings.Timeouts
    upstream: Upstream
    credentials: tuple[Credential, ...]
    kept: frozenset[str]
    """Aliases of credentials that the configuration before had too."""
    anew: bool
    """There was none of this name, or it was another upstream."""
    embedded: bool
    """It is the embedded model."""

    def take_effect(self) -> None:
        """Give out these credentials, and no others, from now on."""
        self.upstream.credentials.refit(
            self.credentials,
            strategy=self.section.strategy,
            keyless=not self.section.caller_keys,
        )

    async def close(self, after: Supplier | None) -> None:
        """Close what `after`, which has taken the place of this one, does not go on with."""
        still = () if after is None else tuple(each.source for each in after.credentials)
        for credential in self.credentials:
            if not any(credential.source is source for source in still):
                await credential.source.aclose()
        if after is None or after.upstream.provider is not self.upstream.provider:
            await self.upstream.provider.aclose()


def supplier(
    name: str,
    section: settings.Provider,
    timeouts: settings.Timeouts,
    before: Supplier | None,
    *,
    sharing: Sharing,
    headroom: Headroom,
    embedded: bool,
) -> Supplier:
    """Return the provider of this section; `before` is the one of its name until now.

    Nothing of `before` is changed until the new one takes effect.

    Raises:
        PluginError: the kind is a package's, which fails to make it.
    """
    same = before is not None and _of(before.section, _WHO) == _of(section, _WHO)
    provider = None
    if before is not None and same and before.timeouts == timeouts:
        without: dict[str, object] = dict.fromkeys(_NOT_CALLING)
        if before.section.model_copy(update=without) == section.model_copy(update=without):
            provider = before.upstream.provider
    if provider is None:
        provider = registry.build(name, section, timeouts)
    sources = _sources(before) if before is not None and same else []
    credentials, kept = [], set()
    for entry in section.credentials:
        plain = _plain(entry)
        source = next((known for known_entry, known in sources if known_entry == plain), None)
        if source is not None:
            kept.add(entry.name)
        else:
            source = _source(name, entry, sharing)
        credentials.append(Credential(entry.name, source, entry.scope or ""))
    if before is not None:
        pool = before.upstream.credentials
    else:
        pool = Pool(
            credentials,
            provider=name,
            store=sharing.store,
            locks=sharing.values,
            strategy=section.strategy,
            headroom=headroom.of(name),
            keyless=not section.caller_keys,
            on_change=functools.partial(_credential_changed, name),
        )
    return Supplier(
        section=section,
        timeouts=timeouts,
        upstream=Upstream(provider, pool, section.caller_keys),
        credentials=tuple(credentials),
        kept=frozenset(kept),
        anew=not same,
        embedded=embedded,
    )


def _of(section: settings.Provider, keys: tuple[str, ...]) -> list[object]:
    return [getattr(section, key) for key in keys]


def _sources(before: Supplier) -> list[tuple[settings.Credential, SecretSource]]:
    entries = zip(before.section.credentials, before.credentials, strict=True)
    return [(_plain(entry), credential.source) for entry, credential in entries]


def _plain(entry: settings.Credential) -> settings.Credential:
    """Return what tells a credential's secret, and its name."""
    return entry.model_copy(update={"scope": None, "limits": settings.OwnLimits()})


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
