"""Validates GenerateRequest: asks each subject's module in the order of the contract's fields."""

from contextlib import suppress
from typing import Final

from sluice.v1 import gateway_service_pb2
from sluice_server.edge.validation.attribution import check_attribution
from sluice_server.edge.validation.conversation import check_messages
from sluice_server.edge.validation.names import check_model
from sluice_server.edge.validation.options import check_options, check_output_format
from sluice_server.edge.validation.provider_options import check_provider_options
from sluice_server.edge.validation.routing import check_routing
from sluice_server.edge.validation.schemas import Allowance
from sluice_server.edge.validation.tools import check_tools
from sluice_server.edge.validation.violations import Report, TooManyViolationsError
from sluice_server.errors import FieldViolation

_DELIVERIES: Final = frozenset(gateway_service_pb2.Delivery.values())
_TOOL_CALL_VALIDATIONS: Final = frozenset(gateway_service_pb2.ToolCallValidation.values())


def validate_generate(request: gateway_service_pb2.GenerateRequest) -> list[FieldViolation]:
    """Return every broken rule of the contract, at most a bounded number; empty when good.

    Never raises and never waits. Knows nothing of configuration, so that the same request is good
    or bad at every replica.
    """
    report = Report()
    with suppress(TooManyViolationsError):
        _check(report, request)
    return report.violations()


def _check(report: Report, request: gateway_service_pb2.GenerateRequest) -> None:
    check_model(report, "model", request.model)
    check_messages(report, request.messages)
    allowance = Allowance()
    if request.tools or request.HasField("tool_choice"):
        check_tools(report, request, allowance)
    if request.HasField("options"):
        check_options(report, request.options)
    if request.HasField("output_format"):
        check_output_format(report, request.output_format, allowance)
    if request.HasField("routing"):
        check_routing(report, request.routing)
    if request.delivery not in _DELIVERIES:
        report.add("delivery", "Set it to STREAM or WHOLE, or leave it out.")
    if request.tool_call_validation not in _TOOL_CALL_VALIDATIONS:
        report.add("tool_call_validation", "Set it to OFF, LENIENT or STRICT, or leave it out.")
    check_attribution(report, request)
    if request.provider_options:
        check_provider_options(report, request)
