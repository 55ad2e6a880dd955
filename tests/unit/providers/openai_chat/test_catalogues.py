"""What look-alikes add to their model lists."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.v1 import model_pb2 as pb
from sluice_server.errors import ProviderProtocolError
from sluice_server.providers.openai_family.models import next_page, parse_models
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
    assert one({"meta": {"n_ctx_train": 8192, "n_ctx": 2048}}).context_tokens == 2048


def test_groq() -> None:
    """An entry of the recorded list: features, samplers, modalities and prices as text."""
    model = one(
        {
            "active": True,
            "context_window": 131072,
            "max_completion_tokens": 65536,
            "name": "GPT OSS 20B",
            "input_modalities": ["text"],
            "output_modalities": ["text"],
            "pricing": {
                "completion": "0.0000003",
                "image": "0",
                "input_cache_read": "0.0000000375",
                "prompt": "0.000000075",
            },
            "supported_features": ["tools", "json_mode", "structured_outputs", "reasoning"],
            "supported_sampling_parameters": ["temperature", "top_p"],
        }
    )

    assert (model.context_tokens, model.max_output_tokens) == (131_072, 65_536)
    assert set(model.features) == {
        pb.MODEL_FEATURE_TOOLS,
        pb.MODEL_FEATURE_JSON_SCHEMA,
        pb.MODEL_FEATURE_REASONING,
        pb.MODEL_FEATURE_SAMPLING,
        pb.MODEL_FEATURE_PROMPT_CACHE,
    }
    # 37.5 is rounded to even.
    assert (model.pricing.input_usd_nanos, model.pricing.cache_read_usd_nanos) == (75, 38)
    assert list(model.categories) == ["chat"]


@pytest.mark.parametrize(
    ("entry", "categories"),
    [
        ({"output_modalities": ["transcription"]}, ["transcription"]),
        ({"output_modalities": ["text", "image"]}, ["chat"]),
        ({"output_modalities": ["image"]}, ["image"]),
        ({"type": "chat"}, ["chat"]),
        ({"type": "embeddings"}, ["embedding"]),
        ({"type": "vlm"}, ["chat"]),
        ({"type": "base"}, []),
        ({"capabilities": {"completion_chat": True, "completion_fim": True}}, ["chat", "code"]),
        ({"capabilities": {"completion_chat": True, "audio": True}}, ["chat"]),
        ({"capabilities": {"chat_completion": False, "embeddings": True}}, ["embedding"]),
        ({"supports_chat": True}, ["chat"]),
        ({}, []),
    ],
    ids=str,
)
def test_what_a_model_is_for(entry: dict[str, Any], categories: list[str]) -> None:
    """Lists say in several ways what can be called and what is something else."""
    assert list(one(entry).categories) == categories


def test_together() -> None:
    """A bare array, with prices in dollars per million tokens."""
    entry = {
        "id": "m",
        "type": "chat",
        "display_name": "M",
        "context_length": 131072,
        "pricing": {"hourly": 0, "input": 0.88, "output": 0.88, "base": 0, "finetune": 0},
    }
    (model,) = parse_models(json.dumps([entry]).encode(), provider="up")

    assert (model.display_name, model.context_tokens) == ("M", 131_072)
    assert (model.pricing.input_usd_nanos, model.pricing.output_usd_nanos) == (880, 880)
    entry["pricing"] = {"hourly": 2.5, "input": 0, "output": 0}
    (model,) = parse_models(json.dumps([entry]).encode(), provider="up")
    assert not model.HasField("pricing")


def test_fireworks() -> None:
    """Flags say what a model takes."""
    model = one({"context_length": 8192, "supports_tools": True, "supports_image_input": True})

    assert set(model.features) == {pb.MODEL_FEATURE_TOOLS, pb.MODEL_FEATURE_VISION}
    assert list(model.input_modalities) == ["text", "image"]


def test_lm_studio() -> None:
    """What a model is loaded with is what can be used, not what it could be loaded with."""
    model = one(
        {
            "type": "vlm",
            "max_context_length": 131072,
            "loaded_context_length": 4096,
            "capabilities": ["tool_use"],
        }
    )

    assert model.context_tokens == 4096
    assert set(model.features) == {pb.MODEL_FEATURE_TOOLS, pb.MODEL_FEATURE_VISION}


def test_azure() -> None:
    """The end of answering counts, not that of fine-tuning."""
    model = one({"deprecation": {"fine_tune": 1_000_000_000, "inference": 1_800_000_000}})

    assert model.retire_time.ToSeconds() == 1_800_000_000


def test_hugging_face() -> None:
    """A router's model can do what one of those who serve it now can."""
    served = [
        {"status": "live", "context_length": 1000, "supports_tools": False},
        {"status": "live", "context_length": 2000, "supports_tools": True},
        {"status": "staging", "context_length": 9000, "supports_structured_output": True},
    ]
    model = one({"providers": served, "architecture": {"input_modalities": ["text"]}})

    assert model.context_tokens == 2000
    assert list(model.features) == [pb.MODEL_FEATURE_TOOLS]


def test_a_price_too_low_to_show() -> None:
    """It is shown as the lowest there is, and not as free."""
    model = one({"pricing": {"prompt": "0.0000000001", "completion": "0"}})

    assert (model.pricing.input_usd_nanos, model.pricing.output_usd_nanos) == (1, 0)


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (
            {"data": [], "links": {"next": "/api/v1/models?offset=5&limit=5"}},
            "/models?offset=5&limit=5",
        ),
        ({"data": [], "links": {"next": "https://evil.example/x?offset=5"}}, "/models?offset=5"),
        ({"data": [], "links": {"next": None}}, None),
        ({"data": [], "links": {"next": "/models"}}, None),
        ({"data": [], "links": {"next": "http://[?a"}}, None),
        ({"data": [], "links": {"next": "?é"}}, None),
        ({"data": [], "links": 5}, None),
        ({"data": []}, None),
        ([], None),
    ],
)
def test_where_a_list_goes_on(body: Any, path: str | None) -> None:
    """OpenRouter's next page is asked of the same address, whatever the list says."""
    page = next_page("/models?x=1", json.dumps(body).encode())

    assert (page.path if page else None) == path


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
    "providers",
    "type",
    "supported_features",
    "display_name",
    "supports_image_input",
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
