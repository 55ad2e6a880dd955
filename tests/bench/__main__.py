"""The command line of the bench; what it does is in `run`, what it prints in `report`.

Time never decides the exit code: it is 0 when every answer was right, however slow, and 1 when
there is nothing to report because a process failed or an answer was wrong.
"""

import argparse
import sys
from pathlib import Path

from tests.bench.errors import BenchError
from tests.bench.report import render, to_json
from tests.bench.run import Settings, run
from tests.bench.servers import ServerName


def positive(text: str) -> int:
    """Return a count of at least one.

    Raises:
        ValueError: it is none.
    """
    if (number := int(text)) < 1:
        raise ValueError(text)
    return number


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    arguments = argparse.ArgumentParser(
        prog="python -m tests.bench",
        description="Measure what a call through Sluice costs, beside the least it could cost.",
    )
    arguments.add_argument("--scenario", choices=("burst", "paced", "all"), default="all")
    arguments.add_argument("--only", choices=("floor", "sluice"), help="measure one server")
    arguments.add_argument(
        "--recording",
        action="store_true",
        help="measure what share of a call metrics and a hundredth of the traces take",
    )
    arguments.add_argument("--rounds", type=positive, default=9)
    arguments.add_argument("--calls", type=positive, help="per round and server")
    arguments.add_argument("--concurrency", type=positive, help="calls in flight at once")
    arguments.add_argument("--json", type=Path, metavar="FILE", help="write every sample")
    arguments.add_argument("--markdown", action="store_true", help="print tables as Markdown")
    return arguments


def _servers(options: argparse.Namespace) -> tuple[ServerName, ...]:
    if options.recording:
        return ("recording",)
    return (options.only,) if options.only else ("floor", "sluice")


def main() -> int:
    """Run the bench; return the exit code."""
    options = parser().parse_args()
    settings = Settings(
        scenarios=("burst", "paced") if options.scenario == "all" else (options.scenario,),
        servers=_servers(options),
        rounds=options.rounds,
        calls=options.calls,
        concurrency=options.concurrency,
    )
    try:
        results = run(settings, lambda line: print(line, file=sys.stderr, flush=True))
    except BenchError as error:
        print(f"No result. {error}", file=sys.stderr)
        return 1
    print(render(results, markdown=options.markdown))
    if options.json:
        options.json.write_text(to_json(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
