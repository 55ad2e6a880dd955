"""What can go wrong while a token is got, and whether trying again helps.

Messages hold statuses and known codes only: what a token endpoint says may quote
the secret it was sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus


class TokenError(Exception):
    """No token. `str(fault)` is safe to log and to show."""

    code = ""
    """The server's error code, where it is a known one."""


class LoginNeededError(TokenError):
    """The account is gone until a person logs in again; trying again cannot help."""

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


class TokenRefusedError(TokenError):
    """The server, or the set-up, says no. An operator must act, yet it may mend itself."""

    def __init__(self, message: str, *, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class TokenUnavailableError(TokenError):
    """No token for now; a later attempt may succeed."""

    def __init__(self, message: str, *, retry_after: float | None = None, code: str = "") -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.code = code


def no_refresh_token() -> LoginNeededError:
    """Return what it means when an account has none: nobody has logged in yet."""
    return LoginNeededError("There is no refresh token.", code="no_account")


LOGIN_CODES = frozenset(
    {
        # RFC 6749 section 5.2.
        "invalid_grant",
        # (`openai.md` section 2.2), also seen elsewhere.
        "refresh_token_expired",
        "refresh_token_invalidated",
        "refresh_token_reused",
    }
)
"""Codes after which a refresh token is worth nothing any more."""

PASSING_CODES = frozenset({"server_error", "slow_down", "temporarily_unavailable"})
"""Codes of a fault that passes, whatever the status."""

REFUSAL_CODES = frozenset(
    {
        # RFC 6749 section 5.2, RFC 8628 section 3.5, RFC 8693 section 2.2.2.
        *("invalid_request", "invalid_client", "unauthorized_client", "unsupported_grant_type"),
        *("invalid_scope", "access_denied", "expired_token", "authorization_pending"),
        "invalid_target",
    }
)
"""Codes of a no that is about the client or the request."""

_KNOWN = LOGIN_CODES | PASSING_CODES | REFUSAL_CODES


def error_code(answer: Mapping[str, object]) -> str:
    """Return the known code in a token endpoint's error, or nothing.

    The standard has `{"error": CODE}`; `{"error": {"code": CODE}}` and `{"code": CODE}`
    are about as common.
    """
    error = answer.get("error")
    places = [error, answer.get("code")]
    if isinstance(error, dict):
        places = [error.get("code"), error.get("type")]
    return next((code for code in places if isinstance(code, str) and code in _KNOWN), "")


def refusal(status: int, code: str, *, retry_after: float | None = None) -> TokenError:
    """Return the fault that an answer without a token means."""
    what = f"The token endpoint answered {status}{f' {code}' if code else ''}."
    if code in LOGIN_CODES:
        return LoginNeededError(what, code=code)
    passing = status >= 500 or status in {
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.TOO_MANY_REQUESTS,
    }
    if code in PASSING_CODES or (passing and code not in REFUSAL_CODES):
        return TokenUnavailableError(what, retry_after=retry_after, code=code)
    return TokenRefusedError(what, code=code)
