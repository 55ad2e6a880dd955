"""A token endpoint on loopback that takes each refresh token once.

Built on the scriptable upstream; no claims here.
"""

import json
from collections.abc import Mapping
from urllib.parse import parse_qsl

from sluice_server.config.oauth import OAuth
from tests.support.replies import Reply, json_body
from tests.support.upstream import Request, Upstream

FIRST = "refresh-0"


def fields(request: Request) -> dict[str, str]:
    """Return what a token request says, form or JSON."""
    if request.header("content-type") == "application/json":
        return dict(json.loads(request.body))
    return dict(parse_qsl(request.body.decode()))


class TokenServer:
    """Gives `access-N` and `refresh-N` for `refresh-(N-1)`, once."""

    def __init__(self, upstream: Upstream, *, lifetime: float | None = 3600) -> None:
        """Answer all requests of the upstream."""
        self.upstream = upstream
        self.lifetime = lifetime
        self.rotates = True
        self.issued = 0
        self.refused = 0
        self.valid = FIRST
        upstream.answer(self._answer)

    @property
    def url(self) -> str:
        """Its address."""
        return self.upstream.base_url + "/token"

    @property
    def asked(self) -> int:
        """How many requests came."""
        return len(self.upstream.requests)

    def settings(self, **more: object) -> OAuth:
        """Return a credential that refreshes here."""
        written: Mapping[str, object] = {
            "grant": "refresh_token",
            "token_url": self.url,
            "client_id": "our-client",
            "refresh_token": FIRST,
            **more,
        }
        return OAuth.model_validate(written)

    def _answer(self, request: Request) -> Reply:
        sent = fields(request).get("refresh_token")
        if sent is not None and sent != self.valid:
            self.refused += 1
            return json_body(400, {"error": "invalid_grant", "error_description": f"{sent}?"})
        self.issued += 1
        answer: dict[str, object] = {"access_token": f"access-{self.issued}"}
        if self.lifetime is not None:
            answer["expires_in"] = self.lifetime
        if sent is not None and self.rotates:
            self.valid = answer["refresh_token"] = f"refresh-{self.issued}"
        return json_body(200, answer)
