"""What may stand in a log line: plain values. Everything else is named by its type.

So nothing can be written by accident that holds a secret: not a `SecretStr`, not a mapping of
headers, not an exception whose message quotes a key, not an object with a talkative `repr`.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Mapping, Set
from datetime import date
from enum import Enum
from pathlib import PurePath
from types import TracebackType
from typing import Any

from pydantic import SecretBytes, SecretStr
from structlog.typing import EventDict

MASKED = "**********"

MOST_FRAMES = 12
"""Of a traceback, from where it broke."""

_DEEPEST = 4
_MOST_ITEMS = 64

_PLAIN = (str, int, float, bool, type(None))

_SECRET_NAMES = frozenset(
    {
        *("authorization", "proxy-authorization", "cookie", "set-cookie"),
        *("api-key", "x-api-key", "x-goog-api-key", "api_key", "apikey"),
        *("token", "access_token", "refresh_token", "id_token", "client_secret"),
        *("secret", "password", "sluice-provider-key"),
    }
)
"""Names, in lower case, of what is never shown, whatever its type."""


def guard(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Leave only plain values in an event. For structlog, before whatever renders it."""
    for name, value in event.items():
        if name in _SECRET_NAMES:
            event[name] = MASKED
        elif type(value) not in _PLAIN:
            event[name] = plain(value)
    return event


def tell_exception(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Put type and frames of an exception in place of its text, which may quote anything."""
    raised = event.pop("exc_info", None)
    if raised:
        event.update(exception_of(raised))
    return event


def exception_of(raised: object) -> dict[str, Any]:
    """Return what may be told of an exception, given as `logging` and structlog take it."""
    if raised is True:
        raised = sys.exc_info()
    if isinstance(raised, BaseException):
        raised = (type(raised), raised, raised.__traceback__)
    if not isinstance(raised, tuple) or not isinstance(raised[0], type):
        return {}
    return {"exception": raised[0].__qualname__, "frames": _frames(raised[-1])}


def plain(value: object, depth: int = 0) -> Any:
    """Return the value if it is plain, or as much of it as is; else the name of its type."""
    if isinstance(value, Enum):
        value = value.value
    if type(value) in _PLAIN:
        return value
    if isinstance(value, SecretStr | SecretBytes):
        return MASKED
    if isinstance(value, str | PurePath):
        return str(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bytes | bytearray):
        return f"<{len(value)} bytes>"
    if depth < _DEEPEST:
        if type(value) is dict:
            return {
                str(name): MASKED if str(name).lower() in _SECRET_NAMES else plain(item, depth + 1)
                for name, item in list(value.items())[:_MOST_ITEMS]
            }
        if isinstance(value, list | tuple | Set):
            return [plain(item, depth + 1) for item in list(value)[:_MOST_ITEMS]]
        if isinstance(value, Mapping):
            # Headers, metadata, an environment: names tell enough.
            return [str(name) for name in list(value)[:_MOST_ITEMS]]
    return f"<{type(value).__qualname__}>"


def _frames(where: TracebackType | None) -> list[str]:
    frames = traceback.extract_tb(where)[-MOST_FRAMES:]
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
