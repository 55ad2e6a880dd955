"""Do the tools that operators have at hand work as they stand?"""

import asyncio
import json

import pytest

from tests.support.channels import channel_to, stub_on
from tests.support.client import read_one, request
from tests.support.configuration import configuration
from tests.support.openai_stream import DONE, answer, finish, text
from tests.support.process import server_process
from tests.support.replies import Gate, sse
from tests.support.server import RunningServer
from tests.support.tools import tool
from tests.support.upstream import Upstream


async def run(name: str, *arguments: str) -> tuple[int, str]:
    """Run a tool and return its exit code and what it printed."""
    process = await asyncio.create_subprocess_exec(
        *(tool(name), *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(20):
        printed, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, printed.decode()


def values(printed: str) -> list[dict[str, list[dict[str, object]]]]:
    """Return the JSON values that were printed after each other."""
    decoder, found, rest = json.JSONDecoder(), [], printed.strip()
    while rest:
        value, end = decoder.raw_decode(rest)
        found.append(value)
        rest = rest[end:].lstrip()
    return found


@pytest.mark.parametrize("delivery", ["DELIVERY_STREAM", "DELIVERY_WHOLE"])
async def test_grpcurl_generates(server: RunningServer, upstream: Upstream, delivery: str) -> None:
    """With reflection alone, grpcurl streams an answer and sees it completed."""
    upstream.reply(answer("Rivers", " run."))
    message = {"role": "ROLE_USER", "parts": [{"text": "Write."}]}
    asked = {"model": "up/test-model", "messages": [message], "delivery": delivery}
    method = "sluice.v1.GatewayService/Generate"
    code, printed = await run(
        "grpcurl", "-plaintext", "-d", json.dumps(asked), server.listen, method
    )
    assert code == 0, printed
    events = [event for response in values(printed) for event in response["events"]]
    assert "started" in events[0]
    assert "completed" in events[-1]
    if delivery == "DELIVERY_WHOLE":
        assert len(values(printed)) == 1


async def test_grpcurl_shows_why_a_request_is_bad(server: RunningServer) -> None:
    """The details of a refusal are readable on the command line."""
    code, printed = await run(
        "grpcurl", "-plaintext", "-d", "{}", server.listen, "sluice.v1.GatewayService/Generate"
    )
    assert code != 0
    assert "InvalidArgument" in printed
    assert "INVALID_REQUEST" in printed
    assert "messages" in printed


@pytest.mark.parametrize("service", ["", "sluice.v1.GatewayService", "provider/up"])
async def test_the_health_probe_succeeds_on_both_ports(server: RunningServer, service: str) -> None:
    """Every service of a fresh server passes its probe."""
    for target in (server.listen, server.health):
        code, printed = await run("grpc-health-probe", f"-addr={target}", f"-service={service}")
        assert code == 0, printed


async def test_the_health_probe_fails_while_draining(upstream: Upstream) -> None:
    """Readiness fails on both ports while a last stream still runs."""
    gate = Gate()
    upstream.reply(sse(text("one"), gate, finish("stop"), DONE))
    async with (
        server_process(configuration(upstream)) as server,
        channel_to(server.channel_target) as channel,
    ):
        running = stub_on(channel).Generate(request())
        await read_one(running)
        server.terminate()
        await server.wait_for_log("server.draining")
        for target in (server.channel_target, str(server.started["health"])):
            code, printed = await run(
                "grpc-health-probe", f"-addr={target}", "-service=sluice.v1.GatewayService"
            )
            assert code != 0, printed
        gate.open()
        assert await server.wait() == 0
