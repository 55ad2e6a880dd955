"""Does what arrived before a broken end still reach the reader?"""

import asyncio
from typing import cast

import httpx
import pytest
from httpx_aiohttp.transport import AiohttpResponseStream

from sluice_server.errors import StreamTruncatedError
from sluice_server.providers.transport import HttpClient
from tests.support.replies import Close, Piece, Raw, Reply, sse
from tests.support.upstream import Upstream

WORDS = b"the last words"


async def test_last_words_come_before_the_failure() -> None:
    """Bytes that were received are read first, even if the connection broke before the read."""
    async with Upstream() as upstream:
        # Framed by length, so that what is missing is known without another byte.
        head = b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n"
        upstream.reply(Reply(Raw(head + WORDS), Close()))
        client = HttpClient(upstream.base_url, connect_seconds=5, reuse=True)
        try:
            url = httpx.URL(f"{upstream.base_url}/chat/completions")
            response = await client.send("POST", url, httpx.Headers(), b"{}")
            async with response:
                stream = cast("AiohttpResponseStream", response._response.stream)
                content = stream._aiohttp_response.content
                async with asyncio.timeout(5):
                    # The library tells nobody of this moment but the next reader.
                    while content.exception() is None:  # noqa: ASYNC110
                        await asyncio.sleep(0)
                assert await anext(response) == WORDS
                with pytest.raises(StreamTruncatedError):
                    await anext(response)
        finally:
            await client.aclose()


async def test_a_good_end_is_an_end() -> None:
    """A body that ended in good order gives its bytes and then stops."""
    async with Upstream() as upstream:
        upstream.reply(sse(Piece(WORDS)))
        client = HttpClient(upstream.base_url, connect_seconds=5, reuse=True)
        try:
            url = httpx.URL(f"{upstream.base_url}/chat/completions")
            async with await client.send("POST", url, httpx.Headers(), b"{}") as response:
                assert b"".join([piece async for piece in response]) == WORDS
        finally:
            await client.aclose()
