"""Is there a row for every reason, and do rows make sense?"""

from sluice.v1 import error_reason_pb2
from sluice_server.engine.moves import AGAIN, MOVES, TARGET, moves


def test_every_reason_has_a_row() -> None:
    """The table says of each ErrorReason what follows, and of nothing else."""
    names = {
        name.removeprefix("ERROR_REASON_")
        for name in error_reason_pb2.ErrorReason.DESCRIPTOR.values_by_name
    }
    assert MOVES.keys() == names - {"UNSPECIFIED"}


def test_what_passes_by_itself_is_tried_again() -> None:
    """Failures of a provider's own making move on and come back; a caller's own stop."""
    for reason in ("PROVIDER_UNAVAILABLE", "PROVIDER_TIMEOUT", "STREAM_TRUNCATED"):
        assert set(MOVES[reason]) == {TARGET, AGAIN}
    for reason in ("INVALID_REQUEST", "CALLER_LIMITED", "PROVIDER_REJECTED_REQUEST", "INTERNAL"):
        assert MOVES[reason] == ()


def test_operators_replace_rows() -> None:
    """A configured row stands in the place of the built-in one, the others stay."""
    table = moves({"PROVIDER_TIMEOUT": ()})
    assert table["PROVIDER_TIMEOUT"] == ()
    assert table["PROVIDER_UNAVAILABLE"] == MOVES["PROVIDER_UNAVAILABLE"]
