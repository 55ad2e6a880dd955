"""Reasoning of earlier turns on its way back to look-alikes."""

from typing import Any

import pytest

from tests.unit.providers.openai_chat.asking import (
    HELLO,
    TOOL,
    body,
    call,
    encoded,
    result,
    thought,
    turn,
)

PATH = "messages[1].parts[0].reasoning"
DETAILS = b'[{"type":"reasoning.text","text":"Hm","signature":"s","index":0}]'


def history(*parts: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a conversation whose second turn has these parts."""
    answers = [turn(result(), role=TOOL)] if any("tool_call" in part for part in parts) else []
    return [HELLO, turn(*parts), *answers, HELLO]


def sent(kind: str, *parts: dict[str, Any], model: str = "m") -> dict[str, Any]:
    """Return the assistant's message on the wire, without its role and calls."""
    message = body(kind, model, messages=history(*parts))["messages"][1]
    return {name: value for name, value in message.items() if name not in {"role", "tool_calls"}}


@pytest.mark.parametrize("kind", ["openai", "groq", "xai", "qwen", "llamacpp"])
def test_never(kind: str) -> None:
    """Where nothing takes it, reasoning is left out and named."""
    request = encoded(kind, messages=history(thought("Hm"), {"text": "a"}))

    assert sent(kind, thought("Hm"), {"text": "a"}) == {"content": "a"}
    assert request.dropped_fields == (PATH,)


@pytest.mark.parametrize("kind", ["vllm", "ollama", "cerebras"])
def test_always_in_a_field(kind: str) -> None:
    """Text of any origin goes into the named field."""
    assert sent(kind, thought("Hm"), {"text": "a"}) == {"content": "a", "reasoning": "Hm"}
    assert sent(kind, {"text": "a"}) == {"content": "a"}


def test_only_with_calls() -> None:
    """DeepSeek gets it with the turns that called something, empty where there was none."""
    assert sent("deepseek", thought("Hm"), call()) == {"content": None, "reasoning_content": "Hm"}
    assert sent("deepseek", call()) == {"content": None, "reasoning_content": ""}
    assert sent("deepseek", thought("Hm"), {"text": "a"}) == {"content": "a"}


def test_as_think_text() -> None:
    """Cerebras' GLM gets it as text before the answer."""
    found = sent("cerebras", thought("Hm"), {"text": "a"}, model="zai-glm-4.7")

    assert found == {"content": "<think>Hm</think>a"}


def test_as_thinking_items() -> None:
    """Mistral gets its own thinking back in its place; foreign thinking is left out."""
    own = thought("Hm", thinking=b'{"signature":"s"}')
    foreign = encoded("mistral", messages=history(thought("Hm"), {"text": "a"}))

    assert sent("mistral", own, {"text": "a"}) == {
        "content": [
            {"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}], "signature": "s"},
            {"type": "text", "text": "a"},
        ]
    }
    assert sent("mistral", thought("Hm"), {"text": "a"}) == {"content": "a"}
    assert foreign.dropped_fields == (PATH,)


def test_as_details() -> None:
    """OpenRouter gets its own array back, byte for byte, and no text beside it."""
    parts = (thought("Hm"), {"text": "a"}, thought("", reasoning_details=DETAILS))
    request = encoded("openrouter", messages=history(*parts))

    assert b'"reasoning_details":' + DETAILS in request.body
    assert b'"reasoning":' not in request.body
    assert request.dropped_fields == ()


@pytest.mark.parametrize("value", [b"{}", b"[", b"\xff", b"[]]"])
def test_damaged_details(value: bytes) -> None:
    """State that is no array of details never gets into the body."""
    request = encoded("openrouter", messages=history(thought("", reasoning_details=value)))

    assert b"reasoning_details" not in request.body
    assert request.dropped_fields == (PATH,)


def test_opaque_reasoning_has_no_text() -> None:
    """A redacted part cannot become text, so it is left out and named."""
    assert encoded("vllm", messages=history(thought("", block=b"x"))).dropped_fields == (PATH,)
