"""A run as a table."""

from collections import Counter
from collections.abc import Iterator

from tests.soak.caller import Ending
from tests.soak.faults import place_of
from tests.soak.run import CONCURRENCY, Result
from tests.support.channels import Samples, total

MEBIBYTE = 1 << 20

Row = tuple[str, str]


def render(result: Result) -> str:
    """Return the run as a Markdown table."""
    lines = [f"| {what} | {value} |" for what, value in _rows(result)]
    return "\n".join(["| | |", "| --- | ---: |", *lines])


def _rows(result: Result) -> Iterator[Row]:
    endings, samples, memory = result.endings, result.told.samples, result.memory
    yield f"calls, {CONCURRENCY} at a time, seed {result.seed}", f"{result.calls:,}"
    for word, count in Counter(map(_outcome, endings)).most_common():
        yield word, f"{count:,}"
    yield "characters compared", f"{_characters(result):,}"
    yield "upstream calls", f"{len(result.arrivals):,}"
    met = Counter(place_of(one.fault) for one in result.arrivals if one.fault is not None)
    yield "of these with a fault", f"{met.total():,}"
    for place, count in met.most_common():
        yield f"fault {place}", f"{count:,}"
    yield "calls tried again", f"{sum(one.tried_again for one in endings):,}"
    yield (
        "hedged calls, one attempt beaten by the other",
        f"{sum(one.outraced for one in endings):,}",
    )
    yield "further attempts refused by the budget", _sum(samples, "sluice_retries_refused_total")
    yield "answers that waited for room", f"{sum(one.waited for one in endings):,}"
    yield "times a circuit opened", _sum(samples, "sluice_circuit_openings_total")
    yield "callers who read slowly", f"{sum(one.plan.pause is not None for one in endings):,}"
    yield "memory before the first call", _mebibytes(memory.before)
    for share in (0.25, 0.5, 0.75, 1.0):
        yield f"memory at {share:.0%}", _mebibytes(memory.at(share))
    yield "mean memory, last quarter against second", f"{memory.growth:+.1%}"
    yield "calls per second", f"{result.calls / result.seconds:.0f}"
    yield "processor time of the server per call", _milliseconds(result.server_cpu_seconds, result)
    yield "processor time of all others per call", _milliseconds(result.own_cpu_seconds, result)


def _outcome(ending: Ending) -> str:
    if ending.whole:
        return "ended with OK, text complete"
    if ending.code == "CANCELLED":
        return "cancelled by the caller"
    if ending.local:
        return "ended by the caller's deadline"
    return f"failed with {ending.reason}"


def _characters(result: Result) -> int:
    return sum(one.plan.text.length for one in result.endings if one.whole)


def _sum(samples: Samples, name: str) -> str:
    return f"{total(samples, name):,.0f}"


def _mebibytes(size: float) -> str:
    return f"{size / MEBIBYTE:.1f} MiB"


def _milliseconds(seconds: float, result: Result) -> str:
    return f"{seconds / result.calls * 1000:.1f} ms"
