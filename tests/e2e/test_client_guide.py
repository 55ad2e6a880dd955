"""Do the programs on the pages about clients run as they stand there?"""

import asyncio
import re
import sys
from pathlib import Path

import pytest

from tests.support.configuration import MODEL
from tests.support.node import node
from tests.support.openai_stream import answer
from tests.support.replicas import full_replica
from tests.support.server import RunningServer
from tests.support.upstream import Upstream

ROOT = Path(__file__).resolve().parents[2]
ADDRESS = "127.0.0.1:50051"
EMBEDDED = "local/smollm2-135m-instruct"
"""The model that answers a newcomer without a key."""


def program(page: str, language: str, server: RunningServer) -> str:
    """Return the one program in this language on a page, for this server."""
    (found,) = re.findall(rf"```{language}\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    assert ADDRESS in found
    assert EMBEDDED in found
    return str(found).replace(ADDRESS, server.listen).replace(EMBEDDED, MODEL)


async def printed(program: Path) -> str:
    """Run a program and return what it printed; it must end well."""
    if program.suffix == ".mjs":
        async with node(program) as process:
            output, _ = await process.communicate()
        return output.decode()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(program)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, complaint = await process.communicate()
    assert process.returncode == 0, complaint.decode()
    return output.decode()


@pytest.mark.parametrize(
    ("page", "language", "suffix"),
    [
        ("docs/guides/clients.md", "python", ".py"),
        ("docs/guides/clients.md", "js", ".mjs"),
        ("clients/python/README.md", "python", ".py"),
    ],
)
async def test_programs_run(
    upstream: Upstream, tmp_path: Path, page: str, language: str, suffix: str
) -> None:
    """A copied program prints the answer, though the replica is full when it calls."""
    async with full_replica(upstream) as full, asyncio.timeout(60):
        upstream.reply(answer("Rivers", " run."))
        copy = tmp_path / f"copied{suffix}"
        copy.write_text(program(page, language, full.server))
        reading = asyncio.create_task(printed(copy))
        await full.refused()
        full.free()
        assert await reading == "Rivers run."
