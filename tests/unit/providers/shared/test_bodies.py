"""Pieces of bodies: numbers, schemas and the caller's own fields."""

import base64
from typing import Any

import pytest
from google.protobuf import json_format, struct_pb2

from sluice.v1 import content_pb2
from sluice.v1.gateway_service_pb2 import GenerateRequest
from sluice_server.errors import UnsupportedFeatureError
from sluice_server.providers import bodies


def struct(value: dict[str, Any]) -> struct_pb2.Struct:
    """Return a Struct."""
    return json_format.ParseDict(value, struct_pb2.Struct())


def merged(body: dict[str, Any], options: dict[str, Any], owned: tuple[str, ...] = ()) -> Any:
    """Return the body after the caller's fields for the provider "main"."""
    request = GenerateRequest()
    request.provider_options["main"].CopyFrom(struct(options))
    bodies.merge_provider_options(request, body, provider="main", owned=owned)
    return body


@pytest.mark.parametrize("text", ['{"b":1.0,"a":9223372036854775807}', '{ "x" : 1e400 }'])
def test_raw_json_stays_as_written(text: str) -> None:
    """Key order, white space and numbers reach the provider untouched."""
    assert bodies.to_json({"s": bodies.raw(text), "t": 1}) == f'{{"s":{text},"t":1}}'.encode()


@pytest.mark.parametrize("text", ["", " \n"])
def test_schema_of_a_function_without_arguments(text: str) -> None:
    """A function that takes nothing still has a schema."""
    tool = content_pb2.Tool(name="f", input_schema_json=text)
    assert bytes(bodies.tool_schema(tool)) == b'{"type":"object","properties":{}}'


def test_schema_of_a_function() -> None:
    """The caller's own schema is untouched."""
    tool = content_pb2.Tool(name="f", input_schema_json='{"type": "object" }')
    assert bytes(bodies.tool_schema(tool)) == b'{"type": "object" }'


@pytest.mark.parametrize("data", [b"", b"\x00\xff", b"abcd"])
def test_media(data: bytes) -> None:
    """Inline media is base64 with padding, alone and in an address."""
    media = content_pb2.Media(mime_type="image/png", data=data)
    assert base64.b64decode(bodies.base64_data(media), validate=True) == data
    assert bodies.data_url(media) == f"data:image/png;base64,{bodies.base64_data(media)}"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (None, b"null"),
        (True, b"true"),
        (1, b"1"),
        (-0.0, b"0"),
        (1.5, b"1.5"),
        (2.0**53 - 1, b"9007199254740991"),
        (1e300, b"1e300"),
        ("1", b'"1"'),
        ([1, {"a": []}], b'[1,{"a":[]}]'),
    ],
)
def test_values_of_a_struct(written: Any, read: bytes) -> None:
    """Whole numbers lose the fraction that Struct gives them; nothing else changes."""
    value = json_format.ParseDict(written, struct_pb2.Value())
    assert bodies.to_json({"v": bodies.plain(value)}) == b'{"v":' + read + b"}"


def test_value_without_a_kind() -> None:
    """A value that says nothing is null."""
    assert bodies.plain(struct_pb2.Value()) is None


@pytest.mark.parametrize(
    ("body", "options", "expected"),
    [
        ({"a": 1}, {"a": 2, "b": 3}, {"a": 2, "b": 3}),
        ({"a": {"x": 1}}, {"a": {"y": 2}}, {"a": {"x": 1, "y": 2}}),
        ({"a": {"x": {"p": 1, "q": 2}}}, {"a": {"x": {"q": 3}}}, {"a": {"x": {"p": 1, "q": 3}}}),
        ({"a": {"x": 1}}, {"a": None}, {"a": None}),
        ({"a": {"x": 1}}, {"a": [1]}, {"a": [1]}),
        ({"a": [1]}, {"a": {"x": 1}}, {"a": {"x": 1}}),
        ({"a": [1, 2]}, {"a": [3]}, {"a": [3]}),
        ({}, {"a": {"x": {}}}, {"a": {"x": {}}}),
    ],
)
def test_fields_of_the_caller(body: dict[str, Any], options: Any, expected: Any) -> None:
    """The caller has the last word; objects are merged, all else is replaced."""
    assert merged(body, options) == expected


def test_merging_leaves_shared_objects_alone() -> None:
    """What a dialect keeps between requests is not written into."""
    shared = {"x": {"y": 1}}
    merged({"a": shared}, {"a": {"x": {"z": 2}}})
    assert shared == {"x": {"y": 1}}


def test_field_of_the_gateway() -> None:
    """A field that the gateway sets itself is refused by its path."""
    with pytest.raises(UnsupportedFeatureError) as caught:
        merged({}, {"stream": False}, owned=("stream",))
    assert caught.value.violations[0].field == 'provider_options["main"].stream'


def test_fields_for_another_provider() -> None:
    """Fields for others are not looked at, and asking adds none."""
    request = GenerateRequest()
    request.provider_options["other"].CopyFrom(struct({"a": 1}))
    body: dict[str, Any] = {}
    bodies.merge_provider_options(request, body, provider="main", owned=("a",))
    assert body == {}
    assert list(request.provider_options) == ["other"]
