"""A real browser without a window, driven by the Chrome DevTools Protocol.

https://chromedevtools.github.io/devtools-protocol/. `make chromium` brings the browser. What a
page should look like is in the tests.
"""

import asyncio
import base64
import itertools
import json
import os
import re
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from tests.support.tools import tool

START_SECONDS = 30.0
ANSWER_SECONDS = 20.0
"""Longest wait for an answer or for a change of a page, on a busy machine."""

# Nothing but loopback can be reached, and nothing is fetched that no page asked for.
FLAGS = (
    "--headless",
    "--no-sandbox",  # it cannot be had as root, and the only pages are ours
    "--remote-debugging-port=0",
    "--remote-allow-origins=*",
    "--disable-gpu",
    "--hide-scrollbars",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--disable-sync",
    "--disable-features=Translate,OptimizationHints,MediaRouter",
    "--no-default-browser-check",
    "--no-first-run",
    "--no-pings",
    "--password-store=basic",
    "--lang=en-US",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "about:blank",
)

Json = dict[str, Any]


class Browser:
    """A running browser. Made by `browser`."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Keep the connection; answers come while `listen` runs."""
        self._socket = socket
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Json]] = {}
        self._tabs: dict[str, Tab] = {}

    async def listen(self) -> None:
        """Hand out what the browser says, until it ends."""
        async for message in self._socket:
            told = json.loads(message.data)
            if "id" in told:
                future = self._waiting.pop(told["id"])
                if not future.done():
                    future.set_result(told)
            elif (tab := self._tabs.get(told.get("sessionId", ""))) is not None:
                tab.heard(told["method"], told["params"])
        for future in self._waiting.values():
            future.cancel()

    async def call(self, method: str, *, session: str | None = None, **params: Any) -> Json:
        """Send one command and return its result; AssertionError when the browser refuses it."""
        number = next(self._numbers)
        future = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        command: Json = {"id": number, "method": method, "params": params}
        if session is not None:
            command["sessionId"] = session
        await self._socket.send_json(command)
        async with asyncio.timeout(ANSWER_SECONDS):
            told = await future
        assert "error" not in told, f"{method}: {told['error']}"
        result: Json = told["result"]
        return result

    async def tab(self) -> "Tab":
        """Open a tab with a memory of its own: no cookies, no cache."""
        context = await self.call("Target.createBrowserContext")
        target = await self.call(
            "Target.createTarget", url="about:blank", browserContextId=context["browserContextId"]
        )
        attached = await self.call(
            "Target.attachToTarget", targetId=target["targetId"], flatten=True
        )
        tab = Tab(self, attached["sessionId"])
        self._tabs[attached["sessionId"]] = tab
        for domain in ("Page", "Runtime", "Log", "Network", "Audits"):
            await tab.call(f"{domain}.enable")
        await tab.call("Page.setLifecycleEventsEnabled", enabled=True)
        return tab


class Tab:
    """One page, and all that it complained about and asked for."""

    def __init__(self, browser: Browser, session: str) -> None:
        """Belong to a browser."""
        self.complaints: list[str] = []
        """Errors and warnings on the console, exceptions, and violated policies."""
        self.requests: list[str] = []
        """Addresses of all requests."""
        self._browser = browser
        self._session = session
        self._loads: asyncio.Queue[str] = asyncio.Queue()

    async def call(self, method: str, **params: Any) -> Json:
        """Send a command about this tab."""
        return await self._browser.call(method, session=self._session, **params)

    def heard(self, method: str, params: Json) -> None:
        """Note an event."""
        if method == "Page.lifecycleEvent":
            if params["name"] == "load":
                self._loads.put_nowait(params["loaderId"])
        elif method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(params["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and params["type"] in {"error", "warning"}:
            self.complaints.append(json.dumps(params["args"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] in {"error", "warning"}:
            self.complaints.append(json.dumps(params["entry"]))
        elif method == "Audits.issueAdded":
            self.complaints.append(json.dumps(params["issue"]))

    async def open(self, address: str) -> None:
        """Go to an address and wait until it is loaded."""
        told = await self.call("Page.navigate", url=address)
        assert "errorText" not in told, told["errorText"]
        async with asyncio.timeout(ANSWER_SECONDS):
            while await self._loads.get() != told["loaderId"]:
                pass

    async def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression, which may be a promise."""
        told = await self.call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in told, json.dumps(told["exceptionDetails"])
        return told["result"].get("value")

    async def until(self, condition: str) -> None:
        """Wait until a JavaScript expression is true; it is asked at each change of the page."""
        promise = f"""new Promise((resolve) => {{
            const observer = new MutationObserver(check);
            function check() {{
                if (!({condition})) return;
                observer.disconnect();
                resolve();
            }}
            observer.observe(document, {{
                subtree: true, childList: true, characterData: true, attributes: true
            }});
            check();
        }})"""
        try:
            await self.evaluate(promise)
        except TimeoutError:
            shown = await self.text("body")
            raise AssertionError(f"never true: {condition}\n{shown}") from None

    async def text(self, selector: str) -> str:
        """Return what people read of the first element, with its line breaks."""
        return str(await self.evaluate(f"document.querySelector({json.dumps(selector)}).innerText"))

    async def press(self, key: str, *, shift: bool = False) -> None:
        """Press and release a key: "Tab", "Enter", " " or a letter."""
        code, text = _KEYS.get(key, (ord(key[0].upper()), key))
        common = {"key": key, "windowsVirtualKeyCode": code, "modifiers": 8 if shift else 0}
        if text:
            common["text"] = text
        await self.call("Input.dispatchKeyEvent", type="keyDown", **common)
        await self.call("Input.dispatchKeyEvent", type="keyUp", **common)

    async def size(self, width: int, height: int, *, phone: bool = False, scale: float = 1) -> None:
        """Give the page so many pixels of CSS; `phone`: with touch and a phone's viewport."""
        await self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=scale,
            mobile=phone,
        )

    async def prefer(self, **features: str) -> None:
        """Set what media queries ask for: `color_scheme="dark"`, `reduced_motion="reduce"`."""
        named = [
            {"name": "prefers-" + name.replace("_", "-"), "value": value}
            for name, value in features.items()
        ]
        await self.call("Emulation.setEmulatedMedia", features=named)

    async def picture(self, *, quality: int = 85) -> bytes:
        """Return what the tab shows, as WebP."""
        told = await self.call("Page.captureScreenshot", format="webp", quality=quality)
        return base64.b64decode(told["data"])


_KEYS = {
    "Tab": (9, ""),
    "Enter": (13, "\r"),
    " ": (32, " "),
    "Backspace": (8, ""),
    "ArrowRight": (39, ""),
}


@asynccontextmanager
async def browser() -> AsyncIterator[Browser]:
    """Run a browser with a profile of its own; killed at the end."""
    program = tool("chromium")
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as folder:
        process = await asyncio.create_subprocess_exec(
            *(program, f"--user-data-dir={folder}", *FLAGS),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "HOME": folder, "XDG_CACHE_HOME": str(Path(folder) / "cache")},
        )
        reading: asyncio.Task[None] | None = None
        try:
            address, reading = await _address(process)
            async with (
                aiohttp.ClientSession() as session,
                session.ws_connect(address, max_msg_size=0) as socket,
            ):
                made = Browser(socket)
                listening = asyncio.create_task(made.listen())
                try:
                    yield made
                finally:
                    listening.cancel()
                    await asyncio.wait({listening})
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
            if reading is not None:
                await reading


async def _address(process: asyncio.subprocess.Process) -> tuple[str, asyncio.Task[None]]:
    """Return where the browser listens, and the task that goes on reading what it prints."""
    assert process.stderr is not None
    printed = b""
    async with asyncio.timeout(START_SECONDS):
        while line := await process.stderr.readline():
            printed += line
            if found := re.search(rb"DevTools listening on (ws://\S+)", line):
                return found[1].decode(), asyncio.create_task(_drain(process.stderr))
    raise RuntimeError(printed.decode(errors="replace"))


async def _drain(stream: asyncio.StreamReader) -> None:
    while await stream.read(1 << 16):
        pass
