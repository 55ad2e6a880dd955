"""Do the programs on the pages about clients run as they stand there?"""

import asyncio
import re
import sys
from pathlib import Path

import pytest

from tests.support.configuration import MODEL
from tests.support.openai_stream import answer
from tests.support.replicas import full_replica
from tests.support.server import RunningServer
from tests.support.upstream import Upstream

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("docs/guides/clients.md", "clients/python/README.md")
ADDRESS = "127.0.0.1:50051"
EMBEDDED = "local/smollm2-135m-instruct"
"""The model that answers a newcomer without a key."""


def programs(page: str) -> list[str]:
    """Return the Python programs of a page that ask the newcomer's gateway for something."""
    found = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    return [program for program in found if EMBEDDED in program]


def test_there_are_programs() -> None:
    """One in the guide; the README has one for each world."""
    assert [len(programs(page)) for page in PAGES] == [1, 2]


@pytest.mark.parametrize(
    "program", [program for page in PAGES for program in programs(page)], ids=range(3)
)
async def test_programs_run(upstream: Upstream, tmp_path: Path, program: str) -> None:
    """A copied program prints the answer, though the replica is full when it calls."""
    async with full_replica(upstream) as full, asyncio.timeout(60):
        upstream.reply(answer("Rivers", " run."))
        copy = tmp_path / "copied.py"
        copy.write_text(copied(program, full.server))
        reading = asyncio.create_task(printed(copy))
        await full.refused()
        full.free()
        assert await reading == "Rivers run."


def copied(program: str, server: RunningServer) -> str:
    """Return a program for this server."""
    assert ADDRESS in program
    return program.replace(ADDRESS, server.listen).replace(EMBEDDED, MODEL)


async def printed(program: Path) -> str:
    """Run a program and return what it printed; it must end well."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(program)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, complaint = await process.communicate()
    assert process.returncode == 0, complaint.decode()
    return output.decode()
