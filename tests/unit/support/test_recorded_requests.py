"""Provider bodies as requests of the contract, each shape once.

The recordings themselves go through `tests/contract/test_request_round_trip.py`.
"""

import base64
import json
from typing import Any

import pytest
from google.protobuf import json_format

from sluice_server.providers.presets import PRESETS
from tests.support.recorded.cases import Exchange, RecordedRequest
from tests.support.recorded.normal_form import ABSENT, differences, normal
from tests.support.recorded.presets import KINDS, preset_for
from tests.support.recorded.requests import Translated, covered, translate

PNG = "data:image/png;base64,iVBORw=="
HELLO = {"role": "user", "content": "Hi"}
SCHEMA = {"type": "object", "properties": {"z": {"type": "string"}, "a": {"type": "number"}}}
SCHEMA_TEXT = json.dumps(SCHEMA, separators=(",", ":"))


def exchange(api: str, body: Any, provider: str = "any", url: str = "https://host/v1") -> Exchange:
    """Return an exchange that holds nothing but this request."""
    request = RecordedRequest("POST", url, (), body)
    return Exchange(
        name="case#0",
        provider=provider,
        api=api,
        features=frozenset(),
        request=request,
        status=200,
        headers=(),
        body=b"",
    )


def translated(api: str, body: Any, provider: str = "any") -> Translated:
    """Return the translation of a body."""
    found = translate(exchange(api, body, provider), provider="up", model="m")
    assert found is not None
    return found


def told(api: str, body: Any, provider: str = "any") -> dict[str, Any]:
    """Return the request as a dict; it is complete and good."""
    found = translated(api, body, provider)
    assert (found.uncovered, found.rejected) == ((), ())
    request = json_format.MessageToDict(found.request, preserving_proto_field_name=True)
    assert request.pop("model") == "up/m"
    return request


def messages(api: str, body: Any) -> Any:
    """Return the messages of the request that a body becomes."""
    return told(api, body)["messages"]


def said(role: str, text: str = "Hi") -> dict[str, Any]:
    """Return a message of one text."""
    return {"role": role, "parts": [{"text": text}]}


def state(kind: str, value: str) -> list[dict[str, Any]]:
    """Return the states of a part with this one."""
    encoded = base64.b64encode(value.encode()).decode()
    return [{"provider": "up", "kind": kind, "value": encoded, "model": "m"}]


OPTIONS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("chat", {"max_tokens": 5, "temperature": 0}, {"max_output_tokens": 5, "temperature": 0.0}),
    ("chat", {"max_completion_tokens": 5}, {"max_output_tokens": 5}),
    ("chat", {"random_seed": 7, "stop": "a"}, {"seed": "7", "stop": ["a"]}),
    ("chat", {"logprobs": True}, {"top_logprobs": 0}),
    ("chat", {"logprobs": True, "top_logprobs": 2}, {"top_logprobs": 2}),
    ("chat", {"reasoning_effort": "low"}, {"reasoning": {"effort": "low"}}),
    ("chat", {"reasoning": {"max_tokens": 9}}, {"reasoning": {"max_tokens": 9}}),
    ("chat", {"thinking": {"type": "disabled"}}, {"reasoning": {"effort": "none"}}),
    ("responses", {"max_output_tokens": 5, "top_p": 1}, {"max_output_tokens": 5, "top_p": 1.0}),
    (
        "responses",
        {"reasoning": {"effort": "low", "summary": "auto"}},
        {"reasoning": {"effort": "low", "include": True}},
    ),
    ("messages", {"max_tokens": 5, "top_k": 3}, {"max_output_tokens": 5, "top_k": 3}),
    ("messages", {"stop_sequences": ["a"]}, {"stop": ["a"]}),
    (
        "messages",
        {"thinking": {"type": "enabled", "budget_tokens": 1024, "display": "summarized"}},
        {"reasoning": {"max_tokens": 1024, "include": True}},
    ),
    ("messages", {"thinking": {"type": "disabled"}}, {"reasoning": {"effort": "none"}}),
    ("messages", {"output_config": {"effort": "max"}}, {"reasoning": {"effort": "max"}}),
    (
        "generateContent",
        {"generationConfig": {"maxOutputTokens": 5, "stopSequences": ["a"], "candidateCount": 1}},
        {"max_output_tokens": 5, "stop": ["a"]},
    ),
    (
        "generateContent",
        {"generation_config": {"thinking_config": {"thinkingLevel": "LOW"}}},
        {"reasoning": {"effort": "low"}},
    ),
    (
        "generateContent",
        {"generationConfig": {"thinkingConfig": {"thinkingBudget": 0, "includeThoughts": True}}},
        {"reasoning": {"effort": "none", "include": True}},
    ),
]
LEAST: dict[str, dict[str, Any]] = {
    "chat": {"model": "m", "messages": [HELLO], "stream": True},
    "responses": {"model": "m", "input": "Hi", "store": False, "include": []},
    "messages": {"model": "m", "messages": [HELLO]},
    "generateContent": {"contents": [{"parts": [{"text": "Hi"}]}]},
}


@pytest.mark.parametrize("api", LEAST)
def test_least_body(api: str) -> None:
    """A bare question is one message of the user, however a provider puts it."""
    assert told(api, LEAST[api]) == {"messages": [said("ROLE_USER")]}


@pytest.mark.parametrize(("api", "fields", "options"), OPTIONS, ids=str)
def test_options(api: str, fields: dict[str, Any], options: dict[str, Any]) -> None:
    """A setting becomes its option."""
    assert told(api, LEAST[api] | fields)["options"] == options


FUNCTIONS: list[tuple[str, list[Any]]] = [
    ("chat", [{"type": "function", "function": {"name": "f", "parameters": SCHEMA}}]),
    ("responses", [{"type": "function", "name": "f", "parameters": SCHEMA, "strict": None}]),
    ("messages", [{"name": "f", "input_schema": SCHEMA}]),
    ("generateContent", [{"functionDeclarations": [{"name": "f", "parameters": SCHEMA}]}]),
    (
        "generateContent",
        [{"function_declarations": [{"name": "f", "parameters_json_schema": SCHEMA}]}],
    ),
]


@pytest.mark.parametrize(("api", "tools"), FUNCTIONS, ids=str)
def test_functions(api: str, tools: list[Any]) -> None:
    """A function keeps its schema's key order."""
    found = told(api, LEAST[api] | {"tools": tools})["tools"]
    assert found == [{"name": "f", "input_schema_json": SCHEMA_TEXT}]


def test_gemini_schema_in_capitals() -> None:
    """Gemini's own schemas become JSON Schema; names of properties are not touched."""
    schema = {"type": "OBJECT", "properties": {"type": {"type": "ARRAY", "items": {"type": "X"}}}}
    declared = [{"functionDeclarations": [{"name": "f", "parameters": schema}]}]
    found = translated("generateContent", LEAST["generateContent"] | {"tools": declared})
    assert json.loads(found.request.tools[0].input_schema_json) == {
        "type": "object",
        "properties": {"type": {"type": "array", "items": {"type": "x"}}},
    }


CHOICES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("chat", {"tool_choice": "any"}, {"mode": "TOOL_MODE_REQUIRED"}),
    ("chat", {"tool_choice": {"type": "function", "function": {"name": "f"}}}, {"name": "f"}),
    ("chat", {"parallel_tool_calls": False}, {"disable_parallel": True}),
    ("responses", {"tool_choice": {"type": "function", "name": "f"}}, {"name": "f"}),
    ("messages", {"tool_choice": {"type": "any"}}, {"mode": "TOOL_MODE_REQUIRED"}),
    (
        "messages",
        {"tool_choice": {"type": "tool", "name": "f", "disable_parallel_tool_use": True}},
        {"name": "f", "disable_parallel": True},
    ),
    (
        "generateContent",
        {"toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}}},
        {"name": "f"},
    ),
    (
        "generateContent",
        {"toolConfig": {"functionCallingConfig": {"mode": "none"}}},
        {"mode": "TOOL_MODE_NONE"},
    ),
]


@pytest.mark.parametrize(("api", "fields", "choice"), CHOICES, ids=str)
def test_tool_choice(api: str, fields: dict[str, Any], choice: dict[str, Any]) -> None:
    """A rule for tools becomes the contract's."""
    tools = next(tools for name, tools in FUNCTIONS if name == api)
    assert told(api, LEAST[api] | {"tools": tools} | fields)["tool_choice"] == choice


FORMATS: list[tuple[str, dict[str, Any]]] = [
    (
        "chat",
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True},
            }
        },
    ),
    (
        "responses",
        {
            "text": {
                "format": {
                    "type": "json_schema",
                    "name": "answer",
                    "schema": SCHEMA,
                    "strict": True,
                }
            }
        },
    ),
    ("messages", {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}}),
    ("messages", {"output_format": {"type": "json_schema", "schema": SCHEMA}}),
    (
        "generateContent",
        {
            "generationConfig": {
                "responseMimeType": "application/json",
                "responseJsonSchema": SCHEMA,
            }
        },
    ),
]


@pytest.mark.parametrize(("api", "fields"), FORMATS, ids=str)
def test_output_format(api: str, fields: dict[str, Any]) -> None:
    """A wanted shape of the answer becomes the contract's."""
    assert told(api, LEAST[api] | fields)["output_format"] == {
        "json_schema": {"name": "answer", "schema_json": SCHEMA_TEXT, "strict": True}
    }


CALL = {"tool_call": {"id": "c1", "name": "f", "arguments_json": '{"b":1,"a":2}'}}
RESULT = {"tool_result": {"tool_call_id": "c1", "parts": [{"text": "42"}]}}
ARGUMENTS = {"b": 1, "a": 2}
LOOPS: list[tuple[str, dict[str, Any]]] = [
    (
        "chat",
        {
            "messages": [
                {"role": "developer", "content": "Be brief"},
                HELLO,
                {
                    "role": "assistant",
                    "content": "",
                    "tool_calls": [
                        {
                            "id": "c1",
                            "type": "function",
                            "function": {"name": "f", "arguments": '{"b":1,"a":2}'},
                        }
                    ],
                },
                {"role": "tool", "tool_call_id": "c1", "content": "42"},
                {"role": "user", "content": [{"type": "text", "text": "And?"}]},
            ]
        },
    ),
    (
        "responses",
        {
            "instructions": "Be brief",
            "input": [
                HELLO,
                {
                    "type": "function_call",
                    "call_id": "c1",
                    "name": "f",
                    "arguments": '{"b":1,"a":2}',
                },
                {"type": "function_call_output", "call_id": "c1", "output": "42"},
                {"role": "user", "content": [{"type": "input_text", "text": "And?"}]},
            ],
        },
    ),
    (
        "messages",
        {
            "system": [{"type": "text", "text": "Be brief"}],
            "messages": [
                HELLO,
                {
                    "role": "assistant",
                    "content": [{"type": "tool_use", "id": "c1", "name": "f", "input": ARGUMENTS}],
                },
                {
                    "role": "user",
                    "content": [
                        {"type": "tool_result", "tool_use_id": "c1", "content": "42"},
                        {"type": "text", "text": "And?"},
                    ],
                },
            ],
        },
    ),
]


@pytest.mark.parametrize(("api", "body"), LOOPS, ids=lambda value: str(value)[:10])
def test_tool_loop(api: str, body: dict[str, Any]) -> None:
    """Instructions, a call, its result and what the user says then become one conversation."""
    assert messages(api, body) == [
        said("ROLE_SYSTEM", "Be brief"),
        said("ROLE_USER"),
        {"role": "ROLE_ASSISTANT", "parts": [CALL]},
        {"role": "ROLE_TOOL", "parts": [RESULT]},
        said("ROLE_USER", "And?"),
    ]


def test_gemini_calls_without_ids() -> None:
    """Two calls of one function get ids of their own, matched with results in order."""
    call = {"functionCall": {"name": "f", "args": {}}, "thoughtSignature": "c2ln"}
    result = {"functionResponse": {"name": "f", "response": {"output": "42"}}}
    failure = {"functionResponse": {"name": "f", "response": {"error": "no"}}}
    body = {
        "contents": [
            {"role": "user", "parts": [{"text": "Hi"}]},
            {"role": "model", "parts": [call, call]},
            {"role": "user", "parts": [result, failure]},
        ]
    }
    _, calls, results = messages("generateContent", body)
    ids = [part["tool_call"]["id"] for part in calls["parts"]]
    assert len(set(ids)) == 2
    assert [part["tool_result"]["tool_call_id"] for part in results["parts"]] == ids
    assert [part["tool_result"].get("is_error") for part in results["parts"]] == [None, True]
    assert calls["parts"][0]["provider_state"] == state("thought_signature", "c2ln")


REASONING = {"type": "reasoning", "id": "r", "summary": [], "encrypted_content": "x"}
THOUGHTS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    (
        "chat",
        {"role": "assistant", "reasoning_content": "Hm", "content": "Yes"},
        {"reasoning": {"text": "Hm"}},
    ),
    (
        "chat",
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}], "closed": True},
                {"type": "text", "text": "Yes"},
            ],
        },
        {"reasoning": {"text": "Hm"}, "provider_state": state("thinking", '{"closed":true}')},
    ),
    (
        "messages",
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "", "signature": "sig"},
                {"type": "text", "text": "Yes"},
            ],
        },
        {"reasoning": {}, "provider_state": state("signature", "sig")},
    ),
    (
        "messages",
        {
            "role": "assistant",
            "content": [
                {"type": "redacted_thinking", "data": "x"},
                {"type": "text", "text": "Yes"},
            ],
        },
        {"reasoning": {"redacted": True}, "provider_state": state("redacted_thinking", "x")},
    ),
    (
        "messages",
        {
            "role": "assistant",
            "content": [
                {"type": "server_tool_use", "id": "s"},
                {"type": "text", "text": "Yes"},
            ],
        },
        {
            "reasoning": {"redacted": True},
            "provider_state": state("block", '{"type":"server_tool_use","id":"s"}'),
        },
    ),
    (
        "responses",
        REASONING,
        {
            "reasoning": {"redacted": True},
            "provider_state": state("item", json.dumps(REASONING, separators=(",", ":"))),
        },
    ),
]


@pytest.mark.parametrize(("api", "item", "part"), THOUGHTS, ids=lambda value: str(value)[:50])
def test_reasoning_goes_back(api: str, item: dict[str, Any], part: dict[str, Any]) -> None:
    """Reasoning of an earlier turn is the part that our decoder would have made of it."""
    answer = [item] if "role" in item else [item, {"role": "assistant", "content": "Yes"}]
    name = "input" if api == "responses" else "messages"
    assert messages(api, {name: [HELLO, *answer, HELLO]})[1] == {
        "role": "ROLE_ASSISTANT",
        "parts": [part, {"text": "Yes"}],
    }


def test_reasoning_details_stand_last() -> None:
    """OpenRouter's details are one opaque part behind everything else."""
    details = [{"type": "reasoning.text", "text": "Hm", "signature": "s"}]
    answer = {"role": "assistant", "content": "Yes", "reasoning_details": details}
    _, found = messages("chat", {"messages": [HELLO, answer]})
    assert found["parts"][-1] == {
        "reasoning": {"redacted": True},
        "provider_state": state("reasoning_details", json.dumps(details, separators=(",", ":"))),
    }


MEDIA: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    (
        "chat",
        {"type": "image_url", "image_url": {"url": PNG}},
        {"mime_type": "image/png", "data": "iVBORw=="},
    ),
    (
        "chat",
        {"type": "image_url", "image_url": "https://host/a.jpeg"},
        {"mime_type": "image/jpeg", "uri": "https://host/a.jpeg"},
    ),
    (
        "chat",
        {"type": "input_audio", "input_audio": {"data": "iVBORw==", "format": "mp3"}},
        {"mime_type": "audio/mpeg", "data": "iVBORw=="},
    ),
    (
        "chat",
        {"type": "file", "file": {"file_id": "file-1"}},
        {"mime_type": "application/pdf", "file_id": "file-1"},
    ),
    (
        "responses",
        {"type": "input_image", "image_url": PNG},
        {"mime_type": "image/png", "data": "iVBORw=="},
    ),
    (
        "responses",
        {"type": "input_file", "filename": "a.txt", "file_url": "https://host/a"},
        {"mime_type": "text/plain", "uri": "https://host/a", "name": "a.txt"},
    ),
    (
        "messages",
        {"type": "image", "source": {"type": "url", "url": "https://host/a.gif"}},
        {"mime_type": "image/gif", "uri": "https://host/a.gif"},
    ),
    (
        "messages",
        {
            "type": "document",
            "title": "T",
            "source": {"type": "text", "media_type": "text/plain", "data": "Hi"},
        },
        {"mime_type": "text/plain", "data": "SGk=", "name": "T"},
    ),
]


@pytest.mark.parametrize(("api", "item", "media"), MEDIA, ids=str)
def test_media(api: str, item: dict[str, Any], media: dict[str, Any]) -> None:
    """Bytes become data, addresses become uri, ids become file_id."""
    name = "input" if api == "responses" else "messages"
    body = {name: [{"role": "user", "content": [item]}]}
    assert messages(api, body) == [{"role": "ROLE_USER", "parts": [{"media": media}]}]


def test_cache_hints() -> None:
    """A breakpoint and its lifetime are a hint on the part where they stand."""
    control = {"type": "ephemeral", "ttl": "1h"}
    body = {
        "messages": [
            {
                "role": "user",
                "content": [{"type": "text", "text": "Hi", "cache_control": control}],
            }
        ]
    }
    for api in ("chat", "messages"):
        (message,) = messages(api, body)
        assert message["parts"] == [{"text": "Hi", "cache": {"ttl": "3600s"}}]


def test_what_is_uncovered() -> None:
    """Members without room in the contract are named, and left out of what is compared."""
    hosted = {"type": "web_search_20260209", "name": "search"}
    body = {
        "messages": [{**HELLO, "name": "Ann"}],
        "tools": [hosted, {"name": "f", "input_schema": SCHEMA}],
        "mcp_servers": [],
    }
    found = translated("messages", body)
    assert found.uncovered == ("messages[0].name", "tools[0]", "mcp_servers")
    assert covered(exchange("messages", body), found) == {
        "messages": [HELLO],
        "tools": [{"name": "f", "input_schema": SCHEMA}],
    }


REJECTED: list[tuple[dict[str, Any], str]] = [
    ({"messages": ["Hi"]}, "messages[0].role"),
    ({"messages": [HELLO], "max_tokens": -1}, "options.max_output_tokens"),
    ({"messages": [HELLO], "tool_choice": "none"}, "tool_choice"),
]


@pytest.mark.parametrize(("body", "field"), REJECTED, ids=str)
def test_what_is_rejected(body: dict[str, Any], field: str) -> None:
    """A recorded request that the edge would turn down says at which fields."""
    assert field in translated("chat", body).rejected


def test_nothing_to_translate() -> None:
    """An API without a dialect has no translation."""
    assert translate(exchange("converse", {}), provider="up", model="m") is None


EQUAL: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("chat", {"tool_choice": "auto", "stream": True, "n": 1, "tools": []}, {}),
    ("chat", {"max_completion_tokens": 5}, {"max_tokens": 5}),
    (
        "responses",
        {"input": [{"type": "message", **HELLO}], "parallel_tool_calls": True},
        {"input": "Hi"},
    ),
    ("messages", {"system": "Hm"}, {"system": [{"type": "text", "text": "Hm"}]}),
    ("generateContent", {"generationConfig": {"candidateCount": 1}, "tools": []}, {}),
]


@pytest.mark.parametrize(("api", "one", "other"), EQUAL, ids=str)
def test_equal_bodies(api: str, one: dict[str, Any], other: dict[str, Any]) -> None:
    """Two ways to say one thing have one normal form."""
    assert normal(api, LEAST[api] | one) == normal(api, LEAST[api] | other)


def test_differences_are_found() -> None:
    """Changed, missing and added members are told with their paths."""
    one = {"a": [1, 2], "b": {"c": 3}, "d": 4}
    other = {"a": [1], "b": {"c": "3"}, "e": 5}
    assert list(differences(one, other)) == [
        ("a[1]", 2, ABSENT),
        ("b.c", 3, "3"),
        ("d", 4, ABSENT),
        ("e", ABSENT, 5),
    ]


SERVED: list[tuple[str, str, str, dict[str, Any], tuple[str, str]]] = [
    ("zai", "chat", "/v4/chat/completions", {"model": "glm"}, ("openai-compatible", "glm")),
    ("azure", "chat", "/openai/deployments/d/chat/completions", {}, ("azure-openai", "d")),
    ("gemini", "generateContent", "/v1beta/models/g-1:generateContent", {}, ("gemini", "g-1")),
    ("vertex-anthropic", "messages", "/models/c@2:rawPredict", {}, ("vertex", "c@2")),
]


@pytest.mark.parametrize(("provider", "api", "path", "body", "served"), SERVED, ids=str)
def test_presets(
    provider: str, api: str, path: str, body: dict[str, Any], served: tuple[str, str]
) -> None:
    """The kind follows from who was recorded; the model from the body or the address."""
    assert preset_for(exchange(api, body, provider, f"https://host{path}")) == served


def test_presets_exist() -> None:
    """Every kind that serves a recorded provider can be configured."""
    assert set(KINDS.values()) <= PRESETS.keys()


def test_no_model() -> None:
    """A request that names no model has no preset."""
    with pytest.raises(ValueError, match="names no model"):
        preset_for(exchange("chat", {}))
