"""What an order says."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypedDict, TypeVar

from google.protobuf import json_format
from google.protobuf.message import Message

from sluice import Tls, ToolError

MessageT = TypeVar("MessageT", bound=Message)


class Target(TypedDict):
    """Arguments of `connect`."""

    address: str
    token: str | None
    tls: Tls | None


class Beside(TypedDict):
    """Arguments of every call: its deadline in seconds, and its metadata."""

    timeout: float | None
    metadata: dict[str, str]


class BrokenError(Exception):
    """Raised by a function that is told to break."""


@dataclass(frozen=True)
class Order:
    """One order."""

    connect: dict[str, Any]
    call: str
    request: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)
    timeout_ms: int | None = None
    cancel_after: int | None = None
    pause_after: int | None = None
    functions: tuple[dict[str, Any], ...] = ()
    max_turns: int | None = None
    service: str = ""

    @classmethod
    def parse(cls, line: str) -> "Order":
        """Return the order in a line.

        Raises:
            ValueError: it is not understood.
        """
        try:
            return cls(**json.loads(line))
        except TypeError as error:
            raise ValueError(f"This order is not understood: {error}") from error

    @property
    def target(self) -> Target:
        """Where to connect, and as whom."""
        files = self.connect.get("tls")
        return {
            "address": self.connect["address"],
            "token": self.connect.get("token"),
            "tls": None
            if files is None
            else Tls(**{name: Path(path).read_bytes() for name, path in files.items()}),
        }

    @property
    def beside(self) -> Beside:
        """What goes with the call beside its request."""
        return {
            "timeout": None if self.timeout_ms is None else self.timeout_ms / 1000,
            "metadata": self.metadata,
        }

    @property
    def limits(self) -> dict[str, int]:
        """What limits a run, beyond the client's own default."""
        return {} if self.max_turns is None else {"max_turns": self.max_turns}

    def read(self, kind: type[MessageT]) -> MessageT:
        """Return the request."""
        return json_format.ParseDict(self.request, kind())


def outcome(function: dict[str, Any]) -> str:
    """Return or raise what a function is told to.

    Raises:
        ToolError: it is told to fail.
        BrokenError: it is told to break.
    """
    if "fails" in function:
        raise ToolError(function["fails"])
    if "breaks" in function:
        raise BrokenError(function["breaks"])
    return str(function["returns"])
