"""Tables of a run: medians with their range, and ratios to the floor.

A ratio is taken within each round, where both servers met the same machine; its median is
quoted, not the ratio of medians. No figure decides anything here.
"""

import json
import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from statistics import median
from typing import Final

from tests.bench.plan import TOKENS, Scenario
from tests.bench.run import Results, Sample
from tests.bench.servers import ServerName

PACKAGES: Final = ("grpcio", "httpx", "httpx-aiohttp", "aiohttp", "uvloop", "protobuf")

NEARLY_FULL: Final = 0.85
"""Share of a core from which queues form; the rest goes to the system and to ramps."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One row."""

    label: str
    value: Callable[[Sample], float]
    digits: int
    compared: bool = True
    """Whether a ratio means anything."""


METRICS: Final = (
    Metric("CPU per call, us", lambda sample: sample.cpu_us_per_call, 0),
    Metric("CPU per token, us", lambda sample: sample.cpu_us_per_token, 1),
    Metric("calls per second", lambda sample: sample.calls_per_second, 0),
    Metric("first output p50, ms", lambda sample: sample.first_output_p50_ms, 1),
    Metric("first output p99, ms", lambda sample: sample.first_output_p99_ms, 1),
    Metric("whole answer p50, ms", lambda sample: sample.whole_answer_p50_ms, 1),
    Metric("messages per call", lambda sample: sample.messages_per_call, 1),
    Metric("resident memory, MiB", lambda sample: sample.resident_mib, 1),
    Metric("server's core busy, %", lambda sample: sample.server_core_busy * 100, 0, False),
    Metric("bench's core busy, %", lambda sample: sample.others_core_busy * 100, 0, False),
)


def render(results: Results, *, markdown: bool) -> str:
    """Return the whole report as text for a terminal or as Markdown."""
    blocks = [describe_machine(results)]
    scenarios = dict.fromkeys(sample.scenario for sample in results.samples)
    for scenario in scenarios:
        samples = [sample for sample in results.samples if sample.scenario == scenario]
        rows = table(results, scenario)
        title = describe_scenario(samples[0], max(sample.round for sample in samples))
        blocks.append(f"{title}\n\n{_markdown(rows) if markdown else _aligned(rows)}")
        blocks.extend(remarks(samples))
    if results.recording:
        blocks.append(describe_recording(results.recording))
    return "\n\n".join(blocks)


def to_json(results: Results) -> str:
    """Return every sample, with what is needed to read it."""
    document = {
        "machine": describe_machine(results),
        "idle_mib": results.idle_mib,
        "samples": [asdict(sample) for sample in results.samples],
        "recording": results.recording,
    }
    return json.dumps(document, indent=1) + "\n"


def describe_machine(results: Results) -> str:
    """Say where the figures come from."""
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    idle = ", ".join(f"{name} {mib:.0f} MiB" for name, mib in results.idle_mib.items())
    return (
        f"{platform.system()} {platform.machine()}, Python {platform.python_version()}, "
        f"{packages}.\nCores: {results.cores.describe()}.\nResident memory before the first "
        f"call: {idle}.\nMedians of the rounds with the lowest and the highest in brackets."
    )


def describe_scenario(sample: Sample, rounds: int) -> str:
    """Say what was asked for."""
    manner: dict[Scenario, str] = {
        "burst": "all at once",
        "paced": "one token every 10 ms",
    }
    return (
        f"{sample.scenario.capitalize()}: {TOKENS} tokens, {manner[sample.scenario]}; "
        f"{sample.concurrency} calls in flight; rounds: {rounds}, of {sample.calls:,} calls each"
    )


def describe_recording(tally: dict[str, float]) -> str:
    """Say what recording took of a call."""
    part, whole = tally["recording_us"], tally["whole_us"]
    return (
        f"Recording, clocks included: {part:.0f} us of {whole:,.0f} us of CPU time per call, "
        f"{part / whole:.1%}, over {tally['calls']:,.0f} calls."
    )


def remarks(samples: Sequence[Sample]) -> list[str]:
    """Say what a reader must know to read latencies, where it applies."""
    found: list[str] = []
    full = dict.fromkeys(each.server for each in samples if each.server_core_busy > NEARLY_FULL)
    if full:
        found.append(
            f"The core was full under {' and '.join(full)}: calls per second are what it can do, "
            "and the time to first output is mostly waiting for a turn."
        )
    if any(each.others_core_busy > NEARLY_FULL for each in samples):
        found.append(
            "The bench itself was short of CPU time: latencies and calls per second are too bad, "
            "CPU time per call is not affected."
        )
    return found


def table(results: Results, scenario: Scenario) -> list[list[str]]:
    """Return the rows of one scenario, the heading first."""
    names = list(results.idle_mib)
    rounds = {
        name: [
            sample
            for sample in results.samples
            if sample.scenario == scenario and sample.server == name
        ]
        for name in names
    }
    compared = len(names) == 2
    rows = [["", *names, *([f"{names[1]} / {names[0]}"] if compared else [])]]
    for metric in METRICS:
        row = [metric.label, *(_range(_values(metric, rounds, name), metric) for name in names)]
        if compared:
            row.append(_ratio(metric, *(_values(metric, rounds, name) for name in names)))
        rows.append(row)
    return rows


def _values(
    metric: Metric, rounds: dict[ServerName, list[Sample]], name: ServerName
) -> list[float]:
    return [metric.value(sample) for sample in rounds[name]]


def _ratio(metric: Metric, base: list[float], other: list[float]) -> str:
    if not metric.compared:
        return ""
    return _spread([theirs / ours for ours, theirs in zip(base, other, strict=True)], 2)


def _range(values: Sequence[float], metric: Metric) -> str:
    return _spread(values, metric.digits)


def _spread(values: Sequence[float], digits: int) -> str:
    middle, low, high = (
        f"{value:,.{digits}f}" for value in (median(values), min(values), max(values))
    )
    return f"{middle} ({low}-{high})" if len(values) > 1 else middle


def _aligned(rows: list[list[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if not column else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )


def _markdown(rows: list[list[str]]) -> str:
    heading, *body = rows
    rule = ["---", *["---:"] * (len(heading) - 1)]
    return "\n".join(f"| {' | '.join(row)} |" for row in (heading, rule, *body))
