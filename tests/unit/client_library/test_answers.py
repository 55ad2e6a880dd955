"""What a turn's events amount to."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.answers import Answer, Assembly, known
from sluice.v1 import content_pb2, event_pb2, usage_pb2
from tests.unit.client_library.gateway import ID, call, completed, started, text

Event = event_pb2.Event


def assembled(*events: Event) -> Answer:
    """Return the answer of these events."""
    assembly = Assembly()
    for event in known(events):
        assembly.add(event)
    assert assembly.is_complete
    return assembly.answer()


def opened(part: int, kind: str) -> Event:
    """Return the beginning of a part without fields."""
    event = Event(part_started=event_pb2.PartStarted(part=part))
    getattr(event.part_started, kind).SetInParent()
    return event


def opened_call(part: int, name: str, id: str) -> Event:
    """Return the beginning of a call."""
    start = event_pb2.ToolCallStart(id=id, name=name)
    return Event(part_started=event_pb2.PartStarted(part=part, tool_call=start))


def arguments(part: int, fragment: str) -> Event:
    """Return more of a call's arguments."""
    return Event(tool_arguments_delta=event_pb2.ToolArgumentsDelta(part=part, fragment=fragment))


def reasoning(part: int, piece: str) -> Event:
    """Return more reasoning."""
    return Event(reasoning_delta=event_pb2.ReasoningDelta(part=part, text=piece))


def finished(part: int, tool_call: content_pb2.ToolCall | None = None) -> Event:
    """Return the end of a part."""
    return Event(part_finished=event_pb2.PartFinished(part=part, tool_call=tool_call))


def test_the_gateways_own_message_counts() -> None:
    """Whatever the deltas were: the message has what they cannot have, such as state."""
    state = content_pb2.ProviderState(provider="up", kind="signature", value=b"s")
    part = content_pb2.Part(text="Hello", provider_state=[state])
    answer = assembled(started(), text("Hel"), completed(event_pb2.FINISH_REASON_STOP, part))
    assert answer.message.parts == [part]
    assert answer.text == "Hello"
    assert answer.generation_id == ID


def test_what_is_told_and_what_is_not() -> None:
    """Absent figures are None, present ones are there."""
    bare = assembled(completed())
    assert (bare.usage, bare.cost, bare.timing, bare.upstream) == (None, None, None, None)
    assert bare.message == content_pb2.Message(role=content_pb2.ROLE_ASSISTANT)
    assert (bare.text, bare.refusal, bare.reasoning, bare.tool_calls) == ("", "", "", [])
    end = completed()
    end.completed.usage.input_tokens = 0
    end.completed.cost.usd_nanos = 0
    end.completed.timing.SetInParent()
    end.completed.upstream.provider = "up"
    full = assembled(end)
    assert full.usage == usage_pb2.Usage(input_tokens=0)
    assert full.cost == usage_pb2.Cost()
    assert full.timing == usage_pb2.Timing()
    assert full.upstream == event_pb2.Upstream(provider="up")


def test_parts_of_every_kind_are_put_together() -> None:
    """In the order of their numbers, each with its own words."""
    whole = call("clock", id="c2").tool_call
    answer = assembled(
        started(),
        opened(0, "reasoning"),
        reasoning(0, "Hm."),
        opened(1, "text"),
        opened_call(3, "clock", "c2"),
        text("Let me ", part=1),
        opened_call(2, "weather", "c1"),
        arguments(2, '{"city":'),
        text("see.", part=1),
        arguments(2, '"Rome"}'),
        finished(3, whole),
        opened(4, "refusal"),
        text("No.", part=4),
        opened(5, "text"),
        completed(event_pb2.FINISH_REASON_TOOL_CALLS),
    )
    unfinished = content_pb2.ToolCall(id="c1", name="weather", arguments_json='{"city":"Rome"}')
    assert answer.message == content_pb2.Message(
        role=content_pb2.ROLE_ASSISTANT,
        parts=[
            content_pb2.Part(reasoning=content_pb2.Reasoning(text="Hm.")),
            content_pb2.Part(text="Let me see."),
            content_pb2.Part(tool_call=unfinished),
            content_pb2.Part(tool_call=whole),
            content_pb2.Part(refusal="No."),
        ],
    )
    assert answer.reasoning == "Hm."
    assert answer.text == "Let me see."
    assert answer.refusal == "No."
    assert answer.tool_calls == [unfinished, whole]


def test_a_call_without_arguments_has_empty_ones() -> None:
    """A request with no arguments at all would be refused."""
    answer = assembled(opened_call(0, "clock", "c1"), completed())
    assert answer.tool_calls[0].arguments_json == "{}"


def test_deltas_speak_for_a_part_that_was_not_announced() -> None:
    """Their own kind is enough."""
    answer = assembled(text("Hi", part=1), reasoning(0, "Hm."), completed())
    assert (answer.text, answer.reasoning) == ("Hi", "Hm.")


def test_newer_kinds_are_skipped() -> None:
    """Events and parts that this contract does not have change nothing."""
    newer = Event.FromString(b"\xf2\x06\x05later")
    assert known([newer, started()]) == [started()]
    unknown_part = Event(part_started=event_pb2.PartStarted(part=0))
    assert assembled(newer, unknown_part, text("Hi", part=1), completed()).text == "Hi"


def test_numbers_of_a_newer_gateway_are_kept() -> None:
    """An enum's value without a name is its number."""
    end = Event(completed=event_pb2.Completed.FromString(b"\x08\x63"))
    assert assembled(end).finish_reason == 99


def test_there_is_no_answer_before_the_end() -> None:
    """What is not whole is not given out as if it were."""
    assembly = Assembly()
    assembly.add(text("Hel"))
    assert not assembly.is_complete
    with pytest.raises(ValueError, match="did not come to its end"):
        assembly.answer()


PIECES = st.lists(st.tuples(st.sampled_from(["text", "refusal", "reasoning", "call"]), st.text()))


@given(parts=PIECES, data=st.data())
def test_interleaved_parts_keep_their_own_text(
    parts: list[tuple[str, str]], data: st.DataObject
) -> None:
    """However deltas of several parts are cut and mixed, each part has its own, in order."""
    queues: list[list[Event]] = []
    for number, (kind, words) in enumerate(parts):
        cuts = sorted(data.draw(st.lists(st.integers(0, len(words)), max_size=3)))
        edges = [0, *cuts, len(words)]
        pieces = [words[a:b] for a, b in itertools.pairwise(edges)]
        if kind == "call":
            queues.append([opened_call(number, "f", str(number))])
            queues[-1] += [arguments(number, piece) for piece in pieces]
        elif kind == "reasoning":
            queues.append([opened(number, kind), *(reasoning(number, it) for it in pieces)])
        else:
            queues.append([opened(number, kind), *(text(it, part=number) for it in pieces)])
    order = data.draw(st.permutations([n for n, queue in enumerate(queues) for _ in queue]))
    answer = assembled(*(queues[number].pop(0) for number in order), completed())

    def words_of(kind: str) -> list[str]:
        return [words for name, words in parts if name == kind]

    assert answer.text == "".join(words_of("text"))
    assert answer.refusal == "".join(words_of("refusal"))
    assert answer.reasoning == "".join(words_of("reasoning"))
    written = [(it.id, it.arguments_json) for it in answer.tool_calls]
    assert written == [
        (str(number), words or "{}") for number, (kind, words) in enumerate(parts) if kind == "call"
    ]
