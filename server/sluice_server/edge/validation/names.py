"""Shapes of the short strings that requests are full of: models, providers, functions, ids.

Not here: which of those names exist; that is planning's knowledge, and a NOT_FOUND.
"""

import re
from typing import Final

from sluice_server.edge.validation.violations import Report

LONGEST_MODEL: Final = 256
LONGEST_CALL_ID: Final = 256
LONGEST_CREDENTIAL: Final = 128

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_FUNCTION: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_PROVIDER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

FUNCTION_SHAPE: Final = "1 to 64 of the characters A-Z a-z 0-9 _ -"
PROVIDER_SHAPE: Final = (
    "a provider's name: 1 to 64 of the characters A-Z a-z 0-9 . _ -, first a letter or digit"
)


def is_function_name(name: str) -> bool:
    """Tell whether the contract's [A-Za-z0-9_-]{1,64} fits."""
    return _FUNCTION.fullmatch(name) is not None


def is_provider_name(name: str) -> bool:
    """Tell whether a configuration could name a provider so."""
    return _PROVIDER.fullmatch(name) is not None


def has_control(text: str) -> bool:
    """Tell whether C0, DEL or C1 characters occur; they forge log lines and headers."""
    # isprintable answers the usual case in a tenth of the time, but is stricter.
    return not text.isprintable() and _CONTROL.search(text) is not None


def check_short(report: Report, field: str, text: str, longest: int) -> None:
    """Report control characters and more than `longest` characters; empty is the caller's case."""
    if len(text) > longest:
        report.add(field, f"Shorten it to at most {longest} characters.")
    if has_control(text):
        report.add(field, "Remove the control characters.")


def check_model(report: Report, field: str, model: str) -> None:
    """Report a model name that no listing could show."""
    if not model or model.isspace():
        report.add(field, 'Name a model as ListModels does, "provider/model", or a route.')
    elif len(model) > LONGEST_MODEL or not model.isprintable():
        check_short(report, field, model, LONGEST_MODEL)
