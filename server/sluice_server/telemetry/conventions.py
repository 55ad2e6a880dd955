"""Which names of OpenTelemetry's conventions spans and metrics get: the older, the newer, or both.

`OTEL_SEMCONV_STABILITY_OPT_IN` decides, word by word: `gen_ai_latest_experimental` gives the newer
GenAI names in place of the older ones, `rpc` the newer RPC names, `rpc/dup` both sets, and wins
over `rpc`. The names are in `names`, the versions in docs/decisions/0030. What the switch means:

- https://github.com/open-telemetry/semantic-conventions/blob/v1.41.1/docs/gen-ai/README.md
- https://github.com/open-telemetry/semantic-conventions/blob/v1.44.0/docs/rpc/README.md
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from sluice.v1 import event_pb2, gateway_service_pb2
from sluice_server.telemetry import names

Value: TypeAlias = str | bool | int | float | list[str]
Attributes: TypeAlias = dict[str, Value]

LONGEST_MODEL = 128
"""Characters kept of a model's name: it is the caller's word."""

LONGEST_STOP = 64
"""Characters kept of a stop string."""

CHAT = "chat"
"""`gen_ai.operation.name` of every upstream call: one turn of a conversation."""

_SYSTEMS: Mapping[str, str] = {
    "openai": "openai",
    "openai-responses": "openai",
    # "The attribute is set to openai based on the instrumentation's best knowledge": whoever
    # else speaks it is told apart by server.address, and by our own attribute.
    "openai-compatible": "openai",
    "azure-openai": "azure.ai.openai",
    "anthropic": "anthropic",
    "gemini": "gcp.gemini",
    "gemini-code-assist": "gcp.gen_ai",
    "vertex": "gcp.vertex_ai",
    "groq": "groq",
    "mistral": "mistral_ai",
    "deepseek": "deepseek",
    "xai": "x_ai",
}
"""Well-known values by kind of provider. Other kinds go by their own name, as the convention wants
where it knows none."""

_OLDER_SYSTEMS: Mapping[str, str] = {**_SYSTEMS, "xai": "xai"}

_FINISH_REASONS: Mapping[int, str] = {
    event_pb2.FINISH_REASON_STOP: "stop",
    event_pb2.FINISH_REASON_STOP_SEQUENCE: "stop",
    event_pb2.FINISH_REASON_MAX_TOKENS: "length",
    event_pb2.FINISH_REASON_TOOL_CALLS: "tool_call",
    event_pb2.FINISH_REASON_CONTENT_FILTER: "content_filter",
    event_pb2.FINISH_REASON_REFUSAL: "content_filter",
    event_pb2.FINISH_REASON_CONTEXT_FULL: "length",
}
"""In the words of the convention's output messages, which know no others:
https://github.com/open-telemetry/semantic-conventions/blob/v1.41.1/docs/gen-ai/gen-ai-output-messages.json"""

_SERVER_ERRORS = frozenset(
    {"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"}
)
"""Statuses that are errors of a server span; the others are the caller's. The same in both RPC
conventions: https://github.com/open-telemetry/semantic-conventions/blob/v1.44.0/docs/rpc/grpc.md"""


def finish_reason(reason: int) -> str:
    """Return the convention's word for a `FinishReason`; ours in lower case where it has none."""
    known = _FINISH_REASONS.get(reason)
    if known is None:
        name = event_pb2.FinishReason.Name(reason)  # type: ignore[arg-type]
        known = name.removeprefix("FINISH_REASON_").lower()
    return known


def is_server_error(code: str) -> bool:
    """Tell whether a gRPC status is the server's failure rather than the caller's."""
    return code in _SERVER_ERRORS


class Conventions:
    """The names in force."""

    def __init__(self, opt_in: Iterable[str] = ()) -> None:
        """`opt_in`: words of `OTEL_SEMCONV_STABILITY_OPT_IN`."""
        words = set(opt_in)
        self.newest = "gen_ai_latest_experimental" in words
        """Whether GenAI names are the newer ones."""
        self._newer_rpc = bool(words & {"rpc", "rpc/dup"})
        self._older_rpc = not self._newer_rpc or "rpc/dup" in words
        self._system_name = names.GEN_AI_PROVIDER_NAME if self.newest else names.GEN_AI_SYSTEM
        self._systems = _SYSTEMS if self.newest else _OLDER_SYSTEMS

    # --- RPC ---

    def rpc(self, service: str, method: str, server: tuple[str, int] | None) -> Attributes:
        """Return what is known of an RPC before it comes."""
        found: Attributes = {}
        if self._older_rpc:
            found[names.RPC_SYSTEM] = "grpc"
            found[names.RPC_SERVICE] = service
            found[names.RPC_METHOD] = method
        if self._newer_rpc:
            found[names.RPC_SYSTEM_NAME] = "grpc"
            # One name with two meanings: with both sets, the newer one has it.
            found[names.RPC_METHOD] = f"{service}/{method}"
        if server is not None:
            found[names.SERVER_ADDRESS], found[names.SERVER_PORT] = server
        return found

    def peer(self, peer: str) -> Attributes:
        """Return who calls.

        Args:
            peer: As gRPC names it: `ipv4:10.0.0.1:443`, `ipv6:%5B::1%5D:443`, `unix:/path`.
        """
        family, _, rest = peer.partition(":")
        found: Attributes = {}
        if family == "unix":
            found[names.NETWORK_PEER_ADDRESS] = rest
            if self._older_rpc:
                found[names.NETWORK_TRANSPORT] = "unix"
            return found
        host, _, port = rest.rpartition(":")
        host = host.removeprefix("%5B").removesuffix("%5D").strip("[]")
        if family not in ("ipv4", "ipv6") or not host or not port.isdecimal():
            return found
        found[names.NETWORK_PEER_ADDRESS], found[names.NETWORK_PEER_PORT] = host, int(port)
        if self._older_rpc:
            found[names.CLIENT_ADDRESS], found[names.CLIENT_PORT] = host, int(port)
            found[names.NETWORK_TRANSPORT], found[names.NETWORK_TYPE] = "tcp", family
        return found

    def rpc_end(self, code: str, number: int) -> Attributes:
        """Return what an RPC's status adds."""
        found: Attributes = {}
        if self._older_rpc:
            found[names.RPC_GRPC_STATUS_CODE] = number
        if self._newer_rpc:
            found[names.RPC_RESPONSE_STATUS_CODE] = code
        if is_server_error(code):
            found[names.ERROR_TYPE] = code
        return found

    # --- GenAI ---

    def system(self, kind: str) -> Attributes:
        """Return whose models are called, by the kind of provider."""
        return {self._system_name: self._systems.get(kind, kind)}

    def request(self, request: gateway_service_pb2.GenerateRequest) -> Attributes:
        """Return how an answer was asked for, without anything of what was asked."""
        options = request.options
        found: Attributes = {}
        for field, name in _OPTIONS.items():
            if options.HasField(field):  # type: ignore[arg-type]
                found[name] = getattr(options, field)
        if options.HasField("top_k"):
            # A double in both.
            found[names.GEN_AI_REQUEST_TOP_K] = float(options.top_k)
        if options.stop:
            found[names.GEN_AI_REQUEST_STOP_SEQUENCES] = [
                text[:LONGEST_STOP] for text in options.stop
            ]
        if request.HasField("output_format"):
            found[names.GEN_AI_OUTPUT_TYPE] = "json"
        amount = options.reasoning.WhichOneof("amount")
        if amount == "effort":
            found[names.SLUICE_REASONING_EFFORT] = options.reasoning.effort[:LONGEST_STOP]
        elif amount == "max_tokens":
            found[names.SLUICE_REASONING_MAX_TOKENS] = options.reasoning.max_tokens
        if self.newest:
            # Of providers, whatever the caller gets.
            found[names.GEN_AI_REQUEST_STREAM] = True
        return found

    def usage(self, tokens: Mapping[str, int]) -> Attributes:
        """Return what was counted, by kind as `AttemptRecord.tokens` has it."""
        known = _NEWER_USAGE if self.newest else _USAGE
        return {name: tokens[kind] for kind, name in known.items() if kind in tokens}

    def first_output(self, seconds: float) -> Attributes:
        """Return when the first output came, counted from the start of the upstream call."""
        return {names.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK: seconds} if self.newest else {}


_OPTIONS: Mapping[str, str] = {
    "max_output_tokens": names.GEN_AI_REQUEST_MAX_TOKENS,
    "temperature": names.GEN_AI_REQUEST_TEMPERATURE,
    "top_p": names.GEN_AI_REQUEST_TOP_P,
    "seed": names.GEN_AI_REQUEST_SEED,
    "presence_penalty": names.GEN_AI_REQUEST_PRESENCE_PENALTY,
    "frequency_penalty": names.GEN_AI_REQUEST_FREQUENCY_PENALTY,
}

_USAGE: Mapping[str, str] = {
    "input": names.GEN_AI_USAGE_INPUT_TOKENS,
    "output": names.GEN_AI_USAGE_OUTPUT_TOKENS,
}

_NEWER_USAGE: Mapping[str, str] = {
    **_USAGE,
    "cache_read_input": names.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS,
    "cache_write_input": names.GEN_AI_USAGE_CACHE_CREATION_INPUT_TOKENS,
    "reasoning_output": names.GEN_AI_USAGE_REASONING_OUTPUT_TOKENS,
}
