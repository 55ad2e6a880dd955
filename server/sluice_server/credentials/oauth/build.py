"""Makes a source from the settings of one credential."""

from __future__ import annotations

import os
from collections.abc import Mapping

from sluice_server.config.oauth import OAuth
from sluice_server.credentials.oauth.endpoint import TokenEndpoint
from sluice_server.credentials.oauth.grants.fields import (
    ClientCredentials,
    JwtBearer,
    RefreshToken,
    StoredKey,
    TokenExchange,
    assertion_of,
)
from sluice_server.credentials.oauth.grants.google import GoogleGrant
from sluice_server.credentials.oauth.grants.grant import Grant
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
    """
    if not settings.keeps_account:
        store = SharedTokenStore(values)
    elif store is None:
        store = file_store(settings, environ)
    return OAuthSource(
        f"{provider_name}/{credential_name}",
        grant=_grant(provider_name, settings, environ),
        store=store,
        values=values,
        default_lifetime=settings.default_lifetime_seconds,
        first_refresh_token=settings.refresh_token,
    )


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
            return JwtBearer(_endpoint(settings), settings.scopes, assertion_of(settings))
        case "token_exchange":
            return TokenExchange(
                _endpoint(settings),
                settings.scopes,
                assertion_of(settings),
                settings.subject_token_type,
            )
        case "google_adc":
            return GoogleGrant(None, settings.scopes, environ=environ)
        case "google_service_account":
            return GoogleGrant(settings.key_file, settings.scopes, environ=environ)


def _endpoint(settings: OAuth) -> TokenEndpoint:
    # Settings without one are refused when they are read.
    return TokenEndpoint(settings.token_url or "", settings)
