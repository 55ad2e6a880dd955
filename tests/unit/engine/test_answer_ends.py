"""How answers end: finish reasons, end markers, and what broke off."""

import json
from typing import Any

import pytest

from sluice.v1 import event_pb2
from sluice_server.errors import (
    ContextTooLongError,
    ProviderProtocolError,
    ProviderRateLimitedError,
    ProviderUnavailableError,
    SluiceError,
    StreamTruncatedError,
)
from tests.unit.providers.reading import (
    DOCUMENT,
    DONE,
    STREAM,
    choice,
    each_byte,
    fragment,
    read,
    sse,
    told,
)

TEXT = choice(content="Hi")
CALL = fragment(0, "a", "f", "{}")
REFUSAL = choice(refusal="No")


@pytest.mark.parametrize(
    ("word", "said", "reason"),
    [
        ("stop", TEXT, "STOP"),
        ("eos", TEXT, "STOP"),
        ("length", TEXT, "MAX_TOKENS"),
        ("model_length", TEXT, "CONTEXT_FULL"),
        ("tool_calls", CALL, "TOOL_CALLS"),
        ("function_call", CALL, "TOOL_CALLS"),
        ("content_filter", TEXT, "CONTENT_FILTER"),
        ("stop", CALL, "TOOL_CALLS"),
        ("tool_calls", TEXT, "STOP"),
        ("stop", REFUSAL, "REFUSAL"),
        ("length", CALL, "MAX_TOKENS"),
        ("length", REFUSAL, "MAX_TOKENS"),
        ("content_filter", CALL, "CONTENT_FILTER"),
        ("never heard of", TEXT, "OTHER"),
    ],
)
def test_finish_reasons(word: str, said: Any, reason: str) -> None:
    """The provider's word becomes the portable reason, corrected by what was said."""
    whole = read(sse(said, choice(word), DONE)).whole

    assert event_pb2.FinishReason.Name(whole.finish_reason) == f"FINISH_REASON_{reason}"
    assert whole.provider_finish_reason == word


def test_stop_string_is_named() -> None:
    """A server that names the stop string that matched is passed on."""
    end = choice("stop")
    end["choices"][0]["stop_reason"] = "END"
    whole = read(sse(TEXT, end, DONE)).whole

    assert whole.finish_reason == event_pb2.FINISH_REASON_STOP_SEQUENCE
    assert whole.stop_sequence == "END"


@pytest.mark.parametrize("stop_reason", [None, 128001])
def test_stop_token_is_a_plain_stop(stop_reason: int | None) -> None:
    """A token id is no stop string."""
    end = choice("stop")
    end["choices"][0]["stop_reason"] = stop_reason

    assert read(sse(TEXT, end, DONE)).whole.finish_reason == event_pb2.FINISH_REASON_STOP


def test_first_finish_reason_counts() -> None:
    """A repeated finish reason changes nothing."""
    whole = read(sse(TEXT, choice("length"), choice("stop"), DONE)).whole

    assert whole.finish_reason == event_pb2.FINISH_REASON_MAX_TOKENS


def test_done_without_finish_reason_is_other() -> None:
    """An answer with an end marker alone is whole; why it ended is not invented."""
    whole = read(sse(TEXT, DONE)).whole

    assert whole.finish_reason == event_pb2.FINISH_REASON_OTHER
    assert whole.provider_finish_reason == ""


@pytest.mark.parametrize("last", [b"", b"data: [DONE]", b"data:[DONE]\n", b"data: [DONE] \r\r"])
def test_end_marker_is_optional_after_a_finish_reason(last: bytes) -> None:
    """A good end of the connection after a finish reason is a good end."""
    assert read(sse(TEXT, choice("stop"), last)).parts == [("text", "Hi")]


def test_nothing_counts_after_the_end_marker() -> None:
    """What follows the end marker belongs to nobody."""
    answer = read(sse(TEXT, choice("stop"), DONE, choice(content="more"), b"data: {\n\n"))

    assert answer.parts == [("text", "Hi")]


def test_cut_anywhere_before_the_finish_reason_is_truncated() -> None:
    """A connection that ends before the finish reason never looks like a good end."""
    stream = sse({"id": "r"}, TEXT, CALL, choice(content="é"))
    for place in range(1, len(stream) + 1):
        answer = read(stream[:place])

        assert answer.completed is None
        assert isinstance(answer.error, StreamTruncatedError | ProviderProtocolError), place
    assert isinstance(read(stream).error, StreamTruncatedError)


def test_what_came_before_a_cut_was_delivered() -> None:
    """Output ahead of the cut reaches the caller."""
    answer = read(sse(TEXT), sse(choice(content=" there"))[:-9])

    assert isinstance(answer.error, StreamTruncatedError)
    assert told(answer.events) == [("text", "Hi")]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\n\n",
        b": ping\n\n",
        b"data: \n\n",
        b"event: x\n\n",
        sse(DONE),
        sse({"id": "r"}, DONE),
    ],
)
def test_empty_answer_is_no_success(body: bytes) -> None:
    """A 200 without any answer is the provider's failure."""
    answer = read(body)

    assert isinstance(answer.error, ProviderProtocolError | StreamTruncatedError)
    assert answer.events == []


def test_finish_reason_without_output_is_an_answer() -> None:
    """A model may say nothing, if it says so."""
    assert read(sse(choice("stop"), DONE)).parts == []


@pytest.mark.parametrize(
    ("chunk", "kind"),
    [
        ({"error": {"message": "slow down", "code": 429}}, ProviderRateLimitedError),
        ({"error": {"message": "x", "code": "rate_limit_exceeded"}}, ProviderRateLimitedError),
        ({"error": {"code": "context_length_exceeded"}}, ContextTooLongError),
        ({"error": {"message": "x", "code": "502"}}, ProviderUnavailableError),
        ({"error": "broken"}, ProviderUnavailableError),
        ({"error": {}}, ProviderUnavailableError),
        ({"error": [1]}, ProviderUnavailableError),
        ({"error": {"message": "x"}, "choices": [{"delta": {"content": "y"}}]}, SluiceError),
        ({"object": "error", "message": "overloaded", "code": 503}, ProviderUnavailableError),
        ({"object": "error", "message": "slow", "code": 429}, ProviderRateLimitedError),
        (choice("error"), ProviderUnavailableError),
    ],
    ids=str,
)
def test_error_inside_a_stream_is_an_error(chunk: Any, kind: type[SluiceError]) -> None:
    """An error object in a 200 is neither text nor a good end, and text before it stays."""
    answer = read(sse(TEXT, chunk, DONE))

    assert isinstance(answer.error, kind)
    assert told(answer.events) == [("text", "Hi")]


@pytest.mark.parametrize(
    "error",
    [
        b'{"message":"\xff"}',
        b'{"code":"\xc2\xb2\xc2\xb2\xc2\xb2"}',
        b'{"code":"' + b"9" * 5000 + b'"}',
        b'{"code":' + b"9" * 5000 + b"}",
        b'{"code":1e999}',
        b'{"detail":[{"loc":null,"msg":"x"}]}',
        b'{"detail":[{"loc":5}]}',
        b'{"message":{"deep":["x"]},"type":[],"status":{}}',
        b"0",
        b'""',
    ],
    ids=lambda error: error[:24].decode("latin-1"),
)
def test_odd_error_is_still_the_providers(error: bytes) -> None:
    """An error that makes no sense is a failure of the provider, not of the gateway."""
    answer = read(b'data: {"error":' + error + b"}\n\n")

    assert answer.error is not None
    assert answer.error.code != "OK"


@pytest.mark.parametrize(
    "payload",
    [
        b"{",
        b"nonsense that is long enough",
        b"[1, 2, 3, 4, 5, 6, 7, 8]",
        b'{"choices": {"index": "x"}}',
        b'{"choices": [{"delta": {"content": 5}}]}',
        b'{"choices": [{"delta": {"content": "\xff\xfe"}}]}',
        b'{"usage": 5, "choices": [{"delta": ',
        b'{"usage": 5, "choices": [{"delta": {"content": "\xff"}}]}',
        b'{"usage": 5, "x": ' + b"[" * 100_000,
        b'{"choices": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
    ids=lambda payload: payload[:40].decode("latin-1"),
)
def test_unreadable_event_is_a_protocol_error(payload: bytes) -> None:
    """An event that cannot be read fails the answer, and is not quoted."""
    answer = read(sse(TEXT), b"data: " + payload + b"\n\n", sse(choice("stop"), DONE))

    assert isinstance(answer.error, ProviderProtocolError)
    assert str(answer.error) == "The provider sent an event that cannot be read."
    assert told(answer.events) == [("text", "Hi")]


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b" \n",
        b"{",
        b"null",
        b"{}",
        b'{"choices": []}',
        b'{"choices": [{"message": {"content": "x"}}]}',
        b'{"error": {"message": "x", "code": 503}}',
        b'{"object": "error", "code": 429}',
        b'{"usage": 5, "choices": [',
        b"\xff",
    ],
)
def test_document_that_is_no_answer_fails(document: bytes) -> None:
    """A 200 whose JSON is not an answer is the provider's failure."""
    answer = read(document, content_type=DOCUMENT)

    assert answer.completed is None
    assert answer.error is not None


@pytest.mark.parametrize(
    "content_type",
    [
        STREAM,
        "text/event-stream; charset=utf-8",
        "Text/Event-Stream",
        "",
        "text/plain",
        "application/octet-stream",
    ],
)
def test_media_types_of_streams(content_type: str) -> None:
    """Streams of servers that name another type, or none, are read."""
    assert read(sse(TEXT, choice("stop")), content_type=content_type).parts == [("text", "Hi")]


@pytest.mark.parametrize("content_type", ["text/html", "image/png", "application/xml", "nonsense"])
def test_media_types_of_no_answer(content_type: str) -> None:
    """A login page with status 200 is not an answer."""
    error = read(sse(TEXT, choice("stop")), content_type=content_type).error

    assert isinstance(error, ProviderProtocolError)


def test_one_giant_event_is_refused() -> None:
    """A line that never ends cannot take the process with it."""
    piece = b"x" * (1024 * 1024)
    answer = read(b"data: ", *[piece] * 9)

    assert isinstance(answer.error, ProviderProtocolError)


def test_document_survives_any_cut() -> None:
    """A document that arrives byte by byte is the same document."""
    document = json.dumps({"choices": [{"message": {"content": "é"}, "finish_reason": "stop"}]})

    answer = read(*each_byte(document.encode()), content_type=DOCUMENT)
    assert answer.parts == [("text", "é")]
