"""What drivers wrote, made comparable, and compared with what every client must have seen.

Made comparable: messages are read as protobuf's JSON, which catches what is none, and
written again with the contract's own names; deltas of one part that follow each other become
one, since how they are cut is the gateway's affair; so do texts. Functions that are called at
the same time are put in the order of their calls' ids.

An expectation is compared by what it names: a mapping may hold more than is expected, a list
must have the same length. `{match: REGEX}` asks for a text of that form, `{length: N}` for
a list or text of that length, `{text: …, times: N}` for that text so often, `{above: N}`
for a larger number, and null for something that is absent.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message import Message

from sluice.v1 import content_pb2, event_pb2, gateway_service_pb2, usage_pb2

Line = dict[str, Any]

_DELTAS = {
    "text_delta": "text",
    "reasoning_delta": "text",
    "tool_arguments_delta": "fragment",
}
_MESSAGES: dict[str, type[Message]] = {
    "message": content_pb2.Message,
    "usage": usage_pb2.Usage,
    "cost": usage_pb2.Cost,
    "upstream": event_pb2.Upstream,
}


def comparable(lines: Sequence[Line]) -> list[Line]:
    """Return the lines in a form that is the same for all languages."""
    result: list[Line] = []
    for line in map(_canonical, lines):
        if not (result and _joined(result[-1], line)):
            result.append(line)
    return _calls_in_order(result)


def differences(expected: Any, seen: Any, path: str = "saw") -> list[str]:
    """Return where `seen` is not what was expected, in words; empty when all is well."""
    if isinstance(expected, Mapping):
        special = _special(expected, seen, path)
        if special is not None:
            return special
        if not isinstance(seen, Mapping):
            return [f"{path}: {_short(seen)} is no object"]
        return [
            difference
            for key, value in expected.items()
            for difference in differences(value, seen.get(key), f"{path}.{key}")
        ]
    if isinstance(expected, list):
        if not isinstance(seen, list) or len(seen) != len(expected):
            return [f"{path}: {_short(seen)} instead of {len(expected)} items {_short(expected)}"]
        pairs = zip(expected, seen, strict=True)
        return [
            difference
            for number, (wanted, have) in enumerate(pairs)
            for difference in differences(wanted, have, f"{path}[{number}]")
        ]
    return [] if expected == seen else [f"{path}: {_short(seen)} instead of {_short(expected)}"]


def _special(expected: Mapping[str, Any], seen: Any, path: str) -> list[str] | None:
    good: bool
    match dict(expected):
        case {"match": str(pattern)}:
            good = isinstance(seen, str) and re.search(pattern, seen) is not None
        case {"length": int(length)}:
            good = isinstance(seen, list | str) and len(seen) == length
        case {"text": str(piece), "times": int(times)}:
            good = seen == piece * times
        case {"above": int(bound) | float(bound)}:
            good = isinstance(seen, int | float) and seen > bound
        case _:
            return None
    return [] if good else [f"{path}: {_short(seen)} is not {dict(expected)}"]


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 300 else f"{text[:300]}… ({len(text)} characters)"


def _canonical(line: Line) -> Line:
    ((kind, value),) = line.items()
    match kind:
        case "event":
            return {"event": _rewritten(event_pb2.Event, value)}
        case "called":
            return {"called": _rewritten(content_pb2.ToolCall, value)}
        case "answer":
            return {"answer": _answer(value)}
        case "response":
            return {"response": _response(value)}
        case "run":
            messages = [_rewritten(content_pb2.Message, it) for it in value["messages"]]
            return {"run": {"messages": messages, "answers": [*map(_answer, value["answers"])]}}
        case _:
            return line


def _answer(value: Line) -> Line:
    known = {
        name: _rewritten(kind, value[name]) if value[name] is not None else None
        for name, kind in _MESSAGES.items()
    }
    calls = [_rewritten(content_pb2.ToolCall, call) for call in value["tool_calls"]]
    return {**value, **known, "tool_calls": calls}


def _response(value: Line) -> Any:
    limits = {"buckets", "headroom"} & value.keys()
    return _rewritten(
        gateway_service_pb2.GetRateLimitsResponse
        if limits
        else gateway_service_pb2.GetMetricsResponse,
        value,
    )


def _rewritten(kind: type[Message], value: Any) -> Any:
    return MessageToDict(ParseDict(value, kind()), preserving_proto_field_name=True)


def _joined(last: Line, line: Line) -> bool:
    """Append a delta to the one before it, if they belong together."""
    if "text" in last and "text" in line:
        last["text"] += line["text"]
        return True
    before, after = last.get("event", {}), line.get("event", {})
    for kind, field in _DELTAS.items():
        if kind in before and kind in after:
            one, other = before[kind], after[kind]
            if one.get("part") == other.get("part"):
                one[field] = one.get(field, "") + other.get(field, "")
                return True
    return False


def _calls_in_order(lines: list[Line]) -> list[Line]:
    """Sort each run of `called` lines by the ids of the calls."""
    result: list[Line] = []
    for line in lines:
        place = len(result)
        if "called" in line:
            while (
                place
                and "called" in result[place - 1]
                and result[place - 1]["called"]["id"] > line["called"]["id"]
            ):
                place -= 1
        result.insert(place, line)
    return result
