"""Does `sluice models` show what ListModels tells, all of it, and under every condition?"""

import json

import pytest
from google.protobuf import json_format

from sluice.v1 import gateway_service_pb2, model_pb2
from tests.support.configuration import Config, configuration
from tests.support.openai_stream import failure, models
from tests.support.server import RunningServer, running
from tests.support.sluice import sluice
from tests.support.upstream import Upstream


def known(upstream: Upstream) -> Config:
    """Return settings that know something of two models."""
    facts = {
        "small": {
            "context_tokens": 8000,
            "max_output_tokens": 1000,
            "features": ["tools"],
            "input_modalities": ["text"],
            "output_modalities": ["text"],
            "categories": ["chat"],
        },
        "big": {
            "context_tokens": 200_000,
            "features": ["tools", "reasoning", "json_schema"],
            "input_modalities": ["text", "image"],
            "output_modalities": ["text", "image"],
            "categories": ["chat", "code"],
        },
    }
    prices = {"small": {"input": 0.57, "output": 1.1}, "big": {"input": 3, "output": 15}}
    return configuration(upstream, providers={"up": {"model_info": facts, "prices": prices}})


async def test_tables_tell_models_and_where_the_lists_came_from(upstream: Upstream) -> None:
    """Limits, prices and abilities stand beside each name; what nobody knows is no 0."""
    upstream.route("GET", "/v1/models", models("small", "big", "strange"))
    async with running(known(upstream)) as server:
        code, out, errors = await sluice("models", SLUICE_ADDRESS=server.listen)
        assert (code, errors) == (0, "")
        lines = {line.split()[0]: line.split() for line in out.splitlines() if line.strip()}
        assert lines["up/small"][1:] == ["8000", "1000", "$0.57", "$1.10", "tools"]
        assert lines["up/big"][1:5] == ["200.0k", "–", "$3.00", "$15.00"]
        assert lines["up/big"][5:] == ["tools", "json", "reasoning"]
        assert lines["up/strange"][1:] == ["–"] * 5
        assert lines["up"][1:3] == ["asked", "now"]
        assert "\x1b" not in out
        _, out, _ = await sluice("models", SLUICE_ADDRESS=server.listen)
        assert "kept" in out


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["--provider", "up"], ["big", "small", "strange"]),
        (["--provider", "other"], []),
        (["--feature", "tools"], ["big", "small"]),
        (["--feature", "tools", "--feature", "json-schema"], ["big"]),
        (["--category", "code", "--category", "speech"], ["big"]),
        (["--query", "STRA"], ["strange"]),
        (["--min-context", "8k"], ["big", "small"]),
        (["--min-context", "8001"], ["big"]),
        (["--max-input-price", "0.57"], ["small"]),
        (["--max-input-price", "0.56"], []),
        (["--max-output-price", "15"], ["big", "small"]),
        (["--input", "image"], ["big"]),
        (["--output", "image", "--output", "text"], ["big"]),
    ],
    ids=" ".join,
)
async def test_every_condition_is_the_filters(
    upstream: Upstream, arguments: list[str], names: list[str]
) -> None:
    """Each option leaves what meets its condition; that nothing does is told, and no failure."""
    upstream.route("GET", "/v1/models", models("small", "big", "strange"))
    async with running(known(upstream)) as server:
        code, out, errors = await sluice("models", "--json", "--address", server.listen, *arguments)
        assert (code, errors) == (0, "")
        assert [model["id"] for model in json.loads(out)["models"]] == names
        code, _, errors = await sluice("models", "--address", server.listen, *arguments)
        assert code == 0
        assert ("No model meets" in errors) == (not names)


async def test_json_is_all_pages_and_parses_back(server: RunningServer, upstream: Upstream) -> None:
    """A list longer than a page is whole, in order, and with its source once."""
    names = [f"model-{number:04}" for number in range(2500)]
    upstream.route("GET", "/v1/models", models(*names))
    code, out, errors = await sluice("models", "--json", "--refresh", "--address", server.listen)
    assert (code, errors) == (0, "")
    read = json_format.Parse(out, gateway_service_pb2.ListModelsResponse())
    assert [model.id for model in read.models] == names
    assert not read.next_page_token
    (source,) = read.sources
    assert source.kind == model_pb2.MODEL_SOURCE_KIND_LIVE
    assert source.model_count == len(names)
    assert len(upstream.routed) == 1


async def test_a_list_that_cannot_be_had_is_told(server: RunningServer, upstream: Upstream) -> None:
    """Which provider failed, and how."""
    upstream.route("GET", "/v1/models", failure(503))
    code, out, _ = await sluice("models", "--address", server.listen)
    assert code == 0
    assert "PROVIDER_UNAVAILABLE" in out


async def test_names_that_are_no_numbers_are_wrong_use() -> None:
    """Sizes and prices are checked before anybody is asked."""
    for option, value in (
        ("--min-context", "8x"),
        ("--min-context", "0.0001k"),
        ("--min-context", "-1"),
        ("--max-input-price", "NaN"),
        ("--max-output-price", "1e99"),
        ("--feature", "flying"),
    ):
        code, _, errors = await sluice("models", option, value)
        assert code == 2
        assert value in errors
