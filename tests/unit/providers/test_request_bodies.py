"""The JSON that a request becomes for Chat Completions servers."""

import json
from typing import Any

import pytest
from google.protobuf import json_format, struct_pb2

from sluice.v1 import content_pb2
from sluice.v1.gateway_service_pb2 import GenerateRequest
from sluice_server.errors import UnsupportedFeatureError
from sluice_server.providers.dialect import EncodedRequest
from sluice_server.providers.dialects.openai_chat import Quirks
from sluice_server.providers.dialects.openai_chat.encode import encode
from sluice_server.providers.omissions import Omissions
from sluice_server.providers.presets.chat import QUIRKS

SYSTEM, USER = content_pb2.ROLE_SYSTEM, content_pb2.ROLE_USER
ASSISTANT, TOOL = content_pb2.ROLE_ASSISTANT, content_pb2.ROLE_TOOL
HELLO = {"role": USER, "parts": [{"text": "Hi"}]}
LOOK: dict[str, Any] = {"name": "look", "input_schema_json": '{"type":"object"}'}
FIND: dict[str, Any] = {"name": "find"}
PNG = {"mime_type": "image/png", "data": b"\x89PNG"}


def encoded(quirks: Quirks | None = None, **fields: Any) -> EncodedRequest:
    """Return the request in the provider's words."""
    request = GenerateRequest(**({"model": "up/m", "messages": [HELLO]} | fields))
    return encode(
        request,
        provider="up",
        model="m",
        quirks=quirks or Quirks(),
        omissions=Omissions(),
    )


def body(quirks: Quirks | None = None, **fields: Any) -> dict[str, Any]:
    """Return the parsed body of a request."""
    parsed: dict[str, Any] = json.loads(encoded(quirks, **fields).body)
    return parsed


def messages(*parts: dict[str, Any], role: int = USER, quirks: Quirks | None = None) -> Any:
    """Return the messages that one message of these parts becomes."""
    return body(quirks, messages=[{"role": role, "parts": list(parts)}])["messages"]


def test_least_request() -> None:
    """A request says what was asked, and that it wants a stream with usage."""
    assert body() == {
        "model": "m",
        "messages": [{"role": "user", "content": "Hi"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    assert encoded().path == "/chat/completions"
    assert "stream_options" not in body(Quirks(stream_options=False))


OPTIONS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"max_output_tokens": 5}, {"max_completion_tokens": 5}),
    ({"temperature": 0.0}, {"temperature": 0.0}),
    ({"top_p": 0.5}, {"top_p": 0.5}),
    ({"seed": -(2**63)}, {"seed": -(2**63)}),
    ({"presence_penalty": 0.0}, {"presence_penalty": 0.0}),
    ({"frequency_penalty": -1.5}, {"frequency_penalty": -1.5}),
    ({"top_logprobs": 0}, {"top_logprobs": 0, "logprobs": True}),
    ({"stop": ["a", "b"]}, {"stop": ["a", "b"]}),
    ({"reasoning": {"effort": "low"}}, {"reasoning_effort": "low"}),
    ({"reasoning": {"include": True}}, {}),
    ({}, {}),
]


@pytest.mark.parametrize(("options", "fields"), OPTIONS, ids=str)
def test_options(options: dict[str, Any], fields: dict[str, Any]) -> None:
    """An option becomes its field, zero included; an absent one becomes nothing."""
    assert body(options=options) == body() | fields


def test_fields_under_another_name() -> None:
    """A look-alike's own field names are used."""
    quirks = Quirks(
        token_cap_field="max_tokens", seed_field="random_seed", end_user_field="user", top_k=True
    )
    options = {"max_output_tokens": 5, "seed": 1, "top_k": 3}
    found = body(quirks, options=options, end_user="u")

    wanted = {"max_tokens": 5, "random_seed": 1, "top_k": 3, "user": "u"}
    assert found == body() | wanted
    assert body(end_user="u")["safety_identifier"] == "u"
    assert body(Quirks(end_user_field=None), end_user="u") == body()


REFUSED: list[tuple[str, dict[str, Any], Quirks]] = [
    ("options.top_k", {"options": {"top_k": 1}}, Quirks()),
    ("options.presence_penalty", {"options": {"presence_penalty": 0}}, Quirks(penalties=False)),
    ("options.frequency_penalty", {"options": {"frequency_penalty": 0}}, Quirks(penalties=False)),
    ("options.top_logprobs", {"options": {"top_logprobs": 0}}, Quirks(logprobs=False)),
    ("options.stop", {"options": {"stop": ["a"] * 5}}, Quirks()),
    ("options.reasoning.max_tokens", {"options": {"reasoning": {"max_tokens": 1}}}, Quirks()),
    (
        "options.reasoning.effort",
        {"options": {"reasoning": {"effort": "low"}}},
        Quirks(reasoning_effort=False),
    ),
    (
        "output_format.json_schema",
        {"output_format": {"json_schema": {"name": "n", "schema_json": "{}"}}},
        Quirks(json_schema=False),
    ),
    (
        "tool_choice",
        {"tools": [LOOK], "tool_choice": {"name": "look"}},
        Quirks(forced_tool_choice=False),
    ),
    (
        "tool_choice",
        {"tools": [LOOK], "tool_choice": {"mode": content_pb2.TOOL_MODE_REQUIRED}},
        Quirks(forced_tool_choice=False),
    ),
    (
        "tool_choice.disable_parallel",
        {"tools": [LOOK], "tool_choice": {"disable_parallel": True}},
        Quirks(parallel_control=False),
    ),
    (
        "messages[1].parts[0].media",
        {
            "messages": [
                HELLO,
                {"role": USER, "parts": [{"media": {"mime_type": "audio/ogg", "data": b"x"}}]},
            ]
        },
        Quirks(),
    ),
    (
        "messages[0].parts[1].media",
        {
            "messages": [
                {
                    "role": USER,
                    "parts": [{"text": "a"}, {"media": {"mime_type": "video/mp4", "data": b"x"}}],
                }
            ]
        },
        Quirks(),
    ),
    (
        "messages[0].parts[0].media.uri",
        {
            "messages": [
                {
                    "role": USER,
                    "parts": [{"media": {"mime_type": "application/pdf", "uri": "http://h/f"}}],
                }
            ]
        },
        Quirks(),
    ),
    (
        "messages[0].parts[0].tool_result.parts[0]",
        {
            "messages": [
                {
                    "role": TOOL,
                    "parts": [{"tool_result": {"tool_call_id": "c", "parts": [{"media": PNG}]}}],
                }
            ]
        },
        Quirks(),
    ),
    (
        "messages[0].parts[0]",
        {"messages": [{"role": ASSISTANT, "parts": [{"media": PNG}]}]},
        Quirks(),
    ),
]


@pytest.mark.parametrize(
    ("field", "fields", "quirks"),
    REFUSED,
    ids=[f"{row[0]} {number}" for number, row in enumerate(REFUSED)],
)
def test_what_cannot_be_said_is_refused(field: str, fields: dict[str, Any], quirks: Quirks) -> None:
    """Nothing is left out silently: the field that cannot be sent is named."""
    with pytest.raises(UnsupportedFeatureError) as caught:
        encoded(quirks, **fields)

    assert [violation.field for violation in caught.value.violations] == [field]


def test_tools() -> None:
    """Functions keep name, description, schema and the wish for strictness."""
    tools = [LOOK | {"description": "Looks.", "strict": True}, FIND]
    found = body(tools=tools)["tools"]

    assert found == [
        {
            "type": "function",
            "function": {
                "name": "look",
                "description": "Looks.",
                "parameters": {"type": "object"},
                "strict": True,
            },
        },
        {
            "type": "function",
            "function": {"name": "find", "parameters": {"type": "object", "properties": {}}},
        },
    ]
    assert "strict" not in json.dumps(body(Quirks(strict_tools=False), tools=tools))


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({"mode": content_pb2.TOOL_MODE_AUTO}, {"tool_choice": "auto"}),
        ({"mode": content_pb2.TOOL_MODE_REQUIRED}, {"tool_choice": "required"}),
        ({"mode": content_pb2.TOOL_MODE_NONE}, {"tool_choice": "none"}),
        (
            {"name": "look"},
            {"tool_choice": {"type": "function", "function": {"name": "look"}}},
        ),
        ({"disable_parallel": True}, {"parallel_tool_calls": False}),
        ({}, {}),
    ],
    ids=str,
)
def test_tool_choice(choice: dict[str, Any], expected: dict[str, Any]) -> None:
    """Each rule of choice has its words."""
    tools = [LOOK, FIND]

    assert body(tools=tools, tool_choice=choice) == body(tools=tools) | expected


def test_schemas_reach_the_provider_as_written() -> None:
    """Key order, 64-bit numbers and number forms of a schema survive, byte for byte."""
    schema = '{"type":"object","z":{"const":9223372036854775807},"a":{"minimum":1.0,"x":1e2}}'
    raw = encoded(
        tools=[{"name": "f", "input_schema_json": schema}],
        output_format={"json_schema": {"name": "n", "schema_json": schema, "strict": True}},
    ).body

    assert raw.count(schema.encode()) == 2


def test_output_formats() -> None:
    """JSON mode and schemas have their words."""
    json_object = body(output_format={"json_object": {}})["response_format"]
    schema = body(output_format={"json_schema": {"name": "n", "schema_json": "{}"}})

    assert json_object == {"type": "json_object"}
    assert schema["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "n", "schema": {}},
    }


def test_conversation() -> None:
    """Each role has its message, and each tool result one of its own."""
    calls = [
        {"tool_call": {"id": f"c{n}", "name": "f", "arguments_json": '{"a": 1}'}}
        for n in range(1, 5)
    ]
    results = [
        {"tool_result": {"tool_call_id": "c1", "parts": [{"text": "ok"}]}},
        {"tool_result": {"tool_call_id": "c2", "parts": [{"text": "bad"}], "is_error": True}},
        {"tool_result": {"tool_call_id": "c3"}},
        {"tool_result": {"tool_call_id": "c4", "is_error": True}},
    ]
    found = body(
        messages=[
            {"role": SYSTEM, "parts": [{"text": "Be kind."}]},
            {"role": USER, "parts": [{"text": "a"}, {"text": "b"}]},
            {"role": ASSISTANT, "parts": [{"text": "x"}, *calls, {"text": "y"}]},
            {"role": TOOL, "parts": results},
        ]
    )["messages"]

    assert found == [
        {"role": "system", "content": "Be kind."},
        {
            "role": "user",
            "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
        },
        {
            "role": "assistant",
            "content": "xy",
            "tool_calls": [
                {
                    "id": f"c{n}",
                    "type": "function",
                    "function": {"name": "f", "arguments": '{"a": 1}'},
                }
                for n in range(1, 5)
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "ok"},
        {"role": "tool", "tool_call_id": "c2", "content": "Error: bad"},
        {"role": "tool", "tool_call_id": "c3", "content": ""},
        {"role": "tool", "tool_call_id": "c4", "content": "Error: the tool failed"},
    ]


def test_assistant_turns() -> None:
    """Calls alone have no content, reasoning alone has empty content, refusals their field."""
    call = {"tool_call": {"id": "c", "name": "f", "arguments_json": "{}"}}
    thought = {"reasoning": {"text": "Hm"}}

    assert messages(call, role=ASSISTANT)[0]["content"] is None
    assert messages(thought, role=ASSISTANT) == [{"role": "assistant", "content": ""}]
    assert messages({"refusal": "No"}, role=ASSISTANT) == [
        {"role": "assistant", "content": None, "refusal": "No"}
    ]
    echo = Quirks(reasoning_echo="field", reasoning_echo_field="reasoning_content")
    assert messages(thought, {"text": "a"}, role=ASSISTANT, quirks=echo) == [
        {"role": "assistant", "content": "a", "reasoning_content": "Hm"}
    ]


@pytest.mark.parametrize(
    ("media", "expected"),
    [
        (PNG, {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw=="}}),
        (
            {"mime_type": "image/png", "uri": "https://h/a.png"},
            {"type": "image_url", "image_url": {"url": "https://h/a.png"}},
        ),
        (
            {"mime_type": "audio/mpeg", "data": b"x"},
            {"type": "input_audio", "input_audio": {"data": "eA==", "format": "mp3"}},
        ),
        (
            {"mime_type": "application/pdf", "data": b"x", "name": "a.pdf"},
            {
                "type": "file",
                "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,eA=="},
            },
        ),
        (
            {"mime_type": "application/pdf", "file_id": "f-1"},
            {"type": "file", "file": {"file_id": "f-1"}},
        ),
    ],
    ids=str,
)
def test_media(media: dict[str, Any], expected: dict[str, Any]) -> None:
    """Images, sounds and files have their content parts."""
    assert messages({"media": media}) == [{"role": "user", "content": [expected]}]


def test_cache_hints_without_a_place_are_named() -> None:
    """A hint that cannot be sent changes nothing but is told to the caller."""
    hinted = {"role": USER, "parts": [{"text": "a"}, {"text": "b", "cache": {}}]}
    request = encoded(messages=[HELLO, hinted])

    assert request.dropped_fields == ("messages[1].parts[1].cache",)
    assert b"cache" not in request.body
    assert encoded().dropped_fields == ()


def options(value: dict[str, Any]) -> struct_pb2.Struct:
    """Return provider options."""
    return json_format.ParseDict(value, struct_pb2.Struct())


def test_provider_options_are_merged() -> None:
    """Options for this provider are added, or replace ours; others stay away."""
    value = {"temperature": 0.5, "n_ctx": 4096, "deep": {"a": [1, None, True, "x", 1.5]}}
    found = body(
        options={"temperature": 0.1},
        provider_options={"up": options(value), "other": options({"x": 1})},
    )

    assert found == body() | value
    assert b"4096.0" not in encoded(provider_options={"up": options(value)}).body


@pytest.mark.parametrize("field", ["stream", "n"])
def test_provider_options_cannot_change_the_form_of_the_answer(field: str) -> None:
    """What the gateway itself decides is refused by name."""
    with pytest.raises(UnsupportedFeatureError) as caught:
        encoded(provider_options={"up": options({field: 1})})

    assert caught.value.violations[0].field == f'provider_options["up"].{field}'


@pytest.mark.parametrize("kind", QUIRKS)
def test_every_kind_takes_a_plain_request(kind: str) -> None:
    """No row of the presets refuses text, tools and the usual options."""
    quirks = QUIRKS[kind]
    found = body(quirks, tools=[LOOK], options={"max_output_tokens": 1, "temperature": 1})

    assert found["model"] == "m"
    assert found[quirks.token_cap_field] == 1


def test_named_choice_where_only_required_is_obeyed() -> None:
    """A server that ignores a named function gets that function alone, and must call it."""
    found = body(Quirks(named_tool_choice=False), tools=[LOOK, FIND], tool_choice={"name": "find"})

    assert found["tool_choice"] == "required"
    assert [tool["function"]["name"] for tool in found["tools"]] == ["find"]


@pytest.mark.parametrize(
    ("choice", "forced"),
    [
        ({"mode": content_pb2.TOOL_MODE_REQUIRED}, True),
        ({"name": "look"}, True),
        ({"mode": content_pb2.TOOL_MODE_AUTO}, False),
        ({"mode": content_pb2.TOOL_MODE_NONE}, False),
    ],
    ids=str,
)
def test_start_of_a_forced_call(choice: dict[str, Any], forced: bool) -> None:
    """Only a forced call is begun for the model, and only where it needs that."""
    quirks = Quirks(forced_call_prefill="<call>")
    found = body(quirks, tools=[LOOK], tool_choice=choice)["messages"]

    start = {"role": "assistant", "content": "<call>"}
    assert found == body()["messages"] + [start] * forced
    assert body(tools=[LOOK], tool_choice=choice)["messages"] == body()["messages"]
