"""Token counts and log-probs: unknown is not zero, nothing is invented or summed."""

from typing import Any

import pytest

from sluice.v1 import event_pb2, usage_pb2
from sluice_server.providers.dialects.openai_chat import Quirks
from tests.unit.providers.reading import DONE, Answer, choice, read, sse

GOOD = {"prompt_tokens": 7, "completion_tokens": 3}


def with_usage(*usages: Any, quirks: Quirks | None = None, **chunk: Any) -> Answer:
    """Read an answer with a chunk for each of these usages."""
    chunks = [{"usage": usage, **chunk} for usage in usages]
    return read(sse(choice(content="Hi"), choice("stop"), *chunks, DONE), quirks=quirks)


def counts(usage: usage_pb2.Usage) -> dict[str, int]:
    """Return the counts that are present."""
    return {
        field.name.removesuffix("_tokens"): value
        for field, value in usage.ListFields()
        if field.name.endswith("_tokens")
    }


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (GOOD, {"input": 7, "output": 3}),
        ({"prompt_tokens": 0, "completion_tokens": 0}, {"input": 0, "output": 0}),
        ({"prompt_tokens": 7}, {"input": 7}),
        (None, {}),
        ({}, {}),
        ({"prompt_tokens": None, "completion_tokens": None}, {}),
        ({"prompt_tokens": -1, "completion_tokens": 3}, {"output": 3}),
        ({"prompt_tokens": 10**30, "completion_tokens": 3}, {"output": 3}),
        ({"prompt_tokens": 2**63, "completion_tokens": 3}, {"output": 3}),
        ({"prompt_tokens": "7", "completion_tokens": 3}, {}),
        ({"prompt_tokens": 7.5, "completion_tokens": 3}, {}),
        ([], {}),
        ("many", {}),
        (5, {}),
        (GOOD | {"prompt_tokens_details": None, "completion_tokens_details": None}, None),
        (GOOD | {"total_tokens": "x", "queue_time": 0.1, "extra": {}}, None),
        (
            GOOD
            | {
                "prompt_tokens_details": {"cached_tokens": 5, "cache_write_tokens": 2},
                "completion_tokens_details": {"reasoning_tokens": 1},
            },
            {
                "input": 7,
                "output": 3,
                "cache_read_input": 5,
                "cache_write_input": 2,
                "reasoning_output": 1,
            },
        ),
        (GOOD | {"prompt_cache_hit_tokens": 4}, {"input": 7, "output": 3, "cache_read_input": 4}),
        (
            GOOD | {"prompt_cache_hit_tokens": 4, "prompt_tokens_details": {"cached_tokens": 0}},
            {"input": 7, "output": 3, "cache_read_input": 0},
        ),
    ],
    ids=str,
)
@pytest.mark.parametrize("choices", [[], None])
def test_counts(usage: Any, expected: dict[str, int] | None, choices: Any) -> None:
    """Counts that make sense are passed on, the others left out; the answer stays good."""
    answer = with_usage(usage, choices=choices)

    assert answer.parts == [("text", "Hi")]
    assert counts(answer.whole.usage) == (
        {"input": 7, "output": 3} if expected is None else expected
    )


def test_nobody_counted() -> None:
    """Without usage there are no numbers, and nobody is named as their source."""
    usage = read(sse(choice("stop"), DONE)).whole.usage

    assert usage == usage_pb2.Usage()


def test_source_is_the_provider() -> None:
    """Counts of the provider are named as such."""
    assert with_usage(GOOD).whole.usage.source == usage_pb2.USAGE_SOURCE_PROVIDER


@pytest.mark.parametrize("last", [None, {}, {"prompt_tokens": "x"}])
def test_last_word_counts_and_nothing_is_summed(last: Any) -> None:
    """Running totals in every chunk end as the last of them; a null takes none back."""
    running = {"prompt_tokens": 7, "completion_tokens": 1}

    assert counts(with_usage(running, GOOD, last).whole.usage) == {"input": 7, "output": 3}


def test_usage_beside_text_is_read() -> None:
    """Usage counts wherever it stands."""
    answer = read(sse(choice("stop", content="Hi") | {"usage": GOOD}, DONE))

    assert counts(answer.whole.usage) == {"input": 7, "output": 3}


def test_odd_usage_does_not_spoil_its_chunk() -> None:
    """Text, id and model beside an odd usage are still read."""
    chunk = choice("stop", content="Hi") | {"usage": [1], "id": "r", "model": "m"}
    answer = read(sse(chunk, DONE))

    assert answer.parts == [("text", "Hi")]
    assert (answer.response_id, answer.model) == ("r", "m")


def test_reasoning_outside_the_completion_is_added() -> None:
    """Where a provider leaves reasoning out of its total, the total gets it back."""
    usage = GOOD | {"completion_tokens_details": {"reasoning_tokens": 10}}

    inclusive = with_usage(usage).whole.usage
    exclusive = with_usage(usage, quirks=Quirks(reasoning_outside_completion=True)).whole.usage
    assert (inclusive.output_tokens, exclusive.output_tokens) == (3, 13)


def logprobs(*tokens: Any, **delta: Any) -> dict[str, Any]:
    """Return a chunk with log-probs."""
    chunk = choice(**delta)
    chunk["choices"][0]["logprobs"] = {"content": list(tokens)}
    return chunk


def test_logprobs_follow_their_text() -> None:
    """Log-probs come behind the text that they belong to, with bytes where known."""
    token = {
        "token": "é",
        "logprob": -0.5,
        "bytes": [195],
        "top_logprobs": [{"token": "e", "logprob": -1.0, "bytes": None}],
    }
    answer = read(sse(logprobs(token, content="é"), choice("stop"), DONE))

    kinds = [event.WhichOneof("kind") for event in answer.events]
    assert kinds == ["part_started", "text_delta", "logprobs_delta", "part_finished"]
    assert answer.events[2].logprobs_delta.tokens[0] == event_pb2.TokenLogprob(
        token=b"\xc3", logprob=-0.5, top=[event_pb2.TokenLogprob(token=b"e", logprob=-1.0)]
    )


@pytest.mark.parametrize("bytes_", [[256], [-1], [10**9]])
def test_bytes_that_are_none_give_way_to_the_token(bytes_: list[int]) -> None:
    """Numbers that no byte can be do not break the answer."""
    answer = read(sse(logprobs({"token": "a", "bytes": bytes_}, content="a"), choice("stop")))
    (delta,) = [event.logprobs_delta for event in answer.events if event.HasField("logprobs_delta")]

    assert delta.tokens[0].token == b"a"


@pytest.mark.parametrize("value", [None, {}, {"content": None}, {"content": []}])
def test_empty_logprobs_say_nothing(value: Any) -> None:
    """A logprobs member without tokens makes no event."""
    chunk = choice(content="a")
    chunk["choices"][0]["logprobs"] = value
    answer = read(sse(chunk, choice("stop"), DONE))

    assert not any(event.HasField("logprobs_delta") for event in answer.events)
