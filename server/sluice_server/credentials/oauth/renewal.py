"""One renewal of one account: alone, once, and kept before anybody uses it.

The only code that sends a refresh token. It runs in the server, or for accounts that
must not be lost with it in a process of its own (`courier`); whoever runs it says what
came of it, as nothing is logged here. When to renew, and for whom, is `source`'s business.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import NamedTuple, Protocol

from sluice_server.credentials.oauth import timing
from sluice_server.credentials.oauth.account import Account
from sluice_server.credentials.oauth.faults import (
    LoginNeededError,
    TokenRefusedError,
    TokenUnavailableError,
)
from sluice_server.credentials.oauth.grants.grant import Grant
from sluice_server.credentials.oauth.store import LOCK_SECONDS, TokenStore, TokenStoreError

WAIT_SECONDS = LOCK_SECONDS + 5.0
"""How long a renewal waits for another one, here or in another replica."""

HAND_OVER_SECONDS = 3.0
"""How long to try to keep an answer before whoever asked for it has to hold it."""

KEEP_SECONDS = 30.0
"""The same when nobody is left who could: then this is the only copy."""

_SAVE_PAUSES = (0.1, 0.5, 2.0)
"""Between two tries; the last one repeats."""


class Kept(NamedTuple):
    """What a store holds of an account, and what that is worth now."""

    account: Account
    usable: bool
    """Its access token may be used."""
    due: bool
    """It is time for another one, or there is none."""

    @property
    def ended(self) -> LoginNeededError | None:
        """The fault with which the server ended the account, as whoever asked has noted."""
        code = self.account.login_needed
        return LoginNeededError(f"The account has ended ({code}).", code=code) if code else None


class Renewed(NamedTuple):
    """An account with an access token that may be used."""

    account: Account
    asked: bool
    """Whether the token endpoint was asked; otherwise somebody else had done it meanwhile."""


class Renewer(Protocol):
    """What a source gets its tokens from."""

    @property
    def unsaved(self) -> Account | None:
        """What was received and could not be kept; the next renewal begins with keeping it."""

    async def look(self, refused: str | None) -> Kept:
        """Return what is kept; an access token that the provider refused is not usable.

        Raises:
            TokenStoreError: it cannot be read.
        """

    async def renew(self, refused: str | None) -> Renewed:
        """Get an access token, unless somebody else got one meanwhile, and keep it.

        Raises:
            TokenError: there is none.
            TokenStoreError: it cannot be kept; then it is `unsaved`.
        """

    def abandon(self) -> None:
        """Let a renewal end that has sent nothing yet; one that has goes on."""


class _RenewedElsewhere(Exception):  # noqa: N818 - it is no error
    """Somebody else has kept a token that is good."""

    def __init__(self, account: Account) -> None:
        super().__init__()
        self.account = account


class Renewal:
    """A `Renewer` that does the work in this process."""

    def __init__(
        self,
        name: str,
        *,
        grant: Grant,
        store: TokenStore,
        default_lifetime: float,
        first_refresh_token: str | None = None,
        unsaved: Account | None = None,
        clock: Callable[[], float] = time.time,
        factor: float = 1.0,
    ) -> None:
        """Take `provider/credential` as the name; `factor` is the jitter of `timing`."""
        self.name = name
        self.unsaved = unsaved
        self._grant = grant
        self._store = store
        self._default_lifetime = default_lifetime
        self._first = first_refresh_token
        self._clock = clock
        self._factor = factor
        self._abandoned = False

    async def look(self, refused: str | None) -> Kept:
        """Return what is kept; an access token that the provider refused is not usable."""
        account = (await self._load() or Account()).seeded(self._first)
        now = self._clock()
        usable = (
            account.access_token is not None
            and account.access_token != refused
            and now < timing.usable_until(account)
        )
        due = timing.renew_at(account, self._factor)
        return Kept(account, usable, not usable or (due is not None and now >= due))

    async def renew(self, refused: str | None) -> Renewed:
        """Get an access token, unless somebody else got one meanwhile, and keep it."""
        try:
            async with self._alone(refused):
                _step("alone")
                await self._save_unsaved()
                before = await self._still_due(refused)
                return Renewed(await self._exchange(before), asked=True)
        except _RenewedElsewhere as found:
            return Renewed(found.account, asked=False)

    def abandon(self) -> None:
        """Let a renewal end that has sent nothing yet; one that has goes on."""
        self._abandoned = True

    async def _still_due(self, refused: str | None) -> Account:
        """Return the account if its refresh token is to be sent.

        Raises:
            _RenewedElsewhere: no need any more.
            TokenError: no use, or nobody to do it for.
        """
        kept = await self.look(refused)
        if kept.ended:
            raise kept.ended
        if not kept.due:
            raise _RenewedElsewhere(kept.account)
        if self._abandoned:
            raise TokenUnavailableError("The server is closing.")
        return kept.account

    @asynccontextmanager
    async def _alone(self, refused: str | None) -> AsyncIterator[None]:
        """Be the only one that renews this account, here and in other replicas."""
        deadline = time.monotonic() + WAIT_SECONDS

        async def between_tries() -> None:
            # Who renews may have kept it, and been lost before the lock was given back.
            if self.unsaved is None:
                await self._still_due(refused)
            if time.monotonic() >= deadline:
                raise TokenUnavailableError("Another replica has been renewing for too long.")

        async with AsyncExitStack() as stack:
            try:
                await stack.enter_async_context(self._store.alone(self.name, between_tries))
            except TokenStoreError:
                # What can be asked for twice goes on, each replica for itself.
                if self._grant.from_account:
                    raise
            yield

    async def _load(self) -> Account | None:
        try:
            return await self._store.load(self.name)
        except TokenStoreError:
            if self._grant.from_account:
                raise
            return None

    async def _exchange(self, before: Account) -> Account:
        account = before
        if self._grant.from_account and before.refresh_token is not None:
            account = before.asking(self._clock())
            await self._store.save(self.name, account)
        _step("asking")
        try:
            issued = await self._grant.fetch(account)
        except LoginNeededError as fault:
            interrupted = before.asked_at is not None
            raise await self._ended(account, fault, interrupted=interrupted) from None
        _step("received")
        renewed = account.given(issued, now=self._clock(), default_lifetime=self._default_lifetime)
        await self._keep(renewed)
        _step("kept")
        if issued.access_token is None:
            raise TokenUnavailableError("The token endpoint's answer holds no access token.")
        return renewed

    async def _ended(
        self, account: Account, fault: LoginNeededError, *, interrupted: bool
    ) -> LoginNeededError | TokenRefusedError:
        """Note that the account is gone, so that nobody asks again; returns the fault to tell."""
        if not self._grant.from_account:
            # Nobody logs in there; an assertion may be better next time.
            return TokenRefusedError(str(fault), code=fault.code)
        if account.refresh_token is None:
            return fault  # Nothing to note: there was no account yet.
        await self._store.save(self.name, account.ended(fault.code))
        if not interrupted:
            return fault
        return LoginNeededError(
            f"{fault} An earlier renewal ended before its answer was kept.", code=fault.code
        )

    async def _keep(self, account: Account) -> None:
        """Keep what was received, and do not give up easily: it may be the only copy."""
        self.unsaved = account
        started = time.monotonic()
        for attempt in itertools.count():
            try:
                await self._store.save(self.name, account)
                break
            except TokenStoreError:
                if not self._grant.from_account:
                    break
                pause = _SAVE_PAUSES[min(attempt, len(_SAVE_PAUSES) - 1)]
                patience = KEEP_SECONDS if self._abandoned else HAND_OVER_SECONDS
                if time.monotonic() - started + pause > patience:
                    raise
            await asyncio.sleep(pause)
        self.unsaved = None

    async def _save_unsaved(self) -> None:
        """Keep what could not be kept before, unless the account has moved on."""
        if self.unsaved is None:
            return
        stored = await self._store.load(self.name)
        if stored is None or stored.generation < self.unsaved.generation:
            await self._store.save(self.name, self.unsaved)
        self.unsaved = None


def _step(name: str) -> None:
    """Mark a moment of a renewal; tests stop the process here."""
