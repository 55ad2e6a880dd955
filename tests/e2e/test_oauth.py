"""Are access tokens fetched once for all, ahead of time, and never at the account's expense?"""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import grpc
import pytest

from sluice.v1 import gateway_service_pb2
from tests.support.channels import stub_to
from tests.support.client import collect, collect_failure, request
from tests.support.configuration import PROVIDER, Config, configuration
from tests.support.limited_provider import LimitedProvider
from tests.support.openai_stream import failure
from tests.support.process import server_process
from tests.support.redis import redis_server
from tests.support.replies import Gate
from tests.support.server import RunningServer, running
from tests.support.token_server import CLIENT_ID, CLIENT_SECRET, TokenServer

CALLS = 200
REPLICAS = 3
ACCOUNT = "account"


@pytest.fixture
async def tokens() -> AsyncIterator[TokenServer]:
    """Play the authorization server."""
    async with TokenServer() as tokens:
        yield tokens


@pytest.fixture
async def provider(tokens: TokenServer) -> AsyncIterator[LimitedProvider]:
    """Play a provider without limits that takes that server's access tokens."""
    async with LimitedProvider(None, accepts=tokens.is_valid) as provider:
        yield provider


def account(provider: LimitedProvider, tokens: TokenServer, folder: Path) -> Config:
    """Return settings whose only credential is an account that keeps its tokens in `folder`."""
    oauth = {
        "grant": "refresh_token",
        "token_url": tokens.url,
        "client_id": CLIENT_ID,
        "refresh_token": "refresh-token-0-of-the-tests",
        "token_directory": str(folder),
    }
    credentials = [{"name": ACCOUNT, "oauth": oauth}]
    return configuration(
        provider.upstream,
        providers={PROVIDER: {"credentials": credentials}},
        # The one that finds the token ended, and the one after its renewal.
        attempts={"max_attempts": 2},
    )


async def generate(server: RunningServer, count: int = 1) -> list[str]:
    """Make calls at the same time, and return their texts."""
    calls = (collect(server.stub.Generate(request())) for _ in range(count))
    return [answer.text for answer in await asyncio.gather(*calls)]


def modes_below(folder: Path) -> list[int]:
    """Return the modes of all files in a folder."""
    return [path.stat().st_mode & 0o777 for path in folder.rglob("*") if path.is_file()]


async def test_the_first_calls_share_one_refresh(
    provider: LimitedProvider, tokens: TokenServer, tmp_path: Path
) -> None:
    """Two hundred calls that find no access token cause one request for one."""
    async with running(account(provider, tokens, tmp_path)) as server, asyncio.timeout(30):
        assert await generate(server, CALLS) == ["Hello"] * CALLS
    assert tokens.granted == len(tokens.exchanges) == 1
    assert {arrival.status for arrival in provider.arrivals} == {200}


async def test_calls_at_the_moment_of_expiry_share_one_refresh(
    provider: LimitedProvider, tokens: TokenServer, tmp_path: Path
) -> None:
    """Two hundred calls whose token just ended cause one refresh, and all of them succeed."""
    async with running(account(provider, tokens, tmp_path)) as server, asyncio.timeout(30):
        await generate(server)
        tokens.expire()
        provider.gate = Gate()
        calls = asyncio.ensure_future(generate(server, CALLS))
        await provider.arrived(1 + CALLS)
        provider.gate.open()
        assert await calls == ["Hello"] * CALLS
        got = await server.stub.GetMetrics(gateway_service_pb2.GetMetricsRequest())
    assert tokens.granted == len(tokens.exchanges) == 2
    assert not tokens.needs_login
    statuses = [arrival.status for arrival in provider.arrivals]
    assert statuses.count(401) == CALLS
    (credential,) = got.credentials
    assert credential.credential == ACCOUNT
    assert (credential.refreshes, credential.refresh_failures) == (2, 0)
    assert credential.HasField("last_refresh_time")
    assert credential.HasField("expire_time")


async def test_replicas_at_the_moment_of_expiry_share_one_refresh(
    provider: LimitedProvider, tokens: TokenServer, tmp_path: Path
) -> None:
    """The same calls through three processes that share a Redis, and no disk, cause one refresh."""
    with redis_server() as redis:
        configs = [account(provider, tokens, tmp_path / str(n)) for n in range(REPLICAS)]
        async with AsyncExitStack() as stack, asyncio.timeout(60):
            processes = await asyncio.gather(
                *(
                    stack.enter_async_context(
                        server_process({**config, "state": {"redis": redis.url}})
                    )
                    for config in configs
                )
            )
            stubs = [
                await stack.enter_async_context(stub_to(process.channel_target))
                for process in processes
            ]
            await asyncio.gather(*(collect(stub.Generate(request())) for stub in stubs))
            assert tokens.granted == len(tokens.exchanges) == 1
            tokens.expire()
            provider.gate = Gate()
            calls = [
                asyncio.ensure_future(collect(stubs[number % REPLICAS].Generate(request())))
                for number in range(CALLS)
            ]
            await provider.arrived(REPLICAS + CALLS)
            provider.gate.open()
            answers = await asyncio.gather(*calls)
    assert [answer.text for answer in answers] == ["Hello"] * CALLS
    assert tokens.granted == len(tokens.exchanges) == 2
    assert not tokens.needs_login
    assert [arrival.status for arrival in provider.arrivals].count(401) == CALLS
    assert not modes_below(tmp_path)


async def test_tokens_are_refreshed_ahead_of_their_end(
    provider: LimitedProvider, tokens: TokenServer, tmp_path: Path
) -> None:
    """While calls go on, a token is replaced before any of them is refused."""
    tokens.lifetime = 2.0
    async with running(account(provider, tokens, tmp_path)) as server, asyncio.timeout(20):
        while tokens.granted < 2 or len({a.key for a in provider.arrivals}) < 2:
            await generate(server)
    assert {arrival.status for arrival in provider.arrivals} == {200}


async def test_a_restart_goes_on_with_the_rotated_token(
    provider: LimitedProvider, tokens: TokenServer, tmp_path: Path
) -> None:
    """What the server gave last was kept, for the owner's eyes only, and is used next time."""
    config = account(provider, tokens, tmp_path)
    for _ in range(3):
        async with running(config) as server:
            await generate(server)
            tokens.expire()
            await generate(server)
    assert not tokens.needs_login
    assert not any(exchange.error for exchange in tokens.exchanges)
    assert set(modes_below(tmp_path)) == {0o600}


async def killed_when(config: Config, happens: Callable[[], Awaitable[object]]) -> None:
    """Start a server, call it, and kill it at a moment of that call."""
    async with server_process(config) as process, stub_to(process.channel_target) as stub:
        call = stub.Generate(request())
        await happens()
        process.signal(signal.SIGKILL)
        await process.wait()
        call.cancel()


@pytest.mark.parametrize("kept_in", ["files", "redis"])
async def test_a_kill_during_a_refresh_keeps_the_account(
    provider: LimitedProvider, tokens: TokenServer, tmp_path: Path, kept_in: str
) -> None:
    """Killed before or after the authorization server has decided, or after the token's first use.

    After the decision the old refresh token is worth nothing, and the new one is on its way.
    """
    config = account(provider, tokens, tmp_path)
    with redis_server() if kept_in == "redis" else contextlib.nullcontext() as redis:
        if redis is not None:
            config["state"] = {"redis": redis.url}
        for where in ("gate", "answer_gate"):
            gate = Gate()
            setattr(tokens, where, gate)
            await killed_when(config, gate.reached.wait)
            async with running(config) as server:
                answer = asyncio.create_task(generate(server))
                gate.open()
                assert await answer == ["Hello"]
            setattr(tokens, where, None)
            tokens.expire()
        assert tokens.granted == 2

        # A call with the old token, and one with the new: what came with that must be safe now.
        calls = len(provider.arrivals)
        await killed_when(config, lambda: provider.arrived(calls + 2))
        assert tokens.granted == 3
        tokens.expire()
        async with running(config) as server:
            assert await generate(server) == ["Hello"]
    assert not tokens.needs_login
    assert not any(exchange.error for exchange in tokens.exchanges)


async def test_an_account_that_needs_a_login_is_left_alone(
    provider: LimitedProvider, tokens: TokenServer, tmp_path: Path
) -> None:
    """After invalid_grant calls fail as the operator's problem, and nobody asks again."""
    tokens.refresh_token = "another"
    async with running(account(provider, tokens, tmp_path)) as server:
        for _ in range(3):
            got = await collect_failure(server.stub.Generate(request()))
            assert got.reason == "PROVIDER_CREDENTIAL_REJECTED"
            assert "refresh-token-0-of-the-tests" not in got.message
    assert [exchange.error for exchange in tokens.exchanges] == ["invalid_grant"]
    assert not provider.arrivals


async def test_a_token_server_that_is_down_is_asked_again(
    provider: LimitedProvider, tokens: TokenServer, tmp_path: Path
) -> None:
    """Its outage is no reason to give up the account."""
    tokens.failure = failure(503)
    async with running(account(provider, tokens, tmp_path)) as server, asyncio.timeout(20):
        got = await collect_failure(server.stub.Generate(request()))
        assert got.reason == "PROVIDER_UNAVAILABLE"
        tokens.failure = None
        while not provider.arrivals:
            # The account may rest for a moment before it asks again.
            with contextlib.suppress(grpc.aio.AioRpcError):
                await generate(server)
    assert tokens.granted == 1


@pytest.mark.parametrize("body", ["form", "json"])
async def test_clients_get_tokens_in_their_own_name(
    provider: LimitedProvider, tokens: TokenServer, tmp_path: Path, body: str
) -> None:
    """Client credentials work in forms and in JSON, with extra headers and fields."""
    config = account(provider, tokens, tmp_path)
    config["providers"][PROVIDER]["credentials"][0]["oauth"] = {
        "grant": "client_credentials",
        "token_url": tokens.url,
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "scopes": ["one", "two"],
        "body": body,
        "headers": {"x-version": "7"},
        "fields": {"audience": "models"},
    }
    async with running(config) as server:
        assert await generate(server) == ["Hello"]
    (exchange,) = tokens.exchanges
    assert exchange.as_json is (body == "json")
    assert exchange.fields["scope"] == "one two"
    assert exchange.fields["audience"] == "models"
    assert tokens.upstream.requests[0].header("x-version") == "7"


async def test_several_accounts_share_the_work(
    provider: LimitedProvider, tokens: TokenServer, tmp_path: Path
) -> None:
    """Each account has tokens of its own; one that needs a login leaves the work to the others."""
    tokens.rotates = False
    config = account(provider, tokens, tmp_path)
    section = config["providers"][PROVIDER]
    (first,) = section["credentials"]
    broken = {**first, "name": "broken", "oauth": {**first["oauth"], "refresh_token": "gone"}}
    second = {**first, "name": "second"}
    section |= {"credentials": [broken, first, second], "strategy": "round_robin"}
    async with running(config) as server:
        for _ in range(12):
            assert await generate(server) == ["Hello"]
        got = await server.stub.GetMetrics(gateway_service_pb2.GetMetricsRequest())
    assert tokens.granted == 2
    assert [exchange.error for exchange in tokens.exchanges].count("invalid_grant") == 1
    served = {c.credential: c.calls.successes for c in got.credentials if c.calls.successes}
    assert served.keys() == {ACCOUNT, "second"}
    assert sum(served.values()) == 12


async def test_a_caller_who_leaves_during_a_renewal_keeps_no_room(
    provider: LimitedProvider, tokens: TokenServer, tmp_path: Path
) -> None:
    """The room of a call that is cancelled while its token is renewed is free for the next one."""
    config = account(provider, tokens, tmp_path)
    config["providers"][PROVIDER]["limits"] = {"concurrent_streams": 1}
    async with running(config) as server, asyncio.timeout(30):
        await generate(server)
        tokens.expire()
        tokens.gate = gate = Gate()
        left = server.stub.Generate(request())
        reading = asyncio.ensure_future(left.read())
        await gate.reached.wait()
        left.cancel()
        await asyncio.wait([reading])
        gate.open()
        assert await generate(server) == ["Hello"]
