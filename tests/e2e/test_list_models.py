"""Does ListModels show what can be called, and where the list comes from?"""

from sluice.v1 import gateway_service_pb2, model_pb2
from tests.support.configuration import API_KEY, configuration
from tests.support.openai_stream import failure, models
from tests.support.server import RunningServer, running
from tests.support.upstream import Upstream

ListModelsRequest = gateway_service_pb2.ListModelsRequest


async def test_the_providers_list_is_shown(server: RunningServer, upstream: Upstream) -> None:
    """Names are provider/id, in order; the second question is answered from the cache."""
    upstream.route("GET", "/v1/models", models("small", "big"))
    first = await server.stub.ListModels(ListModelsRequest())
    assert [model.name for model in first.models] == ["up/big", "up/small"]
    assert {(model.provider, model.id) for model in first.models} == {
        ("up", "big"),
        ("up", "small"),
    }
    (source,) = first.sources
    assert source.provider == "up"
    assert source.model_count == 2
    assert source.kind in (
        model_pb2.MODEL_SOURCE_KIND_LIVE,
        model_pb2.MODEL_SOURCE_KIND_CACHE,
    )
    asked_before = len(upstream.routed)
    second = await server.stub.ListModels(ListModelsRequest())
    assert second.models == first.models
    assert second.sources[0].kind == model_pb2.MODEL_SOURCE_KIND_CACHE
    assert len(upstream.routed) == asked_before
    assert upstream.routed[0].header("authorization") == f"Bearer {API_KEY}"


async def test_refreshes_do_not_disturb_the_provider(
    server: RunningServer, upstream: Upstream
) -> None:
    """`refresh` right after a fetch is answered from the cache, and says so."""
    upstream.route("GET", "/v1/models", models("small"))
    await server.stub.ListModels(ListModelsRequest(refresh=True))
    got = await server.stub.ListModels(ListModelsRequest(refresh=True))
    assert [model.id for model in got.models] == ["small"]
    assert got.sources[0].kind == model_pb2.MODEL_SOURCE_KIND_CACHE
    assert len(upstream.routed) == 1


async def test_a_provider_that_fails_is_named(server: RunningServer, upstream: Upstream) -> None:
    """A list that cannot be had is told to be missing, and why; the call does not fail."""
    upstream.route("GET", "/v1/models", failure(503))
    got = await server.stub.ListModels(ListModelsRequest())
    assert not got.models
    assert got.sources[0].failure_reason == "PROVIDER_UNAVAILABLE"
    assert not got.sources[0].HasField("fetch_time")


async def test_an_allow_list_limits_what_is_shown(upstream: Upstream) -> None:
    """Configured models are all that is listed."""
    upstream.route("GET", "/v1/models", models("small", "big", "secret"))
    config = configuration(upstream, providers={"up": {"models": ["small", "big"]}})
    async with running(config) as server:
        got = await server.stub.ListModels(ListModelsRequest())
    assert [model.id for model in got.models] == ["big", "small"]


async def test_pages_cover_everything_once(server: RunningServer, upstream: Upstream) -> None:
    """Following the tokens gives every model once, in order."""
    names = [f"model-{number:02}" for number in range(25)]
    upstream.route("GET", "/v1/models", models(*names))
    seen: list[str] = []
    asked = ListModelsRequest(page_size=10)
    while True:
        page = await server.stub.ListModels(asked)
        assert len(page.models) <= 10
        seen += [model.id for model in page.models]
        if not page.next_page_token:
            break
        asked.page_token = page.next_page_token
    assert seen == names


async def test_filters_are_a_conjunction(server: RunningServer, upstream: Upstream) -> None:
    """Provider and text must both match; the text's case does not matter."""
    upstream.route("GET", "/v1/models", models("River-Small", "river-big", "lake"))
    asked = ListModelsRequest()
    asked.filter.query = "RIVER"
    asked.filter.providers.append("up")
    got = await server.stub.ListModels(asked)
    assert {model.id for model in got.models} == {"River-Small", "river-big"}
    asked.filter.providers[:] = ["other"]
    assert not (await server.stub.ListModels(asked)).models
