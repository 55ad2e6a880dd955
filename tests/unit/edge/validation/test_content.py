"""The inside of parts: media, calls, results, reasoning, provider state and cache hints."""

from typing import Any

import pytest

from sluice.v1 import content_pb2
from sluice_server.edge.validation import validate_generate
from tests.unit.edge.validation.building import (
    ASSISTANT,
    PNG,
    TOOL,
    USER,
    assert_bad,
    call,
    conversation,
    message,
    result,
    said,
)

STATE = {"provider": "claude-eu", "kind": "signature", "value": b"\x00"}

BAD_MEDIA: dict[str, tuple[dict[str, Any], str, str]] = {
    "no type": ({"data": b"x"}, "mime_type", '"image/png"'),
    "type without subtype": (PNG | {"mime_type": "image"}, "mime_type", '"type/subtype"'),
    "wildcard": (PNG | {"mime_type": "image/*"}, "mime_type", "one media type"),
    "two types": (PNG | {"mime_type": "image/png, image/gif"}, "mime_type", "one media type"),
    "line break in type": (PNG | {"mime_type": "image/png\n"}, "mime_type", "one media type"),
    "no source": ({"mime_type": "image/png"}, "source", "data, uri or file_id"),
    "no bytes": (PNG | {"data": b""}, "data", "Put the bytes in"),
    "no address": ({"mime_type": "image/png", "uri": ""}, "uri", "scheme https"),
    "file address": ({"mime_type": "image/png", "uri": "file:///etc/passwd"}, "uri", "https"),
    "data address": ({"mime_type": "image/png", "uri": "data:,x"}, "uri", "go into data"),
    "relative address": ({"mime_type": "image/png", "uri": "/a.png"}, "uri", "absolute"),
    "no host": ({"mime_type": "image/png", "uri": "https:///a.png"}, "uri", "absolute"),
    "space in address": ({"mime_type": "image/png", "uri": "https://a/b c"}, "uri", "absolute"),
    "endless address": (
        {"mime_type": "image/png", "uri": "https://a/" + "x" * 9_000},
        "uri",
        "Shorten it",
    ),
    "no file": ({"mime_type": "image/png", "file_id": ""}, "file_id", "file store"),
    "control in file": ({"mime_type": "image/png", "file_id": "a\n"}, "file_id", "control"),
    "endless file": ({"mime_type": "image/png", "file_id": "x" * 1_025}, "file_id", "Shorten it"),
    "control in name": (PNG | {"name": "a\x7f"}, "name", "control"),
    "endless name": (PNG | {"name": "x" * 256}, "name", "255"),
}


@pytest.mark.parametrize("case", BAD_MEDIA)
def test_each_fault_of_media_is_named(case: str) -> None:
    """In a message and inside a tool's result alike."""
    media, field, says = BAD_MEDIA[case]
    asked = conversation(message(USER, {"text": "See"}, {"media": media}))
    assert_bad(asked, f"messages[0].parts[1].media.{field}", says)
    returned = conversation(
        message(ASSISTANT, call()), message(TOOL, result("c1", {"text": "See"}, {"media": media}))
    )
    assert_bad(returned, f"messages[1].parts[0].tool_result.parts[1].media.{field}", says)


@pytest.mark.parametrize(
    "media",
    [
        PNG,
        PNG | {"name": "Übersicht 1.png"},
        {"mime_type": "application/vnd.ms-excel.sheet.macroEnabled.12", "file_id": "file-1"},
        {"mime_type": "audio/pcm;rate=16000", "uri": "gs://bucket/a.pcm"},
        {"mime_type": 'text/plain; charset="utf-8"', "uri": "HTTP://10.0.0.1:8080/a?b=c#d"},
    ],
)
def test_all_sources_of_media_are_allowed(media: dict[str, Any]) -> None:
    """Bytes, addresses on the web, in a bucket or in a private network, and stored files."""
    assert validate_generate(conversation(message(USER, {"media": media}))) == []


BAD_CALLS: dict[str, tuple[dict[str, Any], str, str]] = {
    "no name": (call(name=""), "name", "1 to 64 of the characters"),
    "odd name": (call(name="functions.look:0"), "name", "1 to 64 of the characters"),
    "name with line break": (call(name="look\n"), "name", "1 to 64 of the characters"),
    "long name": (call(name="x" * 65), "name", "1 to 64 of the characters"),
    "no arguments": (call(arguments=""), "arguments_json", 'Write "{}"'),
    "cut arguments": (call(arguments='{"city": "Osl'), "arguments_json", 'or with "{}"'),
    "array": (call(arguments="[1]"), "arguments_json", "Make it a JSON object"),
    "null": (call(arguments="null"), "arguments_json", "Make it a JSON object"),
    "NaN": (call(arguments='{"a": NaN}'), "arguments_json", "Make it valid JSON"),
    "two objects": (call(arguments="{}{}"), "arguments_json", "Make it valid JSON"),
    "deep": (
        call(arguments='{"a":' + "[" * 64 + "]" * 64 + "}"),
        "arguments_json",
        "at most 64 levels",
    ),
    "bottomless": (
        call(arguments='{"a":' + "[" * 100_000 + "]" * 100_000 + "}"),
        "arguments_json",
        "at most 64 levels",
    ),
}


@pytest.mark.parametrize("case", BAD_CALLS)
def test_each_fault_of_a_call_is_named(case: str) -> None:
    """The call is still matched with its result, so that there is no second violation."""
    part, field, says = BAD_CALLS[case]
    bad = conversation(said(USER), message(ASSISTANT, part), message(TOOL, result()))
    assert_bad(bad, f"messages[1].parts[0].tool_call.{field}", says)


@pytest.mark.parametrize(
    ("call_id", "says"), [("c\x00", "control characters"), ("c" * 257, "at most 256")]
)
def test_odd_call_ids_are_named(call_id: str, says: str) -> None:
    """An id is echoed in logs and paths, and so it is short and printable."""
    bad = conversation(message(ASSISTANT, call(call_id)), message(TOOL, result(call_id)))
    assert_bad(bad, "messages[0].parts[0].tool_call.id", says)


def test_a_call_without_an_id_is_named() -> None:
    """Nothing could answer it."""
    bad = conversation(message(ASSISTANT, call("")), said(USER))
    assert_bad(bad, "messages[0].parts[0].tool_call.id", "Give the call the id")


@pytest.mark.parametrize(
    "arguments",
    [
        "{}",
        ' {"a": 1} ',
        '{"a": 123456789012345678901234567890, "b": 1e999}',
        '{"a": "' + "[{" * 100 + '\\""}',
        '{"a":' + "[" * 63 + "]" * 63 + "}",
        '{"a": [' + "[]," * 1_000 + "[]]}",
    ],
)
def test_arguments_are_left_as_the_model_wrote_them(arguments: str) -> None:
    """White space, large numbers, brackets in strings and wide arrays are no fault."""
    good = conversation(message(ASSISTANT, call(arguments=arguments)), message(TOOL, result()))
    assert validate_generate(good) == []


def test_output_only_fields_of_a_call_are_ignored() -> None:
    """An answer is appended to the conversation as it came, verdict included."""
    part = call()
    part["tool_call"] |= {
        "check": content_pb2.ARGUMENTS_CHECK_SCHEMA_VIOLATION,
        "violations": ["/city: is missing", ""],
    }
    assert validate_generate(conversation(message(ASSISTANT, part), message(TOOL, result()))) == []


BAD_PIECES: dict[str, tuple[dict[str, Any], str, str]] = {
    "of no kind": ({}, "", "text or media"),
    "nested result": (result("c1"), ".tool_result", "JSON as text"),
    "call": (call("c2"), ".tool_call", "JSON as text"),
    "reasoning": ({"reasoning": {"text": "hm"}}, ".reasoning", "JSON as text"),
    "refusal": ({"refusal": "no"}, ".refusal", "JSON as text"),
    "bad cache": ({"text": "", "cache": {"ttl": {}}}, ".cache.ttl", "longer than zero"),
}


@pytest.mark.parametrize("case", BAD_PIECES)
def test_each_fault_inside_a_result_is_named(case: str) -> None:
    """A tool returns text and media, nothing else."""
    piece, field, says = BAD_PIECES[case]
    bad = conversation(
        message(ASSISTANT, call()), message(TOOL, result("c1", {"text": "ok"}, piece))
    )
    assert_bad(bad, f"messages[1].parts[0].tool_result.parts[1]{field}", says)


def test_a_tool_may_return_nothing() -> None:
    """No parts, or an empty text, is what a tool without output returns."""
    good = conversation(
        message(ASSISTANT, call("a"), call("b")),
        message(TOOL, result("a"), result("b", {"text": ""})),
    )
    assert validate_generate(good) == []


BAD_STATES: dict[str, tuple[dict[str, Any], str, str]] = {
    "no provider": (STATE | {"provider": ""}, "provider", "a provider's name"),
    "odd provider": (STATE | {"provider": "a/b"}, "provider", "a provider's name"),
    "no kind": (STATE | {"kind": ""}, "kind", "as received"),
    "long kind": (STATE | {"kind": "x" * 65}, "kind", "at most 64"),
    "no value": (STATE | {"value": b""}, "value", "as received"),
}


@pytest.mark.parametrize("case", BAD_STATES)
def test_each_fault_of_provider_state_is_named(case: str) -> None:
    """State that lost a field would be refused upstream with less to go by."""
    state, field, says = BAD_STATES[case]
    part = {"text": "Hi", "provider_state": [STATE, state]}
    bad = conversation(said(USER), message(ASSISTANT, part))
    assert_bad(bad, f"messages[1].parts[0].provider_state[1].{field}", says)


def test_provider_state_is_bounded() -> None:
    """A part carries at most as many values as are looked at."""
    part = {"text": "Hi", "provider_state": [STATE] * 64 + [{}]}
    bad = conversation(said(USER), message(ASSISTANT, part))
    assert_bad(bad, "messages[1].parts[0].provider_state", "at most 64")


def test_redacted_reasoning_needs_its_state() -> None:
    """Without its encrypted form nothing of it is left to send."""
    part: dict[str, Any] = {"reasoning": {"redacted": True}}
    assert_bad(
        conversation(said(USER), message(ASSISTANT, part)),
        "messages[1].parts[0].provider_state",
        "or leave the part out",
    )
    part["provider_state"] = [STATE]
    assert validate_generate(conversation(said(USER), message(ASSISTANT, part))) == []


@pytest.mark.parametrize(
    ("ttl", "says"),
    [
        ({}, "longer than zero"),
        ({"seconds": -1}, "longer than zero"),
        ({"nanos": -1}, "longer than zero"),
        ({"seconds": 1, "nanos": -1}, "valid Duration"),
        ({"seconds": -1, "nanos": 1}, "valid Duration"),
        ({"nanos": 1_000_000_000}, "valid Duration"),
        ({"seconds": 315_576_000_001}, "valid Duration"),
    ],
)
def test_each_fault_of_a_cache_lifetime_is_named(ttl: dict[str, int], says: str) -> None:
    """A lifetime is a valid Duration, longer than zero."""
    bad = conversation(message(USER, {"text": "Hi", "cache": {"ttl": ttl}}))
    assert_bad(bad, "messages[0].parts[0].cache.ttl", says)


@pytest.mark.parametrize("cache", [{}, {"ttl": {"seconds": 300}}, {"ttl": {"nanos": 1}}])
def test_cache_hints_are_allowed(cache: dict[str, Any]) -> None:
    """With a lifetime, or with the provider's own."""
    assert validate_generate(conversation(message(USER, {"text": "Hi", "cache": cache}))) == []
