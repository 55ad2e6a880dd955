"""Rows of facts: which apply to a model, and which are refused."""

from typing import Any

import msgspec
import pytest

from sluice_server.providers.facts.openai import TABLES
from sluice_server.providers.facts.table import FactTable


class Facts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Facts of a test."""

    fast: bool = False
    size: int | None = None


def row(*models: str, **facts: Any) -> dict[str, Any]:
    """Return a row."""
    return {"models": list(models), "source": "here", **facts}


@pytest.mark.parametrize(
    ("model", "facts"),
    [
        ("unknown", Facts()),
        ("gpt-5", Facts(fast=True)),
        ("gpt-5-pro", Facts(fast=False, size=2)),
        ("GPT-5", Facts()),
        ("my-gpt-5", Facts()),
        ("o3", Facts(size=3)),
        ("", Facts()),
    ],
)
def test_later_rows_override(model: str, facts: Facts) -> None:
    """All rows that match apply in order, fact by fact; a model without rows has defaults."""
    table = FactTable(
        Facts, [row("gpt-5*", fast=True), row("*-pro", fast=False, size=2), row("o[13]", size=3)]
    )
    assert table.of(model) == facts


@pytest.mark.parametrize(
    "bad",
    [
        {"models": ["a"]},
        {"source": "here"},
        {"models": [], "source": "here"},
        {"models": ["a"], "source": ""},
        {"models": "gpt-5*", "source": "here"},
        row("a", slow=True),
        row("a", fast="yes"),
        row("a", size="1"),
    ],
)
def test_bad_rows_are_found_at_the_start(bad: dict[str, Any]) -> None:
    """A row without models or source, or with a fact that is none, never gets in."""
    with pytest.raises(ValueError, match=r"."):
        FactTable(Facts, [bad])


def test_answers_are_kept() -> None:
    """A model is looked up once."""
    table = FactTable(Facts, [row("a", fast=True)])
    assert table.of("a") is table.of("a")


def test_tables_of_openai_are_read() -> None:
    """The file beside the module is readable, and an unknown model has the defaults."""
    assert TABLES
    for table in TABLES.values():
        assert table.of("no-such-model-anywhere") is not None
