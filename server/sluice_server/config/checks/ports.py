"""Where the server listens, and who can reach that."""

from collections.abc import Iterator
from itertools import combinations

from sluice_server.config import addresses
from sluice_server.config.checks.view import Finding, View
from sluice_server.config.faults import Location
from sluice_server.config.settings import Management, Settings


def ports(view: View) -> Iterator[Finding]:
    """No two ports are the same."""
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


def exposure(view: View) -> Iterator[Finding]:
    """A port that others can reach is encrypted and asks who calls, unless that is waived."""
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
