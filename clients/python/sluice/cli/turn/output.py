"""Where a turn is written: its text on standard output, all else on standard error.

A model's words are data of others. A terminal gets them made harmless; a file or a pipe gets
the very bytes.
"""

import sys

from rich.console import Console
from rich.text import Text

from sluice.cli.text import harmless


class Output:
    """Standard output, written to at once."""

    def __init__(self, *, lines: bool = False) -> None:
        """End answers with a line break in a terminal, and with `lines` everywhere."""
        self.is_terminal = sys.stdout.isatty()
        self._ends_lines = lines or self.is_terminal
        self._at_line_start = True

    def write(self, words: str) -> None:
        """Write a model's words.

        Raises:
            BrokenPipeError: nobody reads them any more.
        """
        if self.is_terminal:
            words = harmless(words)
        if not words:
            return
        encoding = sys.stdout.encoding if self.is_terminal else "utf-8"
        sys.stdout.buffer.write(words.encode(encoding, "replace"))
        sys.stdout.buffer.flush()
        self._at_line_start = words.endswith("\n")

    def end_line(self) -> None:
        """Go to the next line, unless it is there; a file gets nothing added to one answer."""
        if self._ends_lines and not self._at_line_start:
            self.write("\n")


def notes_console() -> Console:
    """Return standard error, for what is not the answer."""
    return Console(stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True)


def note(notes: Console, words: str, style: str = "dim") -> None:
    """Write a line about the turn; words of others in it are made harmless."""
    notes.print(Text(harmless(words), style=style))
