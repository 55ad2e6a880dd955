"""The subsets of the providers.

A new one is a row here. What the references leave open is taken, since the provider's
own refusal is better than ours of a schema that it would have understood.
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

from sluice_server.providers.schemas.subset import Limits, Subset, TypeLists

_CORE = frozenset(
    {
        "$defs",
        "$ref",
        "additionalProperties",
        "anyOf",
        "enum",
        "items",
        "properties",
        "required",
        "type",
    }
)
_NUMERIC_BOUNDS = frozenset(
    {"exclusiveMaximum", "exclusiveMinimum", "maximum", "minimum", "multipleOf"}
)
_ITEM_BOUNDS = frozenset({"maxItems", "minItems"})
_COMMON_FORMATS = frozenset(
    {"date", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "time", "uuid"}
)

# `openai.md` section 8, "Structured-output schema limits (strict)".
OPENAI_STRICT = Subset(
    name="OpenAI's strict mode",
    keywords=_CORE | _NUMERIC_BOUNDS | _ITEM_BOUNDS | {"const", "format", "pattern"},
    formats=_COMMON_FORMATS,
    root_object=True,
    typed=True,
    closed=True,
    all_required=True,
    limits=Limits(levels=10, properties=5_000, enum_values=1_000, characters=120_000),
)

# The same section: "Azure is tighter".
AZURE_STRICT = replace(
    OPENAI_STRICT,
    name="Azure OpenAI's strict mode",
    keywords=OPENAI_STRICT.keywords - _NUMERIC_BOUNDS - _ITEM_BOUNDS,
    limits=replace(OPENAI_STRICT.limits, levels=5, properties=100),
)

# `cerebras.md` section 2: follows OpenAI's, "deeper limits unverified". It was recorded to
# answer a strict function with an optional property.
CEREBRAS_STRICT = replace(
    OPENAI_STRICT, name="Cerebras' strict mode", all_required=False, limits=Limits()
)

# `anthropic.md` section 3.3. The limits are those of a request and are applied to each
# schema: one that breaks them alone can never pass.
ANTHROPIC = Subset(
    name="Anthropic's structured output",
    keywords=_CORE | {"allOf", "const", "format", "minItems"},
    formats=_COMMON_FORMATS | {"uri"},
    values=MappingProxyType({"minItems": frozenset({0, 1})}),
    closed=True,
    recursive=False,
    limits=Limits(optional_properties=24, unions=16),
)

# `gemini.md` section 3.3, the JSON Schema form.
GEMINI = Subset(
    name="Gemini's structured output",
    keywords=_CORE
    | _ITEM_BOUNDS
    | {"format", "maxLength", "maximum", "minLength", "minimum", "nullable", "pattern"}
    | {"prefixItems"},
    annotations=frozenset({"default", "description", "example", "propertyOrdering", "title"}),
    type_lists=TypeLists.NULLABLE,
)
