"""Is any history either sent as Gemini wants it, or refused by a path?"""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.v1 import content_pb2
from sluice_server.edge.validation import validate_generate
from sluice_server.errors import InvalidRequestError, UnsupportedFeatureError
from sluice_server.providers.dialects.gemini import DEVELOPER_API, Gemini, code_assist, vertex
from tests.unit.providers.gemini.building import (
    ask,
    assistant,
    call,
    chunk,
    own,
    png,
    result,
    results,
    stream,
    system,
    thought,
    user,
)
from tests.unit.providers.reading import read

MODELS = ["model", "gemini-2.0-flash", "gemini-2.5-pro", "gemini-3-pro", "gemini-3.6-flash"]
SURFACES = [DEVELOPER_API, vertex("p", "global"), code_assist()]

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
media = st.sampled_from(
    [
        png(data=b"png"),
        png(uri="https://example.com/a"),
        png(uri="gs://b/a"),
        png(file_id="files/a"),
    ]
)
origins = st.sampled_from([{}, {"provider": "elsewhere"}, {"model": "another"}])


@st.composite
def _said(draw: st.DrawFn) -> content_pb2.Part:
    """Draw a part of an answer that is no call."""
    origin: dict[str, Any] = draw(origins)
    part: content_pb2.Part = draw(
        st.one_of(
            texts.map(lambda text: content_pb2.Part(text=text)),
            texts.map(lambda text: content_pb2.Part(refusal=text)),
            texts.map(thought),
            media,
            st.just(own(content_pb2.Part(text=""), thought_signature="c2ln", **origin)),
            st.just(thought("Hm.", thought_signature="c2ln", **origin)),
            st.just(thought(redacted=True, part='{"toolCall":{}}', **origin)),
            st.just(thought(redacted=True, grounding="{}", **origin)),
        )
    )
    return part


@st.composite
def histories(draw: st.DrawFn) -> list[content_pb2.Message]:
    """Draw a conversation that the gateway accepts."""
    messages = [system("Be brief.")] if draw(st.booleans()) else []
    messages.append(user("Hi"))
    count = 0
    for _ in range(draw(st.integers(0, 5))):
        kind = draw(st.sampled_from(["user", "system", "answer", "calls"]))
        if kind == "user":
            messages.append(user(*draw(st.lists(texts | media, min_size=1, max_size=3))))
        elif kind == "system":
            messages.append(system(draw(texts)))
        else:
            parts = draw(st.lists(_said(), min_size=1, max_size=4))
            made = []
            for _ in range(draw(st.integers(1, 3)) if kind == "calls" else 0):
                count += 1
                state = draw(st.sampled_from([{}, {"thought_signature": "c2ln"}, {"call_id": "x"}]))
                made.append(f"call_{count}")
                parts.append(call(made[-1], f"f{count}", '{"a": 1}', **state, **draw(origins)))
            messages.append(assistant(*parts))
            for answered in draw(st.permutations(made)):
                content = draw(st.lists(texts | media, max_size=2))
                messages.append(results(result(answered, *content, is_error=draw(st.booleans()))))
    return messages


@pytest.mark.parametrize("model", MODELS)
@given(messages=histories(), surface=st.sampled_from(SURFACES))
def test_any_history(model: str, messages: list[content_pb2.Message], surface: Any) -> None:
    """A history keeps Gemini's rules on the wire, or a path says what cannot be sent."""
    request = ask(*messages)
    assert validate_generate(request) == []
    dialect = Gemini(surface=surface)
    try:
        encoded = dialect.encode(request, provider="example", model=model)
    except (UnsupportedFeatureError, InvalidRequestError) as error:
        refused = error.violations[0].field
    else:
        refused = ""
        _check(encoded.body, messages, model=model, enveloped=surface.envelope)
    assert refused.startswith("messages[" if refused else "")


def _check(
    encoded: bytes, messages: list[content_pb2.Message], *, model: str, enveloped: bool
) -> None:
    """Check what holds for every history on the wire."""
    body = json.loads(encoded)
    contents = (body["request"] if enveloped else body)["contents"]
    roles = [content["role"] for content in contents]
    assert all(one != other for one, other in pairwise(roles))
    expected: list[str] = []
    for content in contents:
        assert content["parts"]
        kinds = [next(k for k in part if k != "thoughtSignature") for part in content["parts"]]
        if content["role"] == "model":
            calls = [part for part in content["parts"] if "functionCall" in part]
            expected = [part["functionCall"]["name"] for part in calls]
            if calls and model.startswith("gemini-3"):
                assert calls[0]["thoughtSignature"]
        elif expected:
            count = len(expected)
            assert kinds[:count] == ["functionResponse"] * count
            names = [part["functionResponse"]["name"] for part in content["parts"][:count]]
            assert names == expected
            expected = []
        else:
            assert "functionResponse" not in kinds
    sendable = sum(
        state.kind == "thought_signature" and (state.provider, state.model) == ("example", model)
        for message in messages
        for part in message.parts
        for state in part.provider_state
    )
    assert json.dumps(contents).count('"c2ln"') == sendable


def test_what_was_read_goes_back() -> None:
    """The parts of an answer, sent with the next turn, are the parts that came."""
    came: list[Any] = [
        {"text": "Hm.", "thought": True, "thoughtSignature": "dGhv"},
        {"text": "a"},
        {"text": "b", "thoughtSignature": "c2ln"},
        {"executableCode": {"code": "1"}, "thoughtSignature": "Y29k"},
        {"functionCall": {"name": "f", "id": "own", "args": {"x": 1}}, "thoughtSignature": "Y2Fs"},
        {"functionCall": {"name": "g", "id": "two", "args": {}}},
        {"text": "", "thoughtSignature": "bGFz"},
    ]
    found = read(stream(chunk(*came), chunk("", finish="STOP")), dialect=Gemini())
    answers = [result(made.id, "ok") for made in found.calls]
    request = ask(user("Hi"), found.whole.message, results(*answers))
    body = json.loads(Gemini().encode(request, provider="example", model="model").body)
    assert body["contents"][1] == {"role": "model", "parts": came}
    assert [part["functionResponse"]["id"] for part in body["contents"][2]["parts"]] == [
        "own",
        "two",
    ]
