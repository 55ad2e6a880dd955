"""How large a call is taken to be."""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.v1 import content_pb2, gateway_service_pb2, usage_pb2
from sluice_server.limits.estimate import (
    DEFAULT_OUTPUT_TOKENS,
    IMAGE_TOKENS,
    Estimate,
    estimate,
    used,
)
from sluice_server.state.quota import INPUT_TOKENS, OUTPUT_TOKENS, REQUESTS, TOKENS, Unit

EMPTY = estimate(gateway_service_pb2.GenerateRequest()).input_tokens


def turn(*parts: content_pb2.Part, **fields: Any) -> gateway_service_pb2.GenerateRequest:
    """Return a request with one user message."""
    message = content_pb2.Message(role=content_pb2.ROLE_USER, parts=parts)
    return gateway_service_pb2.GenerateRequest(messages=[message], **fields)


def text(words: str) -> content_pb2.Part:
    """Return a text part."""
    return content_pb2.Part(text=words)


def media(kind: str, **source: Any) -> content_pb2.Part:
    """Return a media part."""
    return content_pb2.Part(media=content_pb2.Media(mime_type=kind, **source))


def size(*parts: content_pb2.Part, **fields: Any) -> int:
    """Return the tokens of parts on top of a message without any."""
    bare = estimate(turn()).input_tokens
    return estimate(turn(*parts, **fields)).input_tokens - bare - len(parts)


@pytest.mark.parametrize(
    ("part", "tokens"),
    [
        (text("a" * 400), 100),
        (text("x"), 1),
        (text("привет" * 100), 375),
        (text("你好" * 100), 200),
        (content_pb2.Part(refusal="a" * 40), 10),
        (content_pb2.Part(reasoning=content_pb2.Reasoning(text="a" * 40)), 10),
        (media("image/png", data=b"x"), IMAGE_TOKENS),
        (media("image/png", uri="https://x/y"), IMAGE_TOKENS),
        (media("audio/wav", data=bytes(500_000)), 1000),
        (media("audio/wav", data=b"x"), 320),
        (media("audio/wav", file_id="f"), 1920),
        (media("video/mp4", data=bytes(4_000_000)), 10_000),
        (media("video/mp4", uri="https://x/y"), 18_000),
        (media("application/pdf", data=bytes(100_000)), 4000),
        (media("application/pdf", file_id="f"), 10_000),
        (media("text/plain", data=b"a" * 800), 300),
        (media("TEXT/plain", data=b""), 0),
        (
            content_pb2.Part(
                tool_call=content_pb2.ToolCall(name="look", arguments_json='{"where":"up"}')
            ),
            1 + 5,
        ),
        (
            content_pb2.Part(tool_result=content_pb2.ToolResult(parts=[text("a" * 40)])),
            10 + 1,
        ),
        (
            content_pb2.Part(
                text="abcd",
                provider_state=[content_pb2.ProviderState(provider="p", value=bytes(300))],
            ),
            101,
        ),
    ],
    ids=str,
)
def test_parts(part: content_pb2.Part, tokens: int) -> None:
    """Every kind of part has the documented size."""
    assert size(part) == tokens


def test_declarations_count() -> None:
    """Tools and the schema of the answer are input, too."""
    tool = content_pb2.Tool(
        name="look", description="a" * 40, input_schema_json="{" + " " * 298 + "}"
    )
    assert size(tools=[tool]) == 8 + 1 + 10 + 100
    shape = gateway_service_pb2.JsonSchemaFormat(name="four", schema_json="{" + " " * 28 + "}")
    assert size(output_format=gateway_service_pb2.OutputFormat(json_schema=shape)) == 8 + 1 + 10


@pytest.mark.parametrize(
    ("options", "tokens"),
    [
        ({}, DEFAULT_OUTPUT_TOKENS),
        ({"max_output_tokens": 77}, 77),
        ({"max_output_tokens": 0}, 1),
        (
            {"reasoning": gateway_service_pb2.ReasoningOptions(max_tokens=5000)},
            DEFAULT_OUTPUT_TOKENS + 5000,
        ),
        (
            {
                "max_output_tokens": 6000,
                "reasoning": gateway_service_pb2.ReasoningOptions(max_tokens=5000),
            },
            6000,
        ),
    ],
)
def test_answer(options: dict[str, Any], tokens: int) -> None:
    """The allowed answer is reserved, a documented amount where no bound is given."""
    request = turn(text("hi"), options=gateway_service_pb2.GenerationOptions(**options))
    assert estimate(request).output_tokens == tokens


@given(st.text(), st.text())
def test_more_text_is_never_less(one: str, other: str) -> None:
    """The estimate grows with the text and is never zero."""
    small, large = estimate(turn(text(one))), estimate(turn(text(one + other)))
    assert 0 < EMPTY < small.input_tokens <= large.input_tokens


def test_every_message_counts() -> None:
    """A history of empty messages is not nothing."""
    request = turn()
    request.messages.extend([content_pb2.Message()] * 9)
    assert estimate(request).input_tokens == EMPTY + 10 * 4


def test_cost_is_linear() -> None:
    """A megabyte is estimated in the blink of an eye, text that is not ASCII, too."""
    request = turn(text("ü" * 1_000_000))
    started = time.process_time()
    estimate(request)
    assert time.process_time() - started < 0.1


def test_amounts() -> None:
    """A call takes a request, its input, its output and both together."""
    assert Estimate(3, 4).amounts == {REQUESTS: 1, TOKENS: 7, INPUT_TOKENS: 3, OUTPUT_TOKENS: 4}


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (None, {REQUESTS: 1}),
        (usage_pb2.Usage(), {REQUESTS: 1}),
        (usage_pb2.Usage(input_tokens=5), {REQUESTS: 1, INPUT_TOKENS: 5}),
        (usage_pb2.Usage(output_tokens=0), {REQUESTS: 1, OUTPUT_TOKENS: 0}),
        (
            usage_pb2.Usage(input_tokens=5, output_tokens=6),
            {REQUESTS: 1, INPUT_TOKENS: 5, OUTPUT_TOKENS: 6, TOKENS: 11},
        ),
    ],
)
def test_used(usage: usage_pb2.Usage | None, expected: dict[Unit, int]) -> None:
    """What the provider did not count is absent, and not zero."""
    assert used(usage) == expected
