"""What configuration must know about a kind of provider to judge its settings.

The kinds themselves are declared by the providers and handed to `load`; none is listed here.
"""

from dataclasses import dataclass

EXTRA_SETTINGS = frozenset({"project", "location", "api_version", "region"})
"""Settings that only some kinds take."""


@dataclass(frozen=True, slots=True)
class ProviderKind:
    """One dialect or preset, as an operator names it under `kind`."""

    name: str
    """The word in `kind`, for example `openai`. Also the provider's name without a file."""

    key_variable: str | None
    """Environment variable that usually holds the key. Without a configuration file, setting it
    switches the provider on. None: the kind is never switched on that way."""

    default_base_url: str | None
    """The kind's own address. None: it has none, or makes it from its other settings."""

    needs_key: bool
    """Whether at least one credential is compulsory."""

    settings: frozenset[str] = frozenset()
    """Which of `EXTRA_SETTINGS` the kind takes."""

    required: frozenset[str] = frozenset()
    """Which settings are compulsory: of `settings`, and `base_url`."""

    regions: frozenset[str] = frozenset()
    """What `region` may be. Empty: any text, for kinds that take a region at all."""

    def __post_init__(self) -> None:
        """Raise ValueError for a declaration that contradicts itself."""
        if not self.settings <= EXTRA_SETTINGS:
            raise ValueError(f"Kind {self.name!r} takes settings that do not exist.")
        if not self.required <= self.settings | {"base_url"}:
            raise ValueError(f"Kind {self.name!r} requires settings that it does not take.")
        if self.regions and "region" not in self.settings:
            raise ValueError(f"Kind {self.name!r} names regions, but takes none.")
        if self.default_base_url is not None and "base_url" in self.required:
            raise ValueError(f"Kind {self.name!r} requires an address although it has one.")
