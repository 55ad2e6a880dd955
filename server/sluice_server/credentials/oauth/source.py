"""The access token of one credential: renewed ahead of its end, once for all calls.

However many calls need a token, one task of this process has it renewed, and the next
one only after that. When that is, what callers get meanwhile, and what is told of
failures is decided here; the renewal itself is in `renewal`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import structlog
from pydantic import SecretStr

from sluice_server.credentials.oauth import timing
from sluice_server.credentials.oauth.account import Account
from sluice_server.credentials.oauth.faults import (
    LoginNeededError,
    TokenError,
    TokenRefusedError,
    TokenUnavailableError,
)
from sluice_server.credentials.oauth.renewal import Renewer
from sluice_server.credentials.oauth.store import TokenStoreError
from sluice_server.errors import ProviderCredentialRejectedError, ProviderUnavailableError
from sluice_server.telemetry import names

RECHECK_SECONDS = 5.0
"""How often an account that needs a login is looked up again: a login happens outside."""

FORCED_PAUSE_SECONDS = 30.0
"""Shortest time between renewals because the provider refused a token: one that refuses
new tokens too has another reason."""

_CLOSE_SECONDS = 10.0
_LONGEST_TIMER_SECONDS = 86_400.0

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
        renewer: Renewer,
        remedy: str,
        clock: Callable[[], float] = time.time,
        factor: float = 1.0,
    ) -> None:
        """Take `provider/credential` as the name; `factor` is the jitter of `timing`.

        `remedy` is what a person does when the account is gone, as a sentence.
        """
        self.name = name
        self._renewer = renewer
        self._remedy = remedy
        self._clock = clock
        self._factor = factor
        self._account: Account | None = None
        self._secret: SecretStr | None = None
        self._usable_until = 0.0
        self._renew_at: float | None = 0.0
        self._task: asyncio.Task[None] | None = None
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
        self._renewer.abandon()
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
        if self._renewer.unsaved is None:
            # Often somebody else has renewed; then nothing needs to be started.
            kept = await self._renewer.look(refused)
            if kept.usable:
                self._take(kept.account)
            if kept.ended:
                raise kept.ended
            if not kept.due:
                return
        account, asked = await self._renewer.renew(refused)
        self._take(account)
        if asked:
            self._refreshes += 1
            self._refreshed_at = account.issued_at
            _log.info(
                names.CREDENTIAL_REFRESHED, credential=self.name, expires_at=account.expires_at
            )

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
            return f"{self._fault} {self._remedy}"
        return str(self._fault or "")

    def _error(self) -> ProviderCredentialRejectedError | ProviderUnavailableError:
        fault = self._fault
        message = f"Credential {self.name} has no access token. {self._said()}".rstrip()
        if isinstance(fault, LoginNeededError | TokenRefusedError):
            return ProviderCredentialRejectedError(message, provider_code=fault.code or None)
        wait = max(0.0, self._not_before - self._clock())
        return ProviderUnavailableError(message, retry_after=wait or None)
