"""What our table knows of models, and that it says nothing else than the dialects go by."""

from __future__ import annotations

import datetime as dt
import tomllib
from importlib import resources
from typing import Any

import pytest

from sluice.v1 import model_pb2 as pb
from sluice_server.providers.facts import anthropic, known
from sluice_server.providers.presets import PRESETS

ROWS: dict[str, list[dict[str, Any]]] = tomllib.loads(
    resources.files("sluice_server.providers.facts").joinpath("known.toml").read_text("utf-8")
)
WORDS = {"text", "image", "audio", "video", "file"}
CATEGORIES = {
    *("chat", "code", "completion", "embedding", "image", "moderation"),
    *("ocr", "realtime", "rerank", "speech", "transcription", "video"),
}


def features(kind: str, model: str) -> set[int]:
    """Return the features that are known."""
    return set(known.known(kind, model).features)


@pytest.mark.parametrize("table", ROWS)
def test_every_row_has_a_day_and_plain_words(table: str) -> None:
    """Rows can be compared with their source, and hold words that callers can filter by."""
    for row in ROWS[table]:
        assert isinstance(row["checked"], dt.date)
        assert row["checked"] <= dt.date(2100, 1, 1)
        assert set(row.get("input_modalities", ())) <= WORDS
        assert set(row.get("output_modalities", ())) <= WORDS
        assert set(row.get("categories", ())) <= CATEGORIES
        assert 0 < row.get("max_output_tokens", 1) < 10_000_000


def test_every_table_is_of_a_kind() -> None:
    """A table that no kind of provider uses would be there for nothing."""
    used = {table for kind in PRESETS for table in known._tables_of(kind)}

    assert used == set(known.TABLES)


def test_what_dialects_go_by_is_not_repeated() -> None:
    """One fact in two places would soon be two facts."""
    for row in ROWS["anthropic"]:
        if "max_output_tokens" in row:
            for model in row["models"]:
                assert "max_output_tokens" not in anthropic.FACTS.stated(model)


@pytest.mark.parametrize(
    ("kind", "model", "takes"),
    [
        ("openai", "gpt-4o", True),
        ("openai", "gpt-5.1", True),
        ("openai", "gpt-5", False),
        ("openai", "gpt-6.1-sol", False),
        ("openai-responses", "o3", False),
        ("azure-openai", "gpt-4.1", True),
        ("anthropic", "claude-3-opus-20240229", True),
        ("anthropic", "claude-sonnet-4-5-20250929", True),
        ("anthropic", "claude-opus-5-5", False),
        ("vertex", "claude-opus-4-7@20260416", False),
        ("vertex", "gemini-2.5-pro", True),
        ("gemini", "gemini-3.6-flash", False),
        ("gemini", "gemini-flash-latest", False),
        ("xai", "grok-4.5", True),
        ("openai", "unheard-of", False),
        ("unheard-of", "gpt-4o", False),
    ],
)
def test_sampling(kind: str, model: str, takes: bool) -> None:
    """Who refuses temperature does not have the feature, nor who is not known."""
    assert (pb.MODEL_FEATURE_SAMPLING in features(kind, model)) is takes


def test_a_model_whose_functions_only_one_interface_takes() -> None:
    """It calls tools where requests go to Responses, and not where they go to Chat Completions."""
    assert pb.MODEL_FEATURE_TOOLS in features("openai-responses", "gpt-6-astra")
    assert pb.MODEL_FEATURE_TOOLS not in features("openai", "gpt-6-astra")


def test_a_model_with_everything() -> None:
    """Limits, modalities, features and the end of life are there."""
    model = known.known("openai", "gpt-4.1-2025-04-14")

    assert model.max_output_tokens == 32_768
    assert list(model.input_modalities) == ["text", "image", "file"]
    assert {
        pb.MODEL_FEATURE_TOOLS,
        pb.MODEL_FEATURE_JSON_SCHEMA,
        pb.MODEL_FEATURE_VISION,
    } <= set(model.features)
    assert list(model.categories) == ["chat"]


def test_the_end_of_life() -> None:
    """A day of the table is midnight, UTC."""
    model = known.known("anthropic", "claude-sonnet-4-5")

    assert model.retire_time.ToDatetime() == dt.datetime(2026, 11, 30)  # noqa: DTZ001 - as protobuf gives it
    assert not known.known("anthropic", "claude-opus-5-5").HasField("retire_time")


@pytest.mark.parametrize(
    ("model", "categories"),
    [
        ("text-embedding-3-small", ["embedding"]),
        ("whisper-1", ["transcription"]),
        ("gpt-4o-mini-tts", ["speech"]),
        ("gpt-image-1", ["image"]),
        ("gpt-realtime-2", ["realtime"]),
        ("omni-moderation-latest", ["moderation"]),
        ("gpt-6-sol", ["chat"]),
        ("gpt-99", ["chat"]),
    ],
)
def test_what_cannot_be_called_is_told_apart(model: str, categories: list[str]) -> None:
    """OpenAI lists ids and nothing else; here stands which are for Generate."""
    assert list(known.known("openai", model).categories) == categories


def test_names() -> None:
    """Full names of the table and of a price list, each once, without what is no name."""
    found = known.names("openai", ["gpt-4o", "sold-here", "ft:gpt-4o", "ft:gpt-3.5-turbo-"])

    assert len(found) == len(set(found))
    assert {"gpt-4o", "gpt-6.1-sol", "sold-here"} <= set(found)
    assert not [name for name in found if "*" in name or name.startswith("ft:")]


def test_claude_is_not_sold_on_the_developer_api() -> None:
    """Google's price list has it, for Vertex AI."""
    assert known.names("gemini", ["claude-opus-5", "gemini-x"])[-1] == "gemini-x"
    assert "claude-opus-5" in known.names("vertex", ["claude-opus-5"])
    assert known.names("unheard-of", ["x"]) == ["x"]
