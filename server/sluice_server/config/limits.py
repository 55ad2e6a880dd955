"""The settings of limits: the operator's own, and how calls wait for room."""

from typing import Annotated

from pydantic import Field

from sluice_server.config.section import Section
from sluice_server.config.values import NOT_BOOLEAN, Wait


class OwnLimits(Section):
    """Limits of the operator's own, kept before anything is sent.

    What is absent is not limited.
    """

    requests_per_second: (
        Annotated[float, Field(gt=0, le=1_000_000, allow_inf_nan=False), NOT_BOOLEAN] | None
    ) = None
    """Calls that may start per second. One second's worth may start at once, and at least one
    call; 0.1 is a call every ten seconds."""

    tokens_per_minute: Annotated[int, Field(ge=1, le=10**12), NOT_BOOLEAN] | None = None
    """Input and output tokens per minute. A call takes its estimate when it starts and is charged
    what it used when it ends. A minute's worth may be taken at once; a call that is larger than
    that is refused."""

    concurrent_streams: Annotated[int, Field(ge=1, le=1_000_000), NOT_BOOLEAN] | None = None
    """Calls that may run at the same time."""

    usd_per_day: (
        Annotated[float, Field(gt=0, le=1_000_000, allow_inf_nan=False), NOT_BOOLEAN] | None
    ) = None
    """US dollars that calls may cost from midnight to midnight, UTC. A call takes its estimate when
    it starts and is charged what it cost when it ends. A call whose price nobody knows is refused:
    give it one in the provider's `prices`."""


class Limits(Section):
    """How calls wait for room."""

    throttle_threshold: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False), NOT_BOOLEAN] = 0.8
    """Share of a limit that calls of low priority may fill, above 0 to 1; past it GetRateLimits
    says `throttled`. 0.8: a fifth stays free for people who wait."""

    max_waiting: Annotated[int, Field(ge=0, le=1_000_000), NOT_BOOLEAN] = 1000
    """Calls that may wait for room at the same time; further ones fail with OVERLOADED. A
    thousand: they hold their requests in memory, and whoever comes later is better served by
    another replica. 0: nobody waits."""

    max_wait_seconds: Wait = 60.0
    """Longest wait of a call for room, in seconds. A caller's own deadline may shorten it. Sixty:
    most limits are per minute. A call that is known to have to wait longer fails at once and is
    told how long."""
