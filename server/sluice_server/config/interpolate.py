"""Environment variables inside strings: `${NAME}`, `${NAME:-default}`, and `$${` for a plain `${`.

A default is used when the variable is unset or empty, as in a shell; it is plain text up to the
next brace. What a variable holds is taken as it is: never expanded again, never read as YAML.
Any other `$` stands for itself. Where strings are found is the business of `document`.
"""

import re
from collections.abc import Mapping

_TOKEN = re.compile(
    r"(?P<escape>\$\$\{)"
    r"|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<default>:-[^{}]*)?\}"
    r"|(?P<broken>\$\{)",
    re.ASCII,
)


class InterpolationError(ValueError):
    """A string cannot be filled in. The message names variables but never repeats the string."""


def interpolate(text: str, environ: Mapping[str, str]) -> str:
    """Return `text` with its variables filled in.

    Raises InterpolationError naming every variable that is unset and has no default, or saying
    that a reference is malformed.
    """
    unset: list[str] = []

    def fill(match: re.Match[str]) -> str:
        if match["escape"]:
            return "${"
        if match["broken"]:
            raise InterpolationError(
                "has a malformed ${...}: write ${NAME}, ${NAME:-default}, or $${ for a plain ${"
            )
        name, default = match["name"], match["default"]
        if default is not None:
            return environ.get(name) or default[2:]
        if name not in environ:
            unset.append(name)
        return environ.get(name, "")

    filled = _TOKEN.sub(fill, text)
    if unset:
        names = ", ".join(dict.fromkeys(unset))
        noun = "variable" if len(set(unset)) == 1 else "variables"
        raise InterpolationError(f"needs the environment {noun} {names}, not set")
    return filled


def escape(text: str) -> str:
    """Return `text` so written that interpolating it gives `text` back."""
    return text.replace("${", "$${")
