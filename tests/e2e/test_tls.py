"""Does TLS protect the main port, and only let in whom it should?"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
import trustme
from grpc_health.v1 import health_pb2

from tests.support.certificates import certificate, certificates, tls_settings
from tests.support.channels import NO_RETRIES, channel_to, health_on, stub_on
from tests.support.client import collect, request
from tests.support.configuration import Config, configuration
from tests.support.openai_stream import answer
from tests.support.replies import Gate, Reply
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


async def reachable(server: RunningServer, folder: Path, *, client: str | None = None) -> bool:
    """Tell whether a new connection of a client that trusts `ca.pem` is served."""
    async with secure_channel(server, folder, client=client) as channel:
        call = stub_on(channel).Generate(request(), timeout=10)
        await asyncio.gather(collect(call), return_exceptions=True)
        code = await call.code()
        assert code in {grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE}
        return code is grpc.StatusCode.OK


async def test_renewed_certificates_are_used(upstream: Upstream, tmp_path: Path) -> None:
    """New connections get the new one, by another authority even; a running stream goes on."""
    certificates(tmp_path)
    gate = Gate()
    upstream.reply(Reply(*answer("Hi").steps[:1], gate, *answer("Hi").steps[1:]))
    upstream.answer(answer("Hi"))
    async with (
        running(secured(upstream, tmp_path, mutual=False)) as server,
        secure_channel(server, tmp_path) as channel,
    ):
        stream = asyncio.create_task(collect(stub_on(channel).Generate(request())))
        await gate.reached.wait()
        authority = trustme.CA()
        certificate(tmp_path, "server", authority)
        assert not await reachable(server, tmp_path)
        authority.cert_pem.write_to_path(tmp_path / "ca.pem")
        assert await reachable(server, tmp_path)
        gate.open()
        assert (await stream).text == "Hi"
        # The old connection is as good as before.
        assert (await collect(stub_on(channel).Generate(request()))).text == "Hi"


async def test_renewed_authorities_are_used(upstream: Upstream, tmp_path: Path) -> None:
    """Who signs clients' certificates may change while the server runs."""
    certificates(tmp_path)
    upstream.answer(answer("Hi"))
    async with running(secured(upstream, tmp_path, mutual=True)) as server:
        assert not await reachable(server, tmp_path, client="stranger")
        # The server's own certificate stays, and stays trusted.
        trusted = (tmp_path / "ca.pem").read_bytes()
        (tmp_path / "ca.pem").write_bytes(trusted + (tmp_path / "stranger-ca.pem").read_bytes())
        assert await reachable(server, tmp_path, client="stranger")
        (tmp_path / "ca.pem").write_bytes(trusted)
        assert not await reachable(server, tmp_path, client="stranger")
        assert await reachable(server, tmp_path, client="client")


async def test_unusable_files_change_nothing(
    upstream: Upstream, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was there before is served on, and the reason is logged once for each change."""
    certificates(tmp_path)
    upstream.answer(answer("Hi"))
    authority = trustme.CA()
    other = tmp_path / "other"
    other.mkdir()
    certificate(other, "server", authority)
    async with running(secured(upstream, tmp_path, mutual=False)) as server:
        for damaged, content, reason in (
            ("server.pem", b"", "a certificate is not in PEM format"),
            ("server.pem", (other / "server.pem").read_bytes(), "the key does not belong"),
            ("server.key", None, "No such file or directory"),
        ):
            if content is None:
                (tmp_path / damaged).unlink()
            else:
                (tmp_path / damaged).write_bytes(content)
            capsys.readouterr()
            assert await reachable(server, tmp_path)
            assert await reachable(server, tmp_path)
            logged = capsys.readouterr().out
            assert logged.count("tls.certificate_unusable") == 1
            assert reason in logged
        # The rest of the pair arrives: both are used.
        (tmp_path / "server.key").write_bytes((other / "server.key").read_bytes())
        authority.cert_pem.write_to_path(tmp_path / "ca.pem")
        assert await reachable(server, tmp_path)


async def test_unusable_files_start_no_server(upstream: Upstream, tmp_path: Path) -> None:
    """A key of another certificate is told at the start, not at the first handshake."""
    certificates(tmp_path)
    (tmp_path / "server.key").write_bytes((tmp_path / "client.key").read_bytes())
    with pytest.raises(OSError, match="the key does not belong to the certificate"):
        async with running(secured(upstream, tmp_path, mutual=False)):
            pass
