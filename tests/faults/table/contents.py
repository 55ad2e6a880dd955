"""What stands in the events: JSON that is odd, unknown or wrong."""

from tests.faults.dialects.dialect import Dialect
from tests.faults.expected import HELLO, Expected, breaks, fails, whole
from tests.faults.fault import Fault, Group, Script
from tests.faults.script import ANSWER, END, FINISH, OPENING, Stage, Text
from tests.support.replies import Reply

UNREADABLE = breaks("PROVIDER_PROTOCOL")


def member(name: str, value: bytes) -> Script:
    """Answer with a good stream whose every event has one more member."""
    extra = b'"' + name.encode() + b'":' + value + b","

    def change(frame: bytes) -> bytes:
        start = frame.find(b"{")
        return frame if start < 0 else frame[: start + 1] + extra + frame[start + 1 :]

    return lambda s: s.stream(
        *(change(part) if isinstance(part, bytes) else part for part in s.frames(*ANSWER))
    )


def text_event(stage: Stage) -> bytes:
    """Return the event of the text "wrong" as it stands behind the first words."""
    first = stage.data(OPENING, Text(HELLO))
    return stage.data(OPENING, Text(HELLO), Text("wrong"))[len(first) :]


def wrong(value: bytes) -> Script:
    """Go on behind the first words with a text that is none."""
    return lambda s: s.broken(text_event(s).replace(b'"wrong"', value), FINISH, END)


def payload(value: bytes) -> Script:
    """Go on behind the first words with an event that has this payload."""

    def reply(stage: Stage) -> Reply:
        event = text_event(stage)
        start, end = event.index(b"{"), event.rindex(b"}") + 1
        return stage.broken(event[:start] + value + event[end:], FINISH, END)

    return reply


def unknown_event(stage: Stage) -> Reply:
    """Put events of an unknown type between all others."""
    new = {"type": "response.new_thing", "new": [1, {"a": None}]}
    frames = stage.frames(OPENING, new, Text(HELLO), new, Text(" world"), FINISH, END)
    return stage.stream(*frames)


def open_bracket(dialect: Dialect) -> Expected:
    """In an array nothing tells where the broken element ends, but the end of the body."""
    return UNREADABLE if dialect.is_sse else breaks("STREAM_TRUNCATED")


def nested(depth: int) -> bytes:
    """Return JSON that is nested so deep."""
    return b"[" * depth + b"]" * depth


CONTENTS = Group(
    "Contents",
    "Members and events that are new pass by. A member that the answer hangs on, and that has a "
    "wrong type, cannot be read; neither can what is no JSON.",
    (
        Fault("unknown members", member("x_new", b'{"a":[1,null,"b"]}'), whole()),
        Fault("unknown member nested 64 deep", member("x_new", nested(64)), whole()),
        Fault(
            "unknown member nested 100,000 deep",
            member("x_new", nested(100_000)),
            fails("PROVIDER_PROTOCOL"),
        ),
        Fault("unknown number of 400 digits", member("x_new", b"9" * 400), whole()),
        Fault("padding against eavesdroppers", member("obfuscation", b'"x9Gq"'), whole()),
        Fault("unknown events", unknown_event, lambda d: whole() if d.has_names else None),
        Fault("half of an event's JSON", payload(b'{"choices":['), open_bracket),
        Fault("words instead of JSON", payload(b"Internal Server Error"), UNREADABLE),
        Fault("page instead of JSON", payload(b"<html>502</html>"), UNREADABLE),
        Fault("number instead of an object", payload(b"5"), UNREADABLE),
        Fault("string instead of an object", payload(b'"Hello"'), UNREADABLE),
        Fault("number instead of a text", wrong(b"5"), UNREADABLE),
        Fault("object instead of a text", wrong(b'{"a":1}'), UNREADABLE),
        Fault("null instead of a text", wrong(b"null"), whole(HELLO)),
    ),
)
