"""What is written: one JSON object per line, at once."""

import json
import sys
from collections.abc import Sequence
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from sluice import Answer, SluiceError


def write(**line: Any) -> None:
    """Write a line; messages among the values as protobuf's JSON."""
    sys.stdout.write(json.dumps(line, default=_of_message) + "\n")
    sys.stdout.flush()


def of_answer(answer: Answer) -> dict[str, Any]:
    """Return what is told of an answer."""
    return {
        "message": answer.message,
        "text": answer.text,
        "refusal": answer.refusal,
        "reasoning": answer.reasoning,
        "tool_calls": answer.tool_calls,
        "finish_reason": answer.finish_reason,
        "usage": answer.usage,
        "cost": answer.cost,
        "upstream": answer.upstream,
        "generation_id": answer.generation_id,
    }


def of_error(error: SluiceError) -> dict[str, Any]:
    """Return what is told of a failed call."""
    delay = error.retry_delay
    return {
        "status": error.status.name,
        "reason": error.reason,
        "message": error.message,
        "retry_delay_ms": None if delay is None else round(delay * 1000),
        "violations": [
            {"field": it.field, "description": it.description} for it in error.violations
        ],
        "quota_violations": [
            {"subject": it.subject, "description": it.description} for it in error.quota_violations
        ],
        "metadata": error.metadata,
        "generation_id": error.generation_id,
    }


def of_run(messages: Sequence[Message], answers: Sequence[Answer]) -> dict[str, Any]:
    """Return what is told of a run of tools."""
    return {"messages": messages, "answers": [of_answer(answer) for answer in answers]}


def _of_message(value: object) -> dict[str, Any]:
    if not isinstance(value, Message):
        raise TypeError(f"{type(value).__name__} cannot be written.")
    return MessageToDict(value)
