"""Whether a new trace is recorded, decided before anything is made for it.

Most traces of a busy gateway are not sampled. The library makes a span for each of them all
the same, and assembles its context again for the upstream; here an unsampled trace is two
random numbers and a header that says so.
"""

from __future__ import annotations

import random

from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import TraceIdRatioBased

from sluice_server.telemetry.propagation import Context


class Roots(RandomIdGenerator):
    """Draws ids of traces, and keeps the one that was decided about for the span to come."""

    def __init__(self, share: float) -> None:
        """`share`: of new traces that the provider's sampler records, 0 to 1."""
        # As TraceIdRatioBased decides, which is asked again when the span begins.
        self._bound = TraceIdRatioBased.get_bound_for_rate(share)
        self._next: int | None = None

    def unsampled(self) -> Context | None:
        """Return the context of a new trace that is not recorded; None where it will be.

        Then the next span without a parent must be begun at once: it is the trace's root, and
        the sampler says the same of the same id.
        """
        trace_id = super().generate_trace_id()
        if trace_id & TraceIdRatioBased.TRACE_ID_LIMIT < self._bound:
            self._next = trace_id
            return None
        span_id = random.getrandbits(64) or 1
        # Flags: not sampled, and a random id (W3C Trace Context, level 2).
        return (("traceparent", f"00-{trace_id:032x}-{span_id:016x}-02"),)

    def generate_trace_id(self) -> int:
        """Return the id that was decided about, or a new one."""
        trace_id, self._next = self._next, None
        return super().generate_trace_id() if trace_id is None else trace_id
