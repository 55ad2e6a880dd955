"""The W3C trace context that callers send along, judged before it goes anywhere.

https://www.w3.org/TR/trace-context/. How spans follow from it is in `tracing`, who gets it is the
providers' business.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

PROPAGATED = ("traceparent", "tracestate")
"""Metadata and header names of the W3C trace context. Baggage is not among them: callers put in
it what is no provider's business."""

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(-[!-~]*)?")
_LONGEST_TRACESTATE = 512

Context = tuple[tuple[str, str], ...]
"""Headers of a trace context; empty without one."""


def context_in(metadata: Mapping[str, str]) -> Context:
    """Return the caller's trace context, if it is one: it goes into logs and to upstreams."""
    parent = metadata.get(PROPAGATED[0])
    if parent is None or not _TRACEPARENT.fullmatch(parent):
        return ()
    state = metadata.get(PROPAGATED[1])
    if state is None or len(state) > _LONGEST_TRACESTATE:
        return (("traceparent", parent),)
    return (("traceparent", parent), ("tracestate", state))


def trace_id_of(context: Context) -> str:
    """Return the trace's id in hex; empty without a context."""
    return context[0][1].split("-")[1] if context else ""
