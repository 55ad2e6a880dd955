"""What `sluice health` shows of a gateway that knows fewer services. Real ones are in tests/e2e."""

import json
from typing import Self

import grpc
import pytest

from sluice.cli import health
from sluice.cli.client import Target
from sluice.errors import SluiceError
from sluice.v1 import gateway_service_pb2


class Older:
    """A client of a gateway that was built before the service `config`."""

    def __init__(self, _target: Target) -> None:
        """Nothing is connected."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None: ...

    async def get_metrics(self, **_: object) -> gateway_service_pb2.GetMetricsResponse:
        """Return no providers."""
        return gateway_service_pb2.GetMetricsResponse()

    async def health(self, service: str, **_: object) -> int:
        """Return SERVING."""
        if service == "config":
            raise SluiceError(grpc.StatusCode.NOT_FOUND, "unknown service")
        return 1


async def test_what_an_older_gateway_does_not_know_is_left_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody asked for it by name, and all else serves."""
    monkeypatch.setattr(health, "connected", Older)
    assert await health._health(Target("gateway:1"), None, as_json=True, watch=None) == 0
    shown = [it["service"] for it in json.loads(capsys.readouterr().out)["services"]]
    assert shown == ["", "sluice.v1.GatewayService", "state"]
