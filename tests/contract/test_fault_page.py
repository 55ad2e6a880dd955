"""Does the page of faults say what the suite holds the gateway to?"""

from pathlib import Path

from sluice_server import errors
from tests.faults import page
from tests.faults.dialects import DIALECTS
from tests.faults.expected import STATUS_OF
from tests.faults.fault import cells
from tests.faults.table import GROUPS

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"


def test_the_page_is_the_table() -> None:
    """`make faults` was run after the last change of the table."""
    assert (REFERENCE / page.FILE).read_text(encoding="utf-8") == page.page()


def test_every_fault_is_a_row_with_a_column_for_each_dialect() -> None:
    """No row is lost, and no name breaks the table."""
    lines = page.page().splitlines()
    for group in GROUPS:
        for fault in group.faults:
            (row,) = (
                line
                for line in lines
                if line.startswith(f"| {fault.name} |") and line in _rows(lines, group.name)
            )
            assert row.count("|") == len(DIALECTS) + 2


def _rows(lines: list[str], group: str) -> list[str]:
    start = lines.index(f"## {group}")
    ends = [place for place, line in enumerate(lines) if line.startswith("## ") and place > start]
    return lines[start : ends[0] if ends else None]


def test_the_table_is_wide_and_deep() -> None:
    """Faults are many, and none is without a dialect in which it occurs."""
    found = list(cells(GROUPS))
    names = {(cell.group.name, cell.fault.name) for cell in found}
    assert len(names) == sum(len(group.faults) for group in GROUPS) >= 60
    assert {cell.expected.reason for cell in found} == {None, *STATUS_OF}


def test_statuses_are_those_of_the_taxonomy() -> None:
    """What the suite was told about reasons is what the gateway declares."""
    leaves = [
        leaf
        for leaf in vars(errors).values()
        if isinstance(leaf, type)
        and issubclass(leaf, errors.UpstreamError)
        # No answer of a provider is an open circuit.
        and leaf not in (errors.UpstreamError, errors.CircuitOpenError)
    ]
    assert {leaf.reason: leaf.code for leaf in leaves} == STATUS_OF
