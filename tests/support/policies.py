"""What stock clients do by themselves: service configs as channel arguments."""

import json
from typing import Any

from tests.support.channels import Options

RETRY_POLICY: dict[str, Any] = {
    "methodConfig": [
        {
            "name": [{"service": "sluice.v1.GatewayService"}],
            "retryPolicy": {
                "maxAttempts": 5,
                "initialBackoff": "0.25s",
                "maxBackoff": "2s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE", "RESOURCE_EXHAUSTED"],
            },
        }
    ],
}
ROUND_ROBIN: dict[str, Any] = {"loadBalancingConfig": [{"round_robin": {}}]}
WATCH_HEALTH: dict[str, Any] = {"healthCheckConfig": {"serviceName": "sluice.v1.GatewayService"}}


def policy(*configs: dict[str, Any]) -> Options:
    """Return the channel arguments for these service configs, put together."""
    together = {key: value for config in configs for key, value in config.items()}
    return (("grpc.service_config", json.dumps(together)), ("grpc.enable_retries", 1))


RETRYING = policy(RETRY_POLICY)
"""Tries what a server may have refused again, as often as it is told to."""
