"""Does TLS protect the main port, and only let in whom it should?"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2

from tests.support.certificates import certificates, tls_settings
from tests.support.channels import NO_RETRIES, channel_to, health_on, stub_on
from tests.support.client import collect, request
from tests.support.configuration import Config, configuration
from tests.support.openai_stream import answer
from tests.support.server import RunningServer, running
from tests.support.upstream import Upstream

SERVING = health_pb2.HealthCheckResponse.SERVING


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an authority, and a server's and a client's certificate by it."""
    return certificates(tmp_path_factory.mktemp("certificates"))


def secured(upstream: Upstream, folder: Path, *, mutual: bool) -> Config:
    """Return settings with TLS, and with client certificates when `mutual`."""
    return configuration(upstream, tls=tls_settings(folder, mutual=mutual))


@asynccontextmanager
async def secure_channel(
    server: RunningServer, folder: Path, *, client: str | None = None
) -> AsyncIterator[grpc.aio.Channel]:
    """Connect by TLS, with the certificate of this name if there is one."""
    credentials = grpc.ssl_channel_credentials(
        (folder / "ca.pem").read_bytes(),
        (folder / f"{client}.key").read_bytes() if client else None,
        (folder / f"{client}.pem").read_bytes() if client else None,
    )
    options = (*NO_RETRIES, ("grpc.use_local_subchannel_pool", 1))
    async with grpc.aio.secure_channel(server.listen, credentials, options=options) as channel:
        yield channel


@pytest.mark.parametrize("mutual", [False, True], ids=["server only", "mutual"])
async def test_calls_pass_through_tls(upstream: Upstream, folder: Path, mutual: bool) -> None:
    """A client that trusts the authority (and shows its own certificate) is served."""
    upstream.reply(answer("Hi"))
    async with (
        running(secured(upstream, folder, mutual=mutual)) as server,
        secure_channel(server, folder, client="client" if mutual else None) as channel,
    ):
        assert (await collect(stub_on(channel).Generate(request(), timeout=10))).text == "Hi"


async def test_strangers_are_kept_out(upstream: Upstream, folder: Path) -> None:
    """Without a certificate, or without TLS, no call reaches the service."""
    async with running(secured(upstream, folder, mutual=True)) as server:
        async with secure_channel(server, folder) as channel:
            with pytest.raises(grpc.aio.AioRpcError) as nameless:
                await collect(stub_on(channel).Generate(request(), timeout=5))
        async with channel_to(server.listen, NO_RETRIES) as channel:
            with pytest.raises(grpc.aio.AioRpcError) as plaintext:
                await collect(stub_on(channel).Generate(request(), timeout=5))
    assert nameless.value.code() is grpc.StatusCode.UNAVAILABLE
    assert plaintext.value.code() is grpc.StatusCode.UNAVAILABLE
    assert not upstream.requests


async def test_probes_stay_plaintext(upstream: Upstream, folder: Path) -> None:
    """The health port is for probes that cannot do TLS."""
    async with (
        running(secured(upstream, folder, mutual=True)) as server,
        channel_to(server.health) as channel,
    ):
        health = health_on(channel)
        got = await health.Check(health_pb2.HealthCheckRequest(service=""), timeout=5)
    assert got.status == SERVING
