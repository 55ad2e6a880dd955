"""Rules between settings: what one value alone cannot tell.

They judge the document rather than finished `Settings`, so that a mistyped number elsewhere does
not hide that a route leads nowhere. What cannot be judged because of another fault is left alone.
Only reading files is done here of all that touches the world; nothing is connected to.
"""

from collections.abc import Mapping

from sluice_server.config.checks import callers, files, health, ports, providers, routes
from sluice_server.config.checks.view import View
from sluice_server.config.document import Document
from sluice_server.config.kinds import ProviderKind


def check(document: Document, kinds: Mapping[str, ProviderKind]) -> None:
    """Add to the document's faults whatever its values have against each other."""
    view = View(document)
    for findings in (
        ports.ports(view),
        ports.exposure(view),
        files.files(view),
        callers.callers(view),
        callers.certificates(view),
        callers.issuers(view),
        providers.providers(view, kinds),
        routes.routes(view),
        health.breakers(view),
        health.alerts(view),
        routes.something_to_serve(view),
    ):
        for location, message in findings:
            document.add(location, message)
