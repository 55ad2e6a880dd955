"""Reads the configuration: from a file, or without one from the environment.

The order of things: YAML and `${NAME}` (`document`), each value alone (`shape`), values among
each other (`checks`). All three add to one list of faults, told together.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from sluice_server.config import checks, otel, paths, shape
from sluice_server.config.document import LARGEST_FILE_BYTES, Document, read
from sluice_server.config.faults import ConfigurationError, Location
from sluice_server.config.kinds import ProviderKind
from sluice_server.config.settings import Settings


def load(
    path: Path | None,
    *,
    environ: Mapping[str, str],
    kinds: Mapping[str, ProviderKind],
    listen: str | None = None,
) -> Settings:
    """Return the settings in force.

    Args:
        path: the file; its relative paths start at its own directory. None: no file, and every
            kind whose key variable is set becomes a provider of the kind's name.
        environ: variables for `${NAME}`, keys, and OpenTelemetry's.
        kinds: the available kinds of providers, by name.
        listen: host:port to use in place of the configured one.

    Raises:
        ConfigurationError: with every fault that could be found.
    """
    document = _from_environment(environ, kinds) if path is None else _from_file(path, environ)
    shape.drop_empty_sections(document)
    if listen is not None:
        document.put(("listen",), listen, "--listen")
    _heed_opentelemetry(document, environ)
    readable = () not in document.spoiled
    settings = shape.settings_of(document) if readable else None
    document.seal()
    if readable:
        checks.check(document, kinds)
    if settings is None or document.faults:
        faults = sorted(document.faults, key=lambda fault: fault.line or 0)
        raise ConfigurationError(faults, source=None if path is None else str(path))
    return settings


def _heed_opentelemetry(document: Document, environ: Mapping[str, str]) -> None:
    """Put in what OpenTelemetry's variables say, where the document says nothing."""
    telemetry = document.data.get("telemetry", {})
    if not isinstance(telemetry, dict):
        return
    said = set(telemetry)
    for setting, value, variable in otel.settings_in(environ):
        if setting not in said:
            document.put(("telemetry", setting), value, variable)
    if otel.disabled(environ):
        document.put(("telemetry", "otlp_endpoint"), None, otel.DISABLED)


def _from_file(path: Path, environ: Mapping[str, str]) -> Document:
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST_FILE_BYTES + 1)
    except OSError as error:
        document = Document()
        document.add((), f"cannot be read: {error.strerror}")
        document.seal()
        return document
    document = read(raw, environ)
    for location in (
        *paths.PATHS,
        *paths.PLACES,
        *_provider_paths(document),
        *_issuer_paths(document),
    ):
        holder, key = shape.value_at(document.data, location[:-1]), location[-1]
        if isinstance(holder, dict) and isinstance(holder.get(key), str) and holder[key]:
            holder[key] = str(path.parent.absolute() / holder[key])
    return document


def _provider_paths(document: Document) -> Iterator[Location]:
    """Yield the places in this document where a provider or a credential may name a file."""
    providers = document.data.get("providers")
    for name in providers if isinstance(providers, dict) else ():
        for file in paths.PROVIDER_FILES:
            yield ("providers", name, file)
        place = ("providers", name, "credentials")
        entries = shape.value_at(document.data, place)
        for i in range(len(entries)) if isinstance(entries, list) else ():
            for path in paths.CREDENTIAL_PATHS:
                yield (*place, i, *path)


def _issuer_paths(document: Document) -> Iterator[Location]:
    """Yield the places in this document where an issuer may name a file."""
    entries = document.data.get("jwt_issuers")
    for i in range(len(entries)) if isinstance(entries, list) else ():
        yield "jwt_issuers", i, "jwks_file"


def _from_environment(environ: Mapping[str, str], kinds: Mapping[str, ProviderKind]) -> Document:
    document = Document()
    for kind in kinds.values():
        variable = kind.key_variable
        if variable is None or kind.required or not environ.get(variable, "").strip():
            continue
        place = ("providers", kind.name)
        document.put((*place, "kind"), kind.name, "kind")
        key = {"name": "default", "api_key": environ[variable]}
        document.put((*place, "credentials"), [key], variable)
        document.names[*place, "credentials", 0, "api_key"] = variable
    return document
