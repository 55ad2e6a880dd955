"""Tool calls: parallel ones that look like one, and arguments in pieces."""

from tests.faults.dialects import gemini
from tests.faults.dialects.dialect import Dialect
from tests.faults.expected import Expected, calling
from tests.faults.fault import Fault, Group, Verdict
from tests.faults.script import END, FINISH, OPENING, Call, Part, Stage
from tests.support import openai_stream as chat
from tests.support.replies import Close, Reply

X, Y = '{"at":"x"}', '{"at":"y"}'
ONE = calling(("look", X))
TWO = calling(("look", X), ("look", Y))
FRAGMENT = b'"{\\"at\\":"'
"""The first six characters of the arguments, as JSON writes them."""
CUT = Expected("STREAM_TRUNCATED", "", characters=len('{"at":'))


def only(expected: Expected, *names: str) -> Verdict:
    """Expect this in these dialects alone."""
    return lambda dialect: expected if dialect.name in names else None


def in_chat(name: str, expected: Expected, *parts: Part) -> Fault:
    """Return a stream of Chat Completions."""
    return Fault(name, lambda s: s.stream(OPENING, *parts, END), only(expected, "openai-chat"))


def at_google(name: str, expected: Expected, *parts: Part) -> Fault:
    """Return a stream of generateContent in both forms."""
    return Fault(
        name, lambda s: s.stream(*parts, FINISH, END), only(expected, "gemini", "gemini-array")
    )


def in_fragments(dialect: Dialect) -> Expected | None:
    """Google's calls come whole."""
    return CUT if dialect.kind != "gemini" else None


def google_call(arguments: dict[str, str], **more: str) -> dict[str, object]:
    """Return a part that is a call."""
    return {"functionCall": {"name": "look", "args": arguments} | more}


def broken_off(stage: Stage) -> Reply:
    """Close the connection behind the first fragment of a call."""
    frames = stage.frames(OPENING, Call(0, "look", (X[:6], X[6:])))
    last = next(
        place
        for place, frame in enumerate(frames)
        if isinstance(frame, bytes) and FRAGMENT in frame
    )
    return stage.stream(*frames[: last + 1], stage.heard, Close())


CALLS = Group(
    "Tool calls",
    "Calls are told apart by what their provider tells them apart by, and get ids of their own. "
    "Arguments arrive as they were written.",
    (
        Fault("one call", lambda s: s.stream(OPENING, Call(0, "look", (X,)), FINISH, END), ONE),
        Fault(
            "two parallel calls of one function",
            lambda s: s.stream(OPENING, Call(0, "look", (X,)), Call(1, "look", (Y,)), FINISH, END),
            TWO,
        ),
        Fault(
            "two calls of one id",
            lambda s: s.stream(
                OPENING,
                Call(0, "look", (X,), "call_0"),
                Call(1, "look", (Y,), "call_0"),
                FINISH,
                END,
            ),
            TWO,
        ),
        Fault(
            "arguments in single characters",
            lambda s: s.stream(
                OPENING, Call(0, "look", tuple(X)), Call(1, "look", tuple(Y)), FINISH, END
            ),
            TWO,
        ),
        Fault(
            "calls, each byte alone",
            lambda s: s.drip(OPENING, Call(0, "look", (X,)), Call(1, "look", (Y,)), FINISH, END),
            TWO,
        ),
        Fault(
            "close inside the arguments",
            broken_off,
            in_fragments,
        ),
        in_chat(
            "every call has index 0",
            TWO,
            chat.tool_call(0, id="a", name="look", arguments=X),
            chat.tool_call(0, id="b", name="look", arguments=Y),
            chat.finish("tool_calls"),
        ),
        in_chat(
            "every call has index 0, arguments in fragments",
            TWO,
            chat.tool_call(0, id="a", name="look", arguments=""),
            chat.tool_call(0, arguments=X),
            chat.tool_call(0, id="b", name="look", arguments=""),
            chat.tool_call(0, arguments=Y),
            chat.finish("tool_calls"),
        ),
        in_chat(
            "fragments of two calls in turn",
            TWO,
            chat.tool_call(0, id="a", name="look", arguments=X[:4]),
            chat.tool_call(1, id="b", name="look", arguments=Y[:4]),
            chat.tool_call(0, arguments=X[4:]),
            chat.tool_call(1, arguments=Y[4:]),
            chat.finish("tool_calls"),
        ),
        in_chat(
            "no call has an index",
            TWO,
            chat.tool_call(None, id="a", name="look", arguments=X),
            chat.tool_call(None, id="b", name="look", arguments=Y),
            chat.finish("tool_calls"),
        ),
        in_chat(
            "no call has an id",
            TWO,
            chat.tool_call(0, name="look", arguments=X),
            chat.tool_call(1, name="look", arguments=Y),
            chat.finish("tool_calls"),
        ),
        in_chat(
            "the id on every fragment",
            ONE,
            chat.tool_call(0, id="a", name="look", arguments=X[:4]),
            chat.tool_call(0, id="a", arguments=X[4:]),
            chat.finish("tool_calls"),
        ),
        in_chat(
            "an empty id on later fragments",
            ONE,
            chat.tool_call(0, id="a", name="look", arguments=X[:4]),
            chat.tool_call(0, id="", name="", arguments=X[4:]),
            chat.finish("tool_calls"),
        ),
        in_chat(
            "finish reason stop",
            ONE,
            chat.tool_call(0, id="a", name="look", arguments=X),
            chat.finish("stop"),
        ),
        in_chat(
            "last arguments in the event of the finish reason",
            ONE,
            chat.tool_call(0, id="a", name="look", arguments=X[:4]),
            chat.chunk(
                {"tool_calls": [{"index": 0, "function": {"arguments": X[4:]}}]},
                finish_reason="tool_calls",
            ),
        ),
        at_google(
            "two calls without ids in one chunk",
            TWO,
            gemini.chunk(google_call({"at": "x"}), google_call({"at": "y"})),
        ),
        at_google(
            "two calls of one id in one chunk",
            TWO,
            gemini.chunk(google_call({"at": "x"}, id="c"), google_call({"at": "y"}, id="c")),
        ),
        Fault(
            "call in the chunk of the finish reason",
            lambda s: s.stream(gemini.chunk(google_call({"at": "x"}), finishReason="STOP"), END),
            only(ONE, "gemini", "gemini-array"),
        ),
    ),
)
