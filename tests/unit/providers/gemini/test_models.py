"""What do model lists say, and what is known of single models?"""

import json
from typing import Any

import pytest

from sluice.v1 import model_pb2
from sluice_server.errors import ProviderProtocolError
from sluice_server.providers.dialects.gemini import Gemini, vertex
from sluice_server.providers.facts.gemini import TABLE, GeminiFacts
from sluice_server.providers.model_pages import NextPage

GENERATE = ["generateContent", "countTokens"]


def listed(content: Any) -> list[model_pb2.Model]:
    """Return the models of a list."""
    return Gemini().parse_models(json.dumps(content).encode(), provider="google")


def test_the_developer_api() -> None:
    """Models that generate content are listed with their limits."""
    models = listed(
        {
            "models": [
                {
                    "name": "models/gemini-2.5-pro",
                    "displayName": "Gemini 2.5 Pro",
                    "description": "Good.",
                    "inputTokenLimit": 1048576,
                    "outputTokenLimit": 65536,
                    "supportedGenerationMethods": GENERATE,
                    "thinking": True,
                },
                {"name": "models/veo-3.0", "supportedGenerationMethods": ["predictLongRunning"]},
                {"name": "models/old", "outputTokenLimit": 1},
                {"name": "tunedModels/mine", "supportedGenerationMethods": GENERATE},
                {"name": "", "supportedGenerationMethods": GENERATE},
            ],
            "nextPageToken": "more",
        }
    )
    assert models == [
        model_pb2.Model(
            name="google/gemini-2.5-pro",
            id="gemini-2.5-pro",
            provider="google",
            display_name="Gemini 2.5 Pro",
            description="Good.",
            context_tokens=1048576,
            max_output_tokens=65536,
            features=[model_pb2.MODEL_FEATURE_REASONING],
            categories=["chat"],
        ),
        model_pb2.Model(
            name="google/tunedModels/mine",
            id="tunedModels/mine",
            provider="google",
            categories=["chat"],
        ),
    ]


def test_vertex() -> None:
    """Of everything that Google publishes, the Gemini models that generate are listed."""
    models = listed(
        {
            "publisherModels": [
                {"name": "publishers/google/models/gemini-2.5-flash", "versionId": "default"},
                {"name": "publishers/google/models/gemini-embedding-001"},
                {"name": "publishers/google/models/imagegeneration"},
            ]
        }
    )
    assert [model.id for model in models] == ["gemini-2.5-flash"]
    assert not models[0].HasField("context_tokens")


def test_claude_on_vertex() -> None:
    """The list of Anthropic's models there has the same form."""
    models = listed({"publisherModels": [{"name": "publishers/anthropic/models/claude-opus-5"}]})

    assert [model.id for model in models] == ["claude-opus-5"]


def test_pages_of_the_developer_api() -> None:
    """A token leads on; without one the list ends."""
    dialect, path = Gemini(), "/v1beta/models?pageSize=1000"
    first = dialect.next_models_page(path, b'{"models":[],"nextPageToken":"a/b="}')

    assert first == NextPage(f"{path}&pageToken=a%2Fb%3D")
    assert dialect.next_models_page(first.path, b'{"models":[]}') is None


def test_pages_of_vertex() -> None:
    """After Google's own models come Anthropic's, for those who may see them."""
    dialect = Gemini(surface=vertex("p", "global"))
    google, claude = (
        f"/v1beta1/publishers/{publisher}/models?pageSize=1000"
        for publisher in ("google", "anthropic")
    )
    more, end = b'{"publisherModels":[],"nextPageToken":"t"}', b'{"publisherModels":[]}'

    assert dialect.next_models_page(google, more) == NextPage(f"{google}&pageToken=t")
    assert dialect.next_models_page(f"{google}&pageToken=t", end) == NextPage(claude, optional=True)
    assert dialect.next_models_page(claude, more) == NextPage(
        f"{claude}&pageToken=t", optional=True
    )
    assert dialect.next_models_page(claude, end) is None


@pytest.mark.parametrize("limit", [0, -1, 2**60])
def test_limits_that_make_no_sense(limit: int) -> None:
    """Nonsense limits are unknown."""
    entry = {
        "name": "models/m",
        "supportedGenerationMethods": GENERATE,
        "inputTokenLimit": limit,
    }
    assert not listed({"models": [entry]})[0].HasField("context_tokens")


@pytest.mark.parametrize("content", [{}, [], {"models": 1}, "x", None, {"models": [{"name": 1}]}])
def test_no_list(content: Any) -> None:
    """What is no model list is the provider's fault."""
    with pytest.raises(ProviderProtocolError):
        listed(content)


FLASH_LEVELS = ("minimal", "low", "medium", "high", "xhigh")


@pytest.mark.parametrize(
    ("model", "facts"),
    [
        ("unheard-of", GeminiFacts()),
        ("gemini-pro-latest", GeminiFacts(signed_calls=True)),
        (
            "gemini-2.0-flash-001",
            GeminiFacts(thinking="none", validated_tools=False, result_media=False),
        ),
        ("gemini-2.5-flash-lite", GeminiFacts(thinking="budget", result_media=False)),
        (
            "gemini-2.5-pro",
            GeminiFacts(thinking="budget", result_media=False, thinking_off=False),
        ),
        (
            "gemini-3-flash-preview",
            GeminiFacts(thinking="level", levels=FLASH_LEVELS, signed_calls=True),
        ),
        (
            "gemini-3.1-pro-preview",
            GeminiFacts(thinking="level", levels=FLASH_LEVELS[1:], signed_calls=True),
        ),
        (
            "gemini-3.5-flash",
            GeminiFacts(thinking="level", levels=FLASH_LEVELS, signed_calls=True, sampling=False),
        ),
        (
            "gemini-3.5-flash-lite",
            GeminiFacts(
                thinking="level",
                levels=FLASH_LEVELS,
                signed_calls=True,
                sampling=False,
                prefill=False,
            ),
        ),
        (
            "gemini-3.7-flash",
            GeminiFacts(
                thinking="level",
                levels=FLASH_LEVELS[1:],
                signed_calls=True,
                sampling=False,
                prefill=False,
            ),
        ),
    ],
)
def test_facts(model: str, facts: GeminiFacts) -> None:
    """What is known of a model; of others nothing is, and everything is passed on."""
    assert TABLE.of(model) == facts


def test_an_alias_has_the_facts_of_what_it_stands_for() -> None:
    """The newest Flash is asked as the model that answers under its name."""
    assert TABLE.of("gemini-flash-latest") == TABLE.of("gemini-3.6-flash")
