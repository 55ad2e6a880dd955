r"""A dialect for a provider that speaks lines of plain text.

The provider takes `POST /talk` with JSON, `{"model", "lines": [{"who", "text"}],
"limit"?, "temperature"?}`, and answers with `text/plain`, one token a line:

    +Hello          a token; a line end inside it is written as \n
    =stop 12 1      the end: why, tokens read, tokens written
    !busy           a failure after the answer began

A response other than 2xx has a code as its body, such as `busy`. `GET /models`
lists models, one a line. Headers tell the requests of a minute and the seconds until
they are back: `x-lines-limit`, `x-lines-remaining`, `x-lines-reset`.

Holds the whole dialect, because it is small. Pure: no I/O, no keys, no retries.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sluice.v1 import (
    content_pb2,
    event_pb2,
    gateway_service_pb2,
    model_pb2,
    rate_limit_pb2,
    usage_pb2,
)
from sluice_server.config.kinds import ProviderKind
from sluice_server.config.settings import Provider
from sluice_server.errors import (
    ProviderProtocolError,
    ProviderUnavailableError,
    StreamTruncatedError,
    UnsupportedFeatureError,
    UpstreamError,
)
from sluice_server.providers import bodies, stated_limits
from sluice_server.providers.capabilities import Feature, Support
from sluice_server.providers.dialect import EncodedRequest
from sluice_server.providers.failures import Failure
from sluice_server.providers.omissions import Omissions
from sluice_server.providers.presets.preset import Preset
from sluice_server.providers.sink import TurnSink

LINE_BYTES = 64 * 1024
"""Bound of one line, so that a provider without line ends does not fill the memory."""

_SPEAKERS = {
    content_pb2.ROLE_SYSTEM: "system",
    content_pb2.ROLE_USER: "user",
    content_pb2.ROLE_ASSISTANT: "model",
}
_REASONS = {
    "stop": event_pb2.FINISH_REASON_STOP,
    "limit": event_pb2.FINISH_REASON_MAX_TOKENS,
}


class Plaintext:
    """The port that every dialect implements; see `sluice_server.providers.dialect`."""

    name = "plaintext"
    headers: Mapping[str, str] = {}
    capabilities: Mapping[Feature, Support] = {
        **dict.fromkeys(Feature, Support.NO),
        Feature.TEMPERATURE: Support.YES,
        Feature.CACHE_HINTS: Support.HINT,
        Feature.END_USER: Support.HINT,
        Feature.REASONING_RETURNED: Support.HINT,
        Feature.MODEL_LIST: Support.YES,
        Feature.RATE_LIMITS: Support.YES,
    }

    def __init__(self, configured: Provider) -> None:
        self._droppable = configured.drop_unsupported

    def encode(
        self, request: gateway_service_pb2.GenerateRequest, *, provider: str, model: str
    ) -> EncodedRequest:
        """Translate a validated request; what cannot be said is an error, not a loss."""
        omissions = Omissions(self._droppable)
        if request.tools:
            raise UnsupportedFeatureError("tools", "This provider calls no tools.")
        if request.HasField("output_format"):
            raise UnsupportedFeatureError("output_format", "This provider only writes text.")
        body: dict[str, Any] = {"model": model, "lines": _lines(request, omissions)}
        for option, value in request.options.ListFields():
            match option.name:
                case "max_output_tokens":
                    body["limit"] = value
                case "temperature":
                    body["temperature"] = value
                case "reasoning" if value.WhichOneof("amount") is None:
                    pass  # only whether to show it
                case name:
                    omissions.refuse(f"options.{name}", "This provider does not take it.")
        if request.end_user:
            omissions.leave_out("end_user")
        bodies.merge_provider_options(request, body, provider=provider, owned=("lines",))
        return EncodedRequest("/talk", bodies.to_json(body), omissions.fields)

    def authorize(self, secret: str) -> tuple[str, str]:
        """Return the header that carries the key."""
        return "x-api-key", secret

    def decoder(self, sink: TurnSink, *, content_type: str) -> LineDecoder:
        """Return a decoder for a 2xx response."""
        if not content_type.startswith("text/plain"):
            raise ProviderProtocolError("The provider answered 200 with something else than lines.")
        return LineDecoder(sink)

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        """Classify a response that is not 2xx: here the status says it all."""
        code = body[:64].decode("ascii", "replace").strip()
        return Failure(status=status, codes=(code,)).by_status()

    def rate_limits(
        self, headers: Mapping[str, str], *, now: float
    ) -> list[rate_limit_pb2.RateLimitBucket]:
        """Read the limit of a minute's requests."""
        seconds = stated_limits.number(headers.get("x-lines-reset"))
        bucket = stated_limits.stated(
            rate_limit_pb2.RATE_LIMIT_UNIT_REQUESTS,
            now=now,
            limit=headers.get("x-lines-limit"),
            remaining=headers.get("x-lines-remaining"),
            window=60,
            reset_at=None if seconds is None else now + seconds,
        )
        return [] if bucket is None else [bucket]

    def error_limits(
        self, status: int, headers: Mapping[str, str], body: bytes, *, now: float
    ) -> list[rate_limit_pb2.RateLimitBucket]:
        """Return nothing: the bodies of its errors state no limits."""
        return []

    def models_path(self) -> str:
        """Return the path of the model list."""
        return "/models"

    def parse_models(self, body: bytes, *, provider: str) -> list[model_pb2.Model]:
        """Read a model list."""
        try:
            names = body.decode().split()
        except UnicodeDecodeError:
            raise ProviderProtocolError("The provider's model list is not text.") from None
        return [
            model_pb2.Model(name=f"{provider}/{name}", id=name, provider=provider) for name in names
        ]


def _lines(
    request: gateway_service_pb2.GenerateRequest, omissions: Omissions
) -> list[dict[str, str]]:
    lines = []
    for index, message in enumerate(request.messages):
        for number, part in enumerate(message.parts):
            path = f"messages[{index}].parts[{number}]"
            if part.HasField("cache"):
                omissions.leave_out(f"{path}.cache")
            kind = part.WhichOneof("kind")
            if kind == "reasoning":
                omissions.leave_out(f"{path}.reasoning")
            elif kind in {"text", "refusal"}:
                text = part.text or part.refusal
                lines.append({"who": _SPEAKERS[message.role], "text": text})
            else:
                raise UnsupportedFeatureError(f"{path}.{kind}", "This provider takes only text.")
    return lines


class LineDecoder:
    """Reads one answer. A read may end anywhere, so an unfinished line is kept."""

    def __init__(self, sink: TurnSink) -> None:
        self._sink = sink
        self._rest = b""
        self._tokens: list[str] = []
        self.ended = False

    def feed(self, data: bytes) -> bool:
        """Decode the lines that `data` completes; tells whether the answer has ended."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > LINE_BYTES:
            raise ProviderProtocolError("The provider sent a line without an end.")
        try:
            for line in lines:
                if self._read(line):
                    self.ended = True
                    break
        finally:
            # Also before a failure: what came first was said.
            self._say()
        return self.ended

    def close(self) -> None:
        """Learn that the connection ended: a failure, unless the last line was read."""
        if not self.ended:
            raise StreamTruncatedError("The provider's answer ended without its last line.")

    def _read(self, line: bytes) -> bool:
        try:
            mark, text = line[:1], line[1:].decode()
        except UnicodeDecodeError:
            raise ProviderProtocolError("The provider sent a line that is not text.") from None
        match mark:
            case b"+":
                self._tokens.append(text.replace("\\n", "\n"))
                return False
            case b"=":
                self._say()
                self._finish(text)
                return True
            case b"!":
                failure = Failure(status=0, codes=(text,))
                raise failure.as_error(ProviderUnavailableError, "The provider failed.")
            case _:
                raise ProviderProtocolError("The provider sent a line that cannot be read.")

    def _say(self) -> None:
        """Hand over the tokens of one read together: each call becomes an event."""
        if self._tokens:
            self._sink.text("".join(self._tokens))
            self._tokens.clear()

    def _finish(self, text: str) -> None:
        word, *counts = text.split(" ")
        self._sink.finish(_REASONS.get(word, event_pb2.FINISH_REASON_OTHER), word=word)
        # An answer is not worse for odd counts; what nobody counted stays absent.
        if len(counts) == 2 and all(count.isdecimal() and len(count) < 16 for count in counts):
            read, written = map(int, counts)
            self._sink.usage(
                usage_pb2.Usage(
                    input_tokens=read,
                    output_tokens=written,
                    source=usage_pb2.USAGE_SOURCE_PROVIDER,
                )
            )


KIND = Preset(
    kind=ProviderKind(
        name="plaintext",
        key_variable="PLAINTEXT_API_KEY",
        default_base_url=None,
        needs_key=False,
        required=frozenset({"base_url"}),
    ),
    dialect=Plaintext,
)
"""What the entry point names."""
