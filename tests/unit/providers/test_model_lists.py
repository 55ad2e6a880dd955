"""Model lists of Chat Completions servers."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice_server.errors import ProviderProtocolError
from sluice_server.providers.openai_family.models import parse_models


def parsed(*entries: Any, bare: bool = False) -> Any:
    """Return the models of a list with these entries."""
    body: Any = list(entries) if bare else {"object": "list", "data": entries}
    return parse_models(json.dumps(body).encode(), provider="up")


@pytest.mark.parametrize("bare", [False, True])
def test_list_in_either_form(bare: bool) -> None:
    """The documented object and Together's bare array are both read."""
    (model,) = parsed({"id": "org/m", "created": 1_700_000_000, "name": "M"}, bare=bare)

    assert (model.name, model.id, model.provider) == ("up/org/m", "org/m", "up")
    assert model.display_name == "M"
    assert model.create_time.ToSeconds() == 1_700_000_000


@pytest.mark.parametrize(
    "field", ["context_window", "context_length", "max_context_length", "max_model_len"]
)
def test_context_window_under_any_name(field: str) -> None:
    """The size of the context is found where look-alikes put it."""
    assert parsed({"id": "m", field: 4096})[0].context_tokens == 4096


def test_unknown_is_absent() -> None:
    """What the list does not say, or says as zero or less, is absent."""
    for extra in ({}, {"context_length": 0, "max_completion_tokens": -1, "created": -5}):
        (model,) = parsed({"id": "m"} | extra)
        assert not model.HasField("context_tokens")
        assert not model.HasField("max_output_tokens")
        assert not model.HasField("create_time")


def test_entries_without_a_name_are_left_out() -> None:
    """An empty id cannot be called."""
    assert [model.id for model in parsed({"id": ""}, {"id": "m"})] == ["m"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"null",
        b"<html>",
        b'{"data": 5}',
        b'{"data": [{"id": 5}]}',
        b"\xff",
        b"[" * 9999,
    ],
    ids=lambda body: body[:20].decode("latin-1"),
)
def test_no_list_is_a_protocol_error(body: bytes) -> None:
    """A body that is no model list fails as the provider's fault."""
    with pytest.raises(ProviderProtocolError):
        parse_models(body, provider="up")


@given(
    st.dictionaries(
        st.sampled_from(["created", "context_length", "max_completion_tokens", "max_model_len"]),
        st.none() | st.integers() | st.floats() | st.integers(2**62, 2**70),
    )
)
@settings(max_examples=150, deadline=None)
def test_odd_numbers_never_break_out(numbers: dict[str, Any]) -> None:
    """Any number gives a model that can be sent, or a protocol error."""
    try:
        (model,) = parsed({"id": "m"} | numbers)
    except ProviderProtocolError:
        return
    model.SerializeToString()
