"""Answers of providers in every dialect: streams, documents, errors and model lists.

Seeds are the recorded exchanges where this machine has them, and always those of `seeds`.
"""

import json
from collections.abc import Iterator
from typing import NamedTuple

from hypothesis import strategies as st

from sluice_server.edge.status import refusal
from sluice_server.errors import ProviderProtocolError, SluiceError, UpstreamError
from sluice_server.providers.quota_words import observed
from tests.fuzz.dialects import KINDS, dialect_of
from tests.fuzz.seeds import SEEDS
from tests.fuzz.target import Target, mutated
from tests.support.recorded import cases
from tests.support.recorded import presets as recorded
from tests.unit.providers.reading import DOCUMENT, STREAM, cut, read, told

Input = tuple[str, int, str, bytes, list[int]]
"""Kind of provider, status (0: a model list), content type, body, and where it is cut."""

NOW = 1_790_000_000.0
LARGEST_SEED = 20_000
"""Bytes. Longer recordings say the same more often."""

ENDS = (
    *(b"[DONE]", b"finish_reason", b"message_stop", b"stop_reason"),
    *(b"completed", b"incomplete", b"cancelled", b"finishReason", b"blockReason"),
)
"""Without any of these bytes no answer of any dialect can be whole."""

_PIECES = [
    *(b"data: ", b"\n\n", b"[DONE]", b'{"error":', b'{"usage":5,', b'"finish_reason":"stop"'),
    *(b"null", b"1e999", b"-1", b"9" * 5000, b"[" * 2000, b'{"a":' * 2000, b'"\\ud800"', b"\xff"),
    *(b"\r", b"{}", b"[]", b'""', b"true", b"event: error", b'"index":-1', b'"index":9e9', b","),
    *(b'{"type":"error","error":{', b'"type":"message_stop"', b'"type":"response.completed"'),
    *(b'"code":"\xc2\xb2"', b'"status":', b'"message":', b'"details":[{', b'"retryDelay":"9e9s"'),
    *(b'"data":[', b'"models":', b'"id":null', b'"finishReason":"STOP"', b'"content":"x"', b"}]"),
]
_ERRORS = [
    {"error": {"message": "m", "type": "invalid_request_error", "param": "p", "code": "c"}},
    {"type": "error", "error": {"type": "overloaded_error", "message": "m"}, "request_id": "r"},
    {"error": {"code": 429, "message": "m", "status": "RESOURCE_EXHAUSTED", "details": [{}]}},
    [{"error": {"code": 400, "message": "m"}}],
    {"detail": [{"loc": ["body", "x"], "msg": "m", "type": "t"}]},
    {"object": "error", "message": "m", "code": 400},
]
_LISTS = [
    {"object": "list", "data": [{"id": "m", "created": 1, "context_length": 9}]},
    {"data": [{"id": "m", "display_name": "M", "created_at": "2026-01-01T00:00:00Z"}]},
    {"models": [{"name": "models/m", "inputTokenLimit": 9, "supportedGenerationMethods": ["x"]}]},
    [{"id": "m", "pricing": {"prompt": "0.1"}}],
]


class _Seed(NamedTuple):
    kind: str
    status: int
    content_type: str
    body: bytes


def _seeds() -> Iterator[_Seed]:
    for seed in SEEDS.values():
        yield _Seed(seed.kind, 200, seed.content_type, seed.body)
    for kind in KINDS:
        for status, documents in ((400, _ERRORS), (0, _LISTS)):
            for document in documents:
                yield _Seed(kind, status, DOCUMENT, json.dumps(document).encode())
    for exchange in cases.exchanges():
        if len(exchange.body) > LARGEST_SEED:
            continue
        kind = recorded.KINDS.get((exchange.provider, exchange.api), "openai-compatible")
        good = exchange.status // 100 == 2
        status = 0 if good and exchange.api == "models" else exchange.status
        yield _Seed(kind, status, STREAM if exchange.is_stream else DOCUMENT, exchange.body)


def _input(
    seed: _Seed, kind: str | None, edits: list[tuple[int, int, bytes]], places: list[int]
) -> Input:
    return (kind or seed.kind, seed.status, seed.content_type, mutated(seed.body, edits), places)


_INPUTS = st.builds(
    _input,
    st.sampled_from(list(_seeds())),
    # Mostly the dialect that it belongs to.
    st.sampled_from([*([None] * 30), *KINDS]),
    st.lists(
        st.tuples(
            st.integers(0, LARGEST_SEED),
            st.integers(0, 40),
            st.sampled_from(_PIECES) | st.binary(max_size=4),
        ),
        max_size=5,
    ),
    st.lists(st.integers(0, LARGEST_SEED), max_size=6),
)


def _examine(value: Input) -> None:
    kind, status, content_type, body, places = value
    if status == 0:
        _examine_list(kind, body)
    elif status // 100 == 2:
        _examine_answer(kind, content_type, body, places)
    else:
        _examine_error(kind, status, body)


def _examine_answer(kind: str, content_type: str, body: bytes, places: list[int]) -> None:
    dialect = dialect_of(kind)
    answer = read(*cut(body, places), content_type=content_type, dialect=dialect)
    if answer.error is None:
        assert any(end in body for end in ENDS)
        assert told(answer.events) == answer.parts
    else:
        assert isinstance(answer.error, UpstreamError)
        assert answer.completed is None
        told(answer.events)
        _examine_told(answer.error)


def _examine_error(kind: str, status: int, body: bytes) -> None:
    dialect = dialect_of(kind)
    error = dialect.error(status, {"content-type": DOCUMENT}, body)
    assert isinstance(error, UpstreamError)
    _examine_told(error)
    for bucket in observed(dialect.error_limits(status, {}, body, now=NOW), now=NOW):
        assert (bucket.limit or 0) >= 0


def _examine_list(kind: str, body: bytes) -> None:
    try:
        models = dialect_of(kind).parse_models(body, provider="up")
    except ProviderProtocolError as error:
        _examine_told(error)
        return
    for model in models:
        assert model.id
        assert model.name
        assert model.SerializeToString()


def _examine_told(error: SluiceError) -> None:
    """The caller can be told: a status is made of it, whatever the provider wrote."""
    assert str(error).encode()
    status = refusal(error, generation_id="gen_0")
    status.message.encode()


TARGET = Target("answers", _INPUTS, _examine)
