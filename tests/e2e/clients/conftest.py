"""The drivers of all languages, each started once, and what must hold of them at the end."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.e2e.clients.driver import Driver
from tests.e2e.clients.languages import DRIVERS
from tests.e2e.clients.scenario import scenarios
from tests.support.certificates import certificates
from tests.support.tools import tool


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let one language be driven alone."""
    parser.addoption(
        "--client",
        action="append",
        choices=DRIVERS,
        help="drive only this language's client; may be given several times",
    )


class Drivers:
    """Starts drivers when they are asked for, and again when one had to be ended."""

    def __init__(self) -> None:
        self.running: dict[str, Driver] = {}
        self.ended: list[tuple[str, int, str]] = []
        """Language, exit code and complaints of those that lived to the end."""
        self.written: list[str] = []
        """All that drivers wrote, to either stream."""

    def of(self, language: str) -> Driver:
        """Return the language's driver; skips, or fails in CI, where it was not built."""
        driver = self.running.get(language)
        if driver is not None and not driver.alive:
            # The test that saw it die has failed.
            self._end(driver)
            driver = None
        if driver is None:
            driver = self.running[language] = Driver(tool(f"conformance-{language}"))
        return driver

    def end(self) -> None:
        """End them all."""
        for language, driver in self.running.items():
            alive = driver.alive
            code, complaints = self._end(driver)
            if alive:
                self.ended.append((language, code, complaints))

    def _end(self, driver: Driver) -> tuple[int, str]:
        code, complaints = driver.end()
        self.written += [*driver.written, complaints]
        return code, complaints


@pytest.fixture(scope="session")
def drivers() -> Iterator[Drivers]:
    """Keep the drivers for all tests; none may end badly, complain, or give a secret away."""
    drivers = Drivers()
    yield drivers
    drivers.end()
    assert [ended for ended in drivers.ended if ended[1:] != (0, "")] == []
    tokens = {
        order["connect"]["token"]
        for scenario in scenarios()
        for order in (*scenario.before, *scenario.orders)
        if order.get("connect", {}).get("token")
    }
    assert tokens
    assert not [token for token in tokens if any(token in text for text in drivers.written)]


@pytest.fixture
def languages(pytestconfig: pytest.Config) -> Sequence[str]:
    """The languages to drive."""
    asked: Sequence[str] | None = pytestconfig.getoption("client")
    return asked or DRIVERS


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with certificates."""
    return certificates(tmp_path_factory.mktemp("certificates"))
