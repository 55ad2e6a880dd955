"""The promise of a credential's secret: keys that stay, keys that change, access tokens.

Strategies and faults are in `pool`; where secrets come from is in `sources` (keys)
and `oauth` (tokens).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from pydantic import SecretStr


class SecretSource(Protocol):
    """Gives the secret of one credential."""

    async def secret(self) -> SecretStr:
        """Return the secret to use now; quick unless it must be fetched first.

        Raises:
            ProviderCredentialRejectedError: there is none, and a person must help
                (the account needs a login, the file is gone).
            ProviderUnavailableError: there is none for now (the token endpoint fails).
        """

    async def renew(self, refused: SecretStr) -> bool:
        """Learn that the provider refused this secret; tells whether there is another one now.

        For access tokens this refreshes once, whoever else asks at the same time.
        """

    async def aclose(self) -> None:
        """Stop what runs in the background."""


@dataclass(frozen=True, slots=True)
class Credential:
    """One credential under the alias that logs and metrics use."""

    name: str
    source: SecretSource = field(repr=False)
    scope: str = ""
    """Quota scope that it shares with others; empty: its own."""

    @property
    def quota_scope(self) -> str:
        """Name of the scope whose limits it uses up."""
        return self.scope or self.name
