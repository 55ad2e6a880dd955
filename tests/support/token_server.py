"""An authorization server that rotates: every refresh token is taken once and never again.

It knows the grants `refresh_token`, `client_credentials`, JWT assertions and device codes, in
forms and in JSON. A refresh token that comes a second time ends the whole account, as strict
servers do: after that only a login helps. Judging tokens is for `LimitedProvider.accepts`.

    async with TokenServer() as tokens, LimitedProvider(accepts=tokens.is_valid) as provider:
        ...
        assert tokens.refreshes == 1
"""

import asyncio
import base64
import itertools
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl

from tests.support.replies import Gate, Reply, Step, json_body
from tests.support.secrecy import SECRECY
from tests.support.upstream import Request, Upstream

CLIENT_ID = "client-of-the-tests"
FIRST_REFRESH_TOKEN = "refresh-token-0-of-the-tests"
CLIENT_SECRET = "client-secret-that-must-never-be-seen"
PATH = "/v1/token"
DEVICE_PATH = "/v1/device/code"
JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"


@dataclass(frozen=True)
class Exchange:
    """One request to the token endpoint, and what became of it."""

    grant: str
    fields: dict[str, str]
    as_json: bool
    """Whether the body was JSON rather than a form."""
    error: str
    """The OAuth error code, or "down"; empty when tokens were given out."""


@dataclass
class TokenServer:
    """The server. `exchanges` holds every request to the token endpoint in order."""

    lifetime: float = 3600.0
    """What new access tokens state as `expires_in`, in seconds; they also end then."""
    rotates: bool = True
    """Whether a refresh gives a new refresh token and spends the old one."""
    gate: Gate | None = None
    """Where requests wait before they are looked at, when set; nothing is spent before."""
    answer_gate: Step | None = None
    """What answers wait for after tokens were given out, when set: what was sent is spent."""
    failure: Reply | None = None
    """What is answered instead of anything else, when set."""
    exchanges: list[Exchange] = field(default_factory=list)
    refresh_token: str = FIRST_REFRESH_TOKEN
    """The refresh token that is good now."""
    approved: bool = False
    """Whether the person has agreed to the device code."""
    needs_login: bool = False
    """Whether the account has ended, since a spent refresh token came."""
    upstream: Upstream = field(default_factory=Upstream)

    def __post_init__(self) -> None:
        """Begin to count."""
        self._numbers = itertools.count(1)
        self._spent: set[str] = set()
        self._ends: dict[str, float] = {}

    async def __aenter__(self) -> Self:
        """Listen."""
        await self.upstream.__aenter__()
        self.upstream.answer(self._hold)
        self.upstream.route("POST", DEVICE_PATH, self._device_code)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop."""
        await self.upstream.__aexit__(kind, error, traceback)

    @property
    def url(self) -> str:
        """Address of the token endpoint."""
        return self.upstream.base_url + PATH.removeprefix("/v1")

    @property
    def device_url(self) -> str:
        """Address of the device authorization endpoint."""
        return self.upstream.base_url + DEVICE_PATH.removeprefix("/v1")

    @property
    def granted(self) -> int:
        """How often tokens were given out."""
        return sum(not exchange.error for exchange in self.exchanges)

    @property
    def access_tokens(self) -> list[str]:
        """All access tokens that were ever given out, oldest first."""
        return list(self._ends)

    def is_valid(self, access_token: str) -> bool:
        """Tell whether a resource server should take this access token now."""
        end = self._ends.get(access_token)
        return end is not None and asyncio.get_running_loop().time() < end

    def expire(self) -> None:
        """End all access tokens now, whatever was said about their lives."""
        self._ends = dict.fromkeys(self._ends, 0.0)

    def _hold(self, request: Request) -> Reply:
        steps = () if self.gate is None else (self.gate,)
        return Reply(*steps, _Decide(self, request))

    def decide(self, request: Request) -> Reply:
        """Answer a request to the token endpoint, with all that follows from it."""
        fields, as_json = _fields(request)
        grant = fields.get("grant_type", "")
        error = "down" if self.failure else self._error(request, fields, grant)
        self.exchanges.append(Exchange(grant, fields, as_json, error))
        if self.failure is not None:
            return self.failure
        if error:
            return json_body(400, {"error": error, "error_description": "No."})
        number = next(self._numbers)
        access = f"access-token-{number}-of-the-tests"
        SECRECY.keep(access)
        self._ends[access] = asyncio.get_running_loop().time() + self.lifetime
        given: dict[str, Any] = {
            "access_token": access,
            "token_type": "Bearer",
            "expires_in": int(self.lifetime) if self.lifetime >= 1 else self.lifetime,
        }
        if grant == DEVICE_GRANT or (grant == "refresh_token" and self.rotates):
            self._spent.add(self.refresh_token)
            self.refresh_token = given["refresh_token"] = f"refresh-token-{number}-of-the-tests"
        reply = json_body(200, given)
        return reply if self.answer_gate is None else Reply(self.answer_gate, *reply.steps)

    def _error(self, request: Request, fields: dict[str, str], grant: str) -> str:
        """Return the OAuth error code that the request deserves; empty when it is good."""
        if grant == "refresh_token":
            token = fields.get("refresh_token", "")
            self.needs_login |= token in self._spent
            good = token == self.refresh_token and not self.needs_login
            return "" if good else "invalid_grant"
        if grant == "client_credentials":
            return (
                "" if _client(request, fields) == (CLIENT_ID, CLIENT_SECRET) else "invalid_client"
            )
        if grant == JWT_GRANT:
            return "" if fields.get("assertion") else "invalid_grant"
        if grant == DEVICE_GRANT:
            if fields.get("device_code") != "device-1":
                return "invalid_grant"
            return "" if self.approved else "authorization_pending"
        return "unsupported_grant_type"

    def _device_code(self, request: Request) -> Reply:
        told = {
            "device_code": "device-1",
            "user_code": "ABCD-EFGH",
            "verification_uri": self.upstream.base_url + "/device",
            "expires_in": 600,
            "interval": 0,
        }
        return json_body(200, told)


@dataclass(frozen=True)
class _Decide:
    """Looks at a request only when its turn comes, so that a held one has spent nothing."""

    server: TokenServer
    request: Request

    async def run(self, exchange: Any) -> None:
        """Decide and answer, unless the client has left by now."""
        if self.request.disconnected.is_set():
            return
        for step in self.server.decide(self.request).steps:
            await step.run(exchange)


def _fields(request: Request) -> tuple[dict[str, str], bool]:
    """Return the fields of the body, and whether it was JSON."""
    if "json" in (request.header("content-type") or ""):
        return {name: str(value) for name, value in request.json.items()}, True
    return dict(parse_qsl(request.body.decode(), keep_blank_values=True)), False


def _client(request: Request, fields: dict[str, str]) -> tuple[str, str]:
    """Return the client's id and secret, from the body or from the header."""
    scheme, _, encoded = (request.header("authorization") or "").partition(" ")
    if scheme.lower() == "basic":
        identifier, _, secret = base64.b64decode(encoded).decode().partition(":")
        return identifier, secret
    return fields.get("client_id", ""), fields.get("client_secret", "")
