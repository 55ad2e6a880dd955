"""Content codings that nobody asked for: the gateway offers `identity` alone.

gzip and deflate are read all the same, since there are proxies that cannot help it.
"""

import gzip
import json
import zlib

from tests.faults.dialects.dialect import Kind
from tests.faults.expected import HELLO, breaks, fails, whole
from tests.faults.fault import Fault, Group
from tests.faults.script import ANSWER, OPENING, Part, Stage, Text
from tests.support.replies import Close, Reply, body, cut

UNREADABLE = fails("PROVIDER_PROTOCOL")
BOMB_BYTES = 16 << 20


def coded(stage: Stage, coding: str, data: bytes, *more: Part) -> Reply:
    """Answer with these bytes under this coding."""
    return stage.stream(data, *more, headers=[("content-encoding", coding)])


def raw_deflate(data: bytes) -> bytes:
    """Return deflate without zlib's frame, as some servers send it."""
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


def in_two(stage: Stage) -> tuple[bytes, bytes]:
    """Return a gzipped answer as what can be read of its first words, and the rest."""
    packer = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    whole_answer, opening = stage.data(*ANSWER), stage.data(OPENING, Text(HELLO))
    first = packer.compress(opening) + packer.flush(zlib.Z_SYNC_FLUSH)
    return first, packer.compress(whole_answer[len(opening) :]) + packer.flush()


def broken_later(stage: Stage) -> Reply:
    """Damage a gzipped answer behind its first words."""
    first, rest = in_two(stage)
    return coded(stage, "gzip", first, stage.heard, b"\xff" * len(rest))


def cut_later(stage: Stage) -> Reply:
    """End a gzipped answer behind its first words, in good order as far as HTTP can tell."""
    first, rest = in_two(stage)
    return coded(stage, "gzip", first, stage.heard, rest[:4])


def closed_later(stage: Stage) -> Reply:
    """Close the connection inside a gzipped answer."""
    first, rest = in_two(stage)
    return coded(stage, "gzip", first, stage.heard, rest[:4], Close())


def members(stage: Stage) -> bytes:
    """Return an answer as two gzip members, as servers do that flush with new ones."""
    first = stage.data(OPENING, Text(HELLO))
    return gzip.compress(first) + gzip.compress(stage.data(*ANSWER)[len(first) :])


def bomb(stage: Stage) -> bytes:
    """Return 16 KiB that unfold to an event of 16 MiB."""
    opening = stage.data(OPENING, Text(""))
    return gzip.compress(opening[:-3] + b" " * BOMB_BYTES)


def error_page(coding: str, data: bytes) -> Reply:
    """Answer 400 with this body under this coding."""
    return body(400, data, content_type="application/json", headers=[("content-encoding", coding)])


CODINGS = Group(
    "Content codings",
    "The gateway offers `identity` alone. gzip and deflate are read nevertheless; any other coding "
    "is an error at once, never text.",
    (
        Fault("gzip", lambda s: coded(s, "gzip", gzip.compress(s.data(*ANSWER))), whole()),
        Fault(
            "gzip by its old name",
            lambda s: coded(s, "x-gzip", gzip.compress(s.data(*ANSWER))),
            whole(),
        ),
        Fault(
            "gzip in capitals", lambda s: coded(s, "GZIP", gzip.compress(s.data(*ANSWER))), whole()
        ),
        Fault(
            "gzip, each byte alone",
            lambda s: s.stream(
                *cut(gzip.compress(s.data(*ANSWER))), headers=[("content-encoding", "gzip")]
            ),
            whole(),
        ),
        Fault("gzip in two members", lambda s: coded(s, "gzip", members(s)), whole()),
        Fault("deflate", lambda s: coded(s, "deflate", zlib.compress(s.data(*ANSWER))), whole()),
        Fault(
            "deflate without its frame",
            lambda s: coded(s, "deflate", raw_deflate(s.data(*ANSWER))),
            whole(),
        ),
        Fault("identity, named", lambda s: coded(s, "identity", s.data(*ANSWER)), whole()),
        Fault(
            "deflate inside gzip",
            lambda s: coded(s, "deflate, gzip", gzip.compress(zlib.compress(s.data(*ANSWER)))),
            UNREADABLE,
        ),
        Fault(
            "brotli",
            lambda s: coded(s, "br", b"\x8b\x02\x80" + s.data(*ANSWER) + b"\x03"),
            UNREADABLE,
        ),
        Fault(
            "zstd", lambda s: coded(s, "zstd", b"\x28\xb5\x2f\xfd" + s.data(*ANSWER)), UNREADABLE
        ),
        Fault("plain text called brotli", lambda s: coded(s, "br", s.data(*ANSWER)), UNREADABLE),
        Fault("plain text called gzip", lambda s: coded(s, "gzip", s.data(*ANSWER)), UNREADABLE),
        Fault(
            "gzip that is damaged from the start",
            lambda s: coded(s, "gzip", b"\x1f\x8b" + b"\xff" * 64),
            UNREADABLE,
        ),
        Fault(
            "gzip that is damaged behind the first words", broken_later, breaks("PROVIDER_PROTOCOL")
        ),
        Fault("gzip that ends behind the first words", cut_later, breaks("STREAM_TRUNCATED")),
        Fault(
            "gzip that is cut off behind the first words", closed_later, breaks("STREAM_TRUNCATED")
        ),
        Fault("gzip that unfolds a thousandfold", lambda s: coded(s, "gzip", bomb(s)), UNREADABLE),
        Fault(
            "400 in gzip",
            lambda s: error_page(
                "gzip", gzip.compress(json.dumps(s.dialect.error(Kind.INVALID)).encode())
            ),
            fails("PROVIDER_REJECTED_REQUEST"),
        ),
        Fault(
            "400 in brotli", error_page("br", b"\x8b\x02\x80"), fails("PROVIDER_REJECTED_REQUEST")
        ),
        Fault(
            "400 in damaged gzip",
            error_page("gzip", b"\x1f\x8b\xff"),
            fails("PROVIDER_REJECTED_REQUEST"),
        ),
    ),
)
