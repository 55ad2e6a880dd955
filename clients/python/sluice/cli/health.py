"""`sluice health`: does the gateway serve, and which of its providers do?

It asks gRPC's health service, which is open to everybody; the names of the providers come
out of GetMetrics, which may want a token.
"""

import asyncio
import sys
from dataclasses import dataclass
from typing import Any, Final

import click
import grpc
from grpc_health.v1 import health_pb2
from rich.console import RenderableType
from rich.text import Text

from sluice.aio import Client
from sluice.cli import watching
from sluice.cli.client import Target, connected
from sluice.cli.columns import Column, Columns
from sluice.cli.errors import NOT_SERVING
from sluice.cli.options import target_options
from sluice.cli.running import console, run
from sluice.cli.text import clean
from sluice.errors import SluiceError

_READY: Final = "sluice.v1.GatewayService"
_ALWAYS: Final = ("", _READY, "state", "config")
_SERVING: Final = health_pb2.HealthCheckResponse.SERVING
_MEANINGS: Final = {
    "": "takes calls",
    _READY: "and has a provider that works",
    "state": "reaches the state that replicas share",
    "config": "runs by the last configuration that it read",
}


@dataclass(frozen=True)
class Report:
    """What the gateway says of some services, by their names."""

    statuses: dict[str, int]

    @property
    def exit_code(self) -> int:
        """0 when what was asked about serves; of all services the gateway's own two count."""
        judged = [self.statuses[name] for name in ("", _READY) if name in self.statuses]
        return 0 if set(judged or self.statuses.values()) == {_SERVING} else NOT_SERVING


@click.command()
@click.argument("service", required=False)
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of a table.")
@watching.watch_option
@target_options()
def health(target: Target, service: str | None, as_json: bool, watch: float | None) -> None:
    r"""Tell whether the gateway serves.

    Without SERVICE it shows all: "" (the process takes calls), sluice.v1.GatewayService (and a
    provider works), state (the shared state is reached), config (the last reload worked), and
    provider/NAME for each provider, where this caller may ask for their names.

    Exits with 0 when it serves, 7 when it does not, 4 when no gateway was reached. Without
    SERVICE "" and sluice.v1.GatewayService decide, since the gateway goes on without the others.

    \b
    sluice health
    sluice health provider/openai --watch
    sluice health sluice.v1.GatewayService && echo ready
    """
    sys.exit(run(_health(target, service, as_json=as_json, watch=watch), target))


async def _health(
    target: Target, service: str | None, *, as_json: bool, watch: float | None
) -> int:
    code = 0
    async with connected(target) as client:

        async def report() -> Report:
            nonlocal code
            names = await _names(client, target) if service is None else [service]
            asked = (_status(client, name, target) for name in names)
            statuses = dict(zip(names, await asyncio.gather(*asked), strict=True))
            known = {name: it for name, it in statuses.items() if it is not None}
            if service is not None and not known:
                raise click.ClickException(
                    f"The gateway knows no service {clean(service)!r}; without a name all are "
                    "shown."
                )
            got = Report(known)
            code = got.exit_code
            return got

        async def as_document() -> dict[str, Any]:
            return _document(await report())

        async def as_table() -> RenderableType:
            return _table(await report())

        if as_json:
            await watching.documents(as_document, watch)
        else:
            await watching.tables(console(), as_table, watch)
    return code


async def _names(client: Client, target: Target) -> list[str]:
    """Return the services that there are; without providers where their names are not told."""
    try:
        metrics = await client.get_metrics(timeout=target.timeout)
    except SluiceError as error:
        if error.status not in _NOT_FOR_US:
            raise
        return list(_ALWAYS)
    return [*_ALWAYS, *(f"provider/{it.provider}" for it in metrics.providers)]


_NOT_FOR_US = (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED)


async def _status(client: Client, service: str, target: Target) -> int | None:
    """Return what is said of a service; None where it is not known, as by an older gateway."""
    try:
        return await client.health(service, timeout=target.timeout)
    except SluiceError as error:
        if error.status is not grpc.StatusCode.NOT_FOUND:
            raise
        return None


def _word(status: int) -> str:
    return health_pb2.HealthCheckResponse.ServingStatus.Name(status)


def _document(report: Report) -> dict[str, Any]:
    return {
        "services": [
            {"service": name, "status": _word(status)} for name, status in report.statuses.items()
        ]
    }


def _table(report: Report) -> Columns:
    columns = (Column("service", least=8), Column("status"), Column("", 1))
    rows = [
        (
            clean(name) or '""',
            Text(_word(status), style="green" if status == _SERVING else "red"),
            Text(_MEANINGS.get(name, ""), "dim"),
        )
        for name, status in report.statuses.items()
    ]
    return Columns(columns, rows)
