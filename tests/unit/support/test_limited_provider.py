"""The limited provider counts, tells and refuses as it says."""

import asyncio
import json
from collections.abc import Mapping
from typing import NamedTuple

import aiohttp
import pytest

from tests.support.limited_provider import LimitedProvider, Limits, Standing, go_duration
from tests.support.openai_stream import text_of

ROOMY = Limits(requests=3, tokens=100, window=600.0)
"""A window that no test outlives."""


class Got(NamedTuple):
    """One answer, read whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes


async def ask(
    http: aiohttp.ClientSession,
    provider: LimitedProvider,
    *,
    key: str = "k",
    characters: int = 40,
    output: int = 10,
) -> Got:
    """Make one call of a quarter of `characters` and `output` tokens, and read its answer."""
    body = {"messages": [{"role": "user", "content": "x" * characters}], "max_tokens": output}
    async with http.post(
        provider.base_url + "/chat/completions",
        json=body,
        headers={"authorization": f"Bearer {key}"},
    ) as response:
        return Got(response.status, response.headers, await response.read())


async def test_room_is_counted_and_told() -> None:
    """Every answer tells limit, rest and reset of both units; the next call too many gets 429."""
    async with LimitedProvider(ROOMY) as provider, aiohttp.ClientSession() as http:
        first = await ask(http, provider)
        assert first.status == 200
        assert text_of(first.body) == "Hello"
        assert first.headers["x-ratelimit-limit-requests"] == "3"
        assert first.headers["x-ratelimit-remaining-requests"] == "2"
        assert first.headers["x-ratelimit-limit-tokens"] == "100"
        assert first.headers["x-ratelimit-remaining-tokens"] == "80"
        assert first.headers["x-ratelimit-reset-tokens"].startswith(("10m0s", "9m5"))
        assert not provider.throttled
        big = await ask(http, provider, output=71)
        assert big.status == 429
        assert big.headers["x-ratelimit-remaining-tokens"] == "80"
        assert 0 < int(big.headers["retry-after-ms"]) <= 600_000
        for _ in range(2):
            assert (await ask(http, provider)).status == 200
        assert (await ask(http, provider)).status == 429
        assert (await ask(http, provider, key="other")).status == 200
    assert [arrival.status for arrival in provider.of_key("k")] == [200, 429, 200, 200, 429]
    assert len(provider.throttled) == 2


async def test_a_new_window_is_a_new_count() -> None:
    """What was used up is back in the next window, and not before."""
    limits = Limits(requests=1, window=0.2)
    answered = 0
    async with LimitedProvider(limits) as provider, aiohttp.ClientSession() as http:
        async with asyncio.timeout(20):
            while answered < 3:
                answered += (await ask(http, provider)).status == 200
    good = [arrival.at for arrival in provider.arrivals if arrival.status == 200]
    assert len({int((at - provider.started) / limits.window) for at in good}) == 3
    assert provider.throttled


@pytest.mark.parametrize(
    ("standing", "status", "code"),
    [
        (Standing.REVOKED, 401, "invalid_api_key"),
        (Standing.UNPAID, 402, None),
        (Standing.EXHAUSTED, 429, "insufficient_quota"),
    ],
)
async def test_keys_can_be_worthless(standing: Standing, status: int, code: str | None) -> None:
    """Such a key is refused, and its refusal is no rate limit."""
    worthless = LimitedProvider(standing={"k": standing})
    async with worthless as provider, aiohttp.ClientSession() as http:
        refused = await ask(http, provider)
        assert refused.status == status
        assert json.loads(refused.body)["error"]["code"] == code
        assert (await ask(http, provider, key="other")).status == 200
    assert not provider.throttled


async def test_the_best_time_counts_whole_windows() -> None:
    """Calls that no longer fit come at the start of the next windows."""
    async with LimitedProvider(ROOMY) as provider, aiohttp.ClientSession() as http:
        now = asyncio.get_running_loop().time()
        assert provider.best_end([10] * 3) - now < 1
        assert provider.best_end([10] * 4) == provider.started + 600
        assert provider.best_end([50] * 4) == provider.started + 600
        assert provider.best_end([50] * 5) == provider.started + 1200
        await ask(http, provider)
        assert provider.best_end([10] * 3) == provider.started + 600
        assert provider.best_end([80]) - now < 60
        assert provider.best_end([81]) == provider.started + 600


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.0001, "1ms"),
        (0.812, "812ms"),
        (1, "1s"),
        (8.64, "8.64s"),
        (60, "1m0s"),
        (360.5, "6m0.5s"),
        (3600, "1h0m0s"),
    ],
)
def test_durations_are_written_as_go_does(seconds: float, text: str) -> None:
    """Milliseconds below a second, else hours, minutes and seconds."""
    assert go_duration(seconds) == text
