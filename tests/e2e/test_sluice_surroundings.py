"""Does `sluice` end in words, whatever streams, encoding and variables it is started with?"""

import asyncio
import os
import shlex
import signal
from pathlib import Path

import pytest

from tests.support.configuration import MODEL
from tests.support.openai_stream import answer, models
from tests.support.ports import refusing
from tests.support.server import RunningServer
from tests.support.sluice import COMMAND, SECONDS, environment, sluice, terminal
from tests.support.upstream import Upstream

ASCII = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
"""A locale that has no dash, and Python kept from taking another one."""


async def shell(server: RunningServer, command: str) -> tuple[int, str, str]:
    """Run a line of a shell in which `sluice` stands for the command line."""
    line = command.replace("sluice", shlex.join(COMMAND), 1)
    process = await asyncio.create_subprocess_exec(
        *("sh", "-c", line),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(SLUICE_ADDRESS=server.listen, SLUICE_MODEL=MODEL),
    )
    async with asyncio.timeout(SECONDS):
        out, errors = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), errors.decode()


@pytest.mark.parametrize(
    "command", ["generate -q Hi", "generate --json Hi", "models", "health --json", "top --once"]
)
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
async def test_a_full_disk_is_told(server: RunningServer, upstream: Upstream, command: str) -> None:
    """With code 1 and a line, since a script must not take half an answer for one."""
    upstream.answer(answer("Hi"))
    code, _, errors = await shell(server, f"sluice {command} >/dev/full")
    assert code == 1
    assert errors.endswith("sluice: Reading or writing failed: No space left on device.\n")
    assert "Traceback" not in errors


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
async def test_closed_streams_lead_nowhere(
    server: RunningServer, upstream: Upstream, closed: str
) -> None:
    """And no connection takes their place."""
    upstream.reply(answer("Hi"))
    code, out, errors = await shell(server, f"sluice generate -q Hello {closed}")
    assert (code, errors) == (0, "")
    assert out == ("" if ">&-" in closed.replace("2>&-", "") else "Hi")
    assert upstream.requests[0].json["messages"][-1]["content"] == "Hello"


async def test_a_chat_without_input_ends(server: RunningServer) -> None:
    """As one whose input is empty."""
    assert await shell(server, "sluice chat <&-") == (0, "", "")


@pytest.mark.parametrize("command", ["models", "limits", "metrics", "health", "top --once"])
async def test_no_encoding_is_too_small_for_a_table(
    server: RunningServer, upstream: Upstream, command: str
) -> None:
    """What it lacks is a question mark."""
    upstream.route("GET", "/v1/models", models("small"))
    arguments = command.split()
    code, out, errors = await sluice(*arguments, SLUICE_ADDRESS=server.listen, **ASCII)
    assert (code, errors) == (0, "")
    assert out.isascii()
    assert out.strip()


async def test_no_encoding_is_too_small_for_help() -> None:
    """It holds an ellipsis."""
    code, out, errors = await sluice("generate", "--help", PYTHONIOENCODING="latin-1")
    assert (code, errors) == (0, "")
    assert "{?}" in out


@pytest.mark.parametrize("name", ["SLUICE_MODEL", "SLUICE_ADDRESS"])
async def test_a_variable_that_is_no_text_is_wrong_use(name: str) -> None:
    """It is named."""
    code, out, errors = await sluice("generate", "Hello", **{name: "\udcff"})
    assert (code, out) == (2, "")
    assert f"{name} is no text" in errors


async def test_grpc_says_nothing_of_its_own(tmp_path: Path) -> None:
    """A failure is told once; its library would write lines of its own over it."""
    async with refusing() as url:
        address = url.removeprefix("http://").partition("/")[0]
        ca = tmp_path / "ca.pem"
        ca.write_text("-----BEGIN CERTIFICATE-----\nnone\n-----END CERTIFICATE-----\n")
        code, out, errors = await sluice("health", "--address", address, "--ca", str(ca))
    assert (code, out) == (4, "")
    assert errors.startswith("sluice: ")
    assert "ssl_" not in errors


@pytest.mark.parametrize(
    ("command", "value"),
    [
        ("models --timeout", "nan"),
        ("models --timeout", "inf"),
        ("models --timeout", "1e300"),
        ("limits --watch", "nan"),
        ("top --interval", "inf"),
        ("limits --tokens", "99999999999999999999"),
        ("models --address", ""),
        ("generate", "  "),
    ],
)
async def test_values_beyond_sense_are_wrong_use(command: str, value: str) -> None:
    """No number of seconds is not a number, and no field holds any number."""
    code, out, errors = await sluice(*command.split(), value)
    assert (code, out) == (2, "")
    assert "Usage: sluice" in errors


async def test_a_dumb_terminal_gets_one_picture_after_the_other(server: RunningServer) -> None:
    """It can be drawn on, but not over."""
    with terminal("health", "--watch", "0.1", "--address", server.listen, TERM="dumb") as screen:
        await screen.until(lambda now: now.count("state") > 1)
        screen.press("\x03")
        assert await screen.ended() == 130
    assert b"\x1b" not in screen.raw


async def test_colours_can_be_forced_and_no_more(server: RunningServer, upstream: Upstream) -> None:
    """A log gets no spinner that is drawn over itself."""
    upstream.reply(answer("Hi"))
    where = {"SLUICE_ADDRESS": server.listen, "SLUICE_MODEL": MODEL, "FORCE_COLOR": "1"}
    _, out, errors = await sluice("generate", "Hello", **where)
    assert out == "Hi"
    assert "\x1b[2m" in errors
    assert "waiting" not in errors
    assert "\x1b[?25l" not in errors


async def test_a_narrow_terminal_shows_whether_it_serves(server: RunningServer) -> None:
    """In forty columns names are cut, what is said of them is not."""
    with terminal("health", "--address", server.listen, columns=40) as screen:
        await screen.until("provider/up")
        assert await screen.ended() == 0
    states = [line.split()[1] for line in screen.text.splitlines()[1:] if line.strip()]
    assert states == ["SERVING"] * 5


async def test_ctrl_c_is_130_while_a_file_is_read(tmp_path: Path) -> None:
    """Before there is anything to cancel, too."""
    pipe = tmp_path / "endless"
    os.mkfifo(pipe)
    process = await asyncio.create_subprocess_exec(
        *(*COMMAND, "generate", "-f", str(pipe), "Hello"),
        stdin=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env=environment(),
    )
    assert process.stderr is not None
    async with asyncio.timeout(SECONDS):
        writer = await asyncio.to_thread(os.open, pipe, os.O_WRONLY)  # waits for who reads
        process.send_signal(signal.SIGINT)
        assert await process.wait() == 130
        assert await process.stderr.read() == b""
    os.close(writer)
