"""What gRPC logs of callers who are gone is left out, and nothing else of it."""

import logging

import pytest

from sluice_server.telemetry.logs import _GONE, _GRPC, _matters


@pytest.mark.parametrize(
    ("message", "kept"), [(f"{_GONE} [%s]", False), ("Unexpected [%s] raised", True)]
)
def test_only_the_lost_status_is_left_out(message: str, kept: bool) -> None:
    """Other errors of the library are still told."""
    record = logging.LogRecord(_GRPC, logging.ERROR, "", 0, message, ("/method",), None)

    assert _matters(record) is kept
