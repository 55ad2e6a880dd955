"""Who is calling: bearer tokens in `authorization` metadata.

Only digests are kept, and all of them are compared for every call, so that
neither memory nor timing tells a token.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence

from sluice_server.config import settings
from sluice_server.errors import CallerUnauthenticatedError

_SCHEME = "bearer "


class Callers:
    """The callers of the configuration; without any, everybody is anonymous."""

    def __init__(self, callers: Sequence[settings.Caller]) -> None:
        self._digests = [
            (_digest(caller.token.get_secret_value()), caller.name) for caller in callers
        ]

    def identify(self, metadata: Mapping[str, str]) -> str:
        """Return the caller's name; empty where nobody needs one.

        Raises:
            CallerUnauthenticatedError: no token, or an unknown one.
        """
        if not self._digests:
            return ""
        value = metadata.get("authorization", "")
        if not value[: len(_SCHEME)].lower() == _SCHEME:
            raise CallerUnauthenticatedError(
                'Send a bearer token in "authorization" metadata: "Bearer <token>".'
            )
        digest = _digest(value[len(_SCHEME) :].strip())
        found = ""
        for known, name in self._digests:
            if hmac.compare_digest(known, digest):
                found = name
        if not found:
            raise CallerUnauthenticatedError("The bearer token is not known here.")
        return found


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
