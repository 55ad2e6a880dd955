"""Does the generated page show every kind and every feature as the dialects state them?"""

from pathlib import Path

from sluice_server.providers import table
from sluice_server.providers.capabilities import Feature
from sluice_server.providers.presets import KINDS, PRESETS


def test_every_kind_has_a_column_and_every_feature_a_row() -> None:
    """Nothing is missing, and no table is wider than the bound."""
    page = table.page()
    tables = page.count("| dialect |")

    assert [kind for kind in KINDS if f"[{kind}](../providers/{kind}.md)" not in page] == []
    assert all(page.count(f"| {feature.value} |") == tables for feature in Feature)
    assert max(line.count("|") for line in page.splitlines()) <= table.MOST_COLUMNS + 2


def test_what_is_spoken_for_some_models_alone_has_its_own_column() -> None:
    """Claude on Vertex AI is not Gemini on Vertex AI."""
    prefixes = {prefix for preset in PRESETS.values() for prefix in table.dialects(preset)}

    assert "" in prefixes
    assert all(f"`{prefix}…`" in table.page() for prefix in prefixes - {""})


def test_the_file_is_the_page(tmp_path: Path) -> None:
    """The command writes the page where it is told."""
    assert table.main([str(tmp_path / "new")]) == 0
    assert (tmp_path / "new" / table.FILE).read_text(encoding="utf-8") == table.page()
