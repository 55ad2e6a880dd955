"""Collects what other rooms know into the rows that the metrics page shows."""

from __future__ import annotations

import time
from collections.abc import Mapping

from sluice.v1 import gateway_service_pb2, rate_limit_pb2
from sluice_server.catalog.catalog import Catalog
from sluice_server.credentials.facts import facts_of
from sluice_server.credentials.pool import Pool
from sluice_server.limits.admission import Admission
from sluice_server.limits.snapshot import EVERYBODY, RateLimits
from sluice_server.telemetry.gauges import CredentialRow, Gauges, LimitRow, ModelsRow
from sluice_server.telemetry.recorder import Recorder

_UNIT = "RATE_LIMIT_UNIT_"


async def collect(
    gauges: Gauges,
    *,
    limits: RateLimits,
    pools: Mapping[str, Pool],
    recorder: Recorder,
    admission: Admission,
    catalog: Catalog,
) -> None:
    """Bring the figures up to date that are not counted as things happen."""
    gauges.waiting_calls = admission.waiting
    asked = gateway_service_pb2.GetRateLimitsRequest()
    known = await limits.snapshot(asked, caller=EVERYBODY)
    gauges.limits = [_limit(bucket) for bucket in known.buckets]
    gauges.credentials = _credentials(pools, recorder)
    gauges.models = [
        ModelsRow(
            provider=row.provider,
            models=row.models,
            age_seconds=row.age_seconds,
            fetches=row.fetches,
        )
        for row in catalog.figures()
    ]


def _limit(bucket: rate_limit_pb2.RateLimitBucket) -> LimitRow:
    return LimitRow(
        provider=bucket.provider,
        scope=bucket.quota_scope,
        model=bucket.model,
        unit=rate_limit_pb2.RateLimitUnit.Name(bucket.unit).removeprefix(_UNIT).lower(),
        window=bucket.window.ToNanoseconds() / 1e9,
        limit=bucket.limit if bucket.HasField("limit") else None,
        remaining=bucket.remaining if bucket.HasField("remaining") else None,
        reserved=bucket.reserved,
        held=bucket.source == rate_limit_pb2.RATE_LIMIT_SOURCE_CONFIG,
    )


def _credentials(pools: Mapping[str, Pool], recorder: Recorder) -> list[CredentialRow]:
    used, now = {key[:2] for key in recorder.upstreams}, time.time()
    rows: list[CredentialRow] = []
    for provider, pool in pools.items():
        for credential in pool.credentials:
            name = credential.name
            facts = facts_of(pool, credential, used=(provider, name) in used, now=now)
            account = facts.account
            rows.append(
                CredentialRow(
                    provider=provider,
                    credential=name,
                    health=facts.health,
                    refreshes=None if account is None else account.refreshes,
                    refresh_failures=0 if account is None else account.refresh_failures,
                    expires_at=None if account is None else account.expires_at,
                )
            )
    return rows
