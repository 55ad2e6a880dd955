"""When an access token is renewed, and until when the old one is used."""

from __future__ import annotations

import random

from sluice_server.credentials.oauth.account import Account

RENEW_SHARE = 0.8
"""Share of its life after which a token is renewed."""

RENEW_BEFORE_SECONDS = 300.0
"""A token is renewed at least so long before its end, seconds: what the libraries of OpenAI
and Google do (`overview.md` section 9)."""

EARLIEST_SHARE = 0.5
"""Not in the first half of a life: five minutes are more than some tokens have."""

JITTER = 0.1
"""Up to this share of the wait is taken off, so that replicas do not renew together."""

SKEW_SECONDS = 10.0
"""A token is not used in its last seconds: it must still live when it arrives."""

SKEW_SHARE = 0.05
"""The same for short lives."""

_FIRST_BACKOFF_SECONDS = 1.0
_LONGEST_BACKOFF_SECONDS = 60.0
_REFUSED_BACKOFF_SECONDS = 60.0
_LONGEST_REFUSED_SECONDS = 600.0


def spread() -> float:
    """Return a factor for waits: 1 or up to 10 % less."""
    return 1.0 - random.uniform(0.0, JITTER)  # noqa: S311 - spreads load, guards nothing


def renew_at(account: Account, factor: float) -> float | None:
    """Return when to renew, seconds since the epoch; None: the token does not end.

    At 80 % of the life or five minutes before its end, whichever is earlier, but not in
    the first half; `factor` (0.9 to 1) takes the jitter off.
    """
    if account.expires_at is None:
        return None
    life = max(0.0, account.expires_at - account.issued_at)
    wait = max(EARLIEST_SHARE * life, min(RENEW_SHARE * life, life - RENEW_BEFORE_SECONDS))
    return account.issued_at + wait * factor


def usable_until(account: Account) -> float:
    """Return the moment from which the token is not used any more, seconds since the epoch."""
    if account.expires_at is None:
        return float("inf")
    life = max(0.0, account.expires_at - account.issued_at)
    return account.expires_at - min(SKEW_SECONDS, SKEW_SHARE * life)


def backoff(failures: int, *, refused: bool) -> float:
    """Return the wait after so many failures in a row, seconds.

    1, 2, 4 … 60 after faults that pass, 60 … 600 after a refusal, less the jitter.
    """
    first = _REFUSED_BACKOFF_SECONDS if refused else _FIRST_BACKOFF_SECONDS
    longest = _LONGEST_REFUSED_SECONDS if refused else _LONGEST_BACKOFF_SECONDS
    return min(longest, first * 2.0 ** min(failures - 1, 16)) * spread()
