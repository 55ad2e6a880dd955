"""Bounds on label values that come from outside: models, and values of callers' labels.

A name becomes a value of its own once a call with it worked; what comes beyond the
bound, and what never worked, shares one value. So nobody can make series by inventing
names.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

OTHER = "_other"
"""Value of what is beyond the bound, and of what nothing confirmed."""

MODELS_PER_PROVIDER = 200
"""Most model labels of one provider; the largest list in use has some 400
entries, of which a deployment calls a handful."""

VALUES_PER_KEY = 100
"""Most values of one label of callers: teams and projects of one company, not its customers."""


class _Values:
    """Values of one label."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.known: set[str] = set()

    def of(self, value: str, *, worked: bool) -> str:
        """Return the value under which a call is counted."""
        if value in self.known:
            return value
        if worked and len(self.known) < self._most:
            self.known.add(value)
            return value
        return OTHER


class ModelLabels:
    """Bounds the `model` label: callers choose model names, so any may come.

    A name becomes a label when it is configured, or once a call to it worked.
    """

    def __init__(self) -> None:
        self._of_provider: dict[str, _Values] = {}

    def declare(self, provider: str, models: Collection[str]) -> None:
        """Accept configured names without a call."""
        self._values(provider).known.update(models)

    def label(self, provider: str, model: str, *, worked: bool) -> str:
        """Return the label for `model`."""
        return self._values(provider).of(model, worked=worked)

    def _values(self, provider: str) -> _Values:
        values = self._of_provider.get(provider)
        if values is None:
            values = self._of_provider[provider] = _Values(MODELS_PER_PROVIDER)
        return values


class CallLabels:
    """Chooses what is counted of the labels that callers put on their calls."""

    def __init__(self, keys: Iterable[str] = ()) -> None:
        """`keys`: those that are counted, from the configuration."""
        self._of_key: dict[str, _Values] = {}
        self.count(keys)

    def count(self, keys: Iterable[str]) -> None:
        """Count these keys from now on; what was counted under others stays as it is."""
        self._of_key = {key: self._of_key.get(key) or _Values(VALUES_PER_KEY) for key in keys}

    def of(self, labels: Mapping[str, str], *, worked: bool) -> list[tuple[str, str]]:
        """Return the keys and values under which a call with these labels is counted."""
        return [
            (key, values.of(labels[key], worked=worked))
            for key, values in self._of_key.items()
            if key in labels
        ]
