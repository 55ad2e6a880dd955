"""Client certificates: whose connection it is.

gRPC has checked the certificate by the time that anything here is asked: it is signed by
`tls.client_ca`, valid now, and its key is the client's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Generic, TypeVar

AuthContext = Mapping[str, Iterable[bytes]]
"""What gRPC tells about a peer."""

_KINDS = (("uri", "peer_uri"), ("dns", "peer_dns"), ("cn", "x509_common_name"))
"""What may identify a caller, the most deliberate first, and gRPC's names for it."""

_Whose = TypeVar("_Whose")


class Certificates(Generic[_Whose]):
    """Finds whose a certificate is."""

    def __init__(self, identities: Mapping[str, _Whose]) -> None:
        """`identities`: `uri:`, `dns:` or `cn:` and a name, and whose each is."""
        self._identities = identities

    def __bool__(self) -> bool:
        return bool(self._identities)

    def find(self, context: AuthContext) -> _Whose | None:
        """Return whose connection it is; None for nobody's, and where there is no certificate.

        Where a certificate has several names, URIs go before host names, these before the common
        name, and among equals the first that is known.
        """
        for kind, key in _KINDS:
            for value in context.get(key, ()):
                name = value.decode(errors="replace")
                if kind == "dns":
                    name = name.lower()
                found = self._identities.get(f"{kind}:{name}")
                if found is not None:
                    return found
        return None
