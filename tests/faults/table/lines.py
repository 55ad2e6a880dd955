"""Lines of an event stream, and bytes of characters: everything that a splitter can get wrong."""

import json
from collections.abc import Callable

from tests.faults.expected import HELLO, Expected, breaks, whole
from tests.faults.fault import Fault, Group, Script, Verdict
from tests.faults.script import ANSWER, END, FINISH, OPENING, Said, Stage, Text
from tests.support.replies import Offer, Reply, cut

MIXED = "Grüß\u2028dich\u2029 \u0085 \x0b\x0c\x1c 世界 \U0001f30a e\u0301"
"""Characters of one to four bytes, and those that Unicode counts as line ends."""
MIB = 1 << 20
HUGE_BYTES = 9 * MIB
"""More than an event may have."""


def lines(change: Callable[[bytes], bytes]) -> Script:
    """Answer with a good stream whose bytes are changed."""
    return lambda s: s.stream(change(s.data(*ANSWER)))


def with_ends(end: bytes) -> Script:
    """Answer with a good stream with these line ends."""
    return lines(lambda data: data.replace(b"\r\n", b"\n").replace(b"\n", end))


def in_turn(data: bytes) -> bytes:
    """Return a stream whose line ends are LF, CR and CRLF in turn."""
    ends = [b"\n", b"\r", b"\r\n"]
    pieces = data.replace(b"\r\n", b"\n").split(b"\n")
    return b"".join(piece + ends[place % 3] for place, piece in enumerate(pieces[:-1]))


def between(extra: bytes) -> Script:
    """Answer with a good stream that has these bytes between all events."""
    return lambda s: s.stream(*(part for frame in s.frames(*ANSWER) for part in (frame, extra)))


def two_data_lines(data: bytes) -> bytes:
    """Return a stream whose JSON is broken over two data lines."""
    return data.replace(b'{"', b'{\ndata: "', 1)


def saying(text: str) -> Script:
    """Answer with this text, its characters unescaped, each byte alone."""
    return lambda s: s.drip(unescaped(s, OPENING, Text(text), FINISH, END))


def unescaped(stage: Stage, *parts: Said) -> bytes:
    """Return the bytes of a stream whose JSON has no escapes for characters outside ASCII."""
    data = stage.data(*parts)
    for character in {c for c in MIXED if ord(c) > 0x7F}:
        escape = json.dumps(character)[1:-1].encode()
        data = data.replace(escape, character.encode())
    return data


def late(old: bytes, new: bytes) -> Script:
    """Go on behind the first words with an event in which bytes are replaced."""

    def reply(stage: Stage) -> Reply:
        first = stage.data(OPENING, Text(HELLO))
        event = stage.data(OPENING, Text(HELLO), Text("old"))[len(first) :]
        return stage.broken(event.replace(old, new), FINISH, END)

    return reply


def endless(stage: Stage) -> Reply:
    """Begin an event that does not end."""
    event = stage.data(OPENING, Text(HELLO), Text("old"))
    begun = event[len(stage.data(OPENING, Text(HELLO))) : event.rindex(b"old")]
    piece = b"x" * (MIB // 4)
    return stage.broken(begun, Offer(lambda _: piece, HUGE_BYTES))


def in_sse(expected: Expected) -> Verdict:
    """Expect this where there are events."""
    return lambda dialect: expected if dialect.is_sse else None


WHOLE = in_sse(whole())
LINES = Group(
    "Lines and characters",
    "The grammar of event streams allows much; a text has any characters, cut anywhere. What is no "
    "UTF-8 or no JSON cannot be read, and an event has a bound of 8 MiB.",
    (
        Fault("CRLF", with_ends(b"\r\n"), WHOLE),
        Fault("CR", with_ends(b"\r"), WHOLE),
        Fault("LF", with_ends(b"\n"), WHOLE),
        Fault("LF, CR and CRLF in turn", lines(in_turn), WHOLE),
        Fault(
            "CRLF, each byte alone",
            lambda s: s.stream(
                *cut(s.data(*ANSWER).replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
            ),
            WHOLE,
        ),
        Fault("byte order mark", lines(lambda data: b"\xef\xbb\xbf" + data), WHOLE),
        Fault(
            "data: without a space", lines(lambda data: data.replace(b"data: ", b"data:")), WHOLE
        ),
        Fault("comments between events", between(b": OPENROUTER PROCESSING\n\n"), WHOLE),
        Fault(
            "comments inside events",
            lines(lambda data: data.replace(b"data: ", b": hm\ndata: ")),
            WHOLE,
        ),
        Fault(
            "id and retry fields",
            lines(lambda data: data.replace(b"data: ", b"id: 1\nretry: 5\ndata: ")),
            WHOLE,
        ),
        Fault(
            "unknown fields",
            lines(lambda data: data.replace(b"data: ", b"foo: 1\nbar\ndata: ")),
            WHOLE,
        ),
        Fault("blank lines between events", between(b"\n\n\n"), WHOLE),
        Fault("events without data", between(b"event: nothing\n\n"), WHOLE),
        Fault("empty data", between(b"data:\n\n"), WHOLE),
        Fault(
            "blanks behind the JSON", lines(lambda data: data.replace(b"}\n", b"}  \t\n")), WHOLE
        ),
        Fault("JSON over two data lines", lines(two_data_lines), WHOLE),
        Fault(
            "white space between elements",
            between(b"\r\n \t\n"),
            lambda d: None if d.is_sse else whole(),
        ),
        Fault("all events in one chunk", lambda s: s.stream(s.data(*ANSWER)), whole()),
        Fault("U+2028, U+0085 and others, each byte alone", saying(MIXED), whole(MIXED)),
        Fault(
            "escaped characters, each byte alone",
            lambda s: s.drip(OPENING, Text(MIXED), FINISH, END),
            whole(MIXED),
        ),
        Fault("escaped NUL", lambda s: s.stream(OPENING, Text("a\0b"), FINISH, END), whole("a\0b")),
        Fault(
            "escaped line ends",
            lambda s: s.stream(OPENING, Text("a\r\n\nb"), FINISH, END),
            whole("a\r\n\nb"),
        ),
        Fault("NUL byte inside the text", late(b"old", b"a\0b"), breaks("PROVIDER_PROTOCOL")),
        Fault(
            "invalid UTF-8 inside the text",
            late(b"old", b"a\xff\xfeb"),
            breaks("PROVIDER_PROTOCOL"),
        ),
        Fault(
            "half a character inside the text",
            late(b"old", b"a\xe2\x82b"),
            breaks("PROVIDER_PROTOCOL"),
        ),
        Fault(
            "surrogate in UTF-8 inside the text",
            late(b"old", b"\xed\xa0\x80"),
            breaks("PROVIDER_PROTOCOL"),
        ),
        Fault(
            "overlong UTF-8 inside the text", late(b"old", b"\xc0\xaf"), breaks("PROVIDER_PROTOCOL")
        ),
        Fault(
            "text of 1 MiB",
            lambda s: s.stream(OPENING, Text("x" * MIB), FINISH, END),
            whole("x" * MIB),
        ),
        Fault("event without an end", endless, breaks("PROVIDER_PROTOCOL")),
        Fault(
            "comment without an end",
            lambda s: s.broken(b":", Offer(lambda _: b"x" * (MIB // 4), HUGE_BYTES)),
            in_sse(breaks("PROVIDER_PROTOCOL")),
        ),
    ),
)
