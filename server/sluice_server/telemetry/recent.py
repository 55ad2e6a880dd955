"""What ended within the last minutes: counts in slots of a few seconds.

Slots come and go with time, so memory is bounded by the longest window. A window ends
now and begins at the start of a slot, so that it is up to one slot shorter than it says;
rates are taken over what it really holds.
"""

from __future__ import annotations

from sluice.v1 import metrics_pb2
from sluice_server.telemetry.call import Ended, Outcome
from sluice_server.telemetry.latency import to_duration

SLOT_SECONDS = 5

WINDOWS = (60, 300)
"""Lengths in seconds: what is going on, and whether it lasts."""

_SLOTS = max(WINDOWS) // SLOT_SECONDS


class _Slot:
    """Counts of a few seconds, or of a window."""

    __slots__ = (
        "cancellations",
        "errors",
        "first_output",
        "first_outputs",
        "input_tokens",
        "output_tokens",
        "seconds",
        "successes",
        "usd_nanos",
    )

    def __init__(self) -> None:
        self.successes = 0
        self.cancellations = 0
        self.errors: dict[str, int] = {}
        self.input_tokens = 0
        self.output_tokens = 0
        self.usd_nanos = 0
        self.seconds = 0.0
        self.first_outputs = 0
        self.first_output = 0.0

    def count(self, ended: Ended, tokens: dict[str, int]) -> None:
        outcome = ended.outcome
        if outcome is Outcome.SUCCESS:
            self.successes += 1
        elif outcome is Outcome.CANCELLED:
            self.cancellations += 1
        else:
            self.errors[ended.reason] = self.errors.get(ended.reason, 0) + 1
        self.input_tokens += tokens.get("input", 0)
        self.output_tokens += tokens.get("output", 0)
        self.usd_nanos += (ended.cost_usd_nanos or 0) + ended.wasted_usd_nanos
        self.seconds += ended.duration_seconds
        if ended.first_output_seconds is not None:
            self.first_outputs += 1
            self.first_output += ended.first_output_seconds

    def add(self, other: _Slot) -> None:
        self.successes += other.successes
        self.cancellations += other.cancellations
        for reason, count in other.errors.items():
            self.errors[reason] = self.errors.get(reason, 0) + count
        self.input_tokens += other.input_tokens
        self.output_tokens += other.output_tokens
        self.usd_nanos += other.usd_nanos
        self.seconds += other.seconds
        self.first_outputs += other.first_outputs
        self.first_output += other.first_output


class Recent:
    """Calls that ended of late. Moments are seconds of a clock that never goes back."""

    __slots__ = ("_slots",)

    def __init__(self) -> None:
        self._slots: dict[int, _Slot] = {}

    def count(self, ended: Ended, tokens: dict[str, int], now: float) -> None:
        """Count a call that ended now."""
        index = int(now // SLOT_SECONDS)
        slot = self._slots.get(index)
        if slot is None:
            self._forget(index)
            slot = self._slots[index] = _Slot()
        slot.count(ended, tokens)

    def merge(self, other: Recent) -> None:
        """Add everything that `other` counted."""
        for index, slot in other._slots.items():
            mine = self._slots.get(index)
            if mine is None:
                mine = self._slots[index] = _Slot()
            mine.add(slot)

    def windows(self, now: float, *, since: float) -> list[metrics_pb2.RecentCalls]:
        """Return the contract's view, one entry per window.

        Args:
            now: The moment at which the windows end.
            since: When counting began; before that there was nothing to count.
        """
        return [self._window(seconds, now, since) for seconds in WINDOWS]

    def _window(self, seconds: int, now: float, since: float) -> metrics_pb2.RecentCalls:
        first = int(now // SLOT_SECONDS) - seconds // SLOT_SECONDS + 1
        whole = _Slot()
        for index, slot in self._slots.items():
            if index >= first:
                whole.add(slot)
        errors = sum(whole.errors.values())
        judged = whole.successes + errors
        ended = judged + whole.cancellations
        # A rate over less than a second would be a guess.
        length = max(1.0, now - max(since, first * SLOT_SECONDS))
        recent = metrics_pb2.RecentCalls(
            successes=whole.successes,
            errors=errors,
            cancellations=whole.cancellations,
            errors_by_reason=whole.errors,
            error_rate=errors / judged if judged else None,
            calls_per_second=ended / length,
            input_tokens_per_second=whole.input_tokens / length,
            output_tokens_per_second=whole.output_tokens / length,
            usd_nanos=whole.usd_nanos,
            mean_latency=to_duration(whole.seconds / ended) if ended else None,
            mean_time_to_first_output=(
                to_duration(whole.first_output / whole.first_outputs)
                if whole.first_outputs
                else None
            ),
        )
        recent.window.FromSeconds(seconds)
        return recent

    def _forget(self, index: int) -> None:
        for old in [each for each in self._slots if each <= index - _SLOTS]:
            del self._slots[old]
