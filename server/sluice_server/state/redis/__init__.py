"""Quota, locks and values that replicas share in Redis: `RedisQuotaStore`, `RedisValues`.

`scripts` holds the connection and the Lua files beside it, which do each step at
once and by the server's clock. What happens when Redis is gone is `shared`'s
business: here that is a ConnectionError.
"""

from sluice_server.state.redis.quota import RedisQuotaStore
from sluice_server.state.redis.values import RedisValues

__all__ = ["RedisQuotaStore", "RedisValues"]
