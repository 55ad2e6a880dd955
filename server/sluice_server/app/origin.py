"""Where the configuration comes from, and whether it changed there since it was last read."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from sluice_server.config.load import load
from sluice_server.config.settings import Settings
from sluice_server.providers import registry


class Look(NamedTuple):
    """How a file looked at one moment. Two that are equal held the same."""

    place: tuple[int, ...]
    """Device, inode, size and time of change of what the path leads to; empty: nothing is there."""
    content: bytes
    """Digest of what it held."""


NOTHING = Look((), b"")


@dataclass(slots=True)
class Origin:
    """One file, or the environment where there is none.

    Everybody reads it here, so that what `check` accepts a running server accepts too.
    """

    path: Path | None = None
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    """Variables for `${NAME}`."""
    listen: str | None = None
    """What the command line says in place of the configured address."""
    seen: Look = field(default=NOTHING, init=False)
    """How the file looked when it was last read."""

    def read(self) -> Settings:
        """Return the settings; `${NAME}` are looked up anew.

        Raises:
            ConfigurationError: with every fault that could be found.
            PluginError: a package brings kinds that cannot be used.
        """
        # Before the reading: what changes between the two is seen as a change then.
        self.seen = self.look()
        return load(self.path, environ=self.environ, kinds=registry.kinds(), listen=self.listen)

    def look(self) -> Look:
        """Return how the file looks; its content is read only where something else differs.

        Links are followed: a mounted Kubernetes ConfigMap changes by a link that leads elsewhere.
        """
        if self.path is None:
            return NOTHING
        try:
            found = self.path.stat()
            place = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
            if place == self.seen.place:
                return self.seen
            return Look(place, hashlib.sha256(self.path.read_bytes()).digest())
        except OSError:
            return NOTHING
