"""Rules for declared tools and for the choice among them.

Not here: calls in the conversation, which may name tools that are no longer declared.
"""

from typing import Final

from sluice.v1 import content_pb2, gateway_service_pb2
from sluice_server.edge.validation.names import FUNCTION_SHAPE, is_function_name
from sluice_server.edge.validation.schemas import Allowance
from sluice_server.edge.validation.violations import Report, quote

MOST_TOOLS: Final = 512

_MODES: Final = frozenset(content_pb2.ToolMode.values()) - {content_pb2.TOOL_MODE_UNSPECIFIED}


def check_tools(
    report: Report, request: gateway_service_pb2.GenerateRequest, allowance: Allowance
) -> None:
    """Check the tools of a request and its tool_choice."""
    tools = request.tools
    declared: dict[str, int] = {}
    if len(tools) > MOST_TOOLS:
        report.add("tools", f"Declare at most {MOST_TOOLS} tools.")
    for number, tool in enumerate(tools[:MOST_TOOLS]):
        name = tool.name
        if not is_function_name(name):
            report.add(f"tools[{number}].name", f"Name the tool with {FUNCTION_SHAPE}.")
        elif declared.setdefault(name, number) != number:
            report.add(
                f"tools[{number}].name",
                f"Rename the tool; {quote(name)} is tools[{declared[name]}] already.",
            )
        text = tool.input_schema_json
        if not text:
            continue
        field = f"tools[{number}].input_schema_json"
        verdict = allowance.check(report, field, text)
        if verdict is not None and not verdict.fault and not verdict.is_object:
            report.add(
                field,
                'Write "type": "object" at the root; arguments are always an object. Leave the '
                "schema empty for a tool without arguments.",
            )
    if request.HasField("tool_choice"):
        _check_choice(report, request.tool_choice, declared, any_tools=bool(tools))


def _check_choice(
    report: Report, choice: content_pb2.ToolChoice, declared: dict[str, int], *, any_tools: bool
) -> None:
    rule = choice.WhichOneof("rule")
    if not any_tools:
        report.add("tool_choice", "Declare tools, or leave tool_choice out.")
    elif rule == "name" and choice.name not in declared:
        report.add("tool_choice.name", "Name one of the declared tools.")
    if rule == "mode" and choice.mode not in _MODES:
        report.add("tool_choice.mode", "Set it to AUTO, REQUIRED or NONE.")
    elif rule is None and not choice.disable_parallel:
        report.add(
            "tool_choice.rule", "Set mode, name or disable_parallel, or leave tool_choice out."
        )
