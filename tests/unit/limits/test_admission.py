"""Who may go, who waits and for how long, and who is told to come back later."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from sluice_server.errors import (
    CallerLimitedError,
    OverloadedError,
    ProviderCredentialRejectedError,
    ProviderQuotaExhaustedError,
    ProviderRateLimitedError,
)
from sluice_server.limits import leases
from sluice_server.limits.estimate import Estimate
from sluice_server.limits.leases import LEASE_SECONDS, Lease
from sluice_server.state.quota import OUTPUT_TOKENS, REQUESTS, TOKENS, Filter, Group
from tests.unit.limits.asking import Desk, Key, Pool
from tests.unit.limits.virtual import passed, run, settle_down

SHOP = {"name": "shop", "token": "0123456789abcdef0"}
BATCH = {"name": "batch", "token": "0123456789abcdef1"}


async def refusal(call: Coroutine[Any, Any, Lease]) -> ProviderRateLimitedError:
    """Return the error that a call for a provider fails with."""
    with pytest.raises(ProviderRateLimitedError) as caught:
        await call
    return caught.value


def test_room_is_taken_at_once() -> None:
    """Without a limit in the way a call goes, and holds what it may use."""

    async def scenario() -> None:
        desk = Desk()
        await desk.states(TOKENS, limit=100, remaining=100)
        lease = await desk.admit()
        assert (lease.credential, lease.waited, passed()) == (Key("key"), 0, 0)
        assert lease.group == ("up", "key", "m")
        (bucket,) = await desk.store.buckets(Filter())
        assert bucket.reserved == 10
        await lease.settle({REQUESTS: 1, TOKENS: 3})
        (bucket,) = await desk.store.buckets(Filter())
        assert (desk.store.held(), bucket.reserved) == (0, 3)

    run(scenario)


def test_room_is_held_for_as_long_as_a_call_runs() -> None:
    """It is renewed, however long an answer takes, and no more after its end."""

    async def scenario() -> None:
        desk = Desk()
        held = [await desk.admit() for _ in range(2 * leases.BATCH)]
        for _ in range(10):
            await asyncio.sleep(LEASE_SECONDS)
            assert desk.store.held() == len(held)
        for lease in held[1:]:
            await lease.settle({})
        await asyncio.sleep(10 * LEASE_SECONDS)
        assert desk.store.held() == 1
        await held[0].settle({})
        assert desk.store.held() == 0
        asked = desk.store.renewed
        await asyncio.sleep(10 * LEASE_SECONDS)
        assert desk.store.renewed == asked
        await desk.admission.aclose()

    run(scenario)


def test_a_renewal_that_fails_is_made_up_for_by_the_next() -> None:
    """The store's trouble ends no renewing."""

    async def scenario() -> None:
        desk = Desk()
        lease = await desk.admit()
        desk.store.gate_of_renewing = _fails
        await asyncio.sleep(LEASE_SECONDS / 2)
        assert desk.store.renewed == 1
        desk.store.gate_of_renewing = None
        await asyncio.sleep(3 * LEASE_SECONDS)
        assert desk.store.held() == 1
        await lease.settle({})
        await desk.admission.aclose()

    run(scenario)


async def _fails() -> None:
    raise ConnectionError("no store")


def test_provider_without_credentials() -> None:
    """Where none is needed, the call has none, and limits are kept all the same."""

    async def scenario() -> None:
        desk = Desk()
        desk.pool = Pool(keys=())
        await desk.states(remaining=1, scope="")
        assert (await desk.admit()).credential is None
        error = await refusal(desk.admit(no_wait=True))
        assert error.quota[0].subject == "up/m"

    run(scenario)


def test_first_come_first_served() -> None:
    """Calls are let go in the order in which they came, when the window opens."""

    async def scenario() -> None:
        desk = Desk()
        await desk.states(limit=10, reset=30)
        tasks = await desk.queue(*"abcdefgh")
        assert desk.admission.waiting == 8
        leases = await asyncio.gather(*tasks)
        assert desk.order == list("abcdefgh")
        assert desk.admission.waiting == 0
        assert [lease.waited for lease in leases] == [pytest.approx(30, abs=0.01)] * 8

    run(scenario)


def test_one_question_while_a_thousand_wait() -> None:
    """Only the first of a line asks the store, however many stand behind it."""

    async def scenario() -> None:
        desk = Desk(limits={"max_waiting": 1000})
        await desk.states(limit=1000, reset=30)
        tasks = [asyncio.create_task(desk.call(str(number))) for number in range(1000)]
        await settle_down(5)
        assert desk.admission.waiting == 1000
        asked = len(desk.store.questions)
        assert asked <= 1002
        first = desk.store.questions[0]
        desk.store.questions.clear()
        for _ in range(10):
            await desk.states(limit=1000, reset=30)
            desk.admission._wake(Group("up", "key", "m"), own=False)
            await settle_down(5)
        assert desk.store.questions == [first] * 10
        await asyncio.gather(*tasks)

    run(scenario)


def test_the_exhausted_bucket_decides() -> None:
    """The wait is that of the bucket without room, not of any bucket."""

    async def scenario() -> None:
        desk = Desk()
        await desk.states(REQUESTS, limit=10, remaining=9, reset=5)
        await desk.states(TOKENS, limit=100, remaining=9, reset=45)
        lease = await desk.admit()
        assert lease.waited == pytest.approx(45, abs=0.01)

    run(scenario)


def test_no_wait() -> None:
    """Who does not want to wait is told at once how long it would be, and for what."""

    async def scenario() -> None:
        desk = Desk()
        await desk.states(TOKENS, limit=100, remaining=9, reset=12.5)
        error = await refusal(desk.admit(no_wait=True))
        assert passed() == 0
        assert error.retry_after == pytest.approx(12.5)
        assert (error.provider, error.model) == ("up", "m")
        assert [tuple(one) for one in error.quota] == [
            ("up/key/m", "The limit of 100 tokens in 60 seconds is used up.")
        ]
        assert not desk.store.held()
        (waiting,) = await desk.queue("first")
        assert (await refusal(desk.admit(no_wait=True))).retry_after == pytest.approx(12.5)
        waiting.cancel()

    run(scenario)


@pytest.mark.parametrize(("within", "waits"), [(29.0, False), (31.0, True)])
def test_deadline(within: float, waits: bool) -> None:
    """A wait that ends after the deadline is none: the call fails at once."""

    async def scenario() -> None:
        desk = Desk()
        await desk.states(limit=10, reset=30)
        if waits:
            assert (await desk.admit(within=within)).waited == pytest.approx(30, abs=0.01)
        else:
            error = await refusal(desk.admit(within=within))
            assert passed() == 0
            assert error.retry_after == pytest.approx(30)

    run(scenario)


def test_longest_wait() -> None:
    """Without a deadline the configured wait is the bound."""

    async def scenario() -> None:
        desk = Desk(limits={"max_wait_seconds": 20})
        await desk.states(limit=10, reset=30)
        assert (await refusal(desk.admit())).retry_after == pytest.approx(30)
        assert passed() == 0

    run(scenario)


def test_wait_behind_others_is_known() -> None:
    """Where windows of requests are known, a place in the line is a time."""

    async def scenario() -> None:
        desk = Desk(limits={"max_wait_seconds": 600})
        await desk.states(limit=2, reset=30)
        tasks = await desk.queue(*"abcd")
        error = await refusal(desk.admit(within=149))
        assert passed() == 0
        assert error.retry_after == pytest.approx(150)
        for task in tasks:
            task.cancel()

    run(scenario)


def test_the_line_is_dismissed_when_the_wait_grows() -> None:
    """News that the window opens later ends the waiting of those that cannot wait so long."""

    async def scenario() -> None:
        desk = Desk(poll=1.0)
        await desk.states(limit=10, reset=5)
        short = await desk.queue("short", within=10)
        long = await desk.queue("long", within=59)
        await asyncio.sleep(2)
        await desk.states(limit=10, reset=40)
        error = await refusal(_result(short[0]))
        assert passed() <= 3.1
        assert error.retry_after == pytest.approx(40, abs=1.1)
        await long[0]
        assert passed() == pytest.approx(42, abs=0.1)

    run(scenario)


async def _result(task: "asyncio.Task[Lease]") -> Lease:
    return await task


def test_waiting_ends_at_the_deadline() -> None:
    """Where nobody knows how long it takes, a call waits as long as it can."""

    async def scenario() -> None:
        desk = Desk(poll=0.1, providers={"up": {"kind": "x", "limits": {"concurrent_streams": 1}}})
        holder = await desk.admit()
        lucky, late = await desk.queue("lucky", "late", within=0.5)
        await asyncio.sleep(0.4)
        await holder.settle({REQUESTS: 1})
        await lucky
        assert passed() == pytest.approx(0.4)
        error = await refusal(_result(late))
        assert passed() == pytest.approx(0.5)
        assert error.retry_after == 1
        assert [tuple(one) for one in error.quota] == [
            ("provider/up", "The limit of 1 calls at the same time is used up.")
        ]

    run(scenario)


def test_never_fits() -> None:
    """A call larger than the whole limit fails at once, without a time to come back."""

    async def scenario() -> None:
        desk = Desk()
        await desk.states(TOKENS, limit=100, remaining=100)
        error = await refusal(desk.admit(estimate=Estimate(60, 41)))
        assert error.retry_after is None
        assert error.quota[0].description == (
            "The call is larger than the limit of 100 tokens in 60 seconds."
        )
        assert "no wait helps" in str(error)

    run(scenario)


def test_another_credential_has_room() -> None:
    """A credential of another quota scope is used before anybody waits."""

    async def scenario() -> None:
        desk = Desk()
        desk.pool = Pool(keys=(Key("one"), Key("two")))
        await desk.states(scope="one")
        lease = await desk.admit()
        assert (lease.credential, lease.waited) == (Key("two"), 0)

    run(scenario)


def test_one_scope_is_asked_once() -> None:
    """Credentials that share a quota are no way around it."""

    async def scenario() -> None:
        desk = Desk()
        desk.pool = Pool(keys=(Key("one", "org"), Key("two", "org")))
        await desk.states(scope="org")
        await refusal(desk.admit(no_wait=True))
        assert len(desk.store.questions) == 1

    run(scenario)


def test_the_earliest_of_all_is_waited_for() -> None:
    """Of full buckets and cool-downs the one that ends first decides."""

    async def scenario() -> None:
        desk = Desk()
        desk.pool = Pool(keys=(Key("one"), Key("two")))
        await desk.states(scope="one", reset=30)
        await desk.states(scope="two", reset=20)
        lease = await desk.admit()
        assert lease.credential == Key("two")
        assert passed() == pytest.approx(20, abs=0.01)

    run(scenario)


def test_cool_down_is_waited_for() -> None:
    """When every credential rests, the call waits for the first one."""

    async def scenario() -> None:
        desk = Desk()
        desk.pool.resting["key"] = passed() + 1_000_000 + 8
        lease = await desk.admit()
        assert lease.waited == pytest.approx(8, abs=0.01)

    run(scenario)


def test_what_the_pool_says() -> None:
    """Why no credential can be used is said as the pool says it."""

    async def scenario() -> None:
        desk = Desk()
        desk.pool.refusal = ProviderQuotaExhaustedError("Out of credit.")
        with pytest.raises(ProviderCredentialRejectedError):
            await Desk().admit(excluded=frozenset({"key"}))
        with pytest.raises(ProviderQuotaExhaustedError) as caught:
            await desk.admit(excluded=frozenset({"key"}))
        assert caught.value.provider == "up"

    run(scenario)


def test_all_or_nothing() -> None:
    """A call that one bucket refuses takes nothing of the others."""

    async def scenario() -> None:
        desk = Desk(providers={"up": {"kind": "x", "limits": {"concurrent_streams": 1}}})
        await desk.states(OUTPUT_TOKENS, limit=100, remaining=4)
        await refusal(desk.admit(no_wait=True))
        states = await desk.store.buckets(
            Filter(own=desk.own.of(caller="", provider="up", credential="", model=""))
        )
        assert [state.reserved for state in states] == [0, 0]

    run(scenario)


def test_room_that_comes_back_is_used_at_once() -> None:
    """A call that ends with less than it reserved lets the next one go."""

    async def scenario() -> None:
        desk = Desk()
        await desk.states(TOKENS, limit=100, remaining=100, reset=50)
        lease = await desk.admit(estimate=Estimate(50, 50))
        (waiting,) = await desk.queue("next")
        await asyncio.sleep(0.5)
        assert not waiting.done()
        await lease.settle({REQUESTS: 1, TOKENS: 20})
        assert (await waiting).waited == pytest.approx(0.5)

    run(scenario)


def test_what_is_learned_is_used_at_once() -> None:
    """A response that states room lets the next one go."""

    async def scenario() -> None:
        desk = Desk()
        await desk.states(limit=10, remaining=1, reset=50)
        lease = await desk.admit()
        (waiting,) = await desk.queue("next")
        await lease.observe([])
        await settle_down()
        assert not waiting.done()
        await desk.states(limit=10, remaining=10, reset=200, told=lease)
        await waiting
        assert passed() == 0

    run(scenario)


def test_big_calls_are_not_starved() -> None:
    """A small call does not pass a large one that came first."""

    async def scenario() -> None:
        desk = Desk()
        await desk.states(TOKENS, limit=100, remaining=50, reset=30)
        tasks = await desk.queue("big", estimate=Estimate(40, 40))
        tasks += await desk.queue("small", estimate=Estimate(1, 1))
        await asyncio.gather(*tasks)
        assert desk.order == ["big", "small"]
        assert passed() == pytest.approx(30, abs=0.01)

    run(scenario)


def test_cancelled_waiter_leaves_no_trace() -> None:
    """Who leaves the line holds nothing, and the next one does not wait for it."""

    async def scenario() -> None:
        desk = Desk()
        await desk.states(TOKENS, limit=100, remaining=50, reset=30)
        (big,) = await desk.queue("big", estimate=Estimate(40, 40))
        (small,) = await desk.queue("small", estimate=Estimate(1, 1))
        big.cancel()
        await small
        assert (passed(), desk.admission.waiting, desk.store.held()) == (0, 0, 1)
        await asyncio.gather(big, return_exceptions=True)
        assert big.cancelled()

    run(scenario)


@pytest.mark.parametrize("waits", [False, True], ids=["at once", "in the line"])
def test_cancelled_while_the_store_is_asked(waits: bool) -> None:
    """Room that was taken for a call that left meanwhile is given back."""

    async def scenario() -> None:
        desk = Desk()
        gate = asyncio.Event()
        if waits:
            await desk.states(limit=10, reset=1)
        task = asyncio.create_task(desk.admit())
        if waits:
            await settle_down()
        desk.store.gate = gate.wait
        await asyncio.sleep(1.5)
        assert desk.store.held() == 1
        task.cancel()
        await settle_down()
        gate.set()
        await settle_down()
        assert desk.store.held() == 0
        assert desk.admission.waiting == 0
        assert task.cancelled()

    run(scenario)


def test_cancelled_in_the_moment_of_admission() -> None:
    """A call that leaves when it was just let go gives its room to the next."""

    async def scenario() -> None:
        desk = Desk()
        await desk.states(TOKENS, limit=10, remaining=10, reset=50)
        lease = await desk.admit()
        first, second = await desk.queue("first", "second")
        await lease.settle(None)
        # Until the line has let the first go, which has not run since.
        for _ in range(20):
            if desk.store.held():
                break
            await asyncio.sleep(0)
        first.cancel()
        await second
        assert desk.order == ["second"]
        assert (passed(), desk.store.held()) == (0, 1)

    run(scenario)


def test_settled_once() -> None:
    """A lease is settled by its first settling, and a cancelled one is made up for."""

    async def scenario() -> None:
        desk = Desk()
        lease = await desk.admit()
        await lease.settle(None)
        await lease.settle({REQUESTS: 1})
        assert len(desk.store.settled) == 1

        lease = await desk.admit()
        gate = asyncio.Event()
        desk.store.gate_of_settling = gate.wait
        task = asyncio.create_task(lease.settle(None))
        await settle_down()
        task.cancel()
        await settle_down()
        gate.set()
        await settle_down()
        assert task.cancelled()
        assert desk.store.held() == 0

    run(scenario)


def test_low_priority_waits_behind() -> None:
    """Calls that give way go after normal ones, whenever they came."""

    async def scenario() -> None:
        desk = Desk()
        await desk.states(limit=10, reset=30)
        tasks = await desk.queue("low 1", "low 2", low_priority=True)
        tasks += await desk.queue("normal 1", "normal 2")
        await asyncio.gather(*tasks)
        assert desk.order == ["normal 1", "normal 2", "low 1", "low 2"]

    run(scenario)


def test_low_priority_leaves_room() -> None:
    """Past the threshold normal calls go on, while those of low priority wait."""

    async def scenario() -> None:
        desk = Desk()
        await desk.states(limit=10, remaining=3, reset=30)
        await desk.admit(low_priority=True)
        (low,) = await desk.queue("low", low_priority=True)
        await desk.admit()
        await desk.admit()
        assert (passed(), low.done()) == (0, False)
        await low
        assert passed() == pytest.approx(30, abs=0.01)

    run(scenario)


def test_too_many_wait() -> None:
    """The line is bounded; whoever comes later is told to go elsewhere."""

    async def scenario() -> None:
        desk = Desk(limits={"max_waiting": 2})
        await desk.states(limit=10, reset=30)
        tasks = await desk.queue("a", "b")
        with pytest.raises(OverloadedError) as caught:
            await desk.admit()
        assert caught.value.retry_after == 1
        await asyncio.gather(*tasks)

    run(scenario)


def test_callers_limit() -> None:
    """A caller's own limit is told as such, with its name."""

    async def scenario() -> None:
        desk = Desk(callers=[{**SHOP, "limits": {"tokens_per_minute": 60}}])
        await desk.admit(caller="shop", estimate=Estimate(30, 30))
        with pytest.raises(CallerLimitedError) as caught:
            await desk.admit(caller="shop", no_wait=True)
        assert caught.value.retry_after == pytest.approx(10)
        assert [tuple(one) for one in caught.value.quota] == [
            ("caller/shop", "The limit of 60 tokens in 60 seconds is used up.")
        ]
        with pytest.raises(CallerLimitedError) as caught:
            await desk.admit(caller="shop", estimate=Estimate(60, 1))
        assert caught.value.retry_after is None

    run(scenario)


def test_callers_limit_stops_nobody_else() -> None:
    """Calls of others pass those that their own caller's limit stops."""

    async def scenario() -> None:
        desk = Desk(callers=[{**SHOP, "limits": {"concurrent_streams": 1}}, BATCH])
        holder = await desk.admit(caller="shop")
        first, second = await desk.queue("shop 1", "shop 2", caller="shop")
        await desk.call("batch", caller="batch")
        assert passed() == 0
        await holder.settle({REQUESTS: 1})
        await (await first).settle({REQUESTS: 1})
        await second
        assert desk.order == ["batch", "shop 1", "shop 2"]
        assert passed() == 0

    run(scenario)


def test_own_limits_are_shared_by_models() -> None:
    """A stream of one model that ends lets a call for another one go."""

    async def scenario() -> None:
        desk = Desk(providers={"up": {"kind": "x", "limits": {"concurrent_streams": 1}}})
        holder = await desk.admit(model="n")
        (waiting,) = await desk.queue("m")
        await asyncio.sleep(0.2)
        assert not waiting.done()
        await holder.settle({REQUESTS: 1})
        await waiting
        assert passed() == pytest.approx(0.2)

    run(scenario)


def test_calls_with_keys_of_their_own_do_not_wait_for_ours() -> None:
    """Another pool is another line."""

    async def scenario() -> None:
        desk = Desk()
        await desk.states(limit=10, reset=30)
        (waiting,) = await desk.queue("ours")
        await desk.admit(pool=Pool(keys=(Key("theirs"),)))
        assert passed() == 0
        await waiting

    run(scenario)


def test_equal_pools_share_a_line() -> None:
    """Calls that bring the same key, each in a pool of its own, go in order."""

    class Brought(Pool):
        def __eq__(self, other: object) -> bool:
            return isinstance(other, Brought) and self.keys == other.keys

        def __hash__(self) -> int:
            return hash(self.keys)

    async def scenario() -> None:
        desk = Desk()
        await desk.states(limit=10, reset=30)
        tasks = [(await desk.queue(label, pool=Brought()))[0] for label in "abc"]
        asked = len(set(desk.store.questions))
        await asyncio.gather(*tasks)
        assert asked == 1
        assert desk.order == list("abc")

    run(scenario)


def test_first_answer_is_awaited() -> None:
    """A burst to a quota that was never heard of waits for the first headers."""

    async def scenario() -> None:
        desk = Desk(first_answer=1.0)
        first = await desk.admit()
        tasks = await desk.queue(*"abcde")
        await asyncio.sleep(0.25)
        assert desk.order == []
        await desk.states(limit=10, remaining=2, reset=30, told=first)
        await settle_down()
        assert desk.order == ["a", "b"]
        await asyncio.gather(*tasks)
        assert passed() == pytest.approx(30.25, abs=0.01)

    run(scenario)


@pytest.mark.parametrize("fields", [{"no_wait": True}, {"within": 1.5}], ids=str)
def test_who_is_in_a_hurry_does_not_wait_for_first_answers(fields: dict[str, Any]) -> None:
    """Not knowing is no reason to fail."""

    async def scenario() -> None:
        desk = Desk(first_answer=1.0)
        await desk.admit()
        await desk.admit(**fields)
        assert passed() == 0

    run(scenario)


def test_silent_providers_are_not_waited_for() -> None:
    """Where answers state no limits, the first one is worth no wait."""

    async def scenario() -> None:
        desk = Desk(first_answer=1.0)
        await desk.admit(tells_limits=False)
        await desk.admit(tells_limits=False)
        assert passed() == 0

    run(scenario)


def test_slow_and_lost_first_answers() -> None:
    """The first answer is awaited for a bounded time, and not at all once its call is over."""

    async def scenario() -> None:
        desk = Desk(first_answer=1.0)
        lost = await desk.admit()
        (waiting,) = await desk.queue("a")
        await lost.settle(None)
        await waiting
        assert passed() == 0
        (waiting,) = await desk.queue("b")
        await waiting
        assert passed() == pytest.approx(1.0, abs=0.01)

    run(scenario)


def test_closing_ends_the_waiting() -> None:
    """A replica that closes leaves nobody in a line."""

    async def scenario() -> None:
        desk = Desk()
        await desk.states(limit=10, reset=30)
        (waiting,) = await desk.queue("a")
        await desk.admission.aclose()
        await asyncio.gather(waiting, return_exceptions=True)
        assert waiting.cancelled()

    run(scenario)
