"""Are a model's tool calls put together, identified and judged?"""

import json

import pytest

from sluice.v1 import content_pb2, event_pb2, gateway_service_pb2
from tests.support.client import Answer, GenerateRequest, collect, request
from tests.support.openai_stream import DONE, Json, answer, chunk, finish, role, text, tool_call
from tests.support.replies import Reply, sse
from tests.support.server import RunningServer
from tests.support.upstream import Upstream

SCHEMA = json.dumps(
    {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
        "required": ["city"],
    }
)
VALID = content_pb2.ARGUMENTS_CHECK_VALID
SCHEMA_VIOLATION = content_pb2.ARGUMENTS_CHECK_SCHEMA_VIOLATION
MALFORMED = content_pb2.ARGUMENTS_CHECK_MALFORMED_JSON
UNKNOWN_TOOL = content_pb2.ARGUMENTS_CHECK_UNKNOWN_TOOL
UNCHECKED = content_pb2.ARGUMENTS_CHECK_UNSPECIFIED

LENIENT = gateway_service_pb2.TOOL_CALL_VALIDATION_LENIENT
STRICT = gateway_service_pb2.TOOL_CALL_VALIDATION_STRICT
OFF = gateway_service_pb2.TOOL_CALL_VALIDATION_OFF


def with_tool() -> GenerateRequest:
    """Return a request with the tool `weather`."""
    wanted = request()
    wanted.tools.add(name="weather", input_schema_json=SCHEMA)
    return wanted


def calls(*chunks: Json, end: str = "tool_calls") -> Reply:
    """Return a stream of these chunks with this finish reason."""
    return sse(role(), *chunks, finish(end), DONE)


async def generate(
    server: RunningServer, upstream: Upstream, reply: Reply, wanted: GenerateRequest | None = None
) -> Answer:
    """Return the answer that the caller gets when the provider answers so."""
    upstream.reply(reply)
    return await collect(server.stub.Generate(wanted or with_tool()))


async def test_parallel_calls_are_told_apart_by_index(
    server: RunningServer, upstream: Upstream
) -> None:
    """Fragments that interleave end in the right calls; each call is a part of its own."""
    got = await generate(
        server,
        upstream,
        calls(
            text("Let me see."),
            tool_call(0, id="call_a", name="weather", arguments=""),
            tool_call(1, id="call_b", name="weather", arguments='{"ci'),
            tool_call(0, arguments='{"city":'),
            tool_call(1, arguments='ty":"Oslo"}'),
            tool_call(0, arguments='"Rome"}'),
        ),
    )
    starts = [e.part_started for e in got.events if e.HasField("part_started")]
    assert [(s.part, s.WhichOneof("kind")) for s in starts] == [
        (0, "text"),
        (1, "tool_call"),
        (2, "tool_call"),
    ]
    assert [s.tool_call.name for s in starts[1:]] == ["weather", "weather"]
    assert got.arguments == {1: '{"city":"Rome"}', 2: '{"city":"Oslo"}'}
    by_text = {call.arguments_json: call for call in got.tool_calls}
    assert by_text.keys() == {'{"city":"Rome"}', '{"city":"Oslo"}'}
    assert all(call.check == VALID for call in got.tool_calls)
    assert len({call.id for call in got.tool_calls}) == 2
    assert {s.tool_call.id for s in starts[1:]} == {call.id for call in got.tool_calls}
    assert got.completed.finish_reason == event_pb2.FINISH_REASON_TOOL_CALLS
    parts = got.completed.message.parts
    assert [part.WhichOneof("kind") for part in parts] == ["text", "tool_call", "tool_call"]
    assert [part.tool_call.arguments_json for part in parts[1:]] == [
        got.arguments[1],
        got.arguments[2],
    ]


@pytest.mark.parametrize(
    ("arguments", "check"),
    [
        ('{"city":"Rome","days":2}', VALID),
        ('{"days":2}', SCHEMA_VIOLATION),
        ('{"city":"Rome","days":"two"}', SCHEMA_VIOLATION),
        ('["Rome"]', SCHEMA_VIOLATION),
        ('{"city":"Ro', MALFORMED),
        ('{"city":"Rome"} and more', MALFORMED),
    ],
)
async def test_arguments_are_judged(
    server: RunningServer,
    upstream: Upstream,
    arguments: str,
    check: content_pb2.ArgumentsCheck.ValueType,
) -> None:
    """The verdict says valid, against the schema, or no JSON; the text stays as it was written."""
    got = await generate(
        server, upstream, calls(tool_call(0, id="c", name="weather", arguments=arguments))
    )
    (call,) = got.tool_calls
    assert (call.arguments_json, call.check) == (arguments, check)
    assert bool(call.violations) == (check == SCHEMA_VIOLATION) or check == MALFORMED
    assert got.completed.message.parts[0].tool_call == call


@pytest.mark.parametrize("name", ["weather", "unheard_of"])
@pytest.mark.parametrize("arguments", ['{"city":"Ro', '["Rome"]', '"Rome"', '{"city":1}', "{} {}"])
async def test_what_was_judged_wrong_goes_back_as_it_came(
    server: RunningServer, upstream: Upstream, name: str, arguments: str
) -> None:
    """Completed.message is ready to be appended; the provider gets an object, whatever it wrote."""
    wanted = with_tool()
    got = await generate(
        server, upstream, calls(tool_call(0, id="c", name=name, arguments=arguments)), wanted
    )
    wanted.messages.append(got.completed.message)
    failed = content_pb2.ToolResult(tool_call_id=got.tool_calls[0].id, is_error=True)
    wanted.messages.add(role=content_pb2.ROLE_TOOL, parts=[content_pb2.Part(tool_result=failed)])
    assert (await generate(server, upstream, answer("Sorry."), wanted)).text == "Sorry."
    *_, called, _ = upstream.requests[-1].json["messages"]
    sent = json.loads(called["tool_calls"][0]["function"]["arguments"])
    assert sent == ({"city": 1} if arguments == '{"city":1}' else {})


async def test_violations_say_where(server: RunningServer, upstream: Upstream) -> None:
    """A violation is a JSON Pointer, a colon and a reason."""
    got = await generate(
        server,
        upstream,
        calls(tool_call(0, id="c", name="weather", arguments='{"city":1,"days":"two"}')),
    )
    pointers = {violation.partition(":")[0] for violation in got.tool_calls[0].violations}
    assert pointers == {"/city", "/days"}


async def test_an_undeclared_tool_is_no_error(server: RunningServer, upstream: Upstream) -> None:
    """A call of a function that was not declared arrives with that verdict."""
    got = await generate(
        server, upstream, calls(tool_call(0, id="c", name="wether", arguments="{}"))
    )
    assert [call.check for call in got.tool_calls] == [UNKNOWN_TOOL]
    assert got.is_complete


@pytest.mark.parametrize(
    ("validation", "check"), [(LENIENT, VALID), (STRICT, SCHEMA_VIOLATION), (OFF, UNCHECKED)]
)
async def test_strictness_is_the_callers_choice(
    server: RunningServer,
    upstream: Upstream,
    validation: gateway_service_pb2.ToolCallValidation.ValueType,
    check: content_pb2.ArgumentsCheck.ValueType,
) -> None:
    """A field that the schema does not declare is accepted, a violation, or not looked at."""
    wanted = with_tool()
    wanted.tool_call_validation = validation
    arguments = '{"city":"Rome","mood":"fine"}'
    reply = calls(tool_call(0, id="c", name="weather", arguments=arguments))
    got = await generate(server, upstream, reply, wanted)
    assert [call.check for call in got.tool_calls] == [check]


async def test_no_arguments_are_an_empty_object(server: RunningServer, upstream: Upstream) -> None:
    """A call without argument text has the arguments {}."""
    wanted = request()
    wanted.tools.add(name="now")
    got = await generate(server, upstream, calls(tool_call(0, id="c", name="now")), wanted)
    assert [(c.arguments_json, c.check) for c in got.tool_calls] == [("{}", VALID)]


@pytest.mark.parametrize("word", ["tool_calls", "function_call", "stop"])
async def test_a_turn_of_calls_ends_with_tool_calls(
    server: RunningServer, upstream: Upstream, word: str
) -> None:
    """Servers that end a turn of calls with another word are understood."""
    reply = calls(tool_call(0, id="c", name="weather", arguments='{"city":"Rome"}'), end=word)
    completed = (await generate(server, upstream, reply)).completed
    assert completed.finish_reason == event_pb2.FINISH_REASON_TOOL_CALLS
    assert completed.provider_finish_reason == word


async def test_the_word_tool_calls_without_calls_is_an_end(
    server: RunningServer, upstream: Upstream
) -> None:
    """Nobody is told to wait for results of calls that were never made."""
    completed = (await generate(server, upstream, calls(text("Done.")))).completed
    assert completed.finish_reason == event_pb2.FINISH_REASON_STOP
    assert completed.provider_finish_reason == "tool_calls"


async def test_calls_without_index_or_id_are_told_apart(
    server: RunningServer, upstream: Upstream
) -> None:
    """A server that sends whole calls with neither still gives two calls with two ids."""
    one = {"function": {"name": "weather", "arguments": '{"city":"Rome"}'}}
    two = {"function": {"name": "weather", "arguments": '{"city":"Oslo"}'}}
    reply = calls(chunk({"tool_calls": [one, two]}))
    got = await generate(server, upstream, reply)
    assert [call.arguments_json for call in got.tool_calls] == [
        '{"city":"Rome"}',
        '{"city":"Oslo"}',
    ]
    assert len({call.id for call in got.tool_calls} - {""}) == 2


async def test_results_find_their_calls_on_the_next_turn(
    server: RunningServer, upstream: Upstream
) -> None:
    """Ids stay unique when the provider repeats its own, and results reach the right calls."""
    wanted = with_tool()
    for city in ("Rome", "Oslo"):
        reply = calls(
            tool_call(0, id="call_0", name="weather", arguments=json.dumps({"city": city}))
        )
        got = await generate(server, upstream, reply, wanted)
        wanted.messages.append(got.completed.message)
        result = wanted.messages.add(role=content_pb2.ROLE_TOOL).parts.add().tool_result
        result.tool_call_id = got.tool_calls[0].id
        result.parts.add(text=f"sunny in {city}")
    final = await generate(server, upstream, answer("Sunny."), wanted)
    assert final.text == "Sunny."

    sent = upstream.requests[-1].json["messages"]
    assert [message["role"] for message in sent] == [
        "user",
        *("assistant", "tool"),
        *("assistant", "tool"),
    ]
    ids = [message["tool_calls"][0]["id"] for message in sent[1::2]]
    assert len(set(ids)) == 2
    assert [message["tool_call_id"] for message in sent[2::2]] == ids
    assert [message["content"] for message in sent[2::2]] == ["sunny in Rome", "sunny in Oslo"]
    function = sent[1]["tool_calls"][0]["function"]
    assert (function["name"], json.loads(function["arguments"])) == ("weather", {"city": "Rome"})
