"""What is kept of one account, and its form in a store.

Only data. When a token is renewed is in `timing`, where it is kept in `store`.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass, field, replace
from typing import Any

_VERSION = 1
_LONGEST_TOKEN = 32 * 1024
"""Access tokens with many claims have 2 to 4 KiB; header lines end at 8 to 64."""

_KEPT_SEEDS = 16


class UnreadableAccountError(ValueError):
    """What a store holds is no account. Says nothing of the content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """What a token endpoint gave."""

    access_token: str | None = field(repr=False)
    """None: only the refresh token changed, as OpenAI may answer (`openai.md` section 2.2)."""
    lifetime: float | None
    """Seconds; None where the server is silent."""
    refresh_token: str | None = field(default=None, repr=False)
    """A new one; None: the old one stays."""
    permanent: bool = False
    """The token is a key that does not end."""
    extra: dict[str, str] = field(default_factory=dict)
    """What else the account consists of, such as Qwen's `resource_url`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """All that is known of one account. Times are seconds since the epoch."""

    generation: int = 0
    """Grows with every change, so that of two copies the newer one is known."""
    refresh_token: str | None = field(default=None, repr=False)
    access_token: str | None = field(default=None, repr=False)
    issued_at: float = 0.0
    expires_at: float | None = None
    """None: it does not end."""
    login_needed: str = ""
    """The code with which the server ended the account; empty while it lives."""
    asked_at: float | None = None
    """When the refresh token was last sent away; None once its answer is kept."""
    seeds: tuple[str, ...] = ()
    """Fingerprints of the configured first refresh tokens that were seen, latest last."""
    extra: dict[str, str] = field(default_factory=dict)

    def asking(self, now: float) -> Account:
        """Return the account as it is kept while its refresh token is under way."""
        return replace(self, generation=self.generation + 1, asked_at=now)

    def given(self, issued: Issued, *, now: float, default_lifetime: float) -> Account:
        """Return the account with what the server gave; what it left out stays."""
        lifetime = default_lifetime if issued.lifetime is None else issued.lifetime
        account = replace(
            self,
            generation=self.generation + 1,
            refresh_token=issued.refresh_token or self.refresh_token,
            login_needed="",
            asked_at=None,
            extra={**self.extra, **issued.extra},
        )
        if issued.access_token is None:
            return account
        return replace(
            account,
            access_token=issued.access_token,
            issued_at=now,
            expires_at=None if issued.permanent else now + lifetime,
        )

    def seeded(self, first: str | None) -> Account:
        """Return the account to go on with when this first refresh token is configured.

        A token that was never seen starts over; one that was seen is older than what is
        kept, for example in a replica that is about to be replaced.
        """
        seed = fingerprint(first)
        if first is None or seed in self.seeds:
            return self
        return Account(
            generation=self.generation,
            refresh_token=first,
            seeds=(*self.seeds, seed)[-_KEPT_SEEDS:],
        )

    def ended(self, code: str) -> Account:
        """Return the account as dead until the next login."""
        return replace(self, generation=self.generation + 1, login_needed=code, asked_at=None)


def fingerprint(secret: str | None) -> str:
    """Return what tells secrets apart without telling them."""
    if secret is None:
        return ""
    return hashlib.sha256(secret.encode()).hexdigest()[:32]


def encode(account: Account) -> bytes:
    """Return the account as JSON."""
    return json.dumps(
        {
            "version": _VERSION,
            "generation": account.generation,
            "refresh_token": account.refresh_token,
            "access_token": account.access_token,
            "issued_at": account.issued_at,
            "expires_at": account.expires_at,
            "login_needed": account.login_needed,
            "asked_at": account.asked_at,
            "seeds": account.seeds,
            "extra": account.extra,
        },
        indent=1,
    ).encode()


def decode(data: bytes) -> Account:
    """Read an account.

    Raises:
        UnreadableAccountError: cut off, altered, or of a later version.
    """
    try:
        value: Any = json.loads(data)
    except (ValueError, RecursionError):
        raise UnreadableAccountError("is not JSON") from None
    if not isinstance(value, dict) or value.get("version") != _VERSION:
        raise UnreadableAccountError("is of another version")
    extra = value.get("extra")
    generation, seeds = value.get("generation"), value.get("seeds")
    if not isinstance(generation, int) or not isinstance(extra, dict):
        raise UnreadableAccountError("lacks members")
    return Account(
        generation=generation,
        refresh_token=token_text(value.get("refresh_token")),
        access_token=token_text(value.get("access_token")),
        issued_at=_moment(value.get("issued_at")) or 0.0,
        expires_at=_moment(value.get("expires_at")),
        login_needed=str(value.get("login_needed") or ""),
        asked_at=_moment(value.get("asked_at")),
        seeds=tuple(map(str, seeds)) if isinstance(seeds, list) else (),
        extra={str(key): text for key, text in extra.items() if isinstance(text, str)},
    )


def token_text(value: object) -> str | None:
    """Return a token that can be sent in a header or a field; None for anything else."""
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_TOKEN:
        return None
    return value if value.isascii() and value.isprintable() and " " not in value else None


def _moment(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)
