"""A program that makes servers to be killed: for each order on its input a copy of itself.

Each of them renews one account once, as the gateway would, and tells the test what came
of it. Copies, since a new interpreter takes longer than what is tested.
"""

import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import uvloop

from sluice_server.config.oauth import OAuth
from sluice_server.credentials.oauth.build import build
from sluice_server.credentials.oauth.courier import dispatch
from sluice_server.credentials.oauth.store import FileTokenStore, SharedTokenStore, TokenStore
from sluice_server.errors import ProviderCredentialRejectedError, ProviderUnavailableError
from sluice_server.state.memory import MemoryValues
from sluice_server.state.redis import RedisValues
from tests.support.token_server import FIRST_REFRESH_TOKEN
from tests.unit.credentials.oauth import halting

Step = tuple[str, int]
"""A step, and the how manieth time it is taken."""


@dataclass(frozen=True)
class Order:
    """What one server does."""

    port: int
    """Where the test listens."""
    url: str
    """Address of the token server."""
    place: str
    """A directory, or the address of a Redis."""
    name: str = "up/team"
    """Name of the account."""
    halt_server: Step | None = None
    halt_courier: Step | None = None
    now: float = 1_790_000_000.0
    """Its time, which stands still."""


@asynccontextmanager
async def opened(place: str) -> AsyncIterator[TokenStore]:
    """Open a store as the gateway does."""
    if not place.startswith("unix:"):
        yield FileTokenStore(Path(place))
        return
    values = RedisValues(place)
    try:
        yield SharedTokenStore(values, place)
    finally:
        await values.aclose()


async def renew(order: Order) -> dict[str, str]:
    """Return the token, or why there is none."""
    settings = OAuth(grant="refresh_token", token_url=order.url, refresh_token=FIRST_REFRESH_TOKEN)
    provider, _, credential = order.name.partition("/")
    async with opened(order.place) as store:
        source = build(
            provider,
            credential,
            settings,
            MemoryValues(),
            store,
            environ={},
            clock=lambda: order.now,
            factor=1.0,
        )
        try:
            return {"token": (await source.secret()).get_secret_value()}
        except ProviderCredentialRejectedError as error:
            return {"rejected": str(error)}
        except ProviderUnavailableError as error:
            return {"unavailable": str(error)}
        finally:
            await source.aclose()


def serve(order: Order) -> None:
    """Be the server."""
    os.setsid()
    with halting.connect(order.port) as connection:
        if order.halt_server is not None:
            step, number = order.halt_server
            halting.halt_at(order.port, step, number)
        if order.halt_courier is not None:
            step, number = order.halt_courier
            told = {"port": order.port, "step": step, "number": number}
            os.environ[halting.VARIABLE] = json.dumps(told)
            dispatch.COMMAND = (sys.executable, "-m", halting.__name__)
        halting.tell(connection, **uvloop.run(renew(order)))


def main() -> None:
    """Fork for each order; the copies are nobody's to wait for."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin.buffer:
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            try:
                serve(Order(**json.loads(line)))
            finally:
                os._exit(0)


def written(order: Order) -> bytes:
    """Return an order as `main` reads it."""
    return json.dumps(asdict(order)).encode() + b"\n"


if __name__ == "__main__":
    main()
