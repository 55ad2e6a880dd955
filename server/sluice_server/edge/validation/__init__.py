"""Hand-written validation of the contract: every violation at once, with the path of its field.

One module per subject; `generate` and `queries` put them together. The comments in
`proto/sluice/v1` are the law. Not here: knowledge of configuration (which models, routes or
credentials exist) and the gRPC status that violations become; see `edge.status`.
"""

from sluice_server.edge.validation.generate import validate_generate
from sluice_server.edge.validation.queries import (
    validate_get_metrics,
    validate_get_rate_limits,
    validate_list_models,
)

__all__ = [
    "validate_generate",
    "validate_get_metrics",
    "validate_get_rate_limits",
    "validate_list_models",
]
