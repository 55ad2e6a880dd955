"""Where do requests to providers go: by which proxy, to whose certificate, and nowhere else?"""

import asyncio
import base64
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme

from sluice.v1.gateway_service_pb2 import GetRateLimitsRequest, ListModelsRequest
from tests.support.channels import stub_to
from tests.support.client import collect, collect_failure, request
from tests.support.configuration import API_KEY, PROVIDER, Config, configuration
from tests.support.openai_stream import DONE, answer, finish, role, text
from tests.support.process import server_process
from tests.support.proxy import ESCAPED, PASSWORD, USER, Proxy, proxying, tls_before
from tests.support.readers import Reader
from tests.support.replies import Gate, json_body, sse
from tests.support.server import running
from tests.support.token_server import CLIENT_ID, CLIENT_SECRET, TokenServer
from tests.support.upstream import Upstream

NAME = "upstream.test"
BASIC = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    """Run a proxy that nobody is told of."""
    with proxying() as proxy:
        yield proxy


@pytest.fixture
async def tokens() -> AsyncIterator[TokenServer]:
    """Play an authorization server."""
    async with TokenServer() as tokens:
        yield tokens


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an authority of our own, and a certificate by it."""
    folder = tmp_path_factory.mktemp("authority")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    trustme.CA().cert_pem.write_to_path(folder / "stranger-ca.pem")
    issued = authority.issue_cert("localhost", NAME)
    issued.private_key_pem.write_to_path(folder / "server.key")
    for pem in issued.cert_chain_pems:
        pem.write_to_path(folder / "server.pem", append=True)
    return folder


def at(upstream: Upstream, base_url: str, **provider: Any) -> Config:
    """Return settings whose provider is called at this address."""
    return configuration(upstream, providers={PROVIDER: {"base_url": base_url, **provider}})


@contextmanager
def secured(upstream: Upstream, folder: Path, host: str = "localhost") -> Iterator[str]:
    """Put TLS before an upstream and return its address."""
    port = upstream.address[1]
    with tls_before(port, folder / "server.pem", folder / "server.key") as opened:
        yield f"https://{host}:{opened}/v1"


async def test_an_authority_of_our_own(upstream: Upstream, folder: Path) -> None:
    """With `ca_file` a provider with a private certificate is called as any other."""
    upstream.reply(answer("Hi"))
    with secured(upstream, folder) as address:
        async with running(at(upstream, address, ca_file=str(folder / "ca.pem"))) as server:
            got = await collect(server.stub.Generate(request()))
    assert got.text == "Hi"


@pytest.mark.parametrize(
    ("authority", "host", "why"),
    [
        (None, "localhost", "unknown authority"),
        ("stranger-ca.pem", "localhost", "unknown authority"),
        ("ca.pem", "127.0.0.1", "for another address"),
    ],
    ids=["public authorities", "another authority", "another host"],
)
async def test_certificates_are_always_checked(
    upstream: Upstream, folder: Path, authority: str | None, host: str, why: str
) -> None:
    """A certificate that is not trusted gets no prompt and no key, and the failure says why."""
    trusted = {} if authority is None else {"ca_file": str(folder / authority)}
    with secured(upstream, folder, host) as address:
        async with running(at(upstream, address, **trusted)) as server:
            got = await collect_failure(server.stub.Generate(request()))
    assert (got.code, got.reason) == (grpc.StatusCode.UNAVAILABLE, "PROVIDER_UNREACHABLE")
    assert "certificate is not trusted" in got.message
    assert why in got.message
    assert upstream.requests == []


async def test_a_tunnel_to_the_provider(upstream: Upstream, proxy: Proxy, folder: Path) -> None:
    """With HTTPS_PROXY a turn goes by CONNECT, arrives whole, and nobody hears the password."""
    upstream.answer(answer("one ", "two ", "three"))
    with secured(upstream, folder, NAME) as address:
        config = at(upstream, address, ca_file=str(folder / "ca.pem"))
        async with (
            server_process(config, environment={"HTTPS_PROXY": proxy.url}) as server,
            stub_to(server.channel_target) as stub,
        ):
            for _ in range(2):
                got = await collect(stub.Generate(request()))
                assert got.text == "one two three"
            proxy.refusal = 407
            # The one that is kept is in use.
            gate = Gate()
            upstream.answer(sse(role(), text("one"), gate, finish("stop"), DONE))
            held = Reader(stub.Generate(request()))
            await gate.reached.wait()
            refused = await collect_failure(stub.Generate(request()))
            gate.open()
            await held.wait()
            assert held.whole
            server.terminate()
            await server.wait()
    target = address.removeprefix("https://").removesuffix("/v1")
    # One for both: the connection is kept.
    assert proxy.requests[0] == ("CONNECT", target)
    assert set(proxy.requests) == {("CONNECT", target)}
    assert set(proxy.authorizations) == {BASIC}
    assert upstream.requests[0].header("proxy-authorization") is None
    assert refused.reason == "PROVIDER_UNREACHABLE"
    assert "proxy refused" in refused.message
    assert "HTTP 407" in refused.message
    for secret in (PASSWORD, ESCAPED, BASIC.removeprefix("Basic ")):
        assert secret not in server.raw_log
        assert secret not in str(refused)


async def test_a_proxy_for_what_is_not_encrypted(
    upstream: Upstream, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HTTP_PROXY holds for http:// addresses; the proxy's password does not reach the provider."""
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    upstream.reply(answer("Hi"))
    address = f"http://{NAME}:{upstream.address[1]}/v1"
    async with running(at(upstream, address, insecure_http=True)) as server:
        got = await collect(server.stub.Generate(request()))
    assert got.text == "Hi"
    assert proxy.requests == [("POST", f"{address}/chat/completions")]
    assert proxy.authorizations == [BASIC]
    assert upstream.requests[0].header("authorization") == f"Bearer {API_KEY}"
    assert upstream.requests[0].header("proxy-authorization") is None


@pytest.mark.parametrize("excepted", ["", "localhost", "*"])
async def test_this_machine_is_reached_directly(
    upstream: Upstream, proxy: Proxy, monkeypatch: pytest.MonkeyPatch, excepted: str
) -> None:
    """Loopback never goes through a proxy, whatever NO_PROXY says: so neither do local models."""
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    monkeypatch.setenv("NO_PROXY", excepted)
    upstream.reply(answer("Hi"))
    async with running(configuration(upstream)) as server:
        assert (await collect(server.stub.Generate(request()))).text == "Hi"
    assert proxy.requests == []


async def test_exceptions_are_heeded(
    upstream: Upstream, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What NO_PROXY names is called directly: here a name that only the proxy could resolve."""
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    monkeypatch.setenv("NO_PROXY", "example.com, .test")
    config = at(upstream, f"http://{NAME}:{upstream.address[1]}/v1", insecure_http=True)
    async with running(config) as server:
        got = await collect_failure(server.stub.Generate(request()))
    assert got.reason == "PROVIDER_UNREACHABLE"
    assert "provider's name cannot be resolved" in got.message
    assert proxy.requests == []


async def test_a_proxy_that_cannot_be_used_is_not_passed_by(
    upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who demands a SOCKS proxy is told so, instead of being called around it."""
    monkeypatch.setenv("ALL_PROXY", f"socks5://user:{PASSWORD}@127.0.0.1:1")
    config = at(upstream, f"http://{NAME}:{upstream.address[1]}/v1", insecure_http=True)
    async with running(config) as server:
        got = await collect_failure(server.stub.Generate(request()))
    assert got.reason == "PROVIDER_UNREACHABLE"
    assert "ALL_PROXY must be the address of an http:// proxy" in got.message
    assert PASSWORD not in got.message


async def test_passwords_of_this_account_are_not_sent(
    upstream: Upstream, proxy: Proxy, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`~/.netrc` belongs to whoever started the server, and not to a provider without a key."""
    (tmp_path / ".netrc").write_text(f"machine {NAME} login me password {PASSWORD[:5]}\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    upstream.reply(answer("Hi"))
    config = at(
        upstream,
        f"http://{NAME}:{upstream.address[1]}/v1",
        insecure_http=True,
        credentials=[],
    )
    async with running(config) as server:
        await collect(server.stub.Generate(request()))
    assert upstream.requests[0].header("authorization") is None


async def test_token_endpoints_by_proxy_and_private_authority(
    upstream: Upstream,
    tokens: TokenServer,
    proxy: Proxy,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Tokens are got the same way; without the authority the credential is out, and no secret."""
    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    upstream.answer(answer("Hi"))
    with secured(tokens.upstream, folder, NAME) as address:
        oauth = {
            "grant": "client_credentials",
            "token_url": f"{address}/token",
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
        }
        for authority in (None, str(folder / "ca.pem")):
            told = {**oauth, **({"ca_file": authority} if authority else {})}
            config = configuration(
                upstream, providers={PROVIDER: {"credentials": [{"name": "a", "oauth": told}]}}
            )
            async with running(config) as server:
                call = server.stub.Generate(request())
                if authority is None:
                    got = await collect_failure(call)
                    assert tokens.exchanges == []
                    assert "certificate that is not trusted" in got.message
                else:
                    assert (await collect(call)).text == "Hi"
    assert len(tokens.exchanges) == 1
    assert {method for method, _ in proxy.requests} == {"CONNECT"}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_lists_and_key_pages_follow_no_redirect(upstream: Upstream, status: int) -> None:
    """A model list or a key's page that is said to be elsewhere is not looked for there."""
    async with Upstream() as elsewhere:
        elsewhere.answer(json_body(200, {"data": []}))

        def away(path: str) -> Any:
            place = elsewhere.base_url + path
            return json_body(status, {}, headers=[("location", place)])

        upstream.route("GET", "/v1/models", away("/models"))
        upstream.route("GET", "/v1/key", away("/key"))
        upstream.reply(answer("Hi"))
        config = configuration(upstream, providers={PROVIDER: {"kind": "openrouter"}})
        async with running(config) as server, asyncio.timeout(10):
            await server.stub.ListModels(ListModelsRequest(refresh=True))
            assert (await collect(server.stub.Generate(request()))).text == "Hi"
            while {"/v1/key", "/v1/models"} - {got.path for got in upstream.routed}:
                await server.stub.GetRateLimits(GetRateLimitsRequest())
        assert elsewhere.requests == []
        assert elsewhere.connection_count == 0
