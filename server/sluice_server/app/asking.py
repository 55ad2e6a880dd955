"""Asks providers what is not a turn: for their models, whether they are there, who rests."""

from __future__ import annotations

from collections.abc import Mapping

from sluice.v1 import model_pb2
from sluice_server.engine.planning import Upstream
from sluice_server.errors import SluiceError


async def list_models(upstream: Upstream) -> list[model_pb2.Model]:
    """Return a provider's list of models; raises SluiceError."""
    pool = upstream.credentials
    credential = await pool.spare()
    if credential is None:
        return await upstream.provider.list_models(secret=None)
    try:
        secret = await credential.source.secret()
        models = await upstream.provider.list_models(secret=secret.get_secret_value())
    except SluiceError as error:
        await pool.vetted(credential, error)
        raise
    await pool.vetted(credential, None)
    return models


async def knock(upstream: Upstream) -> None:
    """Ask a provider whether it is there, with a key that is free for it, if there is one.

    Raises SluiceError when it is not.
    """
    pool = upstream.credentials
    credential = await pool.spare()
    secret: str | None = None
    if credential is not None:
        try:
            secret = (await credential.source.secret()).get_secret_value()
        except SluiceError:
            # Somebody is there, or not, for those without a key too.
            credential = None
    try:
        await upstream.provider.knock(secret=secret)
    except SluiceError as error:
        if credential is not None:
            await pool.vetted(credential, error)
        raise


async def rest(
    upstreams: Mapping[str, Upstream], provider: str, credential: str, scope: str
) -> float | None:
    """Return for how many seconds a credential still rests; None for unknown providers."""
    upstream = upstreams.get(provider)
    return None if upstream is None else await upstream.credentials.rest(credential, scope)
