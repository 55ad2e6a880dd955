"""Recorded traffic of real providers, through the real server, against their own libraries.

What a library makes of the recorded bytes is in `tests.support.recorded.oracles`, how they
reach the server in `tests.support.recorded.replay`. Here stands what must be equal, and
every difference that is meant to be.
"""

import json
import random
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from sluice.v1 import event_pb2, gateway_service_pb2, usage_pb2
from sluice_server.errors import SluiceError, UpstreamError
from sluice_server.providers.presets import PRESETS
from tests.support.client import request as minimal_request
from tests.support.configuration import API_KEY
from tests.support.recorded import cases, presets, requests
from tests.support.recorded.cases import Exchange
from tests.support.recorded.oracles import Expected, expected
from tests.support.recorded.replay import Outcome, Stage, base_path, cuts, stage
from tests.support.recorded.tally import Meant, Tally
from tests.unit.providers import reading

EXCLUDED = {api: why for api, why in requests.EXCLUDED.items() if api != "models"}
"""APIs that no test here plays, and why."""

MEANT = (
    Meant(
        "groq.chat.*tool-use-failed-error*",
        "error",
        "Another sample often succeeds (`openai-compatible.md` section 2): UNAVAILABLE is retried.",
    ),
    Meant(
        "groq.chat.groq-meta-llama-llama-4-scout-17b-16e-instruct-object-streaming*",
        "error",
        "The same code in a stream.",
    ),
    Meant(
        "groq.chat.groq-agent-tool-sessions-parallel-tool-calls-single-turn-streaming.*",
        "calls",
        "The model wrote null for no arguments, which becomes the object that callers can use.",
    ),
)
"""All of them. A row that explains nothing fails the module."""

BYTEWISE_BELOW = 8_000
"""Bytes; longer bodies hold no kind of border that these lack."""
PATHS = {
    "chat": "/chat/completions",
    "responses": "/responses",
    "messages": "/v1/messages",
    "generateContent": "/v1beta/models/{model}:streamGenerateContent",
}
"""Below the provider's own base address, by API."""
_VERTEX = "/v1/projects/a-project/locations/a-location/publishers"
PATHS_OF_KIND = {
    ("azure-openai", "chat"): "/openai/deployments/{model}/chat/completions",
    ("vertex", "messages"): _VERTEX + "/anthropic/models/{model}:streamRawPredict",
    ("vertex", "generateContent"): _VERTEX + "/google/models/{model}:streamGenerateContent",
}
AUTH_HEADERS = {
    "chat": {"authorization", "api-key"},
    "responses": {"authorization", "api-key"},
    "messages": {"x-api-key", "authorization"},
    "generateContent": {"x-goog-api-key", "authorization"},
}
_NO_ARGUMENTS = re.compile(r"(?<=\w) null\Z")
"""How a call without arguments may be told in deltas, which are as the provider wrote them."""
END_MARKS = {
    "chat": rb'"finish_reason":\s*"|\[DONE\]',
    "responses": rb"response\.(completed|incomplete|failed)",
    "messages": rb"message_stop",
    "generateContent": rb'"(finishReason|blockReason)"',
}
"""Where the end of an answer begins, at the earliest."""

PLAYED = [each for each in cases.exchanges() if each.api not in EXCLUDED]
TURNS = [each for each in PLAYED if each.api != "models"]
LISTS = [each for each in PLAYED if each.api == "models"]
ANSWERS = [each for each in TURNS if each.status == 200]

pytestmark = pytest.mark.skipif(not PLAYED and cases.MAY_BE_ABSENT, reason=cases.ABSENT)


def _name(exchange: Exchange) -> str:
    return exchange.name


def test_recordings_are_there() -> None:
    """Without recordings nothing below proves anything; a build must have them."""
    assert PLAYED, cases.ABSENT


def _served_by(exchange: Exchange) -> tuple[str, str]:
    """Return kind and model; recordings without a request are asked for with any model."""
    try:
        return presets.preset_for(exchange)
    except ValueError:
        apis = (exchange.api, "chat", "messages", "generateContent")
        rows = (presets.KINDS.get((exchange.provider, api)) for api in apis)
        return next(filter(None, rows), "openai-compatible"), "recorded-model"


@pytest.fixture(scope="module")
def tally(request: pytest.FixtureRequest) -> Iterator[Tally]:
    """Collect what becomes of the exchanges; report it, and find rows that explain nothing."""
    tally = Tally(MEANT)
    yield tally
    terminal = request.config.pluginmanager.get_plugin("terminalreporter")
    capture = request.config.pluginmanager.get_plugin("capturemanager")
    if terminal is not None and capture is not None:
        with capture.global_and_fixture_disabled():
            terminal.ensure_newline()
            for line in tally.report(PLAYED):
                terminal.write_line(line)
            counts = Counter(each.api for each in cases.exchanges() if each.api in EXCLUDED)
            terminal.write_line(f"excluded: {dict(sorted(counts.items()))}")
    if len(tally.outcomes) == len(PLAYED):
        assert not tally.stale(), "these rows explain nothing"


@pytest.fixture(scope="module")
def real() -> Iterator[Stage]:
    """Run one server for the whole module."""
    kinds = {_provider(each): _served_by(each)[0] for each in PLAYED}
    with stage({name: kind for name, kind in kinds.items() if kind in PRESETS}) as started:
        yield started


def _provider(exchange: Exchange) -> str:
    """Return the provider's name in the configuration: a list is kept, so each has its own."""
    kind, _ = _served_by(exchange)
    return f"list-{LISTS.index(exchange)}" if exchange.api == "models" else f"the-{kind}"


# --- Through the server -----------------------------------------------------


@pytest.mark.parametrize("exchange", TURNS, ids=_name)
def test_answer_is_what_the_providers_library_reads(
    exchange: Exchange, real: Stage, tally: Tally
) -> None:
    """Any cut of the body, streamed or whole, gives what the library makes of the same bytes."""
    kind, model = _served_by(exchange)
    wanted = expected(exchange)
    turn = _recorded_turn(exchange, real, model)
    tally.asked_as_recorded += turn is not None
    if turn is None:
        turn = minimal_request("Hi", model=f"{_provider(exchange)}/{model}")
        turn.options.reasoning.include = True
    differences: dict[str, tuple[Any, Any]] = {}
    for cut, pieces in cuts(exchange, bytewise_below=BYTEWISE_BELOW).items():
        outcome = real.play(exchange, turn, pieces)
        _check_request(exchange, outcome, kind, model)
        differences.update(_differences(exchange, wanted, outcome, cut, streamed=True))
    turn.delivery = gateway_service_pb2.DELIVERY_WHOLE
    # They come as events only.
    turn.options.ClearField("top_logprobs")
    outcome = real.play(exchange, turn, exchange.chunks())
    differences.update(_differences(exchange, wanted, outcome, "whole", streamed=False))
    tally.judge(exchange, differences)


def _recorded_turn(
    exchange: Exchange, real: Stage, model: str
) -> gateway_service_pb2.GenerateRequest | None:
    """Return the recorded turn; None where the contract or the provider lacks a word for it."""
    translated = requests.translate(exchange, provider=_provider(exchange), model=model)
    if translated is None or translated.rejected:
        return None
    turn = gateway_service_pb2.GenerateRequest()
    turn.CopyFrom(translated.request)
    turn.options.reasoning.include = True
    return turn if real.play(exchange, turn, exchange.chunks()).asked else None


def _check_request(exchange: Exchange, outcome: Outcome, kind: str, model: str) -> None:
    """Assert that the provider was asked once, in the shape of its dialect."""
    (asked,) = outcome.asked
    target = urlsplit(asked.target)
    path = PATHS_OF_KIND.get((kind, exchange.api), PATHS[exchange.api])
    assert asked.method == "POST"
    assert unquote(target.path) == base_path(kind) + path.format(model=model)
    assert (asked.header("content-type") or "").startswith("application/json")
    carriers = [name.lower() for name, value in asked.headers if API_KEY in value]
    assert len(carriers) == 1
    assert carriers[0] in AUTH_HEADERS[exchange.api]
    body = asked.json
    assert isinstance(body, dict)
    assert "{model}" in path or body["model"] == model
    if exchange.api == "generateContent":
        assert parse_qs(target.query)["alt"] == ["sse"]
    else:
        assert body["stream"] is True


def _differences(
    exchange: Exchange, wanted: Expected, outcome: Outcome, cut: str, *, streamed: bool
) -> dict[str, tuple[Any, Any]]:
    """Return ours and theirs of every field in which they differ, with the cut behind ours."""
    ours: dict[str, Any] = {"error": outcome.failure and outcome.failure.reason}
    theirs: dict[str, Any] = {"error": wanted.error}
    events = outcome.answer.events
    if streamed and (wanted.error is None or exchange.status == 200):
        inner = [
            event for event in events if event.WhichOneof("kind") not in {"started", "completed"}
        ]
        told = reading.told(inner)
        if outcome.failure is None:
            parts = outcome.answer.completed.message.parts
            told_whole = [
                (kind, _NO_ARGUMENTS.sub(" {}", content) if kind == "tool_call" else content)
                for kind, content in told
            ]
            assert told_whole == [reading.part_told(part) for part in parts]
        ours["streamed text"] = _of_kind(told, "text")
        theirs["streamed text"] = wanted.text
        ours["streamed reasoning"] = _of_kind(told, "reasoning")
        theirs["streamed reasoning"] = wanted.reasoning
    if wanted.error is None and outcome.failure is None:
        ids = [part.tool_call.id for part in outcome.answer.completed.message.parts]
        assert len({*filter(None, ids)}) == len(wanted.calls)
        ours |= _of_completed(outcome.answer.completed)
        theirs |= _of_expected(wanted)
        if not _sends_text_arguments(exchange):
            ours["calls"], theirs["calls"] = _values(ours["calls"]), _values(theirs["calls"])
    return {name: ((ours[name], cut), theirs[name]) for name in ours if ours[name] != theirs[name]}


def _of_kind(told: reading.Told, kind: str) -> str:
    return "".join(content for found, content in told if found == kind)


def _of_completed(completed: event_pb2.Completed) -> dict[str, Any]:
    parts = completed.message.parts
    told = [reading.part_told(part) for part in parts]
    reason = event_pb2.FinishReason.Name(completed.finish_reason)
    return {
        "text": _of_kind(told, "text"),
        "reasoning": _of_kind(told, "reasoning"),
        "refusal": _of_kind(told, "refusal"),
        "calls": [
            (part.tool_call.name, part.tool_call.arguments_json)
            for part in parts
            if part.HasField("tool_call")
        ],
        "finish": reason.removeprefix("FINISH_REASON_"),
        "word": completed.provider_finish_reason,
        "response id": completed.upstream.response_id,
        "model": completed.upstream.model,
        "input tokens": _count(completed.usage, "input_tokens"),
        "output tokens": _count(completed.usage, "output_tokens"),
        "cached tokens": _count(completed.usage, "cache_read_input_tokens"),
        "reasoning tokens": _count(completed.usage, "reasoning_output_tokens"),
    }


def _count(usage: usage_pb2.Usage, name: Any) -> int | None:
    return getattr(usage, name) if usage.HasField(name) else None


def _of_expected(wanted: Expected) -> dict[str, Any]:
    return {
        "text": wanted.text,
        "reasoning": wanted.reasoning,
        "refusal": wanted.refusal,
        "calls": [(call.name, call.arguments) for call in wanted.calls],
        "finish": wanted.finish,
        "word": wanted.word,
        "response id": wanted.response_id,
        "model": wanted.model,
        "input tokens": wanted.usage.input_total,
        "output tokens": wanted.usage.output_total,
        "cached tokens": wanted.usage.cached,
        "reasoning tokens": wanted.usage.reasoning,
    }


def _sends_text_arguments(exchange: Exchange) -> bool:
    """Tell whether arguments are JSON text on the wire, to be handed on as they are."""
    return exchange.api in {"chat", "responses"} or (
        exchange.api == "messages" and exchange.is_stream
    )


def _values(calls: list[tuple[str, str]]) -> list[tuple[str, Any]]:
    return [(name, json.loads(arguments)) for name, arguments in calls]


@pytest.mark.parametrize("exchange", LISTS, ids=_name)
def test_model_list_is_what_the_providers_library_reads(
    exchange: Exchange, real: Stage, tally: Tally
) -> None:
    """ListModels shows the ids that the library finds, or says why there are none."""
    wanted = expected(exchange)
    ids, reason = real.list_models(exchange, _provider(exchange))
    ours = {"models": sorted(ids), "error": reason or None}
    theirs = {"models": sorted(wanted.models), "error": wanted.error}
    tally.judge(
        exchange, {name: (ours[name], theirs[name]) for name in ours if ours[name] != theirs[name]}
    )


# --- The decoders alone -----------------------------------------------------


def _read(exchange: Exchange, pieces: list[bytes]) -> reading.Answer:
    kind, model = _served_by(exchange)
    nominal = reading.STREAM if exchange.is_stream else reading.DOCUMENT
    return reading.read(
        *pieces,
        dialect=presets.dialect_for(kind, model, base_url="http://127.0.0.1:1"),
        content_type=exchange.header("content-type") or nominal,
    )


def _gist(answer: reading.Answer) -> Any:
    """Return what cuts must not change; ids of calls may be of our own making."""
    ending: Any = (type(answer.error), str(answer.error))
    if answer.completed is not None:
        whole = answer.completed
        for part in whole.message.parts:
            part.tool_call.ClearField("id")
        ending = (list(whole.message.parts), whole.finish_reason, whole.usage)
    return reading.told(answer.events), ending, answer.response_id, answer.model


@pytest.mark.parametrize("exchange", ANSWERS, ids=_name)
def test_answer_does_not_depend_on_its_cuts(exchange: Exchange) -> None:
    """Received pieces, single bytes and random pieces give the same answer or error."""
    wanted = _gist(_read(exchange, [exchange.body]))
    for cut, pieces in cuts(exchange, bytewise_below=20_000).items():
        assert _gist(_read(exchange, pieces)) == wanted, cut


@pytest.mark.parametrize("exchange", [each for each in ANSWERS if each.is_stream], ids=_name)
def test_answer_that_is_cut_short_never_ends_well(exchange: Exchange) -> None:
    """Without its finish reason and its end marker an answer is an error."""
    mark = re.search(END_MARKS[exchange.api], exchange.body)
    end = mark.start() if mark else len(exchange.body)
    chance = random.Random(exchange.name)
    for place in [end, *(chance.randrange(end + 1) for _ in range(8))]:
        answer = _read(exchange, [exchange.body[:place]])
        assert answer.completed is None
        assert isinstance(answer.error, UpstreamError)


@pytest.mark.parametrize("exchange", [each for each in TURNS if each.status >= 400], ids=_name)
def test_failure_has_a_reason(exchange: Exchange) -> None:
    """A status of failure becomes an error that knows the status and is nobody's bug."""
    kind, model = _served_by(exchange)
    dialect = presets.dialect_for(kind, model, base_url="http://127.0.0.1:1")
    error = dialect.error(exchange.status, dict(exchange.headers), exchange.body)
    assert isinstance(error, SluiceError)
    assert error.http_status == exchange.status
    assert error.reason != "INTERNAL"


def test_every_recorded_api_is_played_or_excluded() -> None:
    """A new API in the recordings is not passed over in silence."""
    assert {each.api for each in PLAYED} <= {*PATHS, "models"}
    assert all(_served_by(each)[0] in PRESETS for each in PLAYED)
