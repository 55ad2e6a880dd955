"""Where calls lead."""

from collections.abc import Iterator

from sluice_server.config.checks.view import LOCAL, Finding, View, repeated
from sluice_server.config.settings import Local


def routes(view: View) -> Iterator[Finding]:
    """Every target of a route exists."""
    providers = view.mapping("providers")
    if ("providers",) in view.spoiled or () in view.spoiled:
        return
    for route in view.mapping("routes"):
        targets = {("routes", route, i): text for i, text in view.texts("routes", route).items()}
        yield from repeated(targets.items())
        for location, target in targets.items():
            provider, _, model = target.partition("/")
            if provider in providers:
                allowed = view.texts("providers", provider, "models").values()
                if allowed and model not in allowed:
                    yield location, f"names a model outside providers.{provider}.models"
            elif provider == LOCAL and view.has_local is not False:
                name = view.at(LOCAL, "model_name") or Local().model_name
                if (LOCAL, "model_name") not in view.spoiled and model != name:
                    yield location, "names another model than local.model_name"
            else:
                known = {*providers, LOCAL} if view.has_local else set(providers)
                names = ", ".join(sorted(known)) or "none"
                yield location, f"names no configured provider (configured: {names})"


def something_to_serve(view: View) -> Iterator[Finding]:
    """There is a provider at all."""
    unknown = ("providers",) in view.spoiled or () in view.spoiled
    if view.has_local is False and not view.mapping("providers") and not unknown:
        yield (
            ("providers",),
            "must have at least one provider when local.enabled is false: nothing could be served",
        )
