"""All callers of the configuration, and which of them is calling.

    bearer token: by its hash > JWT > refused
    no bearer token: client certificate > refused

Whoever sends a token means it: a wrong one is refused, whatever certificate comes with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from sluice_server.config import settings
from sluice_server.edge.identity.caller import ANYBODY, Caller, caller_of
from sluice_server.edge.identity.certificates import AuthContext, Certificates
from sluice_server.edge.identity.jwts import Issuer, Jwts
from sluice_server.edge.identity.tokens import Tokens, hash_of
from sluice_server.errors import CallerUnauthenticatedError

_SCHEME = "bearer "


class Callers:
    """The callers of the configuration; without any, everybody is anonymous."""

    def __init__(
        self,
        callers: Sequence[settings.Caller],
        *,
        routes: Mapping[str, Sequence[str]] | None = None,
        issuers: Iterable[Issuer] = (),
    ) -> None:
        """Take who is known.

        Args:
            callers: Their settings.
            routes: Targets of each route.
            issuers: Whose JWTs are believed.
        """
        known = [(section, caller_of(section, routes or {})) for section in callers]
        issuers = tuple(issuers)
        self._anybody = not known
        self._tokens = Tokens((text, one) for section, one in known for text in _hashes(section))
        self._certificates = Certificates(
            {identity: one for section, one in known for identity in section.certificates}
        )
        # Where there is one issuer alone, callers need not name it.
        only = issuers[0].configured.issuer if issuers else ""
        self._jwts = Jwts(
            issuers,
            {
                (identity.issuer or only, identity.subject): one
                for section, one in known
                for identity in section.jwt
            },
        )

    async def identify(
        self, metadata: Mapping[str, str], peer: Callable[[], AuthContext]
    ) -> Caller:
        """Return who calls.

        Args:
            metadata: What came with the call.
            peer: Tells what gRPC knows of the connection; asked only when it matters.

        Raises:
            CallerUnauthenticatedError: nobody who is known here; says how to be.
            OverloadedError: it cannot be judged at the moment.
        """
        if self._anybody:
            return ANYBODY
        value = metadata.get("authorization")
        if value is not None:
            return await self._by_token(value)
        if not self._certificates:
            raise CallerUnauthenticatedError(
                'Send a bearer token in "authorization" metadata: "Bearer <token>".'
            )
        found = self._certificates.find(peer())
        if found is None:
            raise CallerUnauthenticatedError(
                "The client certificate is no caller's here; show another one, or send a bearer "
                'token in "authorization" metadata: "Bearer <token>".'
            )
        return found

    async def _by_token(self, value: str) -> Caller:
        if value[: len(_SCHEME)].lower() != _SCHEME:
            raise CallerUnauthenticatedError(
                'Send a bearer token in "authorization" metadata: "Bearer <token>".'
            )
        token = value[len(_SCHEME) :].strip()
        found = self._tokens.find(token)
        if found is not None:
            return found
        if self._jwts and token.count(".") == 2:
            return await self._jwts.find(token)
        raise CallerUnauthenticatedError("The bearer token is not known here.")


def _hashes(section: settings.Caller) -> Iterator[str]:
    if section.token is not None:
        yield hash_of(section.token.get_secret_value())
    yield from section.token_hashes
