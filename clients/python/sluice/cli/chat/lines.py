"""What the user types: lines with editing and history in a terminal, plain ones in a pipe."""

import sys
from collections.abc import Iterable

import click

_FENCE = '"""'


class Lines:
    """Reads entries; an entry is a line, or several.

    A line that ends with a backslash goes on in the next one; what stands between two lines
    with three quotes, or is pasted in one go, is one entry as it is. The history is this
    chat's alone: what people ask is nobody's business on a disk.
    """

    def __init__(self, words: Iterable[str]) -> None:
        """Complete these words, by Tab at the beginning of a line."""
        self.is_terminal = sys.stdin.isatty() and sys.stdout.isatty()
        if self.is_terminal:
            _edit(sorted(words))

    def entry(self, prompt: str) -> str:
        """Return the next entry.

        Raises:
            EOFError: there is none; what was begun is dropped.
            click.UsageError: it is no text.
            KeyboardInterrupt: Ctrl+C.
        """
        line = self._line(prompt)
        if line.lstrip().startswith(_FENCE):
            return self._fenced(line.lstrip().removeprefix(_FENCE))
        lines = [line]
        while lines[-1].endswith("\\"):
            lines[-1] = lines[-1][:-1]
            lines.append(self._line("… "))
        return "\n".join(lines)

    def _fenced(self, line: str) -> str:
        lines = []
        while not line.rstrip().endswith(_FENCE):
            lines.append(line)
            line = self._line("… ")
        lines.append(line.rstrip().removesuffix(_FENCE))
        return "\n".join(lines).strip("\n")

    def _line(self, prompt: str) -> str:
        try:
            line = input(prompt) if self.is_terminal else self._piped()
            line.encode()  # what a terminal of another encoding let through fails here
        except UnicodeError:
            raise click.UsageError("That is no text in UTF-8.") from None
        return line

    def _piped(self) -> str:
        line = sys.stdin.readline()
        if not line:
            raise EOFError
        return line.removesuffix("\n")


def _edit(words: list[str]) -> None:
    """Have `input` edit lines, keep a history and complete words, where Python can."""
    try:
        import readline
    except ModuleNotFoundError:  # some builds of Python lack it; lines can be typed all the same
        return

    def complete(begun: str, number: int) -> str | None:
        matches = [] if readline.get_begidx() else [it for it in words if it.startswith(begun)]
        return matches[number] if number < len(matches) else None

    # So that lines that are pasted together are one entry; Python switches it off.
    readline.parse_and_bind("set enable-bracketed-paste on")
    readline.set_completer_delims(" \t\n")
    readline.set_completer(complete)
    is_libedit = "libedit" in (readline.__doc__ or "")  # as on macOS
    readline.parse_and_bind("bind ^I rl_complete" if is_libedit else "tab: complete")
