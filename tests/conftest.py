"""What holds for every test: uvloop, no keys around, no task left behind, no secret told.

Fixtures that only some tests need live beside those tests.
"""

import asyncio
import inspect
import os
import re
from collections.abc import AsyncIterator, Callable, Mapping

import pytest
from hypothesis import HealthCheck, settings

from tests.support.loop import Loop
from tests.support.secrecy import SECRECY
from tests.support.secrecy_plugin import SecrecyPlugin

KEPT = re.compile(
    r"CI|PATH|HOME|LANG|LC_\w+|TZ|TMPDIR|PYTHON\w*|VIRTUAL_ENV|PYTEST_\w+|COVERAGE\w*"
    r"|GO(PATH|ROOT|CACHE|MODCACHE|FLAGS|PROXY|TOOLCHAIN)"
)
"""Variables that tools need to run; none of them configures the server."""
LEFTOVER_SECONDS = 2.0
"""How long tasks may take to finish after a test; closing a channel needs a few turns."""

# A busy machine is slow, which is no fault of the code.
settings.register_profile("sluice", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("sluice")


def pytest_configure(config: pytest.Config) -> None:
    """Look for secrets in what is said during the run."""
    config.pluginmanager.register(SecrecyPlugin(SECRECY))


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run tests on the event loop on which the server runs."""
    return {"uvloop": Loop}


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the developer's own keys, proxies and settings from the code under test."""
    for name in list(os.environ):
        if not KEPT.fullmatch(name):
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def leftover_check(request: pytest.FixtureRequest) -> None:
    """Ask for `no_leftover_tasks` where there is a loop to look at."""
    if inspect.iscoroutinefunction(getattr(request.node, "obj", None)):
        request.getfixturevalue("no_leftover_tasks")


@pytest.fixture
async def no_leftover_tasks() -> AsyncIterator[None]:
    """Fail a test after which a task that it started still runs."""
    before = asyncio.all_tasks()
    yield
    leftover = asyncio.all_tasks() - before - {asyncio.current_task()}
    if leftover:
        _, leftover = await asyncio.wait(leftover, timeout=LEFTOVER_SECONDS)
    assert not leftover, f"tasks left behind: {leftover}"
