"""How a client is set up, and what it never shows."""

import subprocess
import sys
from collections.abc import Callable

import pytest

import sluice
from sluice import Tls
from sluice.connection import client_options

TOKEN = "token-that-nobody-may-see"
KEY = b"key-that-nobody-may-see"


@pytest.mark.parametrize("broken", ["\n", " ", "é", "\x00"])
def test_a_token_that_is_none_is_refused_unseen(broken: str) -> None:
    """Else gRPC would refuse it at the first call, and quote it."""
    with pytest.raises(ValueError, match="token") as raised:
        sluice.connect("127.0.0.1:1", token=TOKEN + broken)
    assert TOKEN not in str(raised.value)


async def test_nothing_shows_a_secret() -> None:
    """Not the client of either world, and not what TLS needs."""
    tls = Tls(ca=b"authority", cert=b"certificate", key=KEY)
    shown = repr(tls)
    with sluice.connect("127.0.0.1:1", token=TOKEN) as client:
        shown += repr(client) + str(client)
    async with sluice.aio.connect("127.0.0.1:1", token=TOKEN) as async_client:
        shown += repr(async_client) + str(async_client)
    assert TOKEN not in shown
    assert KEY.decode() not in shown


@pytest.mark.parametrize("address", ["", "http://127.0.0.1:50051", "HTTPS://sluice.example.com"])
@pytest.mark.parametrize("connect", [sluice.connect, sluice.aio.connect], ids=["blocking", "aio"])
async def test_what_is_no_address_is_refused(connect: Callable[..., object], address: str) -> None:
    """At once: else every call would look for a host of that name."""
    with pytest.raises(ValueError, match=r"^The address is .* it must be HOST:PORT"):
        connect(address)


@pytest.mark.parametrize("name", ["ca", "cert", "key"])
@pytest.mark.parametrize("connect", [sluice.connect, sluice.aio.connect], ids=["blocking", "aio"])
async def test_what_is_no_pem_is_refused_unseen(connect: Callable[..., object], name: str) -> None:
    """At once: else every call would try to connect for seconds, and not say why it fails."""
    good = b"-----BEGIN X-----"
    for wrong in (b"", KEY):
        files = {"cert": good, "key": good, name: wrong}
        with pytest.raises(ValueError, match=f"^{name} is no PEM") as raised:
            connect("127.0.0.1:1", tls=Tls(**files))
        assert KEY.decode() not in str(raised.value)


@pytest.mark.parametrize(
    "tls",
    [Tls(cert=b"-----BEGIN X-----"), Tls(key=b"-----BEGIN X-----")],
    ids=["cert", "key"],
)
def test_certificate_and_key_belong_together(tls: Tls) -> None:
    """One alone would be left out by gRPC without a word."""
    with pytest.raises(ValueError, match="belong together"):
        sluice.connect("127.0.0.1:1", tls=tls)


def test_the_callers_options_win() -> None:
    """They come first, and of two with the same name gRPC takes the first."""
    own = ("grpc.keepalive_time_ms", 60_000)
    names = [name for name, _ in client_options([own])]
    assert client_options([own])[0] == own
    assert names.count("grpc.keepalive_time_ms") == 2
    assert "grpc.service_config" in names


def test_importing_is_cheap() -> None:
    """Most who import the messages need no client, and no gRPC."""
    program = "import sys, sluice, sluice.v1.event_pb2; assert 'grpc' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_every_public_name_is_there() -> None:
    """And no other."""
    for name in sluice.__all__:
        assert getattr(sluice, name) is not None
    assert set(sluice.__all__) <= set(dir(sluice))
    with pytest.raises(AttributeError, match="nothing"):
        _ = sluice.nothing  # type: ignore[attr-defined]
