"""Does `sluice limits` tell what GetRateLimits tells, once and again and again?"""

import asyncio
import json
import signal

from google.protobuf import json_format

from sluice.v1 import gateway_service_pb2
from tests.support.client import collect, request
from tests.support.configuration import configuration
from tests.support.openai_stream import DONE, answer, finish, role, text, usage
from tests.support.ports import refusing
from tests.support.replies import sse
from tests.support.server import RunningServer, running
from tests.support.sluice import COMMAND, SECONDS, environment, sluice, terminal
from tests.support.upstream import Upstream

SHOW_CURSOR = b"\x1b[?25h"
LIMITED = (
    ("x-ratelimit-limit-requests", "100"),
    ("x-ratelimit-remaining-requests", "20"),
    ("x-ratelimit-reset-requests", "45s"),
)


async def called(server: RunningServer, upstream: Upstream) -> None:
    """Call once, so that the provider tells its limits."""
    upstream.reply(answer("Hi", headers=LIMITED))
    await collect(server.stub.Generate(request()))


async def test_tables_tell_limits_and_room(server: RunningServer, upstream: Upstream) -> None:
    """Each limit with its room, and for what was used whether a call could go."""
    code, out, errors = await sluice("limits", "--address", server.listen)
    assert (code, errors) == (0, "")
    assert "No limit is known" in out
    await called(server, upstream)
    code, out, errors = await sluice("limits", "--tokens", "10", "--address", server.listen)
    assert (code, errors) == (0, "")
    for wanted in ("Limits", "Room", "requests", "80%", "headers", "test-model", "goes now"):
        assert wanted in out
    assert "\x1b" not in out


async def test_a_call_that_has_to_wait_is_told(upstream: Upstream) -> None:
    """A call that is larger than the room waits, one that is larger than the limit does not go."""
    limits = {"tokens_per_minute": 60_000}
    async with running(configuration(upstream, providers={"up": {"limits": limits}})) as server:
        upstream.reply(sse(role(), text("Hi"), finish("stop"), usage(50_000, 2), DONE))
        await collect(server.stub.Generate(request()))
        _, out, _ = await sluice("limits", "--tokens", "59999", "--address", server.listen)
        assert "waits" in out
        _, out, _ = await sluice("limits", "--tokens", "99999", "--address", server.listen)
        assert "does not go" in out


async def test_json_is_get_rate_limits(server: RunningServer, upstream: Upstream) -> None:
    """The document parses back to the RPC's answer, filters included."""
    await called(server, upstream)
    asked = gateway_service_pb2.GetRateLimitsRequest(
        provider="up", credential="test", model="up/test-model", estimated_tokens=7
    )
    code, out, errors = await sluice(
        *("limits", "--json", "--provider", "up", "--credential", "test"),
        *("--model", "up/test-model", "--tokens", "7", "--address", server.listen),
    )
    assert (code, errors) == (0, "")
    told = await server.stub.GetRateLimits(asked)
    assert told.buckets
    assert json_format.Parse(out, gateway_service_pb2.GetRateLimitsResponse()) == told
    _, out, _ = await sluice("limits", "--json", "--provider", "x", "--address", server.listen)
    assert json.loads(out) == {"buckets": [], "headroom": []}


async def test_watching_redraws_in_a_terminal(server: RunningServer, upstream: Upstream) -> None:
    """One picture, which follows what is called; Ctrl+C leaves it there with a cursor."""
    arguments = ("limits", "--watch", "0.2", "--address", server.listen)
    with terminal(*arguments, columns=120) as screen:
        await screen.until("No limit is known")
        await called(server, upstream)
        shown = await screen.until("80%")
        assert "No limit is known" not in shown
        assert shown.count("Limits") == 1
        screen.press("\x03")
        assert await screen.ended() == 130
    assert screen.raw.rfind(SHOW_CURSOR) > screen.raw.rfind(b"\x1b[?25l")


async def test_sigterm_gives_the_cursor_back(server: RunningServer) -> None:
    """Whoever ends it, the terminal is as it was."""
    with terminal("limits", "--watch", "--address", server.listen) as screen:
        await screen.until("No limit is known")
        screen.child.kill(signal.SIGTERM)
        assert await screen.ended() == 143
    assert screen.raw.rfind(SHOW_CURSOR) > screen.raw.rfind(b"\x1b[?25l")


async def test_watching_appends_beside_a_terminal(server: RunningServer) -> None:
    """Every answer is added, until the reader leaves; that ends it without a word."""
    process = await asyncio.create_subprocess_exec(
        *(*COMMAND, "limits", "--watch", "0.1", "--address", server.listen),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(),
    )
    assert process.stdout is not None
    assert process.stderr is not None
    async with asyncio.timeout(SECONDS):
        for _ in range(3):
            assert b"No limit is known" in await process.stdout.readline()
        process._transport.get_pipe_transport(1).close()  # type: ignore[attr-defined]
        assert await process.wait() == 141
        assert await process.stderr.read() == b""


async def test_a_gateway_that_leaves_ends_the_watch(upstream: Upstream) -> None:
    """Scripts see by the exit code that nobody answers any more."""
    async with refusing() as url:
        address = url.removeprefix("http://").partition("/")[0]
        code, out, errors = await sluice("limits", "--watch", "0.1", "--address", address)
    assert (code, out) == (4, "")
    assert address in errors
