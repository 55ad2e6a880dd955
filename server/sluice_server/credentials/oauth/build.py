"""Makes a source from the settings of one credential."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping

from sluice_server.config.oauth import OAuth
from sluice_server.credentials.oauth import timing
from sluice_server.credentials.oauth.client import Client
from sluice_server.credentials.oauth.courier.dispatch import Courier
from sluice_server.credentials.oauth.courier.handover import Job
from sluice_server.credentials.oauth.endpoint import TokenEndpoint
from sluice_server.credentials.oauth.grants.assertion import Assertion
from sluice_server.credentials.oauth.grants.fields import (
    ClientCredentials,
    JwtBearer,
    RefreshToken,
    StoredKey,
    TokenExchange,
)
from sluice_server.credentials.oauth.grants.google import GoogleGrant
from sluice_server.credentials.oauth.grants.grant import Grant
from sluice_server.credentials.oauth.renewal import Renewal
from sluice_server.credentials.oauth.source import OAuthSource
from sluice_server.credentials.oauth.store import (
    FileTokenStore,
    SharedTokenStore,
    TokenStore,
    default_directory,
)
from sluice_server.state.locks import SharedValues


def build(
    provider_name: str,
    credential_name: str,
    settings: OAuth,
    values: SharedValues,
    store: TokenStore | None = None,
    *,
    environ: Mapping[str, str] = os.environ,
    clock: Callable[[], float] = time.time,
    factor: float | None = None,
) -> OAuthSource:
    """Return the source of one credential.

    Args:
        provider_name: the provider's name in the configuration.
        credential_name: the credential's name there.
        settings: its `oauth` section.
        values: locks, and tokens that can be got again at any time.
        store: keeps accounts that cannot; absent: files in the settings' directory. Pass
            a `SharedTokenStore` when the shared state is durable.
        environ: where Google's tools and the default directory are looked for.
        clock: the time, seconds since the epoch.
        factor: replaces the jitter of renewals.
    """
    if not settings.keeps_account:
        store = SharedTokenStore(values)
    elif store is None:
        store = file_store(settings, environ)
    name = f"{provider_name}/{credential_name}"
    grant = _grant(provider_name, settings, environ)
    factor = timing.spread() if factor is None else factor
    first = settings.refresh_token
    here = Renewal(
        name,
        grant=grant,
        store=store,
        default_lifetime=settings.default_lifetime_seconds,
        first_refresh_token=None if first is None else first.get_secret_value(),
        clock=clock,
        factor=factor,
    )
    renewer: Renewal | Courier = here
    if isinstance(grant, RefreshToken) and store.place is not None:
        # It may be taken once; then its answer must not be lost with this process.
        job = Job(
            name=name,
            place=store.place,
            url=grant.endpoint.url,
            client=grant.endpoint.client,
            scopes=grant.scopes,
            default_lifetime=settings.default_lifetime_seconds,
            factor=factor,
            first_refresh_token=None if first is None else first.get_secret_value(),
        )
        renewer = Courier(here, job, clock=clock)
    return OAuthSource(name, renewer=renewer, remedy=grant.remedy, clock=clock, factor=factor)


def file_store(settings: OAuth, environ: Mapping[str, str]) -> FileTokenStore:
    """Return the directory of files in which the settings keep accounts."""
    return FileTokenStore(settings.token_directory or default_directory(environ))


def _grant(provider: str, settings: OAuth, environ: Mapping[str, str]) -> Grant:
    login = f"Run `sluice-server login {provider}`."
    match settings.grant:
        case "refresh_token":
            remedy = "Configure a new refresh_token."
            return RefreshToken(_endpoint(settings), settings.scopes, remedy)
        case "device":
            # Scopes were settled at the login.
            return RefreshToken(_endpoint(settings), (), login)
        case "openrouter":
            return StoredKey(login)
        case "client_credentials":
            return ClientCredentials(_endpoint(settings), settings.scopes)
        case "jwt_bearer":
            return JwtBearer(_endpoint(settings), settings.scopes, _assertion(settings))
        case "token_exchange":
            return TokenExchange(
                _endpoint(settings),
                settings.scopes,
                _assertion(settings),
                settings.subject_token_type,
            )
        case "google_adc":
            return GoogleGrant(None, settings.scopes, environ=environ)
        case "google_service_account":
            return GoogleGrant(settings.key_file, settings.scopes, environ=environ)


def _endpoint(settings: OAuth) -> TokenEndpoint:
    # Settings without one are refused when they are read.
    return TokenEndpoint(settings.token_url or "", Client.of(settings))


def _assertion(settings: OAuth) -> Assertion:
    return Assertion(settings.assertion_file, settings.assertion_command or ())
