"""How a chat's conversation grows, stays open, and is taken back."""

import pytest

from sluice.answers import Answer
from sluice.cli.chat.conversation import Conversation
from sluice.cli.chat.totals import Totals
from sluice.messages import tool_result
from sluice.v1 import content_pb2, event_pb2, gateway_service_pb2, usage_pb2

STOP = event_pb2.FINISH_REASON_STOP
CALLS = event_pb2.FINISH_REASON_TOOL_CALLS
PAUSED = event_pb2.FINISH_REASON_PAUSED


def answered(
    *parts: content_pb2.Part,
    reason: event_pb2.FinishReason.ValueType = STOP,
    usage: usage_pb2.Usage | None = None,
    cost: usage_pb2.Cost | None = None,
) -> Answer:
    """Return an answer of these parts."""
    message = content_pb2.Message(role=content_pb2.ROLE_ASSISTANT, parts=parts)
    return Answer(message, reason, usage, cost, None, None, "gen_1")


def call(id: str) -> content_pb2.Part:
    """Return a part with a call."""
    return content_pb2.Part(tool_call=content_pb2.ToolCall(id=id, name="look", arguments_json="{}"))


def said(text: str) -> content_pb2.Part:
    """Return a part with text."""
    return content_pb2.Part(text=text)


@pytest.fixture
def talk() -> Conversation:
    """Return a conversation in which nothing was said."""
    return Conversation(gateway_service_pb2.GenerateRequest(model="up/test-model"))


def texts(talk: Conversation) -> list[str]:
    """Return the text of each message."""
    return ["".join(part.text for part in message.parts) for message in talk.request.messages]


def test_a_turn_is_open_until_the_model_is_done(talk: Conversation) -> None:
    """Results of calls and pauses belong to it."""
    opened = [talk.is_open]
    talk.ask("look")
    opened.append(talk.is_open)
    talk.add(answered(call("a"), call("b"), reason=CALLS))
    opened.append(talk.is_open)
    assert [it.id for it in talk.unanswered] == ["a", "b"]
    talk.add_results([tool_result(it, "seen").parts[0] for it in talk.unanswered])
    opened.append(talk.is_open)
    assert talk.unanswered == []
    talk.add(answered(said("one moment"), reason=PAUSED))
    opened.append(talk.is_open)
    talk.add(answered(said("a bird")))
    opened.append(talk.is_open)
    assert opened == [False, True, True, True, True, False]


def test_a_call_wants_a_result_whyever_the_answer_ended(talk: Conversation) -> None:
    """It is refused without one on the next turn."""
    talk.ask("look")
    talk.add(answered(call("a"), reason=event_pb2.FINISH_REASON_MAX_TOKENS))
    assert talk.is_open
    assert [it.id for it in talk.unanswered] == ["a"]


def test_asking_drops_what_is_open(talk: Conversation) -> None:
    """The question, the calls and the results of a turn that did not end."""
    talk.ask("one")
    talk.add(answered(said("1")))
    talk.ask("two")
    talk.add(answered(call("a"), reason=CALLS))
    talk.ask("three")
    assert texts(talk) == ["one", "1", "three"]


def test_undo_takes_back_a_turn_at_a_time(talk: Conversation) -> None:
    """Down to the instructions, which stay."""
    talk.system = "Be short."
    for number in ("one", "two"):
        talk.ask(number)
        talk.add(answered(said("yes")))
    assert talk.undo()
    assert texts(talk) == ["Be short.", "one", "yes"]
    assert talk.undo()
    assert not talk.undo()
    assert texts(talk) == ["Be short."]


def test_instructions_are_replaced_and_outlive_a_reset(talk: Conversation) -> None:
    """They stand first, once."""
    talk.ask("one")
    talk.system = "a"
    talk.system = "b"
    assert texts(talk) == ["b", "one"]
    talk.reset()
    assert (texts(talk), talk.is_open) == (["b"], False)
    talk.system = ""
    assert texts(talk) == []


def test_a_stopped_answer_is_what_was_shown(talk: Conversation) -> None:
    """Without any text the turn stays open."""
    talk.ask("one")
    opened = []
    for shown in ("", "Once"):
        talk.stop(shown)
        opened.append(talk.is_open)
    assert opened == [True, False]
    assert texts(talk) == ["one", "Once"]


def test_saved_and_loaded_it_is_the_same(talk: Conversation) -> None:
    """Provider state, options and an open turn included."""
    state = content_pb2.ProviderState(provider="up", kind="signature", value=b"\0\xff")
    talk.system = "Be short."
    talk.request.options.temperature = 0
    talk.ask("look")
    part = call("a")
    part.provider_state.append(state)
    talk.add(answered(part, reason=CALLS))
    other = Conversation(gateway_service_pb2.GenerateRequest())
    other.load(talk.saved())
    assert other.request == talk.request
    assert other.request.options.HasField("temperature")
    assert other.is_open
    assert [it.id for it in other.unanswered] == ["a"]
    talk.add_results([tool_result(talk.unanswered[0], "seen").parts[0]])
    talk.add(answered(said("a bird")))
    other.load(talk.saved())
    assert not other.is_open


@pytest.mark.parametrize("saved", ["", "no", "[]", '{"model": 3}', '{"nothing": "known"}'])
def test_what_is_no_conversation_is_refused(talk: Conversation, saved: str) -> None:
    """And changes nothing."""
    talk.ask("one")
    with pytest.raises(ValueError, match=r"."):
        talk.load(saved)
    assert texts(talk) == ["one"]


def test_totals_tell_what_is_not_known() -> None:
    """A turn that nobody counted or priced is no 0."""
    totals = Totals()
    usage = usage_pb2.Usage(input_tokens=10, output_tokens=3)
    totals.add(answered(usage=usage, cost=usage_pb2.Cost(usd_nanos=2000, wasted_usd_nanos=500)))
    assert str(totals) == "1 turns · 10 tokens in, 3 out · $0.000003"
    totals.add(answered())
    assert "1 turns uncounted" in str(totals)
    assert "1 turns of unknown cost" in str(totals)
