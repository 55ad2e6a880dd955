"""Bearer tokens: how they are made, and whose they are.

Only digests are kept, so that neither the configuration nor memory tells a token. SHA-256 without
salt or stretching is right for tokens that are 256 random bits: nobody can try them all, whatever
one try costs, and each call pays for it (docs/decisions/0045).
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import string
import zlib
from collections.abc import Iterable, Mapping
from typing import Generic, TypeVar

PREFIX = "sluice_"
"""Starts the tokens that are made here, so that scanners of secrets find them."""

HASH_PREFIX = "sha256:"

_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_SECRET_BYTES = 32
_SECRET_DIGITS = 43
"""So many digits of base 62 hold 256 bits."""
_CHECK_DIGITS = 6

_Whose = TypeVar("_Whose")


class Tokens(Generic[_Whose]):
    """Finds whose a token is, however many there are.

    What is looked up is a digest under a key of this process: whatever the time of a look-up
    tells, it tells nothing about the digest of any token. What is found is compared in constant
    time.
    """

    def __init__(self, hashes: Iterable[tuple[str, _Whose]]) -> None:
        """`hashes`: as `hash_of` writes them, and whose each is."""
        self._key = secrets.token_bytes(32)
        found: dict[bytes, tuple[bytes, _Whose]] = {}
        for text, whose in hashes:
            digest = bytes.fromhex(text.removeprefix(HASH_PREFIX))
            found[self._keyed(digest)] = digest, whose
        self._found: Mapping[bytes, tuple[bytes, _Whose]] = found

    def find(self, token: str) -> _Whose | None:
        """Return whose token it is; None for nobody's."""
        digest = _digest(token)
        known = self._found.get(self._keyed(digest))
        if known is None or not hmac.compare_digest(known[0], digest):
            return None
        return known[1]

    def _keyed(self, digest: bytes) -> bytes:
        return hashlib.blake2b(digest, key=self._key, digest_size=32).digest()


def hash_of(token: str) -> str:
    """Return what is written into `token_hashes` for this token."""
    return HASH_PREFIX + _digest(token).hex()


def new_token() -> str:
    """Return a new token: the prefix, 256 random bits, and a checksum against slips."""
    secret = _base62(int.from_bytes(secrets.token_bytes(_SECRET_BYTES)), _SECRET_DIGITS)
    return f"{PREFIX}{secret}{_check_of(secret)}"


def is_mistyped(token: str) -> bool:
    """Tell whether a token looks like one that was made here, and is damaged."""
    if not token.startswith(PREFIX):
        return False
    secret, check = token[len(PREFIX) : -_CHECK_DIGITS], token[-_CHECK_DIGITS:]
    return len(secret) != _SECRET_DIGITS or _check_of(secret) != check


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="surrogatepass")).digest()


def _check_of(secret: str) -> str:
    return _base62(zlib.crc32(secret.encode()), _CHECK_DIGITS)


def _base62(number: int, digits: int) -> str:
    text = ""
    for _ in range(digits):
        number, digit = divmod(number, len(_ALPHABET))
        text = _ALPHABET[digit] + text
    return text
