"""The gRPC ports: what they serve, and the options that keep them healthy."""

from __future__ import annotations

import contextlib
import os
import socket

import grpc
import psutil
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health_aio
from grpc_reflection.v1alpha import reflection, reflection_pb2_grpc

from sluice.v1 import gateway_service_pb2, gateway_service_pb2_grpc
from sluice_server.config import addresses, settings
from sluice_server.edge import bounds
from sluice_server.edge.arrivals import Arrivals
from sluice_server.edge.certificate_files import CertificateFiles
from sluice_server.edge.intake import LARGEST_QUESTION, Registrar
from sluice_server.edge.servicer import GatewayServicer

MESSAGE_SLACK = 1024 * 1024
"""An answer is bounded by its content; the message around it is a little larger."""

PROBES, PROBE_SECONDS = 16, 10.0
"""How many questions may reach the health port slowly, and for how long."""


class AddressInUseError(OSError):
    """A port cannot be opened."""


def main_server(
    configured: settings.Server,
    servicer: GatewayServicer,
    health: health_aio.HealthServicer,
) -> grpc.aio.Server:
    """Return the server for callers, not listening yet."""
    milliseconds = 1000
    server = grpc.aio.server(
        options=(
            ("grpc.max_receive_message_length", configured.max_request_bytes),
            (
                "grpc.max_send_message_length",
                configured.max_whole_answer_bytes + MESSAGE_SLACK,
            ),
            ("grpc.max_concurrent_streams", configured.max_concurrent_streams),
            ("grpc.max_allowed_incoming_connections", bounds.most_connections(configured)),
            *bounds.hardened(),
            # A caller whose machine died sends no FIN: pings find out, so that
            # its upstream does not run, and cost, until the answer's end.
            ("grpc.keepalive_time_ms", int(configured.keepalive_seconds * milliseconds)),
            (
                "grpc.keepalive_timeout_ms",
                int(configured.keepalive_timeout_seconds * milliseconds),
            ),
            ("grpc.keepalive_permit_without_calls", 1),
            (
                "grpc.http2.min_ping_interval_without_data_ms",
                int(configured.min_client_ping_seconds * milliseconds),
            ),
            # Nobody can ask for these counters here, and keeping them costs every
            # message.
            ("grpc.enable_channelz", 0),
            # Two servers that share a port by accident share its calls too.
            ("grpc.so_reuseport", 0),
        )
    )
    arrivals = Arrivals(
        most_slow=configured.max_slow_requests, longest_seconds=configured.max_request_seconds
    )
    gateway_service_pb2_grpc.add_GatewayServiceServicer_to_server(
        servicer, Registrar.before(server, arrivals, asks=True)
    )
    strangers = Registrar.before(server, arrivals, asks=False)
    health_pb2_grpc.add_HealthServicer_to_server(health, strangers)
    services = (
        gateway_service_pb2.DESCRIPTOR.services_by_name["GatewayService"].full_name,
        health_pb2.DESCRIPTOR.services_by_name["Health"].full_name,
        reflection.SERVICE_NAME,
    )
    # By hand, since the library's own helper wants the server itself.
    reflection_pb2_grpc.add_ServerReflectionServicer_to_server(  # type: ignore[no-untyped-call]
        reflection.aio.ReflectionServicer(services), strangers
    )
    return server


def health_server(health: health_aio.HealthServicer) -> grpc.aio.Server:
    """Return the plaintext server for probes, which cannot do TLS."""
    server = grpc.aio.server(
        options=(
            ("grpc.max_receive_message_length", LARGEST_QUESTION),
            *bounds.hardened(),
            ("grpc.so_reuseport", 0),
        )
    )
    arrivals = Arrivals(most_slow=PROBES, longest_seconds=PROBE_SECONDS)
    health_pb2_grpc.add_HealthServicer_to_server(
        health, Registrar.before(server, arrivals, asks=False)
    )
    return server


async def listen(
    server: grpc.aio.Server, address: str, *, tls: CertificateFiles | None = None
) -> str:
    """Open the port and start; returns the real address.

    Raises:
        AddressInUseError: the address cannot be used.
    """
    wanted = addresses.parse(address)
    try:
        if tls is None:
            port = server.add_insecure_port(address)
        else:
            port = server.add_secure_port(address, tls.credentials())
    except RuntimeError as error:
        raise AddressInUseError(f"Cannot listen on {address}: {error}") from error
    await server.start()
    host = f"[{wanted.host}]" if ":" in wanted.host else wanted.host
    return f"{host}:{port}"


def hang_up(address: str) -> None:
    """Cut every connection to the port at `address`; the server is stopped right after it.

    A call that arrives at this moment must look like what it is: its connection is lost,
    which is UNAVAILABLE, and client libraries take it elsewhere. A server that is stopped
    ends it as CANCELLED instead, as though its caller had left, and no library tries that
    again. gRPC cannot close connections alone, so it is done below it. What was written
    before still arrives.

    The port is closed first: clients that lose a connection open another one at once, and
    what they send on it would be cancelled.
    """
    port = addresses.parse(address).port
    for fd in _sockets(port, listening=True):
        # gRPC keeps the number, and closes it. Were it told, it would log an error.
        with contextlib.suppress(OSError), socket.socket() as deaf:
            os.dup2(deaf.fileno(), fd, inheritable=False)
    for fd in _sockets(port, listening=False):
        # Other threads close files and open new ones meanwhile.
        with contextlib.suppress(OSError), _held(fd) as held:
            if held.getsockname()[1] == port:
                held.shutdown(socket.SHUT_RDWR)


def _sockets(port: int, *, listening: bool) -> list[int]:
    """Return what this process has open at a local port; nothing where no platform tells."""
    try:
        connections = psutil.Process().net_connections("tcp")
    except psutil.Error:
        # gRPC's own end has to do.
        return []
    return [
        connection.fd
        for connection in connections
        if connection.laddr.port == port
        # A listening socket has no peer.
        and (not connection.raddr) is listening
    ]


def _held(fd: int) -> socket.socket:
    """Return a socket of our own on the same connection."""
    duplicate = os.dup(fd)
    try:
        return socket.socket(fileno=duplicate)
    except OSError:
        os.close(duplicate)
        raise
