"""Does the status page, in a real browser, show what a real server does?"""

import asyncio
import re
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest

from sluice.v1 import gateway_service_pb2
from tests.support.chromium import Browser, Tab, browser
from tests.support.client import collect, collect_failure, request
from tests.support.configuration import API_KEY, configuration
from tests.support.openai_stream import DONE, answer, failure, finish, role, text, usage
from tests.support.replies import sse
from tests.support.server import RunningServer, running
from tests.support.status_page import Played, playing
from tests.support.upstream import Upstream

MARKUP = "<img/src=x/onerror=document.title='taken'>"
"""A model's name may be this: names have no white space, and little else is forbidden."""

LIMITS = [
    ("x-ratelimit-limit-requests", "500"),
    ("x-ratelimit-remaining-requests", "123"),
    ("x-ratelimit-reset-requests", "30m0s"),
]


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    """Run a browser."""
    async with browser() as running_browser:
        yield running_browser


async def opened(chromium: Browser, server: RunningServer) -> Tab:
    """Open the page and wait until it is connected."""
    tab = await chromium.tab()
    await tab.open(f"http://{server.metrics}/")
    await tab.until(connection("live"))
    return tab


def connection(state: str) -> str:
    """Return the condition that the page says so of its connection."""
    return f"document.querySelector('#connection').dataset.state === '{state}'"


def cell(section: str, column: str, row: int = 0) -> str:
    """Return the expression for what is read in one cell of a table."""
    return (
        f"document.querySelectorAll('#{section} tbody tr')[{row}]"
        f"?.querySelector('[data-title=\"{column}\"]').innerText.trim()"
    )


def well_behaved(tab: Tab) -> None:
    """Assert that the page complained of nothing and asked nobody but its server."""
    assert tab.complaints == []
    assert len({urlsplit(address).netloc for address in tab.requests}) == 1


async def test_before_the_first_call_it_says_so(chromium: Browser, server: RunningServer) -> None:
    """What is unknown is a dash, and empty tables say why they are empty."""
    tab = await opened(chromium, server)
    assert await tab.text("#verdict") == "The provider is usable."
    assert await tab.evaluate(cell("providers", "Provider")) == "up"
    assert await tab.evaluate(cell("providers", "Health")) == "not used yet"
    for column in ("Failed", "First output", "Cost", "Last failure"):
        assert await tab.evaluate(cell("providers", column)) == "–"
    assert await tab.evaluate(cell("credentials", "Limits")) == "none known"
    assert "No call has ended yet." in await tab.text("#models")
    assert "Nothing has failed." in await tab.text("#failures")
    assert await tab.evaluate("document.querySelector('#labels').hidden")
    well_behaved(tab)


async def test_it_shows_calls_and_goes_on_by_itself(
    chromium: Browser, server: RunningServer, upstream: Upstream
) -> None:
    """Calls, tokens, limits and failures are shown, and the next call without a reload."""
    upstream.reply(
        sse(role(), text("Hi"), finish("stop"), usage(1200, 34), DONE, headers=LIMITS),
        failure(503, "secret words of the provider"),
    )
    await collect(server.stub.Generate(request("the question")))
    await collect_failure(server.stub.Generate(request("the question")))
    tab = await opened(chromium, server)
    await tab.evaluate("window.untouched = true")
    assert await tab.evaluate(cell("providers", "Health")) == "healthy"
    assert await tab.evaluate(cell("providers", "Circuit")) == "closed"
    assert await tab.evaluate(cell("providers", "Calls")) == "2"
    assert await tab.evaluate(cell("providers", "Failed")) == "50%\n1"
    assert await tab.evaluate(cell("providers", "Tokens")) == "1,200 in\n34 out"
    assert " ms" in await tab.evaluate(cell("providers", "First output"))
    assert "PROVIDER_UNAVAILABLE" in await tab.evaluate(cell("providers", "Last failure"))
    assert await tab.evaluate(cell("credentials", "Credential")) == "up / test"
    limit = await tab.evaluate(cell("credentials", "Limits"))
    # The failed call holds its request: the provider did not say whether it counts.
    assert "122 of 500 left · 1 reserved" in limit
    assert re.search(r"full in (30:00|29:5\d)", limit)
    assert await tab.evaluate(cell("models", "Model")) == "up/test-model"
    assert await tab.evaluate(cell("failures", "Reason")) == "PROVIDER_UNAVAILABLE"
    assert await tab.evaluate(cell("failures", "Since start")) == "1"
    assert await tab.evaluate(cell("failures", "At")) == "up 1"
    upstream.reply(answer("Hi"))
    await collect(server.stub.Generate(request("the question")))
    await tab.until(f"{cell('providers', 'Calls')} === '3'")
    await tab.until(f"{cell('models', 'Calls')} === '3'")
    assert await tab.evaluate("window.untouched")
    whole = await tab.evaluate("document.documentElement.outerHTML")
    for secret in (API_KEY, "the question", "secret words of the provider"):
        assert secret not in whole
    well_behaved(tab)


async def test_times_go_on_without_an_answer_of_the_server(
    chromium: Browser, server: RunningServer, upstream: Upstream
) -> None:
    """A countdown counts down each second, while the server is asked every other second."""
    upstream.reply(answer("Hi", headers=LIMITS))
    await collect(server.stub.Generate(request()))
    tab = await opened(chromium, server)
    seen = await tab.evaluate("""new Promise((resolve) => {
        const node = document.querySelector("#credentials .when time");
        const seen = [node.textContent];
        new MutationObserver(() => {
            seen.push(node.textContent);
            if (seen.length === 4) resolve(seen);
        }).observe(node, { childList: true, characterData: true, subtree: true });
    })""")
    lefts = [int(told[-5:-3]) * 60 + int(told[-2:]) for told in seen]
    # A busy machine may skip one; none comes twice and none comes back.
    assert lefts == sorted(set(lefts), reverse=True)
    assert lefts[0] - lefts[-1] < 10


async def test_names_stay_text(chromium: Browser, upstream: Upstream) -> None:
    """A model whose name is markup is shown by its name, and nothing of it runs."""
    config = configuration(upstream, providers={"up": {"models": [MARKUP]}})
    async with running(config) as server:
        upstream.reply(answer("Hi"))
        await collect(server.stub.Generate(request(model=f"up/{MARKUP}")))
        tab = await opened(chromium, server)
        assert await tab.evaluate(cell("models", "Model")) == f"up/{MARKUP}"
        assert await tab.evaluate("document.querySelectorAll('main img').length") == 0
        assert "taken" not in await tab.evaluate("document.title")
        well_behaved(tab)


async def test_it_says_when_the_server_is_gone_and_finds_it_again(
    chromium: Browser, upstream: Upstream
) -> None:
    """Old figures stay, marked as old; once the server is back, so are new ones."""
    upstream.answer(answer("Hi"))
    async with running(configuration(upstream)) as server:
        await collect(server.stub.Generate(request()))
        tab = await opened(chromium, server)
        assert await tab.evaluate(cell("providers", "Calls")) == "1"
    await tab.until(connection("lost"))
    said = await tab.text("#connection")
    assert said.startswith("No connection since ")
    assert await tab.evaluate(cell("providers", "Calls")) == "1"
    assert await tab.evaluate("document.querySelector('main').dataset.state") == "lost"
    style = "getComputedStyle(document.querySelector('#providers tbody td')).fontStyle"
    assert await tab.evaluate(style) == "italic"
    async with running(configuration(upstream, management={"metrics": server.metrics})):
        await tab.until(connection("live"))
        assert await tab.text("#connection") == "Live"
        await tab.until(f"{cell('providers', 'Calls')} === '0'")


async def test_a_server_that_hangs_is_gone_too(chromium: Browser) -> None:
    """A request that is not answered in five seconds counts as a lost connection."""
    played = Hanging()
    async with playing(played) as address:
        tab = await chromium.tab()
        await tab.open(address)
        await tab.until(connection("live"))
        played.answers.clear()
        await tab.until(connection("lost"))
        played.answers.set()
        await tab.until(connection("live"))


class Hanging(Played):
    """Answers only while it is told to."""

    def __init__(self) -> None:
        """Answer, at first."""
        super().__init__()
        self.answers = asyncio.Event()
        self.answers.set()

    async def take_limits(self) -> gateway_service_pb2.GetRateLimitsResponse:
        """Wait, then answer."""
        await self.answers.wait()
        return await super().take_limits()


async def test_nobody_is_asked_while_nobody_looks(chromium: Browser, server: RunningServer) -> None:
    """A hidden page asks nothing; shown again, it asks at once."""
    tab = await opened(chromium, server)
    hide = """(hidden) => {
        Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
        document.dispatchEvent(new Event("visibilitychange"));
    }"""
    await tab.evaluate(f"({hide})(true)")
    # Two intervals of the browser's own clock, which is the one that counts.
    await tab.evaluate("new Promise((resolve) => setTimeout(resolve, 2500))")
    before = len(tab.requests)
    await tab.evaluate("new Promise((resolve) => setTimeout(resolve, 4500))")
    assert len(tab.requests) == before
    await tab.evaluate(f"({hide})(false)")
    assert len(tab.requests) == before + 1
    well_behaved(tab)
