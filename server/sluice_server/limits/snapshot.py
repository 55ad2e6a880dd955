"""The answer to GetRateLimits: every bucket as it stands, and a verdict on a next call.

The verdict follows the same rules as admission, but takes nothing: who asks first
may still find that others were faster.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence

from sluice.v1 import gateway_service_pb2, rate_limit_pb2
from sluice_server.limits.known import Known, Seen
from sluice_server.limits.own import OwnedBy, OwnLimits
from sluice_server.state.quota import (
    COST,
    INPUT_TOKENS,
    OUTPUT_TOKENS,
    PRIVATE,
    REQUESTS,
    TOKENS,
    BucketState,
    Filter,
    Group,
    QuotaStore,
)

Rest = Callable[[str, str, str], Awaitable[float | None]]
"""Tells for how many seconds a provider's credential of a quota scope still rests; None
where there is no such provider here: replicas may differ in their settings."""

Cost = Callable[[str, str, int], int | None]
"""Tells what so many tokens of a provider's model cost at most, in nano-dollars; None where
nobody knows."""


EVERYBODY = None
"""Asks for the operator, who sees the limits of all callers."""


class RateLimits:
    """Answers GetRateLimits."""

    def __init__(
        self,
        store: QuotaStore,
        own: OwnLimits,
        known: Known,
        *,
        throttle_threshold: float,
        cost: Cost,
        rest: Rest | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._own = own
        self._known = known
        self._threshold = throttle_threshold
        self._cost = cost
        self._rest = rest
        self._clock = clock

    async def snapshot(
        self,
        request: gateway_service_pb2.GetRateLimitsRequest,
        *,
        caller: str | None = "",
        admin: bool = False,
    ) -> gateway_service_pb2.GetRateLimitsResponse:
        """Return what is known now.

        Args:
            request: What is asked for.
            caller: Whose call is judged; of callers' limits its own are shown, to EVERYBODY all.
            admin: Show all callers' limits to this one, too.
        """
        owned = list(self._own.all_of(EVERYBODY if admin else caller))
        states = await self._store.buckets(
            Filter(provider=request.provider, own=[one.limit for one in owned])
        )
        of_group: defaultdict[Group, list[BucketState]] = defaultdict(list)
        of_name: dict[str, BucketState] = {}
        for state in states:
            if state.own:
                of_name[state.own] = state
            elif not state.group.scope.startswith(PRIVATE):
                of_group[state.group].append(state)
        seen = [
            one
            for one in self._known
            if _matches(request, one) and not one.scope.startswith(PRIVATE)
        ]
        response = gateway_service_pb2.GetRateLimitsResponse()
        scopes = {one.scope for one in seen}
        for group, found in of_group.items():
            if _group_matches(request, group, scopes):
                response.buckets.extend(_bucket(state) for state in found)
        response.buckets.extend(
            _own_bucket(one, of_name[one.limit.name])
            for one in owned
            if one.limit.name in of_name and _own_matches(request, one)
        )
        tokens = request.estimated_tokens if request.HasField("estimated_tokens") else 0
        for one in _with_unseen(seen, of_group, request):
            names = self._own.of(
                caller=caller or "",
                provider=one.provider,
                credential=one.credential,
                model=one.model,
            )
            applying = of_group.get(one.group, []) + [
                of_name[limit.name] for limit in names if limit.name in of_name
            ]
            rest = await self._rest(one.provider, one.credential, one.scope) if self._rest else 0.0
            if rest is None:
                continue
            response.headroom.append(self._headroom(one, applying, tokens, rest))
        return response

    def _headroom(
        self, seen: Seen, states: Sequence[BucketState], tokens: int, rest: float
    ) -> rate_limit_pb2.Headroom:
        headroom = rate_limit_pb2.Headroom(
            provider=seen.provider,
            credential=seen.credential,
            model=seen.model,
            admissible=rest <= 0,
        )
        waits: list[float | None] = [rest] if rest > 0 else []
        now = self._clock()
        cost = self._cost(seen.provider, seen.model, tokens)
        for state in states:
            room = _room(state)
            if room is None:
                continue
            if state.limit:
                share = min(1.0, max(0.0, 1 - room / state.limit))
                headroom.utilization = max(headroom.utilization, share)
            need = _need(state, tokens, cost)
            if need is not None and room >= need:
                continue
            headroom.admissible = False
            never = need is None or (state.limit is not None and need > state.limit)
            known = state.full_at is not None and not never
            waits.append(_wait(state, need or 0, room, now) if known else None)
        lengths = [wait for wait in waits if wait is not None]
        if waits and len(lengths) == len(waits):
            headroom.wait.FromNanoseconds(int(max(lengths) * 1e9))
        headroom.throttled = headroom.utilization > self._threshold
        return headroom


def _room(state: BucketState) -> int | None:
    if state.remaining is None:
        return None
    # What own limits hold is off their remaining already.
    return state.remaining - (0 if state.own else state.reserved)


def _need(state: BucketState, tokens: int, cost: int | None) -> int | None:
    """Return what a call takes of a bucket; None where it is refused, since nobody knows."""
    if state.unit == REQUESTS:
        return 1
    if state.unit == COST:
        return None if cost is None else max(1, cost)
    # Nobody said how the tokens are shared out between input and output.
    return max(1, tokens) if state.unit in {TOKENS, INPUT_TOKENS, OUTPUT_TOKENS} else 0


def _wait(state: BucketState, need: int, room: int, now: float) -> float:
    if state.own and state.limit and state.unit != COST:
        # It flows back evenly, so that there is room before it is full.
        return max(0.0, (need - room) * state.window / state.limit)
    return max(0.0, (state.full_at or now) - now)


def _bucket(state: BucketState) -> rate_limit_pb2.RateLimitBucket:
    bucket = rate_limit_pb2.RateLimitBucket(
        provider=state.group.provider,
        quota_scope=state.group.scope,
        model=state.group.model,
        unit=state.unit,
        limit=state.limit,
        remaining=state.remaining,
        reserved=max(0, state.reserved),
        source=state.source,
    )
    if state.window:
        bucket.window.FromNanoseconds(int(state.window * 1e9))
    if state.reset_at is not None:
        bucket.reset_time.FromNanoseconds(int(state.reset_at * 1e9))
    if state.observed_at:
        bucket.observe_time.FromNanoseconds(int(state.observed_at * 1e9))
    return bucket


def _own_bucket(owned: OwnedBy, state: BucketState) -> rate_limit_pb2.RateLimitBucket:
    bucket = _bucket(state)
    bucket.provider, bucket.model = owned.provider, owned.model
    bucket.quota_scope = owned.credential or (owned.subject if owned.caller else "")
    bucket.source = rate_limit_pb2.RATE_LIMIT_SOURCE_CONFIG
    # Nobody told us: it is ours.
    bucket.ClearField("observe_time")
    return bucket


def _with_unseen(
    seen: Sequence[Seen],
    of_group: Iterable[Group],
    request: gateway_service_pb2.GetRateLimitsRequest,
) -> list[Seen]:
    """Add what only other replicas used; of those the scope is known, not the credential."""
    covered = {one.group for one in seen}
    others = (
        Seen(group.provider, group.scope, group.scope, group.model)
        for group in of_group
        if group not in covered
    )
    return sorted([*seen, *(one for one in others if _matches(request, one))])


def _matches(request: gateway_service_pb2.GetRateLimitsRequest, seen: Seen) -> bool:
    return (
        request.provider in ("", seen.provider)
        and request.credential in ("", seen.credential)
        and _model_matches(request.model, seen.provider, seen.model)
    )


def _group_matches(
    request: gateway_service_pb2.GetRateLimitsRequest, group: Group, scopes: set[str]
) -> bool:
    return (
        request.provider in ("", group.provider)
        and (request.credential in ("", group.scope) or group.scope in scopes)
        and _model_matches(request.model, group.provider, group.model)
    )


def _own_matches(request: gateway_service_pb2.GetRateLimitsRequest, owned: OwnedBy) -> bool:
    """Tell whether a limit may stop what is asked for; an empty field of it stops all."""
    return (
        (not owned.provider or request.provider in ("", owned.provider))
        and (not owned.credential or request.credential in ("", owned.credential))
        and (not owned.model or _model_matches(request.model, owned.provider, owned.model))
    )


def _model_matches(wanted: str, provider: str, model: str) -> bool:
    return wanted in ("", model, f"{provider}/{model}")
