"""What is told of one credential, in the contract's words: its health, and how its account is."""

from __future__ import annotations

from dataclasses import dataclass

from sluice.v1 import metrics_pb2
from sluice_server.credentials.oauth.source import AccountState, OAuthSource
from sluice_server.credentials.pool import Pool
from sluice_server.credentials.source import Credential
from sluice_server.credentials.standing import State

_HEALTH = {
    State.HEALTHY: metrics_pb2.HEALTH_STATE_HEALTHY,
    State.COOLING: metrics_pb2.HEALTH_STATE_DEGRADED,
    State.REJECTED: metrics_pb2.HEALTH_STATE_UNHEALTHY,
    State.NEEDS_LOGIN: metrics_pb2.HEALTH_STATE_UNHEALTHY,
}


@dataclass(frozen=True, slots=True)
class CredentialFacts:
    """How one credential stands."""

    health: metrics_pb2.HealthState.ValueType
    backoff_until: float | None
    """Not used before this moment, seconds since the epoch; None when usable."""
    account: AccountState | None
    """None for keys."""


def facts_of(pool: Pool, credential: Credential, *, used: bool, now: float) -> CredentialFacts:
    """Return what is known.

    Args:
        pool: The pool that the credential belongs to.
        credential: Which one.
        used: A call with it was made, so that not being at fault means being healthy.
        now: Seconds since the epoch.
    """
    standing = pool.state_of(credential)
    known = used or standing.state is not State.HEALTHY
    source = credential.source
    return CredentialFacts(
        _HEALTH[standing.state] if known else metrics_pb2.HEALTH_STATE_UNSPECIFIED,
        standing.until if standing.until is not None and standing.until > now else None,
        source.state if isinstance(source, OAuthSource) else None,
    )
