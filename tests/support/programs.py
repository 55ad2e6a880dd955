"""Programs that run to their end, and what they printed; who runs them says which."""

import asyncio
from collections.abc import Mapping


async def outcome(
    *command: str,
    seconds: float,
    stdin: bytes | None = None,
    env: Mapping[str, str] | None = None,
) -> tuple[int, str, str]:
    """Return a program's exit code and what it printed on both streams; killed when it is late.

    `stdin` is what is piped in; without it there is nothing to be read. `env` takes the place
    of this process' variables.
    """
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL if stdin is None else asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=env,
    )
    try:
        async with asyncio.timeout(seconds):
            out, err = await process.communicate(stdin)
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()
