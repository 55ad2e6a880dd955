"""Circuits and alerts."""

from collections.abc import Iterator

from sluice_server.config.checks.outgoing import leaves_in_the_clear
from sluice_server.config.checks.view import Finding, View
from sluice_server.config.health import Breakers


def breakers(view: View) -> Iterator[Finding]:
    """Waits of circuits grow, if anything."""
    defaults = Breakers()
    first = view.number("breakers", "cooldown_seconds", default=defaults.cooldown_seconds)
    longest = view.number("breakers", "max_cooldown_seconds", default=defaults.max_cooldown_seconds)
    if first is not None and longest is not None and longest < first:
        yield ("breakers", "max_cooldown_seconds"), "is shorter than breakers.cooldown_seconds"


def alerts(view: View) -> Iterator[Finding]:
    """Alerts are signed, and not sent in the clear."""
    url = view.at("alerts", "url")
    if not isinstance(url, str):
        if view.has("alerts", "secret") and ("alerts", "url") not in view.spoiled:
            yield ("alerts", "secret"), "is of no use without alerts.url"
        return
    if not view.has("alerts", "secret") and ("alerts", "secret") not in view.spoiled:
        yield ("alerts", "url"), "needs alerts.secret, with which alerts are signed"
    if leaves_in_the_clear(view, url, "alerts", "insecure_http"):
        yield (
            ("alerts", "url"),
            "would send alerts in the clear; use https://, or set alerts.insecure_http: true",
        )
