"""Tool calls of an answer, in all the ways in which servers number and cut them."""

import re
from typing import Any

import pytest

from sluice.v1 import content_pb2, event_pb2
from sluice_server.engine.assembler import MAX_CALL_ID_CHARACTERS, MAX_NAMELESS_FRAGMENTS
from sluice_server.errors import ProviderProtocolError
from tests.unit.providers.reading import (
    DOCUMENT,
    DONE,
    Answer,
    choice,
    each_byte,
    fragment,
    read,
    sse,
    told,
)

TOOL = content_pb2.Tool(
    name="f",
    input_schema_json='{"type":"object","properties":{"x":{"type":"integer"}},"required":["x"]}',
)
MADE = re.compile(r"call_[0-9a-f]{24}")


def calls(*chunks: Any, **options: Any) -> Answer:
    """Read a stream of these chunks that ends with "tool_calls", and check its deltas."""
    body = sse(*chunks, choice("tool_calls"), DONE)
    answer = read(body, **options)
    assert answer.parts == told(answer.events)
    slowly = read(*each_byte(body), **options)
    assert [(c.name, c.arguments_json) for c in slowly.calls] == [
        (c.name, c.arguments_json) for c in answer.calls
    ]
    return answer


SHAPES: dict[str, tuple[list[Any], list[str]]] = {
    "fragments by index": (
        [
            fragment(0, "a", "f", ""),
            fragment(0, arguments='{"x"'),
            fragment(0, arguments=":1}"),
            fragment(1, "b", "g", "{}"),
        ],
        ['f {"x":1}', "g {}"],
    ),
    "interleaved indexes": (
        [
            fragment(0, "a", "f", '{"x"'),
            fragment(1, "b", "g", '{"y"'),
            fragment(0, arguments=":1}"),
            fragment(1, arguments=":2}"),
        ],
        ['f {"x":1}', 'g {"y":2}'],
    ),
    "all index 0 with new ids": (
        [fragment(0, "a", "f", '{"x":1}'), fragment(0, "b", "f", '{"x":2}')],
        ['f {"x":1}', 'f {"x":2}'],
    ),
    "all index 0 in fragments": (
        [
            fragment(0, "a", "f", '{"x"'),
            fragment(0, arguments=":1}"),
            fragment(0, "b", "f", '{"x"'),
            fragment(0, arguments=":2}"),
        ],
        ['f {"x":1}', 'f {"x":2}'],
    ),
    "all index 0 without ids": (
        [fragment(0, None, "f", '{"x":1}'), fragment(0, None, "g", '{"x":2}')],
        ['f {"x":1}', 'g {"x":2}'],
    ),
    "id and name on every fragment": (
        [fragment(0, "a", "f", '{"x"'), fragment(0, "a", "f", ":1}")],
        ['f {"x":1}'],
    ),
    "name on every fragment without ids": (
        [fragment(0, None, "f", '{"x"'), fragment(0, None, "f", ":1}")],
        ['f {"x":1}'],
    ),
    "no index": (
        [
            fragment(None, "a", "f", '{"x"'),
            fragment(None, arguments=":1}"),
            fragment(None, "b", "g", "{}"),
        ],
        ['f {"x":1}', "g {}"],
    ),
    "no index and no ids": (
        [fragment(None, None, "f", "{}"), fragment(None, None, "f", "{}")],
        ["f {}", "f {}"],
    ),
    "index with gaps": (
        [fragment(7, "a", "f", "{}"), fragment(3, "b", "g", "{}")],
        ["f {}", "g {}"],
    ),
    "name late": (
        [fragment(0, "a", None, '{"x"'), fragment(0, name="f"), fragment(0, arguments=":1}")],
        ['f {"x":1}'],
    ),
    "id late": ([fragment(0, None, "f", '{"x"'), fragment(0, "a", None, ":1}")], ['f {"x":1}']),
    "arguments as an object": (
        [fragment(0, "a", "f", {"x": 1, "a": ["é"]})],
        ['f {"x":1,"a":["é"]}'],
    ),
    "no arguments": ([fragment(0, "a", "f")], ["f {}"]),
    "empty arguments": ([fragment(0, "a", "f", ""), fragment(0, arguments="")], ["f {}"]),
    "blank arguments": ([fragment(0, "a", "f", " \n")], ["f {}"]),
    "null arguments": (
        [choice(tool_calls=[{"index": 0, "function": {"name": "f", "arguments": None}}])],
        ["f {}"],
    ),
    "several in one chunk": (
        [
            choice(
                tool_calls=[
                    {"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}},
                    {"index": 1, "id": "b", "function": {"name": "g", "arguments": "{}"}},
                ]
            )
        ],
        ["f {}", "g {}"],
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_calls_are_told_apart(shape: str) -> None:
    """Calls are neither merged nor split, however a server numbers them."""
    chunks, expected = SHAPES[shape]
    answer = calls(*chunks)

    assert answer.parts == [("tool_call", call) for call in expected]
    ids = [call.id for call in answer.calls]
    assert all(ids)
    assert len(set(ids)) == len(ids)


def test_ids_of_the_provider_are_kept() -> None:
    """An id that is unique stays, since the provider will look for it."""
    answer = calls(fragment(0, "a", "f", "{}"), fragment(1, "b", "f", "{}"))

    assert [call.id for call in answer.calls] == ["a", "b"]


@pytest.mark.parametrize("id", [None, "", "x" * (MAX_CALL_ID_CHARACTERS + 1), "a\nb", "used"])
def test_ids_that_cannot_be_used_are_replaced(id: str | None) -> None:
    """A call without a usable id, or with one of the history, gets one of ours."""
    answer = calls(fragment(0, id, "f", "{}"), used_call_ids={"used"})

    assert MADE.fullmatch(answer.calls[0].id)


def test_id_repeated_within_the_answer_is_replaced() -> None:
    """Two calls of one answer never share an id."""
    first, second = calls(fragment(0, "a", "f", "{}"), fragment(1, "a", "f", "{}")).calls

    assert first.id == "a"
    assert MADE.fullmatch(second.id)


def test_one_id_is_told_throughout() -> None:
    """Start, finish and the final message name the same id."""
    answer = calls(fragment(0, None, "f", "{}"))
    started = answer.events[0].part_started.tool_call.id
    finished = answer.events[-1].part_finished.tool_call.id

    assert started == finished == answer.calls[0].id


def test_finished_part_holds_the_whole_call() -> None:
    """A caller can run a call from PartFinished alone, before the stream ends."""
    answer = calls(fragment(0, "a", "f", '{"x": 1}'), tools=[TOOL])
    finished = [event.part_finished for event in answer.events if event.HasField("part_finished")]

    assert [part.tool_call for part in finished] == answer.calls


def test_call_without_a_name_is_an_unknown_tool() -> None:
    """A call that nobody named is told, with a verdict that says so."""
    (call,) = calls(fragment(0, "a", None, "{}"), tools=[TOOL]).calls

    assert call.name == ""
    assert call.check == content_pb2.ARGUMENTS_CHECK_UNKNOWN_TOOL


def test_call_that_is_never_named_is_bounded() -> None:
    """Arguments without end for a call without a name are refused."""
    body = sse(*[fragment(0, "a", None, "x")] * (MAX_NAMELESS_FRAGMENTS + 1))

    assert isinstance(read(body).error, ProviderProtocolError)


def test_truncated_arguments_are_kept_and_judged() -> None:
    """Arguments cut by the token limit are malformed, and the reason says why."""
    body = sse(fragment(0, "a", "f", '{"x": '), choice("length"), DONE)
    answer = read(body, tools=[TOOL])
    (call,) = answer.calls

    assert call.arguments_json == '{"x":'
    assert call.check == content_pb2.ARGUMENTS_CHECK_MALFORMED_JSON
    assert answer.whole.finish_reason == event_pb2.FINISH_REASON_MAX_TOKENS


@pytest.mark.parametrize(
    ("name", "arguments", "check"),
    [
        ("f", '{"x": 1}', content_pb2.ARGUMENTS_CHECK_VALID),
        ("f", '{"x": "1"}', content_pb2.ARGUMENTS_CHECK_SCHEMA_VIOLATION),
        ("f", "", content_pb2.ARGUMENTS_CHECK_SCHEMA_VIOLATION),
        ("f", "[]", content_pb2.ARGUMENTS_CHECK_SCHEMA_VIOLATION),
        ("f", "{", content_pb2.ARGUMENTS_CHECK_MALFORMED_JSON),
        ("g", '{"x": 1}', content_pb2.ARGUMENTS_CHECK_UNKNOWN_TOOL),
    ],
)
def test_verdicts(name: str, arguments: str, check: int) -> None:
    """Each call comes with the verdict on its arguments."""
    (call,) = calls(fragment(0, "a", name, arguments), tools=[TOOL]).calls

    assert call.check == check


def test_text_around_calls_keeps_its_place() -> None:
    """Text before and after a call are two parts."""
    answer = calls(choice(content="a"), fragment(0, "x", "f", "{}"), choice(content="b"))

    assert answer.parts == [("text", "a"), ("tool_call", "f {}"), ("text", "b")]


def test_calls_of_a_whole_document_need_no_index() -> None:
    """Calls in one JSON document have no index and stay apart."""
    body = (
        b'{"choices":[{"message":{"tool_calls":[{"id":"a","function":{"name":"f"}},'
        b'{"id":"b","function":{"name":"f","arguments":{"x":1}}}]},"finish_reason":"tool_calls"}]}'
    )

    parts = read(body, content_type=DOCUMENT).parts
    assert parts == [("tool_call", "f {}"), ("tool_call", 'f {"x":1}')]


def test_arguments_keep_their_exact_text() -> None:
    """Key order, large numbers and escapes of arguments are the model's own."""
    written = '{"b": 9007199254740993, "a": "\\u00e9", "b2": 1.0}'

    assert calls(fragment(0, "a", "f", written)).calls[0].arguments_json == written
