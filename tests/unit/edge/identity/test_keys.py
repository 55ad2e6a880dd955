"""Are keys read when they should be, and believed no longer than they may be?"""

import asyncio
from collections.abc import AsyncIterator

import pytest

from sluice_server.edge.identity.keys import RETRY_SECONDS, KeySet
from sluice_server.errors import OverloadedError, ProviderUnavailableError
from tests.support.issuer import Issuer


class Page:
    """What an issuer publishes, and the time."""

    def __init__(self) -> None:
        self.issuer = Issuer()
        self.asked = 0
        self.read = asyncio.Event()
        self.broken = False
        self.content: bytes | None = None
        self.now = 1000.0
        self.keys = KeySet(
            "issuer",
            self.load,
            refresh_seconds=300,
            max_age_seconds=3600,
            clock=lambda: self.now,
        )

    async def load(self) -> bytes:
        """Return the page."""
        self.asked += 1
        self.read.set()
        if self.broken:
            raise ProviderUnavailableError("The address answers with HTTP 503.")
        return self.issuer.key_set if self.content is None else self.content

    async def has(self, kid: str, algorithm: str = "RS256") -> bool:
        """Tell whether there is such a key."""
        return await self.keys.find(kid, algorithm) is not None


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    """A page from which nothing was read."""
    page = Page()
    yield page
    await page.keys.aclose()


async def test_unknown_keys_are_looked_for_seldom(page: Page) -> None:
    """Whoever invents ids makes us ask every ten seconds at most, once for all."""
    assert await page.has("one")
    assert page.asked == 1
    await asyncio.gather(*(page.has(f"invented-{number}") for number in range(50)))
    assert page.asked == 1
    page.now += RETRY_SECONDS
    page.issuer.rotate("two")
    assert all(await asyncio.gather(*(page.has("two") for _ in range(50))))
    assert page.asked == 2
    assert not await page.has("one")


async def test_keys_outlive_an_outage_for_a_while(page: Page) -> None:
    """After that nobody is let in by them, until they were read again."""
    assert await page.has("one")
    page.broken = True
    page.now += 3600
    assert await page.has("one")
    page.now += 1
    with pytest.raises(OverloadedError) as caught:
        await page.has("one")
    assert caught.value.retry_after == RETRY_SECONDS
    page.broken = False
    with pytest.raises(OverloadedError):
        await page.has("one")
    page.now += RETRY_SECONDS
    assert await page.has("one")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>",
        b"[]",
        b'{"keys": 7}',
        b'{"keys": []}',
        b'{"keys": [{"kty": "oct", "kid": "one", "k": "c2VjcmV0"}]}',
        b'{"keys": [{"kty": "RSA", "kid": "one", "use": "enc", "n": "AQAB", "e": "AQAB"}]}',
    ],
)
async def test_what_is_no_key_set_changes_nothing(page: Page, content: bytes) -> None:
    """Keys that were there go on; none of these is one."""
    assert await page.has("one")
    page.content = content
    page.now += RETRY_SECONDS
    assert not await page.has("two")
    assert await page.has("one")


async def test_a_key_is_for_one_kind_of_signature(page: Page) -> None:
    """A token without an id is meant for the only key; another algorithm's key there is none."""
    assert await page.has("", "RS256")
    assert not await page.has("one", "ES256")
    assert not await page.has("one", "EdDSA")


async def test_keys_are_kept_fresh(page: Page) -> None:
    """They are read at the start, without anybody asking."""
    page.keys.start()
    async with asyncio.timeout(5):
        await page.read.wait()
    assert await page.has("one")
    assert page.asked == 1
