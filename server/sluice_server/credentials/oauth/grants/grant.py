"""What a way of getting tokens is."""

from __future__ import annotations

from typing import Protocol

from sluice_server.credentials.oauth.account import Account, Issued


class Grant(Protocol):
    """Gets tokens for one account."""

    @property
    def from_account(self) -> bool:
        """Whether the account's own refresh token is used up for it."""

    @property
    def remedy(self) -> str:
        """What a person does when the account is gone, as a sentence."""

    async def fetch(self, account: Account) -> Issued:
        """Ask for tokens, once.

        Raises:
            TokenError: there are none; see its kinds.
        """
