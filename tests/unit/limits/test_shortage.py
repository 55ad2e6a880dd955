"""What callers are told of limits without room."""

import pytest

from sluice_server.limits.shortage import dollars


@pytest.mark.parametrize(
    ("nanos", "text"),
    [(0, "$0.00"), (1, "$0.000000001"), (1_500_000_000, "$1.50"), (12_345 * 10**9, "$12,345.00")],
)
def test_money_for_people(nanos: int, text: str) -> None:
    """Amounts are written with as many digits as they need."""
    assert dollars(nanos) == text
