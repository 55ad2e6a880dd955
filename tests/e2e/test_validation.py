"""Is a bad request refused with every one of its faults, before anything is spent?"""

from collections.abc import Mapping

import grpc
import pytest
from google.protobuf import json_format

from tests.support.client import GenerateRequest, collect_failure, request
from tests.support.server import RunningServer
from tests.support.upstream import Upstream

USER = {"role": "ROLE_USER", "parts": [{"text": "Hi"}]}
CALL = {"id": "c1", "name": "f", "argumentsJson": "{}"}
ASKED = {"role": "ROLE_ASSISTANT", "parts": [{"toolCall": CALL}]}
RESULT = {"role": "ROLE_TOOL", "parts": [{"toolResult": {"toolCallId": "c1"}}]}


def made_of(fields: Mapping[str, object]) -> GenerateRequest:
    """Return a good request with these fields in place of its own."""
    good = {"model": "up/test-model", "messages": [USER]}
    return json_format.ParseDict({**good, **fields}, GenerateRequest())


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"model": ""}, "model"),
        ({"messages": []}, "messages"),
        ({"messages": [{"parts": [{"text": "Hi"}]}]}, "messages[0].role"),
        ({"messages": [{"role": "ROLE_USER"}]}, "messages[0].parts"),
        ({"messages": [{"role": "ROLE_USER", "parts": [{}]}]}, "messages[0].parts[0]"),
        (
            {"messages": [{"role": "ROLE_USER", "parts": [{"media": {"mimeType": "image/png"}}]}]},
            "messages[0].parts[0].media",
        ),
        ({"messages": [USER, ASKED, USER]}, "messages[1]"),
        ({"messages": [USER, RESULT]}, "messages[1].parts[0].tool_result"),
        ({"options": {"temperature": 2.5}}, "options.temperature"),
        ({"options": {"temperature": "NaN"}}, "options.temperature"),
        ({"options": {"topP": 0}}, "options.top_p"),
        ({"options": {"maxOutputTokens": 0}}, "options.max_output_tokens"),
        ({"options": {"presencePenalty": -3}}, "options.presence_penalty"),
        ({"options": {"frequencyPenalty": 3}}, "options.frequency_penalty"),
        ({"options": {"topLogprobs": 21}}, "options.top_logprobs"),
        ({"options": {"stop": ["x"] * 17}}, "options.stop"),
        ({"tools": [{"name": "bad name"}]}, "tools[0].name"),
        ({"tools": [{"name": "f"}, {"name": "f"}]}, "tools[1].name"),
        ({"tools": [{"name": "f", "inputSchemaJson": "{"}]}, "tools[0].input_schema_json"),
        (
            {"tools": [{"name": "f", "inputSchemaJson": '{"type":"river"}'}]},
            "tools[0].input_schema_json",
        ),
        ({"tools": [{"name": "f"}], "toolChoice": {"name": "g"}}, "tool_choice.name"),
        ({"toolChoice": {"mode": "TOOL_MODE_REQUIRED"}}, "tool_choice"),
        (
            {"outputFormat": {"jsonSchema": {"name": "x", "schemaJson": "["}}},
            "output_format.json_schema.schema_json",
        ),
        ({"routing": {"maxAttempts": 17}}, "routing.max_attempts"),
    ],
)
async def test_each_fault_has_its_path(
    server: RunningServer, upstream: Upstream, fields: dict[str, object], path: str
) -> None:
    """INVALID_ARGUMENT, a violation at (or below) the field at fault, and no upstream call."""
    got = await collect_failure(server.stub.Generate(made_of(fields)))
    assert (got.code, got.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
    assert got.violations, "no violation is named"
    assert all(field.startswith(path) for field in got.violations), got.violations
    assert all(got.violations.values())
    assert not upstream.requests


async def test_all_faults_are_told_at_once(server: RunningServer) -> None:
    """One answer names every violation, and libraries are told not to try again."""
    fields = {
        "messages": [{"parts": [{}]}],
        "options": {"temperature": -1, "topP": 2},
        "tools": [{"name": ""}],
        "toolChoice": {"name": "g"},
    }
    got = await collect_failure(server.stub.Generate(made_of(fields)))
    assert {
        "messages[0].role",
        "messages[0].parts[0]",
        "options.temperature",
        "options.top_p",
        "tools[0].name",
        "tool_choice.name",
    } <= got.violations.keys()
    assert got.retry_seconds is None


async def test_very_many_faults_still_arrive(server: RunningServer) -> None:
    """Ten thousand violations fit into a status that every client can read."""
    wanted = request()
    for _ in range(10_000):
        wanted.messages.add()
    got = await collect_failure(server.stub.Generate(wanted))
    assert (got.code, got.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
    assert len(got.violations) >= 5
    assert "more" in got.violations[""]
