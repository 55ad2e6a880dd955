"""How large a call will be, told before it is sent; and how large it was, told from its usage.

Nobody's tokenizer runs here: providers have their own, several count differently by
model, and the answer's length is unknown anyway. An estimate only has to reserve
enough, since it is corrected when the call ends. So it leans to too much, costs next
to nothing, and grows with what is sent.

========================  =======================================================
what                      tokens
========================  =======================================================
text                      a quarter per character, and 3/8 more for each byte that
                          UTF-8 needs beyond one per character: English 4
                          characters a token, Cyrillic 1.6, Chinese 1
JSON (schemas, tool       a third per byte: braces and quotes are tokens
arguments)
opaque provider state     a third per byte: it is base64 on the wire
a message, a part         4, 1: the provider's own marks around them
a tool, an output format  8 on top of its texts
an image                  1,600: what a provider charges for a large one
sound                     one per 500 bytes, at least 320; by reference 1,920, a minute
video                     one per 400 bytes, at least 2,000; by reference 18,000, a minute
text documents            3/8 per byte
other documents           one per 25 bytes, at least 1,500; by reference 10,000: five pages
the answer                `options.max_output_tokens`, else 1,024, and the budget for
                          reasoning on top of the latter
========================  =======================================================
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sluice.v1 import content_pb2, gateway_service_pb2, usage_pb2
from sluice_server.state.quota import INPUT_TOKENS, OUTPUT_TOKENS, REQUESTS, TOKENS, Unit

DEFAULT_OUTPUT_TOKENS = 1024
"""Reserved for an answer whose bound the caller left open: more than most need. The
models' own maxima would let a handful of calls fill a minute."""

MESSAGE_TOKENS = 4
PART_TOKENS = 1
DECLARATION_TOKENS = 8
IMAGE_TOKENS = 1600


@dataclass(frozen=True, slots=True)
class _Rate:
    """What one kind of media costs."""

    bytes_per_token: int
    least: int
    unseen: int
    """Tokens of media that the provider fetches, so that its size is not known."""


_SOUND = _Rate(500, 320, 1_920)
_VIDEO = _Rate(400, 2_000, 18_000)
_DOCUMENT = _Rate(25, 1_500, 10_000)


@dataclass(frozen=True, slots=True)
class Estimate:
    """Size of one call in tokens; both are at least one."""

    input_tokens: int
    output_tokens: int

    @property
    def amounts(self) -> Mapping[Unit, int]:
        """Return what the call takes of each kind of bucket."""
        return {
            REQUESTS: 1,
            TOKENS: self.input_tokens + self.output_tokens,
            INPUT_TOKENS: self.input_tokens,
            OUTPUT_TOKENS: self.output_tokens,
        }


def estimate(request: gateway_service_pb2.GenerateRequest) -> Estimate:
    """Return the size to reserve for a turn. Linear in the bytes of the request."""
    tokens = MESSAGE_TOKENS + sum(_message(message) for message in request.messages)
    for tool in request.tools:
        tokens += DECLARATION_TOKENS + _text(tool.name) + _text(tool.description)
        tokens += _json(tool.input_schema_json)
    if request.output_format.HasField("json_schema"):
        schema = request.output_format.json_schema
        tokens += DECLARATION_TOKENS + _text(schema.name) + _json(schema.schema_json)
    return Estimate(tokens, _answer(request.options))


def used(usage: usage_pb2.Usage | None) -> Mapping[Unit, int]:
    """Return what a call took by the provider's count; a unit without a count is absent.

    Args:
        usage: Counts of the whole call; None when the provider gave none.
    """
    spent: dict[Unit, int] = {REQUESTS: 1}
    if usage is None:
        return spent
    if usage.HasField("input_tokens"):
        spent[INPUT_TOKENS] = usage.input_tokens
    if usage.HasField("output_tokens"):
        spent[OUTPUT_TOKENS] = usage.output_tokens
    if INPUT_TOKENS in spent and OUTPUT_TOKENS in spent:
        spent[TOKENS] = spent[INPUT_TOKENS] + spent[OUTPUT_TOKENS]
    return spent


def _answer(options: gateway_service_pb2.GenerationOptions) -> int:
    if options.HasField("max_output_tokens"):
        return max(1, options.max_output_tokens)
    return DEFAULT_OUTPUT_TOKENS + options.reasoning.max_tokens


def _message(message: content_pb2.Message) -> int:
    return MESSAGE_TOKENS + _parts(message.parts)


def _parts(parts: Iterable[content_pb2.Part]) -> int:
    return sum(_part(part) for part in parts)


def _part(part: content_pb2.Part) -> int:
    tokens = PART_TOKENS + sum(_bytes(len(state.value)) for state in part.provider_state)
    match part.WhichOneof("kind"):
        case "text":
            return tokens + _text(part.text)
        case "media":
            return tokens + _media(part.media)
        case "reasoning":
            return tokens + _text(part.reasoning.text)
        case "tool_call":
            call = part.tool_call
            return tokens + _text(call.name) + _json(call.arguments_json)
        case "tool_result":
            return tokens + _parts(part.tool_result.parts)
        case "refusal":
            return tokens + _text(part.refusal)
        case _:
            return tokens


def _media(media: content_pb2.Media) -> int:
    kind = media.mime_type.partition("/")[0].lower()
    if kind == "image":
        return IMAGE_TOKENS
    sizes = {"audio": _SOUND, "video": _VIDEO}
    rate = sizes.get(kind, _DOCUMENT)
    if media.WhichOneof("source") != "data":
        return rate.unseen
    size = len(media.data)
    if kind == "text":
        # Bytes alone do not tell the language; three eighths is between all of them.
        return -(-3 * size // 8)
    return max(rate.least, -(-size // rate.bytes_per_token))


def _text(text: str) -> int:
    characters = len(text)
    # Asking whether a string is ASCII costs nothing, encoding it does.
    extra = 0 if text.isascii() else len(text.encode("utf-8", "surrogatepass")) - characters
    return -(-(2 * characters + 3 * extra) // 8)


def _json(text: str) -> int:
    return _bytes(len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass")))


def _bytes(size: int) -> int:
    return -(-size // 3)
