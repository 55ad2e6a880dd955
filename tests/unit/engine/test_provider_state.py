"""Provider state on its way into the final message, and reasoning that only the provider wants."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from sluice.v1 import content_pb2, event_pb2
from sluice.v1.gateway_service_pb2 import TOOL_CALL_VALIDATION_OFF
from sluice_server.engine.assembler import MAX_PARTS, AnswerRules, Assembler
from sluice_server.engine.parts import Origin
from sluice_server.engine.verdicts import Judge
from sluice_server.errors import AnswerTooLargeError, ProviderProtocolError
from sluice_server.providers.sink import TurnSink
from tests.unit.providers.reading import told

ORIGIN = Origin("main", "asked-model")
MIB = 1024 * 1024

Step = Callable[[TurnSink], None]


@dataclass
class Turn:
    """What came of the calls on the sink."""

    flushes: list[list[event_pb2.Event]]
    completed: event_pb2.Completed
    assembler: Assembler

    @property
    def events(self) -> list[event_pb2.Event]:
        """All events but Started and Completed."""
        return [e for flush in self.flushes for e in flush if e.WhichOneof("kind") not in _ENDS]

    @property
    def parts(self) -> list[content_pb2.Part]:
        """The parts of the final message."""
        return list(self.completed.message.parts)

    @property
    def kinds(self) -> list[str | None]:
        """The kinds of these parts."""
        return [part.WhichOneof("kind") for part in self.parts]

    @property
    def states(self) -> list[list[tuple[str, bytes]]]:
        """Kind and value of the state of each part."""
        return [[(s.kind, s.value) for s in part.provider_state] for part in self.parts]

    @property
    def edges(self) -> list[tuple[str, int]]:
        """Starts and ends of parts, in order."""
        return [
            (kind, getattr(event, kind).part)
            for event in self.events
            if (kind := event.WhichOneof("kind") or "") in {"part_started", "part_finished"}
        ]


_ENDS = ("started", "completed")


def run(
    *steps: Step, stream: bool = True, include_reasoning: bool = False, most_bytes: int = MIB
) -> Turn:
    """Take the steps one by one, flushing after each as after a read."""
    rules = AnswerRules(
        stream=stream,
        include_reasoning=include_reasoning,
        max_message_bytes=most_bytes,
        max_whole_bytes=most_bytes,
    )
    assembler = Assembler(rules, Judge((), TOOL_CALL_VALIDATION_OFF), (), ORIGIN)
    flushes = []
    for step in steps:
        step(assembler)
        message = assembler.flush()
        flushes.append(list(message.events) if message else [])
    completed = assembler.complete()
    message = assembler.flush()
    flushes.append(list(message.events) if message else [])
    return Turn(flushes, completed, assembler)


def text(words: str) -> Step:
    """Say something."""
    return lambda sink: sink.text(words)


def reasoning(words: str) -> Step:
    """Think something."""
    return lambda sink: sink.reasoning(words)


def state(kind: str, value: bytes = b"v", *, call: int | None = None) -> Step:
    """Attach state."""
    return lambda sink: sink.state(kind, value, call=call)


def opaque(kind: str, value: bytes = b"v") -> Step:
    """Add an opaque part."""
    return lambda sink: sink.opaque(kind, value)


def end(call: int | None = None) -> Step:
    """End a part."""
    return lambda sink: sink.end_part(call)


def call(key: int, *, name: str = "", arguments: str = "") -> Step:
    """Say a fragment of a call."""
    return lambda sink: sink.tool_call(key, id=f"id{key}", name=name, arguments=arguments)


def keep(sink: TurnSink) -> None:
    """Ask for reasoning to be kept."""
    sink.keep_reasoning()


def finish(sink: TurnSink) -> None:
    """Say that the model stopped."""
    sink.finish(event_pb2.FINISH_REASON_STOP, word="stop")


@pytest.mark.parametrize("stream", [True, False])
def test_state_of_the_open_part(stream: bool) -> None:
    """State goes to the part that is open, several in order, and its text goes on behind it."""
    turn = run(text("a"), state("x", b"\x00\xff"), text("b"), state("y"), stream=stream)
    assert [part.text for part in turn.parts] == ["ab"]
    assert turn.states == [[("x", b"\x00\xff"), ("y", b"v")]]


def test_state_names_its_issuer() -> None:
    """Every state tells the provider, and the model that the turn asked for."""
    turn = run(
        lambda sink: sink.identify(response_id="r", model="served-model", served_by="backend"),
        text("a"),
        state("x"),
        call(0, name="f"),
        state("y", call=0),
        opaque("z"),
    )
    issuers = {(s.provider, s.model) for part in turn.parts for s in part.provider_state}
    assert issuers == {("main", "asked-model")}
    assert turn.assembler.served_by == "backend"
    assert turn.assembler.model == "served-model"


def test_state_of_calls() -> None:
    """State under a call's key goes to that call, however calls and text interleave."""
    turn = run(
        call(0, name="f", arguments="{"),
        call(1, name="g", arguments="{"),
        state("of f", call=0),
        text("between"),
        state("of g", call=1),
        state("of text"),
        call(0, arguments="}"),
        call(1, arguments="}"),
    )
    assert turn.kinds == ["tool_call", "tool_call", "text"]
    assert turn.states == [[("of f", b"v")], [("of g", b"v")], [("of text", b"v")]]
    assert [part.tool_call.arguments_json for part in turn.parts[:2]] == ["{}", "{}"]


def test_state_before_a_call_has_its_name() -> None:
    """State waits for the name with the call's fragments."""
    turn = run(
        call(0, arguments='{"a"'),
        state("early", call=0),
        call(0, name="f", arguments=":1}"),
        state("late", call=0),
    )
    assert turn.kinds == ["tool_call"]
    assert turn.parts[0].tool_call.arguments_json == '{"a":1}'
    assert turn.states == [[("early", b"v"), ("late", b"v")]]


def test_state_of_a_call_that_is_never_named() -> None:
    """A call without a name keeps its state at the end."""
    turn = run(call(0, arguments="{}"), state("x", call=0))
    assert turn.states == [[("x", b"v")]]
    assert not turn.parts[0].tool_call.name


@pytest.mark.parametrize(
    "before",
    [(), (text("a"), end()), (call(0, name="f"),), (text("a"), opaque("o")), (text("a"), finish)],
    ids=["nothing", "ended", "call", "opaque", "finished"],
)
def test_state_without_an_open_part(before: tuple[Step, ...]) -> None:
    """State that has no part to stand on becomes a part of its own."""
    turn = run(*before, state("x"))
    assert turn.states[-1] == [("x", b"v")]
    assert turn.parts[-1].reasoning.redacted
    assert not turn.parts[-1].reasoning.text


@pytest.mark.parametrize(
    "before",
    [(), (call(0, name="f"), end(0)), (text("a"),)],
    ids=["nothing", "ended", "text"],
)
def test_state_of_an_unknown_call(before: tuple[Step, ...]) -> None:
    """State under a key that no open call has is kept too, as an opaque part."""
    turn = run(*before, state("x", call=0))
    assert turn.states == [*([[]] if before else []), [("x", b"v")]]


@pytest.mark.parametrize("stream", [True, False])
def test_opaque_parts_stand_in_their_place(stream: bool) -> None:
    """An opaque part ends what is open and stands between what came before and after."""
    turn = run(text("a"), opaque("x", b"1"), text("b"), opaque("y", b"2"), stream=stream)
    assert turn.kinds == ["text", "reasoning", "text", "reasoning"]
    assert turn.states == [[], [("x", b"1")], [], [("y", b"2")]]
    assert [part.reasoning.redacted for part in turn.parts] == [False, True, False, True]


def test_opaque_part_in_the_stream() -> None:
    """An opaque part starts and finishes at once, in the order of indexes, without deltas."""
    turn = run(text("a"), opaque("x"), text("b"))
    assert told(turn.events) == [("text", "a"), ("reasoning", ""), ("text", "b")]
    assert turn.edges == [
        ("part_started", 0),
        ("part_finished", 0),
        ("part_started", 1),
        ("part_finished", 1),
        ("part_started", 2),
        ("part_finished", 2),
    ]


def test_opaque_part_leaves_calls_open() -> None:
    """A call goes on behind an opaque part."""
    turn = run(call(0, name="f", arguments='{"a"'), opaque("x"), call(0, arguments=":1}"))
    assert turn.kinds == ["tool_call", "reasoning"]
    assert turn.parts[0].tool_call.arguments_json == '{"a":1}'


@pytest.mark.parametrize("say", [text, reasoning], ids=["text", "reasoning"])
def test_end_part_splits(say: Callable[[str], Step]) -> None:
    """What follows an ended part is another part, though of the same kind."""
    turn = run(say("a"), state("1"), end(), say("b"), say("c"), state("2"), include_reasoning=True)
    assert told(turn.events)[0][1] == "a"
    assert told(turn.events)[1][1] == "bc"
    assert turn.states == [[("1", b"v")], [("2", b"v")]]


def test_end_part_without_a_part() -> None:
    """Ending what is not open changes nothing."""
    turn = run(end(), end(5), text("a"), end(5), text("b"), end(), end())
    assert told(turn.events) == [("text", "ab")]


def test_empty_part_with_state_stays() -> None:
    """A part of empty text is a part: a signature may come with it."""
    turn = run(text("a"), end(), text(""), state("signature"), end())
    assert [part.text for part in turn.parts] == ["a", ""]
    assert turn.states == [[], [("signature", b"v")]]
    assert told(turn.events) == [("text", "a"), ("text", "")]


def test_ended_call_is_closed() -> None:
    """Ending a call finishes its part; the same key then means another call."""
    turn = run(
        call(0, name="f", arguments="{}"),
        end(0),
        call(0, name="g", arguments="{}"),
        state("x", call=0),
    )
    assert [part.tool_call.name for part in turn.parts] == ["f", "g"]
    assert turn.states == [[], [("x", b"v")]]
    assert turn.edges[:3] == [("part_started", 0), ("part_finished", 0), ("part_started", 1)]


def test_kept_reasoning_unasked() -> None:
    """Reasoning that only the provider wants is in the message, and without deltas."""
    turn = run(keep, reasoning("se"), reasoning("cret"), state("signature"), text("a"))
    assert [part.WhichOneof("kind") for part in turn.parts] == ["reasoning", "text"]
    assert turn.parts[0].reasoning.text == "secret"
    assert not turn.parts[0].reasoning.redacted
    assert turn.states == [[("signature", b"v")], []]
    assert told(turn.events) == [("reasoning", ""), ("text", "a")]
    assert turn.assembler.characters == 1


def test_kept_reasoning_starts_late() -> None:
    """The stream stays empty while the model thinks, so that another upstream may still serve."""
    turn = run(keep, reasoning("a"), reasoning("b"), text("c"))
    assert [len(flush) for flush in turn.flushes[:3]] == [0, 0, 0]
    assert turn.edges == [
        ("part_started", 0),
        ("part_finished", 0),
        ("part_started", 1),
        ("part_finished", 1),
    ]


@pytest.mark.parametrize("kept", [True, False])
def test_reasoning_asked_for(kept: bool) -> None:
    """A caller who wants reasoning gets deltas, whether or not the provider wants it back."""
    turn = run(*([keep] if kept else []), reasoning("a"), text("b"), include_reasoning=True)
    assert told(turn.events) == [("reasoning", "a"), ("text", "b")]
    assert turn.parts[0].reasoning.text == "a"


def test_reasoning_that_nobody_wants() -> None:
    """Unasked reasoning leaves no part, but the texts around it do not run together."""
    turn = run(text("a"), reasoning("x"), text("b"), text("c"))
    assert told(turn.events) == [("text", "a"), ("text", "bc")]
    assert [part.text for part in turn.parts] == ["a", "bc"]


def test_unasked_reasoning_proves_activity() -> None:
    """A model that thinks is at work, though nobody sees it."""
    turn = run(reasoning("x"))
    assert turn.assembler.active
    assert not turn.parts


def test_indexes_are_dense_with_calls_in_between() -> None:
    """Silent reasoning among calls that are open still starts in the order of indexes."""
    turn = run(
        keep,
        call(0, name="f", arguments="{"),
        reasoning("x"),
        call(1, name="g", arguments="{}"),
        reasoning("y"),
        call(0, arguments="}"),
        text("a"),
    )
    assert [kind for kind, _ in told(turn.events)] == [
        "tool_call",
        "reasoning",
        "tool_call",
        "reasoning",
        "text",
    ]
    assert turn.kinds == ["tool_call", "reasoning", "tool_call", "reasoning", "text"]


def test_log_probs_of_silent_reasoning() -> None:
    """Log-probs of what the caller does not see are not sent: their part has not started."""
    token = event_pb2.TokenLogprob(token=b"x", logprob=-1)
    turn = run(keep, reasoning("x"), lambda sink: sink.logprobs([token]), text("a"))
    assert told(turn.events) == [("reasoning", ""), ("text", "a")]
    assert not any(event.HasField("logprobs_delta") for event in turn.events)


def test_state_beyond_the_bound_of_a_stream() -> None:
    """State counts: beyond the bound the final message is left out, and the deltas still come."""
    fits = run(text("a"), state("x", b"v" * 99), most_bytes=100)
    assert fits.completed.HasField("message")
    turn = run(text("a"), state("x", b"v" * 100), text("b"), opaque("y", b"v"), most_bytes=100)
    assert not turn.completed.HasField("message")
    assert told(turn.events) == [("text", "ab"), ("reasoning", "")]


def test_kept_reasoning_beyond_the_bound() -> None:
    """Silent reasoning counts like any other content of the message."""
    turn = run(keep, reasoning("x" * 101), text("b"), most_bytes=100)
    assert not turn.completed.HasField("message")
    assert told(turn.events) == [("reasoning", ""), ("text", "b")]


@pytest.mark.parametrize(
    "step", [state("x", b"v" * 101), opaque("x", b"v" * 101)], ids=["state", "opaque"]
)
def test_state_beyond_the_bound_of_a_whole_answer(step: Step) -> None:
    """An answer delivered whole fails when its state does not fit."""
    with pytest.raises(AnswerTooLargeError):
        run(text(""), step, stream=False, most_bytes=100)


def test_opaque_parts_are_bounded() -> None:
    """Opaque parts count as parts of the answer."""
    with pytest.raises(ProviderProtocolError, match="parts"):
        run(*[opaque("x")] * (MAX_PARTS + 1))


def test_opaque_after_the_finish() -> None:
    """State that follows the finish reason still comes into the message."""
    turn = run(text("a"), finish, opaque("x"))
    assert turn.states == [[], [("x", b"v")]]
    assert turn.completed.finish_reason == event_pb2.FINISH_REASON_STOP


@pytest.mark.parametrize("nanos", [0, 1, 2**62])
def test_cost_of_the_provider(nanos: int) -> None:
    """What the provider charges is in the end, also when it is nothing; the last word counts."""
    turn = run(text("a"), lambda sink: sink.cost(7), lambda sink: sink.cost(nanos))
    assert turn.completed.cost.usd_nanos == nanos
    assert turn.completed.cost.provider_reported
    assert turn.completed.cost.price_source == "main"


def test_unknown_cost() -> None:
    """A provider that names no price leaves the cost absent, which is not zero."""
    assert not run(text("a")).completed.HasField("cost")


def test_identities_add_up() -> None:
    """An empty value says nothing; a later one replaces an earlier."""
    turn = run(
        lambda sink: sink.identify(response_id="r", model="", served_by="one"),
        lambda sink: sink.identify(response_id="", model="m"),
        lambda sink: sink.identify(response_id="", model="", served_by="two"),
    )
    found = turn.assembler
    assert (found.response_id, found.model, found.served_by) == ("r", "m", "two")
