"""Does every panel show something, in a real Prometheus that scraped a real server?

One Prometheus scrapes one server while traffic of every kind runs. When enough was seen the
server is gone, and each query is asked for the time when it was there.
"""

import math
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
import uvloop

from tests.deploy.files import RULES, Query, other_expressions, queries, rules
from tests.deploy.traffic import Traffic
from tests.support.prometheus import Prometheus, QueryError, Series, prometheus

SCRAPE_SECONDS = 1.0
"""Also the longest that one scrape may take."""
SCRAPES = 12
"""As many are waited for: some more than a rate needs, with every kind of call in between."""

STEADY = 'min_over_time(up{job="sluice"}[4s]) == 1'
"""No scrape has failed for a while."""
TRAFFIC_SECONDS = 90.0
"""Longest time for them, on a busy machine."""

EMPTY = {
    "sluice-overview: Alerts that fire A": "an alert takes minutes to fire",
    "sluice-overview: Overhead of the gateway, quantiles C": "there was no day before",
    "sluice-overview: Starts": "no replica was started anew",
    "sluice-overview: Alerts": "an alert takes minutes to fire",
}
"""Queries that may have no data after such traffic, and why; the same on every dashboard."""


@dataclass(frozen=True)
class Seen:
    """A Prometheus, and between which times it saw traffic."""

    prometheus: Prometheus
    start: float
    end: float

    def ask(self, query: Query) -> Series:
        """Return the result of a query, over time or at the end, as the panel wants it."""
        if query.target["instant"]:
            return self.prometheus.query(query.expression, self.end)
        return self.prometheus.query_range(query.expression, self.start, self.end, SCRAPE_SECONDS)


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    """Let Prometheus see the traffic."""
    folder = tmp_path_factory.mktemp("prometheus")
    tokens = tmp_path_factory.mktemp("tokens")
    start = time.time()
    servers: list[Prometheus] = []

    with ExitStack() as stack:

        def enough(metrics: str) -> None:
            """Scrape until there is enough to see; runs in a thread beside the traffic."""
            server = stack.enter_context(
                prometheus(folder, targets=[metrics], rules=RULES, seconds=SCRAPE_SECONDS)
            )
            servers.append(server)
            end = time.monotonic() + TRAFFIC_SECONDS
            while scrapes(server) < SCRAPES or not server.query(STEADY):
                assert time.monotonic() < end, "Prometheus does not see the traffic"
                time.sleep(SCRAPE_SECONDS)

        uvloop.run(Traffic(tokens).go(enough))
        (server,) = servers
        yield Seen(server, start, last_good(server))


def scrapes(server: Prometheus) -> int:
    """Return how often the server was scraped, since there was something to see."""
    found = server.query("count_over_time((sluice_upstream_attempts_total > 0)[1m:1s])")
    return min((int(series["value"][1]) for series in found), default=0)


def last_good(server: Prometheus) -> float:
    """Return when it was last well, seconds since the epoch; 0 when it never was.

    That is after some scrapes without a failed one, which would end all series for a moment,
    and those of recording rules for a moment longer.
    """
    found = server.query(f"max(max_over_time(timestamp({STEADY})[1m:100ms]))")
    return float(found[0]["value"][1]) if found else 0.0


def finite(series: Series) -> bool:
    """Return whether there is a number among the values."""
    points = [point for one in series for point in (one.get("values") or [one["value"]])]
    return any(math.isfinite(float(value)) for _, value in points)


@pytest.mark.parametrize("query", queries(), ids=str)
def test_panels_have_data(seen: Seen, query: Query) -> None:
    """Prometheus takes the query, and knows numbers for it."""
    found = seen.ask(query)
    if str(query) not in EMPTY:
        assert finite(found), query.expression


@pytest.mark.parametrize(("name", "expression"), list(other_expressions()))
def test_variables_and_marks_have_data(seen: Seen, name: str, expression: str) -> None:
    """The choices at the top are filled, and annotations can be asked for."""
    found = seen.prometheus.query(expression, seen.end)
    _, _, kind = name.partition(": ")
    if f"sluice-overview: {kind}" not in EMPTY:
        assert found


@pytest.mark.parametrize(
    "query", [query for query in queries() if query.target["exemplar"]], ids=str
)
def test_latency_leads_to_traces(seen: Seen, query: Query) -> None:
    """Panels of single calls' times have exemplars with trace ids."""
    times = {"start": str(seen.start), "end": str(seen.end)}
    found = seen.prometheus.get("/api/v1/query_exemplars", query=query.expression, **times)
    labels = [exemplar["labels"] for series in found for exemplar in series["exemplars"]]
    assert labels
    assert all(len(one["trace_id"]) == 32 for one in labels)


def test_rules_are_evaluated(seen: Seen) -> None:
    """Prometheus had no trouble with any rule."""
    groups = seen.prometheus.get("/api/v1/rules")["groups"]
    got = [rule for group in groups for rule in group["rules"]]
    assert len(got) == len(rules())
    assert {rule["name"]: rule.get("lastError") for rule in got if rule["health"] != "ok"} == {}


@pytest.mark.parametrize("name", sorted({r["record"] for r in rules() if "record" in r}))
def test_recorded_series_have_data(seen: Seen, name: str) -> None:
    """A recording rule that gives nothing would make alerts silent for ever."""
    assert finite(seen.prometheus.query(name, seen.end))


def test_what_may_be_empty_exists() -> None:
    """An entry for a panel that was renamed would hide nothing, or the wrong thing."""
    marks = [name for name, _ in other_expressions()]
    assert set(EMPTY) <= {str(query) for query in queries()} | set(marks)


def test_a_wrong_query_is_refused(seen: Seen) -> None:
    """The check sees what Prometheus thinks of a query."""
    with pytest.raises(QueryError, match="parse error"):
        seen.prometheus.query("sum by (")
