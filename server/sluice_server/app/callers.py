"""Makes the callers, and whatever keeps the keys of JWTs fresh, as the settings say."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Iterable, Sequence
from pathlib import Path

from sluice_server.config import settings
from sluice_server.edge.identity.callers import Callers
from sluice_server.edge.identity.jwts import Issuer
from sluice_server.edge.identity.keys import KeySet
from sluice_server.providers.key_set_page import LARGEST_PAGE, KeySetPage


class KeyKeeper:
    """One issuer's keys, and where they are read."""

    def __init__(self, section: settings.JwtIssuer) -> None:
        self.section = section
        self._page = None if section.jwks_url is None else KeySetPage(section.jwks_url)
        self.keys = KeySet(
            section.issuer,
            self._page.fetch if self._page else functools.partial(_read_file, section.jwks_file),
            refresh_seconds=section.refresh_seconds,
            max_age_seconds=section.max_age_seconds,
        )
        self._started = False

    def start(self) -> None:
        """Read the keys and keep them fresh, unless that is done already."""
        if not self._started:
            self._started = True
            self.keys.start()

    async def aclose(self) -> None:
        """Read them no more."""
        await self.keys.aclose()
        if self._page is not None:
            await self._page.aclose()


def key_keepers(
    configured: settings.Settings, before: Sequence[KeyKeeper]
) -> tuple[KeyKeeper, ...]:
    """Return one for each issuer: those of `before` whose settings are the same, else new ones."""
    kept = {keeper.section.issuer: keeper for keeper in before}
    return tuple(
        kept[section.issuer]
        if section.issuer in kept and kept[section.issuer].section == section
        else KeyKeeper(section)
        for section in configured.jwt_issuers
    )


def build(configured: settings.Settings, keepers: Iterable[KeyKeeper]) -> Callers:
    """Return the callers."""
    return Callers(
        configured.callers,
        routes=configured.routes,
        issuers=[Issuer(keeper.section, keeper.keys) for keeper in keepers],
    )


async def _read_file(path: Path | None) -> bytes:
    # The rules between settings see to it that there is a file where there is no address.
    return await asyncio.to_thread(_read, path or Path())


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(LARGEST_PAGE)
