"""What is told of rate limits, and the verdict on a next call."""

import dataclasses
from typing import Any

import pytest

from sluice.v1 import rate_limit_pb2
from sluice.v1.gateway_service_pb2 import GetRateLimitsRequest, GetRateLimitsResponse
from sluice_server.config.settings import Settings
from sluice_server.limits import known as module
from sluice_server.limits.known import Known
from sluice_server.limits.own import OwnLimits
from sluice_server.limits.snapshot import RateLimits, Rest
from sluice_server.state.memory import MemoryQuotaStore
from sluice_server.state.quota import REQUESTS, TOKENS, Group, Observed, Reservation, Unit

NOW = 1_000_000.0


def bucket(
    unit: Unit = REQUESTS,
    limit: int | None = 10,
    remaining: int | None = 4,
    reset: float | None = 30.0,
    window: float = 0.0,
) -> Observed:
    """Return a bucket that is full again `reset` seconds from now."""
    return Observed(
        unit=unit,
        limit=limit,
        remaining=remaining,
        window=window,
        reset_at=None if reset is None else NOW + reset,
    )


class Book:
    """A store, what is known, and the room that answers; the clock is set by hand."""

    def __init__(self, *, rest: Rest | None = None, **document: Any) -> None:
        self.now = NOW
        self.own = OwnLimits(Settings.model_validate(document))
        self.store = MemoryQuotaStore(clock=lambda: self.now)
        self.known = Known()
        self.room = RateLimits(
            self.store,
            self.own,
            self.known,
            throttle_threshold=0.8,
            cost=lambda _, model, tokens: tokens * 1000 if model == "m" else None,
            rest=rest,
            clock=lambda: self.now,
        )

    async def seen(
        self, *buckets: Observed, provider: str = "up", scope: str = "key", model: str = "m"
    ) -> "Book":
        """Learn from one response."""
        group = Group(provider, scope, model)
        self.known.heard(group, scope)
        await self.store.observe(group, buckets)
        return self

    async def asked(
        self, *, after: float = 0.0, caller: str = "", **fields: Any
    ) -> GetRateLimitsResponse:
        """Return the answer some seconds later."""
        self.now = NOW + after
        return await self.room.snapshot(GetRateLimitsRequest(**fields), caller=caller)


async def test_nothing_known() -> None:
    """Before the first call there is nothing to tell."""
    assert await Book().asked() == GetRateLimitsResponse()


async def test_bucket_is_told_with_whose_it_is() -> None:
    """A bucket names provider, scope and model, and when that was said."""
    book = await Book().seen(bucket(window=60))
    (found,) = (await book.asked()).buckets

    assert (found.provider, found.quota_scope, found.model) == ("up", "key", "m")
    assert (found.limit, found.remaining, found.reserved) == (10, 4, 0)
    assert found.window.seconds == 60
    assert found.reset_time.ToSeconds() == NOW + 30
    assert found.observe_time.ToSeconds() == NOW
    assert found.source == rate_limit_pb2.RATE_LIMIT_SOURCE_HEADERS


async def test_newest_word_counts() -> None:
    """A later response replaces an earlier one, per unit."""
    book = await Book().seen(bucket(remaining=4), bucket(TOKENS, 100, 50))
    await book.seen(bucket(remaining=3))

    answer = await book.asked()
    assert [(b.unit, b.remaining) for b in answer.buckets] == [(REQUESTS, 3), (TOKENS, 50)]


async def test_windows_of_one_unit_are_buckets_of_their_own() -> None:
    """A limit of a minute and one of a day stand beside each other."""
    book = await Book().seen(bucket(window=60), bucket(limit=1000, window=86400))

    assert [found.limit for found in (await book.asked()).buckets] == [10, 1000]


async def test_response_without_limits_erases_nothing() -> None:
    """Silence is not news, but it is a call that was made."""
    book = await (await Book().seen(bucket())).seen()
    assert len((await book.asked()).buckets) == 1

    (headroom,) = (await (await Book().seen()).asked()).headroom
    assert (headroom.provider, headroom.credential, headroom.model) == ("up", "key", "m")
    assert headroom.admissible
    assert not headroom.HasField("utilization")


async def test_bucket_is_full_again_after_its_reset() -> None:
    """Past its reset a bucket has all its room, or an unknown one."""
    known, unknown = await Book().seen(bucket()), await Book().seen(bucket(limit=None))

    assert (await known.asked()).buckets[0].remaining == 4
    (full,) = (await known.asked(after=31)).buckets
    assert (full.remaining, full.HasField("reset_time")) == (10, False)
    (open_,) = (await unknown.asked(after=31)).buckets
    assert not open_.HasField("remaining")


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({}, 3),
        ({"provider": "up"}, 2),
        ({"provider": "none"}, 0),
        ({"credential": "spare"}, 1),
        ({"model": "m"}, 3),
        ({"model": "up/m"}, 2),
        ({"model": "x"}, 0),
        ({"provider": "up", "credential": "key", "model": "m"}, 1),
    ],
    ids=str,
)
async def test_filters(query: dict[str, Any], count: int) -> None:
    """Only what was asked for is told, of buckets and of verdicts."""
    book = await Book().seen(bucket())
    await book.seen(bucket(), scope="spare")
    await book.seen(bucket(), provider="other")
    answer = await book.asked(**query)

    assert (len(answer.buckets), len(answer.headroom)) == (count, count)


async def test_credentials_that_share_a_scope() -> None:
    """Asking for a credential finds the buckets of its scope, whatever that is called."""
    book = Book()
    for credential in ("one", "two"):
        book.known.heard(Group("up", "org", "m"), credential)
    await book.store.observe(Group("up", "org", "m"), [bucket()])

    answer = await book.asked(credential="one")
    assert [found.quota_scope for found in answer.buckets] == ["org"]
    assert [found.credential for found in answer.headroom] == ["one"]
    assert [found.credential for found in (await book.asked()).headroom] == ["one", "two"]


async def test_what_other_replicas_used() -> None:
    """A quota that only the store knows has a verdict, too, under the name of its scope."""
    book = Book()
    await book.store.observe(Group("up", "org", "m"), [bucket()])

    (headroom,) = (await book.asked()).headroom
    assert (headroom.credential, headroom.model) == ("org", "m")


HEADROOM: dict[str, tuple[list[Observed], int, Any]] = {
    "no limit known": ([], 0, (True, None, None)),
    "room left": ([bucket()], 0, (True, None, 0.6)),
    "no request left": ([bucket(remaining=0)], 0, (False, 30.0, 1.0)),
    "tokens enough": ([bucket(TOKENS, 100, 50)], 50, (True, None, 0.5)),
    "too few tokens": ([bucket(TOKENS, 100, 50)], 51, (False, 30.0, 0.5)),
    "more than ever": ([bucket(TOKENS, 100, 100)], 101, (False, None, 0.0)),
    "no reset known": ([bucket(remaining=0, reset=None)], 0, (False, 60.0, 1.0)),
    "a window without a reset": ([bucket(remaining=0, reset=None, window=9)], 0, (False, 9.0, 1.0)),
    "longest wait": (
        [bucket(remaining=0, reset=5), bucket(TOKENS, 100, 0, reset=60)],
        1,
        (False, 60.0, 1.0),
    ),
    "one larger than ever": (
        [bucket(remaining=0, reset=5), bucket(TOKENS, 100, 0)],
        101,
        (False, None, 1.0),
    ),
    "limit unknown": ([bucket(limit=None, remaining=3)], 0, (True, None, None)),
    "remaining unknown": ([bucket(remaining=None)], 0, (True, None, None)),
    "more left than the limit": ([bucket(limit=10, remaining=20)], 0, (True, None, 0.0)),
}


@pytest.mark.parametrize("case", HEADROOM)
async def test_headroom(case: str) -> None:
    """The verdict says whether a call fits now, else how long to wait, if that is known."""
    buckets, tokens, (admissible, wait, utilization) = HEADROOM[case]
    book = await Book().seen(*buckets)
    (headroom,) = (await book.asked(estimated_tokens=tokens)).headroom

    assert headroom.admissible is admissible
    assert (headroom.wait.ToSeconds() if headroom.HasField("wait") else None) == wait
    found = headroom.utilization if headroom.HasField("utilization") else None
    assert found == (utilization if utilization is None else pytest.approx(utilization))
    assert headroom.throttled is (utilization is not None and utilization > 0.8)


async def test_wait_ends_with_the_reset() -> None:
    """After the reset the same call is admissible."""
    book = await Book().seen(bucket(remaining=0))
    (headroom,) = (await book.asked(after=31)).headroom

    assert headroom.admissible
    assert not headroom.HasField("wait")


async def test_what_runs_is_off_the_room() -> None:
    """Reservations are shown, and count as used in the verdict."""
    book = await Book().seen(bucket(remaining=4))
    for number in range(4):
        made = Reservation(id=str(number), group=Group("up", "key", "m"), amounts={REQUESTS: 1})
        assert await book.store.reserve(made, ttl=600) is None
    answer = await book.asked()

    assert (answer.buckets[0].remaining, answer.buckets[0].reserved) == (4, 4)
    (headroom,) = answer.headroom
    assert not headroom.admissible
    assert headroom.throttled


async def test_who_rests_is_not_admissible() -> None:
    """A cool-down of the credential is a wait like any other."""

    async def rest(provider: str, credential: str, scope: str) -> float:
        assert (provider, credential, scope) == ("up", "key", "key")
        return 7.0

    (headroom,) = (await (await Book(rest=rest).seen(bucket())).asked()).headroom
    assert not headroom.admissible
    assert headroom.wait.ToSeconds() == 7


async def test_the_wait_is_the_one_that_admission_tells() -> None:
    """Asked or tried, a call without room learns of the same wait, whatever the provider said."""
    for number, (reset, window) in enumerate(
        [(30.0, 60.0), (30.0, 0.0), (None, 10.0), (None, 0.0), (None, 86_400.0)]
    ):
        book = await Book().seen(bucket(remaining=0, reset=reset, window=window))
        (headroom,) = (await book.asked(after=2.0)).headroom
        tried = Reservation(id=str(number), group=Group("up", "key", "m"), amounts={REQUESTS: 1})
        refusal = await book.store.reserve(tried, ttl=60)
        assert refusal is not None
        assert headroom.wait.ToNanoseconds() / 1e9 == pytest.approx(refusal.wait)


async def test_providers_of_other_replicas_have_no_verdict() -> None:
    """What replicas with other settings learned is shown; calls to it cannot be made here."""

    async def rest(provider: str, credential: str, scope: str) -> float | None:
        return None

    answer = await (await Book(rest=rest).seen(bucket())).asked()
    assert (len(answer.buckets), len(answer.headroom)) == (1, 0)


OWN: dict[str, Any] = {
    "callers": [
        {"name": "a", "token": "0123456789abcdefa", "limits": {"concurrent_streams": 1}},
        {"name": "b", "token": "0123456789abcdefb", "limits": {"concurrent_streams": 1}},
    ],
    "providers": {"up": {"kind": "x", "limits": {"tokens_per_minute": 600}}},
}


async def test_own_limits_are_shown() -> None:
    """The operator's limits stand beside the provider's, a caller's only for that caller."""
    book = await Book(**OWN).seen()
    shown = (await book.asked(caller="a")).buckets

    assert [(one.provider, one.quota_scope, one.unit) for one in shown] == [
        ("", "caller/a", REQUESTS),
        ("up", "", TOKENS),
    ]
    assert {one.source for one in shown} == {rate_limit_pb2.RATE_LIMIT_SOURCE_CONFIG}
    assert (shown[1].limit, shown[1].remaining, shown[1].window.seconds) == (600, 600, 60)
    assert [one.provider for one in (await book.asked()).buckets] == ["up"]
    assert not (await book.asked(provider="other")).buckets


async def test_own_limits_are_part_of_the_verdict() -> None:
    """A level that flows back is waited for only until it is high enough."""
    book = await Book(**OWN).seen()
    group = Group("up", "key", "m")
    own = book.own.of(caller="a", provider="up", credential="key", model="m")
    held = Reservation(id="1", group=group, amounts={REQUESTS: 1, TOKENS: 600}, own=own)
    assert await book.store.reserve(dataclasses.replace(held, own=own[1:]), ttl=60) is None

    (headroom,) = (await book.asked(estimated_tokens=60)).headroom
    assert (headroom.admissible, headroom.wait.ToSeconds()) == (False, 6)
    assert headroom.utilization == 1.0


async def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Callers choose model names, so the oldest are forgotten."""
    monkeypatch.setattr(module, "MAX_GROUPS", 5)
    book = Book()
    for number in range(20):
        await book.seen(model=f"m{number:02}")

    expected = [f"m{number}" for number in range(15, 20)]
    assert [h.model for h in (await book.asked()).headroom] == expected
