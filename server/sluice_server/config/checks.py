"""Rules between settings: what one value alone cannot tell.

They judge the document rather than finished `Settings`, so that a mistyped number elsewhere does
not hide that a route leads nowhere. What cannot be judged because of another fault is left alone.
Only reading files is done here of all that touches the world; nothing is connected to.
"""

import hashlib
import ssl
from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import TypeAdapter, ValidationError

from sluice_server.config import addresses
from sluice_server.config.callers import JwtIssuer
from sluice_server.config.document import Document
from sluice_server.config.faults import Location
from sluice_server.config.health import Breakers
from sluice_server.config.kinds import EXTRA_SETTINGS, ProviderKind
from sluice_server.config.settings import Local, Management, Settings
from sluice_server.config.shape import nearest, value_at

Finding = tuple[Location, str]

LOCAL = "local"
"""Name of the provider that the embedded model is served as."""

ANY_MODEL = "*"
"""In `model_info`: every model that is not named."""

PATHS: tuple[tuple[str, str], ...] = (
    ("tls", "cert"),
    ("tls", "key"),
    ("tls", "client_ca"),
    ("local", "model_path"),
    ("alerts", "ca_file"),
)
"""Settings that name a file."""

PROVIDER_FILES = ("ca_file",)
"""Settings of a provider that name a file."""

AUTHORITIES = "ca_file"
"""Wherever it stands: a file with certificates."""

PLACES: tuple[tuple[str, str], ...] = (("catalog", "directory"),)
"""Settings that name a place in the file system which need not exist yet."""

CREDENTIAL_FILES: tuple[tuple[str, ...], ...] = (
    ("api_key_file",),
    ("oauth", "key_file"),
    ("oauth", "assertion_file"),
    ("oauth", "ca_file"),
)
"""Settings of one credential that name a file."""

CREDENTIAL_PATHS = (*CREDENTIAL_FILES, ("oauth", "token_directory"))
"""Settings of one credential that name a place in the file system."""

WAYS_IN = ("token", "token_hashes", "certificates", "jwt")
"""Ways to know a caller; each has at least one."""

KEYS = ("api_key", "api_key_file", "api_key_command", "oauth")
"""Ways to say what a credential is; each has exactly one."""

KEY_COMMAND_PREFIX = "api_key_command_"
"""Starts the settings that have a use beside `api_key_command` only."""

_BOOL = TypeAdapter(bool)
_NUMBER = TypeAdapter(float)


def check(document: Document, kinds: Mapping[str, ProviderKind]) -> None:
    """Add to the document's faults whatever its values have against each other."""
    view = _View(document)
    for findings in (
        _ports(view),
        _exposure(view),
        _files(view),
        _callers(view),
        _certificates(view),
        _issuers(view),
        _providers(view, kinds),
        _routes(view),
        _breakers(view),
        _alerts(view),
        _something_to_serve(view),
    ):
        for location, message in findings:
            document.add(location, message)


class _View:
    """The document as far as it can be trusted."""

    def __init__(self, document: Document) -> None:
        self.data = document.data
        self.spoiled = frozenset(document.spoiled)

    def at(self, *location: str | int) -> object:
        return value_at(self.data, location)

    def has(self, *location: str | int) -> bool:
        return self.at(*location) is not None

    def mapping(self, *location: str | int) -> dict[str, object]:
        value = self.at(*location)
        return value if isinstance(value, dict) else {}

    def texts(self, *location: str | int) -> dict[int, str]:
        """Return the texts of a list by their positions."""
        value = self.at(*location)
        items = enumerate(value) if isinstance(value, list) else ()
        return {i: item for i, item in items if isinstance(item, str)}

    def entries(self, *location: str | int) -> range:
        value = self.at(*location)
        return range(len(value)) if isinstance(value, list) else range(0)

    def flag(self, *location: str | int, default: bool) -> bool | None:
        """Return a truth value as pydantic reads it; None when it cannot be told."""
        value = self.at(*location)
        if value is None:
            return None if location in self.spoiled else default
        try:
            return _BOOL.validate_python(value)
        except ValidationError:
            return None

    def number(self, *location: str | int, default: float) -> float | None:
        """Return a number as pydantic reads it; None when it cannot be told."""
        value = self.at(*location)
        if value is None:
            return None if location in self.spoiled else default
        try:
            return _NUMBER.validate_python(value)
        except ValidationError:
            return None

    def address(self, *location: str, default: str | None) -> addresses.Address | None:
        section, key = self.at(*location[:-1]), location[-1]
        if not isinstance(section, dict) and section is not None:
            return None
        value = (section or {}).get(key, default)
        try:
            return addresses.parse(value) if isinstance(value, str) else None
        except ValueError:
            return None

    @property
    def has_local(self) -> bool | None:
        if (LOCAL,) in self.spoiled:
            return None
        return self.flag(LOCAL, "enabled", default=Local().enabled)


def _ports(view: _View) -> Iterator[Finding]:
    defaults = Management()
    listening: list[tuple[Location, addresses.Address | None]] = [
        (("listen",), view.address("listen", default=Settings.model_fields["listen"].default)),
        (
            ("management", "health"),
            view.address("management", "health", default=defaults.health),
        ),
        (
            ("management", "metrics"),
            view.address("management", "metrics", default=defaults.metrics),
        ),
    ]
    for (place, one), (other_place, other) in combinations(listening, 2):
        if one and other and one.overlaps(other):
            yield other_place, f"takes the same port as {'.'.join(map(str, place))}"


def _exposure(view: _View) -> Iterator[Finding]:
    address = view.address("listen", default=None)
    if address is None or address.is_loopback or view.flag("insecure", default=False) is not False:
        return
    missing = []
    if not view.has("tls") and ("tls",) not in view.spoiled:
        missing.append("tls (a certificate and its key)")
    if not view.entries("callers") and ("callers",) not in view.spoiled:
        missing.append("callers (each with a name and a token, its hash, a certificate or a JWT)")
    if missing:
        yield (
            ("listen",),
            (
                f"can be reached from other machines, so configure {' and '.join(missing)}; "
                "or listen on 127.0.0.1; or set insecure: true if something else protects the port"
            ),
        )


def _files(view: _View) -> Iterator[Finding]:
    for location in PATHS:
        path = view.at(*location)
        if not isinstance(path, str) or (location[0] == LOCAL and view.has_local is False):
            continue
        yield from _readable(location, path)


def _readable(location: Location, path: str) -> Iterator[Finding]:
    try:
        # Opening a pipe would wait for whoever writes to it.
        if Path(path).is_fifo():
            yield location, "must be the path of a file, not of a pipe"
            return
        with Path(path).open("rb"):
            pass
    except OSError as error:
        yield location, f"cannot be read: {error.strerror}"
    except ValueError:
        yield location, "must be the path of a file"
    else:
        if location[-1] == AUTHORITIES:
            yield from _authorities(location, path)


def _authorities(location: Location, path: str) -> Iterator[Finding]:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
    except OSError:
        # Also what the library says of a file without any.
        yield location, "holds no certificates in PEM form"


def _callers(view: _View) -> Iterator[Finding]:
    entries = view.entries("callers")
    yield from _repeated((("callers", i, "name"), view.at("callers", i, "name")) for i in entries)
    yield from _repeated(_hashes(view))
    yield from _repeated(_identities(view))
    for i in entries:
        place = ("callers", i)
        # A spoiled one was meant: its own fault is told.
        ways = [way for way in WAYS_IN if view.at(*place, way) or (*place, way) in view.spoiled]
        if not ways and isinstance(view.at(*place), dict):
            yield (
                place,
                (
                    f"needs at least one of {', '.join(WAYS_IN[:-1])} and {WAYS_IN[-1]}; "
                    "`sluice-server token new` makes a token and its hash"
                ),
            )
        admin = view.flag(*place, "admin", default=False)
        for j, rpc in view.texts(*place, "rpcs").items():
            if rpc == "GetMetrics" and admin is False:
                yield (*place, "rpcs", j), "needs admin: true, for it tells about everybody"


def _hashes(view: _View) -> Iterator[tuple[Location, object]]:
    """Yield the hashes of all tokens: one may stand there as itself and as its hash."""
    for i in view.entries("callers"):
        token = view.at("callers", i, "token")
        if isinstance(token, str):
            digest = hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest()
            yield ("callers", i, "token"), f"sha256:{digest}"
        for j, text in view.texts("callers", i, "token_hashes").items():
            yield ("callers", i, "token_hashes", j), text.lower()


def _identities(view: _View) -> Iterator[tuple[Location, object]]:
    """Yield whatever certificates and JWTs callers are known by."""
    for i in view.entries("callers"):
        for j, text in view.texts("callers", i, "certificates").items():
            yield ("callers", i, "certificates", j), text
        for j in view.entries("callers", i, "jwt"):
            place = ("callers", i, "jwt", j)
            subject, issuer = view.at(*place, "subject"), view.at(*place, "issuer")
            if isinstance(subject, str):
                yield place, f"jwt {_only_issuer(view) if issuer is None else issuer} {subject}"


def _only_issuer(view: _View) -> object:
    return view.at("jwt_issuers", 0, "issuer") if len(view.entries("jwt_issuers")) == 1 else None


def _certificates(view: _View) -> Iterator[Finding]:
    if view.has("tls", "client_ca") or ("tls", "client_ca") in view.spoiled:
        return
    for i in view.entries("callers"):
        place = ("callers", i, "certificates")
        meant = [j for j in view.entries(*place) if (*place, j) not in view.spoiled]
        if meant and ("tls",) not in view.spoiled:
            yield (
                place,
                (
                    "needs tls.client_ca, the authority that signed them: "
                    "without it clients show no certificate"
                ),
            )


def _issuers(view: _View) -> Iterator[Finding]:
    entries = view.entries("jwt_issuers")
    issuers = {i: view.at("jwt_issuers", i, "issuer") for i in entries}
    yield from _repeated((("jwt_issuers", i, "issuer"), issuers[i]) for i in entries)
    for i in entries:
        yield from _keys_of(view, i)
    if ("jwt_issuers",) in view.spoiled:
        return
    for i in view.entries("callers"):
        for j in view.entries("callers", i, "jwt"):
            place = ("callers", i, "jwt", j)
            issuer = view.at(*place, "issuer")
            if not entries:
                yield place, "needs jwt_issuers: nobody's JWTs are believed yet"
            elif issuer is None and len(entries) > 1 and isinstance(view.at(*place), dict):
                yield place, "must name its issuer, since jwt_issuers has several"
            elif isinstance(issuer, str) and issuer not in issuers.values():
                yield (*place, "issuer"), "is not among jwt_issuers"


def _keys_of(view: _View, i: int) -> Iterator[Finding]:
    place = ("jwt_issuers", i)
    given = [
        key
        for key in ("jwks_file", "jwks_url")
        if view.has(*place, key) or (*place, key) in view.spoiled
    ]
    if len(given) != 1 and isinstance(view.at(*place), dict):
        yield place, "needs exactly one of jwks_file and jwks_url"
    path, url = view.at(*place, "jwks_file"), view.at(*place, "jwks_url")
    if isinstance(path, str) and (*place, "jwks_file") not in view.spoiled:
        yield from _readable((*place, "jwks_file"), path)
    if isinstance(url, str) and _leaves_in_the_clear(view, url, *place, "insecure_http"):
        yield (
            (*place, "jwks_url"),
            "would fetch keys in the clear; use https://, or set insecure_http: true",
        )
    defaults = JwtIssuer.model_fields
    often = view.number(*place, "refresh_seconds", default=defaults["refresh_seconds"].default)
    longest = view.number(*place, "max_age_seconds", default=defaults["max_age_seconds"].default)
    if often is not None and longest is not None and longest < often:
        yield (*place, "max_age_seconds"), "is shorter than refresh_seconds"


def _repeated(values: Iterable[tuple[Location, object]]) -> Iterator[Finding]:
    """Find values that were there before; they are not shown, for they may be secret."""
    seen: set[str] = set()
    for location, value in values:
        if isinstance(value, str):
            if value in seen:
                yield location, "is the same as an earlier one"
            seen.add(value)


def _providers(view: _View, kinds: Mapping[str, ProviderKind]) -> Iterator[Finding]:
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
                yield from _readable(("providers", name, file), path)
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


def _address(view: _View, name: str) -> Iterator[Finding]:
    url = view.at("providers", name, "base_url")
    if isinstance(url, str) and _leaves_in_the_clear(view, url, "providers", name, "insecure_http"):
        yield (
            ("providers", name, "base_url"),
            (
                "would send keys and prompts in the clear; use https://, "
                "or set insecure_http: true for this provider"
            ),
        )


def _repetitions(view: _View, name: str) -> Iterator[Finding]:
    place = ("providers", name, "credentials")
    entries = view.entries(*place)
    yield from _repeated(((*place, i, "name"), view.at(*place, i, "name")) for i in entries)
    place = ("providers", name, "models")
    yield from _repeated(((*place, i), text) for i, text in view.texts(*place).items())
    place = ("providers", name, "headers")
    yield from _repeated(((*place, key), key.lower()) for key in view.mapping(*place))


def _credentials(view: _View, name: str) -> Iterator[Finding]:
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
                yield from _readable((*place, *file), path)


def _limited_models(view: _View, name: str) -> Iterator[Finding]:
    allowed = view.texts("providers", name, "models").values()
    for setting, others in (("model_limits", ()), ("model_info", (ANY_MODEL,))):
        for model in view.mapping("providers", name, setting):
            if allowed and model not in (*allowed, *others):
                yield (
                    ("providers", name, setting, model),
                    f"names a model outside providers.{name}.models{nearest(model, allowed)}",
                )


def _kind(view: _View, name: str, kind: ProviderKind) -> Iterator[Finding]:
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


def _routes(view: _View) -> Iterator[Finding]:
    providers = view.mapping("providers")
    if ("providers",) in view.spoiled or () in view.spoiled:
        return
    for route in view.mapping("routes"):
        targets = {("routes", route, i): text for i, text in view.texts("routes", route).items()}
        yield from _repeated(targets.items())
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


def _breakers(view: _View) -> Iterator[Finding]:
    defaults = Breakers()
    first = view.number("breakers", "cooldown_seconds", default=defaults.cooldown_seconds)
    longest = view.number("breakers", "max_cooldown_seconds", default=defaults.max_cooldown_seconds)
    if first is not None and longest is not None and longest < first:
        yield ("breakers", "max_cooldown_seconds"), "is shorter than breakers.cooldown_seconds"


def _alerts(view: _View) -> Iterator[Finding]:
    url = view.at("alerts", "url")
    if not isinstance(url, str):
        if view.has("alerts", "secret") and ("alerts", "url") not in view.spoiled:
            yield ("alerts", "secret"), "is of no use without alerts.url"
        return
    if not view.has("alerts", "secret") and ("alerts", "secret") not in view.spoiled:
        yield ("alerts", "url"), "needs alerts.secret, with which alerts are signed"
    if _leaves_in_the_clear(view, url, "alerts", "insecure_http"):
        yield (
            ("alerts", "url"),
            "would send alerts in the clear; use https://, or set alerts.insecure_http: true",
        )


def _leaves_in_the_clear(view: _View, url: str, *switch: str | int) -> bool:
    """Tell whether an address would be called without TLS beyond this machine, unallowed."""
    if not url.startswith("http://"):
        return False
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return False
    return view.flag(*switch, default=False) is False and not addresses.is_loopback(host)


def _something_to_serve(view: _View) -> Iterator[Finding]:
    unknown = ("providers",) in view.spoiled or () in view.spoiled
    if view.has_local is False and not view.mapping("providers") and not unknown:
        yield (
            ("providers",),
            "must have at least one provider when local.enabled is false: nothing could be served",
        )
