"""What happens while accounts cannot be locked; those that cannot be kept: `test_couriers`."""

import asyncio

import pytest

from sluice_server.credentials.oauth import renewal
from sluice_server.credentials.oauth.account import Account, Issued
from sluice_server.credentials.oauth.store import SharedTokenStore
from sluice_server.errors import ProviderUnavailableError
from sluice_server.state.memory import MemoryValues
from tests.unit.credentials.oauth.conftest import Clock, Make
from tests.unit.credentials.oauth.token_server import FIRST, TokenServer


class GoneValues(MemoryValues):
    """Shared state that cannot be reached."""

    async def lock(self, name: str, *, ttl: float) -> str | None:
        """Fail."""
        raise ConnectionError

    async def get(self, name: str) -> bytes | None:
        """Fail."""
        raise ConnectionError

    async def put(self, name: str, value: bytes) -> None:
        """Fail."""
        raise ConnectionError


async def test_an_account_waits_for_the_shared_state(make: Make, server: TokenServer) -> None:
    """Without the lock a refresh token is not sent: another replica may be sending it."""
    values = GoneValues()
    with pytest.raises(ProviderUnavailableError, match="shared state"):
        await make(values=values, store=SharedTokenStore(values)).secret()
    assert server.asked == 0


async def test_a_lock_that_is_not_given_back(
    make: Make, server: TokenServer, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever waits for it goes on when its holder has kept a token, though it was lost then."""
    waiting = asyncio.Event()
    monkeypatch.setattr("sluice_server.credentials.oauth.store._step", lambda _: waiting.set())
    store = SharedTokenStore(MemoryValues())
    async with store.alone("up/team"):
        call = asyncio.create_task(make(store=store).secret())
        await waiting.wait()
        issued = Issued(access_token="theirs", lifetime=3600)
        kept = Account().seeded(FIRST).given(issued, now=clock.now, default_lifetime=3600)
        await store.save("up/team", kept)
        assert (await call).get_secret_value() == "theirs"
    assert server.asked == 0


async def test_nobody_waits_for_ever(
    make: Make, server: TokenServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A renewal elsewhere that does not end is a fault that passes."""
    monkeypatch.setattr(renewal, "WAIT_SECONDS", 0.0)
    store = SharedTokenStore(MemoryValues())
    async with store.alone("up/team"):
        with pytest.raises(ProviderUnavailableError, match="for too long"):
            await make(store=store).secret()
    assert server.asked == 0


async def test_other_tokens_do_not_wait_for_the_shared_state(
    make: Make, server: TokenServer
) -> None:
    """What can be asked for twice goes on, each replica for itself."""
    settings = server.settings(grant="client_credentials", client_secret="s", refresh_token=None)
    source = make(settings, values=GoneValues())
    assert (await source.secret()).get_secret_value() == "access-1"
