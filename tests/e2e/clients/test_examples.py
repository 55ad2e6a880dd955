"""Do the example programs of all languages do the same, word for word?"""

import os
import re
from collections.abc import Sequence

import pytest

from tests.e2e.clients.languages import EXAMPLES, at_once
from tests.support.configuration import MODEL, configuration
from tests.support.openai_stream import (
    DONE,
    error,
    failure,
    finish,
    role,
    text,
    tool_call,
    usage,
)
from tests.support.programs import outcome
from tests.support.replies import Close, Reply, sse
from tests.support.server import RunningServer, running
from tests.support.tools import tool
from tests.support.upstream import Upstream

SECONDS = 60.0
TOKEN = "token-of-the-example-program-0123456789"
PRICES = {"up": {"prices": {"*": {"input": 1, "output": 10}}}}

SHOWN = """\
> Write one sentence about rivers.
Rivers run.
[12 tokens in, 3 out, $0.000042]
> What is the weather in Paris?
Let me see.
get_weather({"city":"Paris"})
[20 tokens in, 9 out, $0.000110]
It is sunny in Paris.
[? tokens in, ? out, cost unknown]
"""


def weather() -> Reply:
    """Return an answer that says something and calls the example's function."""
    return sse(
        role(),
        text("Let me see."),
        tool_call(0, id="c1", name="get_weather", arguments='{"city":'),
        tool_call(0, arguments='"Paris"}'),
        finish("tool_calls"),
        usage(20, 9),
        DONE,
    )


def answers() -> list[Reply]:
    """Return what the provider says to a whole run; the last answer counts no tokens."""
    rivers = sse(role(), text("Rivers"), text(" run."), finish("stop"), usage(12, 3), DONE)
    sunny = sse(role(), text("It is sunny in Paris."), finish("stop"), DONE)
    return [rivers, weather(), sunny]


async def example(language: str, server: RunningServer, **variables: str) -> tuple[int, str, str]:
    """Run an example and return its exit code and what it printed on both streams."""
    return await outcome(
        *(tool(f"example-{language}"), server.listen, MODEL),
        seconds=SECONDS,
        env={**os.environ, **variables},
    )


@pytest.fixture
def examples(languages: Sequence[str]) -> list[str]:
    """The languages whose examples are to be run."""
    return [language for language in EXAMPLES if language in languages]


async def test_examples_show_the_same(examples: list[str], subtests: pytest.Subtests) -> None:
    """Text as it comes, the call, its answer, tokens and money; the result went back."""

    async def play(language: str) -> None:
        async with Upstream() as upstream:
            upstream.reply(*answers())
            config = configuration(
                upstream, providers=PRICES, callers=[{"name": "example", "token": TOKEN}]
            )
            async with running(config) as server:
                assert await example(language, server, SLUICE_TOKEN=TOKEN) == (0, SHOWN, "")
        first, second, third = (request.json for request in upstream.requests)
        question = "Write one sentence about rivers."
        assert first["messages"] == [{"role": "user", "content": question}]
        (function,) = (entry["function"] for entry in second["tools"])
        assert (function["name"], function["description"]) == (
            "get_weather",
            "Current weather of a city.",
        )
        assert function["parameters"]["required"] == ["city"]
        assert third["messages"][-1]["content"] == "21 °C, sunny"

    await at_once(examples, play, subtests)


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (
            failure(429, "Slow.", code="rate_limit_exceeded", headers=[("retry-after-ms", "2500")]),
            r"PROVIDER_RATE_LIMITED: .+; try again in 2\.5 s\n",
        ),
        (failure(404, code="model_not_found"), r"MODEL_NOT_FOUND: [^;]+\n"),
        (sse(role(), text("Riv"), error("Broken.")), r"PROVIDER_UNAVAILABLE: .+\n"),
        (sse(role(), text("Riv"), Close()), r"STREAM_TRUNCATED: .+\n"),
    ],
    ids=["with a wait", "without", "in the stream", "cut"],
)
async def test_examples_tell_failures(
    examples: list[str], fault: Reply, told: str, subtests: pytest.Subtests
) -> None:
    """A failure is told in one line, with its delay, and the exit code says so."""

    async def play(language: str) -> None:
        async with Upstream() as upstream:
            upstream.reply(fault)
            async with running(configuration(upstream)) as server:
                code, out, err = await example(language, server)
        assert code == 1
        assert out.startswith("> Write one sentence about rivers.\n")
        assert re.fullmatch(told, err), err

    await at_once(examples, play, subtests)
