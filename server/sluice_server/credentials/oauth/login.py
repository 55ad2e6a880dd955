"""What `sluice-server login` does: run the login that a credential names, keep the result.

Says what to do next. Never shows a secret; codes that a person must enter are none.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from sluice_server.config.oauth import OAuth
from sluice_server.config.settings import Settings
from sluice_server.credentials.oauth import device, openrouter
from sluice_server.credentials.oauth.account import Account, Issued, fingerprint
from sluice_server.credentials.oauth.build import file_store
from sluice_server.credentials.oauth.faults import TokenError
from sluice_server.credentials.oauth.store import TokenStore, TokenStoreError

OPENROUTER = "openrouter"
"""The provider that can be logged in to without a configuration."""

_WITHOUT_LOGIN = {
    "refresh_token": "configure a refresh_token that you have, or use grant device",
    "google_adc": "run `gcloud auth application-default login`",
    "google_service_account": "its key file is all it needs",
}


class LoginError(Exception):
    """There was no login. Says why and what to do, in one sentence or two."""


@dataclass(frozen=True, slots=True)
class Target:
    """Which credential is logged in."""

    provider: str
    credential: str
    oauth: OAuth

    @property
    def name(self) -> str:
        """Name of the account in stores."""
        return f"{self.provider}/{self.credential}"


def find(settings: Settings, provider: str, credential: str | None, *, configured: bool) -> Target:
    """Return the credential of a provider that logs in.

    Args:
        settings: the configuration.
        provider: name of the provider there.
        credential: name of the credential; None: the only one that logs in.
        configured: whether there is a file. Without one OpenRouter can be logged in to.

    Raises:
        LoginError: there is none, or more than one.
    """
    if not configured and provider == OPENROUTER:
        return Target(provider, credential or "default", OAuth(grant="openrouter"))
    found = settings.providers.get(provider)
    if found is None:
        names = ", ".join(sorted(settings.providers)) or "none"
        hint = "" if configured else " Name the configuration with --config FILE."
        raise LoginError(f"There is no provider {provider!r} (configured: {names}).{hint}")
    targets = [
        Target(provider, item.name, item.oauth)
        for item in found.credentials
        if item.oauth is not None and credential in (None, item.name)
    ]
    able = [target for target in targets if target.oauth.grant in {"device", "openrouter"}]
    if len(able) == 1:
        return able[0]
    if able:
        names = ", ".join(target.credential for target in able)
        raise LoginError(f"Several credentials log in: choose with --credential ({names}).")
    if targets:
        grant = targets[0].oauth.grant
        instead = _WITHOUT_LOGIN.get(grant, "it gets tokens without a person")
        raise LoginError(f"Credential {targets[0].name} (grant {grant}) has no login: {instead}.")
    which = f"credential {credential!r}" if credential else "credential with oauth"
    raise LoginError(f"Provider {provider!r} has no {which}.")


async def login(
    target: Target,
    say: Callable[[str], None],
    *,
    store: TokenStore | None = None,
    environ: Mapping[str, str] = os.environ,
) -> None:
    """Log in and keep what that gives.

    Args:
        target: which credential.
        say: shows a text to the person.
        store: where servers look for the account; None: files, as `build` does.
        environ: where the default directory is looked for.

    Raises:
        LoginError: it did not work, or could not be kept.
    """
    kept_in = store or file_store(target.oauth, environ)
    try:
        # Before the login: what cannot be kept should not be asked for.
        async with kept_in.alone(target.name):
            await kept_in.load(target.name)
        issued = await _issued(target.oauth, say)
        await _keep(target, issued, kept_in)
    except TokenError as error:
        raise LoginError(f"The login failed. {error}") from error
    except TokenStoreError as error:
        raise LoginError(f"The login cannot be kept. {error}") from error
    except OSError as error:
        raise LoginError(
            f"Port {target.oauth.redirect_port} cannot be opened for the browser's return "
            f"({error.strerror}); set redirect_port."
        ) from error
    say(f"Logged in. The account is kept in {kept_in.describe(target.name)}.")


async def _issued(oauth: OAuth, say: Callable[[str], None]) -> Issued:
    if oauth.grant == "openrouter":
        return await openrouter.login(oauth, say)
    issued = await device.login(oauth, say)
    if issued.access_token is None or issued.refresh_token is None:
        raise TokenError("The server gave no refresh token; offline access may need a scope.")
    return issued


async def _keep(target: Target, issued: Issued, store: TokenStore) -> None:
    async with store.alone(target.name):
        before = await store.load(target.name) or Account()
        fresh = replace(Account(), generation=before.generation, seeds=_seeds(target, before))
        account = fresh.given(
            issued, now=time.time(), default_lifetime=target.oauth.default_lifetime_seconds
        )
        await store.save(target.name, account)


def _seeds(target: Target, before: Account) -> tuple[str, ...]:
    """Return what keeps a configured first refresh token from replacing the new account."""
    first = target.oauth.refresh_token
    seed = fingerprint(None if first is None else first.get_secret_value())
    return before.seeds if not seed or seed in before.seeds else (*before.seeds, seed)


def next_step(target: Target, *, configured: bool) -> str:
    """Return what to do after a login."""
    if configured:
        return "A running server takes the account within seconds; otherwise start it."
    return (
        "Put this into the configuration and start the server:\n"
        f"providers:\n  {target.provider}:\n    kind: openrouter\n    credentials:\n"
        f"      - name: {target.credential}\n        oauth: {{grant: openrouter}}"
    )
