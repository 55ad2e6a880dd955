"""Proof that whoever redeems a code is who asked for it (RFC 7636)."""

from __future__ import annotations

import base64
import hashlib
import secrets
from typing import NamedTuple

METHOD = "S256"


class Proof(NamedTuple):
    """A secret and its fingerprint."""

    verifier: str
    """Sent with the code."""
    challenge: str
    """Sent before."""


def proof() -> Proof:
    """Return a fresh proof."""
    verifier = secrets.token_urlsafe(48)
    digest = hashlib.sha256(verifier.encode()).digest()
    return Proof(verifier, base64.urlsafe_b64encode(digest).rstrip(b"=").decode())
