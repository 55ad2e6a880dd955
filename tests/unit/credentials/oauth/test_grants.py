"""What each grant sends, and what it makes of a set-up that does not work."""

import base64
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from sluice_server.config.oauth import OAuth
from sluice_server.credentials.oauth.account import Account
from sluice_server.credentials.oauth.store import SharedTokenStore
from sluice_server.errors import ProviderCredentialRejectedError, ProviderUnavailableError
from sluice_server.state.memory import MemoryValues
from tests.support.replies import json_body
from tests.unit.credentials.oauth.conftest import Clock, Make
from tests.unit.credentials.oauth.token_server import TokenServer, fields

ASSERTION = "header.claims.signature"


async def test_client_credentials(make: Make, server: TokenServer) -> None:
    """The client's id and secret as HTTP basic authentication, scopes as a field."""
    settings = OAuth.model_validate(
        {
            "grant": "client_credentials",
            "token_url": server.url,
            "client_id": "us:er",
            "client_secret": "s e",
            "client_auth": "basic",
            "scopes": ["a", "b"],
            "fields": {"audience": "api"},
        }
    )
    assert (await make(settings).secret()).get_secret_value() == "access-1"
    request = server.upstream.requests[0]
    expected = base64.b64encode(b"us%3Aer:s+e").decode()
    assert request.header("authorization") == f"Basic {expected}"
    assert fields(request) == {
        "grant_type": "client_credentials",
        "scope": "a b",
        "audience": "api",
    }


async def test_tokens_that_can_be_got_again_leave_no_file(
    make: Make, server: TokenServer, tmp_path: Path
) -> None:
    """Only accounts that need a person are written to a disk."""
    settings = server.settings(
        grant="client_credentials", client_secret="secret", refresh_token=None
    )
    await make(settings).secret()
    assert not (tmp_path / "up.team.json").exists()


async def test_anthropics_workload_federation(
    make: Make, server: TokenServer, tmp_path: Path
) -> None:
    """JSON with assertion, the rule's fields and a beta header (`anthropic.md` section 2.1)."""
    file = tmp_path / "token"
    file.write_text(ASSERTION + "\n")
    settings = OAuth.model_validate(
        {
            "grant": "jwt_bearer",
            "token_url": server.url,
            "body": "json",
            "headers": {"anthropic-beta": "oidc-federation-2026-04-01"},
            "fields": {"federation_rule_id": "rule", "organization_id": "org"},
            "assertion_file": str(file),
        }
    )
    await make(settings).secret()
    request = server.upstream.requests[0]
    assert request.header("content-type") == "application/json"
    assert request.header("anthropic-beta") == "oidc-federation-2026-04-01"
    assert fields(request) == {
        "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "assertion": ASSERTION,
        "federation_rule_id": "rule",
        "organization_id": "org",
    }


async def test_openais_workload_identity(make: Make, server: TokenServer) -> None:
    """The subject token, as a program prints it (`openai.md` section 2.1)."""
    settings = OAuth.model_validate(
        {
            "grant": "token_exchange",
            "token_url": server.url,
            "fields": {"identity_provider_id": "idp", "service_account_id": "sa"},
            "assertion_command": [sys.executable, "-c", f"print({ASSERTION!r})"],
        }
    )
    await make(settings).secret()
    assert fields(server.upstream.requests[0]) == {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "subject_token": ASSERTION,
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "identity_provider_id": "idp",
        "service_account_id": "sa",
    }


@pytest.mark.parametrize(
    "given",
    [
        {"assertion_file": "/nowhere/token"},
        {"assertion_command": ["/nowhere/program"]},
        {"assertion_command": [sys.executable, "-c", "raise SystemExit(3)"]},
        {"assertion_command": [sys.executable, "-c", "print('two words')"]},
        {"assertion_command": [sys.executable, "-c", "print('x' * 1000000)"]},
        {"assertion_command": [sys.executable, "-c", "pass"]},
    ],
    ids=["no file", "no program", "failure", "no token", "too much", "nothing"],
)
async def test_no_assertion_no_request(
    make: Make, server: TokenServer, given: dict[str, object]
) -> None:
    """A file or program that gives no token is told, and nothing is sent."""
    settings = OAuth.model_validate({"grant": "jwt_bearer", "token_url": server.url, **given})
    with pytest.raises(ProviderUnavailableError, match="assertion"):
        await make(settings).secret()
    assert server.asked == 0


async def test_a_refused_assertion_is_no_lost_account(
    make: Make, server: TokenServer, clock: Clock, tmp_path: Path
) -> None:
    """Nobody can log in there: it is the operator's problem, and tried again after minutes."""
    file = tmp_path / "token"
    file.write_text(ASSERTION)
    settings = OAuth(grant="jwt_bearer", token_url=server.url, assertion_file=file)
    server.upstream.reply(json_body(400, {"error": "invalid_grant"}))
    source = make(settings)
    for _ in range(2):
        with pytest.raises(ProviderCredentialRejectedError, match="rule that trusts it"):
            await source.secret()
        clock.now += 10
    assert (source.state.status, server.asked) == ("failing", 1)
    clock.now += 600
    assert (await source.secret()).get_secret_value() == "access-1"


async def test_a_stored_key_that_is_refused(make: Make, server: TokenServer, clock: Clock) -> None:
    """It stays visible as needing a login, and a new login is taken at the next refusal."""
    store = SharedTokenStore(MemoryValues())
    await store.save("up/team", Account(generation=1, access_token="key-1"))
    source = make(OAuth(grant="openrouter"), store=store)
    first = await source.secret()
    assert not await source.renew(first)
    assert source.state.status == "login_needed"
    await store.save("up/team", Account(generation=2, access_token="key-2"))
    clock.now += 60
    assert await source.renew(first)
    assert (await source.secret()).get_secret_value() == "key-2"
    assert (source.state.status, server.asked) == ("ready", 0)


@pytest.mark.parametrize(
    ("written", "fault"),
    [
        ({"grant": "refresh_token"}, "needs token_url"),
        ({"grant": "refresh_token", "token_url": "http://10.0.0.1/token"}, "must start with https"),
        ({"grant": "openrouter", "client_id": "x"}, "must not have client_id"),
        ({"grant": "jwt_bearer", "token_url": "https://a.example"}, "assertion_file or"),
        ({"grant": "google_service_account"}, "needs key_file"),
        ({"grant": "device", "token_url": "https://a.example"}, "needs device_url"),
        (
            {"grant": "client_credentials", "token_url": "https://a.example", "client_id": "x"},
            "needs client_secret",
        ),
        (
            {
                "grant": "jwt_bearer",
                "token_url": "https://a.example",
                "assertion_command": "one text",
            },
            "must be a list",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_settings_that_cannot_work(written: dict[str, object], fault: str) -> None:
    """They are refused when they are read, by the name of the key."""
    with pytest.raises(ValidationError, match=fault):
        OAuth.model_validate(written)
