"""The live view: asks in an interval, redraws, obeys keys, and gives the terminal back.

Textual owns the terminal: it restores it however the program ends, and follows its size.
What is drawn is in `frame`.
"""

import asyncio
import signal
from datetime import datetime
from typing import ClassVar, Final

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from sluice.aio import Client
from sluice.cli.client import Target, connected
from sluice.cli.errors import UNREACHABLE, explain
from sluice.cli.top.frame import SORTS, View, body, header
from sluice.cli.top.rates import reading
from sluice.errors import SluiceError

_OPTIONS: Final = (
    # A lost connection is shown at once and tried again here, in the interval.
    ("grpc.enable_retries", 0),
    # Sooner than other callers try to connect: somebody looks on.
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.min_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 2000),
)

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

_HELP = """\
q        quit
s        sort: name, calls, errors, cost
/        filter by name; Enter keeps it, Esc drops it
p        pause and go on
arrows   scroll; also Page Up, Page Down, Home, End
?        this help

Any key closes it."""


class Help(ModalScreen[None]):
    """Tells the keys."""

    DEFAULT_CSS = "Help { align: center middle; } Help Static { width: auto; padding: 1 2; }"

    def compose(self) -> ComposeResult:
        """Show the text."""
        yield Static(Text(_HELP))

    def on_key(self) -> None:
        """Close on any key."""
        _ = self.dismiss()  # not awaited: a screen cannot wait for its own end


class TopApp(App[None]):
    """`sluice top`. Exits with 0, and with 128 + N on signal N."""

    ENABLE_COMMAND_PALETTE = False
    CSS = """
    Screen { background: ansi_default; color: ansi_default; }
    #header { height: auto; }
    #body { height: 1fr; scrollbar-size-vertical: 1; }
    #filter { display: none; height: 1; border: none; padding: 0; }
    #footer { height: 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q,ctrl+c", "leave", "quit"),
        Binding("s", "sort", "sort"),
        Binding("slash", "filter", "filter"),
        Binding("p", "pause", "pause"),
        Binding("question_mark", "help", "help"),
        Binding("escape", "unfilter", "drop filter"),
    ]

    def __init__(self, target: Target, interval: float) -> None:
        super().__init__(ansi_color=True)
        self._target = target
        self._interval = interval
        self._view = View(target.address)
        self._lost_since = ""

    def compose(self) -> ComposeResult:
        """Lay out header, tables, the filter's line and the keys."""
        yield Static(id="header")
        with VerticalScroll(id="body"):
            yield Static(id="tables")
        yield Input(id="filter", placeholder="name", compact=True)
        yield Static(id="footer")

    def on_mount(self) -> None:
        """Begin to ask."""
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.add_signal_handler(number, self._stop, number)
        self.query_one("#body").focus()
        self._draw()
        self.set_interval(1.0, self._tick)
        self.run_worker(self._follow(), exclusive=True)

    def _stop(self, number: signal.Signals) -> None:
        self.exit(return_code=128 + number)

    async def _follow(self) -> None:
        async with connected(self._target, _OPTIONS) as client:
            while True:
                if not self._view.paused:
                    await self._ask(client)
                    self._draw()
                await asyncio.sleep(self._interval)

    async def _ask(self, client: Client) -> None:
        try:
            self._view.history.add(await reading(client, self._target))
        except SluiceError as error:
            if not self._view.lost:
                self._lost_since = datetime.now().astimezone().strftime("%H:%M:%S")
            told = explain(error, self._target)
            what = "No connection" if told.exit_code == UNREACHABLE else "No answer"
            self._view.lost = f"{what} since {self._lost_since}, retrying. {told.message}"
        else:
            self._view.lost = ""

    def _tick(self) -> None:
        """Move the countdowns on."""
        if not self._view.paused:
            self._draw()

    def _draw(self) -> None:
        view = self._view
        base = self.screen_stack[0]
        base.query_one("#header", Static).update(header(view))
        base.query_one("#tables", Static).update(body(view))
        state = f"sort {view.sort}"
        if view.filter:
            state += f"  filter {view.filter}"
        if view.paused:
            state += "  PAUSED"
        keys = Text(f"q quit  s sort  / filter  p pause  ? help   {state}", style="dim")
        keys.no_wrap, keys.overflow = True, "ellipsis"
        base.query_one("#footer", Static).update(keys)

    def action_leave(self) -> None:
        """Quit."""
        self.exit()

    def action_sort(self) -> None:
        """Sort by the next column."""
        self._view.sort = SORTS[(SORTS.index(self._view.sort) + 1) % len(SORTS)]
        self._draw()

    def action_pause(self) -> None:
        """Stop, or go on."""
        self._view.paused = not self._view.paused
        self._draw()

    async def action_help(self) -> None:
        """Show the keys."""
        await self.push_screen(Help())

    def action_filter(self) -> None:
        """Ask for a filter."""
        line = self.query_one("#filter", Input)
        line.display = True
        line.focus()

    def action_unfilter(self) -> None:
        """Drop the filter."""
        line = self.query_one("#filter", Input)
        line.value = self._view.filter = ""
        self._close_filter()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter while it is typed."""
        self._view.filter = event.value
        self._draw()

    def on_input_submitted(self) -> None:
        """Keep the filter."""
        self._close_filter()

    def _close_filter(self) -> None:
        self.query_one("#filter", Input).display = False
        self.query_one("#body").focus()
        self._draw()
