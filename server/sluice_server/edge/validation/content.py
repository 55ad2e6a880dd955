"""Rules for one part of a message: its kind, media, calls, provider state and cache hints.

Not here: which kinds a role may hold and whether calls are answered; see `conversation`.
"""

import re
from typing import Final

from sluice.v1 import content_pb2
from sluice_server.edge.validation.durations import check_positive
from sluice_server.edge.validation.json_text import fault_of_object
from sluice_server.edge.validation.names import (
    FUNCTION_SHAPE,
    LONGEST_CALL_ID,
    PROVIDER_SHAPE,
    check_short,
    is_function_name,
    is_provider_name,
)
from sluice_server.edge.validation.violations import Report

KINDS: Final = "text, media, reasoning, tool_call, tool_result or refusal"

MOST_STATES: Final = 64
_LONGEST_STATE_KIND: Final = 64
_LONGEST_MEDIA_NAME: Final = 255
_LONGEST_FILE_ID: Final = 1_024
_LONGEST_URI: Final = 8_192

# RFC 6838, 4.2: restricted-name; parameters as in RFC 9110, 5.6.6.
_MEDIA_TYPE: Final = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}"
    r"([ \t]{0,8};[ \t]{0,8}[A-Za-z0-9!#$&^_.+-]{1,64}="
    r"([A-Za-z0-9!#$&^_.+-]{1,128}|\"[^\"\\\x00-\x1f\x7f]{0,128}\")){0,8}"
)
_URI: Final = re.compile(r"(https?|gs)://[^\s\x00-\x20\x7f/?#][^\s\x00-\x20\x7f]*", re.IGNORECASE)


def path(message: int, part: int, nested: int | None = None) -> str:
    """Return the path of a part, or of a part nested in its tool_result."""
    outer = f"messages[{message}].parts[{part}]"
    return outer if nested is None else f"{outer}.tool_result.parts[{nested}]"


def check_attachments(report: Report, field: str, part: content_pb2.Part) -> None:
    """Check what any part may carry beside its kind: provider state and a cache hint."""
    states = part.provider_state
    if len(states) > MOST_STATES:
        report.add(f"{field}.provider_state", f"Send at most {MOST_STATES} values, as received.")
    for number, state in enumerate(states[:MOST_STATES]):
        if not is_provider_name(state.provider):
            report.add(f"{field}.provider_state[{number}].provider", f"Send back {PROVIDER_SHAPE}.")
        if not state.kind:
            report.add(f"{field}.provider_state[{number}].kind", "Send the kind back as received.")
        else:
            check_short(
                report, f"{field}.provider_state[{number}].kind", state.kind, _LONGEST_STATE_KIND
            )
        if not state.value:
            report.add(
                f"{field}.provider_state[{number}].value",
                "Send the value back as received, or leave the whole state out.",
            )
    if part.HasField("cache") and part.cache.HasField("ttl"):
        check_positive(report, f"{field}.cache.ttl", part.cache.ttl)


def check_media(
    report: Report, message: int, part: int, nested: int | None, media: content_pb2.Media
) -> None:
    """Check the type and the source of an image, sound, video or document."""
    field = f"{path(message, part, nested)}.media"
    mime_type = media.mime_type
    if not mime_type:
        report.add(f"{field}.mime_type", 'Name the media type, for example "image/png".')
    elif not _MEDIA_TYPE.fullmatch(mime_type):
        report.add(
            f"{field}.mime_type", 'Write one media type as "type/subtype", for example "image/png".'
        )
    source = media.WhichOneof("source")
    if source is None:
        report.add(f"{field}.source", "Set one of data, uri or file_id.")
    elif source == "data":
        if not media.data:
            report.add(f"{field}.data", "Put the bytes in, or use uri or file_id.")
    elif source == "uri":
        uri = media.uri
        if len(uri) > _LONGEST_URI:
            report.add(f"{field}.uri", f"Shorten it to {_LONGEST_URI} characters, or use data.")
        elif not _URI.fullmatch(uri):
            report.add(
                f"{field}.uri",
                "Give an absolute address with the scheme https, http or gs; bytes of a data: "
                "address go into data, a provider's file into file_id.",
            )
    elif not media.file_id:
        report.add(f"{field}.file_id", "Name the file as the provider's file store does.")
    else:
        check_short(report, f"{field}.file_id", media.file_id, _LONGEST_FILE_ID)
    if media.name:
        check_short(report, f"{field}.name", media.name, _LONGEST_MEDIA_NAME)


def check_reasoning(report: Report, message: int, part: int, value: content_pb2.Part) -> None:
    """Check that redacted reasoning still has the encrypted form that it stands for."""
    if value.reasoning.redacted and not value.provider_state:
        report.add(
            f"{path(message, part)}.provider_state",
            "Send redacted reasoning back with the state it came with, or leave the part out.",
        )


def check_tool_call(report: Report, message: int, part: int, call: content_pb2.ToolCall) -> None:
    """Check a call in the history. Of its output-only fields the verdict alone is looked at."""
    call_id = call.id
    if not call_id:
        report.add(
            f"{path(message, part)}.tool_call.id", "Give the call the id that its result refers to."
        )
    elif len(call_id) > LONGEST_CALL_ID or not call_id.isprintable():
        check_short(report, f"{path(message, part)}.tool_call.id", call_id, LONGEST_CALL_ID)
    if not is_function_name(call.name):
        report.add(
            f"{path(message, part)}.tool_call.name", f"Name the function with {FUNCTION_SHAPE}."
        )
    arguments = call.arguments_json
    fault = fault_of_object(arguments) if arguments else 'Write "{}" when there are no arguments.'
    if fault and not is_judged_wrong(call):
        report.add(
            f"{path(message, part)}.tool_call.arguments_json",
            f"{fault} A call that was cut short is replayed with the verdict that it came with, "
            'or with "{}", and a result with is_error; or left out.',
        )


def is_judged_wrong(call: content_pb2.ToolCall) -> bool:
    """Return whether the gateway, when it delivered this call, found its arguments wrong."""
    return call.check in _JUDGED_WRONG


_JUDGED_WRONG = frozenset(
    {
        content_pb2.ARGUMENTS_CHECK_MALFORMED_JSON,
        # Valid JSON, but no object, is among these.
        content_pb2.ARGUMENTS_CHECK_SCHEMA_VIOLATION,
        content_pb2.ARGUMENTS_CHECK_UNKNOWN_TOOL,
    }
)


def check_result(report: Report, message: int, part: int, result: content_pb2.ToolResult) -> None:
    """Check what a tool returned; nothing at all is a result too."""
    for nested, piece in enumerate(result.parts):
        kind = piece.WhichOneof("kind")
        if kind == "media":
            check_media(report, message, part, nested, piece.media)
        elif kind is None:
            report.add(path(message, part, nested), "Set its kind: text or media.")
        elif kind != "text":
            report.add(
                f"{path(message, part, nested)}.{kind}", "Return text, JSON as text, or media."
            )
        if piece.provider_state or piece.HasField("cache"):
            check_attachments(report, path(message, part, nested), piece)
