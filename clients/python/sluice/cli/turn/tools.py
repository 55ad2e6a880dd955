"""Declarations of functions and schemas out of JSON files.

A function is `{"name", "description", "input_schema"}`, as Anthropic has it and MCP in other
letters, or as OpenAI has it: `{"type": "function", "function": {"name", "description",
"parameters"}}`, or the same without the inner object.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import click

from sluice.cli.turn.files import text_of
from sluice.v1 import content_pb2, gateway_service_pb2

_SCHEMAS: Final = ("input_schema", "parameters", "inputSchema")
"""Under what a function's schema stands."""

_NAMES_OTHERS: Final = re.compile(r"[^A-Za-z0-9_-]+")
_LONGEST_NAME: Final = 64


def read_tools(path: Path) -> list[content_pb2.Tool]:
    """Return the functions that a file declares: a list, or a list under "tools".

    Raises:
        click.BadParameter: it holds anything else.
    """
    value = _json(path)
    if isinstance(value, dict):
        value = value.get("tools")
    if not isinstance(value, list):
        raise click.BadParameter(f"{path} holds no list of functions.")
    return [_tool(entry, f"{path}: function {number}") for number, entry in enumerate(value, 1)]


def read_schema(path: Path, *, strict: bool) -> gateway_service_pb2.OutputFormat:
    """Return the format that wants answers to satisfy a file's schema, under the file's name.

    Raises:
        click.BadParameter: it holds no JSON object.
    """
    schema = _json(path)
    if not isinstance(schema, dict):
        raise click.BadParameter(f"{path} holds no JSON Schema: it is no object.")
    return gateway_service_pb2.OutputFormat(
        json_schema=gateway_service_pb2.JsonSchemaFormat(
            name=_NAMES_OTHERS.sub("_", path.stem)[:_LONGEST_NAME] or "answer",
            schema_json=_text(schema),
            strict=strict,
        )
    )


def _tool(entry: Any, where: str) -> content_pb2.Tool:
    if not isinstance(entry, dict):
        raise click.BadParameter(f"{where} is no object.")
    inner = entry.get("function")
    function: Mapping[str, Any] = inner if isinstance(inner, dict) else entry
    name, description = function.get("name"), function.get("description") or ""
    if not isinstance(name, str) or not isinstance(description, str):
        raise click.BadParameter(f"{where} wants a name and a description, both text.")
    schema: Any = next((function[key] for key in _SCHEMAS if function.get(key) is not None), {})
    if not isinstance(schema, dict):
        raise click.BadParameter(f"{where}: its schema is no object.")
    return content_pb2.Tool(
        name=name,
        description=description,
        input_schema_json=_text(schema) if schema else "",
        strict=function.get("strict") is True,
    )


def _json(path: Path) -> Any:
    try:
        value = json.loads(text_of(path))
        _text(value).encode()  # of "\\ud800" and the like JSON can tell, and no text
    except UnicodeEncodeError:
        raise click.BadParameter(f"{path} holds half a character: an escape \\ud… alone.") from None
    except RecursionError:
        raise click.BadParameter(f"{path} is nested too deeply.") from None
    except ValueError as error:
        raise click.BadParameter(f"{path} holds no JSON: {error}.") from None
    return value


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
