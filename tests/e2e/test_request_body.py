"""Does the provider receive what the caller said, and nothing that the caller did not say?"""

from google.protobuf import json_format

from sluice.v1 import content_pb2
from tests.support.client import collect, request
from tests.support.configuration import API_KEY, configuration
from tests.support.openai_stream import answer
from tests.support.server import RunningServer, running
from tests.support.upstream import Upstream


async def test_a_plain_request_is_plain(server: RunningServer, upstream: Upstream) -> None:
    """Model without its prefix, messages, streaming with usage; no option that was not given."""
    upstream.reply(answer("ok"))
    await collect(server.stub.Generate(request("Hi")))
    (sent,) = upstream.requests
    assert (sent.method, sent.target) == ("POST", "/v1/chat/completions")
    assert sent.header("authorization") == f"Bearer {API_KEY}"
    assert sent.header("content-type") == "application/json"
    body = sent.json
    assert body.pop("stream_options")["include_usage"] is True
    assert body == {
        "model": "test-model",
        "stream": True,
        "messages": [{"role": "user", "content": "Hi"}],
    }


async def test_options_are_sent_by_their_names(upstream: Upstream) -> None:
    """Every portable option arrives under the provider's name, zeros included."""
    wanted = request()
    json_format.ParseDict(
        {
            "maxOutputTokens": 7,
            "temperature": 0,
            "topP": 0.5,
            "seed": "0",
            "stop": ["a", "b"],
            "presencePenalty": 0,
            "frequencyPenalty": -1.5,
            "topLogprobs": 0,
        },
        wanted.options,
    )
    upstream.reply(answer("ok"))
    config = configuration(upstream, providers={"up": {"kind": "openai"}})
    async with running(config) as server:
        await collect(server.stub.Generate(wanted))
    body = upstream.requests[0].json
    assert {
        "max_completion_tokens": 7,
        "temperature": 0,
        "top_p": 0.5,
        "seed": 0,
        "stop": ["a", "b"],
        "presence_penalty": 0,
        "frequency_penalty": -1.5,
        "logprobs": True,
        "top_logprobs": 0,
    }.items() <= body.items()


async def test_conversations_keep_roles_and_media(
    server: RunningServer, upstream: Upstream
) -> None:
    """System text, images by bytes and by address, and an earlier answer arrive in order."""
    wanted = request()
    del wanted.messages[:]
    wanted.messages.add(role=content_pb2.ROLE_SYSTEM).parts.add(text="Be brief.")
    user = wanted.messages.add(role=content_pb2.ROLE_USER)
    user.parts.add(text="What is it?")
    user.parts.add().media.CopyFrom(content_pb2.Media(mime_type="image/png", data=b"\x89PNG"))
    user.parts.add().media.CopyFrom(content_pb2.Media(mime_type="image/png", uri="https://x/y.png"))
    wanted.messages.add(role=content_pb2.ROLE_ASSISTANT).parts.add(text="A cat.")
    wanted.messages.add(role=content_pb2.ROLE_USER).parts.add(text="Sure?")
    upstream.reply(answer("Yes."))
    await collect(server.stub.Generate(wanted))
    sent = upstream.requests[0].json["messages"]
    assert [message["role"] for message in sent] == ["system", "user", "assistant", "user"]
    assert sent[0]["content"] == "Be brief."
    parts = sent[1]["content"]
    assert parts[0] == {"type": "text", "text": "What is it?"}
    assert parts[1]["image_url"]["url"] == "data:image/png;base64,iVBORw=="
    assert parts[2]["image_url"]["url"] == "https://x/y.png"
    assert sent[2]["content"] == "A cat."


async def test_provider_options_are_merged(server: RunningServer, upstream: Upstream) -> None:
    """Fields for this provider are merged verbatim, fields for another one are not."""
    wanted = request()
    json_format.ParseDict(
        {"min_p": 0.25, "top": {"deep": [1, None]}}, wanted.provider_options["up"]
    )
    json_format.ParseDict({"never": 1}, wanted.provider_options["other"])
    upstream.reply(answer("ok"))
    await collect(server.stub.Generate(wanted))
    body = upstream.requests[0].json
    assert body["min_p"] == 0.25
    assert body["top"] == {"deep": [1, None]}
    assert "never" not in body


async def test_configured_headers_go_along(upstream: Upstream) -> None:
    """Extra headers of the configuration are sent with every request."""
    config = configuration(upstream, providers={"up": {"headers": {"X-Team": "rivers"}}})
    upstream.reply(answer("ok"))
    async with running(config) as server:
        await collect(server.stub.Generate(request()))
    assert upstream.requests[0].header("x-team") == "rivers"
