"""A token server, a clock and sources for the tests of this folder."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from sluice_server.config.oauth import OAuth
from sluice_server.credentials.oauth.build import build
from sluice_server.credentials.oauth.source import OAuthSource
from sluice_server.credentials.oauth.store import FileTokenStore, TokenStore
from sluice_server.state.locks import SharedValues
from sluice_server.state.memory import MemoryValues
from tests.support.upstream import Upstream
from tests.unit.credentials.oauth.token_server import TokenServer

Make = Callable[..., OAuthSource]


class Clock:
    """Seconds since the epoch, moved by hand."""

    def __init__(self) -> None:
        """Start in 2026."""
        self.now = 1_790_000_000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """Tell the time."""
    return Clock()


@pytest.fixture
async def server() -> AsyncIterator[TokenServer]:
    """Run a token server."""
    async with Upstream() as upstream:
        yield TokenServer(upstream)


@pytest.fixture
async def make(clock: Clock, tmp_path: Path, server: TokenServer) -> AsyncIterator[Make]:
    """Make sources that are closed at the end."""
    made: list[OAuthSource] = []
    alone = MemoryValues()

    def one(
        settings: OAuth | None = None,
        *,
        values: SharedValues = alone,
        store: TokenStore | None = None,
        credential: str = "team",
    ) -> OAuthSource:
        source = build(
            "up",
            credential,
            settings or server.settings(),
            values,
            store or FileTokenStore(tmp_path),
            environ={},
            clock=clock,
            factor=1.0,
        )
        made.append(source)
        return source

    yield one
    for source in made:
        await source.aclose()


@pytest.fixture
def settled() -> Callable[[OAuthSource], Awaitable[None]]:
    """Wait until nothing runs in the background of a source."""

    async def wait(source: OAuthSource) -> None:
        if source._task is not None:
            await source._task

    return wait
