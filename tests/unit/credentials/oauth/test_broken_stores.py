"""What happens to tokens while they cannot be kept or locked."""

from pathlib import Path

import pytest

from sluice_server.credentials.oauth.account import Account
from sluice_server.credentials.oauth.store import FileTokenStore, SharedTokenStore, TokenStoreError
from sluice_server.errors import ProviderUnavailableError
from sluice_server.state.memory import MemoryValues
from tests.unit.credentials.oauth.conftest import Clock, Make
from tests.unit.credentials.oauth.token_server import TokenServer


class FullDisk(FileTokenStore):
    """Keeps the note that a token is sent, and then nothing until there is room."""

    full = False

    async def save(self, name: str, account: Account) -> None:
        """Refuse answers while the disk is full."""
        if self.full and account.asked_at is None:
            raise TokenStoreError("No space left.")
        await super().save(name, account)


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


async def test_a_token_that_cannot_be_kept_is_not_used(
    make: Make, server: TokenServer, clock: Clock, tmp_path: Path
) -> None:
    """Nor is it lost: it is kept once there is room, without asking again."""
    store = FullDisk(tmp_path)
    store.full = True
    source = make(store=store)
    with pytest.raises(ProviderUnavailableError, match="No space left"):
        await source.secret()
    store.full = False
    clock.now += 60
    assert (await source.secret()).get_secret_value() == "access-1"
    assert (server.asked, server.refused) == (1, 0)
    kept = await store.load("up/team")
    assert kept is not None
    assert kept.refresh_token == server.valid


async def test_an_account_waits_for_the_shared_state(make: Make, server: TokenServer) -> None:
    """Without the lock a refresh token is not sent: another replica may be sending it."""
    values = GoneValues()
    with pytest.raises(ProviderUnavailableError, match="shared state"):
        await make(values=values, store=SharedTokenStore(values)).secret()
    assert server.asked == 0


async def test_other_tokens_do_not_wait_for_the_shared_state(
    make: Make, server: TokenServer
) -> None:
    """What can be asked for twice goes on, each replica for itself."""
    settings = server.settings(grant="client_credentials", client_secret="s", refresh_token=None)
    source = make(settings, values=GoneValues())
    assert (await source.secret()).get_secret_value() == "access-1"
