"""Makes the callers, and whatever keeps the keys of JWTs fresh, as the settings say."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

from sluice_server.config import settings
from sluice_server.edge.identity.callers import Callers
from sluice_server.edge.identity.jwts import Issuer
from sluice_server.edge.identity.keys import KeySet
from sluice_server.providers.key_set_page import LARGEST_PAGE, KeySetPage


def build(configured: settings.Settings, stack: AsyncExitStack) -> Callers:
    """Return the callers; keys are read from now on, until the stack is closed."""
    issuers = []
    for section in configured.jwt_issuers:
        keys = KeySet(
            section.issuer,
            _reader(section, stack),
            refresh_seconds=section.refresh_seconds,
            max_age_seconds=section.max_age_seconds,
        )
        stack.push_async_callback(keys.aclose)
        keys.start()
        issuers.append(Issuer(section, keys))
    return Callers(configured.callers, routes=configured.routes, issuers=issuers)


def _reader(section: settings.JwtIssuer, stack: AsyncExitStack) -> Callable[[], Awaitable[bytes]]:
    if section.jwks_url is not None:
        page = KeySetPage(section.jwks_url)
        stack.push_async_callback(page.aclose)
        return page.fetch
    # The rules between settings see to it that there is one of the two.
    return functools.partial(asyncio.to_thread, _read, section.jwks_file or Path())


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(LARGEST_PAGE)
