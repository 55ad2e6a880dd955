"""Does the page about compatibility name what is checked, and do its links lead somewhere?"""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
GUIDES = ROOT / "docs/guides"
PAGE = (GUIDES / "compatibility.md").read_text(encoding="utf-8")


def test_the_rules_are_those_of_buf() -> None:
    """The category and the rules beyond it stand on the page as they stand in `buf.yaml`."""
    used = yaml.safe_load((ROOT / "buf.yaml").read_text())["breaking"]["use"]
    told = re.findall(r"\b[A-Z]+(?:_[A-Z]+)+\b", PAGE[PAGE.index("`buf breaking`") :])
    assert told == used


def test_what_callers_send_is_told() -> None:
    """Metadata that the contract's comment names is promised here."""
    comment = (ROOT / "proto/sluice/v1/gateway_service.proto").read_text()
    (metadata,) = re.findall(r"Calls may carry metadata: (.*?)\.\n", comment, re.DOTALL)
    (row,) = re.findall(r"^\| metadata \|.*$", PAGE, re.MULTILINE)
    keys = re.findall(r'"([a-z-]+)"', metadata)
    assert [key for key in keys if key != "low"] == re.findall(r"`([a-z-]+)`", row)[:4]


@pytest.mark.parametrize("page", ["compatibility.md", "grpcurl.md"])
def test_links_lead_somewhere(page: str) -> None:
    """Files that are linked to exist, and have the heading that is named."""
    links = re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)", (GUIDES / page).read_text())
    assert links
    for path, anchor in links:
        target = GUIDES / path if path else GUIDES / page
        assert target.exists(), path
        if anchor:
            assert anchor in _anchors(target.read_text()), (path, anchor)


def _anchors(text: str) -> set[str]:
    """Return the anchors that headings get."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}
