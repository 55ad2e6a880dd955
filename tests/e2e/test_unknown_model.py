"""Does a mistyped model or provider name get a useful answer?"""

import grpc
import pytest

from tests.support.client import collect_failure, request
from tests.support.configuration import configuration
from tests.support.server import running
from tests.support.upstream import Upstream


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("up/test-modle", "up/test-model"),
        ("upp/test-model", "up"),
        ("test-model", "up/test-model"),
        ("fats", "fast"),
    ],
)
async def test_the_nearest_names_are_offered(upstream: Upstream, name: str, nearest: str) -> None:
    """NOT_FOUND names what was probably meant, without asking the provider."""
    config = configuration(
        upstream,
        providers={"up": {"models": ["test-model", "other"]}},
        routes={"fast": ["up/test-model"]},
    )
    async with running(config) as server:
        got = await collect_failure(server.stub.Generate(request(model=name)))
    assert (got.code, got.reason) == (grpc.StatusCode.NOT_FOUND, "MODEL_NOT_FOUND")
    _, _, offered = got.message.partition("Nearest: ")
    assert offered.startswith(nearest)
    assert not upstream.requests
