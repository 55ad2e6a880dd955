"""The recorder's statistics as Prometheus metrics, made when the page is scraped.

Label values are bounded: methods, codes, reasons and kinds by the contract, providers,
credentials and callers by the configuration, models and labels of callers by `labels`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar

from sluice_server.telemetry import names
from sluice_server.telemetry.buckets import Buckets
from sluice_server.telemetry.call import Outcome
from sluice_server.telemetry.recorder import Recorder
from sluice_server.telemetry.stats import CallStats

_USD = 1e-9
"""Dollars in a nano-dollar."""

Labels = Sequence[str]
Rows = Iterable[tuple[Labels, CallStats]]


class Exposition(Collector):
    """Shows a recorder."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def collect(self) -> Iterator[Metric]:
        """Return all metrics of calls and attempts."""
        yield from self._of_rpcs()
        yield from self._of_calls()
        yield from self._of_labels()
        yield from self._of_attempts()

    def _of_rpcs(self) -> Iterator[Metric]:
        recorder = self._recorder
        yield _counter(names.RPCS, "RPCs ended.", ("method", "code"), recorder.rpcs.items())
        yield _histogram(
            names.RPC_DURATION,
            "Start to end of an RPC.",
            ("method",),
            [((method,), seconds) for method, seconds in recorder.rpc_seconds.items()],
        )
        yield _total(names.EVENTS, "Events sent to callers.", recorder.events)
        yield _total(names.MESSAGES, "Messages that carried those events.", recorder.messages)
        yield _histogram(
            names.OVERHEAD,
            "Time of a turn that was spent neither waiting for an upstream nor for the caller.",
            (),
            [((), recorder.overhead.histogram())],
        )
        yield _histogram(
            names.CALL_QUEUED,
            "Time of a Generate call that was spent waiting for a place and for room at providers.",
            (),
            [((), recorder.queued)],
        )

    def _of_calls(self) -> Iterator[Metric]:
        rows = [((caller,), stats) for caller, stats in self._recorder.callers.items()]
        yield _counter(
            names.CALLS,
            "Generate calls ended, by outcome and ErrorReason.",
            ("caller", "outcome", "reason"),
            _ends(rows),
        )
        yield _histogram(
            names.CALL_FIRST_OUTPUT,
            "Start of a Generate call to its first output, waiting and failed attempts included.",
            ("caller",),
            [(labels, stats.first_output.histogram()) for labels, stats in rows],
        )
        yield _counter(
            names.CALL_TOKENS,
            "Tokens of answers; parts are in the totals.",
            ("caller", "kind"),
            _tokens(rows),
        )
        yield _counter(
            names.CALL_COST,
            "US dollars for calls, as far as known: served, or wasted on attempts without an end.",
            ("caller", "kind"),
            _money(rows),
        )

    def _of_labels(self) -> Iterator[Metric]:
        rows = list(self._recorder.labels.items())
        keys = ("key", "value")
        yield _counter(
            names.LABEL_CALLS,
            "Generate calls with a counted label.",
            (*keys, "outcome"),
            _outcomes(rows),
        )
        yield _counter(
            names.LABEL_TOKENS,
            "Tokens of answers to calls with the label.",
            (*keys, "kind"),
            _tokens(rows),
        )
        yield _counter(
            names.LABEL_COST, "US dollars for calls with the label.", (*keys, "kind"), _money(rows)
        )

    def _of_attempts(self) -> Iterator[Metric]:
        recorder = self._recorder
        rows = list(recorder.models().items())
        keys = ("provider", "model")
        yield _counter(
            names.ATTEMPTS,
            "Upstream calls ended, by outcome and ErrorReason.",
            (*keys, "outcome", "reason"),
            _ends(rows),
        )
        yield _histogram(
            names.ATTEMPT_DURATION,
            "Start to end of an upstream call.",
            keys,
            [(labels, stats.latency.histogram()) for labels, stats in rows],
        )
        yield _histogram(
            names.FIRST_OUTPUT,
            "Start of an upstream call to its first output.",
            keys,
            [(labels, stats.first_output.histogram()) for labels, stats in rows],
        )
        yield _histogram(
            names.OUTPUT_GAP,
            "Time between two reads that brought output of one answer.",
            ("provider",),
            [((provider,), gaps) for provider, gaps in recorder.gaps.items()],
        )
        yield _counter(
            names.TOKENS,
            "Tokens that providers counted; parts are included in the totals.",
            (*keys, "kind"),
            _tokens(rows),
        )
        yield _counter(
            names.COST,
            "US dollars for upstream calls, as far as known: served, or wasted without an end.",
            (*keys, "kind"),
            _money(rows),
        )
        yield _counter(
            names.CREDENTIAL_ATTEMPTS,
            "Upstream calls ended, by credential.",
            ("provider", "credential", "outcome"),
            _outcomes(recorder.credentials().items()),
        )


def _ends(rows: Rows) -> Iterator[tuple[Labels, float]]:
    """Yield counts by outcome and reason."""
    for labels, stats in rows:
        if stats.successes:
            yield (*labels, Outcome.SUCCESS, ""), stats.successes
        if stats.cancellations:
            yield (*labels, Outcome.CANCELLED, ""), stats.cancellations
        for reason, count in stats.errors.items():
            yield (*labels, Outcome.ERROR, reason), count


def _outcomes(rows: Rows) -> Iterator[tuple[Labels, float]]:
    for labels, stats in rows:
        for outcome, count in (
            (Outcome.SUCCESS, stats.successes),
            (Outcome.CANCELLED, stats.cancellations),
            (Outcome.ERROR, sum(stats.errors.values())),
        ):
            if count:
                yield (*labels, outcome), count


def _tokens(rows: Rows) -> Iterator[tuple[Labels, float]]:
    for labels, stats in rows:
        for kind, count in stats.tokens.items():
            yield (*labels, kind), count


def _money(rows: Rows) -> Iterator[tuple[Labels, float]]:
    for labels, stats in rows:
        if stats.cost_usd_nanos is not None:
            yield (*labels, "served"), stats.cost_usd_nanos * _USD
        if stats.wasted_usd_nanos:
            yield (*labels, "wasted"), stats.wasted_usd_nanos * _USD


def _counter(
    name: str, meaning: str, labels: Labels, rows: Iterable[tuple[Labels, float]]
) -> Metric:
    family = CounterMetricFamily(name, meaning, labels=labels)
    for values, count in rows:
        family.add_metric(list(values), count)
    return family


def _total(name: str, meaning: str, count: float) -> Metric:
    return CounterMetricFamily(name, meaning, value=count)


def _histogram(
    name: str, meaning: str, labels: Labels, rows: Iterable[tuple[Labels, Buckets]]
) -> Metric:
    family = HistogramMetricFamily(name, meaning, labels=labels)
    for values, buckets in rows:
        below, shown = 0, list[tuple[str, float] | tuple[str, float, Exemplar]]()
        for index, bound in enumerate([*map(str, buckets.bounds), "+Inf"]):
            below += buckets.counts[index]
            kept = buckets.exemplars.get(index)
            if kept is None:
                shown.append((bound, below))
            else:
                exemplar = Exemplar({"trace_id": kept.trace_id}, kept.seconds, kept.at)
                shown.append((bound, below, exemplar))
        family.add_metric(list(values), shown, buckets.seconds)
    return family
