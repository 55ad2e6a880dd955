"""Whole requests: everything at once, bounded reports, and nothing that breaks the validation."""

import random
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from google.protobuf.message import DecodeError, Message
from hypothesis import example, given
from hypothesis import strategies as st

from sluice.v1.gateway_service_pb2 import (
    GenerateRequest,
    GetMetricsRequest,
    GetRateLimitsRequest,
    ListModelsRequest,
)
from sluice_server.edge.validation import (
    validate_generate,
    validate_get_metrics,
    validate_get_rate_limits,
    validate_list_models,
)
from sluice_server.edge.validation.violations import MOST_LISTED
from sluice_server.errors import FieldViolation
from tests.unit.edge.validation.building import (
    ASSISTANT,
    PNG,
    SYSTEM,
    TOOL,
    USER,
    call,
    conversation,
    message,
    request,
    result,
    said,
)

SECRET = "swordfish"


def rich_request() -> GenerateRequest:
    """Return a good request that sets nearly everything."""
    state = {"provider": "claude", "kind": "signature", "value": b"\x01"}
    rich = request(
        messages=[
            said(SYSTEM, "Be brief."),
            message(
                USER, {"text": "What is this?", "cache": {"ttl": {"seconds": 300}}}, {"media": PNG}
            ),
            message(
                ASSISTANT,
                {"reasoning": {"text": "hm"}, "provider_state": [state]},
                {"text": "Let me look."},
                call("a", "look", '{"closely": true}'),
                call("b", "look"),
            ),
            message(TOOL, result("b"), result("a", {"text": "a bridge"}, {"media": PNG})),
            message(ASSISTANT, {"refusal": "I cannot say."}),
            said(USER, "Why?"),
        ],
        tools=[{"name": "look", "input_schema_json": '{"type": "object"}', "strict": True}],
        tool_choice={"mode": 1, "disable_parallel": True},
        options={"temperature": 0, "stop": ["END"], "reasoning": {"effort": "low"}},
        output_format={"json_object": {}},
        routing={"fallback_models": ["a/b"], "max_attempts": 3, "hedge_after": {"seconds": 1}},
        labels={"team": "a"},
        end_user="u1",
    )
    rich.provider_options["openai"].update({"service_tier": "flex"})
    return rich


def test_a_request_of_everything_is_good() -> None:
    """No rule stands against another."""
    assert validate_generate(rich_request()) == []


def test_all_faults_are_reported_at_once() -> None:
    """In the order of the contract's fields, each with its own path."""
    bad = request(
        model="",
        messages=[
            {"parts": [{}]},
            message(USER, {"media": {"mime_type": "x"}}),
            message(ASSISTANT, call("a", "b c", "[")),
            message(USER, {"refusal": "no"}, {"text": "", "cache": {"ttl": {}}}),
        ],
        tools=[{"name": ""}, {"name": "t", "input_schema_json": "3"}],
        tool_choice={"name": "u"},
        options={"temperature": 3, "top_p": 0, "stop": [""]},
        output_format={},
        routing={"max_attempts": 0, "fallback_models": [""]},
        delivery=5,
        labels={"A": "\n"},
        end_user="\x00",
    )
    assert [violation.field for violation in validate_generate(bad)] == [
        "model",
        "messages[0].role",
        "messages[0].parts[0]",
        "messages[1].parts[0].media.mime_type",
        "messages[1].parts[0].media.source",
        "messages[2].parts[0].tool_call.name",
        "messages[2].parts[0].tool_call.arguments_json",
        "messages[3].parts[0].refusal",
        "messages[3].parts[1].text",
        "messages[3].parts[1].cache.ttl",
        "messages[2].parts[0].tool_call.id",
        "tools[0].name",
        "tools[1].input_schema_json",
        "tool_choice.name",
        "options.temperature",
        "options.top_p",
        "options.stop[0]",
        "output_format.format",
        "routing.fallback_models[0]",
        "routing.max_attempts",
        "delivery",
        'labels["A"]',
        'labels["A"]',
        "end_user",
    ]


def test_an_empty_request_names_what_is_required() -> None:
    """The first thing that anybody sends by mistake."""
    found = validate_generate(GenerateRequest())
    assert [violation.field for violation in found] == ["model", "messages"]


@pytest.mark.parametrize(
    ("faults", "says"),
    [
        (MOST_LISTED + 1, f"There are {MOST_LISTED + 1} violations"),
        (20_000, "There are at least 1000 violations"),
    ],
)
def test_reports_are_bounded(faults: int, says: str) -> None:
    """Fifty are spelled out; the first entry concerns the request as a whole and counts."""
    found = validate_generate(conversation(*[message(USER, {})] * faults))
    assert len(found) == MOST_LISTED + 1
    assert found[-1].field == f"messages[{MOST_LISTED - 1}].parts[0]"
    assert found[0].field == ""
    assert says in found[0].description


def test_exactly_as_many_faults_as_are_listed() -> None:
    """Nothing is left out, and nothing says so."""
    found = validate_generate(conversation(*[message(USER, {})] * MOST_LISTED))
    assert len(found) == MOST_LISTED
    assert all(violation.field for violation in found)


def test_descriptions_hold_no_content() -> None:
    """Texts, arguments, addresses, labels and state may be secret; names and ids may not."""
    bad = request(
        messages=[
            said(9, SECRET),
            message(USER, {"media": {"mime_type": SECRET, "uri": SECRET, "name": f"{SECRET}\n"}}),
            message(ASSISTANT, call("a", "look", f'{{"{SECRET}": {SECRET}')),
            message(ASSISTANT, call("b", "look", f'["{SECRET}"]')),
            message(ASSISTANT, {"refusal": SECRET, "provider_state": [{"kind": f"{SECRET}\n"}]}),
        ],
        options={"stop": [SECRET] * 17, "reasoning": {"effort": f"{SECRET}!"}},
        labels={"team": f"{SECRET}\n"},
        end_user=f"{SECRET}\n",
    )
    bad.provider_options["openai"].update({"x": [SECRET, float("nan")]})
    found = validate_generate(bad)
    assert len(found) >= 13
    assert not [violation for violation in found if SECRET in repr(violation)]


@given(st.binary(max_size=200))
@example(rich_request().SerializeToString())
def test_any_bytes_that_parse_are_judged(wire: bytes) -> None:
    """Whatever a stranger sends gives a list, never an exception."""
    wanted = GenerateRequest()
    with suppress(DecodeError):
        wanted.ParseFromString(wire)
    assert_judged(wanted)


@given(st.integers(min_value=0), st.integers(1, 40))
def test_any_damage_to_a_good_request_is_judged(seed: int, changes: int) -> None:
    """Bits of a good request are flipped, and what still parses is judged."""
    dice = random.Random(seed)
    wire = bytearray(rich_request().SerializeToString())
    for _ in range(changes):
        wire[dice.randrange(len(wire))] ^= 1 << dice.randrange(8)
    wanted = GenerateRequest()
    with suppress(DecodeError):
        wanted.ParseFromString(bytes(wire))
    assert_judged(wanted)


VALIDATORS: list[tuple[type[Message], Callable[[Any], list[FieldViolation]]]] = [
    (GenerateRequest, validate_generate),
    (ListModelsRequest, validate_list_models),
    (GetRateLimitsRequest, validate_get_rate_limits),
    (GetMetricsRequest, validate_get_metrics),
]


@given(st.sampled_from(VALIDATORS), st.integers(min_value=0))
def test_any_message_is_judged(
    kind: tuple[type[Message], Callable[[Any], list[FieldViolation]]], seed: int
) -> None:
    """Messages filled at random, field by field, give a list in bounded time."""
    make, validate = kind
    wanted = make()
    fill(wanted, random.Random(seed), depth=8)
    before = time.process_time()
    found = validate(wanted)
    assert time.process_time() - before < 1
    assert len(found) <= MOST_LISTED + 1


def assert_judged(wanted: GenerateRequest) -> None:
    """Assert that there is a verdict, of bounded size, the same each time."""
    found = validate_generate(wanted)
    assert found == validate_generate(wanted)
    assert len(found) <= MOST_LISTED + 1
    assert all(len(field) < 500 and len(says) < 500 for field, says in found)


TEXTS = [
    "",
    "a",
    "c1",
    "openai",
    "{}",
    "[",
    '{"type": "object"}',
    '{"$ref": "#"}',
    "x\n",
    "é" * 300,
]


def fill(target: Message, dice: random.Random, depth: int) -> None:
    """Set about half of a message's fields to ordinary and to odd values."""
    for field in target.DESCRIPTOR.fields:
        if dice.random() < 0.5 or depth == 0:
            continue
        entry = field.message_type
        if entry is not None and entry.GetOptions().map_entry:
            values = getattr(target, field.name)
            key = dice.choice(TEXTS)
            if entry.fields_by_name["value"].message_type is None:
                values[key] = dice.choice(TEXTS)
            else:
                fill(values[key], dice, depth - 1)
        elif entry is not None and field.is_repeated:
            for _ in range(dice.randrange(4)):
                fill(getattr(target, field.name).add(), dice, depth - 1)
        elif entry is not None:
            getattr(target, field.name).SetInParent()
            fill(getattr(target, field.name), dice, depth - 1)
        elif field.is_repeated:
            getattr(target, field.name).extend([odd(field.cpp_type, dice) for _ in range(3)])
        else:
            setattr(target, field.name, odd(field.cpp_type, dice, field.type == field.TYPE_BYTES))


def odd(cpp_type: int, dice: random.Random, as_bytes: bool = False) -> object:
    """Return a value for a field of a C++ type of google.protobuf.descriptor."""
    if cpp_type == 9:
        text = dice.choice(TEXTS)
        return text.encode() if as_bytes else text
    if cpp_type in (5, 6):
        return dice.choice([0.0, -1.0, 1.0, float("nan"), float("inf"), 1e300])
    if cpp_type == 7:
        return dice.random() < 0.5
    return dice.choice([0, 1, 2, 16, 2**31 - 1] + ([-1] if cpp_type in (1, 2, 8) else []))
