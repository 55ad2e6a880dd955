"""Does `sluice` show its own certificate where the gateway asks for one?"""

from pathlib import Path

import pytest

from tests.support.certificates import certificates, tls_settings
from tests.support.configuration import MODEL, configuration
from tests.support.openai_stream import answer
from tests.support.server import running
from tests.support.sluice import sluice
from tests.support.upstream import Upstream


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with an authority and certificates by it, and a stranger's."""
    return certificates(tmp_path)


async def test_a_certificate_lets_in_and_nothing_else_does(
    upstream: Upstream, folder: Path
) -> None:
    """By options or variables; without one, or with a stranger's, 4 and what is missing."""
    tls = tls_settings(folder, mutual=True)
    async with running(configuration(upstream, tls=tls)) as server:
        where = ("--address", server.listen, "--ca", str(folder / "ca.pem"), "--timeout", "20")
        ask = ("generate", "-q", "-m", MODEL, *where)

        def shown(name: str) -> tuple[str, ...]:
            return ("--cert", str(folder / f"{name}.pem"), "--key", str(folder / f"{name}.key"))

        upstream.reply(answer("Hi"), answer("Hi"))
        assert await sluice(*ask, *shown("client"), "Hello") == (0, "Hi", "")
        files = {
            "SLUICE_CERT": str(folder / "client.pem"),
            "SLUICE_KEY": str(folder / "client.key"),
        }
        assert await sluice(*ask, "Hello", **files) == (0, "Hi", "")
        for certificate in ((), shown("stranger")):
            code, out, errors = await sluice(*ask, *certificate, "Hello")
            assert (code, out) == (4, "")
            assert "--cert" in errors
            assert "Traceback" not in errors
    assert len(upstream.requests) == 2


async def test_certificate_and_key_belong_together(folder: Path) -> None:
    """One alone is wrong use, and nobody is asked."""
    for name, file in (("--cert", "client.pem"), ("--key", "client.key")):
        code, _, errors = await sluice("health", name, str(folder / file))
        assert code == 2
        assert "belong together" in errors


async def test_what_is_no_pem_is_wrong_use(folder: Path) -> None:
    """Told by its option, with nothing of what is in the file."""
    wrong = folder / "wrong.pem"
    wrong.write_text("something-else-entirely")
    pair = {"--cert": str(folder / "client.pem"), "--key": str(folder / "client.key")}
    for option in ("--ca", "--cert", "--key"):
        files = {**pair, option: str(wrong)}
        arguments = [part for given in files.items() for part in given]
        code, out, errors = await sluice("health", *arguments)
        assert (code, out) == (2, "")
        assert f"{option} is no PEM." in errors
        assert "something-else" not in errors


async def test_a_url_is_wrong_use() -> None:
    """Its host would not be found, which says too little."""
    code, out, errors = await sluice("health", "--address", "https://sluice.example.com")
    assert (code, out) == (2, "")
    assert "--address: The address is a URL; it must be HOST:PORT" in errors
