"""Recorded answers of real providers, decoded in any cut, against a count of their JSON.

The recordings are not part of the repository: SLUICE_RECORDINGS names their folder, by
default `../shared/recordings` beside it. Not here: dialects of their own.
"""

import json
import os
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sluice.v1 import event_pb2
from sluice_server.errors import SluiceError, UpstreamError
from sluice_server.providers.dialects.openai_chat import OpenAiChat, Quirks
from sluice_server.providers.presets.chat import QUIRKS as CHAT_QUIRKS
from tests.unit.providers.reading import DOCUMENT, STREAM, Answer, cut, each_byte, read, told

FOLDER = Path(
    os.environ.get("SLUICE_RECORDINGS")
    or Path(__file__).resolve().parents[2].parent / "shared/recordings"
)
DATA = re.compile(r"^data:[ ]?(.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Recorded:
    """One response of one recording."""

    name: str
    provider: str
    status: int
    headers: dict[str, str]
    body: bytes
    chunk_lengths: tuple[int, ...]

    @property
    def is_document(self) -> bool:
        """Whether the body is one JSON document."""
        return self.body.lstrip()[:1] == b"{"

    @property
    def quirks(self) -> Quirks:
        """The accent of its provider, as far as there is a row for it."""
        return CHAT_QUIRKS.get(self.provider, CHAT_QUIRKS["openai-compatible"])

    def read(self, pieces: list[bytes]) -> Answer:
        """Read the body in these pieces."""
        content_type = DOCUMENT if self.is_document else STREAM
        return read(*pieces, content_type=content_type, quirks=self.quirks)

    def chunks(self) -> list[bytes]:
        """Return the body in the pieces in which it was received, where known."""
        pieces, place = [], 0
        for length in self.chunk_lengths:
            pieces.append(self.body[place : place + length])
            place += length
        return [*pieces, self.body[place:]]

    def payloads(self) -> Iterator[Any]:
        """Yield the JSON of the body, in the plainest way that works."""
        if self.is_document:
            yield json.loads(self.body)
            return
        for data in DATA.findall(self.body.decode().replace("\r\n", "\n")):
            if data.strip() == "[DONE]":
                return
            if data.strip():
                yield json.loads(data)


def _recorded() -> Iterator[Recorded]:
    for path in sorted(FOLDER.glob("*/*.chat.*.json")):
        case = json.loads(path.read_text())
        if case["api"] != "chat":
            continue
        for number, exchange in enumerate(case["exchanges"]):
            response = exchange["response"]
            yield Recorded(
                name=f"{case['id']}#{number}",
                provider=case["provider"],
                status=response["status"],
                headers=dict(response["headers"]),
                body=response["body_text"].encode(),
                chunk_lengths=tuple(response.get("chunk_lengths") or ()),
            )


RECORDED = list(_recorded()) if FOLDER.is_dir() else []
ANSWERS = [case for case in RECORDED if case.status == 200]
FAILURES = [case for case in RECORDED if case.status >= 400]

pytestmark = pytest.mark.skipif(
    not RECORDED, reason=f"no recordings in {FOLDER}; set SLUICE_RECORDINGS to their folder"
)


def _name(case: Recorded) -> str:
    return case.name


@dataclass
class Counted:
    """What an answer holds by a plain count of its JSON."""

    text: str = ""
    reasoning: str = ""
    refusal: str = ""
    calls: list[list[str]] | None = None
    finish: str | None = None
    failed: bool = False
    usage: tuple[int | None, int | None] = (None, None)


def _count(case: Recorded) -> Counted:
    """Add up an answer without knowing how the decoder does it."""
    counted = Counted()
    calls: dict[Any, list[str]] = {}
    for payload in case.payloads():
        if payload.get("error") is not None or payload.get("object") == "error":
            counted.failed = True
            break
        usage = payload.get("usage") or {}
        if usage.get("prompt_tokens") is not None:
            counted.usage = (usage["prompt_tokens"], usage.get("completion_tokens"))
        for choice in payload.get("choices") or []:
            if choice.get("index"):
                continue
            _count_delta(counted, calls, choice.get("delta") or choice.get("message") or {})
            counted.finish = counted.finish or choice.get("finish_reason") or None
    counted.calls = list(calls.values())
    return counted


def _count_delta(counted: Counted, calls: dict[Any, list[str]], delta: dict[str, Any]) -> None:
    content: Any = delta.get("content") or ""
    items: list[Any] = content if isinstance(content, list) else [{"type": "text", "text": content}]
    for item in items:
        if item["type"] == "thinking":
            counted.reasoning += "".join(piece["text"] for piece in item["thinking"])
        else:
            counted.text += item.get("text") or ""
    counted.reasoning += delta.get("reasoning_content") or delta.get("reasoning") or ""
    counted.refusal += delta.get("refusal") or ""
    for place, call in enumerate(delta.get("tool_calls") or []):
        function = call.get("function") or {}
        key: Any = call.get("index")
        if key is None:
            key = ("no index", call.get("id") or (len(calls), place))
        known = calls.setdefault(key, ["", ""])
        known[0] = known[0] or function.get("name") or ""
        arguments = function.get("arguments") or ""
        if not isinstance(arguments, str):
            arguments = json.dumps(arguments, separators=(",", ":"), ensure_ascii=False)
        known[1] += arguments


def _of_kind(answer: Answer, kind: str) -> str:
    return "".join(content for found, content in told(answer.events) if found == kind)


@pytest.mark.parametrize("case", ANSWERS, ids=_name)
def test_answer_is_what_its_json_says(case: Recorded) -> None:
    """Text, reasoning, calls, reason and usage equal a plain count of the events."""
    counted = _count(case)
    answer = case.read([case.body])

    assert _of_kind(answer, "text") == counted.text
    assert _of_kind(answer, "reasoning") == counted.reasoning
    assert _of_kind(answer, "refusal") == counted.refusal
    if counted.failed or (counted.finish is None and b"[DONE]" not in case.body):
        assert isinstance(answer.error, UpstreamError)
        return
    assert told(answer.events) == answer.parts
    assert [(call.name, call.arguments_json) for call in answer.calls] == [
        (name, arguments.strip() or "{}") for name, arguments in counted.calls or []
    ]
    assert len({call.id for call in answer.calls}) == len(answer.calls)
    assert answer.whole.provider_finish_reason == (counted.finish or "")
    assert answer.whole.finish_reason != event_pb2.FINISH_REASON_UNSPECIFIED
    usage = answer.whole.usage
    if case.quirks.reasoning_outside_completion:
        assert usage.input_tokens == (counted.usage[0] or 0)
    else:
        assert (usage.input_tokens, usage.output_tokens) == tuple(n or 0 for n in counted.usage)


@pytest.mark.parametrize("case", ANSWERS, ids=_name)
def test_answer_does_not_depend_on_its_cuts(case: Recorded) -> None:
    """Received pieces, single bytes and random pieces give the same answer or error."""
    expected = _gist(case.read([case.body]))
    chance = random.Random(case.name)
    random_cuts = [
        cut(case.body, [chance.randrange(len(case.body) + 1) for _ in range(30)]) for _ in range(3)
    ]

    assert _gist(case.read(case.chunks())) == expected
    for pieces in random_cuts:
        assert _gist(case.read(pieces)) == expected
    # Long ones take long, and hold no kind of border that the others lack.
    if len(case.body) < 20_000:
        assert _gist(case.read(each_byte(case.body))) == expected


def _gist(answer: Answer) -> Any:
    """Return what cuts must not change; ids may be of our own making."""
    ending: Any = (type(answer.error), str(answer.error))
    if answer.completed is not None:
        ending = (answer.parts, answer.whole.finish_reason, answer.whole.usage)
    return told(answer.events), ending, answer.response_id, answer.model


@pytest.mark.parametrize("case", [case for case in ANSWERS if not case.is_document], ids=_name)
def test_answer_that_is_cut_short_never_ends_well(case: Recorded) -> None:
    """Without its finish reason and its end marker an answer is an error."""
    marks = [case.body.find(b"[DONE]")]
    marks += [m.start() for m in re.finditer(rb'"finish_reason":\s*"', case.body)]
    end = min((mark for mark in marks if mark >= 0), default=len(case.body))
    chance = random.Random(case.name)

    for place in [end, *(chance.randrange(end + 1) for _ in range(8))]:
        answer = case.read([case.body[:place]])
        assert answer.completed is None
        assert isinstance(answer.error, UpstreamError)


@pytest.mark.parametrize("case", FAILURES, ids=_name)
def test_failure_has_a_reason(case: Recorded) -> None:
    """A status of failure becomes an error with a reason that fits it."""
    error = OpenAiChat(case.quirks).error(case.status, case.headers, case.body)

    assert isinstance(error, SluiceError)
    assert error.http_status == case.status
    expected = {401: {"PROVIDER_CREDENTIAL_REJECTED"}, 404: {"MODEL_NOT_FOUND"}}
    assert error.reason in expected.get(case.status, {error.reason})
    assert error.reason != "INTERNAL"
