"""The keys of one provider, used in turn.

A key the provider refused is passed over while another one is left, so that
one revoked key does not cost every second call; a later success clears it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from pydantic import SecretStr


@dataclass(frozen=True, slots=True)
class Credential:
    """A key under the alias that logs and metrics use."""

    name: str
    secret: SecretStr = field(repr=False)


class CredentialPool:
    """Hands out keys; empty for providers that need none."""

    def __init__(self, credentials: Sequence[Credential]) -> None:
        self.credentials = tuple(credentials)
        self._next = 0
        self._rejected: set[str] = set()

    def choose(self) -> Credential | None:
        """Return the next key in turn; None when the provider needs none."""
        count = len(self.credentials)
        if not count:
            return None
        for offset in range(count):
            candidate = self.credentials[(self._next + offset) % count]
            if candidate.name not in self._rejected:
                self._next = (self._next + offset + 1) % count
                return candidate
        # All were refused: keep asking with each in turn, or a key that the
        # operator re-enabled would never be seen to work.
        candidate = self.credentials[self._next % count]
        self._next = (self._next + 1) % count
        return candidate

    def rejected(self, credential: Credential) -> None:
        """Learn that the provider refused this key."""
        self._rejected.add(credential.name)

    def accepted(self, credential: Credential) -> None:
        """Learn that the provider took this key."""
        self._rejected.discard(credential.name)

    def is_rejected(self, credential: Credential) -> bool:
        """Tell whether the provider refused this key when it was last used."""
        return credential.name in self._rejected
