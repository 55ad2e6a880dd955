"""An upstream, and a server in front of it, for tests that need nothing special of either."""

from collections.abc import AsyncIterator

import pytest

from tests.support.configuration import configuration
from tests.support.server import RunningServer, running
from tests.support.upstream import Upstream


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    """Play the provider."""
    async with Upstream() as upstream:
        yield upstream


@pytest.fixture
async def server(upstream: Upstream) -> AsyncIterator[RunningServer]:
    """Run the server with `upstream` as its only provider and one attempt per call."""
    async with running(configuration(upstream)) as server:
        yield server
