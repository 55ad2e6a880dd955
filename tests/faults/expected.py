"""What the caller must get, in words of the contract. Not here: what the code does today.

Reasons and their gRPC statuses are those of `proto/sluice/v1/error_reason.proto`; which
situation has which reason is said in the proto file, too.
"""

from dataclasses import dataclass

HELLO = "Hello"
"""The first piece of every answer."""
WORLD = " world"
"""The second and last one."""

STATUS_OF = {
    "CONTEXT_TOO_LONG": "INVALID_ARGUMENT",
    "MODEL_NOT_FOUND": "NOT_FOUND",
    "PROVIDER_RATE_LIMITED": "RESOURCE_EXHAUSTED",
    "PROVIDER_QUOTA_EXHAUSTED": "RESOURCE_EXHAUSTED",
    "PROVIDER_CREDENTIAL_REJECTED": "FAILED_PRECONDITION",
    "PROVIDER_FORBIDDEN": "PERMISSION_DENIED",
    "PROVIDER_REJECTED_REQUEST": "INVALID_ARGUMENT",
    "PROVIDER_UNAVAILABLE": "UNAVAILABLE",
    "PROVIDER_UNREACHABLE": "UNAVAILABLE",
    "PROVIDER_TIMEOUT": "UNAVAILABLE",
    "PROVIDER_PROTOCOL": "INTERNAL",
    "STREAM_TRUNCATED": "UNAVAILABLE",
}
"""The gRPC status of each reason that a provider can cause (`error_reason.proto`)."""

STOPS = frozenset({"PROVIDER_REJECTED_REQUEST"})
"""Reasons for which no other target is tried: what one provider calls malformed is malformed."""


@dataclass(frozen=True)
class Range:
    """A wait in seconds that may be a little shorter by the time it is told."""

    least: float
    most: float

    def __contains__(self, seconds: float | None) -> bool:
        """Tell whether a wait lies between the bounds, both included."""
        return seconds is not None and self.least <= seconds <= self.most

    def __str__(self) -> str:
        """Name the longer bound, which is the one that was asked for."""
        return f"{self.most:g} s"


@dataclass(frozen=True)
class Expected:
    """The right outcome of one call."""

    reason: str | None = None
    """None: OK with Completed."""
    text: str = HELLO + WORLD
    """Everything that the caller was told by text deltas."""
    calls: tuple[tuple[str, str], ...] = ()
    """Name and arguments of each tool call of a whole answer."""
    wait: Range | None = None
    """RetryInfo; None: there must be none."""

    tokens: tuple[int | None, int | None] | None = None
    """Input and output tokens of a whole answer; None: not what this is about."""
    characters: int | None = None
    """Characters of output that a failure says were delivered; None: those of the text."""

    @property
    def delivered(self) -> int:
        """Characters of output that the caller got."""
        return len(self.text) if self.characters is None else self.characters

    @property
    def status(self) -> str:
        """Name of the gRPC status."""
        return "OK" if self.reason is None else STATUS_OF[self.reason]

    @property
    def is_whole(self) -> bool:
        """Whether the answer must be complete."""
        return self.reason is None


def whole(text: str = HELLO + WORLD) -> Expected:
    """Expect a complete answer with this text."""
    return Expected(None, text)


def calling(*calls: tuple[str, str], text: str = "") -> Expected:
    """Expect a complete answer with these tool calls."""
    return Expected(None, text, calls)


def fails(reason: str, *, wait: Range | None = None) -> Expected:
    """Expect a failure before output: the caller was told nothing else."""
    return Expected(reason, "", wait=wait)


def breaks(reason: str, text: str = HELLO) -> Expected:
    """Expect a failure after this text was delivered."""
    return Expected(reason, text)
