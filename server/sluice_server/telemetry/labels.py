"""Bounds on label values that come from outside: models, and values of callers' labels.

A name becomes a value of its own once a call with it worked; what comes beyond the
bound, and what never worked, shares one value. So nobody can make series by inventing
names.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

OTHER = "_other"
"""Value of what is beyond the bound, and of what nothing confirmed."""

OTHER_MODEL = OTHER

MODELS_PER_PROVIDER = 200
"""Most model labels of one provider; the largest list in use has some 400
entries, of which a deployment calls a handful."""

VALUES_PER_KEY = 100
"""Most values of one label of callers: teams and projects of one company, not its customers."""


class ModelLabels:
    """Bounds the `model` label: callers choose model names, so any may come.

    A name becomes a label when it is configured, or once a call to it worked.
    """

    def __init__(self) -> None:
        self._known: dict[str, set[str]] = {}

    def declare(self, provider: str, models: Collection[str]) -> None:
        """Accept configured names without a call."""
        self._known.setdefault(provider, set()).update(models)

    def label(self, provider: str, model: str, *, worked: bool) -> str:
        """Return the label for `model`."""
        known = self._known.setdefault(provider, set())
        if model in known:
            return model
        if worked and len(known) < MODELS_PER_PROVIDER:
            known.add(model)
            return model
        return OTHER_MODEL


class CallLabels:
    """Chooses what is counted of the labels that callers put on their calls."""

    def __init__(self, keys: Iterable[str] = ()) -> None:
        """`keys`: those that are counted, from the configuration."""
        self._known: dict[str, set[str]] = {key: set() for key in keys}

    def of(self, labels: dict[str, str], *, worked: bool) -> list[tuple[str, str]]:
        """Return the keys and values under which a call with these labels is counted."""
        if not labels or not self._known:
            return []
        return [
            (key, self._value(known, labels[key], worked=worked))
            for key, known in self._known.items()
            if key in labels
        ]

    def _value(self, known: set[str], value: str, *, worked: bool) -> str:
        if value in known:
            return value
        if worked and len(known) < VALUES_PER_KEY:
            known.add(value)
            return value
        return OTHER
