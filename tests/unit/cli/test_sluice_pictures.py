"""What `sluice` draws: harmless names, honest rates, unknown where nobody knows."""

import io
import subprocess
import sys
import unicodedata

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console, Group

from sluice.cli.columns import Column, Columns
from sluice.cli.metrics.tables import tables
from sluice.cli.top.frame import View, body, header
from sluice.cli.top.rates import History, Reading
from sluice.v1 import gateway_service_pb2, metrics_pb2, rate_limit_pb2

HARMFUL = {"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"}
ANY_TEXT = st.text(max_size=300)
HOSTILE = "a\x1b[2J\x1b]0;x\x07\r\n[bold red]b[/]\u202ec\u200b"


def snapshot(name: str) -> gateway_service_pb2.GetMetricsResponse:
    """Return metrics in which every text is this name."""
    calls = metrics_pb2.CallMetrics(requests=3, errors_by_reason={name: 2})
    return gateway_service_pb2.GetMetricsResponse(
        server=metrics_pb2.ServerMetrics(version=name, instance=name),
        providers=[metrics_pb2.ProviderMetrics(provider=name, health_message=name, calls=calls)],
        credentials=[metrics_pb2.CredentialMetrics(provider=name, credential=name, calls=calls)],
        models=[metrics_pb2.ModelMetrics(provider=name, model=name, calls=calls)],
        callers=[metrics_pb2.CallerMetrics(caller=name, calls=calls)],
        labels=[metrics_pb2.LabelMetrics(key=name, value=name, calls=calls)],
    )


def drawn(name: str, width: int) -> str:
    """Return all that is drawn of a gateway whose texts are this name."""
    bucket = rate_limit_pb2.RateLimitBucket(provider=name, quota_scope=name, model=name)
    limits = gateway_service_pb2.GetRateLimitsResponse(buckets=[bucket])
    view = View(name, History(), lost=name)
    view.history.add(Reading(snapshot(name), limits, 0.0))
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=False, highlight=False)
    console.print(Group(header(view), body(view), tables(snapshot(name), name)))
    return out.getvalue()


@given(ANY_TEXT, st.integers(20, 200))
def test_no_name_reaches_the_terminal_as_more_than_text(name: str, width: int) -> None:
    """Whatever others call their models, nothing drawn moves a cursor, and no line is too long."""
    for line in drawn(name, width).split("\n"):
        assert cell_len(line) <= width
        assert not {unicodedata.category(character) for character in line} & HARMFUL


def test_markup_in_names_is_text() -> None:
    """Square brackets stay what they are."""
    shown = drawn(HOSTILE, 200)
    assert "[bold red]b[/]" in shown
    assert "\x1b" not in shown


def reading(at: float, calls: metrics_pb2.CallMetrics, instance: str = "a") -> Reading:
    """Return a reading of one provider's calls."""
    metrics = gateway_service_pb2.GetMetricsResponse(
        server=metrics_pb2.ServerMetrics(instance=instance),
        providers=[metrics_pb2.ProviderMetrics(provider="p", calls=calls)],
    )
    return Reading(metrics, gateway_service_pb2.GetRateLimitsResponse(), at)


def test_rates_are_differences_where_the_server_tells_none() -> None:
    """Two seconds, eight calls, two of them failed."""
    history = History()
    history.add(reading(10.0, metrics_pb2.CallMetrics(successes=1)))
    assert history.rates(metrics_pb2.CallMetrics(successes=1), "p").calls_per_second is None
    later = metrics_pb2.CallMetrics(successes=7, errors=2)
    later.usage.input_tokens = 100
    history.add(reading(12.0, later))
    rates = history.rates(later, "p")
    assert (rates.calls_per_second, rates.tokens_per_second, rates.error_rate) == (4, 50, 0.25)


def test_rates_are_unknown_after_a_restart() -> None:
    """Counters of another run are no base."""
    history = History()
    history.add(reading(10.0, metrics_pb2.CallMetrics(successes=1)))
    later = metrics_pb2.CallMetrics(successes=7)
    history.add(reading(12.0, later, instance="b"))
    assert history.rates(later, "p").calls_per_second is None


def test_rates_are_the_servers_where_it_tells_them() -> None:
    """The shortest window wins over any difference, and no end is no error rate."""
    calls = metrics_pb2.CallMetrics()
    calls.recent.add(calls_per_second=3.5, output_tokens_per_second=7).window.seconds = 60
    calls.recent.add(calls_per_second=1.0).window.seconds = 300
    rates = History().rates(calls, "p")
    assert (rates.calls_per_second, rates.tokens_per_second) == (3.5, 7)
    assert (rates.error_rate, rates.seconds) == (None, 60)


def test_readings_are_bounded() -> None:
    """A view that runs for long keeps about ten seconds."""
    history = History()
    for number in range(1000):
        history.add(reading(number * 0.2, metrics_pb2.CallMetrics(successes=number)))
    assert len(history._readings) <= 52
    rates = history.rates(metrics_pb2.CallMetrics(successes=999), "p")
    assert rates.calls_per_second is not None
    assert abs(rates.calls_per_second - 5) < 0.01


def test_without_the_extra_it_says_how_to_install_it() -> None:
    """A missing package is exit code 1 and a hint, not a traceback."""
    for package in ("click", "rich"):
        script = (
            f"import sys; sys.modules['{package}'] = None\n"
            "from sluice.cli.__main__ import main; main()"
        )
        ran = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=False
        )
        assert ran.returncode == 1
        assert "pip install 'sluice-client[cli]'" in ran.stderr
        assert "Traceback" not in ran.stderr


@given(
    st.lists(st.text("abcdefghij宽-", max_size=60), min_size=1, max_size=4),
    st.integers(0, 10**9),
    st.integers(30, 160),
)
def test_no_figure_and_no_state_is_cut(names: list[str], number: int, width: int) -> None:
    """They are whole, or their column is not there: half a number is another number."""
    columns = (
        Column("name", least=8),
        Column("state"),
        Column("count", right=True),
        Column("first to leave", 2, right=True),
        Column("next to leave", 1, right=True),
    )
    figures = ("serving", str(number), f"{number}s", f"${number}")
    rows = [(name, *figures) for name in names]
    out = io.StringIO()
    Console(file=out, width=width).print(Columns(columns, rows, "title"))
    title, heads, *lines = out.getvalue().splitlines()
    assert title.strip() == "title"
    left = [column.title for column in columns if column.title in heads]
    assert left[:3] == ["name", "state", "count"]
    assert "first to leave" not in left or "next to leave" in left
    for line in lines:
        assert cell_len(line) <= width
        assert all(figure in line for figure in figures[:2])
        assert ("next to leave" in left) == (figures[3] in line)


def test_every_table_is_whole_in_forty_columns() -> None:
    """What stays of each is as it would be in the widest terminal, names apart."""
    calls = metrics_pb2.CallMetrics(requests=123456, successes=123000, errors=45678)
    calls.success_rate = 0.729
    name = "a-name-that-is-longer-than-this"
    told = snapshot(name)
    for group in (told.providers, told.credentials, told.models, told.callers, told.labels):
        for it in group:
            it.calls.CopyFrom(calls)
    told.providers[0].health = metrics_pb2.HEALTH_STATE_UNHEALTHY
    told.credentials[0].health = metrics_pb2.HEALTH_STATE_UNHEALTHY
    out = io.StringIO()
    Console(file=out, width=40).print(tables(told, "127.0.0.1:50051"))
    shown = out.getvalue()
    assert shown.count("123456") == 5
    assert shown.count("45678") == 5
    assert all(len(line) <= 40 for line in shown.splitlines())
