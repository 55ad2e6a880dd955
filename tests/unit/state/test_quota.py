"""The rules of a quota store, in memory and in Redis."""

import asyncio
import math
from contextlib import aclosing
from typing import Any, cast

import pytest

from sluice_server.state import sane
from sluice_server.state.memory import MAX_GROUPS, MemoryQuotaStore
from sluice_server.state.quota import (
    CREDIT,
    INPUT_TOKENS,
    REQUESTS,
    TOKENS,
    BucketState,
    Filter,
    Group,
    Observed,
    OwnLimit,
    Refusal,
    Reservation,
    Unit,
)
from sluice_server.state.redis import RedisQuotaStore
from tests.support.redis import RedisServer
from tests.unit.state.worlds import GROUP, MemoryWorld, World, has_room, reserved, until

FAR = 1_000.0
"""Seconds to a reset that no test lives to see."""
SOON = 0.3


def call(
    name: str,
    requests: int = 1,
    tokens: int = 0,
    *,
    own: tuple[OwnLimit, ...] = (),
    ceiling: float = 1.0,
    group: Group = GROUP,
    **more: int,
) -> Reservation:
    """Return a reservation."""
    amounts: dict[Unit, int] = {REQUESTS: requests}
    if tokens:
        amounts[TOKENS] = tokens
    if more:
        amounts[CREDIT] = more["credit"]
    return Reservation(id=name, group=group, amounts=amounts, own=own, ceiling=ceiling)


def said(
    world: World,
    unit: Unit = REQUESTS,
    remaining: int | None = None,
    *,
    limit: int | None = None,
    reset: float | None = FAR,
    window: float = 60.0,
) -> Observed:
    """Return a statement; `reset` in seconds from now."""
    at = None if reset is None else world.now() + reset
    return Observed(unit=unit, window=window, limit=limit, remaining=remaining, reset_at=at)


async def reserve(world: World, reservation: Reservation, ttl: float = 60.0) -> Refusal | None:
    """Take room for a call."""
    return await world.store.reserve(reservation, ttl=ttl)


async def only(world: World, unit: Unit = REQUESTS) -> BucketState:
    """Return the one bucket of a unit."""
    [state] = [one for one in await world.store.buckets(Filter()) if one.unit == unit]
    return state


async def test_unknown_is_no_bound(world: World) -> None:
    """Without a word of the provider, or without a remaining, there is room."""
    assert await reserve(world, call("a", tokens=10**9)) is None
    await world.store.observe(GROUP, [said(world, limit=1)], reservation="a")
    assert (await only(world)).remaining is None
    assert await reserve(world, call("b")) is None
    assert await reserve(world, call("c")) is None


async def test_room_is_remaining_minus_held(world: World) -> None:
    """Calls are admitted up to remaining; then the refusal names the bucket and the wait."""
    await world.store.observe(GROUP, [said(world, remaining=2, limit=10)])
    assert await reserve(world, call("a")) is None
    assert await reserve(world, call("b")) is None
    refusal = await reserve(world, call("c"))
    assert refusal is not None
    assert (refusal.unit, refusal.limit, refusal.window, refusal.own) == (REQUESTS, 10, 60.0, "")
    assert refusal.wait == pytest.approx(FAR, abs=2.0)
    state = await only(world)
    assert (state.remaining, state.reserved, state.group) == (2, 2, GROUP)


async def test_groups_are_apart(world: World) -> None:
    """A bucket bounds its provider, scope and model only."""
    await world.store.observe(GROUP, [said(world, remaining=0)])
    for group in (
        GROUP._replace(provider="other"),
        GROUP._replace(scope="other"),
        GROUP._replace(model="other"),
    ):
        assert await reserve(world, call("a", group=group)) is None


async def test_requests_are_held_until_the_response(world: World) -> None:
    """A request is held until its own response was seen, which the remaining then includes."""
    await world.store.observe(GROUP, [said(world, remaining=3)])
    assert await reserve(world, call("a")) is None
    assert await reserve(world, call("b")) is None
    await world.store.observe(GROUP, [said(world, remaining=2)], reservation="a")
    assert await reserved(world, REQUESTS) == 1
    await world.store.settle(call("a"), {})
    assert await reserved(world, REQUESTS) == 1


async def test_a_silent_response_wins_no_room(world: World) -> None:
    """A request that was counted and not stated is no room until a later call's response."""
    await world.store.observe(GROUP, [said(world, remaining=1)])
    assert await reserve(world, call("a")) is None
    await world.store.observe(GROUP, [], reservation="a")
    await world.store.settle(call("a"), {})
    assert not await has_room(world, call("b"))
    await world.store.observe(GROUP, [said(world, remaining=5, reset=2 * FAR)])
    assert await reserve(world, call("b")) is None
    await world.store.observe(GROUP, [said(world, remaining=4, reset=2 * FAR)], reservation="b")
    assert await reserved(world, REQUESTS) == 0


async def test_tokens_are_held_until_a_later_calls_response(world: World) -> None:
    """After settling, what was used counts until a call that began later was answered."""
    await world.store.observe(GROUP, [said(world, TOKENS, 1_000)])
    assert await reserve(world, call("a", tokens=600)) is None
    assert await reserve(world, call("early", tokens=100)) is None
    await world.store.observe(GROUP, [said(world, TOKENS, 900)], reservation="a")
    assert await reserved(world, TOKENS) == 700
    await world.store.settle(call("a", tokens=600), {TOKENS: 50})
    assert await reserved(world, TOKENS) == 150
    await world.store.observe(GROUP, [said(world, TOKENS, 900)], reservation="early")
    assert await reserved(world, TOKENS) == 150
    assert await reserve(world, call("late", tokens=10)) is None
    await world.store.observe(GROUP, [said(world, TOKENS, 800)], reservation="late")
    assert await reserved(world, TOKENS) == 110


async def test_a_new_bucket_counts_what_it_may_not_include(world: World) -> None:
    """A first statement does not hide what ended while its call ran."""
    for name in ("slow", "quick"):
        assert await reserve(world, call(name, tokens=100)) is None
    await world.store.observe(GROUP, [], reservation="quick")
    await world.store.settle(call("quick", tokens=100), {TOKENS: 70})
    await world.store.observe(GROUP, [said(world, TOKENS, 1_000)], reservation="slow")
    assert await reserved(world, TOKENS) == 170


async def test_nothing_sent_gives_everything_back(world: World) -> None:
    """Settling with None frees all; settling again, or what is unknown, changes nothing."""
    own = (OwnLimit(name="o", unit=TOKENS, capacity=500, window=1e6),)
    await world.store.observe(GROUP, [said(world, remaining=1), said(world, TOKENS, 100)])
    for _ in range(3):
        assert await reserve(world, call("a", tokens=100, own=own)) is None
        assert not await has_room(world, call("b"))
        for _ in range(2):
            await world.store.settle(call("a", tokens=100, own=own), None)
        await world.store.settle(call("never", tokens=100, own=own), {TOKENS: 77})
    assert [state.reserved for state in await world.store.buckets(Filter())] == [0, 0]
    [state] = await world.store.buckets(Filter(provider="none", own=own))
    assert state.remaining == 500


async def test_units_without_a_count_stay_as_estimated(world: World) -> None:
    """Settling without counts keeps the estimate."""
    seen = [said(world, TOKENS, 100), said(world, INPUT_TOKENS, 100)]
    await world.store.observe(GROUP, seen)
    amounts: dict[Unit, int] = {TOKENS: 60, INPUT_TOKENS: 40}
    reservation = Reservation(id="a", group=GROUP, amounts=amounts)
    assert await reserve(world, reservation) is None
    await world.store.settle(reservation, {INPUT_TOKENS: 5, TOKENS: cast("int", math.nan)})
    assert await reserved(world, TOKENS) == 60
    assert await reserved(world, INPUT_TOKENS) == 5


async def test_all_or_nothing(world: World) -> None:
    """A refusal by any one bucket or own limit takes nothing of the others."""
    flow = OwnLimit(name="flow", unit=REQUESTS, capacity=5, window=1e6)
    streams = OwnLimit(name="streams", unit=REQUESTS, capacity=5)
    full = OwnLimit(name="full", unit=TOKENS, capacity=10, window=1e6)
    await world.store.observe(GROUP, [said(world, remaining=9), said(world, TOKENS, 50)])
    assert await reserve(world, call("a", tokens=51, own=(flow, streams))) is not None
    refusal = await reserve(world, call("b", tokens=11, own=(flow, streams, full)))
    assert refusal is not None
    assert (refusal.own, refusal.wait) == ("full", None)
    states = await world.store.buckets(Filter(own=(flow, full, streams)))
    assert [(state.reserved, state.remaining) for state in states] == [
        (0, 9), (0, 50), (0, 5), (0, 10), (0, 5),
    ]  # fmt: skip


async def test_two_hundred_at_once(world: World) -> None:
    """However many ask at once, no more are admitted than there is room."""
    own = (OwnLimit(name="streams", unit=REQUESTS, capacity=60),)
    await world.store.observe(GROUP, [said(world, remaining=90), said(world, TOKENS, 700)])
    calls = [call(f"{n}", tokens=10, own=own if n % 2 else ()) for n in range(200)]
    answers = await asyncio.gather(*(reserve(world, one) for one in calls))
    assert answers.count(None) == 70
    assert await reserved(world, TOKENS) == 700


async def test_what_a_lost_replica_held_is_free_again(world: World) -> None:
    """A reservation that nobody settles ends with its time, on buckets and own limits."""
    own = (OwnLimit(name="streams", unit=REQUESTS, capacity=1),)
    await world.store.observe(GROUP, [said(world, remaining=5), said(world, TOKENS, 50)])
    assert await reserve(world, call("lost", tokens=50, own=own), ttl=SOON) is None
    refusal = await reserve(world, call("next", tokens=50, own=own))
    assert refusal is not None
    took = await until(world, lambda: has_room(world, call("next", tokens=50, own=own)))
    assert took <= SOON + 0.5
    await world.store.settle(call("lost", tokens=50, own=own), {TOKENS: 50})
    assert await reserved(world, TOKENS) == 0


async def test_what_is_renewed_stays_held(world: World) -> None:
    """A reservation that is renewed outlives its time, on buckets and own limits, until its end."""
    own = (OwnLimit(name="streams", unit=REQUESTS, capacity=1),)
    long = call("long", tokens=50, own=own)
    await world.store.observe(GROUP, [said(world, remaining=5), said(world, TOKENS, 50)])
    assert await reserve(world, long, ttl=SOON) is None
    end = world.now() + 3 * SOON
    while world.now() < end:
        assert not await world.store.renew([long], ttl=SOON)
        refusal = await reserve(world, call("next", own=own))
        assert refusal is not None
        assert refusal.own == "streams"
        assert await reserve(world, call("third", tokens=1)) is not None
        await world.tick()
    await world.store.settle(long, {TOKENS: 20})
    assert await reserved(world, TOKENS) == 20
    assert await reserve(world, call("next", tokens=30, own=own)) is None


async def test_what_lapsed_is_taken_again_or_told(world: World) -> None:
    """Renewed too late a reservation is not just forgotten."""
    late = call("late", tokens=50)
    await world.store.observe(GROUP, [said(world, TOKENS, 50)])
    assert await reserve(world, late, ttl=0.02) is None
    await until(world, lambda: has_room(world, call("next", tokens=50)))
    lapsed = await world.store.renew([late], ttl=60)
    assert await reserved(world, TOKENS) == (0 if lapsed else 50)
    assert list(lapsed) in ([], [late])


async def test_a_budget_is_corrected_for_a_call_that_was_renewed(world: World) -> None:
    """What it took goes back into the window from which it was taken, however long it ran."""
    own = (OwnLimit(name="day", unit=TOKENS, capacity=100, window=1e9, at_once=True),)
    long = call("long", tokens=90, own=own)
    assert await reserve(world, long) is None
    await world.store.renew([long], ttl=2e9)
    await world.store.settle(long, {TOKENS: 20})
    (state,) = await world.store.buckets(Filter(own=own))
    assert state.remaining == 80


async def test_what_is_free_again_stays_free_after_a_refusal(world: World) -> None:
    """A refused call gives back what was lost as much as an admitted one."""
    await world.store.observe(GROUP, [said(world, TOKENS, 50, limit=50)])
    assert await reserve(world, call("lost", tokens=50), ttl=0.05) is None
    end = world.now() + 0.1

    async def refused_after_the_end() -> bool:
        assert await reserve(world, call("never", tokens=51)) is not None
        return world.now() > end

    await until(world, refused_after_the_end)
    assert await reserved(world, TOKENS) == 0
    assert await reserve(world, call("next", tokens=50)) is None


async def test_past_its_reset_a_bucket_is_full(world: World) -> None:
    """At the reset remaining is the limit; what ended before counts no more, what runs does."""
    seen = [said(world, TOKENS, 100, limit=1_000, reset=SOON)]
    await world.store.observe(GROUP, seen)
    assert await reserve(world, call("done", tokens=60)) is None
    assert await reserve(world, call("runs", tokens=40)) is None
    await world.store.settle(call("done", tokens=60), {})
    refusal = await reserve(world, call("next", tokens=950))
    assert refusal is not None
    assert refusal.wait is not None
    assert refusal.wait <= SOON
    took = await until(world, lambda: has_room(world, call("next", tokens=950)))
    assert took <= SOON + 0.5
    state = await only(world, TOKENS)
    assert (state.remaining, state.reserved, state.reset_at) == (1_000, 40, None)


async def test_past_its_reset_without_limit_it_is_unknown(world: World) -> None:
    """Without a limit nothing is known after the reset."""
    await world.store.observe(GROUP, [said(world, remaining=0, reset=SOON)])
    await until(world, lambda: has_room(world, call("a")))
    assert (await only(world)).remaining is None


async def test_without_reset_the_window_is_waited_for(world: World) -> None:
    """A remaining without reset is forgotten after its window."""
    await world.store.observe(GROUP, [said(world, remaining=0, reset=None, window=SOON)])
    took = await until(world, lambda: has_room(world, call("a")))
    assert SOON - 0.1 <= took <= SOON + 0.5


async def test_within_a_window_remaining_only_falls(world: World) -> None:
    """Answers that overtake each other leave the least remaining; resets may jitter."""
    await world.store.observe(GROUP, [said(world, remaining=5, reset=50.0)])
    await world.store.observe(GROUP, [said(world, remaining=9, reset=50.9)])
    assert (await only(world)).remaining == 5
    await world.store.observe(GROUP, [said(world, remaining=8, reset=45.0)])
    assert (await only(world)).remaining == 5
    await world.store.observe(GROUP, [said(world, remaining=4, reset=None)])
    assert (await only(world)).remaining == 4


async def test_a_new_window_counts_and_an_old_one_does_not(world: World) -> None:
    """A later reset is a new window; a word about the one before it is late."""
    await world.store.observe(GROUP, [said(world, remaining=1, limit=10, reset=20.0)])
    await world.store.observe(GROUP, [said(world, remaining=9, limit=10, reset=80.0)])
    await world.store.observe(GROUP, [said(world, remaining=0, limit=7, reset=20.0)])
    state = await only(world)
    assert (state.remaining, state.limit) == (9, 10)


async def test_a_call_that_began_later_knows_better(world: World) -> None:
    """An earlier reset counts when its call began after the last word: it refilled evenly."""
    await world.store.observe(GROUP, [said(world, remaining=1, reset=50.0)])
    assert await reserve(world, call("a")) is None
    await world.store.observe(GROUP, [said(world, remaining=8, reset=10.0)], reservation="a")
    assert (await only(world)).remaining == 8


async def test_a_reset_in_the_past_is_none(world: World) -> None:
    """A reset in the past opens no window and ends none."""
    await world.store.observe(GROUP, [said(world, remaining=3, limit=10, reset=-500.0)])
    state = await only(world)
    assert (state.remaining, state.reset_at) == (3, None)
    await world.store.observe(GROUP, [said(world, remaining=2, reset=FAR)])
    await world.store.observe(GROUP, [said(world, remaining=9, reset=-1.0)])
    state = await only(world)
    assert state.remaining == 2
    assert state.reset_at == pytest.approx(world.now() + FAR, abs=2.0)


async def test_a_late_word_about_the_window_before_is_dropped(world: World) -> None:
    """After the reset, what was said about the old window cannot empty the new one."""
    old = said(world, remaining=0, limit=10, reset=SOON)
    await world.store.observe(GROUP, [old])
    await until(world, lambda: has_room(world, call("a")))
    await world.store.observe(GROUP, [old])
    assert (await only(world)).remaining == 10


async def test_missing_members_overwrite_nothing(world: World) -> None:
    """None is no knowledge, and no answer without headers forgets any."""
    await world.store.observe(GROUP, [said(world, remaining=4, limit=10)])
    before = await only(world)
    await world.store.observe(GROUP, [said(world, reset=None)])
    await world.store.observe(GROUP, [said(world, limit=None, reset=5.0)])
    await world.store.observe(GROUP, [])
    after = await only(world)
    assert (after.remaining, after.limit) == (4, 10)
    assert after.reset_at == pytest.approx(before.reset_at)
    await world.store.observe(GROUP, [said(world, limit=20)])
    assert ((await only(world)).remaining, (await only(world)).limit) == (4, 20)


ODD = [-1, -1e300, 1e300, 2**63, 10**400, math.nan, math.inf, -math.inf, True, "12", b"1", [], {}]


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: repr(odd)[:12])
async def test_odd_values_neither_raise_nor_overwrite(world: World, odd: object) -> None:
    """Impossible numbers change nothing, wherever they stand."""
    value = cast("Any", odd)
    good = said(world, remaining=4, limit=10)
    await world.store.observe(GROUP, [good])
    before = await only(world)
    for seen in (
        Observed(unit=REQUESTS, window=60.0, limit=value),
        Observed(unit=REQUESTS, window=60.0, remaining=value),
        Observed(unit=REQUESTS, window=60.0, limit=value, remaining=value, reset_at=value),
        Observed(unit=value, window=60.0, limit=1, remaining=0),
        Observed(unit=REQUESTS, window=value, limit=1, remaining=0),
    ):
        await world.store.observe(GROUP, [seen])
    after = await only(world)
    assert (after.remaining, after.limit) == (4, 10)
    assert after.reset_at == pytest.approx(before.reset_at)
    reservation = Reservation(id="odd", group=GROUP, amounts={REQUESTS: 1, TOKENS: value})
    assert await reserve(world, reservation) is None
    await world.store.settle(reservation, {TOKENS: value})
    await world.store.cool("odd", value)
    assert await world.store.cooling(["odd"]) == {}


async def test_a_call_larger_than_the_limit_never_fits(world: World) -> None:
    """More than the whole limit is refused for good, and so says the refusal."""
    await world.store.observe(GROUP, [said(world, TOKENS, 100, limit=100)])
    refusal = await reserve(world, call("a", tokens=101))
    assert refusal is not None
    assert refusal.wait is None


async def test_a_limit_of_zero_is_asked_about_again(world: World) -> None:
    """Nothing fits until its reset; then nothing is known, and a call may find out."""
    await world.store.observe(GROUP, [said(world, remaining=0, limit=0, reset=SOON)])
    refusal = await reserve(world, call("a"))
    assert refusal is not None
    assert refusal.wait is None
    took = await until(world, lambda: has_room(world, call("a")))
    assert took <= SOON + 0.5
    assert ((await only(world)).limit, (await only(world)).remaining) == (0, None)


async def test_what_no_call_fits_into_is_forgotten_without_news() -> None:
    """A limit that lets nothing through cannot be told anew; in time a call finds out."""
    world = MemoryWorld(lambda clock: MemoryQuotaStore(clock=clock))
    await world.store.observe(GROUP, [said(world, TOKENS, 100, limit=100, reset=1.0)])
    world.time += sane.FORGET_SECONDS
    assert await reserve(world, call("large", tokens=101)) is not None
    world.time += 1.0
    assert await reserve(world, call("large", tokens=101)) is None
    assert await world.store.buckets(Filter()) == []


async def test_the_longest_wait_is_told(world: World) -> None:
    """Of several limits without room, the one that takes longest is named."""
    own = (OwnLimit(name="slow", unit=REQUESTS, capacity=1, window=50.0),)
    await world.store.observe(
        GROUP, [said(world, remaining=0, reset=20.0), said(world, TOKENS, 0, reset=30.0)]
    )
    refusal = await reserve(world, call("a", tokens=5))
    assert refusal is not None
    assert refusal.unit == TOKENS
    assert refusal.wait == pytest.approx(30.0, abs=2.0)
    other = GROUP._replace(model="other")
    assert await reserve(world, call("b", group=other, own=own)) is None
    refusal = await reserve(world, call("c", tokens=5, own=own))
    assert refusal is not None
    assert refusal.own == "slow"
    assert refusal.wait == pytest.approx(50.0, abs=2.0)


async def test_room_that_running_calls_hold_is_asked_for_soon(world: World) -> None:
    """Tokens that are only held may come back before the reset, so the wait is short."""
    await world.store.observe(GROUP, [said(world, TOKENS, 100, limit=100)])
    assert await reserve(world, call("a", tokens=100)) is None
    refusal = await reserve(world, call("b", tokens=1))
    assert refusal is not None
    assert refusal.wait == sane.RECHECK


async def test_work_that_gives_way_leaves_its_share(world: World) -> None:
    """Under a ceiling only that share of a limit is filled, of buckets and own limits."""
    own = (
        OwnLimit(name="flow", unit=REQUESTS, capacity=10, window=1e6),
        OwnLimit(name="streams", unit=REQUESTS, capacity=10),
    )
    await world.store.observe(GROUP, [said(world, remaining=5, limit=10)])
    for name in "abc":
        assert await reserve(world, call(name, ceiling=0.8)) is None
    assert await reserve(world, call("d", ceiling=0.8)) is not None
    assert await reserve(world, call("d")) is None
    other = GROUP._replace(model="other")
    for limit in own:
        for n in range(8):
            low = call(f"{limit.name}{n}", ceiling=0.8, group=other, own=(limit,))
            assert await reserve(world, low) is None
        late = call(f"{limit.name}-late", ceiling=0.8, group=other, own=(limit,))
        assert await reserve(world, late) is not None
        assert await reserve(world, call(late.id, group=other, own=(limit,))) is None


async def test_a_ceiling_locks_nobody_out(world: World) -> None:
    """A call larger than its share goes when nothing else was taken."""
    await world.store.observe(GROUP, [said(world, remaining=1, limit=1)])
    assert await reserve(world, call("a", ceiling=0.8)) is None
    assert await reserve(world, call("b", ceiling=0.8)) is not None


async def test_an_own_limit_refills_evenly(world: World) -> None:
    """After all is taken, capacity flows back over the window; the wait is exact."""
    own = (OwnLimit(name="caller/a/tokens", unit=TOKENS, capacity=100, window=2.0),)
    assert await reserve(world, call("a", tokens=100, own=own)) is None
    refusal = await reserve(world, call("b", tokens=10, own=own))
    assert refusal is not None
    assert (refusal.own, refusal.limit, refusal.unit) == ("caller/a/tokens", 100, TOKENS)
    assert refusal.wait == pytest.approx(0.2, abs=0.1)

    async def fits() -> bool:
        return await reserve(world, call("b", tokens=10, own=own)) is None

    took = await until(world, fits)
    assert took == pytest.approx(0.2, abs=0.1)
    [state] = await world.store.buckets(Filter(provider="none", own=own))
    assert (state.own, state.limit) == ("caller/a/tokens", 100)
    assert state.remaining is not None
    assert state.remaining < 50
    assert state.reset_at is not None


async def test_an_own_limit_is_corrected_at_settle(world: World) -> None:
    """What was not used comes back at once; more than estimated is owed."""
    own = (OwnLimit(name="flow", unit=TOKENS, capacity=100, window=1e6),)
    assert await reserve(world, call("a", tokens=90, own=own)) is None
    assert await reserve(world, call("b", tokens=50, own=own)) is not None
    await world.store.settle(call("a", tokens=90, own=own), {TOKENS: 20})
    assert await reserve(world, call("b", tokens=50, own=own)) is None
    await world.store.settle(call("b", tokens=50, own=own), {TOKENS: 200})
    assert await reserve(world, call("c", tokens=1, own=own)) is not None
    [state] = await world.store.buckets(Filter(provider="none", own=own))
    assert state.remaining == 0


async def test_a_budget_takes_what_was_never_estimated(world: World) -> None:
    """Cost that is only known at the end is taken then; spent is spent."""
    own = (OwnLimit(name="budget", unit=CREDIT, capacity=1_000, window=86_400.0),)
    assert await reserve(world, call("a", own=own)) is None
    await world.store.settle(call("a", own=own), {CREDIT: 1_500})
    refusal = await reserve(world, call("b", own=own))
    assert refusal is not None
    assert refusal.own == "budget"
    assert refusal.wait == pytest.approx(501 * 86.4, rel=0.01)


async def test_own_limits_count_calls_at_the_same_time(world: World) -> None:
    """A limit without window bounds running calls, whichever group they are of."""
    own = (OwnLimit(name="streams", unit=REQUESTS, capacity=2),)
    other = GROUP._replace(provider="other")
    assert await reserve(world, call("a", own=own)) is None
    assert await reserve(world, call("b", own=own, group=other)) is None
    refusal = await reserve(world, call("c", own=own))
    assert refusal is not None
    assert refusal.own == "streams"
    assert refusal.wait is not None
    assert refusal.wait <= sane.RECHECK
    [state] = await world.store.buckets(Filter(provider="none", own=own))
    assert (state.limit, state.remaining, state.reserved) == (2, 0, 2)
    await world.store.observe(GROUP, [], reservation="a")
    assert not await has_room(world, call("c", own=own))
    await world.store.settle(call("a", own=own), {})
    assert await reserve(world, call("c", own=own)) is None


async def test_reserving_twice_is_reserving_once(world: World) -> None:
    """A reservation whose answer was lost may be sent again."""
    await world.store.observe(GROUP, [said(world, remaining=5)])
    for _ in range(2):
        assert await reserve(world, call("a")) is None
    assert await reserved(world, REQUESTS) == 1


async def test_rest_ends_and_the_longer_stays(world: World) -> None:
    """What cools is named with its seconds; a shorter rest does not end a longer one."""
    assert await world.store.cooling([]) == {}
    await world.store.cool("scope", 60)
    await world.store.cool("scope", 5)
    await world.store.cool("key", SOON)
    resting = await world.store.cooling(["key", "scope", "nobody"])
    assert set(resting) == {"key", "scope"}
    assert resting["scope"] == pytest.approx(60, abs=2.0)

    async def ended() -> bool:
        return "key" not in await world.store.cooling(["key", "scope"])

    assert await until(world, ended) <= SOON + 0.5
    await world.store.cool("scope", 100)
    assert (await world.store.cooling(["scope"]))["scope"] > 90


async def test_buckets_are_told_in_a_stable_order(world: World) -> None:
    """Whatever came first, buckets are ordered by group, unit and window, and filtered."""
    for provider, scope, model in (("b", "x", "n"), ("a", "y", "m"), ("a", "x", "n"), ("a", "x", "m")):  # fmt: skip  # noqa: E501
        seen = [
            said(world, TOKENS, 1),
            said(world, REQUESTS, 1, window=86_400.0),
            said(world, REQUESTS, 1),
        ]
        await world.store.observe(Group(provider, scope, model), seen)
    states = await world.store.buckets(Filter())
    order = [(state.group, state.unit, state.window) for state in states]
    assert order == sorted(order)
    assert len(order) == 12
    assert len(await world.store.buckets(Filter(provider="a"))) == 9
    assert len(await world.store.buckets(Filter(scope="x", model="n"))) == 6
    assert await world.store.buckets(Filter(provider="nobody")) == []


async def test_memory_is_bounded() -> None:
    """Of many groups, own limits and cool-downs the oldest are forgotten."""
    store = MemoryQuotaStore()
    seen = [Observed(unit=REQUESTS, remaining=1)]
    for n in range(MAX_GROUPS + 10):
        group = Group("acme", "main", f"{n}")
        await store.observe(group, seen)
        own = (OwnLimit(name=f"{n}", unit=REQUESTS, capacity=1),)
        await store.reserve(call(f"{n}", group=group, own=own), ttl=60)
        await store.cool(f"{n}", 60)
    assert len(store._rooms) == len(store._own) == len(store._cool) == MAX_GROUPS
    assert await store.buckets(Filter(model="9")) == []
    assert len(await store.buckets(Filter(model="10"))) == 1


async def test_many_that_ended_are_not_forgotten(world: World) -> None:
    """However many ended without a word of the provider, all that they used counts."""
    await world.store.observe(GROUP, [said(world, TOKENS, 10_000), said(world, INPUT_TOKENS, 900)])
    assert await reserve(world, call("slow", tokens=1)) is None
    for n in range(300):
        one = call(f"{n}", tokens=5)
        assert await reserve(world, one) is None
        await world.store.settle(one, {INPUT_TOKENS: 1})
    assert await reserved(world, TOKENS) == 1_501
    assert await reserved(world, INPUT_TOKENS) == 300
    other = said(world, TOKENS, 90_000, window=3_600.0)
    await world.store.observe(GROUP, [other], reservation="slow")
    states = await world.store.buckets(Filter())
    assert [one.reserved for one in states if one.window == 3_600.0] == [1_501]


async def test_redis_keeps_nothing_for_ever(shared_redis: RedisServer) -> None:
    """Every key has an end, and a finished call leaves none of its own."""
    shared_redis.call("FLUSHALL")
    store = RedisQuotaStore(shared_redis.url)
    own = (
        OwnLimit(name="flow", unit=TOKENS, capacity=100, window=60.0),
        OwnLimit(name="streams", unit=REQUESTS, capacity=5),
    )
    await store.observe(GROUP, [Observed(unit=REQUESTS, window=60.0, limit=5, remaining=5)])
    await store.cool("key", 60)
    for name in ("a", "b"):
        await store.reserve(call(name, tokens=5, own=own), ttl=60)
    await store.observe(GROUP, [], reservation="a")
    keys = await store._connection.command("KEYS", "*")
    assert len(keys) == 8
    for key in keys:
        assert await store._connection.command("PTTL", key) > 0, key
    for name in ("a", "b"):
        await store.settle(call(name, tokens=5, own=own), {})
    left = await store._connection.command("KEYS", "*")
    assert not [key for key in left if key.endswith((b":holds", b":ends", b":unseen", b"streams"))]
    await store.aclose()


async def test_scripts_are_sent_again_when_redis_forgot_them(shared_redis: RedisServer) -> None:
    """A server that was emptied of scripts gets them anew."""
    shared_redis.call("FLUSHALL")
    async with aclosing(RedisQuotaStore(shared_redis.url)) as store:
        for _ in range(2):
            shared_redis.call("SCRIPT", "FLUSH")
            assert await store.reserve(call("again"), ttl=60) is None
            await store.settle(call("again"), None)


async def test_the_address_stays_out_of_errors() -> None:
    """A Redis that is not there is a ConnectionError without the password in its address."""
    store = RedisQuotaStore("redis://user:hunter2@127.0.0.1:1/0", timeout=0.5)
    with pytest.raises(ConnectionError) as caught:
        await store.cool("key", 1)
    assert "hunter2" not in str(caught.value)
    await store.aclose()
