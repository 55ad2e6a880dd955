"""What can be told to the chat itself, each command by a method."""

from collections.abc import Callable
from enum import Enum, auto
from pathlib import Path

import click
from rich.console import Console

from sluice.cli.chat.conversation import Conversation
from sluice.cli.chat.totals import Totals
from sluice.cli.turn.files import file_path, text_of, text_or_file
from sluice.cli.turn.output import note
from sluice.cli.turn.tools import read_tools

_HELP = """\
/model [MODEL]       show or change who answers
/system [TEXT|@FILE] show or change the instructions; /system off drops them
/tools [FILE]        show or read functions that the model may call; /tools off drops them
/save FILE           write the conversation, as a GenerateRequest in JSON
/load FILE           go on with one that was saved
/undo                drop the last question and what came of it
/retry               go on with a turn that failed or was stopped
/reset               drop all that was said; instructions and functions stay
/usage               tokens and money of this chat
/help                this
/quit                end; so does Ctrl+D

A line that ends with \\ goes on in the next one; so does all between two lines of \"\"\", and
what is pasted in one go.
A line that begins with a space is sent as it is, also with / before its first word.
When the model calls a function you are asked for its result: text, @FILE with it, or ! and
what went wrong. Ctrl+C stops an answer; what was shown is kept as what the model said."""


class Next(Enum):
    """What the chat does after a command."""

    ASK = auto()
    """Wait for the next entry."""
    GO_ON = auto()
    """Go on with the turn that is open."""
    END = auto()
    """End."""


class Commands:
    """Carries out commands on a conversation, and tells of them on standard error."""

    def __init__(self, conversation: Conversation, totals: Totals, notes: Console) -> None:
        self._conversation = conversation
        self._totals = totals
        self._notes = notes
        self._files: set[Path] = set()
        """Files that this chat wrote or read, which it may write over."""
        self._known: dict[str, Callable[[str], Next | None]] = {
            "/help": self._help,
            "/load": self._load,
            "/model": self._model,
            "/quit": self._quit,
            "/reset": self._reset,
            "/retry": self._retry,
            "/save": self._save,
            "/system": self._system,
            "/tools": self._tools,
            "/undo": self._undo,
            "/usage": self._usage,
        }

    @property
    def names(self) -> list[str]:
        """The commands, each with its slash."""
        return list(self._known)

    def carry_out(self, entry: str) -> Next:
        """Carry out a command.

        Raises:
            click.ClickException: there is no such command, or it cannot be done.
        """
        name, _, argument = entry.partition(" ")
        command = self._known.get(name.strip())
        if command is None:
            raise click.UsageError(f"There is no command {name}; /help lists them.")
        return command(argument.strip()) or Next.ASK

    def _tell(self, words: str) -> None:
        note(self._notes, words)

    def _help(self, _argument: str) -> None:
        self._tell(_HELP)

    def _quit(self, _argument: str) -> Next:
        return Next.END

    def _model(self, name: str) -> None:
        if name:
            self._conversation.request.model = name
        self._tell(f"model {self._conversation.request.model}")

    def _system(self, text: str) -> None:
        if text:
            self._conversation.system = "" if text == "off" else text_or_file(text)
        self._tell(self._conversation.system or "No instructions.")

    def _tools(self, file: str) -> None:
        request = self._conversation.request
        if file:
            read = [] if file == "off" else read_tools(file_path(file))
            del request.tools[:]
            request.tools.extend(read)
        self._tell(", ".join(tool.name for tool in request.tools) or "No functions.")

    def _save(self, file: str) -> None:
        path = _path(file)
        try:
            with path.open("w" if path.resolve() in self._files else "x", encoding="utf-8") as out:
                out.write(self._conversation.saved())
        except FileExistsError:
            raise click.UsageError(f"{path} exists, and is not of this chat.") from None
        except OSError as error:
            raise click.UsageError(f"{path}: {error.strerror}.") from None
        self._files.add(path.resolve())
        self._tell(f"Saved to {path}.")

    def _load(self, file: str) -> None:
        path = _path(file)
        try:
            self._conversation.load(text_of(path))
        except ValueError as error:
            raise click.UsageError(f"{path} holds no saved conversation: {error}") from None
        self._files.add(path.resolve())
        request = self._conversation.request
        self._tell(f"model {request.model}, {len(request.messages)} messages")
        if self._conversation.is_open:
            self._tell("The last turn is open: /retry goes on with it.")

    def _undo(self, _argument: str) -> None:
        done = self._conversation.undo()
        left = len(self._conversation.request.messages)
        self._tell(f"Dropped; {left} messages are left." if done else "Nothing was said yet.")

    def _retry(self, _argument: str) -> Next:
        if not self._conversation.is_open:
            raise click.UsageError("No turn is open.")
        return Next.GO_ON

    def _reset(self, _argument: str) -> None:
        self._conversation.reset()
        self._tell("All that was said is dropped.")

    def _usage(self, _argument: str) -> None:
        self._tell(str(self._totals))


def _path(file: str) -> Path:
    if not file:
        raise click.UsageError("Which file?")
    return file_path(file)
