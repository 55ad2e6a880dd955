"""Does every dialect do what it states in its capabilities?

For each feature there is a request with it and one without it. What is stated decides what must
become of the difference: it reaches the wire, is refused by its path, or is left out and named.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from sluice.v1 import content_pb2, gateway_service_pb2
from sluice_server.errors import UnsupportedFeatureError
from sluice_server.providers.capabilities import Feature, Support
from sluice_server.providers.dialect import Dialect, EncodedRequest
from sluice_server.providers.presets import PRESETS
from sluice_server.providers.table import dialects

PROVIDER = "up"
MODEL = "never-heard-of-1"
PNG = content_pb2.Media(mime_type="image/png", data=b"\x89PNG")
SCHEMA = (
    '{"type":"object","properties":{"city":{"type":"string"}},"required":["city"],'
    '"additionalProperties":false}'
)
RANDOM_ID = re.compile(rb"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
OWN_STATE = {
    "signature": b"c2lnbmF0dXJl",
    "thought_signature": b"c2lnbmF0dXJl",
    "item": b'{"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":"eA=="}',
    "thinking": b"{}",
}
"""What any dialect may have attached to a turn that reasoned, by kind."""

DETAILS = ("reasoning_details", b'[{"type":"reasoning.text","text":"Hm.","index":0}]')
SENDS_DETAILS = {"openrouter"}
"""Kinds that attach these as well; others would get them back too, but never sent any."""

Request = gateway_service_pb2.GenerateRequest
Change = Callable[[Request], None]


@dataclass(frozen=True)
class Probe:
    """One way to ask for a feature."""

    name: str
    feature: Feature
    path: str
    """Where a refusal or an omission must point: this field, or one inside it."""
    change: Change
    """Adds the feature."""
    before: Change = lambda _: None
    """Adds what the feature needs beside it."""

    def requests(self) -> tuple[Request, Request]:
        """Return a request without the feature and the same with it."""
        without = Request(model=f"{PROVIDER}/{MODEL}")
        # Some take JSON mode only when a message says so.
        without.messages.add(role=content_pb2.ROLE_USER).parts.add(text="Answer in JSON.")
        self.before(without)
        request = Request()
        request.CopyFrom(without)
        self.change(request)
        return without, request


def media(title: str, feature: Feature, **fields: object) -> Probe:
    """Return a probe that shows the model something."""
    part = content_pb2.Part(media=content_pb2.Media(**fields))  # type: ignore[arg-type]
    return Probe(
        title,
        feature,
        "messages[0].parts[1].media",
        lambda request: request.messages[0].parts.append(part),
    )


def option(name: str, feature: Feature, value: object, *, path: str = "") -> Probe:
    """Return a probe that sets an option."""

    def change(request: Request) -> None:
        request.options.MergeFrom(gateway_service_pb2.GenerationOptions(**{name: value}))  # type: ignore[arg-type]

    return Probe(path or name, feature, f"options.{path or name}", change, room_to_think)


def room_to_think(request: Request) -> None:
    """Bound the output, as a budget for reasoning must be below it."""
    request.options.max_output_tokens = 8192


def with_tools(request: Request) -> None:
    """Declare two functions."""
    for name in ("weather", "time"):
        request.tools.add(name=name, description="Tells it.", input_schema_json=SCHEMA)


def with_call(request: Request) -> None:
    """Add a turn that called a function, and its result."""
    with_tools(request)
    call = content_pb2.ToolCall(id="call_1", name="weather", arguments_json='{"city":"Oslo"}')
    request.messages.add(role=content_pb2.ROLE_ASSISTANT).parts.add(tool_call=call)
    result = content_pb2.ToolResult(tool_call_id="call_1", parts=[content_pb2.Part(text="Rain.")])
    request.messages.add(role=content_pb2.ROLE_TOOL).parts.add(tool_result=result)


def add_tool_strictly(request: Request) -> None:
    """Ask for constrained decoding of the first function's arguments."""
    request.tools[0].strict = True


def add_result_image(request: Request) -> None:
    """Let the function return an image beside its text."""
    request.messages[2].parts[0].tool_result.parts.add(media=PNG)


def add_reasoning(request: Request) -> None:
    """Let the turn have reasoned, at this provider and model."""
    turn = request.messages[1]
    calls = list(turn.parts)
    del turn.parts[:]
    turn.parts.add(reasoning=content_pb2.Reasoning(text="Hm."))
    turn.parts.extend(calls)
    for part in turn.parts:
        for kind, value in OWN_STATE.items():
            part.provider_state.add(provider=PROVIDER, kind=kind, value=value, model=MODEL)


def choose(**rule: object) -> Change:
    """Return a change that sets the tool choice."""
    choice = content_pb2.ToolChoice(**rule)  # type: ignore[arg-type]
    return lambda request: request.tool_choice.CopyFrom(choice)


def add_json_object(request: Request) -> None:
    """Ask for any JSON object."""
    request.output_format.json_object.SetInParent()


def add_json_schema(request: Request) -> None:
    """Ask for JSON of a schema."""
    request.output_format.json_schema.name = "place"
    request.output_format.json_schema.schema_json = SCHEMA


def add_cache_hint(request: Request) -> None:
    """Ask for a cached prefix."""
    request.messages[0].parts[0].cache.SetInParent()


def add_end_user(request: Request) -> None:
    """Name the end user."""
    request.end_user = "user-1"


PROBES = (
    media("image bytes", Feature.IMAGE_BYTES, mime_type="image/png", data=b"\x89PNG"),
    media("image URL", Feature.IMAGE_URL, mime_type="image/png", uri="https://example.com/a.png"),
    media("audio", Feature.AUDIO_BYTES, mime_type="audio/wav", data=b"RIFF"),
    media("PDF", Feature.FILE_BYTES, mime_type="application/pdf", data=b"%PDF"),
    media("PDF URL", Feature.FILE_URL, mime_type="application/pdf", uri="https://example.com/a"),
    media("file id", Feature.FILE_ID, mime_type="application/pdf", file_id="file-1"),
    Probe("tools", Feature.TOOLS, "tools", with_tools),
    Probe("strict", Feature.STRICT_TOOLS, "tools[0].strict", add_tool_strictly, with_tools),
    Probe(
        "required",
        Feature.TOOL_CHOICE_REQUIRED,
        "tool_choice",
        choose(mode=content_pb2.TOOL_MODE_REQUIRED),
        with_tools,
    ),
    Probe("named", Feature.TOOL_CHOICE_NAMED, "tool_choice", choose(name="time"), with_tools),
    Probe(
        "no parallel calls",
        Feature.PARALLEL_CONTROL,
        "tool_choice.disable_parallel",
        choose(mode=content_pb2.TOOL_MODE_AUTO, disable_parallel=True),
        with_tools,
    ),
    Probe(
        "image in a result",
        Feature.TOOL_RESULT_IMAGE,
        "messages[2].parts[0].tool_result.parts[1]",
        add_result_image,
        with_call,
    ),
    Probe("JSON object", Feature.JSON_OBJECT, "output_format.json_object", add_json_object),
    Probe("JSON Schema", Feature.JSON_SCHEMA, "output_format.json_schema", add_json_schema),
    option("temperature", Feature.TEMPERATURE, 0.5),
    option("top_p", Feature.TEMPERATURE, 0.5),
    option("top_k", Feature.TOP_K, 5),
    option("seed", Feature.SEED, 5),
    option("stop", Feature.STOP, ["END"]),
    option("presence_penalty", Feature.PENALTIES, 0.5),
    option("frequency_penalty", Feature.PENALTIES, 0.5),
    option("top_logprobs", Feature.LOGPROBS, 2),
    option("reasoning", Feature.REASONING_EFFORT, {"effort": "high"}, path="reasoning.effort"),
    option(
        "reasoning", Feature.REASONING_BUDGET, {"max_tokens": 2048}, path="reasoning.max_tokens"
    ),
    Probe(
        "reasoning returned",
        Feature.REASONING_RETURNED,
        "messages[1].parts[0].reasoning",
        add_reasoning,
        with_call,
    ),
    Probe("cache hint", Feature.CACHE_HINTS, "messages[0].parts[0].cache", add_cache_hint),
    Probe("end user", Feature.END_USER, "end_user", add_end_user),
)

HINTS = {Feature.CACHE_HINTS, Feature.END_USER, Feature.STRICT_TOOLS}
"""Features that are never refused."""

THINKS_UNLESS_TOLD = {"deepseek"}
"""Kinds whose models all think by default, and take a forced choice only when they do not."""

IN_ANSWERS = {
    Feature.REASONING_TEXT: "how reasoning is told is shown by each decoder's own tests",
    Feature.RATE_LIMITS: "which headers there are differs; each reader has its own tests",
    Feature.MODEL_LIST: "which shape a list has differs; each reader has its own tests",
}
"""Features that no request asks for, and where they are tested."""


def spoken() -> Iterator[tuple[str, str, Dialect]]:
    """Yield everything that any kind speaks: its name, a model for it, the dialect."""
    for name, preset in PRESETS.items():
        for prefix, dialect in dialects(preset).items():
            yield f"{name}{prefix and ' ' + prefix}", prefix + MODEL, dialect


SPOKEN = [pytest.param(name, model, dialect, id=name) for name, model, dialect in spoken()]


def encode(dialect: Dialect, request: Request, model: str) -> EncodedRequest:
    """Return the request in the provider's words."""
    mine = Request()
    mine.CopyFrom(request)
    for message in mine.messages:
        for part in message.parts:
            for state in part.provider_state:
                state.model = model
    return dialect.encode(mine, provider=PROVIDER, model=model)


def told(encoded: EncodedRequest) -> bytes:
    """Return the body without ids that are made anew for each request."""
    return RANDOM_ID.sub(b"", encoded.body)


def inside(path: str, field: str) -> bool:
    """Tell whether `field` is `path` or a part of it."""
    return re.fullmatch(re.escape(path) + r"([.\[].*)?", field) is not None


def test_every_feature_is_probed_or_excused() -> None:
    """A new feature needs a probe here, or a reason to have none."""
    probed = {probe.feature for probe in PROBES}

    assert probed | set(IN_ANSWERS) == set(Feature)
    assert not probed & set(IN_ANSWERS)


@pytest.mark.parametrize(("name", "model", "dialect"), SPOKEN)
def test_every_feature_is_stated(name: str, model: str, dialect: Dialect) -> None:
    """No feature is forgotten in a dialect's capabilities."""
    assert set(dialect.capabilities) == set(Feature)


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.name)
@pytest.mark.parametrize(("name", "model", "dialect"), SPOKEN)
def test_a_dialect_does_what_it_states(
    name: str, model: str, dialect: Dialect, probe: Probe
) -> None:
    """Carried features change the body, refused ones name their field, hints are named as lost."""
    without, request = probe.requests()
    if name in THINKS_UNLESS_TOLD and probe.path == "tool_choice":
        for each in (without, request):
            each.options.reasoning.effort = "none"
    stated = dialect.capabilities[probe.feature]
    if stated is Support.NO:
        with pytest.raises(UnsupportedFeatureError) as refused:
            encode(dialect, request, model)
        (violation,) = refused.value.violations
        assert inside(probe.path, violation.field)
        return
    if name in SENDS_DETAILS and probe.feature is Feature.REASONING_RETURNED:
        kind, value = DETAILS
        request.messages[1].parts[0].provider_state.add(provider=PROVIDER, kind=kind, value=value)
    plain, encoded = encode(dialect, without, model), encode(dialect, request, model)
    named = [field for field in encoded.dropped_fields if inside(probe.path, field)]
    if stated is Support.HINT or (stated is Support.MODEL and probe.feature in HINTS):
        # A hint that only some models take is left out for one that nobody knows.
        assert named
        assert told(encoded) == told(plain)
    else:
        assert told(encoded) != told(plain)
        assert not named
