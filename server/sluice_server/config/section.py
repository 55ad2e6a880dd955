"""The base of every section of the settings, and the mark of what stays until a restart."""

from pydantic import BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo

RESTART_KEY = "x-needs-restart"
"""How the JSON Schema says it."""

NEEDS_RESTART = Field(json_schema_extra={RESTART_KEY: True})
"""In an `Annotated`: a running server keeps what it started with. Whatever is baked into a
port, a process or an exporter; all other settings are reloaded."""


def needs_restart(field: FieldInfo) -> bool:
    """Tell whether a setting is marked so."""
    extra = field.json_schema_extra
    return isinstance(extra, dict) and bool(extra.get(RESTART_KEY))


class Section(BaseModel):
    """Base of every section: frozen, no unknown keys, values never repeated in errors."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, use_attribute_docstrings=True
    )
