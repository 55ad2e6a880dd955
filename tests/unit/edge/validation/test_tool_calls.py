"""Calls matched with results: every call answered once, in the TOOL messages after it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice_server.edge.validation import validate_generate
from tests.unit.edge.validation.building import (
    ASSISTANT,
    SYSTEM,
    TOOL,
    USER,
    assert_bad,
    call,
    conversation,
    message,
    result,
    said,
)

ASKED = message(ASSISTANT, call())

BAD: dict[str, tuple[list[dict[str, Any]], str, str]] = {
    "call at the end": ([said(USER), ASKED], "messages[1].parts[0].tool_call.id", 'call "c1"'),
    "call before the next question": (
        [said(USER), ASKED, said(USER)],
        "messages[1].parts[0].tool_call.id",
        "directly after messages[1]",
    ),
    "call before the next answer": (
        [said(USER), ASKED, said(ASSISTANT), said(USER)],
        "messages[1].parts[0].tool_call.id",
        "or leave the call out",
    ),
    "one of two calls": (
        [message(ASSISTANT, call("a"), call("b")), message(TOOL, result("a"))],
        "messages[0].parts[1].tool_call.id",
        'Answer the call "b"',
    ),
    "result without calls": (
        [said(USER), message(TOOL, result())],
        "messages[1].parts[0].tool_result.tool_call_id",
        "Answer a call of the conversation",
    ),
    "result before its call": (
        [message(TOOL, result("a")), said(USER)],
        "messages[0].parts[0].tool_result.tool_call_id",
        "before this result",
    ),
    "result twice": (
        [ASKED, message(TOOL, result(), result())],
        "messages[1].parts[1].tool_result.tool_call_id",
        "Keep one result",
    ),
    "result again, later": (
        [ASKED, message(TOOL, result()), said(USER), message(TOOL, result())],
        "messages[3].parts[0].tool_result.tool_call_id",
        "Keep one result",
    ),
    "result of no id": (
        [ASKED, message(TOOL, result(), result(""))],
        "messages[1].parts[1].tool_result.tool_call_id",
        "Name the call",
    ),
    "id used again": (
        [ASKED, message(TOOL, result()), ASKED, message(TOOL, result())],
        "messages[2].parts[0].tool_call.id",
        "is the call at messages[0].parts[0]",
    ),
    "id used twice at once": (
        [message(ASSISTANT, call(), call()), message(TOOL, result())],
        "messages[0].parts[1].tool_call.id",
        "an id of its own",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_each_mismatch_is_named(case: str) -> None:
    """One call or result too many or too few is one violation at its id."""
    messages, field, says = BAD[case]
    assert_bad(conversation(*messages), field, says)


@pytest.mark.parametrize("between", [said(USER), said(SYSTEM), said(ASSISTANT)])
def test_a_late_result_is_named_with_its_call(between: dict[str, Any]) -> None:
    """Both ends are reported, and the result is told where it belongs."""
    found = validate_generate(conversation(said(USER), ASKED, between, message(TOOL, result())))
    assert [violation.field for violation in found] == [
        "messages[1].parts[0].tool_call.id",
        "messages[3].parts[0].tool_result.tool_call_id",
    ]
    assert "directly after messages[1]" in found[1].description


def test_ids_are_echoed_cut_and_escaped() -> None:
    """A hostile id cannot write lines into whatever shows the status."""
    found = validate_generate(conversation(said(USER), message(TOOL, result("\n" + "x" * 1_000))))
    assert len(found) == 1
    assert '"\\nxxx' in found[0].description
    assert len(found[0].description) < 200


@st.composite
def turns(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Draw a valid conversation in which some turns call tools, answered in any order."""
    messages = [said(USER)]
    for turn in range(draw(st.integers(1, 4))):
        ids = [f"t{turn}-{number}" for number in range(draw(st.integers(0, 3)))]
        if ids:
            messages.append(message(ASSISTANT, {"text": "wait"}, *map(call, ids)))
            results = [result(call_id, {"text": "5"}) for call_id in draw(st.permutations(ids))]
            split = draw(st.integers(0, len(results)))
            messages += [
                message(TOOL, *half) for half in (results[:split], results[split:]) if half
            ]
        messages.append(said(draw(st.sampled_from([USER, ASSISTANT]))))
    return messages


def places(messages: list[dict[str, Any]], kind: str) -> list[tuple[int, int]]:
    """Return where parts of a kind are."""
    return [
        (number, place)
        for number, one in enumerate(messages)
        for place, part in enumerate(one["parts"])
        if kind in part
    ]


@given(turns())
def test_matched_conversations_are_good(messages: list[dict[str, Any]]) -> None:
    """Calls may be parallel, and their results in any order, in one TOOL message or several."""
    assert validate_generate(conversation(*messages)) == []


@given(turns(), st.sampled_from(["tool_call", "tool_result"]), st.data())
def test_removing_either_side_is_reported_at_the_other(
    messages: list[dict[str, Any]], kind: str, data: st.DataObject
) -> None:
    """Without its result a call is named, and without its call a result is."""
    found = places(messages, kind)
    if not found:
        return
    number, place = data.draw(st.sampled_from(found))
    removed = messages[number]["parts"][place][kind]
    removed_id = removed["id" if kind == "tool_call" else "tool_call_id"]
    kept = [part for part in messages[number]["parts"] if part.get(kind) is not removed]
    messages[number] = message(messages[number]["role"], *kept)
    if not kept:
        del messages[number]
    other, field = ("tool_result", "tool_call_id") if kind == "tool_call" else ("tool_call", "id")
    at = next(
        (number, place)
        for number, place in places(messages, other)
        if messages[number]["parts"][place][other][field] == removed_id
    )
    assert_bad(
        conversation(*messages),
        f"messages[{at[0]}].parts[{at[1]}].{other}.{field}",
        f'"{removed_id}"',
    )
