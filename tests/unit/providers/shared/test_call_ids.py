"""The ids that stand for a conversation's tool calls on the wire."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.v1 import content_pb2
from sluice_server.providers.call_ids import COMMON, NINE, CallIdFormat, CallIds

FORMATS = [COMMON, NINE]


def conversation(*ids: str) -> list[content_pb2.Message]:
    """Return messages that call a function under each id."""
    return [
        content_pb2.Message(
            role=content_pb2.ROLE_ASSISTANT,
            parts=[content_pb2.Part(tool_call=content_pb2.ToolCall(id=own, name="f"))],
        )
        for own in ids
    ]


@pytest.mark.parametrize(
    ("wanted", "id"),
    [(COMMON, "call_1"), (COMMON, "toolu_01-A"), (COMMON, "x" * 40), (NINE, "g6fVbXS8K")],
)
def test_id_that_fits_stays(wanted: CallIdFormat, id: str) -> None:
    """A provider sees its own ids again."""
    assert CallIds(conversation(id), wanted).wire(id) == id


@pytest.mark.parametrize(
    ("wanted", "id"),
    [
        (COMMON, "x" * 41),
        (COMMON, "a b"),
        (COMMON, "é"),
        (COMMON, "a\n"),
        (NINE, "call_1"),
        (NINE, "g6fVbXS8"),
        (NINE, "g6fVbXS8KK"),
        (NINE, "g6fVbXS8_"),
    ],
)
def test_id_that_does_not_fit_is_replaced(wanted: CallIdFormat, id: str) -> None:
    """The replacement has the format, and is the same in every turn."""
    wire = CallIds(conversation(id), wanted).wire(id)
    assert wanted.pattern.fullmatch(wire)
    assert wire.startswith(wanted.prefix)
    assert CallIds(conversation("earlier", id, "later"), wanted).wire(id) == wire


@pytest.mark.parametrize("wanted", FORMATS)
@given(ids=st.lists(st.text(min_size=1, max_size=50), unique=True, max_size=20))
def test_ids_stay_apart(wanted: CallIdFormat, ids: list[str]) -> None:
    """Different calls have different ids on the wire, all in the format."""
    known = CallIds(conversation(*ids), wanted)
    wire = [known.wire(own) for own in ids]
    assert len(set(wire)) == len(ids)
    assert all(map(wanted.pattern.fullmatch, wire))


@pytest.mark.parametrize("wanted", FORMATS)
def test_replacement_avoids_an_id_that_is_there(wanted: CallIdFormat) -> None:
    """A caller's id that equals the digest of another one does not collide with it."""
    digest = CallIds(conversation("a b"), wanted).wire("a b")
    known = CallIds(conversation("a b", digest), wanted)
    assert known.wire(digest) == digest
    assert known.wire("a b") != digest
    assert wanted.pattern.fullmatch(known.wire("a b"))


def test_id_of_no_call() -> None:
    """An id that no message declares gets the format all the same."""
    assert NINE.pattern.fullmatch(CallIds([], NINE).wire("unknown"))


def test_only_calls_of_the_model_count() -> None:
    """Ids in messages of other roles are not calls."""
    (message,) = conversation("x" * 9)
    message.role = content_pb2.ROLE_USER
    digest = CallIds([message], NINE).wire("x" * 9)
    assert digest != "x" * 9
