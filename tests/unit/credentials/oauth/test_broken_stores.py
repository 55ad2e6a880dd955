"""What happens while accounts cannot be locked; those that cannot be kept: `test_couriers`."""

import pytest

from sluice_server.credentials.oauth import renewal
from sluice_server.credentials.oauth.store import SharedTokenStore
from sluice_server.errors import ProviderUnavailableError
from sluice_server.state.memory import MemoryValues
from tests.unit.credentials.oauth.conftest import Make
from tests.unit.credentials.oauth.token_server import TokenServer


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
