"""The access token of one credential: renewed ahead of its end, by one for all.

However many calls need a token, one task of this process renews it; of several
replicas, one that holds the lock, while the others wait for what it keeps. A new
token is kept before it is used, because the refresh token that came with it may be
the only one that the server still takes.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Literal

import structlog
from pydantic import SecretStr

from sluice_server.credentials.oauth import timing
from sluice_server.credentials.oauth.account import Account
from sluice_server.credentials.oauth.endpoint import LONGEST_EXCHANGE_SECONDS
from sluice_server.credentials.oauth.faults import (
    LoginNeededError,
    TokenError,
    TokenRefusedError,
    TokenUnavailableError,
)
from sluice_server.credentials.oauth.grants.grant import Grant
from sluice_server.credentials.oauth.store import TokenStore, TokenStoreError
from sluice_server.errors import ProviderCredentialRejectedError, ProviderUnavailableError
from sluice_server.state.locks import SharedValues
from sluice_server.telemetry import names

LOCK_SECONDS = LONGEST_EXCHANGE_SECONDS + 30.0
"""How long a lost replica keeps the others from renewing; longer than a renewal takes."""

RECHECK_SECONDS = 5.0
"""How often an account that needs a login is looked up again: a login happens outside."""

FORCED_PAUSE_SECONDS = 30.0
"""Shortest time between renewals because the provider refused a token: one that refuses
new tokens too has another reason."""

_POLL_SECONDS = 0.1
_CLOSE_SECONDS = 10.0
_LONGEST_TIMER_SECONDS = 86_400.0
_SAVE_PAUSES = (0.1, 0.5, 2.0)

_log = structlog.get_logger("sluice.credentials")


@dataclass(frozen=True, slots=True)
class AccountState:
    """How an account stands, for health and metrics."""

    status: Literal["unknown", "ready", "failing", "login_needed"]
    """`unknown` until it is first used; `failing`: the last renewal failed, though an old
    token may still be in use."""
    message: str = ""
    expires_at: float | None = None
    """End of the token in use, seconds since the epoch."""
    refreshes: int = 0
    """Tokens got from the token endpoint since the start."""
    refresh_failures: int = 0
    """Requests to it that gave none."""
    refreshed_at: float | None = None
    """When the last one came, seconds since the epoch."""


class OAuthSource:
    """A `SecretSource` whose secrets are access tokens."""

    def __init__(
        self,
        name: str,
        *,
        grant: Grant,
        store: TokenStore,
        values: SharedValues,
        default_lifetime: float,
        first_refresh_token: SecretStr | None = None,
        clock: Callable[[], float] = time.time,
        factor: float | None = None,
    ) -> None:
        """Take `provider/credential` as the name; `factor` replaces the jitter."""
        self.name = name
        self._grant = grant
        self._store = store
        self._values = values
        self._default_lifetime = default_lifetime
        self._first = first_refresh_token
        self._clock = clock
        self._factor = timing.spread() if factor is None else factor
        self._account: Account | None = None
        self._secret: SecretStr | None = None
        self._usable_until = 0.0
        self._renew_at: float | None = 0.0
        self._stored = Account()
        self._unsaved: Account | None = None
        self._task: asyncio.Task[None] | None = None
        self._exchanging = False
        self._timer: asyncio.TimerHandle | None = None
        self._fault: TokenError | None = None
        self._failures = 0
        self._not_before = 0.0
        self._forced_at: float | None = None
        self._closed = False
        self._refreshes = self._refresh_failures = 0
        self._refreshed_at: float | None = None

    @property
    def state(self) -> AccountState:
        """How the account stands now."""
        status: Literal["unknown", "ready", "failing", "login_needed"] = "ready"
        if isinstance(self._fault, LoginNeededError):
            status = "login_needed"
        elif self._fault is not None:
            status = "failing"
        elif self._secret is None:
            status = "unknown"
        return AccountState(
            status,
            "" if self._fault is None else self._said(),
            self._account.expires_at if self._account else None,
            refreshes=self._refreshes,
            refresh_failures=self._refresh_failures,
            refreshed_at=self._refreshed_at,
        )

    async def secret(self) -> SecretStr:
        """Return the access token; renews first only when there is none that lives.

        Raises:
            ProviderCredentialRejectedError: a person must help.
            ProviderUnavailableError: the token endpoint or the store fails for now.
        """
        now = self._clock()
        if self._secret is not None and now < self._usable_until:
            if self._due(now):
                self._start(None)
            return self._secret
        if self._fault is None or now >= self._not_before or self._running:
            await self._renewed(None)
        if self._secret is not None and self._clock() < self._usable_until:
            return self._secret
        raise self._error()

    async def renew(self, refused: SecretStr) -> bool:
        """Get another token than the one that the provider refused; tells whether there is one."""
        text = refused.get_secret_value()
        if self._has_other_than(text):
            return True
        now = self._clock()
        if self._running:
            await self._renewed(text)
            if self._has_other_than(text):
                return True
        if self._forced_at is not None and now - self._forced_at < FORCED_PAUSE_SECONDS:
            return False
        if now < self._not_before:
            return False
        self._forced_at = now
        await self._renewed(text)
        return self._has_other_than(text)

    async def aclose(self) -> None:
        """Stop the timer; a token that is under way is awaited and kept, for it may be the last."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        if self._task is None:
            return
        if self._exchanging:
            await asyncio.wait((self._task,), timeout=_CLOSE_SECONDS)
        self._task.cancel()
        await asyncio.wait((self._task,))

    @property
    def _running(self) -> bool:
        return self._task is not None and not self._task.done()

    def _due(self, now: float) -> bool:
        """Tell whether to renew; for a key without an end, whether to look what became of it."""
        if self._renew_at is None:
            return self._fault is not None and now >= self._not_before
        return now >= max(self._renew_at, self._not_before)

    def _has_other_than(self, refused: str) -> bool:
        return (
            self._secret is not None
            and self._secret.get_secret_value() != refused
            and self._clock() < self._usable_until
        )

    async def _renewed(self, refused: str | None) -> None:
        """Wait for the one renewal; it goes on when its waiters leave."""
        self._start(refused)
        if self._task is not None:
            await asyncio.wait((self._task,))

    def _start(self, refused: str | None) -> None:
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(refused), name=f"oauth {self.name}")

    async def _run(self, refused: str | None) -> None:
        try:
            await self._renew(refused)
        except TokenError as fault:
            self._failed(fault)
        except TokenStoreError as error:
            self._failed(TokenUnavailableError(str(error)))
        except Exception as error:  # noqa: BLE001 - whatever it is, callers wait for an answer
            self._failed(TokenUnavailableError(f"Renewing failed: {type(error).__name__}."))
        else:
            self._fault, self._failures, self._not_before = None, 0, 0.0
        self._schedule()

    async def _renew(self, refused: str | None) -> None:
        if self._unsaved is None and await self._adopted(refused):
            return
        async with self._alone(refused) as ours:
            if not ours:
                return
            await self._save_unsaved()
            if not await self._adopted(refused):
                await self._exchange()

    @asynccontextmanager
    async def _alone(self, refused: str | None) -> AsyncIterator[bool]:
        """Be the only one that renews; yields False when another one did it meanwhile."""
        key = f"oauth/lock/{self.name}"
        deadline = time.monotonic() + LOCK_SECONDS + 5.0
        while (token := await self._lock(key)) is None:
            if time.monotonic() >= deadline:
                raise TokenUnavailableError("Another replica has been renewing for too long.")
            await asyncio.sleep(_POLL_SECONDS)
            if self._unsaved is None and await self._adopted(refused):
                yield False
                return
        try:
            # What can be asked for twice needs no second lock.
            account = self._grant.from_account
            async with self._store.alone(self.name) if account else contextlib.nullcontext():
                yield True
        finally:
            # A lock that cannot be given back ends by itself.
            with contextlib.suppress(ConnectionError):
                await self._values.unlock(key, token)

    async def _lock(self, key: str) -> str | None:
        """Take the lock; without the shared state only what can be asked for twice goes on."""
        try:
            return await self._values.lock(key, ttl=LOCK_SECONDS)
        except ConnectionError:
            if self._grant.from_account:
                raise TokenUnavailableError("The shared state cannot be reached.") from None
            return ""

    async def _load(self) -> Account | None:
        try:
            return await self._store.load(self.name)
        except TokenStoreError:
            if self._grant.from_account:
                raise
            return None

    async def _adopted(self, refused: str | None) -> bool:
        """Take what the store has, if it is good and not due.

        Raises:
            LoginNeededError: the server ended the account, as whoever asked it has noted.
        """
        self._stored = (await self._load() or Account()).seeded(self._first)
        account, now = self._stored, self._clock()
        usable = (
            account.access_token is not None
            and account.access_token != refused
            and now < timing.usable_until(account)
        )
        if usable:
            self._take(account)
        if account.login_needed:
            raise LoginNeededError(
                f"The account has ended ({account.login_needed}).", code=account.login_needed
            )
        due = timing.renew_at(account, self._factor)
        return usable and (due is None or now < due)

    async def _exchange(self) -> None:
        before = self._stored
        account = before
        self._exchanging = True
        try:
            if self._grant.from_account and before.refresh_token is not None:
                account = before.asking(self._clock())
                await self._store.save(self.name, account)
            _step("asking")
            try:
                issued = await self._grant.fetch(account)
            except LoginNeededError as fault:
                if not self._grant.from_account:
                    # Nobody logs in there; an assertion may be better next time.
                    raise TokenRefusedError(str(fault), code=fault.code) from None
                await self._end(account, fault, interrupted=before.asked_at is not None)
                raise
            _step("received")
            now = self._clock()
            renewed = account.given(issued, now=now, default_lifetime=self._default_lifetime)
            await self._keep(renewed)
            _step("kept")
        finally:
            self._exchanging = False
        if issued.access_token is None:
            raise TokenUnavailableError("The token endpoint's answer holds no access token.")
        self._take(renewed)
        self._refreshes += 1
        self._refreshed_at = now
        _log.info(names.CREDENTIAL_REFRESHED, credential=self.name, expires_at=renewed.expires_at)

    async def _end(self, account: Account, fault: LoginNeededError, *, interrupted: bool) -> None:
        """Note that the account is gone, so that nobody asks again."""
        if account.refresh_token is None:
            return  # Nothing to note: there was no account yet.
        if interrupted:
            _log.warning(
                names.CREDENTIAL_LOGIN_NEEDED,
                credential=self.name,
                message="An earlier renewal ended before its answer was kept.",
            )
        await self._store.save(self.name, account.ended(fault.code))

    async def _keep(self, account: Account) -> None:
        """Keep what was received, and do not give up easily: it may be the only copy."""
        self._unsaved = account
        for pause in (*_SAVE_PAUSES, None):
            try:
                await self._store.save(self.name, account)
            except TokenStoreError:
                if not self._grant.from_account:
                    self._unsaved = None
                    return
                if pause is None:
                    raise
                await asyncio.sleep(pause)
            else:
                self._unsaved = None
                return

    async def _save_unsaved(self) -> None:
        """Keep what could not be kept before, unless the account has moved on."""
        if self._unsaved is None:
            return
        stored = await self._store.load(self.name)
        if stored is None or stored.generation < self._unsaved.generation:
            await self._store.save(self.name, self._unsaved)
        self._unsaved = None

    def _take(self, account: Account) -> None:
        token = account.access_token
        if token is None:
            return
        if self._secret is None or self._secret.get_secret_value() != token:
            self._secret = SecretStr(token)
        self._account = account
        self._usable_until = timing.usable_until(account)
        self._renew_at = timing.renew_at(account, self._factor)

    def _failed(self, fault: TokenError) -> None:
        now = self._clock()
        known = isinstance(self._fault, LoginNeededError)
        self._fault = fault
        self._refresh_failures += 1
        if isinstance(fault, LoginNeededError):
            self._failures, self._not_before = 0, now + RECHECK_SECONDS
            if not known:
                _log.error(
                    names.CREDENTIAL_LOGIN_NEEDED, credential=self.name, message=self._said()
                )
            return
        self._failures += 1
        wait = timing.backoff(self._failures, refused=isinstance(fault, TokenRefusedError))
        if isinstance(fault, TokenUnavailableError) and fault.retry_after is not None:
            wait = max(wait, fault.retry_after)
        self._not_before = now + wait
        _log.warning(
            names.CREDENTIAL_REFRESH_FAILED,
            credential=self.name,
            message=str(fault),
            retry_seconds=round(wait, 1),
        )

    def _schedule(self) -> None:
        """Set the timer for the next renewal; none for a token that has ended or never does."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now = self._clock()
        if self._closed or self._renew_at is None or now >= self._usable_until:
            return
        wait = max(self._renew_at, self._not_before) - now
        self._timer = asyncio.get_running_loop().call_later(
            min(max(wait, 0.0), _LONGEST_TIMER_SECONDS), self._woken
        )

    def _woken(self) -> None:
        self._timer = None
        due = max(self._renew_at or 0.0, self._not_before)
        if self._renew_at is not None and self._clock() >= due:
            self._start(None)
        else:
            self._schedule()

    def _said(self) -> str:
        if isinstance(self._fault, LoginNeededError | TokenRefusedError):
            return f"{self._fault} {self._grant.remedy}"
        return str(self._fault or "")

    def _error(self) -> ProviderCredentialRejectedError | ProviderUnavailableError:
        fault = self._fault
        message = f"Credential {self.name} has no access token. {self._said()}".rstrip()
        if isinstance(fault, LoginNeededError | TokenRefusedError):
            return ProviderCredentialRejectedError(message, provider_code=fault.code or None)
        wait = max(0.0, self._not_before - self._clock())
        return ProviderUnavailableError(message, retry_after=wait or None)


def _step(name: str) -> None:
    """Mark a moment of a renewal; tests end the process here."""
