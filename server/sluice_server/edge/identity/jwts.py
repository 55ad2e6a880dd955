"""JWTs: whether one is good, and whose it is.

Signatures, times, issuer and audience are PyJWT's to judge (docs/decisions/0045); here is
what it is asked for. The algorithm is the operator's choice and the key's, never the token's.
"""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Generic, NamedTuple, TypeVar

import jwt

from sluice_server.config import settings
from sluice_server.edge.identity.keys import KeySet
from sluice_server.errors import CallerUnauthenticatedError

MOST_REMEMBERED = 10_000
"""Tokens that were found good and are not checked again; the ones unused for longest go first."""

_Whose = TypeVar("_Whose")


class Issuer(NamedTuple):
    """Somebody whose tokens are believed."""

    configured: settings.JwtIssuer
    keys: KeySet


class _Good(NamedTuple, Generic[_Whose]):
    whose: _Whose
    until: float
    """Seconds since the epoch."""
    keys: KeySet
    generation: int


class Jwts(Generic[_Whose]):
    """Finds whose a JWT is."""

    def __init__(
        self, issuers: Iterable[Issuer], subjects: Mapping[tuple[str, str], _Whose]
    ) -> None:
        """`subjects`: issuer and subject, and whose they are."""
        self._issuers = {one.configured.issuer: one for one in issuers}
        self._subjects = subjects
        self._good: OrderedDict[bytes, _Good[_Whose]] = OrderedDict()
        self._library = jwt.PyJWT(options={"enforce_minimum_key_length": True})

    def __bool__(self) -> bool:
        return bool(self._issuers)

    async def find(self, token: str) -> _Whose:
        """Return whose token it is.

        Raises:
            CallerUnauthenticatedError: it is not good, or nobody's here; says why.
            OverloadedError: its issuer's keys are not known at the moment.
        """
        digest = hashlib.sha256(token.encode(errors="surrogatepass")).digest()
        good = self._good.get(digest)
        if good is not None:
            if (
                good.until > time.time()
                and good.generation == good.keys.generation
                and good.keys.believed
            ):
                self._good.move_to_end(digest)
                return good.whose
            del self._good[digest]
        good = await self._check(token)
        self._good[digest] = good
        if len(self._good) > MOST_REMEMBERED:
            self._good.popitem(last=False)
        return good.whose

    async def _check(self, token: str) -> _Good[_Whose]:
        try:
            header = jwt.get_unverified_header(token)
            claimed = jwt.decode(token, options={"verify_signature": False}).get("iss")
        except jwt.PyJWTError:
            raise CallerUnauthenticatedError("The bearer token is not known here.") from None
        issuer = self._issuers.get(claimed) if isinstance(claimed, str) else None
        if issuer is None:
            raise CallerUnauthenticatedError("The JWT's issuer is not believed here.")
        configured = issuer.configured
        algorithm = header.get("alg")
        if algorithm not in configured.algorithms:
            raise CallerUnauthenticatedError("The JWT's algorithm is not accepted here.")
        key = await issuer.keys.find(header.get("kid") or "", algorithm)
        if key is None:
            raise CallerUnauthenticatedError("The JWT's key is not one of its issuer's.")
        generation = issuer.keys.generation
        try:
            claims = self._library.decode(
                token,
                key,
                algorithms=list(configured.algorithms),
                audience=configured.audience,
                issuer=configured.issuer,
                leeway=configured.leeway_seconds,
                options={"require": ["aud", "exp", "iss", "sub"]},
            )
        except (jwt.PyJWTError, OverflowError) as error:
            raise CallerUnauthenticatedError(_why(error)) from None
        whose = self._subjects.get((configured.issuer, claims["sub"]))
        if whose is None:
            raise CallerUnauthenticatedError("The JWT's subject is no caller here.")
        until = float(claims["exp"]) + configured.leeway_seconds
        return _Good(whose, until, issuer.keys, generation)


def _why(error: Exception) -> str:
    """Say what is wrong without repeating the token."""
    match error:
        case jwt.ExpiredSignatureError():
            return "The JWT has expired."
        case jwt.ImmatureSignatureError():
            return "The JWT is not valid yet."
        case jwt.InvalidAudienceError():
            return "The JWT was made for another audience."
        case jwt.MissingRequiredClaimError():
            return "The JWT needs the claims aud, exp, iss and sub."
        case jwt.InvalidSignatureError() | jwt.InvalidAlgorithmError() | jwt.InvalidKeyError():
            return "The JWT's signature is wrong."
        case _:
            return "The JWT is not valid."
