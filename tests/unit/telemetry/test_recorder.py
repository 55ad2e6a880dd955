"""Statistics that GetMetrics shows."""

import math

import pytest
from google.protobuf import duration_pb2
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.v1 import metrics_pb2, usage_pb2
from sluice_server.telemetry.call import AttemptRecord, Outcome
from sluice_server.telemetry.labels import MODELS_PER_PROVIDER, OTHER, ModelLabels
from sluice_server.telemetry.latency import RELATIVE_ERROR, Latency
from sluice_server.telemetry.recorder import Recorder
from sluice_server.telemetry.stats import CallStats, Moment

PROVIDERS, KEYS, MODELS = ["p", "q"], ["", "k1", "k2"], ["a", "b", "c"]
OUTCOMES = st.sampled_from(list(Outcome))
RECORDS = st.builds(
    AttemptRecord,
    provider=st.sampled_from(PROVIDERS),
    model=st.sampled_from(MODELS),
    credential=st.sampled_from(KEYS),
    outcome=OUTCOMES,
    reason=st.sampled_from(["X", "Y"]),
    duration_seconds=st.floats(0, 100),
    first_output_seconds=st.none() | st.floats(0, 100),
    usage=st.none()
    | st.builds(
        usage_pb2.Usage, input_tokens=st.integers(0, 100), output_tokens=st.integers(0, 100)
    ),
)


def recorded(records: list[AttemptRecord], *, running: int = 0) -> Recorder:
    """Return a recorder that has seen these calls, and others that still run."""
    recorder = Recorder(ModelLabels())
    for record in records:
        recorder.attempt_started(record.provider, record.credential)
        recorder.attempt_ended(record)
    for _ in range(running):
        recorder.attempt_started("p", "k1")
    return recorder


NOW = Moment(math.inf, 1000.0)


def shown(stats: CallStats, now: Moment = NOW) -> metrics_pb2.CallMetrics:
    """Return what GetMetrics shows of some calls."""
    return stats.snapshot(now, since=Moment(0.0, 0.0))


def seconds(duration: duration_pb2.Duration) -> float:
    """Return a duration in seconds."""
    return duration.ToNanoseconds() / 1e9


@given(records=st.lists(RECORDS, max_size=30), running=st.integers(0, 3))
@settings(max_examples=60, deadline=None)
def test_parts_add_up_to_the_whole(records: list[AttemptRecord], running: int) -> None:
    """Every tier counts each call once, and so do the parts of each count."""
    recorder = recorded(records, running=running)
    of_provider = {name: shown(stats) for name, stats in recorder.providers().items()}

    assert sum(m.requests for m in of_provider.values()) == len(records) + running
    for name, metrics in of_provider.items():
        mine = [record for record in records if record.provider == name]
        assert metrics.requests == (
            metrics.successes
            + metrics.errors
            + metrics.cancellations
            + (running if name == "p" else 0)
        )
        assert sum(metrics.errors_by_reason.values()) == metrics.errors
        assert metrics.successes == sum(r.outcome is Outcome.SUCCESS for r in mine)
        assert metrics.latency.count == len(mine)
        assert metrics.usage.input_tokens == sum(r.tokens().get("input", 0) for r in mine)
        models = [s for (p, _), s in recorder.models().items() if p == name]
        assert sum(shown(s).requests for s in models) == len(mine)
    keyed = sum(shown(s).requests for s in recorder.credentials().values())
    assert keyed == sum(bool(record.credential) for record in records) + running


def test_nothing_yet() -> None:
    """Before the first call nothing is invented: no rate, no times, no tokens."""
    recorder = recorded([], running=1)
    metrics = shown(recorder.providers()["p"], Moment(0.0, 0.0))

    assert metrics.requests == 1
    assert not metrics.HasField("success_rate")
    assert not metrics.HasField("usage")
    assert not metrics.HasField("first_call_time")
    assert not metrics.HasField("last_error_time")


def test_cancelled_calls_do_not_count_against_the_rate() -> None:
    """The success rate is of calls that were allowed to end."""
    ends = [Outcome.SUCCESS] * 3 + [Outcome.ERROR] + [Outcome.CANCELLED] * 4
    stats = recorded([AttemptRecord("p", "m", "", outcome) for outcome in ends]).providers()["p"]

    assert shown(stats).success_rate == pytest.approx(0.75)


@given(st.lists(st.floats(0.0001, 1000), min_size=1, max_size=200))
@settings(max_examples=80, deadline=None)
def test_percentiles_are_within_their_error(durations: list[float]) -> None:
    """Each percentile is the nearest rank's duration, give or take one per cent."""
    latency = Latency()
    for duration in durations:
        latency.add(duration)
    summary, ranked = latency.summary(), sorted(durations)

    for q, shown in [
        (0.5, summary.p50),
        (0.9, summary.p90),
        (0.95, summary.p95),
        (0.99, summary.p99),
    ]:
        exact = ranked[math.ceil(q * len(ranked)) - 1]
        assert seconds(shown) == pytest.approx(exact, rel=RELATIVE_ERROR * 1.001, abs=2e-9)
    assert seconds(summary.max) == pytest.approx(ranked[-1], abs=2e-9)
    assert seconds(summary.mean) == pytest.approx(sum(ranked) / len(ranked), abs=2e-9)
    assert summary.count == len(ranked)


@given(st.lists(st.floats(0, 1000), min_size=1, max_size=50), st.integers(0, 50))
@settings(max_examples=60, deadline=None)
def test_merged_latencies_are_those_of_all(durations: list[float], place: int) -> None:
    """A sum of parts shows the percentiles of the whole."""
    parts, whole = [Latency(), Latency()], Latency()
    for number, duration in enumerate(durations):
        parts[number < place].add(duration)
        whole.add(duration)
    parts[0].merge(parts[1])
    merged, expected = parts[0].summary(), whole.summary()

    assert (merged.count, merged.p50, merged.p99) == (expected.count, expected.p50, expected.p99)
    assert merged.max == expected.max


def test_no_latency_is_empty() -> None:
    """Without a call there is no percentile of zero."""
    summary = Latency().summary()

    assert not summary.count
    assert not summary.HasField("p50")


def test_labels_of_models_are_bounded() -> None:
    """Callers choose model names; only configured ones and those that worked are labels."""
    labels = ModelLabels()
    labels.declare("p", ["known"])

    assert labels.label("p", "known", worked=False) == "known"
    assert labels.label("p", "guess", worked=False) == OTHER
    assert labels.label("p", "guess", worked=True) == "guess"
    assert labels.label("p", "guess", worked=False) == "guess"
    assert labels.label("q", "guess", worked=False) == OTHER
    found = {labels.label("p", f"m{number}", worked=True) for number in range(1000)}
    assert len(found) == MODELS_PER_PROVIDER - 2 + 1
    assert OTHER in found


def test_unknown_models_share_one_statistic() -> None:
    """A thousand invented names do not make a thousand rows."""
    records = [AttemptRecord("p", f"m{n}", "", Outcome.ERROR, "X") for n in range(1000)]

    assert set(recorded(records).models()) == {("p", OTHER)}
