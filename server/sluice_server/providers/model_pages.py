"""What a dialect may have beside the port: a model list that comes in pages. Pure.

Asking for the pages, and the bounds of that, are `provider`'s business.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class NextPage:
    """Where a model list goes on."""

    path: str
    """Path below the provider's base address, with its leading slash."""
    optional: bool = False
    """A list of its own that not everybody may see: where it is refused or unknown (403, 404),
    what was read before is the whole list."""


@runtime_checkable
class PagedModels(Protocol):
    """What a `Dialect` may have beside the port."""

    def next_models_page(self, path: str, body: bytes) -> NextPage | None:
        """Return where the list goes on after this page of it; None at its end.

        Args:
            path: Path of the page.
            body: What was sent there; it has passed `parse_models`.
        """
