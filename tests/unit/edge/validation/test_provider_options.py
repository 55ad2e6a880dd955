"""Fields merged into a provider's request body: named well, writable as JSON, bounded."""

import math
from typing import Any

import pytest
from google.protobuf.struct_pb2 import Value

from sluice.v1.gateway_service_pb2 import GenerateRequest
from sluice_server.edge.validation import validate_generate
from tests.unit.edge.validation.building import assert_bad, assert_only, request


def with_options(provider: str, fields: dict[str, Any]) -> GenerateRequest:
    """Return a good request with options for one provider."""
    wanted = request()
    wanted.provider_options[provider].update(fields)
    return wanted


def test_any_json_is_allowed() -> None:
    """All kinds of values, and an empty object."""
    fields: dict[str, Any] = {"a": None, "b": [1, "x", True, {"c": []}], "d": {"e": {}}, "": 0}
    assert validate_generate(with_options("openai", fields)) == []
    assert validate_generate(with_options("claude-eu", {})) == []


@pytest.mark.parametrize(
    ("provider", "path"), [("", '""'), ("a/b", '"a/b"'), ("a\n", '"a\\n"'), ("-a", '"-a"')]
)
def test_keys_look_like_provider_names(provider: str, path: str) -> None:
    """A key that no provider can have would be ignored without a word."""
    assert_bad(with_options(provider, {}), f"provider_options[{path}]", "a provider's name")


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_numbers_that_json_lacks_are_named(number: float) -> None:
    """Once per field, however often they occur."""
    bad = with_options("openai", {"good": 1, "bad": [{"x": [number]}, number]})
    assert_bad(bad, 'provider_options["openai"].fields["bad"]', "NaN and infinity")


def test_values_without_a_kind_are_named() -> None:
    """A Value that nothing was put into is not null."""
    bad = with_options("openai", {})
    bad.provider_options["openai"].fields["bad"].CopyFrom(Value())
    assert_bad(bad, 'provider_options["openai"].fields["bad"]', "null is null_value")


@pytest.mark.parametrize("kind", ["object", "list"])
def test_nesting_is_bounded(kind: str) -> None:
    """At 64 levels, as for all JSON in requests."""

    def nested(levels: int) -> GenerateRequest:
        wanted = request()
        value = wanted.provider_options["openai"].fields["deep"]
        for _ in range(levels - 1):
            if kind == "object":
                value = value.struct_value.fields["x"]
            else:
                value = value.list_value.values.add()
        value.number_value = 1
        return wanted

    assert validate_generate(nested(64)) == []
    assert_only(
        validate_generate(nested(65)),
        'provider_options["openai"].fields["deep"]',
        "at most 64 levels",
    )


def test_values_are_bounded() -> None:
    """Values past the bound are not looked at."""
    assert validate_generate(with_options("openai", {"x": [1] * 9_999})) == []
    bad = with_options("openai", {"x": [1] * 10_000 + [math.nan]})
    assert_bad(bad, "provider_options", "at most 10000 values")


def test_providers_are_bounded() -> None:
    """Providers past the bound are not looked at."""
    bad = request()
    for number in range(65):
        bad.provider_options[f"p{number}"].SetInParent()
    assert_bad(bad, "provider_options", "at most 64 providers")
