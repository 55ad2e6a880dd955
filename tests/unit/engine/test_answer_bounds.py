"""What an answer may take of the gateway's memory, and what happens beyond."""

import pytest

from sluice.v1 import content_pb2
from sluice_server.engine.assembler import MAX_PARTS
from sluice_server.errors import AnswerTooLargeError, ProviderProtocolError
from tests.unit.providers.reading import DONE, choice, fragment, read, sse, told


@pytest.mark.parametrize(("limit", "kept"), [(8, True), (7, False)])
def test_message_beyond_its_bound_is_left_out(limit: int, kept: bool) -> None:
    """Only the final message is dropped; deltas, reason and usage still come."""
    usage = {"usage": {"prompt_tokens": 1, "completion_tokens": 2}}
    pieces = [
        sse(choice(content="éé")),
        sse(choice(content="éé")),
        sse(choice("stop"), usage, DONE),
    ]
    answer = read(*pieces, max_message_bytes=limit)

    assert answer.whole.HasField("message") is kept
    assert told(answer.events) == [("text", "éééé")]
    assert answer.whole.usage.output_tokens == 2
    assert answer.characters == 4


def test_calls_are_whole_even_when_the_message_is_not() -> None:
    """A call behind the bound still comes whole, with its verdict, in PartFinished."""
    tool = content_pb2.Tool(name="f")
    pieces = [
        sse(choice(content="x" * 100)),
        sse(fragment(0, "a", "f", '{"a"')),
        sse(fragment(0, arguments=": 1}"), choice("tool_calls"), DONE),
    ]
    answer = read(*pieces, tools=[tool], max_message_bytes=50)
    calls = [
        e.part_finished.tool_call for e in answer.events if e.part_finished.HasField("tool_call")
    ]

    assert not answer.whole.HasField("message")
    assert [call.arguments_json for call in calls] == ['{"a": 1}']
    assert calls[0].check == content_pb2.ARGUMENTS_CHECK_VALID


def test_whole_answer_beyond_its_bound_fails() -> None:
    """WHOLE delivery cannot be cut short, so the turn says what to do instead."""
    pieces = [sse(choice(content="éé")), sse(choice(content="éé")), sse(choice("stop"), DONE)]

    assert read(*pieces, stream=False, max_whole_bytes=8).parts == [("text", "éééé")]
    error = read(*pieces, stream=False, max_whole_bytes=7).error
    assert isinstance(error, AnswerTooLargeError)
    assert "STREAM" in str(error)


def test_arguments_beyond_the_bound_fail() -> None:
    """One call's arguments must be kept for its verdict, so they are bounded."""
    pieces = [sse(fragment(0, "a", "f", "x" * 30)) for _ in range(3)]
    error = read(*pieces, max_message_bytes=64).error

    assert isinstance(error, ProviderProtocolError)


def test_parts_without_end_fail() -> None:
    """An answer of endless tiny parts is refused."""
    pair = [choice(reasoning="a"), choice(content="b")]
    body = sse(*pair * (MAX_PARTS // 2))

    assert len(read(body, sse(choice("stop"), DONE)).parts) == MAX_PARTS
    assert isinstance(read(body, sse(choice(reasoning="a"))).error, ProviderProtocolError)
