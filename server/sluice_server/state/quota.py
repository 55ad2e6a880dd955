"""The promise of a quota store: room is reserved before a call and settled after it.

One implementation keeps everything in memory, the other in Redis; both keep the
same rules, and the same tests run on both.

Rules
-----
A *bucket* is what a provider said about one limit: unit, window, limit, remaining
and the moment when it is full again. Buckets belong to a *group*: a provider, a
quota scope and a model.

- Room of a bucket is its remaining minus what is held. Without a remaining there
  is no bound. Past its reset a bucket is full again: remaining is the limit, or
  unknown where there is none or where it is zero: only a call can find out then.
  A bucket that was not mentioned for an hour, and for two windows, is dropped.
- A reservation holds its requests until its own response was observed, since from
  then on the provider counted it. It holds its tokens until it is settled, and
  what it really used until an observation of a call that was sent after that:
  providers count tokens at the start or at the end, and nobody says which.
- A late observation does not undo a newer one: within one window (resets that are
  less than a second, or a tenth of the window, apart) remaining only falls. A
  reset in the past is none.
- *Own* limits are the operator's: a bucket that refills evenly up to its capacity,
  one that is full again at each multiple of its window since the epoch, or a number
  of calls at the same time. They are taken at once and corrected when the call is
  settled. What a call took before a refill does not come back after it.
- A reservation is all or nothing, over all buckets of its group and its own limits.
- A reservation lives for a time and is renewed while its call runs, so that what a lost
  replica reserved is free again soon. One that lapsed all the same, because a replica or
  Redis stood still, is taken again whether or not there is room: its call runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, TypeAlias

from sluice.v1 import rate_limit_pb2

Unit: TypeAlias = rate_limit_pb2.RateLimitUnit.ValueType

REQUESTS = rate_limit_pb2.RATE_LIMIT_UNIT_REQUESTS
TOKENS = rate_limit_pb2.RATE_LIMIT_UNIT_TOKENS
INPUT_TOKENS = rate_limit_pb2.RATE_LIMIT_UNIT_INPUT_TOKENS
OUTPUT_TOKENS = rate_limit_pb2.RATE_LIMIT_UNIT_OUTPUT_TOKENS
CREDIT = rate_limit_pb2.RATE_LIMIT_UNIT_CREDIT_USD_NANOS
COST = rate_limit_pb2.RATE_LIMIT_UNIT_COST_USD_NANOS


PRIVATE = "~"
"""How quota scopes begin that GetRateLimits shows to nobody: those of callers' own keys.
No alias of the configuration begins so."""


class Group(NamedTuple):
    """Whose room it is."""

    provider: str
    scope: str
    """Quota scope: the credential's alias, or what several share."""
    model: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """One bucket as one response stated it."""

    unit: Unit
    window: float = 0.0
    """Seconds; 0 where the provider is silent. Tells buckets of one unit apart."""
    limit: int | None = None
    remaining: int | None = None
    reset_at: float | None = None
    """Seconds since the epoch."""
    source: rate_limit_pb2.RateLimitSource.ValueType = rate_limit_pb2.RATE_LIMIT_SOURCE_HEADERS


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnLimit:
    """A limit that the operator set; equal names share one count."""

    name: str
    """Unique: who and what, for example "caller/checkout/tokens"."""
    unit: Unit
    capacity: int
    """Most that can be taken at once; also the bound of calls at the same time."""
    window: float = 0.0
    """Seconds in which `capacity` flows back; 0 counts calls at the same time."""
    at_once: bool = False
    """It does not flow back evenly, but whole at each multiple of `window` since the epoch:
    a window of a day begins at midnight, UTC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """What one call holds."""

    id: str
    """Unique in all replicas."""
    group: Group
    amounts: Mapping[Unit, int]
    """Requests, and tokens as estimated."""
    own: Sequence[OwnLimit] = ()
    ceiling: float = 1.0
    """Share of a limit that this call may fill, for work that gives way to other work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why there is no room."""

    unit: Unit
    limit: int | None
    wait: float | None
    """Seconds until there is room, as far as is known now; None: never for this call."""
    own: str = ""
    """Name of the own limit; empty for a provider's bucket."""
    window: float = 0.0


@dataclass(slots=True, kw_only=True)
class BucketState:
    """A bucket as it stands now."""

    group: Group
    unit: Unit
    window: float
    limit: int | None
    remaining: int | None
    reserved: int
    reset_at: float | None
    observed_at: float
    full_at: float | None = None
    """When it is taken to be full again: at its reset, or where none was stated at the
    end of its window; None when it is, or when nobody knows."""
    source: rate_limit_pb2.RateLimitSource.ValueType = rate_limit_pb2.RATE_LIMIT_SOURCE_HEADERS
    own: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which buckets are asked for; empty fields match all."""

    provider: str = ""
    scope: str = ""
    model: str = ""
    own: Sequence[OwnLimit] = field(default=())
    """Own limits whose counts are wanted too."""


class QuotaStore(Protocol):
    """Keeps quota. Times are seconds since the epoch unless they are durations."""

    async def reserve(self, reservation: Reservation, *, ttl: float) -> Refusal | None:
        """Take room for a call, or say why there is none; `ttl` in seconds."""

    async def observe(
        self, group: Group, seen: Sequence[Observed], *, reservation: str = ""
    ) -> None:
        """Learn what a response stated, before its body; `reservation` is whose response it is.

        Also called with nothing seen: the provider has counted the request then.
        """

    async def settle(self, reservation: Reservation, used: Mapping[Unit, int] | None) -> None:
        """End a reservation; None: nothing was sent. Units without a count stay as estimated.

        Settling twice is settling once.
        """

    async def renew(
        self, reservations: Sequence[Reservation], *, ttl: float
    ) -> Sequence[Reservation]:
        """Keep what running calls hold for `ttl` seconds from now.

        Returns those that lapsed and were not taken again, for whoever knows whether they run.
        """

    async def buckets(self, wanted: Filter) -> list[BucketState]:
        """Return what is known now, in a stable order."""

    async def cool(self, key: str, seconds: float) -> None:
        """Rest something (a quota scope, a credential) for so long; a longer rest stays."""

    async def cooling(self, keys: Sequence[str]) -> Mapping[str, float]:
        """Return the seconds that those of `keys` which rest still have to."""

    async def aclose(self) -> None:
        """Give everything back."""
