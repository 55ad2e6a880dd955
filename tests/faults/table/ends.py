"""Ends of answers that are whole, or look like it; and usage wherever it stands."""

from dataclasses import replace

from tests.faults.dialects import anthropic, gemini
from tests.faults.dialects.dialect import Dialect, Json
from tests.faults.expected import HELLO, WORLD, Expected, breaks, fails, whole
from tests.faults.fault import Fault, Group, Verdict
from tests.faults.script import ANSWER, END, FINISH, HEARD, OPENING, Part, Text
from tests.support import openai_stream as chat

ALL = HELLO + WORLD
COUNTED = replace(whole(), tokens=(10, 2))
UNCOUNTED = replace(whole(), tokens=(None, None))


def only(expected: Expected, *names: str) -> Verdict:
    """Expect this in these dialects alone."""
    return lambda dialect: expected if dialect.name in names else None


def streamed(name: str, expected: Expected | Verdict, *parts: Part) -> Fault:
    """Return a stream of these parts."""
    return Fault(name, lambda s: s.stream(*parts), expected)


def behind_the_end(dialect: Dialect) -> Expected:
    """What follows a marker is not of the answer; behind an array there may be nothing."""
    return whole() if dialect.has_marker else breaks("PROVIDER_PROTOCOL", ALL)


def more_behind_the_end(dialect: Dialect) -> Expected | None:
    """Where nothing marks the end, there is nothing behind it."""
    return None if dialect.name == "gemini" else behind_the_end(dialect)


def without_reason(dialect: Dialect) -> Expected | None:
    """A marker is an end by itself."""
    if not dialect.finish:
        return None
    return whole() if dialect.has_marker else breaks("STREAM_TRUNCATED", ALL)


def marker_alone(dialect: Dialect) -> Expected:
    """A marker without an answer is none; a terminal event that says completed is an empty one."""
    return whole("") if dialect.name == "openai-responses" else fails("PROVIDER_PROTOCOL")


USAGE: Json = {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12}
GOOGLE: Json = {"usageMetadata": {"promptTokenCount": 10, "candidatesTokenCount": 2}}
EARLIER: Json = {"usageMetadata": {"promptTokenCount": 10, "candidatesTokenCount": 1}}
STOPPED = gemini.chunk({"text": ""}, finishReason="STOP")
BOTH_OF_GOOGLE = ("gemini", "gemini-array")
BARE_STOP: Json = {
    "type": "message_delta",
    "delta": {"stop_reason": "end_turn", "stop_sequence": None},
}

ENDS = Group(
    "Ends and usage",
    "An answer that is whole is told as whole, with all of its text and with the tokens that were "
    "counted, wherever they stand. What nobody counted is absent, not 0.",
    (
        streamed("good answer", COUNTED, *ANSWER),
        streamed("end marker alone", marker_alone, END),
        streamed("no text at all", whole(""), OPENING, FINISH, END),
        streamed("two end markers", more_behind_the_end, *ANSWER, END),
        streamed("text behind the end", more_behind_the_end, *ANSWER, Text("leftover")),
        streamed(
            "error behind the end",
            more_behind_the_end,
            *ANSWER,
            b'data: {"error":{"message":"late"}}\n\n',
        ),
        streamed(
            "OpenAI's marker behind the end",
            only(whole(), "gemini", "anthropic"),
            OPENING,
            *HEARD,
            FINISH,
            b"data: [DONE]\n\n",
            END,
        ),
        streamed("no finish reason", without_reason, OPENING, *HEARD, END),
        streamed(
            "two finish reasons",
            lambda d: whole() if d.finish else None,
            OPENING,
            *HEARD,
            FINISH,
            FINISH,
            END,
        ),
        streamed(
            "text behind the finish reason",
            lambda d: whole(ALL + "!") if d.finish else None,
            OPENING,
            *HEARD,
            FINISH,
            Text("!"),
            END,
        ),
        Fault(
            "last text, finish reason and end in one write",
            lambda s: s.broken(s.data(*ANSWER)[len(s.data(OPENING, Text(HELLO))) :]),
            COUNTED,
        ),
        streamed(
            "last text in the event of the finish reason",
            only(COUNTED, "openai-chat"),
            OPENING,
            Text(HELLO),
            chat.chunk({"content": WORLD}, finish_reason="stop"),
            chat.usage(10, 2),
            END,
        ),
        streamed(
            "last text in the chunk of the finish reason",
            only(COUNTED, *BOTH_OF_GOOGLE),
            OPENING,
            Text(HELLO),
            gemini.chunk({"text": WORLD}, finishReason="STOP") | GOOGLE,
            END,
        ),
        streamed(
            "text, finish reason and usage in one event",
            only(COUNTED, "openai-chat"),
            chat.chunk({"content": ALL}, finish_reason="stop", usage=USAGE),
            END,
        ),
        streamed(
            "no usage", only(UNCOUNTED, "openai-chat"), OPENING, *HEARD, chat.finish("stop"), END
        ),
        streamed(
            "no usage in any chunk", only(UNCOUNTED, *BOTH_OF_GOOGLE), OPENING, *HEARD, STOPPED, END
        ),
        streamed(
            "usage before the finish reason",
            only(COUNTED, "openai-chat"),
            OPENING,
            *HEARD,
            chat.usage(10, 2),
            chat.finish("stop"),
            END,
        ),
        streamed(
            "usage in the event of the finish reason",
            only(COUNTED, "openai-chat"),
            OPENING,
            *HEARD,
            chat.chunk(finish_reason="stop", usage=USAGE),
            END,
        ),
        streamed(
            "usage in every event",
            only(COUNTED, "openai-chat"),
            OPENING,
            *(
                chat.text(t.value) | {"usage": USAGE | {"completion_tokens": n}}
                for n, t in enumerate(HEARD, 1)
            ),
            chat.finish("stop"),
            END,
        ),
        streamed(
            "usage that is no object",
            only(UNCOUNTED, "openai-chat"),
            OPENING,
            *HEARD,
            chat.finish("stop") | {"usage": "many"},
            END,
        ),
        streamed(
            "usage of negative tokens",
            only(UNCOUNTED, "openai-chat"),
            OPENING,
            *HEARD,
            chat.finish("stop"),
            chat.usage(-1, -2),
            END,
        ),
        streamed(
            "usage of beginning and end",
            only(COUNTED, *BOTH_OF_GOOGLE),
            OPENING,
            gemini.chunk({"text": ALL}) | EARLIER,
            STOPPED | GOOGLE,
            END,
        ),
        streamed(
            "usage before the finish reason alone",
            only(COUNTED, *BOTH_OF_GOOGLE),
            OPENING,
            gemini.chunk({"text": ALL}) | GOOGLE,
            STOPPED,
            END,
        ),
        streamed(
            "usage of the beginning alone",
            only(replace(whole(), tokens=(10, 1)), "anthropic"),
            OPENING,
            *HEARD,
            anthropic.Anthropic.finish[0],
            BARE_STOP,
            END,
        ),
    ),
)
