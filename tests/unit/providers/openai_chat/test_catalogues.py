"""What look-alikes add to their model lists."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.v1 import model_pb2 as pb
from sluice_server.errors import ProviderProtocolError
from sluice_server.providers.openai_family.models import parse_models
from tests.unit.providers.openai_chat.asking import dialect


def one(entry: dict[str, Any], key: str = "data") -> pb.Model:
    """Return the model of a list with this entry alone."""
    (model,) = parse_models(json.dumps({key: [{"id": "m"} | entry]}).encode(), provider="up")
    return model


def test_openrouter() -> None:
    """The rich record gives limits, modalities, features and exact prices."""
    model = one(
        {
            "name": "M",
            "context_length": 2000,
            "top_provider": {"context_length": 1000, "max_completion_tokens": 500},
            "architecture": {"input_modalities": ["text", "image"], "output_modalities": ["text"]},
            "pricing": {"prompt": "0.00000015", "completion": "0.0000006", "input_cache_read": "0"},
            "supported_parameters": ["tools", "structured_outputs", "reasoning", "seed"],
            "expiration_date": "2027-01-14",
        }
    )

    assert (model.context_tokens, model.max_output_tokens) == (1000, 500)
    assert list(model.input_modalities) == ["text", "image"]
    assert list(model.output_modalities) == ["text"]
    assert set(model.features) == {
        pb.MODEL_FEATURE_TOOLS,
        pb.MODEL_FEATURE_JSON_SCHEMA,
        pb.MODEL_FEATURE_REASONING,
        pb.MODEL_FEATURE_VISION,
    }
    assert (model.pricing.input_usd_nanos, model.pricing.output_usd_nanos) == (150, 600)
    assert model.pricing.HasField("cache_read_usd_nanos")
    assert not model.pricing.HasField("cache_write_usd_nanos")
    assert model.pricing.source == "up"
    assert model.retire_time.ToDatetime().isoformat() == "2027-01-14T00:00:00"


def test_price_that_varies_is_unknown() -> None:
    """A router's price of -1 is not a price, and not free."""
    assert not one({"pricing": {"prompt": "-1", "completion": "-1"}}).HasField("pricing")


def test_xai() -> None:
    """The richer list of xAI has its own name and prices in 1e-10 dollars."""
    model = one(
        {"prompt_text_token_price": 20000, "input_modalities": ["text"], "aliases": ["a"]},
        key="models",
    )

    assert model.pricing.input_usd_nanos == 2000
    assert dialect("xai").models_path() == "/language-models"


def test_mistral() -> None:
    """Capabilities and the end of life are read."""
    model = one(
        {
            "max_context_length": 4096,
            "capabilities": {"function_calling": True, "vision": False},
            "deprecation": "2026-12-01T12:00:00Z",
        }
    )

    assert model.context_tokens == 4096
    assert list(model.features) == [pb.MODEL_FEATURE_TOOLS]
    assert model.retire_time.ToDatetime().isoformat() == "2026-12-01T12:00:00"


def test_servers_of_ones_own() -> None:
    """Servers tell the context that they were started or trained with."""
    assert one({"max_model_len": 4096}).context_tokens == 4096
    assert one({"meta": {"n_ctx_train": 8192}}).context_tokens == 8192


def test_cerebras_is_asked_for_the_rich_record() -> None:
    """Cerebras tells limits and prices only in OpenRouter's form."""
    assert dialect("cerebras").models_path() == "/models?format=openrouter"


def test_model_that_is_switched_off() -> None:
    """What Groq calls inactive cannot be called."""
    body = b'{"data":[{"id":"a","active":false},{"id":"b","active":true}]}'

    assert [model.id for model in parse_models(body, provider="up")] == ["b"]


def test_model_that_is_listed_twice() -> None:
    """A model is listed once, in its first place, as it is described there."""
    body = b'{"data":[{"id":"a","max_model_len":1},{"id":"b"},{"id":"a","max_model_len":2}]}'
    found = parse_models(body, provider="up")

    assert [(model.id, model.context_tokens) for model in found] == [("a", 1), ("b", 0)]


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["prompt", "context_length", "n_ctx_train", "input_modalities"]), inner
        )
    ),
    max_leaves=5,
)
NAMES = [
    "top_provider",
    "architecture",
    "pricing",
    "supported_parameters",
    "capabilities",
    "deprecation",
    "meta",
    "limits",
    "active",
    "prompt_text_token_price",
    "input_modalities",
]


@given(st.dictionaries(st.sampled_from(NAMES), ODD))
@settings(max_examples=200, deadline=None)
def test_odd_extras_cost_nothing_else(entry: dict[str, Any]) -> None:
    """Extras of any form leave the rest of the list readable."""
    try:
        models = parse_models(json.dumps({"data": [{"id": "m"} | entry]}).encode(), provider="up")
    except ProviderProtocolError:
        return
    for model in models:
        model.SerializeToString()


@pytest.mark.parametrize("body", [b'{"models":5}', b'{"data":[5]}', b'{"data":[{}]}', b"[1]"])
def test_no_list(body: bytes) -> None:
    """A body that is no model list is the provider's fault."""
    with pytest.raises(ProviderProtocolError):
        parse_models(body, provider="up")
