// A copy of proto/sluice/v1/service_config.json.
export const serviceConfig = {
  "loadBalancingConfig": [{ "round_robin": {} }],
  "healthCheckConfig": { "serviceName": "" },
  "methodConfig": [
    {
      "name": [{ "service": "sluice.v1.GatewayService" }],
      "waitForReady": false,
      "retryPolicy": {
        "maxAttempts": 5,
        "initialBackoff": "0.25s",
        "maxBackoff": "2s",
        "backoffMultiplier": 2,
        "retryableStatusCodes": ["UNAVAILABLE", "RESOURCE_EXHAUSTED"]
      }
    }
  ],
  "retryThrottling": { "maxTokens": 1000, "tokenRatio": 1 }
}
