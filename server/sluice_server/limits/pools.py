"""What admission wants of a provider's credentials; `credentials` fulfils it unseen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from sluice_server.errors import UpstreamError


class Candidate(Protocol):
    """A credential that may be used."""

    @property
    def name(self) -> str:
        """Alias."""

    @property
    def quota_scope(self) -> str:
        """Whose limits it uses up."""


class Standing(Protocol):
    """Who may be used now."""

    @property
    def ready(self) -> Sequence[Candidate]:
        """Credentials that may be used, best first."""

    @property
    def wait(self) -> float | None:
        """Seconds until a resting one may be used; None when none will be."""

    @property
    def needs_none(self) -> bool:
        """The provider takes no credential at all."""

    @property
    def refusal(self) -> UpstreamError | None:
        """Why none is ready; None when all were excluded."""


class Pool(Protocol):
    """The credentials of one provider. Calls whose pools are equal share a line."""

    async def standing(self, *, excluded: frozenset[str]) -> Standing:
        """Return who may be used now, but for those of these names."""
