"""Requests of real clients, translated to the contract and encoded again: the same requests.

What the contract has no room for is left out of the comparison (`Translated.uncovered`),
and forms that mean the same are made alike (`normal_form`). Whatever differs still is a
row of `DIFFERENCES` with its reason. The recordings are not part of the repository.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import unquote

import pytest

from sluice_server.errors import UnsupportedFeatureError
from tests.support.recorded.cases import ABSENT, MAY_BE_ABSENT, Exchange, exchanges
from tests.support.recorded.normal_form import ABSENT as NOTHING
from tests.support.recorded.normal_form import differences, normal
from tests.support.recorded.presets import dialect_for, preset_for
from tests.support.recorded.requests import EXCLUDED, covered, translate

PROVIDER = "up"
_NUMBER = re.compile(r"\[\d+\]")


@dataclass(frozen=True)
class Row:
    """Requests that do not come back as they were, on purpose."""

    providers: str
    """Recorded providers and APIs, as `provider.api`, with spaces between."""
    path: str
    """Where, without numbers: a field of the contract for requests that are turned
    down, else a member of the normal form of the body."""
    reason: str
    how: str = ""
    """For differences: "added", "left out" or "changed"."""
    case: str = ""
    """The only recorded case that the row is for, as the end of its name."""

    def __str__(self) -> str:
        """Name the row for pytest."""
        return f"{self.providers} {self.path} {self.how}".strip()

    def covers(self, exchange: Exchange, path: str, how: str = "") -> bool:
        """Tell whether the row speaks of this."""
        served = f"{exchange.provider}.{exchange.api}" in self.providers.split()
        named = not self.case or exchange.name.partition("#")[0].endswith(self.case)
        return served and named and (path, how) == (self.path, self.how)


REJECTED: tuple[Row, ...] = (
    Row(
        "anthropic.messages",
        "messages[].role",
        "The recording client sent a bare string as a message, to be refused.",
        case="f5c3a9",
    ),
    Row(
        "anthropic.messages",
        "messages[].parts",
        "The same message: a string has no parts.",
        case="f5c3a9",
    ),
    Row(
        "groq.chat",
        "messages[].parts[].tool_call.arguments_json",
        'Arguments that are "null" are no object.',
        case="9a73d7",
    ),
    Row(
        "llamacpp.chat",
        "messages[].parts[].media.data",
        "The recording client sent a data: address without data, to be refused.",
        case="4fdb6f",
    ),
    Row(
        "xai.chat",
        "tool_choice",
        "Without tools, OpenAI refuses `parallel_tool_calls` (`openai.md` section 12).",
        case="b72c70",
    ),
)
"""Recorded requests that break a rule of the contract."""

REFUSED: tuple[Row, ...] = (
    Row(
        "deepseek.chat",
        "messages[].parts[].media",
        "No model of DeepSeek takes images; it answered this one with a 400.",
        case="e59910",
    ),
    Row(
        "deepseek.chat",
        "tool_choice",
        "Not while thinking (`openai-compatible.md` section 4); these were answered with a 400.",
        case="b556ba",
    ),
    Row(
        "xai.chat",
        "options.reasoning.effort",
        "This model takes none (`openai-compatible.md` section 5); it answered with a 400.",
        case="b9fb62",
    ),
    Row(
        "gemini.generateContent",
        "options.temperature",
        "From 3.5 Flash on temperature is ignored, later an error (`gemini.md` section 3.5).",
    ),
)
"""Requests that a dialect cannot say, or knows that the provider does not take."""

DIFFERENCES: tuple[Row, ...] = (
    Row(
        "anthropic.messages",
        "thinking.display",
        "Models that take a budget show their thinking unasked (`anthropic.md` section 3.4).",
        "left out",
    ),
    Row(
        "azure.chat",
        "model",
        "The deployment in the path is the model (`openai.md` section 1).",
        "left out",
    ),
    Row(
        "cerebras.chat",
        "reasoning_effort",
        "GLM has a switch of its own instead of the effort none (`cerebras.md` section 2).",
        "left out",
    ),
    Row("cerebras.chat", "disable_reasoning", "The switch of the row above.", "added"),
    Row(
        "deepseek.chat",
        "reasoning_effort",
        "DeepSeek takes medium for high (`openai-compatible.md` section 4), and we say so.",
        "changed",
    ),
    Row(
        "deepseek.chat",
        "thinking",
        "Who names an effort wants thinking, which is a switch there (section 4).",
        "added",
    ),
    Row(
        "deepseek.chat",
        "tools[].function.strict",
        "Strict functions are for another address, /beta (section 4).",
        "left out",
    ),
    Row(
        "deepseek.chat",
        "messages[].reasoning",
        "Turns with calls need the member, be it empty (section 4).",
        "added",
    ),
    Row(
        "deepseek.chat",
        "messages[].reasoning",
        "In turns without calls it is ignored (section 4).",
        "left out",
    ),
    Row(
        "gpustack.chat llamacpp.chat vercel-gateway.chat xai.chat zai.chat",
        "messages[].reasoning",
        "No reference of these names a member for reasoning on its way back.",
        "left out",
    ),
    Row(
        "mistral.chat",
        "messages[].tool_calls[].id",
        "The recorder's placeholders; Mistral takes nine letters and digits "
        "(`openai-compatible.md` section 3).",
        "changed",
        "94714a",
    ),
    Row(
        "mistral.chat",
        "messages[].tool_call_id",
        "The same ids, in the results.",
        "changed",
        "94714a",
    ),
    Row(
        "openrouter.chat",
        "messages[].content[].cache_control.ttl",
        "No lifetime is documented (`openrouter.md` section 3); five minutes is Anthropic's own.",
        "left out",
    ),
)
"""What our request says otherwise than the recorded one."""


@dataclass(frozen=True)
class Outcome:
    """What became of one recorded request."""

    rejected: tuple[str, ...] = ()
    """Paths of the contract's fields that the edge objects to."""
    refused: tuple[str, ...] = ()
    """Paths of the contract's fields that the dialect cannot say."""
    different: tuple[tuple[str, Any, Any], ...] = ()
    """Path, recorded value and sent value of each difference."""

    def used(self, exchange: Exchange) -> Iterable[tuple[tuple[Row, ...], str, str, object]]:
        """Yield for each oddity its table, path, kind and what to show."""
        for path in self.rejected:
            yield REJECTED, _NUMBER.sub("[]", path), "", "rejected by the edge"
        for path in self.refused:
            yield REFUSED, _NUMBER.sub("[]", path), "", "refused by the dialect"
        for path, recorded, sent in self.different:
            how = "added" if recorded == NOTHING else "left out" if sent == NOTHING else "changed"
            shown = {"at": path, "recorded": recorded, "sent": sent}
            yield DIFFERENCES, _NUMBER.sub("[]", path), how, shown


REQUESTS = {
    exchange.name: exchange
    for exchange in exchanges()
    if exchange.request is not None and exchange.api not in EXCLUDED
}


@cache
def outcome(name: str) -> Outcome:
    """Take one recorded request there and back."""
    exchange = REQUESTS[name]
    kind, model = preset_for(exchange)
    translated = translate(exchange, provider=PROVIDER, model=model)
    assert translated is not None
    if translated.rejected:
        return Outcome(rejected=translated.rejected)
    try:
        encoded = dialect_for(kind, model).encode(
            translated.request, provider=PROVIDER, model=model
        )
    except UnsupportedFeatureError as error:
        return Outcome(refused=tuple(violation.field for violation in error.violations))
    recorded = normal(exchange.api, covered(exchange, translated))
    sent = normal(exchange.api, json.loads(encoded.body))
    different = list(differences(recorded, sent))
    if model not in unquote(encoded.path) and sent.get("model") != model:
        different.append(("(address)", model, encoded.path))
    return Outcome(different=tuple(different))


def test_recordings_are_there() -> None:
    """The recordings are read; without them the round trip proves nothing."""
    if not REQUESTS:
        (pytest.skip if MAY_BE_ABSENT else pytest.fail)(ABSENT)


@pytest.mark.parametrize("name", REQUESTS)
def test_request_comes_back(name: str) -> None:
    """A recorded request, through the contract and our encoder, is the same request."""
    exchange = REQUESTS[name]
    unexplained = [
        (path, how, shown)
        for table, path, how, shown in outcome(name).used(exchange)
        if not any(row.covers(exchange, path, how) for row in table)
    ]
    assert not unexplained


@pytest.mark.parametrize("row", [*REJECTED, *REFUSED, *DIFFERENCES], ids=str)
def test_no_row_is_stale(row: Row) -> None:
    """Every provider of every row still does what the row says."""
    if not REQUESTS:
        pytest.skip(ABSENT)
    seen = {
        f"{exchange.provider}.{exchange.api}"
        for name, exchange in REQUESTS.items()
        for table, path, how, _ in outcome(name).used(exchange)
        if row in table and row.covers(exchange, path, how)
    }
    assert seen == set(row.providers.split())


def test_every_api_is_translated_or_excluded() -> None:
    """No recorded API is forgotten, and none is excluded that isn't recorded."""
    if not REQUESTS:
        pytest.skip(ABSENT)
    apis = {exchange.api for exchange in exchanges()}
    assert {exchange.api for exchange in REQUESTS.values()} == apis - set(EXCLUDED)
    assert set(EXCLUDED) <= apis
