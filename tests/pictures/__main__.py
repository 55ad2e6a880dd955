"""Takes the pictures: `python -m tests.pictures FOLDER [SECONDS]`.

With 0 SECONDS only those of the command line, which take no time.
"""

import asyncio
import logging
import sys
import tempfile
from pathlib import Path

import structlog

from tests.pictures import terminal
from tests.pictures.scene import SECONDS, scene
from tests.support.chromium import browser

WIDE, HIGH = 1360, 1180
PHONE = (390, 844)


async def take_page(folder: Path, seconds: float) -> None:
    """Play the scene, and take the status page in light, in dark, and on a phone."""
    async with browser() as chromium, scene() as server:
        tab = await chromium.tab()
        await tab.size(WIDE, HIGH)
        await tab.prefer(color_scheme="light")
        await tab.open(f"http://{server.metrics}/")
        await asyncio.sleep(seconds)
        for scheme in ("light", "dark"):
            await tab.prefer(color_scheme=scheme)
            picture = await tab.picture()
            (folder / f"status-page-{scheme}.webp").write_bytes(picture)
        await tab.size(*PHONE, phone=True, scale=1.5)
        picture = await tab.picture()
        (folder / "status-page-phone.webp").write_bytes(picture)


async def take_terminal(folder: Path) -> None:
    """Run the command line, and take its screen."""
    (folder / "sluice-top.svg").write_text(await terminal.top(), "utf-8")
    with tempfile.TemporaryDirectory() as scratch:
        tools = Path(scratch) / "tools.json"
        tools.write_text(terminal.TOOLS, "utf-8")
        (folder / "sluice-chat.svg").write_text(await terminal.chat(str(tools)), "utf-8")


async def take(folder: Path, seconds: float) -> None:
    """Take all pictures."""
    await take_terminal(folder)
    if seconds:
        await take_page(folder, seconds)


# Thousands of calls would each print a line.
structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
asyncio.run(take(Path(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else SECONDS))
