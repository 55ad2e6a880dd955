"""Counts of the last minutes: what is in a window, and what has left it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.v1 import metrics_pb2, usage_pb2
from sluice_server.telemetry.call import AttemptRecord, Outcome
from sluice_server.telemetry.recent import SLOT_SECONDS, WINDOWS, Recent

RECORD = AttemptRecord(
    "p",
    "m",
    "k",
    duration_seconds=2.0,
    first_output_seconds=0.5,
    usage=usage_pb2.Usage(input_tokens=30, output_tokens=60),
    cost_usd_nanos=7,
)


def counted(*moments: float, record: AttemptRecord = RECORD) -> Recent:
    """Return what was counted when such a call ended at each of these moments."""
    recent = Recent()
    for moment in moments:
        recent.count(record, record.tokens(), moment)
    return recent


def minute(recent: Recent, now: float, *, since: float = 0.0) -> metrics_pb2.RecentCalls:
    """Return the shortest window."""
    return recent.windows(now, since=since)[0]


def test_rates_are_over_the_window() -> None:
    """Sixty calls in the last minute are one a second."""
    recent = counted(*(1000.0 + n for n in range(60)))
    shown = minute(recent, 1059.9)

    assert shown.window.seconds == 60
    assert shown.successes == 60
    assert shown.calls_per_second == pytest.approx(1.0, rel=0.01)
    assert shown.input_tokens_per_second == pytest.approx(30, rel=0.01)
    assert shown.output_tokens_per_second == pytest.approx(60, rel=0.01)
    assert shown.usd_nanos == 60 * 7
    assert shown.mean_latency.ToMilliseconds() == 2000
    assert shown.mean_time_to_first_output.ToMilliseconds() == 500


def test_a_young_replica_has_its_own_rates() -> None:
    """Ten calls in ten seconds are one a second, though the window would be longer."""
    recent = counted(*(100.0 + n for n in range(10)))

    assert minute(recent, 110.0, since=100.0).calls_per_second == pytest.approx(1.0)


def test_what_is_old_is_forgotten() -> None:
    """A call leaves the short window, then the long one, then memory."""
    recent = counted(1000.0)
    counts = [[w.successes for w in recent.windows(now, since=0)] for now in (1001, 1100, 1400)]
    recent.count(RECORD, RECORD.tokens(), 9000.0)

    assert counts == [[1, 1], [0, 1], [0, 0]]
    assert len(recent._slots) == 1


def test_failures_by_reason() -> None:
    """Callers who left do not count against the rate of errors."""
    recent = Recent()
    for outcome, reason in [
        (Outcome.SUCCESS, ""),
        (Outcome.ERROR, "X"),
        (Outcome.ERROR, "Y"),
        (Outcome.ERROR, "X"),
        (Outcome.CANCELLED, ""),
    ]:
        recent.count(AttemptRecord("p", "m", "", outcome, reason), {}, 1000.0)
    shown = minute(recent, 1000.0)

    assert dict(shown.errors_by_reason) == {"X": 2, "Y": 1}
    assert (shown.errors, shown.cancellations) == (3, 1)
    assert shown.error_rate == pytest.approx(0.75)
    assert not shown.HasField("mean_time_to_first_output")


def test_nothing_yet() -> None:
    """Without a call nothing is invented."""
    for shown in Recent().windows(1000.0, since=0.0):
        assert not shown.HasField("error_rate")
        assert not shown.HasField("mean_latency")
        assert shown.calls_per_second == 0


@given(st.lists(st.floats(0, 2000), max_size=60), st.integers(0, 60), st.floats(2000, 2500))
@settings(max_examples=60, deadline=None)
def test_windows_count_what_ended_in_them(moments: list[float], place: int, now: float) -> None:
    """Every call of a window's slots is counted once, also when two counts are added up."""
    moments.sort()
    whole = counted(*moments)
    parts = counted(*moments[:place])
    parts.merge(counted(*moments[place:]))

    for length, one, other in zip(
        WINDOWS, whole.windows(now, since=0), parts.windows(now, since=0), strict=True
    ):
        begin = (now // SLOT_SECONDS + 1) * SLOT_SECONDS - length
        assert one.successes == sum(moment >= begin for moment in moments)
        assert other == one
    assert len(whole._slots) <= max(WINDOWS) // SLOT_SECONDS
