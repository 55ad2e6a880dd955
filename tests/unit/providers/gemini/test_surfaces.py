"""What differs between the Developer API, Vertex AI and Code Assist?"""

import json
import uuid

import pytest

from sluice_server.config import settings
from sluice_server.errors import UnsupportedFeatureError
from sluice_server.providers.capabilities import Feature, Support
from sluice_server.providers.dialects.gemini import (
    DEVELOPER_API,
    Gemini,
    Surface,
    code_assist,
    vertex,
)
from sluice_server.providers.presets import PRESETS
from tests.unit.providers.gemini.building import PROVIDER, ask, chunk, stream
from tests.unit.providers.reading import read

VERTEX = vertex("my-project", "europe-west4")
PLACE = "/v1/projects/my-project/locations/europe-west4"
STREAM = ":streamGenerateContent?alt=sse"


def vertex_settings(location: str) -> settings.Provider:
    """Return settings as an operator writes them."""
    return settings.Provider.model_validate(
        {"kind": "vertex", "project": "p", "location": location}
    )


@pytest.mark.parametrize(
    ("surface", "model", "path"),
    [
        (DEVELOPER_API, "gemini-2.5-pro", "/v1beta/models/gemini-2.5-pro"),
        (DEVELOPER_API, "models/gemini-2.5-pro", "/v1beta/models/gemini-2.5-pro"),
        (DEVELOPER_API, "tunedModels/mine", "/v1beta/tunedModels/mine"),
        (DEVELOPER_API, "a/../b?c#d", "/v1beta/models/a%2F..%2Fb%3Fc%23d"),
        (DEVELOPER_API, "models/..", "/v1beta/models/models%2F.."),
        (
            VERTEX,
            "gemini-2.5-pro@001",
            f"{PLACE}/publishers/google/models/gemini-2.5-pro@001",
        ),
        (VERTEX, "endpoints/12", f"{PLACE}/endpoints/12"),
        (code_assist(), "gemini-2.5-pro", "/v1internal"),
    ],
)
def test_paths(surface: Surface, model: str, path: str) -> None:
    """A model has one place, whatever its name holds, and is always streamed."""
    encoded = Gemini(surface=surface).encode(ask(), provider=PROVIDER, model=model)
    assert encoded.path == path + STREAM


@pytest.mark.parametrize("project", [None, "my-project"])
def test_the_envelope_of_code_assist(project: str | None) -> None:
    """Code Assist gets the same request inside an envelope, and a project only if there is one."""
    dialect = Gemini(surface=code_assist(project))
    body = json.loads(dialect.encode(ask(), provider=PROVIDER, model="gemini-2.5-pro").body)
    assert uuid.UUID(body.pop("user_prompt_id"))
    expected = {
        "model": "gemini-2.5-pro",
        "request": {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]},
    }
    assert body == expected | ({"project": project} if project else {})


def test_answers_of_code_assist_are_unwrapped() -> None:
    """Each chunk comes inside an envelope, opaque parts and errors too."""
    dialect = Gemini(surface=code_assist())
    chunks = [
        {"response": chunk({"executableCode": {"code": "1"}}), "traceId": "t"},
        {"traceId": "t"},
        {"response": chunk("Hi", finish="STOP", modelVersion="m", responseId="r")},
    ]
    answer = read(stream(*chunks), dialect=dialect)
    assert answer.parts == [("reasoning", ""), ("text", "Hi")]
    state = answer.whole.message.parts[0].provider_state[0]
    assert (state.kind, state.value) == ("part", b'{"executableCode": {"code": "1"}}')
    assert (answer.model, answer.response_id) == ("m", "r")
    failed = read(stream({"error": {"code": 503, "status": "UNAVAILABLE"}}), dialect=dialect)
    assert failed.error is not None
    assert failed.error.reason == "PROVIDER_UNAVAILABLE"


def test_credentials() -> None:
    """Keys go into Google's header, tokens are bearers."""
    assert Gemini().authorize("k") == ("x-goog-api-key", "k")
    assert Gemini(surface=VERTEX).authorize("t") == ("authorization", "Bearer t")
    assert Gemini(surface=code_assist()).authorize("t") == ("authorization", "Bearer t")


def test_model_lists() -> None:
    """Two surfaces list their models; Code Assist says so without being asked."""
    assert Gemini().models_path() == "/v1beta/models?pageSize=1000"
    assert Gemini(surface=VERTEX).models_path().startswith("/v1beta1/publishers/google/models")
    with pytest.raises(UnsupportedFeatureError):
        Gemini(surface=code_assist()).models_path()


@pytest.mark.parametrize("surface", [DEVELOPER_API, VERTEX, code_assist()])
def test_every_feature_is_stated(surface: Surface) -> None:
    """Capabilities leave no feature out, and what is stated about lists is true."""
    stated = Gemini(surface=surface).capabilities
    assert set(stated) == set(Feature)
    assert (stated[Feature.MODEL_LIST] is Support.YES) == (surface.models_path is not None)


@pytest.mark.parametrize(
    ("location", "address"),
    [
        ("global", "https://aiplatform.googleapis.com"),
        ("us", "https://aiplatform.us.rep.googleapis.com"),
        ("eu", "https://aiplatform.eu.rep.googleapis.com"),
        ("europe-west4", "https://europe-west4-aiplatform.googleapis.com"),
    ],
)
def test_the_address_of_vertex(location: str, address: str) -> None:
    """The host follows from the location."""
    configured = vertex_settings(location)
    assert PRESETS["vertex"].base_url(configured) == address


def test_kinds() -> None:
    """Only the Developer API is switched on by the environment; all need a credential."""
    kinds = {name: PRESETS[name].kind for name in ("gemini", "vertex", "gemini-code-assist")}
    assert {name: kind.key_variable for name, kind in kinds.items()} == {
        "gemini": "GEMINI_API_KEY",
        "vertex": None,
        "gemini-code-assist": None,
    }
    assert all(kind.needs_key for kind in kinds.values())
    assert kinds["vertex"].required == {"project", "location"}
    assert kinds["gemini-code-assist"].settings == {"project"}


def test_claude_on_vertex() -> None:
    """Models whose ids begin with claude are spoken to in their own dialect."""
    configured = vertex_settings("global")
    preset = PRESETS["vertex"]
    assert preset.dialects_by_prefix["claude"](configured).name == "anthropic-messages"
    assert preset.dialect(configured).name == "gemini"
