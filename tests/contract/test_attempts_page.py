"""Does the page about attempts say what the code does?"""

import re
from pathlib import Path

from sluice_server.engine.moves import MOVES

PAGE = Path(__file__).resolve().parents[2] / "docs" / "guides" / "attempts.md"


def test_the_table_of_moves_is_the_codes() -> None:
    """Each ErrorReason has its row, in the code's order, with the moves that the code makes."""
    text = PAGE.read_text(encoding="utf-8")
    _, _, rest = text.partition("| reason | moves, best first |\n| --- | --- |\n")
    table = rest.partition("\n\n")[0]
    rows = re.findall(r"^\| ([A-Z_]+) \|(.*)\|$", table, re.MULTILINE)
    assert len(rows) == len(table.splitlines())
    told = [(reason, tuple(re.findall("[a-z]+", moves))) for reason, moves in rows]
    assert told == list(MOVES.items())
