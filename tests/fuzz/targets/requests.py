"""Requests as they may come over the wire: refused with words, or accepted and encoded.

Inputs are bytes: a valid conversation, merged with fields of any kind (in protobuf, messages that
follow each other are merged), and damaged on top.
"""

import json
import math
from typing import Any

from google.protobuf import descriptor, message
from google.protobuf.message import DecodeError
from hypothesis import strategies as st

from sluice.v1 import gateway_service_pb2 as pb
from sluice_server.edge.replay import make_sendable
from sluice_server.edge.status import refusal
from sluice_server.edge.validation import (
    validate_generate,
    validate_get_metrics,
    validate_get_rate_limits,
    validate_list_models,
)
from sluice_server.errors import (
    FieldViolation,
    InvalidRequestError,
    SluiceError,
    UnsupportedFeatureError,
)
from tests.fuzz.dialects import KINDS, dialect_of
from tests.fuzz.target import Target, mutated
from tests.support.histories import MODEL, PROVIDER, Conversation, conversations

Input = tuple[str, bytes, str]
"""Name of the request's message, its bytes, and the kind of provider that gets it."""

_CHECKS: dict[str, tuple[type[message.Message], Any]] = {
    "GenerateRequest": (pb.GenerateRequest, validate_generate),
    "ListModelsRequest": (pb.ListModelsRequest, validate_list_models),
    "GetRateLimitsRequest": (pb.GetRateLimitsRequest, validate_get_rate_limits),
    "GetMetricsRequest": (pb.GetMetricsRequest, validate_get_metrics),
}
_DEEPEST = 5
"""Levels of messages that are made up; deeper ones come by damage."""

_TEXTS = [
    *("", " ", "x", "look", "up/m", "up/", "/m", "a/b/c", "\0", "\x7f", "é😀", "a" * 300, "_" * 65),
    *("{}", "[]", "null", '"x"', "{", '{"a": 1e999}', '{"a": 1, "a": 2}', "[" * 500, '{"a":' * 200),
    *("9" * 5000, '{"type": "object"}', '{"type": "nonsense"}', '{"$ref": "#"}', "-----"),
    *('{"$defs": {"a": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}', '{"pattern": "(a+)+$"}'),
    *('{"anyOf": [{"$ref": "#"}, {"type": "object"}]}', '{"properties": {"a": {"$ref": "x:y"}}}'),
    *("image/png", "text/plain", "image/", "image/png; a=b", "application/pdf", "audio/wav"),
    *("https://example.com/a.png", "http://[", "data:image/png;base64,AA==", "file:///etc/passwd"),
    *("call_1", "low", "default", "2026-10-01", "Role", "up", "other", "thought_signature"),
]
_NUMBERS: dict[int, st.SearchStrategy[Any]] = {
    descriptor.FieldDescriptor.CPPTYPE_INT32: st.sampled_from([0, 1, -1, 7, 2**31 - 1, -(2**31)]),
    descriptor.FieldDescriptor.CPPTYPE_INT64: st.sampled_from([0, 1, -1, 2**63 - 1, -(2**63)]),
    descriptor.FieldDescriptor.CPPTYPE_UINT32: st.sampled_from([0, 1, 5, 2**32 - 1]),
    descriptor.FieldDescriptor.CPPTYPE_UINT64: st.sampled_from([0, 1, 2**64 - 1]),
    descriptor.FieldDescriptor.CPPTYPE_DOUBLE: st.sampled_from(
        [0.0, 0.5, -1.0, 2.0, 1e308, math.inf, -math.inf, math.nan]
    ),
    descriptor.FieldDescriptor.CPPTYPE_FLOAT: st.sampled_from([0.0, 0.5, -1.0, math.nan, math.inf]),
    descriptor.FieldDescriptor.CPPTYPE_BOOL: st.booleans(),
}


class _Filler:
    """Puts anything into a message."""

    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw

    def fill(self, into: message.Message, depth: int) -> None:
        fields: list[Any] = list(into.DESCRIPTOR.fields)
        for field in self._draw(st.lists(st.sampled_from(fields), max_size=3)) if fields else ():
            self._set(into, field, depth)

    def _set(self, into: message.Message, field: descriptor.FieldDescriptor, depth: int) -> None:
        place: Any = getattr(into, field.name)
        kind = field.message_type
        if kind is not None and kind.GetOptions().map_entry:
            self._entry(place, kind, depth)
        elif field.is_repeated:
            for _ in range(self._draw(st.sampled_from([1, 1, 2, 5, 40]))):
                if kind is None:
                    place.append(self._value(field))
                elif depth < _DEEPEST:
                    self.fill(place.add(), depth + 1)
        elif kind is None:
            setattr(into, field.name, self._value(field))
        elif depth < _DEEPEST:
            place.SetInParent()
            self.fill(place, depth + 1)

    def _entry(self, place: Any, kind: descriptor.Descriptor, depth: int) -> None:
        key = self._value(kind.fields_by_name["key"])
        value = kind.fields_by_name["value"]
        if value.message_type is None:
            place[key] = self._value(value)
        elif depth < _DEEPEST:
            self.fill(place[key], depth + 1)

    def _value(self, field: descriptor.FieldDescriptor) -> Any:
        if field.cpp_type == descriptor.FieldDescriptor.CPPTYPE_ENUM:
            return self._draw(st.integers(0, 9))
        if field.cpp_type != descriptor.FieldDescriptor.CPPTYPE_STRING:
            return self._draw(_NUMBERS[field.cpp_type])
        text = self._draw(st.sampled_from(_TEXTS) | st.text(max_size=8))
        return text.encode() if field.type == descriptor.FieldDescriptor.TYPE_BYTES else text


@st.composite
def _anything(draw: st.DrawFn, name: str) -> bytes:
    """Draw the bytes of a message with fields of any kind."""
    made = _CHECKS[name][0]()
    _Filler(draw).fill(made, 0)
    return made.SerializeToString()


def _bytes_of(conversation: Conversation) -> bytes:
    return conversation.request.SerializeToString(deterministic=True)


def _input(name: str, seed: bytes, more: bytes, edits: Any, kind: str) -> Input:
    return name, mutated(seed + more, edits), kind


_EDITS: st.SearchStrategy[list[tuple[int, int, bytes]]] = st.one_of(
    st.just([]),
    st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 4), st.binary(max_size=4)), max_size=3),
)
_INPUTS = st.one_of(
    *(
        st.builds(
            _input,
            st.just(name),
            conversations().map(_bytes_of) if name == "GenerateRequest" else st.just(b""),
            st.one_of(st.just(b""), _anything(name)),
            _EDITS,
            st.sampled_from(KINDS),
        )
        # Most of what can go wrong is in one of them.
        for name in ["GenerateRequest", "GenerateRequest", *_CHECKS]
    )
)


def _examine(value: Input) -> None:
    name, data, kind = value
    made, validate = _CHECKS[name]
    request = made()
    try:
        request.ParseFromString(data)
    except DecodeError:
        return
    violations = validate(request)
    if violations:
        _examine_refusal(InvalidRequestError(violations), violations)
    elif isinstance(request, pb.GenerateRequest):
        _examine_encoding(request, kind)


def _examine_encoding(request: pb.GenerateRequest, kind: str) -> None:
    make_sendable(request)
    try:
        encoded = dialect_of(kind).encode(request, provider=PROVIDER, model=MODEL)
    except (UnsupportedFeatureError, InvalidRequestError) as error:
        _examine_refusal(error, error.violations)
        return
    assert isinstance(json.loads(encoded.body), dict)
    assert encoded.path.startswith("/")


def _examine_refusal(error: SluiceError, violations: list[FieldViolation]) -> None:
    """The caller can be told."""
    for violation in violations:
        assert violation.description
        assert (violation.field + violation.description).encode()
    assert refusal(error, generation_id="gen_0").message


TARGET = Target("requests", _INPUTS, _examine)
