"""What a pool tells of its credentials: who may be used now, and how each one is.

How it comes to that is in `pool`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from sluice_server.credentials.source import Credential
from sluice_server.errors import UpstreamError


class State(Enum):
    """How a credential is. The values are for logs and metrics."""

    HEALTHY = "healthy"
    COOLING = "cooling"
    """Its quota scope was too fast or has nothing left, or no token can be had for now."""
    REJECTED = "rejected"
    """The provider refused it, or there is no secret."""
    NEEDS_LOGIN = "needs_login"
    """Its account was logged out; a person must log in."""


@dataclass(frozen=True, slots=True)
class CredentialState:
    """What is known of one credential, for people."""

    name: str
    state: State
    until: float | None = None
    """Seconds since the epoch; in the past when the next call is the probe."""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """Who may be used now."""

    ready: tuple[Credential, ...] = ()
    """Best first."""
    wait: float | None = None
    """Seconds until one that rests may be used; None when none rests, or waiting does not help."""
    needs_none: bool = False
    """The provider takes no credential at all. With a `wait` it rests as a whole."""
    refusal: UpstreamError | None = None
    """Why none is ready; None when some are, or when all were excluded."""
