"""An issuer of JWTs for tests: keys that can be rotated, and tokens good and bad."""

import json
import time
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

ISSUER = "https://issuer.test"
AUDIENCE = "sluice"
SUBJECT = "system:serviceaccount:shop:checkout"


class Issuer:
    """Somebody who makes tokens."""

    def __init__(self, kid: str = "one") -> None:
        self.rotate(kid)

    def rotate(self, kid: str) -> None:
        """Sign with a new key from now on, and publish that one alone."""
        self.kid = kid
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    @property
    def key_set(self) -> bytes:
        """What it publishes."""
        key = RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        return json.dumps({"keys": [{**key, "kid": self.kid, "use": "sig"}]}).encode()

    def token(self, *, headers: dict[str, Any] | None = None, **claims: object) -> str:
        """Return a good token, but for what is given; None leaves a claim out."""
        return jwt.encode(
            self.claims(**claims),
            self.key,
            algorithm="RS256",
            headers={"kid": self.kid, **(headers or {})},
        )

    @staticmethod
    def claims(**claims: object) -> dict[str, Any]:
        """Return the claims of a good token, but for what is given; None leaves one out."""
        now = int(time.time())
        good = {"iss": ISSUER, "aud": AUDIENCE, "sub": SUBJECT, "iat": now, "exp": now + 300}
        return {key: value for key, value in {**good, **claims}.items() if value is not None}


def issuer_settings(**settings: object) -> dict[str, object]:
    """Return one entry of `jwt_issuers`."""
    return {"issuer": ISSUER, "audience": AUDIENCE, "leeway_seconds": 0, **settings}
