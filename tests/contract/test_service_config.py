"""Is the service config one file that every library takes, and fit for the server?"""

import json
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import grpc
import pytest

from sluice import connection
from sluice.v1 import gateway_service_pb2
from sluice_server.config.settings import Server
from sluice_server.edge import server as edge
from sluice_server.edge.rpc import DRAIN_RETRY_SECONDS

_ROOT = Path(__file__).resolve().parents[2]
_FILE = _ROOT / "proto/sluice/v1/service_config.json"
_COPY = "sluice/v1/service_config.json"
_GUIDE = _ROOT / "docs/guides/clients.md"

MOST_ATTEMPTS = 5
"""What all libraries cut larger values to (gRFC A6)."""
DURATION = re.compile(r"\d+(\.\d{1,9})?s")

CONFIG: dict[str, Any] = json.loads(_FILE.read_text())
(METHODS,) = CONFIG["methodConfig"]
POLICY: dict[str, Any] = METHODS["retryPolicy"]
OPTIONS = dict(connection.channel_options())


def _seconds(duration: str) -> float:
    assert DURATION.fullmatch(duration)
    return float(duration[:-1])


def test_python_has_the_file_itself() -> None:
    """What `sluice.connection` gives is the contract's file, byte for byte."""
    assert OPTIONS["grpc.service_config"] == _FILE.read_text()


def test_distributions_hold_the_file(tmp_path: Path) -> None:
    """Whoever installs `sluice-client` gets it, from a wheel and from a source archive."""
    build = [sys.executable, "-m", "hatchling", "build", "--directory", str(tmp_path)]
    subprocess.run(build, cwd=_ROOT / "clients/python", check=True, capture_output=True)

    (wheel,), (source,) = tmp_path.glob("*.whl"), tmp_path.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as packed:
        assert packed.read(_COPY) == _FILE.read_bytes()
    with tarfile.open(source) as archive:
        assert [name for name in archive.getnames() if name.endswith(f"/{_COPY}")]


def test_it_is_for_the_service() -> None:
    """It names the service of the contract, all methods of it."""
    service = gateway_service_pb2.DESCRIPTOR.services_by_name["GatewayService"]

    assert METHODS["name"] == [{"service": service.full_name}]
    assert METHODS["waitForReady"] is False


def test_retries_keep_to_what_libraries_take() -> None:
    """No library cuts, ignores or refuses a value."""
    first, longest = _seconds(POLICY["initialBackoff"]), _seconds(POLICY["maxBackoff"])

    assert 2 <= POLICY["maxAttempts"] <= MOST_ATTEMPTS
    assert 0 < first <= longest
    assert POLICY["backoffMultiplier"] >= 1
    assert first * POLICY["backoffMultiplier"] ** (POLICY["maxAttempts"] - 2) == longest
    assert set(POLICY["retryableStatusCodes"]) <= {code.name for code in grpc.StatusCode}
    assert 0 < CONFIG["retryThrottling"]["maxTokens"] <= 1000
    assert CONFIG["retryThrottling"]["tokenRatio"] > 0
    assert (
        round(CONFIG["retryThrottling"]["tokenRatio"], 3) == CONFIG["retryThrottling"]["tokenRatio"]
    )


def test_a_lost_gateway_is_waited_for_as_for_a_draining_one() -> None:
    """The first wait of a library is the one that a draining replica asks for."""
    assert _seconds(POLICY["initialBackoff"]) == DRAIN_RETRY_SECONDS


def test_no_ping_comes_too_soon_for_a_server() -> None:
    """Clients ping far more rarely than servers punish, and while a proxy still holds on."""
    assert 2 * Server().min_client_ping_seconds <= connection.KEEPALIVE_TIME_SECONDS < 60
    assert OPTIONS["grpc.keepalive_time_ms"] == 1000 * connection.KEEPALIVE_TIME_SECONDS
    assert OPTIONS["grpc.keepalive_timeout_ms"] == 1000 * connection.KEEPALIVE_TIMEOUT_SECONDS
    assert OPTIONS["grpc.keepalive_permit_without_calls"] == 0


def test_a_gateway_that_comes_back_is_found_soon() -> None:
    """Within seconds after minutes of trying, as the options are told to gRPC."""
    assert 0 < connection.FIRST_RECONNECT_SECONDS < connection.MAX_RECONNECT_SECONDS <= 5
    assert OPTIONS["grpc.initial_reconnect_backoff_ms"] == (
        1000 * connection.FIRST_RECONNECT_SECONDS
    )
    assert OPTIONS["grpc.max_reconnect_backoff_ms"] == 1000 * connection.MAX_RECONNECT_SECONDS


def test_sizes_are_those_of_a_server() -> None:
    """A client takes the largest answer of a server, and keeps the largest request it may send."""
    most = Server().max_whole_answer_bytes + edge.MESSAGE_SLACK

    assert OPTIONS["grpc.max_receive_message_length"] == most
    assert OPTIONS["grpc.per_rpc_retry_buffer_size"] == Server().max_request_bytes


@pytest.mark.parametrize(
    "value",
    [
        f"{connection.KEEPALIVE_TIME_SECONDS} s |",
        f"{connection.KEEPALIVE_TIMEOUT_SECONDS} s |",
        f"{connection.FIRST_RECONNECT_SECONDS} s at first, {connection.MAX_RECONNECT_SECONDS} s at",
        f"{connection.MAX_ANSWER_BYTES >> 20} MiB |",
        f"{connection.MAX_RETRIED_REQUEST_BYTES >> 20} MiB |",
        f"maxAttempts` | {POLICY['maxAttempts']} |",
        f"{CONFIG['retryThrottling']['maxTokens']} tokens",
    ],
)
def test_the_guide_tells_the_values(value: str) -> None:
    """Clients in other languages copy what the guide says."""
    assert value in _GUIDE.read_text()
