"""What a kind of provider is: the shape of the rows, without any row.

The settings come from the configuration, where `load` has judged them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sluice_server.config import settings
from sluice_server.config.kinds import ProviderKind
from sluice_server.providers.dialect import Dialect


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """One kind of provider. Also what a package outside returns (`providers.plugins`)."""

    kind: ProviderKind
    dialect: Callable[[settings.Provider], Dialect]
    """Makes what the provider speaks."""
    dialects_by_prefix: Mapping[str, Callable[[settings.Provider], Dialect]] = field(
        default_factory=dict
    )
    """What it speaks for models whose ids begin so, where that is something else."""
    address: Callable[[settings.Provider], str] | None = None
    """Makes the base address from settings, for kinds without a fixed one."""
    reuse_connections: bool = True
    """False for servers that close every connection without saying so."""

    def base_url(self, configured: settings.Provider) -> str:
        """Return the address that paths are appended to.

        Raises:
            ValueError: there is none; `load` has refused such settings.
        """
        if configured.base_url is not None:
            return configured.base_url
        if self.address is not None:
            return self.address(configured)
        if self.kind.default_base_url is None:
            raise ValueError(f"A provider of kind {self.kind.name!r} has no address.")
        return self.kind.default_base_url
