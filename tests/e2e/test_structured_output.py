"""Does a wanted output format reach the provider, and JSON come back untouched?"""

from tests.support.client import collect, request
from tests.support.openai_stream import answer
from tests.support.server import RunningServer
from tests.support.upstream import Upstream

SCHEMA = '{"type":"object","properties":{"z":{"type":"string"},"a":{"type":"integer"}}}'


async def test_a_schema_is_sent_as_response_format(
    server: RunningServer, upstream: Upstream
) -> None:
    """Name, strictness and schema arrive; the schema keeps its key order."""
    upstream.reply(answer('{"z":', '"x","a":1}'))
    wanted = request()
    wanted.output_format.json_schema.name = "pair"
    wanted.output_format.json_schema.schema_json = SCHEMA
    wanted.output_format.json_schema.strict = True
    got = await collect(server.stub.Generate(wanted))
    sent = upstream.requests[0].json["response_format"]
    assert sent["type"] == "json_schema"
    assert sent["json_schema"]["name"] == "pair"
    assert sent["json_schema"]["strict"] is True
    assert list(sent["json_schema"]["schema"]["properties"]) == ["z", "a"]
    assert got.text == '{"z":"x","a":1}'


async def test_any_object_is_json_mode(server: RunningServer, upstream: Upstream) -> None:
    """`json_object` is the provider's JSON mode."""
    upstream.reply(answer("{}"))
    wanted = request()
    wanted.output_format.json_object.SetInParent()
    await collect(server.stub.Generate(wanted))
    assert upstream.requests[0].json["response_format"] == {"type": "json_object"}


async def test_free_text_says_nothing(server: RunningServer, upstream: Upstream) -> None:
    """Without a format the provider is not told of one."""
    upstream.reply(answer("free"))
    await collect(server.stub.Generate(request()))
    assert "response_format" not in upstream.requests[0].json
