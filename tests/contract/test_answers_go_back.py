"""Recorded answers as part of the next turn: at home with all, elsewhere without secrets.

What an answer says is judged in `test_recordings`; here it is put into the conversation that led
to it, and the conversation goes on.
"""

import base64
import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

from sluice.v1 import content_pb2
from sluice.v1.gateway_service_pb2 import GenerateRequest
from sluice_server.edge.validation import validate_generate
from sluice_server.errors import UnsupportedFeatureError
from sluice_server.providers.presets import KINDS
from tests.support.recorded import cases
from tests.support.recorded.cases import Exchange
from tests.support.recorded.presets import dialect_for, preset_for
from tests.support.recorded.requests import translate
from tests.unit.providers.reading import ORIGIN, read

KEPT_AT_HOME = {"grounding", "citations", "annotations", "call_id", "phase", "namespace", "caller"}
"""State that is for the caller, or that is small words which may stand in any body."""


def _answered() -> Iterator[Exchange]:
    for exchange in cases.exchanges():
        covered = exchange.api in ("chat", "responses", "messages", "generateContent")
        if covered and exchange.status == 200 and exchange.request is not None:
            yield exchange


ANSWERED = {exchange.name: exchange for exchange in _answered()}

pytestmark = pytest.mark.skipif(not ANSWERED and cases.MAY_BE_ABSENT, reason=cases.ABSENT)


@cache
def continued(name: str, *, include: bool) -> GenerateRequest | None:
    """Return the next turn after a recorded answer; None where there is no answer to go on from."""
    exchange = ANSWERED[name]
    kind, model = preset_for(exchange)
    translated = translate(exchange, provider=ORIGIN.provider, model=model)
    assert translated is not None
    if translated.rejected:
        return None
    answer = read(
        exchange.body,
        dialect=dialect_for(kind, model),
        content_type=exchange.header("content-type"),
        include_reasoning=include,
    )
    if answer.completed is None or not answer.whole.message.parts:
        return None
    request = GenerateRequest()
    request.CopyFrom(translated.request)
    message = request.messages.add()
    message.CopyFrom(answer.whole.message)
    results = content_pb2.Message(role=content_pb2.ROLE_TOOL)
    for part in message.parts:
        for state in part.provider_state:
            state.model = model
        if part.HasField("tool_call"):
            if part.tool_call.check == content_pb2.ARGUMENTS_CHECK_MALFORMED_JSON:
                # Cut by the output limit; the contract says how such a call is replayed.
                part.tool_call.arguments_json = "{}"
            result = content_pb2.ToolResult(tool_call_id=part.tool_call.id)
            result.parts.add(text="done")
            results.parts.add(tool_result=result)
    if results.parts:
        request.messages.append(results)
    else:
        request.messages.add(role=content_pb2.ROLE_USER).parts.add(text="And now?")
    return request


def flattened(value: Any) -> str:
    """Return a JSON value with all strings that hold JSON taken apart, as one text."""
    if isinstance(value, dict):
        return "\n".join(f"{key}\n{flattened(item)}" for key, item in value.items())
    if isinstance(value, list):
        return "\n".join(map(flattened, value))
    return value if isinstance(value, str) else json.dumps(value)


def secrets(state: content_pb2.ProviderState) -> list[str]:
    """Return the strings of a state that say whose it is."""
    text = state.value.decode()
    try:
        parsed = json.loads(text)
    except ValueError:
        parsed = text
    return [line for line in flattened(parsed).split("\n") if len(line) > 24]


def unsupported(request: GenerateRequest, name: str) -> bool:
    """Tell whether the recorded conversation itself is refused; the round trip has why."""
    kind, model = preset_for(ANSWERED[name])
    before = GenerateRequest()
    before.CopyFrom(request)
    while before.messages and before.messages[-1].role != content_pb2.ROLE_ASSISTANT:
        before.messages.pop()
    before.messages.pop()
    try:
        dialect_for(kind, model).encode(before, provider=ORIGIN.provider, model=model)
    except UnsupportedFeatureError:
        return True
    return False


@pytest.mark.parametrize("include", [True, False], ids=["shown", "hidden"])
@pytest.mark.parametrize("name", ANSWERED)
def test_answer_goes_back_whence_it_came(name: str, *, include: bool) -> None:
    """The contract takes it, its provider gets every bit of state back, whoever saw it or not."""
    request = continued(name, include=include)
    if request is None or unsupported(request, name):
        return
    kind, model = preset_for(ANSWERED[name])

    assert not validate_generate(request)
    encoded = dialect_for(kind, model).encode(request, provider=ORIGIN.provider, model=model)

    sent = flattened(json.loads(encoded.body))
    for part in request.messages[-2].parts:
        for state in part.provider_state:
            if state.kind not in KEPT_AT_HOME:
                assert all(secret in sent for secret in secrets(state))
        if part.text.strip():
            assert part.text in sent


@pytest.mark.parametrize("name", ANSWERED)
def test_answer_goes_elsewhere_without_its_state(name: str) -> None:
    """Every other kind takes the conversation or refuses it precisely; no state leaks."""
    request = continued(name, include=True)
    if request is None:
        return
    kind, model = preset_for(ANSWERED[name])
    states = [state for part in request.messages[-2].parts for state in part.provider_state]
    # Prose in a state may be a quotation of what everybody was told.
    own = [secret for state in states for secret in secrets(state) if " " not in secret]
    said = flattened(
        [
            part.text or part.reasoning.text or part.tool_call.id
            for message in request.messages
            for part in message.parts
        ]
    )
    for other in KINDS:
        if other == kind:
            continue
        dialect = dialect_for(other, model, base_url="http://127.0.0.1:1")
        try:
            encoded = dialect.encode(request, provider="another", model=model)
        except UnsupportedFeatureError:
            continue
        sent = flattened(json.loads(encoded.body))
        assert not [secret for secret in own if secret in sent and secret not in said]


def test_secrets_are_found() -> None:
    """The search for leaks finds what it looks for."""
    signature = base64.b64encode(b"x" * 40)
    state = content_pb2.ProviderState(kind="item", value=b'{"a": ["' + signature + b'"]}')

    assert secrets(state) == [signature.decode()]
