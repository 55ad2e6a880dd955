"""Grants that are a handful of fields: refresh token, client credentials, assertions.

Sources: RFC 6749 sections 4.4 and 6, RFC 7523 section 2.1, RFC 8693 section 2.1;
(`anthropic.md` section 2.1) and (`openai.md` section 2.1) for what two providers add by
`fields` and `headers`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sluice_server.credentials.oauth.account import Account, Issued
from sluice_server.credentials.oauth.endpoint import TokenEndpoint
from sluice_server.credentials.oauth.faults import LoginNeededError, no_refresh_token
from sluice_server.credentials.oauth.grants.assertion import Assertion

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """Spends the account's refresh token; the server may give a new one."""

    endpoint: TokenEndpoint
    scopes: tuple[str, ...]
    remedy: str
    from_account = True

    async def fetch(self, account: Account) -> Issued:
        """Send the refresh token."""
        if account.refresh_token is None:
            raise no_refresh_token()
        return await self.endpoint.tokens(
            {
                "grant_type": "refresh_token",
                "refresh_token": account.refresh_token,
                **self.endpoint.client_fields(),
                **_scope(self.scopes),
            }
        )


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    """The client is the account."""

    endpoint: TokenEndpoint
    scopes: tuple[str, ...]
    remedy = "Check client_id and client_secret."
    from_account = False

    async def fetch(self, account: Account) -> Issued:
        """Send the client's id and secret."""
        return await self.endpoint.tokens(
            {
                "grant_type": "client_credentials",
                **self.endpoint.client_fields(),
                **_scope(self.scopes),
            }
        )


@dataclass(frozen=True, slots=True)
class JwtBearer:
    """A token of the platform is shown; Anthropic's workload federation is this."""

    endpoint: TokenEndpoint
    scopes: tuple[str, ...]
    assertion: Assertion
    remedy = "Check the assertion and the rule that trusts it."
    from_account = False

    async def fetch(self, account: Account) -> Issued:
        """Send a fresh assertion."""
        return await self.endpoint.tokens(
            {
                "grant_type": JWT_BEARER,
                "assertion": await self.assertion.read(),
                **self.endpoint.client_fields(),
                **_scope(self.scopes),
            }
        )


@dataclass(frozen=True, slots=True)
class TokenExchange:
    """A token of the platform is exchanged; OpenAI's workload identity is this."""

    endpoint: TokenEndpoint
    scopes: tuple[str, ...]
    assertion: Assertion
    token_type: str
    remedy = "Check the subject token and the rule that trusts it."
    from_account = False

    async def fetch(self, account: Account) -> Issued:
        """Send a fresh subject token."""
        return await self.endpoint.tokens(
            {
                "grant_type": TOKEN_EXCHANGE,
                "subject_token": await self.assertion.read(),
                "subject_token_type": self.token_type,
                **self.endpoint.client_fields(),
                **_scope(self.scopes),
            }
        )


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A key that a login got; there is nothing to renew (`openrouter.md` section 2)."""

    remedy: str
    from_account = True

    async def fetch(self, account: Account) -> Issued:
        """Ask for a login."""
        raise LoginNeededError("There is no usable key.", code="no_account")


def _scope(scopes: tuple[str, ...]) -> Mapping[str, str]:
    return {"scope": " ".join(scopes)} if scopes else {}
