"""Google's credentials against a token endpoint on loopback."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from sluice_server.credentials.oauth.account import Account
from sluice_server.credentials.oauth.faults import (
    TokenError,
    TokenRefusedError,
    TokenUnavailableError,
)
from sluice_server.credentials.oauth.grants.google import GoogleGrant
from tests.support.replies import json_body
from tests.unit.credentials.oauth.token_server import TokenServer, fields


@pytest.fixture(scope="module")
def private_key() -> str:
    """Make a key that nobody trusts."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


@pytest.fixture
def key_file(private_key: str, server: TokenServer, tmp_path: Path) -> Path:
    """Write the key file of a service account whose token endpoint is ours."""
    return write(
        tmp_path,
        {
            "type": "service_account",
            "client_email": "robot@project.example",
            "private_key": private_key,
            "private_key_id": "1",
            "token_uri": server.url,
        },
    )


def write(folder: Path, info: Mapping[str, Any]) -> Path:
    """Write a credential file."""
    path = folder / "credentials.json"
    path.write_text(json.dumps(info))
    return path


async def test_a_service_account(key_file: Path, server: TokenServer) -> None:
    """A signed assertion is exchanged; the answer's life is the token's."""
    issued = await GoogleGrant(key_file, (), environ={}).fetch(Account())
    assert issued.access_token == "access-1"
    assert issued.lifetime == pytest.approx(3600, abs=30)
    sent = fields(server.upstream.requests[0])
    assert sent["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    assert sent["assertion"].count(".") == 2


async def test_default_credentials_of_a_user(server: TokenServer, tmp_path: Path) -> None:
    """What gcloud leaves in its folder is found and refreshed."""
    (tmp_path / "application_default_credentials.json").write_text(
        json.dumps(
            {
                "type": "authorized_user",
                "client_id": "id",
                "client_secret": "secret",
                "refresh_token": "refresh-0",
                "token_uri": server.url,
            }
        )
    )
    grant = GoogleGrant(None, (), environ={"CLOUDSDK_CONFIG": str(tmp_path)})
    # The file's own address is not used by the package for users; see below.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("google.oauth2.credentials._GOOGLE_OAUTH2_TOKEN_ENDPOINT", server.url)
        issued = await grant.fetch(Account())
    assert issued.access_token == "access-1"
    assert fields(server.upstream.requests[0])["refresh_token"] == "refresh-0"


async def test_default_credentials_by_variable(key_file: Path) -> None:
    """The usual variable names the file."""
    environ = {"GOOGLE_APPLICATION_CREDENTIALS": str(key_file)}
    issued = await GoogleGrant(None, ("scope",), environ=environ).fetch(Account())
    assert issued.access_token == "access-1"


async def test_the_metadata_server(server: TokenServer, tmp_path: Path) -> None:
    """Without a file the machine is asked, with the header that proves who asks."""
    host, port = server.upstream.address
    environ = {"GCE_METADATA_HOST": f"{host}:{port}", "HOME": str(tmp_path)}
    issued = await GoogleGrant(None, (), environ=environ).fetch(Account())
    assert issued.access_token == "access-1"
    assert server.upstream.requests[0].header("metadata-flavor") == "Google"


@pytest.mark.parametrize(
    ("status", "answer", "fault"),
    [
        (400, {"error": "invalid_grant", "error_description": "secret words"}, TokenRefusedError),
        (401, {"error": "invalid_client"}, TokenRefusedError),
        (503, {}, TokenUnavailableError),
        (429, {}, TokenUnavailableError),
        (200, {}, TokenError),
        (302, {}, TokenError),
    ],
)
async def test_refusals(
    key_file: Path, server: TokenServer, status: int, answer: object, fault: type[TokenError]
) -> None:
    """Told by kind, once, and without the endpoint's words."""
    server.upstream.reply(json_body(status, answer, headers=[("location", "https://a.example")]))
    with pytest.raises(fault) as caught:
        await GoogleGrant(key_file, (), environ={}).fetch(Account())
    assert "secret words" not in str(caught.value)
    assert server.asked == 1


@pytest.mark.parametrize(
    "info",
    [
        {},
        {"type": "unknown"},
        {"type": "service_account"},
        {"type": "external_account", "credential_source": 3},
        {"type": "authorized_user", "refresh_token": "r"},
        {"type": "impersonated_service_account"},
    ],
    ids=str,
)
async def test_bad_files(tmp_path: Path, info: dict[str, Any]) -> None:
    """A file that lacks something is the operator's problem, not a crash."""
    environ = {"GOOGLE_APPLICATION_CREDENTIALS": str(write(tmp_path, info))}
    with pytest.raises(TokenRefusedError):
        await GoogleGrant(None, (), environ=environ).fetch(Account())


async def test_secrets_stay_off_plain_networks(private_key: str, tmp_path: Path) -> None:
    """A key file that names a plain http address elsewhere is refused."""
    path = write(
        tmp_path,
        {
            "type": "service_account",
            "client_email": "robot@project.example",
            "private_key": private_key,
            "token_uri": "http://10.0.0.1/token",
        },
    )
    with pytest.raises(TokenRefusedError, match="https"):
        await GoogleGrant(path, (), environ={}).fetch(Account())
