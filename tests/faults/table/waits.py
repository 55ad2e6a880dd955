"""Waits that a provider asks for, in every form, and nonsense in their place."""

import time
from email.utils import formatdate

from tests.faults.dialects.dialect import Kind
from tests.faults.expected import Expected, Range, fails
from tests.faults.fault import Fault, Group, Script, Verdict
from tests.faults.script import Stage
from tests.support.replies import Headers, Reply, json_body

LIMITED = "PROVIDER_RATE_LIMITED"
RETRY_INFO = "type.googleapis.com/google.rpc.RetryInfo"


def asked(status: int, name: str, seconds: float | None, *headers: tuple[str, str]) -> Fault:
    """Return an error whose headers ask for a wait; None: nothing that makes sense."""
    kind = Kind.RATE if status == 429 else Kind.OVERLOADED
    reason = LIMITED if status == 429 else "PROVIDER_UNAVAILABLE"
    return Fault(
        f"{status}, {name}",
        lambda s: json_body(status, s.dialect.error(kind), headers=headers),
        fails(reason, wait=None if seconds is None else Range(seconds, seconds)),
    )


def dated(seconds: float) -> Script:
    """Ask for a wait until a moment so far from now."""

    def reply(stage: Stage) -> Reply:
        headers = [("retry-after", formatdate(time.time() + seconds, usegmt=True))]
        return json_body(429, stage.dialect.error(Kind.RATE), headers=headers)

    return reply


def in_the_body(delay: str, headers: Headers = ()) -> Script:
    """Ask for a wait in Google's error details."""

    def reply(stage: Stage) -> Reply:
        error = stage.dialect.error(Kind.RATE)
        error["error"]["details"] = [{"@type": RETRY_INFO, "retryDelay": delay}]
        return json_body(429, error, headers=headers)

    return reply


def of_google(expected: Expected) -> Verdict:
    """Expect this in Google's dialects alone."""
    return lambda dialect: expected if dialect.kind == "gemini" else None


def after(seconds: float) -> Expected:
    """Expect a limit with this wait."""
    return fails(LIMITED, wait=Range(seconds, seconds))


SECONDS = ("retry-after", "7")
MILLISECONDS = ("retry-after-ms", "1500")

WAITS = Group(
    "Waits",
    "What a provider asks for is told as RetryInfo and to client libraries as pushback; the "
    "gateway does not sleep on it. Without a wait that makes sense none is told and none made up.",
    (
        asked(429, "no wait", None),
        asked(429, "retry-after in seconds", 7, SECONDS),
        asked(429, "retry-after in parts of seconds", 0.25, ("Retry-After", "0.25")),
        asked(429, "retry-after-ms", 1.5, MILLISECONDS),
        asked(429, "retry-after-ms beside retry-after", 1.5, SECONDS, MILLISECONDS),
        # HTTP dates have whole seconds.
        Fault("429, retry-after as a date", dated(30), fails(LIMITED, wait=Range(27, 30))),
        Fault("429, retry-after as a date in the past", dated(-30), after(0)),
        asked(429, "retry-after of zero", 0, ("retry-after", "0")),
        asked(429, "retry-after in words", None, ("retry-after", "soon")),
        asked(429, "negative retry-after", None, ("retry-after", "-5")),
        asked(429, "retry-after that is not a number", None, ("retry-after", "nan")),
        asked(429, "endless retry-after", None, ("retry-after", "inf")),
        asked(429, "retry-after of centuries", None, ("retry-after", "1e300")),
        asked(
            429,
            "retry-after in the year 9999",
            None,
            ("retry-after", "Fri, 31 Dec 9999 23:59:59 GMT"),
        ),
        asked(429, "empty retry-after", None, ("retry-after", "")),
        asked(503, "retry-after in seconds", 3, ("retry-after", "3")),
        asked(529, "retry-after-ms", 1.5, MILLISECONDS),
        Fault("429, RetryInfo in the body", in_the_body("4s"), of_google(after(4))),
        Fault("429, RetryInfo in parts of seconds", in_the_body("0.5s"), of_google(after(0.5))),
        Fault(
            "429, RetryInfo beside retry-after", in_the_body("4s", [SECONDS]), of_google(after(4))
        ),
        Fault("429, RetryInfo in words", in_the_body("soon"), of_google(fails(LIMITED))),
        Fault("429, negative RetryInfo", in_the_body("-4s"), of_google(fails(LIMITED))),
    ),
)
