"""OpenRouter's login: a page, a code, and a key that does not end (`openrouter.md` section 2)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import urlencode

from sluice_server.config.oauth import OAuth
from sluice_server.credentials.oauth import pkce
from sluice_server.credentials.oauth.account import Issued, token_text
from sluice_server.credentials.oauth.client import Client
from sluice_server.credentials.oauth.endpoint import TokenEndpoint
from sluice_server.credentials.oauth.faults import TokenRefusedError
from sluice_server.credentials.oauth.redirect import listening

LOGIN_URL = "https://openrouter.ai/auth"
KEY_URL = "https://openrouter.ai/api/v1/auth/keys"

PATIENCE_SECONDS = 600.0
"""How long the browser may take."""


async def login(settings: OAuth, say: Callable[[str], None]) -> Issued:
    """Name the page to open, wait for the browser, and redeem its code.

    Raises:
        TokenError: declined, too late, or refused.
        OSError: the port for the browser's return is taken.
    """
    proof = pkce.proof()
    client = replace(Client.of(settings), body="json")
    endpoint = TokenEndpoint(settings.token_url or KEY_URL, client)
    async with listening(settings.redirect_port) as (page, back):
        query = urlencode(
            {
                "callback_url": back,
                "code_challenge": proof.challenge,
                "code_challenge_method": pkce.METHOD,
            }
        )
        page_url = settings.login_url or LOGIN_URL
        say(f"Open this page in a browser on this machine:\n{page_url}?{query}")
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                came = await page.parameters()
        except TimeoutError:
            raise TokenRefusedError("Nobody came back from the login page in time.") from None
    code = token_text(came.get("code"))
    if code is None:
        raise TokenRefusedError("The login page came back without a code: it was declined.")
    answer = await endpoint.send(
        {"code": code, "code_verifier": proof.verifier, "code_challenge_method": pkce.METHOD}
    )
    key = token_text(answer.values.get("key"))
    if answer.status != 200 or key is None:
        raise answer.fault()
    return Issued(access_token=key, lifetime=None, permanent=True)
