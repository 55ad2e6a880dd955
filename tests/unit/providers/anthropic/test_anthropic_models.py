"""Anthropic's model list, the facts of single models, and the rows that use them."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.v1 import model_pb2
from sluice_server.config.settings import Provider as Configured
from sluice_server.errors import ProviderProtocolError
from sluice_server.providers.capabilities import Feature, Support
from sluice_server.providers.dialects.anthropic import AnthropicMessages, vertex_surface
from sluice_server.providers.dialects.anthropic.models import parse_models
from sluice_server.providers.facts.anthropic import FACTS, AnthropicFacts
from sluice_server.providers.presets import PRESETS

YES = {"supported": True}
ENTRY: dict[str, Any] = {
    "type": "model",
    "id": "claude-x",
    "display_name": "Claude X",
    "created_at": "2026-08-19T14:34:12Z",
    "retires_at": "2027-08-19T14:34:12Z",
    "max_input_tokens": 1_000_000,
    "max_tokens": 128_000,
    "lifecycle": "active",
    "capabilities": {
        "structured_outputs": YES,
        "thinking": {**YES, "types": {"adaptive": YES}},
        "image_input": YES,
        "pdf_input": {"supported": False},
        "batch": None,
    },
}


def listed(*entries: Any) -> list[model_pb2.Model]:
    """Return the models of a list of these entries."""
    body = {"data": list(entries), "has_more": False, "first_id": None, "last_id": None}
    return parse_models(json.dumps(body).encode(), provider="up")


def test_an_entry() -> None:
    """Limits, times and what the model can do are read."""
    (model,) = listed(ENTRY)

    assert (model.name, model.id, model.display_name) == ("up/claude-x", "claude-x", "Claude X")
    assert (model.context_tokens, model.max_output_tokens) == (1_000_000, 128_000)
    assert model.create_time.ToSeconds() == 1_787_150_052
    assert model.retire_time.ToSeconds() == 1_818_686_052
    assert list(model.input_modalities) == ["text", "image"]
    assert {
        model_pb2.MODEL_FEATURE_TOOLS,
        model_pb2.MODEL_FEATURE_JSON_SCHEMA,
        model_pb2.MODEL_FEATURE_REASONING,
        model_pb2.MODEL_FEATURE_VISION,
    } <= set(model.features)


def test_unknown_is_not_zero() -> None:
    """What an entry does not say stays absent."""
    (model,) = listed({"id": "claude-x", "max_tokens": 0, "created_at": "1970-01-01T00:00:00Z"})

    assert not model.HasField("context_tokens")
    assert not model.HasField("max_output_tokens")
    assert not model.HasField("create_time")
    assert model_pb2.MODEL_FEATURE_REASONING not in model.features


def test_what_an_older_list_does_not_say_is_left_to_others() -> None:
    """An entry without capabilities says nothing of what the model takes."""
    (model,) = listed({"id": "claude-x"})

    assert not model.input_modalities
    assert list(model.categories) == ["chat"]


@pytest.mark.parametrize(
    ("page", "path"),
    [
        ({"data": [], "has_more": True, "last_id": "claude x/1"}, "&after_id=claude%20x%2F1"),
        ({"data": [], "has_more": True, "last_id": None}, None),
        ({"data": [], "has_more": False, "last_id": "claude-x"}, None),
        ({"data": []}, None),
        ([], None),
    ],
)
def test_where_a_list_goes_on(page: Any, path: str | None) -> None:
    """`has_more` with the last id leads to the next page."""
    dialect = AnthropicMessages()
    found = dialect.next_models_page(dialect.models_path(), json.dumps(page).encode())

    assert (found.path if found else None) == (path and f"/v1/models?limit=1000{path}")


def test_retired_models() -> None:
    """What can no longer be called is not listed, nor what has no id."""
    assert listed({**ENTRY, "lifecycle": "retired"}, {"display_name": "x"}) == []
    assert len(listed({**ENTRY, "lifecycle": "deprecated"})) == 1


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"data":null}', b'{"data":[1]}', b"{}"])
def test_bodies_that_are_no_list(body: bytes) -> None:
    """Anything else is an error of the provider."""
    with pytest.raises(ProviderProtocolError):
        parse_models(body, provider="up")


ODD = st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just({"a": [1]})


@given(odd=st.dictionaries(st.sampled_from(sorted(ENTRY)), ODD))
@settings(max_examples=100, deadline=None)
def test_odd_entries(odd: dict[str, Any]) -> None:
    """An odd entry gives models that can be sent, or an error of ours."""
    try:
        models = listed({**ENTRY, **odd})
    except ProviderProtocolError:
        return
    for model in models:
        model.SerializeToString()


FOUND: list[tuple[str, dict[str, Any]]] = [
    ("claude-unheard-of", {}),
    ("claude-3-7-sonnet-20250219", {"adaptive": False, "budget": True, "efforts": ()}),
    ("claude-sonnet-4-20250514", {"adaptive": False, "prefill": True, "sampling": "taken"}),
    ("claude-sonnet-4-5@20250929", {"sampling": "one", "max_output_tokens": 64000}),
    ("claude-opus-4-5-20251101", {"adaptive": False, "efforts": ("low", "medium", "high")}),
    ("claude-sonnet-4-6", {"adaptive": True, "budget": True, "prefill": False}),
    ("claude-opus-4-7", {"budget": False, "sampling": "refused", "system_messages": False}),
    ("claude-opus-4-8", {"budget": False, "thinks_by_default": False, "system_messages": True}),
    ("claude-opus-5", {"thinks_by_default": True, "forced_tool_choice": True}),
    ("claude-sonnet-5", {"without_thinking": "disabled", "forced_tool_choice": True}),
    ("claude-sonnet-5-5", {"without_thinking": "between_tools", "forced_tool_choice": False}),
    ("claude-haiku-5-5", {"without_thinking": "disabled", "forced_tool_choice": True}),
    ("claude-opus-5-5", {"without_thinking": "refused", "max_output_tokens": 128000}),
    ("claude-fable-5-1", {"without_thinking": "refused", "forced_tool_choice": False}),
    ("claude-mythos-5-2", {"without_thinking": "refused", "budget": False}),
]


@pytest.mark.parametrize(("model", "facts"), FOUND, ids=str)
def test_facts(model: str, facts: dict[str, Any]) -> None:
    """Each model of the reference has the facts that stand there."""
    found = FACTS.of(model)
    assert {name: getattr(found, name) for name in facts} == facts


def test_unknown_models_pass_everything_on() -> None:
    """A model that no row names has the defaults."""
    assert FACTS.of("claude-unheard-of") == FACTS.of("gpt") == AnthropicFacts()


def test_the_kind() -> None:
    """Anthropic is a kind with an address, a key variable and droppable options."""
    preset = PRESETS["anthropic"]
    configured = Configured(kind="anthropic", headers={}, drop_unsupported=("seed",))
    dialect = preset.dialect(configured)

    assert preset.kind.key_variable == "ANTHROPIC_API_KEY"
    assert preset.base_url(configured) == "https://api.anthropic.com"
    assert dialect.models_path() == "/v1/models?limit=1000"
    assert isinstance(dialect, AnthropicMessages)


def test_every_feature_is_stated() -> None:
    """The dialect says of each feature whether it carries it, on either surface."""
    api, vertex = AnthropicMessages(), AnthropicMessages(vertex_surface("p", "l"))

    assert set(api.capabilities) == set(vertex.capabilities) == set(Feature)
    assert api.capabilities[Feature.MODEL_LIST] is Support.YES
    assert vertex.capabilities[Feature.MODEL_LIST] is Support.NO
