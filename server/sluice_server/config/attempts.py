"""The settings of attempts: how often, how soon and where a call is tried.

Shape only, as in `settings`, where they are part of the tree.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from sluice.v1 import error_reason_pb2
from sluice_server.config.section import Section
from sluice_server.config.values import NOT_BOOLEAN, Wait

Move = Literal["again", "credential", "target"]


def _reason(text: str) -> str:
    names = error_reason_pb2.ErrorReason.DESCRIPTOR.values_by_name
    if text == "UNSPECIFIED" or f"ERROR_REASON_{text}" not in names:
        raise ValueError("must be a value of sluice.v1.ErrorReason, such as PROVIDER_UNAVAILABLE")
    return text


def _one_fault(value: object, inner: ValidatorFunctionWrapHandler) -> object:
    """Say once what is wrong, and not once for each thing that it might have been."""
    try:
        return inner(value)
    except ValidationError:
        raise ValueError('must be a number of seconds above 0, or "p95"') from None


HedgeAfter = Annotated[Literal["p95"] | Wait, WrapValidator(_one_fault)]
Reason = Annotated[str, AfterValidator(_reason)]


class RetryBudget(Section):
    """How much load further attempts may add to a provider: beyond it a failure is told at once.

    Counted are attempts at a provider that the same call asked already, and hedges; not the first
    attempt at a fallback, and not the search for a credential that works.
    """

    share: Annotated[float, Field(ge=0, le=10, allow_inf_nan=False), NOT_BOOLEAN] = 0.1
    """Extra attempts per first attempt over the last minute. 0.1: a provider that fails gets a
    tenth more load, and not three times as much when it can bear it least."""

    least_per_minute: Annotated[int, Field(ge=0, le=1_000_000), NOT_BOOLEAN] = 10
    """Extra attempts in a minute that are always allowed. Ten: with few calls a share of them
    would be none."""


class Attempts(Section):
    """How often a call is tried before its failure is told to the caller."""

    max_attempts: Annotated[int, Field(ge=1, le=20), NOT_BOOLEAN] = 3
    """Upstream attempts for one call, the first included, all targets counted together. Three:
    the first target and two to fall back on, as many as provider libraries try. A call may ask for
    another number. Nothing is tried again after the first output."""

    base_delay_seconds: Wait = 0.25
    """Longest delay before the first further attempt at the same target, in seconds; each time it
    is doubled, and the delay is drawn from zero to it. Where the provider asks for a delay, that
    one is kept instead. 0.25: most hiccups are over by then."""

    max_delay_seconds: Wait = 20.0
    """Bound of the doubling, in seconds. A provider that asks for more is not waited for: the
    caller is told how long it would be. Twenty: whoever waits longer should know why."""

    moves: Mapping[Reason, tuple[Move, ...]] = Field(default_factory=dict)
    """Where a call goes after a failure before its first output, by ErrorReason, instead of the
    built-in way: any of `credential` (the same target with another credential), `target` (the next
    one) and `again` (the same one, after a delay); the first that is possible is taken. `[]` tells
    the caller at once."""

    hedge_after: HedgeAfter | None = None
    """Start a second attempt when the first has produced nothing for so many seconds, or for as
    long as 95 % of the latest calls to that model took (`p95`). The first to produce output wins,
    the other one is cancelled. It counts as an attempt, and is paid for. Absent: only where a call
    asks for it."""

    retry_budget: RetryBudget = RetryBudget()
    """How much load further attempts may add."""
