"""An upstream that can die, in the two ways in which processes do, and come back where it was.

What it answers while it lives is scripted as in `upstream`.
"""

import asyncio
import socket

from tests.support.replies import Reply, Stall
from tests.support.upstream import LINGER_ZERO, Request, Upstream, _Connection


class MortalUpstream(Upstream):
    """The server."""

    def __init__(self) -> None:
        """Begin alive."""
        super().__init__()
        self.ignored: list[Request] = []
        """Requests that came while it was silent."""
        self._living: set[_Connection] = set()
        self._port = 0
        self._silent = False

    async def kill(self) -> None:
        """As a process that is killed: connections are reset, and the port refuses others."""
        assert self._listener is not None
        self._port = self.address[1]
        for connection in self._living:
            connection._peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._listener.close()

    async def silence(self) -> None:
        """As a process that hangs: connections are taken, and nothing is answered any more.

        Scripts that run already are the test's to hold.
        """
        self._silent = True

    async def revive(self) -> None:
        """Be there again, at the same address, for new requests."""
        if self._silent:
            self._silent = False
            return
        self._listener = socket.create_server(("127.0.0.1", self._port), backlog=1024)
        self._listener.setblocking(False)
        self._spawn(self._accept(self._listener))

    async def _serve(self, connection: _Connection) -> None:
        self._living.add(connection)
        try:
            await super()._serve(connection)
        finally:
            self._living.discard(connection)

    async def _reply_to(self, request: Request) -> Reply:
        if self._silent:
            self.ignored.append(request)
            return Reply(Stall())
        return await super()._reply_to(request)
