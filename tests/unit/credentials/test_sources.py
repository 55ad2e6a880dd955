"""Keys from the configuration, from files and from programs."""

from __future__ import annotations

import asyncio
import os
import shlex
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from sluice_server.config import settings
from sluice_server.config.oauth import OAuth
from sluice_server.credentials import sources
from sluice_server.credentials.source import Credential, SecretSource
from sluice_server.credentials.sources import (
    CallerKey,
    CommandKey,
    FileKey,
    StaticKey,
    source_of,
)
from sluice_server.errors import ProviderCredentialRejectedError
from tests.unit.credentials.rooms import Clock

KEY = SecretStr("sk-1")


async def text(source: SecretSource) -> str:
    """Return the secret as text."""
    return (await source.secret()).get_secret_value()


def shell(script: str, *, timeout: float = 20, refresh: float | None = None) -> CommandKey:
    """Return the key that a shell script prints."""
    return CommandKey(["/bin/sh", "-c", script], timeout=timeout, refresh=refresh, clock=Clock())


def clock_of(source: CommandKey | FileKey) -> Clock:
    """Return the clock of a source made here."""
    clock = source._clock
    assert isinstance(clock, Clock)
    return clock


async def test_static_key_stays() -> None:
    """A key of the configuration is what it is, and refusing it gives no other."""
    key = StaticKey(KEY)
    assert await text(key) == "sk-1"
    assert not await key.renew(KEY)
    await key.aclose()


def test_keys_are_not_shown() -> None:
    """Neither a configured key nor what a caller brought appears in a representation."""
    for key in (StaticKey(KEY), CallerKey(KEY)):
        assert "sk-1" not in f"{key!r}{key.__dict__}{Credential('a', key)!r}"


async def test_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    """A new key is used a second after it was written at the latest, and not looked for sooner."""
    path = tmp_path / "key"
    path.write_text("\n sk-1 \r\n")
    key = FileKey(path, clock=Clock())
    assert await text(key) == "sk-1"
    path.write_text("sk-22")
    clock_of(key).now += 0.9
    assert await text(key) == "sk-1"
    clock_of(key).now += 0.1
    assert await text(key) == "sk-22"
    await key.aclose()


async def test_kubernetes_secret_is_followed(tmp_path: Path) -> None:
    """A mounted secret changes by a symbolic link that points elsewhere; times may stay equal."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "key").write_text(f"sk-{name}")
        os.utime(tmp_path / name / "key", (1, 1))
    (tmp_path / "..data").symlink_to("one")
    (tmp_path / "key").symlink_to("..data/key")
    key = FileKey(tmp_path / "key", clock=Clock())
    assert await text(key) == "sk-one"
    (tmp_path / "new").symlink_to("two")
    (tmp_path / "new").rename(tmp_path / "..data")
    clock_of(key).now += 1
    assert await text(key) == "sk-two"


async def test_unchanged_file_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking is cheap: many calls within a second look once, and the same file is not parsed."""
    path = tmp_path / "key"
    path.write_text("sk-1")
    key = FileKey(path, clock=Clock())
    await key.secret()
    looked: list[bytes] = []

    def look(raw: bytes, where: str) -> SecretStr:
        looked.append(raw)
        return KEY

    monkeypatch.setattr(sources, "_key_in", look)
    clock_of(key).now += 1
    await asyncio.gather(*(key.secret() for _ in range(100)))
    assert looked == []


async def test_refused_file_key_is_looked_at_at_once(tmp_path: Path) -> None:
    """A refusal does not wait for the next look, and trusts no time stamp."""
    path = tmp_path / "key"
    path.write_text("sk-1")
    os.utime(path, (1, 1))
    key = FileKey(path, clock=Clock())
    assert not await key.renew(SecretStr("sk-0")), "nothing was read yet"
    assert await text(key) == "sk-1"
    assert not await key.renew(KEY)
    with path.open("r+") as file:
        file.write("sk-2")
    os.utime(path, (1, 1))
    assert await key.renew(KEY)
    assert await text(key) == "sk-2"
    assert await key.renew(KEY), "there is another one already"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"", "holds no key, only white space or nothing"),
        (b" \n\t", "holds no key, only white space or nothing"),
        (b"sk-1\nsk-2", "holds something else than one key of visible ASCII"),
        (b"sk-\xc3\xa9", "holds something else than one key of visible ASCII"),
        (b"sk-\x00", "holds something else than one key of visible ASCII"),
        (b"x" * 70_000, "holds more than 65536 bytes, which is no key"),
    ],
)
async def test_file_without_a_key(tmp_path: Path, content: bytes | None, problem: str) -> None:
    """What is wrong with a file is said precisely, and neither its place nor its content is."""
    path = tmp_path / "key"
    if content is not None:
        path.write_bytes(content)
    key = FileKey(path, clock=Clock())
    with pytest.raises(ProviderCredentialRejectedError, match=problem) as caught:
        await key.secret()
    assert str(tmp_path) not in str(caught.value)
    assert "sk-" not in str(caught.value)
    path.write_text("sk-3")
    clock_of(key).now += 1
    assert await text(key) == "sk-3"


@pytest.mark.parametrize("sort", ["directory", "pipe", "unreadable"])
async def test_what_is_no_file(tmp_path: Path, sort: str) -> None:
    """A directory or a pipe in the place of the file neither hangs nor crashes."""
    path = tmp_path / "key"
    if sort == "directory":
        path.mkdir()
    elif sort == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(path)
    with pytest.raises(ProviderCredentialRejectedError):
        await asyncio.wait_for(FileKey(path).secret(), 10)


async def test_key_outlives_its_file_for_a_moment(tmp_path: Path) -> None:
    """Between emptying and writing a file lies a moment; a file that stays away ends its key."""
    path = tmp_path / "key"
    path.write_text("sk-1")
    key = FileKey(path, clock=Clock())
    await key.secret()
    path.unlink()
    clock_of(key).now += 4
    assert await text(key) == "sk-1"
    clock_of(key).now += 1
    with pytest.raises(ProviderCredentialRejectedError, match="No such file"):
        await key.secret()


async def test_key_of_a_program(tmp_path: Path) -> None:
    """A program is run once for all who wait, without a shell, and its key is kept."""
    runs = tmp_path / "runs"
    key = shell(f"echo x >> {shlex.quote(str(runs))}; echo '  sk-9'")
    assert {await text(key) for _ in range(3)} == {"sk-9"}
    key = shell(f"echo x >> {shlex.quote(str(runs))}; echo sk-9")
    secrets = await asyncio.gather(*(key.secret() for _ in range(50)))
    assert {secret.get_secret_value() for secret in secrets} == {"sk-9"}
    assert runs.read_text() == "x\n" * 2
    plain = CommandKey(["echo", "$HOME;x"], timeout=20)
    assert await text(plain) == "$HOME;x"


async def test_program_is_run_again_when_its_key_is_refused(tmp_path: Path) -> None:
    """Many who were refused at once cause one run; another key than the refused one is news."""
    count = shlex.quote(str(tmp_path / "count"))
    key = shell(f"echo x >> {count}; printf 'sk-%d' $(wc -l < {count})")
    assert await text(key) == "sk-1"
    assert not await key.renew(KEY), "it ran this very second"
    clock_of(key).now += 1
    assert await asyncio.gather(*(key.renew(KEY) for _ in range(20))) == [True] * 20
    assert await text(key) == "sk-2"
    assert await key.renew(KEY)


async def test_old_key_is_replaced_in_the_background(tmp_path: Path) -> None:
    """Calls do not wait for the program while they have a key, and keep it when that fails."""
    count = shlex.quote(str(tmp_path / "count"))
    key = shell(f"echo x >> {count}; n=$(wc -l < {count}); [ $n != 3 ] && echo sk-$n", refresh=60)
    assert await text(key) == "sk-1"
    clock_of(key).now += 60
    assert await text(key) == "sk-1"
    await key._running.join()
    assert await text(key) == "sk-2"
    clock_of(key).now += 60
    assert await text(key) == "sk-2"
    await key._running.join()
    assert await text(key) == "sk-2", "the third run failed"


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ("echo QZ7; exit 3", r"failed \(status 3\)"),
        ("echo QZ7 >&2", "printed no key, only white space or nothing"),
        ("echo QZ7 QZ7", "printed something else than one key"),
        ("exec yes QZ7QZ7QZ7", "printed too much to be a secret"),
        ("kill -9 $$", r"failed \(status -9\)"),
    ],
)
async def test_program_without_a_key(
    script: str, problem: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """What went wrong is said; what the program printed appears nowhere."""
    key = shell(script)
    with pytest.raises(ProviderCredentialRejectedError, match=problem) as caught:
        await key.secret()
    assert "QZ7" not in "".join([str(caught.value), *capfd.readouterr()])
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("script", ["sleep 600", "sleep 600 & echo sk-1", "(sleep 600)"])
async def test_program_that_does_not_end(script: str) -> None:
    """After its time a program and its children are killed."""
    with pytest.raises(ProviderCredentialRejectedError, match=r"did not end within 0\.2 s"):
        await asyncio.wait_for(shell(script, timeout=0.2).secret(), 20)


async def test_child_that_left_the_group_does_not_hang_us() -> None:
    """What a program left behind may hold its pipe; that costs a second, not a task."""
    daemon = "import os,time; os.setsid(); print('x', flush=True); time.sleep(4)"
    script = f"{shlex.quote(sys.executable)} -c {shlex.quote(daemon)} & wait"
    with pytest.raises(ProviderCredentialRejectedError, match="did not end"):
        await asyncio.wait_for(shell(script, timeout=0.3).secret(), 20)


@pytest.mark.parametrize("command", [["/nowhere/program"], ["a\0b"], [str(Path(__file__).parent)]])
async def test_program_that_cannot_be_started(command: list[str]) -> None:
    """A program that is not there is said to be so, and tried again later."""
    with pytest.raises(ProviderCredentialRejectedError, match="cannot be started"):
        await CommandKey(command, timeout=20).secret()


async def test_waiter_that_leaves_does_not_end_the_run(tmp_path: Path) -> None:
    """A caller's departure cancels nothing for those who wait for the same key."""
    pipe = tmp_path / "go"
    os.mkfifo(pipe)
    key = shell(f"cat {shlex.quote(str(pipe))}")
    one, other = (asyncio.create_task(key.secret()) for _ in "12")
    await asyncio.sleep(0)
    one.cancel()
    await asyncio.gather(one, return_exceptions=True)
    await asyncio.to_thread(pipe.write_text, "sk-4")
    assert (await other).get_secret_value() == "sk-4"


async def test_closing_stops_the_program() -> None:
    """Nothing runs on after the end."""
    key = shell("sleep 600")
    waiting = asyncio.create_task(key.secret())
    await asyncio.sleep(0)
    await asyncio.wait_for(key.aclose(), 20)
    assert isinstance(
        (await asyncio.gather(waiting, return_exceptions=True))[0], asyncio.CancelledError
    )


def test_sources_show_no_arguments(tmp_path: Path) -> None:
    """Sources show where a key comes from, as far as that is no secret."""
    assert repr(CommandKey(["pass", "QZ7"], timeout=1)) == "CommandKey('pass')"
    assert repr(FileKey(Path("/run/key"))) == "FileKey('/run/key')"


def test_source_of_each_setting(tmp_path: Path) -> None:
    """Each way of configuring a key has its source; an account is none of them."""
    entry = {"name": "a"}
    key = settings.Credential.model_validate({**entry, "api_key": "b"})
    file = settings.Credential.model_validate({**entry, "api_key_file": "b"})
    command = settings.Credential.model_validate({**entry, "api_key_command": ["b"]})
    assert [type(source_of(e)) for e in (key, file, command)] == [StaticKey, FileKey, CommandKey]
    account = settings.Credential(name="a", oauth=OAuth(grant="google_adc", headers={}, fields={}))
    with pytest.raises(ValueError, match="no key"):
        source_of(account)
