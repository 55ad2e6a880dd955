"""Which call a log line belongs to, for whoever writes one while a call is handled.

Tasks inherit it from the task that starts them. Some outlive the call, so the mark ends with the
call rather than with the task, and no later line is laid at its door.
"""

from __future__ import annotations

from contextvars import Context, ContextVar
from dataclasses import dataclass

from structlog.typing import EventDict


@dataclass(slots=True)
class Mark:
    """The ids of one call."""

    generation_id: str
    trace_id: str = ""
    span_id: str = ""
    over: bool = False
    """The call has ended."""


_current: ContextVar[Mark | None] = ContextVar("sluice_call", default=None)

NOBODY = Context()
"""For work that one call starts and that is done for many."""


def begin(mark: Mark) -> None:
    """Mark what this task logs from now on, and what tasks log that it starts."""
    _current.set(mark)


def add(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Put the ids of the running call into a line that does not bring its own. For structlog."""
    mark = _current.get()
    if mark is None or mark.over:
        return event
    if event.setdefault("generation_id", mark.generation_id) == mark.generation_id:
        if mark.trace_id:
            event.setdefault("trace_id", mark.trace_id)
        if mark.span_id:
            event.setdefault("span_id", mark.span_id)
    return event
