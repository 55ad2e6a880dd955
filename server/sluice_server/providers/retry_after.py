"""How long a provider asks to wait, from response headers.

`retry-after-ms` wins, where it makes sense, over `retry-after`, which is seconds or an
HTTP date (`openai.md` section 9). Limits that headers state about quotas are read by each
dialect's `limits`, not here.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

LONGEST = 7 * 24 * 3600.0
"""Longest believed wait, in seconds. Anything beyond a week is garbage."""


def delay(headers: Mapping[str, str], *, now: float | None = None) -> float | None:
    """Return the wait in seconds, or None when none, or nonsense, is stated."""
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None and (wait := _believable(milliseconds / 1000)) is not None:
        return wait
    text = headers.get("retry-after")
    if not text:
        return None
    seconds = _number(text)
    if seconds is None:
        try:
            moment = parsedate_to_datetime(text).timestamp()
        except (ValueError, TypeError, OverflowError):
            return None
        seconds = max(0.0, moment - (time.time() if now is None else now))
    return _believable(seconds)


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None


def _believable(seconds: float) -> float | None:
    # Comparisons are false for NaN.
    return seconds if 0 <= seconds <= LONGEST else None
