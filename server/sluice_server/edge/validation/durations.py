"""Rules for google.protobuf.Duration fields. All of the contract's durations are spans to wait."""

from typing import Final

from google.protobuf.duration_pb2 import Duration

from sluice_server.edge.validation.violations import Report

# Bounds of the well-known type, from google/protobuf/duration.proto: about 10,000 years.
_MOST_SECONDS: Final = 315_576_000_000
_MOST_NANOS: Final = 999_999_999


def check_positive(report: Report, field: str, duration: Duration) -> None:
    """Report a duration that is malformed, negative or zero."""
    seconds, nanos = duration.seconds, duration.nanos
    if (
        abs(seconds) > _MOST_SECONDS
        or abs(nanos) > _MOST_NANOS
        or (seconds > 0 > nanos)
        or (seconds < 0 < nanos)
    ):
        report.add(
            field,
            f"Make it a valid Duration: seconds within +-{_MOST_SECONDS}, nanos within "
            f"+-{_MOST_NANOS}, both of one sign.",
        )
    elif seconds < 0 or nanos < 0 or not (seconds or nanos):
        report.add(field, "Make it longer than zero, or leave it out.")
