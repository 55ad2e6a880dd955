"""What is left of an account when processes are killed in the middle of a renewal.

The token server takes each refresh token once, and ends the account when one comes again.
"""

import asyncio
import os
import random
import signal
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.support.redis import RedisServer, redis_server
from tests.support.replies import Delay, Gate
from tests.support.token_server import TokenServer
from tests.unit.credentials.oauth.acts import Company, company
from tests.unit.credentials.oauth.crashing import Order, Step, opened

ACCOUNTS, KILLS = 5, 10


@pytest.fixture(scope="module")
def made() -> Iterator[Company]:
    """Run what makes servers, once for all tests here."""
    with company() as made:
        yield made


@pytest.fixture
async def servers(made: Company, tokens: TokenServer) -> AsyncIterator[Company]:
    """Make servers, of which nothing is left when the test has ended."""
    yield made
    await made.nobody_left()


@pytest.fixture
async def tokens() -> AsyncIterator[TokenServer]:
    """Play the authorization server."""
    async with TokenServer() as tokens:
        yield tokens


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    """Run a Redis."""
    with redis_server() as redis:
        yield redis


@pytest.fixture(params=["files", "redis"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return where accounts are kept."""
    if request.param == "files":
        return str(tmp_path)
    redis: RedisServer = request.getfixturevalue("redis")
    redis.call("FLUSHALL")
    return redis.url


async def check(tokens: TokenServer, place: str, *, granted: int, name: str = Order.name) -> None:
    """Check that nothing was refused, and that the refresh token which is good now is kept."""
    assert not tokens.needs_login
    assert [exchange.error for exchange in tokens.exchanges] == [""] * granted
    async with opened(place) as store:
        account = await store.load(name)
    assert account is not None
    assert account.refresh_token == tokens.refresh_token


WORKING: list[Step] = [
    # The lock is ours.
    ("alone", 1),
    # The note that the refresh token is about to be sent.
    ("written", 1),
    ("synced", 1),
    ("renamed", 1),
    ("asking", 1),
    ("received", 1),
]
KEPT: list[Step] = [("written", 2), ("synced", 2), ("renamed", 2), ("kept", 1)]
"""From here on the answer can be read by others."""

SHARED = [step for step in (*WORKING, *KEPT) if step[0] not in {"written", "synced", "renamed"}]
"""Those that Redis has, too."""


def shown(value: str | Step) -> str:
    """Return a parameter as it stands in a test's name."""
    return value if isinstance(value, str) else "-".join(map(str, value))


@pytest.mark.parametrize(
    ("place", "step"),
    [*(("files", step) for step in (*WORKING, *KEPT)), *(("redis", step) for step in SHARED)],
    indirect=["place"],
    ids=shown,
)
async def test_a_server_killed_at_any_step_of_its_courier(
    servers: Company, tokens: TokenServer, place: str, step: Step
) -> None:
    """The courier goes on, and the next server waits for what it keeps; nobody asks twice."""
    async with servers.server(tokens.url, place, halt_courier=step) as first:
        await first.halts()
        await first.kill()
        assert await first.result() == {}
        async with servers.server(tokens.url, place, halt_courier=("waiting", 1)) as second:
            if step in WORKING:
                await second.halts()
                first.go_on()
                second.go_on()
            assert await second.result() == {"token": "access-token-1-of-the-tests"}
    await check(tokens, place, granted=1)


@pytest.mark.parametrize("step", ["starting", "started", "handed", "reported"])
async def test_a_server_killed_at_any_step_of_its_own(
    servers: Company, tokens: TokenServer, place: str, step: str
) -> None:
    """Before, while and after it hands over the job: the next one gets a token all the same."""
    async with servers.server(tokens.url, place, halt_server=(step, 1)) as first:
        await first.halts()
        await first.kill()
        async with servers.server(tokens.url, place) as second:
            assert await second.result() == {"token": "access-token-1-of-the-tests"}
    await check(tokens, place, granted=1)


@pytest.mark.parametrize("sent", ["before", "after"])
async def test_a_server_killed_between_decision_and_answer(
    servers: Company, tokens: TokenServer, place: str, sent: str
) -> None:
    """Killed while the token server decides, or after it has spent the refresh token."""
    gate = Gate()
    if sent == "before":
        tokens.gate = gate
    else:
        tokens.answer_gate = gate
    async with servers.server(tokens.url, place) as first:
        await gate.reached.wait()
        assert tokens.granted == (sent == "after")
        await first.kill()
        async with servers.server(tokens.url, place, halt_courier=("waiting", 1)) as second:
            await second.halts()
            gate.open()
            second.go_on()
            assert await second.result() == {"token": "access-token-1-of-the-tests"}
    await check(tokens, place, granted=1)


@pytest.mark.parametrize("step", [*WORKING[:-1], *KEPT], ids=shown)
async def test_a_courier_killed_while_it_keeps_something(
    servers: Company, tokens: TokenServer, tmp_path: Path, step: Step
) -> None:
    """Even that loses nothing, before the request and from the first whole answer on the disk."""
    place = str(tmp_path)
    async with servers.server(tokens.url, place, halt_courier=step) as first:
        await first.halts()
        os.kill(first.halted_pid, signal.SIGKILL)
        await first.kill()
        async with servers.server(tokens.url, place) as second:
            assert await second.result() == {"token": "access-token-1-of-the-tests"}
    await check(tokens, place, granted=1)


async def test_a_courier_killed_with_the_answer_in_its_hands(
    servers: Company, tokens: TokenServer, tmp_path: Path
) -> None:
    """Only that loses an account; the server then asks for a login instead of trying for ever."""
    place = str(tmp_path)
    async with servers.server(tokens.url, place, halt_courier=("received", 1)) as first:
        await first.halts()
        os.kill(first.halted_pid, signal.SIGKILL)
        assert "ended without a report (killed by SIGKILL)" in (await first.result())["unavailable"]
    async with servers.server(tokens.url, place) as second:
        said = (await second.result())["rejected"]
        assert "An earlier renewal ended before its answer was kept." in said
        assert "Configure a new refresh_token." in said
    async with servers.server(tokens.url, place) as third:
        assert "invalid_grant" in (await third.result())["rejected"]
    assert [exchange.error for exchange in tokens.exchanges] == ["", "invalid_grant"]


async def test_random_kills_lose_no_account(servers: Company, place: str) -> None:
    """Servers of five accounts, each killed ten times at any moment: no token is refused."""
    async with asyncio.TaskGroup() as group:
        all_of_them = [
            group.create_task(kills(servers, place, f"up/{number}")) for number in range(ACCOUNTS)
        ]
    assert sum(task.result() for task in all_of_them)


async def kills(servers: Company, place: str, name: str) -> int:
    """Kill servers of an account, each before its successor; return how many had not ended."""
    now = Order.now
    cut = 0
    async with TokenServer() as tokens:
        started = time.monotonic()
        async with servers.server(tokens.url, place, name=name) as server:
            assert await server.result() == {"token": "access-token-1-of-the-tests"}
        usual = time.monotonic() - started
        for _ in range(KILLS):
            now += 3600
            # Answers take their time, so that many kills come between decision and answer.
            tokens.answer_gate = Delay(random.uniform(0, usual / 2))
            async with servers.server(tokens.url, place, name=name, now=now) as first:
                await asyncio.sleep(random.uniform(0, 1.3 * usual))
                await first.kill()
                cut += not await first.result()
                async with servers.server(tokens.url, place, name=name, now=now) as second:
                    got = await second.result()
                    assert got == {"token": f"access-token-{tokens.granted}-of-the-tests"}
        await check(tokens, place, granted=KILLS + 1, name=name)
    return cut
