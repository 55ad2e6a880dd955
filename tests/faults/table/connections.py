"""Connections that cannot be made, and those that end before they carry an answer."""

from tests.faults.expected import fails, whole
from tests.faults.fault import Fault, Group, RunsOut
from tests.faults.script import ANSWER, Stage
from tests.support import ports
from tests.support.replies import Close, End, HalfClose, Raw, Reply, Reset

UNREACHABLE = fails("PROVIDER_UNREACHABLE")
CLOSED = fails("PROVIDER_UNAVAILABLE")
SOON = RunsOut(connect=0.3)


def good(stage: Stage) -> Reply:
    """Answer well, and keep the connection."""
    return stage.stream(*ANSWER)


def good_and_closed(stage: Stage) -> Reply:
    """Answer well, and close the connection without having announced it."""
    return stage.stream(*ANSWER, End(), Close())


CONNECTIONS = Group(
    "Connections",
    "No answer comes because there is no connection, or it ends without one. Where nothing was "
    "sent the provider is unreachable; where the request was sent it is unavailable.",
    (
        Fault("connection refused", None, UNREACHABLE, place=ports.refusing),
        Fault("name that does not resolve", None, UNREACHABLE, place=ports.unnamed),
        Fault("SYN without an answer", None, UNREACHABLE, SOON, place=ports.unheard),
        Fault("certificate of an unknown authority", None, UNREACHABLE, place=ports.untrusted),
        Fault("plain HTTP instead of TLS", None, UNREACHABLE, place=ports.plain_in_tls),
        Fault("close inside the TLS handshake", None, UNREACHABLE, place=ports.closed_in_tls),
        Fault(
            "silence inside the TLS handshake", None, UNREACHABLE, SOON, place=ports.silent_in_tls
        ),
        Fault("close instead of an answer", Reply(Close()), CLOSED),
        Fault("reset instead of an answer", Reply(Reset()), CLOSED),
        Fault("half-close instead of an answer", Reply(HalfClose()), CLOSED),
        Fault(
            "close inside the head",
            Reply(Raw(b"HTTP/1.1 200 OK\r\ncontent-ty"), Close()),
            CLOSED,
        ),
        Fault(
            "reset inside the head",
            Reply(Raw(b"HTTP/1.1 200 OK\r\ncontent-ty"), Reset()),
            CLOSED,
        ),
        Fault(
            "close of a reused connection as the request arrives",
            Reply(Close()),
            CLOSED,
            before=good,
        ),
        Fault(
            "reset of a reused connection as the request arrives",
            Reply(Reset()),
            CLOSED,
            before=good,
        ),
        Fault(
            "good answer over a reused connection",
            lambda s: s.stream(*ANSWER),
            whole(),
            before=good,
        ),
        Fault(
            "close of an idle connection between two calls", good, whole(), before=good_and_closed
        ),
        Fault("close behind a whole answer", good_and_closed, whole()),
        Fault("reset behind a whole answer", lambda s: s.stream(*ANSWER, End(), Reset()), whole()),
    ),
)
