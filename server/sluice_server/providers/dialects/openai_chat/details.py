"""OpenRouter's `reasoning_details`, put together from their fragments. Pure.

(`openrouter.md` section 4.) The array that comes out goes back to OpenRouter with
the next turn as it is: it carries the signatures of the models behind it.
"""

from __future__ import annotations

from typing import Any

import msgspec

from sluice_server.providers.dialects.openai_chat import surrogates

_GROWING = ("text", "summary", "data")
_MAX_BYTES = 8 * 1024 * 1024
_MAX_ITEMS = 4096


class Details:
    """Collects the details of one answer."""

    def __init__(self) -> None:
        self._items: list[dict[str, Any]] = []
        self._by_key: dict[tuple[object, object], dict[str, Any]] = {}
        self._pieces: dict[tuple[int, str], list[str]] = {}
        self._size = 0

    def add(self, fragments: list[Any]) -> None:
        """Merge the fragments of one delta: by index, where their type is the same."""
        for fragment in fragments:
            if isinstance(fragment, dict):
                self._add(fragment)

    def _add(self, fragment: dict[str, Any]) -> None:
        index = fragment.get("index")
        key = (index if isinstance(index, int) else None, str(fragment.get("type")))
        item = self._by_key.get(key)
        if item is None or _differs(item, fragment):
            if len(self._items) == _MAX_ITEMS:
                self._size = _MAX_BYTES + 1
                return
            item = self._by_key[key] = {}
            self._items.append(item)
        for name, value in fragment.items():
            if name in _GROWING and isinstance(value, str):
                self._size += len(value)
                if self._size <= _MAX_BYTES:
                    self._pieces.setdefault((id(item), name), []).append(value)
                item.setdefault(name, "")
            elif value is not None or name not in item:
                item[name] = value

    def array(self) -> bytes | None:
        """Return the array as JSON; None without details, or with more than can be kept."""
        if not self._items or self._size > _MAX_BYTES:
            # Half of a signed thought is worse than none.
            return None
        for item in self._items:
            for name in _GROWING:
                if pieces := self._pieces.get((id(item), name)):
                    item[name] = surrogates.whole("".join(pieces))
        return msgspec.json.encode(self._items)


def readable(fragments: list[Any]) -> str:
    """Return the text in details, for servers that send no plain text beside them."""
    texts = [
        fragment.get("text") or fragment.get("summary")
        for fragment in fragments
        if isinstance(fragment, dict)
    ]
    return "".join(text for text in texts if isinstance(text, str))


def _differs(item: dict[str, Any], fragment: dict[str, Any]) -> bool:
    """Tell whether a fragment has another id than the item under its index."""
    old, new = item.get("id"), fragment.get("id")
    return old is not None and new is not None and old != new
