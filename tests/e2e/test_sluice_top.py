"""Does `sluice top` show the gateway live in a real terminal, and give the terminal back?"""

import signal

import pytest

from tests.support.channels import stub_to
from tests.support.client import collect, collect_failure, request
from tests.support.configuration import API_KEY, MODEL, configuration
from tests.support.openai_stream import answer, failure
from tests.support.ports import refusing
from tests.support.process import server_process
from tests.support.server import RunningServer, running
from tests.support.sluice import sluice, terminal
from tests.support.upstream import Upstream

LEAVE_ALTERNATE_SCREEN = b"\x1b[?1049l"
SHOW_CURSOR = b"\x1b[?25h"

LIMITED = (
    ("x-ratelimit-limit-requests", "100"),
    ("x-ratelimit-remaining-requests", "20"),
    ("x-ratelimit-reset-requests", "45s"),
)


async def test_shows_everything_and_follows_calls(
    server: RunningServer, upstream: Upstream
) -> None:
    """Providers, limits, credentials and failures are there, and move with what is called."""
    with terminal("top", "--interval", "0.2", "--address", server.listen) as screen:
        shown = await screen.until("Providers")
        assert server.listen in shown
        assert "Credentials" in shown
        assert "PROVIDER_UNAVAILABLE" not in shown

        upstream.reply(answer("Hi", headers=LIMITED), failure(503))
        await collect(server.stub.Generate(request()))
        await collect_failure(server.stub.Generate(request()))

        await screen.until("PROVIDER_UNAVAILABLE")
        # 80 of 100 by the provider's word, and the call after it.
        shown = await screen.until(lambda now: "81%" in now and "healthy" in now)
        assert "requests" in shown
        assert API_KEY not in screen.raw.decode(errors="replace")
        screen.press("q")
        assert await screen.ended() == 0
    assert LEAVE_ALTERNATE_SCREEN in screen.raw
    assert screen.raw.rfind(SHOW_CURSOR) > screen.raw.rfind(b"\x1b[?25l")


async def test_keys(server: RunningServer) -> None:
    """Each key does what the help says."""
    with terminal("top", "--interval", "0.2", "--address", server.listen) as screen:
        await screen.until("closed")
        screen.press("?")
        await screen.until("Page Down")
        screen.press("x")
        await screen.until(lambda now: "Page Down" not in now)
        screen.press("s")
        await screen.until("sort calls")
        screen.press("p")
        await screen.until("PAUSED")
        screen.press("p")
        await screen.until(lambda now: "PAUSED" not in now)
        screen.press("/")
        screen.press("nothing-like-it")
        await screen.until("Nothing matches")
        screen.press("\r")
        await screen.until("filter nothing-like-it")
        screen.press("\x1b")
        await screen.until(lambda now: "Providers" in now and "filter nothing" not in now)
        screen.press("q")
        assert await screen.ended() == 0


async def test_follows_the_size_of_the_terminal(server: RunningServer) -> None:
    """A narrow terminal leaves columns out, a wider one brings them back; lines are cut."""
    arguments = ("top", "--interval", "0.2", "--address", server.listen)
    with terminal(*arguments, columns=44, lines=12) as screen:
        shown = await screen.until("Providers")
        assert "circuit" not in shown
        screen.resize(120, 40)
        await screen.until(lambda now: "circuit" in now and "refreshed/failed" in now)
        screen.resize(44, 12)
        await screen.until(lambda now: "Providers" in now and "circuit" not in now)
        screen.press("q")
        assert await screen.ended() == 0


async def test_arrows_scroll(server: RunningServer) -> None:
    """What does not fit is reached by scrolling."""
    arguments = ("top", "--interval", "0.2", "--address", server.listen)
    with terminal(*arguments, lines=8) as screen:
        await screen.until(lambda now: "Providers" in now and "Credentials" not in now)
        screen.press("\x1b[B" * 5)
        await screen.until("Credentials")
        screen.press("q")
        assert await screen.ended() == 0


async def test_no_colours_where_none_are_wanted(server: RunningServer) -> None:
    """With NO_COLOR states are words alone."""
    arguments = ("top", "--interval", "0.2", "--address", server.listen)
    with terminal(*arguments, NO_COLOR="1") as screen:
        await screen.until("closed")
        screen.press("q")
        assert await screen.ended() == 0
    assert b"\x1b[32m" not in screen.raw


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_signals_end_it_and_give_the_terminal_back(
    server: RunningServer, number: signal.Signals
) -> None:
    """SIGTERM and SIGINT exit with 128 + N, out of the alternate screen."""
    with terminal("top", "--address", server.listen) as screen:
        await screen.until("Providers")
        screen.child.kill(number)
        assert await screen.ended() == 128 + number
    assert LEAVE_ALTERNATE_SCREEN in screen.raw


async def test_outlives_a_restart_of_the_server(upstream: Upstream) -> None:
    """While the server is gone that is said; when it is back the view goes on."""
    config = configuration(upstream)
    async with server_process(config) as first:
        listen = first.channel_target
        with terminal("top", "--interval", "0.2", "--address", listen) as screen:
            await screen.until("Providers")
            first.terminate()
            await first.wait()
            await screen.until("No connection since")
            async with (
                server_process({**config, "listen": listen}) as second,
                stub_to(second.channel_target) as stub,
            ):
                await screen.until(lambda now: "No connection" not in now)
                upstream.reply(failure(503))
                await collect_failure(stub.Generate(request(model=MODEL)))
                await screen.until("PROVIDER_UNAVAILABLE")
                screen.press("q")
                assert await screen.ended() == 0


async def test_begins_without_a_server() -> None:
    """A server that is not there yet is waited for, and Ctrl+C ends the wait."""
    async with refusing() as url:
        address = url.removeprefix("http://").partition("/")[0]
        with terminal("top", "--interval", "0.2", "--address", address) as screen:
            await screen.until("No connection since")
            screen.press("\x03")
            assert await screen.ended() == 0


async def test_once_prints_one_picture(server: RunningServer, upstream: Upstream) -> None:
    """--once needs no terminal, uses no colours in a pipe, and fails as any command."""
    upstream.reply(answer("Hi"))
    await collect(server.stub.Generate(request()))
    code, out, errors = await sluice("top", "--once", "--address", server.listen)
    assert (code, errors) == (0, "")
    assert "Providers" in out
    assert "\x1b" not in out
    async with refusing() as url:
        address = url.removeprefix("http://").partition("/")[0]
        assert (await sluice("top", "--once", "--address", address))[0] == 4


async def test_a_refusal_is_told_and_is_no_lost_connection(upstream: Upstream) -> None:
    """A token that is not known is the gateway's word, and is never drawn."""
    token = "token-that-must-never-be-seen-0123456789"
    config = configuration(upstream, callers=[{"name": "me", "token": token + "-other"}])
    async with running(config) as server:
        arguments = ("top", "--interval", "0.2", "--address", server.listen)
        with terminal(*arguments, columns=120, SLUICE_TOKEN=token) as screen:
            shown = await screen.until("CALLER_UNAUTHENTICATED")
            assert "No answer since" in shown
            screen.press("q")
            assert await screen.ended() == 0
        assert token not in screen.raw.decode(errors="replace")
