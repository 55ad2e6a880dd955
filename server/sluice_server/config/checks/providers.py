"""Providers, their credentials, and what their kinds take."""

from collections.abc import Iterator, Mapping

from sluice_server.config.checks.files import readable
from sluice_server.config.checks.outgoing import leaves_in_the_clear
from sluice_server.config.checks.view import LOCAL, Finding, View, repeated
from sluice_server.config.kinds import EXTRA_SETTINGS, ProviderKind
from sluice_server.config.paths import CREDENTIAL_FILES, PROVIDER_FILES
from sluice_server.config.shape import nearest

ANY_MODEL = "*"
"""In `model_info`: every model that is not named."""

KEYS = ("api_key", "api_key_file", "api_key_command", "oauth")
"""Ways to say what a credential is; each has exactly one."""

KEY_COMMAND_PREFIX = "api_key_command_"
"""Starts the settings that have a use beside `api_key_command` only."""


def providers(view: View, kinds: Mapping[str, ProviderKind]) -> Iterator[Finding]:
    """Providers have what their kinds need, and nothing that is of no use."""
    for name in view.mapping("providers"):
        if name == LOCAL and view.has_local:
            yield (
                ("providers", name),
                "has the name of the embedded model; rename it or set local.enabled: false",
            )
        yield from _address(view, name)
        for file in PROVIDER_FILES:
            path = view.at("providers", name, file)
            if isinstance(path, str) and ("providers", name, file) not in view.spoiled:
                yield from readable(("providers", name, file), path)
        yield from _repetitions(view, name)
        yield from _limited_models(view, name)
        yield from _credentials(view, name)
        kind = view.at("providers", name, "kind")
        if not isinstance(kind, str):
            continue
        if kind in kinds:
            yield from _kind(view, name, kinds[kind])
        else:
            available = ", ".join(sorted(kinds)) or "none"
            yield (
                ("providers", name, "kind"),
                f"is not an available kind{nearest(kind, kinds)} (available: {available})",
            )


def _address(view: View, name: str) -> Iterator[Finding]:
    url = view.at("providers", name, "base_url")
    if isinstance(url, str) and leaves_in_the_clear(view, url, "providers", name, "insecure_http"):
        yield (
            ("providers", name, "base_url"),
            (
                "would send keys and prompts in the clear; use https://, "
                "or set insecure_http: true for this provider"
            ),
        )


def _repetitions(view: View, name: str) -> Iterator[Finding]:
    place = ("providers", name, "credentials")
    entries = view.entries(*place)
    yield from repeated(((*place, i, "name"), view.at(*place, i, "name")) for i in entries)
    place = ("providers", name, "models")
    yield from repeated(((*place, i), text) for i, text in view.texts(*place).items())
    place = ("providers", name, "headers")
    yield from repeated(((*place, key), key.lower()) for key in view.mapping(*place))


def _credentials(view: View, name: str) -> Iterator[Finding]:
    for i in view.entries("providers", name, "credentials"):
        place = ("providers", name, "credentials", i)
        # A spoiled one was meant: it counts, and its own fault is told.
        given = [key for key in KEYS if view.has(*place, key) or (*place, key) in view.spoiled]
        if len(given) != 1 and isinstance(view.at(*place), dict):
            has = f"; it has {' and '.join(given)}" if given else ""
            yield place, f"needs exactly one of {', '.join(KEYS[:-1])} and {KEYS[-1]}{has}"
        if given and KEYS[2] not in given:
            for key in view.mapping(*place):
                if key.startswith(KEY_COMMAND_PREFIX) and view.has(*place, key):
                    yield (*place, key), "is of no use without api_key_command"
        for file in CREDENTIAL_FILES:
            path = view.at(*place, *file)
            if isinstance(path, str) and (*place, *file) not in view.spoiled:
                yield from readable((*place, *file), path)


def _limited_models(view: View, name: str) -> Iterator[Finding]:
    allowed = view.texts("providers", name, "models").values()
    for setting, others in (("model_limits", ()), ("model_info", (ANY_MODEL,))):
        for model in view.mapping("providers", name, setting):
            if allowed and model not in (*allowed, *others):
                yield (
                    ("providers", name, setting, model),
                    f"names a model outside providers.{name}.models{nearest(model, allowed)}",
                )


def _kind(view: View, name: str, kind: ProviderKind) -> Iterator[Finding]:
    for setting in sorted(EXTRA_SETTINGS - kind.settings):
        if view.has("providers", name, setting):
            takes = ", ".join(sorted(kind.settings)) or "none of the kind"
            yield (
                ("providers", name, setting),
                f"is not a setting of kind {kind.name} (it takes {takes})",
            )
    region = view.at("providers", name, "region")
    if isinstance(region, str) and kind.regions and region not in kind.regions:
        known = ", ".join(sorted(kind.regions))
        yield (
            ("providers", name, "region"),
            f"is not a region of kind {kind.name}{nearest(region, kind.regions)} (known: {known})",
        )
    for setting in sorted(kind.required):
        if not view.has("providers", name, setting):
            yield ("providers", name, setting), f"is required by kind {kind.name}"
    # With callers' own keys a provider needs none of the operator's.
    keyless = view.flag("providers", name, "caller_keys", default=False) is False
    if kind.needs_key and keyless and not view.entries("providers", name, "credentials"):
        variable = kind.key_variable or "NAME_OF_A_VARIABLE"
        yield (
            ("providers", name, "credentials"),
            (
                f"needs a key for kind {kind.name}, for example "
                f'[{{name: primary, api_key: "${{{variable}}}"}}]'
            ),
        )
