"""Accounts in files: safe, private, and there after a crash."""

import asyncio
import stat
from pathlib import Path

import pytest

from sluice_server.credentials.oauth.account import Account, decode, encode
from sluice_server.credentials.oauth.store import (
    FileTokenStore,
    SharedTokenStore,
    TokenStoreError,
    default_directory,
)
from sluice_server.state.memory import MemoryValues

NAME = "up/team"
ACCOUNT = Account(
    generation=3,
    refresh_token="r",
    access_token="a",
    issued_at=1.5,
    expires_at=9.5,
    seeds=("x",),
    extra={"resource_url": "portal"},
)


async def test_what_is_kept_comes_back(tmp_path: Path) -> None:
    """Files and the shared state keep every member."""
    for store in (FileTokenStore(tmp_path / "new"), SharedTokenStore(MemoryValues())):
        assert await store.load(NAME) is None
        await store.save(NAME, ACCOUNT)
        assert await store.load(NAME) == ACCOUNT


async def test_files_are_for_the_owner_only(tmp_path: Path) -> None:
    """Mode 0600 in a directory of mode 0700, and nothing is left beside the file."""
    folder = tmp_path / "state"
    await FileTokenStore(folder).save(NAME, ACCOUNT)
    assert [path.name for path in folder.iterdir()] == ["up.team.json"]
    assert stat.S_IMODE((folder / "up.team.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


async def test_a_complete_newer_copy_is_taken(tmp_path: Path) -> None:
    """What a crash left beside the file is the account, and survives the next save."""
    store = FileTokenStore(tmp_path)
    await store.save(NAME, Account(generation=2, refresh_token="old"))
    (tmp_path / "up.team.next").write_bytes(encode(ACCOUNT))
    assert await store.load(NAME) == ACCOUNT
    await store.save(NAME, Account(generation=4, refresh_token="newest"))
    assert (await store.load(NAME) or Account()).refresh_token == "newest"


async def test_a_copy_that_becomes_the_file_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who reads while another process ends a save gets the newer account, too."""
    store = FileTokenStore(tmp_path)
    await store.save(NAME, Account(generation=2, refresh_token="old"))
    beside = tmp_path / "up.team.next"
    beside.write_bytes(encode(ACCOUNT))
    read = store._read

    def read_and_rename(path: Path) -> Account | ValueError | None:
        found = read(path)
        if beside.exists():
            beside.replace(tmp_path / "up.team.json")
        return found

    monkeypatch.setattr(store, "_read", read_and_rename)
    assert await store.load(NAME) == ACCOUNT


@pytest.mark.parametrize("left", [b"", b'{"version": 1', encode(Account(generation=1))])
async def test_a_torn_or_older_copy_is_not_taken(tmp_path: Path, left: bytes) -> None:
    """Half a file, or one from before, changes nothing."""
    store = FileTokenStore(tmp_path)
    await store.save(NAME, ACCOUNT)
    (tmp_path / "up.team.next").write_bytes(left)
    assert await store.load(NAME) == ACCOUNT


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"version": 2}', b"\xff", b"[" * 100_000])
async def test_an_altered_file_is_no_account(tmp_path: Path, data: bytes) -> None:
    """It is told by name, left as it is, and never taken for a new account."""
    path = tmp_path / "up.team.json"
    path.write_bytes(data)
    with pytest.raises(TokenStoreError, match=r"up\.team\.json"):
        await FileTokenStore(tmp_path).load(NAME)
    assert path.read_bytes() == data


async def test_a_directory_that_cannot_be_written(tmp_path: Path) -> None:
    """The fault names the place."""
    blocked = tmp_path / "file"
    blocked.touch()
    with pytest.raises(TokenStoreError, match=r"up\.team"):
        await FileTokenStore(blocked).save(NAME, ACCOUNT)


async def test_one_at_a_time(tmp_path: Path) -> None:
    """Two users of one directory, as two processes are, wait for each other."""
    inside = 0

    async def enter() -> None:
        nonlocal inside
        async with FileTokenStore(tmp_path).alone(NAME):
            inside += 1
            assert inside == 1
            await asyncio.sleep(0)
            inside -= 1

    await asyncio.gather(*(enter() for _ in range(3)))


def test_seeds() -> None:
    """A first refresh token starts over once; one that was known before does not again."""
    one = Account().seeded("one")
    two = one.seeded("two")
    assert (one.refresh_token, two.refresh_token) == ("one", "two")
    assert two.seeded("one") == two
    assert decode(encode(two)) == two


def test_the_default_directory() -> None:
    """The service manager's, else the user's."""
    assert default_directory({"STATE_DIRECTORY": "/var/lib/sluice:/x"}) == Path("/var/lib/sluice")
    assert default_directory({"XDG_STATE_HOME": "/s"}) == Path("/s/sluice")
    assert default_directory({}) == Path("~/.local/state/sluice").expanduser()
