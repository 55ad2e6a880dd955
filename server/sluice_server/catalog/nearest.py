"""The known names nearest to one that isn't."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

MOST = 3
"""Names suggested at most."""


def nearest(name: str, known: Iterable[str]) -> tuple[str, ...]:
    """Return up to `MOST` known names, best first.

    A name without its provider finds the models of that name at every provider.
    """
    candidates = list(dict.fromkeys(known))
    same_model = [c for c in candidates if c.partition("/")[2] == name]
    by_key: dict[str, str] = {c.casefold(): c for c in candidates}
    for candidate in candidates:
        by_key.setdefault(candidate.partition("/")[2].casefold() or candidate.casefold(), candidate)
    close = difflib.get_close_matches(name.casefold()[:256], by_key, n=MOST, cutoff=0.5)
    found = dict.fromkeys([*same_model, *(by_key[key] for key in close)])
    return tuple(found)[:MOST]
