"""Roles, the kinds of parts they hold, and what a conversation needs as a whole."""

from typing import Any

import pytest

from sluice_server.edge.validation import validate_generate
from sluice_server.edge.validation.conversation import MOST_MESSAGES, MOST_PARTS
from tests.unit.edge.validation.building import (
    ASSISTANT,
    PNG,
    SYSTEM,
    TOOL,
    USER,
    assert_bad,
    call,
    conversation,
    message,
    request,
    result,
    said,
)

BAD: dict[str, tuple[list[dict[str, Any]], str, str]] = {
    "no messages": ([], "messages", "at least one message"),
    "no role": ([{"parts": [{"text": "Hi"}]}], "messages[0].role", "Set it to SYSTEM, USER"),
    "unknown role": ([said(USER), said(9)], "messages[1].role", "Set it to SYSTEM, USER"),
    "no parts": ([said(USER), message(ASSISTANT)], "messages[1].parts", "leave the message out"),
    "part of no kind": ([message(USER, {})], "messages[0].parts[0]", "Set its kind"),
    "empty question": ([message(USER, {"text": ""})], "messages[0].parts[0].text", "Write text"),
    "empty instruction": (
        [message(SYSTEM, {"text": ""}), said(USER)],
        "messages[0].parts[0].text",
        "Write text",
    ),
    "only instructions": ([said(SYSTEM), said(SYSTEM)], "messages", "Add a USER message"),
    "media in SYSTEM": (
        [message(SYSTEM, {"media": PNG}), said(USER)],
        "messages[0].parts[0].media",
        "Move it to a USER or ASSISTANT message",
    ),
    "text in TOOL": (
        [message(ASSISTANT, call()), message(TOOL, result(), {"text": "5"})],
        "messages[1].parts[1].text",
        "into a tool_result",
    ),
    "media in TOOL": (
        [message(ASSISTANT, call()), message(TOOL, result(), {"media": PNG})],
        "messages[1].parts[1].media",
        "into a tool_result",
    ),
    "result in USER": (
        [message(ASSISTANT, call()), message(USER, result())],
        "messages[1].parts[0].tool_result",
        "Move it to a TOOL message",
    ),
    "call in USER": (
        [message(USER, call()), message(TOOL, result())],
        "messages[0].parts[0].tool_call",
        "Move it to an ASSISTANT message",
    ),
    "reasoning in USER": (
        [message(USER, {"reasoning": {"text": "hm"}})],
        "messages[0].parts[0].reasoning",
        "Move it to an ASSISTANT message",
    ),
    "refusal in SYSTEM": (
        [message(SYSTEM, {"refusal": "no"}), said(USER)],
        "messages[0].parts[0].refusal",
        "Move it to an ASSISTANT message",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_each_fault_of_the_conversation_is_named(case: str) -> None:
    """A conversation with one fault has one violation, at its place, with the remedy."""
    messages, field, says = BAD[case]
    assert_bad(conversation(*messages), field, says)


@pytest.mark.parametrize(
    "messages",
    [
        [said(USER)],
        [said(SYSTEM), said(USER)],
        [said(USER), said(SYSTEM), said(SYSTEM)],
        [said(SYSTEM), said(ASSISTANT, "Once upon")],
        [said(USER), said(ASSISTANT, "")],
        [said(USER), message(ASSISTANT, {"refusal": ""}), said(USER)],
        [said(USER), said(USER), said(ASSISTANT), said(ASSISTANT)],
        [said(USER), message(ASSISTANT, {"media": PNG}, {"text": "a drawing"}), said(USER)],
        [said(USER), message(ASSISTANT, {"reasoning": {}}, call()), message(TOOL, result())],
    ],
)
def test_unusual_conversations_are_allowed(messages: list[dict[str, Any]]) -> None:
    """Prefills, late instructions, empty answers and repeated roles are some model's normal."""
    assert validate_generate(conversation(*messages)) == []


def test_more_messages_than_are_looked_at() -> None:
    """Past the bound only the number is reported, whatever the messages hold."""
    assert_bad(request(messages=[{}] * (MOST_MESSAGES + 1)), "messages", f"at most {MOST_MESSAGES}")


def test_more_parts_than_are_looked_at() -> None:
    """Parts of messages and of results count together."""
    results = message(TOOL, result("c1", *[{"text": "x"}] * (MOST_PARTS - 2)))
    good = conversation(message(ASSISTANT, call()), results)
    assert validate_generate(good) == []
    good.messages[0].parts.add(text="one more")
    assert_bad(good, "messages", f"at most {MOST_PARTS} parts")
