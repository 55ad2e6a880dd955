"""What gRPC is told to bound on every port, before anything of ours runs.

Not here: what a handler bounds once it runs (`rpc`, `intake`, `arrivals`, `gate`), nor ports.
"""

from __future__ import annotations

import resource
from typing import Any

from sluice_server.config import settings

MAX_METADATA_BYTES = 16 * 1024
"""Metadata of one call: tokens, trace context and a few headers are below 8 KiB."""

HANDSHAKE_SECONDS = 20.0
"""Longest until a new connection has shaken hands, by TLS and HTTP/2: it holds a file descriptor
and has no call that could be counted. gRPC's own two minutes let more of them pile up."""

KEPT_DESCRIPTORS = 256
"""Open files that callers' connections may not take: providers, logs and probes need some."""

MOST_PENDING = 20_000
"""Calls of one method whose handlers have not begun: a few seconds of work for one core."""

_IDENTITY_ALONE = 1


def hardened() -> tuple[tuple[str, Any], ...]:
    """Return the options that all ports have in common."""
    return (
        ("grpc.max_metadata_size", MAX_METADATA_BYTES),
        # Above the first bound gRPC refuses some calls by chance, above this one all.
        ("grpc.absolute_max_metadata_size", MAX_METADATA_BYTES),
        ("grpc.server_handshake_timeout_ms", int(HANDSHAKE_SECONDS * 1000)),
        # Thirty kilobytes of gzip are thirty megabytes of memory.
        ("grpc.compression_enabled_algorithms_bitset", _IDENTITY_ALONE),
        # From a thousand calls on that no handler has taken yet gRPC cancels some by chance,
        # whoever's they are. They wait instead; a stream is what a connection may have many of.
        ("grpc.server.max_pending_requests", MOST_PENDING),
        ("grpc.server.max_pending_requests_hard_limit", MOST_PENDING),
        # Without it gRPC lets four megabytes come on each stream that nobody reads. A
        # message that is awaited comes as fast as before.
        ("grpc.http2.bdp_probe", 0),
    )


def most_connections(configured: settings.Server) -> int:
    """Return how many connections callers may have; some descriptors are kept for the rest."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        return configured.max_connections
    return min(configured.max_connections, max(files - KEPT_DESCRIPTORS, files // 2))
