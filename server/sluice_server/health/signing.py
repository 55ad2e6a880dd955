"""Signs what is sent to webhooks, as Standard Webhooks has it.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md:
HMAC-SHA256 over `<id>.<timestamp>.<body>`. A receiver refuses a timestamp that is old, so
that nothing recorded can be played back later, and an id that it has seen.
"""

from __future__ import annotations

import base64
import hashlib
import hmac

from sluice_server.config.values import WEBHOOK_SECRET_PREFIX


def key_of(secret: str) -> bytes:
    """Return the key that a configured secret stands for."""
    if secret.startswith(WEBHOOK_SECRET_PREFIX):
        return base64.b64decode(secret.removeprefix(WEBHOOK_SECRET_PREFIX))
    return secret.encode()


def signed(key: bytes, *, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the headers that prove where a body comes from; `timestamp` in Unix seconds."""
    content = b".".join([message_id.encode(), str(timestamp).encode(), body])
    signature = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{signature}",
    }
