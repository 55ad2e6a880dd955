"""What counts against a credential, how it rests, and how it comes back."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest
from pydantic import SecretStr

from sluice_server import errors
from sluice_server.credentials.borrowed import BorrowedKey
from sluice_server.credentials.pool import State
from sluice_server.credentials.source import Credential
from sluice_server.credentials.sources import CallerKey, FileKey
from sluice_server.state.memory import MemoryQuotaStore, MemoryValues
from tests.unit.credentials.rooms import (
    EXHAUSTED,
    LIMITED,
    REJECTED,
    Clock,
    Room,
    credentials,
    room,
)

INNOCENT = [
    errors.ProviderForbiddenError("x", http_status=403),
    errors.ProviderRejectedRequestError("x"),
    errors.ContextTooLongError("x"),
    errors.ProviderModelNotFoundError("x"),
    errors.ProviderUnavailableError("x"),
    errors.ProviderUnreachableError("x"),
    errors.ProviderTimeoutError("x"),
    errors.ProviderProtocolError("x"),
    errors.StreamTruncatedError("x"),
    errors.UnsupportedFeatureError("options.top_k", "x"),
    errors.DeadlineExceededError("x"),
    errors.InternalError("x"),
    asyncio.CancelledError(),
    GeneratorExit(),
    ValueError("x"),
]


def limited(retry_after: float | None) -> errors.ProviderRateLimitedError:
    """Return a 429 with that wait."""
    return errors.ProviderRateLimitedError("slow down", retry_after=retry_after)


async def test_provider_without_keys() -> None:
    """A provider that takes no credential says so."""
    standing = await room([]).pool.standing()
    assert (standing.ready, standing.wait, standing.needs_none) == ((), None, True)


async def test_provider_whose_keys_callers_bring() -> None:
    """Without a key of its own such a provider cannot be called, and says what to do."""
    standing = await room([], keyless=False).pool.standing()
    assert not standing.needs_none
    assert isinstance(standing.refusal, errors.ProviderCredentialRejectedError)
    assert "sluice-provider-key" in str(standing.refusal)


async def test_provider_without_keys_can_be_too_fast_for() -> None:
    """A 429 rests a provider that takes no credential as a whole; one call finds out."""
    it = room([])
    use = await it.pool.take(None)
    assert use is not None
    assert await use.secret() is None
    await use.ended(limited(3))
    assert (await it.pool.standing()).wait == 3
    assert await it.pool.take(None) is None
    it.clock.now += 3
    assert (await it.pool.standing()).wait is None
    assert (await it.pool.standing()).wait == 0.25


@pytest.mark.parametrize("error", INNOCENT, ids=lambda error: type(error).__name__)
async def test_what_does_not_count_against_a_credential(error: BaseException) -> None:
    """Bad requests, servers that fail and callers that leave rest no credential."""
    it = room(credentials("ab"))
    await it.call("a", error)
    assert await it.names() == "ab"
    assert it.pool.state_of(it.credential("a")).state is State.HEALTHY
    assert it.told == []


@pytest.mark.parametrize("error", [REJECTED, EXHAUSTED, LIMITED])
async def test_what_counts_against_a_credential(error: errors.UpstreamError) -> None:
    """A refused key, used-up quota and a limit rest it; another one is used meanwhile."""
    it = room(credentials("ab"))
    await it.call("a", error)
    assert await it.names() == "b"
    assert not await it.call("a")


@pytest.mark.parametrize(("error", "rest"), [(LIMITED, "ab"), (EXHAUSTED, "ab"), (REJECTED, "a")])
async def test_a_limit_rests_the_whole_scope(error: errors.UpstreamError, rest: str) -> None:
    """Limits and quota belong to a scope, so who shares it rests too; a refusal is one key's."""
    it = room(credentials("abc", "oo "))
    await it.call("a", error)
    assert await it.names() == "abc".replace("a", "").replace(rest[1:] or "-", "")


async def test_backoff_doubles_up_to_a_minute() -> None:
    """Cool-downs are 1, 2, 4, ... 60 seconds as probes fail, and start over after a success."""
    it = room(credentials("a"))
    seen = []
    for _ in range(8):
        await it.call("a", REJECTED)
        state = it.pool.state_of(it.credential("a"))
        left = next(iter((await it.store.cooling(["up/credential/a/rejected"])).values()))
        seen.append(round(left))
        assert state.state is State.REJECTED
        it.clock.now += left
    assert seen == [1, 2, 4, 8, 16, 32, 60, 60]
    await it.call("a")
    await it.call("a", REJECTED)
    assert await it.store.cooling(["up/credential/a/rejected"]) == {"up/credential/a/rejected": 1}


async def test_backoff_has_jitter() -> None:
    """Two replicas do not come back at the same moment, nor far from what was meant."""
    lefts: set[float] = set()
    for seed in range(20):
        it = room(credentials("a"), draw=random.Random(seed))
        await it.call("a", LIMITED)
        lefts.update((await it.store.cooling(["up/scope/a/limited"])).values())
    assert len(lefts) == 20
    assert all(0.75 <= left <= 1.25 for left in lefts)


@pytest.mark.parametrize(
    ("stated", "seconds"),
    [
        (7.5, 7.5),
        (1e9, 3600),
        (None, 1),
        (0, 1),
        (-5, 1),
        (float("nan"), 1),
        (float("inf"), 1),
    ],
)
async def test_a_stated_wait_is_kept_exactly(stated: float | None, seconds: float) -> None:
    """What the provider asks for is waited for; nonsense is not, and nothing locks for ever."""
    it = room(credentials("a"))
    await it.call("a", limited(stated))
    standing = await it.pool.standing()
    assert standing.ready == ()
    assert standing.wait == pytest.approx(seconds)
    assert isinstance(standing.refusal, errors.ProviderRateLimitedError)
    assert standing.refusal.retry_after == standing.wait


async def test_one_probe_and_back() -> None:
    """After its cool-down a credential is offered to one call; its success brings it back."""
    it = room(credentials("ab"))
    await it.call("a", LIMITED)
    it.clock.now += 1
    assert [await it.names() for _ in range(3)] == ["ab", "b", "b"]
    use = await it.pool.take(it.credential("a"))
    assert use is not None
    assert use.is_probe
    it.clock.now += 2
    assert await it.pool.take(it.credential("a")) is None
    assert await it.names() == "b"
    await use.accepted()
    assert await it.names() == "ab"
    await use.ended(None)
    assert await it.names() == "ab"


async def test_an_offer_that_is_not_taken_up_is_made_again() -> None:
    """A call that was offered the probe may go elsewhere; a second later another one gets it."""
    it = room(credentials("ab"))
    await it.call("a", REJECTED)
    it.clock.now += 1
    assert [await it.names() for _ in range(2)] == ["ab", "b"]
    it.clock.now += 1
    assert await it.names() == "ab"


@pytest.mark.parametrize("error", INNOCENT[4:5] + INNOCENT[-3:], ids=lambda e: type(e).__name__)
async def test_a_probe_that_proves_nothing_is_followed_by_another(error: BaseException) -> None:
    """A probe that ends in somebody else's fault neither frees nor locks the credential."""
    it = room(credentials("ab"))
    await it.call("a", REJECTED)
    it.clock.now += 1
    assert await it.call("a", error)
    assert await it.names() == "ab"
    assert it.pool.is_rejected(it.credential("a"))


async def test_a_lost_probe_locks_nothing() -> None:
    """When nobody says how a probe ended, another one may try a minute later."""
    it = room(credentials("a"))
    await it.call("a", REJECTED)
    it.clock.now += 1
    assert await it.pool.take(it.credential("a")) is not None
    it.clock.now += 59
    assert await it.pool.take(it.credential("a")) is None
    it.clock.now += 1
    assert await it.pool.take(it.credential("a")) is not None


async def test_one_wave_is_one_fault() -> None:
    """A hundred calls in flight that are refused together do not add up to a long cool-down."""
    it = room(credentials("a"))
    uses = [await it.pool.take(it.credential("a")) for _ in range(100)]
    it.clock.now += 0.5
    for use in uses:
        assert use is not None
        await use.ended(REJECTED)
        it.clock.now += 0.02
    assert it.pool.is_rejected(it.credential("a"))
    it.clock.now = 1001.5
    assert await it.names() == "a"


async def test_old_successes_do_not_bring_a_revoked_key_back() -> None:
    """An answer that began before the key was revoked may end well; it proves nothing."""
    it = room(credentials("ab"))
    old = await it.pool.take(it.credential("a"))
    assert old is not None
    it.clock.now += 1
    await it.call("a", REJECTED)
    it.clock.now += 1
    await old.ended(None)
    assert it.pool.is_rejected(it.credential("a"))
    assert [await it.names() for _ in range(2)] == ["ab", "b"]


async def test_refused_call_gets_proven_keys_and_no_probe() -> None:
    """A call that was refused once goes on with keys that are known to work."""
    it = room(credentials("abcd"))
    await it.call("a", REJECTED)
    await it.call("d")
    it.clock.now += 1
    assert await it.names("b") == "dc"
    assert await it.names("b", "c", "d") == "a", "nothing better is left"


async def test_all_rest() -> None:
    """When all rest after limits, the shortest wait is told; what cannot be waited for is not."""
    it = room(credentials("abc"))
    await it.call("a", limited(30))
    await it.call("b", limited(20))
    standing = await it.pool.standing()
    assert [c.name for c in standing.ready] == ["c"]
    assert standing.wait == 20
    await it.call("c", REJECTED)
    assert (await it.pool.standing()).wait == 20
    excluded = await it.pool.standing(excluded=frozenset("abc"))
    assert (excluded.ready, excluded.wait, excluded.refusal) == ((), None, None)


@pytest.mark.parametrize(
    ("error", "leaf"),
    [
        (REJECTED, errors.ProviderCredentialRejectedError),
        (EXHAUSTED, errors.ProviderQuotaExhaustedError),
    ],
)
async def test_nobody_waits_for_a_person(
    error: errors.UpstreamError, leaf: type[errors.UpstreamError]
) -> None:
    """A revoked key or an empty account is told at once; yet it is tried again and comes back."""
    it = room(credentials("a"))
    await it.call("a", error)
    standing = await it.pool.standing()
    assert (standing.ready, standing.wait) == ((), None)
    assert type(standing.refusal) is leaf
    it.clock.now += 1
    assert await it.names() == "a"
    assert (await it.pool.standing()).wait == 0.25, "a probe is worth waiting for"
    assert await it.call("a")
    assert await it.names() == "a"


async def test_a_quota_with_a_stated_end_can_be_waited_for() -> None:
    """A daily quota that says when it ends gives that wait."""
    it = room(credentials("a"))
    await it.call("a", errors.ProviderQuotaExhaustedError("x", retry_after=90))
    assert (await it.pool.standing()).wait == 90


async def test_replicas_share_cool_downs() -> None:
    """What one replica found, another heeds within a second, and only one of them probes."""
    clock = Clock()
    store, locks = MemoryQuotaStore(clock=clock), MemoryValues(clock=clock)
    one, other = (room(credentials("ab"), clock=clock, store=store, locks=locks) for _ in "12")
    assert await other.names() == "ab"
    await one.call("a", limited(5))
    clock.now += 1
    assert await other.names() == "b"
    assert other.pool.state_of(other.credential("a")).state is State.COOLING
    clock.now += 4
    probe = await one.pool.take(one.credential("a"))
    assert probe is not None
    assert await other.pool.take(other.credential("a")) is None
    await probe.ended(limited(10))
    clock.now += 0.5
    assert await other.pool.take(other.credential("a")) is None, "the probe failed elsewhere"
    clock.now += 10
    assert await other.call("a")
    assert [await it.names() for it in (other, one)] == ["ab", "ab"]


async def test_a_missing_secret_rests_here_alone(tmp_path: Path) -> None:
    """A source without a secret rests its credential on this replica; nothing was sent."""
    clock = Clock()
    store = MemoryQuotaStore(clock=clock)
    missing = Credential("a", FileKey(tmp_path / "absent"))
    it = room([missing, *credentials("b")], clock=clock, store=store)
    use = await it.pool.take(missing)
    assert use is not None
    with pytest.raises(errors.ProviderCredentialRejectedError, match="No such file"):
        await use.secret()
    assert await it.names() == "b"
    assert it.pool.is_rejected(missing)
    assert await room([missing], clock=clock, store=store).names() == "a"


async def test_a_token_endpoint_that_fails_is_waited_for() -> None:
    """A source that has no secret for now is no reason to call a person."""

    class Failing(CallerKey):
        async def secret(self) -> SecretStr:
            raise errors.ProviderUnavailableError("The token endpoint fails.")

    it = room([Credential("a", Failing(SecretStr("x")))])
    use = await it.pool.take(it.credential("a"))
    assert use is not None
    with pytest.raises(errors.ProviderUnavailableError):
        await use.secret()
    assert (await it.pool.standing()).wait == 1
    state = it.pool.state_of(it.credential("a"))
    assert (state.state, state.reason) == (State.COOLING, "The token endpoint fails.")


async def test_a_callers_key_is_of_no_pool() -> None:
    """Calls with a key that the caller brought change nothing for anybody."""
    it = room(credentials("ab"))
    theirs = BorrowedKey(it.pool, SecretStr("sk-theirs"))
    use = await theirs.take(theirs.credentials[0])
    assert use is not None
    secret = await use.secret()
    assert secret is not None
    assert secret.get_secret_value() == "sk-theirs"
    await use.ended(REJECTED)
    assert await theirs.take(theirs.credentials[0]) is not None
    assert [state.name for state in it.pool.states] == ["a", "b"]
    assert it.told == []


async def test_states_are_told_once() -> None:
    """A change of state is told with its reason; more of the same is not, a recovery is."""
    it = room(credentials("ab", "oo"))
    await it.call("a", limited(5))
    assert [(s.name, s.state) for s in it.told] == [("a", State.COOLING), ("b", State.COOLING)]
    assert it.told[0].reason == "slow down"
    it.clock.now += 5
    await it.call("b", limited(5))
    assert len(it.told) == 2
    it.clock.now += 5
    await it.call("b")
    assert [(s.name, s.state) for s in it.told[2:]] == [("a", State.HEALTHY), ("b", State.HEALTHY)]


async def test_a_list_of_models_vets_a_key_but_not_its_limits() -> None:
    """A free request tells whether a key is known; a limit stays until a call went well."""
    it = room(credentials("ab"))
    await it.call("a", limited(5))
    await it.pool.vetted(it.credential("b"), REJECTED)
    assert await it.names() == ""
    spare = await it.pool.spare()
    assert spare is not None
    assert spare.name == "b", "it may be tried first"
    it.clock.now += 0.5
    await it.pool.vetted(it.credential("b"), None)
    await it.pool.vetted(it.credential("a"), None)
    assert await it.names() == "b"
    await it.pool.vetted(it.credential("b"), errors.ProviderUnavailableError("x"))
    assert await it.names() == "b"


async def test_a_mended_key_is_not_rejected_again_by_its_echo() -> None:
    """Shared cool-downs cannot be taken back; what this replica knows to be over stays over."""
    it = room(credentials("a"))
    for _ in range(6):
        await it.call("a", REJECTED)
        it.clock.now += 61
    await it.call("a", REJECTED)
    it.clock.now += 2
    await it.pool.vetted(it.credential("a"), None)
    it.clock.now += 2
    assert await it.store.cooling(["up/credential/a/rejected"])
    assert await it.names() == "a"
    await it.store.cool("up/credential/a/rejected", 80)
    it.clock.now += 1
    assert await it.names() == ""


async def test_no_secret_is_shown() -> None:
    """Neither credentials nor states nor the pool show a key."""
    it = room(credentials("a"))
    await it.call("a", REJECTED)
    shown = [it.pool, it.pool.states, await it.pool.standing(), it.pool.credentials]
    assert "sk-a" not in "".join(f"{thing!r} {thing}" for thing in shown)


class Simulated:
    """Ten keys at a provider: three were revoked, two have no credit."""

    FAULTS = dict.fromkeys("bdf", REJECTED) | dict.fromkeys("ci", EXHAUSTED)

    def __init__(self, it: Room) -> None:
        self.it = it
        self.seen: dict[str, int] = dict.fromkeys("abcdefghij", 0)

    async def call(self, *, tries: int) -> int:
        """Make a call with up to so many credentials; returns how many it took."""
        excluded: set[str] = set()
        while len(excluded) < tries:
            standing = await self.it.pool.standing(excluded=frozenset(excluded))
            use = await self.it.pool.take(standing.ready[0])
            if use is None:
                continue
            assert use.credential is not None
            name = use.credential.name
            self.seen[name] += 1
            await asyncio.sleep(0)
            await use.ended(self.FAULTS.get(name))
            if name not in self.FAULTS:
                return len(excluded) + 1
            excluded.add(name)
        raise AssertionError("no good key was found")


@pytest.mark.parametrize("strategy", ["health", "round_robin", "failover"])
@pytest.mark.parametrize("seed", range(5))
async def test_ten_keys_of_which_five_are_bad(strategy: str, seed: int) -> None:
    """All of 1,000 calls find a good key; bad ones see their probes and nothing else."""
    it = room(credentials("abcdefghij"), strategy=strategy, draw=random.Random(seed))
    provider = Simulated(it)
    await provider.call(tries=6)
    for _ in range(999):
        it.clock.now += 0.3
        # Whoever meets a bad key goes on with one that is known to work.
        assert await provider.call(tries=6 if it.clock.now < 1010 else 2) <= 6
    # 300 s hold the first call and probes after about 1, 2, 4, ... 60, 60, 60 s.
    assert all(provider.seen[name] <= 11 for name in provider.FAULTS)
    good = [provider.seen[name] for name in "aeghj"]
    assert sum(good) == 1000
    if strategy != "failover":
        assert min(good) > 120


async def test_five_bad_keys_in_a_burst() -> None:
    """For 1,000 calls at once, three credentials each suffice, of which none was tried before."""
    it = room(credentials("abcdefghij"), strategy="health", draw=random.Random(1))
    provider = Simulated(it)
    await asyncio.gather(*(provider.call(tries=3) for _ in range(1000)))
    assert [it.pool.state_of(it.credential(name)).state for name in "bd"] == [State.REJECTED] * 2


async def test_vetted_keys_are_not_called_with() -> None:
    """A key that a list of models showed to be revoked sees no call but its probes."""
    it = room(credentials("abcdefghij"), strategy="health", draw=random.Random(1))
    for credential in it.pool.credentials:
        await it.pool.vetted(credential, REJECTED if credential.name in "bdf" else None)
    provider = Simulated(it)
    await asyncio.gather(*(provider.call(tries=3) for _ in range(1000)))
    assert [provider.seen[name] for name in "bdf"] == [0, 0, 0]


async def test_an_account_that_was_logged_out_is_told_apart() -> None:
    """Of a refused credential it is told whether a login is what it needs."""

    class LoggedOut(CallerKey):
        state = SimpleNamespace(status="login_needed")

    it = room([Credential("a", LoggedOut(SecretStr("x"))), *credentials("b")])
    assert it.pool.state_of(it.credential("a")).state is State.HEALTHY
    for name in "ab":
        await it.call(name, REJECTED)
    assert [s.state for s in it.pool.states] == [State.NEEDS_LOGIN, State.REJECTED]
    assert it.pool.is_rejected(it.credential("a"))


async def test_the_store_is_asked_once_a_second() -> None:
    """A thousand calls in a second ask once what other replicas found."""

    class Counting(MemoryQuotaStore):
        asked = 0

        async def cooling(self, keys: Sequence[str]) -> Mapping[str, float]:
            self.asked += 1
            return await super().cooling(keys)

    clock = Clock()
    store = Counting(clock=clock)
    it = room(credentials("ab"), clock=clock, store=store)
    for _ in range(1000):
        await it.names()
        await it.call("b")
    assert store.asked == 1
    clock.now += 1
    await it.names()
    assert store.asked == 2


async def test_closing_a_pool_closes_its_sources() -> None:
    """What sources run in the background ends with the pool."""
    closed = []

    class Closing(CallerKey):
        async def aclose(self) -> None:
            closed.append(self)

    sources = [Closing(SecretStr("x")), Closing(SecretStr("y"))]
    await room([Credential(f"{i}", it) for i, it in enumerate(sources)]).pool.aclose()
    assert closed == sources
