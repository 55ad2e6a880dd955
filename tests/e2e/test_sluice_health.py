"""Does `sluice health` say what gRPC's health service says, and exit as probes want it?"""

import json

import pytest

from tests.support.client import collect_failure, request
from tests.support.configuration import configuration
from tests.support.ports import refusing
from tests.support.server import RunningServer, running
from tests.support.sluice import sluice, terminal
from tests.support.upstream import Upstream

READY = "sluice.v1.GatewayService"


async def test_all_services_at_once(server: RunningServer) -> None:
    """Without a name everything is shown, each provider too."""
    code, out, errors = await sluice("health", "--address", server.listen)
    assert (code, errors) == (0, "")
    for name in ('""', READY, "state", "config", "provider/up"):
        (line,) = (line for line in out.splitlines() if line.split()[:1] == [name])
        assert "SERVING" in line
    assert "\x1b" not in out


@pytest.mark.parametrize("name", ["", READY, "state", "config", "provider/up"])
async def test_each_service_alone(server: RunningServer, name: str) -> None:
    """A name asks for it alone; as JSON it is a document."""
    code, out, errors = await sluice("health", name, "--json", "--address", server.listen)
    assert (code, errors) == (0, "")
    assert json.loads(out) == {"services": [{"service": name, "status": "SERVING"}]}


async def test_not_serving_is_code_7(upstream: Upstream) -> None:
    """The only provider is away: it and the gateway's readiness do not serve, the process does."""
    async with refusing() as url:
        config = configuration(
            upstream,
            providers={"up": {"base_url": url}},
        )
        async with running(config) as server:
            for _ in range(5):
                await collect_failure(server.stub.Generate(request()))
            code, out, errors = await sluice("health", "--json", "--address", server.listen)
            told = {it["service"]: it["status"] for it in json.loads(out)["services"]}
            assert (code, errors) == (7, "")
            assert told == {
                "": "SERVING",
                READY: "NOT_SERVING",
                "state": "SERVING",
                "config": "SERVING",
                "provider/up": "NOT_SERVING",
            }
            for name, expected in (("provider/up", 7), (READY, 7), ("", 0)):
                assert (await sluice("health", name, "--address", server.listen))[0] == expected


async def test_a_name_that_nobody_knows_is_told(server: RunningServer) -> None:
    """It is neither well nor ill."""
    code, out, errors = await sluice("health", "provider/x", "--address", server.listen)
    assert (code, out) == (1, "")
    assert "provider/x" in errors


async def test_nobody_there_is_code_4() -> None:
    """As with every command."""
    async with refusing() as url:
        address = url.removeprefix("http://").partition("/")[0]
        assert (await sluice("health", "--address", address))[0] == 4
        assert (await sluice("health", "", "--address", address))[0] == 4


async def test_health_needs_no_token(upstream: Upstream) -> None:
    """Whoever may not ask for metrics sees all but the providers, and may ask for one by name."""
    config = configuration(upstream, callers=[{"name": "me", "token": "secret-0123456789abcdef"}])
    async with running(config) as server:
        code, out, errors = await sluice("health", "--address", server.listen)
        assert (code, errors) == (0, "")
        assert "provider/up" not in out
        assert (await sluice("health", "provider/up", "--address", server.listen))[0] == 0


async def test_watching_follows_a_change(upstream: Upstream) -> None:
    """In a terminal the table is redrawn when a provider goes."""
    async with refusing() as url:
        config = configuration(upstream, providers={"up": {"base_url": url}})
        async with running(config) as server:
            arguments = ("health", "--watch", "0.2", "--address", server.listen)
            with terminal(*arguments, columns=100) as screen:
                await screen.until("provider/up")
                assert "NOT_SERVING" not in screen.text
                for _ in range(5):
                    await collect_failure(server.stub.Generate(request()))
                await screen.until("NOT_SERVING")
                screen.press("\x03")
                assert await screen.ended() == 130
