"""Are the pages about providers complete, and do the examples of the documentation work?"""

import re
from pathlib import Path

import pytest

from sluice_server.__main__ import main
from sluice_server.providers.presets import KINDS

DOCS = Path(__file__).resolve().parents[2] / "docs"
FOLDER = DOCS / "providers"
PAGES = {path.stem: path for path in sorted(FOLDER.glob("*.md")) if path.stem != "README"}
_YAML = re.compile(r"^```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)[^)]*\)")
_VARIABLE = re.compile(r"\$\{([A-Z_]+)\}")


def test_every_kind_has_a_page_and_every_page_a_kind() -> None:
    """A new row is documented, and a removed one leaves no page behind."""
    assert set(PAGES) == set(KINDS)


def test_the_index_links_every_page() -> None:
    """`docs/providers/README.md` has a row for each page, and links no other."""
    linked = re.findall(r"^\| `([a-z-]+)` \|.*\]\(\1\.md\) \|$", index(), re.MULTILINE)

    assert sorted(linked) == sorted(PAGES)


def index() -> str:
    """Return the index page."""
    return (FOLDER / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", PAGES)
def test_a_page_states_what_the_code_has(kind: str) -> None:
    """Kind, usual key variable and address are named as they are."""
    page = PAGES[kind].read_text(encoding="utf-8")
    facts = [f"Kind `{kind}`", KINDS[kind].key_variable, KINDS[kind].default_base_url]

    assert [fact for fact in facts if fact is not None and fact not in page] == []


@pytest.mark.parametrize("kind", PAGES)
def test_the_examples_pass_check(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every configuration on the page is one that `sluice-server check` finds no fault with."""
    examples = _YAML.findall(PAGES[kind].read_text(encoding="utf-8"))
    assert examples
    for example in examples:
        assert f"kind: {kind}\n" in example
        for variable in _VARIABLE.findall(example):
            monkeypatch.setenv(variable, "a-key-0123456789")
        path = tmp_path / "sluice.yaml"
        path.write_text(example, encoding="utf-8")

        assert (main(["check", "--config", str(path)]), capsys.readouterr().err) == (0, "")


def test_the_large_example_passes_check(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`docs/config.example.yaml` has no fault for the real kinds."""
    path = DOCS / "config.example.yaml"
    for variable in set(_VARIABLE.findall(path.read_text(encoding="utf-8"))):
        monkeypatch.setenv(variable, "a-key-0123456789")

    assert (main(["check", "--config", str(path)]), capsys.readouterr().err) == (0, "")


def test_links_between_pages_lead_somewhere() -> None:
    """Every relative link in the documentation names a file that exists."""
    dead = [
        f"{path.relative_to(DOCS)}: {target}"
        for path in DOCS.rglob("*.md")
        for target in _LINK.findall(path.read_text(encoding="utf-8"))
        if not (path.parent / target).exists()
    ]

    assert dead == []
