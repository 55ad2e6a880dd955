"""Can everybody read and use the status page: in light and dark, on a phone, by keyboard?

What stands behind it is played (`status_page`), so that every part has something to show.
"""

import json
import re
from collections.abc import AsyncIterator

import pytest

from sluice.v1 import metrics_pb2
from tests.support.chromium import Browser, Tab, browser
from tests.support.status_page import Played, calls, everything, many, playing
from tests.support.tools import node_package

LIVE = "document.querySelector('#connection').dataset.state === 'live'"

PARSE = """
    const parse = (color) => {
        const [r, g, b, a = 1] = color.match(/[0-9.]+/g).map(Number);
        return { r, g, b, a };
    };
    const luminance = ({ r, g, b }) => {
        const [x, y, z] = [r, g, b].map((part) => {
            const share = part / 255;
            return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * x + 0.7152 * y + 0.0722 * z;
    };
    const contrast = (one, other) => {
        const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
        return (high + 0.05) / (low + 0.05);
    };
    const behind = (node) => {
        for (let at = node; at; at = at.parentElement) {
            const color = parse(getComputedStyle(at).backgroundColor);
            if (color.a === 1) return color;
            if (color.a > 0) throw new Error("half a colour behind " + node.outerHTML);
        }
        throw new Error("nothing behind " + node.outerHTML);
    };
"""

CONTRASTS = f"""(() => {{
    {PARSE}
    const found = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let text = walker.nextNode(); text; text = walker.nextNode()) {{
        const node = text.parentElement;
        if (!text.data.trim() || !node.checkVisibility({{ visibilityProperty: true }})) continue;
        if (node.closest("noscript, title, style, script, .skip")) continue;
        const color = parse(getComputedStyle(node).color);
        if (color.a !== 1) throw new Error("half a colour: " + node.outerHTML);
        found.push([contrast(color, behind(node)), text.data.trim()]);
    }}
    return found;
}})()"""
"""The contrast of every text that is seen to what is behind it, by WCAG 2.2."""

FOCUSED = """(() => {
    const node = document.activeElement;
    const box = node.getBoundingClientRect();
    const style = getComputedStyle(node);
    return {
        tag: node.tagName.toLowerCase(),
        text: (node.innerText || node.value || node.name || "").trim(),
        outlined: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
        seen: box.width > 0 && box.bottom > 0 && box.top < innerHeight,
        place: [...document.querySelectorAll("*")].indexOf(node),
    };
})()"""

LONGEST_MILLISECONDS = 3000
"""Most that one step may take with 300 rows on a machine with other things to do; some 150 on
one without."""

CONTROLS = "a[href], button, input, summary, time[tabindex='0']"

ROWS = """(section) => [...document.querySelectorAll(`#${section} tbody tr`)]
    .map((row) => row.querySelector("th").innerText.trim())"""


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    """Run a browser."""
    async with browser() as running_browser:
        yield running_browser


async def opened(chromium: Browser, address: str) -> Tab:
    """Open the page and wait until it is connected."""
    tab = await chromium.tab()
    await tab.open(address)
    await tab.until(LIVE)
    return tab


async def rows(tab: Tab, section: str) -> list[str]:
    """Return the names of the rows of a table."""
    found: list[str] = await tab.evaluate(f"({ROWS})('{section}')")
    return found


async def reach(tab: Tab, selector: str) -> None:
    """Press Tab until this element has the focus."""
    for _ in range(300):
        if await tab.evaluate(f"document.activeElement.matches({json.dumps(selector)})"):
            return
        await tab.press("Tab")
    pytest.fail(f"Tab does not lead to {selector}")


async def test_every_part_has_its_figures(chromium: Browser) -> None:
    """The headline, the tiles and the tables say what the two answers say."""
    async with playing(everything()) as address:
        tab = await opened(chromium, address)
        facts = await tab.text("#replica")
        for fact in ("9.8.7", "1 d 2 h", "123 MiB", "31.4%", "2.1 ms", "7", "3", "2"):
            assert f"\n{fact}" in facts
        told = (await tab.text("#tiles")).split("\n")
        told = [line for line in told if line]
        assert told[told.index("Calls") + 1] == "20.7"
        assert "12,400 since start" in told
        assert told[told.index("Failed calls") + 1] == "0.4%"
        assert told[told.index("First output") + 1] == "320 ms"
        assert "p95 800 ms" in told
        assert told[told.index("Gateway overhead") + 1] == "0.7 ms"
        assert told[told.index("Cost") + 1] == "$42.50"
        assert "4 calls of unknown price" in told
        verdict = (await tab.text("#verdict")).split("\n")
        assert verdict == [
            "1 provider unhealthy: red",
            "1 provider degraded: amber",
            "2 circuits open: amber, red",
            "1 credential refused: red / main",
            "1 credential resting: amber / main",
        ]
        assert await tab.evaluate("document.title") == "(2) Sluice · gateway-eu-1"
        assert await rows(tab, "providers") == ["red", "amber", "green", "idle"]
        assert await rows(tab, "callers") == ["checkout", "(without a name)"]
        assert await rows(tab, "labels") == ["team=growth"]
        red = await tab.text("#providers tbody tr")
        assert "3 of 4 circuits in use are open: 502 Bad Gateway" in red
        limits = await tab.text("#credentials tbody")
        for said in (
            "12 refreshes, 3 failed",
            "nearly full",
            "97.6% used",
            "10 of 500 left · 2 reserved",
            "amber / all credentials",
            "own spending per day",
            "$4.25 of $5.00 left",
            "of 40, left unknown",
            "1 more",
        ):
            assert said in limits
        # Their seconds go on meanwhile.
        assert re.search(r"rests for (10:00|9:\d\d)\n", limits)
        assert re.search(r"token ends in (50:00|49:\d\d)\n", limits)
        assert re.search(r"room in 11:\d\d\n", limits)
        assert tab.complaints == []


async def test_states_have_words_and_shapes(chromium: Browser) -> None:
    """Whoever sees no colours tells states by word and by shape: no two share one."""
    async with playing(everything()) as address:
        tab = await opened(chromium, address)
        shapes: dict[str, str] = await tab.evaluate("""Object.fromEntries(
            [...document.querySelectorAll("#providers tbody tr")].map((row) => {
                const badge = row.querySelector("[data-title=Health] .badge");
                return [badge.innerText, badge.querySelector("use").getAttribute("href")];
            }))""")
        assert set(shapes) == {"unhealthy", "degraded", "healthy", "not used yet"}
        assert len(set(shapes.values())) == 4
        drawn = await tab.evaluate("""[...document.querySelectorAll("#providers .badge use")]
            .map((use) => use.getBoundingClientRect().width)""")
        assert min(width for width in drawn if width) > 8


async def test_windows_change_what_tables_show(chromium: Browser) -> None:
    """The choice of a window is of all figures: calls, shares, means, rates and money."""
    played = Played()
    played.metrics.providers.add(
        provider="up", calls=calls(1000, {"PROVIDER_TIMEOUT": 100}, dollars=10)
    )
    figures = """[...document.querySelectorAll("#providers tbody td")]
        .map((cell) => cell.innerText.trim().replace("\\n", " ")).slice(2, 8).join(" | ")"""
    async with playing(played) as address:
        tab = await opened(chromium, address)
        assert await tab.evaluate(figures) == (
            "1,100 | 9.1% 100 | 320 ms p95 800 ms | 1.5 s p95 3.75 s | 1M in 100K out | $10.00"
        )
        await tab.evaluate("document.querySelector('input[value=\"60\"]').click()")
        assert await tab.evaluate(figures) == (
            "110 | 9.1% 10 | 500 ms | 2 s | 1,667/s in 167/s out | $1.00"
        )


async def test_absent_is_a_dash_and_never_zero(chromium: Browser) -> None:
    """A server that fills fewer fields is shown without guesses."""
    played = Played()
    played.metrics.providers.add(
        provider="up", calls=metrics_pb2.CallMetrics(requests=3, successes=3)
    )
    async with playing(played) as address:
        tab = await opened(chromium, address)
        tiles = await tab.evaluate(
            "[...document.querySelectorAll('.value')].map((value) => value.innerText.trim())"
        )
        assert tiles == ["–"] * 6
        row = (await tab.text("#providers tbody tr")).split()
        assert row[:5] == ["up", "not", "used", "yet", "–"]
        assert "$0" not in await tab.text("main")
        await tab.evaluate("document.querySelector('input[value=\"300\"]').click()")
        assert "3" not in (await tab.text("#providers tbody tr")).split()
        assert tab.complaints == []


async def test_whatever_comes_stays_text(chromium: Browser) -> None:
    """Names, messages, reasons and labels are data, also where configuration forbids them."""
    evil = (
        "</td><img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script>"
    )
    played = Played()
    metrics = played.metrics
    figures = calls(3, {evil: 4}, dollars=1)
    metrics.providers.add(provider=evil, health=3, health_message=evil, calls=figures)
    metrics.credentials.add(provider=evil, credential=evil, calls=figures)
    metrics.models.add(provider=evil, model=evil, calls=figures)
    metrics.callers.add(caller=evil, calls=figures)
    metrics.labels.add(key=evil, value=evil, calls=figures)
    played.limits.buckets.add(provider=evil, quota_scope=evil, model=evil, unit=1, limit=9)
    async with playing(played) as address:
        tab = await opened(chromium, address)
        for section in ("providers", "models", "callers", "labels", "failures", "credentials"):
            assert evil in (await rows(tab, section))[0]
        assert await tab.evaluate("document.querySelectorAll('main img, main script').length") == 0
        assert "taken" not in await tab.evaluate("document.title")
        assert tab.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1360, 360])
async def test_texts_stand_out(chromium: Browser, scheme: str, width: int) -> None:
    """Every text has a contrast of 4.5 : 1 at least, in light and in dark, wide and narrow."""
    async with playing(everything()) as address:
        tab = await chromium.tab()
        await tab.size(width, 900, phone=width < 500)
        await tab.prefer(color_scheme=scheme)
        await tab.open(address)
        await tab.until(LIVE)
        found = await tab.evaluate(CONTRASTS)
        assert len(found) > 150
        assert [pair for pair in found if pair[0] < 4.5] == []
        back = await tab.evaluate("getComputedStyle(document.body).backgroundColor")
        shade = sum(int(part) for part in back.strip("rgb()").split(","))
        assert shade > 700 if scheme == "light" else shade < 100


@pytest.mark.parametrize("width", [320, 360, 560, 800, 1180, 1181, 1360, 1920])
async def test_no_width_needs_sideways_scrolling(chromium: Browser, width: int) -> None:
    """From a small phone to a wide screen, everything fits from left to right."""
    played = everything()
    played.metrics.providers[0].health_message = "word " * 60
    long = "a-model-with-a-name-of-" + "x" * 80
    played.metrics.models.add(provider="green", model=long, calls=calls(9))
    async with playing(played) as address:
        tab = await chromium.tab()
        await tab.size(width, 800, phone=width < 600)
        await tab.open(address)
        await tab.until(LIVE)
        await tab.evaluate("document.querySelectorAll('details').forEach((it) => it.open = true)")
        over = await tab.evaluate("""[...document.querySelectorAll("body *")]
            .filter((node) => node.checkVisibility() && !node.closest(".skip, .shapes"))
            .filter((node) => node.getBoundingClientRect().right > innerWidth + 0.5)
            .map((node) => node.outerHTML.slice(0, 200))""")
        assert over == []
        assert await tab.evaluate("document.documentElement.scrollWidth") == width


async def test_on_a_phone_rows_are_cards_with_names(chromium: Browser) -> None:
    """Each figure carries the title of its column, and rows still count as rows."""
    async with playing(everything()) as address:
        tab = await chromium.tab()
        await tab.size(360, 800, phone=True)
        await tab.open(address)
        await tab.until(LIVE)
        title = await tab.evaluate("""getComputedStyle(
            document.querySelector("#providers td[data-title=Cost]"), "::before").content""")
        assert title == '"Cost"'
        told = await tab.call("Accessibility.getFullAXTree")
        roles = [node["role"]["value"] for node in told["nodes"] if "role" in node]
        assert roles.count("table") == 6
        assert roles.count("rowheader") > 10
        assert roles.count("columnheader") > 40


async def test_the_keyboard_reaches_and_shows_everything(chromium: Browser) -> None:
    """Tab comes by every control in the order of the page, with an outline, and in sight."""
    async with playing(everything()) as address:
        tab = await opened(chromium, address)
        # Else the way to what has the focus takes some time.
        await tab.prefer(reduced_motion="reduce")
        wanted = await tab.evaluate(f"""[...document.querySelectorAll("{CONTROLS}")]
            .filter((node) => node.checkVisibility() && !(node.type === "radio" && !node.checked))
            .map((node) => [...document.querySelectorAll("*")].indexOf(node))""")
        seen = []
        for _ in wanted:
            await tab.press("Tab")
            seen.append(await tab.evaluate(FOCUSED))
        assert [focus["place"] for focus in seen] == wanted
        assert [focus for focus in seen if not (focus["outlined"] and focus["seen"])] == []
        assert {"a", "input", "button", "time", "summary"} <= {focus["tag"] for focus in seen}


async def test_the_keyboard_sorts_filters_and_unfolds(chromium: Browser) -> None:
    """Enter sorts, and sorts the other way; letters filter; arrows choose; a space unfolds."""
    async with playing(everything()) as address:
        tab = await opened(chromium, address)
        await reach(tab, "input[type=search]")
        for letter in "red open":
            await tab.press(letter)
        assert await rows(tab, "providers") == ["red"]
        assert "1 of 4 providers" in await tab.text("#providers caption")
        await tab.evaluate("document.activeElement.select()")
        await tab.press("Backspace")
        await reach(tab, "input[type=radio]")
        await tab.press("ArrowRight")
        assert await tab.evaluate("document.querySelector(':checked').value") == "300"
        await reach(tab, "#providers thead th:first-child button")
        await tab.press("Enter")
        assert await rows(tab, "providers") == ["amber", "green", "idle", "red"]
        header = "document.activeElement.parentElement.getAttribute('aria-sort')"
        assert await tab.evaluate(header) == "ascending"
        await tab.press("Enter")
        assert await rows(tab, "providers") == ["red", "idle", "green", "amber"]
        assert await tab.evaluate(header) == "descending"
        sorted_by = "document.querySelectorAll('#providers [aria-sort]:not([aria-sort=none])')"
        assert await tab.evaluate(f"{sorted_by}.length") == 1
        await reach(tab, "summary")
        await tab.press(" ")
        assert await tab.evaluate("document.activeElement.parentElement.open")


async def test_the_focus_survives_updates(chromium: Browser) -> None:
    """Rows that move take their focus along, and what was unfolded stays so."""
    played = everything()
    async with playing(played) as address:
        tab = await opened(chromium, address)
        await reach(tab, "summary")
        await tab.press("Enter")
        row = "document.activeElement.closest('tr').querySelector('th').innerText.trim()"
        assert await tab.evaluate(row) == "green / main"
        await tab.evaluate("""[...document.querySelectorAll("#credentials thead button")]
            .find((button) => button.textContent === "Calls").click()""")
        before = await rows(tab, "credentials")
        for entry in played.metrics.credentials:
            entry.calls.requests = 100_000 - entry.calls.requests
        await tab.until(f"({ROWS})('credentials').join() !== {json.dumps(','.join(before))}")
        assert await rows(tab, "credentials") != before
        assert await tab.evaluate(row) == "green / main"
        assert await tab.evaluate("document.activeElement.parentElement.open")


async def test_exact_times_are_shown_on_focus(chromium: Browser) -> None:
    """A relative time tells the absolute one to the mouse by title and to the keyboard beside."""
    async with playing(everything()) as address:
        tab = await opened(chromium, address)
        await reach(tab, "time")
        shown = await tab.evaluate(
            "getComputedStyle(document.activeElement, '::after').content.slice(1, -1)"
        )
        assert shown == await tab.evaluate("document.activeElement.title")
        moment = await tab.evaluate("document.activeElement.dateTime")
        same = f"new Date({json.dumps(moment)}).getSeconds()"
        assert moment[:4] in shown
        assert f":{await tab.evaluate(same):02} " in shown.replace("\u202f", " ")


async def test_only_the_connection_speaks_up(chromium: Browser) -> None:
    """One polite live region, which is silent while figures change."""
    played = everything()
    async with playing(played) as address:
        tab = await opened(chromium, address)
        live = await tab.evaluate("""[...document.querySelectorAll("[aria-live], [role=status],"
            + "[role=alert], [role=log], output")].map((node) => node.id)""")
        assert live == ["connection"]
        await tab.evaluate("""window.spoken = 0;
            new MutationObserver((changes) => { window.spoken += changes.length; }).observe(
                document.querySelector("#connection"),
                { childList: true, characterData: true, subtree: true })""")
        played.metrics.providers[1].calls.requests = 77_777
        await tab.until("document.querySelector('#providers').innerText.includes('77,777')")
        assert await tab.evaluate("window.spoken") == 0


async def test_nothing_moves_for_who_wants_no_motion(chromium: Browser) -> None:
    """Without a wish there is at most smooth scrolling; with it there is none."""
    async with playing(everything()) as address:
        tab = await opened(chromium, address)
        scrolling = "getComputedStyle(document.documentElement).scrollBehavior"
        await tab.prefer(reduced_motion="reduce")
        assert await tab.evaluate(scrolling) == "auto"
        assert await tab.evaluate("document.getAnimations().length") == 0


@pytest.mark.parametrize("width", [1360, 360])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing(chromium: Browser, width: int, scheme: str) -> None:
    """Deque's rules, best practices included: names, roles, headings, landmarks, tables."""
    axe = (node_package("axe-core") / "axe.min.js").read_text(encoding="utf-8")
    async with playing(everything()) as address:
        tab = await chromium.tab()
        await tab.size(width, 900, phone=width < 500)
        await tab.prefer(color_scheme=scheme)
        await tab.open(address)
        await tab.until(LIVE)
        await tab.evaluate(f"{axe};0")
        found = await tab.evaluate("axe.run(document)")
        assert len(found["passes"]) > 25
        told = {
            rule["id"]: [node["html"] for node in rule["nodes"]] for rule in found["violations"]
        }
        assert told == {}


async def test_three_hundred_providers_stay_responsive(chromium: Browser) -> None:
    """A letter in the filter, a sort and an update of the whole page take a moment each."""
    played = many(300)
    async with playing(played) as address:
        tab = await opened(chromium, address)
        assert len(await rows(tab, "providers")) == 50
        assert (await rows(tab, "providers"))[0] == "provider-007"
        assert "300 providers" in await tab.text("#providers caption")
        await tab.evaluate("document.querySelector('#providers .more').click()")
        assert len(await rows(tab, "providers")) == 300
        took = await tab.evaluate("""(() => {
            const timed = (work) => {
                const began = performance.now();
                work();
                document.body.getBoundingClientRect();
                return performance.now() - began;
            };
            const filter = document.querySelector("#filter");
            const type = (text) => () => {
                filter.value = text;
                filter.dispatchEvent(new Event("input"));
            };
            const sort = document.querySelectorAll("#providers thead button")[8];
            return [timed(type("2")), timed(type("")), timed(() => sort.click())];
        })()""")
        assert max(took) < LONGEST_MILLISECONDS
        assert (await rows(tab, "providers"))[:2] == ["provider-299", "provider-298"]
        blocked = await tab.evaluate("""new Promise((resolve) => {
            let longest = 0;
            const observer = new PerformanceObserver((list) => {
                for (const entry of list.getEntries()) longest = Math.max(longest, entry.duration);
            });
            observer.observe({ type: "longtask" });
            setTimeout(() => resolve(longest), 4500);
        })""")
        assert blocked < LONGEST_MILLISECONDS
        assert tab.complaints == []


async def test_more_rows_than_are_sent_are_told(chromium: Browser) -> None:
    """What was left out of the document is said at the end."""
    async with playing(many(510)) as address:
        tab = await opened(chromium, address)
        said = await tab.text("#left-out")
        assert "10 providers, 10 credentials, 10 models, 520 buckets" in said
