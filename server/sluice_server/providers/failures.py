"""What any provider's error body tells, before a dialect says what it means. Pure.

No code and no wording of a provider is known here; those are constants of each
dialect's `errors`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgspec

from sluice_server import errors
from sluice_server.providers.framing import UNREADABLE

DETAIL_CHARACTERS = 500
"""How much of a provider's explanation is kept: most are one sentence, and
trailers of a gRPC status are bounded to a few KiB."""

# Codes are short words; anything else is prose, and stays out of logs.
_CODE = re.compile(r"[A-Za-z0-9_.:/-]{1,64}")
_ERROR_STATUS = re.compile(r"[45]\d\d", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One failure in the provider's words."""

    status: int
    """HTTP status; 0 inside a 200 without any hint of one."""
    codes: tuple[str, ...] = ()
    """Codes and types, the most exact first, as written."""
    detail: str | None = None
    """The provider's explanation, for the caller's eyes."""
    request_id: str | None = None
    retry_after: float | None = None
    """Seconds."""

    def has(self, codes: Iterable[str]) -> bool:
        """Tell whether any code is one of `codes`, which are in lower case."""
        own = {code.lower() for code in self.codes}
        return any(code in own for code in codes)

    def says(self, words: Iterable[str]) -> bool:
        """Tell whether the explanation holds any of `words`, which are in lower case."""
        detail = (self.detail or "").lower()
        return any(word in detail for word in words)

    def as_error(self, leaf: type[errors.UpstreamError], message: str) -> errors.UpstreamError:
        """Return the error with all facts of this failure."""
        return leaf(
            message,
            http_status=self.status or None,
            provider_code=next(filter(_CODE.fullmatch, self.codes), None),
            request_id=self.request_id,
            retry_after=self.retry_after,
            detail=self.detail,
        )

    def by_status(self) -> errors.UpstreamError:
        """Return the error that the status alone suggests (`overview.md` section 5)."""
        leaf, message = _of_status(self.status)
        return self.as_error(leaf, message)


def parse(body: bytes) -> Any:
    """Return the JSON of an error's body; None when it is none."""
    try:
        return msgspec.json.decode(body)
    except UNREADABLE:
        return None


def read_codes(*values: object) -> tuple[str, ...]:
    """Return those of `values` that are codes, as text: words and numbers, not prose or null."""
    return tuple(
        str(value)
        for value in values
        if (isinstance(value, str) and value) or (type(value) is int and abs(value) < 2**63)
    )


def read_detail(*values: object) -> str | None:
    """Return the first of `values` that is an explanation, shortened.

    FastAPI's list of faults counts as one (`openai-compatible.md` section 3).
    """
    for value in values:
        if isinstance(value, list):
            value = "; ".join(  # noqa: PLW2901 - the list becomes the text
                f"{_path(fault.get('loc'))}: {fault.get('msg')}"
                for fault in value
                if isinstance(fault, dict)
            )
        if isinstance(value, str) and value:
            return value[:DETAIL_CHARACTERS]
    return None


def status_among(codes: Iterable[str]) -> int:
    """Return the HTTP status that stands among codes; 0 when there is none.

    Inside a 200 the status that could no longer be sent is often the code.
    """
    return next((int(code) for code in codes if _ERROR_STATUS.fullmatch(code)), 0)


def _path(location: object) -> str:
    return ".".join(map(str, location)) if isinstance(location, list) else ""


def _of_status(status: int) -> tuple[type[errors.UpstreamError], str]:
    if status in {429, 498}:
        return errors.ProviderRateLimitedError, "The provider asks for fewer requests."
    if status == 401:
        return (
            errors.ProviderCredentialRejectedError,
            "The provider refused the gateway's credential; the operator must replace it.",
        )
    if status == 402:
        return errors.ProviderQuotaExhaustedError, "The provider's credit is used up."
    if status == 403:
        return errors.ProviderForbiddenError, "The provider forbids this request."
    if status == 404:
        return errors.ProviderModelNotFoundError, "The provider does not know this model."
    if status in {408, 504, 524}:
        return errors.ProviderTimeoutError, f"The provider timed out (HTTP {status})."
    if status == 499:
        # Not our caller's doing: a call that was cancelled reads no answer.
        return errors.ProviderProtocolError, "The provider cancelled the request (HTTP 499)."
    if 100 <= status < 200:
        return (
            errors.ProviderProtocolError,
            f"The provider wants another protocol (HTTP {status}).",
        )
    if 300 <= status < 400:
        return (
            errors.ProviderProtocolError,
            f"The provider redirects (HTTP {status}), which is not followed.",
        )
    if status == 409 or status >= 500:
        return errors.ProviderUnavailableError, f"The provider failed (HTTP {status})."
    if status:
        return (
            errors.ProviderRejectedRequestError,
            f"The provider refused the request (HTTP {status}).",
        )
    # An error inside a 200 without any code that we know: the request was
    # accepted, so it is the provider that failed.
    return errors.ProviderUnavailableError, "The provider reported an error."
