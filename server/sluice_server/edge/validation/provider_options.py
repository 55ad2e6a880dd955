"""Rules for fields that are merged into a provider's request body: they must be JSON, and bounded.

Not here: what they mean; only the provider judges that.
"""

from itertools import islice
from math import isfinite
from typing import Final

from google.protobuf import struct_pb2

from sluice.v1 import gateway_service_pb2
from sluice_server.edge.validation.json_text import DEEPEST
from sluice_server.edge.validation.names import PROVIDER_SHAPE, is_provider_name
from sluice_server.edge.validation.violations import Report, quote

MOST_PROVIDERS: Final = 64
MOST_VALUES: Final = 10_000


def check_provider_options(report: Report, request: gateway_service_pb2.GenerateRequest) -> None:
    """Check the keys of provider_options and that each value can be written as JSON."""
    options = request.provider_options
    if len(options) > MOST_PROVIDERS:
        report.add("provider_options", f"Name at most {MOST_PROVIDERS} providers.")
    values_left = MOST_VALUES
    for provider, fields in islice(options.items(), MOST_PROVIDERS):
        field = f"provider_options[{quote(provider)}]"
        if not is_provider_name(provider):
            report.add(field, f"Use {PROVIDER_SHAPE}.")
        values_left = _check_struct(report, field, fields, values_left)
        if values_left < 0:
            report.add("provider_options", f"Send at most {MOST_VALUES} values.")
            return


def _check_struct(report: Report, field: str, root: struct_pb2.Struct, values_left: int) -> int:
    """Check each field of a struct; return how many more values may be looked at."""
    for key, top in root.fields.items():
        faults: set[str] = set()
        waiting = [(top, 2)]
        while waiting:
            values_left -= 1
            if values_left < 0:
                return values_left
            value, depth = waiting.pop()
            kind = value.WhichOneof("kind")
            if kind is None:
                faults.add("Set one kind in every value; null is null_value.")
            elif kind == "number_value":
                if not isfinite(value.number_value):
                    faults.add("Remove NaN and infinity; JSON has no such numbers.")
            elif kind in {"struct_value", "list_value"}:
                if depth > DEEPEST:
                    faults.add(f"Nest at most {DEEPEST} levels of objects and lists.")
                elif kind == "struct_value":
                    waiting.extend((v, depth + 1) for v in value.struct_value.fields.values())
                else:
                    waiting.extend((v, depth + 1) for v in value.list_value.values)
        for fault in sorted(faults):
            report.add(f"{field}.fields[{quote(key)}]", fault)
    return values_left
