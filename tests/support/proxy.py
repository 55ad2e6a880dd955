"""What may stand between the gateway and an upstream: an HTTP proxy, and a port with TLS.

Names ending in `.test` lead to this machine: that is how tests give an upstream a name that is not
this machine's, so that the way to it may lead through a proxy.
"""

import contextlib
import select
import socket
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

USER = "proxy-user"
PASSWORD = "proxy password/that-must-never-be-seen"
ESCAPED = "proxy%20password%2Fthat-must-never-be-seen"
"""The password as it stands in an address."""

_LOOK_SECONDS = 0.02

Serve = Callable[[socket.socket, threading.Event], None]


@dataclass
class Proxy:
    """An HTTP proxy, and what went through it."""

    port: int = 0
    requests: list[tuple[str, str]] = field(default_factory=list)
    """Method and target of each request, as sent."""
    authorizations: list[str | None] = field(default_factory=list)
    """What came with each as `proxy-authorization`."""
    refusal: int = 0
    """The status with which every request is refused; 0: none is."""

    @property
    def url(self) -> str:
        """Its address, with user and password."""
        return f"http://{USER}:{ESCAPED}@127.0.0.1:{self.port}"

    def serve(self, peer: socket.socket, closing: threading.Event) -> None:
        """Serve one connection: a tunnel, or one request with a whole address."""
        head, _, rest = _until_blank_line(peer).partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ")
        headers = {line.partition(": ")[0].lower(): line for line in lines}
        given = headers.pop("proxy-authorization", None)
        self.requests.append((method, target))
        self.authorizations.append(given and given.partition(": ")[2])
        if self.refusal:
            peer.sendall(f"HTTP/1.1 {self.refusal} No\r\ncontent-length: 0\r\n\r\n".encode())
            return
        place = urlsplit(f"//{target}" if method == "CONNECT" else target)
        host = place.hostname or ""
        address = ("127.0.0.1" if host.endswith(".test") else host, place.port or 80)
        with socket.create_connection(address) as away:
            if method == "CONNECT":
                peer.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                told = [f"{method} {place.path} HTTP/1.1", *headers.values(), "", ""]
                away.sendall("\r\n".join(told).encode("latin-1"))
            away.sendall(rest)
            _join(peer, away, closing)


@contextmanager
def proxying() -> Iterator[Proxy]:
    """Run a proxy until the block ends."""
    proxy = Proxy()
    with _listening(proxy.serve) as proxy.port:
        yield proxy


@contextmanager
def tls_before(port: int, certificate: Path, key: Path) -> Iterator[int]:
    """Run a port with TLS before a plain one, and return its number."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    def serve(peer: socket.socket, closing: threading.Event) -> None:
        with (
            context.wrap_socket(peer, server_side=True) as secured,
            socket.create_connection(("127.0.0.1", port)) as away,
        ):
            _join(secured, away, closing)

    with _listening(serve) as opened:
        yield opened


@contextmanager
def _listening(serve: Serve) -> Iterator[int]:
    closing = threading.Event()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            # Either side may leave at any time, and one may not like the other's certificate.
            with contextlib.suppress(OSError, ValueError):
                serve(self.request, closing)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(_LOOK_SECONDS,))
        thread.start()
        try:
            yield int(server.server_address[1])
        finally:
            server.shutdown()
            thread.join()
            # Leaving the block waits for every connection.
            closing.set()


def _until_blank_line(peer: socket.socket) -> bytes:
    received = b""
    while b"\r\n\r\n" not in received:
        data = peer.recv(1 << 16)
        if not data:
            raise ConnectionError
        received += data
    return received


def _join(one: socket.socket, other: socket.socket, closing: threading.Event) -> None:
    """Pass on what comes from either side until one of them ends."""
    while not closing.is_set():
        buffered = isinstance(one, ssl.SSLSocket) and one.pending()
        ready = [one] if buffered else select.select([one, other], [], [], _LOOK_SECONDS)[0]
        for source in ready:
            data = source.recv(1 << 16)
            if not data:
                return
            (other if source is one else one).sendall(data)
