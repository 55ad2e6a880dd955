"""What may be left out of a request, and what not."""

import pytest

from sluice_server.errors import UnsupportedFeatureError
from sluice_server.providers.omissions import Omissions


def test_hints_are_left_out_in_order() -> None:
    """A hint without a place is always left out, and named as often as it is met."""
    omissions = Omissions()
    omissions.leave_out("messages[1].parts[0].cache")
    omissions.leave_out("end_user")
    omissions.leave_out("end_user")
    assert omissions.fields == ("messages[1].parts[0].cache", "end_user", "end_user")


def test_option_that_may_be_dropped() -> None:
    """An option that the operator lists is left out and named."""
    omissions = Omissions(["top_k", "reasoning"])
    omissions.refuse("options.top_k", "No.")
    omissions.refuse("options.reasoning.effort", "No.")
    assert omissions.fields == ("options.top_k", "options.reasoning.effort")


@pytest.mark.parametrize(
    "field",
    ["options.seed", "options.top_kk", "options.x.top_k", "top_k", "messages[0].top_k", "options"],
)
def test_option_that_may_not_be_dropped(field: str) -> None:
    """Everything else is refused under its own path."""
    omissions = Omissions(["top_k"])
    with pytest.raises(UnsupportedFeatureError) as caught:
        omissions.refuse(field, "The model does not take it.")
    assert caught.value.violations == [(field, "The model does not take it.")]
    assert omissions.fields == ()
