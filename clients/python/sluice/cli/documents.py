"""Messages of the contract as JSON, for programs.

Field names are the contract's own. Counters, texts and lists are there even when 0 or empty;
what has presence in the contract is absent when it is not known. All that is not ASCII is
escaped, so that a terminal can show it, too.
"""

import json
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message


def as_dict(message: Message) -> dict[str, Any]:
    """Return a message as proto JSON has it."""
    value: dict[str, Any] = MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    return value


def indented(value: dict[str, Any]) -> str:
    """Return one document, over several lines."""
    return json.dumps(value, indent=2)


def line(value: dict[str, Any]) -> str:
    """Return one document on one line, for a stream of them."""
    return json.dumps(value, separators=(",", ":"))
