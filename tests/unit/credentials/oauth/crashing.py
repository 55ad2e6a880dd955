"""A program that renews once and dies where it is told to: URL DIRECTORY [STEP NUMBER].

Prints the access token when it gets that far.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path

from sluice_server.config.oauth import OAuth
from sluice_server.credentials.oauth import renewal, store
from sluice_server.credentials.oauth.build import build
from sluice_server.errors import ProviderCredentialRejectedError
from sluice_server.state.memory import MemoryValues
from tests.unit.credentials.oauth.token_server import FIRST


def die_at(step: str, number: int) -> None:
    """End this process, as an operator or the kernel would, at that moment."""
    left = number

    def reached(name: str) -> None:
        nonlocal left
        left -= name == step
        if name == step and left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    renewal._step = store._step = reached


async def renew(url: str, directory: str) -> None:
    """Print a token, or why there is none."""
    settings = OAuth(grant="refresh_token", token_url=url, refresh_token=FIRST)
    made = build("up", "team", settings, MemoryValues(), store.FileTokenStore(Path(directory)))
    try:
        sys.stdout.write((await made.secret()).get_secret_value())
    except ProviderCredentialRejectedError as error:
        sys.stdout.write(f"login: {error}")
    finally:
        await made.aclose()


if __name__ == "__main__":
    if sys.argv[3:]:
        die_at(sys.argv[3], int(sys.argv[4]))
    asyncio.run(renew(sys.argv[1], sys.argv[2]))
