"""What goes with a call beside its request: who asks, and what the caller adds.

Values may be keys of a provider or tokens, so no error quotes one. It is told here what cannot
be sent: gRPC would refuse it only as the call starts, and quote it.
"""

import string
from collections.abc import Mapping
from typing import Final, TypeAlias

Metadata: TypeAlias = Mapping[str, str | bytes]
"""Values by their names: bytes where the name ends in `-bin`, else printable ASCII. Names are
made of a-z, 0-9, `-`, `_` and `.`."""

Headers: TypeAlias = tuple[tuple[str, str | bytes], ...]
"""Metadata as gRPC takes it."""

_NAME_CHARACTERS: Final = frozenset(string.ascii_lowercase + string.digits + "-_.")


def token_metadata(token: str | None) -> Metadata:
    """Return what goes with every call of who holds this token; None and "" are no token.

    Raises:
        ValueError: the token holds what cannot stand in a header; the message never quotes it.
    """
    if not token:
        return {}
    if not all("!" <= character <= "~" for character in token):
        raise ValueError(
            "The token holds characters that no token has, such as spaces or line breaks."
        )
    return {"authorization": f"Bearer {token}"}


def call_headers(own: Metadata, given: Metadata | None) -> Headers:
    """Return what goes with one call: the client's own, over which the caller's wins.

    Raises:
        ValueError: a name or a value cannot be sent; the message quotes no value, and no wrong
            name either, which may be a value that was put in its place.
    """
    if not given:
        return tuple(own.items())
    for name, value in given.items():
        _check(name, value)
    return tuple({**own, **given}.items())


def _check(name: str, value: str | bytes) -> None:
    if not name or not _NAME_CHARACTERS.issuperset(name):
        raise ValueError(
            "A name of metadata is empty, or holds characters beside a-z, 0-9, '-', '_' and '.'."
        )
    if name.endswith("-bin"):
        if not isinstance(value, bytes):
            raise ValueError(f"The metadata {name} is no bytes, which names in -bin stand for.")
    elif not isinstance(value, str):
        raise ValueError(f"The metadata {name} is no text; bytes go under names in -bin.")
    elif not all(" " <= character <= "~" for character in value):
        raise ValueError(
            f"The metadata {name} holds characters that no header has, such as line breaks."
        )
