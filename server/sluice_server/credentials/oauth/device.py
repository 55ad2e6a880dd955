"""A login on another device: RFC 8628, with a code challenge (`qwen.md` section 2.1)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from sluice_server.config.oauth import OAuth
from sluice_server.credentials.oauth import pkce
from sluice_server.credentials.oauth.account import Issued, token_text
from sluice_server.credentials.oauth.client import Client
from sluice_server.credentials.oauth.endpoint import Answer, TokenEndpoint, lifetime
from sluice_server.credentials.oauth.faults import TokenRefusedError, TokenUnavailableError

DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"

DEFAULT_INTERVAL_SECONDS = 5.0
"""Between two polls, where the server does not say (RFC 8628 section 3.2)."""

SLOW_DOWN_SECONDS = 5.0
"""Added when the server asks for it (RFC 8628 section 3.5)."""

DEFAULT_PATIENCE_SECONDS = 900.0
"""How long a code lives, where the server does not say."""

_LONGEST_SHOWN = 512

Sleep = Callable[[float], Awaitable[None]]


async def login(
    settings: OAuth, say: Callable[[str], None], *, sleep: Sleep = asyncio.sleep
) -> Issued:
    """Show a code, and wait until a person has entered it elsewhere.

    Raises:
        TokenError: refused, or too late.
    """
    proof = pkce.proof() if settings.pkce else None
    client = Client.of(settings)
    started = TokenEndpoint(settings.device_url or "", client)
    fields = started.client_fields()
    if settings.scopes:
        fields["scope"] = " ".join(settings.scopes)
    if proof is not None:
        fields |= {"code_challenge": proof.challenge, "code_challenge_method": pkce.METHOD}
    answer = await started.send(fields)
    code = token_text(answer.values.get("device_code"))
    if answer.status != 200 or code is None:
        raise answer.fault()
    say(_invitation(answer))
    tokens = TokenEndpoint(settings.token_url or "", client)
    poll = {"grant_type": DEVICE_CODE, "device_code": code, **tokens.client_fields()}
    if proof is not None:
        poll["code_verifier"] = proof.verifier
    return await _poll(tokens, poll, answer, sleep)


async def _poll(
    endpoint: TokenEndpoint, fields: dict[str, str], started: Answer, sleep: Sleep
) -> Issued:
    interval = lifetime(started.values.get("interval")) or DEFAULT_INTERVAL_SECONDS
    patience = lifetime(started.values.get("expires_in")) or DEFAULT_PATIENCE_SECONDS
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        await sleep(interval)
        try:
            answer = await endpoint.send(fields)
        except TokenUnavailableError:
            # RFC 8628 section 3.5: no answer means to ask less often.
            interval *= 2
            continue
        if answer.code == "slow_down":
            interval += SLOW_DOWN_SECONDS
        elif answer.code == "expired_token":
            break
        elif answer.code == "access_denied":
            raise TokenRefusedError("The login was declined.", code=answer.code)
        elif answer.code != "authorization_pending":
            return answer.issued()
    raise TokenRefusedError("The code has expired before it was entered.", code="expired_token")


def _invitation(answer: Answer) -> str:
    whole, page, code = (
        _shown(answer.values.get(name))
        for name in ("verification_uri_complete", "verification_uri", "user_code")
    )
    if not page and not whole:
        raise TokenRefusedError("The server's answer names no page for the login.")
    lines = [f"Open {page or whole}", f"and enter the code {code}"] if code else [f"Open {whole}"]
    if code and whole and whole != page:
        lines.append(f"or open {whole}")
    return "\n".join(lines)


def _shown(value: object) -> str:
    """Return text of the server that may be written on a terminal."""
    good = isinstance(value, str) and len(value) <= _LONGEST_SHOWN and value.isprintable()
    return str(value) if good else ""
