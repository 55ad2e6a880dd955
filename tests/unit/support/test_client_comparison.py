"""Does the comparison of clients see what is different, and only that?"""

from typing import Any

import pytest
from google.protobuf.json_format import ParseError

from tests.e2e.clients.comparison import comparable, differences


@pytest.mark.parametrize(
    ("expected", "seen"),
    [
        ({"text": "a"}, {"text": "a", "more": 1}),
        ([{"a": 1}], [{"a": 1, "b": 2}]),
        ({"a": None}, {}),
        ({"a": {"match": "^x+$"}}, {"a": "xxx"}),
        ({"a": {"length": 2}}, {"a": [1, 2]}),
        ({"a": {"text": "ab", "times": 3}}, {"a": "ababab"}),
        ({"a": {"above": 5}}, {"a": 5.5}),
    ],
)
def test_what_agrees(expected: Any, seen: Any) -> None:
    """More than was asked for is no difference."""
    assert differences(expected, seen) == []


@pytest.mark.parametrize(
    ("expected", "seen"),
    [
        ({"text": "a"}, {"text": "b"}),
        ({"text": "a"}, {}),
        ({"a": {"b": 1}}, {"a": None}),
        ([{"a": 1}], [{"a": 1}, {"a": 1}]),
        ([{"a": 1}, {"a": 2}], [{"a": 1}]),
        ([], [{"a": 1}]),
        ({"a": None}, {"a": ""}),
        ({"a": {"match": "^x+$"}}, {"a": "xy"}),
        ({"a": {"match": "."}}, {"a": ""}),
        ({"a": {"length": 2}}, {"a": [1]}),
        ({"a": {"text": "ab", "times": 3}}, {"a": "abab"}),
        ({"a": {"above": 5}}, {"a": 5}),
        ({"a": {"above": 5}}, {"a": None}),
        ({"a": 1}, {"a": "1"}),
    ],
)
def test_what_differs(expected: Any, seen: Any) -> None:
    """Each difference is told once, with its place."""
    (difference,) = differences(expected, seen)
    assert difference.startswith("saw")


def test_messages_are_read_as_the_contract_has_them() -> None:
    """Both spellings of names, numbers of enums, and left-out zeros are the same event."""
    one = comparable([{"event": {"textDelta": {"part": 0, "text": "a"}}}])
    other = comparable([{"event": {"text_delta": {"text": "a"}}}])
    assert one == other == [{"event": {"text_delta": {"text": "a"}}}]
    (line,) = comparable([{"event": {"completed": {"finishReason": 1}}}])
    assert line == {"event": {"completed": {"finish_reason": "FINISH_REASON_STOP"}}}
    with pytest.raises(ParseError):
        comparable([{"event": {"nonsense": {}}}])


def test_deltas_of_one_part_are_one() -> None:
    """How they are cut is nobody's business; whose they are is."""
    pieces = [(1, "a"), (1, "b"), (2, "c"), (1, "d")]
    lines = [{"event": {"text_delta": {"part": part, "text": text}}} for part, text in pieces]
    joined = [line["event"]["text_delta"] for line in comparable(lines)]
    assert [(delta["part"], delta["text"]) for delta in joined] == [(1, "ab"), (2, "c"), (1, "d")]
    assert comparable([{"text": "a"}, {"text": "b"}]) == [{"text": "ab"}]


def test_functions_called_together_are_put_in_order() -> None:
    """Only those that follow each other directly."""
    lines: list[dict[str, Any]] = [
        {"called": {"id": "2", "name": "f"}},
        {"called": {"id": "1", "name": "f"}},
        {"event": {"started": {}}},
        {"called": {"id": "0", "name": "f"}},
    ]
    ids = [line["called"]["id"] for line in comparable(lines) if "called" in line]
    assert ids == ["1", "2", "0"]
