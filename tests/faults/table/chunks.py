"""The transfer coding: oddities that HTTP allows, and framing that is broken."""

from tests.faults.dialects.dialect import Dialect
from tests.faults.expected import HELLO, WORLD, Expected, breaks, whole
from tests.faults.fault import Fault, Group, Script
from tests.faults.script import ANSWER, END, FINISH, HEARD, OPENING, Stage, Text
from tests.support.replies import Close, Raw, Reply, Reset

CUT = breaks("STREAM_TRUNCATED")
BROKEN = breaks("PROVIDER_PROTOCOL")


def framed(stage: Stage, form: bytes, last: bytes = b"0\r\n\r\n") -> Reply:
    """Answer with one chunk per event, each in this form of size and data."""
    frames = [frame for frame in stage.frames(*ANSWER) if isinstance(frame, bytes)]
    chunks = [Raw(form % {b"size": len(frame), b"data": frame}) for frame in frames]
    return Reply(
        Raw(stage.head("transfer-encoding: chunked", "connection: close")),
        *chunks,
        Raw(last),
        Close(),
    )


def behind_hello(*raw: bytes) -> Script:
    """Go on behind the first words with these bytes on the wire, and close."""
    return lambda s: s.broken(*map(Raw, raw), Close())


def whole_if_marked(dialect: Dialect) -> Expected:
    """Where a marker ends the answer it is whole; elsewhere the end of the body is missing."""
    return whole() if dialect.has_marker else breaks("STREAM_TRUNCATED", HELLO + WORLD)


def sized(stage: Stage, off: int) -> Reply:
    """Answer with a content-length that is wrong by so many bytes, and close."""
    data = stage.data(*ANSWER)
    first = stage.data(OPENING, Text(HELLO))
    head = stage.head(f"content-length: {len(data) + off}")
    return Reply(Raw(head + first), stage.heard, Raw(data[len(first) :]), Close())


CHUNKS = Group(
    "Framing of the body",
    "Chunks as HTTP/1.1 allows them are read. Behind a broken chunk nothing can be believed, and a "
    "connection that ends inside a chunk was cut.",
    (
        Fault(
            "chunks with extensions",
            lambda s: framed(s, b'%(size)x;a=b;c="d"\r\n%(data)b\r\n'),
            whole(),
        ),
        Fault(
            "chunk sizes with zeros", lambda s: framed(s, b"000%(size)X\r\n%(data)b\r\n"), whole()
        ),
        Fault(
            "trailers",
            lambda s: framed(s, b"%(size)x\r\n%(data)b\r\n", b"0\r\nx-a: b\r\nx-c: d\r\n\r\n"),
            whole(),
        ),
        Fault("chunk size that is no number", behind_hello(b"no size\r\n"), BROKEN),
        Fault("negative chunk size", behind_hello(b"-5\r\nhello\r\n"), BROKEN),
        Fault("chunk size beyond 64 bits", behind_hello(b"fffffffffffffffff\r\nhello"), BROKEN),
        Fault("empty chunk size", behind_hello(b"\r\n\r\n"), BROKEN),
        Fault("chunk longer than its size", behind_hello(b"2\r\nhello\r\n"), BROKEN),
        Fault("close inside a chunk size", behind_hello(b"4"), CUT),
        Fault("close behind a chunk size", behind_hello(b"40\r\n"), CUT),
        Fault("close inside a chunk", behind_hello(b"40\r\n  "), CUT),
        Fault("close before a chunk's line end", behind_hello(b"2\r\n  "), CUT),
        Fault("close inside the last chunk", behind_hello(b"0\r\n"), CUT),
        Fault(
            "close before the last chunk, behind the end",
            lambda s: s.stream(*ANSWER, Close()),
            whole_if_marked,
        ),
        Fault(
            "close inside the last chunk, behind the end",
            lambda s: s.stream(*ANSWER, Raw(b"0\r\n"), Close()),
            whole_if_marked,
        ),
        Fault(
            "reset before the last chunk, behind the end",
            lambda s: s.stream(OPENING, *HEARD, s.heard, FINISH, END, Reset()),
            whole_if_marked,
        ),
        Fault("content-length longer than the body", lambda s: sized(s, 9), whole_if_marked),
        Fault(
            "content-length shorter than the body",
            lambda s: sized(s, -20),
            breaks("STREAM_TRUNCATED", HELLO + WORLD),
        ),
    ),
)
