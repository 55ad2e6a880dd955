"""Is it known what the server is built of, may it be passed on, and is an audit honest?"""

from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from tests.supply import audit, bill
from tests.supply.licences import PAGE, is_allowed, page, table
from tests.supply.lock import RUNTIME, pins

LOCK = RUNTIME.read_text(encoding="utf-8")


def test_every_licence_can_be_kept() -> None:
    """No package comes with a licence that asks more than passing on its text."""
    licences = table()
    assert len(licences) > 50
    assert [row for row in licences if not is_allowed(row[1])] == []
    assert (Path("docs/reference") / PAGE).read_text(encoding="utf-8") == page()


@pytest.mark.parametrize(
    ("expression", "allowed"),
    [
        ("MIT", True),
        ("MIT OR GPL-3.0-only", True),
        ("MIT AND GPL-3.0-only", False),
        ("GPL-3.0-only", False),
        ("AGPL-3.0-or-later", False),
        ("Apache-2.0 AND MIT", True),
        ("Proprietary", False),
    ],
)
def test_licences_are_judged_by_what_they_ask(expression: str, allowed: bool) -> None:
    """One side of a choice is enough, of two that hold together both count."""
    assert is_allowed(expression) is allowed


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    """A bill of materials; it takes seconds."""
    return bill.bill()


def test_the_bill_of_materials(made: dict[str, Any]) -> None:
    """It is valid, names every package with version, licence and hashes, and is the same again."""
    text = bill.text(made)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    parts = {(part["name"], part["version"]): part for part in made["components"]}
    assert set(parts) == {(pin.name, pin.version) for pin in pins(RUNTIME)}
    for (name, version), part in parts.items():
        assert part["purl"] == f"pkg:pypi/{name}@{version}"
        (reference,) = part["externalReferences"]
        assert reference["hashes"]
        assert all(f"sha256:{one['content']}" in LOCK for one in reference["hashes"])
    assert text == bill.text(bill.bill())


def test_the_bill_tells_nothing_of_this_machine(made: dict[str, Any]) -> None:
    """No path, no time, no index of packages."""
    text = bill.text(made)
    hosts = {word.split("/")[2] for word in text.split('"') if word.startswith("https://")}
    assert not hosts
    assert str(Path.cwd()) not in text
    assert "timestamp" not in text
    assert "file://" not in text


GOOD: dict[str, Any] = {"name": "good", "version": "1", "vulns": []}
BAD: dict[str, Any] = {
    "name": "bad",
    "version": "2",
    "vulns": [{"id": "PYSEC-2026-1", "fix_versions": ["3"]}],
}
SKIPPED: dict[str, Any] = {"name": "skipped", "skip_reason": "Dependency not found on PyPI"}


@pytest.mark.parametrize(
    ("packages", "code", "said"),
    [
        ([GOOD], 0, "1 of 1 packages audited"),
        ([GOOD, BAD], audit.FLAWS, "!!! bad 2: PYSEC-2026-1, fixed in 3"),
        ([GOOD, SKIPPED], audit.UNKNOWN, "!!! Nothing is known of: skipped."),
        ([SKIPPED, SKIPPED], audit.UNKNOWN, "NOT audited"),
        ([BAD, SKIPPED], audit.FLAWS, "!!! bad 2"),
        (None, audit.UNKNOWN, "NOT audited"),
    ],
)
def test_an_audit_does_not_pretend(
    packages: list[dict[str, Any]] | None, code: int, said: str
) -> None:
    """What could not be asked about is said, and is no success."""
    outcome = None if packages is None else audit.judge({"dependencies": packages})
    lines, got = audit.tell([(Path("a.lock"), outcome)])
    assert got == code
    assert any(said in line for line in lines)
