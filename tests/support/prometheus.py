"""A real Prometheus that scrapes what a test runs, and the answers of its HTTP API."""

import json
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from tests.support.tools import tool

START_SECONDS = 30.0
"""Longest wait until it is ready, on a busy machine."""

Series = list[dict[str, Any]]
"""Results as the API has them: `metric` with labels, `value` or `values`."""


class QueryError(Exception):
    """Prometheus refused a query, or could not answer it."""


class Prometheus:
    """A running server. Made by `prometheus`."""

    def __init__(self, address: str) -> None:
        """Keep where it listens."""
        self.address = address

    def query(self, expression: str, at: float | None = None) -> Series:
        """Return the result at one time, seconds since the epoch; now by default."""
        moment = {} if at is None else {"time": str(at)}
        return self._vector(self.get("/api/v1/query", query=expression, **moment))

    def query_range(self, expression: str, start: float, end: float, step: float) -> Series:
        """Return the result over a time."""
        limits = {"start": str(start), "end": str(end), "step": str(step)}
        return self._vector(self.get("/api/v1/query_range", query=expression, **limits))

    def get(self, path: str, **parameters: str) -> Any:
        """Return the data of an API's answer.

        Raises:
            QueryError: it says that something is wrong.
        """
        url = f"http://{self.address}{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise QueryError(error.read().decode()) from error

    def ready(self) -> bool:
        """Return whether it answers queries."""
        try:
            with urllib.request.urlopen(f"http://{self.address}/-/ready", timeout=5):
                return True
        except OSError:
            return False

    @staticmethod
    def _vector(data: Any) -> Series:
        if data["resultType"] == "scalar":
            return [{"metric": {}, "value": data["result"]}]
        series: Series = data["result"]
        return series


@contextmanager
def prometheus(
    folder: Path, *, targets: Sequence[str], rules: Sequence[Path], seconds: float
) -> Iterator[Prometheus]:
    """Run a server that scrapes these addresses as job "sluice", every so many seconds."""
    interval = f"{round(seconds * 1000)}ms"
    config = {
        "global": {"scrape_interval": interval, "evaluation_interval": interval},
        "rule_files": [str(path) for path in rules],
        "scrape_configs": [{"job_name": "sluice", "static_configs": [{"targets": [*targets]}]}],
    }
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    address = _free_address()
    words = [
        tool("prometheus"),
        f"--config.file={folder / 'prometheus.yaml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={address}",
        "--enable-feature=exemplar-storage",
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(words, stdout=log, stderr=subprocess.STDOUT)
    try:
        server = Prometheus(address)
        end = time.monotonic() + START_SECONDS
        while not server.ready():
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError((folder / "log").read_text(encoding="utf-8"))
            time.sleep(0.05)
        yield server
    finally:
        process.terminate()
        process.wait()


def _free_address() -> str:
    """Return an address that was free a moment ago; Prometheus does not tell which it chose."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        host, port = listener.getsockname()
    return f"{host}:{port}"
