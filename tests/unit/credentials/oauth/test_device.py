"""The login on another device."""

import pytest

from sluice_server.config.oauth import OAuth
from sluice_server.credentials.oauth import device
from sluice_server.credentials.oauth.faults import TokenError
from tests.support.replies import Reply, json_body
from tests.unit.credentials.oauth.token_server import TokenServer, fields

STARTED = {
    "device_code": "device-secret",
    "user_code": "ABCD-EFGH",
    "verification_uri": "https://login.example/device",
    "verification_uri_complete": "https://login.example/device?code=ABCD-EFGH",
    "expires_in": 600,
    "interval": "3",
}
DONE = {"access_token": "access", "refresh_token": "refresh", "expires_in": 60, "resource_url": "p"}


def settings(server: TokenServer, *, pkce: bool = True) -> OAuth:
    """Return a credential that logs in at the server."""
    return OAuth(
        grant="device",
        token_url=server.url,
        device_url=server.upstream.base_url + "/device",
        client_id="ours",
        scopes=("openid", "model"),
        pkce=pkce,
    )


class Person:
    """Notes what is shown, and how long was waited."""

    def __init__(self) -> None:
        """Start with nothing."""
        self.shown = ""
        self.waits: list[float] = []

    def say(self, text: str) -> None:
        """Take a text."""
        self.shown += text

    async def sleep(self, seconds: float) -> None:
        """Wait, but not really."""
        self.waits.append(seconds)


async def test_a_login(server: TokenServer) -> None:
    """Code and address are shown; polls keep the server's pace until a person is done."""
    server.upstream.reply(
        json_body(200, STARTED),
        json_body(400, {"error": "authorization_pending"}),
        json_body(429, {"error": "slow_down"}),
        json_body(200, DONE),
    )
    person = Person()
    issued = await device.login(settings(server), person.say, sleep=person.sleep)
    assert (issued.access_token, issued.refresh_token) == ("access", "refresh")
    assert issued.extra == {"resource_url": "p"}
    assert person.waits == [3, 3, 8]
    assert "https://login.example/device" in person.shown
    assert "ABCD-EFGH" in person.shown
    assert "device-secret" not in person.shown
    started, *_, last = map(fields, server.upstream.requests)
    assert (started["client_id"], started["scope"]) == ("ours", "openid model")
    assert started["code_challenge_method"] == "S256"
    assert last["grant_type"] == "urn:ietf:params:oauth:grant-type:device_code"
    assert last["device_code"] == "device-secret"
    assert len(last["code_verifier"]) >= 43


async def test_without_a_challenge(server: TokenServer) -> None:
    """Servers that know none get none."""
    server.upstream.reply(json_body(200, STARTED), json_body(200, DONE))
    person = Person()
    await device.login(settings(server, pkce=False), person.say, sleep=person.sleep)
    sent = [key for request in server.upstream.requests for key in fields(request)]
    assert not any(key.startswith("code_") for key in sent)


@pytest.mark.parametrize(
    ("replies", "said"),
    [
        ([json_body(200, STARTED), json_body(400, {"error": "access_denied"})], "declined"),
        ([json_body(200, STARTED), json_body(400, {"error": "expired_token"})], "expired"),
        ([json_body(200, STARTED), json_body(400, {"error": "invalid_grant"})], "invalid_grant"),
        ([json_body(401, {"error": "invalid_client"})], "invalid_client"),
        ([json_body(200, {"device_code": "x"})], "no page"),
        ([json_body(200, {"device_code": "x", "verification_uri": "a\x1b[2J"})], "no page"),
        ([json_body(404, {})], "404"),
    ],
    ids=["declined", "expired", "ended", "client", "no page", "control characters", "not found"],
)
async def test_no_login(server: TokenServer, replies: list[Reply], said: str) -> None:
    """Each way not to log in has its sentence."""
    server.upstream.reply(*replies)
    person = Person()
    with pytest.raises(TokenError, match=said):
        await device.login(settings(server), person.say, sleep=person.sleep)
