"""Feeds `secrecy` with what servers in the tests' own process know and say, and fails the run.

Servers in processes of their own, collectors and readers of pages tell by themselves; here are the
places inside the server where everything passes: secrets that come into use, lines of the log,
statuses, and answers that are no content.
"""

import functools
from typing import Any

import pytest
from google.protobuf.message import Message

from sluice_server.edge import rpc, status
from sluice_server.telemetry.logs import LineWriter
from sluice_server.telemetry.redaction import SECRETS, Secrets
from tests.support.secrecy import Leak, Secrecy

LEVELS = ("msg", "debug", "info", "warning", "error", "critical")


class SecrecyPlugin:
    """For pytest; registered in `conftest`."""

    def __init__(self, secrecy: Secrecy) -> None:
        """Watch the server's own rooms from now on."""
        self.secrecy = secrecy
        self.leaks: list[Leak] = []
        _watch_secrets(secrecy)
        _watch_lines(secrecy)
        _watch_statuses(secrecy)
        _watch_answers(secrecy)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take what was printed and logged, but for tests that play a library that tells keys."""
        if "tells_secrets" in report.keywords:
            return
        for name, content in report.sections:
            if name.endswith(report.when):
                self.secrecy.tell(name, content)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Look for secrets, and fail the run when one was seen."""
        self.leaks = self.secrecy.leaks()
        if self.leaks:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Tell what was looked at, and what was seen."""
        secrecy = self.secrecy
        terminalreporter.write_line(
            f"{len(secrecy.secrets)} secrets were looked for in {secrecy.told_bytes / 1e6:.1f} MB "
            f"of logs, traces, metrics, errors and pages: {len(self.leaks) or 'none'} seen."
        )
        for leak in self.leaks:
            terminalreporter.write_line(f"SECRET SEEN {leak.secret}: {leak.source}, {leak.test}")

    def pytest_unconfigure(self) -> None:
        """Let go of the file."""
        self.secrecy.close()


def _watch_secrets(secrecy: Secrecy) -> None:
    remember = Secrets.remember

    @functools.wraps(remember)
    def watched(self: Secrets, secret: Any) -> None:
        if self is SECRETS:
            secrecy.keep(secret if isinstance(secret, str) else secret.get_secret_value())
        remember(self, secret)

    Secrets.remember = watched  # type: ignore[method-assign]


def _watch_lines(secrecy: Secrecy) -> None:
    msg = LineWriter.msg

    @functools.wraps(msg)
    def watched(self: LineWriter, line: str) -> None:
        secrecy.tell("log line", line)
        msg(self, line)

    for level in LEVELS:
        setattr(LineWriter, level, watched)


def _watch_statuses(secrecy: Secrecy) -> None:
    refusal = status.refusal

    @functools.wraps(refusal)
    def watched(*args: Any, **options: Any) -> Any:
        told = refusal(*args, **options)
        secrecy.tell("status", told.message)
        for name, value in told.trailers:
            secrecy.tell(f"trailer {name}", value)
        return told

    # Where it is called: that module has it by name.
    vars(rpc)["refusal"] = watched


def _watch_answers(secrecy: Secrecy) -> None:
    run: Any = rpc.RpcRunner.run

    @functools.wraps(run)
    async def watched(self: rpc.RpcRunner, method: str, *args: Any) -> Any:
        answer = await run(self, method, *args)
        if isinstance(answer, Message):
            secrecy.tell(f"answer of {method}", answer.SerializeToString())
        return answer

    runner: Any = rpc.RpcRunner
    runner.run = watched
