"""A turn as it comes: text, reasoning and calls of functions, for people or as JSON."""

import sys
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.status import Status
from rich.text import Text

from sluice.cli.documents import as_dict, line
from sluice.cli.streams import is_watched
from sluice.cli.text import clean, harmless
from sluice.cli.turn.ending import call_line, tell_start, wrong
from sluice.cli.turn.output import Output, note
from sluice.v1 import content_pb2, event_pb2, gateway_service_pb2


class Show(Protocol):
    """Takes a turn's events; a context manager around them."""

    def event(self, event: event_pb2.Event) -> None:
        """Show an event."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...


class JsonLines:
    """Every event as a line of JSON on standard output."""

    def event(self, event: event_pb2.Event) -> None:
        """Write the event.

        Raises:
            BrokenPipeError: nobody reads it any more.
        """
        sys.stdout.write(line(as_dict(event)) + "\n")
        sys.stdout.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        pass


class Words:
    """The text on standard output; reasoning and calls on standard error, and a wait before."""

    def __init__(
        self,
        out: Output,
        notes: Console,
        *,
        request: gateway_service_pb2.GenerateRequest,
        quiet: bool = False,
    ) -> None:
        """Show the answer to this request; with `quiet` no wait, and nothing of the gateway's."""
        self.said: list[str] = []
        """The text that was shown, piece by piece."""
        self._out = out
        self._notes = notes
        self._quiet = quiet
        self._reasoning = request.options.reasoning.include
        self._thinking = False
        self._shown = False
        self._wait: Status | None = None
        if is_watched(notes.file) and not quiet:
            self._wait = notes.status(Text(f"waiting for {clean(request.model)}", style="dim"))

    def __enter__(self) -> Self:
        if self._wait is not None:
            self._wait.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end_wait()
        self._end_thoughts()
        if kind is None or not issubclass(kind, BrokenPipeError):
            self._out.end_line()

    def event(self, event: event_pb2.Event) -> None:
        """Show an event.

        Raises:
            BrokenPipeError: nobody reads the text any more.
        """
        match event.WhichOneof("kind"):
            case "text_delta":
                self._text(event.text_delta.text)
            case "reasoning_delta":
                self._thought(event.reasoning_delta.text)
            case "started" if not self._quiet:
                tell_start(self._notes, event.started)
            case "part_finished":
                self._end_thoughts()
                self._out.end_line()
                if event.part_finished.HasField("tool_call"):
                    self._call(event.part_finished.tool_call)
            case "completed" if not self._shown:
                for part in event.completed.message.parts:  # of an answer delivered whole
                    self._part(part)
            case _:
                pass

    def _part(self, part: content_pb2.Part) -> None:
        match part.WhichOneof("kind"):
            case "text":
                self._text(part.text)
            case "refusal":
                self._text(part.refusal)
            case "reasoning":
                self._thought(part.reasoning.text)
            case "tool_call":
                self._call(part.tool_call)
            case _:
                pass
        self._end_thoughts()
        self._out.end_line()

    def _text(self, words: str) -> None:
        self._end_wait()
        self._end_thoughts()
        self._shown = True
        self._out.write(words)
        self.said.append(words)

    def _thought(self, words: str) -> None:
        if self._reasoning and words:
            self._end_wait()
            self._shown = self._thinking = True
            self._notes.print(Text(harmless(words), style="dim italic"), end="")

    def _call(self, call: content_pb2.ToolCall) -> None:
        self._end_wait()
        self._shown = True
        note(self._notes, call_line(call), style="bold")
        if reason := wrong(call):
            note(self._notes, f"  {reason}", style="yellow")

    def _end_thoughts(self) -> None:
        if self._thinking:
            self._notes.print()
            self._thinking = False

    def _end_wait(self) -> None:
        if self._wait is not None:
            self._wait.stop()
            self._wait = None
