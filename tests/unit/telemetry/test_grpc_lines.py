"""What gRPC logs of callers who are gone is for debugging, and nothing else of it."""

import logging

import pytest

from sluice_server.telemetry.logs import _GONE, _GRPC, _play_down


@pytest.mark.parametrize(
    ("message", "level"),
    [(f"{_GONE} [%s]", logging.DEBUG), ("Unexpected [%s] raised", logging.ERROR)],
)
def test_only_the_lost_status_is_played_down(message: str, level: int) -> None:
    """It is still told to whoever looks for it; other errors of the library stay errors."""
    record = logging.LogRecord(_GRPC, logging.ERROR, "", 0, message, ("/method",), None)

    assert _play_down(record)
    assert record.levelno == level
