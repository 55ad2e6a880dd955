"""Rules for labels and the end user's pseudonym: they end up in logs, metrics and bills."""

import re
from itertools import islice
from typing import Final

from sluice.v1 import gateway_service_pb2
from sluice_server.edge.validation.names import check_short
from sluice_server.edge.validation.violations import Report, quote

MOST_LABELS: Final = 16
LONGEST_LABEL: Final = 256
LONGEST_END_USER: Final = 128

_KEY: Final = re.compile(r"[a-z0-9_.-]{1,63}")


def check_attribution(report: Report, request: gateway_service_pb2.GenerateRequest) -> None:
    """Check labels and end_user."""
    labels = request.labels
    if labels:
        if len(labels) > MOST_LABELS:
            report.add("labels", f"Set at most {MOST_LABELS} labels.")
        for key, value in islice(labels.items(), MOST_LABELS):
            field = f"labels[{quote(key)}]"
            if not _KEY.fullmatch(key):
                report.add(field, "Name the label with 1 to 63 of the characters a-z 0-9 _ . -.")
            check_short(report, field, value, LONGEST_LABEL)
    end_user = request.end_user
    if end_user:
        check_short(report, "end_user", end_user, LONGEST_END_USER)
