"""Which functions are called, what the model is told, and when a run ends."""

import pytest

from sluice import Function, TurnLimitError, prompt, system, tool_result, user
from sluice.answers import Answer
from sluice.tools import Conversation, called
from sluice.v1 import content_pb2, event_pb2, gateway_service_pb2
from tests.unit.client_library.gateway import call

TOOL_CALLS = event_pb2.FINISH_REASON_TOOL_CALLS


def answer(finish_reason: event_pb2.FinishReason.ValueType, *parts: content_pb2.Part) -> Answer:
    """Return a turn's answer."""
    message = content_pb2.Message(role=content_pb2.ROLE_ASSISTANT, parts=parts)
    return Answer(message, finish_reason, None, None, None, None, "gen-1")


def function(name: str) -> Function[str]:
    """Return a function that nobody calls here."""
    return Function(name, f"About {name}.", '{"type":"object"}', lambda _: "", strict=True)


def conversation(
    *names: str,
    request: gateway_service_pb2.GenerateRequest | None = None,
    max_turns: int = 10,
) -> Conversation[str]:
    """Return a run with functions of these names."""
    request = request or prompt("up/m", "Weather?")
    return Conversation(request, [function(name) for name in names], max_turns)


def results(message: content_pb2.Message) -> list[tuple[str, str, bool]]:
    """Return call, words and failure of each result in a message."""
    return [
        (part.tool_result.tool_call_id, part.tool_result.parts[0].text, part.tool_result.is_error)
        for part in message.parts
    ]


def test_messages_in_a_word() -> None:
    """Each is what its name says."""
    assert prompt("up/m", "Hi") == gateway_service_pb2.GenerateRequest(
        model="up/m", messages=[user("Hi")]
    )
    assert user("Hi").role == content_pb2.ROLE_USER
    assert system("Be short.").role == content_pb2.ROLE_SYSTEM
    assert system("Be short.").parts == [content_pb2.Part(text="Be short.")]
    told = tool_result(call("f", id="c7").tool_call, "42")
    assert told.role == content_pb2.ROLE_TOOL
    assert results(told) == [("c7", "42", False)]
    assert results(tool_result(call("f").tool_call, "no", is_error=True)) == [("c1", "no", True)]


def test_functions_are_added_to_the_requests_own_tools() -> None:
    """The caller's request is left as it was."""
    request = prompt("up/m", "Weather?")
    request.tools.add(name="mine")
    run = conversation("weather", request=request)
    sent = run.request()
    assert sent is not None
    assert [tool.name for tool in sent.tools] == ["mine", "weather"]
    assert sent.tools[1] == content_pb2.Tool(
        name="weather",
        description="About weather.",
        input_schema_json='{"type":"object"}',
        strict=True,
    )
    assert [tool.name for tool in request.tools] == ["mine"]


def test_a_model_that_is_done_ends_the_run() -> None:
    """Its last message is part of the conversation."""
    run = conversation("weather")
    last = answer(event_pb2.FINISH_REASON_STOP, content_pb2.Part(text="Sunny."))
    assert run.add_answer(last) == []
    assert run.request() is None
    assert run.messages == [user("Weather?"), last.message]
    assert run.answers == [last]


def test_results_go_back_in_the_order_of_the_calls() -> None:
    """The model's message first, then one message with all results."""
    run = conversation("weather", "clock")
    turn = answer(TOOL_CALLS, call("clock", id="c1"), call("weather", id="c2"))
    first, second = run.add_answer(turn)
    assert (first.function, second.function) == (
        function_of(run, "clock"),
        function_of(run, "weather"),
    )
    run.add_results([first.done("noon"), second.failed("no such city")])
    sent = run.request()
    assert sent is not None
    question, asked, told = sent.messages
    assert (question, asked) == (user("Weather?"), turn.message)
    assert told.role == content_pb2.ROLE_TOOL
    assert results(told) == [("c1", "noon", False), ("c2", "no such city", True)]


def function_of(run: Conversation[str], name: str) -> Function[str]:
    """Return the function of this name."""
    return run._functions[name]


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (
            call("weather", check=content_pb2.ARGUMENTS_CHECK_MALFORMED_JSON),
            "The arguments are not valid JSON.",
        ),
        (
            call(
                "weather",
                check=content_pb2.ARGUMENTS_CHECK_SCHEMA_VIOLATION,
                violations=["/city: missing", "/town: not allowed"],
            ),
            "The arguments do not match the schema: /city: missing; /town: not allowed",
        ),
        (
            call("tides", check=content_pb2.ARGUMENTS_CHECK_UNKNOWN_TOOL),
            "There is no function named tides.",
        ),
        (
            call("tides", check=content_pb2.ARGUMENTS_CHECK_UNSPECIFIED),
            "There is no function named tides.",
        ),
    ],
    ids=["malformed", "violation", "unknown", "unknown and unchecked"],
)
def test_wrong_calls_are_not_made(wrong: content_pb2.Part, told: str) -> None:
    """The model is told what is wrong; calls beside it are made."""
    run = conversation("weather")
    first, second = run.add_answer(answer(TOOL_CALLS, wrong, call("weather", id="c2")))
    assert (first.function, first.wrong) == (None, told)
    assert second.function is not None


@pytest.mark.parametrize(
    "check", [content_pb2.ARGUMENTS_CHECK_VALID, content_pb2.ARGUMENTS_CHECK_UNSPECIFIED, 77]
)
def test_calls_that_are_not_known_to_be_wrong_are_made(
    check: content_pb2.ArgumentsCheck.ValueType,
) -> None:
    """Without a verdict, or with one that this client does not know, the function decides."""
    (task,) = conversation("weather").add_answer(answer(TOOL_CALLS, call("weather", check=check)))
    assert task.function is not None


@pytest.mark.parametrize(
    "check", [content_pb2.ARGUMENTS_CHECK_VALID, content_pb2.ARGUMENTS_CHECK_SCHEMA_VIOLATION]
)
def test_a_call_of_the_callers_own_tool_ends_the_run(
    check: content_pb2.ArgumentsCheck.ValueType,
) -> None:
    """Nothing of that turn is done, whatever else it calls."""
    request = prompt("up/m", "Weather?")
    request.tools.add(name="mine")
    run = conversation("weather", request=request)
    turn = answer(TOOL_CALLS, call("weather", id="c1"), call("mine", id="c2", check=check))
    assert run.add_answer(turn) == []
    assert run.request() is None
    assert run.messages[-1] == turn.message


def test_a_paused_turn_is_sent_back() -> None:
    """Without results."""
    run = conversation("weather")
    turn = answer(event_pb2.FINISH_REASON_PAUSED, content_pb2.Part(text="Searching"))
    assert run.add_answer(turn) == []
    sent = run.request()
    assert sent is not None
    assert list(sent.messages) == [user("Weather?"), turn.message]


def test_calls_beside_another_end_are_not_made() -> None:
    """A turn that was cut at its limit does not wait for results."""
    run = conversation("weather")
    assert run.add_answer(answer(event_pb2.FINISH_REASON_MAX_TOKENS, call("weather"))) == []
    assert run.request() is None


def test_a_turn_that_waits_for_nothing_ends_the_run() -> None:
    """It says that it calls tools, and calls none."""
    run = conversation("weather")
    assert run.add_answer(answer(TOOL_CALLS, content_pb2.Part(text="Hm."))) == []
    assert run.request() is None


@pytest.mark.parametrize(
    "more",
    [
        answer(TOOL_CALLS, call("weather")),
        answer(event_pb2.FINISH_REASON_PAUSED, content_pb2.Part(text="…")),
    ],
    ids=["calls", "paused"],
)
def test_more_turns_than_allowed(more: Answer) -> None:
    """The last turn is kept, its calls are not made, and nothing follows."""
    run = conversation("weather", max_turns=1)
    with pytest.raises(TurnLimitError, match="limit of 1 turns") as raised:
        run.add_answer(more)
    assert raised.value.max_turns == 1
    assert run.answers == [more]
    assert run.messages[-1] == more.message
    assert run.request() is None


def test_as_many_turns_as_allowed() -> None:
    """A model that is done in its last turn is done."""
    run = conversation("weather", max_turns=2)
    (task,) = run.add_answer(answer(TOOL_CALLS, call("weather")))
    run.add_results([task.done("sunny")])
    assert run.add_answer(answer(event_pb2.FINISH_REASON_STOP)) == []


def test_a_run_without_turns_is_refused() -> None:
    """It could not even ask."""
    with pytest.raises(ValueError, match="max_turns is 0"):
        conversation("weather", max_turns=0)


def test_a_result_must_be_text() -> None:
    """A function of another kind is told by name."""
    (task,) = conversation("weather").add_answer(answer(TOOL_CALLS, call("weather")))
    with pytest.raises(TypeError, match="weather returned NoneType; text is wanted"):
        task.done(None)


def test_stop_iteration_does_not_pass_for_the_end() -> None:
    """It would end the loop over the run without a word."""

    def exhausted(_: content_pb2.ToolCall) -> str:
        return next(iter(()))

    with pytest.raises(RuntimeError, match="weather raised StopIteration"):
        called(exhausted, call("weather").tool_call)
