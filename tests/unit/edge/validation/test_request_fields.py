"""The fields beside conversation, tools and options: model, routing, enums, labels, end_user."""

from typing import Any

import pytest

from sluice.v1 import gateway_service_pb2
from sluice_server.edge.validation import validate_generate
from tests.unit.edge.validation.building import assert_bad, request

BAD: dict[str, tuple[dict[str, Any], str, str]] = {
    "no model": ({"model": ""}, "model", '"provider/model"'),
    "blank model": ({"model": " "}, "model", '"provider/model"'),
    "long model": ({"model": "x" * 257}, "model", "at most 256"),
    "control in model": ({"model": "a/b\r"}, "model", "control characters"),
    "unknown delivery": ({"delivery": 3}, "delivery", "STREAM or WHOLE"),
    "negative delivery": ({"delivery": -1}, "delivery", "STREAM or WHOLE"),
    "unknown validation": ({"tool_call_validation": 9}, "tool_call_validation", "LENIENT"),
    "many fallbacks": (
        {"routing": {"fallback_models": ["a"] * 9}},
        "routing.fallback_models",
        "at most 8",
    ),
    "empty fallback": (
        {"routing": {"fallback_models": ["a", ""]}},
        "routing.fallback_models[1]",
        '"provider/model"',
    ),
    "no attempts": ({"routing": {"max_attempts": 0}}, "routing.max_attempts", "[1, 16]"),
    "many attempts": ({"routing": {"max_attempts": 17}}, "routing.max_attempts", "[1, 16]"),
    "hedge at once": ({"routing": {"hedge_after": {}}}, "routing.hedge_after", "longer than zero"),
    "negative wait": (
        {"routing": {"first_output_timeout": {"seconds": -1}}},
        "routing.first_output_timeout",
        "longer than zero",
    ),
    "invalid duration": (
        {"routing": {"idle_timeout": {"seconds": 1, "nanos": -1}}},
        "routing.idle_timeout",
        "valid Duration",
    ),
    "negative cost": (
        {"routing": {"max_cost_usd_nanos": -1}},
        "routing.max_cost_usd_nanos",
        "0 or more",
    ),
    "many labels": ({"labels": {str(n): "" for n in range(17)}}, "labels", "at most 16"),
    "empty label": ({"labels": {"": "a"}}, 'labels[""]', "1 to 63"),
    "loud label": ({"labels": {"Team": "a"}}, 'labels["Team"]', "a-z 0-9"),
    "long label": ({"labels": {"x" * 99: "a"}}, f'labels["{"x" * 64}..."]', "1 to 63"),
    "quote in label": ({"labels": {'a"]\n': "a"}}, r'labels["a\"]\n"]', "1 to 63"),
    "long value": ({"labels": {"team": "x" * 257}}, 'labels["team"]', "at most 256"),
    "control in value": ({"labels": {"team": "a\x1b"}}, 'labels["team"]', "control characters"),
    "long end user": ({"end_user": "x" * 129}, "end_user", "at most 128"),
    "control in end user": ({"end_user": "a\x85b"}, "end_user", "control characters"),
}

GOOD: dict[str, dict[str, Any]] = {
    "route": {"model": "fast"},
    "long model": {"model": "x" * 256},
    "foreign letters": {
        "model": "möbel/größe",
        "end_user": "名前",
        "labels": {"a": "👩\u200d🚀"},
    },
    "whole": {
        "delivery": gateway_service_pb2.DELIVERY_WHOLE,
        "tool_call_validation": gateway_service_pb2.TOOL_CALL_VALIDATION_STRICT,
    },
    "routing": {
        "routing": {
            "fallback_models": ["a/b"] * 8,
            "max_attempts": 16,
            "hedge_after": {"nanos": 1},
            "first_output_timeout": {"seconds": 315_576_000_000},
            "idle_timeout": {"seconds": 1},
            "no_wait": True,
            "max_cost_usd_nanos": 0,
        }
    },
    "labels": {"labels": {f"team.a_b-{n}": "x" * 256 for n in range(16)}, "end_user": "x" * 128},
    "empty label value": {"labels": {"team": ""}},
}


@pytest.mark.parametrize("case", BAD)
def test_each_bad_field_is_named(case: str) -> None:
    """One bad field is one violation with the remedy."""
    fields, field, says = BAD[case]
    assert_bad(request(**fields), field, says)


@pytest.mark.parametrize("case", GOOD)
def test_good_fields_are_allowed(case: str) -> None:
    """Up to and including each bound."""
    assert validate_generate(request(**GOOD[case])) == []
