"""A chat: entries in turn with answers, until its end.

Entries are read outside the event loop, so that Ctrl+C reaches whoever waits: an entry that
is typed, or the answer that comes.
"""

import asyncio
import sys
from typing import NoReturn

import click
from rich.console import Console

from sluice.aio import Client
from sluice.cli.chat.commands import Commands, Next
from sluice.cli.chat.conversation import Conversation
from sluice.cli.chat.lines import Lines
from sluice.cli.chat.totals import Totals
from sluice.cli.client import Target, connected
from sluice.cli.errors import CUT, explain
from sluice.cli.running import attentive
from sluice.cli.turn.ending import call_line, summary, told_end, wrong
from sluice.cli.turn.files import text_or_file
from sluice.cli.turn.output import Output, note
from sluice.cli.turn.play import play
from sluice.cli.turn.show import Words
from sluice.errors import SluiceError
from sluice.messages import tool_result
from sluice.metadata import Metadata
from sluice.v1 import content_pb2, event_pb2

_PROMPT = "> "
_OPEN = "The turn is open: /retry goes on with it, anything else that you say drops it."


class Session:
    """A chat over one connection.

    In a terminal failures are told, and the chat goes on. In a pipe they end it, since nobody
    is there to decide.
    """

    def __init__(
        self, target: Target, conversation: Conversation, metadata: Metadata, notes: Console
    ) -> None:
        """`metadata` goes with every turn."""
        self._target = target
        self._conversation = conversation
        self._metadata = metadata
        self._notes = notes
        self._totals = Totals()
        self._commands = Commands(conversation, self._totals, notes)
        self._lines = Lines(self._commands.names)
        self._out = Output(lines=True)

    def run(self) -> None:
        """Chat until the end.

        Raises:
            SluiceError, KeyboardInterrupt, click.ClickException: in a pipe alone.
            SystemExit: the input ended while the model waited for a result.
        """
        with asyncio.Runner() as runner:
            client = runner.run(self._connect())
            try:
                self._chat(runner, client)
            finally:
                runner.run(client.close())

    async def _connect(self) -> Client:
        return connected(self._target)  # belongs to the loop in which it is made

    def _chat(self, runner: asyncio.Runner, client: Client) -> None:
        step = Next.ASK
        if self._lines.is_terminal:
            note(self._notes, f"{self._conversation.request.model} · /help · Ctrl+D ends")
        while step is not Next.END:
            try:
                step = self._entry()
                if step is Next.GO_ON:
                    self._go_on(runner, client)
            except EOFError:
                self._end_of_input()
                return
            except KeyboardInterrupt:
                self._stopped()
            except (SluiceError, click.ClickException) as error:
                self._failed(error)

    def _entry(self) -> Next:
        """Take an entry, and return what comes of it."""
        entry = self._lines.entry(_PROMPT)
        if entry.startswith("/"):
            return self._commands.carry_out(entry)
        if not entry.strip():
            return Next.ASK
        self._conversation.ask(entry.removeprefix(" "))
        return Next.GO_ON

    def _go_on(self, runner: asyncio.Runner, client: Client) -> None:
        """Go on with the turn until the model has nothing more to do."""
        conversation = self._conversation
        while conversation.is_open:
            if calls := conversation.unanswered:
                conversation.add_results([self._result(call) for call in calls])
            show = Words(self._out, self._notes, request=conversation.request)
            try:
                turn = play(client, conversation.request, self._metadata, show, self._target)
                answer = runner.run(attentive(turn))
            except KeyboardInterrupt:
                conversation.stop("".join(show.said))
                raise
            conversation.add(answer)
            self._totals.add(answer)
            note(self._notes, summary(answer))
            told, _ = told_end(answer.finish_reason)
            if told and answer.finish_reason != event_pb2.FINISH_REASON_PAUSED:
                note(self._notes, told, style="yellow")

    def _result(self, call: content_pb2.ToolCall) -> content_pb2.Part:
        """Ask for what a call returned; nothing stands for what the gateway found wrong."""
        reason = wrong(call)
        if self._lines.is_terminal:
            hint = "Enter tells the model what is wrong" if reason else "text, @FILE, or !ERROR"
            note(self._notes, f"Result of {call_line(call)} ({hint}):")
        while True:
            entry = self._lines.entry("= ")
            if not entry and reason:
                return tool_result(call, reason, is_error=True).parts[0]
            is_error = entry.startswith("!")
            try:
                text = text_or_file(entry.removeprefix("!").removeprefix(" "))
            except click.ClickException as error:
                self._failed(error)
            else:
                return tool_result(call, text, is_error=is_error).parts[0]

    def _stopped(self) -> None:
        if not self._lines.is_terminal:
            raise KeyboardInterrupt
        self._notes.print()
        if self._conversation.is_open:
            note(self._notes, _OPEN)

    def _failed(self, error: SluiceError | click.ClickException) -> None:
        if not self._lines.is_terminal:
            raise error
        if isinstance(error, click.ClickException):
            note(self._notes, error.format_message(), style="yellow")
            return
        note(self._notes, str(explain(error, self._target)), style="red")
        if self._conversation.is_open:
            note(self._notes, _OPEN)

    def _end_of_input(self) -> None:
        if self._lines.is_terminal:
            self._notes.print()
        elif self._conversation.unanswered:
            _incomplete(self._notes)


def _incomplete(notes: Console) -> NoReturn:
    note(notes, "sluice: The input ended while the model waits for a result.", style="yellow")
    sys.exit(CUT)
