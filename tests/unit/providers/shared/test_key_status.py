"""What OpenRouter's page about the calling key says, and how often it is asked for."""

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.v1 import rate_limit_pb2 as pb
from sluice_server.errors import ProviderProtocolError, ProviderUnavailableError
from sluice_server.providers.dialects.anthropic import AnthropicMessages
from sluice_server.providers.dialects.openai_chat import OpenAiChat
from sluice_server.providers.key_poll import MOST_KEYS, KeyPoll
from sluice_server.providers.key_status import KeyLimit, KeyStatus, parse
from sluice_server.providers.presets.chat import QUIRKS
from sluice_server.state.quota import CREDIT, REQUESTS, Observed

KEY: dict[str, Any] = {
    "label": "sk-or-v1-abc…",
    "limit": 25,
    "limit_remaining": 1.234567891,
    "limit_reset": "monthly",
    "usage": 23.765432109,
    "is_free_tier": False,
    "free_model_daily_requests": {"limit": 1000, "used": 10, "remaining": 990},
    "rate_limit": {"requests": -1, "interval": "10s"},
}


def page(**members: Any) -> bytes:
    """Return a key's page."""
    return json.dumps({"data": KEY | members}).encode()


def test_credit_and_free_requests() -> None:
    """Credit is in nanodollars; free requests are a day's, and of free models alone."""
    credit, free = parse(page())

    assert credit.seen == Observed(
        unit=CREDIT,
        window=30 * 86_400.0,
        limit=25 * 10**9,
        remaining=1_234_567_891,
        source=pb.RATE_LIMIT_SOURCE_ENDPOINT,
    )
    assert free.seen == Observed(
        unit=REQUESTS,
        window=86_400.0,
        limit=1000,
        remaining=990,
        source=pb.RATE_LIMIT_SOURCE_ENDPOINT,
    )
    assert credit.counts("openai/gpt")
    assert free.counts("qwen/qwen3:free")
    assert not free.counts("qwen/qwen3")


def test_unlimited_key() -> None:
    """A limit of null is none."""
    found = parse(page(limit=None, limit_remaining=None, free_model_daily_requests=None))

    assert found == []


@pytest.mark.parametrize("odd", [-1, True, "many", [], {}, 1e300, 10**40, "-5"])
def test_odd_numbers(odd: Any) -> None:
    """A number that makes no sense says nothing, and least that nothing is left."""
    assert parse(page(limit_remaining=odd, free_model_daily_requests={"remaining": odd})) == []


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'{"data":[]}', b'{"error":"x"}'])
def test_not_a_page(body: bytes) -> None:
    """Anything else is a protocol error, as the port says."""
    with pytest.raises(ProviderProtocolError):
        parse(body)


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=4,
)


@given(members=st.dictionaries(st.sampled_from(sorted(KEY)), ODD))
def test_any_members(members: dict[str, Any]) -> None:
    """Whatever the members are, nothing raises and no count is negative or beyond 64 bits."""
    try:
        body = json.dumps({"data": KEY | members}, allow_nan=False).encode()
    except ValueError:
        return
    for limit in parse(body):
        assert limit.seen.remaining is not None
        assert 0 <= limit.seen.remaining < 2**63
        assert limit.seen.limit is None or 0 <= limit.seen.limit < 2**63


def test_who_has_a_page() -> None:
    """OpenRouter's dialect names the path and reads it; others have none, or no such member."""
    router, other = OpenAiChat(QUIRKS["openrouter"]), OpenAiChat(QUIRKS["groq"])

    assert isinstance(router, KeyStatus)
    assert router.key_status_path() == "/key"
    assert router.parse_key_status(page(), now=0.0) == parse(page())
    assert other.key_status_path() is None
    assert not isinstance(AnthropicMessages(), KeyStatus)


class Desk:
    """What a poll is given: a clock, pages and a place for what was learned."""

    def __init__(self) -> None:
        self.time = 0.0
        self.asked: list[str] = []
        self.learned: list[str] = []
        self.failed: list[str] = []
        self.broken: Exception | None = None
        self.poll = KeyPoll[str](
            self.fetch, learn=self.learn, failed=self.fail, clock=lambda: self.time
        )

    async def fetch(self, key: str) -> Sequence[KeyLimit]:
        """Answer for a key."""
        self.asked.append(key)
        if self.broken is not None:
            raise self.broken
        return parse(page())

    async def learn(self, key: str, limits: Sequence[KeyLimit]) -> None:
        """Note what was learned."""
        assert limits
        self.learned.append(key)

    def fail(self, key: str, error: Exception) -> None:
        """Note a failure."""
        assert error is self.broken
        self.failed.append(key)


async def polled(desk: Desk, *uses: Callable[[], None]) -> None:
    """Run the poll after each of `uses`, until it has nothing to do."""
    task = asyncio.create_task(desk.poll.run())
    for use in uses:
        use()
        for _ in range(20):
            await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_key_in_use_is_polled_once_a_minute() -> None:
    """Uses within a minute share one poll; a key without uses has none."""
    desk = Desk()

    def use(at: float) -> Callable[[], None]:
        def call() -> None:
            desk.time = at
            for _ in range(100):
                desk.poll.used("a")

        return call

    await polled(desk, use(0.0), use(59.9), use(60.0), use(119.9), use(500.0))

    assert desk.asked == desk.learned == ["a", "a", "a"]
    assert [limit.seen.unit for limit in desk.poll.latest("a")] == [CREDIT, REQUESTS]
    assert desk.poll.latest("b") == ()


@pytest.mark.parametrize("error", [ProviderUnavailableError("no"), OSError(), TimeoutError()])
async def test_a_failed_poll_is_tried_again_after_a_minute(error: Exception) -> None:
    """A failure keeps what was known, and the next use after the interval asks again."""
    desk = Desk()

    def use(at: float, broken: Exception | None) -> Callable[[], None]:
        def call() -> None:
            desk.time, desk.broken = at, broken
            desk.poll.used("a")

        return call

    await polled(desk, use(0, None), use(60, error), use(61, None), use(120, None))

    assert (desk.asked, desk.learned, desk.failed) == (["a"] * 3, ["a"] * 2, ["a"])
    assert desk.poll.latest("a")


async def test_keys_are_forgotten() -> None:
    """However many keys there are, a bounded number is remembered."""
    desk = Desk()

    def use() -> None:
        for number in range(MOST_KEYS + 1):
            desk.poll.used(str(number))

    await polled(desk, use)
    for _ in range(5):
        await asyncio.sleep(0)

    assert desk.poll.latest("0") == ()
