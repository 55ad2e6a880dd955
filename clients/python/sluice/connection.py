"""How a channel to the gateway is set up: the options that every client should pass.

    channel = grpc.insecure_channel("dns:///sluice:50051", options=channel_options())

What gRPC's libraries do by themselves (try again, spread calls, watch health) is the
service config, one file for all languages: `proto/sluice/v1/service_config.json`. What
a service config cannot say (keepalive, sizes) stands here as constants, which clients
in other languages repeat; `docs/guides/clients.md` has all values and their reasons.
Nothing here opens a connection or looks at a call.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import resources
from typing import Final

import grpc

from sluice.version import __version__

Options = Sequence[tuple[str, int | str]]
"""Options of a channel, as gRPC takes them."""

SERVICE_CONFIG: Final = (
    resources.files("sluice.v1").joinpath("service_config.json").read_text("utf-8")
)
"""The service config as JSON."""

KEEPALIVE_TIME_SECONDS: Final = 30
"""Silence on a connection with calls on it after which the client pings the server. A
server that is gone without a word is noticed, and its calls end as UNAVAILABLE. Thirty:
proxies commonly cut a connection after 60 silent seconds. Servers disconnect clients that
ping faster than `server.min_client_ping_seconds`, which is 10 unless set otherwise."""

KEEPALIVE_TIMEOUT_SECONDS: Final = 20
"""How long the answer to such a ping may take before the connection counts as lost.
Twenty: gRPC's default, and the server's."""

FIRST_RECONNECT_SECONDS: Final = 0.25
"""Wait before a failed attempt to connect is repeated; it grows with each that fails too."""

MAX_RECONNECT_SECONDS: Final = 5
"""The longest such wait: a gateway that comes back is found soon. gRPC's own bound is two
minutes."""

MAX_ANSWER_BYTES: Final = 33 * 1024 * 1024
"""Largest message that the client takes. A server with default settings sends no larger
one: `server.max_whole_answer_bytes` and 1 MiB around it. gRPC's own default of 4 MiB would
fail large answers delivered whole."""

MAX_RETRIED_REQUEST_BYTES: Final = 32 * 1024 * 1024
"""Largest request that is kept until its first output, so that it can be sent again; a
larger one is sent once. As much as a server with default settings takes
(`server.max_request_bytes`), so that what it refuses as too large is not sent five times.
gRPC's own default of 256 KiB would leave conversations with images or long documents
without retries. Kept is a reference to the bytes that are sent, not a copy."""

USER_AGENT: Final = f"sluice-python/{__version__}"
"""How the client names itself to the gateway, before gRPC's own name."""


@dataclass(frozen=True)
class Tls:
    """What TLS needs, as PEM."""

    ca: bytes | None = None
    """Authorities to trust; None: those that gRPC brings."""
    cert: bytes | None = None
    """The client's certificate, where the gateway asks for one; with `key`."""
    key: bytes | None = field(default=None, repr=False)
    """Its private key; never shown."""

    def credentials(self) -> grpc.ChannelCredentials:
        """Return them as gRPC takes them.

        Raises:
            ValueError: of certificate and key there is only one, or one of the three is no PEM;
                the message quotes none of them.
        """
        for name, value in (("ca", self.ca), ("cert", self.cert), ("key", self.key)):
            # gRPC would tell of it only as a connection that fails, after all tries; an empty
            # `ca` it would take for none, and trust whom it trusts by default.
            if value is not None and b"-----BEGIN " not in value:
                raise ValueError(f"{name} is no PEM.")
        if (self.cert is None) != (self.key is None):
            raise ValueError("cert and key belong together.")
        return grpc.ssl_channel_credentials(self.ca, self.key, self.cert)


def channel_options() -> list[tuple[str, int | str]]:
    """Return the options of a channel, for `grpc` and `grpc.aio` alike.

    Of two options with the same name gRPC takes the first, so whatever shall be otherwise
    goes before these: `[("grpc.keepalive_time_ms", 60_000), *channel_options()]`.
    """
    return [
        ("grpc.service_config", SERVICE_CONFIG),
        ("grpc.keepalive_time_ms", KEEPALIVE_TIME_SECONDS * 1000),
        ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_SECONDS * 1000),
        ("grpc.keepalive_permit_without_calls", 0),
        ("grpc.initial_reconnect_backoff_ms", round(FIRST_RECONNECT_SECONDS * 1000)),
        ("grpc.max_reconnect_backoff_ms", MAX_RECONNECT_SECONDS * 1000),
        # A model may think for minutes; by default pings stop after two without data.
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.max_receive_message_length", MAX_ANSWER_BYTES),
        ("grpc.per_rpc_retry_buffer_size", MAX_RETRIED_REQUEST_BYTES),
    ]


def checked_address(address: str) -> str:
    """Return the address of a gateway as it is, unless it is likely to be a mistake.

    Raises:
        ValueError: it is empty, or a URL, which gRPC would take for the name of a host.
    """
    if not address:
        raise ValueError("The address is empty; it must be HOST:PORT.")
    if address.lower().startswith(("http:", "https:")):
        raise ValueError("The address is a URL; it must be HOST:PORT, and `tls` switches TLS on.")
    return address


def client_options(options: Options) -> Options:
    """Return the options of a client's channel, in which the caller's win."""
    return [*options, ("grpc.primary_user_agent", USER_AGENT), *channel_options()]
