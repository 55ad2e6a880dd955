"""What does the provider receive of tools and the rules about them?"""

from typing import Any

import pytest

from sluice.v1 import content_pb2
from tests.support.client import GenerateRequest, collect, request
from tests.support.configuration import configuration
from tests.support.openai_stream import answer
from tests.support.server import RunningServer, running
from tests.support.upstream import Upstream

SCHEMA = (
    '{"type":"object","required":["city"],"properties":'
    '{"zone":{"type":"string"},"city":{"type":"string"},"limit":{"maximum":9007199254740993}}}'
)


def with_tools(choice: content_pb2.ToolChoice | None = None) -> GenerateRequest:
    """Return a request with two tools and this choice."""
    wanted = request()
    wanted.tools.add(name="weather", description="Tells the weather.", input_schema_json=SCHEMA)
    wanted.tools.add(name="now")
    if choice is not None:
        wanted.tool_choice.CopyFrom(choice)
    return wanted


def mode(value: content_pb2.ToolMode.ValueType) -> content_pb2.ToolChoice:
    """Return a general rule."""
    return content_pb2.ToolChoice(mode=value)


async def body_for(server: RunningServer, upstream: Upstream, wanted: GenerateRequest) -> Any:
    """Return the JSON that the provider receives for a request."""
    upstream.reply(answer("ok"))
    await collect(server.stub.Generate(wanted))
    return upstream.requests[-1].json


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        (None, (None, "auto")),
        (mode(content_pb2.TOOL_MODE_AUTO), (None, "auto")),
        (mode(content_pb2.TOOL_MODE_REQUIRED), ("required",)),
        (mode(content_pb2.TOOL_MODE_NONE), ("none",)),
        (
            content_pb2.ToolChoice(name="weather"),
            ({"type": "function", "function": {"name": "weather"}},),
        ),
    ],
    ids=["absent", "auto", "required", "none", "named"],
)
async def test_each_rule_has_its_word(
    server: RunningServer,
    upstream: Upstream,
    choice: content_pb2.ToolChoice | None,
    sent: tuple[Any, ...],
) -> None:
    """All four rules reach the provider in its own words."""
    body = await body_for(server, upstream, with_tools(choice))
    assert body.get("tool_choice") in sent
    assert [tool["function"]["name"] for tool in body["tools"]] == ["weather", "now"]


async def test_declarations_are_sent_as_written(server: RunningServer, upstream: Upstream) -> None:
    """Description and schema arrive; the schema's text keeps key order and large numbers."""
    body = await body_for(server, upstream, with_tools())
    weather, now = body["tools"]
    assert weather["type"] == "function"
    assert weather["function"]["description"] == "Tells the weather."
    assert list(weather["function"]["parameters"]["properties"]) == ["zone", "city", "limit"]
    assert b"9007199254740993" in upstream.requests[0].body
    assert "description" not in now["function"]


async def test_parallel_calls_can_be_switched_off(upstream: Upstream) -> None:
    """`disable_parallel` is passed on, and nothing is said about it otherwise."""
    config = configuration(upstream, providers={"up": {"kind": "openai"}})
    async with running(config) as server:
        rule = mode(content_pb2.TOOL_MODE_AUTO)
        assert "parallel_tool_calls" not in await body_for(server, upstream, with_tools(rule))
        rule.disable_parallel = True
        body = await body_for(server, upstream, with_tools(rule))
        assert body["parallel_tool_calls"] is False


async def test_without_tools_nothing_is_said_about_them(
    server: RunningServer, upstream: Upstream
) -> None:
    """No empty list and no choice: providers refuse both."""
    body = await body_for(server, upstream, request())
    assert not {"tools", "tool_choice", "parallel_tool_calls"} & body.keys()
