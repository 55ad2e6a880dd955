"""How does a conversation read in Gemini's contents?"""

from typing import Any

import pytest

from sluice.v1 import content_pb2
from sluice_server.errors import InvalidRequestError, UnsupportedFeatureError
from sluice_server.providers.dialects.gemini import (
    DEVELOPER_API,
    Gemini,
    Surface,
    code_assist,
    vertex,
)
from sluice_server.providers.dialects.gemini.parts import SKIP_VALIDATION
from tests.unit.providers.gemini.building import (
    ask,
    assistant,
    call,
    dropped,
    own,
    png,
    result,
    results,
    sent,
    system,
    thought,
    user,
)

Part = content_pb2.Part
VERTEX = vertex("my-project", "europe-west4")


def contents(*messages: content_pb2.Message, model: str = "model") -> Any:
    """Return the contents that messages become."""
    return sent(ask(*messages), model=model)["contents"]


def parts(*given: Part | str, model: str = "model") -> Any:
    """Return what the parts of a model's message become, between two of the user's."""
    return contents(user("Hi"), assistant(*given), user("And?"), model=model)[1]["parts"]


def test_leading_instructions_stand_apart() -> None:
    """System messages at the start become systemInstruction."""
    body = sent(ask(system("Be brief.", "Be kind."), system("Be true."), user("Hi")))
    assert body["systemInstruction"] == {
        "parts": [{"text": "Be brief."}, {"text": "Be kind."}, {"text": "Be true."}]
    }
    assert body["contents"] == [{"role": "user", "parts": [{"text": "Hi"}]}]


def test_later_instructions_stay_in_their_place() -> None:
    """A system message inside the conversation is text of the user there."""
    assert contents(user("Hi"), assistant("Yes?"), system("Be brief."), user("Go on.")) == [
        {"role": "user", "parts": [{"text": "Hi"}]},
        {"role": "model", "parts": [{"text": "Yes?"}]},
        {"role": "user", "parts": [{"text": "Be brief."}, {"text": "Go on."}]},
    ]


def test_neighbours_of_one_role_are_one_content() -> None:
    """Roles alternate, and an empty answer leaves no content."""
    assert contents(user("A"), user("B"), assistant(""), user("C"), assistant("D", "E")) == [
        {"role": "user", "parts": [{"text": "A"}, {"text": "B"}, {"text": "C"}]},
        {"role": "model", "parts": [{"text": "D"}, {"text": "E"}]},
    ]


def test_arguments_are_an_object_as_written() -> None:
    """Arguments keep key order and large numbers."""
    request = ask(user("Hi"), assistant(call("c", arguments='{"b": 9007199254740993,"a":1.0}')))
    body = Gemini().encode(request, provider="example", model="model").body
    assert b'"args":{"b": 9007199254740993,"a":1.0}' in body


def test_results_of_a_turn_are_together_in_the_order_of_calls() -> None:
    """All results stand in one content, before the text that follows."""
    found = contents(
        user("Hi"),
        assistant(call("one", "look"), call("two", "find")),
        results(result("two", "b")),
        results(result("one", "a")),
        user("Go on."),
    )
    assert found[2] == {
        "role": "user",
        "parts": [
            {"functionResponse": {"name": "look", "response": {"output": "a"}}},
            {"functionResponse": {"name": "find", "response": {"output": "b"}}},
            {"text": "Go on."},
        ],
    }


def test_calls_of_a_turn_are_together() -> None:
    """Calls in two messages of one turn are one content, and so are their results."""
    found = contents(
        user("Hi"),
        assistant(call("one", "look")),
        assistant(call("two", "find")),
        results(result("two"), result("one")),
    )
    assert [list(part) for part in found[1]["parts"]] == [["functionCall"], ["functionCall"]]
    assert [part["functionResponse"]["name"] for part in found[2]["parts"]] == ["look", "find"]


@pytest.mark.parametrize(
    ("given", "response"),
    [
        (result("c"), {"output": ""}),
        (result("c", "sunny"), {"output": "sunny"}),
        (result("c", '{"id": 9007199254740993}'), {"output": '{"id": 9007199254740993}'}),
        (result("c", "a", "b"), {"output": ["a", "b"]}),
        (result("c", "no", is_error=True), {"error": "no"}),
    ],
)
def test_a_result_is_an_object(given: Part, response: Any) -> None:
    """Text of a result stays text, under the member that tells failures apart."""
    found = contents(user("Hi"), assistant(call("c")), results(given))
    assert found[2]["parts"][0]["functionResponse"]["response"] == response


def test_ids_of_calls_are_sent_only_if_they_came() -> None:
    """A call and its result carry the provider's own id, never one of the gateway's."""
    found = contents(
        user("Hi"),
        assistant(call("call_1", call_id="own"), call("call_2")),
        results(result("call_1"), result("call_2")),
    )
    assert [part["functionCall"].get("id") for part in found[1]["parts"]] == ["own", None]
    assert [part["functionResponse"].get("id") for part in found[2]["parts"]] == ["own", None]


def test_media_in_results_by_model() -> None:
    """Gemini 3 takes media in results; 2.5 is known not to."""
    messages = [user("Hi"), assistant(call("c")), results(result("c", "see", png(data=b"png")))]
    found = contents(*messages, model="gemini-3-flash-preview")
    assert found[2]["parts"][0]["functionResponse"]["parts"] == [
        {"inlineData": {"mimeType": "image/png", "data": "cG5n"}}
    ]
    with pytest.raises(UnsupportedFeatureError) as caught:
        contents(*messages, model="gemini-2.5-flash")
    assert caught.value.violations[0].field == "messages[2].parts[0].tool_result.parts[1].media"


@pytest.mark.parametrize(
    ("surface", "media", "part"),
    [
        (
            DEVELOPER_API,
            png(data=b"png"),
            {"inlineData": {"mimeType": "image/png", "data": "cG5n"}},
        ),
        (
            DEVELOPER_API,
            png(uri="https://example.com/a.png"),
            {"fileData": {"mimeType": "image/png", "fileUri": "https://example.com/a.png"}},
        ),
        (
            DEVELOPER_API,
            png(file_id="files/abc"),
            {
                "fileData": {
                    "mimeType": "image/png",
                    "fileUri": "https://generativelanguage.googleapis.com/v1beta/files/abc",
                }
            },
        ),
        (
            VERTEX,
            png(uri="gs://b/a"),
            {"fileData": {"mimeType": "image/png", "fileUri": "gs://b/a"}},
        ),
    ],
)
def test_media_is_carried(surface: Surface, media: Part, part: Any) -> None:
    """Media goes as bytes or as a reference."""
    assert sent(ask(user(media)), surface=surface)["contents"][0]["parts"] == [part]


@pytest.mark.parametrize(
    ("surface", "media", "field"),
    [
        (DEVELOPER_API, png(uri="gs://b/a"), "messages[0].parts[1].media.uri"),
        (VERTEX, png(file_id="files/abc"), "messages[0].parts[1].media.file_id"),
    ],
)
def test_files_of_another_surface_are_refused(surface: Surface, media: Part, field: str) -> None:
    """A file that the surface cannot read is named."""
    with pytest.raises(UnsupportedFeatureError) as caught:
        sent(ask(user("See", media)), surface=surface)
    assert caught.value.violations[0].field == field


def test_signatures_return_on_their_part() -> None:
    """Each signature goes back on exactly its part, an empty text among them."""
    assert parts(
        "Hello",
        own(Part(text=""), thought_signature="c2ln"),
        call("c", thought_signature="Y2Fs"),
        thought("Hm.", thought_signature="dGhv"),
    ) == [
        {"text": "Hello"},
        {"text": "", "thoughtSignature": "c2ln"},
        {"functionCall": {"name": "weather", "args": {}}, "thoughtSignature": "Y2Fs"},
        {"text": "Hm.", "thought": True, "thoughtSignature": "dGhv"},
    ]


def test_summaries_of_thoughts_are_left_out() -> None:
    """Reasoning without a signature is not sent, and named."""
    request = ask(user("Hi"), assistant(thought("Hm."), "Yes."), user("And?"))
    assert sent(request)["contents"][1]["parts"] == [{"text": "Yes."}]
    assert dropped(request) == ("messages[1].parts[0].reasoning",)


@pytest.mark.parametrize("other", [{"provider": "elsewhere"}, {"model": "another"}])
def test_foreign_state_stays_here(other: dict[str, str]) -> None:
    """State of another provider or model never goes on the wire."""
    state: dict[str, Any] = {"thought_signature": "c2ln", **other}
    opaque: dict[str, Any] = {"part": '{"executableCode":{}}', **other}
    request = ask(
        user("Hi"),
        assistant(
            own(Part(text="Yes"), **state), thought(**state), thought(redacted=True, **opaque)
        ),
        user("And?"),
    )
    assert sent(request)["contents"][1]["parts"] == [{"text": "Yes"}]
    assert dropped(request) == ("messages[1].parts[1].reasoning", "messages[1].parts[2].reasoning")


def test_opaque_parts_return_verbatim() -> None:
    """A part without a place in the contract goes back as it was written."""
    code = '{"executableCode": {"code": "1+1", "n": 1.50}, "thoughtSignature": "c2ln"}'
    request = ask(user("Hi"), assistant(thought(redacted=True, part=code), "2"), user("And?"))
    encoded = Gemini().encode(request, provider="example", model="model")
    assert code.encode() in encoded.body
    assert not encoded.dropped_fields


@pytest.mark.parametrize("state", ['{"text":"a"}]},{"role":"user"', "[]", "{"])
def test_altered_state_cannot_break_the_body(state: str) -> None:
    """State that is no JSON object is refused by its path."""
    with pytest.raises(InvalidRequestError) as caught:
        parts(thought(redacted=True, part=state))
    assert caught.value.violations[0].field == "messages[1].parts[0].provider_state"


def test_refusals_return_as_text() -> None:
    """A refusal is text of the model."""
    assert parts(Part(refusal="No.")) == [{"text": "No."}]


def test_foreign_calls_get_the_dummy_signature() -> None:
    """Gemini 3 gets a signature on the first call of each step, and on no other."""
    messages = [
        user("Hi"),
        assistant(call("a"), call("b")),
        results(result("a"), result("b")),
        assistant("Then:", call("c", thought_signature="c2ln"), call("d")),
        results(result("c"), result("d")),
    ]
    for model, dummy in (("gemini-3-pro-preview", SKIP_VALIDATION), ("gemini-2.5-pro", None)):
        for message in messages:
            for part in message.parts:
                for state in part.provider_state:
                    state.model = model
        found = contents(*messages, model=model)
        signatures = [
            part.get("thoughtSignature")
            for content in found
            if content["role"] == "model"
            for part in content["parts"]
            if "functionCall" in part
        ]
        assert signatures == [dummy, None, "c2ln", None]


def test_the_dummy_is_once_per_merged_step() -> None:
    """Messages that become one content are one step."""
    found = contents(
        user("Hi"), assistant(call("a")), assistant(call("b")), model="gemini-3-pro-preview"
    )
    assert ["thoughtSignature" in part for part in found[1]["parts"]] == [True, False]


def test_a_last_word_of_the_model_by_model() -> None:
    """Models that refuse to continue their own message are not asked to."""
    messages = [user("Hi"), assistant("Well,")]
    assert contents(*messages, model="gemini-2.5-pro")[-1]["role"] == "model"
    with pytest.raises(UnsupportedFeatureError) as caught:
        contents(*messages, model="gemini-3.6-flash")
    assert caught.value.violations[0].field == "messages[1]"


def test_nothing_to_answer_is_refused() -> None:
    """A conversation that leaves no content is refused, for Gemini wants one."""
    with pytest.raises(UnsupportedFeatureError) as caught:
        contents(assistant(""))
    assert caught.value.violations[0].field == "messages"


def test_an_interrupted_answer_goes_on() -> None:
    """The token of an interrupted answer stands for the message that it came with."""
    messages = [user("Hi"), assistant("We", thought(redacted=True, continuation="tok"))]
    body = sent(ask(*messages))
    assert body["continuationToken"] == "tok"
    assert body["contents"] == [{"role": "user", "parts": [{"text": "Hi"}]}]
    later = sent(ask(*messages, assistant("ll."), user("And?")))
    assert "continuationToken" not in later
    assert later["contents"][1]["parts"] == [{"text": "We"}, {"text": "ll."}]


def test_hints_without_a_place_are_named() -> None:
    """Cache hints and names of files are left out and listed."""
    hint = content_pb2.CacheHint()
    request = ask(
        user(
            Part(text="Hi", cache=hint),
            Part(media=content_pb2.Media(mime_type="image/png", data=b"png", name="a.png")),
        ),
        assistant(call("c")),
        results(result("c", Part(text="x", cache=hint))),
    )
    assert dropped(request) == (
        "messages[0].parts[0].cache",
        "messages[2].parts[0].tool_result.parts[0].cache",
        "messages[0].parts[1].media.name",
    )


def test_an_unknown_call_is_refused() -> None:
    """A result whose call is not in the conversation has no name on the wire."""
    with pytest.raises(UnsupportedFeatureError) as caught:
        contents(user("Hi"), results(result("gone")))
    assert caught.value.violations[0].field == "messages[1].parts[0].tool_result.tool_call_id"


def test_code_assist_reads_files_of_cloud_storage() -> None:
    """Code Assist takes gs:// as Vertex does."""
    body = sent(ask(user(png(uri="gs://b/a"))), surface=code_assist())
    assert body["request"]["contents"][0]["parts"][0]["fileData"]["fileUri"] == "gs://b/a"
