"""The token server takes every refresh token once."""

import asyncio
from typing import Any

import aiohttp
import pytest

from tests.support.replies import Gate
from tests.support.token_server import (
    CLIENT_ID,
    CLIENT_SECRET,
    DEVICE_GRANT,
    JWT_GRANT,
    TokenServer,
)


async def exchange(
    server: TokenServer, fields: dict[str, str], *, as_json: bool = False
) -> dict[str, Any]:
    """Ask for tokens and return the answer, with its status."""
    body: dict[str, Any] = {"json": fields} if as_json else {"data": fields}
    async with aiohttp.ClientSession() as http, http.post(server.url, **body) as response:
        return {"status": response.status, **await response.json()}


async def refresh(server: TokenServer, token: str, *, as_json: bool = False) -> dict[str, Any]:
    """Spend a refresh token."""
    fields = {"grant_type": "refresh_token", "refresh_token": token}
    return await exchange(server, fields, as_json=as_json)


@pytest.mark.parametrize("as_json", [False, True], ids=["form", "JSON"])
async def test_a_refresh_token_is_good_once(as_json: bool) -> None:
    """The second use is refused, and ends the account with all its tokens to come."""
    async with TokenServer() as server:
        first = await refresh(server, "refresh-token-0-of-the-tests", as_json=as_json)
        second = await refresh(server, first["refresh_token"], as_json=as_json)
        assert first["access_token"] != second["access_token"]
        assert server.is_valid(second["access_token"])
        assert server.granted == 2
        again = await refresh(server, "refresh-token-0-of-the-tests", as_json=as_json)
        assert (again["status"], again["error"]) == (400, "invalid_grant")
        assert server.needs_login
        assert "error" in await refresh(server, second["refresh_token"])
        assert server.exchanges[0].as_json is as_json


async def test_what_waits_has_spent_nothing() -> None:
    """A client that leaves while its request is held keeps its refresh token."""
    async with TokenServer(gate=Gate()) as server, asyncio.timeout(10):
        assert server.gate is not None
        asking = asyncio.create_task(refresh(server, "refresh-token-0-of-the-tests"))
        await server.gate.reached.wait()
        asking.cancel()
        held = await server.upstream.request()
        await held.disconnected.wait()
        server.gate.open()
        assert (await refresh(server, "refresh-token-0-of-the-tests"))["status"] == 200
        assert server.granted == 1


async def test_tokens_end() -> None:
    """Access tokens end with their time, or all at once when the test says so."""
    async with TokenServer(lifetime=0.0) as server:
        short = await refresh(server, server.refresh_token)
        assert not server.is_valid(short["access_token"])
        server.lifetime = 3600.0
        long = await refresh(server, server.refresh_token)
        assert server.is_valid(long["access_token"])
        server.expire()
        assert not server.is_valid(long["access_token"])
        assert not server.is_valid("made-up")


async def test_other_grants() -> None:
    """Clients, assertions and approved devices get tokens; strangers do not."""
    async with TokenServer() as server:
        known = {"grant_type": "client_credentials", "client_id": CLIENT_ID}
        good = await exchange(server, known | {"client_secret": CLIENT_SECRET})
        assert server.is_valid(good["access_token"])
        refused = await exchange(server, known | {"client_secret": "wrong"})
        assert refused["error"] == "invalid_client"
        signed = await exchange(server, {"grant_type": JWT_GRANT, "assertion": "a.b.c"})
        assert server.is_valid(signed["access_token"])
        device = {"grant_type": DEVICE_GRANT, "device_code": "device-1"}
        assert (await exchange(server, device))["error"] == "authorization_pending"
        server.approved = True
        assert (await exchange(server, device))["refresh_token"] == server.refresh_token
        assert (await exchange(server, {"grant_type": "password"}))[
            "error"
        ] == "unsupported_grant_type"
