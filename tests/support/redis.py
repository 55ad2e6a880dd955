"""A real redis-server, on a socket of its own in a temporary folder."""

import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.tools import tool

START_SECONDS = 20.0
"""Longest wait for its first answer, on a busy machine."""


class RedisServer:
    """A server that can be stopped, paused and started again. Made by `redis_server`."""

    def __init__(self, folder: Path) -> None:
        """Keep the folder; nothing runs yet."""
        self._program = tool("redis-server")
        self._folder = folder
        self._socket = folder / "redis.sock"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Its address; the same after it was started again."""
        return f"unix://{self._socket}"

    def start(self) -> None:
        """Start it, empty, and return when it answers."""
        options = {
            "port": "0",
            "unixsocket": str(self._socket),
            "dir": str(self._folder),
            "save": "",
            "appendonly": "no",
        }
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._program, *words], stdout=log, stderr=subprocess.STDOUT
            )
        end = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > end:
                raise RuntimeError((self._folder / "log").read_text(encoding="utf-8"))
            time.sleep(0.01)

    def kill(self) -> None:
        """End it at once; what it knew is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        self._socket.unlink(missing_ok=True)

    def signal(self, number: int) -> None:
        """Send it a signal, such as SIGSTOP: then it takes connections and says nothing."""
        assert self._process is not None
        os.kill(self._process.pid, number)

    def call(self, *words: str) -> bytes:
        """Send one command, and return the raw beginning of its reply."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(1.0)
            connection.connect(str(self._socket))
            parts = b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in map(str.encode, words))
            connection.sendall(b"*%d\r\n%s" % (len(words), parts))
            return connection.recv(65_536)

    def _answers(self) -> bool:
        try:
            return self.call("PING").startswith(b"+PONG")
        except OSError:
            return False


@contextmanager
def redis_server() -> Iterator[RedisServer]:
    """Run a server; killed at the end."""
    # A socket's path may have some hundred characters, which tmp_path can exceed.
    with tempfile.TemporaryDirectory(prefix="redis-", dir="/tmp") as folder:
        server = RedisServer(Path(folder))
        server.start()
        try:
            yield server
        finally:
            server.kill()
