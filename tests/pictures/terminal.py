"""Pictures of the command line: what stands on the screen after a real run, as SVG."""

import io
import re
from collections.abc import Sequence
from itertools import groupby
from typing import Any

import pyte
from rich.color import Color
from rich.console import Console
from rich.style import Style
from rich.text import Text

from tests.support.client import collect, collect_failure, request
from tests.support.configuration import API_KEY, Config, configuration
from tests.support.openai_stream import DONE, Json, failure, finish, role, text, tool_call, usage
from tests.support.replies import Delay, Reply, sse
from tests.support.server import running
from tests.support.sluice import Terminal, terminal
from tests.support.upstream import Upstream

COLUMNS = 92
MODEL = "gpt-4.1-mini"
PROMPT = ">"

LIMITED = (
    ("x-ratelimit-limit-requests", "100"),
    ("x-ratelimit-remaining-requests", "20"),
    ("x-ratelimit-reset-requests", "45s"),
    ("x-ratelimit-limit-tokens", "30000"),
    ("x-ratelimit-remaining-tokens", "24500"),
    ("x-ratelimit-reset-tokens", "11s"),
)

TOOLS = """[{"name": "get_weather", "description": "Current weather of a city.", "input_schema":
  {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}]"""

_COLOURS = {"brown": "yellow", "brightblack": "bright_black"}
"""Names of pyte's that rich calls otherwise."""
_FAINT = re.compile(rb"\x1b\[2(;3)?m")


def drawn(raw: bytes, lines: int, title: str) -> str:
    """Return the screen after these bytes as SVG, without fonts from elsewhere."""
    screen = pyte.Screen(COLUMNS, lines)
    # pyte knows no faint text; grey is what it looks like.
    pyte.ByteStream(screen).feed(_FAINT.sub(b"\x1b[90m", raw))
    console = Console(file=io.StringIO(), record=True, width=COLUMNS, force_terminal=True)
    for line in range(lines):
        console.print(_line([screen.buffer[line][column] for column in range(COLUMNS)]))
    picture = console.export_svg(title=title)
    picture = re.sub(r"@font-face \{.*?\n    \}\n", "", picture, flags=re.DOTALL)
    return picture.replace("Fira Code, monospace", "ui-monospace, monospace")


def _line(characters: Sequence[Any]) -> Text:
    line = Text(no_wrap=True, end="")
    for style, run in groupby(characters, lambda it: (it.fg, it.bold, it.italics, it.reverse)):
        colour, bold, italic, reverse = style
        named = _COLOURS.get(colour, colour.replace("bright", "bright_"))
        line.append(
            "".join(it.data for it in run),
            Style(color=Color.parse(named), bold=bold, italic=italic, reverse=reverse),
        )
    line.rstrip()
    return line


def _reply(*parts: Json | list[Delay], counts: tuple[int, int], end: str = "stop") -> Reply:
    chunks = [role(), *parts, finish(end), usage(*counts)]
    told = [it | {"model": MODEL} if isinstance(it, dict) else it for it in chunks]
    return sse([Delay(0.4)], *told, DONE, headers=LIMITED)


def _words(answer: str) -> list[Json | list[Delay]]:
    return [it for word in answer.split(" ") for it in (text(word + " "), [Delay(0.03)])]


def _configuration(upstream: Upstream) -> Config:
    config = configuration(upstream, telemetry={"instance": "gateway-eu-1"})
    provider = config["providers"].pop("up")
    provider["credentials"] = [{"name": "primary", "api_key": API_KEY}]
    provider["prices"] = {"*": {"input": 0.4, "output": 1.6}}
    config["providers"]["openai"] = provider
    return config


async def _typed(screen: Terminal, line: str, wanted: str) -> None:
    await screen.until(lambda now: now.rstrip().rpartition("\n")[2] in (PROMPT, "="))
    screen.press(line + "\r")
    await screen.until(wanted)


async def chat(tools: str) -> str:
    """Return a chat in which the model calls a function out of the file `tools`."""
    lines = 15
    async with Upstream() as upstream:
        call = tool_call(0, id="c1", name="get_weather", arguments='{"city":"Paris"}')
        upstream.reply(
            _reply(call, counts=(58, 15), end="tool_calls"),
            _reply(*_words("It is 21 °C and sunny in Paris. A hat will do."), counts=(84, 14)),
            _reply(*_words("Sunhat."), counts=(108, 3)),
        )
        async with running(_configuration(upstream)) as server:
            arguments = ("chat", "-m", f"openai/{MODEL}", "--tools", tools)
            with terminal(
                *arguments, columns=COLUMNS, lines=lines, SLUICE_ADDRESS=server.listen
            ) as screen:
                await _typed(screen, "What shall I wear in Paris today?", "Result of")
                await _typed(screen, "21 °C, sunny", "84 tokens")
                await _typed(screen, "In one word, please.", "108 tokens")
                await _typed(screen, "/usage", "3 turns")
                await screen.until(lambda now: now.rstrip().endswith(PROMPT))
                return drawn(screen.raw, lines, f"sluice chat -m openai/{MODEL} --tools tools.json")


async def top() -> str:
    """Return the live view of a provider with limits and a failure."""
    lines = 22
    async with Upstream() as upstream, running(_configuration(upstream)) as server:
        upstream.reply(*[_reply(text("Hi"), counts=(120, 40))] * 3, failure(503))
        for _ in range(3):
            await collect(server.stub.Generate(request(model=f"openai/{MODEL}")))
        await collect_failure(server.stub.Generate(request(model=f"openai/{MODEL}")))
        arguments = ("top", "--interval", "0.2", "--address", server.listen)
        with terminal(*arguments, columns=COLUMNS, lines=lines) as screen:
            await screen.until("PROVIDER_UNAVAILABLE")
            return drawn(screen.raw, lines, "sluice top")
