"""Tables that fit the width: names are cut and columns left out, but no figure and no state is.

Half a number is another number. What stands in a table, and what it can do without, is said by
those who draw it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from sluice.cli.text import clean

_GAP: Final = 2
"""Cells between two columns."""


class Column(NamedTuple):
    """One of a table."""

    title: str
    leaves: int = 0
    """Where there is no room, columns leave in the order of this, largest first; 0 stays."""
    least: int | None = None
    """Width down to which its texts may be cut; None: they are whole, or not there."""
    right: bool = False
    folds: bool = False
    """Whether texts that are too long go on in the next line instead of being cut."""


@dataclass(frozen=True)
class Columns:
    """A table out of texts, of which those that are no `Text` are made harmless."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[Text | str]]
    title: str | None = None

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        rows = [[_plain(cell) for cell in row] for row in self.rows]
        widths = [
            max(cell_len(it) for it in (column.title, *(row[place].plain for row in rows)))
            for place, column in enumerate(self.columns)
        ]
        shown = self._shown(widths, options.max_width)
        self._shrink(widths, shown, options.max_width)
        table = Table(
            title=self.title, title_justify="left", title_style="bold", box=None, pad_edge=False
        )
        for place in shown:
            column = self.columns[place]
            table.add_column(
                column.title,
                justify="right" if column.right else "left",
                no_wrap=not column.folds,
                overflow="fold" if column.folds else "ellipsis",
                header_style="dim",
                width=widths[place],
            )
        for row in rows:
            table.add_row(*(row[place] for place in shown))
        yield table

    def _shown(self, widths: Sequence[int], room: int) -> list[int]:
        """Return the places of the columns for which there is room, names cut as far as may be."""
        least = [
            width if column.least is None else min(width, column.least)
            for column, width in zip(self.columns, widths, strict=True)
        ]
        shown = list(range(len(self.columns)))
        for place in sorted(shown, key=lambda it: -self.columns[it].leaves):
            if _together(least, shown) <= room or not self.columns[place].leaves:
                break
            shown.remove(place)
        return shown

    def _shrink(self, widths: list[int], shown: Sequence[int], room: int) -> None:
        """Take from the widest names what is too much, cell by cell."""
        for _ in range(_together(widths, shown) - room):
            able = [
                place
                for place in shown
                if (least := self.columns[place].least) is not None and widths[place] > least
            ]
            if not able:
                return
            widths[max(able, key=lambda it: widths[it])] -= 1


def _together(widths: Sequence[int], shown: Sequence[int]) -> int:
    return sum(widths[place] for place in shown) + _GAP * (len(shown) - 1)


def _plain(cell: Text | str) -> Text:
    return cell if isinstance(cell, Text) else Text(clean(cell))
