"""What most tests of the client's library need: a gateway that says what it is told."""

from collections.abc import AsyncIterator

import pytest

from tests.unit.client_library.gateway import Gateway, listening


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    """Listen on a free port, with nothing to say yet."""
    async with listening() as gateway:
        yield gateway
