"""Heads of HTTP answers: interim ones, odd ones and broken ones, redirects and empty answers."""

from tests.faults.expected import fails, whole
from tests.faults.fault import Fault, Group
from tests.faults.script import ANSWER, Stage
from tests.support.replies import Close, Head, Informational, Raw, Reply, body, json_body

BROKEN = fails("PROVIDER_PROTOCOL")
EMPTY = fails("PROVIDER_PROTOCOL")


def answered(stage: Stage, *lines: str, status: str = "HTTP/1.1 200 OK") -> Reply:
    """Answer with a head that has these lines, and a good answer up to the end of connection."""
    return Reply(Raw(stage.head(*lines, status=status) + stage.data(*ANSWER)), Close())


def interim(*statuses: int) -> Fault:
    """Return interim answers before the real one."""
    return Fault(
        f"{' and '.join(map(str, statuses))} before the answer",
        lambda s: Reply(*(Informational(status) for status in statuses), *s.stream(*ANSWER).steps),
        whole(),
    )


def redirect(status: int) -> Fault:
    """Return a redirect to a place of the same upstream, which would be seen there."""
    return Fault(
        f"{status} to another place",
        json_body(status, {}, headers=[("location", "/elsewhere")]),
        BROKEN,
    )


HEADS = Group(
    "Heads",
    "Interim answers are passed over, redirects are never followed: they would carry prompt and "
    "key elsewhere. What is no HTTP, and a 2xx without an answer in it, cannot be read.",
    (
        interim(100),
        interim(102),
        interim(103),
        interim(100, 103),
        Fault(
            "101, another protocol",
            Reply(Raw(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n"), Close()),
            BROKEN,
        ),
        *map(redirect, (301, 302, 303, 307, 308)),
        Fault("304", Reply(Head(304, [("content-length", "0")])), BROKEN),
        Fault("200 without a body", body(200, b"", content_type="text/event-stream"), EMPTY),
        Fault("200 and the end of the connection", lambda s: s.raw(s.head(), Close()), EMPTY),
        Fault("200 with an empty chunked body", lambda s: s.stream(), EMPTY),
        Fault("204", Reply(Head(204)), EMPTY),
        Fault("205", Reply(Head(205, [("content-length", "0")])), EMPTY),
        Fault(
            "another protocol's greeting", Reply(Raw(b"SSH-2.0-OpenSSH_9.6\r\n"), Close()), BROKEN
        ),
        Fault("malformed version", lambda s: answered(s, status="HTP/1.1 200 OK"), BROKEN),
        Fault("status that is no number", lambda s: answered(s, status="HTTP/1.1 OK"), BROKEN),
        Fault("status of two digits", lambda s: answered(s, status="HTTP/1.1 20 OK"), BROKEN),
        Fault("body without a head", lambda s: Reply(Raw(s.data(*ANSWER)), Close()), BROKEN),
        Fault("header of 64 KiB", lambda s: answered(s, f"x-a: {'b' * 65536}"), BROKEN),
        Fault("NUL in a header", lambda s: answered(s, "x-a: b\0c"), BROKEN),
        Fault("header without a colon", lambda s: answered(s, "x-a"), BROKEN),
        Fault("blank before the colon", lambda s: answered(s, "x-a : b"), BROKEN),
        Fault(
            "two content-lengths",
            lambda s: answered(s, "content-length: 9", "content-length: 8"),
            BROKEN,
        ),
        Fault("negative content-length", lambda s: answered(s, "content-length: -1"), BROKEN),
        Fault(
            "content-length that is no number",
            lambda s: answered(s, "content-length: many"),
            BROKEN,
        ),
        Fault("header folded over two lines", lambda s: answered(s, "x-a: b\r\n c"), whole()),
        Fault("header in Latin-1", lambda s: answered(s, "x-a: b\xe9"), whole()),
        Fault("no reason phrase", lambda s: answered(s, status="HTTP/1.1 200"), whole()),
        Fault("HTTP/1.0", lambda s: answered(s, status="HTTP/1.0 200 OK"), whole()),
        Fault("body that the connection ends", answered, whole()),
        Fault(
            "body with a length",
            lambda s: answered(s, f"content-length: {len(s.data(*ANSWER))}"),
            whole(),
        ),
    ),
)
