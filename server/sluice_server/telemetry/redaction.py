"""Takes secrets out of text that others wrote: a library's log line, a prompt that is captured.

What we write ourselves holds none by construction; here is what else may be done about the rest.
Secrets that are known are found wherever they stand, unknown ones in the places where keys usually
are: behind `Bearer`, in the user part and the query of an address.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from pydantic import BaseModel, SecretStr

REDACTED = "[redacted]"

SHORTEST_SECRET = 8
"""Characters below which a secret is a stand-in for servers that take any key, and a word of many
texts."""

MOST_SECRETS = 1024
"""Access tokens come and go; those that were not used for longest are forgotten."""

LONGEST_SECRET = 8192
"""Characters; longer ones are not looked for."""

_BEARER = re.compile(r"(?i)\b(bearer|basic)(\s+)[A-Za-z0-9._~+/=-]{6,}")
_ADDRESS = re.compile(
    r"(?i)\b([a-z][a-z0-9+.-]{1,15}://)(?:[^\s/?#@'\"<>]+@)?([^\s?#'\"<>]*)(\?[^\s#'\"<>]*)?"
)
_PAIR = re.compile(
    r"(?i)\b((?:x-goog-|x-)?api[-_]?key|authorization|access_token|refresh_token|client_secret|"
    r"password|secret|token)(['\"]?\s*[=:]\s*['\"]?)(?!(?:bearer|basic)\b)[^\s'\",;&}]+"
)


class Secrets:
    """The secrets that this process knows."""

    def __init__(self) -> None:
        self._known: dict[str, None] = {}

    def remember(self, secret: SecretStr | str) -> None:
        """Look for it in texts from now on."""
        text = secret if isinstance(secret, str) else secret.get_secret_value()
        if not SHORTEST_SECRET <= len(text) <= LONGEST_SECRET:
            return
        known = self._known
        known.pop(text, None)
        known[text] = None
        if len(known) > MOST_SECRETS:
            del known[next(iter(known))]

    def forget_all(self) -> None:
        """Forget them."""
        self._known.clear()

    def remove_from(self, text: str, *further: str) -> str:
        """Return the text without them, and without `further` ones."""
        for secret in (*self._known, *further):
            if len(secret) >= SHORTEST_SECRET and secret in text:
                text = text.replace(secret, REDACTED)
        return text


SECRETS = Secrets()
"""Of this process: logs are the process' own, too."""


def in_settings(section: object) -> Iterable[SecretStr]:
    """Yield every secret of the settings, wherever it stands."""
    if isinstance(section, SecretStr):
        yield section
    elif isinstance(section, BaseModel):
        for name in type(section).model_fields:
            yield from in_settings(getattr(section, name))
    elif isinstance(section, Mapping):
        for value in section.values():
            yield from in_settings(value)
    elif isinstance(section, Sequence) and not isinstance(section, str | bytes):
        for value in section:
            yield from in_settings(value)


def tidy(text: str) -> str:
    """Return text of a library without known secrets, and without what may be unknown ones."""
    text = SECRETS.remove_from(text)
    text = _ADDRESS.sub(_bare, text)
    text = _BEARER.sub(rf"\1\2{REDACTED}", text)
    return _PAIR.sub(rf"\1\2{REDACTED}", text)


def _bare(match: re.Match[str]) -> str:
    return f"{match[1]}{match[2]}" + (f"?{REDACTED}" if match[3] else "")


class Redactor:
    """Redacts what is captured of prompts and answers."""

    def __init__(self, patterns: Iterable[str] = ()) -> None:
        """`patterns`: regular expressions of the operator."""
        self._patterns = [re.compile(pattern) for pattern in patterns]

    def redact(self, text: str, secret: SecretStr | None) -> str:
        """Return the text without known secrets, `secret` among them, and without matches."""
        own = () if secret is None else (secret.get_secret_value(),)
        text = SECRETS.remove_from(text, *own)
        for pattern in self._patterns:
            text = pattern.sub(REDACTED, text)
        return text
