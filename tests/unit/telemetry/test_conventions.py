"""Names and values are those of OpenTelemetry's conventions."""

import pytest
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes, rpc_attributes
from opentelemetry.semconv.attributes import (
    client_attributes,
    error_attributes,
    network_attributes,
    server_attributes,
)

from sluice.v1 import event_pb2, gateway_service_pb2
from sluice_server.providers.presets import PRESETS
from sluice_server.telemetry import names
from sluice_server.telemetry.conventions import Conventions, finish_reason, is_server_error

NEWEST = "gen_ai_latest_experimental"
OLDER, NEWER = Conventions(), Conventions([NEWEST, "rpc"])
SERVICE = "sluice.v1.GatewayService"


def test_names_are_the_conventions() -> None:
    """Every name that is not ours is known to OpenTelemetry's package of names."""
    known = {
        value
        for module in (
            *(gen_ai_attributes, rpc_attributes, client_attributes),
            *(error_attributes, network_attributes, server_attributes),
        )
        for value in vars(module).values()
        if isinstance(value, str)
    }
    ours = {
        value
        for name, value in vars(names).items()
        if name.startswith(("GEN_AI_", "RPC_", "NETWORK_", "CLIENT_", "SERVER_A", "SERVER_P"))
        and not value.startswith(("gen_ai.client.", "sluice"))
    }
    assert len(ours) > 30
    assert ours <= known


@pytest.mark.parametrize(
    ("kind", "older", "newer"),
    [
        ("openai", "openai", "openai"),
        ("openai-responses", "openai", "openai"),
        ("openai-compatible", "openai", "openai"),
        ("azure-openai", "azure.ai.openai", "azure.ai.openai"),
        ("anthropic", "anthropic", "anthropic"),
        ("gemini", "gcp.gemini", "gcp.gemini"),
        ("gemini-code-assist", "gcp.gen_ai", "gcp.gen_ai"),
        ("vertex", "gcp.vertex_ai", "gcp.vertex_ai"),
        ("groq", "groq", "groq"),
        ("mistral", "mistral_ai", "mistral_ai"),
        ("deepseek", "deepseek", "deepseek"),
        ("xai", "xai", "x_ai"),
        ("cerebras", "cerebras", "cerebras"),
        ("ollama", "ollama", "ollama"),
    ],
)
def test_providers_have_well_known_names(kind: str, older: str, newer: str) -> None:
    """The kind decides; a kind that the convention does not know keeps its own name."""
    assert kind in PRESETS
    assert OLDER.system(kind) == {"gen_ai.system": older}
    assert NEWER.system(kind) == {"gen_ai.provider.name": newer}


def test_well_known_values_are_the_packages() -> None:
    """What we map kinds to is a value that the convention lists."""
    known = {value.value for value in gen_ai_attributes.GenAiProviderNameValues}
    known_before = {value.value for value in gen_ai_attributes.GenAiSystemValues}
    for kind in PRESETS:
        (newer,), (older,) = NEWER.system(kind).values(), OLDER.system(kind).values()
        assert newer == kind or newer in known
        assert older == kind or older in known_before


@pytest.mark.parametrize(
    ("words", "newest", "older_rpc", "newer_rpc"),
    [
        ([], False, True, False),
        ([NEWEST], True, True, False),
        (["rpc"], False, False, True),
        (["rpc/dup"], False, True, True),
        (["rpc", "rpc/dup", NEWEST], True, True, True),
    ],
)
def test_the_switch(words: list[str], newest: bool, older_rpc: bool, newer_rpc: bool) -> None:
    """Each word has its meaning: GenAI never both, RPC both with `rpc/dup`, which wins."""
    conventions = Conventions(words)
    assert conventions.newest is newest
    told = conventions.rpc(SERVICE, "Generate", ("h", 1)) | conventions.rpc_end("INTERNAL", 13)
    assert ("rpc.system" in told, "rpc.system.name" in told) == (older_rpc, newer_rpc)
    assert told.get("rpc.grpc.status_code") == (13 if older_rpc else None)
    assert told.get("rpc.response.status_code") == ("INTERNAL" if newer_rpc else None)
    assert told["rpc.method"] == (f"{SERVICE}/Generate" if newer_rpc else "Generate")
    assert told["error.type"] == "INTERNAL"
    assert (told["server.address"], told["server.port"]) == ("h", 1)


@pytest.mark.parametrize(
    ("peer", "address", "port", "family"),
    [
        ("ipv4:10.0.0.1:443", "10.0.0.1", 443, "ipv4"),
        ("ipv6:%5B::1%5D:443", "::1", 443, "ipv6"),
        ("ipv6:[fe80::1]:443", "fe80::1", 443, "ipv6"),
        ("unix:/run/sluice.sock", "/run/sluice.sock", None, None),
        ("unknown", None, None, None),
        ("", None, None, None),
        ("ipv4:nonsense", None, None, None),
    ],
)
def test_peers(peer: str, address: str | None, port: int | None, family: str | None) -> None:
    """Who calls is told as gRPC names it, in both conventions; what is no address is not."""
    for conventions in (OLDER, NEWER):
        told = conventions.peer(peer)
        assert told.get("network.peer.address") == address
        assert told.get("network.peer.port") == port
    assert OLDER.peer(peer).get("network.type") == family
    assert OLDER.peer(peer).get("client.address") == (address if family else None)
    assert not {"network.type", "client.address", "network.transport"} & NEWER.peer(peer).keys()


def test_everything_of_a_request() -> None:
    """Every option that has a name is told with its value, and what is unset is absent."""
    request = gateway_service_pb2.GenerateRequest(model="m")
    for conventions in (OLDER, NEWER):
        assert conventions.request(request).keys() <= {"gen_ai.request.stream"}
    options = request.options
    options.max_output_tokens, options.temperature, options.top_p = 7, 0.0, 0.9
    options.top_k, options.seed = 40, -3
    options.presence_penalty, options.frequency_penalty = 0.5, -0.5
    options.stop.extend(["END", "x" * 1000])
    options.reasoning.effort = "high"
    request.output_format.json_object.SetInParent()
    expected = {
        "gen_ai.request.max_tokens": 7,
        "gen_ai.request.temperature": 0.0,
        "gen_ai.request.top_p": 0.9,
        "gen_ai.request.top_k": 40.0,
        "gen_ai.request.seed": -3,
        "gen_ai.request.presence_penalty": 0.5,
        "gen_ai.request.frequency_penalty": -0.5,
        "gen_ai.request.stop_sequences": ["END", "x" * 64],
        "gen_ai.output.type": "json",
        "sluice.request.reasoning.effort": "high",
    }
    assert OLDER.request(request) == expected
    assert NEWER.request(request) == {**expected, "gen_ai.request.stream": True}
    options.reasoning.max_tokens = 500
    assert OLDER.request(request)["sluice.request.reasoning.max_tokens"] == 500


def test_finish_reasons_are_the_conventions_words() -> None:
    """Every reason has a word, and those that the convention knows have its word."""
    told = {
        name.removeprefix("FINISH_REASON_"): finish_reason(number)
        for name, number in event_pb2.FinishReason.items()
        if number
    }
    assert told == {
        "STOP": "stop",
        "STOP_SEQUENCE": "stop",
        "MAX_TOKENS": "length",
        "TOOL_CALLS": "tool_call",
        "CONTENT_FILTER": "content_filter",
        "REFUSAL": "content_filter",
        "CONTEXT_FULL": "length",
        "PAUSED": "paused",
        "OTHER": "other",
    }


def test_callers_faults_are_no_errors_of_the_server() -> None:
    """Span status and error.type follow the convention's table for servers."""
    assert [
        code
        for code in (
            *("OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED"),
            *("NOT_FOUND", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION"),
            *("UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"),
        )
        if is_server_error(code)
    ] == ["UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"]
