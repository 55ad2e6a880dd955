"""What is left of an account when the process is killed in the middle of a renewal."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from sluice_server.credentials.oauth.store import FileTokenStore
from tests.support.replies import Gate, Head, Reply
from tests.unit.credentials.oauth.token_server import TokenServer


async def start(server: TokenServer, folder: Path, *death: str) -> asyncio.subprocess.Process:
    """Start a process that renews."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.unit.credentials.oauth.crashing"),
        *(server.url, str(folder), *death),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(["server", "clients/python", "."])},
    )


async def run(server: TokenServer, folder: Path, *death: str) -> tuple[int | None, str]:
    """Run it to its end, and return exit code and output."""
    process = await start(server, folder, *death)
    out, _ = await process.communicate()
    return process.returncode, out.decode().splitlines()[-1] if out else ""


@pytest.mark.parametrize(
    ("step", "number", "asked"),
    [
        # The note that the refresh token is about to be sent.
        ("written", 1, 1),
        ("synced", 1, 1),
        ("renamed", 1, 1),
        ("asking", 1, 1),
        # The answer: nothing must be asked for again.
        ("written", 2, 1),
        ("synced", 2, 1),
        ("renamed", 2, 1),
        ("kept", 1, 1),
    ],
)
async def test_a_killed_process_loses_no_account(
    server: TokenServer, tmp_path: Path, step: str, number: int, asked: int
) -> None:
    """Killed at any step of keeping it, the next process has the account, and renews it again."""
    code, _ = await run(server, tmp_path, step, str(number))
    assert code == -signal.SIGKILL
    assert await run(server, tmp_path) == (0, "access-1")
    assert (server.asked, server.refused) == (asked, 0)
    account = await FileTokenStore(tmp_path).load("up/team")
    assert account is not None
    assert account.refresh_token == server.valid


async def test_a_process_killed_while_it_waits(server: TokenServer, tmp_path: Path) -> None:
    """What the server has not redeemed is sent again by the next process."""
    gate = Gate()
    server.upstream.reply(Reply(gate, Head(500)))
    process = await start(server, tmp_path)
    await gate.reached.wait()
    process.kill()
    await process.communicate()
    gate.open()
    assert await run(server, tmp_path) == (0, "access-1")
    assert server.refused == 0


async def test_an_answer_that_was_never_kept_is_told(server: TokenServer, tmp_path: Path) -> None:
    """Killed between network and disk, the account asks for a login instead of trying for ever."""
    assert (await run(server, tmp_path, "received", "1"))[0] == -signal.SIGKILL
    for _ in range(2):
        code, said = await run(server, tmp_path)
        assert (code, said.partition(":")[0]) == (0, "login")
        assert "invalid_grant" in said
    assert (server.asked, server.refused) == (2, 1)
