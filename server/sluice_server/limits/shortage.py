"""Why a call cannot go now, and what its caller is told about it.

Whether it waits or fails is decided in `admission`.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from sluice.v1 import rate_limit_pb2
from sluice_server.errors import (
    CallerLimitedError,
    CostLimitError,
    ProviderRateLimitedError,
    QuotaViolation,
    SluiceError,
    UpstreamError,
)
from sluice_server.limits.own import CALLER
from sluice_server.state.quota import COST, REQUESTS, Refusal, Unit

_NOUNS: dict[Unit, str] = {
    rate_limit_pb2.RATE_LIMIT_UNIT_REQUESTS: "requests",
    rate_limit_pb2.RATE_LIMIT_UNIT_TOKENS: "tokens",
    rate_limit_pb2.RATE_LIMIT_UNIT_INPUT_TOKENS: "input tokens",
    rate_limit_pb2.RATE_LIMIT_UNIT_OUTPUT_TOKENS: "output tokens",
    rate_limit_pb2.RATE_LIMIT_UNIT_CREDIT_USD_NANOS: "credit",
}

_NANOS = 1_000_000_000

UNKNOWN_SECONDS = 1.0
"""After which to try again where nobody knows when there will be room."""


class Bound(NamedTuple):
    """One limit without room."""

    subject: str
    """Provider, quota scope and model, or whom an own limit is for."""
    refusal: Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortage:
    """Nobody has room for a call now."""

    wait: float | None
    """Seconds until somebody has, as far as is known; 0 when that may be at any moment,
    None when it will never be."""
    bounds: Sequence[Bound] = ()
    """What is in the way; empty when credentials rest, or a first answer is awaited."""
    cause: UpstreamError | None = None
    """Why no credential can be used, where that is what is in the way."""
    private: bool = False
    """It says nothing about calls of other callers."""
    pace: Refusal | None = None
    """The one limit that decides when further calls behind this one can go."""

    @property
    def name(self) -> str:
        """Whose limit is in the way, and of what; for people who read a trace."""
        if not self.bounds:
            return "a first answer" if self.cause is None else self.cause.reason
        subject, refusal = self.bounds[0]
        if refusal.own and not refusal.window and refusal.unit != COST:
            return f"{subject}: calls at the same time"
        return f"{subject}: {_NOUNS.get(refusal.unit, 'units')}"

    def behind(self, places: int) -> float | None:
        """Return the known wait of a call with so many others before it.

        Requests alone can be counted ahead: what waiting calls will really use of
        tokens is not known, and most need less than they reserve.
        """
        pace = self.pace
        if self.wait is None or pace is None or pace.unit != REQUESTS or not pace.limit:
            return self.wait
        if pace.own:
            # Flows back evenly; without a window it counts calls at the same time.
            return self.wait + places * pace.window / pace.limit
        return self.wait + places // pace.limit * pace.window

    def refused(self, *, provider: str, model: str, places: int = 0) -> SluiceError:
        """Return the error for a call that does not wait.

        Args:
            provider: Name of the provider.
            model: Model as the provider names it.
            places: Number of calls that go first.
        """
        wait = self.behind(places)
        retry_after = None if wait is None else wait or UNKNOWN_SECONDS
        if self.cause is not None:
            cause = copy.copy(self.cause)
            cause.provider, cause.model, cause.retry_after = provider, model, retry_after
            return cause
        bounds = [bound for bound in self.bounds if wait is not None or bound.refusal.wait is None]
        quota = tuple(_violation(bound) for bound in bounds)
        if wait is None:
            outlook = "The call needs more than the whole limit, so no wait helps."
        elif wait > 0:
            outlook = f"There will be room in {wait:.3g} seconds."
        else:
            outlook = "Nobody knows when there will be room."
        if bounds and all(bound.refusal.own.startswith(CALLER) for bound in bounds):
            return CallerLimitedError(
                f"The caller's own limit has no room. {outlook}",
                retry_after=retry_after,
                quota=quota,
            )
        error = ProviderRateLimitedError(
            f"No room at provider {provider} for model {model[:128]}. {outlook}",
            retry_after=retry_after,
        )
        error.provider, error.model, error.quota = provider, model, quota
        return error


def dollars(nanos: int) -> str:
    """Return an amount of money for people, with as many digits as it needs."""
    whole, _, cents = f"{Decimal(nanos) / _NANOS:,.9f}".rstrip("0").partition(".")
    return f"${whole}.{cents:0<2}"


def unpriced(provider: str, model: str, what: str) -> CostLimitError:
    """Return the error for a call whose cost nobody can tell, where `what` depends on it."""
    return CostLimitError(
        f"No price is known for model {model[:128]} at provider {provider}, so {what} cannot be "
        "kept. An operator can set one in the provider's prices."
    )


def _violation(bound: Bound) -> QuotaViolation:
    refusal = bound.refusal
    noun = _NOUNS.get(refusal.unit, "units")
    size = "an unknown number of" if refusal.limit is None else f"{refusal.limit:,}"
    if refusal.unit == COST:
        what = f"{dollars(refusal.limit or 0)} a day"
    elif refusal.own and not refusal.window:
        what = f"{size} calls at the same time"
    elif refusal.window:
        what = f"{size} {noun} in {refusal.window:g} seconds"
    else:
        what = f"{size} {noun}"
    if refusal.wait is None:
        return QuotaViolation(bound.subject, f"The call is larger than the limit of {what}.")
    return QuotaViolation(bound.subject, f"The limit of {what} is used up.")
