"""What a dialect must be able to say, so that a row of the table can be said in all of them."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, TypeAlias

Json: TypeAlias = dict[str, Any]


class Kind(Enum):
    """Situations for which dialects have error objects; the value is the usual HTTP status."""

    INVALID = 400
    CREDENTIAL = 401
    BILLING = 402
    FORBIDDEN = 403
    NOT_FOUND = 404
    CONFLICT = 409
    TOO_LARGE = 413
    RATE = 429
    INTERNAL = 500
    OVERLOADED = 503
    TIMEOUT = 504


Forms: TypeAlias = Mapping[str, Callable[[Kind], Json | bytes]]
"""Error objects inside a 200 stream, by the name of the form; bytes are no event."""


class Dialect(ABC):
    """How one dialect frames an answer, and how it tells what."""

    name: str
    """As on the page."""
    kind: str
    """As in a provider's settings."""
    content_type: str
    is_sse: bool
    """Framed as server-sent events; else one JSON array in pieces."""
    has_names: bool
    """Events have an `event:` line."""
    has_marker: bool
    """There is an end marker, behind which nothing has to be awaited."""
    needs_end: bool
    """A finish reason and a clean end of the body are not enough."""
    opening: tuple[Json, ...]
    """Events before any output."""
    finish: tuple[Json, ...]
    """Events that say why the model stopped; none where the end marker says it."""
    error_forms: Forms

    @abstractmethod
    def text(self, value: str) -> tuple[Json, ...]:
        """Return the events of a piece of text."""

    @abstractmethod
    def call(
        self, number: int, name: str, fragments: tuple[str, ...], id: str | None
    ) -> tuple[Json, ...]:
        """Return the events of a whole tool call."""

    @abstractmethod
    def error(self, kind: Kind) -> Json:
        """Return the body of an error response."""

    @abstractmethod
    def document(self, text: str) -> Json:
        """Return the answer as one JSON document."""

    @abstractmethod
    def frame(self, event: Json, number: int) -> bytes:
        """Return an event's bytes; `number` counts the events of a stream from 0."""

    @abstractmethod
    def end(self, said: str, number: int) -> bytes:
        """Return the end marker after this text and so many events; may be empty."""
