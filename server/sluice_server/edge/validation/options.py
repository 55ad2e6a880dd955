"""Rules for sampling controls and the shape of the answer: portable ranges, as in the contract.

Not here: what a model takes; that is its dialect's and the catalogue's knowledge.
"""

import re
from collections.abc import Sequence
from typing import Final

from sluice.v1 import gateway_service_pb2
from sluice_server.edge.validation.names import FUNCTION_SHAPE, is_function_name
from sluice_server.edge.validation.schemas import Allowance
from sluice_server.edge.validation.violations import Report

MOST_STOPS: Final = 16
MOST_TOP_LOGPROBS: Final = 20

_EFFORT: Final = re.compile(r"[a-z_-]{1,32}")


def check_options(report: Report, options: gateway_service_pb2.GenerationOptions) -> None:
    """Check every set field against its range; comparisons are written so that NaN fails."""
    if options.HasField("max_output_tokens") and options.max_output_tokens < 1:
        report.add("options.max_output_tokens", "Ask for at least 1 token, or leave it out.")
    if options.HasField("temperature") and not 0 <= options.temperature <= 2:
        report.add("options.temperature", "Set a number in [0, 2].")
    if options.HasField("top_p") and not 0 < options.top_p <= 1:
        report.add("options.top_p", "Set a number in (0, 1].")
    if options.HasField("top_k") and options.top_k < 1:
        report.add("options.top_k", "Set at least 1, or leave it out.")
    if options.HasField("presence_penalty") and not -2 <= options.presence_penalty <= 2:
        report.add("options.presence_penalty", "Set a number in [-2, 2].")
    if options.HasField("frequency_penalty") and not -2 <= options.frequency_penalty <= 2:
        report.add("options.frequency_penalty", "Set a number in [-2, 2].")
    if options.HasField("top_logprobs") and options.top_logprobs > MOST_TOP_LOGPROBS:
        report.add("options.top_logprobs", f"Set a number in [0, {MOST_TOP_LOGPROBS}].")
    if options.stop:
        _check_stop(report, options.stop)
    if options.HasField("reasoning"):
        _check_reasoning(report, options.reasoning)


def _check_stop(report: Report, stop: Sequence[str]) -> None:
    if len(stop) > MOST_STOPS:
        report.add("options.stop", f"Give at most {MOST_STOPS} strings.")
    for number, text in enumerate(stop[:MOST_STOPS]):
        if not text:
            report.add(f"options.stop[{number}]", "Write a string, or leave it out.")


def _check_reasoning(report: Report, reasoning: gateway_service_pb2.ReasoningOptions) -> None:
    amount = reasoning.WhichOneof("amount")
    if amount == "effort" and not _EFFORT.fullmatch(reasoning.effort):
        report.add(
            "options.reasoning.effort",
            'Name an effort in 1 to 32 of the characters a-z _ -, for example "low".',
        )
    elif amount == "max_tokens" and reasoning.max_tokens < 1:
        report.add(
            "options.reasoning.max_tokens",
            'Ask for at least 1 token; for no reasoning, set effort to "none".',
        )


def check_output_format(
    report: Report, output_format: gateway_service_pb2.OutputFormat, allowance: Allowance
) -> None:
    """Check that the answer's shape is named, and is a schema where it should be one."""
    kind = output_format.WhichOneof("format")
    if kind is None:
        report.add("output_format.format", "Set json_object or json_schema, or leave it out.")
    elif kind == "json_schema":
        wanted = output_format.json_schema
        if not is_function_name(wanted.name):
            report.add("output_format.json_schema.name", f"Name the schema with {FUNCTION_SHAPE}.")
        if not wanted.schema_json:
            report.add(
                "output_format.json_schema.schema_json",
                "Write a JSON Schema, or use json_object for any object.",
            )
        else:
            allowance.check(report, "output_format.json_schema.schema_json", wanted.schema_json)
