"""Programs for Node, run with gRPC's library for it, which `make node` brings."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.support.tools import TOOLS, tool

PROTO = TOOLS.parent / "proto"
"""Where the contract is."""
END_SECONDS = 30.0
"""Longest wait for the end of a program that has nothing left to do."""


@asynccontextmanager
async def node(program: Path, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a module with the library at hand; it must end well by itself, once the block ends.

    What goes wrong meanwhile is noted with what the program wrote to standard error.
    """
    executable = tool("node")
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as errors:
        copy = _beside_packages(program, Path(folder))
        process = await asyncio.create_subprocess_exec(
            *(executable, str(copy), *arguments),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            limit=1 << 24,
        )
        try:
            yield process
            async with asyncio.timeout(END_SECONDS):
                assert await process.wait() == 0, "the program ended badly"
        except BaseException as error:
            errors.seek(0)
            error.add_note(errors.read().decode())
            raise
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()


def _beside_packages(program: Path, folder: Path) -> Path:
    """Copy a program to where Node finds packages: it looks for them beside the program."""
    (folder / "node_modules").symlink_to(TOOLS / "node_modules")
    copy = folder / program.name
    shutil.copyfile(program, copy)
    return copy
