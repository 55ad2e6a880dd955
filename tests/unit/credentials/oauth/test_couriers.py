"""The process that renews: what it shows, what ends it, and what the server makes of its end."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from sluice_server.credentials.oauth import renewal
from sluice_server.credentials.oauth.account import Account
from sluice_server.credentials.oauth.client import Client
from sluice_server.credentials.oauth.courier import dispatch
from sluice_server.credentials.oauth.courier.__main__ import LIFE_SECONDS
from sluice_server.credentials.oauth.courier.handover import Job, Report
from sluice_server.credentials.oauth.endpoint import LONGEST_EXCHANGE_SECONDS, TokenEndpoint
from sluice_server.credentials.oauth.faults import TokenUnavailableError
from sluice_server.credentials.oauth.grants.fields import RefreshToken
from sluice_server.credentials.oauth.renewal import KEEP_SECONDS, WAIT_SECONDS, Renewal, Renewed
from sluice_server.credentials.oauth.store import (
    LOCK_SECONDS,
    FileTokenStore,
    Place,
    TokenStoreError,
)
from sluice_server.errors import ProviderCredentialRejectedError, ProviderUnavailableError
from tests.support.replies import Gate, Head, Piece, Reply
from tests.unit.credentials.oauth.conftest import Clock, Make
from tests.unit.credentials.oauth.token_server import FIRST, TokenServer

BODY = b'{"access_token": "late", "expires_in": 3600, "refresh_token": "refresh-9"}'
HEAD = Head(200, [("content-length", str(len(BODY)))])
NAME = "up/team"


def held(server: TokenServer) -> Gate:
    """Let the next answer wait at a gate."""
    gate = Gate()
    server.upstream.reply(Reply(gate, HEAD, Piece(BODY)))
    return gate


def couriers() -> list[psutil.Process]:
    """Return the couriers of this process."""
    found = []
    for child in psutil.Process().children():
        # It may end while it is looked at.
        with contextlib.suppress(psutil.Error):
            if any("oauth.courier" in word for word in child.cmdline()):
                found.append(child)
    return found


@pytest.fixture(autouse=True)
def none_left() -> Iterator[None]:
    """Fail a test after which a process is left."""
    yield
    assert not couriers()


def error_output(pid: int) -> Path:
    """Return where a process writes its errors."""
    return Path(f"/proc/{pid}/fd/2").readlink()


async def test_nothing_of_the_job_shows(make: Make, server: TokenServer) -> None:
    """Its arguments and environment hold no secret, and it has no files or sockets of ours."""
    gate = held(server)
    source = make(server.settings(client_secret="hidden-secret", fields={"key": "hidden-field"}))
    call = asyncio.create_task(source.secret())
    await gate.reached.wait()
    (courier,) = couriers()
    shown = f"{courier.cmdline()} {courier.environ()}"
    for secret in (FIRST, "hidden-secret", "hidden-field"):
        assert secret not in shown
    (connection,) = courier.net_connections()
    assert (connection.raddr.ip, connection.raddr.port) == server.upstream.address
    assert error_output(courier.pid) == Path(os.devnull)
    assert os.getsid(courier.pid) == courier.pid
    gate.open()
    assert (await call).get_secret_value() == "late"
    assert not couriers()


async def test_signals_do_not_end_it(make: Make, server: TokenServer) -> None:
    """Whatever asks programs to end is not for it while it works."""
    gate = held(server)
    call = asyncio.create_task(make().secret())
    await gate.reached.wait()
    (courier,) = couriers()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
        courier.send_signal(number)
    gate.open()
    assert (await call).get_secret_value() == "late"


async def test_it_ends_whatever_happens(
    make: Make, server: TokenServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system's alarm ends one that hangs, and the server tells why."""
    assert LIFE_SECONDS > WAIT_SECONDS + LONGEST_EXCHANGE_SECONDS + KEEP_SECONDS
    assert LOCK_SECONDS > LONGEST_EXCHANGE_SECONDS + KEEP_SECONDS
    program = (
        "from sluice_server.credentials.oauth.courier import __main__ as courier;"
        "courier.LIFE_SECONDS = 1; courier.main()"
    )
    monkeypatch.setattr(dispatch, "COMMAND", (sys.executable, "-c", program))
    gate = held(server)
    with pytest.raises(ProviderUnavailableError, match="killed by SIGALRM"):
        await make().secret()
    gate.open()


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["/nowhere/python"], "cannot be started: No such file or directory"),
        (["\0"], "cannot be started: bad arguments"),
        ([sys.executable, "-c", "raise SystemExit(3)"], "without a report .status 3."),
        ([sys.executable, "-c", "print('[]')"], "without a report .status 0."),
        ([sys.executable, "-c", "print('{')"], "without a report .status 0."),
    ],
    ids=["no program", "no command", "failure", "no report", "half a report"],
)
async def test_a_courier_that_does_not_work(
    make: Make,
    server: TokenServer,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    command: list[str],
    said: str,
) -> None:
    """The renewal is not done without its protection; it fails for now, and is tried again."""
    source = make()
    with monkeypatch.context() as patch:
        patch.setattr(dispatch, "COMMAND", command)
        with pytest.raises(ProviderUnavailableError, match=said) as caught:
            await source.secret()
        assert caught.value.retry_after is not None
    assert (server.asked, source.state.status) == (0, "failing")
    clock.now += 60
    assert (await source.secret()).get_secret_value() == "access-1"


async def test_without_an_account_none_is_started(
    make: Make, server: TokenServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nobody has logged in yet there is nothing to spend."""
    monkeypatch.setattr(dispatch, "COMMAND", ["/nowhere/python"])
    with pytest.raises(ProviderCredentialRejectedError, match="no refresh token"):
        await make(server.settings(refresh_token=None)).secret()


async def test_few_run_at_once(
    make: Make, server: TokenServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many accounts that are due together have their processes one after the other."""
    running: list[int] = []
    this = psutil.Process()
    before = set(this.children())

    def step(name: str) -> None:
        if name == "started":
            running.append(len(set(this.children()) - before))

    monkeypatch.setattr(dispatch, "_step", step)
    monkeypatch.setattr(dispatch, "_room", threading.BoundedSemaphore(1))
    server.rotates = False
    sources = [make(credential=f"team-{number}") for number in range(4)]
    secrets = await asyncio.gather(*(source.secret() for source in sources))
    assert len({secret.get_secret_value() for secret in secrets}) == len(running) == 4
    assert set(running) == {1}


async def test_closing_ends_one_that_waits(make: Make, server: TokenServer, tmp_path: Path) -> None:
    """One that has sent nothing is not waited for, and sends nothing any more."""
    source = make()
    async with FileTokenStore(tmp_path).alone(NAME):
        call = asyncio.create_task(source.secret())
        # Nothing tells when another process waits for a lock; it has the file open then.
        while not any(courier.open_files() for courier in couriers()):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await source.aclose()
        assert not couriers()
    await asyncio.wait((call,))
    assert server.asked == 0


async def test_a_server_that_closes_too_early_leaves_it_at_work(
    make: Make, server: TokenServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shutdown does not wait longer than its bound, and the next server finds the answer."""
    monkeypatch.setattr("sluice_server.credentials.oauth.source._CLOSE_SECONDS", 0.0)
    gate = held(server)
    source = make()
    call = asyncio.create_task(source.secret())
    await gate.reached.wait()
    await source.aclose()
    await asyncio.wait((call,))
    assert couriers()
    gate.open()
    assert (await make().secret()).get_secret_value() == "late"
    assert server.asked == 1
    # Nobody waits for it any more, so nothing tells when it has ended.
    while couriers():  # noqa: ASYNC110
        await asyncio.sleep(0.01)


async def test_a_disk_that_refuses_the_answer(
    make: Make, server: TokenServer, clock: Clock, tmp_path: Path
) -> None:
    """The token is not used before it is kept, and kept without asking again."""
    folder, aside = tmp_path / "state", tmp_path / "aside"
    gate = held(server)
    source = make(store=FileTokenStore(folder))
    call = asyncio.create_task(source.secret())
    await gate.reached.wait()
    folder.rename(aside)
    folder.touch()
    gate.open()
    with pytest.raises(ProviderUnavailableError, match="cannot be written"):
        await call
    assert not couriers()
    folder.unlink()
    aside.rename(folder)
    clock.now += 60
    assert (await source.secret()).get_secret_value() == "late"
    assert server.asked == 1
    kept = await FileTokenStore(folder).load(NAME)
    assert kept is not None
    assert kept.refresh_token == "refresh-9"


class FullDisk(FileTokenStore):
    """Takes no answer until there is room, and tells when it has refused two."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.full = True
        self.refusals = 0
        self.refused_again = asyncio.Event()

    async def save(self, name: str, account: Account) -> None:
        """Refuse answers while the disk is full."""
        if self.full and account.asked_at is None:
            self.refusals += 1
            if self.refusals > 1:
                self.refused_again.set()
            raise TokenStoreError("No space left.")
        await super().save(name, account)


async def test_an_answer_that_nobody_else_has_is_tried_to_be_kept_for_longer(
    server: TokenServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server takes over what cannot be kept; when it is gone the courier goes on trying."""
    monkeypatch.setattr(renewal, "HAND_OVER_SECONDS", 0.0)
    store = FullDisk(tmp_path)
    gate = held(server)
    one = Renewal(
        NAME,
        grant=RefreshToken(TokenEndpoint(server.url, Client()), (), ""),
        store=store,
        default_lifetime=3600,
        first_refresh_token=FIRST,
    )
    work = asyncio.create_task(one.renew(None))
    await gate.reached.wait()
    one.abandon()
    gate.open()
    await store.refused_again.wait()
    store.full = False
    assert (await work).account.refresh_token == "refresh-9"
    assert (await store.load(NAME) or Account()).refresh_token == "refresh-9"


def test_it_starts_with_little() -> None:
    """What makes imports slow is not among them: its start is part of every renewal."""
    program = (
        "import sys, sluice_server.credentials.oauth.courier.__main__;"
        "print(*sorted(name for name in sys.modules if '.' not in name))"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    loaded = set(run.stdout.decode().split())
    assert "httpx" in loaded
    assert not loaded & {
        *("aiohttp", "google", "grpc", "msgspec", "opentelemetry", "pydantic", "redis", "sluice"),
        *("structlog", "uvloop", "yaml"),
    }


def test_what_is_said_comes_through() -> None:
    """Jobs and reports are the same on the other side, and show no secrets when printed."""
    account = Account(generation=2, refresh_token="hidden-1", access_token="hidden-2")
    job = Job(
        name=NAME,
        place=Place("redis", "redis://:hidden-3@host"),
        url="https://a.example",
        client=Client(
            client_secret="hidden-4", headers={"h": "hidden-5"}, fields={"f": "hidden-6"}
        ),
        scopes=("a", "b"),
        default_lifetime=60.0,
        factor=0.9,
        first_refresh_token="hidden-7",
        refused="hidden-8",
        unsaved=account,
    )
    assert Job.from_line(job.to_line()) == job
    report = Report(outcome=Renewed(account, asked=True), unsaved=account)
    assert Report.from_line(report.to_line()) == report
    assert "hidden" not in f"{job!r} {report!r}"
    fault = TokenUnavailableError("Not now.", retry_after=3.0, code="slow_down")
    told = Report(outcome=fault, unsaved=account)
    read = Report.from_line(told.to_line())
    assert read.unsaved == account
    assert isinstance(read.outcome, TokenUnavailableError)
    assert vars(read.outcome) == vars(fault)
    assert str(read.outcome) == "Not now."
