"""What the server hands to the courier, what comes back, and how both are written down.

One line of JSON each, by standard input and output: a command line or an environment
would show the secrets to others. Imported by both processes, and therefore apart from
either; nothing here is slow to import.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from sluice_server.credentials.oauth.account import Account, decode, encode
from sluice_server.credentials.oauth.client import Client
from sluice_server.credentials.oauth.faults import (
    LoginNeededError,
    TokenError,
    TokenRefusedError,
    TokenUnavailableError,
)
from sluice_server.credentials.oauth.renewal import Renewed
from sluice_server.credentials.oauth.store import Place, TokenStoreError


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One renewal of one account by its refresh token."""

    name: str
    """Name of the account in its store."""
    place: Place
    url: str
    """Address of the token endpoint."""
    client: Client
    scopes: tuple[str, ...]
    default_lifetime: float
    """Seconds."""
    factor: float
    """The jitter of `timing`."""
    first_refresh_token: str | None = field(default=None, repr=False)
    ahead: float = 0.0
    """Seconds that the server's clock is ahead of the machine's, as tests set it: both judge by
    one clock."""
    refused: str | None = field(default=None, repr=False)
    """The access token that the provider refused."""
    unsaved: Account | None = None
    """What an earlier renewal received and could not keep."""

    def to_line(self) -> bytes:
        """Return the job as the courier expects it."""
        return _line({**asdict(self), "unsaved": _written(self.unsaved)})

    @classmethod
    def from_line(cls, line: bytes) -> Job:
        """Read what `to_line` wrote."""
        value = json.loads(line)
        return cls(
            **{
                **value,
                "place": Place(**value["place"]),
                "client": Client(**value["client"]),
                "scopes": tuple(value["scopes"]),
                "unsaved": _read(value["unsaved"]),
            }
        )


Fault = LoginNeededError | TokenRefusedError | TokenUnavailableError | TokenStoreError

_FAULTS: Mapping[str, type[Fault]] = {
    "login_needed": LoginNeededError,
    "refused": TokenRefusedError,
    "unavailable": TokenUnavailableError,
    "store": TokenStoreError,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What came of a job."""

    outcome: Renewed | Fault
    unsaved: Account | None
    """What was received and could not be kept: the server has the only copy now."""

    def to_line(self) -> bytes:
        """Return the report as the server expects it."""
        told: dict[str, Any] = {"unsaved": _written(self.unsaved)}
        if isinstance(self.outcome, Renewed):
            told |= {"account": _written(self.outcome.account), "asked": self.outcome.asked}
        else:
            told["fault"] = _told(self.outcome)
        return _line(told)

    @classmethod
    def from_line(cls, line: bytes) -> Report:
        """Read what `to_line` wrote.

        Raises:
            ValueError: it is no report, such as half a line.
        """
        try:
            value = json.loads(line)
            unsaved, fault = _read(value["unsaved"]), value.get("fault")
            if fault is not None:
                return cls(outcome=_fault(**fault), unsaved=unsaved)
            account = decode(value["account"].encode())
            return cls(outcome=Renewed(account, asked=value["asked"]), unsaved=unsaved)
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError("no report") from error


def write_all(descriptor: int, line: bytes) -> None:
    """Write a line to a pipe, which may take it in pieces.

    Raises:
        BrokenPipeError: nobody reads.
    """
    while line:
        line = line[os.write(descriptor, line) :]


def _line(value: dict[str, Any]) -> bytes:
    return json.dumps(value).encode() + b"\n"


def _written(account: Account | None) -> str | None:
    return None if account is None else encode(account).decode()


def _read(text: str | None) -> Account | None:
    return None if text is None else decode(text.encode())


def _told(fault: Fault) -> dict[str, Any]:
    kind = next(kind for kind, faults in _FAULTS.items() if isinstance(fault, faults))
    told: dict[str, Any] = {"kind": kind, "message": str(fault)}
    if isinstance(fault, TokenError):
        told["code"] = fault.code
    if isinstance(fault, TokenUnavailableError):
        told["retry_after"] = fault.retry_after
    return told


def _fault(kind: str, message: str, **more: Any) -> Fault:
    return _FAULTS[kind](message, **more)
