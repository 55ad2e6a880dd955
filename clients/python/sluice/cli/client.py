"""How a command reaches the gateway: where it is, who asks, how long it may take.

Connecting and calling are the library's (`sluice.aio`); where the values come from is in
`options`, and what a failure means in `errors`.
"""

from dataclasses import dataclass, field

from sluice import aio
from sluice.connection import Options, Tls


@dataclass(frozen=True)
class Target:
    """A gateway, and who asks it."""

    address: str
    """"host:port", or any target that gRPC's name resolution takes."""
    token: str | None = field(default=None, repr=False)
    """Sent as bearer token; never shown."""
    tls: Tls | None = None
    """None: plaintext."""
    timeout: float | None = 10.0
    """Seconds that one RPC may take; None: as long as it takes."""


def connected(target: Target, options: Options = ()) -> aio.Client:
    """Return a client to be closed; nothing is sent before the first call.

    `options` win over the library's.
    """
    return aio.connect(target.address, token=target.token, tls=target.tls, options=options)
