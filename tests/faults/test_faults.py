"""Does every fault of a provider become what the contract says, and leave nothing behind?"""

import pytest

from tests.faults.fault import Cell, cells
from tests.faults.runner import run
from tests.faults.table import GROUPS


@pytest.mark.parametrize("cell", list(cells(GROUPS)), ids=str)
async def test_fault(cell: Cell) -> None:
    """Reason, status, text, attempts, wait and metrics are right, and nothing is left."""
    await run(cell)
