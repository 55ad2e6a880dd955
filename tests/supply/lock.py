"""Reads a lock of `make lock`: which packages are installed somewhere."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from packaging.markers import Marker

RUNTIME = Path("requirements.lock")
"""What a server is installed from."""

_PIN = re.compile(r"(?m)^([A-Za-z0-9._-]+)==(\S+?)(?: ; (.*?))? \\$")
_PLATFORMS: list[dict[str, str]] = [
    {
        "sys_platform": platform,
        "python_version": f"3.{minor}",
        "python_full_version": f"3.{minor}.0",
    }
    for platform in ("linux", "darwin")
    for minor in (11, 12, 13, 14)
]


class Pin(NamedTuple):
    """One package."""

    name: str
    version: str


def pins(lock: Path) -> Iterator[Pin]:
    """Yield what the lock installs on any platform that Sluice runs on."""
    for name, version, marker in _PIN.findall(lock.read_text(encoding="utf-8")):
        if not marker or any(Marker(marker).evaluate(platform) for platform in _PLATFORMS):
            yield Pin(name, version)
