"""Whether a model's tool calls fit what the request declared.

The verdict goes to the caller with the call, who decides what to do with it;
nothing is repaired or refused here.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import jsonschema_rs
import msgspec

from sluice.v1 import content_pb2, gateway_service_pb2
from sluice_server.engine.closed_schema import closed

MAX_VIOLATIONS = 8
"""Violations named per call; a caller shows them to the model, which needs the
first few."""

_REASON_CHARACTERS = 200
_NO_ARGUMENTS = {"type": "object", "properties": {}}


class Judge:
    """Judges the calls of one turn."""

    def __init__(
        self,
        tools: Iterable[content_pb2.Tool],
        mode: gateway_service_pb2.ToolCallValidation.ValueType,
    ) -> None:
        self._off = mode == gateway_service_pb2.TOOL_CALL_VALIDATION_OFF
        self._strict = mode == gateway_service_pb2.TOOL_CALL_VALIDATION_STRICT
        self._schemas = {tool.name: tool.input_schema_json for tool in tools}

    def judge(self, call: content_pb2.ToolCall) -> None:
        """Write the verdict into `call`."""
        if self._off:
            return
        try:
            arguments = msgspec.json.decode(call.arguments_json)
        except (msgspec.DecodeError, RecursionError) as malformed:
            call.check = content_pb2.ARGUMENTS_CHECK_MALFORMED_JSON
            call.violations.append(f": {malformed}"[:_REASON_CHARACTERS])
            return
        if call.name not in self._schemas:
            call.check = content_pb2.ARGUMENTS_CHECK_UNKNOWN_TOOL
            return
        if not isinstance(arguments, dict):
            violations = [": arguments must be an object"]
        else:
            validator = _validator(self._schemas[call.name], self._strict)
            violations = []
            for error in validator.iter_errors(arguments):
                violations.append(f"{_pointer(error.instance_path)}: {error.message}")
                if len(violations) == MAX_VIOLATIONS:
                    break
        if violations:
            call.check = content_pb2.ARGUMENTS_CHECK_SCHEMA_VIOLATION
            call.violations.extend(text[:_REASON_CHARACTERS] for text in violations)
        else:
            call.check = content_pb2.ARGUMENTS_CHECK_VALID


@lru_cache(maxsize=256)
def _validator(schema_json: str, strict: bool) -> jsonschema_rs.Validator:
    schema: Any = msgspec.json.decode(schema_json) if schema_json.strip() else _NO_ARGUMENTS
    return jsonschema_rs.validator_for(
        closed(schema) if strict else schema, retriever=_refuse_retrieval
    )


def _refuse_retrieval(_uri: str) -> Any:
    # The library would fetch it.
    raise ValueError("Schemas outside the request are not fetched.")


def _pointer(path: Iterable[str | int]) -> str:
    """Return a JSON Pointer (RFC 6901)."""
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in path)
