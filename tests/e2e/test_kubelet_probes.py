"""What does a kubelet record of the server, by the kubelet's own prober?

The prober is Kubernetes' package `pkg/probe/grpc`, in a program of a few lines
(`tests/e2e/kubelet`); its settings here are those of a probe that names only a port and a service.
"""

import asyncio
import signal
from pathlib import Path

import grpc
import psutil
import pytest
from grpc_health.v1 import health_pb2

from sluice_server.health import rounds
from sluice_server.health.breakers import Circuit
from sluice_server.health.verdicts import Verdict
from tests.support.certificates import certificates, tls_settings
from tests.support.channels import channel_to, health_on, stub_on
from tests.support.client import collect, read_one, request
from tests.support.configuration import PROVIDER, configuration
from tests.support.openai_stream import DONE, finish, text
from tests.support.process import server_process
from tests.support.replies import Gate, sse
from tests.support.server import RunningServer, running
from tests.support.tools import tool
from tests.support.upstream import Upstream

LIVENESS = ""
READINESS = "sluice.v1.GatewayService"


async def probe(target: str, service: str, within: str = "1s") -> tuple[str, str]:
    """Return the kubelet's verdict, and what it was told; its default timeout is a second."""
    host, _, port = target.rpartition(":")
    process = await asyncio.create_subprocess_exec(
        *(tool("kubelet-probe"), host, port, service, within), stdout=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(20):
        printed, _ = await process.communicate()
    assert process.returncode == 0
    verdict, _, told = printed.decode().strip().partition("\n")
    return verdict, told


@pytest.mark.parametrize("service", [LIVENESS, READINESS, f"provider/{PROVIDER}"])
async def test_a_fresh_server_is_alive_and_ready(server: RunningServer, service: str) -> None:
    """On both ports, as long as the main one has no TLS."""
    for target in (server.listen, server.health):
        assert await probe(target, service) == ("success", "service healthy")


async def test_a_misspelt_service_is_a_failure(server: RunningServer) -> None:
    """Whoever probes for a name that is not there never gets a ready pod, and is told why."""
    verdict, told = await probe(server.health, "sluice.v1.Gateway")
    assert verdict == "failure"
    assert "NotFound" in told


async def test_a_draining_server_is_neither_ready_nor_probed_as_alive(upstream: Upstream) -> None:
    """Both fail at once, while the stream that runs comes to its end.

    For liveness that does no harm: a kubelet stops asking when the pod is to go.
    """
    gate = Gate()
    upstream.reply(sse(text("one"), gate, text("two"), finish("stop"), DONE))
    async with (
        server_process(configuration(upstream)) as server,
        channel_to(server.channel_target) as channel,
    ):
        running_call = stub_on(channel).Generate(request())
        await read_one(running_call)
        server.terminate()
        await server.wait_for_log("server.draining")
        for service in (READINESS, LIVENESS):
            verdict, told = await probe(str(server.started["health"]), service)
            assert (verdict, told) == (
                "failure",
                'service unhealthy (responded with "NOT_SERVING")',
            )
        gate.open()
        rest = await collect(running_call)
        assert rest.is_complete
        assert await server.wait() == 0


async def test_a_prober_needs_the_health_port_where_there_is_tls(
    upstream: Upstream, tmp_path: Path
) -> None:
    """It cannot do TLS: the main port looks dead to it, the health port serves."""
    config = configuration(upstream, tls=tls_settings(certificates(tmp_path)))
    async with running(config) as server:
        for service in (LIVENESS, READINESS):
            assert (await probe(server.health, service))[0] == "success"
            assert (await probe(server.listen, service))[0] == "failure"


async def test_a_server_without_providers_is_alive_but_not_ready(
    upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody restarts a gateway because its upstream is down, and nobody sends it calls."""
    monkeypatch.setattr(rounds, "ROUND_SECONDS", 0.02)
    async with running(configuration(upstream)) as server, channel_to(server.health) as channel:
        for _ in range(5):
            passage = server.app.breakers.begin(Circuit(PROVIDER, "test", "test-model"))
            assert passage is not None
            passage.ended(Verdict.UNREACHABLE)
        await until(channel, health_pb2.HealthCheckResponse.NOT_SERVING)
        assert (await probe(server.health, READINESS))[0] == "failure"
        assert (await probe(server.health, LIVENESS))[0] == "success"


async def test_a_server_is_alive_while_its_model_loads(upstream: Upstream) -> None:
    """With nothing but the embedded model it is ready once that is loaded, and alive before."""
    config = configuration(upstream, local={"enabled": True}) | {"providers": {}}
    async with server_process(config) as server:
        (child,) = psutil.Process(server.pid).children()
        child.suspend()
        health = str(server.started["health"])
        assert (await probe(health, READINESS))[0] == "failure"
        assert (await probe(health, LIVENESS))[0] == "success"
        child.resume()
        async with channel_to(health) as channel:
            await until(channel, health_pb2.HealthCheckResponse.SERVING)
        assert (await probe(health, READINESS))[0] == "success"


async def test_a_server_that_hangs_is_found_out(upstream: Upstream) -> None:
    """Its port still takes connections; the probe runs into its timeout, for either service."""
    async with server_process(configuration(upstream)) as server:
        server.signal(signal.SIGSTOP)
        try:
            for service in (LIVENESS, READINESS):
                verdict, told = await probe(str(server.started["health"]), service)
                assert verdict == "failure"
                assert told.startswith("timeout")
        finally:
            server.signal(signal.SIGCONT)
        assert (await probe(str(server.started["health"]), LIVENESS))[0] == "success"


async def until(channel: grpc.aio.Channel, status: int) -> None:
    """Watch readiness until it has this status."""
    watch = health_on(channel).Watch(health_pb2.HealthCheckRequest(service=READINESS))
    async with asyncio.timeout(60):
        while (await watch.read()).status != status:
            pass
    watch.cancel()
