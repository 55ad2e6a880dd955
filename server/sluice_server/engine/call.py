"""One request and what surrounds it, as a turn gets it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pydantic import SecretStr

from sluice.v1 import gateway_service_pb2
from sluice_server.credentials.borrowed import BorrowedKey
from sluice_server.engine.exchange import Clock
from sluice_server.engine.planning import Target
from sluice_server.engine.ticket import Credentials
from sluice_server.errors import CallerForbiddenError
from sluice_server.telemetry.call import CallRecord
from sluice_server.telemetry.tracing import TraceScope


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request and what surrounds it."""

    request: gateway_service_pb2.GenerateRequest
    record: CallRecord
    scope: TraceScope
    clock: Clock
    deadline: float | None
    """Moment of `time.monotonic`; None when the caller set none."""
    low_priority: bool = False
    """It gives way to others."""
    provider_key: SecretStr | None = None
    """A key that the caller brought along, for this call alone."""
    may_use: Callable[[str], bool] | None = None
    """Tells which models may be named to the caller; None: all."""

    def pool_for(self, target: Target) -> Credentials:
        """Return whose credentials the call uses.

        Raises:
            CallerForbiddenError: the caller brought a key where none is wanted.
        """
        upstream = target.upstream
        if self.provider_key is None:
            return upstream.credentials
        if not upstream.caller_keys:
            raise CallerForbiddenError(
                f"Provider {upstream.provider.name} takes no keys of callers; leave "
                "sluice-provider-key out of the metadata."
            )
        return BorrowedKey(upstream.credentials, self.provider_key)
