"""Error objects inside a 200 stream, in every form that a dialect has."""

from collections.abc import Iterator

from tests.faults.dialects import DIALECTS, gemini
from tests.faults.dialects.dialect import Dialect, Kind
from tests.faults.expected import HELLO, WORLD, Expected, breaks, fails, whole
from tests.faults.fault import Fault, Group, Verdict
from tests.faults.script import END, FINISH, HEARD, OPENING, Error, Text
from tests.faults.table.statuses import REASON_OF
from tests.support import openai_stream as chat
from tests.support.replies import Close

BEFORE = (Kind.OVERLOADED, Kind.INTERNAL, Kind.RATE, Kind.BILLING, Kind.CREDENTIAL, Kind.INVALID)
AFTER = (Kind.OVERLOADED, Kind.RATE, Kind.INVALID)


def forms() -> list[str]:
    """Return all forms, each once."""
    return list(dict.fromkeys(form for dialect in DIALECTS for form in dialect.error_forms))


def where(form: str, expected: Expected) -> Verdict:
    """Expect this in dialects that have the form."""
    return lambda dialect: expected if form in dialect.error_forms else None


def early(form: str, kind: Kind) -> Fault:
    """Return an error before any output."""
    return Fault(
        f"{form}, before output: {kind.name.lower()}",
        lambda s: s.stream(OPENING, Error(kind, form)),
        where(form, fails(REASON_OF[kind.value])),
    )


def first(form: str) -> Fault:
    """Return an error as the first thing of a stream."""
    return Fault(
        f"{form}, as the first event",
        lambda s: s.stream(Error(Kind.OVERLOADED, form)),
        where(form, fails("PROVIDER_UNAVAILABLE")),
    )


def late(form: str, kind: Kind) -> Fault:
    """Return an error behind the first words."""
    return Fault(
        f"{form}, behind output: {kind.name.lower()}",
        lambda s: s.broken(Error(kind, form)),
        where(form, breaks(REASON_OF[kind.value])),
    )


def closed(form: str) -> Fault:
    """Return an error behind which the connection is closed without its last chunk."""

    def verdict(dialect: Dialect) -> Expected | None:
        if form not in dialect.error_forms:
            return None
        # Lines that are no event can only be judged once the body has ended in good order.
        is_event = not form.startswith("JSON lines")
        return breaks("PROVIDER_UNAVAILABLE" if is_event else "STREAM_TRUNCATED")

    return Fault(
        f"{form}, and a closed connection",
        lambda s: s.broken(Error(Kind.OVERLOADED, form), Close()),
        verdict,
    )


def ended(form: str) -> Fault:
    """Return an error behind which the stream ends as if it were whole."""
    return Fault(
        f"{form}, and a good end behind it",
        lambda s: s.broken(Error(Kind.OVERLOADED, form), FINISH, END),
        where(form, breaks("PROVIDER_UNAVAILABLE")),
    )


def rows() -> Iterator[Fault]:
    """Yield every form at every place."""
    for form in forms():
        yield first(form)
        for kind in BEFORE:
            yield early(form, kind)
        for kind in AFTER:
            yield late(form, kind)
        yield closed(form)
        yield ended(form)


def in_chat(expected: Expected) -> Verdict:
    """Expect this in Chat Completions alone."""
    return lambda dialect: expected if dialect.name == "openai-chat" else None


def at_google(expected: Expected) -> Verdict:
    """Expect this in both forms of generateContent."""
    return lambda dialect: expected if dialect.kind == "gemini" else None


ERRORS = Group(
    "Errors inside a 200",
    "An error object is that error wherever it stands: never text, never an end. Behind output the "
    "status keeps the provider's reason and says how much was delivered.",
    (
        *rows(),
        Fault(
            "error behind the finish reason",
            lambda s: s.stream(OPENING, *HEARD, s.heard, FINISH, s.dialect.error(Kind.OVERLOADED)),
            lambda d: breaks("PROVIDER_UNAVAILABLE", HELLO + WORLD) if d.finish else None,
        ),
        Fault(
            "finish reason error",
            lambda s: s.broken(chat.finish("error"), END),
            in_chat(breaks("PROVIDER_UNAVAILABLE")),
        ),
        Fault(
            "error that is null",
            lambda s: s.stream(*(chat.text(t.value) | {"error": None} for t in HEARD), FINISH, END),
            in_chat(whole()),
        ),
        Fault(
            "error that is a word",
            lambda s: s.broken({"error": "overloaded"}),
            in_chat(breaks("PROVIDER_UNAVAILABLE")),
        ),
        Fault(
            "finish reason of a malformed call",
            lambda s: s.broken(gemini.chunk(finishReason="MALFORMED_FUNCTION_CALL"), END),
            at_google(breaks("PROVIDER_UNAVAILABLE")),
        ),
        Fault(
            "finish reason of a missing signature",
            lambda s: s.stream(
                OPENING, gemini.chunk(finishReason="MISSING_THOUGHT_SIGNATURE"), END
            ),
            at_google(fails("PROVIDER_PROTOCOL")),
        ),
        Fault(
            "error in the words of an answer",
            lambda s: s.stream(OPENING, Text('{"error":{"message":"no"}}'), FINISH, END),
            whole('{"error":{"message":"no"}}'),
        ),
    ),
)
